"""Reads logs: `read(paths)` gives every exchange and every line that could not be read, in the order of the files.

Rules kept: a path that is missing or cannot be opened is an `InputError` before anything is read; after that every
non-empty line gives an exchange or a `Skipped` with its line number and reason, and nothing else is lost; memory does
not grow with the log.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import msgspec

from fairlead.core.errors import InputError, UnreadableLine
from fairlead.core.nouns import JSON, Exchange
from fairlead.core.wire import fields
from fairlead.core.wire.failure import one_line
from fairlead.core.wire.row import Note, Skipped, exchange, row_hash
from fairlead.edge.sources.archive import members
from fairlead.edge.sources.inspect import InspectParts
from fairlead.edge.sources.lines import CHUNK, LINE_LIMIT, ZIP_MARK, Counted, Damaged, open_counted, unpacked
from fairlead.edge.sources.pieces import Piece, Unread, pieces
from fairlead.edge.sources.reader import Found, Logged, NotLogged, Passed, Source, Taker
from fairlead.edge.sources.seen import Met, SeenIds
from fairlead.edge.sources.table import source_of, why_no_table, why_unknown

TEXT_SUFFIXES = (".jsonl", ".json", ".ndjson", ".log", ".txt", ".csv", ".tsv", ".eval", ".zip")
PACKED_SUFFIXES = ("", ".gz", ".zst")
STDIN = "-"
MOST_NAMED = 50
_EXPECTED = frozenset({Note.NO_CALL, Note.REPEATED_ROW})


def read(
    paths: Sequence[str], *, stdin: BinaryIO | None = None, now: datetime | None = None, limit: int = LINE_LIMIT
) -> Reading:
    """Return an iterator over the exchanges and skipped lines of files, folders and standard input (`-`).

    `now` is the time of reading (dates after it are set aside); `limit` the longest line held, in bytes.
    """
    return Reading(_files(paths), stdin=stdin, now=now or datetime.now(UTC), limit=limit)


class Reading(Iterator[Exchange | Skipped]):
    """A log being read. Beside the exchanges it counts what a progress bar and a summary show."""

    def __init__(self, files: Sequence[str], *, stdin: BinaryIO | None, now: datetime, limit: int) -> None:
        self.files: tuple[str, ...] = tuple(files)
        self.exchanges = 0
        self.skipped = 0
        self._stdin = stdin
        self._now = now
        self._limit = limit
        self._notes: Counter[Note] = Counter()
        self._unread: Counter[str] = Counter()
        self._ids = SeenIds()
        self._done_bytes = 0
        self._open: Counted | None = None
        self._line: int | None = None
        self._last: Source | None = None
        self._takers: dict[str, Taker] = {}
        self._items = self._all()

    def __next__(self) -> Exchange | Skipped:
        item = next(self._items)
        if isinstance(item, Skipped):
            self.skipped += 1
        else:
            self.exchanges += 1
        return item

    @property
    def notes(self) -> Mapping[Note, int]:
        """How often something was set aside without losing the row."""
        return dict(self._notes)

    def set_aside(self) -> Mapping[str, int]:
        """What was set aside without losing the row, in words: the notes, and the fields nobody understood."""
        noted = {note.value: count for note, count in self._notes.items() if note not in _EXPECTED}
        return {**noted, **{f"field {name} not understood": count for name, count in self._unread.items()}}

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the files so far, as they are stored."""
        return self._done_bytes + (self._open.bytes if self._open else 0)

    @property
    def bytes_total(self) -> int | None:
        """Bytes of all files; unknown when standard input is among them."""
        if STDIN in self.files:
            return None
        return sum(Path(name).stat().st_size for name in self.files)

    def _all(self) -> Iterator[Exchange | Skipped]:
        for name in self.files:
            if name == STDIN:
                yield from self._file(self._stdin or sys.stdin.buffer, "stdin")
                continue
            try:
                file = Path(name).open("rb")  # noqa: SIM115
            except OSError as error:
                yield Skipped(source=name, line=None, reason=f"cannot be read any more: {error.strerror}")
                continue
            with file:
                yield from self._file(file, name)
        yield from self._kept("kept to the end", lambda taker: taker.end())

    def _file(self, file: BinaryIO, source: str) -> Iterator[Exchange | Skipped]:
        self._open = open_counted(file)
        try:
            if self._open.head(4) == ZIP_MARK:
                yield from self._archive(file, source)
            else:
                yield from self._text(self._open, source)
        except (Damaged, OSError) as error:
            yield Skipped(source=source, line=self._line, reason=str(error))
        yield from self._kept(source, lambda taker: taker.end_of_file())
        self._done_bytes, self._open = self.bytes_read, None

    def _text(self, file: Counted, source: str) -> Iterator[Exchange | Skipped]:
        yield from self._records(unpacked(file), source)

    def _records(self, chunks: Iterator[bytes], source: str) -> Iterator[Exchange | Skipped]:
        self._line = None
        for piece in pieces(chunks, limit=self._limit, why_no_table=why_no_table):
            if isinstance(piece, Unread):
                self._line = None if piece.line is None else piece.line + 1
                yield Skipped(source=source, line=piece.line, reason=piece.reason)
            else:
                self._line = piece.line + 1
                yield from self._piece(piece, source)

    def _archive(self, file: BinaryIO, source: str) -> Iterator[Exchange | Skipped]:
        """The logs in a zip archive; an Inspect log is one document spread over members."""
        with _seekable(file, self._open) as whole:
            inspect = InspectParts()
            for member in members(whole):
                self._line = None
                name = f"{source}!{member.name}"
                try:
                    if inspect.wants(member.name):
                        yield from self._inspected(inspect.take(member, limit=self._limit * 8), name)
                    elif not inspect.begun and is_log_name(member.name.rpartition("/")[2]):
                        yield from self._records(unpacked(Counted(_Chunked(member.chunks))), name)
                except Damaged as error:
                    yield Skipped(source=name, line=self._line, reason=str(error))
            yield from self._inspected(inspect.rest(), source)

    def _inspected(self, row: dict[str, JSON] | None, source: str) -> Iterator[Exchange | Skipped]:
        if row is not None:
            yield from self._piece(Piece(1, row, b""), source)

    def _piece(self, piece: Piece, source: str) -> Iterator[Exchange | Skipped]:
        where = f"{source}:{piece.line}"
        if not isinstance(piece.value, dict):
            yield Skipped(source=source, line=piece.line, reason=f"line is {fields.seen(piece.value)}, not an object")
            return
        self._last = source_of(piece.value, last=self._last)
        if self._last is None:
            yield Skipped(source=source, line=piece.line, reason=why_unknown(piece.value))
            return
        taker = self._takers.get(self._last.name)
        if taker is None:
            taker = self._takers[self._last.name] = self._last.opened()
        taker.at = where
        try:
            for i, found in enumerate(taker.take(piece.value)):
                if isinstance(found, Passed):
                    self._notes[Note.NO_CALL] += 1
                else:
                    yield self._one(found, piece, i, where)
        except UnreadableLine as error:
            yield Skipped(source=source, line=piece.line, reason=error.reason)

    def _kept(self, source: str, left: Callable[[Taker], Iterable[Found]]) -> Iterator[Exchange | Skipped]:
        """What readers kept for completion and now give up."""
        for taker in self._takers.values():
            for i, found in enumerate(left(taker)):
                if not isinstance(found, Passed):
                    yield self._one(found, Piece(0, None, b""), i, source)

    def _one(self, found: Logged | NotLogged, piece: Piece, index: int, where: str) -> Exchange | Skipped:
        place = where if found.at is None else found.at
        if isinstance(found, NotLogged):
            return _skipped(place, found.reason)
        try:
            read_row = exchange(found.row, row_hash=_identity(found, piece, index), source=place, now=self._now)
        except UnreadableLine as error:
            return _skipped(place, error.reason)
        if read_row.notes:
            self._notes.update(read_row.notes)
        if found.unread:
            self._note_unread(found.unread)
        return self._with_own_id(read_row.exchange)

    def _note_unread(self, names: Iterable[str]) -> None:
        for name in names:
            shown = one_line(name)[:60]
            self._unread[shown if shown in self._unread or len(self._unread) < MOST_NAMED else "(others)"] += 1

    def _with_own_id(self, found: Exchange) -> Exchange:
        met = self._ids.meet(found.id, found.row_hash)
        if met is Met.NEW:
            return found
        if met is Met.SAME:
            self._notes[Note.REPEATED_ROW] += 1
            return found
        self._notes[Note.REPEATED_ID] += 1
        return replace(found, id=f"{found.id}~{found.row_hash[:12]}")


def _skipped(where: str, reason: str) -> Skipped:
    source, _, line = where.rpartition(":")
    if not line.isdigit():
        return Skipped(source=where, line=None, reason=reason)
    return Skipped(source=source, line=int(line), reason=reason)


_ENCODER = msgspec.json.Encoder(order="deterministic")


def _identity(found: Logged, piece: Piece, index: int) -> str:
    """The hash of the part of the export that the exchange came from: read again, it is the same row."""
    if found.of is not None:
        data = _ENCODER.encode(found.of)
    elif piece.line:
        data = piece.data or _ENCODER.encode(piece.value)
    else:  # kept to the end: there is no record any more, only what was made of it
        return row_hash(_ENCODER.encode(found.row))
    return row_hash(data if found.of is not None or not index else data + str(index).encode())


class _Chunked:
    """Chunks of a member of an archive, as a file that is read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read1(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""
        chunk = self._rest or next(self._chunks, b"")
        chunk, self._rest = (chunk, b"") if size < 0 else (chunk[:size], chunk[size:])
        return chunk


@contextmanager
def _seekable(file: BinaryIO, counted: Counted | None) -> Generator[BinaryIO]:
    """An archive is read from its end: one that comes through a pipe is put aside on disk first."""
    if file.seekable():
        file.seek(0)
        yield file
        return
    with TemporaryFile() as copy:
        while counted is not None and (chunk := counted.read1(CHUNK)):
            copy.write(chunk)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _files(paths: Sequence[str]) -> list[str]:
    """The files that the paths stand for, each known to be readable."""
    found: list[str] = []
    for path in paths:
        if path == STDIN:
            found.append(path)
        elif Path(path).is_dir():
            found.extend(_folder(path))
        else:
            _check(path)
            found.append(path)
    return found


def _folder(path: str) -> list[str]:
    found: list[str] = []
    for folder, inner, names in os.walk(path, onerror=_refuse):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        found.extend(str(Path(folder, name)) for name in sorted(names) if is_log_name(name))
    if not found:
        raise InputError(
            f"{path} holds no log: no file ends in {', '.join(TEXT_SUFFIXES)} (or one of them with .gz, .zst)."
        )
    for name in found:
        _check(name)
    return found


def is_log_name(name: str) -> bool:
    """Whether a file found in a folder is read: by its suffix, hidden files never."""
    endings = tuple(text + packed for text in TEXT_SUFFIXES for packed in PACKED_SUFFIXES)
    return name.lower().endswith(endings) and not name.startswith(".")


def _check(path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except OSError as error:
        _refuse(error, path)


def _refuse(error: OSError, path: str | None = None) -> None:
    raise InputError(f"{path or error.filename} cannot be read: {error.strerror}.") from None
