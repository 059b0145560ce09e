r"""Choice letter: which of the options A to J an answer picks, in whatever words it says so.

Read in this order, first hit wins: a JSON field (`answer`, `choice`, `option`, …, or the setting `field`); the last
`\boxed{…}`; an answer that is nothing but a letter; the last thing said to be the answer (`Answer: C`, `the answer is (B)`,
`答案是C`); `option D`, `I choose B`, `C is correct`; a line that opens with a letter as an option does (`B. …`, `(B) …`); the
only letter in brackets or bold. `A` and `I` as words of a sentence are not choices. Naming two (`A or B`) is no choice.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import ClassVar, Self

from fairlead.core.grade.reading import boxed, fields_named, stated, tail, unfenced
from fairlead.core.grade.rule import RIGHT, Case, Rule, alternatives, shown, wrong
from fairlead.core.grade.settings import Settings
from fairlead.core.nouns import JSON, Grade

LETTERS = "ABCDEFGHIJ"
FIELDS = frozenset({"answer", "final_answer", "choice", "option", "letter", "selected", "selection", "result", "label"})

_WRAP = r"[\s*_\"'`$([{<【（]*"
_ALONE = re.compile(rf"{_WRAP}(?:(?:option|choice)\s)?(?P<letter>[A-Ja-j])[\s*_\"'`$)\]}}>】）.,:;!。]*", re.IGNORECASE)
_SAID = re.compile(
    rf"{_WRAP}(?:(?:option|choice|letter|answer)\s{{0,2}}|\\text\{{|\\textbf\{{|\\mathrm\{{)?{_WRAP}"
    r"(?:(?P<letter>[A-J])(?=$|[^\w'’]|[^\x00-\u024f])|(?P<small>[a-j])(?=$|[).\]}*:]))",
)
# `A` and `I` before a small word are words themselves, unless the sentence goes on to give the reason.
_WORD = re.compile(r" (?!(?:because|since|as|which|is|with|due|for|and|or|based|from|given)\b)[a-z]")
_SINGLE = re.compile(r"(?<![\w'’.])[A-J](?![\w'’])")
_LEADS = re.compile(r"[\s*_#>(]{0,8}(?P<letter>[A-J])(?:[).:,][\s*_]|\*\*|,? (?:because|since|as|is)\b)")
_PICKS = re.compile(
    r"\b(?:option|choice|letter|alternative|choose|select|pick|go with|opt for|respuesta|opción|opção|réponse|antwort|option est)"
    r"(?: is| option| choice| answer|:)?[\s*_\"'`(\[]{1,4}(?P<letter>[A-J])(?=$|[^\w'’])"
    r"|(?<![\w'’])[(*_\"'`\[]{0,3}(?P<before>[A-J])[)*_\"'`\]]{0,3}(?:\.? [^.\n]{0,80})?"
    r" (?:is|are|seems|would be|must be) (?:the |most likely |clearly |therefore )*(?:correct|right|best|true|answer)\b"
    r"|\b(?:option|choice|letter)\s?(?:[:=]|is|would be|should be)\s?\(?(?P<small>[a-j])(?=$|[).\s])"
    r"|选项?\s?[:：]?\s?(?P<chinese>[A-J])",
)
_OPENS = re.compile(r"(?m)^[ \t>*_#-]{0,6}(?:\(?(?P<letter>[A-J])\)|(?P<dotted>[A-J])[.:])(?=[\s*_]|$)")
_LINE = re.compile(r"(?m)^[ \t*_`(\[]{0,6}(?P<letter>[A-J])[ \t*_`)\].]{0,6}$")
_MARKED = re.compile(r"\((?P<letter>[A-J])\)|\*\*\(?(?P<bold>[A-J])[).:]{0,2}\*\*|\[(?P<square>[A-J])\]")
_ANOTHER = re.compile(
    r"[)*_\"'`\]}]{0,4}\s{0,2}(?:or|and|and/or|/|,|&|\+|oder|ou|o|和|或)\s{0,2}[(*_\"'`\[{]{0,4}(?P<letter>[A-J])(?![\w'’])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRule(Rule):
    """Compares the option picked."""

    name: ClassVar[str] = "choice"
    says: ClassVar[str] = "The answer picks the expected option, A to J, in whatever words."
    settings_help: ClassVar[dict[str, str]] = {
        "letters": f'the letters there are to pick from (default "{LETTERS}")',
        "field": "name of the JSON field that holds the letter (default: answer, choice, option, …)",
    }

    letters: str = LETTERS
    field: str = ""

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """The grader with these settings."""
        letters = settings.text("letters", default=LETTERS).upper()
        if not letters or set(letters) - set(LETTERS):
            raise settings.unusable("letters", letters, f"some of {LETTERS}")
        return cls(letters="".join(sorted(set(letters))), field=settings.text("field"))

    def problem(self, expected: JSON) -> str | None:
        """What is wrong with this expected answer, if anything."""
        for value in alternatives(expected) or [None]:
            letter = picked(value) if isinstance(value, str) else None
            if letter is None or letter not in self.letters:
                return f"the expected answer {shown(value)} is not one of the letters {self.letters[0]} to {self.letters[-1]}."
        return None

    def compare(self, case: Case) -> Grade:
        """1 when the letter picked is an expected one."""
        found = picked(case.answer.text, field=self.field)
        wanted = [
            letter for value in alternatives(case.expected) if isinstance(value, str) and (letter := picked(value))
        ]
        if found is None:
            return wrong(f"{shown(case.answer.text[-80:])} picks no one letter")
        return RIGHT if found in wanted else wrong(f"{found}, not {wanted[0]}")


def picked(text: str, *, field: str = "") -> str | None:
    """The one letter an answer picks, or `None` when it picks none or several."""
    text = unicodedata.normalize("NFKC", tail(text)).strip()
    names = frozenset({field.casefold().replace(" ", "_")}) if field else FIELDS
    value = fields_named(text, names)
    if value is not None or field:
        return None if value is None else _said(value)
    box = boxed(text)
    if box is not None and (letter := _said(box)) is not None:
        return letter
    alone = _ALONE.fullmatch(unfenced(text))
    return alone["letter"].upper() if alone else _in_prose(text)


def _said(text: str) -> str | None:
    """The letter with which a stated answer opens, unless a second follows."""
    said = _SAID.match(text)
    if said is None:
        return None
    letter = _letter(said)
    return None if _is_word(text, said) or _another(text, said.end(), letter) else letter


def _is_word(text: str, match: re.Match[str]) -> bool:
    """Whether an A or I is the article or the pronoun."""
    return match[0][-1] in "AI" and _WORD.match(text, match.end()) is not None


def _in_prose(text: str) -> str | None:
    line = stated(text)
    if line is not None:
        letters = {match[0] for match in _SINGLE.finditer(line) if not _is_word(line, match)}
        letter = _said(line)
        if letter is not None or letters:
            return letter or (letters.pop() if len(letters) == 1 else None)
    for pattern in (_PICKS, _LINE):
        matches = list(pattern.finditer(text))
        if matches:
            letter = _letter(matches[-1])
            return None if _another(text, matches[-1].end(), letter) else letter
    opening = _LEADS.match(text)
    if opening and not _another(text, opening.end(), _letter(opening)):
        others = {_letter(match) for match in _OPENS.finditer(text)}
        return _letter(opening) if others <= {_letter(opening)} else None
    marked = {_letter(match) for match in _MARKED.finditer(text)} | {_letter(match) for match in _OPENS.finditer(text)}
    return marked.pop() if len(marked) == 1 else None


def _another(text: str, at: int, letter: str) -> bool:
    """Whether a different letter is joined to the one just read."""
    more = _ANOTHER.match(text, at)
    return more is not None and more["letter"] != letter


def _letter(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None).upper()
