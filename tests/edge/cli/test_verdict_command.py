"""`fairlead verdict`: counts in, judgement out; and the verdicts on file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.cli.conftest import Run


def test_counts_are_judged_as_documented(run: Run, bare: Path) -> None:
    done = run("verdict", "--wins", 30, "--ties", 240, "--losses", 30, "--margin", 0.05, "--json")
    record = done.record
    assert set(record) == {"low", "high", "verdict", "replace_ok", "by_more_than_margin", "more_pairs"}
    assert set(record["more_pairs"]) == {"median", "p80"}
    assert (record["verdict"], record["replace_ok"], done.code) == ("undecided", False, 1)
    assert -0.10 < record["low"] < -0.05 < 0 < record["high"] < 0.10
    assert 0 < record["more_pairs"]["median"] <= record["more_pairs"]["p80"]
    assert not list(bare.iterdir()), "counts alone need no ledger"


def test_more_of_the_same_counts_show_that_the_open_model_may_replace_the_closed_one(run: Run, bare: Path) -> None:
    done = run("verdict", "--wins", 120, "--ties", 960, "--losses", 120, "--margin", 0.05, "--json")
    assert (done.record["verdict"], done.record["replace_ok"], done.code) == ("equivalent", True, 0)
    assert done.record["more_pairs"] == {"median": 0, "p80": 0}


def test_a_closed_lead_beyond_the_margin_is_exit_code_1(run: Run, bare: Path) -> None:
    done = run("verdict", "--wins", 5, "--ties", 200, "--losses", 95, "--margin", 0.05, "--json")
    assert (done.record["verdict"], done.record["by_more_than_margin"], done.code) == ("closed leads", True, 1)


def test_what_would_take_more_than_20000_pairs_has_no_number(run: Run, bare: Path) -> None:
    done = run("verdict", "--wins", 500, "--ties", 0, "--losses", 500, "--margin", 0.001, "--json")
    assert done.record["more_pairs"]["median"] is None


@pytest.mark.parametrize(
    ("counts", "name"),
    [((30, 240, 30), "undecided"), ((120, 960, 120), "equivalent"), ((5, 200, 95), "closed"), ((95, 200, 5), "open")],
)
def test_a_person_reads_a_verdict_in_three_lines(
    run: Run, bare: Path, same_as_snapshot: Any, counts: tuple[int, int, int], name: str
) -> None:
    wins, ties, losses = counts
    done = run("verdict", "--wins", wins, "--ties", ties, "--losses", losses, "--margin", 0.05)
    assert done.out.count("\n") == 3
    same_as_snapshot(done.out, f"verdict-{name}")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--wins", "3"], "--ties and --losses"),
        (["--wins", "1", "--ties", "1", "--losses", "1", "--margin", "3"], "margin = 3 cannot be used"),
        (["--wins", "1", "--ties", "1", "--losses", "1", "--margin", "0"], "margin = 0 cannot be used"),
        (["--wins", "1", "--ties", "1", "--losses", "1", "--margin", "nan"], "margin = nan cannot be used"),
        (["--wins", "1", "--ties", "1", "--losses", "1", "--alpha", "1"], "alpha = 1 cannot be used"),
        (["--wins", "-1", "--ties", "1", "--losses", "1"], "--wins"),
        (["--wins", "many", "--ties", "1", "--losses", "1"], "--wins"),
    ],
)
def test_counts_and_margins_that_cannot_be_used_are_one_line(
    run: Run, bare: Path, arguments: list[str], complaint: str
) -> None:
    done = run("verdict", *arguments)
    assert done.code == 2
    assert complaint in done.complaint


def test_no_pairs_at_all_are_undecided(run: Run, bare: Path) -> None:
    done = run("verdict", "--wins", 0, "--ties", 0, "--losses", 0, "--json")
    assert (done.code, done.record["verdict"]) == (1, "undecided")
    assert (done.record["low"], done.record["high"]) == (-1, 1)


def test_enormous_counts_are_judged_at_once(run: Run, bare: Path) -> None:
    done = run("verdict", "--wins", 10**9, "--ties", 10**9, "--losses", 10**9, "--json")
    assert (done.code, done.record["verdict"]) == (0, "equivalent")


def test_verdicts_on_file_need_a_ledger(run: Run, bare: Path) -> None:
    assert "fairlead.db" in run("verdict").complaint
    assert not list(bare.iterdir()), "asking makes no ledger"


def test_a_ledger_without_verdicts_says_so(run: Run, office: Path) -> None:
    assert run("verdict").out == "No verdicts yet; run fairlead pilot.\n"
    assert run("verdict", "--json").record == {"verdicts": []}
