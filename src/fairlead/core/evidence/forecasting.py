"""How many more pairs a pilot needs before the margin is decided, with the chances of each way it can end.

What the pairs so far leave open is drawn from a Dirichlet posterior; each draw is a world whose future pairs are then
played out from the capital already won, looked at on a geometric grid. The median and the 80 % quantile are shown; the
lower tail is not, because simulations show it to be optimistic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import Floats, log_factors, log_prior
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.sequence import Evidence
from fairlead.core.evidence.settings import N_MIN, checked_alpha, checked_margin

HORIZON = 20_000
"""More pairs than this are reported as unknown."""

LOOKS = 40
"""Moments at which a world is looked at."""

_WHOLE = frozenset({-100, 0, 100})


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """More pairs until the default stop: `median`, and `p80` that suffice with 80 % probability; `None` is over the horizon.

    `p_replace` and `p_worse` are the chances to end with "not worse by more than the margin" and "worse by more than
    it" within the horizon.
    """

    median: int | None
    p80: int | None
    p_replace: float
    p_worse: float


def forecast(
    evidence: Evidence, *, seed: int = 0, paths: int = 400, horizon: int = HORIZON, n_min: int = N_MIN
) -> Forecast:
    """More pairs until the margin is decided either way, continuing from `evidence`."""
    judged = evidence.judge(n_min)
    if judged.replace_ok or judged.by_more_than_margin:
        return Forecast(median=0, p80=0, p_replace=float(judged.replace_ok), p_worse=float(judged.by_more_than_margin))
    looks = np.unique(np.geomspace(10, horizon, LOOKS).round().astype(np.int64))
    values, counts = _support(evidence.counts)
    ends, ways = _play(evidence, values, counts, looks, paths=paths, seed=seed, n_min=n_min)
    return Forecast(
        median=_quantile(ends, 0.5),
        p80=_quantile(ends, 0.8),
        p_replace=float((ways == 1).mean()),
        p_worse=float((ways == -1).mean()),
    )


def fixed_size(theta: float, margin: float, q: float, alpha: float = 0.025, power: float = 0.9) -> float:
    """Pairs that a test of fixed size needs to prove "not worse by more than `margin`" when the mean is `theta`.

    `q` is the mean squared difference (the share of pairs that differ). Infinite when it cannot be proven.
    """
    checked_margin(margin)
    checked_alpha(alpha)
    if not theta**2 <= q <= 1:
        raise UsageError(f"q = {q:g} cannot be used; it lies between theta squared ({theta**2:g}) and 1.")
    if not 0 < power < 1:
        raise UsageError(f"power = {power:g} cannot be used; set it to a share between 0 and 1, such as 0.9.")
    if theta + margin <= 0:
        return math.inf
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) ** 2 * (q - theta**2) / (theta + margin) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Worlds:
    """Possible worlds, one a row of `shares`: how often each of `values` comes, and the `means` that follow."""

    values: Floats
    shares: Floats
    rng: np.random.Generator

    @property
    def means(self) -> Floats:
        """The mean difference in each world."""
        means: Floats = self.shares @ self.values
        return means


def worlds(histogram: Histogram, *, paths: int, seed: int) -> Worlds:
    """Worlds drawn from what the pairs so far leave open."""
    rng = np.random.default_rng(seed)
    values, prior = _support(histogram)
    return Worlds(values=values, shares=rng.dirichlet(prior, size=paths), rng=rng)


def _support(histogram: Histogram) -> tuple[Floats, Floats]:
    """The differences a future pair may show, with 1.5 pairs of prior weight spread over them."""
    seen = dict(histogram.counts)
    if seen.keys() <= _WHOLE:
        seen = {value: seen.get(value, 0) for value in sorted(_WHOLE)}
    counts = np.array(list(seen.values()), dtype=np.float64)
    return np.array(list(seen), dtype=np.float64) / 100, counts + 1.5 / len(counts)


def _play(
    evidence: Evidence,
    values: Floats,
    prior: Floats,
    looks: npt.NDArray[np.int64],
    *,
    paths: int,
    seed: int,
    n_min: int,
) -> tuple[Floats, Floats]:
    """When each world stops (infinite: not within the horizon) and which way: 1 not worse, -1 worse, 0 neither."""
    rng = np.random.default_rng(seed)
    worlds = rng.dirichlet(prior, size=paths)
    counts = np.tile(prior - 1.5 / len(prior), (paths, 1))
    ends, ways = np.full(paths, np.inf), np.zeros(paths)
    for look, step in zip(looks, np.diff(looks, prepend=0), strict=True):
        counts += rng.multinomial(step, worlds)
        if evidence.counts.n + look < n_min:
            continue
        for sign in (1, -1):
            logs = counts @ log_factors(-evidence.margin, sign, values).T + log_prior(evidence.margin, evidence.q0)
            proven = np.logaddexp.reduce(logs, axis=1) >= evidence.bar
            hit = proven & np.isinf(ends)
            ends[hit], ways[hit] = look, sign
    return ends, ways


def _quantile(ends: Floats, share: float) -> int | None:
    end = float(np.quantile(ends, share, method="inverted_cdf"))
    return int(end) if math.isfinite(end) else None
