"""A pilot's evidence read after every single pair, at well under a microsecond a pair and hypothesis.

The state is the histogram. Beside it each hypothesis keeps `reach`, an upper bound on its ln E: a pair cannot multiply
the capital by more than its best stake's factor, so as long as that bound is below the bar nothing can have been
proven, and the 32 stakes need not be looked at. When the bound touches the bar the exact value is taken from the
histogram. The outcome is that of computing everything after every pair.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from fairlead.core.evidence.bets import Floats, grid_table, log_prior, log_total
from fairlead.core.evidence.drift import Overlap
from fairlead.core.evidence.forecasting import Forecast, forecast
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.sequence import Charted, Evidence, Interval, places
from fairlead.core.evidence.settings import N_MIN, hundredths
from fairlead.core.evidence.verdict import CLAIMS, Claim, Judgement, disputed


class _Open:
    """A hypothesis not refuted so far."""

    __slots__ = ("claim", "gain", "reach", "table")

    def __init__(self, claim: Claim, margin: float) -> None:
        null = CLAIMS[claim]
        self.claim = claim
        self.table, self.gain = grid_table(null.theta(margin), null.sign)
        self.reach = 0.0


class Watch:
    """Evidence that is fed pair by pair, in the order the requests were drawn, and remembers what it has proven."""

    def __init__(self, margin: float, alpha: float = 0.05, q0: float = 0.25, *, n_min: int = N_MIN) -> None:
        self._plan = Evidence(margin=margin, alpha=alpha, q0=q0)
        self._n_min = n_min
        self._bar = self._plan.bar
        self._prior: Floats = log_prior(margin, q0)
        self._seen = [0] * 201
        self._order = array("d")
        self._n = 0
        self._claims: dict[Claim, int] = {}
        self._open = [_Open(claim, margin) for claim in CLAIMS]
        self._overlap = Overlap()
        self._looks: list[list[int]] = []
        self._next_look = max(n_min, 1)

    def add(self, difference: float) -> None:
        """Take in one pair: the candidate's score minus the incumbent's, in -1..1."""
        cell = hundredths(difference) + 100
        self._seen[cell] += 1
        self._order.append(difference)
        self._n += 1
        for hypothesis in self._open:
            hypothesis.reach += hypothesis.gain[cell]
            # Nothing is claimed before n_min pairs, so that whatever stops a pilot also holds on the pairs it stopped at.
            if hypothesis.reach >= self._bar and self._n >= self._n_min:
                self._look(hypothesis)
        if self._n == self._next_look:
            self._looks.append(self._seen.copy())
            self._next_look = max(self._n + 50, self._n * 5 // 4)

    @property
    def n(self) -> int:
        """Pairs taken in."""
        return self._n

    @property
    def claims(self) -> Mapping[Claim, int]:
        """What has been proven so far, with the pair that proved it."""
        return dict(self._claims)

    @property
    def decided(self) -> bool:
        """Whether the margin is decided: not worse by more than it, or worse by more than it."""
        return self._n >= self._n_min and (Claim.NOT_WORSE in self._claims or Claim.WORSE in self._claims)

    @property
    def strength(self) -> float:
        """Natural logarithm of the capital held now towards "not worse by more than the margin"."""
        return self.evidence.log_e(-self._plan.margin, 1)

    @property
    def torn(self) -> bool:
        """Whether the looks so far leave no mean over: the pairs cannot come from one."""
        return self._narrowed().conflict

    @property
    def room(self) -> int | None:
        """Pairs that can still be added: there is no end."""
        return None

    @property
    def counts(self) -> Histogram:
        """The differences so far, counted."""
        return self.evidence.counts

    def charted(self, points: int) -> tuple[Charted, ...]:
        """The interval at up to `points` places along the pairs; the last place is the last pair."""
        evidence, seen, found = self._as_evidence([0] * 201), 0, list[Charted]()
        for place in places(self._n, points):
            evidence = evidence.after(self._order[seen:place])
            seen, interval = place, evidence.interval()
            found.append(Charted(n=place, low=interval.low, mean=evidence.counts.mean or 0.0, high=interval.high))
        return tuple(found)

    def expects(self, *, seed: int = 0, paths: int = 400) -> Forecast:
        """More pairs until the margin is decided either way, continuing from here."""
        return self.forecaster(seed=seed, paths=paths)()

    def forecaster(self, *, seed: int = 0, paths: int = 400) -> Callable[[], Forecast]:
        """What works `expects` out from how things stand now; it may run on another thread while pairs are taken in."""
        return partial(forecast, self.evidence, seed=seed, paths=paths)

    @property
    def evidence(self) -> Evidence:
        """The pairs so far as `Evidence`."""
        return self._as_evidence(self._seen)

    def judgement(self) -> Judgement:
        """The verdict now: what has been proven at any look, with the interval of the pairs so far."""
        judged = self.evidence.judged(frozenset(self._claims), n_min=self._n_min)
        left = self._narrowed().after(Interval(low=judged.low, high=judged.high))
        return disputed(judged) if left.conflict else judged

    def _as_evidence(self, seen: list[int]) -> Evidence:
        counts = Histogram(counts={cell - 100: count for cell, count in enumerate(seen) if count})
        return Evidence(margin=self._plan.margin, alpha=self._plan.alpha, q0=self._plan.q0, counts=counts)

    def _narrowed(self) -> Overlap:
        """What the looks kept for this purpose leave over; fixed numbers of pairs, whenever a judgement is asked for."""
        for seen in self._looks:
            self._overlap = self._overlap.after(self._as_evidence(seen).interval())
        self._looks.clear()
        return self._overlap

    def _look(self, hypothesis: _Open) -> None:
        hypothesis.reach = log_total(hypothesis.table @ np.array(self._seen, dtype=np.float64) + self._prior)
        if hypothesis.reach >= self._bar:
            self._claims[hypothesis.claim] = self._n
            # A new list, for the loop in `add` still walks the old one.
            self._open = [other for other in self._open if other is not hypothesis]


class Ungraded(Watch):
    """Counts pairs whose differences nobody has told yet: people will. Nothing is read off them."""

    def __init__(self, margin: float, alpha: float) -> None:
        super().__init__(margin, alpha)
        self._counted = 0

    @property
    def n(self) -> int:
        """Pairs counted."""
        return self._counted

    def add(self, difference: float) -> None:
        """Count a pair."""
        del difference
        self._counted += 1

    def judgement(self) -> Judgement:
        """Undecided, after so many pairs."""
        return replace(super().judgement(), n=self._counted)
