"""One data plane process: a loop, a listening socket, a `Plane`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from fairlead.core.errors import FairleadError
from fairlead.edge.gateway.front import Front
from fairlead.edge.gateway.link import Link
from fairlead.edge.gateway.plane import Plane
from fairlead.edge.serve_settings import ServeSettings
from fairlead.serve.counts import Counts

HAND_OVER_S = 5.0


def run(
    *,
    listener: socket.socket,
    load: Callable[[], ServeSettings],
    settings: ServeSettings,
    number: int,
    link_path: str,
    counts: Counts,
    alive: int,
    ready: int,
) -> None:
    """Serve until told to stop. `alive` can be read when the supervisor is gone; `ready` is written to once."""
    _run(_serve(listener, load, settings, number=number, link_path=link_path, counts=counts, alive=alive, ready=ready))


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415  # where it is not there, asyncio's own loop does
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _serve(
    listener: socket.socket,
    load: Callable[[], ServeSettings],
    settings: ServeSettings,
    *,
    number: int,
    link_path: str,
    counts: Counts,
    alive: int,
    ready: int,
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    link = Link(link_path)
    plane = Plane(settings, number=number, link=link, counts=counts)
    link.on_snapshot = plane.take

    def reload() -> None:
        with contextlib.suppress(FairleadError):  # the supervisor says what is wrong with the file
            plane.reload(load())

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_reader(alive, stop.set)
    link.start()
    plane.start()
    server = await loop.create_server(lambda: Front(plane), sock=listener, backlog=4096)
    gc.collect()
    gc.freeze()  # what is there now stays: the collector need not look at it again
    gc.set_threshold(
        20_000, 20, 50
    )  # calls leave no cycles behind; looking for some after every few costs more than it frees
    os.write(ready, b"1")
    await stop.wait()
    loop.remove_reader(alive)
    server.close()
    await plane.drain(within_s=plane.settings.grace_s)
    await link.close(within_s=HAND_OVER_S)
