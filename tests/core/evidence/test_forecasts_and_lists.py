"""How many more pairs, and which claims may stand together."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import UsageError
from fairlead.core.evidence import Evidence, Histogram, e_bh, fixed_size, forecast

PLAN = Evidence(margin=0.05)


def counted(*, wins, ties, losses, margin=0.05):
    return Evidence(margin=margin, counts=Histogram.from_counts(wins=wins, ties=ties, losses=losses))


def test_nothing_more_is_needed_once_the_margin_is_decided():
    done = forecast(counted(wins=0, ties=300, losses=0))
    assert (done.median, done.p80, done.p_replace, done.p_worse) == (0, 0, 1, 0)
    assert forecast(counted(wins=0, ties=0, losses=300)).p_worse == 1


def test_a_hopeless_margin_is_unknown_and_not_a_large_number():
    hopeless = forecast(counted(wins=2000, ties=0, losses=2000, margin=0.002))
    assert hopeless.median is None
    assert hopeless.p80 is None


def test_the_same_seed_gives_the_same_forecast():
    evidence = counted(wins=12, ties=70, losses=18)
    assert forecast(evidence, seed=4) == forecast(evidence, seed=4)


def test_a_verdict_is_not_promised_before_it_may_be_shown():
    early = forecast(counted(wins=9, ties=0, losses=0))
    assert early.median is not None
    assert early.median + 9 >= 50


def test_a_losing_candidate_is_expected_to_lose():
    losing = forecast(counted(wins=5, ties=60, losses=25))
    assert losing.p_worse > 0.9
    assert losing.p_replace < 0.1


def test_graded_differences_are_forecast_too():
    graded = forecast(PLAN.after([0.03, -0.02, 0.01, -0.04, 0.0] * 12))
    assert graded.median is not None
    assert graded.p80 is not None
    assert graded.median <= graded.p80 < 1000


def test_before_the_first_pair_a_forecast_is_still_one():
    start = forecast(PLAN)
    assert 0 <= start.p_replace + start.p_worse <= 1


def test_a_true_loss_of_the_margin_can_never_be_proven_harmless():
    assert fixed_size(-0.05, 0.05, 0.2) == math.inf


@pytest.mark.parametrize("bad", [{"q": 0.0001}, {"q": 1.2}, {"q": 0.2, "power": 1.0}, {"q": 0.2, "alpha": 0}])
def test_a_size_cannot_be_planned_from_settings_that_make_no_sense(bad):
    with pytest.raises(UsageError, match="cannot be used"):
        fixed_size(0.02, 0.05, **bad)


def test_no_hypotheses_give_an_empty_list():
    assert e_bh([]) == []


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30))
def test_the_list_holds_the_strongest_and_each_would_pass_at_its_rank(log_e):
    listed = e_bh(log_e)
    chosen = sum(listed)
    bar = math.log(len(log_e) / (0.05 * chosen)) if chosen else None
    for value, is_listed in zip(log_e, listed, strict=True):
        assert is_listed == (bar is not None and value >= bar)


def test_one_hypothesis_needs_an_e_value_of_twenty():
    assert e_bh([math.log(20.001)]) == [True]
    assert e_bh([math.log(19.9)]) == [False]


def test_weights_declared_in_advance_shift_what_is_needed():
    log_e = [math.log(30), 0.0]
    assert e_bh(log_e) == [False, False]
    assert e_bh(log_e, weights=[3, 1]) == [True, False]


def test_weights_only_count_relative_to_each_other():
    log_e = [math.log(30), 0.0]
    assert e_bh(log_e, weights=[300, 100]) == e_bh(log_e, weights=[3, 1])


@pytest.mark.parametrize("weights", [[1], [1, 0], [1, math.nan]])
def test_weights_that_make_no_sense_are_refused(weights):
    with pytest.raises(UsageError, match="one weight"):
        e_bh([0.0, 0.0], weights=weights)


def test_a_missing_e_value_is_refused():
    with pytest.raises(UsageError, match="not a number"):
        e_bh([math.nan])
