"""What others use: tests of fixed size looked at too often, and asymptotic confidence sequences.

Only for comparison. `x` holds one pilot a column, one pair a row; every rival answers with the first pair (from 1) at which it
calls "not worse by more than the margin", infinite when never.
"""

from __future__ import annotations

import math

import numpy as np

RHO2 = 0.0158723
"""Tuning of the asymptotic sequence for about 500 pairs."""


def half_width(n: np.ndarray, *, alpha: float = 0.05, rho2: float = RHO2) -> np.ndarray:
    """Two-sided half width of the asymptotic confidence sequence for unit variance (arXiv:2103.06476, quoted from memory)."""
    t = n * rho2
    return np.sqrt(2 * (t + 1) / (n * t) * np.log(np.sqrt(t + 1) / alpha))


def one_sided(n: np.ndarray, *, alpha: float = 0.025, rho2: float = RHO2) -> np.ndarray:
    """One-sided width of the same sequence."""
    t = n * rho2
    return np.sqrt(2 * (t + 1) / (n * t) * np.log(1 + np.sqrt(t + 1) / (2 * alpha)))


def scores(x: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean above minus the margin in standard deviations, and the number of pairs, after every pair."""
    n = np.arange(1, len(x) + 1)[:, None].astype(float)
    mean = np.cumsum(x, axis=0) / n
    variance = np.maximum(np.cumsum(x * x, axis=0) / n - mean * mean, 1e-12)
    return (mean + margin) / np.sqrt(variance), n


def first(hit: np.ndarray) -> np.ndarray:
    """The first row that is true in each column, from 1; infinite when none is."""
    return np.where(hit.any(axis=0), hit.argmax(axis=0) + 1.0, math.inf)


def asymptotic(x: np.ndarray, margin: float, *, start: int = 100) -> np.ndarray:
    """The asymptotic (plug-in variance) sequence, read from pair `start` on."""
    standard, n = scores(x, margin)
    return first((standard >= one_sided(n)) & (n >= start))


def peeked_z(x: np.ndarray, margin: float, *, every: int, start: int = 50) -> np.ndarray:
    """A z-test of level 2.5 % repeated every so many pairs."""
    standard, n = scores(x, margin)
    return first((standard * np.sqrt(n) >= 1.959964) & (n >= start) & (n % every == 0))


def hoeffding(values: np.ndarray, *, alpha: float = 0.05) -> tuple[float, float]:
    """Bounds of the mean of values in 0..1 by the predictable-mixture Hoeffding sequence (arXiv:2010.09686)."""
    t = np.arange(1, len(values) + 1)
    stakes = np.minimum(1, np.sqrt(8 * np.log(2 / alpha) / (t * np.log(1 + t))))
    middle = float((values * stakes).sum() / stakes.sum())
    margin = float((np.log(2 / alpha) + (stakes**2 / 8).sum()) / stakes.sum())
    return middle - margin, middle + margin


def empirical_bernstein(values: np.ndarray, *, alpha: float = 0.05) -> tuple[float, float]:
    """Bounds of the mean of values in 0..1 by the predictable-mixture empirical Bernstein sequence (arXiv:2010.09686, section 3.2).

    Stakes of at most a half; each value's variance is about the mean of those before it, the first about 0, as confseq has it.
    """
    return _bernstein_low(values, alpha / 2), 1 - _bernstein_low(1 - values, alpha / 2)


def _bernstein_low(values: np.ndarray, alpha: float) -> float:
    t = np.arange(1, len(values) + 1)
    stakes = np.minimum(0.5, _plug_in(values, math.log(1 / alpha)))
    before = np.append(0.0, (np.cumsum(values) / t)[:-1])
    spent = ((values - before) ** 2 * (-np.log1p(-stakes) - stakes)).sum()
    return float(((values * stakes).sum() - math.log(1 / alpha) - spent) / stakes.sum())


def _plug_in(values: np.ndarray, log_threshold: float) -> np.ndarray:
    """Stakes from the variance of the values before each."""
    t = np.arange(1, len(values) + 1)
    mean = (0.5 + np.cumsum(values)) / (t + 1)
    variance = np.append(0.25, ((0.25 + np.cumsum((values - mean) ** 2)) / (t + 1))[:-1])
    return np.sqrt(2 * log_threshold / (t * np.log(1 + t) * variance))


def hedged(values: np.ndarray, *, alpha: float = 0.05, breaks: int = 1000) -> tuple[float, float]:
    """Bounds of the mean of values in 0..1 by hedged betting with predictable plug-in stakes (arXiv:2010.09686).

    On a grid of `breaks`, widened by one of its steps on both sides, as confseq does.
    """
    stakes = _plug_in(values, math.log(2 / alpha))
    kept = []
    for m in np.arange(breaks + 1) / breaks:
        above = np.minimum(stakes, 0.5 / max(m, 1e-12))
        below = np.minimum(stakes, 0.5 / max(1 - m, 1e-12))
        capital = max(np.log1p(above * (values - m)).sum(), np.log1p(-below * (values - m)).sum()) - math.log(2)
        if capital < math.log(1 / alpha):
            kept.append(float(m))
    return max(kept[0] - 1 / breaks, 0.0), min(kept[-1] + 1 / breaks, 1.0)
