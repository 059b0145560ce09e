"""From what a pilot declared to the evidence it feeds: one place that knows which engine answers which question.

Every engine is fed pair by pair in the drawn order, may be looked at after each, and is rebuilt by feeding it the same
pairs again: that is how a killed pilot goes on, and how a plan or a page reads a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from fairlead.core.evidence.forecasting import Forecast
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.sequence import Charted
from fairlead.core.evidence.settings import N_MAX, N_MIN
from fairlead.core.evidence.stakes import Terms
from fairlead.core.evidence.traffic import Traffic
from fairlead.core.evidence.verdict import Claim, Judgement
from fairlead.core.evidence.watch import Watch
from fairlead.core.evidence.window import Window
from fairlead.core.nouns import Betting, Engine


class Live(Protocol):
    """Evidence that is fed pair by pair and may be read at any time."""

    @property
    def n(self) -> int:
        """Pairs taken in."""
        ...

    @property
    def claims(self) -> Mapping[Claim, int]:
        """What has been proven so far, with the pair that proved it."""
        ...

    @property
    def decided(self) -> bool:
        """Whether the margin is decided."""
        ...

    @property
    def strength(self) -> float:
        """Natural logarithm of the capital held now towards "not worse by more than the margin"."""
        ...

    @property
    def torn(self) -> bool:
        """Whether the looks so far leave no mean over."""
        ...

    @property
    def room(self) -> int | None:
        """Pairs that can still be added; `None` when there is no end."""
        ...

    @property
    def counts(self) -> Histogram:
        """The differences so far, counted."""
        ...

    def add(self, difference: float) -> None:
        """Take in the pair of the next request in the drawn order."""
        ...

    def judgement(self) -> Judgement:
        """The verdict now."""
        ...

    def charted(self, points: int) -> tuple[Charted, ...]:
        """The interval at up to `points` places along the pairs."""
        ...

    def expects(self, *, seed: int = 0, paths: int = 400) -> Forecast:
        """More pairs until the margin is decided either way."""
        ...

    def forecaster(self, *, seed: int = 0, paths: int = 400) -> Callable[[], Forecast]:
        """What works `expects` out from how things stand now, on any thread."""
        ...


def live(
    betting: Betting,
    *,
    margin: float,
    alpha: float,
    n_max: int = N_MAX,
    n_min: int = N_MIN,
    size: int = 0,
    closed: Sequence[float] | None = None,
    segments: Sequence[str] | None = None,
) -> Live:
    """The evidence that `betting` declares, before its first pair.

    `closed` are the incumbent's scores on file in the drawn order, `segments` the requests' groups; `size` counts the
    requests of a window.
    """
    if betting.engine is Engine.CONSTANT:
        return Watch(margin, alpha, n_min=n_min)
    terms = Terms(
        margin=margin,
        alpha=alpha,
        share=betting.share,
        narrower=betting.narrower,
        wider=betting.wider,
        behind=betting.behind,
    )
    if betting.engine is Engine.REMAINING and size:
        return Window(terms, size=size, closed=closed, segments=segments, n_min=n_min)
    return Traffic(terms, closed=closed, n_max=n_max, n_min=n_min)
