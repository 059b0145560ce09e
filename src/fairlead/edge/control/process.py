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
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from fairlead.core.errors import FairleadError, LedgerError, PriceListError
from fairlead.core.nouns import TokenPrice
from fairlead.core.redact import DataClass
from fairlead.edge import config as settings_file
from fairlead.edge import operate_settings, route_settings, serve_settings
from fairlead.edge.admin_token import token_of
from fairlead.edge.app.classes import said_local
from fairlead.edge.app.keys import Key, KeyBook, keys_now
from fairlead.edge.app.privacy import redactor_for
from fairlead.edge.catalog.prices import Prices
from fairlead.edge.config import Settings
from fairlead.edge.control import metrics
from fairlead.edge.control import placing as workloads
from fairlead.edge.control.call_log import CallLog
from fairlead.edge.control.capture import Capture, Kept
from fairlead.edge.control.keeper import Keeper
from fairlead.edge.control.links import Link
from fairlead.edge.control.overview import Live, Overview, Planes, overview
from fairlead.edge.control.placing import Placing
from fairlead.edge.control.price_list import ListApart
from fairlead.edge.control.retention import Clock, sweep
from fairlead.edge.control.traces import Traces
from fairlead.edge.language import LanguagesApart
from fairlead.edge.operate_settings import OperateSettings
from fairlead.edge.route_settings import RoutesSettings, Webhook
from fairlead.edge.serve_settings import ServeSettings
from fairlead.edge.store import Ledger
from fairlead.edge.store.codec import microseconds
from fairlead.edge.store.rollups import DAY_US
from fairlead.serve.ebb import Ebb
from fairlead.serve.frames import Call
from fairlead.serve.snapshot import KeyNow, Snapshot

if TYPE_CHECKING:
    from fairlead.core.redact import Redactor
    from fairlead.edge.app.routes import RouteBook

_WAITING_FOR_A_STEP = 2_000
_BYTES_FOR_A_STEP = 8_000_000
_REOPEN_S = 1.0
_LEDGER_MB = 8
_LOOK_AROUND_S = 1.0
_LOOKS_A_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What reading the settings again came to: the problem that kept it from that, or what holds from the next start only."""

    problem: str = ""
    from_next_start: tuple[str, ...] = ()


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
    bytes: int = 0
    missed: int = 0
    failures: int = 0

    def take(self, kept: Sequence[Kept]) -> None:
        """Have calls wait for the step, as many as there is room for; one always, however long it is."""
        taken: list[Kept] = []
        for each in kept:
            size = _size(each)
            is_first = not self.waiting and not taken
            if not is_first and (
                self.waiting + len(taken) >= _WAITING_FOR_A_STEP or self.bytes + size > _BYTES_FOR_A_STEP
            ):
                break
            taken.append(each)
            self.bytes += size
        self.missed += len(kept) - len(taken)
        if taken:
            self.waiting += len(taken)
            self.queue.put_nowait(taken)

    def taken(self, kept: Sequence[Kept]) -> None:
        """The step has looked at calls."""
        self.waiting -= len(kept)
        self.bytes -= sum(map(_size, kept))


def _size(kept: Kept) -> int:
    return len(kept.call.request) + len(kept.call.response)


def is_on_this_machine(ledger: str) -> bool:
    """Whether a ledger is a file or a database on this machine, as far as its address tells."""
    scheme, separator, _ = ledger.partition("://")
    if not separator or scheme == "sqlite":
        return True
    parts = urlsplit(ledger)
    host = parts.hostname or dict(parse_qsl(parts.query)).get("host", "")
    return not host or host.startswith(("/", "127.")) or host in {"localhost", "::1"}


class OpenLedger:
    """The ledger, opened when it can be; safe to ask from any thread."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._ledger: Ledger | None = None
        self._problem: LedgerError | None = None
        self._next = 0.0
        self._opening = threading.Lock()

    def __call__(self) -> Ledger:
        """The open ledger; raises `LedgerError` while it cannot be opened."""
        return self._opened() if self._ledger is None else self._ledger

    def _opened(self) -> Ledger:
        with self._opening:
            if self._ledger is not None:
                return self._ledger
            if self._problem is not None and monotonic() < self._next:
                raise self._problem
            try:
                _make_apart(self.where)
                self._ledger = Ledger.open(self.where)
                self._ledger.spare_memory(most_mb=_LEDGER_MB)
            except LedgerError as error:
                self._problem, self._next = error, monotonic() + _REOPEN_S
                raise
        return self._ledger

    def close(self) -> None:
        """Let go of it."""
        if self._ledger is not None:
            self._ledger.close()


def _make_apart(where: str) -> None:
    """Make a ledger that is not there yet in a process of its own: what that takes would stay in this one all day.

    Whatever goes wrong there goes wrong here again, and is told.
    """
    if "://" not in where and not Path(where).exists():
        code = "import sys; from fairlead.edge.store import Ledger; Ledger.open(sys.argv[1]).close()"
        with suppress(OSError):
            subprocess.run([sys.executable, "-P", "-c", code, where], check=False, stderr=subprocess.DEVNULL)  # noqa: S603


class ControlProcess:
    """See the module. `tell` prints one line for the operator."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: str,
        base: Snapshot,
        operate: OperateSettings | None = None,
        listed: ListApart | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        self.operate = operate or OperateSettings()
        self.ledger = OpenLedger(ledger)
        self.started = time()
        self.snapshot = base
        self._configured = {each.name for each in base.upstreams}
        self.placing = Placing()
        self.planes = Planes()
        self.live = Live()
        self.coverage: Callable[[], Mapping[str, float]] = dict
        self.listed = listed or ListApart()
        self.prices = self._prices_of(settings)
        self._urls: Mapping[str, str] = {}
        self._providers: dict[str, str | None] = {}
        self.tell = tell or _to_stderr
        self.capture = Capture(
            redactor=redactor_for(settings.privacy, ledger=ledger),
            price=self.prices.cost_of,
            rate=self.listed.in_dollars,
            placing=self.placing,
            provider=self._provider,
            wanted=self._is_wanted,
        )
        self._is_elsewhere = self._may_not_be_written(settings)
        self._stays: frozenset[str] | None = None
        self.capture.may_leave = self._texts_may_leave
        self.keeper = Keeper(
            self.capture,
            opened=self.ledger,
            tell=self.tell,
            on_counters=self.planes.add,
            on_lot=self.live.add,
            on_kept=self._kept,
            flush_s=self.operate.capture.flush_s,
            most_bytes=round(self.operate.capture.memory_mb * 1e6),
        )
        self._grouper: bytes | None = None
        self._followers: list[_Follower] = []
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._look_at_keys = asyncio.Event()

    # What holds now

    def publish(self, **changes: Any) -> Snapshot:
        """Change fields of the snapshot and send it to every data plane; `grouper` is sent once, and to newcomers."""
        self._grouper = changes.get("grouper") or self._grouper
        if "routes" in changes:
            # A snapshot that was not sent yet is replaced by the next, and routes are of no use without the workloads.
            changes["grouper"] = self._grouper
        changes["version"] = self.snapshot.version + 1
        self.snapshot = msgspec.structs.replace(self.snapshot, **changes)
        self._upstreams_changed()
        frame = msgspec.msgpack.encode(self.snapshot)
        for link in self._links:
            link.send(frame)
        self.snapshot = msgspec.structs.replace(self.snapshot, grouper=None)
        return self.snapshot

    def use(self, settings: Settings) -> None:
        """Take over what settings say of privacy, prices and judges; the ledger stays where it is."""
        self.settings = settings
        self._stays, self._is_elsewhere = None, self._may_not_be_written(settings)
        self.prices = self._prices_of(settings)
        self.capture.use(self.redactor(), self.prices.cost_of)
        self._upstreams_changed()
        self.look_at_keys()

    def _prices_of(self, settings: Settings) -> Prices:
        return Prices({model: [price] for model, price in settings.prices.items()}, listed=self.listed)

    def _may_not_be_written(self, settings: Settings) -> bool:
        """Whether there may be texts that the ledger's machine must not get."""
        classes = settings.privacy.data_classes.values()
        return DataClass.LOCAL_ONLY in classes and not is_on_this_machine(self.ledger.where)

    def rebase(self, base: Snapshot) -> None:
        """Take over what settings say; routes and keys, which they do not say, stay."""
        said = ("default_openai", "default_anthropic", "default_route", "require_key", "response_headers", "aliases")
        brought = [each for each in self.snapshot.upstreams if each.name not in self._configured]
        self._configured = {each.name for each in base.upstreams}
        upstreams = (*base.upstreams, *(each for each in brought if each.name not in self._configured))
        self.publish(upstreams=upstreams, **{name: getattr(base, name) for name in said})

    def _upstreams_changed(self) -> None:
        self._urls = {each.name: each.urls[0] for each in self.snapshot.upstreams if each.urls}

    def _provider(self, upstream: str) -> str | None:
        """Who is paid at an upstream; asked in the keeper's thread."""
        url = self._urls.get(upstream)
        if url is None:
            return None
        if url not in self._providers:
            try:
                self._providers[url] = self.prices.provider_at(url)
            except PriceListError:
                return None
        return self._providers[url]

    def price_at(self, url: str, model: str) -> TokenPrice | None:
        """What a model costs at an address now; `None` where that is not known."""
        try:
            return self.prices.price_at(url, model, datetime.now(UTC))
        except PriceListError:
            return None

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

    # Steps

    def add(self, step: Step) -> None:
        """Have a step follow the traffic from now on."""
        follower = _Follower(step, asyncio.Queue())
        self._followers.append(follower)
        if self.loop is not None:
            self.start(self._follow(follower))

    def redactor(self) -> Redactor:
        """A redactor as the settings ask for it, for whoever shows texts to somebody."""
        return redactor_for(self.settings.privacy, ledger=self.ledger.where)

    def _is_wanted(self, call: Call) -> bool:
        return any(follower.step.wants(call) for follower in self._followers)

    def _kept(self, kept: Sequence[Kept]) -> None:
        if self.loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self._hand_on, kept)

    def _hand_on(self, kept: Sequence[Kept]) -> None:
        for follower in self._followers:
            follower.take([each for each in kept if follower.step.wants(each.call)])

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
                follower.taken(kept)

    # Life

    async def run(self, listener: socket.socket) -> None:
        """Serve the data planes that connect until somebody asks to stop; then keep what is left."""
        self.loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self.keeper.start()
        self._upstreams_changed()
        listener.setblocking(False)
        self.loop.add_reader(listener, self._accept, listener)
        for follower in self._followers:
            self.start(self._follow(follower))
        for work in (
            self._learn(),
            self._watch_keys(),
            self._forget_what_is_old(),
            self._watch_parent(),
            self._watch_floods(),
        ):
            self.start(work)
        await self._stopping.wait()
        self.loop.remove_reader(listener)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in [*self._links]:
            link.close()
        await asyncio.to_thread(self.keeper.stop)
        for follower in self._followers:
            close = getattr(follower.step, "close", None)
            if close is not None:
                await asyncio.to_thread(close)
        self.ledger.close()

    def stop(self) -> None:
        """End `run`, once what has arrived is kept."""
        if self._stopping is not None:
            self._stopping.set()

    async def _watch_parent(self) -> None:
        """End when the supervisor was killed: nobody else would tell. Children that ended by themselves are noticed here too."""
        parent = os.getppid()
        while os.getppid() == parent:
            await asyncio.sleep(_LOOK_AROUND_S)
            self.listed.bury()
        self.stop()

    async def _watch_floods(self) -> None:
        """Give the memory back that a flood of calls took, when it is over; in steady traffic once a minute, what fell free."""
        ebb, before = Ebb(every=_LOOKS_A_MINUTE), self.keeper.state.received
        while True:
            await asyncio.sleep(_LOOK_AROUND_S)
            taken = self.keeper.state.received
            ebb.see(taken - before)
            before = taken

    def start(self, work: Awaitable[None]) -> None:
        """Have something run beside everything else, until the end; what it raises is told."""
        task = asyncio.ensure_future(self._told(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, work: Awaitable[None]) -> None:
        try:
            await work
        except FairleadError as error:
            self.tell(str(error))
        except Exception as error:  # noqa: BLE001 - one thing that breaks must not end the others in silence
            self.tell(f"Part of the control process ended: {type(error).__name__}: {error}")

    async def _learn(self) -> None:
        """Load what is known of workloads, then link now and then: soon while much is new, rarely when nothing is."""
        await self._patiently(self._load)
        wait = _FIRST_LINK_S
        while True:
            await asyncio.sleep(wait)
            if not self.placing.is_ripe:
                continue
            linked = await self._patiently(self._link)
            if linked is not None:
                self.publish(grouper=linked.state)
                await asyncio.sleep(_CATCH_UP_S)
                await self._patiently(lambda: self.placing.catch_up(self.ledger()))
                is_news = linked.placed or linked.workloads
                wait = _LINK_S if is_news else min(2 * wait, _LONGEST_LINK_S)

    def _load(self) -> None:
        grouper, state = workloads.load(self.ledger())
        self.placing.use(grouper)
        if state is not None and self.loop is not None:
            self.loop.call_soon_threadsafe(lambda: self.publish(grouper=state))

    def _link(self) -> workloads.Linked:
        with LanguagesApart() as languages:
            return workloads.link(self.ledger(), self.placing, language_of=languages)

    async def may_have_routes(self, settings: RoutesSettings) -> bool:
        """Whether any workload has a route, or may be bound to some upstreams."""
        named = (settings.general, *settings.named.values())
        if self.settings.privacy.data_classes or any(each.only for each in named):
            return True

        def kept() -> bool:
            ledger = self.ledger()
            return ledger.routing.mark() > 0 or bool(said_local(ledger))

        return bool(await self._patiently(kept))

    # Keys

    async def _watch_keys(self) -> None:
        """Tell data planes of keys as they are made and spend; anybody may make them, also by command."""
        before: object = None
        while True:
            keys = await self._patiently(self._keys_now)
            if keys is not None and keys != before:
                before = keys
                self.publish(keys=keys)
            self._look_at_keys.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look_at_keys.wait(), _LOOK_AROUND_S)

    def _keys_now(self) -> tuple[KeyNow, ...]:
        if self._is_elsewhere:
            self._look_at_classes()
        ledger, now = self.ledger(), datetime.now(UTC)
        keys: list[Key] = KeyBook(ledger).all()
        if not keys:
            return ()
        now_us = round(now.timestamp() * 1e6)
        first = microseconds(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)) or 0
        day, month = ledger.spent(since_us=now_us // DAY_US * DAY_US), ledger.spent(since_us=first)
        return tuple(keys_now(keys, day=day, month=month, now_us=now_us))

    def look_at_keys(self) -> None:
        """Look now, not in a second: a key was made or closed."""
        self._look_at_keys.set()

    # What may not leave this machine

    def _texts_may_leave(self, workload_id: str | None) -> bool:
        """Whether the texts of a workload may be written to a ledger on another machine; not while it is not known which it is."""
        if not self._is_elsewhere:
            return True
        stays = self._stays
        return stays is not None and workload_id is not None and workload_id not in stays

    def _look_at_classes(self) -> None:
        privacy = self.settings.privacy
        known = self.ledger().workloads()
        said = said_local(self.ledger())
        bound = (each.id for each in known if privacy.data_class(each) is DataClass.LOCAL_ONLY)
        self._stays = said.union(bound)

    # What is old

    async def _forget_what_is_old(self) -> None:
        clock, was_believed = Clock(wall_s=time(), steady_s=monotonic()), True
        await asyncio.sleep(_FIRST_SWEEP_S)
        while True:
            is_believed = clock.is_believed(wall_s=time(), steady_s=monotonic())
            if was_believed and not is_believed:
                self.tell(
                    "The clock jumped by more than an hour; nothing is taken out for its age until it has been steady for a day."
                )
            was_believed = is_believed
            capture = self.operate.capture if is_believed else replace(self.operate.capture, max_days=None)
            with suppress(LedgerError):
                swept = await sweep(self.ledger(), capture, now_us=round(time() * 1e6))
                if swept.short:
                    self.tell(
                        "The ledger is over max_gb with nothing left to take out: what remains is scanned, or evidence."
                    )
            await asyncio.sleep(_SWEEP_S)

    # What is shown

    def overview(self) -> Overview:
        """How everything is doing; asks the ledger."""
        now = datetime.now(UTC)
        today_us = round(now.timestamp() * 1e6) // DAY_US * DAY_US
        problem = ""
        try:
            ledger = self.ledger()
            known, today = ledger.workloads(), ledger.rollups(since_us=today_us, until_us=today_us + DAY_US)
        except LedgerError as error:
            known, today, problem = [], [], str(error)
        shown = overview(
            now=now,
            since=self.started,
            state=self.keeper.state,
            unreadable=self.capture.unreadable,
            missed=sum(follower.missed for follower in self._followers),
            planes=self.planes,
            live=self.live,
            snapshot=self.snapshot,
            workloads=known,
            today=today,
            coverage=self.coverage(),
            is_ready=not problem,
        )
        return shown if not problem or shown.problem else replace(shown, problem=problem)

    def metrics(self) -> str:
        """The page of metrics."""
        state = self.keeper.state
        return metrics.page(
            self.overview(), planes=self.planes, sums=self.live.sums(), kept=state.kept, writes=state.writes
        )

    async def _patiently(self, work: Callable[[], Any]) -> Any:
        """Do something with the ledger in a thread; `None` where the ledger would not."""
        try:
            return await asyncio.to_thread(work)
        except LedgerError:
            return None


_FIRST_LINK_S, _LINK_S, _LONGEST_LINK_S = 5.0, 60.0, 600.0
_CATCH_UP_S = 2.0
_FIRST_SWEEP_S, _SWEEP_S = 30.0, 600.0


def _to_stderr(line: str) -> None:
    print(f"fairlead: {line}", file=sys.stderr, flush=True)  # noqa: T201 - this process has no other voice


@dataclass(slots=True, kw_only=True)
class _Wiring:
    """What `main` was told, to be read again at a reload; `routes` is what was read last."""

    control: ControlProcess
    config: Path | None
    admin_port: int
    token: str
    routes: RoutesSettings
    began: Settings
    served: ServeSettings
    webhook: Webhook | None


async def _until_told(wiring: _Wiring, listener: socket.socket) -> None:
    loop, control = asyncio.get_running_loop(), wiring.control
    loop.add_signal_handler(signal.SIGTERM, control.stop)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # a Ctrl-C reaches every process; the data planes end first
    loop.add_signal_handler(signal.SIGHUP, lambda: _reload(wiring))
    gc.collect()
    gc.freeze()  # what is loaded by now stays: looking through it again and again would cost more than keeping calls
    gc.set_threshold(20_000, 20, 50)
    control.start(_serve_admin(wiring))
    control.start(_follow_routes(wiring))
    await control.run(listener)


async def _follow_routes(wiring: _Wiring) -> None:
    """Follow routes, once there are any or could be: what that needs takes as much memory as all the rest."""
    control = wiring.control
    while not await control.may_have_routes(route_settings.load(wiring.config)):  # noqa: ASYNC110 - a ledger tells nothing
        await asyncio.sleep(_LOOK_AROUND_S)
    await asyncio.to_thread(import_module, "fairlead.edge.control.routes")  # takes a moment, and the loop goes on
    from fairlead.edge.control.routes import RouteStep, World  # noqa: PLC0415

    step = RouteStep(
        World(
            ledger=control.ledger,
            settings=lambda: control.settings,
            redactor=control.redactor,
            routes=lambda: wiring.routes,
            snapshot=lambda: control.snapshot,
            publish=lambda routes, upstreams: control.publish(routes=routes, upstreams=upstreams),
            price_of=control.price_at,
            tell=control.tell,
        )
    )
    control.add(step)
    control.coverage = step.coverage
    await step.run()


def _book(wiring: _Wiring) -> RouteBook:
    from fairlead.edge.app.routes import RouteBook  # noqa: PLC0415 - heavy, and few ask

    control = wiring.control
    return RouteBook(control.ledger(), settings=wiring.routes, general=control.settings)


async def _serve_admin(wiring: _Wiring) -> None:
    from fairlead.edge.control import admin  # noqa: PLC0415 - nobody waits for it, so the data planes go first

    control = wiring.control
    sources = admin.Sources(
        ledger=control.ledger,
        overview=control.overview,
        metrics=control.metrics,
        snapshot=lambda: control.snapshot,
        reload=lambda: _reload(wiring),
        changed=control.look_at_keys,
        routes=lambda: _book(wiring),
    )
    await admin.serve(admin.Admin(sources).app(wiring.token), port=wiring.admin_port)


def _reload(wiring: _Wiring) -> Reloaded:
    """Read the settings again: nearly everything holds at once; what holds from the next start only is told where it changed."""
    control, config = wiring.control, wiring.config
    try:
        settings, operate = settings_file.load(config), operate_settings.load(config)
        served, routes = serve_settings.load(config), route_settings.load(config)
        base = serve_settings.base_snapshot(served)
    except FairleadError as error:
        control.tell(f"{error} What held before goes on holding.")
        return Reloaded(problem=str(error))
    later = _later(wiring, settings, served, operate, routes)
    wiring.routes = routes
    control.use(settings)
    control.rebase(base)
    if later:
        control.tell(
            f"Settings were read again; {', '.join(later)} {'hold' if len(later) > 1 else 'holds'} from the next start."
        )
    return Reloaded(from_next_start=later)


_BOUND = ("host", "port", "admin_port", "workers")


def _later(
    wiring: _Wiring, settings: Settings, served: ServeSettings, operate: OperateSettings, routes: RoutesSettings
) -> tuple[str, ...]:
    """What has changed and cannot be taken over while the gateway runs."""
    began = wiring.control.operate
    parts = {
        **{f"[serve] {name}": getattr(served, name) != getattr(wiring.served, name) for name in _BOUND},
        "ledger": settings.ledger != wiring.began.ledger,
        "[serve.webhook]": routes.webhook != wiring.webhook,
        "[serve.capture]": operate.capture != began.capture,
        "[serve.admin]": operate.admin != began.admin,
        "[serve.traces]": operate.traces != began.traces,
        "[serve.logs]": operate.logs != began.logs,
    }
    return tuple(name for name, differs in parts.items() if differs)


def main(
    listener: socket.socket,
    *,
    ledger: str | None = None,
    config: Path | None = None,
    base: Snapshot | None = None,
    admin_port: int | None = None,
) -> int:
    """Run the control process; data planes connect to `listener`. The exit code."""
    try:
        settings, operate = settings_file.load(config), operate_settings.load(config)
        served, where = serve_settings.load(config), ledger or settings.ledger
        control = ControlProcess(
            settings, ledger=where, base=base or serve_settings.base_snapshot(served), operate=operate
        )
        if operate.logs.file:
            control.add(CallLog(operate.logs.file))
        if operate.traces.endpoint:
            control.add(Traces(operate.traces))
        token = token_of(operate.admin, ledger=where, environ=os.environ)
        routes = route_settings.load(config)
        wiring = _Wiring(
            control=control,
            config=config,
            admin_port=admin_port or served.admin_port,
            token=token,
            routes=routes,
            began=settings,
            served=served,
            webhook=routes.webhook,
        )
        try:
            asyncio.run(_until_told(wiring, listener))
        finally:
            control.listed.close()
    except FairleadError as error:
        _to_stderr(str(error))
        return 2
    return 0
