"""Server-sent events on their way through: whole events only, usage that was asked for on our account taken out again.

An event is worth nothing to a reader before its blank line, so holding back a piece of one delays nobody; and a stream that
breaks in the middle of an event can then still end with an error event that a client understands. An event longer than
`LONGEST` is passed on in pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from fairlead.core.nouns import JSON


LONGEST: Final = 1024 * 1024
_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


class Whole:
    """Cuts a stream at the ends of events."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """All whole events so far that were not given yet."""
        if self._rest:
            data = self._rest + data
        if data.endswith(_ENDS):
            self._rest = b""
            return data
        cut = max(at + len(end) if (at := data.rfind(end)) >= 0 else 0 for end in _ENDS)
        if len(data) - cut > LONGEST:
            cut = len(data)
        self._rest = data[cut:]
        return data[:cut]

    def rest(self) -> bytes:
        """What came after the last whole event."""
        rest, self._rest = self._rest, b""
        return rest


def events_in(data: bytes) -> Iterator[bytes]:
    """The events in whole events, each with its blank line."""
    start = 0
    for end in _END.finditer(data):
        yield data[start : end.end()]
        start = end.end()
    if start < len(data):
        yield data[start:]


_NULL_USAGE: Final = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,')
_decode = msgspec.json.Decoder().decode


class _Told(msgspec.Struct):
    """What decides about a chunk; the rest of it is read over, which is most of what to read it would cost."""

    usage: msgspec.Raw = msgspec.Raw()
    choices: msgspec.Raw = msgspec.Raw()


_decode_told = msgspec.json.Decoder(_Told).decode


def without_usage(data: bytes) -> bytes:
    """Whole events without what `include_usage` adds: `"usage": null` in each chunk, and one more chunk with no choices."""
    if b'"usage"' not in data:
        return data
    if b"\r" in data:
        return b"".join([_without_usage(event) if b'"usage"' in event else event for event in events_in(data)])
    kept: list[bytes] = []
    done = 0
    while (at := data.find(b'"usage"', done)) >= 0:  # as above, and only the events that it stands in
        before, end = data.rfind(b"\n\n", done, at), data.find(b"\n\n", at)
        start, end = done if before < 0 else before + 2, len(data) if end < 0 else end + 2
        kept += (data[done:start], _without_usage(data[start:end]))
        done = end
    kept.append(data[done:])
    return b"".join(kept)


def _without_usage(event: bytes) -> bytes:
    told = _told(event)
    if told is None or not told.usage:
        return event
    if bytes(told.usage) != b"null":
        return b"" if told.choices and _decode(told.choices) == [] else event
    # What matches is a member of an object, or leaves one that cannot be read; that it was the right one is seen here.
    edited = event.replace(b',"usage":null', b"", 1)
    if len(edited) == len(event):
        edited = _NULL_USAGE.sub(b"", event, count=1)
    again = _told(edited)
    if again is not None and not again.usage:
        return edited
    chunk = value_of(event)
    if not isinstance(chunk, dict):
        return event
    del chunk["usage"]
    return b"data: %b%b" % (msgspec.json.encode(chunk), event[len(event.rstrip(b"\r\n")) :])


def _told(event: bytes) -> _Told | None:
    is_one_line = event.startswith(b"data:") and event.find(b"\n", 0, -2) < 0
    try:
        return _decode_told(event[5:] if is_one_line else data_of(event))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def value_of(event: bytes) -> JSON:
    """The JSON value of an event's data, or `None` where there is none."""
    data = data_of(event)
    try:
        value: JSON = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value


def data_of(event: bytes) -> bytes:
    """The data of an event: its `data:` lines, joined."""
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


def is_error(event: bytes) -> bool:
    """Whether an event tells of an error, in any of the dialects."""
    if b'"error"' not in event and b"event: error" not in event:
        return False
    value = value_of(event)
    if not isinstance(value, dict):
        return False
    return value.get("type") in {"error", "response.failed"} or bool(value.get("error"))


_NO_CONTENT: Final = frozenset(
    {
        "ping", "message_start", "response.created", "response.in_progress", "response.queued",
        "response.output_item.added", "response.content_part.added", "content_block_start",
    }
)  # fmt: skip


def has_content(event: bytes) -> bool:
    """Whether an event carries something of the answer, so that after it nothing else may answer."""
    data = data_of(event)
    if not data:
        return False
    value = value_of(event)
    if not isinstance(value, dict):
        return data.strip() != b"[DONE]"
    kind = value.get("type")
    if isinstance(kind, str):
        return kind not in _NO_CONTENT and not is_error(event)
    if value.get("error"):
        return False
    choices = value.get("choices")
    if not isinstance(choices, list):
        return True
    return any(_says_something(choice) for choice in choices)


def _says_something(choice: JSON) -> bool:
    if not isinstance(choice, dict):
        return True
    if choice.get("finish_reason") or choice.get("text"):
        return True
    delta = choice.get("delta")
    return isinstance(delta, dict) and any(value for name, value in delta.items() if name != "role")
