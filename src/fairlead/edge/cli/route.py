"""`fairlead route`: see where each workload stands, move one by hand, take one back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fairlead.core.errors import UsageError
from fairlead.edge.app import Desk, opened, routes, routing
from fairlead.edge.cli import options
from fairlead.edge.cli.show import route as show_route
from fairlead.edge.cli.show import terminal
from fairlead.edge.serve_settings import load as gateway_settings
from fairlead.serve.routing import Event, Transition
from fairlead.serve.snapshot import UpstreamNow


def reason(command: options.Command) -> options.Command:
    """`--why TEXT`."""
    return click.option("--why", default="", metavar="TEXT", help="Why; it is kept with the step.")(command)


def common(command: options.Command) -> options.Command:
    """The flags that all sub-commands share."""
    return options.ledger(options.config(options.as_json(command)))


@click.group(name="route")
def command() -> None:
    """See where each workload stands, move one by hand, take one back.

    \b
    fairlead route list                     every route and how it stands
    fairlead route show "Invoice fields"    one route: every step in words, its guards, its shadow
    fairlead route apply                    begin what the newest plan says to move
    fairlead route start "Invoice fields"   ask the candidate beside the incumbent, unseen by callers
    fairlead route back "Invoice fields"    let the incumbent answer again, at once, until somebody says otherwise

    A workload goes stay → shadow → canary → moved, on evidence or by hand; a guard that crosses its bound takes it back.
    A running gateway follows within a second. docs/routes.md explains the stages and how fast a regression is caught.
    """


@command.command(name="list")
@common
def list_(ledger: str | None, config: Path | None, as_json: bool) -> None:
    """List every route with its stage, candidate and how it stands, those that have gone furthest first.

    \b
    The record printed by --json: {"routes": [{workload, stage, on_hold, since, why, candidate, share, shadow_share,
    paired_share, only, fallbacks, pilot_id, version, guards, shadow, coverage, judges, judgement,
    cost_per_success, steps}]}
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        found = routing.everything(desk, routing.book_of(desk, config))
    if as_json:
        options.print_json({"routes": [routing.to_json(each) for each in found]})
    else:
        show_route.routes(found)


@command.command(name="show")
@click.argument("workload")
@common
def show_(workload: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Show one route: who answers, every step with who, when and why, how its guards stand, what its shadow did.

    \b
    The record printed by --json: as one of `fairlead route list`; a guard is {what, n, mean, tolerated, level, bar, horizon,
    crossed_at}, a step {number, at, event, by, who, why, before, after, on_hold, evidence, facts},
    and cost_per_success is {currency, outputs, unpriced, answers, watching, each, incumbent_each} or null.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        found = routing.told(desk, routing.book_of(desk, config), desk.workload(workload))
    if as_json:
        options.print_json(routing.to_json(found))
    else:
        show_route.route(found)


@command.command(name="apply")
@common
def apply(ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Begin a route for every workload that the newest plan says to move.

    Routes on hold, and those already on their way, are left alone and named. Where they begin (shadow or canary) is the
    setting `start`.

    \b
    The record printed by --json: {"steps": [{workload, number, at, event, by, who, why, before, after, …}],
    "left": [{workload, why}]}
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        names = {each.id: each.name for each in desk.ledger.workloads()}
        applied = routes.apply_plan(desk, routing.book_of(desk, config), upstreams=upstreams(config))
    left = [{"workload": names.get(id_, id_), "why": why} for id_, why in applied.left]
    if as_json:
        steps = [{"workload": step.workload_id, **routing.step_json(step)} for step in applied.steps]
        options.print_json({"steps": steps, "left": left})
        return
    for step in applied.steps:
        terminal.say(f"{terminal.safe(names.get(step.workload_id, step.workload_id))}: {step.before} → {step.after}")
    for each in left:
        terminal.say(f"{terminal.safe(each['workload'])} was left alone: {each['why']}.")
    if not applied.steps and not left:
        terminal.say("The newest plan moves nothing.")


@command.command(name="start")
@click.argument("workload")
@click.option(
    "--candidate", metavar="NAME", help="A candidate of fairlead.toml (default: that of the workload's pilot)."
)
@click.option("--pilot", metavar="ID", help="The pilot whose candidate is meant (default: the newest that proved it).")
@reason
@common
def start(
    workload: str,
    candidate: str | None,
    pilot: str | None,
    why: str,
    ledger: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Ask a candidate beside the incumbent: a shadow, whose answers no caller sees.

    The record printed by --json: {"workload", "number", "at", "event", "by", "who", "why", "before", "after", …}.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        chosen, book = desk.workload(workload), routing.book_of(desk, config)
        step = routing.start(desk, book, chosen, candidate=candidate, pilot=pilot, upstreams=upstreams(config), why=why)
        tell(desk, step, as_json=as_json)


@command.command(name="advance")
@click.argument("workload")
@reason
@common
def advance(workload: str, why: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Move a workload one stage on by hand, whatever the evidence says so far.

    The record printed by --json: {"workload", "number", "at", "event", "by", "who", "why", "before", "after", …}.
    """
    step_by_hand(workload, Event.ADVANCED, why=why, ledger=ledger, config=config, as_json=as_json)


@command.command(name="hold")
@click.argument("workload")
@reason
@common
def hold(workload: str, why: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Keep a workload at the stage it is in: neither evidence nor a plan moves it on. A guard still takes it back.

    The record printed by --json: {"workload", "number", "at", "event", "by", "who", "why", "before", "after", …}.
    """
    step_by_hand(workload, Event.HOLD, why=why, ledger=ledger, config=config, as_json=as_json)


@command.command(name="release")
@click.argument("workload")
@reason
@common
def release(workload: str, why: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Let evidence and plans move a workload again that is on hold, also one that a guard took back.

    The record printed by --json: {"workload", "number", "at", "event", "by", "who", "why", "before", "after", …}.
    """
    step_by_hand(workload, Event.RELEASED, why=why, ledger=ledger, config=config, as_json=as_json)


@command.command(name="back")
@click.argument("workload")
@reason
@common
def back(workload: str, why: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Let the incumbent answer again, at once, and put the route on hold.

    The record printed by --json: {"workload", "number", "at", "event", "by", "who", "why", "before", "after", …}.
    """
    step_by_hand(workload, Event.BACK, why=why, ledger=ledger, config=config, as_json=as_json)


@command.command(name="local-only")
@click.argument("workload")
@click.argument("only", nargs=-1, metavar="[UPSTREAM]...")
@reason
@common
def local_only(
    workload: str, only: tuple[str, ...], why: str, ledger: str | None, config: Path | None, as_json: bool
) -> None:
    """Let only these upstreams see a workload, over everything else; none given lifts it.

    It holds for answers, shadows, judges, fallbacks and the incumbent's half of pairs. The data class `local only` of
    fairlead.toml does the same for workloads by name, and is not lifted by this.

    The record printed by --json: {"workload", "number", "at", "event", "by", "who", "why", "before", "after", …}.
    """
    known = {upstream.name for upstream in upstreams(config)}
    with opened(ledger=ledger, config=config, create=False) as desk:
        book = routing.book_of(desk, config)
        known |= {route.upstream for route in book.all()}
        unknown = [name for name in only if name not in known]
        if unknown:
            raise UsageError(f"There is no upstream {unknown[0]!r}; there are: {', '.join(sorted(known - {''}))}.")
        tell(desk, routing.keep_local(book, desk.workload(workload), only=only, why=why), as_json=as_json)


def step_by_hand(
    workload: str, event: Event, *, why: str, ledger: str | None, config: Path | None, as_json: bool
) -> None:
    """Do something to a route and tell what came of it."""
    with opened(ledger=ledger, config=config, create=False) as desk:
        step = routing.by_hand(routing.book_of(desk, config), desk.workload(workload), event, why=why)
        tell(desk, step, as_json=as_json)


def tell(desk: Desk, step: Transition, *, as_json: bool) -> None:
    """Print a step."""
    if as_json:
        record: dict[str, Any] = {"workload": step.workload_id, **routing.step_json(step)}
        options.print_json(record)
        return
    name = next((each.name for each in desk.ledger.workloads() if each.id == step.workload_id), step.workload_id)
    terminal.say(f"{terminal.safe(name)}  {show_route.sentence(step)}")


def upstreams(config: Path | None) -> Sequence[UpstreamNow]:
    """The upstreams of the settings."""
    return tuple(gateway_settings(config).upstreams.values())
