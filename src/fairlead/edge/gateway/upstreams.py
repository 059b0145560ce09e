"""Upstreams as the data plane sees them now: replicas, what is on the way to each, and which of them are well.

A replica that fails several times in a row is left alone for a while (its breaker is open), then asked once to see
(half open). One that answers 429 is left alone for as long as it asks. Both only matter where somebody else can answer:
the last place that is left is always asked, because its own refusal tells the caller more than ours would.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from fairlead.edge.gateway.lines import Origin
from fairlead.serve.frames import Breaker, ReplicaSeen
from fairlead.serve.keys import is_sample
from fairlead.serve.near import is_local
from fairlead.serve.snapshot import UpstreamNow

FAILURES: Final = 5
FIRST_OPEN_S: Final = 5.0
LONGEST_OPEN_S: Final = 60.0
LONGEST_LIMITED_S: Final = 60.0


class Replica:
    """One base URL of an upstream, and how it is doing."""

    def __init__(self, upstream: str, origin: Origin) -> None:
        self.upstream = upstream
        self.origin = origin
        self.in_flight = 0
        self.requests = 0
        self.failures = 0
        self.problem = ""
        self.is_healthy = True
        self._in_a_row = 0
        self._open_until = 0.0
        self._opened = 0
        self._limited_until = 0.0
        self._probing = False

    def breaker(self, now: float) -> Breaker:
        """The state of its breaker."""
        if not self._opened:
            return Breaker.CLOSED
        return Breaker.OPEN if now < self._open_until else Breaker.HALF_OPEN

    def is_available(self, now: float) -> bool:
        """Whether it may be asked as usual (or once, to see how it is)."""
        if not self.is_healthy or now < self._limited_until:
            return False
        if not self._opened:
            return True
        state = self.breaker(now)
        return state is Breaker.CLOSED or (state is Breaker.HALF_OPEN and not self._probing)

    def began(self, now: float) -> None:
        """A request is on its way."""
        self.in_flight += 1
        self.requests += 1
        if self._opened and self.breaker(now) is Breaker.HALF_OPEN:
            self._probing = True

    def ended(self) -> None:
        """A request is no longer on its way."""
        self.in_flight -= 1
        self._probing = False

    def well(self) -> None:
        """It answered."""
        self._in_a_row = 0
        self._opened = 0

    def failed(self, problem: str, now: float) -> None:
        """It did not answer, or with an error of its own."""
        self.failures += 1
        self.problem = problem
        self._in_a_row += 1
        if self._opened or self._in_a_row >= FAILURES:
            self._open_until = now + min(LONGEST_OPEN_S, FIRST_OPEN_S * 2 ** min(self._opened, 10))
            self._opened += 1

    def limited(self, wait_s: float | None, now: float) -> None:
        """It answered 429."""
        self.failures += 1
        self.problem = "429"
        self._limited_until = now + min(LONGEST_LIMITED_S, 1.0 if wait_s is None else max(0.0, wait_s))

    def seen(self, now: float) -> ReplicaSeen:
        """How it is doing, as the control process is told."""
        return ReplicaSeen(
            upstream=self.upstream,
            url=self.origin.url,
            in_flight=self.in_flight,
            breaker=self.breaker(now),
            requests=self.requests,
            failures=self.failures,
            problem=self.problem,
        )


class Upstream:
    """An upstream: what the snapshot says of it, its key, its replicas."""

    def __init__(self, now: UpstreamNow, replicas: Iterable[Replica], *, key: str | None) -> None:
        self.now = now
        self.key = key
        self.replicas = list(replicas)

    def choose(self, now: float, *, tried: AbstractSet[str], anyway: bool) -> Replica | None:
        """The replica with the least on its way among those that may be asked; with `anyway` one is asked in any case."""
        best: Replica | None = None
        most = self.now.max_in_flight
        if not most and not tried and len(self.replicas) == 1 and self.replicas[0].is_available(now):
            return self.replicas[0]
        for replica in self.replicas:
            if (
                (best is None or replica.in_flight < best.in_flight)
                and replica.origin.url not in tried
                and replica.is_available(now)
                and not (most and replica.in_flight >= most)
            ):
                best = replica
        if best is None and anyway:
            left = [
                replica
                for replica in self.replicas
                if replica.origin.url not in tried and not (most and replica.in_flight >= most)
            ]
            best = min(left, key=lambda replica: replica.in_flight, default=None)
        return best


def upstreams_of(wanted: Iterable[UpstreamNow], before: dict[str, Upstream]) -> dict[str, Upstream]:
    """The upstreams of a snapshot; a replica that was there before goes on with its lines and its breaker."""
    known = {(name, replica.origin.url): replica for name, each in before.items() for replica in each.replicas}
    made: dict[str, Upstream] = {}
    for now in wanted:
        replicas: list[Replica] = []
        for url in now.urls:
            replica = known.pop((now.name, base_url(url)), None)
            if replica is None:
                replica = Replica(now.name, Origin(base_url(url), connect_s=now.connect_s))
            replica.origin.connect_s = now.connect_s
            replicas.append(replica)
        made[now.name] = Upstream(now, replicas, key=key_of(now))
    for gone in known.values():
        gone.origin.close()
    return made


def base_url(url: str) -> str:
    """A base URL that ends where paths such as `/chat/completions` begin; `/v1` is added where no path is given."""
    url = url.rstrip("/")
    return url if "/" in url.partition("://")[2] else url + "/v1"


def key_of(upstream: UpstreamNow) -> str | None:
    """The operator's key for an upstream, from the variable or the file that is named; `None` where there is none.

    A sample key counts as none, but for an upstream of one's own, which often wants any word at all.
    """
    found = os.environ.get(upstream.key_env, "") if upstream.key_env else ""
    if not found and upstream.key_file:
        try:
            found = Path(upstream.key_file).read_text(encoding="utf-8")
        except OSError:
            return None
    found = found.strip()
    if not found.isascii() or not found.isprintable() or " " in found:
        return None
    return None if not found or (is_sample(found) and not is_local(upstream)) else found
