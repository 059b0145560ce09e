"""Everything in a text that redaction knows, found in one go and remembered.

Most strings of a log hold nothing: that is told by looks at the bytes that cost about a nanosecond a character, and by
remembering what was seen, for system prompts and tool descriptions come again in every call. Time is linear in the
text, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from fairlead.core.nouns import JSON
from fairlead.core.redact.credentials import (
    KEY_ON_A_LINE,
    LONG_WORD,
    cookies,
    is_password_name,
    is_secret,
    is_secret_name,
    secret_kind,
    secrets,
)
from fairlead.core.redact.kinds import SECRETS, Checks, Hit, Kind
from fairlead.core.redact.numbers import Surroundings, lettered, numbers
from fairlead.core.redact.words import announces
from fairlead.core.redact.wrapped import whole

Seen: TypeAlias = "str | bytes | tuple[str, str]"

_NOTHING: tuple[Hit, ...] = ()
_APART = "\n" * 64
"""What stands between texts that are looked at together: longer than any look reaches for words (48) or an address (64)."""
_SHORTEST = 4
_REMEMBERED_CHARS = 8_000_000
_REMEMBERED_TEXT = 200_000
_NAMES = 20_000
_LONGEST_NAME = 64

_DIGIT, _UPPER, _SPACE = ord("0"), ord("A"), ord(" ")
_BETWEEN = b" .-()/\xa0"
_SHAPE = bytes(_DIGIT if 48 <= i <= 57 else _UPPER if 65 <= i <= 90 else i for i in range(256))
_RUNS = bytes(_DIGIT if 48 <= i <= 57 else _SPACE if i in _BETWEEN else 120 for i in range(256))
_WORD_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_WORDS = bytes(120 if i in _WORD_BYTES else _SPACE for i in range(256))
_SIX_DIGITS = b"000000"
_LETTERED_SHAPES = (b"A000000", b"AAAAA0000A", b"AAAAAA00A00A000A", b"AA00A", b"AA0000", b"000000A")
_TOKENS = bytes(
    _DIGIT if 48 <= i <= 57 else _UPPER if 65 <= i <= 90 else _SPACE if i in b" -\xa0" else 120 for i in range(256)
)

_ZEROS = (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0xFF10)
_ODD_DIGITS = "".join(chr(zero + i) for zero in _ZEROS for i in range(10))
_ODD_BETWEEN = "\u2007\u2009\u202f\u2010\u2011\u2012\u2013\uff0d\uff0e\uff20"
_WIDE = "".join(map(chr, (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))))
_UNSEEN = "\u00ad\u200b\u2060\ufeff"
"""Characters without width that copied text may hold anywhere, also within a number."""
_PLAIN = str.maketrans(
    _ODD_DIGITS + _ODD_BETWEEN + _WIDE,
    "0123456789" * (len(_ODD_DIGITS) // 10) + "   -----.@" + "".join(chr(ord(letter) - 0xFEE0) for letter in _WIDE),
)
_ODD = re.compile(f"[{_ODD_DIGITS}{_ODD_BETWEEN}{_WIDE}{_UNSEEN}]")
_HIDES = re.compile(f"[{_UNSEEN}]")

_BINARY = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-\r\n"
_BINARY_FROM = 1_000
_SHORTEST_CUT = 60
_DATA_URL = re.compile(r"data:[\w.+-]{0,60}/?[\w.+-]{0,60}(?:;[\w=.+-]{0,60}){0,4};base64,")

_LATIN = "".join(letter for letter in map(chr, range(0xC0, 0x250)) if letter.isalpha())
_LOCAL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+'-" + _LATIN
_ALNUM = r"A-Za-z0-9\u00c0-\u024f"
_DOMAIN = re.compile(
    rf"(?:@|%40|\\u0040|&#64;)[{_ALNUM}](?:[{_ALNUM}-]{{0,62}}\.){{1,8}}[A-Za-z]{{2,24}}(?![A-Za-z0-9-])"
)
_AT = ("%40", "\\u0040", "&#64;")
"""How an address, JSON and HTML write the `@`."""
_IPV6 = re.compile(r"(?<![\w:.])2[0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{1,4}(?![\w:])")
_UPI = re.compile(r"@(?:ok(?:axis|hdfcbank|icici|sbi)|ybl|ibl|axl|paytm|apl|upi|icici|sbi|hdfcbank|axisbank)(?![\w.-])")
_ROLES = re.compile(
    r"(?:git|info|service|support|sales|contact|help|helpdesk|no-?reply|do-?not-?reply|admin|billing|accounts?|office|hello|team"
    r"|postmaster|webmaster|hostmaster|abuse|security|privacy|jobs|careers|press|marketing|orders|returns|feedback|customer[._-]?"
    r"(?:service|services|support|care))",
    re.IGNORECASE,
)
"""Mailboxes of a desk, not of a person: they stand in prompts, which would otherwise be changed for nothing."""
_PLAIN_WORD = re.compile(r"[a-z_-]*(?:[0-9][a-z_-]*){0,5}")
"""A short word as ids of sessions and users are: too short for a key, too few digits for a number, no capital for the rest."""
_SHORT = 100
_LONGEST_PLAIN_WORD = len(LONG_WORD) - 1
PAIRED = ("value", "Value")
"""Names of what another member names; never remembered as clean, so that whoever meets one looks for the other."""
_LABELS = ("name", "key", "Name", "Key", "header")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Finder:
    """Finds secrets and, unless told not to, personal data; not to be shared between threads."""

    def __init__(self, checks: Checks, *, personal: bool = True) -> None:
        self._checks = checks
        self._personal = personal
        self._new: dict[Seen, tuple[Hit, ...]] = {}
        self._old: dict[Seen, tuple[Hit, ...]] = {}
        self._chars = 0
        self._names: dict[str, str] = {}
        self.clean_names: dict[str, str] = {}
        """Names of fields that hold nothing themselves, with what they tell (`telling`)."""

    def find(self, text: str, *, name: str = "") -> tuple[Hit, ...]:
        """What `text` holds, in order, nothing twice; `name` is that of the field it stands in, or empty."""
        if len(text) < _SHORTEST:
            return _NOTHING
        key: Seen = (name, text) if name else text
        known = self._new.get(key)
        if known is not None:
            return known
        known = self._old.get(key)
        if known is None:
            known = tuple(in_order(text, self._hits(text, name)))
        self._remember(key, known, len(text))
        return known

    def is_known_clean(self, text: str | bytes) -> bool:
        """Whether this text, or these bytes that `remember_clean` was given, were seen of late and held nothing."""
        return self._new.get(text) == _NOTHING or (isinstance(text, str) and len(text) < _SHORTEST)

    def remember_clean(self, data: bytes) -> None:
        """Remember bytes, such as the JSON of a tool list, as holding nothing."""
        self._remember(data, _NOTHING, len(data))

    @property
    def seen(self) -> Mapping[Seen, tuple[Hit, ...]]:
        """What was seen of late, for a look-up without a call; an empty entry is a text that held nothing."""
        return self._new

    def are_clean(self, texts: Iterable[str]) -> bool:
        """Whether none of the texts, under no name, holds anything; those that were not seen of late are looked at in one go.

        Side by side, with more between them than any look reaches across, they hold at least what each holds by itself.
        """
        new: list[str] = []
        seen, before = self._new, self._old
        for text in texts:
            known = seen.get(text)
            if known is None:
                known = before.get(text)
            if known:
                return False
            if known is None and not _is_plain_word(text) and not is_binary(text):
                new.append(text)
            else:
                self._remember(text, _NOTHING, len(text))
        # Ids look like keys, and a look for keys is dear: it need not go over the long texts because of them.
        for some in ([t for t in new if len(t) <= _SHORT], [t for t in new if len(t) > _SHORT]):
            if some and self._hold_any(_APART.join(some)):
                return False
        for text in new:
            self._remember(text, _NOTHING, len(text))
        return True

    def _hold_any(self, together: str) -> bool:
        if not together.isascii() and len(together.lower()) != len(together):
            return True  # a letter whose small form is two letters: places in the one are not those in the other
        return any(True for _ in self._looked(together, ""))

    def remember_clean_names(self, names: Iterable[str]) -> None:
        """Remember names of fields that were looked at and hold nothing; not those that are longer than names are."""
        for name in names:
            if len(self.clean_names) >= _NAMES:
                self.clean_names.clear()
            if len(name) <= _LONGEST_NAME and name not in PAIRED:
                self.clean_names[name] = self.telling(name)

    def telling(self, name: str) -> str:
        """The name of a field, in words, if it says what the field holds, else the empty string."""
        if len(name) > _LONGEST_NAME:
            return ""
        known = self._names.get(name)
        if known is None:
            if len(self._names) >= _NAMES:
                self._names.clear()
            known = self._names[name] = _telling(name)
        return known

    def paired(self, value: Mapping[str, JSON]) -> str:
        """What the value of `{"name": "api_key", "value": …}` is announced as, or the empty string."""
        for label in _LABELS if "value" in value or "Value" in value else ():
            name = value.get(label)
            if type(name) is str:
                return self.telling(name)
        return ""

    def announced(self, values: list[JSON]) -> dict[int, str]:
        """Which items of a list the one before announces: `["--password", …]`, `["x-api-key", …]`."""
        found: dict[int, str] = {}
        for place, name in enumerate(values[:-1], start=1):
            if type(name) is str and (name[:2] == "--" or len(values) == 2):
                told = self.telling(name.lstrip("-"))
                if told and (name[:2] == "--" or (is_secret_name(told) and not is_password_name(told.lower()))):
                    found[place] = told
        return found

    def _remember(self, key: Seen, hits: tuple[Hit, ...], size: int) -> None:
        """Keep the last few million characters seen: what came again since the last turnover stays."""
        if size > _REMEMBERED_TEXT:
            return
        self._new[key] = hits
        self._chars += size + 200
        if self._chars > _REMEMBERED_CHARS // 2:
            self._old, self._new, self._chars = self._new, {}, 0

    def _hits(self, text: str, name: str) -> Iterator[Hit]:
        if not name and _is_plain_word(text):
            return
        if name and is_secret_name(name):
            if is_secret(name, text):
                yield Hit(0, len(text), secret_kind(name))
                return
            if "cookie" in name.lower():
                yield from cookies(text, 0, len(text))
        if is_binary(text):
            return
        yield from self._looked(text, name)

    def _looked(self, text: str, name: str) -> Iterator[Hit]:
        if not text.isascii() and _ODD.search(text):
            text = text.translate(_PLAIN)
            if _HIDES.search(text):
                yield from self._uncovered(text, name)
                return
        data = text.encode("latin-1", "replace")
        yield from secrets(text, text.lower(), data.translate(_WORDS))
        if not self._personal:
            return
        if "@" in text:
            yield from _addresses(text, "@")
        if "40" in text or "&#64;" in text:
            for mark in _AT:
                yield from _addresses(text, mark)
        if "::" in text:
            yield from (
                Hit(*found.span(), Kind.IP_ADDRESS)
                for found in _IPV6.finditer(text)
                if self._checks.is_valid("ip", found[0])
            )
        yield from self._numbers(text, data, name)

    def _uncovered(self, text: str, name: str) -> Iterator[Hit]:
        """What the text holds without the characters that nobody sees."""
        places = [at for at, letter in enumerate(text) if letter not in _UNSEEN]
        for hit in self._looked("".join(text[at] for at in places), name):
            yield Hit(places[hit.start], places[hit.end - 1] + 1, hit.kind)

    def _numbers(self, text: str, data: bytes, name: str) -> Iterator[Hit]:
        shape = data.translate(_SHAPE, b" .-()/\xa0")
        has_digits = _SIX_DIGITS in shape
        has_letters = any(each in shape for each in _LETTERED_SHAPES)
        if not has_digits and not has_letters:
            return
        around = Surroundings(text, name)
        if has_letters:
            yield from lettered(text, data.translate(_TOKENS), around, self._checks)
        if has_digits:
            yield from numbers(text, data.translate(_RUNS), around, self._checks)


def _is_plain_word(text: str) -> bool:
    return len(text) < _SHORTEST or (len(text) <= _LONGEST_PLAIN_WORD and _PLAIN_WORD.fullmatch(text) is not None)


def is_binary(text: str) -> bool:
    """Whether a string is an encoded file (a picture, a signature, an embedding): there is no text in it to redact."""
    if len(text) < _BINARY_FROM:
        return False
    if text.startswith("data:") and _DATA_URL.match(text):
        return True
    if " " in text[:_BINARY_FROM] or not text.isascii() or text.encode().translate(None, _BINARY):
        return False
    return "\n" not in text or (_is_wrapped(text) and KEY_ON_A_LINE.search(text) is None)


def _is_wrapped(text: str) -> bool:
    """Whether the lines of a text are as long as those of an encoded file, which is cut at 64 or 76 letters: most keys are shorter."""
    lines = text[: 40 * _SHORTEST_CUT].strip().splitlines()[:-1]
    return min(map(len, lines), default=_SHORTEST_CUT) >= _SHORTEST_CUT


def _telling(name: str) -> str:
    words = _CAMEL.sub(" ", name).replace("_", " ").replace("-", " ")
    return words if announces(words) or is_secret_name(name) else ""


def _addresses(text: str, mark: str) -> Iterator[Hit]:
    """Mail addresses, and Indian payment addresses, which look alike; `mark` is how the `@` is written."""
    at = text.find(mark)
    while at >= 0:
        found = _DOMAIN.match(text, at)
        kind = Kind.EMAIL if found else Kind.BANK_ACCOUNT
        found = found or _UPI.match(text, at)
        if found:
            before = text[max(0, at - 64) : at]
            local = before[len(before.rstrip(_LOCAL)) :].lstrip(".'%+-")
            start = _after_escape(text, at - len(local))
            if start < at and not _ROLES.fullmatch(text, start, at):
                yield Hit(start, found.end(), kind)
        at = text.find(mark, at + 1)


def _after_escape(text: str, start: int) -> int:
    """Where a word begins that follows a backslash: in JSON text the letter after it is a line break, not the word's."""
    before = text[max(0, start - 8) : start]
    slashes = len(before) - len(before.rstrip("\\"))
    if slashes % 2 == 0:
        return start
    return start + (5 if text[start : start + 1] == "u" else 1)


def in_order(text: str, hits: Iterable[Hit]) -> Iterator[Hit]:
    """Hits by position; where two overlap, the first keeps its place, and of the other the rest."""
    end = 0
    by_place = sorted(hits, key=lambda hit: (hit.start, hit.kind not in SECRETS, -hit.end))
    for each in by_place:
        # Of a secret in many parts each part may look like one: it is followed once, or it would take quadratic time.
        hit = whole(text, each) if each.kind in SECRETS and each.end > end else each
        if hit.start >= end:
            yield hit
            end = hit.end
        elif hit.end > end and text[end] != "@":  # the host of an address whose password is gone is no mail address
            yield Hit(end, hit.end, hit.kind)
            end = hit.end
    assert end <= len(text)
