"""Several processes read one log: what comes out is what one process makes of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from unittest.mock import Mock

import pytest

from edge.cli.conftest import office_log
from fairlead import scan
from fairlead.core.errors import LedgerError
from fairlead.core.nouns import Exchange
from fairlead.core.redact import Policy
from fairlead.edge.app import helping, opened, scanning, together
from fairlead.edge.config import PrivacySettings
from fairlead.edge.language import Languages
from fairlead.edge.sources.parts import PartReading, parts_of
from fairlead.edge.sources.read import read
from journeys.walk import write_lines

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """An office's log with a broken line in the middle and the same row at both ends."""
    rows = office_log()
    path = write_lines(tmp_path / "log.jsonl", rows)
    texts = path.read_text().splitlines()
    path.write_text("\n".join([*texts[:100], '{"broken', *texts[100:], texts[0]]) + "\n")
    return path


def scanned(log: Path, ledger: Path, *, processes: int, policy: Policy = Policy.KEEP) -> scanning.Scan:
    with opened(ledger=str(ledger), config=None, now=NOW) as desk:
        return scanning.run(
            desk, [str(log)], currency="USD", on_progress=lambda _s, _c: None, redact=policy, processes=processes
        )


def places(ledger: Path) -> dict[str, str | None]:
    with opened(ledger=str(ledger), config=None) as desk:
        return {row.id: row.workload_id for row in desk.ledger.rows()}


@pytest.mark.parametrize("policy", [Policy.KEEP, Policy.DROP])
def test_two_processes_find_what_one_finds(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: Policy
) -> None:
    alone = scanned(log, tmp_path / "alone.db", processes=1, policy=policy)
    monkeypatch.setattr(together, "parts_of", lambda path, number: parts_of(path, number, least=1))
    both = scanned(log, tmp_path / "both.db", processes=2, policy=policy)
    assert (both.taken.exchanges, both.taken.new, both.taken.skipped) == (211, 210, 1)
    assert (both.taken.exchanges, both.taken.new) == (alone.taken.exchanges, alone.taken.new)
    assert both.taken.skipped_lines == alone.taken.skipped_lines, "the line has its number in the whole file"
    assert places(tmp_path / "both.db") == places(tmp_path / "alone.db")
    shown = [[(w.id, w.name, w.category, w.calls, w.spend) for w in each.survey.workloads] for each in (alone, both)]
    assert shown[0] == shown[1]
    again = scanned(log, tmp_path / "both.db", processes=2, policy=policy)
    assert again.taken.new == 0


class Killed(BaseException):
    """The end of the process that waits for the others."""


def test_a_scan_of_two_processes_that_was_killed_adds_nothing_twice_when_it_is_run_again(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned(log, tmp_path / "alone.db", processes=1)
    monkeypatch.setattr(together, "parts_of", lambda path, number: parts_of(path, number, least=1))
    awaited = together._awaited

    def killed(helper, counts, queue, on_progress):  # type: ignore[no-untyped-def]
        awaited(helper, counts[:1], queue, on_progress)  # the first to be done; the other is ended wherever it is
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(together, "_awaited", killed)
        with pytest.raises(Killed):
            scanned(log, tmp_path / "both.db", processes=2)
    kept = len(places(tmp_path / "both.db"))
    assert 0 < kept <= 210
    again = scanned(log, tmp_path / "both.db", processes=2)
    assert (again.taken.exchanges, again.taken.new) == (211, 210 - kept)
    assert places(tmp_path / "both.db") == places(tmp_path / "alone.db")


KILLED_AT_WORK = """
import os, signal, sys
from fairlead.edge.app import together
from fairlead.edge.cli.main import main
from fairlead.edge.sources.parts import parts_of

def killed(helper, counts, queue, on_progress):
    while not any(count.value for count in counts):
        helper.join(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

together.parts_of = lambda path, number: parts_of(path, number, least=1)
together._awaited = killed
main(sys.argv[1:])
"""


def test_helpers_of_a_scan_that_was_killed_end_soon_and_leave_nothing_behind(log: Path, tmp_path: Path) -> None:
    lines = log.read_text().splitlines()[:-1]
    log.write_text("\n".join(line.replace('"id": "', f'"id": "{n}-', 1) for n in range(30) for line in lines) + "\n")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_AT_WORK, "scan", log, "--ledger", tmp_path / "a.db", "--processes", "2"],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    # Every process of the scan holds the pipe, which ends with the last of them.
    assert process.communicate(timeout=120) == (b"", None)
    assert process.returncode == -signal.SIGKILL
    assert list(temporary.iterdir()) == []
    kept = len(places(tmp_path / "a.db"))
    assert kept < 30 * 210 / 2, "one read its share to the end"
    again = scanned(log, tmp_path / "a.db", processes=1)
    assert (again.taken.exchanges, again.taken.new) == (30 * 210, 30 * 210 - kept)
    assert len(places(tmp_path / "a.db")) == 30 * 210


@pytest.mark.parametrize("number", [2, 3, 7, 50])
def test_the_parts_of_a_file_are_the_file(log: Path, number: int) -> None:
    parts = parts_of(str(log), number, least=1)
    assert len(parts) > 1
    assert (parts[0].start, parts[-1].end) == (0, log.stat().st_size)
    assert all(one.end == other.start for one, other in pairwise(parts))
    whole = list(read([str(log)], now=NOW))
    apart = [each for part in parts for each in PartReading(part, now=NOW)]
    assert [(type(each), getattr(each, "line", None)) for each in apart] == [
        (type(each), getattr(each, "line", None)) for each in whole
    ]
    assert [each.source for each in apart if isinstance(each, Exchange)] == [
        each.source for each in whole if isinstance(each, Exchange)
    ]


def test_only_a_plain_file_of_records_that_stand_alone_is_cut(log: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.jsonl"
    batch.write_text(
        '{"custom_id": "a", "method": "POST", "url": "/v1", "body": {"model": "m", "messages": []}}\n' * 50
    )
    document = tmp_path / "list.json"
    document.write_text(json.dumps([json.loads(line) for line in log.read_text().splitlines()[:20]], indent=1))
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(b"\x1f\x8b" + b"x" * 500)
    for path in (batch, document, packed, tmp_path / "nowhere"):
        assert parts_of(str(path), 2, least=1) == []
    assert parts_of(str(log), 2) == [], "a small log is read by one process"
    assert parts_of(str(log), 1, least=1) == []


def test_records_that_belong_together_are_read_by_one_process_after_all(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {
        "custom_id": "q",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
    }
    answer = {
        "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "model": "gpt-4o",
    }
    got = {"id": "b", "custom_id": "q", "response": {"status_code": 200, "body": answer}, "error": None}
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:20], json.dumps(asked), *lines[20:], json.dumps(got)]) + "\n")
    monkeypatch.setattr(together, "parts_of", lambda path, number: parts_of(path, number, least=1))
    found = scanned(log, tmp_path / "mixed.db", processes=2)
    told = found.taken
    assert (told.exchanges, told.new, told.skipped, told.redacted.exchanges) == (212, 211, 1, 212), (
        "nothing is told twice"
    )
    with opened(ledger=str(tmp_path / "mixed.db"), config=None) as desk:
        (joined,) = [each for each in desk.ledger.exchanges() if each.id == "b"]
    assert (joined.answer.text, joined.tier) == ("Hello", "batch")


def test_what_stops_one_process_stops_the_scan_with_its_word(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"no ledger")
    with opened(ledger=str(tmp_path / "a.db"), config=None, now=NOW) as desk:
        privacy = desk.settings.privacy
        job = helping.Job(
            ledger=str(other),
            privacy=privacy,
            policy=Policy.KEEP,
            now=NOW,
            spool="",
            parent=os.getpid(),
            processes=2,
        )
        grouping = scan.Grouping(desk.ledger, language_of=lambda _text: "en")
        parts = parts_of(str(log), 2, least=1)
        with pytest.raises(LedgerError, match="not a Fairlead ledger"):
            together.take_in_parts(parts, job, grouping, number=2, on_progress=lambda _e, _s: None)


def test_a_process_that_helps_never_waits_for_a_reader_that_is_gone(log: Path, tmp_path: Path) -> None:
    scanned(log, tmp_path / "a.db", processes=1)
    job = helping.Job(
        ledger=str(tmp_path / "a.db"),
        privacy=PrivacySettings(),
        policy=Policy.KEEP,
        now=NOW,
        spool=str(tmp_path / "0"),
        parent=os.getppid(),
        processes=2,
    )
    told: list[object] = []
    queue = Mock(put=told.append)
    count = multiprocessing.get_context("spawn").Value("Q", 0)
    long = parts_of(str(log), 2, least=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helping.signal, "signal", lambda *_: None)
        assert helping.help_with(long, job, count, queue, languages=Languages())
    (path,) = told
    assert isinstance(path, Path)
    assert len(pickle.dumps(told)) < 1000, "a pipe takes it whatever was read"
    assert sum(taken.exchanges for _, taken in helping.found_in(path).read) == 211
