"""The plan as a record: what was known of every workload, what its pilots showed, and the ordered moves that follow.

`plan` makes it, the ledger keeps it as JSON, the report and the terminal read it; nothing in it needs to be looked up
again. Rules kept here: an amount that is not known is `None` beside the reason; totals and tallies are computed from the
rows and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from fairlead.core.errors import InputError
from fairlead.core.evidence import Forecast, Judgement
from fairlead.core.evidence.judges import Reliability
from fairlead.core.evidence.reviewed import Reviewed
from fairlead.core.money import CostSummary, Rates
from fairlead.core.nouns import Estimand, Money, TokenPrice
from fairlead.core.span import LogSpan

FORMAT = 1
"""The version of the stored record; raised when a field changes its meaning."""


class Action(StrEnum):
    """What the plan says about a workload."""

    MOVE = "move"
    WAIT = "wait"
    STAY = "stay"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """What the log says about one workload.

    `costs` are per exchange, one summary per currency; `unknown_costs` exchanges have no known cost, for
    `unknown_reasons`. `daily_calls` counts full days of 24 hours from the start of the log. `assumed_dates` exchanges
    carry no usable date and were priced as of today. `by_candidate` of the `calls` were answered by a candidate through the
    gateway: costs, tokens and latencies are of the others.
    """

    id: str
    name: str
    category: str
    calls: int
    costs: tuple[CostSummary, ...] = ()
    unknown_costs: int = 0
    unknown_reasons: tuple[str, ...] = ()
    assumed_dates: int = 0
    daily_calls: tuple[int, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    by_candidate: int = 0
    incumbents: tuple[str, ...] = ()

    @property
    def by_incumbent(self) -> int:
        """The calls that the incumbent answered."""
        return self.calls - self.by_candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFacts:
    """What one side did on the pairs: medians and means over what was recorded, counts of what went wrong."""

    answers: int
    score: float | None = None
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    failures: int = 0
    refusals: int = 0
    attempts: float | None = None
    costs: tuple[CostSummary, ...] = ()
    unknown_costs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The interval after `n` pairs."""

    n: int
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotFacts:
    """One declared workload × candidate question, and what its pairs have shown so far.

    `judgement` is `None` before the first pair. `distinct_left` is how many distinct requests could still be drawn;
    `decided_at` the pair at which the default stop rule was met; `out_of_date` why the verdict no longer stands.
    `engine` says how pairs became evidence, `cluster` what was bet on once.
    `candidate` is how the candidate is called, `host` where it answers. `speaker` is who comes to the verdict where no grader
    knows what is right: a judge, or people.
    """

    pilot_id: str
    workload_id: str
    candidate_id: str
    candidate: str
    margin: float
    host: str = ""
    settings: str = ""
    alpha: float = 0.05
    n_max: int = 5_000
    seed: int = 0
    estimand: Estimand = Estimand.LIKE_THIS
    grader: str = ""
    labels_hash: str | None = None
    reasked: bool = False
    judgement: Judgement | None = None
    speaker: str = ""
    judges: Reliability | None = None
    reviewed: Reviewed | None = None
    forecast: Forecast | None = None
    incumbent_side: SideFacts | None = None
    candidate_side: SideFacts | None = None
    steps: tuple[Step, ...] = ()
    decided_at: int | None = None
    price: TokenPrice | None = None
    incumbent_models: tuple[str, ...] = ()
    candidate_models: tuple[str, ...] = ()
    prompt_ids: tuple[str, ...] = ()
    log_from: datetime | None = None
    log_to: datetime | None = None
    distinct_left: int | None = None
    out_of_date: tuple[str, ...] = ()
    engine: str = ""
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Money a month in the plan's currency: the estimate and, where it can be told, an interval."""

    value: Decimal
    low: Decimal | None = None
    high: Decimal | None = None

    def plus(self, other: Amount) -> Amount:
        """Both together; the ends add up, as if everything that may vary moved the same way at once."""
        known = self.low is not None and other.low is not None and self.high is not None and other.high is not None
        return Amount(
            value=self.value + other.value,
            low=self.low + other.low if known and self.low is not None and other.low is not None else None,
            high=self.high + other.high if known and self.high is not None and other.high is not None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasted:
    """Today's spend, the spend after a move and what that saves, a month; `None` with the reason where not known.

    `native` amounts are those before conversion. A negative saving is an extra cost.
    """

    today: Amount | None = None
    after: Amount | None = None
    saving: Amount | None = None
    today_unknown: str = ""
    after_unknown: str = ""
    today_native: tuple[Money, ...] = ()
    after_native: Money | None = None

    @property
    def unknown(self) -> str:
        """Why the saving is not known; empty when it is."""
        return "" if self.saving is not None else self.today_unknown or self.after_unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One candidate for one workload: what the plan says about it, why, what to do next, and the money.

    `listed` says whether e-BH put it under "move these now".
    """

    pilot: PilotFacts
    action: Action
    reason: str
    next: str
    money: Forecasted
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What the plan says about one workload, by its best candidate; `others` were piloted too."""

    workload: WorkloadFacts
    action: Action
    reason: str
    next: str
    money: Forecasted
    calls_a_day: float | None = None
    best: Option | None = None
    others: tuple[Option, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Rows of the log that were not read: how many, and why."""

    source: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many workloads the plan moves, keeps waiting and leaves."""

    move: int
    wait: int
    stay: int

    @property
    def all(self) -> int:
        """All workloads."""
        return self.move + self.wait + self.stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Ordered moves with everything they rest on.

    `span_unknown` says why there are no monthly figures. `declared` is the number of workload × candidate questions the
    list was chosen from, at `alpha`.
    """

    made_at: datetime
    moves: tuple[Move, ...]
    declared: int
    span: LogSpan | None = None
    span_unknown: str = ""
    alpha: float = 0.05
    rates: Rates = field(default_factory=Rates)
    method: tuple[str, ...] = ()
    price_notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    simulated: bool = False
    format: int = FORMAT

    @property
    def currency(self) -> str:
        """The currency all monthly amounts are in."""
        return self.rates.to

    @property
    def tally(self) -> Tally:
        """How many rows say move, wait and stay."""
        said = [move.action for move in self.moves]
        return Tally(move=said.count(Action.MOVE), wait=said.count(Action.WAIT), stay=said.count(Action.STAY))

    @property
    def today(self) -> Amount | None:
        """What is spent a month today, over the rows where that is known."""
        return total(move.money.today for move in self.moves)

    @property
    def saving(self) -> Amount | None:
        """What the moves save a month, over the moves where that is known."""
        return total(move.money.saving for move in self.moves if move.action is Action.MOVE)

    @property
    def after(self) -> Amount | None:
        """What is spent a month once the moves are made: today's sum less what they save."""
        today, saving = self.today, self.saving
        return today if today is None or saving is None else Amount(value=today.value - saving.value)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values


def total(amounts: Iterable[Amount | None]) -> Amount | None:
    """The sum of the amounts that are known; `None` when none is."""
    known = [amount for amount in amounts if amount is not None]
    if not known:
        return None
    first, *rest = known
    for amount in rest:
        first = first.plus(amount)
    return first


def plan_from_json(values: Mapping[str, Any]) -> Plan:
    """A plan from its stored record."""
    stored = values.get("format")
    if stored != FORMAT:
        raise InputError(
            f"The stored plan has format {stored!r}, this Fairlead reads {FORMAT}; run `fairlead plan` again."
        )
    try:
        return msgspec.convert(values, Plan)
    except msgspec.ValidationError as problem:
        raise InputError(f"The stored plan cannot be read ({problem}); run `fairlead plan` again.") from problem
