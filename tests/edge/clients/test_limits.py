"""A time limit counts what others take, not what this process slept through."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.edge.clients.limits import limited
from fairlead.testing.virtual import VirtualLoop, run_in_virtual_time


def stand_still(seconds: float) -> None:
    """What a slow disk does to an event loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.seconds += seconds


async def read_after(seconds: float, turns: int = 5) -> str:
    """An answer that arrives after so long, and that takes a loop some turns to read."""
    await asyncio.sleep(seconds)
    for _ in range(turns):
        await asyncio.sleep(0)
    return "read"


def test_what_takes_too_long_is_a_timeout() -> None:
    async def main() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with limited(2.0):
                await asyncio.sleep(60)
        return asyncio.get_running_loop().time() - began

    assert run_in_virtual_time(main()) == pytest.approx(2.0)


def test_what_arrived_while_the_loop_stood_still_is_read() -> None:
    async def main() -> str:
        asyncio.get_running_loop().call_later(1.0, stand_still, 30.0)
        async with limited(2.0):
            return await read_after(1.5)

    assert run_in_virtual_time(main()) == "read"


def test_a_loop_that_stood_still_does_not_wait_for_ever() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, stand_still, 30.0)
        with pytest.raises(TimeoutError):
            async with limited(2.0):
                await asyncio.sleep(600)
        return loop.time()

    assert run_in_virtual_time(main()) == pytest.approx(31.0 + 2.0)


def test_what_ends_in_time_leaves_no_timer_behind() -> None:
    async def main() -> float:
        async with limited(2.0):
            await read_after(1.0)
        await asyncio.sleep(10)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(main()) == pytest.approx(11.0)


def test_who_is_cancelled_is_cancelled_and_not_out_of_time() -> None:
    async def main() -> None:
        async def work() -> None:
            async with limited(2.0):
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_in_virtual_time(main())
