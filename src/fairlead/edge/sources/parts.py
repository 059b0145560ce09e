"""A long log in parts that several processes read at once.

Only a plain file of one JSON value a line whose records stand alone can be cut: at line ends, with the number of each part's first
line. Where such a file also holds records that belong together (a batch's two halves, say), a part says so and leaves them; the
whole file is then read again by one process, which adds what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import SEEK_CUR
from pathlib import Path
from typing import BinaryIO

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import Exchange
from fairlead.core.wire.decode import decode
from fairlead.core.wire.row import Skipped
from fairlead.edge.sources.lines import CHUNK, LINE_LIMIT
from fairlead.edge.sources.pieces import Piece, Unread, pieces
from fairlead.edge.sources.read import Reading
from fairlead.edge.sources.reader import EachRow
from fairlead.edge.sources.table import source_of, why_no_table

LEAST = 16 * 1024 * 1024
_HEAD = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `end` of a file, whole lines; `first_line` is the number of the first."""

    path: str
    start: int
    end: int
    first_line: int


def parts_of(path: str, number: int, *, least: int = LEAST) -> list[Part]:
    """The file in `number` parts of about the same size; none where it is small or cannot be cut."""
    try:
        size = Path(path).stat().st_size
        if number < 2 or size < least or not _stands_alone(path):
            return []
        with Path(path).open("rb") as file:
            return list(_cut(file, path, size, number))
    except OSError:
        return []


def _stands_alone(path: str) -> bool:
    """Whether the first line is a record whose reader takes every record by itself."""
    with Path(path).open("rb") as file:
        first = file.readline(_HEAD)
    if not first.endswith(b"\n"):
        return False
    try:
        value = decode(first.removeprefix(b"\xef\xbb\xbf"))
    except UnreadableLine:
        return False
    source = source_of(value) if isinstance(value, dict) else None
    return source is not None and isinstance(source.opened(), EachRow)


def _cut(file: BinaryIO, path: str, size: int, number: int) -> Iterator[Part]:
    start = line = 0
    for part in range(1, number + 1):
        end = size
        if part < number:
            file.seek(max(start, size * part // number))
            _pass_line(file)
            end = file.tell()
        if end > start:
            yield Part(path, start, end, line + 1)
        file.seek(start)
        line += sum(chunk.count(b"\n") for chunk in _chunks(file, end - start))
        start = end


def _pass_line(file: BinaryIO) -> None:
    """Go behind the end of the line, however long it is, without holding it."""
    while chunk := file.read(CHUNK):
        place = chunk.find(b"\n")
        if place >= 0:
            file.seek(place + 1 - len(chunk), SEEK_CUR)
            return


def _chunks(file: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0 and (chunk := file.read(min(CHUNK, length))):
        length -= len(chunk)
        yield chunk


class PartReading(Reading):
    """A part being read; `is_mixed` says that it holds records that do not stand alone, which were left."""

    def __init__(self, part: Part, *, now: datetime) -> None:
        self._part = part
        self._alone: dict[str, bool] = {}
        self.is_mixed = False
        self.done = 0
        super().__init__([part.path], stdin=None, now=now, limit=LINE_LIMIT)

    @property
    def bytes_read(self) -> int:
        """Bytes of the part taken so far."""
        return self.done

    def _all(self) -> Iterator[Exchange | Skipped]:
        try:
            with Path(self._part.path).open("rb") as file:
                file.seek(self._part.start)
                yield from self._lines(file)
        except OSError as error:
            yield Skipped(source=self._part.path, line=None, reason=f"cannot be read any more: {error.strerror}")

    def _lines(self, file: BinaryIO) -> Iterator[Exchange | Skipped]:
        source, before = self._part.path, self._part.first_line - 1
        for piece in pieces(self._counted(file), limit=LINE_LIMIT, why_no_table=why_no_table):
            if isinstance(piece, Unread):
                yield Skipped(
                    source=source, line=None if piece.line is None else piece.line + before, reason=piece.reason
                )
            elif self._is_alone(piece):
                yield from self._piece(Piece(piece.line + before, piece.value, piece.data), source)
            else:
                self.is_mixed = True

    def _counted(self, file: BinaryIO) -> Iterator[bytes]:
        for chunk in _chunks(file, self._part.end - self._part.start):
            self.done += len(chunk)
            yield chunk.removeprefix(b"\xef\xbb\xbf") if self._part.start == 0 and self.done == len(chunk) else chunk

    def _is_alone(self, piece: Piece) -> bool:
        source = source_of(piece.value, last=self._last) if isinstance(piece.value, dict) else None
        if source is None:
            return True  # nobody's: it is told as skipped
        if source.name not in self._alone:
            self._alone[source.name] = isinstance(source.opened(), EachRow)
        return self._alone[source.name]
