"""One gate for everything that is sent to an endpoint: when it answers 429, all requests wait, not only the one told so.

A limit is waited out patiently, as long as the endpoint lets something through now and then; only when it has limited
everything for longer than `patience_s` is it given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from random import Random

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0


class Gate:
    """Open until an endpoint limits; then closed for as long as it asks, or for a growing while."""

    def __init__(self, *, patience_s: float, clock: Callable[[], float], random: Random) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._random = random
        self._open_at = float("-inf")
        self._limited_since: float | None = None
        self._streak = 0

    async def passed(self) -> None:
        """Come back when a request may be sent; those that waited come back spread out a little."""
        while (wait := self._open_at - self._clock()) > 0:  # noqa: ASYNC110
            # Not an event: the time may have moved on when it has passed, and everyone comes back at a moment of its own.
            await asyncio.sleep(wait + self._random.uniform(0, min(1.0, 0.1 + 0.25 * wait)))

    def limited(self, retry_after: float | None) -> bool:
        """An answer was 429: close, and say whether there is patience left to wait that long."""
        now = self._clock()
        if now >= self._open_at:
            self._streak += 1
        if self._limited_since is None:
            self._limited_since = now
        wait = retry_after
        if wait is None:
            longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._streak - 1, 10))
            wait = self._random.uniform(0.5, 1.0) * longest
        self._open_at = max(self._open_at, now + wait)
        return self._open_at - self._limited_since <= self._patience_s

    def answered(self) -> None:
        """An answer was not 429: the endpoint is letting requests through."""
        self._limited_since = None
        self._streak = 0


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """The seconds a response asks to wait, from its headers; `now` is the time of day in seconds since 1970.

    >>> retry_after({"retry-after": "7"}, now=0.0), retry_after({"retry-after-ms": "250"}, now=0.0)
    (7.0, 0.25)
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None:
            seconds = _seconds(value, now)
            if seconds is not None:
                return max(0.0, seconds * (scale if _is_number(value) else 1.0))
    return None


def _is_number(value: str) -> bool:
    return value.strip().replace(".", "", 1).isdecimal()


def _seconds(value: str, now: float) -> float | None:
    if _is_number(value):
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
