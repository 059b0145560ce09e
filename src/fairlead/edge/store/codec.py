"""Records and JSON to bytes and back, exactly; and texts to columns that any database takes.

Rules kept here: what is written is read back equal (numbers, money and times included; only NaN and infinities, which
JSON does not have, come back as `None`); a field that a record has gained since takes its default, one it has lost is
left out. Bodies are named by the BLAKE2b of their bytes and compressed with zstd.
"""

from __future__ import annotations

import hashlib
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
import zstandard

from fairlead.core.ids import plain
from fairlead.core.nouns import JSON, Answer, Request
from fairlead.core.wire.key import without_mark

Record = TypeVar("Record")
Build = Callable[[Any], Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LEVEL = 1  # for bodies of a few kilobytes level 3 takes half as long again and saves one byte in a hundred
_KEY_BYTES = 2000
_KEY_HEAD = 300

# PostgreSQL takes no NUL and neither database takes half a surrogate pair. Such a character is kept as the escape
# character and four hex digits, and so is the escape character itself, so that reading gives back what was written.
_ESCAPE = "\x1b"
_UNKEEPABLE = re.compile("[\x00\x1b\ud800-\udfff]")
_ESCAPED = re.compile("\x1b([0-9a-f]{4})")


class Body(NamedTuple):
    """A message body ready to keep: the hash that names it, and its bytes before compression."""

    hash: bytes
    data: bytes


def _as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(typing.cast("Mapping[str, Any]", value))
    raise NotImplementedError


_encoder = msgspec.json.Encoder(enc_hook=_as_dict)
_decoder = msgspec.json.Decoder()


def encode(value: object) -> bytes:
    """Compact JSON of a record or JSON value."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair: only the standard library writes it
        return json.dumps(plain(value), separators=(",", ":")).encode()


def decode(data: bytes) -> JSON:
    """The JSON value that `encode` wrote."""
    try:
        return typing.cast("JSON", _decoder.decode(data))
    except msgspec.DecodeError:
        return typing.cast("JSON", json.loads(data))


def record(kind: type[Record], value: JSON) -> Record:
    """The record of this kind that was encoded as `value`."""
    return typing.cast("Record", _builder(typing.cast("Any", kind))(value))


@cache
def _builder(hint: Any) -> Build:
    """A function that builds what the type hint says from JSON values; JSON itself passes through."""
    origin = typing.get_origin(hint)
    if origin is types.UnionType or origin is typing.Union:
        return _union_builder(typing.get_args(hint))
    if origin is tuple:
        return _tuple_builder(typing.get_args(hint)[0])
    return _class_builder(hint) if isinstance(hint, type) and origin is None else _same


def _same(value: Any) -> Any:
    return value


def _class_builder(kind: type[Any]) -> Build:
    if is_dataclass(kind):
        return _record_builder(kind)
    if issubclass(kind, Enum):
        return {member.value: member for member in kind}.__getitem__
    if issubclass(kind, Decimal):
        return kind
    return datetime.fromisoformat if issubclass(kind, datetime) else _same


def _union_builder(members: tuple[Any, ...]) -> Build:
    known = [member for member in members if member is not types.NoneType]
    if len(known) != 1:
        return _same
    build = _builder(known[0])
    return build if build is _same else lambda value: None if value is None else build(value)


def _tuple_builder(member: Any) -> Build:
    build = _builder(member)
    return tuple if build is _same else lambda values: tuple([build(value) for value in values]) if values else ()


def _record_builder(kind: type[Any]) -> Build:
    hints = typing.get_type_hints(kind)
    builds = {field.name: _builder(hints[field.name]) for field in fields(kind)}
    building = [(name, build) for name, build in builds.items() if build is not _same]

    def build(values: dict[str, Any]) -> Any:
        known = values if values.keys() <= builds.keys() else {name: values[name] for name in values if name in builds}
        made = {name: build(known[name]) for name, build in building if name in known}
        return kind(**known | made)

    return build


def request_body(raw: JSON, request: Request) -> Body:
    """What is kept of a request: the body as logged, with the request it was read as.

    Of one whose texts were dropped, the hash of what was asked is left to the column for its key.
    """
    return _body(raw, without_mark(request))


def answer_body(raw: JSON, answer: Answer) -> Body:
    """What is kept of an answer: the body as received, with the answer it was read as."""
    return _body(raw, answer)


def _body(raw: JSON, parsed: Request | Answer) -> Body:
    data = encode((raw, parsed))
    return Body(hash_of(data), data)


def body_parts(kind: type[Record], data: bytes) -> tuple[JSON, Record]:
    """The body as it came and the record it was read as."""
    raw, parsed = typing.cast("list[JSON]", decode(data))
    return raw, record(kind, parsed)


def hash_of(data: bytes) -> bytes:
    """The name of a body."""
    return hashlib.blake2b(data, digest_size=20).digest()


def packer() -> Callable[[bytes], bytes]:
    """A compressing function; not to be shared between threads."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress


def unpacker() -> Callable[[bytes], bytes]:
    """A function that gives back what was compressed, or raises `ValueError`; not to be shared between threads."""
    decompress = zstandard.ZstdDecompressor().decompress

    def unpack(data: bytes) -> bytes:
        try:
            return decompress(data)
        except zstandard.ZstdError as error:
            raise ValueError("damaged") from error

    return unpack


def kept(text: str) -> str:
    """The text as a column takes it; `shown` gives it back."""
    if text.isprintable() and text.isascii():
        return text
    return _UNKEEPABLE.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", text)


def kept_or_none(text: str | None) -> str | None:
    """`kept`, where there may be nothing."""
    return None if text is None else kept(text)


def key(text: str) -> str:
    """The text as an indexed column takes it: over 2,000 bytes, its beginning and its hash stand for it."""
    column = kept(text)
    if len(column) * 4 <= _KEY_BYTES or len(column.encode()) <= _KEY_BYTES:
        return column
    return f"{kept(text[:_KEY_HEAD])}~{hash_of(column.encode()).hex()}"


def key_or_none(text: str | None) -> str | None:
    """`key`, where there may be nothing."""
    return None if text is None else key(text)


def shown(column: str) -> str:
    """The text that `kept` was given."""
    if _ESCAPE not in column:
        return column
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), column)


def shown_or_none(column: str | None) -> str | None:
    """`shown`, where there may be nothing."""
    return None if column is None else shown(column)


def microseconds(at: datetime | None) -> int | None:
    """Microseconds since 1970 in UTC: an exact number in every database."""
    return None if at is None else (at - EPOCH) // _MICROSECOND


def moment(us: int) -> datetime:
    """The time that many microseconds after 1970, in UTC."""
    return EPOCH + timedelta(microseconds=us)
