"""Health checks: replicas whose upstream names a path for it are asked now and then whether they are well.

One that does not answer with a 2xx in time is left alone until it does, unless nobody else is left. A check that is still on its
way is not sent again, so what is pending is bounded by the number of replicas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Final

from fairlead.edge.gateway.upstreams import Replica

if TYPE_CHECKING:
    from fairlead.edge.gateway.lines import Asked, Fields
    from fairlead.edge.gateway.plane import Plane

EVERY_S: Final = 5.0
PATIENCE_S: Final = 4.0


class Health:
    """Looks after all replicas of a data plane."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._timer: asyncio.TimerHandle | None = None
        self._pending: dict[str, _Check] = {}

    def look(self) -> None:
        """Ask everybody, and again later."""
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self.look)
        now = monotonic()
        for url, check in list(self._pending.items()):
            if now - check.began > PATIENCE_S:
                del self._pending[url]
                check.give_up()
        for upstream in self._plane.upstreams.values():
            path = upstream.now.health
            for replica in upstream.replicas:
                if path and replica.origin.url not in self._pending:
                    self._ask(replica, path, now)

    def _ask(self, replica: Replica, path: str, now: float) -> None:
        url = replica.origin.url
        check = _Check(replica, now, lambda: self._pending.pop(url, None))
        self._pending[url] = check
        check.ask(path)

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        for check in self._pending.values():
            check.give_up()


class _Check:
    """One question; it is the `Sink` of its answer."""

    def __init__(self, replica: Replica, now: float, on_end: Callable[[], object]) -> None:
        self._replica = replica
        self._on_end = on_end
        self._asked: Asked | None = None
        self._status = 0
        self.began = now

    def ask(self, path: str) -> None:
        """Send the question."""
        origin = self._replica.origin
        head = b"GET %b%b HTTP/1.1\r\nhost: %b\r\naccept: */*\r\n%b\r\n"
        self._asked = origin.ask(head % (origin.prefix, path.encode(), origin.netloc, origin.extra), self)

    def give_up(self) -> None:
        """No answer in time."""
        if self._asked is not None:
            self._asked.stop()
        self.broken("health", "no answer in time")

    def sent(self) -> None:
        """The question is on its way."""

    def answered(self, status: int, fields: Fields, known: Mapping[bytes, bytes]) -> None:
        """The head of the answer."""
        del fields, known
        self._status = status

    def part(self, body: bytes) -> None:
        """The body says nothing."""

    def completed(self, rest: bytes, trailers: Fields) -> None:
        """The answer is complete."""
        del rest, trailers
        self._told(is_healthy=200 <= self._status < 300, problem=f"health {self._status}")

    def broken(self, problem: str, reason: str) -> None:
        """There is no answer."""
        del problem
        self._told(is_healthy=False, problem=f"health: {reason}")

    def _told(self, *, is_healthy: bool, problem: str) -> None:
        self._on_end()
        self._replica.is_healthy = is_healthy
        if not is_healthy:
            self._replica.problem = problem
