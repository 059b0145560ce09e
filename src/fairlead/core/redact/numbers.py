"""Numbers that name a person: phones, cards, bank accounts, national and tax ids, told from orders, dates and prices.

A run of digits says little: one in ten passes a check digit by chance. So each format of the table says what else it
needs: a layout nobody uses for anything else, a check strong enough, or a word in front of it (`needs`). Words such as
`order` or `invoice` in front (`not`) outweigh everything but a word that names the format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from fairlead.core.redact.kinds import Checks, Hit, Kind
from fairlead.core.redact.words import words_of

REACH = 48
"""How far before a number a word counts, in characters."""

_PLACEHOLDER = re.compile(r"(?:<?[a-z]{3,9} )?[a-z]{2,8} \w{1,12}>|<[a-z ]{3,14}$")
_ATTEMPTS = 16
_LONGEST = 26
_FEWEST, _MOST = 6, 19
_PHONE_LOOKS = 200

_RUN = re.compile(rb"0(?:[ ]{0,2}0){5,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way to write one kind of number: `layout` is group lengths with what stands between, such as `3-2-4`.

    `schemes` are checked by the library, any of them suffices; without one the layout and the word decide. `needs` are
    words of which one must stand in front; none needed when empty. `starts` is what the digits may begin with.
    """

    kind: Kind
    layouts: tuple[str, ...]
    schemes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()


_IDS_BY_LENGTH = {
    "8": ("dk.cpr",),
    "9": ("us.ssn", "nl.bsn", "pt.nif", "cz.rc", "sk.rc"),
    "10": ("dk.cpr", "se.personnummer", "bg.egn", "at.vnr", "cz.rc", "sk.rc", "is_.kennitala"),
    "11": ("pl.pesel", "be.nn", "ee.ik", "lt.asmens", "lv.pvn", "hr.oib", "gr.amka", "no.fodselsnummer", "de.idnr"),
    "12": ("in_.aadhaar",),
    "13": ("ro.cnp", "si.emso", "ch.ssn"),
    "15": ("fr.nir",),
    "16": ("in_.vid",),
}
_CARDS = ("4", "51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27", "34", "37", "6011", "65", "35", "62")
FORMATS: tuple[Format, ...] = (
    Format(kind=Kind.CARD, layouts=("4 4 4 4", "4-4-4-4", "4.4.4.4", "16"), schemes=("luhn",), starts=_CARDS),
    Format(kind=Kind.CARD, layouts=("4 6 5", "4-6-5", "15"), schemes=("luhn",), starts=("34", "37")),
    Format(kind=Kind.CARD, layouts=("13", "18", "19", "4 4 4 4 3"), schemes=("luhn",), starts=_CARDS, needs=("card",)),
    Format(kind=Kind.NATIONAL_ID, layouts=("3-2-4",), schemes=("us.ssn", "us.itin")),
    Format(kind=Kind.NATIONAL_ID, layouts=("3 2 4",), schemes=("us.ssn", "us.itin"), needs=("id", "tax")),
    Format(kind=Kind.NATIONAL_ID, layouts=("4 4 4", "4-4-4"), schemes=("in_.aadhaar",)),
    Format(kind=Kind.NATIONAL_ID, layouts=("6-4", "8-4"), schemes=("se.personnummer",)),
    Format(kind=Kind.NATIONAL_ID, layouts=("3.4.4.2", "13"), schemes=("ch.ssn",), starts=("756",)),
    Format(kind=Kind.NATIONAL_ID, layouts=("1 2 2 2 3 3 2", "15"), schemes=("fr.nir",), starts=("1", "2")),
    Format(kind=Kind.NATIONAL_ID, layouts=("6-5", "2.2.2-3.2"), schemes=("lv.pvn", "no.fodselsnummer", "be.nn"), needs=("id",)),
    Format(kind=Kind.NATIONAL_ID, layouts=("6-4", "6/4", "6 4"), schemes=("dk.cpr", "cz.rc", "sk.rc", "at.vnr"), needs=("id",)),
    Format(kind=Kind.NATIONAL_ID, layouts=("3 3 4", "10", "3-3-4"), schemes=("gb.nhs",), needs=("nhs",)),
    Format(kind=Kind.NATIONAL_ID, layouts=("12", "3 3 3 3", "9", "3 3 3"), schemes=("vn.cccd",), needs=("id",)),
    Format(kind=Kind.TAX_ID, layouts=("10",), schemes=("gb.utr", "vn.mst"), needs=("tax",)),
    Format(kind=Kind.TAX_ID, layouts=("5 5",), schemes=("gb.utr",), needs=("tax",)),
    Format(kind=Kind.TAX_ID, layouts=("13", "10-3"), schemes=("vn.mst",), needs=("tax",)),
    Format(kind=Kind.TAX_ID, layouts=("11", "2 3 3 3"), schemes=("de.idnr", "it.iva"), needs=("tax",)),
    Format(kind=Kind.TAX_ID, layouts=("2-7",), schemes=("us.ein",), needs=("tax",)),
    Format(kind=Kind.TAX_ID, layouts=("9",), schemes=("pt.nif", "us.ssn", "us.itin"), needs=("tax",)),
    Format(kind=Kind.BANK_ACCOUNT, layouts=("9",), schemes=("us.rtn",), needs=("routing",)),
    Format(kind=Kind.BANK_ACCOUNT, layouts=("2-2-2", "2 2 2", "6"), needs=("sort",)),
    Format(kind=Kind.BANK_ACCOUNT, layouts=tuple(str(n) for n in range(8, 19)), needs=("account",)),
    Format(kind=Kind.BANK_ACCOUNT, layouts=("4 4", "4-4"), needs=("sort", "account")),
    Format(kind=Kind.PASSPORT, layouts=("7", "8", "9"), needs=("passport",)),
    *(Format(kind=Kind.NATIONAL_ID, layouts=(n,), schemes=s, needs=("id",)) for n, s in _IDS_BY_LENGTH.items()),
)  # fmt: skip
_BY_LAYOUT: dict[str, tuple[Format, ...]] = {
    layout: tuple(f for f in FORMATS if layout in f.layouts) for each in FORMATS for layout in each.layouts
}

_DATE = re.compile(
    r"(?:19|20)\d\d[-/. ]?(?:0[1-9]|1[0-2])[-/. ]?(?:0[1-9]|[12]\d|3[01])|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d"
)
_ISO_DATE = re.compile(r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?: \d\d?)?")
_GROUPS = re.compile(r"\d+")
_IP_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}$")
_NATIONAL = re.compile(r"\(?0\d{1,5}\)?[ .\-/]|(?:1[ .-])?(?:\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}([ .-])\d{3}\1\d{4})$")

LETTERED: tuple[tuple[Kind, bytes, str, tuple[str, ...], tuple[str, ...]], ...] = (
    (Kind.BANK_ACCOUNT, b"AA00", r"[A-Z]{2}\d{2}[ \xa0-]?(?:[A-Z0-9]{4}[ \xa0-]?){2,7}[A-Z0-9]{1,4}", ("iban",), ()),
    (Kind.NATIONAL_ID, b"AA000000A", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", ("gb.nino",), ()),
    (Kind.NATIONAL_ID, b"AAAAAA00A00A000A", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", ("it.codicefiscale",), ()),
    (Kind.TAX_ID, b"00AAAAA0000A", r"\d{2}[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]", ("in_.gstin",), ()),
    (Kind.TAX_ID, b"AAAAA0000A", r"[A-Z]{3}P[A-Z]\d{4}[A-Z]", ("in_.pan",), ()),
    (Kind.TAX_ID, b"AAAAA0000A", r"[A-Z]{5}\d{4}[A-Z]", ("in_.pan",), ("tax", "card")),
    (Kind.NATIONAL_ID, b"A0000000A", r"[XYZ]-?\d{7}-?[A-Z]", ("es.nie",), ()),
    (Kind.NATIONAL_ID, b"00000000A", r"\d{8}[ -]?[A-Z]", ("es.dni",), ("id", "tax")),
    (Kind.NATIONAL_ID, b"000000", r"\d{6}[-+A]\d{3}[0-9A-Y]", ("fi.hetu",), ()),
    (Kind.NATIONAL_ID, b"0000000A", r"\d{7}[A-W][A-IW]?", ("ie.pps",), ("id", "tax")),
    (Kind.NATIONAL_ID, b"AAA0000000", r"[A-Z]{3}\d{7}", ("in_.epic",), ("id",)),
    (Kind.BANK_ACCOUNT, b"AAAA0", r"[A-Z]{4}0[A-Z0-9]{6}", (), ("account",)),
    (Kind.PASSPORT, b"0000", r"(?=[A-Z0-9]*\d{4})[A-Z0-9]{7,9}", (), ("passport",)),
)  # fmt: skip
"""Kind, what its shape must hold (`A` a capital, `0` a digit), how it is written, schemes, words needed in front."""

_IBAN_BEGINS = re.compile(
    r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))(?P<it>[A-Za-z]{2}[ .-]?(?:\d\d[ .-]{0,2}[A-Za-z]{4}[ .-]{0,2})?)$"
)
_IBAN = re.compile(r"[A-Za-z]{2}(?:[ \xa0.-]{0,2}[A-Za-z0-9]){13,32}")
_LAST_GROUP = re.compile(r"[ \xa0.-]*[A-Za-z0-9]+$")
_IBAN_REACH, _SHORTEST_IBAN = 16, 15
_BEFORE_DIGITS = " .-\xa0"
_TWO_DIGITS = re.compile(rb"00[0A]*")
_SIDE = 40
_SHORTEST_LETTERED = 7
_ALNUM = tuple(
    (kind, shape, re.compile(rf"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt])){pattern}(?![A-Za-z0-9_])"), schemes, needs)
    for kind, shape, pattern, schemes, needs in LETTERED
)


class Surroundings:
    """The words before a place in a text, and the name of the field that holds the text."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = words_of(name) if name else frozenset[str]()

    def words(self, at: int) -> frozenset[str]:
        """The tags of the words that stand before `at`."""
        return self._name | words_of(_PLACEHOLDER.sub("", self._text[max(0, at - REACH) : at]).replace("_", " "))


def numbers(text: str, mapped: bytes, around: Surroundings, checks: Checks) -> Iterator[Hit]:
    """Numbers made of digits; `mapped` is the text with every digit a `0` and what may stand between digits a space."""
    looks = _PHONE_LOOKS
    for found in _RUN.finditer(mapped):
        start, end = found.span()
        if start and text[start - 1] in "(+":
            start -= 1
            if start and text[start - 1] in "(+" and text[start] != text[start - 1]:
                start -= 1
        iban = _iban(text, start, checks)
        if iban is not None:
            yield iban
            continue
        if not _stands_alone(text, start, end):
            continue
        looks -= 1
        yield from _Run(text, start, end, around, checks, may_look=looks > 0).hits()


def _iban(text: str, start: int, checks: Checks) -> Hit | None:
    """The IBAN whose digits begin here, however it is spaced and in small letters too: `de89 3704…`, `DE89.3704…`, `gb82 west 1234…`."""
    letters = text[max(0, start - 8) : start].rstrip(_BEFORE_DIGITS)
    if not letters[-1:].isalpha() or (letters[-3:-2].isalnum() and not any(map(str.isdigit, letters[-6:-4]))):
        return None  # neither a word of two letters nor one of four behind check digits
    before = _IBAN_BEGINS.search(text, max(0, start - _IBAN_REACH), start)
    found = _IBAN.match(text, before.start("it")) if before else None
    if found is None:
        return None
    raw = found[0]
    for _ in range(_ATTEMPTS):
        if checks.is_valid("iban", "".join(letter for letter in raw if letter.isalnum()).upper()):
            return Hit(found.start(), found.start() + len(raw), Kind.BANK_ACCOUNT)
        raw = _LAST_GROUP.sub("", raw)
        if len(raw) < _SHORTEST_IBAN:
            break
    return None


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 2]
    if before and (before.isalnum() or before in "_$€£¥₹/") and not _is_escape(text, start):
        return False
    if before == "-" and text[start - 2 : start - 1].isalnum():
        return False
    if before in {".", ","} and text[start - 2 : start - 1].isdigit():
        return False
    if after[:1].isalnum() or after[:1] in {"_", "%", "€", "£", "$"}:
        return False
    return not (after[:1] in {".", ","} and after[1:].isdigit())


def _is_escape(text: str, at: int) -> bool:
    return text[at - 2 : at] in {"\\n", "\\r", "\\t"}


class _Run:
    """Digits with single separators between them: one number, or several in a row."""

    def __init__(
        self, text: str, start: int, end: int, around: Surroundings, checks: Checks, *, may_look: bool
    ) -> None:
        self._text, self._start, self._end = text, start, end
        self._around, self._checks, self._may_look = around, checks, may_look

    @cached_property
    def _words(self) -> frozenset[str]:
        """The words in front, looked at only when they decide: most runs are dates and times."""
        return self._around.words(self._start)

    def hits(self) -> Iterator[Hit]:
        if _ISO_DATE.fullmatch(self._text, self._start, self._end):
            return  # nothing is written as these groups are, and no part of them is long enough for a phone
        groups = [m.span() for m in _GROUPS.finditer(self._text, self._start, self._end)]
        digits = list(accumulate((end - start for start, end in groups), initial=0))
        attempts = 0
        first = 0
        while first < len(groups) and attempts < _ATTEMPTS:
            for last in range(len(groups), first, -1):
                if groups[last - 1][1] - groups[first][0] > _LONGEST:
                    continue
                attempts += 1
                start = self._start if first == 0 else groups[first][0]
                is_long = _FEWEST <= digits[last] - digits[first] <= _MOST
                kind = self._kind(start, groups[last - 1][1]) if is_long else None
                if kind is not None:
                    yield Hit(start, groups[last - 1][1], kind)
                    first = last
                    break
                if attempts >= _ATTEMPTS:
                    break
            else:
                first += 1

    def _kind(self, start: int, end: int) -> Kind | None:
        raw = self._text[start:end]
        digits = "".join(_GROUPS.findall(raw))
        if _is_monotone(digits):
            return None
        if _IP_ADDRESS.fullmatch(raw):
            return Kind.IP_ADDRESS if self._is_address(start, end, raw) else None
        by_table = next((f.kind for f in _BY_LAYOUT.get(layout_of(raw), ()) if self._fits(f, digits)), None)
        if by_table is not None and not ("phone" in self._words and by_table is Kind.BANK_ACCOUNT):
            return by_table
        return Kind.PHONE if len(digits) >= 7 and self._is_phone(raw, digits) else by_table

    def _fits(self, format_: Format, digits: str) -> bool:
        if format_.needs:
            if self._words.isdisjoint(format_.needs):
                return False
        elif "not" in self._words and self._words.isdisjoint({"card", "id"}):
            return False
        if format_.starts and not digits.startswith(format_.starts):
            return False
        return not format_.schemes or any(self._checks.is_valid(scheme, digits) for scheme in format_.schemes)

    def _is_address(self, start: int, end: int, raw: str) -> bool:
        """An address that others can reach, and no number of a version or section; those of a network of one's own name nobody."""
        is_whole = self._text[start - 1 : start] != "." and self._text[end : end + 1] != "."
        return is_whole and "not" not in self._words and self._checks.is_valid("ip", raw)

    def _is_phone(self, raw: str, digits: str) -> bool:
        """International numbers by their `+`, national ones by a word in front or by a layout that only phones have."""
        if (
            _DATE.match(raw.lstrip("("))
            or len(digits) > 15 + 2 * raw.startswith("00")
            or raw.count("(") != raw.count(")")
        ):
            return False
        is_announced = "phone" in self._words
        if raw.startswith(("+", "(+")):
            return is_announced or not self._may_look or self._checks.is_phone(raw, strict=False)
        if raw.startswith("00") and "not" not in self._words and layout_of(raw) != str(len(digits)):
            return not self._may_look or self._checks.is_phone(f"+{raw[2:]}", strict=False)
        if is_announced:
            return not self._may_look or self._checks.is_phone(raw, strict=False)
        if "not" in self._words or not 9 <= len(digits) <= 12 or not _NATIONAL.match(raw):
            return False
        return not self._may_look or self._checks.is_phone(raw, strict=True)


def layout_of(raw: str) -> str:
    """Group lengths with what stands between: `078-05-1120` is `3-2-4`."""
    parts = _GROUPS.split(raw)
    return "".join(f"{len(m[0])}{parts[i]}" for i, m in enumerate(_GROUPS.finditer(raw), start=1)).replace("\xa0", " ")


def _is_monotone(digits: str) -> bool:
    """Made up for an example: one digit again and again."""
    return len(set(digits)) == 1


def lettered(text: str, mapped: bytes, around: Surroundings, checks: Checks) -> Iterator[Hit]:
    """Numbers that hold letters (IBAN, NINO, codice fiscale, PAN, passports); `mapped` has a `0` for digits, `A` for capitals."""
    done = 0
    for found in _TWO_DIGITS.finditer(mapped):
        if found.start() < done:
            continue
        before, after = mapped[max(0, found.start() - _SIDE) : found.start()], mapped[found.end() : found.end() + _SIDE]
        start = found.start() - len(before) + len(before.rstrip(b"A0 "))
        end = found.end() + len(after) - len(after.lstrip(b"A0 "))
        cut = after.rfind(b" ") if end == found.end() + _SIDE else -1
        done = end if cut < 0 else found.end() + cut
        shape = mapped[start:end].replace(b" ", b"")
        if b"A" in shape and len(shape) >= _SHORTEST_LETTERED:
            yield from _lettered_within(text, (start, end), shape, around, checks)


def _lettered_within(
    text: str, place: tuple[int, int], shape: bytes, around: Surroundings, checks: Checks
) -> Iterator[Hit]:
    start, end = place
    for kind, wanted, pattern, schemes, needs in _ALNUM:
        if wanted not in shape:
            continue
        for found in pattern.finditer(text, start, min(len(text), end + 1)):
            if _may_be(around.words(found.start()), needs):
                raw = _valid(found[0], schemes, checks)
                if raw:
                    yield Hit(found.start(), found.start() + len(raw), kind)


def _may_be(words: frozenset[str], needs: tuple[str, ...]) -> bool:
    if needs:
        return not words.isdisjoint(needs)
    return "not" not in words or not words.isdisjoint({"id", "tax", "account"})


def _valid(raw: str, schemes: tuple[str, ...], checks: Checks) -> str:
    """The longest beginning that is valid: words in capitals may follow a number written in groups."""
    while raw:
        if not schemes or any(checks.is_valid(scheme, raw) for scheme in schemes):
            return raw
        raw = raw.rpartition(" ")[0]
    return ""
