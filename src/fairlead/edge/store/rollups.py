"""What the gateway saw, added up by hour, workload, model, key and side as it comes, so that nothing ever reads the log for it.

Everything here is a sum: adding the tally of a batch twice is the only mistake that can be made, so a tally is written in
the transaction that writes its exchanges. A tally can be taken back (`minus`) where calls turn out to belong elsewhere.
"""

# ruff: noqa: S608 - statements are put together from names that stand in the code; values go beside them

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise, zip_longest
from typing import NamedTuple

from fairlead.core.nouns import JSON, Usage
from fairlead.edge.store.codec import decode, encode, kept, key, shown
from fairlead.edge.store.database import Database, Row, Transaction
from fairlead.edge.store.rows import USAGE, usage_from

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NOTE = "fairlead.call"
"""Name of the note in a captured exchange's metadata: how the call went, without content."""
DOLLAR = 10**12
"""Money is counted in millionths of a millionth of a dollar: whole numbers, which add up exactly."""

BOUNDS_S = (
    0.05,
    0.1,
    0.2,
    0.35,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    3.0,
    5.0,
    7.5,
    10.0,
    15.0,
    20.0,
    30.0,
    45.0,
    60.0,
    120.0,
    300.0,
    600.0,
)
"""Upper ends of the buckets of latencies; one more holds what took longer."""

_AT_ONCE = 500
_NO_USAGE = Usage()
_COUNTS = ("calls", "errors", "closed", "unmetered", "unpriced")
_SUMS = (*_COUNTS, "fresh", "cache_read", "cache_write", "visible", "reasoning", "cost", "instead", "latency_us")
_KEY = ("hour_us", "workload_id", "model", "key_id", "served")


class Slot(NamedTuple):
    """What calls are added up by. `workload_id` and `key_id` are empty where there is none (yet)."""

    hour_us: int
    workload_id: str
    model: str
    key_id: str
    served: str


@dataclass(slots=True, kw_only=True)
class Tally:
    """Sums over calls. `closed` are calls that the caller left; `unmetered` told no usage, `unpriced` have no known cost.

    `cost` is what was paid, `instead` what the incumbent would have cost for the same tokens (the same where the incumbent
    answered). Input that was counted apart (sound, pictures) is in `fresh`, such output in `visible`. `latency` and `first` are histograms over `BOUNDS_S`.
    """

    calls: int = 0
    errors: int = 0
    closed: int = 0
    unmetered: int = 0
    unpriced: int = 0
    fresh: int = 0
    cache_read: int = 0
    cache_write: int = 0
    visible: int = 0
    reasoning: int = 0
    cost: int = 0
    instead: int = 0
    latency_us: int = 0
    latency: list[int] = field(default_factory=list[int])
    first: list[int] = field(default_factory=list[int])

    def add(self, other: Tally, *, times: int = 1) -> None:
        """Add another tally, or take it away again (`times=-1`)."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + times * getattr(other, name))
        self.latency = _added(self.latency, other.latency, times)
        self.first = _added(self.first, other.first, times)

    def count(
        self,
        *,
        failed: bool,
        closed: bool,
        latency_s: float | None = None,
        first_s: float | None = None,
        usage: Usage = _NO_USAGE,
        cost: int | None = 0,
        instead: int | None = None,
    ) -> None:
        """Count one call. A `cost` of `None` is unknown; so is what the incumbent would have cost, then nothing is saved."""
        self.calls += 1
        self.errors += failed
        self.closed += closed
        if latency_s is not None:
            count(self.latency, latency_s)
            self.latency_us += round(latency_s * 1e6)
        if first_s is not None:
            count(self.first, first_s)
        if usage.fresh is None and usage.visible is None:
            self.unmetered += latency_s is not None and not failed
        else:
            self.fresh += (usage.fresh or 0) + (usage.audio_in or 0) + (usage.image_in or 0)
            self.cache_read += usage.cache_read or 0
            self.cache_write += (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0)
            self.visible += (usage.visible or 0) + (usage.audio_out or 0)
            self.reasoning += usage.reasoning or 0
        if cost is None:
            self.unpriced += 1
        else:
            self.cost += cost
            self.instead += cost if instead is None else instead

    @property
    def tokens(self) -> int:
        """All tokens, in and out."""
        return self.fresh + self.cache_read + self.cache_write + self.visible + self.reasoning

    @property
    def usd(self) -> Decimal:
        """What the calls whose cost is known have cost."""
        return Decimal(self.cost) / DOLLAR

    @property
    def saved_usd(self) -> Decimal:
        """How much more the incumbent would have cost."""
        return Decimal(self.instead - self.cost) / DOLLAR

    def row(self) -> Row:
        """The columns behind the slot's."""
        spread = encode({"latency": self.latency, "first": self.first})
        return (*(getattr(self, name) for name in _SUMS), spread)


def count(histogram: list[int], seconds: float) -> None:
    """Count one duration in a histogram over `BOUNDS_S`."""
    if not histogram:
        histogram.extend([0] * (len(BOUNDS_S) + 1))
    histogram[bisect_left(BOUNDS_S, seconds)] += 1


def quantile(histogram: Sequence[int], share: float, bounds: Sequence[float] = BOUNDS_S) -> float | None:
    """The duration below which this share of a histogram lies, read linearly inside its bucket; `None` of nothing.

    >>> quantile([0, 10, 0], 0.5, bounds=(1.0, 3.0))
    2.0
    """
    wanted = sum(histogram) * share
    if wanted <= 0:
        return None
    ends = (0.0, *bounds, bounds[-1])
    below = 0
    for (low, high), number in zip(pairwise(ends), histogram, strict=False):
        if number and below + number >= wanted:
            return low + (high - low) * (wanted - below) / number
        below += number
    return ends[-1]


def _added(mine: list[int], other: list[int], times: int) -> list[int]:
    return [a + times * b for a, b in zip_longest(mine, other, fillvalue=0)] if other else mine


_SELECT = f"SELECT {', '.join((*_KEY, *_SUMS, 'spread'))} FROM rollups"
_IS_SLOT = " AND ".join(f"{name} = ?" for name in _KEY)
_UPSERT = (
    f"INSERT INTO rollups ({', '.join((*_KEY, *_SUMS, 'spread'))}) VALUES ({', '.join('?' * (len(_KEY) + len(_SUMS) + 1))})"
    f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in (*_SUMS, 'spread'))}"
)
_SPEND = (
    "INSERT INTO spend (key_id, day_us, calls, tokens, cost, unpriced) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (key_id, day_us) DO UPDATE SET calls = spend.calls + excluded.calls,"
    " tokens = spend.tokens + excluded.tokens, cost = spend.cost + excluded.cost, unpriced = spend.unpriced + excluded.unpriced"
)


def add(transaction: Transaction, tallies: Mapping[Slot, Tally]) -> None:
    """Add tallies to what is there; writers take turns, so reading first loses nothing."""
    rows: list[Row] = []
    empty: list[Row] = []
    for slot, tally in tallies.items():
        columns = _columns(slot)
        whole = Tally()
        for found in transaction.rows(f"{_SELECT} WHERE {_IS_SLOT}", columns):
            whole = _tally(found)
        whole.add(tally)
        if whole.calls:
            rows.append((*columns, *whole.row()))
        else:
            empty.append(columns)
    transaction.change_each(_UPSERT, rows)
    transaction.change_each(f"DELETE FROM rollups WHERE {_IS_SLOT}", empty)


def spend(transaction: Transaction, tallies: Mapping[Slot, Tally]) -> None:
    """Add to what each key has used on a day."""
    days: dict[tuple[str, int], Tally] = {}
    for slot, tally in tallies.items():
        if slot.key_id:
            days.setdefault((slot.key_id, slot.hour_us // DAY_US * DAY_US), Tally()).add(tally)
    rows = [(key(who), day, t.calls, t.tokens, t.cost, t.unpriced) for (who, day), t in days.items()]
    transaction.change_each(_SPEND, rows)


def rename(transaction: Transaction, old: str, now: str) -> None:
    """Add the tallies of one workload to another's."""
    found = transaction.rows(f"{_SELECT} WHERE workload_id = ?", (key(old),))
    tallies: dict[Slot, Tally] = {}
    for row in found:
        tallies.setdefault(_slot(row)._replace(workload_id=now), Tally()).add(_tally(row))
    transaction.change("DELETE FROM rollups WHERE workload_id = ?", (key(old),))
    add(transaction, tallies)


def counted(transaction: Transaction, workloads: Mapping[int, str]) -> dict[Slot, Tally]:
    """What moves captured calls that were counted without a workload to theirs: a tally less here, and one more there.

    What is needed to count a call again stands in its row and in the note (`NOTE`) that was kept with it.
    """
    tallies: dict[Slot, Tally] = {}
    seqs = list(workloads)
    for place in range(0, len(seqs), _AT_ONCE):
        part = seqs[place : place + _AT_ONCE]
        sql = (
            f"{_SELECT_CALL} WHERE seq IN ({', '.join('?' * len(part))}) AND served IS NOT NULL AND workload_id IS NULL"
        )
        for row in transaction.rows(sql, part):
            slot, tally = _counted(row)
            tallies.setdefault(slot, Tally()).add(tally, times=-1)
            tallies.setdefault(slot._replace(workload_id=workloads[row[0]]), Tally()).add(tally)
    return tallies


_SELECT_CALL = (
    f"SELECT seq, started_us, model, served, metadata, latency_s, first_token_s, failure, {USAGE} FROM exchanges"
)


def _counted(row: Row) -> tuple[Slot, Tally]:
    _, started_us, model, served, metadata, latency_s, first_s, failure, *usage = row
    notes = decode(bytes(metadata))
    note = notes.get(NOTE) if isinstance(notes, dict) else None
    told: dict[str, JSON] = note if isinstance(note, dict) else {}
    closed = told.get("ended") == "client_closed"
    tally = Tally()
    tally.count(
        failed=failure is not None and not closed,
        closed=closed,
        latency_s=latency_s,
        first_s=first_s,
        usage=usage_from(tuple(usage)),
        cost=_whole(told.get("cost")),
        instead=_whole(told.get("instead")),
    )
    return Slot(started_us // HOUR_US * HOUR_US, "", shown(model), str(told.get("key") or ""), served), tally


def _whole(value: JSON) -> int | None:
    return value if isinstance(value, int) else None


class Spent(NamedTuple):
    """What a key has used since a moment."""

    calls: int
    tokens: int
    cost: int
    unpriced: int


def spent(database: Database, *, since_us: int) -> dict[str, Spent]:
    """What each key has used since the beginning of a day."""
    sums = ", ".join(f"sum({name})" for name in ("calls", "tokens", "cost", "unpriced"))
    rows = database.rows(f"SELECT key_id, {sums} FROM spend WHERE day_us >= ? GROUP BY key_id", (since_us,))
    return {shown(row[0]): Spent(*map(int, row[1:])) for row in rows}


def read(database: Database, *, since_us: int, until_us: int) -> list[tuple[Slot, Tally]]:
    """The tallies of the hours from `since_us` up to, not including, `until_us`."""
    rows = database.rows(f"{_SELECT} WHERE hour_us >= ? AND hour_us < ? ORDER BY hour_us", (since_us, until_us))
    return [(_slot(row), _tally(row)) for row in rows]


def together(tallies: Iterable[Tally]) -> Tally:
    """The sum of several tallies."""
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def _columns(slot: Slot) -> Row:
    return (slot.hour_us, key(slot.workload_id), key(slot.model), key(slot.key_id), kept(slot.served))


def _slot(row: Row) -> Slot:
    return Slot(row[0], *(shown(column) for column in row[1 : len(_KEY)]))


def _tally(row: Row) -> Tally:
    sums = dict(zip(_SUMS, row[len(_KEY) : -1], strict=True))
    spread = decode(bytes(row[-1]))
    assert isinstance(spread, dict)
    return Tally(**sums, latency=_numbers(spread["latency"]), first=_numbers(spread["first"]))


def _numbers(value: object) -> list[int]:
    assert isinstance(value, list)
    return [int(str(number)) for number in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
