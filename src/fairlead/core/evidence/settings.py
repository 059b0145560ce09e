"""What may be asked of the evidence: every setting is checked here once, with a sentence that says what would work."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fairlead.core.errors import UsageError

N_MIN = 50
"""Pairs before a verdict is shown. A display rule: the error bound holds without it."""

N_MAX = 5_000
"""Pairs after which a pilot stops undecided."""


def checked_margin(margin: float) -> float:
    """The margin, when it is a share strictly between 0 and 1."""
    if not 0 < margin < 1:
        raise UsageError(f"margin = {margin:g} cannot be used; set it to a share between 0 and 1, such as 0.03.")
    return margin


def checked_alpha(alpha: float) -> float:
    """The error rate, when it is a share strictly between 0 and 1."""
    if not 0 < alpha < 1:
        raise UsageError(f"alpha = {alpha:g} cannot be used; set it to a share between 0 and 1, such as 0.05.")
    return alpha


def checked_q0(q0: float) -> float:
    """The guessed share of pairs that differ, when it is above 0 and at most 1."""
    if not 0 < q0 <= 1:
        raise UsageError(f"q0 = {q0:g} cannot be used; set it to a share above 0 and at most 1, such as 0.25.")
    return q0


def hundredths(difference: float) -> int:
    """A difference in -1..1 as whole hundredths, rounded to the nearest."""
    if not -1 <= difference <= 1:
        raise UsageError(
            f"A difference of {difference} cannot be used; it is the candidate's score minus the incumbent's, in -1..1."
        )
    return round(100 * difference)


def finite(values: Iterable[float], *, what: str) -> list[float]:
    """The values as a list, when every one is a finite number."""
    kept = [float(value) for value in values]
    bad = next((value for value in kept if not math.isfinite(value)), None)
    if bad is not None:
        raise UsageError(f"{what} holds {bad}; every value must be a finite number.")
    return kept
