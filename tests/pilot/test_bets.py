"""The order of bets, and what is noticed on the way."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.evidence import PilotEvidence
from fairlead.core.grade import grader
from fairlead.core.nouns import Candidate, Failure, FailureKind, Grade, Pair, PairRow, Usage
from fairlead.pilot.bets import OUTAGE, Asked, Bets, Finished
from fairlead.pilot.design import propose
from fairlead.pilot.result import Ended

CANDIDATE = Candidate(endpoint="http://localhost:8000/v1", model="open-1")
FINE = (Asked(failure=None, fresh=True),)


def refused(detail="unknown field: seed", *, fresh=True):
    return (Asked(failure=Failure(kind=FailureKind.REFUSED_REQUEST, status=400, detail=detail), fresh=fresh),)


def broken(*, fresh=True, kind=FailureKind.NOT_JSON):
    return (Asked(failure=Failure(kind=kind, detail="a login page"), fresh=fresh),)


def row(position, score=1.0):
    pair = Pair(position=position, exchange_id=f"x{position}", incumbent=Grade(score=1.0), candidate=Grade(score=score))
    return PairRow(
        pair=pair,
        incumbent_refused=False,
        candidate_refused=False,
        incumbent_failure=None,
        candidate_failure=None,
        incumbent_latency_s=None,
        candidate_latency_s=None,
        incumbent_usage=Usage(),
        candidate_usage=Usage(),
        candidate_attempts=1,
        candidate_model=None,
    )


def bets(*, sides=1, **settings):
    design = propose(
        workload_id="w1", rows=[], candidate=CANDIDATE, grader=grader("agree"), timeout_s=60.0,
        **({"margin": 0.05, "n_max": 1_000} | settings),
    )  # fmt: skip
    return Bets(PilotEvidence(design), sides=sides)


def fed(made, answers, *, order=None):
    for position in order or range(1, len(answers) + 1):
        made.finish(
            position,
            Finished(
                row=row(position, score=0.0 if answers[position - 1] != FINE else 1.0), asked=answers[position - 1]
            ),
        )
        made.advance()
    return made


@given(seed=st.integers(0, 10_000), count=st.integers(1, 60))
def test_whatever_order_answers_come_in_bets_follow_the_draws(seed, count):
    order = list(range(1, count + 1))
    Random(seed).shuffle(order)
    made = fed(bets(), [FINE] * count, order=order)
    assert [one.pair.position for one in made.rows] == list(range(1, count + 1))
    assert made.waiting == 0


def test_a_pair_waits_for_the_one_drawn_before_it():
    made = bets()
    made.finish(2, Finished(row=row(2), asked=FINE))
    assert made.advance() == []
    assert made.waiting == 1
    made.finish(1, Finished(row=row(1), asked=FINE))
    assert [one.pair.position for one in made.advance()] == [1, 2]


def test_nothing_is_bet_on_once_it_is_decided():
    made = fed(bets(), [FINE] * 400)
    assert made.ended is Ended.DECIDED
    assert len(made.rows) == made.evidence.n < 400


def test_an_erased_draw_is_passed_over():
    made = bets()
    made.finish(1, Finished(row=None))
    made.finish(2, Finished(row=row(2), asked=FINE))
    assert [one.pair.position for one in made.advance()] == [2]
    assert made.set_aside == 1


def test_five_refusals_first_are_trouble_and_nothing_is_bet_on():
    made = fed(bets(), [refused()] * 5)
    assert made.rows == []
    assert made.trouble.refused
    assert made.trouble.details == ("unknown field: seed",) * 5


@pytest.mark.parametrize("place", range(5))
def test_one_answer_among_the_first_five_makes_the_refusals_ordinary_failures(place):
    answers = [refused()] * 5
    answers[place] = FINE
    made = fed(bets(), answers, order=[5, 4, 3, 2, 1])
    assert len(made.rows) == 5
    assert made.trouble is None


def test_refusals_that_were_kept_earlier_are_ordinary_failures():
    assert len(fed(bets(), [refused(fresh=False)] * 5).rows) == 5


def test_fewer_than_five_requests_that_are_all_refused_count_in_the_end():
    made = fed(bets(), [refused()] * 3)
    assert made.rows == []
    assert len(made.advance(last=True)) == 3


@pytest.mark.parametrize("kind", [FailureKind.NOT_JSON, FailureKind.SERVER_ERROR, FailureKind.CUT])
def test_twenty_faults_of_the_server_in_a_row_are_trouble_and_stay_counted(kind):
    made = fed(bets(margin=0.9), [FINE, *[broken(kind=kind)] * 30])
    assert made.trouble.details == ("a login page",) * OUTAGE
    assert not made.trouble.refused
    assert len(made.rows) == 1 + OUTAGE


def test_an_answer_in_between_begins_the_count_anew():
    made = fed(bets(margin=0.9, n_max=45), [*[broken()] * 19, FINE, *[broken()] * 19, FINE])
    assert made.trouble is None


def test_faults_kept_from_an_earlier_run_do_not_pause_again():
    assert fed(bets(margin=0.9), [broken(fresh=False)] * 30).trouble is None


def test_trouble_of_the_incumbent_is_told_apart():
    made = bets(sides=2)
    for position in range(1, 6):
        made.finish(position, Finished(row=row(position), asked=(*FINE, *refused())))
        made.advance()
    assert made.trouble.side == 1


def test_what_is_still_needed_shrinks_with_distance_from_the_margin():
    near, far = bets(), bets()
    for position in range(1, 41):
        near.recall(row(position, score=1.0 if position % 20 else 0.0))
        far.recall(row(position))
    assert near.still_needed > far.still_needed > 0
