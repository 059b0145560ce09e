"""Counting in bounded memory what a log has without bound: quantiles, distinct things, things that come again.

Small numbers are exact. Quantiles of more than a few thousand values are right to half a per cent; distinct things are known by
64 bits of their hash, in 8 bytes for each time they come, or about 16 where it is counted how often. Which 64 bits those are makes
no difference to how many there are, so they are Python's own, which a text knows of itself. What comes is taken in by the
column, for a hundred values together take hardly longer than ten apart.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from math import ceil, exp, log

_EXACT = 4_096
_BITS = (1 << 64) - 1
_AT_ONCE = 100_000
_STEP = log(1.01)  # neighbouring buckets lie one per cent apart, so their middles are half a per cent off


class Quantiles:
    """Quantiles of values that are zero or more."""

    __slots__ = ("_buckets", "_values", "_zeros", "count", "highest", "total")

    def __init__(self) -> None:
        self._values = array("d")
        self._buckets: Counter[int] | None = None
        self._zeros = 0
        self.count = 0
        self.total = 0.0
        self.highest = 0.0

    def extend(self, values: Sequence[float]) -> None:
        """Take values in."""
        if not values:
            return
        self.count += len(values)
        self.total = sum(values, self.total)
        highest = max(values)
        self.highest = max(self.highest, highest)
        if self._buckets is None:
            self._values.extend(values)
            if len(self._values) <= _EXACT:
                return
            values, self._values, self._buckets = self._values, array("d"), Counter()
        for value, times in Counter(values).items():
            if value <= 0:
                self._zeros += times
            else:
                self._buckets[ceil(log(value) / _STEP)] += times

    def at(self, share: float) -> float | None:
        """The `share` quantile (0.5 is the median), `None` of nothing."""
        if self._buckets is None:
            return quantile(self._values, share)
        left = share * (self.count - 1) - self._zeros
        if left < 0:
            return 0.0
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left < 0:
                return min(self.highest, exp((bucket - 0.5) * _STEP))
        return self.highest


def quantile(values: array[float] | list[float] | tuple[float, ...], share: float) -> float | None:
    """The `share` quantile by linear interpolation, `None` of nothing."""
    if not values:
        return None
    if len(values) == 1:
        return values[0]
    place, part = divmod(round(share * 100) * (len(values) - 1), 100)
    each = sorted(values)
    return (each[place] * (100 - part) + each[place + 1] * part) / 100


class Distinct:
    """How many different things were met."""

    __slots__ = ("_hashes",)

    def __init__(self) -> None:
        self._hashes = array("q")

    def extend(self, things: Iterable[Hashable]) -> None:
        """Meet things."""
        self._hashes.extend(map(hash, things))

    def __len__(self) -> int:
        return _different(self._hashes, 0)


def _different(hashes: array[int], bit: int) -> int:
    """How many of the hashes differ; a great many are told apart by one bit after the other first, which takes less room."""
    if len(hashes) <= _AT_ONCE or bit >= 64:
        return len(set(hashes))
    return sum(_different(array("q", (each for each in hashes if each >> bit & 1 == side)), bit + 1) for side in (0, 1))


class Met:
    """How often each of many things was met."""

    __slots__ = ("_counts", "_keys", "_size", "_used")

    def __init__(self) -> None:
        self._size = 1 << 6
        self._used = 0
        self._keys = array("Q", bytes(8 * self._size))
        self._counts = array("L", bytes(array("L").itemsize * self._size))

    def __len__(self) -> int:
        return self._used

    def extend(self, names: Iterable[str]) -> None:
        """Meet things once more."""
        for name, times in Counter(names).items():
            self._add(name, times)

    def _add(self, name: str, times: int) -> None:
        key = hash(name) & _BITS or 1
        keys = self._keys
        slot = key % self._size
        while (there := keys[slot]) and there != key:
            slot = (slot + 1) % self._size
        self._counts[slot] += times
        if not there:
            keys[slot] = key
            self._used += 1
            if self._used * 3 > self._size * 2:
                self._grow()

    def counts(self) -> Iterator[int]:
        """How often each was met."""
        return (count for count in self._counts if count)

    def _grow(self) -> None:
        keys, counts = self._keys, self._counts
        self._size *= 2
        self._keys = array("Q", bytes(8 * self._size))
        self._counts = array("L", bytes(array("L").itemsize * self._size))
        for key, count in zip(keys, counts, strict=True):
            if key:
                slot = key % self._size
                while self._keys[slot]:
                    slot = (slot + 1) % self._size
                self._keys[slot], self._counts[slot] = key, count
