"""The truth is read last, maps found workloads to hidden jobs, and may be missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead.demo.truth import Outcome, Truth, compared, outcome, read_truth

TRUTH = Truth(
    jobs={
        "letters": {"category": "writing", "closed": 0.9, "open": 0.88, "difference": -0.02},
        "sums": {"category": "reasoning", "closed": 0.9, "open": 0.7, "difference": -0.2},
        "chatter": {"category": None},
    },
    job_of={"a": "letters", "b": "letters", "c": "letters", "d": "sums", "e": "sums", "f": "chatter"},
)


@pytest.mark.parametrize(
    ("verdict", "difference", "expected"),
    [
        ("open leads", 0.01, Outcome.RIGHT),
        ("open leads", -0.01, Outcome.WRONG),
        ("equivalent", -0.02, Outcome.RIGHT),
        ("equivalent", 0.2, Outcome.RIGHT),
        ("equivalent", -0.05, Outcome.WRONG),
        ("closed leads", -0.01, Outcome.RIGHT),
        ("closed leads", 0.01, Outcome.WRONG),
        ("undecided", -0.01, Outcome.OPEN),
        (None, -0.01, Outcome.OPEN),
        ("equivalent", None, Outcome.UNKNOWN),
    ],
)
def test_a_verdict_is_judged_by_what_it_claims(
    verdict: str | None, difference: float | None, expected: Outcome
) -> None:
    assert outcome(verdict, difference, margin=0.05) is expected


def test_a_found_workload_is_set_beside_the_job_most_of_it_belongs_to() -> None:
    found = {"a": "w1", "b": "w1", "d": "w1", "c": "w2", "e": "w3", "unknown": "w3"}
    rows = {
        row.workload_id: row for row in compared(TRUTH, found, {"w1": "equivalent", "w3": "equivalent"}, margin=0.05)
    }

    assert rows["w1"].job == "letters"
    assert rows["w1"].purity == pytest.approx(2 / 3)
    assert rows["w1"].recall == pytest.approx(2 / 3)
    assert rows["w1"].outcome is Outcome.RIGHT
    assert rows["w2"].outcome is Outcome.OPEN
    assert rows["w3"].outcome is Outcome.WRONG


def test_the_largest_workload_comes_first() -> None:
    rows = compared(TRUTH, {"d": "w2", "a": "w1", "b": "w1"}, {}, margin=0.05)
    assert [row.workload_id for row in rows] == ["w1", "w2"]


def test_chatter_has_no_truth() -> None:
    (row,) = compared(TRUTH, {"f": "w"}, {"w": "equivalent"}, margin=0.05)
    assert (row.category, row.difference, row.outcome) == (None, None, Outcome.UNKNOWN)


def test_a_missing_file_is_no_truth_and_no_error(tmp_path: Path) -> None:
    assert read_truth(tmp_path / "truth.json") is None


def test_the_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"jobs": TRUTH.jobs, "exchanges": {"a": 0, "d": 1, "f": 2}}), "utf-8")
    truth = read_truth(path)
    assert truth is not None
    assert truth.job_of == {"a": "letters", "d": "sums", "f": "chatter"}
