"""Processes of the operating system that find workloads together: what each mints, and what its user decides, all of them know."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from random import Random

import pytest

from edge.store.grouping_process import EARLY_JOBS, LATE_JOBS, LOGS, NUMBER, START, decided
from fairlead.core.workload import Grouper, share
from fairlead.edge.store import Ledger


def started(where, number):
    command = [sys.executable, "-m", "edge.store.grouping_process", str(where), str(number)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": "tests"}
    )


def come_to(word, processes):
    """Wait until all have come to a point, then let them go on at once."""
    assert [process.stdout.readline() for process in processes] == [f"{word}\n"] * NUMBER
    for process in processes:
        process.stdin.write("go on\n")
        process.stdin.flush()


def test_processes_that_mint_merge_pin_and_split_at_once_agree_and_lose_nothing(where):
    with ExitStack() as stack:
        processes = [stack.enter_context(started(where, number)) for number in range(NUMBER)]
        for word in ("ready", "learned", "ready", "linked"):
            come_to(word, processes)
        told = [json.loads(process.stdout.readline()) for process in processes]
    assert [process.returncode for process in processes] == [0] * NUMBER

    with Ledger.open(where) as ledger:
        grouper = share.load(ledger)
    found = [[grouper.assign(request).workload_id for request in log] for log in LOGS]
    assert [one["found"] for one in told] == [found] * NUMBER

    one, two, three, four, five = (grouper.assign(job[0]).workload_id for job in EARLY_JOBS)
    later = grouper.assign(LATE_JOBS[-1][0]).workload_id
    assert grouper.name(one) == "Minutes"
    assert two == three
    assert grouper.is_pinned(four)
    assert grouper.is_pinned(five)
    assert len({one, two, four, five, later}) == 5
    assert {id_ for places in found for id_ in places} == {one, two, four, five, later}

    # Nothing that any of them learned is lost, and an id given on the way leads to where the call belongs today.
    assert sum(cell.count for cell in grouper._sample.cells.values()) == sum(map(len, LOGS))
    given = [each for one_told in told for each in one_told["given"]]
    assert len(given) > 100
    assert (
        len({grouper.resolve(id_) for _, _, id_ in given} - {one, two, four, five, later}) <= 1
    )  # what `five` was split off
    # Calls of what was split off, or grew beside a pinned workload, keep the id of before, by which they were counted then.
    moved = [each for each in given if grouper.resolve(each[2]) != found[each[0]][each[1]]]
    assert {found[phase][at] for phase, at, _ in moved} <= {five, later}
    assert len(given) - len(moved) > 100
    assert not grouper.aliases.keys() & set(grouper.aliases.values())


class OneState:
    """The one state of a ledger, kept as text."""

    def __init__(self):
        self.text = "null"

    def state(self, _name):
        return json.loads(self.text)

    def change_state(self, _name, change):
        changed = change(json.loads(self.text))
        self.text = json.dumps(changed)
        return changed


def one_of_them(number, ledger):
    """What one process does, a step at a time; at a `True` it waits for the others."""
    learned = Grouper()
    for phase, log in enumerate(LOGS):
        yield True
        for at in range(number, len(log), NUMBER):
            learned.learn(log[at], at=START + timedelta(days=40 * phase, minutes=at))
            if at % 75 >= 75 - NUMBER:
                yield False
                learned = reloaded(share.share(ledger, learned))
        yield False
        learned = reloaded(share.share(ledger, learned))
        if not phase:
            yield True
            share.decide(ledger, lambda grouper: decided(number, grouper))


def reloaded(grouper):
    return Grouper.from_json(grouper.to_json())


@pytest.mark.parametrize("order", [0, 10])
def test_in_whatever_order_processes_link_a_pin_stays_with_the_prompt_it_was_put_on(order):
    """For a while two prompts look like one, with more calls of the newcomer, and then are told apart again."""
    chance, ledger = Random(order), OneState()
    processes = {number: one_of_them(number, ledger) for number in range(NUMBER)}
    waiting = set()
    while processes:
        if not processes.keys() - waiting:
            waiting.clear()
        number = chance.choice(sorted(processes.keys() - waiting))
        try:
            if next(processes[number]):
                waiting.add(number)
        except StopIteration:
            del processes[number]
    grouper = share.load(ledger)
    four, five = (grouper.assign(job[0]).workload_id for job in EARLY_JOBS[3:])
    later = grouper.assign(LATE_JOBS[-1][0]).workload_id
    assert [grouper.is_pinned(each) for each in (four, five, later)] == [True, True, False]
