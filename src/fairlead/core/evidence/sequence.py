"""Evidence that may be read after every pair, and the interval of mean differences it has not ruled out.

The interval is one confidence sequence: with probability at least 1 - alpha it contains the true mean difference at
*every* look, so every verdict read off it, at any time and however often, is false with probability at most alpha in
all. Each side gets alpha / 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import Sign, columns, log_e, log_prior
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.settings import N_MIN, checked_alpha, checked_margin, checked_q0
from fairlead.core.evidence.verdict import CLAIMS, Claim, Judgement, judgement
from fairlead.core.nouns import JSON

_EDGE = 1 - 1e-9
_WIDTH = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Mean differences that are not ruled out, from `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Charted:
    """The interval as it stood after `n` pairs, with the estimate of the mean."""

    n: int
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the pairs so far are worth.

    `margin` is how much worse the open model may be; `q0` a guess, made in advance, of the share of pairs that will
    differ. A wrong guess costs pairs, never validity. Other settings are other evidence: these do not merge.
    """

    margin: float
    alpha: float = 0.05
    q0: float = 0.25
    counts: Histogram = field(default_factory=Histogram)

    def __post_init__(self) -> None:
        checked_margin(self.margin)
        checked_alpha(self.alpha)
        checked_q0(self.q0)

    @property
    def bar(self) -> float:
        """Natural logarithm of the capital that proves a claim."""
        return math.log(2 / self.alpha)

    def after(self, differences: Iterable[float]) -> Evidence:
        """This evidence with more differences (candidate minus incumbent, in -1..1) added."""
        return replace(self, counts=self.counts.after(differences))

    def merged(self, other: Evidence) -> Evidence:
        """The evidence of two shards of the same pilot, in one."""
        if (self.margin, self.alpha, self.q0) != (other.margin, other.alpha, other.q0):
            raise UsageError(
                "Evidence with another margin, alpha or q0 cannot be merged; both shards must share one plan."
            )
        return replace(self, counts=self.counts.merged(other.counts))

    def log_e(self, theta: float, sign: Sign) -> float:
        """Natural logarithm of the e-value against "the mean is at most theta" (`sign` +1) or "at least theta" (-1)."""
        return log_e(*columns(self.counts.counts), theta, sign, log_prior(self.margin, self.q0))

    def proves(self, claim: Claim) -> bool:
        """Whether the pairs so far, on their own, prove the claim."""
        null = CLAIMS[claim]
        return self.log_e(null.theta(self.margin), null.sign) >= self.bar

    def interval(self) -> Interval:
        """All mean differences that the pairs so far do not rule out; -1..1 before the first pair."""
        mean = self.counts.mean
        if mean is None:
            return Interval(low=-1.0, high=1.0)
        return Interval(low=self._end(mean, 1), high=self._end(mean, -1))

    def judge(self, n_min: int = N_MIN) -> Judgement:
        """The verdict on the pairs so far, without memory of earlier looks (`Watch` remembers)."""
        claims = frozenset(claim for claim in Claim if self.proves(claim))
        return self.judged(claims, n_min=n_min)

    def judged(self, claims: frozenset[Claim], *, n_min: int = N_MIN) -> Judgement:
        """The verdict when `claims` are proven, now or at an earlier look."""
        interval = self.interval()
        return judgement(
            counts=self.counts,
            claims=claims,
            margin=self.margin,
            low=interval.low,
            high=interval.high,
            n_min=n_min,
            log_e_replace=self.log_e(-self.margin, 1),
            log_e_worse=self.log_e(-self.margin, -1),
        )

    def to_json(self) -> dict[str, JSON]:
        """The evidence as JSON values; `from_json` reads it back."""
        counts: dict[str, JSON] = {str(value): count for value, count in self.counts.counts.items()}
        return {"margin": self.margin, "alpha": self.alpha, "q0": self.q0, "counts": counts}

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> Evidence:
        """The evidence that `to_json` wrote."""
        match value:
            case {"margin": int() | float() as margin, "alpha": int() | float() as alpha, "q0": int() | float() as q0}:
                return cls(margin=margin, alpha=alpha, q0=q0, counts=_histogram(value.get("counts")))
            case _:
                raise UsageError("This is not evidence written by Fairlead: margin, alpha or q0 is missing.")

    def _end(self, mean: float, sign: Sign) -> float:
        """The end of the interval that `sign` guards: the innermost value known to be ruled out."""
        prior, (values, times) = log_prior(self.margin, self.q0), columns(self.counts.counts)

        @cache
        def excess(theta: float) -> float:
            return log_e(values, times, theta, sign, prior) - self.bar

        out, inside = -sign * _EDGE, min(max(mean, -_EDGE), _EDGE)
        if excess(out) < 0:
            return float(-sign)
        # The values that verdicts ask about come first, so that interval and verdict cannot disagree by a rounding.
        for probe in (-self.margin, 0.0, self.margin):
            if min(out, inside) < probe < max(out, inside):
                if excess(probe) >= 0:
                    out = probe
                else:
                    inside = probe
        return root(excess, out=out, inside=inside, width=_WIDTH)


def places(n: int, points: int) -> list[int]:
    """Up to `points` places spread over `n` pairs; the last one is the last pair."""
    return sorted({max(1, round(n * place / points)) for place in range(1, points + 1)}) if n else []


def root(excess: Callable[[float], float], *, out: float, inside: float, width: float) -> float:
    """Where `excess` crosses 0, from outside: a point with `excess(point) >= 0`, within `width` of one without.

    Regula falsi with the Illinois rule: an end that stays has its value halved, so that both ends close in.
    """
    above, below, stayed = excess(out), excess(inside), 0
    while abs(out - inside) > width:
        share = min(max(below / (below - above), 0.02), 0.98)
        middle = inside + share * (out - inside)
        value = excess(middle)
        if value >= 0:
            out, above, below, stayed = middle, value, below / 2 if stayed > 0 else below, 1
        else:
            inside, below, above, stayed = middle, value, above / 2 if stayed < 0 else above, -1
    return out


def _histogram(value: JSON) -> Histogram:
    if not isinstance(value, dict):
        raise UsageError("This is not evidence written by Fairlead: its counts are missing.")
    counts: dict[int, int] = {}
    for difference, count in value.items():
        if not isinstance(count, int) or not difference.lstrip("-").isdecimal():
            raise UsageError(
                f"This is not evidence written by Fairlead: {count!r} is no count of {difference!r} hundredths."
            )
        counts[int(difference)] = count
    return Histogram(counts=counts)
