"""How the gateway is doing, as one record: what `fairlead top` draws, the admin page answers, and metrics are written from.

Rates come from the last minute of traffic as it passes, sums from the roll-ups, the rest from the counters that data planes
send. Rules kept: what is not known is `None`; nothing here reads an exchange.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from time import monotonic

from fairlead.core.nouns import Workload
from fairlead.edge.control.capture import Lot
from fairlead.edge.control.keeper import State
from fairlead.edge.store.rollups import Slot, Tally, quantile, together
from fairlead.serve.frames import LATENCY_BOUNDS_S, Breaker, Counters
from fairlead.serve.snapshot import RouteNow, Snapshot

_WINDOW_S = 60.0
_GONE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRow:
    """One workload today (UTC). Money in dollars; `unpriced` calls are not in it. `coverage` is that of the shadow.

    `per_second` and `errors_per_second` are over the last minute. The row without an id holds calls that belong nowhere yet.
    """

    id: str
    name: str
    stage: str
    share: float | None
    per_second: float
    errors_per_second: float
    calls: int
    errors: int
    closed: int
    tokens: int
    unmetered: int
    unpriced: int
    cost: Decimal
    saved: Decimal
    latency_p50_s: float | None
    latency_p99_s: float | None
    first_p50_s: float | None
    coverage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRow:
    """One replica of an upstream, as all data planes together see it; `breaker` is the worst that one of them sees."""

    name: str
    url: str
    breaker: str
    in_flight: int
    requests: int
    failures: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Calls that were answered and are missing from the record, and where they were lost."""

    by_planes: int
    by_control: int
    damaged: int
    unreadable: int
    missed_by_steps: int

    @property
    def total(self) -> int:
        """All of them that are lost to the record; what a step missed is in the record."""
        return self.by_planes + self.by_control + self.damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The whole of it. `added_p50_s` and `added_p99_s` are over the last minute; `problem` is the ledger's, if any."""

    at: datetime
    since: datetime
    ready: bool
    problem: str
    planes: int
    in_flight: int
    streams: int
    connections: int
    per_second: float
    added_p50_s: float | None
    added_p99_s: float | None
    held: int
    dropped: Dropped
    refused: Mapping[str, int]
    workloads: tuple[WorkloadRow, ...]
    upstreams: tuple[UpstreamRow, ...]

    @property
    def cost(self) -> Decimal:
        """What everything cost today."""
        return sum((row.cost for row in self.workloads), Decimal(0))

    @property
    def saved(self) -> Decimal:
        """What everything saved today."""
        return sum((row.saved for row in self.workloads), Decimal(0))


class Live:
    """The last minute of traffic by workload; written by the keeper's thread, read from any."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lots: deque[tuple[float, Counter[str], Counter[str]]] = deque()
        self._sums: dict[Slot, Tally] = {}
        self._begun = clock()

    def add(self, lot: Lot) -> None:
        """Count a lot."""
        calls: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for slot, tally in lot.tallies.items():
            calls[slot.workload_id] += tally.calls
            errors[slot.workload_id] += tally.errors
        with self._lock:
            for slot, tally in lot.tallies.items():
                self._sums.setdefault(slot._replace(hour_us=0, key_id=""), Tally()).add(tally)
            self._lots.append((self._clock(), calls, errors))
            self._forget()

    def sums(self) -> list[tuple[Slot, Tally]]:
        """Everything since the start, by workload, model and side."""
        with self._lock:
            return [(slot, together([tally])) for slot, tally in self._sums.items()]

    def rates(self) -> tuple[dict[str, float], dict[str, float]]:
        """Calls and errors per second, by workload."""
        with self._lock:
            self._forget()
            lots = list(self._lots)
        over = max(1.0, min(_WINDOW_S, self._clock() - self._begun))
        calls: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for _, some, wrong in lots:
            calls.update(some)
            errors.update(wrong)
        return {k: n / over for k, n in calls.items()}, {k: n / over for k, n in errors.items()}

    def _forget(self) -> None:
        oldest = self._clock() - _WINDOW_S
        while self._lots and self._lots[0][0] < oldest:
            self._lots.popleft()


@dataclass(slots=True)
class _Seen:
    newest: Counters
    older: deque[tuple[float, tuple[int, ...]]] = field(default_factory=deque[tuple[float, tuple[int, ...]]])
    at: float = 0.0


class Planes:
    """The counters of each data plane that lives; a data plane that was not heard of for ten seconds is gone."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[tuple[int, int], _Seen] = {}
        self._gone_dropped = 0
        self._gone_refused: Counter[str] = Counter()

    def add(self, counters: Counters) -> None:
        """Take what a data plane has counted."""
        now = self._clock()
        with self._lock:
            seen = self._seen.setdefault((counters.process, counters.started_us), _Seen(counters))
            seen.newest, seen.at = counters, now
            seen.older.append((now, counters.added))
            while len(seen.older) > 1 and seen.older[0][0] < now - _WINDOW_S:
                seen.older.popleft()
            for name in [name for name, each in self._seen.items() if each.at < now - _GONE_S]:
                gone = self._seen.pop(name)
                self._gone_dropped += gone.newest.dropped
                self._gone_refused.update(gone.newest.refused)

    def all(self) -> list[Counters]:
        """The newest counters of each."""
        oldest = self._clock() - _GONE_S
        with self._lock:
            return [seen.newest for seen in self._seen.values() if seen.at >= oldest]

    @property
    def dropped(self) -> int:
        """Frames that data planes could not hand over, those that are gone included."""
        with self._lock:
            return self._gone_dropped + sum(seen.newest.dropped for seen in self._seen.values())

    @property
    def refused(self) -> dict[str, int]:
        """Refused requests by reason."""
        with self._lock:
            whole = Counter(self._gone_refused)
            for seen in self._seen.values():
                whole.update(seen.newest.refused)
            return dict(whole)

    def added_of_late(self) -> list[int]:
        """Calls of the last minute by added latency, in the buckets of `LATENCY_BOUNDS_S`."""
        with self._lock:
            pairs = [
                (seen.older[0][1] if len(seen.older) > 1 else (), seen.older[-1][1]) for seen in self._seen.values()
            ]
        whole: list[int] = []
        for before, now in pairs:
            late = [a - b for a, b in zip_longest(now, before, fillvalue=0)]
            whole = [a + b for a, b in zip_longest(whole, late, fillvalue=0)]
        return whole


def overview(
    *,
    now: datetime,
    since: float,
    state: State,
    unreadable: int,
    missed: int,
    planes: Planes,
    live: Live,
    snapshot: Snapshot,
    workloads: Sequence[Workload],
    today: Iterable[tuple[Slot, Tally]],
    coverage: Mapping[str, float],
    is_ready: bool,
) -> Overview:
    """Put the record together."""
    counters = planes.all()
    calls, errors = live.rates()
    added = planes.added_of_late()
    return Overview(
        at=now,
        since=datetime.fromtimestamp(since, UTC),
        ready=is_ready and not state.problem,
        problem=state.problem,
        planes=len(counters),
        in_flight=sum(each.in_flight for each in counters),
        streams=sum(each.streams for each in counters),
        connections=sum(each.connections for each in counters),
        per_second=sum(calls.values()),
        added_p50_s=quantile(added, 0.5, LATENCY_BOUNDS_S),
        added_p99_s=quantile(added, 0.99, LATENCY_BOUNDS_S),
        held=state.held_calls,
        dropped=Dropped(
            by_planes=planes.dropped,
            by_control=state.dropped,
            damaged=state.damaged,
            unreadable=unreadable,
            missed_by_steps=missed,
        ),
        refused=planes.refused,
        workloads=_workloads(
            workloads, today=today, routes=snapshot.routes, calls=calls, errors=errors, coverage=coverage
        ),
        upstreams=_upstreams(snapshot, counters),
    )


def _workloads(
    workloads: Sequence[Workload],
    *,
    today: Iterable[tuple[Slot, Tally]],
    routes: Iterable[RouteNow],
    calls: Mapping[str, float],
    errors: Mapping[str, float],
    coverage: Mapping[str, float],
) -> tuple[WorkloadRow, ...]:
    sums: dict[str, list[Tally]] = {}
    for slot, tally in today:
        sums.setdefault(slot.workload_id, []).append(tally)
    names = {each.id: each.name for each in workloads}
    stages = {route.workload_id: route for route in routes}
    rows: list[WorkloadRow] = []
    for id_ in dict.fromkeys([*sums, *calls, *(route for route in stages if route)]):
        tally, route = together(sums.get(id_, [])), stages.get(id_)
        if not id_ and not tally.calls:
            continue  # calls of the last minute that have found their workload since
        rows.append(
            WorkloadRow(
                id=id_,
                name=names.get(id_, f"Workload {id_}" if id_ else "not placed yet"),
                stage=_stage(route),
                share=None if route is None or route.stage.value != "canary" else route.share,
                per_second=calls.get(id_, 0.0),
                errors_per_second=errors.get(id_, 0.0),
                calls=tally.calls,
                errors=tally.errors,
                closed=tally.closed,
                tokens=tally.tokens,
                unmetered=tally.unmetered,
                unpriced=tally.unpriced,
                cost=tally.usd,
                saved=tally.saved_usd,
                latency_p50_s=quantile(tally.latency, 0.5),
                latency_p99_s=quantile(tally.latency, 0.99),
                first_p50_s=quantile(tally.first, 0.5),
                coverage=coverage.get(id_),
            )
        )
    rows.sort(key=lambda row: (-row.cost, -row.calls, row.name))
    return tuple(rows)


def _stage(route: RouteNow | None) -> str:
    if route is None:
        return "stay"
    marks = [*(["hold"] if getattr(route, "hold", False) else []), *(["local only"] if route.only else [])]
    return ", ".join([route.stage.value, *marks])


_WORSE = (Breaker.CLOSED, Breaker.HALF_OPEN, Breaker.OPEN)


def _upstreams(snapshot: Snapshot, counters: Iterable[Counters]) -> tuple[UpstreamRow, ...]:
    rows = {(each.name, url): UpstreamRow(name=each.name, url=url, breaker="closed", in_flight=0, requests=0, failures=0, problem="") for each in snapshot.upstreams for url in each.urls}  # fmt: skip
    for each in counters:
        for seen in each.replicas:
            before = rows.get((seen.upstream, seen.url))
            worst = max((Breaker(before.breaker) if before else Breaker.CLOSED, seen.breaker), key=_WORSE.index)
            rows[seen.upstream, seen.url] = UpstreamRow(
                name=seen.upstream,
                url=seen.url,
                breaker=worst.value,
                in_flight=seen.in_flight + (before.in_flight if before else 0),
                requests=seen.requests + (before.requests if before else 0),
                failures=seen.failures + (before.failures if before else 0),
                problem=seen.problem or (before.problem if before else ""),
            )
    return tuple(sorted(rows.values(), key=lambda row: (row.name, row.url)))
