"""Requests that come in families: how much less they say than as many independent ones.

Requests of one conversation or user resemble each other, so their mean is less certain than its usual standard error says.
These figures are for the report, and to see what independent draws save. The verdict itself does not rest on them: it draws
clusters by size and bets once on each.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from fairlead.core.errors import UsageError
from fairlead.core.evidence.settings import finite

_FEWEST = 100
_LARGEST = 0.1
_STRATUM = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Differences that come in clusters: their number, the largest one's share, and two standard errors of the mean.

    `design_effect` is how many clustered requests are worth one independent request.
    """

    requests: int
    clusters: int
    largest_share: float
    mean: float
    se: float
    iid_se: float

    @property
    def design_effect(self) -> float | None:
        """Variance of the mean over what it would be for independent requests; `None` when nothing varies."""
        return (self.se / self.iid_se) ** 2 if self.iid_se > 0 else None

    @property
    def enough(self) -> bool:
        """Whether `se` can be trusted: at least 100 clusters, and none with more than a tenth of the requests."""
        return self.clusters >= _FEWEST and self.largest_share <= _LARGEST

    @property
    def is_stratum(self) -> bool:
        """Whether the key has so few levels that the data should be split by it instead."""
        return self.clusters < _STRATUM


def clusters(differences: Sequence[float], keys: Sequence[Hashable]) -> Clusters:
    """What the clusters named by `keys` do to the certainty of the mean difference."""
    if len(differences) != len(keys):
        raise UsageError(f"{len(keys)} cluster keys were given for {len(differences)} differences; each needs one.")
    values = np.array(finite(differences, what="The differences"))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    if len(numbers) < 2:
        raise UsageError("A standard error over clusters needs at least two of them.")
    place = np.array([numbers[key] for key in keys])
    n, count = len(values), len(numbers)
    sums = np.bincount(place, weights=values - values.mean(), minlength=count)
    return Clusters(
        requests=n,
        clusters=count,
        largest_share=float(np.bincount(place).max() / n),
        mean=float(values.mean()),
        se=math.sqrt(float((sums**2).sum()) * count / (count - 1)) / n,
        iid_se=math.sqrt(float(values.var(ddof=1)) / n),
    )


def cluster_se(differences: Sequence[float], keys: Sequence[Hashable]) -> float:
    """Standard error of the mean difference over clusters, with the G / (G - 1) correction (Miller, arXiv:2411.00640)."""
    return clusters(differences, keys).se
