"""The screen of `fairlead top`, from the record that the admin page gives. Narrow terminals get fewer columns, never cut ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fairlead.core.money import people
from fairlead.core.nouns import Money
from fairlead.edge.cli.show.terminal import safe

_NARROW, _WIDE = 100, 124
_MANY = 30
_STAGES = {"stay": "dim", "shadow": "cyan", "canary": "yellow", "moved": "green", "hold": "magenta"}
NONE = "–"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its head, from which width on it is shown, what stands in it."""

    head: str
    width: int
    cell: Callable[[Row], Text]
    justify: str = "right"


def screen(shown: Row, *, width: int) -> RenderableType:
    """The whole screen."""
    parts: list[RenderableType] = [_first_line(shown), _second_line(shown), Text("")]
    parts.append(_workloads(shown, width=width))
    if trouble := _trouble(shown):
        parts += [Text(""), *trouble]
    return Group(*parts)


def _first_line(shown: Row) -> Text:
    line = Text()
    if shown["ready"] and shown["planes"]:
        line.append("● serving", style="bold green")
    else:
        line.append("● not ready", style="bold red")
    line.append(f"  {_rate(shown['per_second'])} calls/s, {shown['in_flight']:,} in flight")
    line.append(f"  added {_ms(shown['added_p50_s'])} p50, {_ms(shown['added_p99_s'])} p99", style="cyan")
    return line


def _second_line(shown: Row) -> Text:
    line = Text("Today ", style="dim")
    line.append(_money(shown["cost"]), style="bold")
    line.append(" spent, ")
    line.append(_money(shown["saved"]), style="bold green" if Decimal(str(shown["saved"])) > 0 else "")
    line.append(" saved")
    dropped = shown["dropped_total"]
    line.append(f"   dropped {dropped:,}", style="bold red" if dropped else "dim")
    line.append(f"   {shown['planes']} data plane{'' if shown['planes'] == 1 else 's'}", style="dim")
    line.append(f"   up {_for(shown)}", style="dim")
    return line


def _for(shown: Row) -> str:
    seconds = int((_moment(shown["at"]) - _moment(shown["since"])).total_seconds())
    days, rest = divmod(max(0, seconds), 86_400)
    hours, minutes = divmod(rest // 60, 60)
    return (
        f"{days} d {hours} h"
        if days
        else f"{hours} h {minutes:02} min"
        if hours
        else f"{minutes} min {seconds % 60:02} s"
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _workloads(shown: Row, *, width: int) -> RenderableType:
    rows: Sequence[Row] = shown["workloads"]
    if not rows:
        return Text("No calls yet today. Point a client here: OPENAI_BASE_URL=http://127.0.0.1:8080/v1", style="dim")
    columns = [column for column in _COLUMNS if width >= column.width]
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), expand=False)
    table.add_column("Workload", no_wrap=True, min_width=12, max_width=24 if width < _WIDE else 36)
    for column in columns:
        table.add_column(column.head, justify="right" if column.justify == "right" else "left", no_wrap=True)
    for row in rows[:_MANY]:
        name = Text(safe(row["name"], width=40), style="" if row["id"] else "dim", overflow="ellipsis")
        table.add_row(name, *(column.cell(row) for column in columns))
    if len(rows) <= _MANY:
        return table
    return Group(table, Text(f"and {len(rows) - _MANY} more, each cheaper than these", style="dim"))


def _stage(row: Row) -> Text:
    stage: str = row["stage"]
    share = f" {row['share']:.0%}" if row["share"] is not None else ""
    return Text(stage + share, style=_STAGES.get(stage.split(",", maxsplit=1)[0], ""))


def _errors(row: Row) -> Text:
    if not row["calls"]:
        return Text(NONE, style="dim")
    share = row["errors"] / row["calls"]
    text = f"{share:.1%}" if row["errors"] else "0"
    return Text(text, style="bold red" if share >= 0.05 else "red" if share >= 0.01 else "" if row["errors"] else "dim")


def _cost(row: Row) -> Text:
    if row["calls"] and row["unpriced"] == row["calls"]:
        return Text("unknown", style="yellow")
    return Text(_money(row["cost"]) + ("+" if row["unpriced"] else ""))


def _saved(row: Row) -> Text:
    saved = Decimal(str(row["saved"]))
    return Text(_money(row["saved"]) if saved else NONE, style="green" if saved > 0 else "red" if saved < 0 else "dim")


def _coverage(row: Row) -> Text:
    return Text(NONE, style="dim") if row["coverage"] is None else Text(f"{row['coverage']:.0%}")


_COLUMNS = (
    _Column("Stage", 0, _stage, justify="left"),
    _Column("Calls/s", 0, lambda row: Text(_rate(row["per_second"]))),
    _Column("Today", _NARROW, lambda row: Text(f"{row['calls']:,}")),
    _Column("Tokens", _WIDE, lambda row: Text(_short(row["tokens"]))),
    _Column("p50", _WIDE, lambda row: Text(_s(row["latency_p50_s"]))),
    _Column("p99", _NARROW, lambda row: Text(_s(row["latency_p99_s"]))),
    _Column("Errors", 0, _errors),
    _Column("Cost", 0, _cost),
    _Column("Saved", 0, _saved),
    _Column("Shadow", _NARROW, _coverage),
)


def _trouble(shown: Row) -> list[Text]:
    """What an operator should look at, a line each."""
    found: list[Text] = []
    if shown["problem"]:
        found.append(Text(f"● {safe(shown['problem'], width=300)}", style="red"))
    dropped: Row = shown["dropped"]
    if shown["dropped_total"]:
        where = ", ".join(f"{dropped[k]:,} {name}" for k, name in _LOST.items() if dropped[k])
        found.append(Text(f"● Answered and missing from the record: {where}.", style="red"))
    if dropped["missed_by_steps"]:
        found.append(
            Text(f"● {dropped['missed_by_steps']:,} calls were not looked at by shadows and guards.", style="yellow")
        )
    if shown["held"]:
        found.append(Text(f"● {shown['held']:,} calls wait for the ledger.", style="yellow"))
    if unpriced := sum(row["unpriced"] for row in shown["workloads"]):
        found.append(Text(f"● {unpriced:,} calls have no known price (+); add one under [prices].", style="yellow"))
    if unmetered := sum(row["unmetered"] for row in shown["workloads"]):
        found.append(Text(f"● {unmetered:,} answers told no usage.", style="yellow"))
    for row in shown["upstreams"]:
        if row["breaker"] != "closed":
            why = f": {safe(row['problem'], width=100)}" if row["problem"] else ""
            found.append(
                Text(
                    f"● {safe(row['name'])} {safe(row['url'], width=60)} is {_BREAKERS[row['breaker']]}{why}",
                    style="red",
                )
            )
    for reason, count in sorted(shown["refused"].items(), key=lambda item: -item[1])[:3]:
        found.append(Text(f"● {count:,} requests refused: {safe(reason)}", style="dim"))
    return found


_LOST = {
    "by_planes": "by data planes",
    "by_control": "waiting for the ledger",
    "damaged": "that the ledger would not take",
}
_BREAKERS = {"open": "not asked for now", "half open": "being tried"}


def _money(amount: Any) -> str:
    return people(Money(amount=Decimal(str(amount))))


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}" if per_second else "0"


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    return f"{seconds * 1000:.2f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"


def _s(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _short(count: int) -> str:
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return str(count)
