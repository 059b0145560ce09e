"""How a plan looks in a terminal: the sentence, one line a workload, then what to do next for the others."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from fairlead.core.grade import is_agreement
from fairlead.core.moves import Action, Plan
from fairlead.core.telling import Row, headline, lede, rows_for_people, span_words
from fairlead.edge.cli.show.terminal import Grid, console, name, safe, say, table

SIGNS = {Action.MOVE: "● move", Action.WAIT: "◐ wait", Action.STAY: "○ stay"}
STYLES = {Action.MOVE: "green", Action.WAIT: "yellow", Action.STAY: "blue"}


def plan(made: Plan) -> None:
    """Print a plan."""
    out = console()
    rows = rows_for_people(made)
    out.print(Text(str(headline(made)), style="bold"))
    for sentence in lede(made):
        out.print(Text(sentence))
    say()
    out.print(moves(rows))
    say()
    for line in [*next_steps(rows), *small_print(made)]:
        say(line)


def moves(rows: tuple[Row, ...]) -> Grid:
    """The table of workloads."""
    made = table(
        ("", False), ("Workload", False), ("Calls a day", True), ("Today", True), ("If moved", True),
        ("Saves", True), ("between", True), ("Difference", True), ("Pairs", True), ("Why", False),
        optional=("between", "Calls a day", "Pairs", "If moved", "Today"),
    )  # fmt: skip
    for row in rows:
        made.add_row(
            Text(SIGNS[row.action], style=STYLES[row.action]),
            name(row.name, width=34),
            row.calls_a_day,
            row.today,
            row.after,
            row.saving,
            row.saving_range,
            row.difference.removesuffix(" points"),
            row.pairs,
            name(row.verdict.partition(":")[0].partition(" by more")[0], width=60),
        )
    return made


def next_steps(rows: tuple[Row, ...]) -> Iterator[str]:
    """What to do for the workloads that are not moved, those with the same advice together."""
    advice: dict[str, list[str]] = {}
    for row in rows:
        if row.action is not Action.MOVE:
            advice.setdefault(f"{row.verdict}; {row.next}", []).append(safe(row.name, width=34))
    for words, names in advice.items():
        yield f"{', '.join(names)}: {safe(words, width=240)}."
    if advice:
        yield ""


def small_print(made: Plan) -> Iterator[str]:
    """What the figures rest on."""
    yield (
        f"Amounts a month in {made.currency}, scaled from the log ({span_words(made.span)}), with a 95 % interval. "
        "Difference in points of pass rate, or of net preference where a judge or people compare: the 95 % interval of the "
        "candidate minus the incumbent."
    )
    if made.rates.day:
        yield f"Exchange rates of {made.rates.day} ({made.rates.source}). {made.rates.warning}".rstrip()
    by_agreement = [move.workload.name for move in made.moves if move.best and is_agreement(move.best.pilot.grader)]
    if by_agreement:
        names = ", ".join(safe(each, width=34) for each in by_agreement)
        yield f"Graded by agreement with the incumbent, which is likeness and not quality: {names}."
    for note in made.price_notes:
        yield safe(note, width=200)
