"""How a plan looks in a terminal."""

from __future__ import annotations

from rich.text import Text

from fairlead.core.moves import Action, Plan
from fairlead.core.telling import headline, lede, rows_for_people, span_words
from fairlead.edge.cli.show.terminal import console, name, safe, say, table

SIGNS = {Action.MOVE: "● move", Action.WAIT: "◐ wait", Action.STAY: "○ stay"}
STYLES = {Action.MOVE: "green", Action.WAIT: "yellow", Action.STAY: "blue"}


def plan(made: Plan) -> None:
    """Print a plan: the sentence, the table, what the figures rest on."""
    out = console()
    out.print(Text(str(headline(made)), style="bold"))
    for sentence in lede(made):
        out.print(Text(sentence))
    say()
    shown = table(
        ("Workload", False), ("Category", False), ("Calls a day", True), ("Today", True), ("If moved", True),
        ("Saves a month", True), ("Difference", True), ("Pairs", True), ("", False), ("Why, and what next", False),
    )  # fmt: skip
    for row in rows_for_people(made):
        saving = f"{row.saving}" + (f" ({row.saving_range})" if row.saving_range else "")
        shown.add_row(
            name(row.name, width=30),
            row.category,
            row.calls_a_day,
            row.today,
            row.after,
            saving,
            row.difference.removesuffix(" points"),
            row.pairs,
            Text(SIGNS[row.action], style=STYLES[row.action]),
            name(f"{row.verdict}: {row.next}", width=90),
        )
    out.print(shown)
    say()
    say(
        f"Amounts a month in {made.currency}, scaled from the log ({span_words(made.span)}). Difference in points of pass rate, 95 % interval."
    )
    if made.rates.day:
        say(f"Exchange rates of {made.rates.day} ({made.rates.source}). {made.rates.warning}".rstrip())
    for note in made.price_notes:
        say(safe(note, width=200))
