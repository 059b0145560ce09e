"""Routes in the control process: follows the traffic, feeds shadows and guards, moves routes and publishes what holds now.

    step = RouteStep(...)          # a `Step` of the control process
    control.add(step)
    await step.run()               # beside it: looks for steps that others made, tells operators

Rules kept here: a route that goes back is published before anything else is done; a call counts at the stage under which its
caller was answered; whatever fails in here costs evidence and never an answer.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from fairlead.core.errors import FairleadError, LedgerError
from fairlead.core.nouns import Judge, TokenPrice, Workload
from fairlead.edge.app.classes import said_local
from fairlead.edge.app.routes import RouteBook, only_by_class
from fairlead.edge.config import JudgingSettings, PrivacySettings, Settings
from fairlead.edge.control.asking import Askers
from fairlead.edge.control.webhook import Alerts
from fairlead.edge.route_settings import RouteSettings, RoutesSettings
from fairlead.edge.store import Ledger
from fairlead.serve.current import routes_now, upstreams_now
from fairlead.serve.frames import Call
from fairlead.serve.routing import Event, Happened, Route
from fairlead.serve.snapshot import RouteNow, Snapshot, Stage, UpstreamNow

if TYPE_CHECKING:
    from fairlead.core.redact import Redactor
    from fairlead.edge.control.stages import Running, Stages

LOOK_S = 1.0

PriceOf = Callable[[str, str], TokenPrice | None]
"""What a model costs at an address, by address and model."""

Publish = Callable[[tuple[RouteNow, ...], tuple[UpstreamNow, ...]], object]


class Seen(Protocol):
    """A call that was kept."""

    @property
    def call(self) -> Call:
        """The call, as it happened."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the settings say of how one workload is asked twice; a stage that runs begins anew when any of it changes."""

    route: RouteSettings
    privacy: PrivacySettings
    judging: JudgingSettings
    judges: Mapping[str, Judge]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the step needs from outside."""

    ledger: Callable[[], Ledger]
    settings: Callable[[], Settings]
    redactor: Callable[[], Redactor]
    routes: Callable[[], RoutesSettings]
    snapshot: Callable[[], Snapshot]
    publish: Publish
    price_of: PriceOf
    tell: Callable[[str], None]
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class RouteStep:
    """See the module."""

    name = "routes"

    def __init__(self, world: World, *, askers: Askers | None = None) -> None:
        self._world = world
        self._askers = askers or Askers(environ=world.environ)
        self._routes: dict[str, Route] = {}
        self._running: dict[str, Running] = {}
        self._stages: Stages | None = None
        self._workloads: dict[str, Workload] = {}
        self._said_local: frozenset[str] = frozenset()
        self._settings: tuple[RoutesSettings, Settings] | None = None
        self._mark = -1
        self._published: tuple[tuple[RouteNow, ...], tuple[UpstreamNow, ...]] | None = None
        self._changing = asyncio.Lock()
        self._alerts = Alerts(
            world.routes().webhook, ledger=world.ledger, environ=world.environ, now=world.now, tell=world.tell
        )

    # Following the traffic

    def wants(self, call: Call) -> bool:
        """Whether a call is about a route that is on its way; asked in another thread."""
        route = self._routes.get(call.workload_id or "")
        return route is not None and route.stage is not Stage.STAY and call.stage == route.stage.value

    async def take(self, kept: Sequence[Seen]) -> None:
        """Look at calls, in order."""
        by_route: dict[str, list[Call]] = defaultdict(list)
        for each in kept:
            if each.call.workload_id is not None:
                by_route[each.call.workload_id].append(each.call)
        for workload_id, calls in by_route.items():
            running = await self._run_of(workload_id)
            if running is not None:
                await running.take([call for call in calls if call.stage == running.route.stage.value])

    # Stages

    async def _run_of(self, workload_id: str) -> Running | None:
        """What runs for a route; begun when it is first needed."""
        route = self._routes.get(workload_id)
        if route is None or route.stage is Stage.STAY or route.candidate is None:
            return None
        running = self._running.get(workload_id)
        if running is not None and _same_stage(running.route, route):
            return running
        async with self._changing:
            running = self._running.get(workload_id)
            if running is None or not _same_stage(running.route, route):
                await self._end(workload_id)
                running = await self._begin(route)
                self._running[workload_id] = running
            return running

    def _chosen(self, workload_id: str) -> Chosen:
        """What the settings say now of a workload."""
        workload, world = self._workloads.get(workload_id), self._world
        routes, general = world.routes(), world.settings()
        route = routes.of(workload_id, workload.name if workload else None)
        return Chosen(route=route, privacy=general.privacy, judging=general.judging, judges=general.judges)

    async def _end(self, workload_id: str) -> None:
        running = self._running.pop(workload_id, None)
        if running is not None:
            await running.pairs.close()

    async def _begin(self, route: Route) -> Running:
        if self._stages is None:
            # It takes a moment, and the loop goes on.
            await asyncio.to_thread(import_module, "fairlead.edge.control.stages")
            from fairlead.edge.control.stages import Stages  # noqa: PLC0415

            self._stages = Stages(self._world, self._askers, only=self._only, happen=self._happen, book=self._book)
        workload_id = route.workload_id
        return await self._stages.begin(route, self._workloads.get(workload_id), self._chosen(workload_id))

    def _only(self, route: Route) -> tuple[str, ...]:
        """What may see a workload now, not when it was asked for."""
        published = self._now_published.get(route.workload_id)
        return route.only if published is None else published.only

    # Moving

    async def _happen(self, route: Route, happened: Happened) -> None:
        """Something moves a route; who answers changes at once."""
        current = self._routes.get(route.workload_id)
        if current is None or not _same_stage(current, route):
            return
        moved = await asyncio.to_thread(self._book().try_to, route.workload_id, happened)
        if moved is None:
            return
        self._routes[route.workload_id] = moved.route
        self._publish()
        if happened.event is Event.REGRESSED:
            self._world.tell(f"{route.workload_id} went back to its incumbent: {happened.why}.")

    def _book(self) -> RouteBook:
        world = self._world
        return RouteBook(world.ledger(), settings=world.routes(), general=world.settings(), now=world.now)

    # What others did

    async def run(self) -> None:
        """Look for steps that others made, and tell operators, until cancelled."""
        try:
            while True:
                await self.look()
                await self._alerts.turn()
                await asyncio.sleep(LOOK_S)
        finally:
            await self.aclose()

    async def look(self) -> None:
        """Take over what the ledger says now, where it has changed."""
        try:
            mark, routes, workloads, said = await asyncio.to_thread(self._read)
        except LedgerError:
            return
        known = {workload.id: workload for workload in workloads}
        settings = (self._world.routes(), self._world.settings())
        is_known = mark == self._mark and known.keys() == self._workloads.keys() and said == self._said_local
        if is_known and settings == self._settings and self._published is not None:
            return
        self._mark, self._workloads, self._said_local, self._settings = mark, known, said, settings
        newest = {route.workload_id: route for route in routes}
        for workload_id, route in self._routes.items():
            if workload_id in newest and newest[workload_id].version < route.version:
                newest[workload_id] = route
        self._routes = newest
        self._publish()
        for workload_id in [*self._running]:
            now = newest.get(workload_id)
            running = self._running[workload_id]
            is_other = now is None or not _same_stage(running.route, now)
            if is_other or running.chosen != self._chosen(workload_id):
                await self._end(workload_id)
        for workload_id in newest:
            await self._start_shadow(workload_id)

    async def _start_shadow(self, workload_id: str) -> None:
        """Begin what was drawn and not answered before this process was there, without waiting for a call."""
        try:
            await self._run_of(workload_id)
        except FairleadError as error:
            self._world.tell(f"The route of {workload_id} cannot be watched: {error}")

    def _read(self) -> tuple[int, list[Route], list[Workload], frozenset[str]]:
        ledger = self._world.ledger()
        return ledger.routing.mark(), self._book().all(), ledger.workloads(), said_local(ledger)

    @property
    def _now_published(self) -> dict[str, RouteNow]:
        routes = () if self._published is None else self._published[0]
        return {route.workload_id: route for route in routes}

    def _publish(self) -> None:
        world = self._world
        upstreams = upstreams_now(world.snapshot().upstreams, self._routes.values())
        workloads = [*self._workloads.values()]
        only = only_by_class(workloads, world.settings(), world.routes(), upstreams, said=self._said_local)
        found = (routes_now(self._routes.values(), only=only), upstreams)
        if found != self._published:
            self._published = found
            self._askers.use(upstreams)
            world.publish(*found)

    # For whoever shows it, and at the end

    def coverage(self) -> dict[str, float]:
        """The share of what was asked that was answered, by workload, since this process began."""
        found = {workload_id: running.pairs.total.coverage for workload_id, running in self._running.items()}
        return {workload_id: share for workload_id, share in found.items() if share is not None}

    def problems(self) -> dict[str, str]:
        """What keeps a route from moving on, by workload."""
        return {workload_id: running.problem for workload_id, running in self._running.items() if running.problem}

    async def idle(self) -> None:
        """Come back when everything that was drawn is answered and counted."""
        for running in [*self._running.values()]:
            await running.pairs.idle()

    async def aclose(self) -> None:
        """Stop asking and close every connection."""
        for workload_id in [*self._running]:
            await self._end(workload_id)
        await self._askers.aclose()


def _same_stage(one: Route, other: Route) -> bool:
    return (one.run, one.stage, one.candidate, one.only, one.grader, one.labels) == (
        other.run,
        other.stage,
        other.candidate,
        other.only,
        other.grader,
        other.labels,
    )
