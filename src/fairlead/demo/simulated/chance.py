"""Chance that hangs on nothing but its seed: the same model answers the same request the same way, today and tomorrow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from fairlead.demo.simulated.rates import FAULTS, RATES, SHARED, Side

Item = TypeVar("Item")


class Draws:
    """Numbers drawn from a request's key; each name is its own draw."""

    def __init__(self, seed: int, key: str) -> None:
        self._root = hashlib.blake2b(f"{seed}/{key}".encode("utf-8", "replace"), digest_size=16).digest()

    def share(self, name: str) -> float:
        """A number in [0, 1)."""
        drawn = hashlib.blake2b(name.encode(), digest_size=8, key=self._root).digest()
        return int.from_bytes(drawn, "big") / 2**64

    def label(self, name: str) -> str:
        """Letters and figures without a meaning."""
        return hashlib.blake2b(name.encode(), digest_size=14, key=self._root).hexdigest()

    def pick(self, name: str, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[int(self.share(name) * len(items))]

    def is_right(self, side: Side, kind: str) -> bool:
        """Whether this side answers this request rightly."""
        drawn = self.share("hard" if self.share("shared") < SHARED else f"{side}/right")
        return drawn < RATES[kind].of(side)

    def fault(self, side: Side) -> str | None:
        """`hang` or `cut` for requests that never get a whole answer."""
        drawn, faults = self.share(f"{side}/lost"), FAULTS[side]
        if drawn < faults.hang:
            return "hang"
        return "cut" if drawn < faults.lost else None

    def first_refusal(self, side: Side) -> int | None:
        """429 or 503 for requests that are turned away the first time."""
        drawn, faults = self.share(f"{side}/first"), FAULTS[side]
        if drawn < faults.limited:
            return 429
        return 503 if drawn < faults.limited + faults.unavailable else None
