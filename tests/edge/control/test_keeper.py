"""The way from frames to the ledger, whatever the ledger does: locked, full, damaged, away. Real SQLite files."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import msgspec
import pytest

from edge.control.calls import asking, call, frame
from edge.control.test_capture import capturing
from fairlead.core.errors import LedgerError
from fairlead.edge.control.keeper import Keeper
from fairlead.edge.store import Ledger
from fairlead.edge.store.rollups import together
from fairlead.serve.frames import Counters

WAIT_S = 20


class Told:
    """Lines for the operator, and a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, words: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(words in line for line in self.lines), WAIT_S), self.lines


def frames(*calls):
    return [frame(each)[4:] for each in calls]


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db", wait_s=0.01) as opened:
        yield opened


def keeping(ledger, told, *, opened=None, patience_s=0, **more):
    return Keeper(
        capturing(), opened=opened or (lambda: ledger), tell=told, flush_s=0.01, patience_s=patience_s, **more
    )


def test_what_arrived_before_the_end_is_kept(ledger):
    told = Told()
    keeper = keeping(ledger, told)
    keeper.start()
    keeper.take(frames(*(call() for _ in range(1200))))
    keeper.stop()
    assert ledger.size().exchanges == 1200
    assert (keeper.state.kept, keeper.state.dropped, keeper.state.held_calls, told.lines) == (1200, 0, 0, [])


def test_a_locked_ledger_is_waited_for_and_nothing_is_lost_or_counted_twice(ledger, tmp_path):
    told = Told()
    keeper = keeping(ledger, told, patience_s=WAIT_S)
    with closing(sqlite3.connect(tmp_path / "fairlead.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        keeper.start()
        keeper.take(frames(call(), call()))
        told.wait_for("not kept for now")
        assert keeper.state.held_calls == 2
        other.execute("COMMIT")
    told.wait_for("takes calls again")
    keeper.stop()
    assert ledger.size().exchanges == 2
    assert together(tally for _, tally in ledger.rollups(since_us=0, until_us=2**62)).calls == 2
    assert len(told.lines) == 2


def test_a_ledger_that_stays_away_costs_the_record_not_more_memory_than_allowed(tmp_path):
    def away():
        raise LedgerError("The disk is full.")

    told = Told()
    keeper = keeping(None, told, opened=away, most_bytes=100_000)
    keeper.start()
    for _ in range(50):
        keeper.take(frames(*(call(request=asking("x" * 5000)) for _ in range(2))))
    told.wait_for("not kept for now (held up to 0 MB")
    keeper.stop()
    assert keeper.state.dropped >= 90
    assert sum("dropped" in line and "record" in line for line in told.lines) == 1


def test_a_damaged_file_is_told_and_ends_nothing(tmp_path):
    path = tmp_path / "fairlead.db"
    Ledger.open(path).close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    told = Told()
    keeper = Keeper(capturing(), opened=lambda: Ledger.open(path), tell=told, flush_s=0.01, patience_s=0)
    keeper.start()
    keeper.take(frames(call()))
    told.wait_for("is damaged")
    keeper.take(frames(call()))
    keeper.stop()
    assert keeper.state.dropped == 2


def test_a_frame_that_is_none_is_counted_and_skipped(ledger):
    keeper = keeping(ledger, Told())
    keeper.start()
    keeper.take([b"\xc1", b"", msgspec.msgpack.encode([9, 1]), *frames(call())])
    keeper.stop()
    assert (keeper.state.damaged, ledger.size().exchanges) == (3, 1)


class Picky:
    """A ledger that chokes on one call."""

    def __init__(self, ledger, call_id) -> None:
        self._ledger = ledger
        self._call_id = call_id

    def capture(self, arrivals, tallies, *, again=False) -> None:
        if any(each.columns[0] == self._call_id for each in arrivals):
            raise OverflowError("Python int too large")
        self._ledger.capture(arrivals, tallies, again=again)


def test_what_the_database_will_not_take_costs_itself_only(ledger):
    told, odd = Told(), call()
    keeper = keeping(ledger, told, opened=lambda: Picky(ledger, odd.call_id))
    keeper.start()
    keeper.take(frames(call(), odd, call()))
    keeper.stop()
    assert (ledger.size().exchanges, keeper.state.damaged) == (2, 1)
    assert together(tally for _, tally in ledger.rollups(since_us=0, until_us=2**62)).calls == 3
    assert "OverflowError" in told.lines[0]


def test_counters_are_handed_on(ledger):
    seen = []
    keeper = keeping(ledger, Told(), on_counters=seen.append)
    keeper.start()
    keeper.take(frames(Counters(process=7, at_us=1, started_us=1, requests=3)))
    keeper.stop()
    assert [(each.process, each.requests) for each in seen] == [(7, 3)]
