"""Reads logs: `read(paths)` gives every exchange and every line that could not be read, in the order of the files.

Rules kept: a path that is missing or cannot be opened is an `InputError` before anything is read; after that every
non-empty line gives an exchange or a `Skipped` with its line number and reason, and nothing else is lost; memory does
not grow with the log.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from fairlead.core.errors import InputError, UnreadableLine
from fairlead.core.nouns import Exchange
from fairlead.core.wire import fields
from fairlead.core.wire.decode import decode
from fairlead.core.wire.row import Note, Skipped, exchange, row_hash
from fairlead.edge.sources.lines import LINE_LIMIT, Counted, Damaged, Line, lines, open_counted, unpacked
from fairlead.edge.sources.seen import Met, SeenIds

TEXT_SUFFIXES = (".jsonl", ".json", ".ndjson", ".log", ".txt")
PACKED_SUFFIXES = ("", ".gz", ".zst")
STDIN = "-"


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
        self._ids = SeenIds()
        self._done_bytes = 0
        self._open: Counted | None = None
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

    def _file(self, file: BinaryIO, source: str) -> Iterator[Exchange | Skipped]:
        self._open = open_counted(file)
        number = 0
        try:
            for line in lines(unpacked(self._open), limit=self._limit):
                number = line.number
                if line.data is None or line.data.strip():
                    yield self._line(line, source)
        except (Damaged, OSError) as error:
            yield Skipped(source=source, line=number + 1 if number else None, reason=str(error))
        self._done_bytes, self._open = self.bytes_read, None

    def _line(self, line: Line, source: str) -> Exchange | Skipped:
        try:
            return self._exchange(line, source)
        except UnreadableLine as error:
            return Skipped(source=source, line=line.number, reason=error.reason)

    def _exchange(self, line: Line, source: str) -> Exchange:
        if line.data is None:
            raise UnreadableLine(f"{line.length:,} bytes long; a line may have {self._limit:,}")
        row = fields.mapping(decode(line.data), "line")
        found = exchange(row, row_hash=row_hash(line.data), source=f"{source}:{line.number}", now=self._now)
        self._notes.update(found.notes)
        return self._with_own_id(found.exchange)

    def _with_own_id(self, found: Exchange) -> Exchange:
        met = self._ids.meet(found.id, found.row_hash)
        if met is Met.NEW:
            return found
        if met is Met.SAME:
            self._notes[Note.REPEATED_ROW] += 1
            return found
        self._notes[Note.REPEATED_ID] += 1
        return replace(found, id=f"{found.id}~{found.row_hash[:12]}")


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
