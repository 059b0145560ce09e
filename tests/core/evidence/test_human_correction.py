"""People decide; a judge only makes them faster, and its bias cancels."""

import math

import numpy as np
import pytest

from fairlead.core.errors import UsageError
from fairlead.core.evidence import Claim, VerdictKind
from fairlead.core.evidence.human import Block, People, corrected

HUMAN = [1, -1, 0, 1, 1, 0, -1, 1, 0, 1] * 6
JUDGED = [1, -1, 1, 1, 0.5, 0, 0, 1, -0.5, 1] * 6
REST = [1, 0, 0.5, -1, 1, -0.5, 0, 1, 0.5, -1, 1, 1] * 40


def blocks(seed, n, *, theta, agreement, bias=0.0, size=20):
    rng = np.random.default_rng(seed)
    chances = [0.4 - theta / 2, 0.2, 0.4 + theta / 2]
    for _ in range(n):
        human = rng.choice([-1.0, 0.0, 1.0], size=size, p=chances)
        noise = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=size)
        judge = np.where(rng.random(size) < agreement, human, noise)
        judge = np.where(rng.random(size) < bias, -1.0, judge).tolist()
        yield Block(human=float(human[0]), judged=judge[0], others=tuple(judge[1:]))


def people_after(stream, *, margin=0.1):
    people = People(margin)
    for block in stream:
        people.add(block)
    return people


def labels_needed(seed, *, agreement, n=1500):
    people = People()
    for block in blocks(seed, n, theta=0.0, agreement=agreement):
        people.add(block)
        if Claim.NOT_WORSE in people.claims:
            return people.n
    return math.inf


def test_a_judge_without_weight_leaves_the_plain_mean():
    # ppi_py 0.2.3 gives 0.3 and 0.10237705..0.49762295 with ddof=0 variances.
    found = corrected(HUMAN, JUDGED, REST, judge_weight=0.0)
    assert found.mean == pytest.approx(0.3)
    ratio = math.sqrt(59 / 60)
    assert found.mean - (found.mean - found.low) * ratio == pytest.approx(0.10237705, abs=1e-8)


def test_a_fully_trusted_judge_gives_the_known_estimate():
    found = corrected(HUMAN, JUDGED, REST, judge_weight=1.0)
    assert found.mean == pytest.approx(0.19166667, abs=1e-8)
    assert found.se == pytest.approx(0.0723774, abs=1e-7)
    assert found.low == pytest.approx(0.05076368, abs=2e-3)


def test_the_best_weight_is_the_known_one():
    found = corrected(HUMAN, JUDGED, REST)
    assert found.judge_weight == pytest.approx(0.68986, abs=1e-5)
    assert found.mean == pytest.approx(0.2252655, abs=1e-7)


def by_the_formula(weight, *, ddof):
    """PPI++ written out: the mean, and its 95 % interval with variances that divide by n - ddof."""
    human, judged, rest = (np.array(column, dtype=float) for column in (HUMAN, JUDGED, REST))
    mean = weight * rest.mean() + (human - weight * judged).mean()
    variance = (weight**2 * rest.var(ddof=ddof)) / len(rest) + (human - weight * judged).var(ddof=ddof) / len(human)
    half = 1.959963984540054 * math.sqrt(variance)
    return mean, mean - half, mean + half


@pytest.mark.parametrize(
    ("weight", "mean", "low", "high"),
    [
        (0.0, 0.3, 0.10237705, 0.49762295),
        (1.0, 0.19166667, 0.05076368, 0.33256965),
        (None, 0.22540393, 0.0907057, 0.36010216),
    ],
)
def test_ppi_py_differs_by_its_variances_alone(weight, mean, low, high):
    # ppi_py 0.2.3 divides by n where we divide by n - 1, and by both in the weight it chooses; with its rules its figures come out.
    human, judged, pooled = np.array(HUMAN), np.array(JUDGED), np.array([*JUDGED, *REST], dtype=float)
    theirs = weight
    if theirs is None:
        product = ((human - human.mean()) * (judged - judged.mean())).mean()
        theirs = product / ((1 + len(human) / len(REST)) * pooled.var(ddof=1))
    assert by_the_formula(theirs, ddof=0) == pytest.approx((mean, low, high), abs=1e-7)
    ours = corrected(HUMAN, JUDGED, REST, judge_weight=weight)
    assert (ours.mean, ours.low, ours.high) == pytest.approx(by_the_formula(ours.judge_weight, ddof=1), abs=1e-12)
    assert (ours.mean, ours.low, ours.high) == pytest.approx((mean, low, high), abs=2e-3)


def test_a_judge_that_never_varies_gets_no_weight():
    assert corrected(HUMAN, [1] * 60, [1] * 50).judge_weight == 0


@pytest.mark.parametrize(
    "columns", [([1], [1], [1, 0]), ([1, 0], [1], [1, 0]), ([1, 0], [1, 0], [1]), ([1, math.nan], [1, 0], [1, 0])]
)
def test_labels_that_cannot_be_used_are_refused(columns):
    with pytest.raises(UsageError):
        corrected(*columns)


def test_the_interval_covers_what_people_prefer_although_the_judge_is_biased():
    people = people_after(blocks(1, 600, theta=0.0, agreement=0.7, bias=0.4))
    interval = people.interval()
    assert interval.low < 0 < interval.high
    assert people.judge_weight > 0.2


def test_a_good_judge_saves_labels():
    alone = np.median([labels_needed(seed, agreement=0.0) for seed in range(15)])
    helped = np.median([labels_needed(seed, agreement=0.8) for seed in range(15)])
    assert helped < 0.8 * alone


def test_a_useless_judge_gets_hardly_any_weight():
    assert people_after(blocks(4, 500, theta=0.0, agreement=0.0)).judge_weight < 0.15


def test_people_are_believed_as_rarely_wrong_as_promised():
    runs = 100
    false = 0
    for seed in range(runs):
        people = people_after(blocks(seed, 200, theta=-0.1, agreement=0.7, bias=0.2))
        false += Claim.NOT_WORSE in people.claims
    assert false / runs <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)


def test_adding_up_block_by_block_is_replaying_all():
    people = people_after(blocks(7, 150, theta=0.1, agreement=0.6))
    judged = people.judgement()
    assert judged.log_e_replace == pytest.approx(people.log_e(-0.1, 1), abs=1e-9)
    for claim, sign, theta in ((Claim.NOT_WORSE, 1, -0.1), (Claim.BEHIND, -1, 0.0)):
        proven_now = people.log_e(theta, sign) >= math.log(40)
        assert proven_now <= (claim in people.claims)


def test_the_interval_ends_where_the_capital_reaches_the_bar():
    people = people_after(blocks(2, 300, theta=0.0, agreement=0.6))
    interval = people.interval()
    assert people.log_e(interval.low, 1) >= math.log(40) > people.log_e(interval.low + 2e-6, 1)
    assert people.log_e(interval.high, -1) >= math.log(40) > people.log_e(interval.high - 2e-6, -1)


def test_capital_falls_as_the_claim_gets_bolder():
    people = people_after(blocks(3, 200, theta=0.0, agreement=0.8))
    values = [people.log_e(theta, 1) for theta in np.linspace(-0.9, 0.9, 60)]
    assert all(np.diff(values) <= 1e-9)


def test_a_clear_preference_is_found_and_shown_with_what_people_said():
    judged = people_after(blocks(5, 300, theta=-0.4, agreement=0.6)).judgement()
    assert judged.verdict is VerdictKind.CLOSED_LEADS
    assert judged.by_more_than_margin
    assert judged.wins + judged.ties + judged.losses == judged.n == 300
    assert judged.mean == pytest.approx(-0.4, abs=0.1)


def test_without_labels_nothing_is_said():
    judged = People().judgement()
    assert (judged.low, judged.high, judged.mean, judged.n) == (-1, 1, None, 0)


@pytest.mark.parametrize("block", [Block(human=2, judged=0, others=()), Block(human=0, judged=math.nan, others=(0.0,))])
def test_opinions_outside_their_range_are_refused(block):
    with pytest.raises(UsageError):
        People().add(block)
