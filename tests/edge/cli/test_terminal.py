"""Tables on terminals of any width: numbers stay whole, a row stays a line, what matters stays."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from fairlead.edge.cli.show.terminal import READABLE, Grid, name, table

NAME = "Write the call note that the account manager reads"


def shown(made: Grid, *, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(made)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


def made() -> Grid:
    grid = table(
        ("", False), ("Workload", False), ("Calls", True), ("Saves", True), ("between", True), ("Why", False),
        optional=("between", "Calls"),
    )  # fmt: skip
    grid.add_row("● move", name(NAME, width=60), "1,234", "$1,234.56", "$1,000.00 to $1,500.00", "equivalent")
    grid.add_section()
    grid.add_row("○ stay", "Ad hoc chat", "8.7", "unknown", "", "closed leads", style="bold")
    return grid


@pytest.mark.parametrize("width", [200, 120, 100, 80, 60, 50])
def test_a_row_is_one_line_within_the_terminal_and_numbers_stay_whole(width: int) -> None:
    lines = [line for line in shown(made(), width=width) if line]
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    assert "$1,234.56" in lines[1]
    assert "● move" in lines[1]
    assert "closed leads" in lines[2]


def test_where_there_is_room_nothing_is_left_out_or_cut() -> None:
    lines = shown(made(), width=200)
    assert NAME in lines[1]
    assert "$1,000.00 to $1,500.00" in lines[1]


def test_columns_that_can_be_done_without_go_before_a_name_becomes_unreadable() -> None:
    lines = shown(made(), width=72)
    assert "between" not in lines[0]
    assert "Calls" not in lines[0] or NAME[: READABLE - 1] in lines[1]
    assert NAME[: READABLE - 1] in lines[1]


def test_prose_is_broken_between_words_and_never_cut() -> None:
    grid = table(("Model", False), ("Most likely because", False))
    words = "calls that never passed the log, such as a notebook or a colleague's own key, are billed all the same"
    grid.add_row("gpt-4o", words)
    text = " ".join(" ".join(shown(grid, width=60)).split())
    assert words in text.removeprefix("Model Most likely because gpt-4o ")
