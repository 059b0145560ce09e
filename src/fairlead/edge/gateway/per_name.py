"""What follows from the name of a field, worked out once for each spelling: the same few come with every message.

Names are the other side's to choose, so only so many are remembered, and none that is long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

_MOST: Final = 1024
_LONGEST: Final = 64
V = TypeVar("V")


class PerName(dict[bytes, V], Generic[V]):
    """`PerName(work_out)[name]` is `work_out(name)`."""

    __slots__ = ("_work_out",)

    def __init__(self, work_out: Callable[[bytes], V]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, name: bytes) -> V:
        value = self._work_out(name)
        if len(self) < _MOST and len(name) < _LONGEST:
            self[name] = value
        return value
