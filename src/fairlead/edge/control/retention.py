"""What is old goes: by age, then by size, a small batch at a time with rests between, so that keeping calls never waits long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fairlead.edge.operate_settings import CaptureSettings
from fairlead.edge.store import Ledger
from fairlead.edge.store.rollups import DAY_US

JUMP_S = 3_600.0
TRUST_S = 86_400.0
_REST_S = 0.05
_MOST_BATCHES = 20_000
_GB = 10**9


@dataclass(slots=True)
class Swept:
    """What a sweep took out; `short` is true where the size is still over its limit with nothing left to take."""

    exchanges: int = 0
    bodies: int = 0
    replies: int = 0
    claims: int = 0
    short: bool = False


class Clock:
    """Whether the clock on the wall may be believed: after a jump of more than an hour nothing is thrown away for a day by it.

    A clock that is set a year ahead by mistake makes everything look old; what a sweep has taken out does not come back.
    """

    def __init__(self, *, wall_s: float, steady_s: float) -> None:
        """`steady_s` comes from a clock that nobody can set."""
        self._ahead_s = wall_s - steady_s
        self._until_s = 0.0

    def is_believed(self, *, wall_s: float, steady_s: float) -> bool:
        """Whether it went on as time did, or has for a day."""
        ahead_s = wall_s - steady_s
        if abs(ahead_s - self._ahead_s) > JUMP_S:
            self._until_s = steady_s + TRUST_S
        self._ahead_s = ahead_s
        return steady_s >= self._until_s


async def sweep(ledger: Ledger, settings: CaptureSettings, *, now_us: int, rest_s: float = _REST_S) -> Swept:
    """Take out what the settings let go."""
    swept = Swept()
    before = None if settings.max_days is None else now_us - round(settings.max_days * DAY_US)
    swept.claims = await asyncio.to_thread(lambda: ledger.routing.expire_claims(before_us=before))
    if before is not None:
        await _take_out(ledger, settings, swept, before_us=before, rest_s=rest_s)
    if settings.max_gb is not None:
        await _shrink(ledger, settings, swept, most=round(settings.max_gb * _GB), rest_s=rest_s)
    if swept.exchanges:
        swept.replies = await asyncio.to_thread(ledger.expire_replies)
    return swept


async def _take_out(ledger: Ledger, settings: CaptureSettings, swept: Swept, *, before_us: int, rest_s: float) -> None:
    after = 0
    for _ in range(_MOST_BATCHES):
        after_now = await _batch(ledger, settings, swept, before_us=before_us, after=after)
        if after_now is None:
            return
        after = after_now
        await asyncio.sleep(rest_s)


async def _shrink(ledger: Ledger, settings: CaptureSettings, swept: Swept, *, most: int, rest_s: float) -> None:
    after = 0
    for _ in range(_MOST_BATCHES):
        if await asyncio.to_thread(ledger.bytes_held) <= most:
            return
        after_now = await _batch(ledger, settings, swept, before_us=None, after=after)
        if after_now is None:
            swept.short = True
            return
        after = after_now
        await asyncio.sleep(rest_s)


async def _batch(
    ledger: Ledger, settings: CaptureSettings, swept: Swept, *, before_us: int | None, after: int
) -> int | None:
    """Take one batch out; where the next goes on, `None` when there is nothing left."""
    evidence = settings.keep_evidence
    gone = await asyncio.to_thread(lambda: ledger.expire(before_us=before_us, after=after, evidence=evidence))
    swept.exchanges += gone.exchanges
    swept.bodies += gone.bodies
    return gone.after if gone.looked else None
