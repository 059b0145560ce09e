"""A text, a JSON value or a whole exchange without what must not be stored.

Rules kept here: a text without findings stays the same object; within one exchange the same value gets the same
placeholder, in the request as in the answer; what is left can be read again, JSON stays JSON; redacting twice changes
nothing. Personal data follows the policy. Secrets are masked under every policy, and never hashed: a short password
could be found again from its hash by whoever holds the key.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, cast

import msgspec

from fairlead.core.nouns import JSON
from fairlead.core.redact.find import PAIRED, Finder, in_order
from fairlead.core.redact.glance import DEEPEST, NUMBERS, SAME_EVERY_CALL, SHORTEST_NUMBER, Glance
from fairlead.core.redact.kinds import SECRETS, Checks, Hit, Kind, Policy

Instead: TypeAlias = Callable[[Kind, str], str]

_ROUNDS = 4
_ENCODER = msgspec.json.Encoder()
_TOO_DEEP = "<not kept: nested too deeply>"
_HASH_LETTERS = "abcdefghijklmnop"
_LETTER_OF_DIGIT = str.maketrans("0123456789abcdef", _HASH_LETTERS)
_SHORTEST_MET, _LONGEST_MET, _MOST_MET = 7, 120, 100


@dataclass(slots=True)
class Report:
    """What was redacted, by kind and count, never the values: places in texts, and exchanges that had any."""

    places: Counter[Kind] = field(default_factory=Counter[Kind])
    exchanges: int = 0
    touched: int = 0
    dropped: int = 0

    def to_json(self) -> dict[str, JSON]:
        """The report as the scan's record keeps it, most frequent kinds first."""
        return {
            "exchanges": self.exchanges,
            "touched": self.touched,
            "dropped": self.dropped,
            "places": {kind.value: count for kind, count in self.places.most_common()},
        }


def _no_key() -> bytes:
    return b""


class Redactor:
    """Takes out what must not be stored.

    `key` gives the bytes without which nobody can make the same hashes; asked for at the first hash, once.
    """

    def __init__(self, checks: Checks, *, policy: Policy = Policy.MASK, key: Callable[[], bytes] = _no_key) -> None:
        self.policy = policy
        self.report = Report()
        self._checks = checks
        self._finder = Finder(checks, personal=policy is not Policy.KEEP)
        self._key = key

    def dropping(self) -> Redactor:
        """A redactor that keeps no text at all, for what may not be stored whatever the policy; with the same key."""
        other = Redactor(self._checks, policy=Policy.DROP, key=self._key)
        other.report = self.report
        return other

    def text(self, text: str) -> str:
        """`text` without what must not be stored, on its own."""
        return self.pass_over().text(text)

    def value(self, value: JSON) -> JSON:
        """A JSON value without what must not be stored, on its own."""
        glance = self.glance()
        glance.value(value)
        return value if glance.is_clean() else self.pass_over().value(value)

    def glance(self) -> Glance:
        """A look at what belongs together that only tells whether there is anything to take out."""
        return Glance(self._finder)

    def pass_over(self, met: Mapping[str, Kind] | None = None) -> Pass:
        """A pass over texts that belong together: equal values get equal placeholders within it.

        `met` are values that an earlier pass found: they are taken out also where nothing announces them.
        """
        return Pass(self, self._finder, met or {})

    def like(self, value: JSON, placeholders: Mapping[str, str]) -> JSON:
        """A JSON value with the placeholders that an exchange was given, by the hashes of what they stand for."""
        return _Alike(self, self._finder, placeholders).value(value)

    def hashed(self, value: str, word: str) -> str:
        """A placeholder that is the same wherever the same value stood; letters only, so that no number is found in it."""
        digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), key=self._hash_key, digest_size=6).hexdigest()
        return f"<{word} {digest.translate(_LETTER_OF_DIGIT)}>"

    @cached_property
    def _hash_key(self) -> bytes:
        return hashlib.blake2b(self._key(), digest_size=32).digest()

    def wants(self, kind: Kind) -> bool:
        """Whether values of this kind are taken out."""
        return kind in SECRETS or self.policy is not Policy.KEEP


class Pass:
    """One exchange on its way: remembers which value got which placeholder, and what was found."""

    def __init__(self, redactor: Redactor, finder: Finder, met: Mapping[str, Kind]) -> None:
        self._redactor = redactor
        self._finder = finder
        self._again = _pattern_of(met)
        self.met: dict[str, Kind] = dict(met)
        self._given: dict[tuple[Kind, str], str] = {}
        self._numbers: Counter[Kind] = Counter()
        self._clean: dict[int, object] = {}  # by identity; holding them keeps the identities theirs
        self.found: Counter[Kind] = Counter()

    @property
    def given(self) -> dict[str, str]:
        """Placeholders, and the hashes of the values they stand for."""
        return {
            placeholder: self._identified(kind, value)
            for (kind, value), placeholder in self._given.items()
            if kind not in SECRETS
        }

    @property
    def personal(self) -> int:
        """Places where personal data, not secrets, was found and taken out."""
        return sum(count for kind, count in self.found.items() if kind not in SECRETS)

    def text(self, text: str, *, name: str = "") -> str:
        """`text` with placeholders; the same object when there is nothing to take out."""
        plain = text
        for _ in range(_ROUNDS):  # a placeholder moves words nearer to a number, which may announce it
            before, plain = plain, self._replaced(plain, name, self.placeholder)
            if plain is before:
                break
        return plain if plain is text or _is_still_json(text, plain) else self._as_json(text)

    def identity(self, text: str) -> str:
        """Who an exchange was made for, or which conversation it is part of: hashed, so that two people stay two.

        Under `hash` always; otherwise only where the text itself names a person.
        """
        if self._redactor.policy is Policy.HASH:
            return text if _is_hashed(text) else self._redactor.hashed(text, "user")
        return self._replaced(text, "", self._identified)

    def value(self, value: JSON, name: str = "", depth: int = 0) -> JSON:
        """A JSON value with placeholders in its texts and keys; the same object when there is nothing to take out."""
        if isinstance(value, str):
            if not name and self._finder.is_known_clean(value) and self._again is None:
                return value
            return self.text(value, name=name)
        if isinstance(value, dict | list):
            return value if id(value) in self._clean else self._container(value, name, depth)
        if name and isinstance(value, int) and value >= SHORTEST_NUMBER:
            written = str(value)
            plain = self.text(written, name=name)
            return value if plain is written else plain
        return value

    def is_clean(self, value: object) -> bool:
        """Whether records and values hold nothing to take out, of which an equal one may have been seen before."""
        try:
            written = _ENCODER.encode(value)
        except (UnicodeError, TypeError, RecursionError, OverflowError):
            return False
        if self._again is None and self._finder.is_known_clean(written):
            return True
        decoded = cast("JSON", msgspec.json.decode(written))
        is_clean = self.value(decoded) is decoded
        if is_clean:
            self._finder.remember_clean(written)
        return is_clean

    def placeholder(self, kind: Kind, value: str) -> str:
        """What takes a value's place."""
        same = (kind, _compact(kind, value))
        known = self._given.get(same)
        if known is None:
            self._numbers[kind] += 1
            is_hashed = kind not in SECRETS and self._redactor.policy is Policy.HASH
            known = self._identified(kind, value) if is_hashed else f"<{kind.value} {self._numbers[kind]}>"
            self._given[same] = known
        return known

    def _identified(self, kind: Kind, value: str) -> str:
        return self._redactor.hashed(_compact(kind, value), kind.value)

    def _container(self, value: dict[str, JSON] | list[JSON], name: str, depth: int) -> JSON:
        if depth >= DEEPEST:
            return _TOO_DEEP
        plain = self._mapping(value, depth) if isinstance(value, dict) else self._list(value, name, depth)
        if plain is value:
            self._clean[id(value)] = value
        return plain

    def _mapping(self, value: dict[str, JSON], depth: int) -> JSON:
        """Hundreds of members a call go through here, nearly all of them short texts that were seen before."""
        finder, changed, renamed = self._finder, None, False
        names, seen, same = finder.clean_names, finder.seen, self._again is None
        paired = finder.paired(value)
        for name, member in value.items():
            told = names.get(name)
            if told is None:
                told, renamed = finder.telling(name), True
            told = paired if paired and name in PAIRED else told
            kind = type(member)
            if isinstance(member, str):
                if same and not told and seen.get(member) == ():
                    continue
            elif (
                member is None
                or kind is bool
                or kind is float
                or (not told and kind is int)
                or (name in SAME_EVERY_CALL and kind is list and self.is_clean(member))
            ):
                continue
            plain = self.value(member, told, depth + 1)
            if plain is not member:
                changed = changed if changed is not None else dict(value)
                changed[name] = plain
        if renamed:
            if any(self.text(name) is not name for name in value):
                return {self.text(name): member for name, member in (changed or value).items()}
            if same:
                finder.remember_clean_names(value)
        return value if changed is None else changed

    def _list(self, value: list[JSON], name: str, depth: int) -> JSON:
        if value and type(value[0]) in NUMBERS and all(type(member) in NUMBERS for member in value):
            return value  # a vector
        changed: list[JSON] | None = None
        told = self._finder.announced(value) if len(value) > 1 and type(value[0]) is str and not name else {}
        for place, member in enumerate(value):
            plain = self.value(member, told.get(place, name), depth + 1)
            if plain is not member:
                changed = changed if changed is not None else list(value)
                changed[place] = plain
        return value if changed is None else changed

    def _replaced(self, text: str, name: str, instead: Instead) -> str:
        pieces: list[str] = []
        end = 0
        for hit in self._hits(text, name):
            if self._redactor.wants(hit.kind):
                self.found[hit.kind] += 1
                self._meet(hit.kind, text[hit.start : hit.end])
                pieces += (text[end : hit.start], instead(hit.kind, text[hit.start : hit.end]))
                end = hit.end
        return "".join((*pieces, text[end:])) if pieces else text

    def _hits(self, text: str, name: str) -> Iterable[Hit]:
        hits = self._finder.find(text, name=name)
        if self._again is None or len(text) < _SHORTEST_MET:
            return hits
        again = [Hit(*m.span(), self._met_as(m[0])) for m in self._again.finditer(text)]
        return in_order(text, [*hits, *again]) if again else hits

    def _met_as(self, value: str) -> Kind:
        return self.met.get(_compact_any(value)) or next(iter(self.met.values()))

    def _meet(self, kind: Kind, value: str) -> None:
        """Remember what may stand elsewhere without the words that gave it away here; a mail address needs none."""
        compact = _compact_any(value)
        if (
            kind is not Kind.EMAIL
            and len(compact) >= _SHORTEST_MET
            and len(value) <= _LONGEST_MET
            and len(self.met) < _MOST_MET
            and any(letter.isdigit() for letter in compact)  # a password that is a word stands in many a sentence
        ):
            self.met.setdefault(compact, kind)

    def _as_json(self, text: str) -> str:
        """JSON that a placeholder in place of a bare number would break: taken apart, and each text redacted by itself."""
        value = cast("JSON", msgspec.json.decode(text))
        return msgspec.json.encode(self.value(value)).decode()


class _Alike(Pass):
    """A pass that gives the placeholders another pass gave; what that one did not meet stays."""

    def __init__(self, redactor: Redactor, finder: Finder, placeholders: Mapping[str, str]) -> None:
        super().__init__(redactor, finder, {})
        self._placeholders = placeholders
        words = {placeholder.strip("<>").rpartition(" ")[0] for placeholder in placeholders.values()}
        self._kinds = [kind for kind in Kind if kind.value in words]

    def text(self, text: str, *, name: str = "") -> str:
        """`text` with placeholders, also where the whole text is a value that nothing announces."""
        for kind in self._kinds:
            known = self._placeholders.get(self._identified(kind, text))
            if known is not None:
                return known
        return super().text(text, name=name)

    def placeholder(self, kind: Kind, value: str) -> str:
        """The placeholder of the exchange, or the value where it has none."""
        return value if kind in SECRETS else self._placeholders.get(self._identified(kind, value), value)


def _compact_any(value: str) -> str:
    return "".join(letter for letter in value if letter.isalnum()).upper()


def _pattern_of(met: Mapping[str, Kind]) -> re.Pattern[str] | None:
    """Finds the values again, however they are spaced."""
    if not met:
        return None
    spaced = sorted((r"(?:[^\w\n]|_){0,2}".join(map(re.escape, value)) for value in met), key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(spaced)})(?![A-Za-z0-9])", re.IGNORECASE)


def _is_still_json(text: str, plain: str) -> bool:
    """Whether redacting kept JSON readable; also true of what was no JSON before."""
    if text.lstrip()[:1] not in {"{", "["}:
        return True
    return not _is_json(text) or _is_json(plain)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _compact(kind: Kind, value: str) -> str:
    """A value without what may differ in writing: case in a mail address, spaces in a number."""
    if kind in SECRETS:
        return value
    if kind is Kind.EMAIL:
        return value.lower()
    return _compact_any(value)


def _is_hashed(text: str) -> bool:
    return text.startswith("<") and text.endswith(">") and set(text.rpartition(" ")[2][:-1]) <= set(_HASH_LETTERS)
