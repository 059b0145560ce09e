"""Routes in the ledger: where each workload stands, every step it took, what its guards and shadow have seen, what to tell.

Rules kept here: a step is kept together with the route it leads to, what its guards begin with and what an operator is to be
told, or none of them is; of two processes that move one route at once, one succeeds and the other learns that it did not; a
state that several processes feed is read and written in one transaction, so that nothing anybody saw is lost.
"""

# ruff: noqa: S608 - statements are put together from what stands in the code; values go beside them

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from typing import NamedTuple

from fairlead.core.nouns import JSON
from fairlead.edge.store.codec import decode, encode, key, packer, shown, unpacker
from fairlead.edge.store.database import Database, Row, Transaction


class Draw(NamedTuple):
    """A request to be answered twice: its exchange, and the units that may be drawn once only (request, conversation)."""

    exchange_id: str
    units: tuple[str, ...]


class Alert(NamedTuple):
    """Something an operator is to be told; `tries` so far."""

    id: int
    record: JSON
    tries: int
    created_us: int


class Pace(NamedTuple):
    """How many calls of a workload the ledger holds, and from when to when."""

    calls: int
    first_us: int
    last_us: int


class RouteTables:
    """The tables of one ledger that routes are kept in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Routes and their steps

    def all(self) -> list[JSON]:
        """The records of all routes."""
        return [decode(row[0]) for row in self._database.rows("SELECT record FROM routes ORDER BY workload_id")]

    def one(self, workload_id: str) -> JSON:
        """The record of one route; `None` when there is none."""
        rows = self._database.rows("SELECT record FROM routes WHERE workload_id = ?", (key(workload_id),))
        return decode(rows[0][0]) if rows else None

    def mark(self) -> int:
        """A number that rises with every step of any route."""
        return int(self._database.rows("SELECT coalesce(max(seq), 0) FROM steps")[0][0])

    def move(
        self,
        workload_id: str,
        *,
        version: int,
        record: object,
        step: object,
        at_us: int,
        states: Mapping[tuple[int, str], JSON] | None = None,
        alert: object = None,
    ) -> bool:
        """Keep a route after a step, and the step; false, and nothing done, when it is no longer at the version before.

        `states` are kept by run and name, where there is none of that name yet.
        """
        with self._database.write() as transaction:
            if self._version(transaction, workload_id) != version - 1:
                return False
            sql = (
                "INSERT INTO routes (workload_id, version, record) VALUES (?, ?, ?)"
                " ON CONFLICT (workload_id) DO UPDATE SET version = excluded.version, record = excluded.record"
            )
            transaction.change(sql, (key(workload_id), version, encode(record)))
            sql = "INSERT INTO steps (workload_id, number, record, created_us) VALUES (?, ?, ?, ?)"
            transaction.change(sql, (key(workload_id), version, encode(step), at_us))
            for (run, name), value in (states or {}).items():
                if _state(transaction, workload_id, run, name) is None:
                    _put_state(transaction, workload_id, run, name, value)
            if alert is not None:
                sql = "INSERT INTO alerts (record, created_us, tries, due_us) VALUES (?, ?, 0, ?)"
                transaction.change(sql, (encode(alert), at_us, at_us))
            return True

    def _version(self, transaction: Transaction, workload_id: str) -> int:
        rows = transaction.rows("SELECT version FROM routes WHERE workload_id = ?", (key(workload_id),))
        return rows[0][0] if rows else 0

    def steps(self, workload_id: str | None = None) -> list[JSON]:
        """The records of the steps of a route, or of all, the first one first."""
        if workload_id is None:
            rows = self._database.rows("SELECT record FROM steps ORDER BY seq")
        else:
            rows = self._database.rows(
                "SELECT record FROM steps WHERE workload_id = ? ORDER BY seq", (key(workload_id),)
            )
        return [decode(row[0]) for row in rows]

    def pace(self, workload_id: str) -> Pace | None:
        """How many calls of a workload there are, over what time; `None` where that is not known."""
        sql = "SELECT count(*), min(started_us), max(started_us) FROM exchanges WHERE workload_id = ? AND started_us IS NOT NULL"
        row = self._database.rows(sql, (key(workload_id),))[0]
        return Pace(*row) if row[0] else None

    def prompts(self, workload_id: str) -> list[str]:
        """The prompt versions of a workload's calls."""
        sql = "SELECT DISTINCT prompt_id FROM exchanges WHERE workload_id = ? AND prompt_id IS NOT NULL ORDER BY prompt_id"
        return [shown(row[0]) for row in self._database.rows(sql, (key(workload_id),))]

    def first_model(self, workload_id: str) -> str | None:
        """The model that most of a workload's first calls were answered by."""
        sql = (
            "SELECT model FROM (SELECT model FROM exchanges WHERE workload_id = ? ORDER BY seq LIMIT 200) AS first"
            " GROUP BY model ORDER BY count(*) DESC, model LIMIT 1"
        )
        rows = self._database.rows(sql, (key(workload_id),))
        return shown(rows[0][0]) if rows else None

    # What a run of a route has seen

    def state(self, workload_id: str, run: int, name: str) -> JSON:
        """What was kept of a run under this name; `None` when nothing was."""
        sql = "SELECT value FROM route_states WHERE workload_id = ? AND run = ? AND name = ?"
        rows = self._database.rows(sql, (key(workload_id), run, name))
        return decode(unpacker()(rows[0][0])) if rows else None

    def states(self, workload_id: str, beginning: str) -> list[tuple[int, str, JSON]]:
        """Everything kept of a workload under names that begin so: run, name and value."""
        sql = "SELECT run, name, value FROM route_states WHERE workload_id = ? ORDER BY run, name"
        unpack = unpacker()
        rows = self._database.rows(sql, (key(workload_id),))
        return [(row[0], row[1], decode(unpack(row[2]))) for row in rows if row[1].startswith(beginning)]

    def change_state(self, workload_id: str, run: int, name: str, change: Callable[[JSON], JSON]) -> JSON:
        """Put what `change` makes of the value in its place, with nobody in between; the new value."""
        with self._database.write() as transaction:
            value = change(_state(transaction, workload_id, run, name))
            _put_state(transaction, workload_id, run, name, value)
            return value

    # What is drawn, and what was watched

    def claim(
        self, workload_id: str, run: int, draws: Sequence[Draw], *, pilot_id: str | None = None
    ) -> list[int | None]:
        """Draw requests none of whose units was drawn in this run before; for each its position, `None` for one that was.

        With a pilot, the draws are written down as its draws. Positions count from 1.
        """
        places: list[int | None] = []
        with self._database.write() as transaction:
            sql = "SELECT count(*) FROM claims WHERE workload_id = ? AND run = ? AND is_first"
            counted = "SELECT coalesce(max(position), 0) FROM draws WHERE pilot_id = ?"
            rows = (
                transaction.rows(sql, (key(workload_id), run))
                if pilot_id is None
                else transaction.rows(counted, (pilot_id,))
            )
            last = int(rows[0][0])
            for draw in draws:
                if not draw.units or self._taken(transaction, workload_id, run, draw.units):
                    places.append(None)
                    continue
                last += 1
                self._take(transaction, workload_id, run, draw.units)
                if pilot_id is not None:
                    sql = "INSERT INTO draws (pilot_id, position, exchange_id) VALUES (?, ?, ?)"
                    transaction.change(sql, (pilot_id, last, key(draw.exchange_id)))
                places.append(last)
        return places

    def _taken(self, transaction: Transaction, workload_id: str, run: int, units: Sequence[str]) -> bool:
        marks = ", ".join("?" * len(units))
        sql = f"SELECT 1 FROM claims WHERE workload_id = ? AND run = ? AND unit IN ({marks}) LIMIT 1"
        return bool(transaction.rows(sql, (key(workload_id), run, *units)))

    def _take(self, transaction: Transaction, workload_id: str, run: int, units: Sequence[str]) -> None:
        sql = "INSERT INTO claims (workload_id, run, unit, is_first, at_us) VALUES (?, ?, ?, ?, ?)"
        at_us = time_ns() // 1000
        units = list(dict.fromkeys(units))
        rows: list[Row] = [(key(workload_id), run, unit, not place, at_us) for place, unit in enumerate(units)]
        transaction.change_each(sql, rows)

    def expire_claims(self, *, before_us: int | None) -> int:
        """Forget what was drawn in runs that are over, and what was drawn before a moment; how much that was.

        A conversation that old may be drawn once more. What was drawn for a pilot stays in its draws.
        """
        sql = (
            "DELETE FROM claims WHERE at_us < ? OR run <"
            " (SELECT max(newer.run) FROM claims AS newer WHERE newer.workload_id = claims.workload_id)"
        )
        with self._database.write() as transaction:
            return transaction.change(sql, (0 if before_us is None else before_us,))

    def undone(self, pilot_id: str) -> list[tuple[int, str]]:
        """The draws of a pilot that have no pair: position and exchange."""
        sql = (
            "SELECT position, exchange_id FROM draws WHERE pilot_id = ? AND exchange_id <> '' AND position NOT IN"
            " (SELECT position FROM pairs WHERE pilot_id = ?) ORDER BY position"
        )
        return [(row[0], shown(row[1])) for row in self._database.rows(sql, (pilot_id, pilot_id))]

    def drawn_after(self, pilot_id: str, position: int, *, most: int = 1_000) -> list[tuple[int, bool, JSON]]:
        """The draws of a pilot after a position: position, whether it was set aside, and its pair where there is one."""
        sql = (
            "SELECT d.position, d.exchange_id, p.record FROM draws d"
            " LEFT JOIN pairs p ON p.pilot_id = d.pilot_id AND p.position = d.position"
            f" WHERE d.pilot_id = ? AND d.position > ? ORDER BY d.position LIMIT {most:d}"
        )
        rows = self._database.rows(sql, (pilot_id, position))
        return [(row[0], not row[1], None if row[2] is None else decode(row[2])) for row in rows]

    def set_aside(self, pilot_id: str, positions: Sequence[int]) -> None:
        """Let draws of a pilot count for nothing: they cannot be asked (any more)."""
        sql = "UPDATE draws SET exchange_id = '' WHERE pilot_id = ? AND position = ?"
        with self._database.write() as transaction:
            transaction.change_each(sql, [(pilot_id, position) for position in positions])

    def put_pairs(self, pilot_id: str, pairs: Sequence[tuple[int, str, object]]) -> None:
        """Keep pairs at their positions: position, exchange and record; a pair that is there already stays."""
        sql = (
            "INSERT INTO pairs (pilot_id, position, exchange_id, record) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (pilot_id, position) DO NOTHING"
        )
        rows = [(pilot_id, position, key(exchange_id), encode(record)) for position, exchange_id, record in pairs]
        with self._database.write() as transaction:
            transaction.change_each(sql, rows)

    def watch(self, workload_id: str, run: int, stage: str, pairs: Sequence[tuple[str, object]]) -> None:
        """Keep pairs that a stage's guards were fed: exchange and record."""
        sql = "INSERT INTO watched (workload_id, run, stage, exchange_id, record) VALUES (?, ?, ?, ?, ?)"
        rows = [(key(workload_id), run, stage, key(exchange_id), encode(record)) for exchange_id, record in pairs]
        with self._database.write() as transaction:
            transaction.change_each(sql, rows)

    def watched(self, workload_id: str, run: int, stage: str) -> list[JSON]:
        """The pairs that a stage's guards were fed, the first one first."""
        sql = "SELECT record FROM watched WHERE workload_id = ? AND run = ? AND stage = ? ORDER BY seq"
        return [decode(row[0]) for row in self._database.rows(sql, (key(workload_id), run, stage))]

    # What an operator is to be told

    def due_alerts(self, *, now_us: int) -> list[Alert]:
        """What is to be told now and has not been, the oldest first."""
        sql = "SELECT seq, record, tries, created_us FROM alerts WHERE due_us IS NOT NULL AND due_us <= ? ORDER BY seq"
        return [Alert(row[0], decode(row[1]), row[2], row[3]) for row in self._database.rows(sql, (now_us,))]

    def lease_alert(self, alert: Alert, *, until_us: int) -> bool:
        """Take it on oneself to tell it until then; false when another process was quicker."""
        sql = "UPDATE alerts SET tries = tries + 1, due_us = ? WHERE seq = ? AND tries = ? AND due_us IS NOT NULL"
        with self._database.write() as transaction:
            return transaction.change(sql, (until_us, alert.id, alert.tries)) == 1

    def end_alert(self, alert: Alert, *, told: bool) -> None:
        """It has been told, or is given up."""
        sql = "UPDATE alerts SET due_us = NULL, told = ? WHERE seq = ?"
        with self._database.write() as transaction:
            transaction.change(sql, (told, alert.id))

    def alerts(self) -> list[tuple[Alert, bool | None]]:
        """Everything there was to tell, and whether it was: `None` while it is still tried."""
        rows = self._database.rows("SELECT seq, record, tries, created_us, told FROM alerts ORDER BY seq")
        return [
            (Alert(row[0], decode(row[1]), row[2], row[3]), None if row[4] is None else bool(row[4])) for row in rows
        ]


def _state(transaction: Transaction, workload_id: str, run: int, name: str) -> JSON:
    sql = "SELECT value FROM route_states WHERE workload_id = ? AND run = ? AND name = ?"
    rows = transaction.rows(sql, (key(workload_id), run, name))
    return decode(unpacker()(rows[0][0])) if rows else None


def _put_state(transaction: Transaction, workload_id: str, run: int, name: str, value: JSON) -> None:
    sql = (
        "INSERT INTO route_states (workload_id, run, name, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (workload_id, run, name) DO UPDATE SET value = excluded.value"
    )
    transaction.change(sql, (key(workload_id), run, name, packer()(encode(value))))
