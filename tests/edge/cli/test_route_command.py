"""`fairlead route`: what people do with routes, and how a route is told."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import time_ns

import pytest

from edge.cli.conftest import Run
from edge.store.samples import design, exchange
from fairlead.core.nouns import Category, CategoryGuess, Workload
from fairlead.edge.app.routes import RouteBook
from fairlead.edge.store import Ledger
from fairlead.edge.store.rollups import DOLLAR, HOUR_US, Slot
from fairlead.edge.store.rollups import Tally as Calls
from fairlead.serve.guard import Collected, Guards, of_pair
from fairlead.serve.routing import By, Event, Happened
from fairlead.serve.tally import Tally

SETTINGS = """
[candidates.qwen]
endpoint = "http://127.0.0.1:8000/v1"
model = "qwen3-32b"
[serve.upstreams.gpu]
url = "http://127.0.0.1:8000/v1"
"""
GUESS = CategoryGuess(category=Category.STRUCTURED, confidence=0.9)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRLEAD_WHO", "ann")
    (tmp_path / "fairlead.toml").write_text(SETTINGS)
    with Ledger.open("fairlead.db") as ledger:
        ledger.set_workloads(
            [Workload(id="w1", name="Invoice fields", guess=GUESS), Workload(id="w2", name="Mail", guess=GUESS)]
        )
        ledger.append_exchanges([exchange(1)])
    return tmp_path


def test_a_route_goes_all_the_way_by_hand_and_back_and_the_ledger_tells_who_and_why(run: Run, office: Path) -> None:
    assert run("route", "start", "invoice", "--candidate", "qwen", "--why", "cheaper").code == 0
    for words in (["advance"], ["advance", "--why", "trust me"], ["back", "--why", "a customer called"]):
        assert run("route", words[0], "invoice", *words[1:]).code == 0
    record = run("route", "show", "invoice", "--json").record
    assert (record["stage"], record["on_hold"], record["why"]) == ("stay", True, "a customer called")
    assert record["candidate"]["upstream"] == "gpu"
    assert [(step["before"], step["after"], step["by"], step["who"]) for step in record["steps"]] == [
        ("stay", "shadow", "person", "ann"),
        ("shadow", "canary", "person", "ann"),
        ("canary", "moved", "person", "ann"),
        ("moved", "stay", "person", "ann"),
    ]
    shown = run("route", "show", "invoice").out
    assert "moved → stay, on hold from then on: a customer called (person ann)" in shown


def test_the_list_says_how_each_route_stands(run: Run, office: Path) -> None:
    assert "Nothing is on its way" in run("route", "list").out
    run("route", "start", "invoice", "--candidate", "qwen")
    listed = run("route", "list").out
    assert "◔ shadow" in listed
    assert "no graded pair yet" in listed
    assert [each["workload"]["name"] for each in run("route", "list", "--json").record["routes"]] == ["Invoice fields"]


def test_guards_and_what_became_of_pairs_are_shown_in_words_and_numbers(run: Run, office: Path) -> None:
    run("route", "start", "invoice", "--candidate", "qwen")
    run("route", "advance", "invoice")
    with Ledger.open("fairlead.db") as ledger:
        book = RouteBook(ledger)
        guards = book.guards(book.get("w1"))
        assert guards is not None
        feed(ledger, guards)
    shown = run("route", "show", "invoice").out
    assert "answers 10% of the conversations; 50% of its calls are also answered by the incumbent" in shown
    assert "quality         4 pairs, mean −25.0 points (tolerated −3)" in shown
    assert "4 skipped: out of budget" in shown
    assert "0.5000 USD were spent on it in 2026-11, 0.1000 of it estimated." in shown
    assert "The last thing in the way: refused" in shown


def feed(ledger: Ledger, guards: Guards) -> None:
    collected = Collected(guards.terms)
    for difference in (-1.0, 0.0, 0.0, 0.0):
        collected.add(of_pair(difference=difference, candidate_refused=False, incumbent_refused=False))
    guards.lay(collected.take())
    tally = Tally()
    tally.add("wanted", 10)
    tally.add("skipped: out of budget", 4)
    tally.pay(Decimal("0.4"), month="2026-11", currency="USD")
    tally.pay(Decimal("0.1"), month="2026-11", currency="USD", estimated=True)
    tally.problem = "refused"
    ledger.routing.change_state("w1", 1, "guards.canary", lambda _: guards.to_json())
    ledger.routing.change_state("w1", 1, "tally.canary", lambda _: tally.to_json())


def test_what_a_successful_output_costs_counts_failures_and_the_watching(run: Run, office: Path) -> None:
    run("route", "start", "invoice", "--candidate", "qwen")
    assert run("route", "show", "invoice", "--json").record["cost_per_success"]["each"] is None
    sums = Calls()
    for failed in (False, False, False, True):
        sums.count(failed=failed, closed=False, latency_s=0.1, cost=DOLLAR // 100, instead=DOLLAR // 10)
    hour = time_ns() // 1000 // HOUR_US * HOUR_US
    watching = Tally()
    watching.pay(Decimal("0.02"), month="2026-11", currency="USD")
    with Ledger.open("fairlead.db") as ledger:
        ledger.capture([], {Slot(hour, "w1", "qwen3-32b", "", "candidate"): sums})
        ledger.routing.change_state("w1", 1, "tally.shadow", lambda _: watching.to_json())
    found = run("route", "show", "invoice", "--json").record["cost_per_success"]
    assert (found["outputs"], Decimal(found["each"]), Decimal(found["answers"])) == (
        3,
        Decimal("0.02"),
        Decimal("0.04"),
    )
    shown = run("route", "show", "invoice").out
    assert "A successful output costs 0.020000 USD since the route began (3 of them: 0.0400 for answers" in shown
    sums.count(failed=False, closed=False, latency_s=0.1, cost=None)
    with Ledger.open("fairlead.db") as ledger:
        ledger.capture([], {Slot(hour, "w1", "qwen3-32b", "", "candidate"): sums})
    assert "is not known: 1 call has no known price" in run("route", "show", "invoice").out


def test_a_guards_step_is_told_with_the_evidence_it_rests_on(run: Run, office: Path) -> None:
    run("route", "start", "invoice", "--candidate", "qwen")
    with Ledger.open("fairlead.db") as ledger:
        at = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
        why = "more than 2 % of the calls it was asked failed (seen after 31 calls)"
        happened = Happened(
            event=Event.REGRESSED, by=By.GUARD, at=at, who="guard of errors", why=why, evidence="g0123456789"
        )
        RouteBook(ledger).happen("w1", happened)
    shown = run("route", "show", "invoice").out
    assert f"2. 2026-11-02 09:30  shadow → stay, on hold from then on: {why}" in shown
    assert "(guard of errors) [evidence g0123456789]" in " ".join(shown.split())
    done = run("route", "release", "invoice")
    assert "released at stay" in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["advance", "mail"], "no candidate is known for it"),
        (["start", "mail"], "has no pilot; name a candidate of fairlead.toml with --candidate"),
        (["start", "mail", "--candidate", "nobody"], "has no candidate 'nobody'; it has: qwen"),
        (["start", "mail", "--pilot", "p1"], "has no pilot 'p1'; it has: none"),
        (["release", "mail"], "the route is not on hold"),
        (["back", "mail"], "its incumbent answers all of it already"),
        (["local-only", "mail", "moon"], "There is no upstream 'moon'; there are: anthropic, gpu, openai"),
        (["apply"], "The ledger holds no plan yet; run fairlead plan first"),
        (["show", "nothing"], "No workload is called 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, office: Path, words: list[str], told: str) -> None:
    done = run("route", *words)
    assert done.code == 2
    assert told in done.complaint


def test_local_only_is_said_and_lifted(run: Run, office: Path) -> None:
    run("route", "local-only", "mail", "gpu", "--why", "contract")
    assert "it may be seen by gpu and by nobody else" in run("route", "show", "mail").out
    run("route", "local-only", "mail")
    assert run("route", "show", "mail", "--json").record["only"] == []


def test_a_pilot_brings_its_candidate_and_margin(run: Run, office: Path) -> None:
    with Ledger.open("fairlead.db") as ledger:
        pilot = ledger.start_pilot(design(workload_id="w2", margin=0.07))
    run("route", "start", "mail", "--pilot", pilot)
    record = run("route", "show", "mail", "--json").record
    assert record["pilot_id"] == pilot
    assert record["steps"][0]["facts"]["pilot"] == pilot


def test_a_hostile_name_or_reason_is_shown_and_never_sent_to_the_terminal(run: Run, office: Path) -> None:
    with Ledger.open("fairlead.db") as ledger:
        ledger.set_workloads([Workload(id="w1", name="Bad \x1b[31m\u202ename", guess=GUESS)])
    run("route", "start", "w1", "--candidate", "qwen", "--why", "red \x1b[31m")
    for words in (["list"], ["show", "w1"]):
        shown = run("route", *words).out
        assert "\x1b" not in shown
        assert "\u202e" not in shown
