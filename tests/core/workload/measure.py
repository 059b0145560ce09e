"""How well a grouping agrees with the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log


@dataclass(frozen=True)
class Agreement:
    """Homogeneity (no group mixes jobs), completeness (no job is spread over groups) and their harmonic mean."""

    homogeneity: float
    completeness: float

    @property
    def v(self) -> float:
        both = self.homogeneity + self.completeness
        return 2 * self.homogeneity * self.completeness / both if both else 0.0


def agreement(truth: Sequence[str], found: Sequence[str]) -> Agreement:
    n = len(truth)

    def entropy(counts: Counter) -> float:
        return -sum(c / n * log(c / n) for c in counts.values())

    t, f, joint = entropy(Counter(truth)), entropy(Counter(found)), entropy(Counter(zip(truth, found, strict=True)))
    return Agreement(1 - (joint - f) / t if t else 1.0, 1 - (joint - t) / f if f else 1.0)
