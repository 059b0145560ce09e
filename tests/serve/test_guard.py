"""Five guards on one engine: what each is fed, when it crosses, and that processes may share one state."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import UsageError
from fairlead.serve.guard import SHARES, Collected, Guards, Terms, Watched, of_call, of_pair, why
from fairlead.serve.snapshot import Stage

CANARY = Terms(stage=Stage.CANARY, horizon=300)
MOVED = Terms(stage=Stage.MOVED, pairs_per_year=2_000, calls_per_pair=5)


def pair(difference=0.0, *, candidate_refused=False, incumbent_refused=False):
    return of_pair(difference=difference, candidate_refused=candidate_refused, incumbent_refused=incumbent_refused)


def call(*, failed=False, latency_s=1.0, broken=None):
    return of_call(failed=failed, latency_s=latency_s, slow_s=60, schema_broken=broken)


def fed(terms, shown, *, at_once=1):
    guards, collected = Guards(terms), Collected(terms)
    for number, each in enumerate(shown, 1):
        collected.add(each)
        if number % at_once == 0:
            guards.lay(collected.take())
        if guards.crossed:
            break
    guards.lay(collected.take())
    return guards


def drawn(seed, count, *, theta, q):
    chance = random.Random(seed)
    return [chance.choices([-1.0, 0.0, 1.0], [(q - theta) / 2, 1 - q, (q + theta) / 2])[0] for _ in range(count)]


def test_a_good_candidate_lasts_its_horizon():
    guards = fed(CANARY, [pair(difference) for difference in drawn(1, 300, theta=0.0, q=0.2)])
    assert guards.lasted
    assert guards.crossed == ()


def test_a_horizon_that_is_not_reached_has_not_lasted():
    assert not fed(CANARY, [pair()] * 299).lasted


@pytest.mark.parametrize(
    ("shown", "what"),
    [
        ([pair(-1.0), pair(), pair(), pair()], Watched.QUALITY),
        ([call(failed=True), call(), call(), call()], Watched.ERRORS),
        ([call(latency_s=61.0), call()], Watched.SLOW),
        ([pair(candidate_refused=True), pair(), pair()], Watched.REFUSALS),
        ([call(broken=True), call(broken=False), call(broken=False)], Watched.SCHEMA),
    ],
)
@pytest.mark.parametrize("terms", [CANARY, MOVED])
def test_each_guard_sees_what_it_is_there_for(terms, shown, what):
    guards = fed(terms, shown * 200)
    assert [reading.what for reading in guards.crossed] == [what]
    assert not guards.lasted
    assert terms.says(what) in why(guards.crossed, terms)


def test_both_sides_failing_alike_is_no_regression():
    shown = [pair(candidate_refused=True, incumbent_refused=True), pair(0.0)] * 300
    assert fed(MOVED, shown).crossed == ()


def test_a_call_that_failed_is_an_error_and_neither_slow_nor_broken():
    assert call(failed=True, latency_s=100.0, broken=True) == {Watched.ERRORS: -1.0}


def test_a_pair_that_could_not_be_graded_says_nothing_about_quality():
    assert Watched.QUALITY not in pair(None)


def test_the_guards_together_raise_no_more_false_alarms_than_declared():
    terms = Terms(stage=Stage.CANARY, horizon=60, alpha=0.2, calls_per_pair=1.0)
    chance = random.Random(7)
    false, runs = 0, 150
    for seed in range(runs):
        shown = [
            pair(difference, candidate_refused=chance.random() < 0.03)
            | call(
                failed=chance.random() < 0.02, latency_s=61.0 if chance.random() < 0.05 else 1.0,
                broken=chance.random() < 0.02,
            )
            for difference in drawn(seed, 60, theta=-0.03, q=0.2)
        ]  # fmt: skip
        false += bool(fed(terms, shown).crossed)
    assert false / runs <= 0.2 + 3 * math.sqrt(0.2 * 0.8 / runs)


def test_the_chance_of_a_false_alarm_is_shared_out_whole():
    assert sum(SHARES.values()) == pytest.approx(1)


def test_processes_that_collect_apart_come_to_the_same_as_one():
    differences = drawn(3, 240, theta=-0.05, q=0.2)
    whole, shared = Guards(MOVED), Guards(MOVED)
    one = Collected(MOVED)
    for difference in differences:
        one.add(pair(difference))
    whole.lay(one.take())
    apart = [Collected(MOVED), Collected(MOVED)]
    for start in range(0, 240, 40):
        mine = apart[start // 40 % 2]
        for difference in differences[start : start + 40]:
            mine.add(pair(difference))
        shared.lay(mine.take())
    for a, b in zip(whole.readings(), shared.readings(), strict=True):
        assert a.n == b.n
        assert a.level == pytest.approx(b.level)
        assert a.mean == (None if b.mean is None else pytest.approx(b.mean))


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), max_size=60), st.integers(0, 60))
def test_a_state_that_was_kept_goes_on_as_if_nothing_had_happened(differences, stop):
    through = fed(CANARY, [pair(difference) for difference in differences], at_once=1)
    first = fed(CANARY, [pair(difference) for difference in differences[:stop]], at_once=1)
    kept = Guards.from_json(json.loads(json.dumps(first.to_json())))
    rest = Collected(kept.terms)
    for difference in differences[stop:]:
        if not kept.crossed:
            rest.add(pair(difference))
            kept.lay(rest.take())
    for a, b in zip(through.readings(), kept.readings(), strict=True):
        assert (a.n, a.crossed_at) == (b.n, b.crossed_at)
        assert a.level == pytest.approx(b.level)


def test_a_state_that_is_none_is_refused():
    with pytest.raises(UsageError, match="no state of guards"):
        Guards.from_json({"terms": 3})
