"""Bets sized by the effect one hopes for and the variance seen so far: fewer pairs than constant bets need.

A gambler who expects an effect e and has seen a variance s2 stakes e / (s2 + e^2) of his capital, which is close to
growth-optimal. He splits his capital over twelve effects around the margin, weighted in advance, and the variance comes
from past pairs only. So the game stays fair at the boundary of the hypothesis, whatever the pairs are.

The error rate is spread unevenly, which costs nothing: at a true mean of minus the margin or less "closed leads" cannot
be false, so most of alpha may guard "not worse by more than the margin" there (`Terms.share_of`). One confidence
sequence with these weights carries all claims; at the true mean both sides together still spend exactly alpha.

The bets depend on the order of the pairs, so this evidence is the list of its `Step`s: histograms and merged shards belong
to `Watch`. Replaying the steps gives the capital against any hypothesis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import Floats, Sign
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.sequence import Interval
from fairlead.core.evidence.settings import N_MIN, checked_alpha, checked_margin
from fairlead.core.evidence.verdict import CLAIMS, Claim, Judgement, judgement

EFFECTS: Floats = np.geomspace(0.25, 5, 12)
"""Effects bet on, in margins."""

_SAFE = 0.95
_TOP_STAKE = 20.0
_TOP_STRETCH = 30.0
_WIDTH = 1e-6
EFFECTS.flags.writeable = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is declared before the first pair.

    `share` of `alpha` guards "not worse by more than the margin" at minus the margin; 0.5 treats both sides alike.
    `narrower` and `wider` are the prior's standard deviations of ln(effect / margin) below and above one margin. A prior of
    0.4 on both sides needs 3 % fewer pairs when the models are equal and a third more when the open model leads by much.
    """

    margin: float
    alpha: float = 0.05
    share: float = 0.8
    narrower: float = 0.5
    wider: float = 0.7

    def __post_init__(self) -> None:
        checked_margin(self.margin)
        checked_alpha(self.alpha)
        if min(self.narrower, self.wider) <= 0:
            raise UsageError("The prior's standard deviations must be above 0, such as 0.5 and 0.7.")
        if not 0.5 <= self.share < 1:
            raise UsageError(f"share = {self.share:g} cannot be used; set it between 0.5 and 1, such as 0.8.")

    @classmethod
    def of_window(cls, *, margin: float, alpha: float = 0.05, share: float = 0.8) -> Terms:
        """Terms for exactly this window, which ends before effects far below the margin matter: a narrower prior."""
        return cls(margin=margin, alpha=alpha, share=share, narrower=0.4, wider=0.6)

    def share_of(self, theta: float, sign: Sign) -> float:
        """The share of alpha that may be spent on excluding a true mean of `theta` from the side of `sign`."""
        slope = (theta / self.margin) * (0.5 - self.share)
        above = min(max(0.5 + slope, 1 - self.share), self.share)
        return above if sign > 0 else 1 - above

    def bar(self, theta: float, sign: Sign) -> float:
        """Natural logarithm of the capital that excludes `theta` from the side of `sign`."""
        return -math.log(self.alpha * self.share_of(theta, sign))

    def log_prior(self) -> Floats:
        """Logarithms of the weights of `EFFECTS`, adding up to 1; centred on one margin."""
        logs = np.log(EFFECTS)
        weights: Floats = -0.5 * (logs / np.where(logs < 0, self.narrower, self.wider)) ** 2
        return weights - float(np.logaddexp.reduce(weights))


class Step(NamedTuple):
    """One bet, fixed before the pair was seen, and its outcome.

    Under a mean of theta the outcome `z` has conditional mean `stretch` * theta - `shift`; it lies in `low`..`high`, and
    `spread` is the variance expected of it.
    """

    z: float
    low: float
    high: float
    spread: float
    stretch: float = 1.0
    shift: float = 0.0


def growth(effects: Floats, theta: Floats | float, sign: Floats | float, steps: Floats) -> Floats:
    """What each effect's stake gains, as logarithms. Effects run along the last axis; the rest broadcasts.

    The first axis of `steps` holds the fields of `Step`.

    No factor is below 0.05. The stakes depend on theta through the safety cap alone, under which the capital still falls as
    theta rises (`sign` +1), so the values of theta that survive form an interval.
    """
    columns: list[Floats] = list(steps)
    z, low, high, spread, stretch, shift = columns
    mean = stretch * theta - shift
    worst: Floats = np.where(np.greater(sign, 0), mean - low, high - mean)
    cap: Floats = np.where(worst > _SAFE / _TOP_STAKE, _SAFE / np.maximum(worst, 1e-12), _TOP_STAKE)
    hoped = effects * np.minimum(stretch, _TOP_STRETCH)
    stakes = np.minimum(hoped / (spread + hoped * hoped), cap)
    factors: Floats = np.log(np.maximum(1 + stakes * (sign * (z - mean)), 1e-12))
    return factors


class Spread:
    """The variance expected of the next outcome, from past ones and twenty imagined ones of variance 0.25."""

    __slots__ = ("_n", "_squares", "_sum", "_weight")

    def __init__(self) -> None:
        self._squares, self._weight, self._sum, self._n = 20 * 0.25, 20.0, 0.0, 0

    @property
    def now(self) -> float:
        """The variance to bet with."""
        return self._squares / self._weight

    @property
    def mean(self) -> float:
        """The mean outcome so far; 0 before the first."""
        return self._sum / self._n if self._n else 0.0

    def learn(self, z: float) -> None:
        """Take in an outcome after it was bet on."""
        centre = self.mean if self._n >= 20 else 0.0
        self._squares += (z - centre) ** 2
        self._weight += 1
        self._sum += z
        self._n += 1


class Game:
    """The capital against every hypothesis that a verdict needs, and the steps that made it."""

    def __init__(self, terms: Terms, *, n_min: int = N_MIN) -> None:
        self.terms = terms
        self.n_min = n_min
        self.claims: dict[Claim, int] = {}
        nulls = list(CLAIMS.values())
        self._theta = np.array([[null.theta(terms.margin)] for null in nulls])
        self._sign = np.array([[float(null.sign)] for null in nulls])
        self._bars = np.array([terms.bar(null.theta(terms.margin), null.sign) for null in nulls])
        self._effects = terms.margin * EFFECTS
        self._logs = np.tile(terms.log_prior(), (len(nulls), 1))
        self._steps: list[Step] = []

    @property
    def n(self) -> int:
        """Bets settled."""
        return len(self._steps)

    def settle(self, step: Step) -> None:
        """Take in one outcome against every hypothesis; a claim that is proven stays proven."""
        self._steps.append(step)
        self._logs += growth(self._effects, self._theta, self._sign, np.array(step)[:, None])
        if self.n >= self.n_min:
            for place in np.flatnonzero(self._totals() >= self._bars):
                self.claims.setdefault(_ORDER[place], self.n)

    @property
    def decided(self) -> bool:
        """Whether the margin is decided: not worse by more than it, or worse by more than it."""
        return Claim.NOT_WORSE in self.claims or Claim.WORSE in self.claims

    def held(self, claim: Claim) -> float:
        """Natural logarithm of the capital won so far towards a claim."""
        return float(self._totals()[_ORDER.index(claim)])

    def log_e(self, theta: float, sign: Sign) -> float:
        """Natural logarithm of the e-value against "the mean is at most theta" (`sign` +1) or "at least theta" (-1)."""
        return self._replayed(self._columns(), theta, sign)

    def interval(self, *, low: float, high: float, middle: float) -> Interval:
        """All means in `low`..`high` that are not ruled out; `middle` is a guess of the mean."""
        columns = self._columns()
        middle = min(max(middle, low), high)
        return Interval(low=self._end(columns, low, middle, high, 1), high=self._end(columns, high, middle, low, -1))

    def _totals(self) -> Floats:
        totals: Floats = np.logaddexp.reduce(self._logs, axis=1)
        return totals

    def _columns(self) -> Floats:
        return np.array(self._steps, dtype=np.float64).reshape(-1, len(Step._fields)).T[:, :, None]

    def _replayed(self, columns: Floats, theta: float, sign: Sign) -> float:
        gained = growth(self._effects, theta, float(sign), columns).sum(axis=0)
        return float(np.logaddexp.reduce(gained + self.terms.log_prior()))

    def _end(self, columns: Floats, out: float, middle: float, far: float, sign: Sign) -> float:
        def excluded(theta: float) -> bool:
            return self._replayed(columns, theta, sign) >= self.terms.bar(theta, sign)

        if not excluded(out):
            return out
        inside = far if excluded(middle) else middle
        for probe in (-self.terms.margin, 0.0, self.terms.margin):
            if min(out, inside) < probe < max(out, inside):
                out, inside = (probe, inside) if excluded(probe) else (out, probe)
        while abs(out - inside) > _WIDTH:
            probe = (out + inside) / 2
            out, inside = (probe, inside) if excluded(probe) else (out, probe)
        return out


_ORDER = list(CLAIMS)


def read(game: Game, counts: Mapping[int, int], interval: Interval, *, claims: frozenset[Claim]) -> Judgement:
    """The judgement on a game whose differences were counted in `counts`."""
    return judgement(
        counts=Histogram(counts=counts),
        claims=claims,
        margin=game.terms.margin,
        low=interval.low,
        high=interval.high,
        n_min=game.n_min,
        log_e_replace=game.held(Claim.NOT_WORSE),
        log_e_worse=game.held(Claim.WORSE),
    )
