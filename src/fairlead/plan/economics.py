"""Money a month: today, after a move, and the saving between them, with an interval. Pure arithmetic.

    calls a month  = calls in the log x 30.4375 days / days in the log
    today          = calls a month x the incumbent's cost per call (every call it answered with a known price)
    after          = calls a month x the candidate's cost per request (every answer its pilot measured)
    saving         = today - after

The interval is for the sum of one coming month at 95 %. It has two sources. Calls vary from day to day: with s the
standard deviation of calls per full day of the log and D such days, a month's calls have the variance
s² (30.4375 + 30.4375² / D), the second term being what D days do not tell about the mean. Costs per call are means of
samples, with their standard errors. Both sides' errors are taken as independent, which is cautious: they mostly rise and
fall with the same requests. What the interval cannot hold: growth, new prices, a workload that ends.

Calls without a known price are left out of both sides, and said so. Calls that a candidate answered already are part of
the traffic, at what the incumbent's cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fairlead.core.money import CostSummary, Rates
from fairlead.core.moves import Amount, Forecasted, PilotFacts, WorkloadFacts
from fairlead.core.nouns import Money
from fairlead.core.span import DAYS_A_MONTH, LogSpan

LEAST_SPAN_DAYS = 1.0
"""A log shorter than this says nothing about a month."""

LEAST_DAYS_SEEN = 3
"""With fewer full days there is no interval: day-to-day variation has not been seen."""

METHOD = (
    "A month is 30.4375 days; calls are scaled from the log's own span.",
    "After a move: what the candidate's answers in the pilot cost, retries and failed answers included, times the calls.",
    "A failed answer whose tokens were not reported is counted at the mean of the others.",
    "Intervals are for one coming month at 95 %: from the day-to-day variation of calls and both costs' standard errors.",
    "Growth and price changes are not in the intervals.",
    "Totals add the rows; the ends of their intervals add up too, as if all workloads varied together.",
)

_PLACES = Decimal("0.0001")
_DAY_S = 86_400
_T975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_NORMAL975 = 1.960


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A mean and its standard error; `error` is `None` where it cannot be told."""

    mean: Decimal
    error: float | None

    def minus(self, other: _Estimate) -> _Estimate:
        if self.error is None or other.error is None:
            return _Estimate(self.mean - other.mean, None)
        return _Estimate(self.mean - other.mean, math.hypot(self.error, other.error))


@dataclass(frozen=True, slots=True)
class _Calls:
    """Calls a month, with the standard deviation of one coming month and the quantile that fits it."""

    mean: Decimal
    sd: float | None
    quantile: float


def span_problem(span: LogSpan | None) -> str:
    """Why this span gives no monthly figures; empty when it does."""
    if span is None:
        return "the log carries no dates, so nothing can be said about a month"
    if span.days < LEAST_SPAN_DAYS:
        return f"the log spans {span.length}; a month is not extrapolated from less than one day"
    return ""


def daily_calls(times: Iterable[datetime], span: LogSpan) -> tuple[int, ...]:
    """Calls in each full day of 24 hours from the start of the log; the broken last day is left out."""
    counts = [0] * int(span.days)
    for time in times:
        day = int((time - span.start).total_seconds() // _DAY_S)
        if 0 <= day < len(counts):
            counts[day] += 1
    return tuple(counts)


def calls_a_day(workload: WorkloadFacts, span: LogSpan | None) -> float | None:
    """Calls a day over the log's span; `None` when the span does not allow it."""
    return None if span is None or span_problem(span) else workload.calls / span.days


def forecasted(workload: WorkloadFacts, pilot: PilotFacts | None, *, span: LogSpan | None, rates: Rates) -> Forecasted:
    """Today, after and saving a month for one workload and one candidate (`None`: only today)."""
    problem = span_problem(span)
    if span is None or problem:
        return Forecasted(today_unknown=problem, after_unknown=problem)
    calls = _calls(workload, span)
    share = _known_share(workload)
    today, today_unknown = _today(workload, rates)
    after, after_unknown = _after(pilot, share, rates) if share else (None, today_unknown)
    saving = None if today is None or after is None else today.minus(after)
    return Forecasted(
        today=_month(calls, today),
        after=_month(calls, after),
        saving=_difference(_month(calls, today), _month(calls, after), _month(calls, saving)),
        today_unknown=today_unknown,
        after_unknown=after_unknown,
        today_native=tuple(_native(calls, costs, workload.by_incumbent) for costs in workload.costs),
        after_native=_after_native(calls, pilot, share),
    )


def _calls(workload: WorkloadFacts, span: LogSpan) -> _Calls:
    month = float(DAYS_A_MONTH)
    mean = Decimal(workload.calls) * DAYS_A_MONTH / Decimal(span.days)
    days = len(workload.daily_calls)
    if days < LEAST_DAYS_SEEN:
        return _Calls(mean, None, _NORMAL975)
    variance = _variance(workload.daily_calls)
    return _Calls(mean, math.sqrt(variance * (month + month**2 / days)), _quantile(days - 1))


def _variance(counts: Sequence[int]) -> float:
    mean = sum(counts) / len(counts)
    return sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)


def _quantile(degrees: int) -> float:
    return _T975[degrees - 1] if degrees <= len(_T975) else _NORMAL975


def _known_share(workload: WorkloadFacts) -> Decimal:
    known = sum(costs.n for costs in workload.costs)
    return Decimal(known) / Decimal(workload.by_incumbent) if workload.by_incumbent else Decimal(0)


def _today(workload: WorkloadFacts, rates: Rates) -> tuple[_Estimate | None, str]:
    """Cost per call of the log, averaged over all the incumbent's calls; those without a known cost add nothing."""
    if not workload.costs:
        return None, _why_unpriced(workload)
    mean, variance = Decimal(0), 0.0
    for costs in workload.costs:
        rate = rates.rate(costs.currency)
        if rate is None:
            return None, f"no exchange rate from {costs.currency} to {rates.to}"
        weight = rate * costs.n / workload.by_incumbent
        mean += weight * costs.mean
        variance += (float(weight) * _error(costs)) ** 2
    return _Estimate(mean, math.sqrt(variance)), ""


def _why_unpriced(workload: WorkloadFacts) -> str:
    if workload.calls and not workload.by_incumbent:
        return "a candidate answered every call in the log, so what the incumbent costs is not known"
    return "; ".join(workload.unknown_reasons[:3]) or "no price is known for the models in the log"


def _after(pilot: PilotFacts | None, share: Decimal, rates: Rates) -> tuple[_Estimate | None, str]:
    if pilot is None:
        return None, "no pilot yet"
    if pilot.price is None:
        return None, f"no price is known for {pilot.candidate}; give --price IN,OUT"
    costs = _candidate_costs(pilot)
    if costs is None:
        return None, "the candidate's endpoint reported no token counts"
    rate = rates.rate(costs.currency)
    if rate is None:
        return None, f"no exchange rate from {costs.currency} to {rates.to}"
    weight = rate * share
    return _Estimate(weight * costs.mean, float(weight) * _error(costs) if costs.sd is not None else None), ""


def _candidate_costs(pilot: PilotFacts) -> CostSummary | None:
    return pilot.candidate_side.costs[0] if pilot.candidate_side and pilot.candidate_side.costs else None


def _error(costs: CostSummary) -> float:
    return float(costs.sd or 0) / math.sqrt(costs.n)


def _month(calls: _Calls, each: _Estimate | None) -> Amount | None:
    if each is None:
        return None
    value = (calls.mean * each.mean).quantize(_PLACES)
    if calls.sd is None or each.error is None:
        return Amount(value=value)
    by_calls, by_cost = calls.sd * float(each.mean), float(calls.mean) * each.error
    half = Decimal(calls.quantile * math.hypot(by_calls, by_cost, calls.sd * each.error)).quantize(_PLACES)
    return Amount(value=value, low=value - half, high=value + half)


def _difference(today: Amount | None, after: Amount | None, saving: Amount | None) -> Amount | None:
    """The saving as the exact difference of the two rounded amounts, so that a reader's subtraction agrees."""
    if today is None or after is None or saving is None:
        return None
    shift = today.value - after.value - saving.value
    return Amount(
        value=today.value - after.value,
        low=None if saving.low is None else saving.low + shift,
        high=None if saving.high is None else saving.high + shift,
    )


def _native(calls: _Calls, costs: CostSummary, of_calls: int) -> Money:
    amount = calls.mean * costs.mean * costs.n / of_calls
    return Money(amount=amount.quantize(_PLACES), currency=costs.currency)


def _after_native(calls: _Calls, pilot: PilotFacts | None, share: Decimal) -> Money | None:
    costs = None if pilot is None or pilot.price is None else _candidate_costs(pilot)
    if costs is None:
        return None
    return Money(amount=(calls.mean * share * costs.mean).quantize(_PLACES), currency=costs.currency)
