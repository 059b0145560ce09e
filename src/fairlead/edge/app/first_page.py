"""The first page, wired: a survey, reference prices for what a pilot would cost, a bill, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from fairlead import __version__, scan
from fairlead.core.money import people
from fairlead.core.nouns import Category, Endpoint, Money, TokenPrice
from fairlead.core.plural import many
from fairlead.core.redact import DataClass
from fairlead.core.span import DAYS_A_MONTH
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.scanning import FoundWorkload, Scan, Survey, price_advice
from fairlead.edge.currency import rates
from fairlead.edge.report import FirstPage, PageBill, PageWorkload

NAMELESS = "Your organisation"

_HOSTED: Mapping[Category, tuple[str, str]] = {
    Category.RETRIEVAL: ("Qwen/Qwen3-32B", "deepinfra"),
    Category.MULTIMODAL: ("Qwen/Qwen2.5-VL-32B-Instruct", "deepinfra"),
    Category.CODING: ("Qwen/Qwen3-Coder-480B-A35B-Instruct-Turbo", "deepinfra"),
    Category.AGENTIC: ("deepseek-ai/DeepSeek-V3.1", "deepinfra"),
}
_USUAL = ("Qwen/Qwen3-32B", "deepinfra")
_EMBEDDINGS = ("BAAI/bge-base-en-v1.5", "together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An open-weight model at a known price, to say what a pilot of a workload would cost."""

    name: str
    price: TokenPrice


def first_page(
    desk: Desk, survey: Survey, *, done: Scan | None = None, bill: scan.Reconciliation | None = None
) -> FirstPage:
    """Everything the first page shows."""
    used: dict[str, Reference] = {}
    workloads: list[PageWorkload] = []
    for found in survey.workloads:
        reference = reference_for(desk, found)
        view = _workload(desk, found, survey, reference)
        workloads.append(view)
        if reference is not None and not view.why_not:
            used[reference.name] = reference
    return FirstPage(
        organisation=desk.settings.organisation or NAMELESS,
        version=__version__,
        made_at=desk.now,
        span=survey.span,
        exchanges=survey.exchanges,
        currency=survey.rates.to,
        month_unknown=survey.month_unknown,
        workloads=tuple(workloads),
        spend_by_model=survey.spend_by_model,
        calls_by_model=survey.calls_by_model,
        margin=desk.settings.pilot.margin,
        references=tuple(_told(each) for each in used.values()),
        bill=None if bill is None else _bill(bill),
        notes=tuple(_notes(survey, done)),
        calls_without_cost=sum(each.spend_unknown_calls for each in survey.workloads),
    )


def reference_for(desk: Desk, found: FoundWorkload) -> Reference | None:
    """The model whose price a pilot is worked out at: the user's own candidate with a price, else one that fits the work."""
    if found.endpoint is not Endpoint.EMBEDDINGS:
        for candidate in desk.settings.candidates.values():
            price = candidate.price or desk.own_prices.get(candidate.model)
            if price is not None:
                return Reference(name=candidate.model, price=price)
    model, provider = _EMBEDDINGS if found.endpoint is Endpoint.EMBEDDINGS else _HOSTED.get(found.category, _USUAL)
    price = desk.prices.price_of(model, provider, desk.now)
    return None if price is None else Reference(name=f"{model} at {provider}", price=price)


def _told(reference: Reference) -> str:
    price = reference.price
    amounts = (people(Money(amount=each, currency=price.currency)) for each in (price.input, price.output))
    given, made = amounts
    return (
        f"Pilots are costed at {given} a million tokens in and {made} out, the price of {reference.name} ({price.source}),"
        " for as many tokens as the model of today reads and writes."
    )


def _workload(desk: Desk, found: FoundWorkload, survey: Survey, reference: Reference | None) -> PageWorkload:
    days = None if survey.span is None or survey.span.days < 1 else Decimal(survey.span.days)
    can_be_asked = round(found.requests * found.replayable / found.calls) if found.calls else 0
    looked = scan.outlook(
        scan.Candidacy(
            id=found.id,
            category=found.category,
            spend=found.spend if survey.month_unknown else found.spend_per_month,
            calls=Decimal(found.by_incumbent) * (DAYS_A_MONTH / days if days else 1),
            input_mean=_decimal(found.input_spread.mean),
            output_mean=Decimal(0) if found.endpoint is Endpoint.EMBEDDINGS else _decimal(found.output_spread.mean),
            can_be_asked=can_be_asked,
            is_local_only=found.data_class is DataClass.LOCAL_ONLY,
        ),
        None if reference is None else reference.price,
        rate=_rate(desk, reference, survey),
        margin=desk.settings.pilot.margin,
    )
    return PageWorkload(
        id=found.id,
        name=found.name,
        category=found.category.value,
        confidence=found.confidence,
        reasons=found.reasons,
        others=tuple(each.value for each in found.others),
        calls=found.calls,
        requests=found.requests,
        spend=found.spend if survey.month_unknown else found.spend_per_month,
        spend_is_partial=bool(found.spend_unknown_calls),
        calls_a_day=None if days is None else float(Decimal(found.calls) / days),
        calls_an_hour=found.calls_an_hour,
        peak_an_hour=found.peak_an_hour,
        peak_at=found.peak_at,
        inputs=(found.input_spread.p50, found.input_spread.p95),
        outputs=(found.output_spread.p50, found.output_spread.p95),
        cached_share=found.cached_share,
        prefix_reuse=found.prefix_reuse,
        latency=(found.latency_p50_s, found.latency_p95_s),
        error_rate=found.error_rate,
        steps=found.steps.p50,
        trajectories=found.trajectories,
        growth=found.growth,
        daily=found.daily,
        models=found.models,
        replayable=found.replayable,
        is_local_only=found.data_class is DataClass.LOCAL_ONLY,
        needed=looked.needed,
        pairs=looked.pairs,
        pilot_cost=looked.pilot_cost,
        after=looked.after,
        saving=looked.saving,
        weight=looked.weight,
        why_not=looked.why_not,
        reference="" if reference is None else reference.name,
    )


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _rate(desk: Desk, reference: Reference | None, survey: Survey) -> Decimal:
    if reference is None or reference.price.currency == survey.rates.to:
        return Decimal(1)
    known = rates(survey.rates.to, {reference.price.currency}, today=desk.now.date())
    return known.rate(reference.price.currency) or Decimal(1)


def _notes(survey: Survey, done: Scan | None) -> Iterator[str]:
    """What a reader must know."""
    yield from _not_in_the_sums(survey)
    lost: dict[str, int] = {}
    for each in survey.workloads:
        for flag, calls in each.fidelity.items():
            lost[flag] = lost.get(flag, 0) + calls
    if lost:
        yield (
            "What the log has lost of requests: "
            + ", ".join(f"{flag} ({many(calls, 'call')})" for flag, calls in lost.items())
            + "."
        )
    if done is not None and done.taken.skipped:
        yield f"{many(done.taken.skipped, 'line')} could not be read and {'was' if done.taken.skipped == 1 else 'were'} skipped."
    if done is not None and done.taken.redacted.places:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in done.taken.redacted.places.most_common())
        yield f"Taken out before anything was stored: {kinds}."
    if survey.rates.day:
        yield f"Converted to {survey.rates.to} at the rate of {survey.rates.day} ({survey.rates.source}). {survey.rates.warning}".strip()


def _not_in_the_sums(survey: Survey) -> Iterator[str]:
    """Calls that the table's money leaves out."""
    unpriced = sum(each.spend_unknown_calls for each in survey.workloads)
    if unpriced:
        reasons = survey.unknown_costs
        told = "; ".join(f"{reason} ({calls:,})" for reason, calls in islice(reasons.items(), 4))
        yield f"{many(unpriced, 'call')} {'has' if unpriced == 1 else 'have'} no known cost and {'is' if unpriced == 1 else 'are'} in no sum: {told}.{price_advice(reasons)}"
    tried = sum(each.by_candidate for each in survey.workloads)
    if tried:
        yield f"{many(tried, 'call')} {'was' if tried == 1 else 'were'} answered by a candidate through the gateway; spend, tokens and latency are those of the others."


def _bill(bill: scan.Reconciliation) -> PageBill:
    def told(amount: Decimal | None) -> str:
        return "unknown" if amount is None else people(Money(amount=amount, currency=bill.currency))

    what = "used, at list prices" if bill.priced else "billed"
    title = f"{bill.first} to {bill.last}: {told(bill.billed)} {what}; the log explains {told(bill.explained)}, and {told(bill.unexplained)} it does not."
    rows = tuple(
        (
            row.model,
            row.type.value,
            told(row.billed),
            told(row.explained),
            told(row.unexplained),
            "" if row.reason == "agrees" else row.reason,
        )
        for row in bill.rows
    )
    return PageBill(title=title, rows=rows, notes=bill.notes)
