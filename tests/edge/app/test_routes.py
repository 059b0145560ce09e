"""Routes on a ledger: begun by plans and people, moved by evidence, taken back by guards, with what each step rests on."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from edge.store.samples import exchange
from fairlead.core.errors import UsageError
from fairlead.core.nouns import Candidate, Category, CategoryGuess, Endpoint, Workload
from fairlead.core.redact import DataClass
from fairlead.edge.app.routes import Begun, RouteBook, guards_name, only_by_class, upstream_of
from fairlead.edge.config import PrivacySettings, Settings
from fairlead.edge.route_settings import RouteSettings, RoutesSettings
from fairlead.edge.store import Ledger
from fairlead.serve.guard import Guards
from fairlead.serve.near import is_local
from fairlead.serve.routing import By, Event, Happened, Route
from fairlead.serve.snapshot import Stage, UpstreamNow

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
CANDIDATE = Candidate(endpoint="http://127.0.0.1:8000/v1", model="qwen3-32b", parameters={"temperature": 0})
GUESS = CategoryGuess(category=Category.STRUCTURED, confidence=0.9)
WORKLOAD = Workload(id="w1", name="Invoice fields", guess=GUESS)
BEGUN = Begun(candidate=CANDIDATE, upstream="local", margin=0.05)


class Clock:
    def __init__(self):
        self.at = NOW

    def __call__(self):
        self.at += timedelta(minutes=1)
        return self.at


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as made:
        made.set_workloads([WORKLOAD])
        yield made


def book(ledger, **settings):
    return RouteBook(ledger, settings=RoutesSettings(general=RouteSettings(**settings)), now=Clock())


def started(made):
    return made.start(WORKLOAD, BEGUN, by=By.PERSON, who="ann", why="it is cheaper")


def happened(event, by, why="because", **facts):
    return Happened(event=event, by=by, at=NOW, who="somebody", why=why, evidence="e1", facts=facts)


def test_a_route_that_was_begun_is_there_after_a_restart_with_everything_it_was_begun_with(ledger):
    route = started(book(ledger, share=0.25)).route
    assert book(ledger).get("w1") == route
    assert (route.stage, route.candidate, route.upstream, route.share, route.margin) == (
        Stage.SHADOW,
        CANDIDATE,
        "local",
        0.25,
        0.05,
    )


def test_every_step_is_in_the_ledger_with_who_when_why_and_evidence(ledger):
    made = book(ledger)
    started(made)
    made.happen("w1", happened(Event.REPLACE_OK, By.EVIDENCE, pairs=300))
    first, second = made.steps("w1")
    assert (first.by, first.who, first.why, first.after) == (By.PERSON, "ann", "it is cheaper", Stage.SHADOW)
    assert (second.before, second.after, second.evidence, second.facts) == (
        Stage.SHADOW,
        Stage.CANARY,
        "e1",
        {"pairs": 300},
    )


def test_a_stage_that_is_watched_begins_with_its_terms_in_the_ledger(ledger):
    made = book(ledger, horizon=200, errors=0.1)
    started(made)
    assert made.guards(made.get("w1")) is None
    made.happen("w1", happened(Event.REPLACE_OK, By.EVIDENCE))
    guards = made.guards(made.get("w1"))
    assert (guards.terms.stage, guards.terms.horizon, guards.terms.errors, guards.terms.quality) == (
        Stage.CANARY,
        200,
        0.1,
        0.05,
    )


def test_the_permanent_guard_is_planned_for_the_pairs_that_its_traffic_brings_in_a_year(ledger):
    ledger.append_exchanges([replace(exchange(n), started_at=NOW + timedelta(hours=n)) for n in range(49)])
    ledger.assign([(row.seq, "w1", None) for row in ledger.rows()])
    made = book(ledger, moved_paired=0.1)
    started(made)
    made.happen("w1", happened(Event.REPLACE_OK, By.EVIDENCE))
    made.happen("w1", happened(Event.LASTED, By.EVIDENCE))
    terms = made.guards(made.get("w1")).terms
    assert terms.pairs_per_year == pytest.approx(0.1 * 24 * 365.25)


def test_a_second_run_has_guards_of_its_own(ledger):
    made = book(ledger)
    for _ in range(2):
        started(made)
        made.happen("w1", happened(Event.REPLACE_OK, By.EVIDENCE))
        made.happen("w1", happened(Event.REGRESSED, By.GUARD))
    assert [ledger.routing.state("w1", run, guards_name(Stage.CANARY)) is None for run in (1, 2, 3)] == [
        False,
        False,
        True,
    ]


def test_of_what_no_person_did_an_operator_is_told_without_a_word_of_any_request(ledger):
    made = book(ledger)
    started(made)
    made.happen("w1", happened(Event.REPLACE_OK, By.EVIDENCE))
    made.happen("w1", happened(Event.REGRESSED, By.GUARD, why="more than 2 % of the calls it was asked failed"))
    told = [alert.record for alert, _ in ledger.routing.alerts()]
    assert [each["event"] for each in told] == ["replace ok", "regressed"]
    assert told[1]["name"] == "Invoice fields"
    assert told[1]["after"] == "stay"
    assert told[1]["on_hold"]


def test_of_a_local_only_workload_not_even_its_name_is_told(ledger):
    made = book(ledger, only=("local",))
    started(made)
    made.happen("w1", happened(Event.REGRESSED, By.GUARD))
    assert [alert.record["name"] for alert, _ in ledger.routing.alerts()] == [None]


def test_what_comes_by_itself_and_is_not_allowed_is_left_alone(ledger):
    made = book(ledger)
    assert made.try_to("w1", happened(Event.REPLACE_OK, By.EVIDENCE)) is None
    assert made.steps() == []


def test_two_processes_that_move_a_route_at_once_leave_one_step(tmp_path):
    where = tmp_path / "fairlead.db"
    with Ledger.open(where) as ledger:
        ledger.set_workloads([WORKLOAD])
        started(book(ledger))
    barrier = threading.Barrier(2)
    found = []

    def try_it():
        with Ledger.open(where) as own:
            barrier.wait()
            found.append(book(own).try_to("w1", happened(Event.WORSE, By.EVIDENCE)))

    threads = [threading.Thread(target=try_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Ledger.open(where) as ledger:
        assert [step.event for step in book(ledger).steps()] == [Event.STARTED, Event.WORSE]
    assert sum(moved is not None for moved in found) == 1


def test_a_refusal_says_what_stands_in_the_way(ledger):
    made = book(ledger)
    with pytest.raises(UsageError, match="no candidate is known"):
        made.by_hand("w1", Event.ADVANCED, who="ann", why="")


LOCAL = UpstreamNow(name="gpu", urls=("http://127.0.0.1:8000/v1",))
FAR = UpstreamNow(name="openai", urls=("https://api.openai.com/v1",))


def test_a_candidate_answers_at_the_upstream_that_has_its_address_else_at_its_entry_else_at_its_host():
    named = Settings(candidates={"qwen": Candidate(endpoint="http://127.0.0.1:8000", model="other")})
    assert upstream_of(CANDIDATE, upstreams=[FAR, LOCAL], settings=Settings()) == "gpu"
    assert upstream_of(CANDIDATE, upstreams=[FAR], settings=named) == "qwen"
    assert upstream_of(CANDIDATE, upstreams=[FAR], settings=Settings()) == "127.0.0.1:8000"


@pytest.mark.parametrize(
    ("urls", "near"),
    [
        (["http://127.0.0.1:8000/v1"], True),
        (["http://10.0.0.7/v1", "http://192.168.1.2/v1"], True),
        (["http://[::1]:8000/v1"], True),
        (["http://gpu.internal/v1"], True),
        (["http://10.0.0.7/v1", "https://api.example/v1"], False),
        (["https://api.example/v1"], False),
        (["https://8.8.8.8/v1"], False),
        (["http://localhost.example.com/v1"], False),
    ],
)
def test_an_upstream_is_local_when_every_address_of_it_is(urls, near):
    assert is_local(UpstreamNow(name="x", urls=tuple(urls))) is near


def test_a_workload_of_the_class_local_only_may_be_seen_by_local_upstreams_or_by_those_that_are_listed():
    privacy = PrivacySettings(data_classes={"Invoice fields": DataClass.LOCAL_ONLY})
    settings = Settings(privacy=privacy)
    other = Workload(id="w2", name="Mail", guess=GUESS, endpoint=Endpoint.CHAT)
    assert only_by_class([WORKLOAD, other], settings, RoutesSettings(), [LOCAL, FAR]) == {"w1": ("gpu",)}
    assert only_by_class([WORKLOAD], settings, RoutesSettings(), [FAR]) == {"w1": ("no upstream",)}
    listed = RoutesSettings(named={"w2": RouteSettings(only=("openai",))})
    assert only_by_class([other], Settings(), listed, [LOCAL, FAR]) == {"w2": ("openai",)}


def test_guards_that_were_kept_can_be_read_by_whoever_shows_them(ledger):
    made = book(ledger)
    started(made)
    made.happen("w1", happened(Event.REPLACE_OK, By.EVIDENCE))
    kept = ledger.routing.state("w1", 1, guards_name(Stage.CANARY))
    assert Guards.from_json(kept).terms.stage is Stage.CANARY
    assert isinstance(made.get("w1"), Route)
