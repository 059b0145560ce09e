"""What every screen is made of: a console, tables, safe names, numbers for people.

Rules kept here: names and texts come from logs and are hostile, so control characters are shown, never sent; unknown is
written as unknown; a note under a table says what was left out.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from fairlead.core.money import people
from fairlead.core.nouns import Money

NAME_WIDTH = 40
UNKNOWN = "unknown"
PIPE_WIDTH = 160


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


@contextmanager
def progress(what: str, *, quiet: bool) -> Generator[Callable[[str, int], None]]:
    """A live line on stderr with what is being done and how far; silent when `quiet` or not a terminal."""
    shown = console(stderr=True)
    if quiet or not shown.is_terminal:
        yield lambda _step, _count: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=shown, transient=True) as bars:
        tasks: dict[str, int] = {}

        def tell(step: str, count: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(f"{what}: {step}", total=None)
            bars.update(bars.task_ids[tasks[step]], completed=count)

        yield tell


def table(*columns: tuple[str, bool]) -> Table:
    """An airy table; a column is its heading and whether it holds numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for heading, numeric in columns:
        made.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric)
    return made


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
