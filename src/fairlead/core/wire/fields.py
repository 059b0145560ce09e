"""Reads fields of decoded JSON with the type they must have, or says in words what was there instead.

Two kinds of reading: a field that a request or answer cannot do without raises `UnreadableLine`; a field that only
adds knowledge (a count, a date, an id) comes back as `None` when it is not what it should be.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON

MAX_COUNT = 10**12


def seen(value: JSON) -> str:
    """Return in words what kind of JSON value this is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def unexpected(where: str, found: str, words: Iterable[str]) -> UnreadableLine:
    """Return the error for a word that is none of those known."""
    return UnreadableLine(f"{where} is {found[:40]!r}, not one of {', '.join(sorted(words))}")


def mapping(value: JSON, where: str) -> dict[str, JSON]:
    """Return `value` as an object."""
    if isinstance(value, dict):
        return value
    raise UnreadableLine(f"{where} is {seen(value)}, not an object")


def sequence(value: JSON, where: str) -> list[JSON]:
    """Return `value` as a list."""
    if isinstance(value, list):
        return value
    raise UnreadableLine(f"{where} is {seen(value)}, not a list")


def text(value: JSON, where: str) -> str:
    """Return `value` as text."""
    if isinstance(value, str):
        return value
    raise UnreadableLine(f"{where} is {seen(value)}, not text")


def text_or_empty(value: JSON, where: str) -> str:
    """Return `value` as text; null is empty."""
    return "" if value is None else text(value, where)


def text_or_none(value: JSON) -> str | None:
    """Return `value` if it is text that says something."""
    return value if isinstance(value, str) and value.strip() else None


def label(value: JSON) -> str | None:
    """Return `value` as a short identifier: text or a whole number, at most 512 characters."""
    if isinstance(value, str):
        return (value.strip() or None) if len(value) <= 512 else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return None


def is_one_of(value: JSON, words: Collection[str]) -> bool:
    """Whether `value` is text and one of `words`; a list or an object, which no set can look for, never is."""
    return isinstance(value, str) and value in words


def mapping_or_empty(value: JSON) -> Mapping[str, JSON]:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_or_empty(value: JSON) -> list[JSON]:
    """Return `value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def count(value: JSON) -> int | None:
    """Return `value` as a count: a whole number from 0 to 10^12, else `None`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT:
        return value
    return None


def seconds(value: JSON) -> float | None:
    """Return `value` as a duration: a finite number from 0 to about four months, else `None`."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1e7 and math.isfinite(value):
        return float(value)
    return None
