"""The guard over moved traffic: quick to see a drop, rarely wrong, and the same however many processes feed it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import UsageError
from fairlead.core.evidence.canary import Canary, Guard, Stretch, split_difference

GUARD = Guard.canary(tolerance=0.03, horizon=20_000)
outcomes = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), max_size=80)


def ternary(seed, n, *, theta, q):
    chances = [(q - theta) / 2, 1 - q, (q + theta) / 2]
    return np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], size=n, p=chances).tolist()


def alarm_of(guard, differences):
    canary = Canary(guard)
    return next((canary.n for difference in differences if canary.add(difference)), None)


def stretch_of(differences, guard=GUARD):
    stretch = Stretch(guard)
    for difference in differences:
        stretch.add(difference)
    return stretch


def test_one_loss_in_four_raises_the_alarm_at_the_known_pair():
    assert alarm_of(GUARD, [-1.0, 0.0, 0.0, 0.0] * 50) == 57


def test_at_the_tolerance_the_level_stays_at_one_on_average():
    levels = []
    for seed in range(4000):
        canary = Canary(GUARD)
        for difference in ternary(seed, 50, theta=-0.03, q=0.2):
            canary.add(difference)
        levels.append(canary.level)
    error = np.std(levels) / math.sqrt(len(levels))
    assert np.mean(levels) == pytest.approx(1, abs=4 * error)
    assert error < 0.03


def test_false_alarms_are_as_rare_as_promised():
    guard = Guard.canary(tolerance=0.03, horizon=600, alpha=0.05)
    runs = 500
    false = sum(alarm_of(guard, ternary(seed, 600, theta=-0.03, q=0.2)) is not None for seed in range(runs))
    assert false / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_a_drop_that_comes_late_is_still_seen():
    stream = ternary(1, 2000, theta=0.0, q=0.2) + ternary(2, 2000, theta=-0.2, q=0.3)
    alarm = alarm_of(GUARD, stream)
    assert alarm is not None
    assert 2000 < alarm < 2500


def test_an_alarm_once_raised_stays():
    canary = Canary(GUARD)
    for difference in [-1.0] * 60 + [1.0] * 500:
        canary.add(difference)
    assert canary.alarm_at is not None
    assert canary.alarm_at < 60


@given(outcomes, outcomes, outcomes)
def test_stretches_join_in_any_grouping(one, two, three):
    left = stretch_of(one).then(stretch_of(two)).then(stretch_of(three))
    right = stretch_of(one).then(stretch_of(two).then(stretch_of(three)))
    whole = stretch_of(one + two + three)
    for joined in (left, right):
        assert joined.n == whole.n
        assert joined.gain == pytest.approx(whole.gain)
        assert joined.fresh == pytest.approx(whole.fresh)


@given(outcomes, outcomes)
def test_laying_stretches_is_feeding_their_pairs(one, two):
    fed, laid = Canary(GUARD), Canary(GUARD)
    for difference in one + two:
        fed.add(difference)
    laid.lay(stretch_of(one))
    laid.lay(stretch_of(two))
    if fed.alarm_at is None:
        assert laid.level == pytest.approx(fed.level)
        assert laid.n == fed.n


def test_no_more_is_staked_than_the_canary_was_given():
    guard = Guard.canary(tolerance=0.03, horizon=10)
    canary = Canary(guard)
    for _ in range(5):
        canary.lay(stretch_of([-0.03] * 7, guard))
    assert canary.level == pytest.approx(1)


@given(outcomes)
def test_the_state_survives_json(differences):
    canary, stretch = Canary(GUARD), stretch_of(differences)
    canary.lay(stretch)
    restored = Canary.from_json(GUARD, json.loads(json.dumps(canary.to_json())))
    copied = Stretch.from_json(GUARD, json.loads(json.dumps(stretch.to_json())))
    assert (restored.level, restored.n, restored.alarm_at) == (canary.level, canary.n, canary.alarm_at)
    assert (copied.n, copied.gain, copied.fresh) == (stretch.n, stretch.gain, stretch.fresh)


@pytest.mark.parametrize(
    "state", [{}, {"n": 1, "rest": 0.5, "capital": [1.0]}, {"n": 1, "rest": math.nan, "capital": [1.0] * 16}]
)
def test_a_damaged_state_is_refused(state):
    with pytest.raises(UsageError):
        Canary.from_json(GUARD, state)


def test_a_disaster_does_not_overflow():
    stretch = stretch_of([-1.0] * 5000)
    assert all(math.isfinite(value) for value in stretch.gain + stretch.fresh)
    canary = Canary(GUARD)
    assert canary.lay(stretch)
    assert math.isfinite(canary.level)


def test_permanent_monitoring_keeps_its_yearly_budget_of_false_alarms():
    pairs_per_year = 400
    guard = Guard.permanent(tolerance=0.03, pairs_per_year=pairs_per_year)
    years = 150
    alarms, canary = 0, Canary(guard)
    for difference in ternary(3, years * pairs_per_year, theta=-0.03, q=0.2):
        if canary.add(difference):
            alarms, canary = alarms + 1, Canary(guard)
    assert alarms / years <= 1 + 3 / math.sqrt(years)
    assert alarms, "at the tolerance itself an alarm in 150 years is expected"


def test_a_randomised_split_has_the_mean_of_the_pairs():
    share, scores = 0.1, {True: 0.7, False: 0.8}
    mean = share * split_difference(scores[True], candidate=True, share=share) + (1 - share) * split_difference(
        scores[False], candidate=False, share=share
    )
    assert mean == pytest.approx((0.7 - 0.8) * share)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Guard.canary(tolerance=3, horizon=10),
        lambda: Guard.canary(tolerance=0.03, horizon=0),
        lambda: Guard.canary(tolerance=0.03, horizon=10, alpha=0),
        lambda: Guard.permanent(tolerance=0.03, pairs_per_year=0),
        lambda: Canary(GUARD).add(math.nan),
        lambda: Canary(GUARD).lay(Stretch(Guard.canary(tolerance=0.03, horizon=10))),
        lambda: split_difference(0.5, candidate=True, share=1.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(UsageError):
        make()
