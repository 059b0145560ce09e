"""Every verdict can be asked why; another question is told to be new evidence."""

from __future__ import annotations

from pathlib import Path

from edge.cli.conftest import Run
from edge.cli.test_pilot_command import only, to
from journeys.walk import Served


def test_a_verdict_says_why_with_every_gate(run: Run, office: Path, server: Served) -> None:
    run("pilot", "Sort", *to(server), "--margin", 0.1, "--segment", "model", "--yes", "--json")
    (told,) = run("verdict", "Sort", "--why", "--json").record["verdicts"]
    why = told["why"]
    assert told["pilot_id"] in why["question"]
    assert "worse than the incumbent by 10 points or more?" in why["question"]
    assert f"{told['n']} pairs: the candidate was better on" in why["counts"]
    assert "the interval is above it" in why["interval"]
    assert "a capital of 21.1 is needed" in why["proof"][1]
    assert [gate["name"] for gate in why["gates"]] == [
        "enough pairs",
        "one mean",
        "still true",
        "every segment",
        "left out",
        "asked as logged",
    ]
    assert any("rule out a loss of more than" in line for line in why["change"])
    assert why["segments"]
    assert told["segments"][0]["label"] == "model"


def test_a_person_reads_why_line_by_line(run: Run, office: Path, server: Served) -> None:
    run("pilot", "Sort", *to(server), "--margin", 0.05, "--window", "--yes", "--json")
    done = run("verdict", "Sort", "--why")
    assert done.code == 0
    for title in ("Asked", "Counted", "Proven", "Looks", "Clusters", "What would change it", "Gates"):
        assert f"\n{title}" in done.out
    assert "✓ one mean" in done.out
    assert "It speaks of these exchanges alone" in " ".join(done.out.split())


def test_why_without_a_verdict_on_file_is_one_line(run: Run, office: Path) -> None:
    assert (
        "--why explains a verdict on file" in run("verdict", "--wins", 1, "--ties", 1, "--losses", 1, "--why").complaint
    )


def test_another_margin_is_said_to_be_new_evidence(run: Run, office: Path, server: Served) -> None:
    first = only(run("pilot", "Sort", *to(server), "--margin", 0.05, "--yes", "--json"))
    (again,) = run("pilot", "Sort", *to(server), "--margin", 0.05, "--dry-run", "--json").record["would_run"]
    assert (again["pilot_id"], again["changed"]) == (first["pilot_id"], None)
    dry = run("pilot", "Sort", *to(server), "--margin", 0.04, "--segment", "model", "--dry-run")
    said = " ".join(dry.out.split())
    assert (
        f"pilot {first['pilot_id']} asked another question (the margin, clusters, weights or segments changed)" in said
    )
    assert "so this is new evidence" in said


def test_a_floor_without_segments_is_one_line(run: Run, office: Path, server: Served) -> None:
    assert "name a label with --segment" in run("pilot", "Sort", *to(server), "--floor", 0.1, "--yes").complaint
