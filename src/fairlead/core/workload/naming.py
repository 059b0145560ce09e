"""Short names for workloads, out of the template's own words.

Names are shown in tables and reports: at most sixty characters, letters, digits and plain punctuation only, and no two
alike. The text they are made of is hostile until cleaned.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from fairlead.core.workload.mask import literal_words
from fairlead.core.workload.tree import Leaf

MAX_NAME: Final = 60
_MAX_WORDS: Final = 7
_AD_HOC: Final = "Ad hoc chat"
_OPENING: Final = re.compile(
    r"^(?:[\W_]*(?:system|role|task|instruction|instructions|goal|objective|prompt)\s*:\s*)?"
    r"(?:(?:you are|you're|you act as|act as|act like|you will act as|assume the role of|imagine you are)\s+"
    r"(?:<x>\s*,?\s*)?(?:(?:a|an|the|our|my)\s+)?"
    r"|(?:your|the) (?:task|job|role|goal|purpose) is (?:to )?(?:act as )?"
    r"|(?:please|kindly|now|first|always|you (?:will|must|should|can|help(?: to)?|need to))\s+"
    r"|(?:i want you to|i need you to|help me(?: to)?|can you|could you|given [^,]{1,60},)\s*)+"
)
_ARTICLES: Final = re.compile(r"^(?:a|an|the|this|that|these|following|each|every)\s+")
_QUALITIES: Final = re.compile(
    r"^(?:(?:helpful|friendly|expert|professional|senior|experienced|skilled|careful|concise|polite|world-class|precise"
    r"|highly|very|smart|knowledgeable|certified|ai|llm|virtual|automated|seasoned|meticulous|diligent|reliable)\s*,?\s+"
    r"(?:and\s+)?)+(?=\w+ \w)"
)
_TAIL: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "to",
        "for",
        "in",
        "on",
        "at",
        "by",
        "with",
        "and",
        "or",
        "from",
        "into",
        "that",
        "which",
        "who",
        "is",
        "are",
        "be",
        "as",
        "using",
        "based",
        "your",
        "you",
        "it",
        "its",
        "this",
        "these",
        "those",
        "their",
        "his",
        "her",
        "our",
        "my",
        "if",
        "when",
        "then",
        "than",
        "about",
        "per",
        "via",
        "not",
        "no",
        "only",
        "any",
        "all",
    ]
)
_BREAK: Final = re.compile(r"\s*(?:<x>|[.:;!?()\[\]{}|\"“”«»]| - |, (?:and|who|that|which|you)\b|\bwho\b|\bwhose\b)")
_KEPT: Final = frozenset("-'’&/+,.()#%")


def clean(text: str, limit: int = MAX_NAME) -> str:
    r"""The text without control, format or odd characters, in one line of at most `limit` characters.

    >>> clean("Ticket\\x1b[31m <b>triage</b>\\u202e")
    'Ticket 31m b triage /b'
    """
    plain = unicodedata.normalize("NFKC", text[: 8 * limit])
    kept = "".join(c if c.isalnum() or c in _KEPT or unicodedata.category(c)[0] == "M" else " " for c in plain)
    words = " ".join(kept.split())
    return words if len(words) <= limit else words[: limit - 1].rpartition(" ")[0].rstrip(" ,.-") or words[:limit]


def phrase(line: str) -> str:
    """What a template's line is about, in at most seven words; empty when nothing is left.

    >>> phrase("you are an expert invoice extraction assistant for <x> .")
    'invoice extraction assistant'
    """
    text = re.sub(r"^[^\w<]+", "", line.removeprefix("^ ").removeprefix("$ "))
    text = _QUALITIES.sub("", _ARTICLES.sub("", _OPENING.sub("", text)))
    text = re.sub(r" ([,'’]) ?", r"\1 ", re.sub(r"^(?:<x>[\s,'’s]*)+", "", text))
    words = (_BREAK.split(text, maxsplit=1)[0]).split()[:_MAX_WORDS]
    while words and words[-1].strip(",") in _TAIL:
        words.pop()
    return " ".join(words).strip(" ,-'’")


def names(leaves: Mapping[str, Leaf], *, taken: Mapping[str, str]) -> dict[str, str]:
    """A unique name for every workload by id; those in `taken` keep theirs."""
    named = dict(taken)
    used = {name.casefold() for name in named.values()}
    common = Counter(line for leaf in leaves.values() for line in (*leaf.lines, *leaf.anchors))
    for id_ in sorted(leaves):
        if id_ not in named:
            named[id_] = _free(_proposals(leaves[id_], common), used)
            used.add(named[id_].casefold())
    return named


def _free(proposals: Iterator[str], used: set[str]) -> str:
    first = ""
    for proposal in proposals:
        name = clean(proposal)
        name = name[:1].upper() + name[1:]
        first = first or name
        if name and name.casefold() not in used:
            return name
    number = 2
    while f"{first[: MAX_NAME - 8]} ({number})".casefold() in used:
        number += 1
    return f"{first[: MAX_NAME - 8]} ({number})"


def _proposals(leaf: Leaf, common: Counter[str]) -> Iterator[str]:
    """Names from best to worst: what the prompt is about, then with what sets it apart added."""
    if leaf.ad_hoc:
        yield _AD_HOC
        return
    if leaf.family.startswith("embeddings"):
        yield f"Embeddings with {leaf.family.removeprefix('embeddings').strip()}"
        return
    phrases = list(_phrases(leaf, common))
    yield from phrases[:1]
    for detail in (*_tool_words(leaf), *_field_words(leaf), *phrases[1:4]):
        yield f"{clean(phrases[0], 36)} ({clean(detail, 20)})" if phrases else detail
    yield "Chat with tools" if leaf.tools else "Unnamed work"


def _phrases(leaf: Leaf, common: Counter[str]) -> Iterator[str]:
    """Phrases of the lines, the telling ones first: a line that many workloads share tells little."""
    lines = [*leaf.anchors, *leaf.lines] if not leaf.lines else [*leaf.lines, *leaf.anchors]

    def rank(entry: tuple[int, str]) -> tuple[int, int]:
        at, line = entry
        speaks = bool(_OPENING.match(line)) and literal_words(phrase(line)) >= 2
        return min(common[line], 6) - (3 if speaks else 0) + (2 if literal_words(line) < 3 else 0), at

    for _, line in sorted(enumerate(lines), key=rank):
        if literal_words(found := phrase(line)) >= 1 and len(found) > 3:
            yield found


def _tool_words(leaf: Leaf) -> list[str]:
    return [name.replace("_", " ") for name in leaf.tools[:3]]


def _field_words(leaf: Leaf) -> list[str]:
    return [", ".join(name.replace("_", " ") for name in leaf.format[:2])] if leaf.format else []


def generic(name: str, others: Sequence[str]) -> bool:
    """Whether a name is also the beginning of another one."""
    return any(other != name and other.startswith(name) for other in others)
