"""`fairlead doctor`: say what is missing on this machine, and what each missing thing would be needed for."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fairlead.edge import checks
from fairlead.edge.cli import options

SIGNS = {"ok": "✓", "note": "·", "missing": "✗"}


@click.command(name="doctor")
@click.option(
    "--endpoint", "endpoints", multiple=True, metavar="URL", help="An endpoint to try (asks only for its model list)."
)
@options.ledger
@options.config
@options.as_json
@click.pass_context
def command(
    ctx: click.Context, endpoints: tuple[str, ...], ledger: str | None, config: Path | None, as_json: bool
) -> None:
    """Say what is missing on this machine: keys, endpoints, sandbox, prices, disk.

    \b
    fairlead doctor
    fairlead doctor --endpoint http://localhost:8000/v1

    Nothing is sent anywhere but to the endpoints you name or have in fairlead.toml, and those are asked for their list
    of models only. Values of keys are never printed. Exit code 1 when something needed is missing.

    \b
    The record printed by --json: {"checks": [{"name", "state": "ok" | "note" | "missing", "finding", "remedy"}]}
    """
    found = checks.all_checks(ledger=ledger, config=config, endpoints=endpoints)
    if as_json:
        options.print_json({"checks": list(found)})
    else:
        for check in found:
            remedy = f" {check.remedy}" if check.remedy else ""
            click.echo(f"{SIGNS[check.state]} {check.name}: {check.finding}{remedy}")
    sys.stdout.flush()
    ctx.exit(1 if any(check.state == "missing" for check in found) else 0)
