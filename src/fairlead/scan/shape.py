"""The size and shape of a workload, counted from its exchanges: calls and their peak, tokens, cost, latency, steps, growth.

What is not recorded is counted as unknown and left out of the sums; a sum over nothing known is `None`, never zero. A
`ShapeTally` takes calls some at a time, in any order, in memory that hardly grows with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from fairlead.core.calls import EPOCH, MICROSECOND, Calls, Column
from fairlead.core.money import Costs, CostSummary
from fairlead.core.nouns import ExchangeRow, Fidelity, Money
from fairlead.core.quick import quick
from fairlead.core.span import LogSpan
from fairlead.scan.counting import Distinct, Met, Quantiles, quantile

__all__ = ["Cost", "Shape", "ShapeTally", "Spread", "quantile", "shape", "span"]

_CACHE_LIVES_US = 300_000_000
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_LOST = frozenset({Fidelity.PROMPT_ABSENT, Fidelity.MEDIA_DROPPED, Fidelity.TOOLS_MISSING, Fidelity.TRUNCATED})
_FEWEST_DAYS = 4
_FEWEST_CALLS = 50

Value = TypeVar("Value")


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one exchange cost, or why that is not known; `assumed_date` when it was priced at another day than its own."""

    money: Money | None
    reason: str = ""
    assumed_date: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a quantity is spread over calls; `None` where it was never recorded."""

    p50: float | None = None
    p95: float | None = None
    highest: float | None = None
    mean: float | None = field(default=None, compare=False)

    @classmethod
    def of(cls, values: Quantiles) -> Spread:
        """The spread of values that were taken in."""
        if not values.count:
            return cls()
        return cls(p50=values.at(0.5), p95=values.at(0.95), highest=values.highest, mean=values.total / values.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How big a workload is. Tokens and costs cover the calls in which they were recorded; the others are counted.

    `by_candidate` of the `calls` were answered by a candidate through the gateway. Failures, tokens, costs, latencies, models and
    tiers are the incumbent's, so those of the other calls.

    `requests` are the distinct ones; `daily` counts the calls of each full day of 24 hours from the start of the log (a last, broken one is left out); `models`, `tiers`,
    `fidelity` and `unpriced_reasons` are counts, most frequent first. `replayable` calls can be asked again as they were.
    `calls_an_hour` is the mean over the log; `peak_an_hour` the busiest hour, which began at `peak_at`. `prefix_reuse` is the
    share of calls that came within five minutes of another with the same prompt. `steps` are per trajectory (conversation).
    `growth` compares the calls a day of the log's second half with those of its first.
    """

    calls: int
    requests: int
    failures: int
    by_candidate: int
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
    inputs: Spread = Spread()
    outputs: Spread = Spread()
    first_token: Spread = Spread()
    steps: Spread = Spread()
    trajectories: int = 0
    calls_an_hour: float | None = None
    peak_an_hour: int | None = None
    peak_at: datetime | None = None
    prefix_reuse: float | None = None
    growth: float | None = None
    replayable: int = 0
    fidelity: Mapping[str, int] = field(default_factory=dict[str, int])
    tiers: Mapping[str, int] = field(default_factory=dict[str, int])

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
    tally = ShapeTally(log)
    together = Costs()
    for row, cost in zip(rows, costs, strict=True):
        if not row.by_candidate:
            together.add(cost.money, cost.reason)
            together.assumed_dates += cost.assumed_date
    tally.add(Calls.of(rows), together)
    return tally.shape()


class ShapeTally:
    """A workload being counted; `log` is the span of the whole log."""

    def __init__(self, log: LogSpan | None) -> None:
        self._start = None if log is None else (log.start - EPOCH) // MICROSECOND
        self._log = log
        self._calls = self._failures = self._tried = self._dated = 0
        self._tokens: Counter[str] = Counter()
        self._requests, self._bursts, self._talks = Distinct(), Distinct(), Met()
        self._inputs, self._outputs, self._latencies, self._firsts = Quantiles(), Quantiles(), Quantiles(), Quantiles()
        self._costs = Costs()
        self._models: Counter[str] = Counter()
        self._tiers: Counter[str] = Counter()
        self._fidelity: Counter[tuple[Fidelity, ...]] = Counter()
        self._hours: Counter[int] = Counter()
        self._days: Counter[int] = Counter()

    def add(self, calls: Calls, costs: Costs) -> None:
        """Count exchanges; `costs` are those of the ones that the incumbent answered."""
        self._calls += len(calls.models)
        self._tried += sum(calls.by_candidate)
        self._requests.extend(calls.request_keys)
        self._fidelity.update(calls.fidelities)
        self._talks.extend(_known(calls.conversations))
        self._costs.absorb(costs)
        self._answered(calls.by_incumbent())
        self._date(calls)

    def _answered(self, calls: Calls) -> None:
        """Count what the incumbent did."""
        self._failures += len(_known(calls.failures))
        self._models.update(calls.models)
        self._tiers.update(_known(calls.tiers))
        self._latencies.extend(_known(calls.latencies_s))
        self._firsts.extend(_known(calls.first_tokens_s))
        fresh, read, write, write_1h, visible, reasoning, audio_in, image_in, audio_out = calls.usage
        given = _together(fresh, read, write, write_1h, audio_in, image_in)
        made = _together(visible, reasoning, audio_out)
        self._inputs.extend(given)
        self._outputs.extend(made)
        for name, column in (("input", given), ("cached", _known(read)), ("output", made)):
            if column:
                self._tokens[name] += sum(column)

    def _date(self, calls: Calls) -> None:
        dated = [(us, prompt) for us, prompt in zip(calls.started_us, calls.prompt_ids, strict=True) if us is not None]
        self._dated += len(dated)
        self._hours.update([us // _HOUR_US for us, _ in dated])
        self._bursts.extend({(us // _CACHE_LIVES_US, prompt) for us, prompt in dated})
        if self._start is not None:
            start = self._start
            self._days.update([(us - start) // _DAY_US for us, _ in dated])

    def shape(self) -> Shape:
        """What was counted."""
        log = self._log
        peak = max(self._hours.items(), key=lambda hour: (hour[1], -hour[0]), default=None)
        fidelity: Counter[str] = Counter()
        for flags, calls in self._fidelity.items():
            fidelity.update({flag.value: calls for flag in flags})
        steps = Quantiles()
        steps.extend([*self._talks.counts()])
        replayable = sum(calls for flags, calls in self._fidelity.items() if _LOST.isdisjoint(flags))
        each_day = () if log is None else tuple(self._days[day] for day in range(int(log.days)))
        return Shape(
            calls=self._calls,
            requests=len(self._requests),
            failures=self._failures,
            by_candidate=self._tried,
            input_tokens=self._tokens.get("input"),
            cached_tokens=self._tokens.get("cached"),
            output_tokens=self._tokens.get("output"),
            costs=self._costs.spend.summaries(),
            unpriced=self._costs.spend.unknown,
            unpriced_reasons=dict(self._costs.reasons.most_common()),
            assumed_dates=self._costs.assumed_dates,
            latency_p50_s=self._latencies.at(0.5),
            latency_p95_s=self._latencies.at(0.95),
            models=dict(self._models.most_common()),
            daily=each_day,
            inputs=Spread.of(self._inputs),
            outputs=Spread.of(self._outputs),
            first_token=Spread.of(self._firsts),
            steps=Spread.of(steps),
            trajectories=len(self._talks),
            calls_an_hour=self._dated / (log.days * 24) if log is not None and log.days * 24 >= 1 else None,
            peak_an_hour=None if peak is None else peak[1],
            peak_at=None if peak is None else datetime.fromtimestamp(3600 * peak[0], UTC),
            prefix_reuse=1 - len(self._bursts) / self._dated if self._dated else None,
            growth=growth(each_day),
            replayable=replayable,
            fidelity=dict(fidelity.most_common()),
            tiers=dict(self._tiers.most_common()),
        )


def _known(column: Sequence[Value | None]) -> Sequence[Value]:
    """The values that are known."""
    return [value for value in column if value is not None]


def _together(first: Column, *others: Column) -> Sequence[int]:
    """The sums of counts, of those calls of which the first is known."""
    sums = first
    for column in others:
        if any(column):
            sums = [None if one is None else one + (more or 0) for one, more in zip(sums, column, strict=True)]
    return _known(sums)


def growth(daily: Sequence[int]) -> float | None:
    """How many more calls a day the second half has than the first, as a share; `None` of too few days or calls, or none before."""
    half = len(daily) // 2
    if len(daily) < _FEWEST_DAYS or sum(daily) < _FEWEST_CALLS:
        return None
    before, after = sum(daily[:half]), sum(daily[-half:])
    return after / before - 1 if before else None
