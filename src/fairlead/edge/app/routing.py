"""What people do with routes, and how a route is told: its stage, every step in words, its guards, its shadow's numbers."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fairlead.core.errors import UsageError
from fairlead.core.evidence import Judgement, Watch
from fairlead.core.evidence.verdict import undecided
from fairlead.core.nouns import JSON, Candidate, Judging, PilotDesign, Workload
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.live_grading import doubt
from fairlead.edge.app.routes import Begun, RouteBook, admit_judges, begun_from, tally_name, upstream_of
from fairlead.edge.currency import rates
from fairlead.edge.route_settings import load
from fairlead.edge.store import Ledger
from fairlead.edge.store.codec import microseconds
from fairlead.edge.store.rollups import HOUR_US, together
from fairlead.serve.guard import Guards
from fairlead.serve.routing import By, Event, Route, Transition
from fairlead.serve.snapshot import Stage, UpstreamNow
from fairlead.serve.success import SuccessCost
from fairlead.serve.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything there is to say about one route."""

    workload: Workload
    route: Route
    steps: tuple[Transition, ...]
    guards: Guards | None
    tally: Tally
    shadow: PilotDesign | None = None
    judgement: Judgement | None = None
    success: SuccessCost | None = None


def book_of(desk: Desk, config: Path | None) -> RouteBook:
    """The routes of a desk's ledger, with their settings."""
    return RouteBook(desk.ledger, settings=load(config), general=desk.settings, now=lambda: desk.now)


def told(desk: Desk, book: RouteBook, workload: Workload) -> Told:
    """All that is known of one route."""
    route = book.get(workload.id)
    shadow = next(
        (e.design for e in desk.ledger.pilots() if e.design.workload_id == workload.id and e.design.seed == -route.run),
        None,
    )
    return Told(
        workload=workload,
        route=route,
        steps=tuple(book.steps(workload.id)),
        guards=book.guards(route),
        tally=tally_of(desk.ledger, route),
        shadow=shadow if route.run else None,
        judgement=judged(desk, shadow) if shadow is not None and route.run else None,
        success=success_cost(desk.ledger, route, now=desk.now),
    )


def tally_of(ledger: Ledger, route: Route) -> Tally:
    """What became of the calls that should have been answered twice at the stage a route is in; of its whole run once it is over."""
    if route.stage is not Stage.STAY:
        return Tally.from_json(ledger.routing.state(route.workload_id, route.run, tally_name(route)))
    total = Tally()
    for run, _, value in ledger.routing.states(route.workload_id, "tally."):
        if run == route.run:
            total = total.plus(Tally.from_json(value))
    return total


def success_cost(ledger: Ledger, route: Route, *, now: datetime) -> SuccessCost | None:
    """What a successful output of a workload has cost since its route began (from the full hour); `None` before it does."""
    if route.started is None:
        return None
    since = (microseconds(route.started) or 0) // HOUR_US * HOUR_US
    until = (microseconds(now) or 0) + HOUR_US
    sums = together(
        tally for slot, tally in ledger.rollups(since_us=since, until_us=until) if slot.workload_id == route.workload_id
    )
    kept = ledger.routing.states(route.workload_id, "tally.")
    spent = [Tally.from_json(value).spent for run, _, value in kept if run == route.run]
    return SuccessCost(
        outputs=sums.calls - sums.errors - sums.closed,
        unpriced=sums.unpriced,
        answers=sums.usd,
        instead=sums.usd + sums.saved_usd,
        watching=_in_dollars([part for each in spent for part in each.items()], now=now),
    )


def _in_dollars(spent: Sequence[tuple[tuple[str, str], Decimal]], *, now: datetime) -> Decimal | None:
    """Amounts in one currency; `None` where a rate is not known."""
    try:
        known = rates("USD", {currency for (_, currency), _ in spent}, today=now.date())
    except UsageError:
        return None
    parts = [(amount, known.rate(currency)) for (_, currency), amount in spent]
    if any(rate is None for _, rate in parts):
        return None
    return sum((amount * rate for amount, rate in parts if rate is not None), Decimal(0))


def judged(desk: Desk, design: PilotDesign) -> Judgement | None:
    """What a shadow's pairs amount to so far; `None` before the first."""
    pairs = desk.ledger.pairs(design.id)
    watch = Watch(design.margin, design.alpha)
    for row in pairs:
        watch.add(row.pair.difference)
    if not pairs:
        return None
    return undecided(watch.judgement()) if doubt(design, pairs) else watch.judgement()


def everything(desk: Desk, book: RouteBook) -> list[Told]:
    """Every route, those that have gone furthest first."""
    known = {workload.id: workload for workload in desk.ledger.workloads()}
    routes = [route for route in book.all() if route.workload_id in known]
    order = list(Stage)
    routes.sort(key=lambda route: (-order.index(route.stage), known[route.workload_id].name))
    return [told(desk, book, known[route.workload_id]) for route in routes]


def me() -> str:
    """Who does something by hand, as the machine knows them."""
    try:
        return os.environ.get("FAIRLEAD_WHO") or getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def start(
    desk: Desk,
    book: RouteBook,
    workload: Workload,
    *,
    candidate: str | None,
    pilot: str | None,
    upstreams: Sequence[UpstreamNow],
    why: str,
) -> Transition:
    """Begin a route by hand: with a candidate of the settings, a pilot's, or that of the newest pilot that proved it."""
    begun = _begun(
        desk, workload, candidate=candidate or book.settings_of(workload.id).candidate, pilot=pilot, upstreams=upstreams
    )
    admit_judges(desk, book, workload, begun, upstreams=upstreams)
    return book.start(workload, begun, by=By.PERSON, who=me(), why=why or "by hand").step


def _begun(
    desk: Desk, workload: Workload, *, candidate: str | None, pilot: str | None, upstreams: Sequence[UpstreamNow]
) -> Begun:
    pilots = [
        entry.design
        for entry in desk.ledger.pilots()
        if entry.design.workload_id == workload.id and entry.design.seed >= 0
    ]
    if pilot is not None:
        chosen = [design for design in pilots if design.id == pilot]
        if not chosen:
            raise UsageError(
                f"{workload.name!r} has no pilot {pilot!r}; it has: {', '.join(d.id for d in pilots) or 'none'}."
            )
        return begun_from(desk, chosen[-1], upstreams=upstreams)
    if candidate:
        return _with_candidate(desk, pilots, named(desk, candidate), upstreams=upstreams)
    if not pilots:
        raise UsageError(
            f"{workload.name!r} has no pilot; name a candidate of fairlead.toml with --candidate, or run fairlead pilot first."
        )
    return begun_from(desk, _proven(desk, pilots) or pilots[-1], upstreams=upstreams)


def named(desk: Desk, name: str) -> Candidate:
    """A candidate of the settings."""
    found = desk.settings.candidates.get(name)
    if found is None:
        known = ", ".join(desk.settings.candidates) or "none"
        raise UsageError(f"fairlead.toml has no candidate {name!r}; it has: {known}.")
    return found


def _with_candidate(
    desk: Desk, pilots: Sequence[PilotDesign], candidate: Candidate, *, upstreams: Sequence[UpstreamNow]
) -> Begun:
    piloted = [design for design in pilots if design.candidate.id == candidate.id]
    if piloted:
        return begun_from(desk, piloted[-1], upstreams=upstreams)
    place = upstream_of(candidate, upstreams=upstreams, settings=desk.settings)
    return Begun(candidate=candidate, upstream=place)


def _proven(desk: Desk, pilots: Sequence[PilotDesign]) -> PilotDesign | None:
    """The newest pilot whose last verdict says that its candidate may replace the incumbent."""
    verdicts: dict[str, bool] = {}
    for entry in desk.ledger.verdicts():
        judgement = entry.record.get("judgement") if isinstance(entry.record, dict) else None
        verdicts[entry.pilot_id] = isinstance(judgement, dict) and judgement.get("replace_ok") is True
    return next((design for design in reversed(pilots) if verdicts.get(design.id)), None)


def by_hand(book: RouteBook, workload: Workload, event: Event, *, why: str) -> Transition:
    """Something a person does to a route."""
    return book.by_hand(workload.id, event, who=me(), why=why or "by hand").step


def keep_local(book: RouteBook, workload: Workload, *, only: tuple[str, ...], why: str) -> Transition:
    """Let only these upstreams see a workload from now on; none given lifts it."""
    words = why or (f"only {', '.join(only)} may see it" if only else "any upstream may see it")
    return book.by_hand(
        workload.id, Event.LOCAL_ONLY, who=me(), why=words, change=lambda route: replace(route, only=only)
    ).step


# As JSON


def to_json(each: Told) -> dict[str, Any]:
    """A route as it is printed with --json."""
    route, candidate = each.route, each.route.candidate
    return {
        "workload": {"id": each.workload.id, "name": each.workload.name},
        "stage": route.stage.value,
        "on_hold": route.hold,
        "since": None if route.since is None else route.since.isoformat(),
        "why": route.why,
        "candidate": None
        if candidate is None
        else {"model": candidate.model, "id": candidate.id, "upstream": route.upstream},
        "share": route.share,
        "shadow_share": route.shadow_share,
        "paired_share": route.paired_share,
        "only": list(route.only),
        "fallbacks": list(route.fallbacks),
        "pilot_id": route.pilot_id,
        "version": route.version,
        "guards": [] if each.guards is None else guards_json(each.guards),
        "shadow": each.tally.to_json(),
        "coverage": each.tally.coverage,
        "judges": [] if each.shadow is None or each.shadow.judging is None else judges_json(each.shadow.judging),
        "judgement": None if each.judgement is None else judgement_json(each),
        "cost_per_success": None if each.success is None else success_json(each.success),
        "steps": [step_json(step) for step in each.steps],
    }


def success_json(cost: SuccessCost) -> dict[str, Any]:
    """What a successful output costs."""
    return {
        "currency": "USD",
        "outputs": cost.outputs,
        "unpriced": cost.unpriced,
        "answers": str(cost.answers),
        "watching": _text(cost.watching),
        "each": _text(cost.each),
        "incumbent_each": _text(cost.instead_each),
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def guards_json(guards: Guards) -> list[dict[str, Any]]:
    """How every guard stands."""
    return [
        {
            "what": reading.what.value,
            "n": reading.n,
            "mean": reading.mean,
            "tolerated": reading.tolerance,
            "level": reading.level,
            "bar": reading.bar,
            "horizon": reading.horizon,
            "crossed_at": reading.crossed_at,
        }
        for reading in guards.readings()
    ]


def judgement_json(each: Told) -> dict[str, Any]:
    """What a shadow's pairs amount to."""
    judged_ = each.judgement
    assert judged_ is not None
    return {
        "pilot_id": None if each.shadow is None else each.shadow.id,
        "grader": None if each.shadow is None else each.shadow.grader,
        "margin": None if each.shadow is None else each.shadow.margin,
        "verdict": judged_.verdict.value,
        "low": judged_.low,
        "high": judged_.high,
        "n": judged_.n,
        "replace_ok": judged_.replace_ok,
        "conflict": judged_.conflict,
    }


def judges_json(judging: Judging) -> list[dict[str, Any]]:
    """Who compares a route's live pairs."""
    return [{"model": judge.model, "id": judge.id, "endpoint": judge.endpoint} for judge in judging.judges]


def step_json(step: Transition) -> dict[str, Any]:
    """One step."""
    facts: Mapping[str, JSON] = step.facts
    return {
        "number": step.number,
        "at": step.at.isoformat(),
        "event": step.event.value,
        "by": step.by.value,
        "who": step.who,
        "why": step.why,
        "before": step.before.value,
        "after": step.after.value,
        "on_hold": step.hold,
        "evidence": step.evidence,
        "facts": dict(facts),
    }
