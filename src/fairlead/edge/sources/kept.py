"""Records kept until their other half comes, on disk: a log's two halves may lie gigabytes apart."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, cast

import msgspec

from fairlead.core.nouns import JSON


class Kept:
    """A pile of records by name; each is taken out once. Only names and places are held in memory."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def put(self, name: str, record: JSON) -> None:
        """Keep a record under a name, in place of one that had it."""
        if self._file is None:
            self._file = cast("IO[bytes]", TemporaryFile())  # noqa: SIM115
        data = msgspec.json.encode(record)
        self._file.seek(self._end)
        self._file.write(data)
        self._places[name] = (self._end, len(data))
        self._end += len(data)

    def take(self, name: str) -> JSON:
        """Take a record out; `None` when there is none of that name."""
        place = self._places.pop(name, None)
        if place is None or self._file is None:
            return None
        self._file.seek(place[0])
        return cast("JSON", msgspec.json.decode(self._file.read(place[1])))

    def rest(self) -> Iterator[tuple[str, JSON]]:
        """Take out everything that is left, in the order it came."""
        for name in list(self._places):
            yield name, self.take(name)
        if self._file is not None:
            self._file.close()
            self._file = None
