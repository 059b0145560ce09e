"""A bounded memory of what was worked out before: the newest half of what fits is always kept.

Two generations instead of an order per entry: a hit costs one or two dictionary look-ups, and when the young
generation is full it becomes the old one. Cost is counted in whatever unit the caller gives (characters, say), so long
entries use the room up sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


_MOST_MET = 20_000


class Memo(Generic[K, V]):
    """Remembers values by key until `budget` units are used, then forgets the ones not asked for lately.

    With `second_time`, what is offered once is not kept: most lines of a log never come again, and memory that is given back at
    once is still in the processor's cache when the next line needs it.
    """

    __slots__ = ("_budget", "_cost", "_met", "_old", "_used", "young")

    def __init__(
        self, budget: int, cost: Callable[[K, V], int] = lambda _key, _value: 1, *, second_time: bool = False
    ) -> None:
        self._budget = max(1, budget // 2)
        self._cost = cost
        self._met: set[int] | None = set() if second_time else None
        self.young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._used = 0

    def get(self, key: K) -> V | None:
        """The value kept for `key`, or `None`. Where every nanosecond counts, ask `young` first and then `recall`."""
        value = self.young.get(key)
        return self.recall(key) if value is None else value

    def recall(self, key: K) -> V | None:
        """The value kept for `key` in the old generation, from where it moves to the young one."""
        value = self._old.pop(key, None)
        if value is not None:
            self._put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep `value`; one that is dearer than half the room is not kept."""
        if self._met is not None and not self._was_met(hash(key)):
            return
        self._put(key, value)

    def _was_met(self, mark: int) -> bool:
        met = self._met
        assert met is not None
        if mark in met:
            return True
        if len(met) >= _MOST_MET:
            met.clear()
        met.add(mark)
        return False

    def _put(self, key: K, value: V) -> None:
        cost = self._cost(key, value)
        if cost > self._budget:
            return
        if self._used + cost > self._budget:
            self._old, self.young, self._used = self.young, {}, 0
        self.young[key] = value
        self._used += cost

    def was_offered(self, key: K) -> bool:
        """Whether a value was offered for this key lately, kept or not."""
        return key in self or (self._met is not None and hash(key) in self._met)

    def spare(self, budget: int) -> None:
        """Remember no more than so much from now on."""
        self._budget = max(1, budget // 2)
        if self._used > self._budget:
            self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.young, self._old, self._used = {}, {}, 0

    def __contains__(self, key: K) -> bool:
        return key in self.young or key in self._old

    def __len__(self) -> int:
        return len(self.young) + len(self._old)
