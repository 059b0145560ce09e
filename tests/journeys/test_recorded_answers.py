"""The whole flow on answers that real models gave: recorded by others, served over HTTP, scanned, piloted, planned.

Expected answers come from models outside the pair under test (`recorded_gsm.py`); nothing of the two contestants' recorded
scores is used.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fairlead.core.evidence import VerdictKind, Watch
from journeys.walk import Done, Served, fairlead, log_of, recording_of, served, write_lines
from machine import recorded
from recorded_gsm import key_without, question_number, rows

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

GPT4, MIXTRAL = "gpt-4-1106-preview", "Mixtral-8x7B-Instruct-v0.1"
GPT4O, MISTRAL, GEMMA = "gpt-4o-2024-08-06", "Mistral-Large-2", "gemma-2-27b-it"


@dataclass(frozen=True)
class Contest:
    """A folder with a log and labels, scanned, and a server of the candidates."""

    folder: Path
    server: Served
    scanned: Done

    @property
    def main(self) -> dict[str, Any]:
        """The largest workload: school mathematics. A few questions with wording in common may be found beside it."""
        return max(self.scanned.record["workloads"], key=lambda workload: workload["calls"])

    def pilot(self, model: str, *, margin: float) -> Done:
        return fairlead(
            "pilot", self.main["id"], "--endpoint", self.server.url, "--model", model, "--labels", "labels.jsonl", "--grader", "number",
            "--margin", margin, "--price", "0.50,0.50", "--concurrency", 16, "--yes", "--json", cwd=self.folder,
        )  # fmt: skip


def contest(folder: Path, file: str, incumbent: str, *candidates: str) -> Iterator[Contest]:
    every = rows(file)
    key = key_without({incumbent, *candidates})
    write_lines(folder / "log.jsonl", log_of(every, incumbent))
    mine = [row for row in every if row["model"] == incumbent and question_number(row["item_id"]) in key.expected]
    labels = [{"id": r["item_id"], "expected": float(key.expected[question_number(r["item_id"])])} for r in mine]
    write_lines(folder / "labels.jsonl", labels)
    scanned = fairlead("scan", "log.jsonl", "--json", cwd=folder)
    with served(recording_of(every, *candidates)) as server:
        yield Contest(folder, server, scanned)


@pytest.fixture(scope="module")
def mixtral(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contest]:
    yield from contest(tmp_path_factory.mktemp("routellm"), "routellm_gsm8k", GPT4, MIXTRAL)


@pytest.fixture(scope="module")
def gpt4o(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contest]:
    yield from contest(tmp_path_factory.mktemp("zeroeval"), "zeroeval_gsm", GPT4O, MISTRAL, GEMMA)


def only(done: Done) -> dict[str, Any]:
    (pilot,) = done.record["pilots"]
    return pilot


def test_mixtral_may_not_replace_gpt4_on_school_mathematics(mixtral: Contest) -> None:
    scan = mixtral.scanned.record
    assert (scan["exchanges"], scan["skipped"]) == (1319, 0)
    assert mixtral.main["calls"] >= 0.9 * 1319
    assert mixtral.main["category"] == "reasoning"
    assert mixtral.main["spend_per_month"] > 0

    done = mixtral.pilot(MIXTRAL, margin=0.05)
    pilot = only(done)
    assert done.code == 1
    assert pilot["judgement"]["verdict"] == "closed leads"
    assert pilot["judgement"]["by_more_than_margin"]
    assert pilot["ended"] == "decided"
    assert 50 <= pilot["judgement"]["n"] <= 180, "typically 60 to 130"
    assert pilot["frame"]["exchanges"] == mixtral.main["calls"]
    assert pilot["frame"]["gradable"] + pilot["frame"]["without_expected"] == mixtral.main["calls"]
    assert pilot["incumbent"]["score"] > pilot["candidate"]["score"] + 0.05
    assert pilot["basis"]["candidate_models"] == [MIXTRAL]
    assert pilot["basis"]["incumbent_models"] == [GPT4]

    plan = fairlead("plan", "--json", cwd=mixtral.folder).record
    move = next(move for move in plan["moves"] if move["workload"]["id"] == mixtral.main["id"])
    assert move["action"] == "stay"
    assert move["best"]["pilot"]["judgement"]["verdict"] == "closed leads"
    assert all(other["action"] == "wait" for other in plan["moves"] if other is not move)
    report = fairlead("report", "-o", "page.html", cwd=mixtral.folder)
    assert report.code == 0
    page = (mixtral.folder / "page.html").read_text(encoding="utf-8")
    assert MIXTRAL in page
    assert "<script" not in page


def test_questions_that_no_other_model_answered_rightly_are_set_aside_and_counted(mixtral: Contest) -> None:
    done = fairlead(
        "pilot", "--endpoint", mixtral.server.url, "--model", MIXTRAL, "--labels", "labels.jsonl", "--grader", "number",
        "--dry-run", "--json", cwd=mixtral.folder,
    )  # fmt: skip
    unlabelled = sum(row["without_expected"] for row in done.record["would_run"])
    piloted = {row["workload"]["id"] for row in done.record["would_run"]}
    elsewhere = sum(w["calls"] for w in mixtral.scanned.record["workloads"] if w["id"] not in piloted)
    assert unlabelled + elsewhere == 19


def test_mistral_large_may_replace_gpt4o_at_three_points(gpt4o: Contest) -> None:
    done = gpt4o.pilot(MISTRAL, margin=0.03)
    pilot = only(done)
    assert (done.code, pilot["judgement"]["verdict"]) == (0, "equivalent")
    assert pilot["judgement"]["replace_ok"]
    assert 100 <= pilot["judgement"]["n"] <= 1000, "constant bets take about 750, adaptive stakes about 350"


def test_gemma_is_behind_gpt4o_by_more_than_three_points(gpt4o: Contest) -> None:
    done = gpt4o.pilot(GEMMA, margin=0.03)
    pilot = only(done)
    assert (done.code, pilot["judgement"]["verdict"]) == (1, "closed leads")
    assert pilot["judgement"]["by_more_than_margin"]
    assert 250 <= pilot["judgement"]["n"] <= 1280


def test_llama_405b_is_no_worse_than_claude_sonnet_by_recorded_scores_alone() -> None:
    scores = outcomes("claude-3-5-sonnet-20240620", "Llama-3.1-405B-Inst@hyperbolic")
    watch = Watch(0.03, 0.05)
    for incumbent, candidate in scores:
        watch.add(candidate - incumbent)
        if watch.decided:
            break
    judgement = watch.judgement()
    assert judgement.verdict is VerdictKind.EQUIVALENT
    assert 300 <= judgement.n <= 800


def outcomes(incumbent: str, candidate: str) -> list[tuple[float, float]]:
    """The recorded scores of two models on the same questions, in an order drawn by seed."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(recorded("outcomes/zeroeval_gsm.parquet"), columns=["item_id", "model", "score"])
    found: dict[str, dict[str, float]] = {incumbent: {}, candidate: {}}
    for row in table.to_pylist():
        if row["model"] in found:
            found[row["model"]][row["item_id"]] = row["score"]
    items = sorted(found[incumbent].keys() & found[candidate].keys())
    random.Random(0).shuffle(items)
    return [(found[incumbent][item], found[candidate][item]) for item in items]
