"""What a flood of calls took is given back when it is over, and not while it lasts."""

import gc
import weakref

import pytest

from fairlead.serve.ebb import FLOOD, Ebb, give_back


@pytest.mark.parametrize(
    ("seen", "times"),
    [
        ([0, 1, FLOOD - 1, 0, 0], 0),
        ([FLOOD, 0, 0, 0], 1),
        ([10 * FLOOD, 9 * FLOOD, 5 * FLOOD, 3 * FLOOD], 0),
        ([10 * FLOOD, FLOOD, 0, 0], 1),
        ([FLOOD, 0, FLOOD, 0], 2),
    ],
)
def test_memory_is_given_back_once_after_each_flood(seen: list[int], times: int) -> None:
    given: list[int] = []
    ebb = Ebb(lambda: given.append(1))
    for number in seen:
        ebb.see(number)
    assert len(given) == times


@pytest.mark.parametrize(
    ("number", "looks", "times"), [(100, 23, 2), (100, 24, 3), (100, 7, 0), (10, 70, 0), (10, 80, 1), (0, 99, 0)]
)
def test_in_steady_traffic_memory_is_given_back_now_and_then(number: int, looks: int, times: int) -> None:
    given: list[int] = []
    ebb = Ebb(lambda: given.append(1), every=8)
    for _ in range(looks):
        ebb.see(number)
    assert len(given) == times


def test_giving_back_collects_what_nothing_refers_to_any_more() -> None:
    class Circle:
        pass

    circle = Circle()
    circle.itself = circle  # type: ignore[attr-defined]
    gone = weakref.ref(circle)
    gc.disable()
    try:
        del circle
        give_back()
    finally:
        gc.enable()
    assert gone() is None
