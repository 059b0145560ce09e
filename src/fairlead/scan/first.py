"""Which workloads are worth piloting first, and what such a pilot would cost: an order to begin in, never a verdict.

What a workload would cost on an open-weight model is worked out at a reference price; how likely that is to be good enough is
not known before a pilot, so the order weighs the saving by what is claimed of its kind of work, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, isfinite

from fairlead.core.evidence.forecasting import fixed_size
from fairlead.core.nouns import Category, TokenPrice

_CHANCE: Mapping[Category, Decimal] = {
    Category.CODING: Decimal(1),
    Category.MULTILINGUAL: Decimal(1),
    Category.RETRIEVAL: Decimal(1),
    Category.REASONING: Decimal("0.8"),
    Category.WRITING: Decimal("0.8"),
    Category.STRUCTURED: Decimal("0.9"),
    Category.AGENTIC: Decimal("0.3"),
    Category.MULTIMODAL: Decimal("0.4"),
    Category.SAFETY: Decimal("0.4"),
}
"""How far a claim about open models is believed before anything was piloted (see docs/scan.md)."""

_DIFFER = 0.1  # share of pairs on which two good models differ, as recorded outcomes of comparable models show
_SEQUENTIAL = 1.4  # an interval that may be watched needs so many times the pairs of one test at the end
_FEWEST = 50
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidacy:
    """What the order needs to know of a workload; money in one currency, `None` unknown.

    `spend` and `calls` are a month's, or those of the whole log where it does not tell what a month is; `can_be_asked` are distinct requests that can be asked again as they were.
    """

    id: str
    category: Category
    spend: Decimal | None
    calls: Decimal | None
    input_mean: Decimal | None
    output_mean: Decimal | None
    can_be_asked: int
    is_local_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a pilot of one workload would take and might show. `why_not` is empty where a pilot can begin.

    `needed` are about how many pairs decide the margin, `pairs` those of them that the log has requests for; `pilot_cost` is for
    these; `after` is what the workload's `calls` would cost at the reference price.
    """

    id: str
    needed: int
    pairs: int
    pilot_cost: Decimal | None
    after: Decimal | None
    saving: Decimal | None
    weight: Decimal
    why_not: str = ""


def outlook(workload: Candidacy, price: TokenPrice | None, *, rate: Decimal, margin: float) -> Outlook:
    """What a pilot at `price` would take; `rate` converts the price's currency to the workload's."""
    needed = pairs_needed(margin)
    pairs = min(needed, workload.can_be_asked)
    each = _each(workload, price, rate)
    after = None if each is None or workload.calls is None else each * workload.calls
    saving = None if after is None or workload.spend is None else workload.spend - after
    return Outlook(
        id=workload.id,
        needed=needed,
        pairs=pairs,
        pilot_cost=None if each is None else each * pairs,
        after=after,
        saving=saving,
        weight=max(Decimal(0), saving or Decimal(0)) * _CHANCE[workload.category],
        why_not=_why_not(workload, saving),
    )


def pairs_needed(margin: float) -> int:
    """About how many pairs decide a margin when the two models are equally good."""
    size = fixed_size(0.0, margin, _DIFFER)
    return ceil(_SEQUENTIAL * size) if isfinite(size) else 0


def _each(workload: Candidacy, price: TokenPrice | None, rate: Decimal) -> Decimal | None:
    if price is None or workload.input_mean is None or (workload.output_mean is None and price.output):
        return None
    return (workload.input_mean * price.input + (workload.output_mean or 0) * price.output) / _MILLION * rate


def _why_not(workload: Candidacy, saving: Decimal | None) -> str:
    if not workload.can_be_asked:
        return "the log does not hold its requests as they were asked"
    if workload.can_be_asked < _FEWEST:
        return f"only {workload.can_be_asked} distinct requests can be asked again"
    if saving is not None and saving <= 0:
        return "it costs no more today than the reference model would"
    return ""
