"""What sways a judge is told from its pairs, and a verdict waits while too much of what it said was not readable."""

import pytest

from fairlead.core.evidence import VerdictKind
from fairlead.core.evidence.judges import reliability, withheld
from fairlead.core.evidence.voice import said
from fairlead.core.nouns import Judged, Opinion


def pair(*opinions, lengths=(100, 100), **more):
    made = tuple(Opinion(candidate_first=one, incumbent_first=other) for one, other in opinions)
    preference = sum(each.preference for each in made) / len(made) if made else 0.0
    return Judged(
        preference=preference, opinions=made, incumbent_length=lengths[0], candidate_length=lengths[1], **more
    )


def one(pairs):
    return reliability(pairs, ["j"]).judges[0]


def test_a_judge_that_follows_the_place_is_seen():
    found = one([pair((1, -1))] * 10)
    assert found.consistent == 0
    assert found.first_place == 1
    assert one([pair((1, 1))] * 10).first_place == 0.5
    assert one([pair((1, 1)), pair((1, -1))]).consistent == 0.5


def test_a_judge_that_follows_length_is_seen():
    longer = [pair((1, 1), lengths=(100, 400)), pair((-1, -1), lengths=(400, 100)), pair((0, 0))] * 5
    found = one(longer)
    assert found.longer == 1
    assert found.length_slope == pytest.approx(0.5, abs=0.01)
    assert found.length_slope_se < 0.02
    assert one([pair((1, 1)), pair((-1, -1)), pair((0, 0))]).length_slope is None


def test_what_could_not_be_read_is_counted_and_bounds_how_far_the_mean_may_be_off():
    found = reliability([pair((1, 1))] * 9 + [pair((None, None))], ["j"])
    assert found.judges[0].unread == 2
    assert found.could_shift == pytest.approx(0.1)
    assert "2 of 20 questions" in withheld(found, 0.1)
    assert withheld(found, 0.25) == ""


def test_agreement_is_over_all_pairs_of_judges():
    found = reliability([pair((1, 1), (1, 0), (-1, -1)), pair((0, 0), (1, -1), (0, 0))], ["a", "b", "c"])
    assert found.agreement == pytest.approx(4 / 6)
    assert reliability([pair((1, 1))], ["a"]).agreement is None


def test_pairs_that_needed_no_judge_are_counted_apart():
    found = reliability(
        [Judged(preference=-1, by_rule="the candidate failed"), pair((1, 1), addressed=True, shortened=True)], ["j"]
    )
    assert (found.pairs, found.by_rule, found.judges[0].pairs) == (2, 1, 1)
    assert (found.addressed, found.shortened) == (1, 1)


def test_without_pairs_nothing_is_claimed():
    found = reliability([], ["j"])
    assert found.judges[0].consistent is None
    assert found.could_shift == 0


@pytest.mark.parametrize("kind", list(VerdictKind))
def test_a_judge_never_speaks_of_more_than_what_it_prefers(kind):
    words = said(kind, "judge mistral-large")
    assert "judge mistral-large" in words
    assert not any(word in words for word in ("equivalent", "leads", "quality", "better"))
    assert said(kind) == kind
