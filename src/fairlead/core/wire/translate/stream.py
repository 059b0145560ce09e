"""A stream in one protocol to the same stream in another, fed with bytes split anywhere.

Rules kept: every feed gives what can be said so far; a stream that is cut, too long, or garbage ends in one error event of
the caller's dialect, and nothing follows it; the work is bounded by `max_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from fairlead.core.errors import UnreadableLine, Untranslatable
from fairlead.core.nouns import JSON, Usage
from fairlead.core.wire.decode import decode
from fairlead.core.wire.stream import Event, EventReader
from fairlead.core.wire.translate.errors import Fault
from fairlead.core.wire.translate.pieces import End, Finish, Head, Item, Piece, Ping, Signed, Used

MAX_BYTES = 64 * 1024 * 1024
_COMMENT = ":"


class Reader(Protocol):
    """Reads the events of one protocol."""

    def take(self, event: Mapping[str, JSON]) -> Iterator[Item]:
        """Yield the items of one decoded event."""
        ...


class Writer(Protocol):
    """Writes the events of one protocol."""

    def head(self, head: Head) -> bytes:
        """Return the events that begin an answer."""
        ...

    def piece(self, piece: Piece) -> bytes:
        """Return the events of one piece."""
        ...

    def signed(self, block: dict[str, JSON]) -> bytes:
        """Return the events of a whole block of signed thinking."""
        ...

    def used(self, usage: Usage) -> bytes:
        """Return the events of the counts so far."""
        ...

    def finish(self, finish: Finish) -> bytes:
        """Return the events that say why the answer stopped."""
        ...

    def end(self) -> bytes:
        """Return the events that close the answer."""
        ...

    def fault(self, fault: Fault) -> bytes:
        """Return the event that breaks the answer off."""
        ...

    def ping(self) -> bytes:
        """Return what keeps a silent connection alive."""
        ...


class _Events(EventReader):
    """Server-sent events, comments included: an upstream that is silent but alive sends nothing else."""

    def _take(self, line: bytes, found: list[Event]) -> None:
        if line.startswith(b":"):
            found.append(Event(_COMMENT, b""))
        else:
            super()._take(line, found)


class Stream:
    """One streamed answer on its way from the upstream's protocol to the caller's.

    `has_content` tells when the first token has come: until then another upstream may still be asked, and what was fed
    so far thrown away. `done` tells that nothing can follow; `problem` is what broke the stream, if anything did.
    """

    def __init__(self, reader: Reader, writer: Writer, *, max_bytes: int = MAX_BYTES) -> None:
        self._events = _Events()
        self._reader = reader
        self._writer = writer
        self._left = max_bytes
        self._begun = False
        self._finished = False
        self._ended = False
        self.has_content = False
        self.problem: Fault | None = None

    @property
    def done(self) -> bool:
        """Whether the stream has ended, well or badly."""
        return self._ended or self.problem is not None

    def feed(self, data: bytes) -> bytes:
        """Return what the next bytes of the upstream are in the caller's protocol."""
        if self.done:
            return b""
        self._left -= len(data)
        if self._left < 0:
            return self.fail("The upstream's stream is longer than the bound.")
        return self._take_all(self._events.feed(data))

    def close(self) -> bytes:
        """Return how the stream ends for the caller, now that the upstream sends no more."""
        told = b"" if self.done else self._take_all(self._events.close())
        if self.done:
            return told
        if self._finished:
            return told + self._end()
        return told + self.fail("The upstream's stream ended before the answer was finished.")

    def fail(self, message: str, *, status: int = 502) -> bytes:
        """Return the error event that ends the stream for the caller: the gateway saw the upstream fail."""
        return self._fail(Fault(status=status, message=message))

    def _fail(self, fault: Fault) -> bytes:
        if self.done:
            return b""
        self.problem = fault
        return self._writer.fault(fault)

    def _end(self) -> bytes:
        if not self._begun:
            return self.fail("The upstream closed its stream without an answer.")
        try:
            told = self._writer.end()
        except Untranslatable as error:
            return self.fail(str(error))
        self._ended = True
        return told

    def _take_all(self, events: list[Event]) -> bytes:
        told = bytearray()
        for event in events:
            if self.done:
                break
            told += self._take(event)
        return bytes(told)

    def _take(self, event: Event) -> bytes:
        data = event.data.strip()
        if event.name == _COMMENT or not data:
            return self._writer.ping() if self._begun else b""
        if data == b"[DONE]":
            return self._end()
        try:
            value = decode(data)
            if not isinstance(value, dict):
                return self.fail("The upstream sent an event that is no JSON object.")
            if event.name == "error" and not value.get("error"):
                value = {"error": value}
            return b"".join([self._write(item) for item in self._reader.take(value)])
        except UnreadableLine as error:
            return self.fail(f"The upstream sent an event that cannot be read: {error.reason}.")
        except Untranslatable as error:
            return self.fail(str(error))

    def _write(self, item: Item) -> bytes:
        if self.done:
            return b""
        if isinstance(item, Fault):
            return self._fail(item)
        if isinstance(item, End):
            return self._end()
        if isinstance(item, Ping):
            return self._writer.ping() if self._begun else b""
        return self._head(item) + self._body(item)

    def _head(self, item: Item) -> bytes:
        """An answer begins with its head, whether the upstream sent one or not."""
        if self._begun:
            return b""
        self._begun = True
        return self._writer.head(item if isinstance(item, Head) else Head())

    def _body(self, item: Item) -> bytes:
        told = b""
        match item:
            case Piece():
                self.has_content = True
                told = self._writer.piece(item)
            case Used():
                told = self._writer.used(item.usage)
            case Finish():
                self._finished = True
                told = self._writer.finish(item)
            case Signed():
                told = self._writer.signed(item.block)
            case _:
                pass
        return told
