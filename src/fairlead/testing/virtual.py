"""An event loop whose time jumps to the next thing that happens, so that an hour of waiting takes no time.

Work handed to a thread is done at once, in place: nothing is left to chance, and a run is the same every time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines that only wait for each other and for time."""

    def __init__(self) -> None:
        self._selector_at_hand = _Jumping(self)
        super().__init__(self._selector_at_hand)
        self.seconds = 0.0

    def time(self) -> float:
        """Seconds that have passed in the loop's own time."""
        return getattr(self, "seconds", 0.0)

    def run_in_executor(  # type: ignore[override]
        self,
        executor: Any,  # noqa: ARG002
        func: Callable[..., T],
        *args: Any,
    ) -> asyncio.Future[T]:
        """Do the work now, on no thread at all."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits for the future
            future.set_exception(error)
        return future


class _Jumping(selectors.DefaultSelector):
    """Never waits for a file: moves the loop's time on instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("Everything waits for something that will never happen.")
        if not ready and timeout:
            self._loop.seconds += timeout
        return ready


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns, with every wait skipped."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
