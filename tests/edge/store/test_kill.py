"""Killed at any moment, the ledger is whole and holds all that it said it kept. Real processes, real SIGKILL."""

from __future__ import annotations

import random
import re
import select
import sqlite3
import subprocess
import sys

import pytest

from edge.store.samples import design, exchange, pair, reply
from fairlead.edge.store import Ledger

# Says what it has kept, a line at a time, and never ends by itself. It waits for its turn before it opens the ledger,
# so that the next one can load its modules while this one works.
WRITER = """
import sys
from edge.store.samples import design, exchange, pair, reply
from fairlead.edge.store import Ledger
input()
ledger = Ledger.open(sys.argv[1])
pilot = ledger.start_pilot(design())
number = len(ledger.pairs(pilot))
print("opened", flush=True)
while True:
    number += 1
    first = number * 30
    ledger.append_exchanges(exchange(n, said=f"{n} " * 50) for n in range(first, first + number % 30 + 1))
    if len(ledger.draws(pilot)) < number:
        ledger.append_draws(pilot, [f"e{first}"])
    ledger.append_replies([("c1", f"k{number}", reply(f"to {number}"))])
    ledger.append_pairs(pilot, [pair(number, f"e{first}")])
    print(number, flush=True)
"""


def writer(path):
    command = [sys.executable, "-c", WRITER, str(path)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": "tests"}
    )


def begin(process):
    process.stdin.write("\n")
    process.stdin.flush()


def check(path, *, acknowledged):
    """The file is sound, and holds what was acknowledged, whole and in order."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    with Ledger.open(path) as ledger:
        pilot_id = ledger.start_pilot(design())
        draws, pairs = ledger.draws(pilot_id), ledger.pairs(pilot_id)
        assert list(draws) == [f"e{number * 30}" for number in range(1, len(draws) + 1)]
        assert pairs == [pair(number, f"e{number * 30}") for number in range(1, len(pairs) + 1)]
        assert acknowledged <= len(pairs) <= len(draws)
        for number in range(1, acknowledged + 1):
            assert ledger.reply("c1", f"k{number}") == reply(f"to {number}")
            first = number * 30
            for last in (first, first + number % 30):
                assert ledger.exchange(f"e{last}") == exchange(last, said=f"{last} " * 50)


def worked_for_a_while(process, *, rounds, seconds):
    """What a writer acknowledged in that many rounds and some time more, when it is killed."""
    begin(process)
    assert process.stdout.readline() == "opened\n"
    said = [process.stdout.readline() for _ in range(rounds)]
    select.select([], [], [], seconds)
    process.kill()
    said += re.findall(r"^\d+\n", process.communicate()[0], re.MULTILINE)
    return max(map(int, said), default=0)


def test_killed_at_random_moments_it_loses_nothing_it_acknowledged(path):
    chance = random.Random(20261123)
    processes = [writer(path) for _ in range(8)]
    acknowledged = 0
    try:
        for process in processes:
            moment = {"rounds": chance.randrange(12), "seconds": chance.random() * 0.02}
            acknowledged = max(acknowledged, worked_for_a_while(process, **moment))
            check(path, acknowledged=acknowledged)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert acknowledged > 20


@pytest.mark.parametrize("moment", [0.01, 0.05, 0.15, 0.3, 0.6])
def test_killed_while_it_is_made_it_can_be_made_again(tmp_path, moment):
    path = tmp_path / "fairlead.db"
    process = writer(path)
    begin(process)
    select.select([process.stdout], [], [], moment)
    process.kill()
    process.communicate()
    with Ledger.open(path) as ledger:
        ledger.append_exchanges([exchange()])
        assert ledger.exchange("e1") == exchange()
