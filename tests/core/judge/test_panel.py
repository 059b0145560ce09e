"""From what judges said to one preference, and the pairs nobody has to be asked about."""

import pytest

from fairlead.core.errors import UsageError
from fairlead.core.judge import PairGrader, Shown, by_rule, combined, grades_of
from fairlead.core.nouns import Answer, Combine, Failure, FailureKind, Judge, Judging, Opinion

FAILED = Answer(failure=Failure(kind=FailureKind.TIMEOUT))
SAID = Answer(text="Paris")


def opinion(one, other):
    return Opinion(candidate_first=one, incumbent_first=other)


@pytest.mark.parametrize(
    ("one", "other", "preference", "unread"),
    [(1, 1, 1, 0), (1, -1, 0, 0), (1, 0, 0.5, 0), (-1, -1, -1, 0), (None, 1, 0.5, 1), (None, None, 0, 2)],
)
def test_a_preference_is_the_mean_of_both_orders(one, other, preference, unread):
    assert (opinion(one, other).preference, opinion(one, other).unread) == (preference, unread)


def test_a_panel_is_its_mean_or_its_majority():
    three = [opinion(1, 1), opinion(1, 1), opinion(-1, -1)]
    assert combined(three, Combine.MEAN) == pytest.approx(1 / 3)
    assert combined(three, Combine.MAJORITY) == 1
    assert combined([opinion(1, 1), opinion(-1, -1)], Combine.MAJORITY) == 0


@pytest.mark.parametrize(
    ("incumbent", "candidate", "expected"),
    [(FAILED, SAID, 1.0), (SAID, FAILED, -1.0), (FAILED, FAILED, 0.0), (SAID, SAID, None)],
)
def test_a_side_that_failed_loses_without_a_judge(incumbent, candidate, expected):
    found = by_rule(incumbent, candidate)
    assert (found[0] if found else None) == expected


def test_equal_answers_need_no_judge_unless_their_middle_was_not_seen():
    same = Shown(request="", incumbent="Paris ", candidate="Paris")
    assert by_rule(SAID, SAID, same) == (0.0, "both answers are the same")
    cut = Shown(request="", incumbent="Paris", candidate="Paris", shortened=True)
    assert by_rule(SAID, SAID, cut) is None


@pytest.mark.parametrize("preference", [-1, -0.5, 0, 1 / 3, 1])
def test_grades_differ_by_the_preference(preference):
    incumbent, candidate = grades_of(preference)
    assert candidate.score - incumbent.score == pytest.approx(preference)
    assert 0 <= incumbent.score <= 1


def test_judges_cannot_grade_an_answer_alone():
    with pytest.raises(UsageError, match="compares two answers"):
        PairGrader(id="people").grade(request=None, answer=SAID, expected=None, incumbent=None)


def test_another_model_temperature_or_rubric_is_another_judge_and_price_and_key_are_not():
    def named(prompt="a", **more):
        return Judging(judges=(Judge(**({"endpoint": "http://h/v1", "model": "m"} | more)),), prompt=prompt).grader

    ids = {
        named(),
        named(prompt="b"),
        named(model="n"),
        named(temperature=0.7),
        named(endpoint="http://i/v1"),
        named(temperature=None),
    }
    assert len(ids) == 6
    assert named(key_env="KEY") == named()
