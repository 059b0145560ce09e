"""What a pilot found: the verdict in words, both sides beside it, and what the verdict rests on. Pure.

Rules kept: every number is computed from the pairs that were bet on, so the verdict and what stands beside it are about
the same requests; what is not known is `None` and is counted; a verdict says what it is about (`Estimand`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from fairlead.core import money
from fairlead.core.evidence import Forecast, Judgement, VerdictKind
from fairlead.core.evidence.judges import Reliability
from fairlead.core.evidence.reviewed import Reviewed
from fairlead.core.evidence.voice import PEOPLE, said, short, speaker_of
from fairlead.core.grade import is_agreement
from fairlead.core.ids import digest, plain
from fairlead.core.nouns import (
    Estimand,
    FailureKind,
    Money,
    PairRow,
    PilotDesign,
    TokenPrice,
    Usage,
)


class Ended(StrEnum):
    """Why a pilot is not asking any more."""

    DECIDED = "decided"
    CONFLICT = "conflict"
    N_MAX = "n_max reached"
    RAN_OUT = "no more distinct requests"
    BUDGET = "budget reached"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideSummary:
    """What one side did over the pairs.

    `score` is its mean grade. Tokens are means over the answers that reported them; `tokens_unknown` counts the others.
    `cost` is what the answers with known tokens cost together, `None` without a price; `cost_unknown` counts the rest.
    """

    models: tuple[str, ...]
    score: float | None
    refusals: int
    failures: Mapping[str, int]
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_unknown: int
    input_tokens: float | None
    output_tokens: float | None
    tokens_unknown: int
    cost: Money | None
    cost_unknown: int
    attempts: int | None

    @property
    def failed(self) -> int:
        """How many answers failed, whatever the kind."""
        return sum(self.failures.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a verdict rests on. When any of it changes, the verdict is about something that is no longer there."""

    candidate: str
    candidate_models: tuple[str, ...]
    incumbent_models: tuple[str, ...]
    grader: str
    labels_hash: str | None
    prompts: str
    log_from: datetime | None
    log_to: datetime | None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotResult:
    """A pilot as it stands: verdict, both sides, basis, and how it ended.

    `spent` is everything this pilot's replies cost, also those that were not bet on; `None` while a price is unknown.
    `spent_estimated` is the part of it that no token count stands behind (timeouts, cut answers). `forecast` is there
    while the margin is undecided. `draws_available` counts what *traffic like this* can draw at all; `set_aside` the
    draws whose exchange has been erased from the ledger since. `judges` tells how the judges did, where there were any;
    `judges_spent` is their part of `spent`. `speaker` is who comes to the verdict: nobody where a grader knows what is
    right, else the judge or people, and then the verdict is no more than what they prefer.
    """

    pilot_id: str
    design: PilotDesign
    judgement: Judgement
    ended: Ended
    incumbent: SideSummary
    candidate: SideSummary
    basis: Basis
    words: str
    message: str
    requests: int
    spent: Money | None = None
    spent_estimated: Money | None = None
    forecast: Forecast | None = None
    draws_available: int | None = None
    set_aside: int = 0
    not_sent: tuple[str, ...] = ()
    frame: Mapping[str, int] = field(default_factory=dict[str, int])
    judges: Reliability | None = None
    judges_spent: Money | None = None
    judges_requests: int = 0
    controls: Mapping[str, Any] | None = None
    speaker: str = ""

    @property
    def said(self) -> str:
        """The verdict in short, as whoever came to it says it."""
        return short(self.judgement, self.speaker)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values, the way it is kept and printed with `--json`."""
        values: dict[str, Any] = plain(self)
        values["said"] = self.said
        values["judgement"]["log_e_replace"] = _finite(self.judgement.log_e_replace)
        values["judgement"]["log_e_worse"] = _finite(self.judgement.log_e_worse)
        return values


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def basis(design: PilotDesign, pairs: Sequence[PairRow], *, decided_at: datetime | None) -> Basis:
    """What a verdict over `pairs` rests on."""
    return Basis(
        candidate=design.candidate.id,
        candidate_models=_seen(row.candidate_model for row in pairs),
        incumbent_models=design.incumbent_models,
        grader=design.grader,
        labels_hash=design.labels_hash,
        prompts=digest(list(design.prompt_ids), size=8),
        log_from=design.log_from,
        log_to=design.log_to,
        decided_at=decided_at,
    )


def _seen(models: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({model for model in models if model is not None}))


_CHANGES: Mapping[str, str] = {
    "candidate": "the candidate or its settings",
    "candidate_models": "the candidate's model version",
    "incumbent_models": "the incumbent's model version",
    "grader": "the grader",
    "labels_hash": "the expected answers",
    "prompts": "the prompt",
}
_HASHES = frozenset({"candidate", "labels_hash", "prompts"})


def out_of_date(then: Basis, now: Basis, *, fresh_days: int = 30) -> tuple[str, ...]:
    """Why a verdict that rests on `then` no longer holds `now`, in words; empty while it does.

    A model version or labels that are not known now are not held against it. Traffic that reaches more than
    `fresh_days` past the traffic the verdict rests on makes it old.
    """
    reasons = [
        f"{what} changed"
        + ("" if name in _HASHES else f" from {_named(getattr(then, name))} to {_named(getattr(now, name))}")
        for name, what in _CHANGES.items()
        if getattr(now, name) not in (None, (), getattr(then, name))
    ]
    if then.log_to and now.log_to and now.log_to - then.log_to > timedelta(days=fresh_days):
        reasons.append(
            f"it rests on traffic up to {then.log_to:%Y-%m-%d}; there is traffic up to {now.log_to:%Y-%m-%d}"
        )
    return tuple(reasons)


def _named(value: object) -> str:
    many = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return ", ".join(str(one) for one in many if one is not None) or "none"


def incumbent_side(
    pairs: Sequence[PairRow], *, models: tuple[str, ...], price: TokenPrice | None, reasked: bool
) -> SideSummary:
    """What the incumbent did over the pairs; logged answers have no count of attempts."""
    return _side(
        models=models,
        scores=[row.pair.incumbent.score for row in pairs],
        refused=[row.incumbent_refused for row in pairs],
        failures=[row.incumbent_failure for row in pairs],
        latencies=[row.incumbent_latency_s for row in pairs],
        usages=[row.incumbent_usage for row in pairs],
        attempts=len(pairs) if reasked else None,
        price=price,
    )


def candidate_side(pairs: Sequence[PairRow], *, price: TokenPrice | None) -> SideSummary:
    """What the candidate did over the pairs."""
    return _side(
        models=_seen(row.candidate_model for row in pairs),
        scores=[row.pair.candidate.score for row in pairs],
        refused=[row.candidate_refused for row in pairs],
        failures=[row.candidate_failure for row in pairs],
        latencies=[row.candidate_latency_s for row in pairs],
        usages=[row.candidate_usage for row in pairs],
        attempts=sum(row.candidate_attempts for row in pairs),
        price=price,
    )


def _side(
    *,
    models: tuple[str, ...],
    scores: Sequence[float],
    refused: Sequence[bool],
    failures: Sequence[FailureKind | None],
    latencies: Sequence[float | None],
    usages: Sequence[Usage],
    attempts: int | None,
    price: TokenPrice | None,
) -> SideSummary:
    known = sorted(latency for latency in latencies if latency is not None)
    counted = [usage for usage in usages if usage.input is not None and usage.output is not None]
    costs = [money.cost(usage, price) for usage in usages] if price is not None else []
    return SideSummary(
        models=models,
        score=_mean(scores),
        refusals=sum(refused),
        failures=dict(Counter(kind.value for kind in failures if kind is not None)),
        latency_p50_s=quantile(known, 0.5),
        latency_p95_s=quantile(known, 0.95),
        latency_unknown=len(latencies) - len(known),
        input_tokens=_mean([usage.input or 0 for usage in counted]),
        output_tokens=_mean([usage.output or 0 for usage in counted]),
        tokens_unknown=len(usages) - len(counted),
        cost=_total([cost for cost in costs if cost is not None]),
        cost_unknown=len(usages) - sum(1 for cost in costs if cost is not None),
        attempts=attempts,
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _total(costs: Sequence[Money]) -> Money | None:
    if not costs:
        return None
    return Money(amount=sum((cost.amount for cost in costs), Decimal(0)), currency=costs[0].currency)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of the `ordered` values that at least `share` of them do not exceed.

    >>> quantile([1.0, 2.0, 3.0, 10.0], 0.5), quantile([], 0.5)
    (2.0, None)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def verdict_words(judgement: Judgement, design: PilotDesign) -> str:
    """The verdict as one sentence: what, about what traffic, with what interval and error."""
    speaker = speaker_of(design)
    if speaker:
        return _opinion_words(judgement, design, speaker)
    told = (_likeness if is_agreement(design.grader) else _quality)(judgement, design)
    about = _about(design)
    shown = f"{signed(judgement.low)} to {signed(judgement.high)} points"
    sure = f"{100 * (1 - design.alpha):g} %"
    words = f"{judgement.verdict}: on {about}, {told}"
    if judgement.conflict:
        words = f"{judgement.verdict}: the pairs contradict each other, so the traffic or the grader changed on the way"
    blocked = f" It may not replace the incumbent: {judgement.blocked}." if judgement.blocked else ""
    return f"{words} (difference {shown} at {sure}, {judgement.n} pairs).{blocked}"


def _quality(judgement: Judgement, design: PilotDesign) -> str:
    margin, model = points(design.margin), design.candidate.model
    told: Mapping[VerdictKind, str] = {
        VerdictKind.OPEN_LEADS: f"{model} is better",
        VerdictKind.EQUIVALENT: f"{model} is not worse by {margin} points or more",
        VerdictKind.CLOSED_LEADS: f"{model} is worse"
        + (f" by more than {margin} points" if judgement.by_more_than_margin else "; by how much is not settled"),
        VerdictKind.UNDECIDED: f"nothing is proven about {model}",
    }
    return told[judgement.verdict]


def _likeness(judgement: Judgement, design: PilotDesign) -> str:
    margin, model = points(design.margin), design.candidate.model
    if judgement.verdict in {VerdictKind.OPEN_LEADS, VerdictKind.EQUIVALENT}:
        return f"{model} disagrees with the incumbent in fewer than {margin} of 100 requests"
    if judgement.by_more_than_margin:
        return f"{model} disagrees with the incumbent in more than {margin} of 100 requests, right or not"
    if judgement.verdict is VerdictKind.CLOSED_LEADS:
        return f"{model} does not always agree with the incumbent; how often it does is not settled"
    return f"nothing is proven about how often {model} agrees with the incumbent"


def review_words(found: Reviewed, design: PilotDesign) -> str:
    """What people prefer, as one sentence; who helped them is said."""
    words = _opinion_words(found.judgement, design, PEOPLE)
    if design.judging is None or not found.judge_weight:
        return words
    name = design.judging.name
    return f"{words} {name[0].upper()}{name[1:]} helped with a weight of {found.judge_weight:.2f}; its bias cancels."


def _opinion_words(judgement: Judgement, design: PilotDesign, speaker: str) -> str:
    """What a judge or people prefer, as one sentence that claims no more than that."""
    margin, model = points(design.margin), design.candidate.model
    prefers, does = ("prefer", "do") if speaker == PEOPLE else ("prefers", "does")
    told: Mapping[VerdictKind, str] = {
        VerdictKind.OPEN_LEADS: f"{speaker} {prefers} {model}",
        VerdictKind.EQUIVALENT: f"{speaker} {does} not prefer the incumbent to {model} by {margin} points or more",
        VerdictKind.CLOSED_LEADS: f"{speaker} {prefers} the incumbent to {model}"
        + (f" by more than {margin} points" if judgement.by_more_than_margin else "; by how much is not settled"),
        VerdictKind.UNDECIDED: f"nothing is proven yet about what {speaker} {prefers}",
    }
    words = f"On {_about(design)}, {told[judgement.verdict]}"
    if judgement.conflict:
        words = f"{said(VerdictKind.UNDECIDED, speaker)}: the pairs contradict each other, so the traffic or {speaker} changed on the way"
    shown = f"{signed(judgement.low)} to {signed(judgement.high)} points"
    sure, counted = f"{100 * (1 - design.alpha):g} %", "labels" if speaker == PEOPLE else "pairs"
    is_opinion = speaker != PEOPLE and judgement.verdict is not VerdictKind.UNDECIDED
    ending = " This is what the judge prefers; no person has said so." if is_opinion else ""
    if speaker != PEOPLE and design.judging is not None and design.judging.forced:
        ending += " The judge was let in though it may be of a contestant's own family."
    return f"{words} (net preference {shown} at {sure}, {judgement.n} {counted}).{ending}"


def _about(design: PilotDesign) -> str:
    if design.estimand is Estimand.LIKE_THIS:
        return "traffic like this"
    window = f"exactly this window of {design.frozen_count} exchanges"
    if design.log_from is None or design.log_to is None:
        return window
    return f"{window} ({design.log_from:%Y-%m-%d} to {design.log_to:%Y-%m-%d})"


def points(share: float) -> str:
    """A share as points of a hundred, with no more digits than it has.

    >>> points(0.03), points(0.125)
    ('3', '12.5')
    """
    return f"{100 * share:.4g}"


def signed(share: float) -> str:
    """A difference in points with its sign, to one decimal.

    >>> signed(-0.0123), signed(0.02)
    ('−1.2', '+2.0')
    """
    return f"{100 * share:+.1f}".replace("-", "−")
