"""Judges on live routes: blind as in a pilot, beside every caller, in the same budget, and each judgement that is missing a number."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from edge.control.calls import asking
from edge.control.office import (
    CANDIDATE,
    FAR,
    LOCAL,
    NOW,
    WORKLOAD,
    Asked,
    Office,
    failed,
    moved,
    run,
    said,
    shadowed,
)
from edge.store.samples import exchange
from fairlead.core.errors import EndpointError, UsageError
from fairlead.core.judge import PEOPLE, rubric_for
from fairlead.core.nouns import Failure, FailureKind, Grade, Judge, Judging, Pair, Reply, TokenPrice
from fairlead.core.redact import DataClass, Policy
from fairlead.edge.app.classes import CLASSES
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.routes import Begun, admit_judges
from fairlead.edge.catalog.prices import Prices
from fairlead.edge.config import JudgingSettings, PrivacySettings, Settings
from fairlead.edge.control.asking import Askers, NoKeyError, NotAllowedError
from fairlead.edge.control.sinks import shadow_design
from fairlead.edge.store import Ledger
from fairlead.pilot.asking import row_of
from fairlead.pilot.design import candidate_asker
from fairlead.serve import tally as words
from fairlead.serve.guard import Watched
from fairlead.serve.routing import Event, Route
from fairlead.serve.snapshot import Stage, UpstreamNow
from fairlead.testing import judge as fake
from fairlead.testing.judge import FakeJudgeAsk

PRICE = TokenPrice(input=Decimal(1), output=Decimal(1))
JUDGE = Judge(endpoint="http://127.0.0.1:8009/v1", model="mistral-large", price=PRICE)
GOOD = fake.by(lambda text: "good" in text)
RUBRIC = rubric_for(WORKLOAD.guess.category)


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as made:
        made.set_workloads([WORKLOAD])
        yield made


def piloted(ledger, *judges, **more):
    """A pilot of the workload whose pairs were judged; its id."""
    judging = Judging(judges=judges or (JUDGE,), prompt=RUBRIC.hash, **more)
    design = shadow_design(
        Route(workload_id="w1"),
        CANDIDATE,
        grader=judging.grader,
        margin=0.1,
        timeout_s=60,
        n_max=100,
        prompts=(),
        judging=judging,
    )
    return ledger.start_pilot(replace(design, seed=7, incumbent_models=("gpt-4o-mini",)))


class Court(Office):
    """An office whose workload was piloted with judges; `judges` are the fake ones behind them."""

    def __init__(self, ledger, *, say=lambda text: said("good answer"), judge=None, pilot=None, **more):
        self.judge = judge or FakeJudgeAsk(GOOD)
        self.pilot = pilot or piloted(ledger)
        askers = Asked(say, judges={"mistral-large": self.judge, "cohere-judge": self.judge})
        super().__init__(ledger, **{"askers": askers, "grader": "", **more})

    def begin(self, *events, **more):
        super().begin(*events, **{"margin": 0.1, "pilot_id": self.pilot, **more})

    def run(self, *calls):
        async def main():
            await self.step.look()
            for each in calls:
                await self.feed([each])
            await self.step.aclose()

        run(main())

    @property
    def pairs(self):
        pilot = next(entry for entry in self.ledger.pilots() if entry.design.seed < 0)
        return self.ledger.pairs(pilot.id)

    @property
    def watched(self):
        return self.book.guards(self.book.get("w1"))


# Blind, in both orders, as in a pilot


def test_each_live_pair_is_judged_in_both_orders_and_counts_as_it_would_in_a_pilot(ledger):
    court = Court(ledger, say=lambda text: said("good answer" if text.endswith("1") else "a plain one"))
    court.begin()
    court.run(shadowed(1, said_="a plain one, too"), shadowed(2, said_="good answer"), shadowed(3, said_="a plain one"))
    assert [row.pair.difference for row in court.pairs] == [1.0, -1.0, 0.0]
    assert [row.judged.by_rule for row in court.pairs] == ["", "", "both answers are the same"]
    assert [(asked.first, asked.second) for asked in court.judge.asked[:2]] == [
        ("good answer", "a plain one, too"),
        ("a plain one, too", "good answer"),
    ]
    (design,) = (entry.design for entry in ledger.pilots() if entry.design.seed < 0)
    assert design.grader == Judging(judges=(JUDGE,), prompt=RUBRIC.hash).grader
    counts = court.counts.counts
    assert (counts[words.JUDGED], counts[words.BY_RULE], counts[words.QUESTIONS]) == (2, 1, 4)


def test_no_judge_reads_whose_answer_is_whose(ledger):
    court = Court(ledger, say=lambda text: said("I'm Qwen, made by Alibaba. A good answer."))
    court.begin()
    court.run(shadowed(1, said_="As GPT-4, an AI model by OpenAI, I say: a plain one."))
    shown = json.dumps([[each.first, each.second] for each in court.judge.asked])
    assert court.judge.asked
    assert not any(name in shown for name in ("Qwen", "Alibaba", "GPT-4", "OpenAI"))


def test_what_is_not_of_the_form_asked_for_is_asked_for_once_more_and_counted(ledger):
    court = Court(ledger, judge=FakeJudgeAsk(fake.mends))
    court.begin()
    court.run(shadowed(1, said_="short"))
    assert court.counts.counts[words.REPAIRS] == 2
    assert [row.pair.difference for row in court.pairs] == [1.0]


def test_an_answer_that_failed_needs_no_judge(ledger):
    court = Court(ledger, say=lambda text: failed())
    court.begin()
    court.run(shadowed(1))
    assert court.judge.asked == []
    assert [row.pair.difference for row in court.pairs] == [-1.0]


def test_pairs_that_judges_prefer_send_a_route_to_its_canary(ledger):
    court = Court(ledger)
    court.begin()
    court.run(*(shadowed(number, said_="a plain one") for number in range(60)))
    assert court.stage is Stage.CANARY
    step = court.book.steps("w1")[-1]
    assert (step.event, step.facts["margin"]) == (Event.REPLACE_OK, 0.1)


def test_in_canary_judges_watch_and_a_candidate_they_like_less_is_taken_back(ledger):
    court = Court(ledger, say=lambda text: said("good answer"))
    court.begin(Event.REPLACE_OK)
    court.run(*(moved(number, said_="a plain one") for number in range(60)))
    assert (court.stage, court.book.get("w1").hold) == (Stage.STAY, True)
    assert "quality" in court.book.steps("w1")[-1].who


def test_after_a_restart_nothing_that_a_judge_answered_is_asked_again(ledger):
    first = Court(ledger)
    first.begin()
    first.run(shadowed(1, said_="a plain one"))
    (kept,) = {entry.exchange_id for entry in ledger.judgements()}
    assert kept == "s1"
    again = Court(ledger, pilot=first.pilot)
    again.run(shadowed(2, said_="a plain one", request=asking("question 1")))
    assert again.judge.asked == []


# Who may judge


def test_a_judge_of_a_contestants_family_is_refused_before_anything_is_asked(ledger):
    kin = replace(JUDGE, model="gpt-4.1")
    court = Court(ledger, pilot=piloted(ledger, kin))
    with pytest.raises(UsageError, match="OpenAI's family, and so is the incumbent gpt-4o-mini"):
        court.begin()
    forced = Court(ledger, pilot=piloted(ledger, kin, forced=True))
    forced.begin()


def test_a_judge_is_not_asked_about_an_answer_of_its_own_family_that_comes_later(ledger):
    court = Court(ledger)
    court.begin()
    request = json.loads(asking("question 1"))
    court.run(shadowed(1, request=json.dumps({**request, "model": "mistral-small"}).encode()))
    assert court.judge.asked == []
    assert court.counts.counts[words.JUDGE_KIN] == court.counts.counts[words.UNJUDGED] == 1
    assert court.counts.coverage == 0


def test_judges_of_the_settings_go_before_those_of_the_pilot_and_a_run_keeps_the_ones_it_began_with(ledger):
    cohere = replace(JUDGE, model="cohere-judge")
    general = Settings(judges={"mistral": JUDGE, "cohere": cohere})
    court = Court(ledger, general=general, judges=("cohere",))
    court.begin()

    async def main():
        await court.step.look()
        await court.feed([shadowed(1, said_="a plain one")])
        court.settings = replace(court.settings, general=replace(court.settings.general, judges=("mistral",)))
        await court.step.look()
        await court.feed([shadowed(2, said_="a plain one")])
        await court.step.aclose()

    run(main())
    assert {body["model"] for body in court.judge.bodies} == {"cohere-judge"}
    assert len(court.pairs) == 2


def test_a_judge_that_no_table_names_is_refused(ledger):
    with pytest.raises(UsageError, match=r"no \[judges.nobody\]"):
        Court(ledger, judges=("nobody",)).begin()


def test_a_pilot_judged_by_words_that_are_gone_is_not_gone_on_with_in_silence(ledger, tmp_path):
    (tmp_path / "own.txt").write_text("Only the tone counts.")
    piloted(ledger)
    (entry,) = ledger.pilots()
    pilot = ledger.start_pilot(
        replace(
            entry.design,
            judging=Judging(judges=(JUDGE,), prompt=rubric_for(None, "Only the tone counts.").hash),
        )
    )
    with pytest.raises(UsageError, match="in words that are no longer there"):
        Court(ledger, pilot=pilot).begin()
    general = Settings(judging=JudgingSettings(rubric=str(tmp_path / "own.txt")))
    court = Court(ledger, pilot=pilot, general=general)
    court.begin()
    court.run(shadowed(1, said_="a plain one"))
    assert "Only the tone counts." in json.dumps(court.judge.bodies)


def compared(ledger, pilot):
    """Eight pairs of a pilot whose two sides never said the same."""
    ledger.append_exchanges([exchange(number) for number in range(8)])
    ledger.assign([(row.seq, "w1", None) for row in ledger.rows()])
    (design,) = (entry.design for entry in ledger.pilots() if entry.id == pilot)
    for position, row in enumerate(ledger.rows("w1"), 1):
        one = ledger.exchange(row.id).answer
        reply = Reply(answer=replace(one, text=f"Something else, {position}."))
        ledger.append_replies([(candidate_asker(design), row.request_key, reply)])
        pair = Pair(position=position, exchange_id=row.id, incumbent=Grade(score=0.5), candidate=Grade(score=0.5))
        ledger.append_pairs(pilot, [row_of(pair, candidate=reply, incumbent=Reply(answer=one))])


def test_a_shadow_of_what_people_compared_is_refused_unless_judges_are_named(ledger):
    piloted(ledger)
    (entry,) = ledger.pilots()
    pilot = ledger.start_pilot(replace(entry.design, grader=PEOPLE, judging=None))
    compared(ledger, pilot)
    with pytest.raises(UsageError, match=r"people are not asked about live ones\. Name judges or a grader"):
        Court(ledger, pilot=pilot).begin()
    Court(ledger, pilot=pilot, start="canary").begin()
    court = Court(ledger, pilot=pilot, general=Settings(judges={"mistral": JUDGE}), judges=("mistral",))
    court.book.by_hand("w1", Event.BACK, who="ann", why="again, with judges")
    court.begin()
    court.run(shadowed(1, said_="plain"))
    assert len(court.judge.asked) == 2


# What may not leave


def bound(*names):
    return {"privacy": PrivacySettings(data_classes={"Parcels": DataClass.LOCAL_ONLY}), "only": names}


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.CANARY])
def test_a_judge_that_is_none_of_the_listed_upstreams_never_sees_a_local_only_workload(ledger, stage):
    court = Court(ledger, **bound("local", "openai"))
    court.begin(*([Event.REPLACE_OK] if stage is Stage.CANARY else []))
    court.run(*((moved if stage is Stage.CANARY else shadowed)(number, said_="plain") for number in range(5)))
    assert court.judge.asked == []
    counts = court.counts.counts
    assert counts[words.JUDGE_ELSEWHERE] == 5
    assert counts[words.UNJUDGED] >= 1
    assert "none of the upstreams that may see this workload: local, openai" in court.counts.problem


def test_a_judge_at_a_listed_upstream_may_see_it(ledger):
    there = UpstreamNow(name="judge", urls=("http://127.0.0.1:8009/v1",))
    court = Court(ledger, upstreams=(LOCAL, FAR, there), **bound("local", "openai", "judge"))
    court.begin()
    court.run(shadowed(1, said_="plain"))
    assert len(court.judge.asked) == 2


def test_a_workload_that_becomes_local_only_while_a_pair_waits_is_shown_to_no_judge(ledger):
    court = Court(ledger)
    court.begin()
    court.askers.after_s = 5

    async def main():
        await court.step.look()
        await court.feed([shadowed(1, said_="plain")], idle=False)
        ledger.change_state(CLASSES, lambda _: {"w1": DataClass.LOCAL_ONLY.value})
        await court.step.look()
        await asyncio.sleep(20)
        await court.step.aclose()

    run(main())
    assert court.askers.asked == [("local", "question 1")]
    assert court.judge.asked == []
    assert court.counts.counts[words.JUDGE_ELSEWHERE] == court.counts.counts[words.UNJUDGED] == 1


def test_a_route_whose_judge_may_not_see_it_is_not_begun(ledger):
    court = Court(ledger)
    desk = Desk(where="unused.db", settings=Settings(), ledger=ledger, prices=Prices({}), now=NOW)
    begun = Begun(candidate=CANDIDATE, upstream="local", margin=0.1, pilot_id=court.pilot)
    court.settings = replace(court.settings, general=replace(court.settings.general, only=("local",)))
    with pytest.raises(
        UsageError, match=r"none of the upstreams that may see this workload: local. Name a judge at one"
    ):
        admit_judges(desk, court.book, WORKLOAD, begun, upstreams=(LOCAL, FAR))
    there = UpstreamNow(name="local", urls=("http://127.0.0.1:8009/v1",))
    admit_judges(desk, court.book, WORKLOAD, begun, upstreams=(there, FAR))


def test_the_askers_themselves_refuse_a_judge_outside_and_one_without_its_key():
    async def main():
        askers = Askers(environ={"SPARE": "unused"})
        askers.use((LOCAL, FAR))
        with pytest.raises(NotAllowedError, match=r"mistral-large at 127\.0\.0\.1:8009 is none"):
            await askers.judge(JUDGE, {}, only=("local",), timeout_s=1)
        with pytest.raises(NoKeyError, match="JUDGE_SECRET is not set"):
            await askers.judge(replace(JUDGE, key_env="JUDGE_SECRET"), {}, only=(), timeout_s=1)

    asyncio.run(main())


def test_a_judge_sees_no_more_than_the_ledger_keeps_and_neither_do_its_own_words_hold_more(ledger):
    def quotes(asked):
        return json.dumps({"reason": f"{asked.request} bob@example.org", "verdict": "tie"})

    court = Court(
        ledger, judge=FakeJudgeAsk(quotes), privacy=PrivacySettings(redact=Policy.MASK),
        say=lambda text: said("write to ann.smith@example.org"),
    )  # fmt: skip
    court.begin()
    court.run(shadowed(1, said_="plain", request=asking("I am ann.smith@example.org")))
    assert court.judge.asked
    assert "example.org" not in json.dumps(court.judge.bodies)
    assert all("example.org" not in entry.reply.answer.text for entry in ledger.judgements())


def test_where_no_text_is_kept_no_judge_may_see_one(ledger):
    court = Court(ledger, privacy=PrivacySettings(redact=Policy.DROP))
    with pytest.raises(UsageError, match="redact = drop"):
        court.begin()


# Money, and what is missing


def test_a_budget_that_is_used_up_stops_shadows_and_judging_and_the_numbers_say_so(ledger):
    court = Court(ledger, price=PRICE, budget=Decimal("0.02"))
    court.begin()
    court.run(*(shadowed(number, said_="a plain one") for number in range(20)))
    spent = sum(court.counts.spent.values())
    counts = court.counts.counts
    assert Decimal("0.01") < spent <= Decimal("0.02")
    assert counts[words.OUT_OF_BUDGET] > 10
    assert counts[words.ASKED] + counts[words.OUT_OF_BUDGET] == 20
    assert counts[words.QUESTIONS] == 2 * counts[words.ASKED] == len(court.judge.asked)
    answers = Decimal("0.0011") * counts[words.ASKED]
    assert spent > answers + Decimal("0.0001") * counts[words.QUESTIONS], "what judges cost is in it"


def test_a_judge_without_a_known_price_asks_nothing_under_a_budget(ledger):
    pilot = piloted(ledger, replace(JUDGE, price=None))
    court = Court(ledger, pilot=pilot, budget=Decimal(1))
    court.world_price = None
    court.begin()
    court.run(shadowed(1))
    assert court.askers.asked == []
    assert court.counts.counts[words.NO_PRICE] == 1


def test_a_judge_that_cannot_be_reached_is_asked_now_and_then_and_each_missing_judgement_is_a_number(ledger):
    async def nobody(body):
        raise EndpointError("nobody there")

    court = Court(ledger)
    court.askers.judges["mistral-large"] = nobody
    court.begin()

    async def main():
        await court.step.look()
        for number in range(60):
            await court.feed([shadowed(number, said_="plain")])
            await asyncio.sleep(1)
        await court.step.aclose()

    run(main())
    counts = court.counts.counts
    assert counts[words.JUDGE_AWAY] == 60
    assert counts[words.UNJUDGED] == counts[words.ASKED] < 12
    assert court.pairs == []
    assert court.counts.coverage == 0
    assert court.counts.problem == "nobody there"


def test_verdicts_that_cannot_be_read_are_counted_prove_nothing_and_do_not_go_on_at_full_speed(ledger):
    court = Court(ledger, judge=FakeJudgeAsk(fake.prose), n_max=2_000)
    court.begin()

    async def main():
        await court.step.look()
        for number in range(300):
            await court.feed([shadowed(number, said_="plain")])
            await asyncio.sleep(5)
        problem = court.step.problems()
        await court.step.aclose()
        return problem

    problem = run(main())
    counts = court.counts.counts
    assert court.stage is Stage.SHADOW
    assert counts[words.MUTE] == len(court.pairs) > 20
    assert counts[words.UNREAD] == 2 * counts[words.MUTE]
    assert counts[words.JUDGE_AWAY] > 100
    assert "no verdict of the judges could be read" in court.counts.problem
    assert not problem or "no verdict" in problem["w1"]


def test_a_mute_judge_takes_no_canary_to_its_end(ledger):
    def fails(asked):
        return Failure(kind=FailureKind.SERVER_ERROR, detail="down")

    court = Court(ledger, judge=FakeJudgeAsk(GOOD, fails=fails), horizon=10)
    court.begin(Event.REPLACE_OK)

    async def main():
        await court.step.look()
        for number in range(40):
            await court.feed([moved(number, said_="plain")])
            await asyncio.sleep(70)
        await court.step.aclose()

    run(main())
    assert court.stage is Stage.CANARY
    assert court.watched.pairs == 0
    readings = {reading.what: reading.n for reading in court.watched.readings()}
    assert readings[Watched.REFUSALS] == court.counts.counts[words.MUTE] > 0


def test_a_slow_judge_is_no_failure_of_the_candidate(ledger):
    court = Court(ledger, judge=FakeJudgeAsk(GOOD, after_s=45), timeout_s=20)
    court.begin()
    court.run(shadowed(1, said_="plain"))
    assert [(row.candidate_failure, row.pair.difference) for row in court.pairs] == [(None, 1.0)]


def test_a_judge_that_takes_too_long_leaves_a_number_and_holds_up_nobody(ledger):
    court = Court(ledger, judge=FakeJudgeAsk(GOOD, after_s=500), timeout_s=20)
    court.begin()

    async def main():
        await court.step.look()
        await court.feed([shadowed(1, said_="plain")], idle=False)
        await asyncio.sleep(1)
        court.askers.judges["mistral-large"]._after_s = 0.1
        await court.feed([shadowed(2, said_="plain")], idle=False)
        await asyncio.sleep(400)
        await court.step.aclose()

    run(main())
    assert court.counts.counts[words.JUDGE_LATE] == court.counts.counts[words.UNJUDGED] == 1
    assert [row.pair.exchange_id for row in court.pairs] == ["s2"]


def test_judging_has_its_own_concurrency(ledger):
    class Busy(FakeJudgeAsk):
        now = busiest = 0

        async def __call__(self, body):
            self.now += 1
            self.busiest = max(self.busiest, self.now)
            try:
                return await super().__call__(body)
            finally:
                self.now -= 1

    court = Court(ledger, judge=Busy(GOOD, after_s=10), concurrency=8, judge_concurrency=3)
    court.begin()

    async def main():
        await court.step.look()
        court.askers.after_s = 1
        await court.feed([shadowed(number, said_="plain") for number in range(30)])
        await court.step.aclose()

    run(main())
    assert court.judge.busiest == 6, "two questions about each of three pairs"
    assert court.askers.busiest == 8
    assert len(court.pairs) == 30
