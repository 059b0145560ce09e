"""Whether a 403 is about one request or about us.

Firewalls and moderation in front of a model answer 403 to single requests; a key that may not use the model gets it for
all. The first is a failure of that request, the second must not be scored at all. What tells them apart is whether the
endpoint answers anything else: a request that it answered before is sent once more, or, while nothing has been answered
yet, the others on their way are waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

TRUSTED_S = 60.0
"""How long one sign of being welcome is enough."""


class Welcome:
    """What one endpoint's answers say about whether it serves us at all."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answered: bytes | None = None
        self._sure_until = float("-inf")
        self._in_flight = 0
        self._in_doubt = 0
        self._news = asyncio.Event()

    @contextmanager
    def request(self) -> Generator[None]:
        """Count a request as on its way."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._tell()

    def answered(self, content: bytes) -> None:
        """The endpoint answered this body."""
        self._answered = content
        self._tell()

    async def still(self, ask: Callable[[bytes], Awaitable[bool]]) -> bool:
        """Whether the endpoint answers anything else; `ask` sends a body and tells whether it was answered."""
        self._in_doubt += 1
        self._tell()
        try:
            while self._answered is None:
                if self._in_doubt >= self._in_flight:
                    return False
                await self._news.wait()
            if self._clock() < self._sure_until:
                return True
            welcome = await ask(self._answered)
            if welcome:
                self._sure_until = self._clock() + TRUSTED_S
            return welcome
        finally:
            self._in_doubt -= 1

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
