"""What a fair gambler would have won by betting that a claim is true: the e-value behind every verdict.

To test "the mean difference is at most m", a gambler starts with 1 and stakes a share of his capital on each pair being
above m. If the hypothesis is true the game is not in his favour, so by Ville's inequality his capital ever reaches 1/a
with probability at most a, however often one looks. He splits the capital over 32 constant stakes, weighted by a
log-normal prior declared in advance and centred on margin / q0, which is close to the growth-optimal stake when the two
models are equally good.

Rules kept: the stakes and weights depend on the settings and never on the data; a stake is a share of the largest safe
one, so no pair can cost more than 95 % of the capital (every factor is at least 0.05) and the capital falls as m
rises, which makes the set of surviving m an interval; everything is in logarithms, so nothing overflows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from fairlead.core.errors import UsageError

Floats: TypeAlias = npt.NDArray[np.float64]
Sign: TypeAlias = Literal[1, -1]

STAKES: Floats = np.geomspace(0.005, 0.95, 32)
"""Shares of the largest safe stake."""

SPREAD = 0.8
"""Standard deviation of the prior over ln(stake)."""

GRID: Floats = np.arange(-100, 101) / 100
"""All differences that can be counted."""

STAKES.flags.writeable = False
GRID.flags.writeable = False


@lru_cache(maxsize=256)
def log_prior(margin: float, q0: float) -> Floats:
    """Logarithms of the predeclared weights of `STAKES`; they add up to 1."""
    weights = -0.5 * ((np.log(STAKES) - math.log(margin / q0)) / SPREAD) ** 2
    weights -= log_total(weights)
    weights.flags.writeable = False
    return weights


def log_total(logs: Floats) -> float:
    """Logarithm of the sum of the exponentials, safe from overflow."""
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))


def log_factors(theta: float, sign: Sign, values: Floats) -> Floats:
    """What each stake (row) gains from each difference (column), as logarithms, when betting against `theta`.

    `sign` +1 bets that the mean is above `theta`, -1 that it is below.
    """
    if not -1 < theta < 1:
        raise UsageError(f"theta = {theta:g} cannot be tested; a mean difference strictly between -1 and 1 can.")
    stakes = STAKES / (1 + sign * theta)
    gains: Floats = np.multiply.outer(stakes, sign * (values - theta))
    return np.log1p(gains, out=gains)


def columns(counts: Mapping[int, int]) -> tuple[Floats, Floats]:
    """The differences that were counted, and how often each was."""
    values = np.fromiter(counts.keys(), dtype=np.float64, count=len(counts)) / 100
    return values, np.fromiter(counts.values(), dtype=np.float64, count=len(counts))


def log_e(values: Floats, times: Floats, theta: float, sign: Sign, prior: Floats) -> float:
    """Natural logarithm of the capital won against "the mean is at most `theta`" (`sign` +1) or "at least" (-1).

    `values` were seen so many `times`.
    """
    factors = log_factors(theta, sign, values)
    return log_total(factors @ times + prior) if len(values) else 0.0


@lru_cache(maxsize=256)
def grid_table(theta: float, sign: Sign) -> tuple[Floats, tuple[float, ...]]:
    """`log_factors` for all of `GRID`, and the most that any stake can gain from each difference."""
    table = log_factors(theta, sign, GRID)
    table.flags.writeable = False
    return table, tuple(table.max(axis=0).tolist())
