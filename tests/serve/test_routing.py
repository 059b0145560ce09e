"""Stages as a table: what moves a route, what never may, and what is written down of it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import UsageError
from fairlead.core.nouns import Candidate
from fairlead.serve.routing import ANYWHERE, MAY, NEXT, REACH, By, Event, Happened, Route, after, refusal, replayed
from fairlead.serve.snapshot import Stage

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
CANDIDATE = Candidate(endpoint="http://localhost:8000/v1", model="qwen3-32b")
ROUTE = Route(workload_id="w1", candidate=CANDIDATE, upstream="local")


def happened(event, by, *, minutes=0, why="because"):
    return Happened(event=event, by=by, at=NOW + timedelta(minutes=minutes), who="ann", why=why, evidence="e1")


allowed = [(event, by) for event, who in MAY.items() for by in sorted(who)]
histories = st.lists(st.sampled_from([(event, by) for event in Event for by in By]), max_size=40)
likely_histories = st.lists(st.sampled_from(allowed), max_size=60)


def walked(history):
    """Every step that the table let happen, from the beginning."""
    route, steps = ROUTE, []
    for event, by in history:
        if refusal(route, event, by) is None:
            moved = after(route, happened(event, by))
            steps.append((route, moved.route, moved.step))
            route = moved.route
    return steps


def test_a_workload_goes_all_the_way_on_evidence_and_back_on_a_guard():
    route = ROUTE
    seen = []
    for event, by in [
        (Event.STARTED, By.PLAN),
        (Event.REPLACE_OK, By.EVIDENCE),
        (Event.LASTED, By.EVIDENCE),
        (Event.REGRESSED, By.GUARD),
    ]:
        moved = after(route, happened(event, by))
        route = moved.route
        seen.append((moved.step.before.value, moved.step.after.value))
    assert seen == [("stay", "shadow"), ("shadow", "canary"), ("canary", "moved"), ("moved", "stay")]
    assert route.hold


@given(likely_histories)
def test_after_a_guard_crossed_only_a_person_sends_more_traffic_to_the_candidate(history):
    steps = walked(history)
    crossed = False
    for before, now, step in steps:
        if crossed and REACH[now.stage] > REACH[before.stage]:
            assert step.by is By.PERSON
        if step.event is Event.REGRESSED:
            crossed = True
        elif step.by is By.PERSON:
            crossed = False


@given(histories)
def test_a_route_on_hold_is_moved_on_by_a_person_and_by_nobody_else(history):
    for before, now, step in walked(history):
        if before.hold and now.stage is not before.stage:
            assert step.by is By.PERSON or now.stage is Stage.STAY
        if before.hold and step.by in {By.PLAN, By.EVIDENCE}:
            pytest.fail("a plan or evidence did something to a route on hold")


@given(histories)
def test_a_guard_always_leads_back_to_the_incumbent_and_to_nowhere_else(history):
    for _, now, step in walked(history):
        if step.by is By.GUARD:
            assert now.stage is Stage.STAY
            assert now.hold


@given(histories)
def test_a_route_never_skips_a_stage_on_the_way_out(history):
    for before, now, _ in walked(history):
        assert REACH[now.stage] <= REACH[before.stage] + 1


@given(histories)
def test_every_step_is_a_record_that_says_who_when_why_and_on_what(history):
    steps = walked(history)
    for before, now, step in steps:
        assert (step.before, step.after, step.number) == (before.stage, now.stage, now.version)
        assert step.who == "ann"
        assert step.why == "because"
        assert step.evidence == "e1"
        assert step.at == NOW
    assert all(b.number == a.number + 1 for (_, _, a), (_, _, b) in pairwise(steps))


@given(histories)
def test_replaying_the_records_gives_the_route_again(history):
    steps = walked(history)
    told = [
        Happened(event=step.event, by=step.by, at=step.at, who=step.who, why=step.why, evidence=step.evidence)
        for _, _, step in steps
    ]
    assert replayed(ROUTE, told) == (steps[-1][1] if steps else ROUTE)


def test_a_guard_takes_back_a_route_that_is_on_hold():
    moved = Route(workload_id="w1", candidate=CANDIDATE, stage=Stage.MOVED, hold=True)
    assert after(moved, happened(Event.REGRESSED, By.GUARD)).route.stage is Stage.STAY


def test_evidence_cannot_start_a_route():
    with pytest.raises(UsageError, match="cannot come from evidence"):
        after(ROUTE, happened(Event.STARTED, By.EVIDENCE))


def test_a_hold_keeps_the_stage_and_names_its_reason_to_whoever_wants_to_move_it():
    canary = Route(workload_id="w1", candidate=CANDIDATE, stage=Stage.CANARY)
    held = after(canary, happened(Event.HOLD, By.PERSON, why="audit in progress")).route
    assert held.stage is Stage.CANARY
    with pytest.raises(UsageError, match="audit in progress"):
        after(held, happened(Event.LASTED, By.EVIDENCE))
    assert after(held, happened(Event.ADVANCED, By.PERSON)).route.stage is Stage.MOVED


def test_a_route_without_a_candidate_goes_nowhere():
    with pytest.raises(UsageError, match="no candidate"):
        after(Route(workload_id="w1"), happened(Event.STARTED, By.PERSON))


def test_what_was_taken_back_by_hand_is_not_started_again_by_a_plan():
    canary = Route(workload_id="w1", candidate=CANDIDATE, stage=Stage.CANARY)
    back = after(canary, happened(Event.BACK, By.PERSON)).route
    assert refusal(back, Event.STARTED, By.PLAN) is not None
    assert refusal(back, Event.STARTED, By.PERSON) is None


def test_each_start_is_a_run_of_its_own():
    route = after(ROUTE, happened(Event.STARTED, By.PLAN)).route
    route = after(route, happened(Event.BACK, By.PERSON)).route
    assert route.run == 1
    assert after(route, happened(Event.STARTED, By.PERSON)).route.run == 2


def test_the_time_of_a_stage_is_the_time_it_was_entered():
    route = after(ROUTE, happened(Event.STARTED, By.PLAN)).route
    held = after(route, happened(Event.HOLD, By.PERSON, minutes=5)).route
    assert held.since == NOW


def test_every_event_is_in_the_table_or_leaves_the_stage_alone():
    assert {event for _, event in NEXT} | ANYWHERE == set(Event) == set(MAY)
