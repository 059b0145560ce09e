"""The demo from end to end: every decided verdict is right, the truth is only looked at, and a kill changes nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fairlead.core.errors import LedgerError
from fairlead.edge.store import Ledger
from journeys.walk import fairlead, made_once, start
from machine import ROOT

pytestmark = [pytest.mark.journey, pytest.mark.timeout(1200)]

CALMLY = ("--concurrency", 16)
"""Fewer requests at once than usual, so that a busy machine does not make the endpoints miss their time limit."""


def run_demo(folder: Path) -> dict[str, Any]:
    done = fairlead("demo", "--folder", folder, *CALMLY, "--json", cwd=folder.parent, timeout=1000)
    assert (done.code, done.err) == (0, "")
    return done.record


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that was run, and its record beside it; made once however many processes run the tests."""

    def make(folder: Path) -> None:
        (folder / "record.json").write_text(json.dumps(run_demo(folder / "demo")))

    return made_once(tmp_path_factory, "demo", make)


def record_of(first: Path) -> dict[str, Any]:
    record = json.loads((first / "record.json").read_text())
    assert isinstance(record, dict)
    return record


def test_every_decided_verdict_of_the_demo_is_right(first: Path) -> None:
    record = record_of(first)
    outcomes = [row["outcome"] for row in record["truth"]]
    assert record["scan"]["exchanges"] >= 20_000
    assert record["scan"]["skipped"] == 3
    assert len(record["scan"]["workloads"]) >= 12
    assert "wrong" not in outcomes
    assert outcomes.count("right") >= 11
    assert outcomes.count("not decided") >= 1
    assert {row["verdict"] for row in record["truth"]} >= {"equivalent", "closed leads", "undecided"}
    categories = {row["category"] for row in record["scan"]["workloads"]}
    assert len(categories) == 9, categories


def test_the_demos_report_says_that_it_is_simulated_and_holds_the_truth(first: Path) -> None:
    page = (first / "demo" / "report.html").read_text(encoding="utf-8")
    assert "simulated" in page.lower()
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://127.0.0.1", "")


def test_the_readme_shows_what_the_demo_prints(first: Path) -> None:
    """Names, actions, amounts and verdicts; pairs and intervals depend a little on how busy the machine is."""
    record = record_of(first)
    moves = {move["workload"]["name"]: move for move in record["plan"]["moves"]}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^[●◐○] (\w+) +(.+?)  +([\d.]+) +\$([\d.]+) .*?(\w+(?: \w+)?)$", readme, re.MULTILINE)
    assert {action for action, *_ in rows} == {"move", "wait", "stay"}
    for action, name, calls, today, verdict in rows:
        shown = moves[name]
        assert (action, verdict) == (shown["action"], shown["best"]["pilot"]["judgement"]["verdict"])
        assert float(calls) == round(shown["calls_a_day"])
        assert today == f"{float(shown['money']['today']['value']):.2f}"
    spent = sum(float(move["money"]["today"]["value"]) for move in moves.values())
    assert f"instead of ${spent:.2f}." in readme
    assert f"Move {sum(m['action'] == 'move' for m in moves.values())} of {len(moves)} workloads" in readme


def test_without_the_truth_and_killed_on_the_way_the_demo_ends_the_same_but_for_the_truth(
    first: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(first / "demo", folder, ignore=shutil.ignore_patterns("fairlead.db*", "truth.json", "report.html"))
    killed = start("demo", "--folder", folder, *CALMLY, "--json", cwd=tmp_path)
    try:
        wait_for_verdicts(folder / "fairlead.db", killed, wanted=3)
    finally:
        killed.kill()
        killed.communicate()
    mine, theirs = run_demo(folder), record_of(first)
    assert mine["truth"] == []
    assert not (folder / "truth.json").exists()
    assert without_news(mine["scan"]) == without_news(theirs["scan"])
    assert [said(row) for row in mine["pilots"]] == [said(row) for row in theirs["pilots"]]
    assert [acted(move) for move in mine["plan"]["moves"]] == [acted(move) for move in theirs["plan"]["moves"]]


def wait_for_verdicts(path: Path, process: subprocess.Popen[bytes], *, wanted: int) -> None:
    """Come back when that many pilots have ended."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            pytest.fail("the demo ended before it was killed")
        with suppress(LedgerError), Ledger.open(path, create=False) as ledger:
            if len(list(ledger.verdicts())) >= wanted:
                return


def without_news(scan: dict[str, Any]) -> dict[str, Any]:
    """A scan's record but for what was new to this ledger and where the lines stood."""
    return {name: value for name, value in scan.items() if name not in {"new", "skipped_lines"}}


def said(pilot: dict[str, Any]) -> tuple[Any, ...]:
    return pilot["workload"], pilot["judgement"], pilot["ended"], pilot["candidate"]["failures"]


def acted(move: dict[str, Any]) -> tuple[Any, ...]:
    return move["workload"]["name"], move["action"], move["reason"]
