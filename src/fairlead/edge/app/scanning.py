"""Scan, wired: sources into the ledger, workloads found, each counted and costed; and the same table later, from the ledger."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import compress
from pathlib import Path

from fairlead import scan
from fairlead.core.calls import Calls
from fairlead.core.money import Costs, Rates, Spend
from fairlead.core.nouns import JSON, Category, Endpoint, ExchangeRow, Money, Workload
from fairlead.core.redact import DataClass, Policy, Redactor
from fairlead.core.span import DAYS_A_MONTH, LogSpan
from fairlead.edge.app import helping, together
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.privacy import redactor_for
from fairlead.edge.catalog.rates import NO_USAGE, Counts
from fairlead.edge.currency import rates
from fairlead.edge.language import Languages, LanguagesApart
from fairlead.edge.sources import read

MOST_MODELS = 2_000
OTHERS = "other models"
LOOKED_AT = 1024 * 1024

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWorkload:
    """One row of the scan's table. Money is per month in the record's currency; `None` is unknown.

    `by_candidate` of the calls were answered by a candidate through the gateway; what they cost and took is in none of the
    figures, which are the incumbent's.
    """

    id: str
    name: str
    category: Category
    confidence: float
    reasons: tuple[str, ...]
    others: tuple[Category, ...]
    endpoint: Endpoint
    calls: int
    requests: int
    failures: int
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    spend: Decimal | None
    spend_per_month: Decimal | None
    spend_unknown_calls: int
    spend_unknown_reasons: Mapping[str, int]
    latency_p50_s: float | None
    latency_p95_s: float | None
    models: Mapping[str, int]
    calls_an_hour: float | None = None
    peak_an_hour: int | None = None
    peak_at: datetime | None = None
    input_spread: scan.Spread = field(default_factory=scan.Spread)
    output_spread: scan.Spread = field(default_factory=scan.Spread)
    cached_share: float | None = None
    prefix_reuse: float | None = None
    first_token: scan.Spread = field(default_factory=scan.Spread)
    error_rate: float | None = None
    trajectories: int = 0
    steps: scan.Spread = field(default_factory=scan.Spread)
    growth: float | None = None
    daily: tuple[int, ...] = ()
    replayable: int = 0
    fidelity: Mapping[str, int] = field(default_factory=dict[str, int])
    tiers: Mapping[str, int] = field(default_factory=dict[str, int])
    data_class: DataClass = DataClass.ANY
    by_candidate: int = 0

    @property
    def by_incumbent(self) -> int:
        """The calls that the incumbent answered."""
        return self.calls - self.by_candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the ledger holds, workload by workload, dearest first.

    `spend_per_month` is `None`, with `month_unknown` saying why, when the log covers less than a day.
    """

    exchanges: int
    span: LogSpan | None
    month_unknown: str
    rates: Rates
    workloads: tuple[FoundWorkload, ...]
    calls_by_model: Mapping[str, int] = field(default_factory=dict[str, int])
    spend_by_model: Mapping[str, Decimal | None] = field(default_factory=dict[str, Decimal | None])

    @property
    def unknown_costs(self) -> Mapping[str, int]:
        """Why calls have no known cost, with how many of all workloads, the commonest reason first."""
        reasons = Counter[str]()
        for found in self.workloads:
            reasons.update(found.spend_unknown_reasons)
        return dict(reasons.most_common())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A scan's outcome: what was read, what was taken out of it, and the survey of everything in the ledger."""

    taken: scan.TakenIn
    survey: Survey
    policy: Policy


def run(
    desk: Desk,
    paths: Sequence[str],
    *,
    currency: str,
    on_progress: Progress,
    redact: Policy | None = None,
    processes: int | None = None,
    on_expected: Callable[[str, int | None], None] | None = None,
) -> Scan:
    """Read `paths` into the ledger, find the workloads, survey; `redact` goes before the settings' policy.

    Long logs are read by as many processes as there are processors, or by `processes`.
    """
    redactor = redactor_for(desk.settings.privacy, ledger=desk.where, policy=redact)
    desk.ledger.spare_memory(most_mb=helping.LEDGER_MB)

    lines = read.read(paths, now=desk.now)
    parts, whole = together.divided(lines.files, number := processes or together.processes())
    taken: list[scan.TakenIn] = []
    if on_expected is not None:
        on_expected("reading", about(lines.files))

    def reading(exchanges: int, skipped: int) -> None:
        before = sum(each.exchanges + each.skipped for each in taken)
        on_progress("reading", before + exchanges + skipped)

    # Where others read the log, the model that knows languages is needed here for a few texts at most: it need not stay.
    with LanguagesApart() as apart:
        grouping = scan.Grouping(
            desk.ledger,
            language_of=apart if parts and not whole else Languages(),
            on_progress=on_progress,
            keeps_bodies=redactor.policy is not Policy.DROP,
        )
        if parts:
            redactor.hashed("", "key")  # a key is made once, before several processes ask for it
            job = helping.Job(
                ledger=desk.where, privacy=desk.settings.privacy, policy=redactor.policy, now=desk.now, spool="", parent=os.getpid(),
                processes=number, left_until=grouping.left_until, is_left_learned=grouping.is_left_learned,
            )  # fmt: skip
            helped, again = together.take_in_parts(parts, job, grouping, number=number, on_progress=reading)
            taken.append(helped)
            whole += again
        if whole:
            taken.append(_read_here(desk, whole, grouping, redactor, reading))
        grouping.finish()
    taken_in = helping.combined(taken)
    desk.ledger.add_scan(_record(desk, paths, taken_in, redactor.policy))
    return Scan(taken=taken_in, survey=survey(desk, currency=currency), policy=redactor.policy)


def _read_here(
    desk: Desk,
    files: Sequence[str],
    grouping: scan.Grouping,
    redactor: Redactor,
    on_progress: Callable[[int, int], None],
) -> scan.TakenIn:
    """Take in what no other process reads."""
    lines = read.read(files, now=desk.now)
    return scan.take_in(
        lines,
        ledger=desk.ledger,
        redactor=redactor,
        on_new=grouping.learn,
        on_left=grouping.learn_left,
        left_until=grouping.left_until,
        on_progress=on_progress,
        set_aside=lines.set_aside,
    )


def _record(desk: Desk, paths: Sequence[str], taken: scan.TakenIn, policy: Policy) -> JSON:
    """What the ledger keeps of a scan."""
    return {
        "at": desk.now.isoformat(),
        "paths": list(paths),
        "exchanges": taken.exchanges,
        "new": taken.new,
        "skipped": taken.skipped,
        "reasons": dict(taken.reasons),
        "redact": policy.value,
        "redacted": taken.redacted.to_json(),
    }


def about(files: Sequence[str]) -> int | None:
    """About how many lines the files hold, from the length of the first ones; `None` where that cannot be told."""
    lines = 0
    for name in files:
        if not name.endswith((".jsonl", ".ndjson", ".log")):
            return None
        with Path(name).open("rb") as file:
            head = file.read(LOOKED_AT)
        lines += round(Path(name).stat().st_size / max(1, len(head)) * head.count(b"\n"))
    return lines or None


def survey(desk: Desk, *, currency: str) -> Survey:
    """The ledger's workloads, counted and costed in `currency`."""
    dates = desk.ledger.span()
    log = None if dates is None else LogSpan(start=dates[0], end=dates[1])
    counted = counted_in(desk, log)
    shapes = {workload_id: tally.shape() for workload_id, tally in counted.tallies.items()}
    exchange_rates = rates(currency, {c.currency for s in shapes.values() for c in s.costs}, today=desk.now.date())
    months, unknown = months_of(log)
    found = [
        found_workload(workload, shapes[workload.id], exchange_rates, months, desk.data_class(workload))
        for workload in desk.ledger.workloads()
        if workload.id in shapes
    ]
    found.sort(key=lambda w: (-(w.spend or Decimal(0)), -w.calls, w.id))
    return Survey(
        exchanges=counted.exchanges,
        span=log,
        month_unknown=unknown,
        rates=exchange_rates,
        workloads=tuple(found),
        calls_by_model={model: paid.calls for model, paid in counted.models.items()},
        spend_by_model={
            model: converted(paid.spend.totals(), exchange_rates) for model, paid in counted.models.items()
        },
    )


@dataclass(slots=True)
class Paid:
    """What one model was asked and cost."""

    calls: int = 0
    spend: Spend = field(default_factory=Spend)


@dataclass(slots=True)
class Counted:
    """The ledger, counted in one go."""

    exchanges: int = 0
    tallies: dict[str, scan.ShapeTally] = field(default_factory=dict[str, scan.ShapeTally])
    models: dict[str, Paid] = field(default_factory=dict[str, Paid])

    def paid(self, model: str) -> Paid:
        """Where what a model cost is added up; from a great many models on, that of all the others."""
        found = self.models.get(model)
        if found is None:
            found = self.models.setdefault(model if len(self.models) < MOST_MODELS else OTHERS, Paid())
        return found


def counted_in(desk: Desk, log: LogSpan | None) -> Counted:
    """Count every exchange, some thousands at a time: memory does not grow with the ledger."""
    counted = Counted()
    for workload_id, calls in desk.ledger.calls():
        counted.exchanges += len(calls.models)
        own = costs_in(desk, calls, counted)
        if workload_id is not None:
            tally = counted.tallies.get(workload_id)
            if tally is None:
                tally = counted.tallies[workload_id] = scan.ShapeTally(log)
            tally.add(calls, own)
    return counted


def costs_in(desk: Desk, calls: Calls, counted: Counted) -> Costs:
    """Count what the calls' models cost; what those of the incumbent did is returned."""
    kinds = [*zip(calls.models, calls.providers, calls.tiers, calls.by_candidate, strict=True)]
    counts: list[Counts] = [*zip(*calls.usage, strict=True)]
    own = Costs()
    for kind in dict.fromkeys(kinds):
        is_here = [each == kind for each in kinds]
        model, provider, tier, by_candidate = kind
        usage, started_us = [*compress(counts, is_here)], [*compress(calls.started_us, is_here)]
        costs = desk.prices.costs_of(model, provider, usage, started_us, tier=tier)
        paid = counted.paid(model)
        paid.calls += len(usage)
        paid.spend.absorb(costs.spend)
        if not by_candidate:
            own.absorb(costs)
    return own


def converted(amounts: Iterable[Money], exchange_rates: Rates) -> Decimal | None:
    """The amounts together in one currency; `None` of nothing, or where a rate is not known."""
    each = [exchange_rates.convert(money) for money in amounts]
    known = [money.amount for money in each if money is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(each) else None


def cost_of(desk: Desk, row: ExchangeRow) -> scan.Cost:
    """What an exchange cost at its own date."""
    priced = desk.prices.cost_of(row.model, row.provider, row.usage, row.started_at, tier=row.tier)
    return scan.Cost(money=priced.money, reason=priced.reason, assumed_date=priced.assumed_date)


def price_advice(reasons: Iterable[str]) -> str:
    """What to do about calls that have no known cost; nothing, where no price would help."""
    return " Add prices to fairlead.toml under [prices]." if any(reason != NO_USAGE for reason in reasons) else ""


def months_of(log: LogSpan | None) -> tuple[Decimal | None, str]:
    """How many months the log covers, or why that says nothing about a month."""
    if log is None:
        return None, "no exchange carries a date"
    if log.days < 1:
        return None, "the log covers less than a day"
    return Decimal(log.days) / DAYS_A_MONTH, ""


def found_workload(
    workload: Workload, shape: scan.Shape, exchange_rates: Rates, months: Decimal | None, data_class: DataClass
) -> FoundWorkload:
    """One row of the table."""
    spend = sum((c.total.amount * (exchange_rates.rate(c.currency) or 0) for c in shape.costs), Decimal(0))
    known = spend if shape.costs else None
    return FoundWorkload(
        id=workload.id,
        name=workload.name,
        category=workload.guess.category,
        confidence=workload.guess.confidence,
        reasons=workload.guess.reasons,
        others=workload.guess.others,
        endpoint=workload.endpoint,
        calls=shape.calls,
        requests=shape.requests,
        failures=shape.failures,
        input_tokens=shape.input_tokens,
        cached_tokens=shape.cached_tokens,
        output_tokens=shape.output_tokens,
        spend=known,
        spend_per_month=known / months if known is not None and months else None,
        spend_unknown_calls=shape.unpriced,
        spend_unknown_reasons=shape.unpriced_reasons,
        latency_p50_s=shape.latency_p50_s,
        latency_p95_s=shape.latency_p95_s,
        models=shape.models,
        calls_an_hour=shape.calls_an_hour,
        peak_an_hour=shape.peak_an_hour,
        peak_at=shape.peak_at,
        input_spread=shape.inputs,
        output_spread=shape.outputs,
        cached_share=shape.cached_share,
        prefix_reuse=shape.prefix_reuse,
        first_token=shape.first_token,
        error_rate=shape.failures / own if (own := shape.calls - shape.by_candidate) else None,
        trajectories=shape.trajectories,
        steps=shape.steps,
        growth=shape.growth,
        daily=shape.daily,
        replayable=shape.replayable,
        fidelity=shape.fidelity,
        tiers=shape.tiers,
        data_class=data_class,
        by_candidate=shape.by_candidate,
    )
