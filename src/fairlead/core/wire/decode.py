"""Bytes to JSON values that the rest of the product can trust: bounded, finite, valid text.

Rules kept: what cannot be decoded raises `UnreadableLine` with a reason a person can act on; NaN and infinities become
`None` (a number that is not one is unknown); half of a surrogate pair becomes U+FFFD; of duplicate keys the last
counts, as in every common decoder; nothing nests deeper than `MAX_DEPTH`, so that whoever walks the value is safe.
"""

from __future__ import annotations

import json
import math
import re
from typing import cast

import msgspec

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON

MAX_DEPTH = 100
MAX_DIGITS = 400
_OPENERS_UNDER_SUSPICION = MAX_DEPTH
_DECODER: msgspec.json.Decoder[JSON] = cast("msgspec.json.Decoder[JSON]", msgspec.json.Decoder())
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def decode(data: bytes) -> JSON:
    """Return the JSON value in `data`.

    >>> decode(b'{"temperature": NaN}')
    {'temperature': None}
    """
    try:
        value = _DECODER.decode(data)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise UnreadableLine(f"not UTF-8 text at byte {_first_bad_byte(data)}") from None
    except msgspec.MsgspecError as error:
        value = _decode_leniently(data, error)
    if (
        len(data) > _OPENERS_UNDER_SUSPICION
        and _openers(data) > _OPENERS_UNDER_SUSPICION
        and _is_deeper(value, MAX_DEPTH)
    ):
        raise _too_deep()
    return value


def decode_text(text: str) -> JSON:
    """Return the JSON value in `text`; raises `UnreadableLine` as `decode` does."""
    return decode(text.encode("utf-8", "surrogatepass"))


def structure_or_text(value: JSON) -> JSON:
    """Return the object or list that a string holds as JSON, or the string itself where it holds none.

    Providers send a tool's arguments as a JSON string; models sometimes write something else into it.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return {}
    if value.lstrip()[0] not in "{[":
        return value
    try:
        return decode_text(value)
    except UnreadableLine:
        return value


def _openers(data: bytes) -> int:
    """How many objects and lists may begin; taking single bytes out of a line is twice as fast as counting them."""
    return 2 * len(data) - len(data.replace(b"{", b"")) - len(data.replace(b"[", b""))


def _too_deep() -> UnreadableLine:
    return UnreadableLine(f"nested deeper than {MAX_DEPTH} levels")


def _first_bad_byte(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _is_deeper(value: JSON, limit: int) -> bool:
    level: list[JSON] = [value]
    for _ in range(limit):
        inner: list[JSON] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(v for v in item.values() if isinstance(v, (dict, list)))
            elif isinstance(item, list):
                inner.extend(v for v in item if isinstance(v, (dict, list)))
        if not inner:
            return False
        level = inner
    return True


def _decode_leniently(data: bytes, error: msgspec.MsgspecError) -> JSON:
    """The slow second look at what the fast decoder refuses: NaN, infinities, huge numbers, lone surrogates."""
    reason = f"not JSON: {_plain(str(error))}"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise UnreadableLine(f"not UTF-8 text at byte {bad.start}") from None
    try:
        value = json.loads(text, parse_constant=_no_number, parse_int=_integer, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise UnreadableLine(reason) from None
    return _without_surrogates(value) if _ESCAPED_SURROGATE.search(data) else cast("JSON", value)


def _plain(message: str) -> str:
    return message.removeprefix("JSON is malformed: ").split(" - at ")[0].lower()


def _no_number(_: str) -> None:
    return None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= MAX_DIGITS else None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _without_surrogates(value: object) -> JSON:
    if _is_deeper(cast("JSON", value), MAX_DEPTH):
        raise _too_deep()
    # A trip through UTF-16 joins halves that belong together and replaces those that do not.
    text = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return cast("JSON", json.loads(text))
