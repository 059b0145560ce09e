"""A JSON document read from its start to its end, value by value, without holding it whole.

For files that are one big list or one big object instead of a value a line: `Cursor` gives the bytes of one value after
another; the values themselves are decoded elsewhere. A value longer than the limit is passed over, never held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRUCTURE = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""As much of a string as there is: it ends before the closing quote, or before what the next chunk must decide."""
_SCALAR_END = re.compile(rb"[\s,\]}:]")
_NOT_SPACE = re.compile(rb"\S")
_OPENING = (b"{", b"[")


class Malformed(Exception):  # noqa: N818
    """The document is not JSON at this point."""


class Cursor:
    """A place in a stream of bytes; `line` is the line it stands on, from 1."""

    def __init__(self, chunks: Iterator[bytes], *, limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._held = b""
        self._at = 0
        self.line = 1

    def peek(self) -> bytes:
        """The next byte that is not space; empty at the end."""
        while True:
            found = _NOT_SPACE.search(self._held, self._at)
            self._move(found.start() if found else len(self._held))
            if found:
                return found.group()
            if not self._extend():
                return b""

    def skip(self, byte: bytes) -> bool:
        """Step over a byte if it comes next."""
        if self.peek() != byte:
            return False
        self._move(self._at + 1)
        return True

    def fits(self) -> bool:
        """Whether the next value ends within the limit; it stays to be read."""
        return self._measure() is not None

    def value(self) -> bytes | None:
        """The bytes of the next value; `None` for one that is longer than the limit, which is passed over."""
        length = self._measure()
        if length is None:
            self._pass_over()
            return None
        value = self._held[self._at : self._at + length]
        self._move(self._at + length)
        return value

    def rest(self) -> Iterator[bytes]:
        """Everything that was not read yet."""
        yield self._held[self._at :]
        yield from self._chunks

    def _measure(self) -> int | None:
        """The length of the next value, or `None` when it is longer than the limit."""
        first = self.peek()
        if not first:
            raise Malformed("a value expected")
        if first != b'"' and first not in _OPENING:
            return self._measure_scalar()
        depth, length = 0, 0
        while length <= self._limit:
            found = _STRUCTURE.search(self._held, self._at + length)
            if found is None:
                length = len(self._held) - self._at
                self._must_extend()
                continue
            length = found.end() - self._at
            if found.group() == b'"':
                length = self._string_end(length)
            else:
                depth += 1 if found.group() in _OPENING else -1
            if depth == 0:
                return length if length <= self._limit else None
        return None

    def _string_end(self, length: int) -> int:
        """How far the string goes whose text begins at `length`, closing quote included; not looked for beyond the limit."""
        while length <= self._limit:
            text = _IN_STRING.match(self._held, self._at + length)
            length = (text.end() if text else self._at) - self._at
            if self._held[self._at + length : self._at + length + 1] == b'"':
                return length + 1
            self._must_extend()
        return length

    def _measure_scalar(self) -> int | None:
        while True:
            end = _SCALAR_END.search(self._held, self._at)
            if end is None and self._extend():
                if len(self._held) - self._at > self._limit:
                    return None
                continue
            length = (end.start() if end else len(self._held)) - self._at
            if not length:
                raise Malformed("a value expected")
            return length

    def _pass_over(self) -> None:
        depth = 0
        while True:
            found = _STRUCTURE.search(self._held, self._at)
            if found is None:
                self._move(len(self._held))
                self._must_extend()
                continue
            self._move(found.end())
            if found.group() == b'"':
                self._pass_over_string()
            else:
                depth += 1 if found.group() in _OPENING else -1
            if depth == 0:
                return

    def _pass_over_string(self) -> None:
        while True:
            text = _IN_STRING.match(self._held, self._at)
            self._move(text.end() if text else self._at)
            if self._held[self._at : self._at + 1] == b'"':
                self._move(self._at + 1)
                return
            self._must_extend()

    def _move(self, end: int) -> None:
        self.line += self._held.count(b"\n", self._at, end)
        self._at = end

    def _extend(self) -> bool:
        """Hold the next chunk too; what was passed is let go."""
        chunk = next(self._chunks, b"")
        self._held = self._held[self._at :] + chunk
        self._at = 0
        return bool(chunk)

    def _must_extend(self) -> None:
        if not self._extend():
            raise Malformed("it ends too early")
