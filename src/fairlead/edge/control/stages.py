"""The stages of routes as this process runs them: what is asked beside a call, where its pairs go, what that has cost.

Loaded when the first stage begins, for graders and evidence take more memory than all the rest of the control process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from fairlead.core.errors import LedgerError
from fairlead.core.nouns import Candidate, Dialect, Fidelity, PilotDesign, Reply, TokenPrice, Workload
from fairlead.edge.app.live_grading import Comparing, Grading, grading_of
from fairlead.edge.app.routes import RouteBook, may_split, tally_name
from fairlead.edge.control import questions
from fairlead.edge.control.judging import LiveBench
from fairlead.edge.control.pairs import Limits, Pairs
from fairlead.edge.control.questions import Question
from fairlead.edge.control.sinks import GuardEvidence, ShadowEvidence, shadow_design
from fairlead.serve import tally as words
from fairlead.serve.frames import Call, Served
from fairlead.serve.frames import Protocol as Spoken
from fairlead.serve.routing import Happened, Route
from fairlead.serve.snapshot import Stage, TargetNow
from fairlead.serve.tally import Tally

if TYPE_CHECKING:
    from fairlead.edge.control.asking import Askers
    from fairlead.edge.control.routes import Chosen, World


class Running:
    """One stage of one route, as it is asked and watched by this process."""

    def __init__(
        self,
        route: Route,
        chosen: Chosen,
        *,
        pairs: Pairs,
        evidence: ShadowEvidence | GuardEvidence,
        asked_about: Callable[[Call], Question | str],
    ) -> None:
        """`asked_about` says what to ask about a call, or why nothing is."""
        self.route = route
        self.chosen = chosen
        self.pairs = pairs
        self.evidence = evidence
        self._asked_about = asked_about

    @property
    def problem(self) -> str:
        """What keeps the route from moving on."""
        return self.evidence.problem if isinstance(self.evidence, ShadowEvidence) else ""

    async def take(self, calls: Sequence[Call]) -> None:
        """Look at calls of this stage, in order."""
        if isinstance(self.evidence, ShadowEvidence):
            shadowed = [call for call in calls if call.pair_wanted and call.served is Served.INCUMBENT]
            await self.pairs.offer(self._questions(shadowed))
            return
        asked = [call for call in calls if questions.was_asked(call)]
        for call in asked:
            self.evidence.saw(questions.shown(call, slow_s=self.evidence.terms.slow_s))
        await self.pairs.offer(self._questions([call for call in asked if call.pair_wanted]))

    def _questions(self, calls: Sequence[Call]) -> list[Question]:
        found: list[Question] = []
        tally = self.pairs.tally
        # Beyond what may wait, reading a request would be work for nothing.
        room = 2 * self.pairs.room
        tally.add(words.WANTED, max(0, len(calls) - room))
        tally.add(words.NO_ROOM, max(0, len(calls) - room))
        for call in calls[:room]:
            question = self._asked_about(call)
            if isinstance(question, str):
                tally.add(words.WANTED)
                tally.add(question)
            else:
                found.append(question)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """What a stage begins with."""

    route: Route
    grading: Grading
    limits: Limits
    chosen: Chosen
    workload: Workload | None
    judges: LiveBench | None

    @property
    def due_s(self) -> float:
        """How long a pair may take from the moment it is asked, judges included."""
        return self.limits.timeout_s + (0.0 if self.judges is None else self.judges.limit_s)


class Stages:
    """Begins stages. `only` says what may see a workload now, `happen` moves a route, `book` keeps them."""

    def __init__(
        self,
        world: World,
        askers: Askers,
        *,
        only: Callable[[Route], tuple[str, ...]],
        happen: Callable[[Route, Happened], Awaitable[None]],
        book: Callable[[], RouteBook],
    ) -> None:
        self._world = world
        self._askers = askers
        self._only = only
        self._happen = happen
        self._book = book

    async def begin(self, route: Route, workload: Workload | None, chosen: Chosen) -> Running:
        """Have a route's stage asked and watched from now on."""
        world, own = self._world, chosen.route
        graded = partial(grading_of, route, workload, world.ledger(), chosen=own, settings=world.settings())
        grading = await asyncio.to_thread(graded)
        limits = Limits(
            concurrency=own.concurrency,
            queue=own.queue,
            timeout_s=own.timeout_s,
            budget=own.budget,
            currency=own.currency,
            judge_concurrency=own.judge_concurrency,
        )
        begun = _Begun(
            route=route,
            grading=grading,
            limits=limits,
            chosen=chosen,
            workload=workload,
            judges=self._bench(route, grading.comparing, limits),
        )
        if route.stage is Stage.SHADOW and route.candidate is not None:
            return await self._begin_shadow(begun, route.candidate)
        return await self._begin_guards(begun)

    # Shadows

    async def _begin_shadow(self, begun: _Begun, candidate: Candidate) -> Running:
        route, limits = begun.route, begun.limits
        ledger, world = self._world.ledger(), self._world
        design = await asyncio.to_thread(self._design, begun, candidate)
        evidence = ShadowEvidence(
            route,
            design,
            ledger=ledger,
            tell=lambda happened: self._happen(route, happened),
            now=world.now,
            timeout_s=begun.due_s,
            least_coverage=begun.chosen.route.coverage,
            may_split=begun.workload is None or may_split(begun.workload),
        )
        undone = await asyncio.to_thread(evidence.begin)

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
            price=candidate.price or await asyncio.to_thread(world.price_of, candidate.endpoint, candidate.model),
            spent=await asyncio.to_thread(self._spent, route, limits),
            sink=evidence,
            now=world.now,
            judges=begun.judges,
            judge_prices=self._judge_prices(begun.judges),
        )
        await self._take_up(pairs, evidence, undone)
        return self._running(begun, pairs, evidence)

    def _design(self, begun: _Begun, candidate: Candidate) -> PilotDesign:
        route, grading, chosen = begun.route, begun.grading, begun.chosen.route
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
            judging=None if grading.comparing is None else grading.comparing.judging,
        )

    async def _take_up(self, pairs: Pairs, shadow: ShadowEvidence, undone: Sequence[tuple[int, str]]) -> None:
        """Ask again what an earlier process drew and never saw answered; what cannot be asked as it was is set aside."""
        drawn, lost = await asyncio.to_thread(self._drawn_before, undone)
        if lost:
            await asyncio.to_thread(shadow.set_aside, lost)
            pairs.tally.add(words.ERASED, len(lost))
        shadow.adopt([position for position, _ in drawn])
        await pairs.again(drawn)

    def _drawn_before(self, undone: Sequence[tuple[int, str]]) -> tuple[list[tuple[int, Question]], list[int]]:
        ledger = self._world.ledger()
        drawn: list[tuple[int, Question]] = []
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
                drawn.append((position, questions.of_exchange(exchange)))
        return drawn, lost

    # Canaries and moved routes

    async def _begin_guards(self, begun: _Begun) -> Running:
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
            timeout_s=begun.due_s,
        )

        async def ask(question: Question) -> Reply:
            target = self._incumbent(question.asked.dialect is Dialect.ANTHROPIC_MESSAGES)
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
            judges=begun.judges,
            judge_prices=self._judge_prices(begun.judges),
        )
        return self._running(begun, pairs, evidence)

    def _price_of_incumbent(self, route: Route) -> TokenPrice | None:
        """What asking the incumbent costs: its model is the one of the pilot, else the one the workload began with."""
        ledger = self._world.ledger()
        design = next((entry.design for entry in ledger.pilots() if entry.id == route.pilot_id), None)
        known = design.incumbent_models if design is not None else ()
        model = known[0] if known else ledger.routing.first_model(route.workload_id)
        upstream = self._askers.upstream(self._world.snapshot().default_openai)
        return None if model is None or upstream is None else self._world.price_of(upstream.urls[0], model)

    # Both

    def _running(self, begun: _Begun, pairs: Pairs, evidence: ShadowEvidence | GuardEvidence) -> Running:
        route, world = begun.route, self._world

        def asked_about(call: Call) -> Question | str:
            return questions.of_call(
                call,
                route,
                incumbent=self._incumbent(call.protocol is Spoken.ANTHROPIC_MESSAGES).upstream,
                only=self._only(route),
                today=f"{world.now():%Y-%m-%d}",
                at_turns=route.stage is Stage.SHADOW,
            )

        return Running(route, begun.chosen, pairs=pairs, evidence=evidence, asked_about=asked_about)

    def _bench(self, route: Route, comparing: Comparing | None, limits: Limits) -> LiveBench | None:
        if comparing is None:
            return None
        world = self._world
        return LiveBench(
            comparing,
            self._askers,
            only=lambda: self._only(route),
            ledger=world.ledger(),
            redactor=world.redactor(),
            timeout_s=limits.timeout_s,
            concurrency=limits.judge_concurrency,
        )

    def _judge_prices(self, judges: LiveBench | None) -> tuple[TokenPrice | None, ...]:
        known = () if judges is None else judges.comparing.judging.judges
        return tuple(each.price or self._world.price_of(each.endpoint, each.model) for each in known)

    def _incumbent(self, is_anthropic: bool) -> TargetNow:  # noqa: FBT001 - which of two it is
        base = self._world.snapshot()
        return TargetNow(upstream=base.default_anthropic if is_anthropic else base.default_openai)

    def _spent(self, route: Route, limits: Limits) -> Decimal:
        """What other stages and runs of this workload spent this month."""
        kept = self._world.ledger().routing.states(route.workload_id, "tally.")
        own = (route.run, tally_name(route))
        month = f"{self._world.now():%Y-%m}"
        sums = (
            Tally.from_json(value).spent_in(month, limits.currency) for run, name, value in kept if (run, name) != own
        )
        return sum(sums, Decimal(0))
