"""How many more pairs a pilot with variance-adaptive stakes needs before the margin is decided.

As in `forecast`, what the pairs so far leave open is drawn from a Dirichlet posterior, and each drawn world is played on
from the capital that every stake already holds, looked at on a geometric grid. Two things are scaled and not simulated:
guesses from the incumbent's scores shorten a pilot in proportion to the variance they explain, and in a window of which
`left` requests are unknown, k further pairs say as much as k / (1 - k / left) pairs of endless traffic would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fairlead.core.evidence.bets import Floats
from fairlead.core.evidence.forecasting import HORIZON, LOOKS, Forecast, Worlds, worlds
from fairlead.core.evidence.histogram import Histogram

_SAFE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a pilot stands: `held` and `bars` are for "not worse" and "worse", by the margin.

    `unexplained` is the share of the variance that guesses leave over, `left` the unknown requests of a window.
    """

    counts: Histogram
    margin: float
    effects: Floats
    held: tuple[Floats, Floats]
    bars: tuple[float, float]
    unexplained: float = 1.0
    left: int | None = None
    n_min: int = 0


def outlook(standing: Standing, *, seed: int = 0, paths: int = 400) -> Forecast:
    """More pairs until the margin is decided either way, continuing from `standing`."""
    drawn = worlds(standing.counts, paths=paths, seed=seed)
    ends, ways = _played(standing, drawn)
    if standing.left is not None:
        ways = np.where(np.isinf(ends), np.where(drawn.means > -standing.margin, 1, -1), ways)
    needed = _scaled(standing, ends)
    return Forecast(
        median=_quantile(needed, 0.5),
        p80=_quantile(needed, 0.8),
        p_replace=float((ways == 1).mean()),
        p_worse=float((ways == -1).mean()),
    )


def _played(standing: Standing, drawn: Worlds) -> tuple[Floats, Floats]:
    """After how many plain pairs each world stops (infinite: not within the horizon), and which way."""
    paths = len(drawn.shares)
    looks = np.unique(np.geomspace(5, HORIZON, LOOKS).round().astype(np.int64))
    gains = [_gains(standing, drawn, sign) for sign in (1, -1)]
    counts = np.zeros_like(drawn.shares)
    ends, ways = np.full(paths, np.inf), np.zeros(paths)
    for look, step in zip(looks, np.diff(looks, prepend=0), strict=True):
        counts += drawn.rng.multinomial(step, drawn.shares)
        if standing.counts.n + look < standing.n_min:
            continue
        for way, (gain, held, bar) in enumerate(zip(gains, standing.held, standing.bars, strict=True)):
            logs = np.einsum("pv,pvj->pj", counts, gain) + held
            hit = (np.logaddexp.reduce(logs, axis=1) >= bar) & np.isinf(ends)
            ends[hit], ways[hit] = look, 1 - 2 * way
    return ends, ways


def _gains(standing: Standing, drawn: Worlds, sign: int) -> Floats:
    """What each stake gains from each difference in each world, as logarithms: world, difference, stake."""
    null = -standing.margin
    spread = np.maximum(drawn.shares @ drawn.values**2 - drawn.means**2, 1e-4)[:, None]
    stakes = np.minimum(standing.effects / (spread + standing.effects**2), _SAFE / (1 + sign * null))
    distance = sign * (drawn.values - null)
    gains: Floats = np.log1p(stakes[:, None, :] * distance[None, :, None])
    return gains


def _scaled(standing: Standing, ends: Floats) -> Floats:
    """Plain pairs as pairs of this pilot, whose guesses explain a part and whose window may be small."""
    with np.errstate(invalid="ignore"):
        needed = np.ceil(ends * standing.unexplained)
    if standing.left is None:
        return needed
    left = max(standing.left, 1)
    return np.ceil(1 / (1 / needed + 1 / left))


def _quantile(ends: Floats, share: float) -> int | None:
    end = float(np.quantile(ends, share, method="inverted_cdf"))
    return int(end) if math.isfinite(end) else None
