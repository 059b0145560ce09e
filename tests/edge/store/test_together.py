"""Several processes and threads at one ledger."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from edge.store.samples import design, exchange, reply
from fairlead.edge.store import Ledger

WRITER = """
import sys
from edge.store.samples import exchange
from fairlead.edge.store import Ledger
with Ledger.open(sys.argv[1]) as ledger:
    first, count = int(sys.argv[2]), int(sys.argv[3])
    print("ready", flush=True)
    for number in range(first, first + count):
        ledger.append_exchanges([exchange(number, said=f"question {number}")])
"""


def writer(where, first, count):
    command = [sys.executable, "-c", WRITER, str(where), str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": "tests"})


def test_one_process_reads_while_another_writes(where):
    with Ledger.open(where) as ledger, writer(where, 0, 120) as process:
        assert process.stdout.readline() == "ready\n"
        counts = []
        while process.poll() is None:
            seen = list(ledger.exchanges())
            assert [each.id for each in seen] == [f"e{number}" for number in range(len(seen))]
            counts.append(len(seen))
        assert process.returncode == 0
        assert counts == sorted(counts)
        assert ledger.size().exchanges == 120
        assert len(set(counts)) > 1


def test_two_processes_that_write_at_once_both_get_their_turn(where):
    with writer(where, 0, 60) as one, writer(where, 40, 60) as other:
        one.communicate()
        other.communicate()
    assert (one.returncode, other.returncode) == (0, 0)
    with Ledger.open(where) as ledger:
        assert sorted(row.id for row in ledger.rows()) == sorted(f"e{number}" for number in range(100))


def test_two_processes_that_make_the_ledger_at_once_make_one(tmp_path):
    path = tmp_path / "fairlead.db"
    with writer(path, 0, 20) as one, writer(path, 20, 20) as other:
        one.communicate()
        other.communicate()
    assert (one.returncode, other.returncode) == (0, 0)
    with Ledger.open(path) as ledger:
        assert ledger.size().exchanges == 40


def test_threads_may_share_a_ledger(ledger):
    pilot_id = ledger.start_pilot(design())

    def work(number):
        ledger.append_exchanges([exchange(number)])
        ledger.append_replies([("c1", f"k{number}", reply())])
        ledger.append_draws(pilot_id, [f"e{number}"])
        return len(ledger.rows())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(60)))
    assert len(ledger.draws(pilot_id)) == ledger.size().exchanges == ledger.size().replies == 60


def test_a_backup_taken_while_another_process_writes_is_whole(tmp_path, path):
    with Ledger.open(path) as ledger, writer(path, 0, 150) as process:
        assert process.stdout.readline() == "ready\n"
        copies = []
        while process.poll() is None:
            copies.append(tmp_path / f"copy-{len(copies)}.db")
            ledger.backup(copies[-1])
    for copy in copies[:: max(1, len(copies) // 5)]:
        with Ledger.open(copy, create=False) as taken:
            seen = [each.id for each in taken.exchanges()]
            assert seen == [f"e{number}" for number in range(len(seen))]
