"""A pilot in virtual time: what it asks, keeps, bets on, and when it stops."""

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from fairlead.core.errors import InputError, LedgerError, PilotPaused, UsageError
from fairlead.core.evidence import PilotEvidence, VerdictKind
from fairlead.core.nouns import (
    Answer,
    Asker,
    Candidate,
    Dialect,
    Engine,
    Estimand,
    Failure,
    FailureKind,
    TokenPrice,
    Usage,
)
from fairlead.pilot.result import Ended
from fairlead.pilot.run import PausedPilot
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import Said, ScriptedAsk, exchange, exchanges
from fairlead.testing.virtual import run_in_virtual_time

YES, NO = Said(text="yes", after_s=1.0), Said(text="no", after_s=1.0)
PRICE = TokenPrice(input=Decimal(1), output=Decimal(2), currency="EUR")


def wrong_in(share, *, seed=0, latest_s=3.0):
    """A candidate that is wrong in a share of the questions, each answered after its own time."""

    def say(text):
        random = Random(f"{seed}/{text}")
        text = "no" if random.random() < share else "yes"
        return Said(text=text, after_s=random.uniform(0.1, latest_s))

    return say


# Verdicts


def test_an_equal_candidate_is_found_equivalent_and_the_pilot_stops_by_itself(stage):
    pilot = stage()
    result = pilot.run()
    assert result.judgement.verdict is VerdictKind.EQUIVALENT
    assert result.ended is Ended.DECIDED
    assert len(pilot.pairs) == result.judgement.n < 200
    assert result.candidate.score == result.incumbent.score == 1.0
    assert result.words.startswith(
        "equivalent: on traffic like this, open-1 is not worse by 5 points or more (difference "
    )


def test_a_worse_candidate_is_found_behind_by_more_than_the_margin(stage):
    result = stage(wrong_in(0.4)).run()
    assert result.judgement.verdict is VerdictKind.CLOSED_LEADS
    assert result.judgement.by_more_than_margin
    assert result.judgement.n < 120
    assert "open-1 is worse by more than 5 points" in result.words


def test_pairs_stand_in_the_order_of_the_draws_whatever_the_order_of_the_answers(stage):
    pilot = stage(wrong_in(0.1))
    pilot.run(concurrency=32)
    assert [row.pair.position for row in pilot.pairs] == list(range(1, len(pilot.pairs) + 1))
    assert [row.pair.exchange_id for row in pilot.pairs] == pilot.ledger.draws(pilot.design.id)[: len(pilot.pairs)]


@pytest.mark.parametrize("concurrency", [1, 3, 64])
def test_how_many_are_asked_together_changes_neither_pairs_nor_verdict(stage, concurrency):
    alone, together = stage(wrong_in(0.1)), stage(wrong_in(0.1))
    one, other = alone.run(concurrency=8), together.run(concurrency=concurrency)
    assert one.judgement == other.judgement
    assert alone.pairs == together.pairs
    assert together.ask.busiest <= concurrency


def test_n_max_ends_an_undecided_pilot(stage):
    result = stage(n_max=60).run(concurrency=16)
    assert (result.ended, result.judgement.n) == (Ended.N_MAX, 60)
    assert result.judgement.verdict is VerdictKind.UNDECIDED
    assert result.forecast.median


def test_nothing_is_asked_beyond_n_max(stage):
    pilot = stage(n_max=60)
    pilot.run(concurrency=64)
    assert len(pilot.ask.asked) == 60


def test_when_requests_run_out_the_pilot_stays_undecided_and_says_how_many_more_it_needs(stage):
    result = stage(count=70).run()
    assert (result.ended, result.judgement.n) == (Ended.RAN_OUT, 70)
    assert result.judgement.verdict is VerdictKind.UNDECIDED
    assert result.message.startswith("All 70 distinct requests are used; about ")
    assert "more distinct requests are needed" in result.message


def test_a_repeated_request_and_a_second_turn_of_a_conversation_are_bet_on_once(stage):
    logged = [exchange(n, question=f"question {n % 20}") for n in range(60)]
    logged += [exchange(n, conversation=f"talk {n % 3}") for n in range(100, 130)]
    pilot = stage(ledger=MemoryLedger(logged))
    result = pilot.run()
    assert result.judgement.n == 23
    assert max(Counter(pilot.ask.asked).values()) == 1
    assert result.frame == {
        "exchanges": 90,
        "gradable": 90,
        "without_expected": 0,
        "not_recorded": 0,
        "by_candidate": 0,
        "distinct": 23,
        "repeated_requests": 40,
        "repeated_conversations": 27,
    }
    assert "(67 repeats and further turns of the same conversations were passed over)" in result.message


def test_a_window_is_drawn_without_replacement_and_known_exactly_when_it_is_used_up(stage, window):
    pilot = stage(wrong_in(0.08), count=40, estimand=window)
    result = pilot.run(concurrency=16)
    assert (result.ended, result.judgement.n) == (Ended.DECIDED, 40)
    assert result.judgement.low == pytest.approx(result.judgement.mean) == pytest.approx(result.judgement.high)
    assert sorted(pilot.ask.asked) == sorted(f"question {n}" for n in range(1, 41))
    assert "on exactly this window of 40 exchanges (2026-03-02 to 2026-03-02)" in result.words


def test_a_window_bet_on_with_constant_stakes_is_drawn_with_replacement_and_each_request_asked_once(stage, window):
    pilot = stage(count=40, estimand=window, engine=Engine.CONSTANT)
    result = pilot.run(concurrency=16)
    assert result.judgement.verdict is VerdictKind.EQUIVALENT
    assert result.judgement.n > 100
    assert len(set(pilot.ask.asked)) == len(pilot.ask.asked) <= 40


# Which exchanges


def test_exchanges_without_an_expected_answer_are_counted_and_never_asked(stage):
    pilot = stage(count=200)
    known = {f"x{n}": "yes" for n in range(1, 181)}
    pilot.expected = known
    pilot.design = replace(pilot.design, frozen_count=180)
    result = pilot.run()
    assert result.frame["without_expected"] == 20
    assert not {f"question {n}" for n in range(181, 201)} & set(pilot.ask.asked)


def test_logged_incumbent_failures_score_0_and_answers_that_were_never_recorded_are_not_drawn(stage):
    logged = exchanges(120)
    logged[0] = replace(logged[0], answer=Answer(failure=Failure(kind=FailureKind.SERVER_ERROR)))
    logged[1] = replace(logged[1], answer=Answer(failure=Failure(kind=FailureKind.NOT_RECORDED)))
    pilot = stage(ledger=MemoryLedger(logged), margin=0.005)
    result = pilot.run()
    assert result.incumbent.failures == {"server error": 1}
    assert result.judgement.wins == 1
    assert result.frame["not_recorded"] == 1
    assert "question 2" not in pilot.ask.asked


def test_what_a_candidate_answered_through_the_gateway_is_not_drawn_as_the_incumbents_answer(stage):
    logged = [exchange(n, answer="yes" if n % 2 else "no") for n in range(1, 201)]
    theirs = {each.id for each in logged if each.answer.text == "no"}
    pilot = stage(ledger=MemoryLedger(logged, by_candidate=theirs))
    result = pilot.run()
    assert not theirs & {row.pair.exchange_id for row in pilot.pairs}
    assert (result.frame["by_candidate"], result.judgement.wins) == (100, 0), (
        "the wrong answers were never the incumbent's"
    )


def test_exchanges_logged_after_the_design_are_not_drawn(stage):
    pilot = stage(count=30)
    pilot.ledger.add(exchange(n) for n in range(31, 61))
    assert pilot.run().judgement.n == 30


def test_an_erased_exchange_is_set_aside_and_the_pilot_goes_on(stage):
    pilot = stage(count=60, n_max=20)
    pilot.run()
    drawn = pilot.ledger.draws(pilot.design.id)
    fresh = stage(ledger=pilot.ledger, n_max=40)
    fresh.ledger.start_pilot(fresh.design)
    fresh.ledger.append_draws(fresh.design.id, drawn[:10])
    fresh.ledger.forget(drawn[3])
    result = fresh.run()
    assert result.set_aside == 1
    assert result.judgement.n == 40
    assert 4 not in [row.pair.position for row in fresh.pairs]
    assert fresh.run().set_aside == 1


# Failures


def test_every_failure_scores_0_for_the_side_that_failed_and_none_is_dropped(stage):
    kinds = [FailureKind.TIMEOUT, FailureKind.CUT, FailureKind.TOO_LARGE, FailureKind.EMPTY]

    def say(text):
        number = int(text.split()[-1])
        return Said(failure=kinds[number % 40]) if number % 40 < 4 else YES

    result = stage(say, n_max=120, count=120, margin=0.02).run()
    assert result.candidate.failures == {"timeout": 3, "cut": 3, "too large": 3, "empty": 3}
    assert result.judgement.losses == 12


def test_an_endpoint_that_cannot_be_used_pauses_the_pilot_and_scores_nothing(stage):
    pilot = stage(lambda text: Said(error="localhost:9 answered 401: wrong key. Check the key."))
    with pytest.raises(PilotPaused, match="answered 401: wrong key") as paused:
        pilot.run()
    assert "Paused after 0 pairs; nothing unanswered was scored." in str(paused.value)
    assert "the same command continues" in str(paused.value)
    assert pilot.pairs == []
    assert pilot.ledger.replies() == 0
    assert paused.value.result.ended is Ended.PAUSED


def test_after_an_outage_the_same_run_continues_with_what_it_has(stage):
    undisturbed, pilot = stage(wrong_in(0.1)), stage(wrong_in(0.1))
    up = pilot.ask
    calls = iter(range(10_000))
    pilot.ask = ScriptedAsk(
        lambda text: Said(error="refused") if next(calls) > 40 else wrong_in(0.1)(text), model="open-1-q4"
    )
    with pytest.raises(PausedPilot) as paused:
        pilot.run()
    kept = {key for _, key in pilot.ledger._replies}
    assert 30 <= len(kept) <= 41
    assert paused.value.result.judgement.n <= len(kept)
    pilot.ask = up
    assert pilot.run().judgement == undisturbed.run().judgement
    assert pilot.pairs == undisturbed.pairs
    assert not kept & {keys(pilot.ledger)[text] for text in up.asked}


def test_twenty_draws_in_a_row_failing_by_the_servers_fault_pause_and_stay_scored(stage):
    pilot = stage(lambda text: Said(failure=FailureKind.SERVER_ERROR, detail="bad gateway", status=502), margin=0.3)
    with pytest.raises(PausedPilot, match="open-1 failed 20 requests in a row: bad gateway") as paused:
        pilot.run()
    assert len(pilot.pairs) == 20
    assert paused.value.result.candidate.failures == {"server error": 20}
    pilot.ask = ScriptedAsk(lambda text: YES)
    assert pilot.run().candidate.failures["server error"] >= 20


def test_refusals_of_the_first_five_requests_pause_name_the_parameters_and_score_nothing(stage):
    def say(text):
        return Said(failure=FailureKind.REFUSED_REQUEST, status=400, detail="Unsupported parameter: temperature")

    pilot = stage(say)
    with pytest.raises(
        PilotPaused, match="open-1 refused the first 5 requests: Unsupported parameter: temperature"
    ) as paused:
        pilot.run()
    assert "--drop temperature" in str(paused.value)
    assert pilot.pairs == []
    assert pilot.ledger.replies() == 0
    pilot.ask = ScriptedAsk(lambda text: YES)
    assert pilot.run().candidate.failures == {}


def test_refusals_that_arrive_before_slower_answers_are_ordinary_failures(stage):
    def say(text):
        refused = int(text.split()[-1]) % 5 == 0
        return Said(failure=FailureKind.REFUSED_REQUEST, status=400) if refused else replace(YES, after_s=30.0)

    pilot = stage(say)
    result = pilot.run(concurrency=64)
    assert result.judgement.verdict is VerdictKind.CLOSED_LEADS
    assert result.candidate.failures["refused request"] > 5
    assert pilot.ledger.replies() >= result.judgement.n


def test_a_grader_that_cannot_grade_names_the_exchange(stage):
    pilot = stage(count=10, grader_name="choice")
    pilot.expected = {name: {"not": "a letter"} for name in pilot.expected}
    with pytest.raises(InputError, match=r"Exchange x[0-9]+ cannot be graded"):
        pilot.run()


def test_a_ledger_that_cannot_be_written_ends_the_pilot_with_its_words(stage):
    class Full(MemoryLedger):
        def append_replies(self, replies):
            if self.replies() >= 20:
                raise LedgerError("The disk is full.")
            super().append_replies(replies)

    with pytest.raises(LedgerError, match="The disk is full"):
        stage(lambda text: YES, ledger=Full(exchanges(100))).run()


# Both sides


def test_the_incumbent_is_asked_again_as_logged_when_the_design_says_so(stage):
    asker = Asker(endpoint="http://localhost:8/v1", dialect=Dialect.OPENAI_CHAT)
    pilot = stage(incumbent=asker)
    again = ScriptedAsk(wrong_in(0.5), model="closed-2")
    result = pilot.run(ask_incumbent=again)
    assert result.judgement.verdict is VerdictKind.OPEN_LEADS
    assert sorted(again.asked[: result.judgement.n]) == sorted(pilot.ask.asked[: result.judgement.n])
    assert {body["model"] for body in again.bodies} == {"closed-1"}
    assert {body["model"] for body in pilot.ask.bodies} == {"open-1"}
    assert result.requests == pilot.ledger.replies()


def test_an_unusable_incumbent_pauses_the_pilot_and_leaves_no_request_behind(stage):
    asker = Asker(endpoint="http://localhost:8/v1", dialect=Dialect.OPENAI_CHAT)
    pilot = stage(incumbent=asker)
    with pytest.raises(PilotPaused, match="no such model"):
        pilot.run(ask_incumbent=ScriptedAsk(lambda text: Said(error="no such model", after_s=0.5)))
    assert pilot.ask.in_flight == 0


def test_the_summary_is_about_the_pairs_that_were_bet_on(stage):
    def say(text):
        return Said(text="yes", after_s=float(text.split()[-1]) / 100, usage=Usage(fresh=50, visible=20, reasoning=30))

    result = stage(say, n_max=100, count=100, margin=0.02).run(price=PRICE)
    side = result.candidate
    assert (side.latency_p50_s, side.latency_p95_s) == (0.5, 0.95)
    assert (side.input_tokens, side.output_tokens, side.tokens_unknown) == (50, 50, 0)
    assert side.cost.amount == Decimal("0.015")
    assert side.cost.currency == "EUR"
    assert side.models == ("open-1-q4",)
    assert side.attempts == 100
    assert result.incumbent.latency_p50_s == 0.8
    assert result.incumbent.cost is None
    assert result.to_json()["judgement"]["verdict"] == "undecided"


def test_the_basis_names_models_grader_prompt_and_dates(stage):
    basis = stage().run().basis
    assert basis.candidate_models == ("open-1-q4",)
    assert basis.incumbent_models == ("closed-1-2026-01-01",)
    assert basis.grader.startswith("exact@")
    assert basis.labels_hash == "labels"
    assert f"{basis.log_from:%Y-%m-%d}" == "2026-03-02"


# Money


def test_the_budget_is_never_passed_and_a_larger_one_continues(stage):
    pilot, undisturbed = stage(wrong_in(0.1)), stage(wrong_in(0.1))
    # 100 tokens in and 10 out at 1 and 2 a million: 0.00012 a request.
    result = pilot.run(price=PRICE, budget=Decimal("0.006"), concurrency=16)
    assert result.ended is Ended.BUDGET
    assert result.spent.amount <= Decimal("0.006")
    assert 45 <= result.judgement.n <= 50
    assert "The next request could pass the budget of 0.006 EUR" in result.message
    again = pilot.run(price=PRICE, budget=Decimal("0.006"))
    assert again.ended is Ended.BUDGET
    assert again.spent == result.spent
    larger = pilot.run(price=PRICE, budget=Decimal(1))
    assert larger.judgement == undisturbed.run().judgement


def test_without_a_price_the_cap_counts_requests_and_cost_is_unknown(stage):
    pilot = stage()
    result = pilot.run(budget=Decimal(30))
    assert result.ended is Ended.BUDGET
    assert len(pilot.ask.asked) == result.requests == 30
    assert result.spent is None
    assert "30 requests (no price is known, so the cap counts requests)" in result.message


def test_failed_attempts_cost_too_and_are_told_as_estimated(stage):
    def say(text):
        return Said(failure=FailureKind.TIMEOUT) if int(text.split()[-1]) % 2 else YES

    result = stage(say, n_max=50, count=50).run(price=PRICE)
    assert result.spent_estimated.amount > Decimal("0.002")
    assert result.spent.amount > result.spent_estimated.amount
    assert result.candidate.cost_unknown == 25


# Interruptions


class Remembering(MemoryLedger):
    """Keeps a copy of itself as it stands before every write: what a kill at that moment leaves."""

    def __init__(self, *args, **kwargs):
        self.snapshots = []
        super().__init__(*args, **kwargs)

    def _remember(self):
        self.snapshots.append(self.copy())

    def append_draws(self, *args):
        self._remember()
        super().append_draws(*args)

    def append_replies(self, *args):
        self._remember()
        super().append_replies(*args)

    def append_pairs(self, *args):
        self._remember()
        super().append_pairs(*args)


@pytest.mark.parametrize("estimand", list(Estimand))
def test_killed_at_any_moment_the_resumed_run_ends_with_the_same_pairs_and_asks_nothing_twice(stage, estimand):
    ledger = Remembering(exchanges(300))
    undisturbed = stage(wrong_in(0.08), ledger=ledger, estimand=estimand)
    expected = undisturbed.run(concurrency=16)
    assert expected.ended is Ended.DECIDED
    for left in Random(7).sample(ledger.snapshots, 20):
        resumed = stage(wrong_in(0.08), ledger=left, estimand=estimand)
        kept = {key for _, key in left._replies}
        result = resumed.run(concurrency=5)
        assert result.judgement == expected.judgement
        assert resumed.pairs == undisturbed.pairs
        asked_again = [body for body in resumed.ask.asked if keys(ledger)[body] in kept]
        assert asked_again == []


def keys(ledger):
    return {ledger.exchange(row.id).request.messages[-1].text: row.request_key for row in ledger.rows("w1")}


def test_a_cancelled_run_keeps_what_has_arrived_and_ends_like_an_undisturbed_one(stage):
    undisturbed = stage(wrong_in(0.08))
    expected = undisturbed.run()
    for moment in (0.05, 1.7, 4.0, 9.3):
        pilot = stage(wrong_in(0.08))
        cancelled_after(pilot, moment)
        kept = {key for _, key in pilot.ledger._replies}
        assert pilot.ask.in_flight == 0
        resumed = stage(wrong_in(0.08), ledger=pilot.ledger)
        assert resumed.run().judgement == expected.judgement
        assert resumed.pairs == undisturbed.pairs
        assert not kept & {keys(pilot.ledger)[text] for text in resumed.ask.asked}


def cancelled_after(pilot, seconds):
    async def main():
        task = asyncio.ensure_future(pilot.coroutine())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_in_virtual_time(main())


def test_two_processes_running_the_same_pilot_are_noticed_and_no_request_counts_twice(stage):
    class Shared(MemoryLedger):
        def append_draws(self, pilot_id, exchange_ids):
            if self.draws(pilot_id):
                super().append_draws(pilot_id, self.draws(pilot_id)[:16])
            super().append_draws(pilot_id, exchange_ids)

    undisturbed = stage(wrong_in(0.08))
    expected = undisturbed.run()
    ledger = Shared(exchanges(400))
    with pytest.raises(LedgerError, match="is running in another process too"):
        stage(wrong_in(0.08), ledger=ledger).run()
    alone = stage(wrong_in(0.08), ledger=ledger.copy())
    result = alone.run()
    assert result.judgement == expected.judgement
    assert [row.pair.exchange_id for row in alone.pairs] == [row.pair.exchange_id for row in undisturbed.pairs]
    assert result.set_aside == 16


def test_a_decided_pilot_run_again_asks_nothing_and_says_the_same(stage):
    pilot = stage(wrong_in(0.1))
    first = pilot.run()
    asked = len(pilot.ask.asked)
    again = pilot.run()
    assert len(pilot.ask.asked) == asked
    assert again.judgement == first.judgement
    assert again.words == first.words


def test_another_time_limit_is_another_question_to_the_candidate(stage):
    pilot = stage()
    pilot.run()
    shorter = stage(ledger=pilot.ledger, timeout_s=5.0)
    shorter.run()
    assert shorter.ask.asked


# Settings


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"concurrency": 0}, "concurrency = 0"),
        ({"budget": Decimal(0)}, "A budget of 0"),
        ({"ask_incumbent": ScriptedAsk(lambda text: YES)}, "asked again exactly when"),
    ],
)
def test_terms_that_cannot_be_used_are_refused_before_anything_is_asked(stage, terms, says):
    pilot = stage()
    with pytest.raises(UsageError, match=says):
        pilot.run(**terms)
    assert pilot.ask.asked == []


def test_a_grader_other_than_the_designed_one_is_another_pilot(stage):
    pilot = stage()
    pilot.design = replace(pilot.design, grader="exact@0")
    with pytest.raises(UsageError, match="that is another pilot"):
        pilot.run()


def test_progress_is_told_now_and_then_with_everything_on_it(stage):
    told = []
    stage(wrong_in(0.1), count=2_000, margin=0.03).run(progress=told.append, price=PRICE, concurrency=16)
    assert len(told) > 20
    last = told[-1]
    assert last.pairs > 100
    assert last.low <= last.mean <= last.high
    assert last.cost.currency == "EUR"
    assert last.rate > 1
    assert any(one.forecast is not None for one in told)
    assert all(one.in_flight <= 16 for one in told)


def test_a_forecast_of_a_running_pilot_is_worked_out_apart_from_its_evidence(stage, monkeypatch):
    """On a thread of its own it must not touch evidence that goes on being fed."""
    monkeypatch.setattr(PilotEvidence, "expects", lambda _self: pytest.fail("the evidence itself was asked"))
    told = []
    done = stage(wrong_in(0.1), count=2_000, margin=0.03).run(progress=told.append, concurrency=16)
    assert done.ended is Ended.DECIDED
    assert any(one.forecast is not None for one in told)


def test_parameters_that_are_not_sent_are_named(stage):
    candidate = Candidate(endpoint="http://localhost:9/v1", model="open-1", drop=("temperature",))
    assert stage(candidate=candidate).run().not_sent == ("temperature",)
