"""Routes, wired: started by a plan or a person, moved on by evidence, taken back by guards, each step kept in the ledger.

Rules kept here: a step is tried on the newest state of the route, and again when another process was quicker; what a stage's
guards tolerate is declared, and kept, in the same write that begins the stage; whoever is not at the screen is told of every
step that no person made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fairlead.core.errors import LedgerError, UsageError
from fairlead.core.ids import digest
from fairlead.core.nouns import JSON, Candidate, Endpoint, PairRow, PilotDesign, Workload
from fairlead.core.redact import DataClass, Policy
from fairlead.edge.app.classes import said_local
from fairlead.edge.app.seen_by import not_listed, upstreams_at
from fairlead.edge.clients.address import address
from fairlead.edge.config import Settings
from fairlead.edge.route_settings import RouteSettings, RoutesSettings, Start
from fairlead.edge.store import Ledger
from fairlead.edge.store.codec import microseconds, record
from fairlead.serve.current import NO_UPSTREAM
from fairlead.serve.guard import Guards, Terms
from fairlead.serve.near import is_local
from fairlead.serve.routing import By, Event, Happened, Moved, Route, Transition, after, refusal
from fairlead.serve.snapshot import Stage, UpstreamNow

if TYPE_CHECKING:
    from fairlead.core.moves import Plan
    from fairlead.edge.app.desk import Desk

_TRIES = 5
_YEAR_US = 365.25 * 86_400 * 1e6
_PAIRS_A_YEAR = 20_000.0
SLOW_S = 60.0

Change = Callable[[Route], Route]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a person or a plan starts a route with."""

    candidate: Candidate
    upstream: str
    pilot_id: str | None = None
    grader: str = ""
    labels: str | None = None
    margin: float | None = None


class RouteBook:
    """The routes of one ledger, and the rules by which they change."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        settings: RoutesSettings | None = None,
        general: Settings | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`general` holds the judges that settings of routes name."""
        self.ledger = ledger
        self.settings = settings or RoutesSettings()
        self.general = general or Settings()
        self._tables = ledger.routing
        self._now = now

    @property
    def now(self) -> datetime:
        """The time of day."""
        return self._now()

    def all(self) -> list[Route]:
        """Every route that there is."""
        return [record(Route, value) for value in self._tables.all()]

    def get(self, workload_id: str) -> Route:
        """The route of a workload; one that stays where it is where none was ever begun."""
        found = self._tables.one(workload_id)
        return Route(workload_id=workload_id) if found is None else record(Route, found)

    def steps(self, workload_id: str | None = None) -> list[Transition]:
        """Every step of a route, or of all, the first one first."""
        return [record(Transition, value) for value in self._tables.steps(workload_id)]

    def guards(self, route: Route) -> Guards | None:
        """The guards of the stage a route is in; `None` at a stage that has none."""
        found = self._tables.state(route.workload_id, route.run, guards_name(route.stage))
        return None if found is None else Guards.from_json(found)

    def happen(self, workload_id: str, happened: Happened, *, change: Change | None = None) -> Moved:
        """Let something happen to a route; `UsageError` when the table does not allow it.

        `change` is made to the route first, in the same step.
        """
        for _ in range(_TRIES):
            before = self.get(workload_id)
            moved = after(before if change is None else change(before), happened)
            if self._keep(moved):
                return moved
        raise LedgerError(
            f"The route of {workload_id} was moved {_TRIES} times by somebody else meanwhile; look again."
        )

    def try_to(self, workload_id: str, happened: Happened) -> Moved | None:
        """As `happen`, for what comes by itself: `None` where the table does not allow it (any more)."""
        if refusal(self.get(workload_id), happened.event, happened.by) is not None:
            return None
        try:
            return self.happen(workload_id, happened)
        except UsageError:
            return None

    def _keep(self, moved: Moved) -> bool:
        route, step = moved.route, moved.step
        states: dict[tuple[int, str], JSON] = {}
        if step.before is not step.after and step.after in {Stage.CANARY, Stage.MOVED}:
            states[route.run, guards_name(step.after)] = Guards(self.terms(route)).to_json()
        return self._tables.move(
            route.workload_id,
            version=route.version,
            record=route,
            step=step,
            at_us=microseconds(step.at) or 0,
            states=states,
            alert=None if step.by is By.PERSON else self._alert(route, step),
        )

    def _alert(self, route: Route, step: Transition) -> dict[str, JSON]:
        """What an operator is told: no text of any request, and of a local-only workload not even its name."""
        named = next((each.name for each in self.ledger.workloads() if each.id == route.workload_id), None)
        return {
            "workload": route.workload_id,
            "name": None if route.only else named,
            "event": step.event.value,
            "before": step.before.value,
            "after": step.after.value,
            "on_hold": step.hold,
            "by": step.by.value,
            "who": step.who,
            "why": step.why,
            "at": step.at.isoformat(),
            "number": step.number,
            "evidence": step.evidence,
            "facts": dict(step.facts),
        }

    # What is declared when a stage begins

    def settings_of(self, workload_id: str) -> RouteSettings:
        """How a workload is moved."""
        name = next((each.name for each in self.ledger.workloads() if each.id == workload_id), None)
        return self.settings.of(workload_id, name)

    def terms(self, route: Route) -> Terms:
        """What the guards of the stage that a route enters tolerate, and for how many pairs."""
        chosen = self.settings_of(route.workload_id)
        pairs_per_year = self._calls_per_year(route.workload_id) * max(route.moved_paired, 1e-6)
        return Terms(
            stage=route.stage,
            quality=route.live_margin,
            errors=chosen.errors,
            slow=chosen.slow,
            refusals=chosen.refusals,
            schema=chosen.schema,
            slow_s=chosen.slow_s or self._slow_s(route),
            alpha=chosen.alpha,
            horizon=chosen.horizon,
            false_alarms_per_year=chosen.false_alarms_per_year,
            pairs_per_year=max(pairs_per_year, 100.0) if pairs_per_year else _PAIRS_A_YEAR,
            calls_per_pair=1 / max(route.paired_share, 1e-6),
        )

    def _slow_s(self, route: Route) -> float:
        """Twice the incumbent's 95th percentile in the pilot; a minute where that is not known."""
        if route.pilot_id is None:
            return SLOW_S
        from fairlead.pilot.result import quantile  # noqa: PLC0415 - loads every grader

        known = [row.incumbent_latency_s for row in self.ledger.pairs(route.pilot_id)]
        slowest = quantile(sorted(latency for latency in known if latency is not None), 0.95)
        return SLOW_S if slowest is None else max(2 * slowest, 1.0)

    def _calls_per_year(self, workload_id: str) -> float:
        pace = self._tables.pace(workload_id)
        if pace is None or pace.last_us - pace.first_us < 3_600e6:
            return 0.0
        return (pace.calls - 1) / (pace.last_us - pace.first_us) * _YEAR_US

    # By hand

    def start(self, workload: Workload, begun: Begun, *, by: By, who: str, why: str) -> Moved:
        """Begin a run: the candidate is asked beside the incumbent from now on."""
        happened = Happened(event=Event.STARTED, by=by, at=self.now, who=who, why=why, facts=_facts(begun))
        return self.happen(workload.id, happened, change=lambda route: self.begun(route, workload, begun))

    def begun(self, route: Route, workload: Workload, begun: Begun) -> Route:
        """The route with its candidate, the settings that hold for it, and how its live pairs will be graded."""
        chosen = self.settings.of_workload(workload)
        made = replace(
            route,
            candidate=begun.candidate,
            upstream=begun.upstream,
            pilot_id=begun.pilot_id,
            grader=chosen.grader or begun.grader,
            labels=chosen.labels or begun.labels,
            margin=chosen.margin or begun.margin or route.margin,
            share=chosen.share,
            shadow_share=chosen.shadow_share,
            canary_paired=chosen.canary_paired,
            moved_paired=chosen.moved_paired,
            only=route.only or chosen.only,
            fallbacks=chosen.fallbacks,
            disconnect=chosen.disconnect,
            inject_usage=chosen.inject_usage,
            repair=chosen.repair,
            salt=route.salt or digest([route.workload_id, self.now], size=8),
        )
        from fairlead.edge.app.live_grading import grading_of  # noqa: PLC0415 - graders are heavy, and few begin a route

        begins = replace(made, run=0)  # judges of an earlier run bind nobody
        grading = grading_of(begins, workload, self.ledger, chosen=chosen, settings=self.general)
        if grading.comparing is not None and self.general.privacy.redact is Policy.DROP:
            raise UsageError(
                f"No text of {workload.name!r} is kept (redact = drop), so no judge may see one; name a grader in"
                f' [serve.routes."{workload.name}"].'
            )
        if grading.off and chosen.start is Start.SHADOW:
            raise UsageError(
                f"A shadow of {workload.name!r} would prove nothing: good answers of it seldom agree word for word, and people are"
                f' not asked about live ones. Name judges or a grader in [serve.routes."{workload.name}"], or set start = "canary"'
                " there to go on the pilot's evidence with the guardrails alone."
            )
        return replace(made, allowance=grading.allowance)

    def by_hand(self, workload_id: str, event: Event, *, who: str, why: str, change: Change | None = None) -> Moved:
        """Something a person does."""
        happened = Happened(event=event, by=By.PERSON, at=self.now, who=who, why=why)
        return self.happen(workload_id, happened, change=change)


def guards_name(stage: Stage) -> str:
    """Under what name the guards of a stage are kept."""
    return f"guards.{stage.value}"


def tally_name(route: Route) -> str:
    """Under what name the counts of the stage a route is in are kept."""
    return f"tally.{route.stage.value}"


def _facts(begun: Begun) -> dict[str, JSON]:
    return {"candidate": begun.candidate.model, "upstream": begun.upstream, "pilot": begun.pilot_id}


# Plans


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What applying a plan did: the steps it took, and what it left alone, with the reason."""

    steps: tuple[Transition, ...]
    left: tuple[tuple[str, str], ...] = ()


def apply_plan(desk: Desk, book: RouteBook, *, upstreams: Sequence[UpstreamNow], who: str = "") -> Applied:
    """Begin a route for every workload that the newest plan says to move, as far as the rules allow."""
    from fairlead.core.moves import Action, plan_from_json  # noqa: PLC0415 - statistics are heavy, and a gateway plans nothing

    kept = desk.ledger.last_plan()
    if not isinstance(kept, dict):
        raise UsageError("The ledger holds no plan yet; run fairlead plan first.")
    plan = plan_from_json(kept)
    pilots = {entry.id: entry.design for entry in desk.ledger.pilots()}
    workloads = {workload.id: workload for workload in desk.ledger.workloads()}
    steps: list[Transition] = []
    left: list[tuple[str, str]] = []
    for move in plan.moves:
        if move.action is not Action.MOVE or move.best is None:
            continue
        design, workload = pilots.get(move.best.pilot.pilot_id), workloads.get(move.workload.id)
        if design is None or workload is None:
            left.append((move.workload.id, "its pilot or its workload is no longer in the ledger"))
            continue
        taken = _apply(desk, book, workload, design, plan, upstreams=upstreams, who=who)
        if isinstance(taken, str):
            left.append((workload.id, taken))
        else:
            steps.extend(taken)
    return Applied(steps=tuple(steps), left=tuple(left))


def _apply(
    desk: Desk,
    book: RouteBook,
    workload: Workload,
    design: PilotDesign,
    plan: Plan,
    *,
    upstreams: Sequence[UpstreamNow],
    who: str,
) -> list[Transition] | str:
    route = book.get(workload.id)
    why_not = refusal(replace(route, candidate=design.candidate), Event.STARTED, By.PLAN)
    if route.stage is not Stage.STAY:
        same = route.candidate is not None and route.candidate.id == design.candidate.id
        return f"it is at the stage {route.stage} already" + ("" if same else ", with another candidate")
    if why_not is not None:
        return why_not
    begun = begun_from(desk, design, upstreams=upstreams)
    who = who or f"plan of {plan.made_at:%Y-%m-%d %H:%M}"
    try:
        admit_judges(desk, book, workload, begun, upstreams=upstreams)
        steps = [book.start(workload, begun, by=By.PLAN, who=who, why="the plan says to move it").step]
    except UsageError as error:
        return str(error).rstrip(".")
    if book.settings.of_workload(workload).start is Start.CANARY and may_split(workload):
        moved = book.try_to(workload.id, proven(design, desk.ledger.pairs(design.id), at=book.now))
        steps += [] if moved is None else [moved.step]
    return steps


def admit_judges(
    desk: Desk, book: RouteBook, workload: Workload, begun: Begun, *, upstreams: Sequence[UpstreamNow]
) -> None:
    """Refuse judges that may not see a workload which only some upstreams may see."""
    from fairlead.edge.app.live_grading import comparing_of  # noqa: PLC0415 - loads every grader

    route = replace(book.get(workload.id), candidate=begun.candidate, pilot_id=begun.pilot_id, run=0)
    chosen = book.settings.of_workload(workload)
    if chosen.grader or chosen.labels:
        return
    comparing = comparing_of(route, workload, desk.ledger, chosen=chosen, settings=book.general)
    bound = only_by_class([workload], desk.settings, book.settings, upstreams, said=said_local(desk.ledger))
    only = route.only or bound.get(workload.id, ())
    for judge in comparing.judging.judges if comparing is not None else ():
        why_not = not_listed(judge, only, upstreams_at(judge, upstreams))
        if why_not:
            raise UsageError(f'{why_not} Name a judge at one of them in [serve.routes."{workload.name}"].')


def begun_from(desk: Desk, design: PilotDesign, *, upstreams: Sequence[UpstreamNow]) -> Begun:
    """What a route begins with that rests on a pilot."""
    last: Mapping[str, JSON] = {}
    for entry in desk.ledger.verdicts():
        if entry.pilot_id == design.id and isinstance(entry.record, dict):
            last = entry.record
    name, labels = last.get("grader_name"), last.get("labels")
    candidate = with_key(desk.settings, design.candidate)
    return Begun(
        candidate=candidate,
        upstream=upstream_of(candidate, upstreams=upstreams, settings=desk.settings),
        pilot_id=design.id,
        grader=name if isinstance(name, str) else "",
        labels=labels if isinstance(labels, str) else None,
        margin=design.margin,
    )


def with_key(settings: Settings, candidate: Candidate) -> Candidate:
    """The candidate with the key's variable and the price of its entry in the settings, which are not part of a design."""
    for entry in settings.candidates.values():
        if entry.id == candidate.id:
            return replace(candidate, key_env=candidate.key_env or entry.key_env, price=candidate.price or entry.price)
    return candidate


def proven(design: PilotDesign, pairs: Sequence[PairRow], *, at: datetime) -> Happened:
    """That a pilot has proven its candidate no worse than the margin, with the hash of the pairs it rests on."""
    return Happened(
        event=Event.REPLACE_OK,
        by=By.EVIDENCE,
        at=at,
        who=f"pilot {design.id}",
        why=f"no worse than the incumbent by {100 * design.margin:.3g} points or more, on {len(pairs)} pairs",
        evidence=evidence_hash(design.id, pairs),
        facts={"pairs": len(pairs), "margin": design.margin},
    )


def evidence_hash(pilot_id: str, pairs: Sequence[PairRow]) -> str:
    """A hash of the pairs that a step rests on."""
    return "e" + digest(
        [pilot_id, [[row.pair.position, row.pair.exchange_id, row.pair.difference] for row in pairs]], size=8
    )


def may_split(workload: Workload) -> bool:
    """Whether single conversations can go to the candidate: an index holds one model's vectors, never two models'."""
    return workload.endpoint is not Endpoint.EMBEDDINGS


# Upstreams


def upstream_of(candidate: Candidate, *, upstreams: Sequence[UpstreamNow], settings: Settings) -> str:
    """The name of the place a candidate answers at: a configured upstream, an entry of `[candidates]`, or its host."""
    base = address(candidate.endpoint).base_url
    for upstream in upstreams:
        if any(address(url).base_url == base for url in upstream.urls):
            return upstream.name
    for name, entry in settings.candidates.items():
        if address(entry.endpoint).base_url == base:
            return name
    return address(candidate.endpoint).host


def only_by_class(
    workloads: Sequence[Workload],
    settings: Settings,
    routes: RoutesSettings,
    upstreams: Sequence[UpstreamNow],
    *,
    said: Collection[str] = (),
) -> dict[str, tuple[str, ...]]:
    """For each workload that may not leave, the upstreams that may see it: as listed, or else those that are local.

    `said` are the workloads of which a user said so by command.
    """
    near = tuple(upstream.name for upstream in upstreams if is_local(upstream)) or (NO_UPSTREAM,)
    found: dict[str, tuple[str, ...]] = {}
    for workload in workloads:
        listed = routes.of_workload(workload).only
        is_bound = workload.id in said or settings.privacy.data_class(workload) is DataClass.LOCAL_ONLY
        if listed or is_bound:
            found[workload.id] = listed or near
    return found
