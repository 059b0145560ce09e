"""The state of all evidence about one claim: how often each difference was seen.

Differences are kept in whole hundredths. Rounding happens *before* anything is tested, so every statement is exact for
the rounded differences. Counts add up, so shards merge and the order of pairs cannot matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.core.errors import UsageError
from fairlead.core.evidence.settings import hundredths


def _checked(counts: Mapping[int, int]) -> dict[int, int]:
    for value, count in counts.items():
        if not -100 <= value <= 100:
            raise UsageError(
                f"A difference of {value} hundredths cannot be used; differences lie in -100..100 hundredths."
            )
        if count < 0:
            raise UsageError(f"A count of {count} cannot be used; counts start at 0.")
    return {value: counts[value] for value in sorted(counts) if counts[value]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often each difference (in hundredths, -100..100) was seen."""

    counts: Mapping[int, int] = field(default_factory=dict[int, int])

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", _checked(self.counts))

    @classmethod
    def from_counts(cls, *, wins: int, ties: int, losses: int) -> Histogram:
        """The histogram of whole wins, ties and losses of the open model."""
        return cls(counts={-100: losses, 0: ties, 100: wins})

    def after(self, differences: Iterable[float]) -> Histogram:
        """This histogram with more differences (candidate minus incumbent, in -1..1) counted."""
        return self.merged(Histogram(counts=Counter(map(hundredths, differences))))

    def merged(self, other: Histogram) -> Histogram:
        """Both histograms' counts added up."""
        return Histogram(counts=Counter(self.counts) + Counter(other.counts))

    @property
    def n(self) -> int:
        """Pairs counted."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        """Mean difference; `None` before the first pair."""
        return self._moment(1)

    @property
    def second_moment(self) -> float | None:
        """Mean squared difference (the share of pairs that differ, when scores are 0 or 1); `None` before the first pair."""
        return self._moment(2)

    @property
    def wins(self) -> int:
        """Pairs in which the open model scored higher."""
        return sum(count for value, count in self.counts.items() if value > 0)

    @property
    def ties(self) -> int:
        """Pairs in which both scored the same."""
        return self.counts.get(0, 0)

    @property
    def losses(self) -> int:
        """Pairs in which the open model scored lower."""
        return sum(count for value, count in self.counts.items() if value < 0)

    def _moment(self, power: int) -> float | None:
        n = self.n
        return sum(count * value**power for value, count in self.counts.items()) / (n * 100**power) if n else None
