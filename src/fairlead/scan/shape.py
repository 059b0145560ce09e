"""The size of a workload, counted from its exchanges: calls, tokens, spend, latency, incumbents, and the log's span.

What is not recorded is counted as unknown and left out of the sums; a sum over nothing known is `None`, never zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import quantiles

from fairlead.core.nouns import ExchangeRow, Money

MONTH = timedelta(days=365.25 / 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time a log covers, from its first to its last dated exchange."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.end - self.start) / timedelta(days=1)

    @property
    def months(self) -> float | None:
        """Length in months; `None` below one day, which says nothing about a month."""
        return (self.end - self.start) / MONTH if self.days >= 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How big a workload is. Tokens and spend cover the calls in which they were recorded (`unpriced` were not)."""

    calls: int
    requests: int
    failures: int
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    spend: tuple[Money, ...]
    unpriced: int
    unpriced_reasons: Mapping[str, int]
    latency_p50_s: float | None
    latency_p95_s: float | None
    models: Mapping[str, int]
    daily: Mapping[date, int] = field(default_factory=dict[date, int])

    @property
    def cached_share(self) -> float | None:
        """Share of input tokens read from the provider's cache."""
        return self.cached_tokens / self.input_tokens if self.cached_tokens is not None and self.input_tokens else None


def span(rows: Iterable[ExchangeRow]) -> Span | None:
    """The time the rows cover, `None` when none is dated."""
    dated = [row.started_at for row in rows if row.started_at is not None]
    return Span(start=min(dated), end=max(dated)) if dated else None


def shape(rows: Sequence[ExchangeRow], costs: Sequence[tuple[Money | None, str]]) -> Shape:
    """Count `rows`; `costs` gives each row's cost, or `None` and the reason."""
    latencies = [row.latency_s for row in rows if row.latency_s is not None]
    spend: dict[str, Decimal] = {}
    for money, _ in costs:
        if money is not None:
            spend[money.currency] = spend.get(money.currency, Decimal(0)) + money.amount
    return Shape(
        calls=len(rows),
        requests=len({row.request_key for row in rows}),
        failures=sum(row.failure is not None for row in rows),
        input_tokens=total(row.usage.input for row in rows),
        cached_tokens=total(row.usage.cache_read for row in rows),
        output_tokens=total(row.usage.output for row in rows),
        spend=tuple(Money(amount=amount, currency=currency) for currency, amount in sorted(spend.items())),
        unpriced=sum(money is None for money, _ in costs),
        unpriced_reasons=Counter(reason for money, reason in costs if money is None),
        latency_p50_s=quantile(latencies, 0.5),
        latency_p95_s=quantile(latencies, 0.95),
        models=dict(Counter(row.model for row in rows).most_common()),
        daily=dict(sorted(Counter(row.started_at.date() for row in rows if row.started_at is not None).items())),
    )


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
