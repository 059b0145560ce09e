"""Evidence about *exactly this window*: the mean difference over the logged requests themselves, and nothing beyond them.

The requests are drawn without replacement in a seeded order fixed in advance. Given the past, the next request is any of
the remaining ones with equal chance, so the conditional mean of its difference is exactly what the remaining requests must
average to: as the window empties the hypothesis runs out of room, and after the last request the mean is known. Guesses
from the incumbent's scores on file (`control`) take out the part of the variance they explain.

Everything is given in the drawn order, and pairs must be added in it, never in the order in which answers arrive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import Sign
from fairlead.core.evidence.control import Guess, checked_scores, features
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.sequence import Interval
from fairlead.core.evidence.settings import N_MIN, hundredths
from fairlead.core.evidence.stakes import Game, Spread, Step, Terms, read
from fairlead.core.evidence.verdict import CLAIMS, Claim, Judgement


class Window:
    """Evidence about the `size` logged requests, fed pair by pair in their drawn order.

    `closed` are the incumbent's scores on file, the very ones the differences use; `segments` the requests' groups.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        size: int,
        closed: Sequence[float] | None = None,
        segments: Sequence[str] | None = None,
        n_min: int = N_MIN,
    ) -> None:
        if size < 1 or (closed is not None and len(closed) != size):
            raise UsageError(f"A window of {size} requests needs {size} scores of the incumbent, or none.")
        scores = None if closed is None else checked_scores(closed)
        self._low = np.full(size, -1.0) if scores is None else np.rint(-100 * scores) / 100
        self._high = np.full(size, 1.0) if scores is None else np.rint(100 * (1 - scores)) / 100
        self._guess = Guess(features(scores, segments, size=size), low=self._low, high=self._high)
        self._game, self._spread, self._size = Game(terms, n_min=min(n_min, size)), Spread(), size
        self._sum = 0.0
        self._seen: Counter[int] = Counter()
        self._look_ahead(0)

    @property
    def n(self) -> int:
        """Pairs taken in."""
        return self._game.n

    @property
    def claims(self) -> Mapping[Claim, int]:
        """What has been proven so far, with the pair that proved it."""
        return dict(self._game.claims)

    @property
    def decided(self) -> bool:
        """Whether the margin is decided, or every request has been used."""
        return self.n == self._size or self._game.decided

    def add(self, difference: float) -> None:
        """Take in the pair of the next request in the drawn order: candidate's score minus incumbent's."""
        place, left = self.n, self._size - self.n
        if not left:
            raise UsageError(f"All {self._size} requests of this window have been used; nothing is left to add.")
        rounded = hundredths(difference) / 100
        if not self._low[place] <= rounded <= self._high[place]:
            raise UsageError(
                f"A difference of {difference:g} contradicts the incumbent's score on file for pair {place + 1}."
            )
        if self._guess.refit():
            self._look_ahead(place)
        self._settle(place, left, rounded)
        self._seen[hundredths(difference)] += 1

    def interval(self) -> Interval:
        """All means over the window that are not ruled out; a single value once every request has been used."""
        place = self.n
        low = (self._sum + float(self._low[place:].sum())) / self._size
        high = (self._sum + float(self._high[place:].sum())) / self._size
        guessed = (self._sum + float(self._guess.values[place:].sum())) / self._size
        if place in (0, self._size):
            return Interval(low=low, high=high)
        return self._game.interval(low=low, high=high, middle=guessed)

    def log_e(self, theta: float, sign: Sign) -> float:
        """Natural logarithm of the e-value against "the window's mean is at most theta" (`sign` +1) or "at least" (-1)."""
        return self._game.log_e(theta, sign)

    def judgement(self) -> Judgement:
        """The verdict now; exact, whatever was claimed before, once every request has been used."""
        claims = frozenset(self._game.claims) if self.n < self._size else self._counted()
        return read(self._game, self._seen, self.interval(), claims=claims)

    @property
    def evidence(self) -> Histogram:
        """The differences so far, counted."""
        return Histogram(counts=self._seen)

    def _settle(self, place: int, left: int, difference: float) -> None:
        mean_guess = float(self._guess_left[place]) / left
        step = Step(
            z=difference - float(self._guess.values[place]) + mean_guess,
            low=self._bottom + mean_guess,
            high=self._top + mean_guess,
            spread=self._spread.now,
            stretch=self._size / left,
            shift=self._sum / left,
        )
        self._game.settle(step)
        self._spread.learn(step.z)
        self._guess.learn(place, difference)
        self._sum += difference

    def _look_ahead(self, place: int) -> None:
        """Sums and bounds of what the guesses leave over the remaining requests; the set is known, the order unused."""
        guess = self._guess.values
        self._guess_left = np.cumsum(guess[::-1])[::-1]
        self._bottom = float((self._low - guess)[place:].min())
        self._top = float((self._high - guess)[place:].max())

    def _counted(self) -> frozenset[Claim]:
        """The claims that are true of the window, when all of it has been seen."""
        mean = self._sum / self._size
        margin = self._game.terms.margin
        return frozenset(claim for claim, null in CLAIMS.items() if null.sign * (mean - null.theta(margin)) > 0)
