"""How far a workload has moved, who moved it there and why: the stages as a table, and the one loop that reads it.

Rules kept here: nothing moves on unless the table says so; a hold stops evidence and plans, never a person or a guard; a
guard that crossed takes a route back at once from whatever stage and puts it on hold, so that only a person can send it
out again; every step is a `Transition` that says who, when, why and on what evidence. No clock: the time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from fairlead.core.errors import UsageError
from fairlead.core.nouns import JSON, Candidate
from fairlead.serve.snapshot import Disconnect, Stage


class Event(StrEnum):
    """What can happen to a route."""

    STARTED = "started"
    REPLACE_OK = "replace ok"
    WORSE = "worse"
    LASTED = "lasted"
    REGRESSED = "regressed"
    ADVANCED = "advanced"
    BACK = "taken back"
    HOLD = "put on hold"
    RELEASED = "released"
    LOCAL_ONLY = "local only"
    CHANGED = "settings changed"


class By(StrEnum):
    """Who makes something happen."""

    PERSON = "person"
    PLAN = "plan"
    EVIDENCE = "evidence"
    GUARD = "guard"


NEXT: Mapping[tuple[Stage, Event], Stage] = {
    (Stage.STAY, Event.STARTED): Stage.SHADOW,
    (Stage.SHADOW, Event.REPLACE_OK): Stage.CANARY,
    (Stage.CANARY, Event.LASTED): Stage.MOVED,
    (Stage.SHADOW, Event.WORSE): Stage.STAY,
    (Stage.SHADOW, Event.REGRESSED): Stage.STAY,
    (Stage.CANARY, Event.REGRESSED): Stage.STAY,
    (Stage.MOVED, Event.REGRESSED): Stage.STAY,
    (Stage.STAY, Event.ADVANCED): Stage.SHADOW,
    (Stage.SHADOW, Event.ADVANCED): Stage.CANARY,
    (Stage.CANARY, Event.ADVANCED): Stage.MOVED,
    (Stage.SHADOW, Event.BACK): Stage.STAY,
    (Stage.CANARY, Event.BACK): Stage.STAY,
    (Stage.MOVED, Event.BACK): Stage.STAY,
}
"""Which stage follows. Events of `ANYWHERE` leave the stage as it is; every other pair is refused."""

ANYWHERE = frozenset({Event.HOLD, Event.RELEASED, Event.LOCAL_ONLY, Event.CHANGED})

MAY: Mapping[Event, frozenset[By]] = {
    Event.STARTED: frozenset({By.PERSON, By.PLAN}),
    Event.REPLACE_OK: frozenset({By.EVIDENCE}),
    Event.WORSE: frozenset({By.EVIDENCE}),
    Event.LASTED: frozenset({By.EVIDENCE}),
    Event.REGRESSED: frozenset({By.GUARD}),
    Event.ADVANCED: frozenset({By.PERSON}),
    Event.BACK: frozenset({By.PERSON}),
    Event.HOLD: frozenset({By.PERSON}),
    Event.RELEASED: frozenset({By.PERSON}),
    Event.LOCAL_ONLY: frozenset({By.PERSON}),
    Event.CHANGED: frozenset({By.PERSON}),
}
"""Who may make what happen."""

_BY_WORDS: Mapping[By, str] = {
    By.PERSON: "a person",
    By.PLAN: "a plan",
    By.EVIDENCE: "evidence",
    By.GUARD: "a guard",
}

STOPPED_BY_HOLD = frozenset({By.PLAN, By.EVIDENCE})

HOLDS: Mapping[Event, bool] = {
    Event.HOLD: True,
    Event.BACK: True,
    Event.REGRESSED: True,
    Event.WORSE: True,
    Event.RELEASED: False,
    Event.STARTED: False,
}
"""What an event does to the hold; events that are not here leave it. What was taken back stays back until a person says so."""

REACH: Mapping[Stage, int] = {Stage.STAY: 0, Stage.SHADOW: 1, Stage.CANARY: 2, Stage.MOVED: 3}
"""How far from the incumbent a stage is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who answers a workload now, and how it is watched. `version` counts its transitions.

    `candidate` is the open model with its settings, `upstream` the name of the place it answers at; `pilot_id` the pilot
    whose verdict it rests on. `allowance` widens the margin for live pairs where another grader than the pilot's grades
    them. `share` of conversations go to the candidate in the canary; `shadow_share` of calls are
    shadowed; `paired_share` of the calls that the candidate answers are also answered by the incumbent, in canary and moved.
    `only` lists the upstreams that may ever see this workload, empty for any. `fallbacks` are upstreams by name, tried
    before the incumbent. `run` counts how often the route was started: evidence and guards of an earlier run do not count.
    """

    workload_id: str
    stage: Stage = Stage.STAY
    hold: bool = False
    candidate: Candidate | None = None
    upstream: str = ""
    pilot_id: str | None = None
    grader: str = ""
    labels: str | None = None
    margin: float = 0.03
    allowance: float = 0.0
    share: float = 0.1
    shadow_share: float = 1.0
    canary_paired: float = 0.5
    moved_paired: float = 0.05
    only: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    disconnect: Disconnect = Disconnect.CANCEL
    inject_usage: bool = True
    repair: bool = False
    salt: str = ""
    run: int = 0
    version: int = 0
    since: datetime | None = None
    started: datetime | None = None
    why: str = ""

    @property
    def paired_share(self) -> float:
        """The paired share of the stage it is in."""
        return self.canary_paired if self.stage is Stage.CANARY else self.moved_paired

    @property
    def live_margin(self) -> float:
        """The margin that live pairs are held to."""
        return min(self.margin + self.allowance, 0.95)

    def may_see(self, upstream: str) -> bool:
        """Whether an upstream may see a request of this workload."""
        return not self.only or upstream in self.only


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step of a route: `number` is the route's version after it.

    `who` names the person, plan, pilot or guard; `evidence` is the hash of what the step rests on, where it rests on
    evidence; `facts` are the numbers a reader wants beside the reason.
    """

    workload_id: str
    number: int
    at: datetime
    event: Event
    by: By
    who: str
    why: str
    before: Stage
    after: Stage
    hold: bool = False
    run: int = 0
    evidence: str | None = None
    facts: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that happened to a route, before it is known whether the table lets it."""

    event: Event
    by: By
    at: datetime
    who: str
    why: str
    evidence: str | None = None
    facts: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A route after a step, with the step."""

    route: Route
    step: Transition


def refusal(route: Route, event: Event, by: By) -> str | None:
    """Why this may not happen to the route now, in words; `None` when it may."""
    if by not in MAY[event]:
        return f"'{event}' cannot come from {_BY_WORDS[by]}"
    if route.hold and by in STOPPED_BY_HOLD:
        return f"the route is on hold ({route.why or 'by hand'}); only a person moves it"
    if event not in ANYWHERE and (route.stage, event) not in NEXT:
        already = "its incumbent answers all of it already (stage stay)"
        return already if route.stage is Stage.STAY else f"nothing follows from '{event}' at the stage {route.stage}"
    if event is Event.RELEASED and not route.hold:
        return "the route is not on hold"
    if NEXT.get((route.stage, event), route.stage) is not Stage.STAY and event not in ANYWHERE and not route.candidate:
        return "no candidate is known for it; name one, or start it from a plan"
    return None


def after(route: Route, happened: Happened) -> Moved:
    """The route after one event, and the record of it; `UsageError` when the table does not allow it."""
    why_not = refusal(route, happened.event, happened.by)
    if why_not is not None:
        raise UsageError(f"The route of {route.workload_id} cannot be {_words(happened.event)}: {why_not}.")
    stage = NEXT.get((route.stage, happened.event), route.stage)
    begins = happened.event in {Event.STARTED, Event.ADVANCED} and route.stage is Stage.STAY
    moved = replace(
        route,
        stage=stage,
        hold=HOLDS.get(happened.event, route.hold),
        run=route.run + begins,
        version=route.version + 1,
        since=happened.at if stage is not route.stage or route.since is None else route.since,
        started=happened.at if begins else route.started,
        why=happened.why if stage is not route.stage or happened.event in HOLDS else route.why,
    )
    return Moved(route=moved, step=_record(route, moved, happened))


def replayed(route: Route, history: Iterable[Happened]) -> Route:
    """The route after everything that happened, in order; what the table refuses has no effect."""
    for happened in history:
        if refusal(route, happened.event, happened.by) is None:
            route = after(route, happened).route
    return route


def _record(before: Route, now: Route, happened: Happened) -> Transition:
    return Transition(
        workload_id=now.workload_id,
        number=now.version,
        at=happened.at,
        event=happened.event,
        by=happened.by,
        who=happened.who,
        why=happened.why,
        before=before.stage,
        after=now.stage,
        hold=now.hold,
        run=now.run,
        evidence=happened.evidence,
        facts=happened.facts,
    )


_AS_DONE: Mapping[Event, str] = {
    Event.REPLACE_OK: "sent to the canary",
    Event.LASTED: "moved",
    Event.WORSE: "ended",
    Event.REGRESSED: "rolled back",
    Event.LOCAL_ONLY: "kept to its own upstreams",
    Event.CHANGED: "changed",
}


def _words(event: Event) -> str:
    return _AS_DONE.get(event, str(event))
