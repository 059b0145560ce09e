"""Label: the answer names one of a set of labels, and it is the expected one.

Read in this order: a JSON field (`label`, `category`, `class`, `answer`, …, or the setting `field`); the whole answer;
a stated `label: …` or `answer: …`; a line that is nothing but a label; at last the labels named anywhere, where a denied
one (`not spam`) does not count and a label inside a longer one (`spam` in `not spam`) is the longer one. An answer that
names two labels is wrong.

The set comes from the setting `labels`. Without it only the expected label is known, so prose cannot be searched for a
second one: then the label must stand alone, be stated, or be in JSON.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

from fairlead.core.grade.exact import written
from fairlead.core.grade.reading import fields_named, json_value, stated, tail, unfenced
from fairlead.core.grade.rule import RIGHT, Case, Rule, alternatives, shown, wrong
from fairlead.core.grade.settings import Settings
from fairlead.core.nouns import JSON, Grade

FIELDS = frozenset(
    {"label", "labels", "category", "class", "classification", "answer", "final_answer", "intent", "topic", "type"}
    | {"result", "prediction", "sentiment", "output", "decision", "route", "tag", "verdict"}
)
_STATES = re.compile(
    r"\b(?:label|category|class|classification|intent|topic|sentiment|decision|verdict|type|result|output|route)\b"
    r"[*_\"'`]{0,3}\s{0,3}(?:would be|should be|is|:|=)\s{0,3}(?P<said>[^\n]{1,200})",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not|never|neither|isn t|no|non|nicht|kein|keine|pas|não|nie)(?: (?:a|an|the|really|at all|be))?$"
)
_ASIDE = re.compile(r"\s*\(|\s[-–—]\s|[.;]\s")
_ALTERNATIVE = re.compile(r"\b(?:or|oder|ou)\b|/|或", re.IGNORECASE)
# "there is no problem" does not answer no.
_DETERMINES = re.compile(r"no (?!(?:because|since|as|it|this|that|the|there|i|they|we|he|she|its|but)\b)\w")
# Longer prose than this is not an answer to "which label"; what decides stands at its end.
READ = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule(Rule):
    """Compares the label an answer names."""

    name: ClassVar[str] = "label"
    says: ClassVar[str] = "The answer names the expected label and no other of the set."
    settings_help: ClassVar[dict[str, str]] = {
        "labels": "the whole set, a list of texts (default: only the expected label is known)",
        "field": "name of the JSON field that holds the label (default: label, category, class, answer, …)",
    }

    labels: tuple[str, ...] = ()
    field: str = ""

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """The grader with these settings; the order of the labels does not matter."""
        return cls(labels=tuple(sorted(set(settings.words("labels")))), field=settings.text("field"))

    def problem(self, expected: JSON) -> str | None:
        """What is wrong with this expected answer, if anything."""
        known = set(map(plain_label, self.labels))
        for value in alternatives(expected) or [None]:
            text = written(value)
            if text is None or not plain_label(text):
                return f"the expected answer {shown(value)} is not a label; give a text."
            if known and plain_label(text) not in known:
                return (
                    f"the expected label {shown(text)} is not one of the labels set: {shown(', '.join(self.labels))}."
                )
        return None

    def compare(self, case: Case) -> Grade:
        """1 when the one label named is an expected one."""
        wanted = [plain_label(text) for value in alternatives(case.expected) if (text := written(value)) is not None]
        named = labels_named(
            case.answer.text, tuple(self.labels) or tuple(wanted), closed=bool(self.labels), field=self.field
        )
        if len(named) == 1 and named[0] in wanted:
            return RIGHT
        if not named:
            return wrong(f"{shown(case.answer.text[:200])} names no label of the set")
        if len(named) > 1:
            return wrong(f"names {len(named)} labels: {shown(', '.join(named[:4]))}")
        return wrong(f"{shown(named[0])}, not {shown(wanted[0])}")


def label_set(expected: Iterable[JSON]) -> list[str]:
    """The labels that occur among expected answers: what the setting `labels` should be when nobody gave it."""
    seen: dict[str, str] = {}
    for value in expected:
        for text in (written(item) for item in alternatives(value)):
            if text is not None and plain_label(text):
                seen.setdefault(plain_label(text), text)
    return sorted(seen.values())


def plain_label(text: str) -> str:
    """A label without case, punctuation and the difference between space, hyphen and underscore; symbols alone stay."""
    folded = unicodedata.normalize("NFKC", text[:READ]).casefold()
    kept = " ".join("".join(char if char.isalnum() or _is_mark(char) else " " for char in folded).split())
    return kept or " ".join(folded.split())


def labels_named(text: str, labels: tuple[str, ...], *, closed: bool, field: str = "") -> list[str]:
    """The labels an answer names, as plain labels, each once; `closed` says that `labels` is the whole set."""
    known = _known(labels)
    text = tail(text)
    names = frozenset({field.casefold().replace(" ", "_")}) if field else FIELDS
    in_json = _in_json(text, names)
    if in_json is not None or field:
        return [label for label in map(plain_label, in_json or []) if label in known.labels]
    for place in _places(text, closed=closed):
        if place in known.labels:
            return [place]
    alone = {line for line in map(plain_label, text.splitlines()[-40:]) if line in known.labels}
    if alone:
        return sorted(alone)
    return _anywhere(plain_label(text[-READ:]), known) if closed else []


@dataclass(frozen=True, slots=True)
class _Known:
    labels: frozenset[str]
    pattern: re.Pattern[str]


@lru_cache(maxsize=256)
def _known(labels: tuple[str, ...]) -> _Known:
    plain = frozenset(map(plain_label, labels))
    longest_first = sorted(plain, key=lambda label: (-len(label), label))
    # Letters without spaces between words (Chinese, Thai) have no word borders to look for.
    pattern = "|".join(
        rf"(?<!\w){re.escape(label)}(?!\w)" if label[:1].isascii() else re.escape(label) for label in longest_first
    )
    return _Known(plain, re.compile(pattern))


def _in_json(text: str, names: frozenset[str]) -> list[str] | None:
    """What the JSON in an answer says the label is, or `None` when there is no JSON that says."""
    if '"' not in text:
        return None
    value = json_value(text)
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str)]
    if isinstance(value, dict):
        for key, item in value.items():
            if key.casefold().replace(" ", "_") in names or len(value) == 1:
                items = item if isinstance(item, list) else [item]
                return [said for entry in items if (said := written(entry)) is not None]
        return None
    named = fields_named(text, names)
    return None if named is None else [named]


def _places(text: str, *, closed: bool) -> Iterable[str]:
    yield plain_label(unfenced(text))
    said = [match["said"] for match in _STATES.finditer(text[-READ:])]
    for line in (stated(text), said[-1] if said else None):
        if line is not None:
            yield plain_label(line)
            if not closed and not _ALTERNATIVE.search(line):
                yield plain_label(_ASIDE.split(line, maxsplit=1)[0])


def _anywhere(text: str, known: _Known) -> list[str]:
    found: dict[str, None] = {}
    for match in known.pattern.finditer(text):
        determines = match.start() > 0 and _DETERMINES.match(text, match.start()) is not None and match[0] == "no"
        if not determines and not _DENIED.search(text[max(0, match.start() - 24) : match.start()].rstrip()):
            found.setdefault(match[0])
    return list(found)


def _is_mark(char: str) -> bool:
    """Vowel signs of Thai, Hindi and others, which belong to the letter before them, and signs such as + and #."""
    return unicodedata.category(char)[0] == "M" or char in "+#"
