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


class Memo(Generic[K, V]):
    """Remembers values by key until `budget` units are used, then forgets the ones not asked for lately."""

    __slots__ = ("_budget", "_cost", "_old", "_used", "young")

    def __init__(self, budget: int, cost: Callable[[K, V], int] = lambda _key, _value: 1) -> None:
        self._budget = max(1, budget // 2)
        self._cost = cost
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
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep `value`; one that is dearer than half the room is not kept."""
        cost = self._cost(key, value)
        if cost > self._budget:
            return
        if self._used + cost > self._budget:
            self._old, self.young, self._used = self.young, {}, 0
        self.young[key] = value
        self._used += cost

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
