"""What one successful output costs, all in: answers that were given, answers that were thrown away, and the watching. Pure.

A failed answer is no output, yet what it cost was paid. So is what a candidate said that broke its schema before another one
was asked (`repair`, fallbacks), and what shadows and the other halves of pairs cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessCost:
    """Sums over the calls of a workload, in dollars; what is not known is `None`.

    `answers` is what all answers cost that callers were given or that were thrown away for another; `watching` what the
    gateway asked beside them; `instead` what the incumbent would have cost. `unpriced` calls have no known cost.
    """

    outputs: int
    unpriced: int
    answers: Decimal
    instead: Decimal
    watching: Decimal | None

    @property
    def each(self) -> Decimal | None:
        """What one successful output costs; `None` where there is none, or where a part of it is not known.

        >>> SuccessCost(outputs=4, unpriced=0, answers=Decimal(2), instead=Decimal(6), watching=Decimal(1)).each
        Decimal('0.75')
        """
        if not self.outputs or self.unpriced or self.watching is None:
            return None
        return (self.answers + self.watching) / self.outputs

    @property
    def instead_each(self) -> Decimal | None:
        """What it would cost with the incumbent alone."""
        return None if not self.outputs or self.unpriced else self.instead / self.outputs
