"""Memory that a flood of calls took goes back to the system when the flood is over.

The C library keeps what was freed for the next flood, which may never come: after two thousand streams at once a data plane would
hold three times what it needs.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

FLOOD = 200
"""So many calls or connections at once, on either side, are a flood."""
_EBB = 4


def give_back() -> None:
    """Collect what is garbage and have the C library return what is free; where it cannot, nothing happens."""
    import ctypes  # noqa: PLC0415  # only a process that saw a flood needs it

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Ebb:
    """Sees how much is open from moment to moment, and gives memory back once when little is left of a flood.

    With `every`, it is given back at every so manieth look, too, where as many calls as in a few floods came since: in steady
    traffic a tenth of what a process holds falls free bit by bit.
    """

    def __init__(self, give_back: Callable[[], None] = give_back, *, every: int | None = None) -> None:
        self._give_back = give_back
        self._every = every
        self._most = 0
        self._looks = 0
        self._sum = 0

    def see(self, number: int) -> None:
        """Take in how many calls or connections are open now, or came since the last look."""
        self._most = max(self._most, number)
        self._looks += 1
        self._sum += number
        is_over = self._most >= FLOOD and number * _EBB <= self._most
        is_due = self._every is not None and self._looks >= self._every and self._sum >= _EBB * FLOOD
        if is_over or is_due:
            self._most = self._looks = self._sum = 0
            self._give_back()
