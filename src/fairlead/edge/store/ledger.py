"""The ledger: what was logged, what pilots asked and found, what was decided, kept safe.

Rules kept here: once a call that writes returns, no kill of the process loses it; what is already there is not written
twice; exchanges, draws and pairs keep their order; what is forgotten is gone from the disk too.
"""

# ruff: noqa: S608 - statements are put together from names that stand in the code; values go beside them

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar
from urllib.parse import unquote, urlsplit

from fairlead.core.calls import Calls
from fairlead.core.errors import LedgerError, UsageError
from fairlead.core.nouns import (
    JSON,
    Exchange,
    ExchangeRow,
    OnFile,
    PairRow,
    PilotDesign,
    Preference,
    Reply,
    Request,
    Ungrouped,
    Workload,
)
from fairlead.edge.store import append, retain
from fairlead.edge.store import rollups as sums
from fairlead.edge.store import rows as columns
from fairlead.edge.store.batch import Appending, Waiting
from fairlead.edge.store.codec import (
    answer_body,
    decode,
    encode,
    hash_of,
    key,
    key_or_none,
    microseconds,
    moment,
    packer,
    record,
    shown,
    unpacker,
)
from fairlead.edge.store.database import Database, Row, Transaction, any_of
from fairlead.edge.store.forget import Forgotten, erase
from fairlead.edge.store.routing import RouteTables
from fairlead.edge.store.sqlite import SqliteDatabase

Item = TypeVar("Item")

_ROWS_AT_ONCE = 5_000
_CALLS_AT_ONCE = 10_000
_EXCHANGES_AT_ONCE = 64  # bodies may be large
_CHANGES_AT_ONCE = 5_000
_EXPIRED_AT_ONCE = 500
_APPENDED_AT_ONCE = 100
_UNLOCKED = 3
"""How often a changed state is made while others may write, before they have to wait."""
_STATE_OF = "SELECT value FROM state WHERE key = ?"
_SCRUB_KEY = "ledger.scrub"


class PilotEntry(NamedTuple):
    """A pilot as the ledger lists it."""

    id: str
    design: PilotDesign
    created_at: datetime


class VerdictEntry(NamedTuple):
    """A verdict as the ledger lists it."""

    pilot_id: str
    record: JSON
    created_at: datetime


class JudgementEntry(NamedTuple):
    """What a judge replied to one question about an exchange's two answers."""

    judge_id: str
    exchange_id: str
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much a ledger holds; `disk_bytes` is what it takes on disk."""

    exchanges: int
    bodies: int
    workloads: int
    pilots: int
    pairs: int
    replies: int
    judgements: int
    preferences: int
    disk_bytes: int


class _Chosen(NamedTuple):
    """Which exchanges are read."""

    condition: str
    values: tuple[str, ...]


def _of_workload(workload_id: str | None) -> _Chosen:
    return _Chosen("1 = 1", ()) if workload_id is None else _Chosen("workload_id = ?", (key(workload_id),))


class Ledger:
    """A ledger in a SQLite file or a PostgreSQL database; safe to share between threads and processes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Ledger.open(f"{folder}/fairlead.db") as ledger:
    ...     ledger.set_state("seen", 3)
    ...     ledger.state("seen")
    3
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.routing = RouteTables(database)

    @classmethod
    def open(cls, where: str | Path, *, create: bool = True, wait_s: float = 5.0) -> Self:
        """Open the ledger at a path or URL, making it or bringing it up to date where needed.

        `wait_s` is how long a read or write waits for another process that holds the ledger.
        """
        return cls(_database(where, create=create, wait_s=wait_s))

    @property
    def where(self) -> str:
        """The ledger as the user named it, without a password."""
        return self._database.where

    def spare_memory(self, *, most_mb: int) -> None:
        """Hold at most so much of the ledger in this process's memory."""
        self._database.spare_memory(most_mb=most_mb)

    def close(self) -> None:
        """Let go of the ledger."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Exchanges

    def append_exchanges(self, exchanges: Iterable[Exchange]) -> int:
        """Keep exchanges, skipping rows whose `row_hash` is known, and return how many were new.

        They are written a few thousand at a time, and all are when this returns. An exchange with the id of another row
        gets its row's hash added to its id, so that both are kept and can be told apart.
        """
        with self.appending() as appending:
            for few in _parts(exchanges, _APPENDED_AT_ONCE):
                appending.add(few)
        return appending.new

    def appending(self, *, left_until: int | None = None) -> Appending:
        """A block in which exchanges are kept a few at a time; the last of them are written when it ends.

        It also tells which of them are known, belong to no workload and have a `seq` up to `left_until`.
        """

        def left(row_hashes: Sequence[str]) -> set[str]:
            sql, values = any_of(
                "SELECT row_hash, seq FROM exchanges WHERE workload_id IS NULL AND row_hash", row_hashes
            )
            return {row[0] for row in self._database.rows(sql, values) if row[1] <= (left_until or 0)}

        return Appending(known=self._known, keep=self._keep, left=None if left_until is None else left)

    def _keep(self, waiting: Waiting) -> int:
        with self._database.write() as transaction:
            return waiting.write(transaction)

    def _known(self, row_hashes: Sequence[str]) -> set[str]:
        rows = self._database.rows(*any_of("SELECT row_hash FROM exchanges WHERE row_hash", row_hashes))
        return {row[0] for row in rows}

    def capture(
        self,
        arrivals: Sequence[append.Arrival],
        tallies: Mapping[sums.Slot, sums.Tally],
        *,
        again: bool = False,
    ) -> None:
        """Keep a batch of what the gateway saw, and add it to the roll-ups, both or neither.

        `again` says that the batch was tried before and it is not known how that ended: nothing is kept or counted twice.
        """
        with self._database.write() as transaction:
            if again and arrivals and append.known_rows(transaction, [each.columns[1] for each in arrivals]):
                return
            numbers = append.append(transaction, arrivals)
            sums.add(transaction, tallies)
            sums.spend(transaction, tallies)
        for body, number in numbers.items():
            body.number = number

    def rows(self, workload_id: str | None = None) -> list[ExchangeRow]:
        """Every exchange of a workload, or of all, without its bodies, in order of arrival."""
        return list(self.each_row(workload_id))

    def each_row(self, workload_id: str | None = None) -> Iterator[ExchangeRow]:
        """The same a page at a time, so that memory does not grow with the ledger."""
        reader = columns.RowReader()
        pages = self._pages(columns.SELECT_ROWS, _of_workload(workload_id), size=_ROWS_AT_ONCE)
        return (row for page in pages for row in reader.read(page))

    def calls(self) -> Iterator[tuple[str | None, Calls]]:
        """Every exchange for counting, by the column: some thousands at a time, parted by workload."""
        reader = columns.CallReader()
        pages = self._pages(columns.SELECT_CALLS, _of_workload(None), size=_CALLS_AT_ONCE)
        return (calls for page in pages for calls in reader.read(page))

    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last dated exchange were made."""
        ((first, last),) = self._database.rows("SELECT min(started_us), max(started_us) FROM exchanges")
        return None if first is None else (moment(first), moment(last))

    def exchanges(self, workload_id: str | None = None) -> Iterator[Exchange]:
        """Every exchange of a workload, or of all, in order of arrival; read as it is asked for."""
        return (exchange for _, exchange in self._exchanges(_of_workload(workload_id)))

    def ungrouped(self) -> Iterator[Ungrouped]:
        """Every request that belongs to no workload yet, in order of arrival; assigning them meanwhile is fine."""
        unpacked, chosen = self._unpacked(), _Chosen("workload_id IS NULL", ())
        for page in self._pages(columns.SELECT_REQUESTS, chosen, size=_EXCHANGES_AT_ONCE):
            for row in page:
                yield columns.ungrouped_from(row, unpacked=unpacked)

    def unplaced(self) -> Iterator[tuple[int, str]]:
        """(`seq`, `row_hash`) of every exchange that belongs to no workload yet, in order of arrival."""
        chosen = _Chosen("workload_id IS NULL", ())
        for page in self._pages("SELECT seq, row_hash FROM exchanges", chosen, size=_ROWS_AT_ONCE):
            yield from page

    def last_unplaced(self) -> int | None:
        """The `seq` of the last exchange that belongs to no workload yet."""
        ((last,),) = self._database.rows("SELECT max(seq) FROM exchanges WHERE workload_id IS NULL")
        return None if last is None else int(last)

    def is_placed(self, row_hash: str) -> bool:
        """Whether the exchange of this row belongs to a workload, or is no longer there."""
        sql = "SELECT 1 FROM exchanges WHERE row_hash = ? AND workload_id IS NULL"
        return not self._database.rows(sql, (key(row_hash),))

    def request(self, seq: int) -> Request:
        """The request of the exchange with this number."""
        rows = self._database.rows(f"{columns.SELECT_REQUESTS} WHERE e.seq = ?", (seq,))
        if not rows:
            raise LedgerError(f"The ledger {self.where} holds no exchange number {seq}.")
        return columns.ungrouped_from(rows[0], unpacked=self._unpacked()).request

    def _exchanges(self, chosen: _Chosen) -> Iterator[tuple[int, Exchange]]:
        unpacked = self._unpacked()
        for page in self._pages(columns.SELECT_EXCHANGES, chosen, size=_EXCHANGES_AT_ONCE):
            for row in page:
                yield row[0], columns.exchange_from(row, unpacked=unpacked)

    def exchange(self, exchange_id: str) -> Exchange:
        """The exchange with this id."""
        rows = self._database.rows(f"{columns.SELECT_EXCHANGES} WHERE e.id = ?", (key(exchange_id),))
        if not rows:
            raise LedgerError(f"The ledger {self.where} holds no exchange {exchange_id!r}.")
        return columns.exchange_from(rows[0], unpacked=self._unpacked())

    def exchanges_by_id(self, exchange_ids: Sequence[str]) -> dict[str, Exchange]:
        """Those of these exchanges that are there, by id."""
        found, unpacked = dict[str, Exchange](), self._unpacked()
        for place in range(0, len(exchange_ids), _EXCHANGES_AT_ONCE):
            keys = [key(each) for each in exchange_ids[place : place + _EXCHANGES_AT_ONCE]]
            sql = f"{columns.SELECT_EXCHANGES} WHERE e.id IN ({', '.join('?' * len(keys))})"
            for row in self._database.rows(sql, keys):
                exchange = columns.exchange_from(row, unpacked=unpacked)
                found[exchange.id] = exchange
        return found

    def _unpacked(self) -> columns.Unpacked:
        """A function that gives a body's bytes, which must be those that were kept under its name."""
        unpack = unpacker()

        def body(name: bytes, packed: bytes) -> bytes:
            try:
                data = unpack(packed)
            except ValueError:
                data = b""
            if hash_of(data) != name:
                raise LedgerError(
                    f"A message body in the ledger {self.where} is damaged; put back a copy made with `fairlead ledger backup`."
                )
            return data

        return body

    def _pages(self, select: str, chosen: _Chosen, *, size: int) -> Iterator[list[Row]]:
        """Rows by rising `seq`, a page at a time, so that neither memory nor a long read grows with the ledger."""
        sql = f"{select} WHERE {chosen.condition} AND seq > ? ORDER BY seq LIMIT {size}"
        last = 0
        while page := self._database.rows(sql, [*chosen.values, last]):
            yield page
            last = page[-1][0]

    # Workloads and what scanning remembers

    def prompt_rows(self, prompt_id: str) -> list[tuple[int, str | None]]:
        """The exchanges made with one prompt version: (`seq`, workload id)."""
        rows = self._database.rows("SELECT seq, workload_id FROM exchanges WHERE prompt_id = ?", (key(prompt_id),))
        return [(seq, None if workload is None else shown(workload)) for seq, workload in rows]

    def prompts(self, workload_id: str) -> list[tuple[str, int]]:
        """The prompt versions of a workload with how many calls each has, the most used first."""
        sql = (
            "SELECT prompt_id, count(*) FROM exchanges WHERE workload_id = ? AND prompt_id IS NOT NULL"
            " GROUP BY prompt_id ORDER BY count(*) DESC, prompt_id"
        )
        return [(shown(prompt), calls) for prompt, calls in self._database.rows(sql, (key(workload_id),))]

    def first_of_prompts(self, workload_id: str) -> dict[str, str]:
        """The id of the first exchange of each prompt version of a workload."""
        sql = (
            "SELECT prompt_id, id FROM exchanges WHERE seq IN (SELECT min(seq) FROM exchanges"
            " WHERE workload_id = ? AND prompt_id IS NOT NULL GROUP BY prompt_id)"
        )
        return {shown(prompt): shown(id_) for prompt, id_ in self._database.rows(sql, (key(workload_id),))}

    def holds(self, workload_id: str) -> bool:
        """Whether any exchange belongs to this workload."""
        return bool(self._database.rows("SELECT 1 FROM exchanges WHERE workload_id = ? LIMIT 1", (key(workload_id),)))

    def set_workloads(self, workloads: Iterable[Workload]) -> None:
        """Make these the workloads, in this order; any others are no longer listed."""
        values = [(key(each.id), place, encode(each)) for place, each in enumerate(workloads)]
        with self._database.write() as transaction:
            transaction.change("DELETE FROM workloads")
            transaction.change_each("INSERT INTO workloads (id, position, record) VALUES (?, ?, ?)", values)

    def put_workloads(self, workloads: Iterable[Workload], *, gone: Iterable[str] = ()) -> None:
        """Add workloads after those there are, or describe known ones anew in their place; those `gone` are let go."""
        sql = (
            "INSERT INTO workloads (id, position, record)"
            " SELECT ?, coalesce(max(position), 0) + 1, ? FROM workloads WHERE true"
            " ON CONFLICT (id) DO UPDATE SET record = excluded.record"
        )
        with self._database.write() as transaction:
            for each in workloads:
                transaction.change(sql, (key(each.id), encode(each)))
            transaction.change_each("DELETE FROM workloads WHERE id = ?", [(key(id_),) for id_ in gone])

    def rename_workload(self, old: str, now: str) -> None:
        """Move everything that belongs to a workload to the one that it turned out to be."""
        with self._database.write() as transaction:
            transaction.change("UPDATE exchanges SET workload_id = ? WHERE workload_id = ?", (key(now), key(old)))
            sums.rename(transaction, old, now)

    def workloads(self) -> list[Workload]:
        """The workloads, in the order they were set."""
        return [record(Workload, value) for value in self._records("SELECT record FROM workloads ORDER BY position")]

    def assign(self, rows: Iterable[tuple[int, str | None, str | None]]) -> None:
        """Say which workload and prompt version exchanges belong to: (`seq`, workload id, prompt id)."""
        sql = "UPDATE exchanges SET workload_id = ?, prompt_id = ? WHERE seq = ?"
        for part in _parts(rows, _CHANGES_AT_ONCE):
            keys = {name: key_or_none(name) for name in {name for row in part for name in row[1:]}}
            with self._database.write() as transaction:
                transaction.change_each(sql, [(keys[workload], keys[prompt], seq) for seq, workload, prompt in part])

    def place(self, rows: Sequence[tuple[int, str, str | None]]) -> None:
        """Say which workload exchanges belong to, as `assign` does, and move those that were counted without one."""
        changes = [(key(workload), key_or_none(prompt), seq) for seq, workload, prompt in rows]
        with self._database.write() as transaction:
            counted = sums.counted(transaction, {seq: workload for seq, workload, _ in rows})
            transaction.change_each("UPDATE exchanges SET workload_id = ?, prompt_id = ? WHERE seq = ?", changes)
            sums.add(transaction, counted)

    def state(self, name: str) -> JSON:
        """What was kept under this name; `None` when nothing was."""
        return _state_in(self._database.rows(_STATE_OF, (key(name),)))

    def set_state(self, name: str, value: JSON) -> None:
        """Keep a value under a name, in place of the one before."""
        with self._database.write() as transaction:
            _put_state(transaction, name, value)

    def change_state(self, name: str, change: Callable[[JSON], JSON]) -> JSON:
        """Put what `change` makes of what is kept under this name in its place, and return it.

        Others may write while it is made; where one of them changed the same state, it is made anew of that, the last time
        while nobody else writes. So nothing another process kept is lost; `change` may be called several times.
        """
        for _ in range(_UNLOCKED):
            rows = self._database.rows(_STATE_OF, (key(name),))
            value = change(_state_in(rows))
            with self._database.write() as transaction:
                if transaction.rows(_STATE_OF, (key(name),)) == rows:
                    _put_state(transaction, name, value)
                    return value
        with self._database.write() as transaction:
            value = change(_state_in(transaction.rows(_STATE_OF, (key(name),))))
            _put_state(transaction, name, value)
        return value

    def add_scan(self, scan: JSON) -> None:
        """Keep the record of a scan."""
        self._note("scans", scan)

    def scans(self) -> list[JSON]:
        """The records of all scans, the first one first."""
        return self._records("SELECT record FROM scans ORDER BY seq")

    # Pilots

    def start_pilot(self, design: PilotDesign) -> str:
        """Keep the design before its first pair and return its id; the same design gives the same id."""
        pilot_id = design.id
        sql = "INSERT INTO pilots (id, design, created_us) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"
        with self._database.write() as transaction:
            transaction.change(sql, (pilot_id, encode(design), _now()))
        return pilot_id

    def pilots(self) -> list[PilotEntry]:
        """Every pilot, the first one first."""
        rows = self._database.rows("SELECT id, design, created_us FROM pilots ORDER BY seq")
        return [PilotEntry(row[0], record(PilotDesign, decode(row[1])), moment(row[2])) for row in rows]

    def design(self, pilot_id: str) -> PilotDesign:
        """The design that was kept before the pilot's first pair."""
        found = self._records("SELECT design FROM pilots WHERE id = ?", pilot_id)
        if not found:
            raise LedgerError(f"The ledger {self.where} holds no pilot {pilot_id!r}.")
        return record(PilotDesign, found[0])

    def draws(self, pilot_id: str, *, after: int = 0) -> list[str]:
        """Exchange ids drawn behind position `after`, in order; position 1 first, and empty where an exchange was forgotten."""
        sql = "SELECT exchange_id FROM draws WHERE pilot_id = ? AND position > ? ORDER BY position"
        return [shown(row[0]) for row in self._database.rows(sql, (key(pilot_id), after))]

    def append_draws(self, pilot_id: str, exchange_ids: Sequence[str]) -> None:
        """Keep the next draws of a pilot, after those it has."""
        count = "SELECT coalesce(max(position), 0) FROM draws WHERE pilot_id = ?"
        with self._database.write() as transaction:
            self._refuse_unknown_pilot(transaction, pilot_id)
            last = transaction.rows(count, (pilot_id,))[0][0]
            values = [(pilot_id, last + place, key(each)) for place, each in enumerate(exchange_ids, start=1)]
            transaction.change_each("INSERT INTO draws (pilot_id, position, exchange_id) VALUES (?, ?, ?)", values)

    def on_file(self, pilot_id: str) -> list[OnFile]:
        """What was known of the requests before the first pair, by position; without those erased since."""
        sql = "SELECT position, exchange_id, closed, segments FROM on_file WHERE pilot_id = ? ORDER BY position"
        return columns.OnFileReader().read(self._database.rows(sql, (key(pilot_id),)))

    def append_on_file(self, pilot_id: str, known: Sequence[OnFile]) -> None:
        """Keep what is known of the requests of a pilot; what is there already stays."""
        sql = (
            "INSERT INTO on_file (pilot_id, position, exchange_id, closed, segments) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (pilot_id, position) DO NOTHING"
        )
        values = [
            (pilot_id, each.position, key(each.exchange_id), each.closed, encode(each.segments)) for each in known
        ]
        with self._database.write() as transaction:
            self._refuse_unknown_pilot(transaction, pilot_id)
            transaction.change_each(sql, values)

    def metadata(self, workload_id: str, name: str) -> dict[str, JSON]:
        """The value of one metadata key for each exchange of a workload that has it, by exchange id."""
        chosen = _of_workload(workload_id)
        found: dict[str, JSON] = {}
        for page in self._pages(columns.SELECT_METADATA, chosen, size=_ROWS_AT_ONCE):
            for _, id_column, packed in page:
                notes = decode(packed)
                if isinstance(notes, dict) and name in notes:
                    found[shown(id_column)] = notes[name]
        return found

    def reply(self, asker_id: str, request_key: str) -> Reply | None:
        """The reply kept from this asker to this request, so that nothing is asked twice."""
        rows = self._database.rows(columns.SELECT_REPLY, (key(asker_id), key(request_key)))
        return columns.reply_from(rows[0], unpacked=self._unpacked()) if rows else None

    def append_replies(self, replies: Sequence[tuple[str, str, Reply]]) -> None:
        """Keep (asker id, request key, reply) rows; a row that is already there stays as it was."""
        pack = packer()
        bodies: dict[bytes, bytes] = {}
        values: list[Row] = []
        for asker_id, request_key, reply in replies:
            body = answer_body(reply.response_body, reply.answer)
            bodies.setdefault(body.hash, body.data)
            values.append(columns.reply_values(asker_id, request_key, reply, body=body.hash))
        packed = [(name, pack(data)) for name, data in bodies.items()]
        with self._database.write() as transaction:
            transaction.change_each(columns.INSERT_BODY, packed)
            transaction.change_each(columns.INSERT_REPLY, values)

    def judgement(self, judge_id: str, question_key: str) -> Reply | None:
        """The reply kept from this judge to this question, so that no judge is asked twice."""
        sql = "SELECT record FROM judgements WHERE judge_id = ? AND question_key = ?"
        rows = self._database.rows(sql, (key(judge_id), key(question_key)))
        return record(Reply, decode(unpacker()(rows[0][0]))) if rows else None

    def append_judgements(self, judgements: Sequence[tuple[str, str, str, Reply]]) -> None:
        """Keep (judge id, question key, exchange id, reply) rows; a row that is already there stays as it was."""
        pack = packer()
        sql = (
            "INSERT INTO judgements (judge_id, question_key, exchange_id, record) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (judge_id, question_key) DO NOTHING"
        )
        values = [
            (key(judge_id), key(question_key), key(exchange_id), pack(encode(reply)))
            for judge_id, question_key, exchange_id, reply in judgements
        ]
        with self._database.write() as transaction:
            transaction.change_each(sql, values)

    def judgements(self) -> Iterator[JudgementEntry]:
        """Every reply of every judge, by judge and exchange."""
        unpack = unpacker()
        sql = "SELECT judge_id, exchange_id, record FROM judgements ORDER BY judge_id, exchange_id, question_key"
        for judge_id, exchange_id, packed in self._database.rows(sql):
            yield JudgementEntry(shown(judge_id), shown(exchange_id), record(Reply, decode(unpack(packed))))

    def preferences(self, pilot_id: str) -> list[Preference]:
        """What people said of a pilot's pairs, in the order they said it."""
        found = self._records("SELECT record FROM preferences WHERE pilot_id = ? ORDER BY seq", key(pilot_id))
        return [record(Preference, value) for value in found]

    def append_preferences(self, pilot_id: str, preferences: Sequence[Preference]) -> int:
        """Keep what people said and return how many were new; what somebody said of a pair before stays as it was."""
        sql = (
            "INSERT INTO preferences (pilot_id, position, reviewer, exchange_id, record, created_us)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (pilot_id, position, reviewer) DO NOTHING"
        )
        now = _now()
        values = [
            (pilot_id, each.position, key(each.reviewer), key(each.exchange_id), encode(each), now)
            for each in preferences
        ]
        with self._database.write() as transaction:
            self._refuse_unknown_pilot(transaction, pilot_id)
            return transaction.change_each(sql, values)

    def pairs(self, pilot_id: str) -> list[PairRow]:
        """The pairs of a pilot, in the order of their positions."""
        found = self._records("SELECT record FROM pairs WHERE pilot_id = ? ORDER BY position", key(pilot_id))
        return [record(PairRow, value) for value in found]

    def append_pairs(self, pilot_id: str, pairs: Sequence[PairRow]) -> None:
        """Keep pairs at their positions; the same pair again changes nothing, another at its place is refused."""
        sql = (
            "INSERT INTO pairs (pilot_id, position, exchange_id, record) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (pilot_id, position) DO NOTHING"
        )
        values = [(pilot_id, each.pair.position, key(each.pair.exchange_id), encode(each)) for each in pairs]
        with self._database.write() as transaction:
            self._refuse_unknown_pilot(transaction, pilot_id)
            if transaction.change_each(sql, values) != len(values):
                self._refuse_other_pairs(transaction, values)

    def _refuse_unknown_pilot(self, transaction: Transaction, pilot_id: str) -> None:
        if not transaction.rows("SELECT 1 FROM pilots WHERE id = ?", (key(pilot_id),)):
            raise LedgerError(f"The ledger {self.where} holds no pilot {pilot_id!r}; its design must be kept first.")

    def _refuse_other_pairs(self, transaction: Transaction, values: Sequence[tuple[str, int, str, bytes]]) -> None:
        for pilot_id, position, _, data in values:
            sql = "SELECT record FROM pairs WHERE pilot_id = ? AND position = ?"
            if transaction.rows(sql, (pilot_id, position))[0][0] != data:
                raise LedgerError(
                    f"Pilot {pilot_id} already has another pair at position {position}; is it running twice?"
                )

    def add_verdict(self, pilot_id: str, verdict: JSON) -> None:
        """Keep a verdict that a pilot came to."""
        with self._database.write() as transaction:
            self._refuse_unknown_pilot(transaction, pilot_id)
            sql = "INSERT INTO verdicts (pilot_id, record, created_us) VALUES (?, ?, ?)"
            transaction.change(sql, (pilot_id, encode(verdict), _now()))

    def verdicts(self) -> list[VerdictEntry]:
        """Every verdict of every pilot, the first one first."""
        rows = self._database.rows("SELECT pilot_id, record, created_us FROM verdicts ORDER BY seq")
        return [VerdictEntry(row[0], decode(row[1]), moment(row[2])) for row in rows]

    # Plans and hosts

    def add_plan(self, plan: JSON) -> None:
        """Keep the record of a plan."""
        self._note("plans", plan)

    def last_plan(self) -> JSON:
        """The record of the newest plan; `None` when there is none."""
        found = self._records("SELECT record FROM plans ORDER BY seq DESC LIMIT 1")
        return found[0] if found else None

    def approve_host(self, host: str) -> None:
        """Remember that traffic may go to this host."""
        sql = "INSERT INTO hosts (host, approved_us) VALUES (?, ?) ON CONFLICT (host) DO NOTHING"
        with self._database.write() as transaction:
            transaction.change(sql, (key(host), _now()))

    def approved_hosts(self) -> frozenset[str]:
        """The hosts that traffic may go to without asking again."""
        return frozenset(shown(row[0]) for row in self._database.rows("SELECT host FROM hosts"))

    # The gateway: sums, keys, and what is old

    def rollups(self, *, since_us: int, until_us: int) -> list[tuple[sums.Slot, sums.Tally]]:
        """What the gateway saw, by hour, workload, model, key and side, from one hour up to another."""
        return sums.read(self._database, since_us=since_us, until_us=until_us)

    def spent(self, *, since_us: int) -> dict[str, sums.Spent]:
        """What each key has used since the beginning of a day."""
        return sums.spent(self._database, since_us=since_us)

    def key_records(self) -> list[JSON]:
        """The records of all callers' keys, the first one first."""
        return self._records("SELECT record FROM keys ORDER BY created_us, id")

    def put_key(self, key_id: str, value: JSON) -> None:
        """Keep the record of a key, in place of the one before."""
        sql = (
            "INSERT INTO keys (id, record, created_us) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET record = excluded.record"
        )
        with self._database.write() as transaction:
            transaction.change(sql, (key(key_id), encode(value), _now()))

    def expire(self, *, before_us: int | None, after: int = 0, evidence: bool = True) -> retain.Expired:
        """Take out one batch of what the gateway captured: before a moment, or (`None`) the oldest there is."""
        with self._database.write() as transaction:
            return retain.expire(transaction, before_us=before_us, after=after, evidence=evidence)

    def expire_replies(self) -> int:
        """Take out what candidates replied to requests that are gone; how many replies went."""
        replies = retain.lonely_replies(self._database)
        for part in _parts(replies, _EXPIRED_AT_ONCE):
            with self._database.write() as transaction:
                retain.expire_replies(transaction, part)
        return len(replies)

    def bytes_held(self) -> int:
        """How many bytes are in use, without room that erased rows left to be used again."""
        return self._database.bytes_held()

    # The ledger as a whole

    def backup(self, path: str | Path) -> None:
        """Write a consistent copy to a new file, while others may write."""
        self._database.backup(Path(path))

    def export(self, write: Callable[[Exchange], None]) -> int:
        """Hand every exchange to `write`, in order of arrival, and return how many there were."""
        count = 0
        for exchange in self.exchanges():
            write(exchange)
            count += 1
        return count

    def forget(self, who: str) -> Forgotten:
        """Erase all exchanges of a user or conversation, with everything that pilots made of them.

        Bodies and replies stay where exchanges of others have the same ones. Verdicts stay: the result names the pilots
        that lost pairs. The files are written anew, so that the text is gone from the disk as well.
        """
        self._database.erasing()
        with self._database.write() as transaction:
            forgotten = erase(transaction, key(who))
            if forgotten.exchanges:
                _put_state(transaction, _SCRUB_KEY, value=True)
        # A scrub that another process or a full disk prevented is caught up by running the same command again.
        if self.state(_SCRUB_KEY):
            self._database.scrub()
            self.set_state(_SCRUB_KEY, None)
        return forgotten

    def size(self) -> Size:
        """How much the ledger holds."""
        tables = ("exchanges", "bodies", "workloads", "pilots", "pairs", "replies", "judgements", "preferences")
        counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
        found = dict(zip(tables, self._database.rows(f"SELECT {counts}")[0], strict=True))
        return Size(**found, disk_bytes=self._database.bytes_used())

    def _note(self, table: str, value: JSON) -> None:
        with self._database.write() as transaction:
            transaction.change(f"INSERT INTO {table} (record, created_us) VALUES (?, ?)", (encode(value), _now()))

    def _records(self, sql: str, *values: str) -> list[JSON]:
        return [decode(row[0]) for row in self._database.rows(sql, values)]


def _database(where: str | Path, *, create: bool, wait_s: float) -> Database:
    scheme, separator, _ = str(where).partition("://")
    if isinstance(where, Path) or not separator:
        return SqliteDatabase(where, create=create, wait_s=wait_s)
    if scheme == "sqlite":
        return SqliteDatabase(_sqlite_path(str(where)), create=create, wait_s=wait_s)
    if scheme in {"postgresql", "postgres", "postgresql+psycopg"}:
        return _postgres(str(where), create=create, wait_s=wait_s)
    raise UsageError(
        f"{scheme}:// is not a ledger Fairlead can use; name a file, or a URL that begins with postgresql://."
    )


def _sqlite_path(url: str) -> str:
    """The file in a URL as SQLAlchemy writes it: three slashes before a relative path, four before an absolute one."""
    path = unquote(urlsplit(url).path)[1:]
    if not path:
        raise UsageError(f"{url} names no file; write sqlite:///fairlead.db, or just fairlead.db.")
    return path


def _postgres(url: str, *, create: bool, wait_s: float) -> Database:
    try:
        from fairlead.edge.store.postgres import PostgresDatabase  # noqa: PLC0415 - an extra, and only for these URLs
    except ImportError as error:
        raise UsageError("A PostgreSQL ledger needs the extra: pip install 'fairlead[postgres]'.") from error
    return PostgresDatabase(url, create=create, wait_s=wait_s)


def _state_in(rows: Sequence[Row]) -> JSON:
    return decode(unpacker()(rows[0][0])) if rows else None


def _put_state(transaction: Transaction, name: str, value: JSON) -> None:
    sql = "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    transaction.change(sql, (key(name), packer()(encode(value))))


def _parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


def _now() -> int | None:
    return microseconds(datetime.now(UTC))
