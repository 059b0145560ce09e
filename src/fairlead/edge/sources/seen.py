"""Which ids a run has met, in 16 bytes each, however many there are.

An id that comes again with other content must not replace the first, and a row that comes again is counted: the
reader asks here. What is remembered ends with the run, so Python's own hash (64 bits, salted) is good enough.
"""

from __future__ import annotations

from array import array
from enum import Enum

_ALL_BITS = (1 << 64) - 1


class Met(Enum):
    """Whether an id has been met, and with what."""

    NEW = "new"
    SAME = "with the same content"
    OTHER = "with other content"


class SeenIds:
    """A table from id to the content it came with, both as 64-bit hashes."""

    def __init__(self) -> None:
        self._size = 1 << 12
        self._used = 0
        self._keys = array("Q", bytes(8 * self._size))
        self._contents = array("Q", bytes(8 * self._size))

    def meet(self, name: str, content: str) -> Met:
        """Say whether `name` came before, and remember it with this content if it did not."""
        key, value = _hash(name), _hash(content)
        slot = self._slot(key)
        if self._keys[slot]:
            return Met.SAME if self._contents[slot] == value else Met.OTHER
        self._keys[slot], self._contents[slot] = key, value
        self._used += 1
        if self._used * 3 > self._size * 2:
            self._grow()
        return Met.NEW

    def __contains__(self, name: str) -> bool:
        return bool(self._keys[self._slot(_hash(name))])

    def _slot(self, key: int) -> int:
        slot = key % self._size
        while self._keys[slot] and self._keys[slot] != key:
            slot = (slot + 1) % self._size
        return slot

    def _grow(self) -> None:
        keys, contents = self._keys, self._contents
        self._size *= 2
        self._keys = array("Q", bytes(8 * self._size))
        self._contents = array("Q", bytes(8 * self._size))
        for key, value in zip(keys, contents, strict=True):
            if key:
                slot = self._slot(key)
                self._keys[slot], self._contents[slot] = key, value


def _hash(text: str) -> int:
    return hash(text) & _ALL_BITS or 1
