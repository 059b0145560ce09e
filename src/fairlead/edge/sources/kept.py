"""Records kept until their other half comes, on disk: a log's two halves may lie gigabytes apart.

A log may hold a million that wait, as where spans do not hold their prompts: memory has the hash of each one's name and its
place, in some thirty bytes. What is remembered ends with the run, so Python's own hash (64 bits, salted) is good enough.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, cast

import msgspec

from fairlead.core.nouns import JSON

_ALL_BITS = (1 << 64) - 1
_LENGTH, _KEY = 8, 8
_SMALLEST = 1 << 6


class Kept:
    """A pile of records by name; each is taken out once."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0
        self._empty(_SMALLEST)

    def _empty(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._keys = array("Q", bytes(8 * size))
        self._places = array("Q", bytes(8 * size))

    def __contains__(self, name: str) -> bool:
        return bool(self._places[self._slot(_hash(name))])

    def put(self, name: str, record: JSON) -> None:
        """Keep a record under a name, in place of one that had it."""
        if self._file is None:
            self._file = cast("IO[bytes]", TemporaryFile())  # noqa: SIM115
        data, key = msgspec.json.encode((name, record)), _hash(name)
        self._file.seek(self._end)
        self._file.write(len(data).to_bytes(_LENGTH, "big") + key.to_bytes(_KEY, "big") + data)
        self._set(key, self._end + 1)
        self._end += _LENGTH + _KEY + len(data)
        if self._used * 3 > self._size * 2:
            self._make_room()

    def take(self, name: str) -> JSON:
        """Take a record out; `None` when there is none of that name."""
        slot = self._slot(_hash(name))
        place, self._places[slot] = self._places[slot], 0
        return self._at(place - 1)[1] if place else None

    def rest(self) -> Iterator[tuple[str, JSON]]:
        """Take out everything that is left, in the order it came."""
        place = 0
        while self._file is not None and place < self._end:
            self._file.seek(place)
            length = int.from_bytes(self._file.read(_LENGTH), "big")
            slot = self._slot(int.from_bytes(self._file.read(_KEY), "big"))
            if self._places[slot] == place + 1:
                self._places[slot] = 0
                yield self._at(place)
            place += _LENGTH + _KEY + length
        if self._file is not None:
            self._file.close()
        self._file, self._end = None, 0
        self._empty(_SMALLEST)

    def _at(self, place: int) -> tuple[str, JSON]:
        assert self._file is not None
        self._file.seek(place)
        length = int.from_bytes(self._file.read(_LENGTH), "big")
        self._file.seek(place + _LENGTH + _KEY)
        name, record = msgspec.json.decode(self._file.read(length))
        return name, record

    def _slot(self, key: int) -> int:
        slot = key % self._size
        while self._keys[slot] and self._keys[slot] != key:
            slot = (slot + 1) % self._size
        return slot

    def _set(self, key: int, place: int) -> None:
        slot = self._slot(key)
        self._used += not self._keys[slot]
        self._keys[slot], self._places[slot] = key, place

    def _make_room(self) -> None:
        """Forget the names of what was taken out, and grow where that is not enough."""
        live = [(key, place) for key, place in zip(self._keys, self._places, strict=True) if place]
        self._empty(max(_SMALLEST, 1 << (len(live) * 3).bit_length()))
        for key, place in live:
            self._set(key, place)


def _hash(text: str) -> int:
    return hash(text) & _ALL_BITS or 1
