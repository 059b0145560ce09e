r"""Numbers in answers: where the final one stands, in whatever format it is written, compared with a tolerance.

Where the number is looked for, first hit wins: the last JSON field named `answer`, `final_answer`, … (or the one the
setting `field` names), the last `\boxed{…}`, the line after the last `####` or `answer:`, else the last number in the
last 20,000 characters. A stated line that opens with a number means that number, unless it goes on as a calculation.

Formats: `1,234.50`, `1 234`, `1'234`, `12,34,567`, `.5`, `3/4`, `1 1/2`, `½`, `\frac{3}{4}`, `6.02e23`, `1.5 × 10^6`,
`$20.00`, `-$5`, `€ 3`, `20%`, `5 kg`, `**20**`, `1.2 million`, `5:00`, digits of any script and the true minus sign.
`1.234` is one and a bit, `1,234` a thousand and more; a comma is decimal only where nothing else fits (`3,5`, `0,125`,
`1.234,56`). A percentage may be read as itself or as its share (`25%` is 25 or 0.25), a scaled number with or without
its word (`5 million` is 5 or 5,000,000), because the question decides which was asked.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from fairlead.core.grade.reading import boxed, fields_named, stated, tail
from fairlead.core.grade.rule import RIGHT, Case, Rule, alternatives, shown, wrong
from fairlead.core.grade.settings import Settings
from fairlead.core.nouns import JSON, Grade

FIELDS = frozenset({"answer", "final_answer", "finalanswer", "the_answer", "result", "final_result", "number", "value"})
# Most answers end with their number, so the end is searched before the rest. The margin keeps a token whole.
NEAR, MARGIN = 160, 60

_SCALES = {
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
    "bn": 1e9,
    "mn": 1e6,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "B": 1e9,
    "lakh": 1e5,
    "crore": 1e7,
}
_CURRENCY = r"(?:US|CA|AU|HK|NZ|[ACRS])?\$|[€£¥₹₩₽₺₫฿₪₦]|USD|EUR|GBP|Rs\.?"
_TOKEN = re.compile(
    rf"""
    (?= [-$€£¥₹₩₽₺₫฿₪₦A-Z.\d] )
    (?P<minus>-)?
    (?: (?<![A-Za-z]) (?:{_CURRENCY}) \s? )?
    (?P<inner>(?<=[$€£¥₹])-)?
    (?: (?<![A-Za-zÀ-ɏͰ-ӿ\d_.]) | (?<=USD) | (?<=EUR) | (?<=GBP) | (?<=Rs) | (?<=Rs\.) | (?<=\.\.) )
    (?:
        (?P<clock> \d{{1,2}}:[0-5]\d (?!\d) )
      | (?P<whole> \d{{1,9}}[ ] )? (?P<over> \d{{1,12}} ) [ ]? / [ ]? (?P<under> \d{{1,12}} ) (?! [\d/] | \.\d )
      | 10 [ ]? (?:\^|\*\*) [ ]? [({{]? (?P<power> [+-]?\d{{1,3}} ) (?!\d) [)}}]?
      | (?P<value>
            [1-9]\d{{0,2}} (?:,\d{{3}})+ (?!\d) (?:\.\d+)?
          | [1-9]\d? (?:,\d{{2}})+ ,\d{{3}} (?!\d) (?:\.\d+)?
          | \d{{1,3}} (?:\.\d{{3}})+ ,\d+ (?![\d,])
          | \d{{1,3}} (?:\.\d{{3}}){{2,}} (?!\d)
          | \d{{1,3}} (?:[ '_]\d{{3}})+ (?![\d,]) (?:\.\d+)?
          | \d{{1,3}} (?:[ ']\d{{3}})+ ,\d+ (?![\d,])
          | (?P<comma> (?<!\d,) (?: 0,\d+ | \d{{1,12}},(?:\d{{1,2}}|\d{{4,}}) ) (?! \d | ,\d ) )
          | \d+ (?:\.\d+)?
          | (?<!\.)\.\d+
        )
        (?: [eE] (?P<e>[+-]?\d{{1,3}}) (?!\w) | [ ]? (?:[x×*·]) [ ]? 10 [ ]? (?:\^|\*\*) [({{]? (?P<ten>[+-]?\d{{1,3}}) [)}}]? )?
    )
    (?: \*{{0,3}} \s? (?: (?P<percent> %|٪|percent\b|per[ ]cent\b ) | (?P<scale> {"|".join(_SCALES)} ) \b ) )?
    """,
    re.VERBOSE,
)
_SIGNS = str.maketrans(
    {**dict.fromkeys("−‐‑–﹣－", "-"), **dict.fromkeys("\u00a0\u202f\u2009\u2007", " "), "’": "'", "٫": ".", "٬": ","}
    | {"％": "%", "＄": "$", "，": ",", "．": ".", "⁄": "/", "∕": "/", "\u200b": "", "\ufeff": ""}
    | {mark: " " + unicodedata.normalize("NFKC", mark).replace("\u2044", "/") for mark in "¼½¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}
)
_MARKS = str.maketrans("", "", " '_")
_RAISED = re.compile(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_BOLD = re.compile(r"(?<![0-9)\]}A-Za-z])\*\*|\*\*(?![0-9(])|`")
_LATEX = (
    (re.compile(r"(?<=\d)\s?(?=\\[dtc]?frac)"), " "),
    (re.compile(r"\\[dtc]?frac\s?\{\s?(-?[\d.]{1,15})\s?\}\s?\{\s?([\d.]{1,15})\s?\}"), r"\1/\2"),
    (re.compile(r"\{,\}|,\\!"), ","),
    (re.compile(r"\\[,;:! ]"), " "),
    (re.compile(r"\\times|\\cdot"), "×"),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s?\{"), " "),
)
_CALCULATES = re.compile(r"[^\n=;,.(]{0,24}=|[A-Za-z ]{0,24}(?:[-+*/×x÷·^]\s?[\d($])")
_OPENING = re.compile(
    r"[ ~≈=(\[{*$\\:]*(?:(?:is|about|around|exactly|only|roughly|approx(?:imately|\.)?|a total of) )*"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written, in every way its format can be read (usually one)."""

    text: str
    readings: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRule(Rule):
    """Compares the final number in an answer."""

    name: ClassVar[str] = "number"
    says: ClassVar[str] = "The final number in the answer, in any usual format, equals the expected one."
    settings_help: ClassVar[dict[str, str]] = {
        "tolerance": "largest absolute difference that still counts as equal (default 0)",
        "relative": "largest difference as a share of the expected number (default 1e-9, rounding noise only)",
        "field": "name of the JSON field that holds the number (default: answer, final_answer, result, …)",
    }

    tolerance: float = 0.0
    relative: float = 1e-9
    field: str = ""

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """The grader with these settings."""
        return cls(
            tolerance=settings.amount("tolerance", default=0.0),
            relative=settings.amount("relative", default=1e-9),
            field=settings.text("field"),
        )

    def problem(self, expected: JSON) -> str | None:
        """What is wrong with this expected answer, if anything."""
        for value in alternatives(expected) or [None]:
            if expected_number(value) is None:
                return f'the expected answer {shown(value)} is not a number; give one, such as 42 or "$1,234.50".'
        return None

    def compare(self, case: Case) -> Grade:
        """1 when the final number equals an expected one."""
        found = final_number(case.answer.text, field=self.field)
        if found is None:
            return wrong("no number in the answer")
        wanted = [number for value in alternatives(case.expected) if (number := expected_number(value)) is not None]
        if any(self._equal(found, number) for number in wanted):
            return RIGHT
        return wrong(f"{shown(found.text)}, not {shown(wanted[0].text)}")

    def _equal(self, found: Number, wanted: Number) -> bool:
        return any(
            math.isclose(a, b, rel_tol=0.0, abs_tol=max(self.tolerance, self.relative * abs(b)))
            for b in wanted.readings
            for a in found.readings
        )


def expected_number(value: JSON) -> Number | None:
    """The number an expected answer means, or `None` when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _number(repr(value), (float(value),)) if abs(value) < 1e300 else None
    return final_number(value) if isinstance(value, str) else None


def final_number(text: str, *, field: str = "") -> Number | None:
    """The number an answer ends up with; see the module's rules."""
    text = tail(text)
    names = frozenset({field.casefold().replace(" ", "_")}) if field else FIELDS
    value = fields_named(text, names)
    if value is not None or field:
        return None if value is None else _said(value)
    for place in (boxed(text), stated(text)):
        if place is not None and (number := _said(place)) is not None:
            return number
    return _last(text)


def states_number(text: str) -> Number | None:
    """The number an answer states as its own, in a JSON field, a box or after `answer:`; `None` where it only occurs."""
    text = tail(text)
    value = fields_named(text, FIELDS)
    for place in (value, None if value else boxed(text), None if value else stated(text)):
        if place is not None and (number := _said(place)) is not None:
            return number
    return None


def _said(line: str) -> Number | None:
    """The number a stated answer means: the one it opens with, unless that begins a calculation or a sentence."""
    line = _plain(line)
    opening = _OPENING.match(line)
    first = _TOKEN.match(line, opening.end() if opening else 0)
    if first is not None and not _CALCULATES.match(first.string, first.end()):
        number = _read(first)
        if number is not None:
            return number
    _, equals, result = line.rpartition("=")
    if equals and (number := next(_numbers(result), None)) is not None:
        return number
    return _latest(line)


def _last(text: str) -> Number | None:
    if len(text) > NEAR:
        number = _latest(_plain(text[-NEAR:]), after=MARGIN)
        if number is not None:
            return number
    return _latest(_plain(text))


def _latest(text: str, *, after: int = 0) -> Number | None:
    for match in reversed(list(_TOKEN.finditer(text))):
        if match.start() >= after and (number := _read(match)) is not None:
            return number
    return None


def _numbers(text: str) -> Iterator[Number]:
    return (number for match in _TOKEN.finditer(text) if (number := _read(match)) is not None)


def _plain(text: str) -> str:
    is_ascii = text.isascii()
    if not is_ascii:
        text = text.translate(_SIGNS)
    if "**" in text or "`" in text:
        text = _BOLD.sub("", text)
    if not is_ascii:
        text = _RAISED.sub(lambda raised: "^" + unicodedata.normalize("NFKC", raised[0]).replace("−", "-"), text)
    if "\\" in text or "{,}" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    return text


def _read(match: re.Match[str]) -> Number | None:
    before = match.string[max(0, match.start() - 3) : match.start()]
    if _is_exponent_or_name(before, match):
        return None
    value = _value(match)
    if value is None:
        return None
    text = match[0].strip(" *")
    if match["inner"] or (match["minus"] and not _subtracts(before)):
        value = -value
    else:
        text = text.removeprefix("-")
    return _number(text, (value, *_other_readings(value, match)))


def _number(text: str, readings: tuple[float, ...]) -> Number | None:
    finite = tuple(value for value in readings if math.isfinite(value))
    return Number(text, finite) if finite else None


def _is_exponent_or_name(before: str, match: re.Match[str]) -> bool:
    if before.endswith(("^", "^{", "^(")) or (before.endswith("**") and len(before) == 3 and before[0].isalnum()):
        return True
    return bool(match["minus"]) and before[-1:].isascii() and before[-1:].isalpha()


def _subtracts(before: str) -> bool:
    """Whether a minus sign after this takes away, or joins a range, rather than says negative."""
    kept = before.rstrip(" ")
    return kept[-1:].isdigit() or kept[-1:] in {")", "]", "%"}


def _value(match: re.Match[str]) -> float | None:
    if match["clock"]:
        hours, minutes = match["clock"].split(":")
        return int(hours) + int(minutes) / 60
    if match["over"]:
        under = int(match["under"])
        return None if under == 0 else int(match["whole"] or 0) + int(match["over"]) / under
    if match["power"]:
        return float(f"1e{match['power']}")
    digits = match["value"]
    if len(digits) > 300:
        return None
    power = int(match["e"] or match["ten"] or 0)
    value = float(_unpunctuated(digits, match))
    return value if power == 0 else float(f"{value!r}e{power}") if "e" not in repr(value) else value * 10.0**power


def _unpunctuated(digits: str, match: re.Match[str]) -> str:
    """The digits as Python reads them: thousands marks gone, the decimal mark a point."""
    if match["comma"]:
        return _listed(digits, match) or digits.replace(",", ".")
    digits = digits.translate(_MARKS)
    if digits.rfind(",") > digits.rfind(".") >= 0 or (digits.count(",") == 1 and " " in match["value"]):
        return digits.replace(".", "").replace(",", ".")
    if digits.count(".") > 1:
        return digits.replace(".", "")
    return digits.replace(",", "")


def _listed(digits: str, match: re.Match[str]) -> str | None:
    """The last of two numbers where the comma only parts them, as in the point (3,5)."""
    around = match.string[match.start() - 1 : match.start()] + match.string[match.end() : match.end() + 1]
    return digits.rpartition(",")[2] if around in {"()", "[]"} else None


def _other_readings(value: float, match: re.Match[str]) -> tuple[float, ...]:
    if match["percent"]:
        return (value / 100,)
    if match["scale"]:
        return (value * _SCALES[match["scale"]],)
    return ()
