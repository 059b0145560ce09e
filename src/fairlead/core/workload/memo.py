"""A bounded memory of what was worked out before: the newest half of what fits is always kept.

Two generations instead of an order per entry: a hit costs one or two dictionary look-ups, and when the young
generation is full it becomes the old one. Cost is counted in whatever unit the caller gives (characters here), so
long keys use the room up sooner.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers values by key until `budget` units are used, then forgets the ones not asked for lately."""

    __slots__ = ("_budget", "_old", "_used", "_young")

    def __init__(self, budget: int) -> None:
        self._budget = max(1, budget // 2)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._used = 0

    def get(self, key: K) -> V | None:
        """The value kept for `key`, or `None`."""
        value = self._young.get(key)
        if value is None and (value := self._old.pop(key, None)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V, cost: int = 1) -> None:
        """Keep `value`, which takes `cost` units; anything dearer than the whole room is not kept."""
        if cost > self._budget:
            return
        if self._used + cost > self._budget:
            self._old, self._young, self._used = self._young, {}, 0
        self._young[key] = value
        self._used += cost

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old, self._used = {}, {}, 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
