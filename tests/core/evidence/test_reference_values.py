"""Numbers worked out elsewhere, by other programs and by full enumeration, that the engine must reproduce."""

import math
from itertools import product

import numpy as np
import pytest

from fairlead.core.evidence import Evidence, Histogram, VerdictKind, e_bh, fixed_size, forecast


def evidence(losses, ties, wins, *, margin=0.05):
    return Evidence(margin=margin, counts=Histogram.from_counts(wins=wins, ties=ties, losses=losses))


@pytest.mark.parametrize(
    ("theta", "margin", "q", "pairs"),
    [(0, 0.03, 0.2, 2334.98), (0, 0.05, 0.2, 840.59), (-0.02, 0.05, 0.2, 2330.31), (0, 0.02, 0.35, 9194.00)],
)
def test_the_fixed_size_agrees_with_the_normal_power_formula(theta, margin, q, pairs):
    assert fixed_size(theta, margin, q) == pytest.approx(pairs, abs=0.01)


def test_the_fixed_size_agrees_with_statsmodels():
    # statsmodels 0.15: NormalIndPower().solve_power(0.03 / sqrt(0.2), alpha=0.025, power=0.9, ratio=0, "larger")
    assert fixed_size(0, 0.03, 0.2) == pytest.approx(2334.9829, abs=1e-3)


@pytest.mark.parametrize(
    ("theta", "sign", "expected"),
    [(-0.05, 1, 1.31476171), (0.0, 1, -0.99722739), (0.05, -1, 1.31476171), (-0.05, -1, -2.35042362)],
)
def test_log_e_of_thirty_wins_and_losses_is_the_known_one(theta, sign, expected):
    assert evidence(30, 240, 30).log_e(theta, sign) == pytest.approx(expected, abs=1e-8)


def test_log_e_agrees_with_an_independent_implementation_to_twelve_digits():
    # confseq 0.0.11: constant-bet martingales of `betting_mart`, mixed with the predeclared weights.
    assert evidence(30, 240, 30).log_e(-0.05, 1) == pytest.approx(1.314761712434659, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "low", "high", "verdict"),
    [
        ((30, 240, 30), -0.08086, 0.08086, VerdictKind.UNDECIDED),
        ((100, 800, 100), -0.04315, 0.04315, VerdictKind.EQUIVALENT),
        ((40, 880, 80), 0.00720, 0.07404, VerdictKind.OPEN_LEADS),
        ((150, 1700, 150), -0.02655, 0.02655, VerdictKind.EQUIVALENT),
        ((383, 841, 95), -0.26697, -0.17129, VerdictKind.CLOSED_LEADS),
        ((0, 300, 0), -0.02492, 0.02492, VerdictKind.EQUIVALENT),
        ((80, 880, 40), -0.07404, -0.00720, VerdictKind.CLOSED_LEADS),
    ],
)
def test_intervals_and_verdicts_are_the_known_ones(counts, low, high, verdict):
    judged = evidence(*counts).judge()
    assert (judged.low, judged.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert judged.verdict is verdict


def test_a_clear_loss_is_by_more_than_the_margin_and_a_small_one_leaves_its_size_open():
    assert evidence(383, 841, 95).judge().by_more_than_margin
    small = evidence(80, 880, 40).judge()
    assert not small.by_more_than_margin
    assert not small.replace_ok


def test_the_capital_is_a_fair_game_at_the_boundary():
    n, chances = 12, (0.125, 0.8, 0.075)  # losses, ties, wins: mean -0.05, q 0.2
    expected = 0.0
    for losses, wins in product(range(n + 1), repeat=2):
        ties = n - losses - wins
        if ties >= 0:
            ways = math.comb(n, losses) * math.comb(n - losses, wins)
            chance = ways * chances[0] ** losses * chances[1] ** ties * chances[2] ** wins
            expected += chance * math.exp(evidence(losses, ties, wins).log_e(-0.05, 1))
    assert expected == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "expected"), [(50, 0.806687), (100, 2.049876), (150, 3.797676), (200, 5.886280), (300, 10.475590)]
)
def test_ties_alone_prove_equivalence_at_the_known_pace(n, expected):
    assert evidence(0, n, 0).log_e(-0.05, 1) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("e_values", "listed"), [((100, 50, 20, 10, 1, 0.5), 0), ((130, 70, 45, 31, 1, 0.5), 4)])
def test_e_bh_lists_the_known_entries(e_values, listed):
    assert e_bh([math.log(e) for e in e_values]) == [rank < listed for rank in range(6)]


def test_the_forecast_is_the_known_one():
    drawn = forecast(evidence(30, 240, 30))
    assert (drawn.median, drawn.p80) == (406, 1929)


@pytest.mark.parametrize("seed", range(1, 8))
def test_the_forecast_hardly_depends_on_its_seed(seed):
    drawn = forecast(evidence(30, 240, 30), seed=seed)
    assert drawn.median is not None
    assert drawn.p80 is not None
    assert 330 <= drawn.median <= 500
    assert 1300 <= drawn.p80 <= 2400


def test_adding_pairs_one_by_one_in_any_order_ends_at_the_value_from_the_counts():
    counts = evidence(30, 240, 30)
    stakes = np.geomspace(0.005, 0.95, 32)
    weights = np.exp(-((np.log(stakes) - math.log(0.05 / 0.25)) ** 2) / (2 * 0.8**2))
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(np.repeat([-1.0, 0.0, 1.0], [30, 240, 30]))
        capital = weights / weights.sum()
        for difference in order:
            capital = capital * (1 + stakes / (1 - 0.05) * (difference + 0.05))
        assert math.log(capital.sum()) == pytest.approx(counts.log_e(-0.05, 1), abs=1e-12)
