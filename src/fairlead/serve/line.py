"""Pairs in the order of their requests, whatever order their answers come in. Pure: the time is an argument.

Slow answers are the failing ones. Whoever counts answers as they arrive sees the quick ones first and clears a margin that
the timeouts still on their way would have held. So a finished pair waits here until every pair asked before it is finished
too; one that is not finished when its time is up is finished as what it then is, a failure, so that it holds up the others
for one timeout at most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Place(Generic[T]):
    due_s: float
    late: Callable[[], T | None]
    value: T | None = None
    done: bool = False


class Line(Generic[T]):
    """The requests that were asked, in order, with what came of them.

    >>> line = Line()
    >>> first = line.enter(due_s=60, late=lambda: "late")
    >>> second = line.enter(due_s=61, late=lambda: "late")
    >>> line.finish(second, "quick"), line.ready(now_s=1), line.ready(now_s=60)
    (True, [], ['late', 'quick'])
    """

    def __init__(self) -> None:
        self._places: dict[int, _Place[T]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._places)

    def enter(self, *, due_s: float, late: Callable[[], T | None]) -> int:
        """A request is asked: its number. At `due_s` it is what `late` says, when it is not finished by then."""
        number = self._next
        self._next += 1
        self._places[number] = _Place(due_s=due_s, late=late)
        return number

    def finish(self, number: int, value: T | None) -> bool:
        """What came of a request, `None` for nothing to count; whether it came in time."""
        place = self._places.get(number)
        if place is None or place.done:
            return False
        place.value, place.done = value, True
        return True

    def ready(self, *, now_s: float) -> list[T]:
        """What may be counted now, in the order of the requests."""
        found: list[T] = []
        for number in list(self._places):
            place = self._places[number]
            if not place.done:
                if now_s < place.due_s:
                    break
                place.value = place.late()
            del self._places[number]
            if place.value is not None:
                found.append(place.value)
        return found

    def next_due_s(self) -> float | None:
        """When the first request that holds up the others is late; `None` while none does."""
        first = next(iter(self._places.values()), None)
        return None if first is None else first.due_s
