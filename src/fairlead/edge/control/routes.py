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
from decimal import Decimal
from typing import Protocol

from fairlead.core.errors import FairleadError, InputError, LedgerError, UnreadableLine
from fairlead.core.grade.schema import breach
from fairlead.core.nouns import (
    Answer,
    Candidate,
    Dialect,
    Exchange,
    Failure,
    FailureKind,
    Fidelity,
    PilotDesign,
    Reply,
    Request,
    TokenPrice,
    Usage,
    Workload,
)
from fairlead.core.wire.decode import decode
from fairlead.core.wire.key import request_key
from fairlead.edge.app.classes import said_local
from fairlead.edge.app.live_grading import Grading, grading_of
from fairlead.edge.app.routes import RouteBook, may_split, only_by_class, tally_name
from fairlead.edge.config import Settings
from fairlead.edge.control.asking import Asked, Askers
from fairlead.edge.control.pairs import Limits, Pairs, Question
from fairlead.edge.control.sinks import GuardEvidence, ShadowEvidence, shadow_design, unit
from fairlead.edge.control.webhook import Alerts
from fairlead.edge.route_settings import RouteSettings, RoutesSettings
from fairlead.edge.store import Ledger
from fairlead.pilot.asking import logged_reply
from fairlead.serve import reading
from fairlead.serve import tally as words
from fairlead.serve.current import routes_now, upstreams_now
from fairlead.serve.decide import place
from fairlead.serve.frames import Call, Ended, Served
from fairlead.serve.frames import Protocol as Spoken
from fairlead.serve.guard import Differences, of_call
from fairlead.serve.routing import Event, Happened, Route
from fairlead.serve.snapshot import RouteNow, Snapshot, Stage, TargetNow, UpstreamNow
from fairlead.serve.tally import Tally

LOOK_S = 1.0
TURN_SHARE = 0.5
"""A request with a conversation is drawn with this chance, so that later turns are drawn too and long conversations weigh more."""

_WATCHED = frozenset({Stage.CANARY, Stage.MOVED})

PriceOf = Callable[[str, str], TokenPrice | None]
"""What a model costs at an address, by address and model."""

Publish = Callable[[tuple[RouteNow, ...], tuple[UpstreamNow, ...]], object]


class Seen(Protocol):
    """A call that was kept."""

    @property
    def call(self) -> Call:
        """The call, as it happened."""
        ...


@dataclass(slots=True)
class _Running:
    """One stage of one route, as it is asked and watched by this process."""

    route: Route
    pairs: Pairs
    settings: RouteSettings
    shadow: ShadowEvidence | None = None
    guards: GuardEvidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """What a stage begins with."""

    route: Route
    grading: Grading
    limits: Limits
    settings: RouteSettings
    workload: Workload | None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the step needs from outside."""

    ledger: Callable[[], Ledger]
    settings: Settings
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
        self._running: dict[str, _Running] = {}
        self._workloads: dict[str, Workload] = {}
        self._said_local: frozenset[str] = frozenset()
        self._settings: RoutesSettings | None = None
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
                await self._take(running, [call for call in calls if call.stage == running.route.stage.value])

    async def _take(self, running: _Running, calls: Sequence[Call]) -> None:
        if running.shadow is not None:
            shadowed = [call for call in calls if call.pair_wanted and call.served is Served.INCUMBENT]
            await running.pairs.offer(self._questions(running, shadowed, at_turns=True))
        elif running.guards is not None:
            asked = [call for call in calls if _was_asked(call, running.route)]
            for call in asked:
                running.guards.saw(self._shown(call, running))
            await running.pairs.offer(self._questions(running, [call for call in asked if call.pair_wanted]))

    def _questions(self, running: _Running, calls: Sequence[Call], *, at_turns: bool = False) -> list[Question]:
        found: list[Question] = []
        # Beyond what may wait, reading a request would be work for nothing.
        room = 2 * running.pairs.room
        running.pairs.tally.add(words.WANTED, max(0, len(calls) - room))
        running.pairs.tally.add(words.NO_ROOM, max(0, len(calls) - room))
        for call in calls[:room]:
            question = self._question(running, call, at_turns=at_turns)
            if isinstance(question, str):
                running.pairs.tally.add(words.WANTED)
                running.pairs.tally.add(question)
            else:
                found.append(question)
        return found

    def _question(self, running: _Running, call: Call, *, at_turns: bool) -> Question | str:
        """What to ask about a call, or why nothing is."""
        route = running.route
        if call.ended is Ended.CLIENT_CLOSED:
            return words.LEFT
        incumbent = self._incumbent_of(call).upstream
        only = self._only(route)
        if only and not {route.upstream, incumbent} <= set(only):
            return words.LOCAL_ONLY
        try:
            asked = reading.asked(call.protocol, call.request)
        except UnreadableLine:
            return words.NOT_READ
        if asked.request.endpoint.value == "chat" and not asked.request.messages:
            return words.NOT_READ
        conversation = call.conversation or asked.conversation
        if at_turns and conversation is not None and place(route.salt, "turn", call.call_id) >= TURN_SHARE:
            return words.TURN
        key = request_key(asked.request)
        side = Served.INCUMBENT if at_turns else Served.CANDIDATE
        if at_turns:
            units = (
                unit(route.salt, "request", key),
                *([unit(route.salt, "talk", conversation)] if conversation else []),
            )
        else:
            user = call.user or asked.user
            day = f"{user}|{self._world.now():%Y-%m-%d}" if user else call.call_id
            units = (unit(route.salt, route.stage.value, conversation or day),)
        return Question(
            asked=Asked(dialect=asked.dialect, body=asked.body, request=asked.request),
            logged=_answered(call) if call.served is side else _fallen(call, route),
            names=(call.call_id, key),
            units=units,
            known=_answered(call) if call.served is not side and call.upstream == incumbent else None,
        )

    def _shown(self, call: Call, running: _Running) -> Differences:
        """What a call that the candidate was asked shows to the guardrails."""
        failed = call.served is not Served.CANDIDATE or call.status >= 400 or call.ended in _FAILED
        assert running.guards is not None
        broken = None if failed else _schema_broken(call)
        slow_s = running.guards.terms.slow_s
        return of_call(failed=failed, latency_s=call.latency_s, slow_s=slow_s, schema_broken=broken)

    def _incumbent_of(self, call: Call) -> TargetNow:
        base = self._world.snapshot()
        maker = base.default_anthropic if call.protocol is Spoken.ANTHROPIC_MESSAGES else base.default_openai
        return TargetNow(upstream=maker)

    # Stages

    async def _run_of(self, workload_id: str) -> _Running | None:
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
                running = await self._begin(route, route.candidate)
                self._running[workload_id] = running
            return running

    def _chosen(self, workload_id: str) -> RouteSettings:
        """What the settings say now of a workload."""
        workload = self._workloads.get(workload_id)
        return self._world.routes().of(workload_id, workload.name if workload else None)

    async def _end(self, workload_id: str) -> None:
        running = self._running.pop(workload_id, None)
        if running is not None:
            await running.pairs.close()

    async def _begin(self, route: Route, candidate: Candidate) -> _Running:
        ledger = self._world.ledger()
        workload = self._workloads.get(route.workload_id)
        chosen = self._chosen(route.workload_id)
        told = bool(chosen.grader or chosen.labels)
        grading = await asyncio.to_thread(grading_of, route, workload, ledger, told=told)
        limits = Limits(
            concurrency=chosen.concurrency,
            queue=chosen.queue,
            timeout_s=chosen.timeout_s,
            budget=chosen.budget,
            currency=chosen.currency,
        )
        begun = _Begun(route=route, grading=grading, limits=limits, settings=chosen, workload=workload)
        if route.stage is Stage.SHADOW:
            return await self._begin_shadow(begun, candidate)
        return await self._begin_guards(begun)

    async def _begin_shadow(self, begun: _Begun, candidate: Candidate) -> _Running:
        route, limits = begun.route, begun.limits
        ledger, world = self._world.ledger(), self._world
        design = await asyncio.to_thread(self._design, begun, candidate)
        shadow = ShadowEvidence(
            route,
            design,
            ledger=ledger,
            tell=lambda happened: self._happen(route, happened),
            now=world.now,
            timeout_s=limits.timeout_s,
            least_coverage=begun.settings.coverage,
            may_split=begun.workload is None or may_split(begun.workload),
        )
        undone = await asyncio.to_thread(shadow.begin)

        async def ask(question: Question) -> Reply:
            only = self._only(route)
            return await self._askers.candidate(
                candidate, route.upstream, question.asked, only=only, timeout_s=limits.timeout_s
            )

        pairs = Pairs(
            ask,
            candidate_asked=True,
            grading=begun.grading,
            limits=limits,
            price=candidate.price or world.price_of(candidate.endpoint, candidate.model),
            spent=await asyncio.to_thread(self._spent, route, limits),
            sink=shadow,
            now=world.now,
        )
        running = _Running(route=route, pairs=pairs, shadow=shadow, settings=begun.settings)
        await self._take_up(running, undone)
        return running

    def _design(self, begun: _Begun, candidate: Candidate) -> PilotDesign:
        route, grading, chosen = begun.route, begun.grading, begun.settings
        ledger = self._world.ledger()
        for entry in ledger.pilots():
            if entry.design.workload_id == route.workload_id and entry.design.seed == -route.run:
                return entry.design
        return shadow_design(
            route,
            candidate,
            grader=grading.grader.id,
            margin=route.live_margin,
            timeout_s=chosen.timeout_s,
            n_max=chosen.n_max,
            prompts=ledger.routing.prompts(route.workload_id),
        )

    async def _take_up(self, running: _Running, undone: Sequence[tuple[int, str]]) -> None:
        """Ask again what an earlier process drew and never saw answered; what cannot be asked as it was is set aside."""
        shadow = running.shadow
        assert shadow is not None
        questions, lost = await asyncio.to_thread(self._drawn_before, undone)
        if lost:
            await asyncio.to_thread(shadow.set_aside, lost)
            running.pairs.tally.add(words.ERASED, len(lost))
        shadow.adopt([position for position, _ in questions])
        await running.pairs.again(questions)

    def _drawn_before(self, undone: Sequence[tuple[int, str]]) -> tuple[list[tuple[int, Question]], list[int]]:
        ledger = self._world.ledger()
        questions: list[tuple[int, Question]] = []
        lost: list[int] = []
        for position, exchange_id in undone:
            try:
                exchange = ledger.exchange(exchange_id)
            except LedgerError:
                lost.append(position)
                continue
            if set(exchange.fidelity) - {Fidelity.RECONSTRUCTED}:
                lost.append(position)
            else:
                questions.append((position, _from_ledger(exchange)))
        return questions, lost

    async def _begin_guards(self, begun: _Begun) -> _Running:
        route, limits = begun.route, begun.limits
        ledger, world = self._world.ledger(), self._world
        book = self._book()
        guards = await asyncio.to_thread(book.guards, route)
        terms = book.terms(route) if guards is None else guards.terms
        evidence = GuardEvidence(
            route,
            terms,
            ledger=ledger,
            tell=lambda happened: self._happen(route, happened),
            now=world.now,
            timeout_s=limits.timeout_s,
        )

        async def ask(question: Question) -> Reply:
            base = self._world.snapshot()
            is_anthropic = question.asked.dialect is Dialect.ANTHROPIC_MESSAGES
            target = TargetNow(upstream=base.default_anthropic if is_anthropic else base.default_openai)
            return await self._askers.incumbent(
                target, question.asked, only=self._only(route), timeout_s=limits.timeout_s
            )

        pairs = Pairs(
            ask,
            candidate_asked=False,
            grading=begun.grading,
            limits=limits,
            price=await asyncio.to_thread(self._price_of_incumbent, route),
            spent=await asyncio.to_thread(self._spent, route, limits),
            sink=evidence,
            now=world.now,
        )
        return _Running(route=route, pairs=pairs, guards=evidence, settings=begun.settings)

    def _price_of_incumbent(self, route: Route) -> TokenPrice | None:
        """What asking the incumbent costs: its model is the one of the pilot, else the one the workload began with."""
        ledger = self._world.ledger()
        design = next((entry.design for entry in ledger.pilots() if entry.id == route.pilot_id), None)
        known = design.incumbent_models if design is not None else ()
        model = known[0] if known else ledger.routing.first_model(route.workload_id)
        upstream = self._askers.upstream(self._world.snapshot().default_openai)
        return None if model is None or upstream is None else self._world.price_of(upstream.urls[0], model)

    def _spent(self, route: Route, limits: Limits) -> Decimal:
        """What other stages and runs of this workload spent this month."""
        kept = self._world.ledger().routing.states(route.workload_id, "tally.")
        own = (route.run, tally_name(route))
        month = f"{self._world.now():%Y-%m}"
        sums = (
            Tally.from_json(value).spent_in(month, limits.currency) for run, name, value in kept if (run, name) != own
        )
        return sum(sums, Decimal(0))

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
        return RouteBook(self._world.ledger(), settings=self._world.routes(), now=self._world.now)

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
        settings = self._world.routes()
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
            if is_other or running.settings != self._chosen(workload_id):
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
        only = only_by_class(workloads, world.settings, world.routes(), upstreams, said=self._said_local)
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
        return {
            workload_id: running.shadow.problem
            for workload_id, running in self._running.items()
            if running.shadow is not None and running.shadow.problem
        }

    async def idle(self) -> None:
        """Come back when everything that was drawn is answered and counted."""
        for running in [*self._running.values()]:
            await running.pairs.idle()

    async def aclose(self) -> None:
        """Stop asking and close every connection."""
        for workload_id in [*self._running]:
            await self._end(workload_id)
        await self._askers.aclose()


_FAILED = frozenset({Ended.CUT, Ended.TIMEOUT, Ended.UPSTREAM_ERROR})


def _same_stage(one: Route, other: Route) -> bool:
    return (one.run, one.stage, one.candidate, one.only, one.grader, one.labels) == (
        other.run,
        other.stage,
        other.candidate,
        other.only,
        other.grader,
        other.labels,
    )


def _was_asked(call: Call, route: Route) -> bool:
    """Whether the candidate was asked, whoever answered in the end."""
    return call.served is Served.CANDIDATE or any(attempt.upstream == route.upstream for attempt in call.attempts)


def _answered(call: Call) -> Reply:
    """What the side said that answered the caller."""
    heard = reading.answered(call.spoken, call.response, status=call.status, ended=call.ended, problem=call.problem)
    return Reply(answer=heard.answer, usage=heard.usage, latency_s=call.latency_s, attempts=0)


def _fallen(call: Call, route: Route) -> Reply:
    """What a candidate said that another answered for: nothing."""
    attempt = next((each for each in call.attempts if each.upstream == route.upstream), None)
    status, problem = (None, "") if attempt is None else (attempt.status, attempt.problem[:300])
    kind = FailureKind.TIMEOUT if "time" in problem and status is None else FailureKind.SERVER_ERROR
    return Reply(answer=Answer(failure=Failure(kind=kind, detail=problem, status=status)), usage=Usage())


def _from_ledger(exchange: Exchange) -> Question:
    return Question(
        asked=Asked(dialect=exchange.dialect, body=exchange.request_body, request=exchange.request),
        logged=logged_reply(exchange),
        names=(exchange.id, request_key(exchange.request)),
        units=(),
    )


def _schema_broken(call: Call) -> bool | None:
    """Whether an answer broke the schema that the request set; `None` where it set none."""
    try:
        request = reading.asked(call.protocol, call.request).request
    except UnreadableLine:
        return None
    if request.schema is None and not request.json_mode:
        return None
    heard = reading.answered(call.spoken, call.response, status=call.status, ended=call.ended)
    if heard.answer.failure is not None or heard.answer.tool_calls:
        return None
    return broken(request, heard.answer.text)


def broken(request: Request, text: str) -> bool:
    """Whether a text is no JSON, or breaks the request's schema."""
    try:
        value = decode(text.encode("utf-8", "surrogatepass"))
    except UnreadableLine:
        return True
    try:
        return request.schema is not None and breach(value, request.schema) is not None
    except InputError:
        return False
