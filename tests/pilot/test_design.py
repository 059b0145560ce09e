"""Which requests are drawn, in what order, and what a design fixes."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import UsageError
from fairlead.core.grade import grader
from fairlead.core.nouns import Answer, Asker, Candidate, Dialect, Estimand, Failure, FailureKind
from fairlead.pilot import design as designs
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import exchange, exchanges

CANDIDATE = Candidate(endpoint="http://localhost:8000/v1", model="open-1")
ROWS = MemoryLedger(exchanges(60)).rows("w1")


def proposed(rows=ROWS, **settings):
    given = {"workload_id": "w1", "candidate": CANDIDATE, "grader": grader("agree"), "margin": 0.05, "timeout_s": 60.0}
    return designs.propose(rows=rows, **(given | settings))


def drawn(design, rows=ROWS, before=(), most=1_000):
    frame = designs.frame(rows, frozen_seq=design.frozen_seq)
    return [row.id for row, _ in zip(designs.order(design, frame, before), range(most), strict=False)]


@given(seed=st.integers(0, 10_000), cut=st.integers(0, 60))
def test_draws_continue_where_they_stopped_whatever_was_drawn(seed, cut):
    design = proposed(seed=seed)
    whole = drawn(design)
    assert sorted(whole) == sorted(row.id for row in ROWS)
    assert drawn(design, before=whole[:cut]) == whole[cut:]


@given(seed=st.integers(0, 10_000), cut=st.integers(0, 50))
def test_draws_with_replacement_continue_where_they_stopped(seed, cut):
    design = proposed(seed=seed, estimand=Estimand.WINDOW)
    whole = drawn(design, most=100)
    assert drawn(design, before=whole[:cut], most=100 - cut) == whole[cut:]


def test_another_seed_is_another_order():
    assert drawn(proposed(seed=1)) != drawn(proposed(seed=2))


def test_every_exchange_is_as_likely_as_any_other_to_be_drawn_first():
    firsts = Counter(drawn(proposed(seed=seed), most=1)[0] for seed in range(3_000))
    assert len(firsts) == 60
    assert max(firsts.values()) < 85
    assert min(firsts.values()) > 25


def test_with_replacement_every_row_has_the_same_chance_at_every_position():
    positions = Counter(designs.window_index(7, position, 10) for position in range(1, 10_001))
    assert all(900 < count < 1_100 for count in positions.values())


def test_of_equal_requests_and_of_one_conversation_one_is_drawn():
    logged = [exchange(n, question=f"question {n % 3}") for n in range(9)]
    logged += [exchange(n, conversation="talk") for n in range(10, 15)]
    rows = MemoryLedger(logged).rows("w1")
    chosen = drawn(proposed(rows), rows)
    assert len(chosen) == 4
    assert sum(int(one[1:]) >= 10 for one in chosen) == 1
    assert designs.skipped(designs.frame(rows)) == designs.Skipped(repeated_requests=6, repeated_conversations=4)


def test_a_conversation_drawn_earlier_is_not_drawn_again_after_a_restart():
    rows = MemoryLedger([exchange(n, conversation=f"talk {n % 2}") for n in range(10)]).rows("w1")
    design = proposed(rows)
    first, second = drawn(design, rows)
    assert drawn(design, rows, before=[first]) == [second]


def test_what_cannot_be_graded_is_counted_by_reason():
    logged = exchanges(10)
    logged[0] = replace(logged[0], answer=Answer(failure=Failure(kind=FailureKind.NOT_RECORDED)))
    logged[1] = replace(logged[1], answer=Answer(failure=Failure(kind=FailureKind.TIMEOUT)))
    rows = MemoryLedger(logged).rows("w1")
    frame = designs.frame(rows, expected={"x1", "x2", "x3"})
    assert (frame.total, len(frame.rows), frame.not_recorded, frame.without_expected) == (10, 2, 1, 7)
    assert len(designs.frame(rows, reask=True).rows) == 10


def test_a_grader_that_needs_expected_answers_asks_for_labels():
    with pytest.raises(UsageError, match="needs expected answers"):
        proposed(grader=grader("exact"))


@pytest.mark.parametrize(("setting", "value"), [("timeout_s", 0), ("timeout_s", float("nan")), ("n_max", 0)])
def test_settings_that_cannot_be_used_are_named(setting, value):
    with pytest.raises(UsageError, match=f"{setting} = "):
        proposed(**{setting: value})


def test_a_design_says_what_the_log_held():
    design = proposed()
    assert design.frozen_count == 60
    assert design.incumbent_models == ("closed-1-2026-01-01",)
    assert f"{design.log_from:%Y-%m-%d}" == "2026-03-02"


def test_any_other_setting_is_another_pilot():
    design = proposed()
    others = [proposed(seed=1), proposed(margin=0.03), proposed(timeout_s=30.0), proposed(estimand=Estimand.WINDOW)]
    others.append(proposed(candidate=replace(CANDIDATE, thinking_budget=0)))
    assert len({design.id, *(other.id for other in others)}) == 6


def test_a_pilot_that_was_begun_is_continued_on_the_rows_it_was_begun_with():
    begun = proposed(ROWS[:40])
    grown = proposed()
    assert designs.continued(grown, [begun]) == begun
    assert designs.continued(grown, [begun], ran_out={begun.id}) == grown
    assert designs.continued(begun, [begun], ran_out={begun.id}) == begun
    assert designs.continued(proposed(seed=9), [begun]).seed == 9


def test_the_time_limit_is_part_of_who_answers():
    assert designs.candidate_asker(proposed()) != designs.candidate_asker(proposed(timeout_s=30.0))
    assert designs.incumbent_asker(proposed()) is None


# What a candidate answered through the gateway


CANARY = {f"x{n}" for n in range(1, 6)}


def tried(count=20):
    logged = [
        replace(each, answer=replace(each.answer, model="open-1")) if each.id in CANARY else each
        for each in exchanges(count)
    ]
    return MemoryLedger(logged, by_candidate=CANARY).rows("w1")


def test_what_a_candidate_answered_is_not_taken_for_the_incumbents_answer():
    frame = designs.frame(tried())
    assert not CANARY & {row.id for row in frame.rows}
    assert (frame.total, len(frame.rows), frame.by_candidate, frame.not_recorded) == (20, 15, 5, 0)
    assert proposed(tried()).incumbent_models == ("closed-1-2026-01-01",)


def test_asked_again_the_incumbent_may_answer_what_a_candidate_answered():
    rows = tried()
    frame = designs.frame(rows, reask=True)
    assert (len(frame.rows), frame.by_candidate) == (20, 0)
    again = proposed(rows, incumbent=Asker(endpoint="http://localhost:9/v1", dialect=Dialect.OPENAI_CHAT))
    assert again.incumbent_models == ("closed-1-2026-01-01",), "a candidate is no incumbent"
