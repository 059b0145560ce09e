"""The demo's last table: every verdict beside what is really true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from fairlead.demo.truth import Outcome, TruthRow
from fairlead.edge.cli.show.terminal import console, name, say, table
from fairlead.pilot.result import points, signed

STYLES = {Outcome.RIGHT: "green", Outcome.WRONG: "bold red", Outcome.OPEN: "yellow", Outcome.UNKNOWN: "dim"}


def truth(rows: Sequence[TruthRow], names: Mapping[str, str], *, margin: float) -> None:
    """Print the truth of each workload, and how many verdicts were right."""
    if not rows:
        say("The truth's file is gone, so verdicts stand alone.")
        return
    say()
    say("Verdict beside truth (the truth was read only now, after everything was decided)")
    made = table(
        ("Workload found", False), ("Really is", False), ("Pure", True), ("Whole", True), ("Closed", True),
        ("Open", True), ("True difference", True), ("Verdict", False), ("", False),
        optional=("Whole", "Pure", "Open", "Closed", "Really is"),
    )  # fmt: skip
    for row in rows:
        made.add_row(
            name(names.get(row.workload_id, row.workload_id), width=32),
            name(row.job, width=28),
            f"{row.purity:.0%}",
            f"{row.recall:.0%}",
            rate(row.closed),
            rate(row.open),
            "" if row.difference is None else f"{signed(row.difference)} points",
            row.verdict or "not piloted",
            Text(row.outcome, style=STYLES[row.outcome]),
        )
    console().print(made)
    decided = [row for row in rows if row.outcome in {Outcome.RIGHT, Outcome.WRONG}]
    right = sum(row.outcome is Outcome.RIGHT for row in decided)
    say(
        f"{right} of {len(decided)} verdicts are right at the margin of {points(margin)} points; the others are open or have no truth."
    )


def rate(value: float | None) -> str:
    """A true success rate."""
    return "" if value is None else f"{value:.1%}"
