"""`fairlead ledger`: back up, export or erase what the ledger keeps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from fairlead.core.errors import InputError, UsageError
from fairlead.core.nouns import Exchange
from fairlead.core.wire.canonical import exchange_to_json
from fairlead.edge import app
from fairlead.edge.app import privacy
from fairlead.edge.cli import options


@click.group(name="ledger")
def command() -> None:
    """Back up, export or erase what the ledger keeps.

    \b
    fairlead ledger backup copy.db        a consistent copy, also while something writes
    fairlead ledger export > all.jsonl    every exchange as canonical JSONL, which `fairlead scan` reads back
    fairlead ledger export USER           only those of a user or conversation, to hand them out
    fairlead ledger forget USER           every exchange of a user or conversation, and all that came from it
    """


@command.command(name="backup", short_help="Copy the ledger, also while something writes.")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@options.ledger
@options.config
@options.as_json
def backup(path: Path, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Copy the ledger to PATH, consistently, even while another process writes.

    The record printed by --json: {"path", "bytes"}.
    """
    with app.opened(ledger=ledger, config=config, create=False) as desk:
        desk.ledger.backup(path)
    size = path.stat().st_size
    if as_json:
        options.print_json({"path": str(path), "bytes": size})
    else:
        click.echo(f"Copied the ledger to {path} ({size / 1e6:,.1f} MB).")


@command.command(name="export", short_help="Write the exchanges as JSONL; all, or a user's.")
@click.argument("who", required=False, metavar="[USER-OR-CONVERSATION]")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write (default: stdout)."
)
@click.option(
    "--what",
    type=click.Choice(["exchanges", "judgements", "preferences"]),
    default="exchanges",
    show_default=True,
    help="What is written: exchanges, what judges replied, or what people said.",
)
@options.ledger
@options.config
@options.as_json
def export(
    who: str | None, output: Path | None, what: str, ledger: str | None, config: Path | None, as_json: bool
) -> None:
    """Write every exchange as canonical JSONL, one object a line, which `fairlead scan` reads back.

    With USER-OR-CONVERSATION, only the exchanges of that user or conversation: what `fairlead ledger forget` would erase.

    The record printed by --json (needs --output): {"path", "exchanges"}, or "judgements" or "preferences" with --what.
    """
    if who is not None and what != "exchanges":
        raise click.UsageError("Only exchanges can be written for one user or conversation.")
    if as_json and output is None:
        raise click.UsageError("--json needs --output FILE, for the lines themselves go to stdout otherwise.")
    with app.opened(ledger=ledger, config=config, create=False) as desk:
        written = (
            write_file(desk, output, who, what)
            if output is not None
            else write_lines(desk, sys.stdout.buffer, who, what)
        )
    if as_json:
        options.print_json({"path": str(output), what: written})
    else:
        click.echo(f"Wrote {written:,} {what}.", err=True)


def write_file(desk: app.Desk, path: Path, who: str | None, what: str = "exchanges") -> int:
    """Write what is asked for to a file, or say in one line why that is not possible."""
    try:
        with path.open("wb") as file:
            return write_lines(desk, file, who, what)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error


def write_lines(desk: app.Desk, file: BinaryIO, who: str | None, what: str = "exchanges") -> int:
    """Write what is asked for and return how many lines there were."""
    written = 0
    if what != "exchanges":
        for value in privacy.judged(desk) if what == "judgements" else privacy.preferred(desk):
            file.write(msgspec.json.encode(value) + b"\n")
            written += 1
        return written

    def write(exchange: Exchange) -> None:
        nonlocal written
        file.write(msgspec.json.encode(exchange_to_json(exchange)) + b"\n")
        written += 1

    privacy.export(desk, write, who=who)
    return written


@command.command(name="forget", short_help="Erase everything of a user or conversation.")
@click.argument("who", metavar="USER-OR-CONVERSATION")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.ledger
@options.config
@options.as_json
@click.pass_context
def forget(ctx: click.Context, /, who: str, yes: bool, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Erase every exchange of a user or conversation, with its texts, answers and pairs.

    Verdicts stay, for they are counts; pilots that lost pairs are named. This cannot be undone.
    The record printed by --json: {"who", and the counts erased by kind}.
    """
    with app.opened(ledger=ledger, config=config, create=False) as desk:
        if not yes and not confirmed(who):
            click.echo("Nothing was erased.", err=True)
            ctx.exit(1)
        counts = privacy.forget(desk, who)
    if as_json:
        options.print_json({"who": who, **options.plain(counts)})
    else:
        click.echo(
            f"Erased everything of {who!r}: " + ", ".join(f"{v} {k}" for k, v in options.plain(counts).items()) + "."
        )


def confirmed(who: str) -> bool:
    """Whether the user means it; where nobody can be asked, that has to be said with --yes."""
    if not sys.stdin.isatty():
        raise UsageError(f"Erasing everything of {who!r} cannot be undone; pass --yes to do it.")
    return click.confirm(f"Erase everything of {who!r}? This cannot be undone", err=True)
