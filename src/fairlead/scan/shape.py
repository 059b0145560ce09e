"""The size of a workload, counted from its exchanges: calls, tokens, cost, latency, incumbents, and the log's span.

What is not recorded is counted as unknown and left out of the sums; a sum over nothing known is `None`, never zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from fairlead.core.money import CostSummary, Spend
from fairlead.core.moves import LogSpan
from fairlead.core.nouns import ExchangeRow, Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one exchange cost, or why that is not known; `assumed_date` when it was priced at another day than its own."""

    money: Money | None
    reason: str = ""
    assumed_date: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How big a workload is. Tokens and costs cover the calls in which they were recorded; the others are counted.

    `requests` are the distinct ones; `daily` counts the calls of each full day from the start of the log; `models` and
    `unpriced_reasons` are counts, most frequent first.
    """

    calls: int
    requests: int
    failures: int
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    costs: tuple[CostSummary, ...]
    unpriced: int
    unpriced_reasons: Mapping[str, int]
    assumed_dates: int
    latency_p50_s: float | None
    latency_p95_s: float | None
    models: Mapping[str, int]
    daily: tuple[int, ...]

    @property
    def cached_share(self) -> float | None:
        """Share of input tokens read from the provider's cache."""
        return self.cached_tokens / self.input_tokens if self.cached_tokens is not None and self.input_tokens else None


def span(rows: Iterable[ExchangeRow]) -> LogSpan | None:
    """The time the rows cover, `None` when none is dated."""
    dated = [row.started_at for row in rows if row.started_at is not None]
    return LogSpan(start=min(dated), end=max(dated)) if dated else None


def shape(rows: Sequence[ExchangeRow], costs: Sequence[Cost], *, log: LogSpan | None) -> Shape:
    """Count `rows`, whose costs are `costs`; `log` is the span of the whole log, which the days are counted in."""
    latencies = [row.latency_s for row in rows if row.latency_s is not None]
    spend = Spend()
    for cost in costs:
        spend.add(cost.money)
    return Shape(
        calls=len(rows),
        requests=len({row.request_key for row in rows}),
        failures=sum(row.failure is not None for row in rows),
        input_tokens=total(row.usage.input for row in rows),
        cached_tokens=total(row.usage.cache_read for row in rows),
        output_tokens=total(row.usage.output for row in rows),
        costs=spend.summaries(),
        unpriced=spend.unknown,
        unpriced_reasons=counted(cost.reason for cost in costs if cost.money is None),
        assumed_dates=sum(cost.assumed_date for cost in costs),
        latency_p50_s=quantile(latencies, 0.5),
        latency_p95_s=quantile(latencies, 0.95),
        models=counted(row.model for row in rows),
        daily=daily(rows, log),
    )


def daily(rows: Iterable[ExchangeRow], log: LogSpan | None) -> tuple[int, ...]:
    """Calls on each full day of 24 hours from the start of the log; a last, broken day is left out."""
    if log is None:
        return ()
    days = Counter((row.started_at - log.start).days for row in rows if row.started_at is not None)
    return tuple(days[day] for day in range(int(log.days)))


def counted(names: Iterable[str]) -> dict[str, int]:
    """How often each name occurs, most frequent first."""
    return dict(Counter(names).most_common())


def total(counts: Iterable[int | None]) -> int | None:
    """The sum of what is known, `None` when nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def quantile(values: Sequence[float], share: float) -> float | None:
    """The `share` quantile (0.5 is the median) by linear interpolation, `None` of nothing."""
    if not values:
        return None
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
