"""Counting in bounded memory what a log has without bound: quantiles, distinct things, things that come again.

Small numbers are exact. Quantiles of more than a few thousand values are right to half a per cent; distinct things are known by
64 bits of their hash, in about 16 bytes each. Which 64 bits those are makes no difference to how many there are, so they are
Python's own, which a text knows of itself.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from math import ceil, exp, log
from statistics import quantiles

_EXACT = 4_096
_BITS = (1 << 64) - 1
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

    def add(self, value: float) -> None:
        """Take a value in."""
        self.count += 1
        self.total += value
        if value > self.highest:  # noqa: PLR1730 - `max` takes five times as long, and this is done for every figure of every call
            self.highest = value
        if self._buckets is not None:
            self._put(value)
            return
        self._values.append(value)
        if len(self._values) > _EXACT:
            self._buckets = Counter()
            for each in self._values:
                self._put(each)
            self._values = array("d")

    def _put(self, value: float) -> None:
        assert self._buckets is not None
        if value <= 0:
            self._zeros += 1
        else:
            self._buckets[ceil(log(value) / _STEP)] += 1

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
    return quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


class Distinct:
    """How often each of many things was met, by 64 bits of its hash."""

    __slots__ = ("_counts", "_keys", "_size", "_used")

    def __init__(self) -> None:
        self._size = 1 << 6
        self._used = 0
        self._keys = array("Q", bytes(8 * self._size))
        self._counts = array("L", bytes(array("L").itemsize * self._size))

    def __len__(self) -> int:
        return self._used

    def add(self, name: str) -> None:
        """Meet a thing once more."""
        key = hash(name) & _BITS or 1
        keys = self._keys
        slot = key % self._size
        while (there := keys[slot]) and there != key:
            slot = (slot + 1) % self._size
        self._counts[slot] += 1
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
