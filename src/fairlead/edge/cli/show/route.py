"""How routes look in a terminal: a line each, or one with every step in words, its guards and its shadow's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from fairlead.edge.app.routing import Told
from fairlead.edge.cli.show.terminal import UNKNOWN, console, name, safe, say, table
from fairlead.pilot.result import signed
from fairlead.serve.guard import PAIRED, Reading
from fairlead.serve.routing import Route, Transition
from fairlead.serve.snapshot import Stage
from fairlead.serve.success import SuccessCost
from fairlead.serve.tally import FAILED, IN_VAIN, JUDGED, JUDGES, SKIPPED, UNJUDGED, UNPRICED, Tally

SIGNS = {Stage.STAY: "○ stay", Stage.SHADOW: "◔ shadow", Stage.CANARY: "◐ canary", Stage.MOVED: "● moved"}
STYLES = {Stage.STAY: "blue", Stage.SHADOW: "yellow", Stage.CANARY: "yellow", Stage.MOVED: "green"}


def routes(found: Sequence[Told]) -> None:
    """Print a line for each route."""
    if not found:
        say(
            "Nothing is on its way: every workload is answered by its incumbent. fairlead route apply begins what the plan says."
        )
        return
    made = table(("", False), ("Workload", False), ("Candidate", False), ("Since", False), ("How it stands", False))
    for each in found:
        route = each.route
        made.add_row(
            Text(SIGNS[route.stage] + (" (on hold)" if route.hold else ""), style=STYLES[route.stage]),
            name(each.workload.name, width=34),
            name(route.candidate.model if route.candidate else UNKNOWN, width=26),
            when(route.since),
            name(standing(each), width=70),
        )
    console().print(made)


def route(each: Told) -> None:
    """Print all there is to say about one route."""
    found = each.route
    held = ", on hold: only a person moves it" if found.hold else ""
    console().print(
        Text(f"{safe(each.workload.name, width=80)} ({each.workload.id}): {found.stage}{held}", style="bold")
    )
    for line in about(found):
        say(line)
    for lines in (success_lines(each.success), shadow_lines(each), guard_lines(each), [""], steps(each.steps)):
        for line in lines:
            say(line)


def about(found: Route) -> Iterator[str]:
    """Who answers, and what may see it."""
    if found.candidate is not None:
        model = safe(found.candidate.model, width=60)
        yield f"{model} at {safe(found.upstream, width=60)} {takes(found)}."
    if found.only:
        yield f"Local only: it may be seen by {safe(', '.join(found.only), width=160)} and by nobody else."
    if found.fallbacks:
        yield f"When the candidate fails: {safe(', '.join(found.fallbacks), width=160)}, then the incumbent."


def takes(found: Route) -> str:
    """What the candidate does at the stage, in words."""
    return {
        Stage.STAY: "is not asked",
        Stage.SHADOW: f"is asked beside the incumbent for {found.shadow_share:.0%} of the calls; no caller sees its answers",
        Stage.CANARY: (
            f"answers {found.share:.0%} of the conversations; {found.canary_paired:.0%} of its calls are also answered by the"
            " incumbent"
        ),
        Stage.MOVED: f"answers; {found.moved_paired:.0%} of its calls are also answered by the incumbent",
    }[found.stage]


def standing(each: Told) -> str:
    """How a route stands, in a few words."""
    route, judged, guards = each.route, each.judgement, each.guards
    if route.stage is Stage.STAY:
        return route.why
    if guards is not None:
        crossed = guards.crossed
        if crossed:
            return "crossed: " + ", ".join(reading.what.value for reading in crossed)
        horizon = guards.terms.horizon if guards.terms.stage is Stage.CANARY else None
        return f"{guards.pairs:,} graded pairs" + (f" of {horizon:,}" if horizon else "") + ", no guard crossed"
    if judged is None:
        return "no graded pair yet"
    return f"{judged.verdict}: {signed(judged.low)} to {signed(judged.high)} points on {judged.n:,} pairs"


def shadow_lines(each: Told) -> Iterator[str]:
    """What became of the calls that should have been answered twice."""
    counts = each.tally.counts
    if each.judgement is not None and each.shadow is not None:
        judged = each.judgement
        yield (
            f"Evidence of the shadow: {judged.verdict}, difference {signed(judged.low)} to {signed(judged.high)} points,"
            f" {judged.n:,} pairs, margin {100 * each.shadow.margin:.3g} points, graded by {safe(each.shadow.grader, width=60)}."
        )
    if not counts:
        return
    yield (
        f"Calls to be answered twice: {counts['wanted']:,} wanted, {counts['drawn']:,} drawn, {counts['asked']:,} asked,"
        f" {counts['graded']:,} graded."
    )
    for what, count in sorted(counts.items()):
        if what.startswith((FAILED, SKIPPED, JUDGES)) or what in {IN_VAIN, UNJUDGED, UNPRICED}:
            yield f"  {count:,} {what}"
    if (coverage := each.tally.coverage) is not None:
        also = " and judged" if counts[JUDGED] or counts[UNJUDGED] else ""
        yield f"  {coverage:.0%} of what was asked was answered{also}."
    yield from money(each.tally)
    if each.tally.problem:
        yield f"  The last thing in the way: {safe(each.tally.problem, width=200)}"


def success_lines(cost: SuccessCost | None) -> Iterator[str]:
    """What a successful output costs, and what is in it."""
    if cost is None or not cost.outputs:
        return
    if cost.each is None or cost.instead_each is None:
        calls = "1 call has" if cost.unpriced == 1 else f"{cost.unpriced:,} calls have"
        why = f"{calls} no known price" if cost.unpriced else "an exchange rate is not known"
        yield f"What a successful output costs is not known: {why}."
        return
    yield (
        f"A successful output costs {cost.each:.6f} USD since the route began ({cost.outputs:,} of them: {cost.answers:.4f} for"
        f" answers, {cost.watching:.4f} for asking twice); the incumbent alone would have cost {cost.instead_each:.6f}."
    )


def money(tally: Tally) -> Iterator[str]:
    """What asking cost, by month."""
    for (month, currency), amount in sorted(tally.spent.items()):
        guessed = tally.estimated.get((month, currency))
        part = f", {guessed:.4f} of it estimated" if guessed else ""
        yield f"  {amount:.4f} {currency} were spent on it in {month}{part}."


def guard_lines(each: Told) -> Iterator[str]:
    """How each guard stands."""
    if each.guards is None:
        return
    terms = each.guards.terms
    yield f"Guards of the {terms.stage} (a level that reaches its bar takes the route back):"
    for reading in each.guards.readings():
        yield "  " + guard_line(reading)


def guard_line(reading: Reading) -> str:
    """One guard."""
    of = "pairs" if reading.what in PAIRED else "calls"
    mean = UNKNOWN if reading.mean is None else f"{100 * reading.mean:+.1f}".replace("-", "−")
    at = f", crossed at {reading.crossed_at:,}" if reading.crossed_at is not None else ""
    return (
        f"{reading.what.value:<9} {reading.n:>7,} {of}, mean {mean} points (tolerated −{100 * reading.tolerance:.3g}),"
        f" level {reading.level:.3g} of {reading.bar:,.0f}{at}"
    )


def steps(found: Sequence[Transition]) -> Iterator[str]:
    """Every step in words, the first one first."""
    for step in found:
        yield sentence(step)


def sentence(step: Transition) -> str:
    """One step: when, who, from where to where, why."""
    went = f"{step.before} → {step.after}" if step.before is not step.after else f"{step.event} at {step.after}"
    held = ", on hold from then on" if step.hold else ""
    rests = f" [evidence {step.evidence}]" if step.evidence else ""
    who = "" if step.by.value in step.who else f"{step.by} "
    return f"{step.number}. {when(step.at)}  {went}{held}: {safe(step.why, width=200)} ({who}{safe(step.who, width=60)}){rests}"


def when(at: datetime | None) -> str:
    """A moment for people."""
    return UNKNOWN if at is None else f"{at:%Y-%m-%d %H:%M}"
