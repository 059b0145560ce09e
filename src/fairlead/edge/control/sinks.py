"""Where live pairs go: a shadow's to the evidence of a pilot, a canary's and a moved route's to their guards.

Rules kept here: pairs count in the order of their requests, and one that is missing holds up the others for one time limit;
what is counted is in the ledger before it is believed; several processes may feed the same evidence and the same guards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial

from fairlead.core.evidence import Judgement, Watch
from fairlead.core.nouns import JSON, Betting, Candidate, Engine, Estimand, Judging, PairRow, PilotDesign
from fairlead.edge.app.live_grading import doubt
from fairlead.edge.app.routes import evidence_hash, guards_name, proven, tally_name
from fairlead.edge.control.questions import Question, unit
from fairlead.edge.store import Ledger
from fairlead.edge.store.codec import record
from fairlead.edge.store.routing import Draw
from fairlead.serve.guard import Batch, Collected, Differences, Guards, Terms, of_pair, why
from fairlead.serve.line import Line
from fairlead.serve.routing import By, Event, Happened, Route
from fairlead.serve.tally import Tally

Tell = Callable[[Happened], Awaitable[None]]
_GRACE_S = 2.0
_LOOK_AGAIN = 20
"""Pairs after which verdicts that were not read are counted again."""


def shadow_design(
    route: Route,
    candidate: Candidate,
    *,
    grader: str,
    margin: float,
    timeout_s: float,
    n_max: int,
    prompts: Sequence[str],
    judging: Judging | None = None,
) -> PilotDesign:
    """The pilot that a run's shadow pairs belong to: other evidence than any that was drawn from a log.

    Live requests come in their own order, so no seed draws them; minus the number of the run stands in its place.
    """
    return PilotDesign(
        workload_id=route.workload_id,
        candidate=candidate,
        grader=grader,
        labels_hash=None,
        margin=margin,
        alpha=0.05,
        n_max=n_max,
        seed=-route.run,
        estimand=Estimand.LIKE_THIS,
        timeout_s=timeout_s,
        frozen_seq=0,
        frozen_count=0,
        incumbent=None,
        incumbent_models=(),
        prompt_ids=tuple(sorted(prompts)),
        log_from=route.started,
        log_to=None,
        judging=judging,
        betting=Betting(engine=Engine.CONSTANT),
    )


class _InLine:
    """Questions by position, in the order they are asked."""

    def __init__(self, *, timeout_s: float) -> None:
        self.line: Line[tuple[int, PairRow]] = Line()
        self._numbers: dict[int, int] = {}
        self._timeout_s = timeout_s
        self.aside: list[int] = []
        self.unkept: list[tuple[int, PairRow]] = []

    def enter(self, position: int, *, late: Callable[[], PairRow | None]) -> None:
        """A question is being asked."""

        def row() -> tuple[int, PairRow] | None:
            found = late()
            if found is None:
                self.aside.append(position)
            return None if found is None else (position, found)

        due = asyncio.get_running_loop().time() + self._timeout_s + _GRACE_S / 2
        self._numbers[position] = self.line.enter(due_s=due, late=row)

    def finish(self, position: int, row: PairRow | None) -> None:
        """A question was answered; `None` for nothing to count."""
        in_time = self.line.finish(self._numbers.pop(position), None if row is None else (position, row))
        if in_time and row is None:
            self.aside.append(position)

    def ready(self) -> list[tuple[int, PairRow]]:
        """What may be counted now and was not before, in the order of the requests; it is `unkept` until it is written."""
        found = self.line.ready(now_s=asyncio.get_running_loop().time())
        self.unkept += found
        return found


class ShadowEvidence(_InLine):
    """Pairs of a shadow, as pairs of a pilot; `tell` hears what they prove."""

    def __init__(
        self,
        route: Route,
        design: PilotDesign,
        *,
        ledger: Ledger,
        tell: Tell,
        now: Callable[[], datetime],
        timeout_s: float,
        least_coverage: float,
        may_split: bool,
    ) -> None:
        """`may_split` says that the workload may have a canary at all."""
        super().__init__(timeout_s=timeout_s)
        self.route = route
        self.design = design
        self.watch = Watch(design.margin, design.alpha)
        self.problem = ""
        self._ledger = ledger
        self._tell = tell
        self._now = now
        self._coverage = least_coverage
        self._may_split = may_split
        self._pilot_id = ""
        self._doubt = ""
        self._look_again = 0
        self._head = 0
        self._gap: tuple[int, float] | None = None
        self._mine: set[int] = set()

    def begin(self) -> list[tuple[int, str]]:
        """Keep the design, take in what earlier runs of this process left, and return what was drawn and never answered."""
        self._pilot_id = self._ledger.start_pilot(self.design)
        self._feed(self._read(), patient=True)
        return self._ledger.routing.undone(self._pilot_id)

    @property
    def judgement(self) -> Judgement:
        """What the pairs amount to so far."""
        return self.watch.judgement()

    def claim(self, questions: Sequence[Question]) -> list[int | None]:
        """Draw requests whose like and whose conversation were not drawn in this run before."""
        draws = [Draw(question.exchange_id, question.units) for question in questions]
        route = self.route
        places = self._ledger.routing.claim(route.workload_id, route.run, draws, pilot_id=self._pilot_id)
        self._mine.update(place for place in places if place is not None)
        return places

    def set_aside(self, positions: Sequence[int]) -> None:
        """Let draws count for nothing."""
        self._ledger.routing.set_aside(self._pilot_id, positions)

    def adopt(self, positions: Sequence[int]) -> None:
        """These draws are asked by this process."""
        self._mine.update(positions)

    async def settle(self, tally: Tally) -> Tally:
        """Write what is ready, take in what may be taken in, and say what it proves."""
        self.ready()
        ready, aside = [*self.unkept], [*self.aside]
        total, drawn = await asyncio.to_thread(self._keep, ready, aside, tally)
        del self.unkept[: len(ready)], self.aside[: len(aside)]
        self._mine.difference_update(position for position, _ in ready)
        self._mine.difference_update(aside)
        self._feed(drawn)
        happened = self._proof(total)
        if happened is not None:
            await self._tell(happened)
        return total

    def _keep(
        self, ready: Sequence[tuple[int, PairRow]], aside: Sequence[int], tally: Tally
    ) -> tuple[Tally, list[tuple[int, PairRow | None]]]:
        tables, route = self._ledger.routing, self.route
        if ready:
            tables.put_pairs(self._pilot_id, [(place, row.pair.exchange_id, row) for place, row in ready])
        if aside:
            tables.set_aside(self._pilot_id, aside)
        total = _added(self._ledger, route, tally)
        return total, self._read()

    def _read(self) -> list[tuple[int, PairRow | None]]:
        """What was drawn after the head: pairs that are there, `None` for what was set aside; missing ones are left out."""
        found: list[tuple[int, PairRow | None]] = []
        after = self._head
        while rows := self._ledger.routing.drawn_after(self._pilot_id, after):
            after = rows[-1][0]
            for position, is_aside, value in rows:
                if value is not None:
                    found.append((position, record(PairRow, value)))
                elif is_aside:
                    found.append((position, None))
        return found

    def _feed(self, drawn: Sequence[tuple[int, PairRow | None]], *, patient: bool = False) -> None:
        for position, row in drawn:
            if position <= self._head:
                continue
            missing = range(self._head + 1, position)
            if missing and (patient or not self._given_up(missing)):
                return
            self._head = position
            if row is not None:
                self.watch.add(row.pair.difference)

    def _given_up(self, missing: range) -> bool:
        """Whether what is missing is nobody's any more: drawn by a process that is gone, a time limit ago."""
        if any(position in self._mine for position in missing):
            return False
        now = asyncio.get_running_loop().time()
        if self._gap is None or self._gap[0] != missing.start:
            self._gap = (missing.start, now)
        return now - self._gap[1] > self._timeout_s + _GRACE_S

    def _proof(self, total: Tally) -> Happened | None:
        self.problem = ""
        # An interval takes milliseconds, what has been claimed is known at once.
        if not self.watch.decided and self.watch.n < self.design.n_max:
            return None
        judged = self.judgement
        if judged.conflict:
            self.problem = "the pairs contradict each other, so the traffic or the grader changed on the way"
            return None
        if (judged.by_more_than_margin or judged.replace_ok) and self._withheld(judged.n):
            return None
        if judged.by_more_than_margin and not judged.replace_ok:
            return self._worse(judged)
        if judged.replace_ok:
            return self._no_worse(total)
        if judged.n >= self.design.n_max:
            self.problem = f"{judged.n} pairs have not decided it; move it by hand, or end it"
        return None

    def _withheld(self, n: int) -> bool:
        """Whether too many verdicts could not be read for these judges to prove anything yet, as in a pilot."""
        if n >= self._look_again:
            self._doubt, self._look_again = doubt(self.design, self._ledger.pairs(self._pilot_id)), n + _LOOK_AGAIN
        self.problem = self._doubt
        return bool(self._doubt)

    def _no_worse(self, total: Tally) -> Happened | None:
        coverage = total.coverage
        if not self._may_split:
            self.problem = "proven; vectors of two models cannot share an index, so rebuild it and move it by hand"
            return None
        judged = "" if self.design.judging is None else " and judged"
        if coverage is not None and coverage < self._coverage:
            self.problem = (
                f"proven, but only {100 * coverage:.0f} % of what was asked was answered{judged} at all"
                f" ({100 * self._coverage:.0f} % are needed)"
            )
            return None
        return proven(self.design, self._ledger.pairs(self._pilot_id), at=self._now())

    def _worse(self, judged: Judgement) -> Happened:
        pairs = self._ledger.pairs(self._pilot_id)
        return Happened(
            event=Event.WORSE,
            by=By.EVIDENCE,
            at=self._now(),
            who=f"pilot {self.design.id}",
            why=f"worse than the incumbent by more than {100 * self.design.margin:.3g} points, on {judged.n} pairs",
            evidence=evidence_hash(self.design.id, pairs),
            facts={"pairs": judged.n, "margin": self.design.margin, "low": judged.low, "high": judged.high},
        )


class GuardEvidence(_InLine):
    """Pairs and calls of a canary or a moved route, laid onto the guards in the ledger; `tell` hears what they show."""

    def __init__(
        self,
        route: Route,
        terms: Terms,
        *,
        ledger: Ledger,
        tell: Tell,
        now: Callable[[], datetime],
        timeout_s: float,
    ) -> None:
        super().__init__(timeout_s=timeout_s)
        self.route = route
        self.terms = terms
        self._ledger = ledger
        self._tell = tell
        self._now = now
        self._collected = Collected(terms)
        self._batches: list[Batch] = []
        self._total = Tally()

    def claim(self, questions: Sequence[Question]) -> list[int | None]:
        """Draw one request of a conversation at this stage."""
        draws = [Draw(question.exchange_id, question.units) for question in questions]
        return self._ledger.routing.claim(self.route.workload_id, self.route.run, draws)

    def saw(self, shown: Differences) -> None:
        """A call shows something."""
        self._collected.add(shown)

    async def settle(self, tally: Tally) -> Tally:
        """Lay what was seen onto the guards, and say what they show."""
        self.aside.clear()
        for _, row in self.ready():
            mute = row.judged is not None and row.judged.is_mute
            self._collected.add(
                of_pair(
                    difference=None if mute else row.pair.difference,
                    candidate_refused=row.candidate_refused,
                    incumbent_refused=row.incumbent_refused,
                )
            )
        if self._collected.empty and not self._batches and tally.empty:
            return self._total
        self._batches.append(self._collected.take())
        total, guards = await asyncio.to_thread(self._keep, tally)
        self._total = total
        happened = self._shown(guards)
        if happened is not None:
            await self._tell(happened)
        return total

    def _keep(self, tally: Tally) -> tuple[Tally, Guards]:
        """Write what is not written yet; each part is let go as soon as it is, so that nothing is laid on twice."""
        route, tables = self.route, self._ledger.routing
        rows = [*self.unkept]
        if rows:
            named = [(row.pair.exchange_id, row) for _, row in rows]
            tables.watch(route.workload_id, route.run, route.stage.value, named)
            del self.unkept[: len(rows)]

        def laid(value: object) -> object:
            guards = Guards(self.terms) if value is None else Guards.from_json(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            for batch in self._batches:
                guards.lay(batch)
            return guards.to_json()

        value = tables.change_state(route.workload_id, route.run, guards_name(route.stage), laid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self._batches.clear()
        return _added(self._ledger, route, tally), Guards.from_json(value)

    def _shown(self, guards: Guards) -> Happened | None:
        crossed = guards.crossed
        happened = partial(Happened, at=self._now(), evidence="g" + unit(str(guards.to_json())))
        facts: dict[str, JSON] = {
            reading.what.value: {"n": reading.n, "mean": reading.mean, "level": reading.level, "bar": reading.bar}
            for reading in guards.readings()
        }
        if crossed:
            return happened(
                event=Event.REGRESSED,
                by=By.GUARD,
                who=f"guard of {' and '.join(reading.what.value for reading in crossed)}",
                why=why(crossed, self.terms),
                facts=facts,
            )
        if guards.lasted:
            return happened(
                event=Event.LASTED,
                by=By.EVIDENCE,
                who=f"guards of the {self.route.stage}",
                why=f"{guards.pairs} graded pairs went by and no guard crossed its bound",
                facts=facts,
            )
        return None


def _added(ledger: Ledger, route: Route, tally: Tally) -> Tally:
    """The counts of a stage with these added to them."""
    name = tally_name(route)
    if tally.empty:
        return Tally.from_json(ledger.routing.state(route.workload_id, route.run, name))
    value = ledger.routing.change_state(
        route.workload_id, route.run, name, lambda kept: Tally.from_json(kept).plus(tally).to_json()
    )
    return Tally.from_json(value)
