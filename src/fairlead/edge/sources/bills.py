"""Reads bills: the usage and cost reports of OpenAI and Anthropic, as tables and as their admin APIs give them.

Told apart by what they hold, never by a file's name: comma, tab or semicolon separated, with or without a byte order mark, old
and new columns. A table that is none of these is refused with its columns, and the nearest report with what it lacks. A row that
cannot be read, that adds up others, or that stands in another of the files already is set aside with the reason, never dropped.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from fairlead.core.billing import Bill, BillLine
from fairlead.core.errors import InputError, UnreadableLine
from fairlead.core.nouns import JSON
from fairlead.core.wire.decode import decode
from fairlead.core.wire.failure import one_line
from fairlead.edge.sources.bill_cells import Row, has_decimal_comma, with_points
from fairlead.edge.sources.bill_reports import REPORTS, Report
from fairlead.edge.sources.cells import cells_up_to

LARGEST = 256 * 1024 * 1024
_DEEPEST = 8
_TOTALS = frozenset({"total", "totals", "grand total", "subtotal", "sub-total", "sum"})
_ADDS_UP = "they add up other rows"

_Day = tuple[str, date, bool]
"""Provider and day, and whether it is told in tokens."""


def read_bill(path: str | Path) -> Bill:
    """The bill in a file."""
    where = str(path)
    try:
        file = Path(path)
        if file.stat().st_size > LARGEST:
            raise InputError(f"{where} is larger than {LARGEST:,} bytes; a bill by day, model and key is smaller.")
        data = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"The bill {where} does not exist.") from None
    except OSError as error:
        raise InputError(f"The bill {where} cannot be read: {error.strerror}.") from error
    return parse_bill(data, where)


@dataclass(slots=True)
class _Rows:
    """The rows of a file, with the names of their columns, and how many were set aside for which reason."""

    rows: list[Row]
    columns: list[str]
    aside: Counter[str] = field(default_factory=Counter[str])
    goes_on: bool = False


def parse_bill(data: bytes, where: str) -> Bill:
    """The bill in the bytes of a file called `where`."""
    data = _utf8(data)
    if not data.strip():
        raise InputError(f"The bill {where} is empty: it has neither a header nor a row.")
    held = _results(data, where) if data.lstrip()[:1] in {b"{", b"["} else _table(data, where)
    report = _report_of(held.columns, where)
    lines: list[BillLine] = []
    for row in held.rows:
        try:
            lines += _lines_of(row, report)
        except UnreadableLine as error:
            held.aside[error.reason] += 1
    if not lines:
        raise InputError(f"The bill {where} ({report.name}) {_no_lines(held)}")
    return Bill(
        source=where,
        lines=tuple(lines),
        unknown_columns=tuple(
            name for name in held.columns if not any(name in r.needs | r.knows for r in _alike(report))
        ),
        set_aside=dict(held.aside),
        goes_on=held.goes_on,
    )


def _utf8(data: bytes) -> bytes:
    """The bytes without their mark; spreadsheets also save "Unicode text", two bytes a letter."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        data = data.decode("utf-16", "replace").encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def _no_lines(held: _Rows) -> str:
    if held.aside:
        return f"holds no line that can be read: {held.aside.most_common(1)[0][0]}."
    what = "names no use: every count is zero" if held.rows else "has a header and no row: nothing was used"
    return f"{what}. Choose a longer period."


def _lines_of(row: Row, report: Report) -> list[BillLine]:
    """The lines of a row, by the report that fits the row: an answer of an API may hold several kinds of result."""
    if any(str(row.get(name) or "").strip().lower() in _TOTALS for name in _NAMING):
        raise UnreadableLine(_ADDS_UP)
    fits = next((each for each in _alike(report) if each.needs <= row.keys()), report)
    return list(fits.lines(row))


_NAMING = ("model", "model_version", "line_item", "usage_date_utc", "start_time", "start_time_iso")
"""Columns in one of which a row that adds up others says so."""


def _alike(report: Report) -> Sequence[Report]:
    """The reports that may stand in one file with this one."""
    provider = report.name.partition(" ")[0]
    return [each for each in REPORTS if each.name.startswith(provider)]


def _table(data: bytes, where: str) -> _Rows:
    text = data.decode("utf-8", "replace")
    header = text.lstrip().partition("\n")[0]
    delimiter = max(",\t;", key=header.count)
    try:
        with cells_up_to(1_000_000):
            reader = csv.reader(io.StringIO(text), delimiter=delimiter)
            names = [
                name.strip().strip("\ufeff") for name in next((cells for cells in reader if any(cells)), list[str]())
            ]
            body = [cells for cells in reader if any(cells)]
    except csv.Error as error:
        raise InputError(f"The bill {where} is neither a table nor JSON: {error}.") from error
    held = _Rows([], names)
    width = max(len(names), min(map(len, body), default=0))
    for cells in body:
        if len(cells) > width or any(cell.strip() for cell in cells[len(names) :]):
            held.aside["there are more cells than the header has; is a number with a comma in it not in quotes?"] += 1
        else:
            held.rows.append({name: cell.strip() for name, cell in zip(names, cells, strict=False)})
    if any(has_decimal_comma(row, is_local=delimiter == ";") for row in held.rows):
        held.rows = [with_points(row) for row in held.rows]
    return held


def _results(data: bytes, where: str) -> _Rows:
    """The rows of an admin API's pages: one page, a list of pages or buckets, or one of them a line."""
    try:
        documents: list[JSON] = [decode(data)]
    except UnreadableLine:
        try:
            documents = [decode(line) for line in data.splitlines() if line.strip()]
        except UnreadableLine as error:
            raise InputError(f"The bill {where} is neither a table nor JSON: {error.reason}.") from error
    rows = [row for document in documents for row in _buckets(document, {})]
    if not rows:
        raise InputError(f"The bill {where} holds no result: nothing was used in its days. Choose a longer period.")
    pages = documents[-1] if isinstance(documents[-1], list) else documents
    last = pages[-1] if pages else None
    return _Rows(
        rows,
        sorted({name for row in rows for name in row}),
        goes_on=isinstance(last, dict) and last.get("has_more") is True,
    )


def _buckets(value: JSON, times: Row, depth: int = 0) -> Iterator[Row]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value:
            yield from _buckets(item, times, depth + 1)
    elif isinstance(value, dict):
        own = {name: value[name] for name in _TIMES if value.get(name) is not None}
        inner = value.get("data") if isinstance(value.get("data"), list) else value.get("results")
        if isinstance(inner, list):
            yield from _buckets(inner, {**times, **own}, depth + 1)
        else:
            yield {**times, **_flat(value)}


_TIMES = ("start_time", "end_time", "start_time_iso", "end_time_iso", "starting_at", "ending_at")


def _flat(value: Row) -> dict[str, JSON]:
    flat: dict[str, JSON] = {}
    for name, held in value.items():
        if isinstance(held, dict):
            flat |= {f"{name}.{inner}": each for inner, each in held.items()}
        else:
            flat[name] = held
    return flat


def _report_of(columns: Sequence[str], where: str) -> Report:
    held = set(columns)
    for report in REPORTS:
        if report.needs <= held:
            return report
    if held and held <= set(_TIMES) | {"object"}:
        raise InputError(f"The bill {where} names times only: nothing was used in them. Choose a longer period.")
    nearest = max(REPORTS, key=lambda report: len((report.needs | report.knows) & held))
    known = nearest.needs | nearest.knows
    unknown = [one_line(name)[:40] for name in columns if name not in known]
    lacks = ", ".join(sorted(nearest.needs - held))
    raise InputError(
        f"{where} is no bill that Fairlead knows: unknown columns {', '.join(unknown[:20]) or 'none'}"
        f"{f' and {len(unknown) - 20} more' if len(unknown) > 20 else ''}; "
        f"nearest is the {nearest.name}, which also has {lacks}."
    )


def read_bills(paths: Iterable[str | Path]) -> list[Bill]:
    """The bills in several files; a day that stands in two of them alike is counted once."""
    return list(_counted_once([read_bill(path) for path in paths]))


def _counted_once(bills: Sequence[Bill]) -> Iterator[Bill]:
    """The bills, largest first, without the days whose lines all stand in one that came before; in the order they were given."""
    known: list[tuple[str, Mapping[_Day, Counter[BillLine]]]] = []
    left: dict[int, Bill] = {}
    for place in sorted(range(len(bills)), key=lambda at: -len(bills[at].lines)):
        bill, days = bills[place], _by_day(bills[place].lines)
        for day, lines in list(days.items()):
            other = next((source for source, theirs in known if day in theirs and lines <= theirs[day]), None)
            if other is not None:
                bill = _without(bill, day, lines.total(), other)
                del days[day]
        known.append((bill.source, days))
        left[place] = bill
    yield from (left[place] for place in range(len(bills)))


def _day_line(line: BillLine) -> _Day:
    return line.provider, line.day, line.amount is None


def _by_day(lines: Iterable[BillLine]) -> dict[_Day, Counter[BillLine]]:
    days: dict[_Day, Counter[BillLine]] = {}
    for line in lines:
        days.setdefault(_day_line(line), Counter())[line] += 1
    return days


def _without(bill: Bill, day: _Day, count: int, other: str) -> Bill:
    reason = f"their day stands in {other} alike"
    return replace(
        bill,
        lines=tuple(line for line in bill.lines if _day_line(line) != day),
        set_aside={**bill.set_aside, reason: bill.set_aside.get(reason, 0) + count},
    )
