"""Routes in the control process: shadows that cost no caller anything, guards that take back, numbers for what is missing."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from edge.control.calls import STARTED_US, answering, asking
from edge.control.office import (
    CANDIDATE,
    FAR,
    GUESS,
    LOCAL,
    NOW,
    PRICE,
    WORKLOAD,
    Asked,
    Office,
    moved,
    run,
    said,
    shadowed,
)
from fairlead.core.errors import EndpointError, LedgerError
from fairlead.core.nouns import (
    Answer,
    Dialect,
    Endpoint,
    Exchange,
    FailureKind,
    Fidelity,
    Workload,
)
from fairlead.core.redact import DataClass
from fairlead.core.wire import openai
from fairlead.edge.app.classes import CLASSES
from fairlead.edge.config import PrivacySettings
from fairlead.edge.control.asking import Askers, NoKeyError, NotAllowedError
from fairlead.edge.route_settings import RouteSettings, RoutesSettings
from fairlead.edge.store import Ledger
from fairlead.edge.store.sqlite import SqliteDatabase
from fairlead.serve import tally as words
from fairlead.serve.frames import Attempt, Ended, Served
from fairlead.serve.guard import Watched
from fairlead.serve.routing import By, Event, Happened
from fairlead.serve.snapshot import Stage, UpstreamNow


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as made:
        made.set_workloads([WORKLOAD])
        yield made


# Shadow


def test_a_shadow_asks_the_candidate_beside_the_incumbent_and_its_pairs_are_those_of_a_pilot(ledger):
    office = Office(ledger, askers=Asked(lambda text: said("no" if text.endswith("3") else "yes")))
    office.begin()

    async def main():
        await office.step.look()
        await office.feed([shadowed(number) for number in range(1, 6)])
        await office.step.aclose()

    run(main())
    assert [upstream for upstream, _ in office.askers.asked] == ["local"] * 5
    (pilot,) = ledger.pilots()
    pairs = ledger.pairs(pilot.id)
    assert [row.pair.difference for row in pairs] == [0.0, 0.0, -1.0, 0.0, 0.0]
    assert [row.pair.exchange_id for row in pairs] == [f"s{number}" for number in range(1, 6)]
    counts = office.counts.counts
    assert (counts[words.WANTED], counts[words.ASKED], counts[words.ANSWERED], counts[words.GRADED]) == (5, 5, 5, 5)
    assert office.counts.coverage == 1


def test_pairs_count_in_the_order_of_their_requests_though_slow_answers_come_last(ledger):
    office = Office(ledger, askers=Asked(lambda text: (said("yes"), 30 - int(text.split()[-1]))), concurrency=8)
    office.begin()
    seen = []

    async def main():
        await office.step.look()
        await office.feed([shadowed(number) for number in range(1, 9)], idle=False)
        for _ in range(40):
            await asyncio.sleep(1)
            pilots = ledger.pilots()
            seen.append([row.pair.position for row in ledger.pairs(pilots[0].id)])
        await office.step.aclose()

    run(main())
    assert seen[-1] == list(range(1, 9))
    assert all(positions == list(range(1, len(positions) + 1)) for positions in seen)


def test_an_answer_that_never_comes_is_a_failure_and_holds_up_the_others_for_one_time_limit(ledger):
    office = Office(
        ledger,
        askers=Asked(lambda text: (said("yes"), 10_000 if text.endswith(" 1") else 1)),
        timeout_s=20,
    )
    office.begin()
    found = []

    async def main():
        await office.step.look()
        await office.feed([shadowed(number) for number in range(1, 4)], idle=False)
        for _ in range(3):
            await asyncio.sleep(10)
            found.append([row.candidate_failure for row in ledger.pairs(ledger.pilots()[0].id)])
        await office.step.aclose()

    run(main())
    assert found == [[], [], [FailureKind.TIMEOUT, None, None]]


def test_a_request_and_a_conversation_are_asked_once(ledger):
    office = Office(ledger)
    office.begin()

    async def main():
        await office.step.look()
        await office.feed([shadowed(1), shadowed(2, request=asking("question 1"))])
        await office.feed([shadowed(number, conversation="talk") for number in range(3, 30)])
        await office.step.aclose()

    run(main())
    assert len(office.askers.asked) == 2
    counts = office.counts.counts
    assert counts[words.WANTED] == 29
    assert counts[words.REPEAT] + counts[words.TURN] == 27
    assert counts[words.TURN] > 5


def test_the_shadow_has_its_own_concurrency_and_a_queue_that_is_bounded(ledger):
    office = Office(ledger, askers=Asked(after_s=5), concurrency=3, queue=10)
    office.begin()

    async def main():
        await office.step.look()
        await office.feed([shadowed(number) for number in range(40)])
        await office.step.aclose()

    run(main())
    assert office.askers.busiest == 3
    counts = office.counts.counts
    assert counts[words.NO_ROOM] == 30
    assert counts[words.GRADED] == 10


def test_the_budget_of_a_month_is_not_passed_and_what_it_kept_from_being_asked_is_a_number(ledger):
    office = Office(ledger, price=PRICE, budget=Decimal("0.005"))
    office.begin()

    async def main():
        await office.step.look()
        for number in range(20):
            await office.feed([shadowed(number)])
        await office.step.aclose()

    run(main())
    total = office.counts
    assert Decimal(0) < total.spent_in("2026-11", "USD") <= Decimal("0.005")
    assert total.counts[words.OUT_OF_BUDGET] > 0
    assert total.counts[words.ASKED] + total.counts[words.OUT_OF_BUDGET] == 20


def test_a_new_month_has_a_budget_of_its_own(ledger):
    office = Office(ledger, price=PRICE, budget=Decimal("0.003"))
    office.begin()

    async def main():
        await office.step.look()
        for number in range(10):
            await office.feed([shadowed(number)])
        before = len(office.askers.asked)
        office.now = datetime(2026, 12, 1, tzinfo=UTC)
        for number in range(10, 20):
            await office.feed([shadowed(number)])
        await office.step.aclose()
        return before

    before = run(main())
    assert len(office.askers.asked) == 2 * before


def test_a_budget_without_a_known_price_asks_nothing_and_says_why(ledger):
    office = Office(ledger, budget=Decimal(5))
    office.begin()

    async def main():
        await office.step.look()
        await office.feed([shadowed(1)])
        await office.step.aclose()

    run(main())
    assert office.askers.asked == []
    assert office.counts.counts[words.NO_PRICE] == 1


def test_what_a_restart_finds_drawn_and_unanswered_is_asked_again_and_counts_once(ledger):
    office = Office(ledger, askers=Asked(after_s=1000))
    office.begin()
    exchanges = [kept_exchange(number) for number in range(1, 4)]
    ledger.append_exchanges(exchanges)

    async def killed():
        await office.step.look()
        await office.feed([shadowed(number) for number in range(1, 4)], idle=False)
        await asyncio.sleep(1)
        await office.step.aclose()

    run(killed())
    pilot = ledger.pilots()[0].id
    assert ledger.pairs(pilot) == []
    again = Office(ledger)

    async def goes_on():
        await again.step.look()
        await again.step.idle()
        await again.feed([shadowed(4)])
        await again.step.aclose()

    run(goes_on())
    assert len(ledger.pilots()) == 1
    assert [row.pair.exchange_id for row in ledger.pairs(pilot)] == ["s1", "s2", "s3", "s4"]


def test_what_was_masked_since_cannot_be_asked_as_it_was_and_is_set_aside_with_a_number(ledger):
    office = Office(ledger, askers=Asked(after_s=1000))
    office.begin()
    ledger.append_exchanges([kept_exchange(1, fidelity=(Fidelity.REDACTED,)), kept_exchange(2)])

    async def killed():
        await office.step.look()
        await office.feed([shadowed(1), shadowed(2), shadowed(3)], idle=False)
        await asyncio.sleep(1)
        await office.step.aclose()

    run(killed())
    again = Office(ledger)

    async def goes_on():
        await again.step.look()
        await again.step.idle()
        await again.step.aclose()

    run(goes_on())
    assert [row.pair.exchange_id for row in ledger.pairs(ledger.pilots()[0].id)] == ["s2"]
    assert again.counts.counts[words.ERASED] == 2


def kept_exchange(number, **more):
    body = json.loads(asking(f"question {number}"))
    given = {
        "id": f"s{number}",
        "row_hash": f"s{number}",
        "dialect": Dialect.OPENAI_CHAT,
        "request": openai.request(body),
        "answer": Answer(text="yes", finish="stop"),
        "request_body": body,
        "response_body": None,
        "started_at": NOW,
    }
    return Exchange(**given | more)


def test_enough_pairs_that_agree_send_a_route_to_its_canary_and_the_step_names_them(ledger):
    office = Office(ledger, concurrency=20, queue=1000)
    office.begin(margin=0.1)

    async def main():
        await office.step.look()
        for start in range(0, 200, 20):
            await office.feed([shadowed(number) for number in range(start, start + 20)])
            if office.stage is Stage.CANARY:
                break
        await office.step.aclose()

    run(main())
    assert office.stage is Stage.CANARY
    step = office.book.steps("w1")[-1]
    assert (step.event, step.by, step.who) == (Event.REPLACE_OK, By.EVIDENCE, f"pilot {ledger.pilots()[0].id}")
    assert step.evidence.startswith("e")
    assert "no worse than the incumbent by 10 points or more" in step.why
    assert office.published[-1]["w1"].stage is Stage.CANARY


def test_enough_pairs_that_do_not_send_it_back_to_stay_and_it_stays_there(ledger):
    office = Office(ledger, askers=Asked(lambda text: said("no")), concurrency=20, queue=1000)
    office.begin(margin=0.1)

    async def main():
        await office.step.look()
        for start in range(0, 200, 20):
            await office.feed([shadowed(number) for number in range(start, start + 20)])
        await office.step.aclose()

    run(main())
    assert office.stage is Stage.STAY
    assert office.book.get("w1").hold
    assert office.book.steps("w1")[-1].event is Event.WORSE


def test_a_shadow_on_hold_goes_on_collecting_and_moves_nowhere(ledger):
    office = Office(ledger, concurrency=20, queue=1000)
    office.begin(margin=0.1)
    office.book.by_hand("w1", Event.HOLD, who="ann", why="audit")

    async def main():
        await office.step.look()
        for start in range(0, 160, 20):
            await office.feed([shadowed(number) for number in range(start, start + 20)])
        held = office.stage
        office.book.by_hand("w1", Event.RELEASED, who="ann", why="done")
        await office.step.look()
        await office.feed([shadowed(1000)])
        await office.step.aclose()
        return held

    assert run(main()) is Stage.SHADOW
    assert office.stage is Stage.CANARY


def test_a_shadow_that_is_often_not_answered_at_all_proves_nothing_by_the_rest(ledger):
    def say(text):
        return EndpointError("refused") if int(text.split()[-1]) % 4 == 0 else said("yes")

    office = Office(ledger, askers=Asked(say), concurrency=1, queue=1000)
    office.begin(margin=0.1)

    async def main():
        await office.step.look()
        for number in range(300):
            await office.feed([shadowed(number)])
            await asyncio.sleep(70)
        problem = office.step.problems()
        await office.step.aclose()
        return problem

    problem = run(main())
    assert office.stage is Stage.SHADOW
    assert "answered at all" in problem["w1"]
    assert office.counts.counts[words.UNREACHABLE] == 75
    assert office.counts.problem == "refused"


def test_an_endpoint_that_is_down_is_asked_now_and_then_and_each_call_it_missed_is_a_number(ledger):
    office = Office(ledger, askers=Asked(lambda text: EndpointError("nobody there")))
    office.begin()

    async def main():
        await office.step.look()
        for number in range(100):
            await office.feed([shadowed(number)])
            await asyncio.sleep(1)
        await office.step.aclose()

    run(main())
    assert len(office.askers.asked) < 12
    assert office.counts.counts[words.UNREACHABLE] == 100
    assert ledger.pairs(ledger.pilots()[0].id) == []


def test_while_the_ledger_is_away_calls_are_shadowed_no_more_each_is_a_number_and_shadows_go_on_when_it_is_back(
    ledger, monkeypatch
):
    office = Office(ledger)
    office.begin()

    def full(self):
        raise LedgerError("The disk is full.")

    async def main():
        await office.step.look()
        await office.feed([shadowed(number) for number in range(3)])
        monkeypatch.setattr(SqliteDatabase, "write", full)
        for number in range(3, 8):
            await office.step.look()
            await office.feed([shadowed(number)])
        asked = len(office.askers.asked)
        monkeypatch.undo()
        await asyncio.sleep(3600)
        await office.step.look()
        await office.feed([shadowed(number) for number in range(8, 10)])
        await office.step.aclose()
        return asked

    assert run(main()) == 3
    assert [text for _, text in office.askers.asked] == [f"question {number}" for number in (0, 1, 2, 8, 9)]
    counts = office.counts.counts
    assert (counts[words.WANTED], counts[words.GRADED], counts[words.NOT_DRAWN]) == (10, 5, 5)
    assert len(ledger.pairs(ledger.pilots()[0].id)) == 5


def test_a_shadow_of_embeddings_has_no_canary(ledger):
    ledger.set_workloads([Workload(id="w1", name="Search", guess=GUESS, endpoint=Endpoint.EMBEDDINGS)])
    office = Office(ledger, concurrency=20, queue=1000)
    office.begin(margin=0.1)

    async def main():
        await office.step.look()
        for start in range(0, 160, 20):
            await office.feed([shadowed(number) for number in range(start, start + 20)])
        problem = office.step.problems()
        await office.step.aclose()
        return problem

    assert "index" in run(main())["w1"]
    assert office.stage is Stage.SHADOW


def test_calls_of_other_stages_and_workloads_are_not_wanted(ledger):
    office = Office(ledger)
    office.begin()
    run(office.step.look())
    assert office.step.wants(shadowed(1))
    assert not office.step.wants(shadowed(1, stage="canary"))
    assert not office.step.wants(shadowed(1, workload_id="w2"))
    assert not office.step.wants(shadowed(1, workload_id=None))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"ended": Ended.CLIENT_CLOSED}, words.LEFT),
        ({"request": b"not json"}, words.NOT_READ),
    ],
)
def test_what_cannot_be_asked_again_is_counted_with_the_reason(ledger, more, reason):
    office = Office(ledger)
    office.begin()

    async def main():
        await office.step.look()
        await office.feed([shadowed(1, **more)])
        await office.step.aclose()

    run(main())
    assert office.askers.asked == []
    assert office.counts.counts[reason] == office.counts.counts[words.WANTED] == 1


# Canary and moved


def test_a_canary_asks_the_incumbent_for_the_other_half_and_lasts_its_horizon(ledger):
    office = Office(ledger, horizon=40, concurrency=10)
    office.begin(Event.REPLACE_OK)

    async def main():
        await office.step.look()
        for start in range(0, 60, 10):
            await office.feed([moved(number) for number in range(start, start + 10)])
            if office.stage is Stage.MOVED:
                break
        await office.step.aclose()

    run(main())
    assert {upstream for upstream, _ in office.askers.asked} == {"openai"}
    assert office.stage is Stage.MOVED
    step = office.book.steps("w1")[-1]
    assert (step.event, step.by) == (Event.LASTED, By.EVIDENCE)
    assert step.facts["quality"]["n"] == 40
    assert len(ledger.routing.watched("w1", 1, "canary")) == 40


def test_answers_that_got_worse_take_a_route_back_at_once_and_an_operator_is_told(ledger):
    chance = random.Random(4)
    office = Office(ledger, concurrency=10, horizon=1000)
    office.begin(Event.REPLACE_OK, Event.LASTED)

    async def main():
        await office.step.look()
        for start in range(0, 3000, 10):
            calls = [
                moved(number, stage="moved", said_="no" if chance.random() < 0.3 else "yes")
                for number in range(start, start + 10)
            ]
            await office.feed(calls)
            if office.stage is Stage.STAY:
                break
        await office.step.aclose()

    run(main())
    route = office.book.get("w1")
    assert (route.stage, route.hold) == (Stage.STAY, True)
    assert office.published[-1]["w1"].stage is Stage.STAY
    step = office.book.steps("w1")[-1]
    assert (step.event, step.by, step.who) == (Event.REGRESSED, By.GUARD, "guard of quality")
    assert step.facts["quality"]["n"] < 250
    assert "worse than the incumbent's by more than 5 points" in step.why
    assert [alert.record["event"] for alert, _ in ledger.routing.alerts()][-1] == "regressed"
    assert "went back to its incumbent" in office.told[-1]


def test_calls_that_the_candidate_fails_take_it_back_though_every_caller_was_answered(ledger):
    office = Office(ledger)
    office.begin(Event.REPLACE_OK)
    attempts = (
        Attempt(upstream="local", status=503, problem="503", side=Served.CANDIDATE),
        Attempt(upstream="openai", status=200),
    )

    async def main():
        await office.step.look()
        for start in range(0, 100, 5):
            calls = [
                moved(number, served=Served.INCUMBENT, upstream="openai", attempts=attempts)
                for number in range(start, start + 5)
            ]
            await office.feed(calls)
            if office.stage is Stage.STAY:
                break
        await office.step.aclose()

    run(main())
    step = office.book.steps("w1")[-1]
    assert step.event is Event.REGRESSED
    assert step.facts["errors"]["n"] <= 30
    assert office.askers.asked == []  # the incumbent had answered the caller already


def test_an_incumbent_that_answers_from_the_candidates_own_server_is_no_failure_of_the_candidate(ledger):
    office = Office(ledger)
    office.begin(Event.REPLACE_OK)
    attempts = (Attempt(upstream="local", status=200),)

    async def main():
        await office.step.look()
        for start in range(0, 100, 20):
            numbers = range(start, start + 20)
            await office.feed(
                [moved(each, served=Served.INCUMBENT, upstream="local", attempts=attempts) for each in numbers]
            )
        await office.step.aclose()

    run(main())
    assert office.stage is Stage.CANARY
    assert office.askers.asked == []


def test_a_candidate_that_was_fallen_back_from_scores_nothing_in_its_pair(ledger):
    office = Office(ledger)
    office.begin(Event.REPLACE_OK)
    attempts = (
        Attempt(upstream="local", problem="timeout", side=Served.CANDIDATE),
        Attempt(upstream="openai", status=200),
    )

    async def main():
        await office.step.look()
        await office.feed([moved(1, served=Served.INCUMBENT, upstream="openai", attempts=attempts)])
        await office.step.aclose()

    run(main())
    (row,) = ledger.routing.watched("w1", 1, "canary")
    assert (row["pair"]["candidate"]["score"], row["pair"]["incumbent"]["score"]) == (0.0, 1.0)
    assert row["candidate_failure"] == "timeout"


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"latency_s": 500.0}, Watched.SLOW),
        ({"request": asking(response_format={"type": "json_object"}), "response": answering("{")}, Watched.SCHEMA),
        ({"status": 500, "ended": Ended.UPSTREAM_ERROR, "response": b"{}"}, Watched.ERRORS),
    ],
)
def test_guardrails_see_every_call_whether_it_is_paired_or_not(ledger, more, what):
    office = Office(ledger)
    office.begin(Event.REPLACE_OK)

    async def main():
        await office.step.look()
        for number in range(0, 60, 4):
            await office.feed([moved(each, pair_wanted=False, **more) for each in range(number, number + 4)])
        await office.step.aclose()

    run(main())
    step = office.book.steps("w1")[-1]
    assert step.who == f"guard of {what.value}"


def test_an_answer_that_keeps_its_schema_is_fine_and_one_without_a_schema_is_not_asked_for_one(ledger):
    office = Office(ledger)
    office.begin(Event.REPLACE_OK)
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    async def main():
        await office.step.look()
        await office.feed(
            [
                moved(1, request=asking(response_format=wanted), response=answering('{"a": 1}')),
                moved(2, request=asking(response_format=wanted), response=answering('{"a": "one"}')),
                moved(3, response=answering("no JSON at all")),
            ]
        )
        await office.step.aclose()

    run(main())
    readings = {reading.what: reading for reading in office.book.guards(office.book.get("w1")).readings()}
    assert (readings[Watched.SCHEMA].n, readings[Watched.SCHEMA].mean) == (2, -0.5)


def test_of_a_conversation_one_pair_is_graded_at_a_stage(ledger):
    office = Office(ledger)
    office.begin(Event.REPLACE_OK)

    async def main():
        await office.step.look()
        await office.feed([moved(number, conversation="talk") for number in range(10)])
        await office.feed([moved(number, user="ann") for number in range(10, 20)])
        await office.step.aclose()

    run(main())
    assert len(office.askers.asked) == 2
    assert office.counts.counts[words.REPEAT] == 18


def test_two_processes_feed_one_guard(ledger):
    offices = [Office(ledger, horizon=20), Office(ledger, horizon=20)]
    offices[0].begin(Event.REPLACE_OK)

    async def main():
        for office in offices:
            await office.step.look()
        for number in range(0, 20, 2):
            for place, office in enumerate(offices):
                await office.feed([moved(number + place)])
        for office in offices:
            await office.step.look()
            await office.step.aclose()

    run(main())
    assert offices[0].stage is Stage.MOVED
    assert all(office.published[-1]["w1"].stage is Stage.MOVED for office in offices)
    assert [step.event for step in offices[0].book.steps("w1")].count(Event.LASTED) == 1


def test_guards_go_on_after_a_restart_where_they_were(ledger):
    first = Office(ledger, horizon=20)
    first.begin(Event.REPLACE_OK)

    async def some(office, numbers):
        await office.step.look()
        await office.feed([moved(number) for number in numbers])
        await office.step.aclose()

    run(some(first, range(12)))
    assert first.stage is Stage.CANARY
    run(some(Office(ledger, horizon=20), range(12, 20)))
    assert first.stage is Stage.MOVED


def test_without_a_key_of_the_operator_the_other_half_is_missing_and_counted(ledger):
    office = Office(ledger, askers=Asked(lambda text: NoKeyError("OPENAI_API_KEY is not set")))
    office.begin(Event.REPLACE_OK)

    async def main():
        await office.step.look()
        await office.feed([moved(1)])
        await office.step.aclose()

    run(main())
    assert office.counts.counts[words.NO_KEY] == 1
    assert office.counts.problem == "OPENAI_API_KEY is not set"


# By hand, while it runs


def test_what_a_person_does_is_followed_within_a_look(ledger):
    office = Office(ledger)
    office.begin()

    async def main():
        await office.step.look()
        assert office.published[-1]["w1"].stage is Stage.SHADOW
        office.book.by_hand("w1", Event.BACK, who="ann", why="enough")
        await office.step.look()
        await office.step.aclose()

    run(main())
    assert office.published[-1]["w1"].stage is Stage.STAY


def test_nothing_is_published_again_that_did_not_change(ledger):
    office = Office(ledger)
    office.begin()

    async def main():
        for _ in range(5):
            await office.step.look()
        await office.step.aclose()

    run(main())
    assert len(office.published) == 1


# Local only: every way out


def only_local():
    return PrivacySettings(data_classes={"Parcels": DataClass.LOCAL_ONLY})


def test_a_local_only_workload_has_a_route_before_anything_was_ever_moved(ledger):
    office = Office(ledger, privacy=only_local())
    run(office.step.look())
    assert office.published[-1]["w1"].only == ("local",)


@pytest.mark.parametrize("stage", ["shadow", "canary", "moved"])
def test_no_half_of_a_pair_leaves_the_listed_upstreams(ledger, stage):
    office = Office(ledger, privacy=only_local())
    office.begin(*{"shadow": [], "canary": [Event.REPLACE_OK], "moved": [Event.REPLACE_OK, Event.LASTED]}[stage])

    async def main():
        await office.step.look()
        made = shadowed if stage == "shadow" else moved
        await office.feed([made(number, stage=stage) for number in range(5)])
        await office.step.aclose()

    run(main())
    assert office.askers.asked == []
    assert office.counts.counts[words.LOCAL_ONLY] == 5


def test_a_workload_that_becomes_local_only_while_pairs_wait_is_not_asked_about_any_more(ledger):
    office = Office(ledger, askers=Asked(after_s=10), concurrency=1)
    office.begin(Event.REPLACE_OK)

    async def main():
        await office.step.look()
        await office.feed([moved(number) for number in range(5)], idle=False)
        await asyncio.sleep(1)
        office.book.by_hand(
            "w1", Event.LOCAL_ONLY, who="ann", why="law", change=lambda route: replace_only(route, ("local",))
        )
        await office.step.look()
        await asyncio.sleep(100)
        await office.step.aclose()

    run(main())
    assert len(office.askers.asked) == 1


def replace_only(route, only):
    return replace(route, only=only)


@pytest.mark.parametrize("name", ["openai", "elsewhere"])
def test_the_askers_themselves_refuse_whoever_wants_something_asked_outside(name):
    askers = Askers(environ={})
    askers.use((LOCAL, FAR))
    asked = type("A", (), {"dialect": Dialect.OPENAI_CHAT, "body": {}, "request": kept_exchange(1).request})()

    async def main():
        with pytest.raises(NotAllowedError, match="may not see this workload"):
            await askers.candidate(CANDIDATE, name, asked, only=("local",), timeout_s=1)

    run(main())


def test_an_upstream_whose_key_is_not_there_is_not_asked_without_one():
    askers = Askers(environ={})
    askers.use((UpstreamNow(name="openai", urls=("https://api.openai.com/v1",), key_env="OPENAI_API_KEY"),))
    asked = type("A", (), {"dialect": Dialect.OPENAI_CHAT, "body": {}, "request": kept_exchange(1).request})()

    async def main():
        with pytest.raises(NoKeyError, match="OPENAI_API_KEY"):
            await askers.candidate(CANDIDATE, "openai", asked, only=(), timeout_s=1)

    run(main())


def test_an_alert_about_a_local_only_workload_holds_no_word_of_it(ledger):
    office = Office(ledger, privacy=only_local(), only=("local",))
    office.begin(Event.REPLACE_OK)
    office.book.happen("w1", Happened(event=Event.REGRESSED, by=By.GUARD, at=NOW, who="guard", why="worse"))
    told = json.dumps([alert.record for alert, _ in ledger.routing.alerts()])
    assert "Parcels" not in told
    assert "question" not in told


def test_calls_of_long_ago_are_no_different(ledger):
    office = Office(ledger)
    office.begin()

    async def main():
        await office.step.look()
        await office.feed([shadowed(1, started_us=STARTED_US - int(timedelta(days=3) / timedelta(microseconds=1)))])
        await office.step.aclose()

    run(main())
    assert office.counts.counts[words.GRADED] == 1


def test_a_workload_that_a_command_said_may_not_leave_is_bound_within_a_look(ledger):
    office = Office(ledger)

    async def main():
        await office.step.look()
        assert office.published[-1] == {}
        ledger.change_state(CLASSES, lambda _: {"w1": DataClass.LOCAL_ONLY.value})
        await office.step.look()

    run(main())
    assert office.published[-1]["w1"].only == ("local",)


def test_settings_that_were_read_again_hold_for_the_stage_that_runs(ledger):
    office = Office(ledger, concurrency=1)
    office.begin()

    async def main():
        await office.step.look()
        office.settings = RoutesSettings(general=RouteSettings(grader="agree", concurrency=3, only=("local", "openai")))
        await office.step.look()
        office.askers.after_s = 5
        await office.feed([shadowed(number) for number in range(9)])
        await office.step.aclose()

    run(main())
    assert office.published[-1]["w1"].only == ("local", "openai")
    assert office.askers.busiest == 3
