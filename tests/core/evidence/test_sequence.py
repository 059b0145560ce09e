"""The e-values and intervals keep their promises for any counts."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.errors import UsageError
from fairlead.core.evidence import Evidence, Histogram, Watch
from fairlead.core.evidence.bets import GRID, grid_table, log_factors

differences = st.lists(st.integers(-100, 100).map(lambda v: v / 100), max_size=60)
histograms = st.dictionaries(st.integers(-100, 100), st.integers(1, 400), max_size=8).map(lambda c: Histogram(counts=c))
thetas = st.floats(-0.99, 0.99)
signs = st.sampled_from([1, -1])


@given(differences, st.randoms(use_true_random=False))
def test_the_order_of_pairs_does_not_matter(pairs, shuffler):
    shuffled = list(pairs)
    shuffler.shuffle(shuffled)
    assert Evidence(margin=0.03).after(pairs) == Evidence(margin=0.03).after(shuffled)


@given(differences, st.integers(0, 60))
def test_shards_merge_to_the_whole(pairs, cut):
    plan = Evidence(margin=0.03)
    assert plan.after(pairs[:cut]).merged(plan.after(pairs[cut:])) == plan.after(pairs)


@given(histograms, thetas, thetas, signs)
def test_capital_falls_as_the_claim_gets_bolder(histogram, one, other, sign):
    evidence = Evidence(margin=0.03, counts=histogram)
    near, far = sorted((one, other))
    timid, bold = (near, far) if sign > 0 else (far, near)
    assert evidence.log_e(timid, sign) >= evidence.log_e(bold, sign) - 1e-9


@given(thetas, signs)
def test_no_pair_costs_more_than_nineteen_twentieths_of_the_capital(theta, sign):
    assert np.exp(log_factors(theta, sign, GRID)).min() >= 0.05 - 1e-12


@given(histograms, thetas, signs)
def test_swapping_the_sides_mirrors_the_evidence(histogram, theta, sign):
    mirrored = Histogram(counts={-value: count for value, count in histogram.counts.items()})
    one = Evidence(margin=0.03, counts=histogram).log_e(theta, sign)
    other = Evidence(margin=0.03, counts=mirrored).log_e(-theta, -sign)
    assert one == pytest.approx(other, abs=1e-9)


@given(histograms, st.sampled_from([0.02, 0.03, 0.05, 0.1]))
def test_the_ends_of_the_interval_are_where_the_capital_reaches_the_bar(histogram, margin):
    evidence = Evidence(margin=margin, counts=histogram)
    interval = evidence.interval()
    assert -1 <= interval.low <= interval.high <= 1
    if interval.low > -1:
        assert evidence.log_e(interval.low, 1) >= math.log(40)
        assert evidence.log_e(interval.low + 2e-7, 1) < math.log(40)
    if interval.high < 1:
        assert evidence.log_e(interval.high, -1) >= math.log(40)
        assert evidence.log_e(interval.high - 2e-7, -1) < math.log(40)


@given(histograms)
def test_the_interval_says_what_the_verdict_says(histogram):
    evidence = Evidence(margin=0.05, counts=histogram)
    judged, interval = evidence.judge(n_min=0), evidence.interval()
    assert judged.replace_ok == (interval.low >= -0.05)
    assert judged.by_more_than_margin == (interval.high <= -0.05)
    assert (judged.low, judged.high) == (interval.low, interval.high)


def test_before_the_first_pair_nothing_is_ruled_out():
    evidence = Evidence(margin=0.03)
    assert (evidence.interval().low, evidence.interval().high) == (-1, 1)
    assert evidence.log_e(0.0, 1) == 0
    assert evidence.counts.mean is None
    assert evidence.counts.second_moment is None


def test_evidence_from_billions_of_pairs_does_not_overflow():
    evidence = Evidence(margin=0.03, counts=Histogram.from_counts(wins=10**9, ties=10**9, losses=0))
    assert math.isfinite(evidence.log_e(-0.03, 1))
    assert math.isfinite(evidence.log_e(0.9, 1))
    assert evidence.interval().low == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("outcome", [-1.0, 1.0])
def test_unanimous_pairs_pin_the_mean_to_the_edge(outcome):
    interval = Evidence(margin=0.03).after([outcome] * 2000).interval()
    assert interval.low <= outcome <= interval.high
    assert interval.high - interval.low < 0.01


@given(histograms)
def test_evidence_survives_json(histogram):
    evidence = Evidence(margin=0.02, alpha=0.1, q0=0.4, counts=histogram)
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))) == evidence


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"margin": 0.03, "alpha": 0.05, "q0": 0.25},
        {"margin": 0.03, "alpha": 0.05, "q0": 0.25, "counts": {"a": 1}},
        {"margin": 0.03, "alpha": 0.05, "q0": 0.25, "counts": {"1": "x"}},
        {"margin": 0.03, "alpha": 0.05, "q0": 0.25, "counts": {"101": 1}},
    ],
)
def test_json_that_is_no_evidence_is_refused(value):
    with pytest.raises(UsageError):
        Evidence.from_json(value)


def test_evidence_of_another_plan_is_not_merged():
    with pytest.raises(UsageError, match="one plan"):
        Evidence(margin=0.03).merged(Evidence(margin=0.05))


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"margin": 3}, "margin = 3 cannot be used; set it to a share between 0 and 1, such as 0.03."),
        ({"margin": 0}, "margin = 0 cannot be used"),
        ({"margin": math.nan}, "margin = nan cannot be used"),
        ({"margin": 0.03, "alpha": 1}, "alpha = 1 cannot be used"),
        ({"margin": 0.03, "q0": 0}, "q0 = 0 cannot be used"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_what_would_work(setting, sentence):
    with pytest.raises(UsageError, match=sentence):
        Evidence(**setting)


@pytest.mark.parametrize("difference", [math.nan, math.inf, -1.01, 1.5])
def test_differences_outside_their_range_are_refused(difference):
    for take in (lambda: Evidence(margin=0.03).after([difference]), lambda: Watch(0.03).add(difference)):
        with pytest.raises(UsageError, match=r"-1\.\.1"):
            take()


@pytest.mark.parametrize("counts", [{101: 1}, {0: -1}])
def test_counts_that_make_no_sense_are_refused(counts):
    with pytest.raises(UsageError, match="cannot be used"):
        Histogram(counts=counts)


def test_a_mean_of_one_cannot_be_tested():
    with pytest.raises(UsageError, match="strictly between"):
        Evidence(margin=0.03).log_e(1.0, 1)


def test_the_table_of_all_differences_is_the_one_for_each():
    table, gain = grid_table(-0.03, 1)
    assert table[:, 137] == pytest.approx(log_factors(-0.03, 1, np.array([0.37]))[:, 0])
    assert gain[137] == table[:, 137].max()


@given(histograms)
@settings(max_examples=20)
def test_counts_are_wins_ties_and_losses_with_the_right_moments(histogram):
    values = np.repeat(np.array(list(histogram.counts), float), list(histogram.counts.values())) / 100
    assert (histogram.wins, histogram.ties, histogram.losses) == (
        (values > 0).sum(),
        (values == 0).sum(),
        (values < 0).sum(),
    )
    if len(values):
        assert histogram.mean == pytest.approx(values.mean())
        assert histogram.second_moment == pytest.approx((values**2).mean())
