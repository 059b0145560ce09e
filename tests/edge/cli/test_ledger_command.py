"""`fairlead ledger`: a copy, everything in lines, and someone forgotten; and ledgers that cannot be used."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from edge.cli.conftest import Run, office_log
from fairlead.edge.store import Ledger
from journeys.walk import Served, write_lines

ADA = "customer-ada-lovelace-1815"
PILOT = ("--model", "good", "--labels", "labels.jsonl", "--margin", 0.1, "--yes", "--json")


def test_a_backup_holds_everything_the_ledger_holds(run: Run, office: Path, server: Served) -> None:
    assert run("pilot", "Add up", "--endpoint", server.url, *PILOT).code == 0
    record = run("ledger", "backup", "copy.db", "--json").record
    assert record == {"path": "copy.db", "bytes": (office / "copy.db").stat().st_size}
    for command in (["scan", "--json"], ["verdict", "--json"]):
        assert run(*command, "--ledger", "copy.db").record == run(*command).record
    assert "Copied the ledger to copy2.db" in run("ledger", "backup", "copy2.db").out


@pytest.mark.parametrize("target", ["fairlead.db", "nowhere/copy.db", "log.jsonl"])
def test_a_backup_never_overwrites_anything(run: Run, office: Path, target: str) -> None:
    before = {path.name: path.read_bytes() for path in office.iterdir()}
    done = run("ledger", "backup", target)
    assert done.code == 2
    assert target in done.complaint
    assert {path.name: path.read_bytes() for path in office.iterdir() if path.name in before} == before


def test_what_is_exported_is_scanned_back_with_nothing_lost(run: Run, office: Path) -> None:
    record = run("ledger", "export", "-o", "all.jsonl", "--json").record
    assert record == {"path": "all.jsonl", "exchanges": 210}
    again = run("scan", "all.jsonl", "--ledger", "again.db", "--json").record
    first = run("scan", "--json").record
    assert (again["exchanges"], again["skipped"], again["span"]) == (210, 0, first["span"])
    assert [row["spend"] for row in again["workloads"]] == [row["spend"] for row in first["workloads"]]
    with Ledger.open("fairlead.db") as one, Ledger.open("again.db") as other:
        assert list(one.exchanges()) == list(other.exchanges())
    assert run("scan", "all.jsonl", "--json").record["new"] == 0


def test_an_export_goes_to_stdout_line_by_line(run: Run, office: Path) -> None:
    done = run("ledger", "export")
    assert len([json.loads(one) for one in done.out.splitlines()]) == 210
    assert done.err == "Wrote 210 exchanges.\n"
    assert "--output" in run("ledger", "export", "--json").complaint


def test_an_export_that_cannot_be_written_is_one_line(run: Run, office: Path) -> None:
    done = run("ledger", "export", "-o", "nowhere/all.jsonl")
    assert done.code == 2
    assert "nowhere/all.jsonl" in done.complaint


def someones_log() -> list[dict[str, Any]]:
    """The office's log, of which ten rows are Ada's."""
    rows = office_log()
    for number, row in enumerate(rows):
        row["metadata"] = {"user_id": ADA if number % 21 == 0 else f"u{number}"}
    return rows


def test_who_is_forgotten_is_gone_from_every_byte(run: Run, bare: Path) -> None:
    rows = someones_log()
    run("scan", write_lines(bare / "log.jsonl", rows), "--json")
    record = run("ledger", "forget", ADA, "--yes", "--json").record
    assert (record["who"], record["exchanges"]) == (ADA, 10)
    run("ledger", "export", "-o", "left.jsonl")
    left = [json.loads(one) for one in (bare / "left.jsonl").read_text().splitlines()]
    assert len(left) == 200
    assert not any(row["user"] == ADA for row in left)
    kept = b"".join(path.read_bytes() for path in bare.iterdir() if path.name.startswith("fairlead.db"))
    assert ADA.encode() not in kept
    assert run("ledger", "forget", ADA, "--yes", "--json").record["exchanges"] == 0
    assert run("scan", "--json").record["exchanges"] == 200


def test_what_is_held_of_one_user_is_exported_alone(run: Run, bare: Path) -> None:
    run("scan", write_lines(bare / "log.jsonl", someones_log()), "--json")
    done = run("ledger", "export", ADA)
    assert [json.loads(one)["user"] for one in done.out.splitlines()] == [ADA] * 10
    assert run("ledger", "export", "nobody", "-o", "none.jsonl", "--json").record["exchanges"] == 0


def test_a_user_whose_name_was_hashed_is_still_found_by_name(run: Run, bare: Path) -> None:
    run("scan", write_lines(bare / "log.jsonl", someones_log()), "--redact", "hash", "--json")
    done = run("ledger", "export", ADA)
    assert len(done.out.splitlines()) == 10
    assert ADA not in done.out


def test_forgetting_where_nobody_can_be_asked_needs_yes(run: Run, bare: Path) -> None:
    run("scan", write_lines(bare / "log.jsonl", someones_log()), "--json")
    done = run("ledger", "forget", ADA)
    assert done.code == 2
    assert "--yes" in done.complaint
    assert run("scan", "--json").record["exchanges"] == 210


@pytest.mark.parametrize(("said", "left"), [(b"y\n", 200), (b"n\n", 210), (b"", 210)])
def test_forgetting_asks_first(run: Run, bare: Path, said: bytes, left: int) -> None:
    run("scan", write_lines(bare / "log.jsonl", someones_log()), "--json")
    done = run("ledger", "forget", ADA, stdin=said, terminal=True)
    assert "cannot be undone" in done.out + done.err
    assert run("scan", "--json").record["exchanges"] == left


def test_a_forgotten_users_pairs_are_set_aside_and_the_pilot_goes_on(
    run: Run, bare: Path, scanned: Path, server: Served
) -> None:
    (bare / "labels.jsonl").write_bytes((scanned / "labels.jsonl").read_bytes())
    run("scan", write_lines(bare / "log.jsonl", someones_log()), "--json")
    order = ("pilot", "Add up", "--endpoint", server.url, *PILOT)
    assert run(*order, "--budget", 20).record["pilots"][0]["ended"] == "budget reached"
    forgotten = run("ledger", "forget", ADA, "--yes", "--json").record
    assert forgotten["exchanges"] == 10
    done = run(*order)
    assert (done.code, done.record["pilots"][0]["judgement"]["verdict"]) == (0, "equivalent")


# Ledgers that cannot be used


COMMANDS = [
    ["scan"], ["scan", "log.jsonl"], ["plan"], ["report"], ["verdict"], ["ledger", "export"], ["ledger", "backup", "c.db"],
    ["ledger", "forget", "x", "--yes"], ["run", "log.jsonl", "--endpoint", "http://localhost:1/v1", "--model", "m"],
    ["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--grader", "agree"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_ledger_of_a_newer_fairlead_is_refused_and_left_as_it_is(run: Run, office: Path, command: list[str]) -> None:
    with sqlite3.connect("fairlead.db") as database:
        database.execute("PRAGMA user_version = 9999")
    database.close()
    before = (office / "fairlead.db").read_bytes()
    done = run(*command)
    assert done.code == 2
    assert "newer" in done.complaint
    assert (office / "fairlead.db").read_bytes() == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be looked at\n" * 40, b"SQLite format 3\x00" + bytes(5000)]
)
def test_a_file_that_is_no_ledger_is_refused_and_left_as_it_is(
    run: Run, office: Path, command: list[str], content: bytes
) -> None:
    (office / "fairlead.db").write_bytes(content)
    done = run(*command)
    assert done.code == 2
    assert "fairlead.db" in done.complaint
    assert (office / "fairlead.db").read_bytes() == content


@pytest.mark.parametrize("command", [["plan"], ["report"], ["verdict"], ["scan"], ["ledger", "export"]], ids=" ".join)
def test_a_ledger_that_is_not_there_is_not_made_by_reading(run: Run, bare: Path, command: list[str]) -> None:
    done = run(*command)
    assert done.code == 2
    assert "fairlead.db" in done.complaint
    assert not list(bare.iterdir())


@pytest.mark.parametrize("where", ["nowhere/deep/x.db", ".", "mysql://host/x", "postgresql://127.0.0.1:1/x"])
def test_a_place_where_no_ledger_can_be_is_one_line(run: Run, office: Path, where: str) -> None:
    done = run("scan", "log.jsonl", "--ledger", where)
    assert done.code == 2
    assert done.complaint


def test_a_password_in_a_ledgers_address_is_not_printed(run: Run, office: Path) -> None:
    done = run("scan", "log.jsonl", "--ledger", "postgresql://me:hunter2secret@127.0.0.1:1/x")
    assert done.code == 2
    assert "hunter2secret" not in done.out + done.err
