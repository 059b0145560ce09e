"""The control process: one event loop that listens to the data planes and serves the admin page, one thread that keeps calls.

    control = ControlProcess(settings, ledger=where, base=snapshot)
    control.add(step)                      # shadows, guards: see `Step`
    await control.run(listener)            # data planes connect; until SIGTERM, or until the supervisor is gone

Rules kept: the loop never waits for the ledger (what asks it runs in a thread); a step that is slow costs itself only; what
holds now is published as a whole (`publish`), and sent to each data plane that is or comes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from time import monotonic, time
from typing import Any, Protocol

import msgspec

from fairlead.core.errors import FairleadError, LedgerError
from fairlead.edge import config as settings_file
from fairlead.edge.app.privacy import redactor_for
from fairlead.edge.catalog.prices import Prices
from fairlead.edge.config import Settings
from fairlead.edge.control import placing as workloads
from fairlead.edge.control.capture import Capture, Kept
from fairlead.edge.control.keeper import Keeper
from fairlead.edge.control.links import Link
from fairlead.edge.control.placing import Placing
from fairlead.edge.currency import rates
from fairlead.edge.store import Ledger
from fairlead.serve.frames import Call, Counters
from fairlead.serve.snapshot import Snapshot

_WAITING_FOR_A_STEP = 2_000
_REOPEN_S = 1.0
_LOOK_AROUND_S = 1.0


class Step(Protocol):
    """Something that follows the traffic: it gets each kept call it wants, after it was kept, in batches, in order."""

    @property
    def name(self) -> str:
        """A word for counters."""
        ...

    def wants(self, call: Call) -> bool:
        """Whether this call is of interest; asked in the keeper's thread, so it must be quick and touch nothing."""
        ...

    async def take(self, kept: Sequence[Kept]) -> None:
        """Look at calls; while it does, later ones wait in a bounded queue."""
        ...


@dataclass(slots=True)
class _Follower:
    step: Step
    queue: asyncio.Queue[list[Kept]]
    waiting: int = 0
    missed: int = 0
    failures: int = 0


class OpenLedger:
    """The ledger, opened when it can be; safe to ask from any thread."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._ledger: Ledger | None = None
        self._problem: LedgerError | None = None
        self._next = 0.0

    def __call__(self) -> Ledger:
        """The open ledger; raises `LedgerError` while it cannot be opened."""
        if self._ledger is None:
            if self._problem is not None and monotonic() < self._next:
                raise self._problem
            try:
                self._ledger = Ledger.open(self.where)
            except LedgerError as error:
                self._problem, self._next = error, monotonic() + _REOPEN_S
                raise
        return self._ledger

    def close(self) -> None:
        """Let go of it."""
        if self._ledger is not None:
            self._ledger.close()


@dataclass(slots=True)
class Planes:
    """The last counters of each data plane, by process."""

    counters: dict[int, Counters] = field(default_factory=dict[int, Counters])


class ControlProcess:
    """See the module. `tell` prints one line for the operator."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: str,
        base: Snapshot,
        tell: Callable[[str], None] | None = None,
        flush_s: float = 0.2,
    ) -> None:
        self.settings = settings
        self.ledger = OpenLedger(ledger)
        self.started = time()
        self.snapshot = base
        self.placing = Placing()
        self.planes = Planes()
        self.prices = Prices({model: [price] for model, price in settings.prices.items()})
        self.tell = tell or _to_stderr
        self.capture = Capture(
            redactor=redactor_for(settings.privacy, ledger=ledger),
            price=self.prices.cost_of,
            rate=_in_dollars,
            placing=self.placing,
            wanted=self._is_wanted,
        )
        self.keeper = Keeper(
            self.capture,
            opened=self.ledger,
            tell=self.tell,
            on_counters=self._count,
            on_kept=self._kept,
            flush_s=flush_s,
        )
        self._grouper: bytes | None = None
        self._followers: list[_Follower] = []
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    # What holds now

    def publish(self, **changes: Any) -> Snapshot:
        """Change fields of the snapshot and send it to every data plane; `grouper` is sent once, and to newcomers."""
        self._grouper = changes.get("grouper") or self._grouper
        changes["version"] = self.snapshot.version + 1
        self.snapshot = msgspec.structs.replace(self.snapshot, **changes)
        self._upstreams_changed()
        frame = msgspec.msgpack.encode(self.snapshot)
        for link in self._links:
            link.send(frame)
        self.snapshot = msgspec.structs.replace(self.snapshot, grouper=None)
        return self.snapshot

    def _upstreams_changed(self) -> None:
        urls = {each.name: each.urls[0] for each in self.snapshot.upstreams if each.urls}
        at = {name: self.prices.provider_at(url) for name, url in urls.items()}
        self.capture.provider = at.get

    # Data planes

    def attach(self, sock: socket.socket) -> None:
        """Listen to one more data plane, and tell it what holds."""
        link = Link(sock, on_frames=self.keeper.take, on_end=self._ended)
        self._links.add(link)
        link.send(msgspec.msgpack.encode(msgspec.structs.replace(self.snapshot, grouper=self._grouper)))

    def _ended(self, link: Link) -> None:
        self._links.discard(link)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            self.attach(listener.accept()[0])

    def _count(self, counters: Counters) -> None:
        self.planes.counters[counters.process] = counters

    # Steps

    def add(self, step: Step) -> None:
        """Have a step follow the traffic from now on."""
        self._followers.append(_Follower(step, asyncio.Queue()))

    def _is_wanted(self, call: Call) -> bool:
        return any(follower.step.wants(call) for follower in self._followers)

    def _kept(self, kept: Sequence[Kept]) -> None:
        if self.loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self._hand_on, kept)

    def _hand_on(self, kept: Sequence[Kept]) -> None:
        for follower in self._followers:
            wanted = [each for each in kept if follower.step.wants(each.call)]
            room = _WAITING_FOR_A_STEP - follower.waiting
            follower.missed += max(0, len(wanted) - room)
            if wanted := wanted[:room]:
                follower.waiting += len(wanted)
                follower.queue.put_nowait(wanted)

    async def _follow(self, follower: _Follower) -> None:
        while True:
            kept = await follower.queue.get()
            try:
                await follower.step.take(kept)
            except Exception as error:  # noqa: BLE001 - a step that fails must not end the others
                follower.failures += 1
                if follower.failures == 1:
                    self.tell(
                        f"{follower.step.name} failed ({type(error).__name__}: {error}); it goes on with the next calls."
                    )
            finally:
                follower.waiting -= len(kept)

    # Life

    async def run(self, listener: socket.socket) -> None:
        """Serve the data planes that connect until somebody asks to stop; then keep what is left."""
        self.loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self.keeper.start()
        self._upstreams_changed()
        listener.setblocking(False)
        self.loop.add_reader(listener, self._accept, listener)
        for follower in self._followers:
            self._start(self._follow(follower))
        self._start(self._learn())
        self._start(self._watch_parent())
        await self._stopping.wait()
        self.loop.remove_reader(listener)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in [*self._links]:
            link.close()
        await asyncio.to_thread(self.keeper.stop)
        self.ledger.close()

    def stop(self) -> None:
        """End `run`, once what has arrived is kept."""
        if self._stopping is not None:
            self._stopping.set()

    async def _watch_parent(self) -> None:
        """End when the supervisor was killed: nobody else would tell."""
        parent = os.getppid()
        while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(_LOOK_AROUND_S)
        self.stop()

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)

    async def _learn(self) -> None:
        """Load what is known of workloads, then link now and then: soon while much is new, rarely when nothing is."""
        await self._patiently(self._load)
        wait = _FIRST_LINK_S
        while True:
            await asyncio.sleep(wait)
            if not self.placing.learned:
                continue
            linked = await self._patiently(self._link)
            if linked is not None:
                self.publish(grouper=linked.state)
                is_news = linked.placed or linked.workloads
                wait = _LINK_S if is_news else min(2 * wait, _LONGEST_LINK_S)

    def _load(self) -> None:
        grouper, state = workloads.load(self.ledger())
        self.placing.use(grouper)
        if state is not None and self.loop is not None:
            self.loop.call_soon_threadsafe(lambda: self.publish(grouper=state))

    def _link(self) -> workloads.Linked:
        from fairlead.edge.language import Languages  # noqa: PLC0415 - loads slowly, and only here

        return workloads.link(self.ledger(), self.placing, language_of=Languages())

    async def _patiently(self, work: Callable[[], Any]) -> Any:
        """Do something with the ledger in a thread; `None` where the ledger would not."""
        try:
            return await asyncio.to_thread(work)
        except LedgerError:
            return None


_FIRST_LINK_S, _LINK_S, _LONGEST_LINK_S = 5.0, 60.0, 600.0


@cache
def _in_dollars(currency: str) -> Decimal | None:
    return rates("USD", {currency}, today=datetime.now(UTC).date()).rate(currency)


def _to_stderr(line: str) -> None:
    print(f"fairlead: {line}", file=sys.stderr, flush=True)  # noqa: T201 - this process has no other voice


async def _until_told(control: ControlProcess, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, control.stop)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # a Ctrl-C reaches every process; the data planes end first
    gc.collect()
    gc.freeze()  # what is loaded by now stays: looking through it again and again would cost more than keeping calls
    gc.set_threshold(20_000, 20, 50)
    await control.run(listener)


def main(
    listener: socket.socket, *, ledger: str | None = None, config: Path | None = None, base: Snapshot | None = None
) -> int:
    """Run the control process; data planes connect to `listener`. The exit code."""
    try:
        settings = settings_file.load(config)
        control = ControlProcess(settings, ledger=ledger or settings.ledger, base=base or Snapshot(version=0))
        asyncio.run(_until_told(control, listener))
    except FairleadError as error:
        _to_stderr(str(error))
        return 2
    return 0
