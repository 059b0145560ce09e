"""Bets sized by the effect one hopes for and the variance seen so far: fewer pairs than constant bets need.

A gambler who expects an effect e and has seen a variance s2 stakes e / (s2 + e^2) of his capital, which is close to
growth-optimal. He splits his capital over twelve effects around the margin, weighted in advance, and the variance comes
from past pairs only. So the game stays fair at the boundary of the hypothesis, whatever the pairs are.

The error rate is spread unevenly, which costs nothing: at a true mean below minus the margin the candidate *is* worse by
more than it, so nothing that speaks for the incumbent can be false there, and nearly all of alpha may guard "not worse by
more than the margin" (`Terms.share_of`). From minus the margin on that claim is true, and alpha is for the other ones.
One confidence sequence with these weights carries all claims; at the true mean both sides together still spend exactly
alpha.

The bets depend on the order of the pairs, so this evidence is the list of its `Step`s: histograms and merged shards belong
to `Watch`. Replaying the steps gives the capital against any hypothesis.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import Floats, Sign
from fairlead.core.evidence.drift import Overlap
from fairlead.core.evidence.forecasting import Forecast
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.outlook import Standing, outlook
from fairlead.core.evidence.sequence import Charted, Interval, places, root
from fairlead.core.evidence.settings import N_MIN, checked_alpha, checked_margin
from fairlead.core.evidence.verdict import CLAIMS, Claim, Judgement, disputed, judgement

EFFECTS: Floats = np.geomspace(0.25, 5, 12)
"""Effects bet on, in margins."""

_SAFE = 0.95
_TOP_STAKE = 20.0
_TOP_STRETCH = 30.0
_WIDTH = 1e-6
_CHARTED = 2e-4
EFFECTS.flags.writeable = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is declared before the first pair.

    `share` of `alpha` guards "not worse by more than the margin", below minus the margin; 0.5 treats both sides alike.
    `narrower` and `wider` are the prior's standard deviations of ln(effect / margin) below and above one margin, `behind`
    that above one margin for the claims that the open model is behind. `design/engines.md` says how they were chosen.
    """

    margin: float
    alpha: float = 0.05
    share: float = 0.95
    narrower: float = 0.5
    wider: float = 0.7
    behind: float = 1.3

    def __post_init__(self) -> None:
        checked_margin(self.margin)
        checked_alpha(self.alpha)
        if min(self.narrower, self.wider, self.behind) <= 0:
            raise UsageError("The prior's standard deviations must be above 0, such as 0.5, 0.7 and 1.3.")
        if not 0.5 <= self.share < 1:
            raise UsageError(f"share = {self.share:g} cannot be used; set it between 0.5 and 1, such as 0.95.")

    @classmethod
    def of_window(cls, *, margin: float, alpha: float = 0.05, share: float = 0.95) -> Terms:
        """Terms for exactly this window, which ends before effects far below the margin matter: a narrower prior."""
        return cls(margin=margin, alpha=alpha, share=share, narrower=0.4, wider=0.6)

    def share_of(self, theta: float, sign: Sign) -> float:
        """The share of alpha that may be spent on excluding all means up to `theta` (`sign` +1), or all from it on (-1).

        At any true mean the two sides share alpha: below minus the margin as `share` says, from minus the margin on evenly.
        Means up to minus the margin are excluded when those below it are; means from it on when it and those above are.
        """
        if sign > 0:
            return self.share if theta <= -self.margin else 0.5
        return 1 - self.share if theta < -self.margin else 0.5

    def bar(self, theta: float, sign: Sign) -> float:
        """Natural logarithm of the capital that excludes `theta` from the side of `sign`."""
        return -math.log(self.alpha * self.share_of(theta, sign))

    def log_prior(self, sign: Sign) -> Floats:
        """Logarithms of the weights of `EFFECTS` when betting above (`sign` +1) or below, adding up to 1."""
        logs = np.log(EFFECTS)
        above = self.wider if sign > 0 else self.behind
        weights: Floats = -0.5 * (logs / np.where(logs < 0, self.narrower, above)) ** 2
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


class _Against:
    """One hypothesis in a game: what would refute it, and `reach`, which the capital held against it cannot exceed."""

    __slots__ = ("bar", "claim", "reach", "sign", "theta")

    def __init__(self, claim: Claim, terms: Terms) -> None:
        null = CLAIMS[claim]
        self.claim, self.sign, self.theta = claim, null.sign, null.theta(terms.margin)
        self.bar, self.reach = terms.bar(self.theta, self.sign), 0.0

    def widen(self, step: Step, most: float, least: float) -> None:
        """Take in a step, when no stake is above `most` or below `least` but for the safety cap."""
        mean = step.stretch * self.theta - step.shift
        distance = self.sign * (step.z - mean)
        if distance > 0:
            worst = mean - step.low if self.sign > 0 else step.high - mean
            cap = _SAFE / worst if worst > _SAFE / _TOP_STAKE else _TOP_STAKE
            self.reach += math.log1p(min(most, cap) * distance)
        elif distance < 0:
            worst = mean - step.low if self.sign > 0 else step.high - mean
            cap = _SAFE / worst if worst > _SAFE / _TOP_STAKE else _TOP_STAKE
            self.reach += math.log(max(1 + min(least, cap) * distance, 1e-12))


class Game:
    """The capital against every hypothesis that a verdict needs, and the steps that made it.

    Steps are settled in runs: as long as no hypothesis can have been refuted (`_Against.reach`), they only wait. Every claim is
    still made at the very pair that proves it.
    """

    def __init__(self, terms: Terms, *, n_min: int = N_MIN) -> None:
        self.terms = terms
        self.n_min = n_min
        self.claims: dict[Claim, int] = {}
        nulls = list(CLAIMS.values())
        self._theta = np.array([[null.theta(terms.margin)] for null in nulls])
        self._sign = np.array([[float(null.sign)] for null in nulls])
        self._effects = terms.margin * EFFECTS
        self._least, self._most = float(self._effects[0]), float(self._effects[-1])
        self._against = [_Against(claim, terms) for claim in CLAIMS]
        self._live = list(self._against)
        self._logs = np.stack([terms.log_prior(null.sign) for null in nulls])
        self._steps: list[Step] = []
        self._settled = 0

    @property
    def n(self) -> int:
        """Bets settled."""
        return len(self._steps)

    def settle(self, step: Step) -> None:
        """Take in one outcome against every hypothesis; a claim that is proven stays proven."""
        self._steps.append(step)
        stretch = min(step.stretch, _TOP_STRETCH)
        low, high = self._least * stretch, self._most * stretch
        best = min(max(math.sqrt(step.spread), low), high)
        most = best / (step.spread + best * best)
        least = min(low / (step.spread + low * low), high / (step.spread + high * high))
        for each in self._live:
            each.widen(step, most, least)
        if len(self._steps) >= self.n_min and any(each.reach >= each.bar for each in self._live):
            self._settle()

    def _settle(self) -> None:
        """Settle the steps that wait, and note which claims they prove, each at its first pair."""
        if self._settled == self.n:
            return
        columns = np.array(self._steps[self._settled :]).T[:, :, None, None]
        gains = growth(self._effects, self._theta[None], self._sign[None], columns)
        # One by one from the capital held, so that how steps were grouped into runs changes no digit.
        logs = np.cumsum(np.concatenate([self._logs[None], gains]), axis=0)[1:]
        totals = np.logaddexp.reduce(logs, axis=2)
        skipped = max(self.n_min - 1 - self._settled, 0)
        for row, each in enumerate(self._against):
            hits = np.flatnonzero(totals[skipped:, row] >= each.bar)
            if len(hits):
                self.claims.setdefault(each.claim, self._settled + skipped + int(hits[0]) + 1)
            each.reach = float(totals[-1, row])
        self._live = [each for each in self._live if each.claim not in self.claims]
        self._logs, self._settled = logs[-1], self.n

    @property
    def decided(self) -> bool:
        """Whether the margin is decided: not worse by more than it, or worse by more than it."""
        return Claim.NOT_WORSE in self.claims or Claim.WORSE in self.claims

    def held(self, claim: Claim) -> float:
        """Natural logarithm of the capital won so far towards a claim."""
        return float(self._totals()[_ORDER.index(claim)])

    def stakes_of(self, claim: Claim) -> Floats:
        """Natural logarithms of the capital that each effect's stake holds towards a claim, weights included."""
        self._settle()
        held: Floats = self._logs[_ORDER.index(claim)].copy()
        return held

    def log_e(self, theta: float, sign: Sign) -> float:
        """Natural logarithm of the e-value against "the mean is at most theta" (`sign` +1) or "at least theta" (-1)."""
        return self._replayed(self._columns(None), theta, sign)

    def interval(self, within: Bounds, *, terms: Terms | None = None, width: float = _WIDTH) -> Interval:
        """All means within bounds that the first `within.n` bets do not rule out, at another error rate if `terms` say so.

        The ends are outside by at most `width`.
        """
        terms = terms or self.terms
        columns = self._columns(within.n)

        def end(out: float, far: float, sign: Sign) -> float:
            def excess(theta: float) -> float:
                return self._replayed(columns, theta, sign) - terms.bar(theta, sign)

            middle = min(max(within.middle, within.low), within.high)
            return _end(excess, terms.margin, (out, middle, far), width)

        return Interval(low=end(within.low, within.high, 1), high=end(within.high, within.low, -1))

    def _totals(self) -> Floats:
        self._settle()
        totals: Floats = np.logaddexp.reduce(self._logs, axis=1)
        return totals

    def _columns(self, n: int | None) -> Floats:
        return np.array(self._steps[:n], dtype=np.float64).reshape(-1, len(Step._fields)).T[:, :, None]

    def _replayed(self, columns: Floats, theta: float, sign: Sign) -> float:
        gained = growth(self._effects, theta, float(sign), columns).sum(axis=0)
        return float(np.logaddexp.reduce(gained + self.terms.log_prior(sign)))


def _end(excess: Callable[[float], float], margin: float, probes: tuple[float, float, float], width: float) -> float:
    """Where `excess` crosses 0 between `out`, where it is above, and `middle` or `far`, where it is below."""
    out, middle, far = probes
    if excess(out) < 0:
        return out
    inside = far if excess(middle) >= 0 else middle
    if excess(inside) >= 0:
        return inside
    # The values that verdicts ask about come first, so that interval and verdict cannot disagree by a rounding.
    for probe in (-margin, 0.0, margin):
        if min(out, inside) < probe < max(out, inside):
            out, inside = (probe, inside) if excess(probe) >= 0 else (out, probe)
    return root(excess, out=out, inside=inside, width=width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is known of the mean after `n` bets without any bet: it lies in `low`..`high`; `middle` is a guess of it."""

    n: int
    low: float = -1.0
    high: float = 1.0
    middle: float = 0.0


class Ordered(ABC):
    """Evidence that is fed pair by pair in the drawn order: what `Traffic` and `Window` have in common.

    Looks at fixed numbers of pairs are kept to see whether the pairs can come from one mean at all (`drift`).
    """

    def __init__(self, terms: Terms, *, n_min: int) -> None:
        self._game, self._spread = Game(terms, n_min=n_min), Spread()
        self._seen: Counter[int] = Counter()
        self._squares = 0.0
        self._overlap = Overlap()
        self._looks: list[Bounds] = []
        self._chart: list[Bounds] = []
        self._next_look = max(n_min, 1)

    @abstractmethod
    def add(self, difference: float) -> None:
        """Take in the pair of the next request in the drawn order: candidate's score minus incumbent's."""

    @property
    @abstractmethod
    def room(self) -> int | None:
        """Pairs that can still be added; `None` when there is no end."""

    @abstractmethod
    def bounds(self) -> Bounds:
        """What is certain of the mean now, bets aside."""

    @property
    def terms(self) -> Terms:
        """What was declared before the first pair."""
        return self._game.terms

    @property
    def n(self) -> int:
        """Pairs taken in."""
        return self._game.n

    @property
    def claims(self) -> Mapping[Claim, int]:
        """What has been proven so far, with the pair that proved it."""
        return dict(self._game.claims)

    @property
    def decided(self) -> bool:
        """Whether the margin is decided: not worse by more than it, or worse by more than it."""
        return self._game.decided

    @property
    def strength(self) -> float:
        """Natural logarithm of the capital held now towards "not worse by more than the margin"."""
        return self._game.held(Claim.NOT_WORSE)

    @property
    def torn(self) -> bool:
        """Whether the looks so far leave no mean over: the pairs cannot come from one."""
        return self._narrowed().conflict

    @property
    def counts(self) -> Histogram:
        """The differences so far, counted."""
        return Histogram(counts=self._seen)

    def interval(self) -> Interval:
        """All mean differences that are not ruled out."""
        return self._game.interval(self.bounds())

    def at_error(self, alpha: float) -> Interval:
        """The interval of the same bets at another error rate."""
        return self._game.interval(self.bounds(), terms=replace(self.terms, alpha=alpha))

    def log_e(self, theta: float, sign: Sign) -> float:
        """Natural logarithm of the e-value against "the mean is at most theta" (`sign` +1) or "at least theta" (-1)."""
        return self._game.log_e(theta, sign)

    def proves(self, claim: Claim, *, alpha: float) -> bool:
        """Whether the capital held now proves a claim at another error rate."""
        null = CLAIMS[claim]
        return self._game.held(claim) >= replace(self.terms, alpha=alpha).bar(null.theta(self.terms.margin), null.sign)

    def judgement(self) -> Judgement:
        """The verdict now; none when the looks so far leave no mean over."""
        judged = self._read(self.interval(), frozenset(self._game.claims))
        left = self._narrowed().after(Interval(low=judged.low, high=judged.high))
        return disputed(judged) if left.conflict else judged

    def charted(self, points: int) -> tuple[Charted, ...]:
        """The interval at up to `points` places along the pairs; the last place is the last pair."""
        return tuple(self._charted(place) for place in places(self.n, points))

    def expects(self, *, seed: int = 0, paths: int = 400) -> Forecast:
        """More pairs until the margin is decided either way, continuing from here."""
        return self.forecaster(seed=seed, paths=paths)()

    def forecaster(self, *, seed: int = 0, paths: int = 400) -> Callable[[], Forecast]:
        """What works `expects` out from how things stand now; it may run on another thread while pairs are taken in."""
        if self.decided:
            good = Claim.NOT_WORSE in self._game.claims
            found = Forecast(median=0, p80=0, p_replace=float(good), p_worse=float(not good))
            return lambda: found
        standing = Standing(
            counts=Histogram(counts=dict(self._seen)),
            margin=self.terms.margin,
            effects=self.terms.margin * EFFECTS,
            held=(self._game.stakes_of(Claim.NOT_WORSE), self._game.stakes_of(Claim.WORSE)),
            bars=(self.terms.bar(-self.terms.margin, 1), self.terms.bar(-self.terms.margin, -1)),
            unexplained=self._unexplained(),
            left=None if self.room is None else self._left(),
            n_min=self._game.n_min,
        )
        return partial(outlook, standing, seed=seed, paths=paths)

    def _left(self) -> int | None:
        """Requests whose mean is asked about and not yet known; `None` when the traffic has no end."""
        return None

    def _unexplained(self) -> float:
        """The share of the differences' variance that the guesses leave over."""
        mean = self.counts.mean or 0.0
        plain = self._squares - self.n * mean**2 + 5.0
        return min(max(self._spread.now * (self.n + 20) / plain, 0.05), 1.0)

    def _took(self, step: Step, hundredth: int) -> None:
        """Settle a bet and remember what the looks need."""
        self._game.settle(step)
        self._spread.learn(step.z)
        self._seen[hundredth] += 1
        self._squares += (hundredth / 100) ** 2

    def _look(self) -> None:
        """Keep what a look needs, at fixed numbers of pairs; called when a pair has been taken in whole."""
        bounds = self.bounds()
        self._chart.append(bounds)
        if self.n == self._next_look:
            self._looks.append(bounds)
            self._next_look = max(self.n + 50, self.n * 5 // 4)

    def _narrowed(self) -> Overlap:
        for bounds in self._looks:
            self._overlap = self._overlap.after(self._game.interval(bounds))
        self._looks.clear()
        return self._overlap

    def _charted(self, place: int) -> Charted:
        bounds = self._chart[place - 1]
        interval = self._game.interval(bounds, width=_CHARTED)
        return Charted(n=place, low=interval.low, mean=bounds.middle, high=interval.high)

    def _read(self, interval: Interval, claims: frozenset[Claim]) -> Judgement:
        return judgement(
            counts=self.counts,
            claims=claims,
            margin=self.terms.margin,
            low=interval.low,
            high=interval.high,
            n_min=self._game.n_min,
            log_e_replace=self._game.held(Claim.NOT_WORSE),
            log_e_worse=self._game.held(Claim.WORSE),
        )


_ORDER = list(CLAIMS)
