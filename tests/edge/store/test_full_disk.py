"""A disk that is really full, or really limited: the reader is told, nothing accepted is lost, the ledger goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from edge.store.samples import exchange
from fairlead.core.errors import LedgerError
from fairlead.edge.store import Ledger

LIMITED = """
import os, resource, sys
from edge.store.samples import exchange
from fairlead.core.errors import LedgerError
from fairlead.edge.store import Ledger

_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
kept = 0
with Ledger.open(sys.argv[1]) as ledger:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, most))
    try:
        while True:
            ledger.append_exchanges([exchange(kept, said=os.urandom(5000).hex())])
            kept += 1
    except LedgerError as error:
        print(error)
    found = ledger.size().exchanges
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    ledger.append_exchanges([exchange(-1)])
    print(kept, found, ledger.size().exchanges)
"""


def test_at_a_limit_on_file_sizes_nothing_accepted_is_lost_and_writing_can_go_on(path):
    command = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONPATH": "tests"})
    told, counts = done.stdout.splitlines()
    assert "The disk is full, or a limit on file sizes was reached" in told
    assert "nothing already accepted is lost" in told
    kept, found, after = map(int, counts.split())
    assert kept > 10
    assert (found, after) == (kept, kept + 1)
    with Ledger.open(path) as ledger:
        assert [row.id for row in ledger.rows()] == [*(f"e{number}" for number in range(kept)), "e-1"]


@contextmanager
def small_disk(folder, *, size):
    """A real file system of that size, where the one who runs the tests may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(
            "only root may mount a small disk, and not in every container; the limit on file sizes is tried above"
        )
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def wide(number):
    return exchange(number, said=os.urandom(5000).hex())


def fill(ledger):
    """Write until the disk is full; how many were accepted, and what was said."""
    accepted = 0
    try:
        while True:
            ledger.append_exchanges([wide(accepted)])
            accepted += 1
    except LedgerError as error:
        return accepted, str(error)


def test_on_a_full_disk_nothing_accepted_is_lost_and_writing_goes_on_when_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", size="3m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(500_000))
        with Ledger.open(disk / "fairlead.db") as ledger:
            kept, told = fill(ledger)
            assert told.startswith("The disk is full")
            assert kept > 10
            assert ledger.size().exchanges == kept
            ballast.unlink()
            assert ledger.append_exchanges([wide(kept)]) == 1
        with Ledger.open(disk / "fairlead.db") as ledger:
            assert [row.id for row in ledger.rows()] == [f"e{number}" for number in range(kept + 1)]


def test_a_batch_that_does_not_fit_is_kept_up_to_the_last_whole_batch(tmp_path):
    with small_disk(tmp_path / "disk", size="24m") as disk, Ledger.open(disk / "fairlead.db") as ledger:
        with pytest.raises(LedgerError, match="nothing already accepted is lost"):
            ledger.append_exchanges(wide(number) for number in range(5000))
        found = [row.id for row in ledger.rows()]
        assert found == [f"e{number}" for number in range(len(found))]
        assert len(found) > 0


def test_a_backup_that_does_not_fit_leaves_no_half_copy(tmp_path, path):
    with small_disk(tmp_path / "disk", size="400k") as disk, Ledger.open(path) as ledger:
        ledger.append_exchanges(wide(number) for number in range(100))
        with pytest.raises(LedgerError, match="The disk is full"):
            ledger.backup(disk / "copy.db")
        assert list(disk.iterdir()) == []


def test_forgetting_on_a_full_disk_says_so_and_is_finished_when_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", size="6m") as disk, Ledger.open(disk / "fairlead.db") as ledger:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(3_000_000))
        ledger.append_exchanges([exchange(-1, user="ada@example")])
        kept, _ = fill(ledger)
        with pytest.raises(LedgerError, match="The disk is full"):
            ledger.forget("ada@example")
        ballast.unlink()
        ledger.forget("ada@example")
        assert ledger.size().exchanges == kept
        assert not [file for file in disk.iterdir() if b"ada@example" in file.read_bytes()]


def test_a_ledger_cannot_be_made_on_a_full_disk_but_can_when_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", size="800k") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(750_000))
        with pytest.raises(LedgerError, match="The disk is full"):
            Ledger.open(disk / "fairlead.db")
        ballast.unlink()
        with Ledger.open(disk / "fairlead.db") as ledger:
            assert ledger.size().exchanges == 0
