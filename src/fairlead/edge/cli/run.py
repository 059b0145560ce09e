"""`fairlead run`: scan, pilot, plan and report in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fairlead import __version__
from fairlead.edge.app import Desk, opened, piloting, planning, scanning
from fairlead.edge.cli import options
from fairlead.edge.cli import pilot as pilot_command
from fairlead.edge.cli.report import NAMELESS, write
from fairlead.edge.cli.scan import record as scan_record
from fairlead.edge.cli.show import plan as show_plan
from fairlead.edge.cli.show import scan as show_scan
from fairlead.edge.cli.show import terminal
from fairlead.edge.report import render


@click.command(name="run")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--currency", metavar="CODE", help="Currency of the amounts, such as GBP.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("fairlead-report.html"),
    show_default=True,
    help="Report to write.",
)
@pilot_command.candidate_flags
@pilot_command.pilot_flags
@options.ledger
@options.config
@options.as_json
def command(
    paths: tuple[str, ...],
    currency: str | None,
    output: Path,
    ledger: str | None,
    config: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Scan your logs, pilot every workload that has expected answers, plan, and write the report.

    \b
    fairlead run logs/ --endpoint http://localhost:8000/v1 --model qwen3-32b --labels labels.jsonl --price 0.10,0.40

    It is `scan`, `pilot`, `plan` and `report` with the same flags, one after the other; each can also be run alone, and
    running it again goes on where it was. Without labels, `--grader agree` asks whether the candidate agrees with the
    incumbent, which is not the same as being right.

    The record printed by --json: {"scan": …, "pilots": […], "plan": …, "report": path} as the single commands print them.
    """
    with opened(ledger=ledger, config=config) as desk:
        order = pilot_command.order_of(desk.settings, (), flags)
        record = whole(
            desk, order, paths, currency=(currency or desk.settings.currency).upper(), output=output,
            dry_run=flags["dry_run"], yes=flags["yes"], quiet=as_json,
        )  # fmt: skip
    if as_json:
        options.print_json(record)


def whole(
    desk: Desk,
    order: piloting.Order,
    paths: tuple[str, ...],
    *,
    currency: str,
    output: Path,
    dry_run: bool = False,
    yes: bool = False,
    quiet: bool = False,
    simulated: bool = False,
) -> dict[str, Any]:
    """The flow from logs to report; returns the record of each step."""
    with terminal.progress("scan", quiet=quiet) as tell:
        done = scanning.run(desk, paths, currency=currency, on_progress=tell, on_expected=tell.expect)
    if not quiet:
        show_scan.scan(done.survey, done, where=desk.where)
        terminal.say()
    pilots = pilot_command.pilot(desk, order, dry_run=dry_run, yes=yes, quiet=quiet)
    if dry_run:
        return {"scan": scan_record(done.survey, done), "would_run": pilots}
    plan = planning.make(desk, currency=currency, simulated=simulated)
    name = desk.settings.organisation
    if not quiet:
        terminal.say()
        show_plan.plan(plan)
    write(output, render(plan, version=__version__, org=name or NAMELESS))
    if not quiet:
        terminal.say()
        terminal.say(f"Report: {output}")
    return {
        "scan": scan_record(done.survey, done),
        "pilots": pilots,
        "plan": plan.to_json(),
        "report": str(output),
    }
