"""What every screen is made of: a console, tables, safe names, numbers for people.

Rules kept here: names and texts come from logs and are hostile, so control characters are shown, never sent; unknown is
written as unknown; a note under a table says what was left out.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from rich.console import Console, ConsoleOptions
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from fairlead.core.money import people
from fairlead.core.nouns import Money

NAME_WIDTH = 40
UNKNOWN = "unknown"
PIPE_WIDTH = 160
GAP = 2
PROSE = 60
"""Longer texts than this are broken between words; shorter ones, names and labels, are cut."""

SHORTEST = 8
READABLE = 24
"""A text is cut to no less than this while there are columns that can be done without."""


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr; wide and plain when the output is not a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PIPE_WIDTH, highlight=False, soft_wrap=False)


def safe(text: str, *, width: int = NAME_WIDTH) -> str:
    """`text` on one line without control, bidirectional or invisible characters, at most `width` long."""
    clean = "".join(" " if unicodedata.category(char)[0] == "C" else char for char in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= width else clean[: width - 1] + "…"


def name(text: str, *, width: int = NAME_WIDTH) -> Text:
    """A hostile name as a cell: never markup."""
    return Text(safe(text, width=width))


class Tell:
    """Says how far a step is: `tell("reading", 500)`; `expect` says how many there will be about."""

    def __init__(self, what: str, bars: Progress | None) -> None:
        self._what = what
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: str, count: int) -> None:
        """Tell that so many are done of a step."""
        if self._bars is not None:
            self._bars.update(self._task(step), completed=count)

    def expect(self, step: str, total: int | None) -> None:
        """Tell about how many there will be, so that the time left can be shown."""
        if self._bars is not None:
            self._bars.update(self._task(step), total=total)

    def _task(self, step: str) -> TaskID:
        assert self._bars is not None
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(f"{self._what}: {step}", total=None)
        return self._tasks[step]


class Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """The rate as text; nothing before it is known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def progress(what: str, *, quiet: bool) -> Generator[Tell]:
    """A live line on stderr with what is being done, how far, how fast and how long still; silent when `quiet` or no terminal."""
    shown = console(stderr=True)
    if quiet or not shown.is_terminal:
        yield Tell(what, None)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=shown, transient=True) as bars:
        yield Tell(what, bars)


@dataclass(slots=True)
class Grid:
    """A table that fits the terminal: where it is too wide, columns that can be done without go, then long texts are cut.

    `optional` names columns in the order in which they go. Numbers are never cut.
    """

    columns: tuple[tuple[str, bool], ...]
    optional: tuple[str, ...] = ()
    rows: list[tuple[tuple[str | Text, ...], str | None]] = field(
        default_factory=list[tuple[tuple[str | Text, ...], str | None]]
    )
    sections: set[int] = field(default_factory=set[int])
    show_header: bool = True

    def add_row(self, *cells: str | Text, style: str | None = None) -> None:
        """One row, a cell for each column."""
        self.rows.append((cells, style))

    def add_section(self) -> None:
        """A line's distance before the next row."""
        self.sections.add(len(self.rows))

    def __rich_console__(self, shown: Console, options: ConsoleOptions) -> Iterator[Table]:
        """The table as it fits."""
        wide = [self._width(place) for place in range(len(self.columns))]
        kept = self._kept(wide, options.max_width)
        fitted = self._fitted({place: wide[place] for place in kept}, options.max_width)
        made = Table(
            box=None,
            pad_edge=False,
            padding=(0, GAP, 0, 0),
            header_style="bold",
            show_edge=False,
            show_header=self.show_header,
        )
        for place in kept:
            heading, numeric = self.columns[place]
            made.add_column(
                heading,
                justify="right" if numeric else "left",
                width=fitted[place],
                no_wrap=numeric or wide[place] <= PROSE,
                overflow="ellipsis",
            )
        for number, (cells, style) in enumerate(self.rows):
            if number in self.sections:
                made.add_section()
            made.add_row(*(cells[place] for place in kept), style=style)
        yield made

    def _width(self, place: int) -> int:
        """How wide a column is when nothing is cut."""
        texts = [self.columns[place][0], *(cells[place] for cells, _ in self.rows)]
        return max(Text(each).cell_len if isinstance(each, str) else each.cell_len for each in texts)

    def _fitted(self, widths: dict[int, int], width: int) -> dict[int, int]:
        """The widths at which the columns fit: the widest text gives way first, down to a few letters."""
        fitted = dict(widths)
        texts = [place for place in fitted if not self.columns[place][1]]
        while texts and sum(fitted.values()) + GAP * len(fitted) > width:
            widest = max(texts, key=fitted.__getitem__)
            if fitted[widest] <= SHORTEST:
                break
            fitted[widest] -= 1
        return fitted

    def _kept(self, wide: list[int], width: int) -> list[int]:
        """The columns that fit beside each other, when every text is cut to no less than is readable."""
        least = [
            size if numeric else min(size, READABLE) for size, (_, numeric) in zip(wide, self.columns, strict=True)
        ]
        kept = list(range(len(self.columns)))
        for heading in self.optional:
            if sum(least[place] + GAP for place in kept) <= width:
                break
            kept = [place for place in kept if self.columns[place][0] != heading]
        return kept


def table(*columns: tuple[str, bool], optional: tuple[str, ...] = ()) -> Grid:
    """An airy table; a column is its heading and whether it holds numbers. `optional` ones go where there is no room."""
    return Grid(columns=columns, optional=optional)


def amount(value: Decimal, currency: str) -> str:
    """Money for people."""
    return people(Money(amount=value, currency=currency))


def count(value: int | None) -> str:
    """A count for people: 1,234, 56k, 7.8M."""
    if value is None:
        return UNKNOWN
    if value >= 10_000_000:
        return f"{value / 1e6:,.0f}M"
    if value >= 1_000_000:
        return f"{value / 1e6:,.1f}M"
    return f"{value / 1e3:,.0f}k" if value >= 10_000 else f"{value:,}"


def share(part: int | None, whole: int | None) -> str:
    """A share in per cent, empty when it cannot be told."""
    return f"{part / whole:.0%}" if part is not None and whole else ""


def seconds(value: float | None) -> str:
    """A duration for people."""
    if value is None:
        return UNKNOWN
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def day(moment: datetime) -> str:
    """A date in words."""
    return f"{moment.day} {moment:%B %Y}"


def say(line: str = "") -> None:
    """Print one line of text, never read as markup; broken between words on a terminal, left whole in a pipe or file."""
    shown = console()
    shown.print(Text(line), soft_wrap=not shown.is_terminal)
