"""`fairlead report`: write the plan as one HTML page worth mailing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from fairlead import __version__
from fairlead.core.errors import InputError, UsageError
from fairlead.edge.app import opened
from fairlead.edge.cli import options
from fairlead.edge.report import render

NAMELESS = "Your organisation"


@click.command(name="report")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("fairlead-report.html"),
    show_default=True,
    help="File to write.",
)
@click.option("--organisation", metavar="NAME", help="Name at the head of the page (default: as in fairlead.toml).")
@options.ledger
@options.config
@options.as_json
def command(output: Path, organisation: str | None, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Write the newest plan as one self-contained HTML page: no script, nothing loaded from anywhere.

    \b
    fairlead report -o june.html --organisation "Acme Ltd"

    The page is rebuilt from the plan in the ledger, so every number on it can be traced to the rows below it.

    The record printed by --json: {"path", "bytes"}.
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        plan = desk.ledger.last_plan()
        name = organisation or desk.settings.organisation
    if not isinstance(plan, dict):
        raise UsageError("There is no plan in the ledger yet; run fairlead plan first.")
    page = render(plan, version=__version__, org=name or NAMELESS)
    write(output, page)
    if as_json:
        options.print_json({"path": str(output), "bytes": len(page.encode())})
    else:
        click.echo(f"Wrote {output} ({len(page.encode()) / 1000:,.0f} kB).")


def write(path: Path, page: str) -> None:
    """Write the page whole or not at all, or say in one line why that is not possible."""
    part = path.with_name(f".{path.name}.part") if path.is_file() or not path.exists() else path
    try:
        part.write_text(page, encoding="utf-8")
        if part != path:
            part.replace(path)
    except OSError as error:
        if part != path:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror}. Name another place for it.") from error
