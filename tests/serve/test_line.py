"""Pairs count in the order of their requests, and a missing one holds up the others for one timeout at most."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.serve.line import Line


@given(st.permutations(range(12)))
def test_whatever_order_answers_come_in_they_count_in_the_order_of_the_requests(order):
    line = Line()
    numbers = [line.enter(due_s=60, late=lambda: None) for _ in range(12)]
    counted = []
    for which in order:
        line.finish(numbers[which], which)
        counted += line.ready(now_s=1)
    assert counted == list(range(12))
    assert len(line) == 0


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_a_request_that_is_never_answered_is_counted_as_late_when_its_time_is_up(answered):
    line = Line()
    for number, comes in enumerate(answered):
        place = line.enter(due_s=10 + number, late=lambda number=number: (number, "late"))
        if comes:
            line.finish(place, (number, "in time"))
    assert [number for number, _ in line.ready(now_s=10 + len(answered))] == list(range(len(answered)))


def test_an_answer_that_comes_after_its_time_changes_nothing():
    line = Line()
    place = line.enter(due_s=10, late=lambda: "late")
    assert line.ready(now_s=10) == ["late"]
    assert not line.finish(place, "right after all")
    assert line.ready(now_s=11) == []


def test_what_has_nothing_to_count_holds_nothing_up():
    line = Line()
    first, second = (line.enter(due_s=10, late=lambda: "late") for _ in range(2))
    line.finish(second, "b")
    line.finish(first, None)
    assert line.ready(now_s=0) == ["b"]


def test_it_says_when_to_look_again():
    line = Line()
    assert line.next_due_s() is None
    line.enter(due_s=10, late=lambda: None)
    line.enter(due_s=20, late=lambda: None)
    assert line.next_due_s() == 10
