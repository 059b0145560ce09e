"""Time that jumps."""

import asyncio

import pytest

from fairlead.testing.virtual import run_in_virtual_time


def test_an_hour_passes_at_once_and_in_order():
    async def main():
        done = []

        async def after(seconds):
            await asyncio.sleep(seconds)
            done.append(seconds)

        await asyncio.gather(after(3600), after(1), after(60))
        return done, asyncio.get_running_loop().time()

    done, now = run_in_virtual_time(main())
    assert done == [1, 60, 3600]
    assert now == pytest.approx(3600)


def test_work_for_a_thread_is_done_in_place_and_its_error_is_raised_where_it_is_waited_for():
    async def main():
        assert await asyncio.to_thread(lambda: 6 * 7) == 42
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)

    run_in_virtual_time(main())


def test_waiting_for_what_never_happens_is_an_error_and_not_a_hang():
    async def main():
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="never happen"):
        run_in_virtual_time(main())
