"""Time limits for others that leave out the time in which this process did not look.

While a disk is slow or a processor is busy elsewhere, an event loop stands still; what arrived meanwhile is still unread when its
timers are due. To call that a timeout would hold our own delay against whoever answered in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

LATE_S = 0.05
"""A timer that comes no later than this after its time is on time."""


@asynccontextmanager
async def limited(seconds: float) -> AsyncGenerator[None]:
    """Raise `TimeoutError` when what is inside takes longer than `seconds` in which the event loop was running.

    A loop that comes late to the limit lets what waits to be read be read: the limit moves by as much as the loop was late.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        timer: asyncio.TimerHandle

        def look(due: float) -> None:
            nonlocal timer
            late = loop.time() - due
            if late <= LATE_S:
                limit.reschedule(due)
                return
            due += late + min(late, seconds)
            timer = loop.call_at(due, look, due)

        due = loop.time() + seconds
        timer = loop.call_at(due, look, due)
        try:
            yield
        finally:
            timer.cancel()
