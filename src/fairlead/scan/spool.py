"""What places each new exchange, put aside on disk between the two passes of a scan, in the order the exchanges came.

A template is only known once several of its calls were seen, so exchanges are placed after all were learned from. What is
needed for that is a few hundred bytes an exchange; frames, which come again in call after call, are put down once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, cast

import msgspec

from fairlead.core.quick import quick
from fairlead.core.workload import Shaped
from fairlead.core.workload.shape import Frame

_MOST_FRAMES = 4_000
_PREFIX = 4
_PLACE = 48


@quick
@dataclass(frozen=True, slots=True)
class Aside:
    """An exchange put aside: the hash of its row, what places it, and its signals where they were read."""

    row_hash: str
    shaped: Shaped
    signals: Mapping[str, float] | None


class Spool:
    """Exchanges put aside in a file without a name, which is gone when it was read, or with the process.

    With a `path` it is a file that one process writes and another reads.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._file: IO[bytes] | None = path.open("rb") if path is not None and path.exists() else None
        self._numbers: dict[Frame, int] = {}
        self._frames: list[Frame] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder()

    def put(self, row_hash: str, shaped: Shaped, signals: Mapping[str, float] | None) -> None:
        """Put an exchange aside."""
        frame = shaped.frame
        number = self._numbers.get(frame)
        written: object = number
        if number is None:
            written = (frame.family, frame.lines, frame.tools, frame.format)
            if len(self._numbers) < _MOST_FRAMES:
                self._numbers[frame] = len(self._numbers)
        data = self._encoder.encode((row_hash, written, shaped.opening, signals))
        if self._file is None:
            self._file = cast("IO[bytes]", TemporaryFile() if self._path is None else self._path.open("w+b"))  # noqa: SIM115
        self._file.write(len(data).to_bytes(_PREFIX, "big") + data)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    __del__ = close

    def read(self) -> Iterator[Aside]:
        """Everything that was put aside, in order; nothing is left afterwards."""
        file, self._file = self._file, None
        if file is None:
            return
        with file:
            yield from self._records(file)
        self._numbers.clear()

    def places(self) -> Iterator[tuple[int, Aside]]:
        """Everything that was put aside, each with its place, by which it is found again (`at`)."""
        if self._file is None:
            return
        self._frames = []
        self._file.flush()
        self._file.seek(0)
        place = 0
        while prefix := self._file.read(_PREFIX):
            data = self._file.read(int.from_bytes(prefix, "big"))
            yield place, self._aside(data, self._frames, is_first=True)
            place += len(prefix) + len(data)

    def at(self, place: int) -> Aside:
        """What was put aside at a place."""
        assert self._file is not None
        self._file.seek(place)
        data = self._file.read(int.from_bytes(self._file.read(_PREFIX), "big"))
        return self._aside(data, self._frames, is_first=False)

    def _records(self, file: IO[bytes]) -> Iterator[Aside]:
        file.seek(0)
        frames: list[Frame] = []
        while prefix := file.read(_PREFIX):
            yield self._aside(file.read(int.from_bytes(prefix, "big")), frames, is_first=True)

    def _aside(self, data: bytes, frames: list[Frame], *, is_first: bool) -> Aside:
        row_hash, written, opening, signals = self._decoder.decode(data)
        if isinstance(written, int):
            frame = frames[written]
        else:
            family, *parts = written
            frame = Frame(family, *(tuple(part) for part in parts))
            if is_first and len(frames) < _MOST_FRAMES:
                frames.append(frame)
        return Aside(row_hash, Shaped(frame, None if opening is None else tuple(opening)), signals)


class ByRow:
    """What was put aside in any of some spools, by its row: for rows that lie in the ledger in another order than they were read in."""

    def __init__(self, spools: Sequence[Spool]) -> None:
        self._spools = spools
        self._places = {
            hash(aside.row_hash): number << _PLACE | place
            for number, spool in enumerate(spools)
            for place, aside in spool.places()
        }

    def __contains__(self, row_hash: str) -> bool:
        return hash(row_hash) in self._places

    def get(self, row_hash: str) -> Aside | None:
        """What was put aside of a row; `None` where nothing was."""
        found = self._places.get(hash(row_hash))
        return None if found is None else self._spools[found >> _PLACE].at(found & (1 << _PLACE) - 1)
