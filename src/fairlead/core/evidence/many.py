"""Many workloads and candidates at once: which claims may stand together in one list.

A list chosen because its entries look good needs more than single verdicts. e-BH keeps the expected share of false
entries at or below alpha whatever the dependence between the entries (Wang and Ramdas). It must be fed the *current*
e-values of all hypotheses declared at the start, never the highest they once had.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fairlead.core.errors import UsageError
from fairlead.core.evidence.settings import checked_alpha


def e_bh(log_e: Sequence[float], alpha: float = 0.05, *, weights: Sequence[float] | None = None) -> list[bool]:
    """Which hypotheses go on the list, from the ln of their current e-values.

    `weights`, declared before the first pair, say how much each entry matters; they are scaled to a mean of 1.
    """
    checked_alpha(alpha)
    scores = _weighted(log_e, weights)
    if any(math.isnan(score) for score in scores):
        raise UsageError("An e-value is not a number; every hypothesis needs one (1 before its first pair).")
    ranked = sorted(scores, reverse=True)
    bars = [math.log(len(ranked) / (alpha * rank)) for rank in range(1, len(ranked) + 1)]
    passed = [score for score, bar in zip(ranked, bars, strict=True) if score >= bar]
    return [bool(passed) and score >= passed[-1] for score in scores]


def _weighted(log_e: Sequence[float], weights: Sequence[float] | None) -> list[float]:
    if weights is None:
        return [float(value) for value in log_e]
    if len(weights) != len(log_e) or not all(math.isfinite(w) and w > 0 for w in weights):
        raise UsageError("e-BH needs one weight above 0 for each hypothesis.")
    mean = sum(weights) / len(weights)
    return [float(value) + math.log(weight / mean) for value, weight in zip(log_e, weights, strict=True)]
