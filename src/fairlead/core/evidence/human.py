"""What people prefer, with a judge's opinions used to need fewer people and never to replace them.

A judge is cheap and biased. One pair in each block of K judged pairs, chosen at random by the tool, is also shown to a person.
The block's outcome is the person's preference, less what the judge said of that pair, plus what it said of the block on
average: the judge's bias cancels whatever it is, and the expected outcome is exactly what people prefer. How much of
the judge is used is learnt from earlier blocks only.

Two readings: `People` may be looked at after every block; `corrected` (PPI++, arXiv:2311.01453) is for a number of labels that was
fixed in advance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import STAKES, Floats, Sign, log_prior, log_total
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.sequence import Evidence, Interval
from fairlead.core.evidence.settings import N_MIN, checked_alpha, finite, hundredths
from fairlead.core.evidence.verdict import CLAIMS, Claim, Judgement, judgement

BLOCK = 20
"""Judged pairs of which one is shown to a person."""

_WARM = 20
_SAFE = 0.95
_WIDTH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block: what the person preferred (-1..1, positive is the open model), and what the judge said.

    `judged` is the judge on the pair the person saw, `others` the judge on the rest of the block.
    """

    human: float
    judged: float
    others: tuple[float, ...]

    @property
    def excess(self) -> float:
        """How much more than on the block's average the judge favoured the open model on the pair the person saw."""
        return self.judged - (self.judged + math.fsum(self.others)) / (1 + len(self.others))


class People:
    """Human preference, block by block, that may be looked at after every block.

    `q0` guesses the mean squared preference. With no `others` in its blocks the judge has no say.
    """

    def __init__(self, margin: float = 0.1, alpha: float = 0.05, q0: float = 0.8, *, n_min: int = N_MIN) -> None:
        self._plan = Evidence(margin=margin, alpha=alpha, q0=q0)
        self._prior = log_prior(margin, q0)
        nulls = list(CLAIMS.values())
        self._theta = np.array([[null.theta(margin)] for null in nulls])
        self._sign = np.array([[float(null.sign)] for null in nulls])
        self._logs = np.tile(self._prior, (len(nulls), 1))
        self._n_min = n_min
        self._outcomes: list[float] = []
        self._slack: list[float] = []
        self._human = self._excess = self._product = self._square = 0.0
        self._seen: Counter[int] = Counter()
        self._claims: dict[Claim, int] = {}

    @property
    def n(self) -> int:
        """Blocks, and so human labels, taken in."""
        return len(self._outcomes)

    @property
    def claims(self) -> Mapping[Claim, int]:
        """What has been proven so far, with the label that proved it."""
        return dict(self._claims)

    @property
    def decided(self) -> bool:
        """Whether the margin is decided: not worse by more than it, or worse by more than it."""
        return Claim.NOT_WORSE in self._claims or Claim.WORSE in self._claims

    @property
    def judge_weight(self) -> float:
        """How much of the judge is used for the next block, from 0 to 1, learnt from the blocks so far."""
        if self.n <= _WARM or self._square < 1e-9:
            return 0.0
        covariance = self._product - self._human * self._excess / self.n
        return min(max(covariance / self._square, 0.0), 1.0)

    def add(self, block: Block) -> None:
        """Take in one block."""
        weight = self.judge_weight
        cell = hundredths(block.human)
        for opinion in (block.judged, *block.others):
            hundredths(opinion)
        others = len(block.others)
        outcome, slack = block.human - weight * block.excess, 2 * weight * others / (others + 1)
        self._outcomes.append(outcome)
        self._slack.append(slack)
        self._remember(block.human, block.excess)
        self._seen[cell] += 1
        self._logs += _gains(self._theta, self._sign, outcome, slack)
        for claim, capital in zip(CLAIMS, np.logaddexp.reduce(self._logs, axis=1), strict=True):
            if capital >= self._plan.bar and self.n >= self._n_min:
                self._claims.setdefault(claim, self.n)

    def log_e(self, theta: float, sign: Sign) -> float:
        """Natural logarithm of the e-value against "people prefer the open model by at most theta" (`sign` +1) or "least"."""
        outcomes, slack = np.array(self._outcomes)[:, None], np.array(self._slack)[:, None]
        return log_total(_gains(theta, float(sign), outcomes, slack).sum(axis=0) + self._prior)

    def interval(self) -> Interval:
        """All mean human preferences that are not ruled out; -1..1 before the first label."""
        if not self.n:
            return Interval(low=-1.0, high=1.0)
        return Interval(low=self._end(1), high=self._end(-1))

    def judgement(self) -> Judgement:
        """The verdict now; wins, ties and losses are what people said, the mean is the corrected one."""
        interval = self.interval()
        judged = judgement(
            counts=Histogram(counts=self._seen),
            claims=frozenset(self._claims),
            margin=self._plan.margin,
            low=interval.low,
            high=interval.high,
            n_min=self._n_min,
            log_e_replace=self.log_e(-self._plan.margin, 1),
            log_e_worse=self.log_e(-self._plan.margin, -1),
        )
        return replace(judged, mean=math.fsum(self._outcomes) / self.n if self.n else None)

    def _remember(self, human: float, excess: float) -> None:
        self._human += human
        self._excess += excess
        self._product += human * excess
        self._square += excess**2

    def _end(self, sign: Sign) -> float:
        out, inside = -sign * (1 - 1e-9), min(max(math.fsum(self._outcomes) / self.n, -1.0), 1.0)
        if self.log_e(out, sign) < self._plan.bar:
            return float(-sign)
        while abs(out - inside) > _WIDTH:
            probe = (out + inside) / 2
            out, inside = (probe, inside) if self.log_e(probe, sign) >= self._plan.bar else (out, probe)
        return out


def _gains(theta: Floats | float, sign: Floats | float, outcome: Floats | float, slack: Floats | float) -> Floats:
    """What each stake (last axis) gains, as logarithms; an outcome lies in -1 - slack .. 1 + slack.

    The cap keeps every factor at 0.05 or more, and the capital monotone in theta.
    """
    stakes = np.minimum(STAKES, _SAFE / (1 + slack + sign * theta))
    return np.log1p(stakes * (sign * (outcome - theta)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """Human preference from a fixed number of labels: estimate, standard error, interval, and the judge's weight."""

    mean: float
    se: float
    low: float
    high: float
    judge_weight: float


def corrected(
    human: Sequence[float],
    judged: Sequence[float],
    unlabelled: Sequence[float],
    *,
    judge_weight: float | None = None,
    alpha: float = 0.05,
) -> Corrected:
    """Mean human preference by PPI++, from pairs with both labels and pairs with the judge's alone.

    The labels must have been chosen at random and their number fixed in advance (100 or more). A `judge_weight` of 0 ignores
    the judge; `None` chooses the best weight in 0..1.
    """
    people, opinions, rest = (np.array(finite(v, what="A column of labels")) for v in (human, judged, unlabelled))
    if len(people) != len(opinions) or len(people) < 2 or len(rest) < 2:
        raise UsageError(
            "Correcting a judge needs two or more pairs with both labels and two or more with the judge's alone."
        )
    weight = _best_weight(people, opinions, rest) if judge_weight is None else judge_weight
    mean = weight * float(rest.mean()) + float((people - weight * opinions).mean())
    variance = weight**2 * rest.var(ddof=1) / len(rest) + (people - weight * opinions).var(ddof=1) / len(people)
    se = math.sqrt(float(variance))
    reach = NormalDist().inv_cdf(1 - checked_alpha(alpha) / 2) * se
    return Corrected(mean=mean, se=se, low=mean - reach, high=mean + reach, judge_weight=weight)


def _best_weight(people: Floats, opinions: Floats, rest: Floats) -> float:
    variance = float(np.concatenate([opinions, rest]).var())
    if variance <= 0:
        return 0.0
    covariance = float(((people - people.mean()) * (opinions - opinions.mean())).mean())
    return float(np.clip(covariance / ((1 + len(people) / len(rest)) * variance), 0, 1))
