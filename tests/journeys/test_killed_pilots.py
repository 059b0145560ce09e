"""A pilot killed twenty times at random moments ends as one that was left alone, and asks nothing twice."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlead.core.nouns import PairRow
from fairlead.edge.store import Ledger
from fairlead.pilot.design import candidate_asker
from fairlead.testing.recording import match_key
from journeys.walk import Done, Served, fairlead, log_of, recording_of, served, start, write_lines
from recorded_gsm import key_without, question_number, rows

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

INCUMBENT, CANDIDATE = "gpt-4o-2024-08-06", "Mistral-Large-2"
KILLS = 20
LONGEST_RUN = 40
"""Requests in one run before it is killed, at most; a whole pilot takes about 750, and every kill loses a few."""


@dataclass(frozen=True)
class Setting:
    """A scanned ledger, and the server that is piloted."""

    folder: Path
    server: Served

    def arguments(self, ledger: str) -> list[object]:
        return [
            "pilot", "--ledger", ledger, "--endpoint", self.server.url, "--model", CANDIDATE, "--labels", "labels.jsonl",
            "--grader", "number", "--margin", 0.03, "--concurrency", 8, "--yes", "--json",
        ]  # fmt: skip

    def copy(self, name: str) -> str:
        shutil.copy(self.folder / "scanned.db", self.folder / name)
        return name


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("killed")
    every = rows("zeroeval_gsm")
    key = key_without({INCUMBENT, CANDIDATE}).expected
    write_lines(folder / "log.jsonl", log_of(every, INCUMBENT))
    labels = [
        {"id": row["item_id"], "expected": float(key[question_number(row["item_id"])])}
        for row in every
        if row["model"] == INCUMBENT and question_number(row["item_id"]) in key
    ]
    write_lines(folder / "labels.jsonl", labels)
    assert fairlead("scan", "log.jsonl", "--ledger", "scanned.db", cwd=folder).code == 0
    with served(recording_of(every, CANDIDATE), latency_s=0.02) as server:
        yield Setting(folder, server)


def pairs(path: Path) -> list[PairRow]:
    with Ledger.open(path, create=False) as ledger:
        (pilot,) = ledger.pilots()
        return list(ledger.pairs(pilot.id))


def kept(path: Path) -> set[str]:
    """The requests whose replies the ledger holds, as the server names them."""
    with Ledger.open(path, create=False) as ledger:
        for pilot in ledger.pilots():
            asker = candidate_asker(pilot.design)
            keys = {row.id: row.request_key for row in ledger.rows(pilot.design.workload_id)}
            answered = {id_ for id_ in ledger.draws(pilot.id) if ledger.reply(asker, keys[id_]) is not None}
            bodies = [ledger.exchange(id_).request_body for id_ in answered]
            return {match_key(body) for body in bodies if isinstance(body, dict)}
    return set()


def killed(setting: Setting, ledger: str, how: signal.Signals, *, after: int) -> Done:
    """Run the pilot until the server has had so many requests of it, then kill it."""
    moment = setting.server.after(after)
    process = start(*setting.arguments(ledger), cwd=setting.folder)
    try:
        assert moment.wait(60)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    return Done(code=process.returncode, out=out.decode(), err=err.decode())


def test_a_pilot_killed_twenty_times_ends_as_one_left_alone_and_asks_nothing_twice(setting: Setting) -> None:
    alone = fairlead(*setting.arguments(setting.copy("alone.db")), cwd=setting.folder)
    once = Counter(setting.server.journal.asked)
    assert alone.code == 0
    assert set(once.values()) == {1}

    ledger, dice = setting.copy("killed.db"), random.Random(2)
    for how in [signal.SIGKILL, signal.SIGINT] * (KILLS // 2):
        before, known = len(setting.server.journal.asked), kept(setting.folder / ledger)
        done = killed(setting, ledger, how, after=dice.randrange(1, LONGEST_RUN))
        assert not known & set(setting.server.journal.asked[before:]), "asked again though the reply was kept"
        if how is signal.SIGINT:
            assert done.code == 130, done.err
            assert len(done.err.split("\n")) == 3, "an empty line ends the one with ^C"
            assert "same command continues" in done.err
        else:
            assert done.code == -signal.SIGKILL

    before, known = len(setting.server.journal.asked), kept(setting.folder / ledger)
    resumed = fairlead(*setting.arguments(ledger), cwd=setting.folder)
    assert not known & set(setting.server.journal.asked[before:])
    assert resumed.code == 0
    mine, theirs = resumed.record["pilots"][0], alone.record["pilots"][0]
    assert mine["judgement"] == theirs["judgement"]
    assert mine["words"] == theirs["words"]
    assert [same(row) for row in pairs(setting.folder / ledger)] == [
        same(row) for row in pairs(setting.folder / "alone.db")
    ]


def same(row: PairRow) -> tuple[object, ...]:
    """A pair without how long its answer took."""
    return row.pair, row.candidate_usage, row.candidate_failure, row.incumbent_failure, row.candidate_model
