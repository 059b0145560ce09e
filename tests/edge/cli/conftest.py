"""A small office for the commands to work on: two workloads, one endpoint with three models, a ledger that was scanned once.

`run` calls the command line in this process, which is quick; the journeys start the real one.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from fairlead.edge.cli.main import main
from fairlead.testing.recorded import Recording
from journeys.walk import FIRST_DAY, SECRET_NAMES, Done, Served, line, served, write_lines

SNAPSHOTS = Path(__file__).resolve().parents[2] / "snapshots" / "cli"
SUMS, TICKETS = 140, 70
TEAMS = ("billing", "delivery", "returns", "warranty")


class Run(Protocol):
    """The command line, called in this process."""

    def __call__(self, *arguments: object, stdin: bytes = b"", terminal: bool = False) -> Done: ...


class Typed(io.TextIOWrapper):
    """Standard input, as a terminal or not."""

    def __init__(self, content: bytes, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in SECRET_NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def called(*arguments: object, stdin: bytes = b"", terminal: bool = False) -> Done:
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", Typed(stdin, terminal=terminal))
        with pytest.raises(SystemExit) as left:
            main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Done(code=left.value.code, out=out, err=err)

    return called


def sums() -> Iterator[tuple[str, dict[str, Any], int]]:
    """Requests to add up, and what is right."""
    dice = random.Random(5)
    for number in range(SUMS):
        parts = [dice.randrange(10, 900) for _ in range(3)]
        system = "You add up the amounts on a delivery note. Answer with the number alone."
        user = f"Note {number}: " + ", ".join(f"{part} EUR" for part in parts)
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        yield f"sum-{number}", {"messages": messages}, sum(parts)


def tickets() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Mail to sort, and where it belongs."""
    dice = random.Random(6)
    for number in range(TICKETS):
        team = dice.choice(TEAMS)
        system = f"Sort the customer's mail to one team: {', '.join(TEAMS)}. Answer with its name."
        user = f"Subject: case {number * 7}\n\nPlease help me with order {dice.randrange(9999)}, it concerns {team}."
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        yield f"ticket-{number}", {"messages": messages}, team


def office_log() -> list[dict[str, Any]]:
    """Four weeks of an office whose closed model is nearly always right."""
    asked = [(id_, body, str(right)) for id_, body, right in [*sums(), *tickets()]]
    random.Random(7).shuffle(asked)
    step = timedelta(days=28) / len(asked)
    return [line(id_, "gpt-4o", body, right, at=FIRST_DAY + n * step) for n, (id_, body, right) in enumerate(asked)]


def office_recording() -> Recording:
    """Three open models: one right every time, one right half the time, one that fails at sums alone."""
    made = Recording()
    for number, (_, body, right) in enumerate(sums()):
        made.add(model="good", request=body, response=f"{right}")
        made.add(model="poor", request=body, response=f"{right + number % 2}")
        made.add(model="mixed", request=body, response=f"{right + 1}")
    for number, (_, body, team) in enumerate(tickets()):
        wrong = TEAMS[(TEAMS.index(team) + 1) % len(TEAMS)]
        made.add(model="good", request=body, response=team)
        made.add(model="poor", request=body, response=team if number % 2 else wrong)
        made.add(model="mixed", request=body, response=team)
    return made


def office_labels() -> list[dict[str, Any]]:
    """What is right, as a person would have written it down."""
    rows = [{"id": id_, "expected": right, "grader": "number"} for id_, _, right in sums()]
    return rows + [{"id": id_, "expected": team, "grader": "label"} for id_, _, team in tickets()]


@pytest.fixture(scope="session")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with log, labels and a scanned ledger; copied, never changed."""
    folder = tmp_path_factory.mktemp("office")
    write_lines(folder / "log.jsonl", office_log())
    write_lines(folder / "labels.jsonl", office_labels())
    before = Path.cwd()
    os.chdir(folder)
    try:
        with pytest.raises(SystemExit) as left:
            main(["scan", "log.jsonl", "--json"])
    finally:
        os.chdir(before)
    assert left.value.code == 0
    return folder


@pytest.fixture
def office(scanned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of one's own, with log, labels and the scanned ledger `fairlead.db` in it."""
    folder = tmp_path / "office"
    shutil.copytree(scanned, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "bare"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def recording() -> Recording:
    return office_recording()


@pytest.fixture
def server(recording: Recording) -> Iterator[Served]:
    with served(recording) as running:
        yield running


@pytest.fixture(scope="session")
def same_as_snapshot() -> Any:
    """Compares a screen with the file that holds how it should look; FAIRLEAD_WRITE_SNAPSHOTS=1 writes it anew."""

    def compare(screen: str, name: str) -> None:
        path = SNAPSHOTS / f"{name}.txt"
        if os.environ.get("FAIRLEAD_WRITE_SNAPSHOTS"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(screen, encoding="utf-8")
        assert screen == path.read_text(encoding="utf-8"), f"{name} looks different; see {path}"

    return compare
