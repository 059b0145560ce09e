"""The real process at the limits of its machine: a disk that fills, a line of 200 MB, another process that reads meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fairlead.testing.recorded import Recording
from journeys.walk import COMMAND, FIRST_DAY, Done, Served, environment, fairlead, line, served, start, write_lines

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

ROWS = 400
MODEL = "open-1"


def noise(dice: random.Random, size: int) -> str:
    """Text that cannot be compressed to less than half."""
    return dice.randbytes(size // 2).hex()


def asked(number: int, dice: random.Random) -> dict[str, Any]:
    system = {"role": "system", "content": "Repeat the code word of the record. Say nothing else."}
    return {"messages": [system, {"role": "user", "content": f"Record {number}\n{noise(dice, 2000)}"}]}


def long_log() -> list[dict[str, Any]]:
    """A log that takes about a megabyte however it is packed."""
    dice = random.Random(1)
    step = timedelta(hours=1)
    return [line(f"r{n}", "gpt-4o", asked(n, dice), f"word {n}", at=FIRST_DAY + n * step) for n in range(ROWS)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = long_log()
    write_lines(tmp_path / "log.jsonl", rows)
    write_lines(tmp_path / "labels.jsonl", [{"id": row["id"], "expected": f"word {n}"} for n, row in enumerate(rows)])
    return tmp_path


@pytest.fixture(scope="module")
def recording() -> Recording:
    """An open model that is right, and long-winded where nobody looks."""
    made, dice = Recording(), random.Random(2)
    for number, row in enumerate(long_log()):
        request = {"messages": row["request"]["messages"]}
        message = {"role": "assistant", "content": f"word {number}", "reasoning_content": noise(dice, 4000)}
        made.add(model=MODEL, request=request, response=json.dumps({"message": message}))
    return made


def limited(*arguments: object, cwd: Path, file_size: int) -> Done:
    """Run the command where no file may become larger than so many bytes, as on a full disk."""
    ran = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size)),
        check=False,
    )
    return Done(code=ran.returncode, out=ran.stdout.decode(), err=ran.stderr.decode())


def test_a_disk_that_fills_during_a_scan_is_one_line_and_the_scan_goes_on_with_room(folder: Path) -> None:
    full = limited("scan", "log.jsonl", "--json", cwd=folder, file_size=400_000)
    assert full.code == 2
    assert "disk is full" in full.complaint

    kept = fairlead("scan", "--json", cwd=folder).record["exchanges"]
    assert kept < ROWS
    again = fairlead("scan", "log.jsonl", "--json", cwd=folder).record
    assert (again["exchanges"], again["new"]) == (ROWS, ROWS - kept)
    assert sum(workload["calls"] for workload in again["workloads"]) == ROWS


@pytest.fixture
def server(recording: Recording) -> Iterator[Served]:
    with served(recording) as running:
        yield running


def test_a_disk_that_fills_during_a_pilot_loses_nothing_and_the_pilot_goes_on_with_room(
    folder: Path, server: Served
) -> None:
    assert fairlead("scan", "log.jsonl", cwd=folder).code == 0
    order = [
        "pilot", "--endpoint", server.url, "--model", MODEL, "--labels", "labels.jsonl", "--grader", "exact",
        "--margin", 0.03, "--yes", "--json",
    ]  # fmt: skip
    shutil.copy(folder / "fairlead.db", folder / "alone.db")
    alone = fairlead(*order, "--ledger", "alone.db", cwd=folder)
    before = len(server.journal.asked)
    full = limited(*order, cwd=folder, file_size=(folder / "fairlead.db").stat().st_size + 300_000)
    assert full.code == 2
    assert "disk is full" in full.complaint

    done = fairlead(*order, cwd=folder)
    mine, theirs = done.record["pilots"][0], alone.record["pilots"][0]
    assert (done.code, mine["judgement"]) == (0, theirs["judgement"])
    twice = len(server.journal.asked) - before - len(set(server.journal.asked[before:]))
    assert twice <= 2 * 64, "only what could not be kept is asked again"


def test_an_export_that_does_not_fit_is_one_line(folder: Path) -> None:
    assert fairlead("scan", "log.jsonl", cwd=folder).code == 0
    full = limited("ledger", "export", "-o", "all.jsonl", cwd=folder, file_size=100_000)
    assert full.code == 2
    assert "all.jsonl cannot be written: File too large" in full.complaint


def memory_of_scan(path: Path) -> tuple[Done, int]:
    """A scan's outcome and the most memory it ever held, in bytes."""
    out, err = path.with_suffix(".out"), path.with_suffix(".err")
    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = [*COMMAND, "scan", str(path), "--ledger", str(path.with_suffix(".db")), "--json"]
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Done(code=process.returncode, out=out.read_text(), err=err.read_text()), usage.ru_maxrss * 1024


def write_with_long_line(path: Path, size: int) -> Path:
    """Forty good lines around one of `size` bytes, packed when the name says so."""
    rows = [json.dumps(row).encode() + b"\n" for row in long_log()[:40]]
    with gzip.open(path, "wb", compresslevel=1) if path.suffix == ".gz" else path.open("wb") as file:
        file.writelines(rows[:20])
        file.write(b'{"request": {"model": "m", "messages": [{"role": "user", "content": "')
        for _ in range(size // 1_000_000):
            file.write(b"a" * 1_000_000)
        file.write(b'"}]}, "response": {"model": "m", "choices": [{"message": {"content": "b"}}]}}\n')
        file.writelines(rows[20:])
    return path


@pytest.mark.parametrize("name", ["long.jsonl", "long.jsonl.gz"])
def test_a_line_of_200_megabytes_is_passed_over_without_being_held_in_memory(tmp_path: Path, name: str) -> None:
    usual, little = memory_of_scan(write_with_long_line(tmp_path / "short.jsonl", 0))
    done, most = memory_of_scan(write_with_long_line(tmp_path / name, 200_000_000))
    assert (usual.record["exchanges"], usual.record["skipped"]) == (41, 0)
    assert (done.code, done.record["exchanges"], done.record["skipped"]) == (0, 40, 1)
    (skip,) = done.record["skipped_lines"]
    assert skip["line"] == 21
    assert "bytes long" in skip["reason"]
    assert most < little + 150_000_000


def test_another_process_reads_the_ledger_while_a_pilot_writes_it(folder: Path, recording: Recording) -> None:
    assert fairlead("scan", "log.jsonl", cwd=folder).code == 0
    with served(recording, latency_s=0.2) as server:
        read_while_writing(folder, server)


def read_while_writing(folder: Path, server: Served) -> None:
    order = ["pilot", "--endpoint", server.url, "--model", MODEL, "--labels", "labels.jsonl", "--grader", "exact"]
    happened = server.after(20)
    process = start(*order, "--margin", 0.001, "--concurrency", 1, "--yes", "--json", cwd=folder)
    try:
        assert happened.wait(60)
        plan = fairlead("plan", "--json", cwd=folder)
        assert process.poll() is None, "the pilot should still be writing"
        assert plan.code == 0
        assert plan.record["moves"][0]["best"]["pilot"]["judgement"]["n"] > 0
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
