"""How a bill held against the log looks in a terminal."""

from __future__ import annotations

from decimal import Decimal

from rich.text import Text

from fairlead.edge.cli.show.terminal import UNKNOWN, Grid, amount, console, count, name, safe, table
from fairlead.scan import BillRow, Reconciliation

SHOWN = 30


def bill(found: Reconciliation) -> None:
    """Print the reconciliation: what the log explains of the bill, and the likeliest reason for what it does not."""
    out = console()
    out.print()
    out.print(Text(opening(found)))
    out.print()
    out.print(rows(found))
    if len(found.rows) > SHOWN:
        out.print(Text(f"… and {len(found.rows) - SHOWN} smaller rows (--json lists all)"))
    for note in found.notes:
        out.print(Text(safe(note, width=400)))


def opening(found: Reconciliation) -> str:
    """The first sentence: billed, explained, unexplained."""
    period = str(found.first) if found.first == found.last else f"{found.first} to {found.last}"
    what = "used (at list prices)" if found.priced else "billed"
    if found.billed is None or found.explained is None or found.unexplained is None:
        return f"Bill of {period}: no amount is known; tokens are compared below."
    share = f" ({found.explained / found.billed:.1%})".replace("%", " %") if found.billed else ""
    told = (amount(each, found.currency) for each in (found.billed, found.explained, found.unexplained))
    billed, explained, unexplained = told
    return f"Bill of {period}: {billed} {what}, {explained}{share} explained by the log, {unexplained} not."


def rows(found: Reconciliation) -> Grid:
    """The table of models and kinds of token."""
    made = table(
        ("Model", False), ("Tokens of", False), ("Billed", True), ("In the log", True), ("Billed", True),
        ("Explained", True), ("Unexplained", True), ("Most likely because", False),
    )  # fmt: skip
    for row in found.rows[:SHOWN]:
        made.add_row(
            name(f"{row.model}", width=30),
            row.type.value,
            "" if row.billed_tokens is None else count(row.billed_tokens),
            count(row.logged_tokens),
            money(row.billed, found),
            money(row.explained, found),
            money(row.unexplained, found),
            name(because(row), width=100),
        )
    return made


def because(row: BillRow) -> str:
    """The reason as the table shows it; nothing where bill and log agree."""
    return "" if row.reason == "agrees" else row.reason


def money(value: Decimal | None, found: Reconciliation) -> str:
    """An amount, or unknown."""
    return UNKNOWN if value is None else amount(value, found.currency)
