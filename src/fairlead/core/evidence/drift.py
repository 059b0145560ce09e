"""Whether the pairs can come from one and the same mean at all.

Every look at a confidence sequence rules something out for good. If two looks rule out everything between them, the mean
moved on the way (the traffic, a model behind an endpoint, or the grader changed), or a chance of alpha came true. Then there
is no verdict; the plain thing to do is to find what changed and start new evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.core.evidence.sequence import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What all looks so far have left over, from `low` to `high`."""

    low: float = -1.0
    high: float = 1.0

    def after(self, look: Interval) -> Overlap:
        """This overlap narrowed by one more look."""
        return Overlap(low=max(self.low, look.low), high=min(self.high, look.high))

    @property
    def conflict(self) -> bool:
        """Whether nothing is left: evidence conflict, traffic or grader drift."""
        return self.low > self.high
