"""`fairlead workload`: what a user decides about workloads; no later scan undoes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fairlead.core.redact import DataClass
from fairlead.edge.app import opened, scanning, workloads
from fairlead.edge.cli import options
from fairlead.edge.cli.scan import workload_record
from fairlead.edge.cli.show import terminal
from fairlead.edge.cli.show import workload as show_workload


@click.group(name="workload")
def command() -> None:
    """List, show, name, merge, split and pin workloads, and say where their texts may go.

    \b
    fairlead workload list
    fairlead workload show "Case agent"               its shape, its prompt versions, its ids
    fairlead workload name w3f9… "Refund desk"
    fairlead workload merge "Refund desk 2" --into "Refund desk"
    fairlead workload split p81c…                     one prompt version becomes a workload of its own
    fairlead workload pin "Refund desk"               no later scan joins it to another
    fairlead workload class "Payroll" "local only"    its texts never leave this machine

    A workload is named by the beginning of its id or name. Ids stay valid for ever: one that was merged leads to the
    other. Every decision is kept in the ledger and survives later scans, links and restarts.
    """


@command.command(name="list")
@options.currency
@options.ledger
@options.config
@options.as_json
def listing(currency: str | None, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """List the workloads with their ids, dearest first.

    The record printed by --json: {"currency", "workloads": as `fairlead scan --json` prints them}.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        survey = scanning.survey(desk, currency=(currency or desk.settings.currency).upper())
    if as_json:
        rows = [workload_record(found) for found in survey.workloads]
        options.print_json({"currency": survey.rates.to, "workloads": rows})
    else:
        show_workload.workload_list(survey)


@command.command(name="show")
@click.argument("workload")
@options.currency
@options.ledger
@options.config
@options.as_json
def shown(workload: str, currency: str | None, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Show one workload: calls an hour with their peak, tokens, cached share, latency, errors, steps, growth, models, prompts.

    The record printed by --json: the workload as `fairlead scan --json` prints it, with
    {"prompts": [{id, calls, begins}], "aliases", "pinned"}.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        detail = workloads.detail(desk, workload, currency=(currency or desk.settings.currency).upper())
        survey_currency = (currency or desk.settings.currency).upper()
    if as_json:
        more = {"prompts": options.plain(detail.prompts), "aliases": detail.aliases, "pinned": detail.pinned}
        options.print_json({**workload_record(detail.found), **more})
    else:
        show_workload.workload_detail(detail, currency=survey_currency)


@command.command(name="name")
@click.argument("workload")
@click.argument("name")
@options.ledger
@options.config
@options.as_json
def named(workload: str, name: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Call a workload by a name of your choice, until it is named again.

    The record printed by --json: {"id", "name", "moved": 0}.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        decided = workloads.rename(desk, workload, name)
    told(decided, f"{decided.workload.id} is called {decided.workload.name!r} from now on.", as_json=as_json)


@command.command(name="merge")
@click.argument("workload")
@click.option("--into", required=True, metavar="WORKLOAD", help="The workload that stays.")
@options.ledger
@options.config
@options.as_json
def merged(workload: str, into: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Make one workload of two: the first becomes part of the other, and its id stays valid.

    Where either may not leave this machine, neither may what becomes of them.

    The record printed by --json: {"id", "name", "moved"}: the one that stays, and how many exchanges moved.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        decided = workloads.merge(desk, workload, into=into)
    told(decided, f"{decided.moved:,} exchanges moved into {decided.workload.name!r}.", as_json=as_json)


@command.command(name="split")
@click.argument("prompt")
@options.ledger
@options.config
@options.as_json
def split(prompt: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Give one prompt version (its id from `fairlead workload show`) a workload of its own.

    No later scan joins it to another; `fairlead workload merge` does.

    The record printed by --json: {"id", "name", "moved"}: the new workload, and how many exchanges moved.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        decided = workloads.split(desk, prompt)
    told(
        decided,
        f"{decided.moved:,} exchanges are now {decided.workload.name!r} ({decided.workload.id}).",
        as_json=as_json,
    )


@command.command(name="pin")
@click.argument("workload")
@click.option("--release", is_flag=True, help="Let it go again.")
@options.ledger
@options.config
@options.as_json
def pinned(workload: str, release: bool, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Keep a workload as it is: no later scan joins it to another one.

    The record printed by --json: {"id", "name", "moved": 0}.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        decided = workloads.pin(desk, workload, held=not release)
    verb = "is let go" if release else "is pinned"
    told(decided, f"{decided.workload.name!r} {verb}.", as_json=as_json)


@command.command(name="class")
@click.argument("workload")
@click.argument("data_class", type=click.Choice([each.value for each in DataClass]))
@options.ledger
@options.config
@options.as_json
def classified(workload: str, data_class: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Say where the texts of a workload may go: `any`, or `local only`, which never leaves this machine.

    The settings may say the same under [privacy.workloads]; the stricter of the two holds.

    The record printed by --json: {"id", "name", "moved": 0}.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        decided = workloads.classify(desk, workload, DataClass(data_class))
    where = "may go anywhere" if data_class == DataClass.ANY.value else "never leave this machine"
    told(decided, f"The texts of {decided.workload.name!r} {where}.", as_json=as_json)


def told(decided: workloads.Decided, line: str, *, as_json: bool) -> None:
    """Print what became of a decision."""
    if as_json:
        record: dict[str, Any] = {"id": decided.workload.id, "name": decided.workload.name, "moved": decided.moved}
        options.print_json(record)
    else:
        terminal.say(line)
