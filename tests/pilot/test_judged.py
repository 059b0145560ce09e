"""A pilot whose pairs are judged: both orders, nothing asked twice, nothing dropped, and words that claim no more than that."""

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from fairlead.core.errors import PilotPaused, UsageError
from fairlead.core.evidence import VerdictKind
from fairlead.core.ids import digest
from fairlead.core.judge import PEOPLE, PairGrader, rubric_for
from fairlead.core.nouns import (
    Answer,
    Candidate,
    Category,
    Combine,
    Engine,
    Estimand,
    Failure,
    FailureKind,
    Judge,
    Judging,
    Reply,
    Reviewing,
    TokenPrice,
)
from fairlead.pilot import design as designs
from fairlead.pilot import run as running
from fairlead.pilot.result import Ended
from fairlead.testing import judge as fake
from fairlead.testing.judge import FakeJudgeAsk
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import LOGGED_AT, Said, ScriptedAsk, exchanges
from fairlead.testing.virtual import run_in_virtual_time

RUBRIC = rubric_for(Category.WRITING)
CANDIDATE = Candidate(endpoint="http://localhost:9/v1", model="qwen3")
PRICE = TokenPrice(input=Decimal(1), output=Decimal(2), currency="EUR")
GOOD = fake.by(lambda text: "good" in text)


def number_in(text):
    return int(text.split()[-1])


def better_in(share):
    """A candidate whose answers are good in a share of the questions; the incumbent's are good in half of them."""

    def say(text):
        n = number_in(text)
        return Said(text=f"good {n}" if n % 20 < 20 * share else f"poor {n}", after_s=0.1 + n % 7 / 10)

    return say


def logged(count):
    return exchanges(count, answers=[f"good logged {n}" if n % 2 else f"poor logged {n}" for n in range(1, count + 1)])


class Court:
    """A judged pilot ready to run."""

    def __init__(self, say=None, *, rules=(GOOD,), count=300, combine=Combine.MEAN, ledger=None, **settings):
        self.ledger = ledger or MemoryLedger(logged(count))
        self.ask = ScriptedAsk(say or better_in(1.0), model="qwen3-q4")
        self.judges = [rule if isinstance(rule, FakeJudgeAsk) else FakeJudgeAsk(rule) for rule in rules]
        models = [f"judge-{n}" for n in range(len(rules))]
        judges = tuple(Judge(endpoint="http://localhost:9/v1", model=model) for model in models)
        judging = Judging(judges=judges, combine=combine, prompt=RUBRIC.hash) if judges else None
        self.grader = PairGrader(id=judging.grader if judging else PEOPLE)
        given = {"margin": 0.1, "timeout_s": 60.0, "candidate": CANDIDATE, "judging": judging} | settings
        self.design = designs.propose(workload_id="w1", rows=self.ledger.rows("w1"), grader=self.grader, **given)

    def coroutine(self, **terms):
        given = {
            "ledger": self.ledger, "ask_candidate": self.ask, "grader": self.grader, "ask_judges": self.judges,
            "rubric": RUBRIC if self.design.judging else None, "now": lambda: LOGGED_AT,
        }  # fmt: skip
        return running.run(self.design, **(given | terms))

    def run(self, **terms):
        return run_in_virtual_time(self.coroutine(**terms))

    @property
    def pairs(self):
        return self.ledger.pairs(self.design.id)


def failing(kind, *, status=None, when=lambda asked: True):
    return FakeJudgeAsk(
        GOOD, fails=lambda asked: Failure(kind=kind, status=status, detail="as scripted") if when(asked) else None
    )


# Verdicts and their words


def test_a_judge_that_prefers_the_candidate_is_quoted_and_not_believed():
    result = Court(better_in(1.0)).run()
    assert result.judgement.verdict is VerdictKind.OPEN_LEADS
    assert result.speaker == "judge judge-0"
    assert result.said == "judge judge-0 prefers the candidate"
    assert result.words.startswith("On traffic like this, judge judge-0 prefers qwen3 (net preference +")
    assert result.words.endswith("This is what the judge prefers; no person has said so.")
    assert result.to_json()["said"] == result.said


def test_a_judge_that_prefers_the_incumbent_is_quoted_the_same_way():
    result = Court(better_in(0.0)).run()
    assert result.judgement.verdict is VerdictKind.CLOSED_LEADS
    assert result.said == "judge judge-0 prefers the incumbent by more than the margin"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_words_of_a_judged_pilot_speak_of_quality(share):
    told = []
    result = Court(better_in(share), n_max=60).run(progress=lambda progress: told.append(progress.said))
    texts = [*told, result.words, result.said, result.message]
    assert told
    assert not [
        text for text in texts for word in ("quality", "equivalent", "is better", "is worse", "leads") if word in text
    ]


def test_pairs_hold_what_the_judges_said_and_differ_by_it():
    court = Court(better_in(0.5), n_max=60)
    court.run()
    for row in court.pairs:
        assert row.pair.difference == row.judged.preference
        (opinion,) = row.judged.opinions
        assert opinion.candidate_first == opinion.incumbent_first == row.judged.preference
        assert opinion.requests == 2


def test_each_pair_is_shown_in_both_orders_without_saying_which_is_which():
    court = Court(n_max=50)
    court.run()
    shown = Counter(frozenset((asked.first, asked.second)) for asked in court.judges[0].asked)
    assert set(shown.values()) == {2}
    firsts = [asked.first for asked in court.judges[0].asked]
    assert sum("logged" in text for text in firsts) == len(firsts) / 2
    assert not [body for body in court.judges[0].bodies if "qwen" in str(body).lower() or "closed" in str(body)]


@pytest.mark.parametrize("concurrency", [1, 64])
def test_how_many_are_judged_together_changes_neither_pairs_nor_verdict(concurrency):
    one, other = Court(better_in(0.6)), Court(better_in(0.6))
    assert one.run(concurrency=8).judgement == other.run(concurrency=concurrency).judgement
    assert one.pairs == other.pairs


# Failures of a side, and of a judge


def test_a_side_that_failed_loses_and_no_judge_is_asked():
    def say(text):
        n = number_in(text)
        return Said(failure=FailureKind.TIMEOUT) if n % 3 == 0 else Said(text=f"good {n}")

    court = Court(say, n_max=60)
    result = court.run()
    failed = [row for row in court.pairs if row.candidate_failure is not None]
    assert failed
    assert {row.pair.difference for row in failed} == {-1.0}
    assert {row.judged.by_rule for row in failed} == {"the candidate failed"}
    assert len(court.judges[0].asked) == 2 * (60 - len(failed))
    assert result.judges.by_rule == len(failed)


def test_a_judge_that_mends_its_reply_when_asked_again_is_read():
    court = Court(rules=[fake.mends], n_max=50)
    result = court.run()
    assert result.judges.judges[0].repairs == 100
    assert result.judges.judges[0].unread == 0
    assert len(court.judges[0].asked) == 200


def test_a_judge_that_is_never_readable_pauses_the_pilot_and_nothing_counts():
    court = Court(rules=[fake.prose])
    with pytest.raises(
        PilotPaused, match=r"Judge judge-0 gave no readable verdict on 5 pairs in a row: no verdict in 'I think"
    ):
        court.run()
    assert court.pairs == []
    assert max(Counter((a.first, a.second, a.again) for a in court.judges[0].asked).values()) == 1


def test_a_judge_that_stops_being_readable_pauses_the_pilot():
    court = Court(
        rules=[failing(FailureKind.SERVER_ERROR, when=lambda asked: number_in(asked.request) % 300 > 0)], n_max=299
    )
    with pytest.raises(PilotPaused, match="as scripted"):
        court.run()


def test_verdicts_that_could_not_be_read_count_as_no_preference_and_are_told():
    court = Court(
        rules=[failing(FailureKind.TIMEOUT, when=lambda asked: number_in(asked.request) % 50 == 0)], n_max=100
    )
    result = court.run()
    assert len(court.pairs) == result.judgement.n
    unread = [row for row in court.pairs if row.judged.opinions and row.judged.opinions[0].unread]
    assert {row.pair.difference for row in unread} <= {0.0}
    assert result.judges.judges[0].unread == 2 * len(unread)


def test_no_verdict_is_given_while_too_much_was_not_readable():
    court = Court(rules=[failing(FailureKind.TIMEOUT, when=lambda asked: number_in(asked.request) % 5 == 0)], n_max=200)
    result = court.run()
    assert result.judgement.verdict is VerdictKind.UNDECIDED
    assert not result.judgement.replace_ok
    assert "no verdict could be read, which may have moved the mean by up to" in result.message


def test_a_judge_that_knows_no_schema_is_asked_without_one():
    judge, refused = FakeJudgeAsk(GOOD), []

    async def without_schemas(body):
        if "response_format" not in body:
            return await judge(body)
        refused.append(body)
        failure = Failure(kind=FailureKind.REFUSED_REQUEST, status=400, detail="no response_format here")
        return Reply(answer=Answer(failure=failure))

    court = Court(n_max=50)
    result = court.run(ask_judges=[without_schemas], concurrency=1)
    assert result.judges.judges[0].unread == 0
    assert len(refused) <= 2, "the schema is left out from then on"


# Panels


def test_a_panel_is_asked_as_a_whole_and_told_apart():
    court = Court(rules=[GOOD, fake.by(lambda text: "logged" in text), fake.first], n_max=60)
    result = court.run()
    assert [judge.judge for judge in result.judges.judges] == ["judge-0", "judge-1", "judge-2"]
    assert result.judges.judges[2].consistent == 0
    assert result.judges.agreement is not None
    assert result.speaker == "panel of judge-0, judge-1, judge-2 (mean)"
    assert all(len(row.judged.opinions) == 3 for row in court.pairs)


def test_a_majority_says_only_who_more_of_them_prefer():
    court = Court(
        better_in(0.5), rules=[GOOD, GOOD, fake.by(lambda text: "logged" in text)], combine=Combine.MAJORITY, n_max=60
    )
    court.run()
    assert {row.pair.difference for row in court.pairs} <= {-1.0, 0.0, 1.0}
    other = Court(rules=[GOOD, GOOD], combine=Combine.MEAN, n_max=60)
    assert court.design.grader != other.design.grader


# The design


def test_another_judge_rubric_or_panel_is_other_evidence_and_a_price_is_not():
    def design(**more):
        judge = Judge(**({"endpoint": "http://h/v1", "model": "m"} | more.pop("judge", {})))
        judging = Judging(**({"judges": (judge,), "prompt": "a"} | more))
        base = Court(n_max=50).design
        return replace(base, judging=judging, grader=judging.grader).id

    ids = {
        design(),
        design(judge={"model": "n"}),
        design(judge={"temperature": 1.0}),
        design(prompt="b"),
        design(forced=True),
    }
    assert len(ids) == 5
    assert design(judge={"price": PRICE, "key_env": "KEY"}) == design()


def test_judges_and_words_that_the_design_does_not_name_are_refused():
    court = Court()
    with pytest.raises(UsageError, match="Exactly the judges"):
        court.run(ask_judges=[])
    with pytest.raises(UsageError, match="other words for its judges"):
        court.run(rubric=rubric_for(None))


# Money


def test_judging_is_paid_from_the_same_purse_and_shown_apart():
    result = Court(n_max=50).run(price=PRICE, judge_prices=[PRICE])
    assert result.judges_requests == 100
    assert result.requests == 150
    assert 0 < result.judges_spent.amount < result.spent.amount


def test_the_budget_is_never_passed_with_judges_in_it():
    budget = Decimal("0.02")
    court = Court()
    result = court.run(price=PRICE, judge_prices=[PRICE], budget=budget, concurrency=16)
    assert result.ended is Ended.BUDGET
    assert result.spent.amount <= budget


def test_a_resumed_pilot_counts_what_its_judges_cost_before():
    court = Court(n_max=50)
    whole = court.run(price=PRICE, judge_prices=[PRICE])
    again = court.run(price=PRICE, judge_prices=[PRICE])
    assert (again.requests, again.judges_requests) == (whole.requests, whole.judges_requests)
    assert again.spent == whole.spent


# Kills


async def interrupted(court, after_s):
    task = asyncio.ensure_future(court.coroutine(concurrency=16))
    await asyncio.sleep(after_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def kept(court):
    return {question for _, question in court.ledger._judgements}


def test_a_pilot_that_is_stopped_again_and_again_asks_no_judge_twice_and_ends_the_same():
    alone, stopped = Court(better_in(0.6), n_max=120), Court(better_in(0.6), n_max=120)
    whole, asked = alone.run(concurrency=16), stopped.judges[0].bodies
    for after_s in (0.35, 0.5, 0.45, 0.8):
        known, before = kept(stopped), len(asked)
        run_in_virtual_time(interrupted(stopped, after_s))
        assert not known & {digest(body) for body in asked[before:]}, "asked again though the reply was kept"
    known, before = kept(stopped), len(asked)
    result = stopped.run(concurrency=16)
    assert known
    assert not known & {digest(body) for body in asked[before:]}
    assert result.judgement == whole.judgement
    assert [row.judged.preference for row in stopped.pairs] == [row.judged.preference for row in alone.pairs]


def test_judgements_that_are_kept_are_not_asked_for_again():
    court = Court(better_in(0.6), n_max=80)
    court.run()
    fresh = Court(better_in(0.6), n_max=80, ledger=court.ledger, seed=0, alpha=0.04)
    before = len(fresh.judges[0].asked)
    fresh.run()
    assert len(fresh.judges[0].asked) - before < 20, "another design over the same pairs finds nearly all of them kept"


def test_a_window_asks_a_judge_once_about_a_pair_it_draws_again():
    court = Court(count=30, estimand=Estimand.WINDOW, engine=Engine.CONSTANT, n_max=120)
    court.run(concurrency=16)
    assert len({row.pair.exchange_id for row in court.pairs}) < len(court.pairs)
    assert max(Counter((asked.first, asked.second) for asked in court.judges[0].asked).values()) == 1


# For people


def test_a_pilot_for_people_collects_pairs_and_says_nothing_yet():
    court = Court(rules=[], n_max=70, reviewing=Reviewing(wanted=True))
    result = court.run()
    assert (result.ended, result.judgement.n, result.speaker) == (Ended.N_MAX, 70, "people")
    assert result.judgement.verdict is VerdictKind.UNDECIDED
    assert (result.judgement.low, result.judgement.high) == (-1, 1)
    assert "nothing is proven yet about what people prefer" in result.words
    assert len(court.pairs) == 70


def test_a_judged_pilot_that_people_want_pairs_of_goes_on_when_the_judge_has_decided():
    court = Court(n_max=150, reviewing=Reviewing(block=20, wanted=True))
    result = court.run()
    assert (result.ended, len(court.pairs)) == (Ended.N_MAX, 150)
    assert result.judgement.verdict is VerdictKind.OPEN_LEADS
