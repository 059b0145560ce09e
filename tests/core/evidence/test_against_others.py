"""Other people's methods and data: what they say beside what we say."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fairlead.core.evidence import Claim, Evidence, Histogram, VerdictKind, Watch
from fairlead.core.evidence.cluster import clusters

ROOT = Path(__file__).resolve().parents[3]
RECORDED = ROOT / ".." / "shared" / "data" / "outcomes" / "routellm_gsm8k.parquet"


@pytest.fixture(scope="module")
def rivals():
    found = importlib.util.spec_from_file_location("rivals", ROOT / "benchmarks" / "verdicts" / "rivals.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gsm8k():
    if not RECORDED.exists():
        pytest.skip("the recorded answers (../shared/data) are not here")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow (the extra 'recorded') is not installed")
    scores = {}
    for row in parquet.read_table(RECORDED, columns=["item_id", "open_weights", "score"]).to_pylist():
        scores.setdefault(row["item_id"], {})[row["open_weights"]] = row["score"]
    return [pair[True] - pair[False] for _, pair in sorted(scores.items())]


def test_evidence_that_may_be_watched_is_never_stronger_than_the_exact_test_at_one_look():
    # Exact McNemar on 15 wins and 30 losses, the number of pairs fixed in advance.
    exact = stats.binomtest(15, 45).pvalue
    assert exact == pytest.approx(0.0356978, abs=1e-7)
    watched = Evidence(margin=0.03, counts=Histogram.from_counts(wins=15, ties=255, losses=30))
    assert np.exp(-watched.log_e(0.0, -1)) > exact
    assert watched.judge().verdict is VerdictKind.UNDECIDED


@pytest.mark.parametrize(("n", "width"), [(100, 0.336389), (500, 0.135739), (5000, 0.045845)])
def test_the_asymptotic_rival_has_its_known_width(rivals, n, width):
    assert float(rivals.half_width(np.array(n))) == pytest.approx(width, abs=1e-6)
    # confseq's normal mixture boundary, tuned for 500 pairs, says the same of sums.
    boundary = {100: 33.63888, 500: 67.86934, 5000: 229.22444}[n]
    assert float(rivals.half_width(np.array(n))) * n == pytest.approx(boundary, abs=1e-4)


def test_the_asymptotic_rival_fails_where_failures_are_rare_and_ours_does_not(rivals):
    draw = np.random.default_rng(0).random((1500, 300))
    x = np.where(draw < 0.02, -1.0, 0.0)
    theirs = np.isfinite(rivals.asymptotic(x, 0.02)).mean()
    ours = 0
    for column in x.T.tolist():
        watch = Watch(0.02)
        for difference in column:
            watch.add(difference)
        ours += Claim.NOT_WORSE in watch.claims
    assert theirs > 0.1
    assert ours / 300 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 300)


def test_looking_at_a_z_test_after_every_pair_errs_many_times_as_often_as_it_says(rivals):
    draw = np.random.default_rng(1).random((2000, 300))
    x = np.where(draw < 0.125, -1.0, np.where(draw < 0.2, 1.0, 0.0))
    assert np.isfinite(rivals.peeked_z(x, 0.05, every=1)).mean() > 0.15


VALUES = np.array([1, 1, 0, 0.5, 1, 0.5, 0.5, 0, 1, 1] * 20)


@pytest.mark.parametrize(
    ("n", "low", "high"), [(10, 0.274, 0.949), (50, 0.483, 0.801), (100, 0.529, 0.765), (200, 0.560, 0.739)]
)
def test_the_published_betting_interval_is_the_one_of_confseq(rivals, n, low, high):
    # confseq 0.0.11: betting_cs with its defaults, to the three places of its grid.
    assert rivals.hedged(VALUES[:n]) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_hoeffdings_interval_is_the_one_of_confseq(rivals):
    assert rivals.hoeffding(VALUES) == (pytest.approx(0.535981, abs=1e-6), pytest.approx(0.765565, abs=1e-6))


def test_the_empirical_bernstein_interval_is_the_one_of_confseq(rivals):
    # confseq 0.0.11: predmix_empbern_twosided_cs with its defaults, the last of 200.
    assert rivals.empirical_bernstein(VALUES) == (pytest.approx(0.550716, abs=1e-6), pytest.approx(0.746013, abs=1e-6))


def test_the_interval_is_narrower_than_hoeffdings_and_close_to_the_published_betting_one(rivals):
    # Another prior over stakes than theirs, so the ends agree and are not the same.
    interval = Evidence(margin=0.3, q0=0.7).after((2 * VALUES - 1).tolist()).interval()
    low, high = (interval.low + 1) / 2, (interval.high + 1) / 2
    bounds, betting = rivals.hoeffding(VALUES), rivals.hedged(VALUES)
    assert high - low < bounds[1] - bounds[0]
    assert (low, high) == (pytest.approx(betting[0], abs=0.02), pytest.approx(betting[1], abs=0.02))


def test_gsm8k_is_lost_by_far_more_than_the_margin(gsm8k):
    evidence = Evidence(margin=0.05).after(gsm8k)
    judged = evidence.judge()
    assert (judged.losses, judged.ties, judged.wins) == (383, 841, 95)
    assert judged.low == pytest.approx(-0.267, abs=5e-4)
    assert judged.high == pytest.approx(-0.171, abs=5e-4)
    assert judged.by_more_than_margin


def test_a_pilot_on_gsm8k_takes_about_a_hundred_pairs(gsm8k):
    ends = []
    for seed in range(100):
        watch = Watch(0.05)
        for place in np.random.default_rng(seed).permutation(len(gsm8k)):
            watch.add(gsm8k[place])
            if watch.decided:
                break
        ends.append(watch.n)
        assert watch.judgement().verdict is VerdictKind.CLOSED_LEADS
    assert np.median(ends) == pytest.approx(105, abs=15)


def test_questions_that_stand_alone_have_a_design_effect_of_one(gsm8k):
    assert clusters(gsm8k, list(range(len(gsm8k)))).design_effect == pytest.approx(1)
