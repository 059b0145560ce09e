"""Variance-adaptive stakes for both questions: exact, and the known numbers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.errors import UsageError
from fairlead.core.evidence import Claim, VerdictKind, stop
from fairlead.core.evidence import traffic as traffic_module
from fairlead.core.evidence.control import Guess, features
from fairlead.core.evidence.stakes import EFFECTS, Terms, growth
from fairlead.core.evidence.traffic import Traffic
from fairlead.core.evidence.verdict import CLAIMS
from fairlead.core.evidence.window import Window

NARROW = {"narrower": 0.4, "wider": 0.4, "behind": 0.4}


def reference_log():
    rng = np.random.default_rng(0)
    closed = (rng.random(2000) < 0.8) * 1.0
    opened = np.where(closed == 1, rng.random(2000) < 0.875, rng.random(2000) < 0.5) * 1.0
    order = np.random.default_rng(1).permutation(2000)
    return closed[order], (opened - closed)[order].tolist()


def made_log(seed, n, *, theta, q=0.2, passed=0.8):
    rng = np.random.default_rng(seed)
    closed = (rng.random(n) < passed) * 1.0
    lost, won = (q - theta) / 2 / passed, (q + theta) / 2 / (1 - passed)
    opened = np.where(closed == 1, rng.random(n) >= lost, rng.random(n) < won) * 1.0
    return closed, (opened - closed).tolist()


def fed(evidence, differences):
    for difference in differences:
        evidence.add(difference)
    return evidence


@pytest.mark.parametrize(
    ("knows_scores", "share", "pair", "log_e", "low", "high"),
    [
        (False, 0.5, 612, 3.72031282, -0.02982, 0.06201),
        (False, 0.8, 573, 3.30256610, -0.03, 0.06371),
        (False, 0.95, 546, 3.05596432, -0.03, 0.06744),
        (True, 0.5, 562, 3.72528100, -0.02983, 0.04868),
        (True, 0.8, 326, 3.28470750, -0.03, 0.08825),
        (True, 0.95, 324, 3.08758549, -0.03, 0.08674),
    ],
)
def test_a_window_decides_at_the_known_pair(knows_scores, share, pair, log_e, low, high):
    # The capitals are the design's; from the margin on both ends of the interval are read at half of alpha each.
    closed, differences = reference_log()
    terms = Terms(margin=0.03, share=share, **NARROW)
    window = fed(Window(terms, size=2000, closed=closed if knows_scores else None), differences[:pair])
    judged = window.judgement()
    assert window.claims[Claim.NOT_WORSE] == pair
    assert judged.log_e_replace == pytest.approx(log_e, abs=1e-8)
    assert window.log_e(-0.03, 1) == pytest.approx(log_e, abs=1e-8)
    assert judged.low == pytest.approx(low, abs=1.5e-4)
    assert judged.high == pytest.approx(high, abs=1.5e-4)


def test_a_window_is_a_fair_game_over_all_orders_of_its_requests():
    closed = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    differences = np.array([1, 1, 0, 0, 1.0]) - closed
    mean = float(differences.mean())
    for sign in (1, -1):
        totals = np.zeros(5)
        for order in itertools.permutations(range(5)):
            places = list(order)
            window = Window(Terms(margin=0.2), size=5, closed=closed[places])
            rows = features(closed[places], None, size=5)
            window._guess = Guess(rows, low=-closed[places], high=1 - closed[places], warm=1, ridge=0.5)
            for t, difference in enumerate(differences[places]):
                window.add(difference)
                totals[t] += math.exp(window.log_e(mean, sign))
        assert totals / math.factorial(5) == pytest.approx(np.ones(5), abs=1e-10)


def test_traffic_is_a_fair_game_over_all_logs_that_could_have_been(monkeypatch):
    monkeypatch.setattr(traffic_module, "_WARM", 1)
    monkeypatch.setattr(traffic_module, "_PACE", 0.0)  # spend the log on corrections at once
    kinds = [(1.0, -1.0, 0.15), (1.0, 0.0, 0.55), (0.0, 1.0, 0.3)]  # incumbent's score, difference, chance
    mean = sum(difference * chance for _, difference, chance in kinds)
    totals, spent = np.zeros((2, 3)), 0
    for log in itertools.product(kinds, repeat=6):
        chance = math.prod(kind[2] for kind in log)
        traffic = Traffic(Terms(margin=0.2), closed=[kind[0] for kind in log])
        for t in range(3):
            assert traffic.room, "the log must last for three pairs"
            traffic.add(log[t][1])
            for row, sign in enumerate((1, -1)):
                totals[row, t] += chance * math.exp(traffic.log_e(mean, sign))
        spent += traffic.room == 0
    assert totals == pytest.approx(np.ones((2, 3)), abs=1e-10)
    assert spent, "the logs must have given up some requests for corrections, or nothing was tested"


def test_a_window_that_was_seen_whole_is_known_exactly():
    closed, differences = reference_log()
    judged = fed(Window(Terms(margin=0.03), size=2000, closed=closed), differences).judgement()
    assert judged.low == pytest.approx(0.01)
    assert judged.high == pytest.approx(0.01)
    assert judged.verdict is VerdictKind.OPEN_LEADS
    assert judged.two_sided
    assert stop(judged)


def test_a_small_window_decides_when_it_is_used_up():
    window = fed(Window(Terms(margin=0.05), size=4), [0.0, -1.0, 0.0, 0.0])
    assert window.decided
    assert window.judgement().verdict is VerdictKind.CLOSED_LEADS
    with pytest.raises(UsageError, match="nothing is left"):
        window.add(0.0)


def test_noise_for_scores_costs_nothing():
    _, differences = reference_log()
    noise = np.random.default_rng(5).integers(0, 4, 2000).astype(str).tolist()
    with_noise = fed(Window(Terms(margin=0.03, **NARROW), size=2000, segments=noise), differences[:700])
    assert with_noise.claims[Claim.NOT_WORSE] == pytest.approx(573, abs=60)


def test_segments_that_explain_the_difference_save_pairs():
    rng = np.random.default_rng(3)
    hard = rng.random(3000) < 0.5
    differences = np.where(hard, -1.0 * (rng.random(3000) < 0.2), 1.0 * (rng.random(3000) < 0.2)).tolist()
    named = np.where(hard, "hard", "easy").tolist()
    plain = fed(Window(Terms(margin=0.03), size=3000), differences).claims[Claim.NOT_WORSE]
    helped = fed(Window(Terms(margin=0.03), size=3000, segments=named), differences).claims[Claim.NOT_WORSE]
    assert helped < plain


@given(st.integers(0, 1000), st.sampled_from([1, -1]))
@settings(max_examples=15, deadline=None)
def test_capital_falls_as_the_claim_gets_bolder(seed, sign):
    closed, differences = made_log(seed, 120, theta=0.0)
    for evidence in (
        fed(Window(Terms(margin=0.03), size=120, closed=closed), differences[:80]),
        fed(Traffic(Terms(margin=0.03), closed=closed), differences[:40]),
    ):
        values = [evidence.log_e(theta, sign) for theta in np.linspace(-0.3, 0.3, 41)]
        assert all(sign * np.diff(values) <= 1e-9)


@given(st.floats(-1, 1), st.floats(-0.9, 0.9), st.floats(0, 1), st.sampled_from([1, -1]))
def test_no_pair_costs_more_than_nineteen_twentieths_of_the_capital(z, theta, spread, sign):
    step = np.array([z, -1.0, 1.0, spread, 1.0, 0.0])[:, None]
    assert np.exp(growth(0.05 * EFFECTS, theta, sign, step)).min() >= 0.05 - 1e-12


@pytest.mark.parametrize("kind", ["plain", "scores"])
def test_replaying_the_pairs_gives_what_was_added_up(kind):
    closed, differences = made_log(9, 400, theta=0.0)
    traffic = fed(Traffic(Terms(margin=0.05), closed=closed if kind == "scores" else None), differences[:90])
    judged = traffic.judgement()
    assert judged.log_e_replace == pytest.approx(traffic.log_e(-0.05, 1), abs=1e-9)
    assert judged.log_e_worse == pytest.approx(traffic.log_e(-0.05, -1), abs=1e-9)


def test_the_interval_says_what_is_claimed_now():
    closed, differences = made_log(2, 3000, theta=0.0)
    window = Window(Terms(margin=0.05), size=3000, closed=closed)
    for difference in differences:
        window.add(difference)
        if Claim.NOT_WORSE in window.claims:
            break
    assert window.interval().low >= -0.05
    assert window.judgement().replace_ok


def test_scores_on_file_save_pairs_for_traffic_like_this_too():
    def pairs(seed, *, knows_scores):
        closed, differences = made_log(seed, 6000, theta=0.0)
        traffic = Traffic(Terms(margin=0.05), closed=closed if knows_scores else None)
        for difference in differences[:1500]:
            traffic.add(difference)
            if traffic.decided:
                break
        return traffic.n

    plain = np.median([pairs(seed, knows_scores=False) for seed in range(12)])
    helped = np.median([pairs(seed, knows_scores=True) for seed in range(12)])
    assert helped < 0.9 * plain


def test_a_log_that_is_used_up_says_so():
    traffic = fed(Traffic(Terms(margin=0.03), closed=[1.0, 0.0]), [0.0, 0.0])
    assert traffic.room == 0
    with pytest.raises(UsageError, match="used up"):
        traffic.add(0.0)
    assert Traffic(Terms(margin=0.03)).room is None


@pytest.mark.parametrize("question", ["window", "traffic"])
def test_false_claims_at_the_margin_are_as_rare_as_promised(question):
    # Nearly all of alpha guards this claim, so 4.75 % are allowed and hardly more than that may be seen.
    runs, false = 100, 0
    for seed in range(runs):
        closed, differences = made_log(seed, 350, theta=-0.05)
        if question == "window":
            margin = max(-float(np.mean(differences)), 0.01)
            evidence = Window(Terms.of_window(margin=margin), size=350, closed=closed)
            differences = differences[:250]
        else:
            evidence = Traffic(Terms(margin=0.05), closed=closed)
            differences = differences[:200]
        for difference in differences:
            evidence.add(difference)
            if Claim.NOT_WORSE in evidence.claims:
                false += 1
                break
    assert false / runs <= 0.0475 + 3 * math.sqrt(0.0475 * 0.9525 / runs)


def test_what_may_be_false_at_any_one_mean_costs_no_more_than_alpha():
    terms = Terms(margin=0.03)
    false_where = {
        Claim.NOT_WORSE: lambda theta: theta < -0.03,
        Claim.WORSE: lambda theta: theta >= -0.03,
        Claim.BETTER: lambda theta: theta <= 0,
        Claim.BEHIND: lambda theta: theta >= 0,
        Claim.NOT_MUCH_BETTER: lambda theta: theta >= 0.03,
    }
    for theta in [-0.2, -0.0301, -0.03, -0.0299, -0.01, 0.0, 0.01, 0.03, 0.2]:
        spent = {1: 0.0, -1: 0.0}
        for claim, is_false in false_where.items():
            if is_false(theta):
                # Claims of one side are nested: the one that needs the least capital is made first.
                sign = CLAIMS[claim].sign
                spent[sign] = max(spent[sign], math.exp(-terms.bar(CLAIMS[claim].theta(0.03), sign)))
        assert sum(spent.values()) <= 0.05 + 1e-12
        covered = math.exp(-terms.bar(theta, -1)) + math.exp(-terms.bar(theta, 1))
        assert theta == -0.03 or covered == pytest.approx(0.05)


def test_nearly_all_of_alpha_is_for_the_question_asked():
    terms = Terms(margin=0.03)
    assert terms.bar(-0.03, 1) == pytest.approx(math.log(1 / 0.0475))
    assert terms.bar(-0.03, -1) == terms.bar(0, 1) == terms.bar(0, -1) == pytest.approx(math.log(40))
    assert terms.bar(-0.0301, -1) == pytest.approx(math.log(400))


def test_a_loss_of_the_margin_is_told_at_once_and_how_much_more_later():
    traffic = Traffic(Terms(margin=0.05))
    rng = np.random.default_rng(5)
    while Claim.WORSE not in traffic.claims:
        traffic.add(float(rng.choice([-1, 0, 1], p=[0.2, 0.75, 0.05])))
    assert math.log(40) <= traffic.judgement().log_e_worse < math.log(400)
    assert traffic.judgement().high == -0.05
    while traffic.judgement().log_e_worse < math.log(400):
        traffic.add(float(rng.choice([-1, 0, 1], p=[0.2, 0.75, 0.05])))
    assert traffic.judgement().high < -0.05


def test_both_sides_of_the_margin_cannot_be_proven_together():
    traffic = fed(Traffic(Terms(margin=0.05)), [0.0] * 150)
    assert Claim.NOT_WORSE in traffic.claims
    while Claim.WORSE not in traffic.claims:
        traffic.add(-1.0)
    judged = traffic.judgement()
    assert judged.conflict
    assert judged.verdict is VerdictKind.UNDECIDED


@pytest.mark.parametrize(
    "make",
    [
        lambda: Terms(margin=3),
        lambda: Terms(margin=0.03, share=0.4),
        lambda: Terms(margin=0.03, wider=0),
        lambda: Window(Terms(margin=0.03), size=0),
        lambda: Window(Terms(margin=0.03), size=2, closed=[1.0]),
        lambda: Window(Terms(margin=0.03), size=2, closed=[1.0, 1.5]),
        lambda: Window(Terms(margin=0.03), size=2, segments=["a"]),
        lambda: Window(Terms(margin=0.03), size=2, closed=[1.0, 1.0]).add(1.0),
        lambda: Traffic(Terms(margin=0.03), closed=[math.nan]),
        lambda: Traffic(Terms(margin=0.03)).add(math.nan),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(UsageError):
        make()
