"""A workload that moved already, mostly answered by its candidate: what a later pilot and plan take for the incumbent's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.cli.conftest import Run
from edge.cli.test_pilot_command import PRICE, SUMS, only, to
from journeys.walk import Served

MOVED = "served = 'candidate', model = 'good', provider = 'house', latency_s = 90.0, visible = 100000"


def move(folder: Path, *, every: str = "seq % 10 < 8") -> int:
    """Let the gateway have sent most sums to the candidate; returns how many."""
    with closing(sqlite3.connect(folder / "fairlead.db")) as ledger, ledger:
        sums = "workload_id = (SELECT workload_id FROM exchanges WHERE id LIKE 'sum%' LIMIT 1)"
        return ledger.execute(f"UPDATE exchanges SET {MOVED} WHERE {sums} AND {every}").rowcount


def planned(run: Run) -> dict[str, Any]:
    return next(move for move in run("plan", "--json").record["moves"] if move["workload"]["name"].startswith(SUMS))


def test_spend_today_is_what_all_calls_would_cost_at_the_incumbent(run: Run, office: Path) -> None:
    before = planned(run)["money"]["today"]["value"]
    calls = move(office)
    assert calls > 80
    after = planned(run)
    assert float(after["money"]["today"]["value"]) == pytest.approx(float(before), rel=0.05)
    assert any(f"{calls} of 140 calls were answered by a candidate" in note for note in after["notes"])
    found = next(row for row in run("scan", "--json").record["workloads"] if row["name"].startswith(SUMS))
    assert (found["calls"], found["by_candidate"], set(found["models"])) == (140, calls, {"gpt-4o"})
    assert found["latency_p95_s"] < 90


def test_a_pilot_takes_none_of_them_for_the_incumbents_answers(run: Run, office: Path, server: Served) -> None:
    calls = move(office)
    (told,) = run("pilot", SUMS, *to(server), "--dry-run", "--json").record["would_run"]
    assert (told["by_candidate"], told["can_be_drawn"]) == (calls, 140 - calls)
    done = run("pilot", SUMS, *to(server), *PRICE, "--yes", "--json")
    assert only(done)["judgement"]["n"] <= 140 - calls
    assert only(done)["basis"]["incumbent_models"] == ["gpt-4o"]
    assert f"{calls} exchanges were answered by a candidate" in run("pilot", SUMS, *to(server), "--dry-run").out


def test_asked_again_the_incumbent_may_answer_them(run: Run, office: Path, server: Served) -> None:
    move(office)
    again = ("--reask", server.url, "--reask-model", "good")
    (told,) = run("pilot", SUMS, *to(server), *again, "--dry-run", "--json").record["would_run"]
    assert (told["by_candidate"], told["can_be_drawn"]) == (0, 140)
    done = only(run("pilot", SUMS, *to(server), *again, "--n-max", 140, "--yes", "--json"))
    assert done["judgement"]["losses"] == 0
    assert done["incumbent"]["latency_p95_s"] < 90


def test_where_the_candidate_answered_everything_today_is_unknown(run: Run, office: Path, server: Served) -> None:
    move(office, every="1")
    found = planned(run)
    assert found["money"]["today"] is None
    assert found["money"]["today_unknown"].startswith("a candidate answered every call")
    refused = run("pilot", SUMS, *to(server), "--yes")
    assert refused.code == 2
    assert "answered by a candidate" in refused.err
