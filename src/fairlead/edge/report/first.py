"""The first page: what a scan found, before any pilot. One self-contained HTML file, as the report is.

What is shown arrives as plain numbers and texts (`FirstPage`); this module words them, draws the marks and places them. Text
from logs is cleaned (`text.py`) and escaped by the template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from fairlead.core.money import CENT, people
from fairlead.core.nouns import Money
from fairlead.core.plural import many
from fairlead.core.span import LogSpan
from fairlead.core.telling import count, span_words
from fairlead.edge.report.text import shown

_UNKNOWN = "unknown"
_GAP = "\u00a0"
_MOST_WORKLOADS = 60
_MOST_MODELS = 8
_MOST_BILL_ROWS = 24
_FIRST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWorkload:
    """One workload as the page needs it; money in the page's currency and for its period, `None` unknown."""

    id: str
    name: str
    category: str
    confidence: float
    reasons: tuple[str, ...]
    others: tuple[str, ...]
    calls: int
    requests: int
    spend: Decimal | None
    spend_is_partial: bool
    calls_a_day: float | None
    calls_an_hour: float | None
    peak_an_hour: int | None
    peak_at: datetime | None
    inputs: tuple[float | None, float | None]
    outputs: tuple[float | None, float | None]
    cached_share: float | None
    prefix_reuse: float | None
    latency: tuple[float | None, float | None]
    error_rate: float | None
    steps: float | None
    trajectories: int
    growth: float | None
    daily: tuple[int, ...]
    models: Mapping[str, int]
    replayable: int
    is_local_only: bool
    needed: int
    pairs: int
    pilot_cost: Decimal | None
    after: Decimal | None
    saving: Decimal | None
    weight: Decimal
    why_not: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBill:
    """A bill held against the log."""

    title: str
    rows: tuple[tuple[str, str, str, str, str, str], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPage:
    """Everything the first page shows. `spend_by_model` is over the log, not a month; `notes` say what is not known.

    Amounts are a month's; where the log does not tell what a month is (`month_unknown` says why), they are the log's own.
    `calls_without_cost` are in none of them.
    """

    organisation: str
    version: str
    made_at: datetime
    span: LogSpan | None
    exchanges: int
    currency: str
    month_unknown: str
    workloads: tuple[PageWorkload, ...]
    spend_by_model: Mapping[str, Decimal | None] = field(default_factory=dict[str, Decimal | None])
    calls_by_model: Mapping[str, int] = field(default_factory=dict[str, int])
    margin: float = 0.03
    references: tuple[str, ...] = ()
    bill: PageBill | None = None
    notes: tuple[str, ...] = ()
    calls_without_cost: int = 0


def context(page: FirstPage) -> dict[str, Any]:
    """What the template places."""
    chosen = pilots(page)
    top = max((w.spend or Decimal(0) for w in page.workloads), default=Decimal(0))
    return {
        "org": shown(page.organisation),
        "version": page.version,
        "span": span_words(page.span),
        "headline": headline(page, len(chosen)),
        "lede": lede(page),
        "rows": [_row(each, page, top) for each in page.workloads[:_MOST_WORKLOADS]],
        "left_out": max(0, len(page.workloads) - _MOST_WORKLOADS),
        "total": _total(page),
        "pilots": [_pilot(each, page, rank) for rank, each in enumerate(chosen, start=1)],
        "later": [_later(each) for each in page.workloads if each.why_not and each.calls > 0][:8],
        "of_log": bool(page.month_unknown),
        "margin": f"{page.margin * 100:g}",
        "references": [shown(each, longest=200) for each in page.references],
        "models": models(page),
        "categories": categories(page),
        "bill": _bill(page.bill),
        "notes": [shown(note, longest=500) for note in page.notes],
        "made_at": f"{page.made_at:%Y-%m-%d %H:%M} UTC",
    }


def pilots(page: FirstPage) -> list[PageWorkload]:
    """The workloads to begin with, the most promising first."""
    able = [each for each in page.workloads if not each.why_not and each.weight > 0]
    return sorted(able, key=lambda each: (-each.weight, each.id))[:_FIRST]


def headline(page: FirstPage, number: int) -> tuple[str, str, str]:
    """The first sentence, with the amount apart."""
    if not page.workloads:
        return "No workloads were found in the log.", "", ""
    jobs = many(len(page.workloads), "workload")
    first = {0: "", 1: " One is worth piloting first.", 2: " Two are worth piloting first."}.get(
        number, " Three are worth piloting first."
    )
    spent = _sum(page)
    if spent is None:
        return f"You run {jobs}.{first}", "", ""
    least = page.calls_without_cost and spent >= CENT
    at_least = "at least " if least else ""
    if page.month_unknown:
        return f"The log's calls cost {at_least}", _spent(page, spent), f", over {jobs}.{first}"
    return f"You spend {at_least}", _spent(page, spent), f" a month on {jobs}.{first}"


def lede(page: FirstPage) -> str:
    """What the figures rest on."""
    told = [f"{many(page.exchanges, 'exchange')} {'was' if page.exchanges == 1 else 'were'} read"]
    if page.span is not None:
        told[0] += f", from {page.span.length}"
    told[0] += "."
    if page.calls_without_cost:
        told.append(f"What {page.calls_without_cost:,} of them cost is not known and in no amount.")
    chosen = pilots(page)
    saved = [each.saving for each in chosen if each.saving is not None]
    if saved:
        costs = [each.pilot_cost for each in chosen if each.pilot_cost is not None]
        about = money(sum(costs, Decimal(0)), page.currency)
        cost = f" Finding out would cost {'' if about.startswith('under') else 'about '}{about}." if costs else ""
        up_to = f"up to {money(sum(saved, Decimal(0)), page.currency)}"
        would = f"would have saved {up_to} of that" if page.month_unknown else f"would save {up_to} a month"
        told.append(f"If open-weight models turn out to be good enough, these {would}.{cost}")
    if page.month_unknown:
        told.append(f"What a month costs is unknown: {page.month_unknown}. Amounts are for the log's own calls.")
    return " ".join(told)


def _sum(page: FirstPage) -> Decimal | None:
    known = [each.spend for each in page.workloads if each.spend is not None]
    return sum(known, Decimal(0)) if known else None


def _spent(page: FirstPage, spent: Decimal) -> str:
    return money(spent, page.currency) + ("+" if page.calls_without_cost else "")


def _row(each: PageWorkload, page: FirstPage, top: Decimal) -> dict[str, Any]:
    spend = each.spend
    label = f"{each.name}: calls on each day of the log"
    return {
        "name": shown(each.name) or "(no name)",
        "anchor": f"w-{each.id}" if each.id.isalnum() else "",
        "category": each.category,
        "spend": _UNKNOWN if spend is None else money(spend, page.currency) + ("+" if each.spend_is_partial else ""),
        "bar": bar(float(spend / top) if spend is not None and top else 0.0),
        "calls": _calls(each, page),
        "spark": spark(each.daily, label=shown(label, longest=160)),
        "growth": percent(each.growth, signed=True),
        "tokens": f"{tokens(each.inputs[0])} / {tokens(each.outputs[0])}",
        "tokens95": f"p95 {tokens(each.inputs[1])} / {tokens(each.outputs[1])}",
        "cached": percent(each.cached_share),
        "reuse": percent(each.prefix_reuse),
        "latency": seconds(each.latency[0]),
        "latency95": f"p95 {seconds(each.latency[1])}",
        "errors": percent(each.error_rate),
        "models": by_share(each.models, sum(each.models.values())),
        "detail": _detail(each),
    }


def _detail(each: PageWorkload) -> list[tuple[str, str]]:
    sure = f" ({each.confidence * 100:.0f} % sure)" if each.confidence else ""
    also = f" Also: {', '.join(each.others)}." if each.others else ""
    peak = (
        _UNKNOWN
        if each.calls_an_hour is None or each.peak_an_hour is None or each.peak_at is None
        else f"{each.calls_an_hour:,.1f} an hour; {each.peak_an_hour:,} in the busiest, {each.peak_at:%d %B, %H:%M} UTC"
    )
    told = [
        ("What it is", f"{each.category}{sure}: {shown('; '.join(each.reasons), longest=300)}.{also}"),
        ("Calls", peak),
        (
            "Distinct requests",
            f"{each.requests:,} of {each.calls:,}; {each.replayable:,} calls can be asked again as they were",
        ),
        (
            "Prompt prefix",
            f"{percent(each.prefix_reuse)} of calls came within five minutes of another with the same prompt",
        ),
    ]
    if each.trajectories:
        told.append(
            (
                "Trajectories",
                f"{each.trajectories:,}, {each.steps:g} calls each (median)"
                if each.steps
                else f"{each.trajectories:,}",
            )
        )
    if each.is_local_only:
        told.append(("Texts", "never leave this machine"))
    if each.why_not:
        told.append(("Not among the first to pilot", f"{shown(each.why_not, longest=200)}."))
    return told


def _calls(each: PageWorkload, page: FirstPage) -> str:
    """Calls a day, or in the log where a day is not known."""
    if page.month_unknown:
        return f"{each.calls:,}"
    return _UNKNOWN if each.calls_a_day is None else count(each.calls_a_day)


def _total(page: FirstPage) -> dict[str, str]:
    spent = _sum(page)
    daily = [each.calls_a_day for each in page.workloads if each.calls_a_day is not None]
    calls = count(sum(daily)) if daily else _UNKNOWN
    return {
        "spend": _UNKNOWN if spent is None else _spent(page, spent),
        "calls": f"{sum(each.calls for each in page.workloads):,}" if page.month_unknown else calls,
    }


def _pilot(each: PageWorkload, page: FirstPage, rank: int) -> dict[str, Any]:
    return {
        "rank": rank,
        "name": shown(each.name) or "(no name)",
        "category": each.category,
        "spend": _UNKNOWN if each.spend is None else money(each.spend, page.currency),
        "after": _UNKNOWN if each.after is None else money(each.after, page.currency),
        "saving": _UNKNOWN if each.saving is None else money(each.saving, page.currency),
        "pairs": f"{each.pairs:,}",
        "needed": f"{each.needed:,}" if each.pairs < each.needed else "",
        "cost": _UNKNOWN if each.pilot_cost is None else money(each.pilot_cost, page.currency),
        "reference": shown(each.reference),
        "command": f"fairlead pilot {each.id} --endpoint URL --model NAME --labels FILE",
        "local": each.is_local_only,
    }


def _later(each: PageWorkload) -> tuple[str, str]:
    return shown(each.name) or "(no name)", shown(each.why_not, longest=200)


def models(page: FirstPage) -> list[dict[str, Any]]:
    """Who is paid, the dearest first."""
    ordered = sorted(
        page.calls_by_model,
        key=lambda name: (-(page.spend_by_model.get(name) or Decimal(0)), -page.calls_by_model[name]),
    )
    known = [each for name in ordered if (each := page.spend_by_model.get(name)) is not None]
    top, whole = max(known, default=Decimal(0)), sum(known, Decimal(0))
    return [
        {
            "name": shown(name, longest=50),
            "calls": many(page.calls_by_model[name], "call"),
            "spend": _UNKNOWN if spend is None else money(spend, page.currency),
            "share": "" if spend is None or not whole else percent(float(spend / whole)),
            "bar": bar(float(spend / top) if spend is not None and top else 0.0),
        }
        for name in ordered[:_MOST_MODELS]
        for spend in (page.spend_by_model.get(name),)
    ]


def categories(page: FirstPage) -> list[dict[str, Any]]:
    """What kind of work is paid for."""
    sums: dict[str, Decimal | None] = {}
    partial = {each.category for each in page.workloads if each.spend_is_partial}
    numbers: dict[str, int] = {}
    for each in page.workloads:
        before = sums.get(each.category)
        sums[each.category] = before if each.spend is None else (before or Decimal(0)) + each.spend
        numbers[each.category] = numbers.get(each.category, 0) + 1
    top = max((each for each in sums.values() if each is not None), default=Decimal(0))
    return [
        {
            "name": name,
            "number": many(numbers[name], "workload"),
            "spend": _UNKNOWN if spend is None else money(spend, page.currency) + ("+" if name in partial else ""),
            "bar": bar(float(spend / top) if spend and top else 0.0),
        }
        for name, spend in sorted(sums.items(), key=lambda entry: (-(entry[1] or Decimal(0)), entry[0]))
    ]


def _bill(bill: PageBill | None) -> dict[str, Any] | None:
    if bill is None:
        return None
    rows = [tuple(shown(cell, longest=140) for cell in row) for row in bill.rows[:_MOST_BILL_ROWS]]
    return {
        "title": shown(bill.title, longest=300),
        "rows": rows,
        "more": max(0, len(bill.rows) - _MOST_BILL_ROWS),
        "notes": [shown(note, longest=400) for note in bill.notes],
    }


# Words and marks


def money(amount: Decimal, currency: str) -> str:
    """An amount for people."""
    return people(Money(amount=amount, currency=currency))


def tokens(value: float | None) -> str:
    """A count of tokens."""
    if value is None:
        return _UNKNOWN
    return f"{value / 1000:,.1f}k" if value >= 10_000 else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """A duration."""
    if value is None:
        return _UNKNOWN
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:,.1f} s"


def percent(value: float | None, *, signed: bool = False) -> str:
    """A share."""
    if value is None:
        return _UNKNOWN
    sign = "−" if round(value * 100) < 0 else "+" if signed and round(value * 100) > 0 else ""
    size = abs(value) * 100
    return f"{sign}{size:.1f}{_GAP}%" if 0 < size < 1 else f"{sign}{size:.0f}{_GAP}%"


def by_share(names: Mapping[str, int], calls: int) -> str:
    """Models with their share of the calls; those with less than one in a hundred are not named."""
    telling = {name: number for name, number in names.items() if number * 100 >= calls} or dict(list(names.items())[:1])
    listed = [
        shown(name, longest=40) + (f" {percent(number / calls)}" if len(telling) > 1 else "")
        for name, number in list(telling.items())[:3]
    ]
    return ", ".join(listed) + (f" and {len(telling) - 3} more" if len(telling) > 3 else "")


def bar(share: float) -> Markup:
    """How much of the largest this is."""
    width = 100 * min(1.0, max(0.0, share))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="fill" width="{w:.1f}" height="6"/></svg>'
    ).format(w=width)


def spark(daily: Sequence[int], *, label: str) -> Markup:
    """Calls on each day, as a line of bars; nothing for fewer than three days."""
    if len(daily) < 3:
        return Markup("")
    top, wide = max(daily) or 1, 96 / len(daily)
    rect = Markup('<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"/>')
    bars = Markup("").join(
        rect.format(x=day * wide, y=20 - 20 * number / top, w=max(0.4, wide * 0.8), h=20 * number / top)
        for day, number in enumerate(daily)
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 96 20" role="img" aria-label="{label}"><title>{label}</title>{bars}</svg>'
    ).format(label=label, bars=bars)
