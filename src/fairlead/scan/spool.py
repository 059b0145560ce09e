"""What places each new exchange, put aside on disk between the two passes of a scan, in the order the exchanges came.

A template is only known once several of its calls were seen, so exchanges are placed after all were learned from. What is
needed for that is a few hundred bytes an exchange; frames, which come again in call after call, are put down once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, cast

import msgspec

from fairlead.core.quick import quick
from fairlead.core.workload import Shaped
from fairlead.core.workload.shape import Frame

_MOST_FRAMES = 4_000
_PREFIX = 4


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
        self._encoder = msgspec.msgpack.Encoder()

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

    def _records(self, file: IO[bytes]) -> Iterator[Aside]:
        file.seek(0)
        decode = msgspec.msgpack.Decoder().decode
        frames: list[Frame] = []
        while prefix := file.read(_PREFIX):
            row_hash, written, opening, signals = decode(file.read(int.from_bytes(prefix, "big")))
            if isinstance(written, int):
                frame = frames[written]
            else:
                family, *parts = written
                frame = Frame(family, *(tuple(part) for part in parts))
                if len(frames) < _MOST_FRAMES:
                    frames.append(frame)
            yield Aside(row_hash, Shaped(frame, None if opening is None else tuple(opening)), signals)
