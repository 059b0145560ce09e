"""Evidence about *exactly this window*: the mean difference over the logged requests themselves, and nothing beyond them.

The requests are drawn without replacement in a seeded order fixed in advance. Given the past, the next request is any of
the remaining ones with equal chance, so the conditional mean of its difference is exactly what the remaining requests must
average to: as the window empties the hypothesis runs out of room, and after the last request the mean is known. Guesses
from the incumbent's scores on file (`control`) take out the part of the variance they explain.

Everything is given in the drawn order, and pairs must be added in it, never in the order in which answers arrive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import Floats
from fairlead.core.evidence.control import Guess, checked_scores, features
from fairlead.core.evidence.sequence import Interval
from fairlead.core.evidence.settings import N_MIN, hundredths
from fairlead.core.evidence.stakes import Bounds, Ordered, Step, Terms
from fairlead.core.evidence.verdict import CLAIMS, Claim, Judgement


class Window(Ordered):
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
        super().__init__(terms, n_min=min(n_min, size))
        self._size = size
        self._sum = 0.0
        self._sure = np.stack([_left_over(self._low), _left_over(self._high)])
        self._look_ahead(0)

    @property
    def decided(self) -> bool:
        """Whether the margin is decided, or every request has been used."""
        return self.n == self._size or self._game.decided

    @property
    def room(self) -> int:
        """Requests of the window that are not used yet."""
        return self._size - self.n

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
        self._look()

    def bounds(self) -> Bounds:
        """The least and the most that the window's mean can still be; one value once every request has been used."""
        low, high = (self._sum + self._sure[:, self.n]) / self._size
        guessed = (self._sum + float(self._guess_left[self.n])) / self._size
        return Bounds(n=self.n, low=float(low), high=float(high), middle=guessed)

    def interval(self) -> Interval:
        """All means over the window that are not ruled out; a single value once every request has been used."""
        bounds = self.bounds()
        if self.n in (0, self._size):
            return Interval(low=bounds.low, high=bounds.high)
        return self._game.interval(bounds)

    def judgement(self) -> Judgement:
        """The verdict now; exact, whatever was claimed before, once every request has been used."""
        if self.n == self._size:
            return self._read(self.interval(), self._counted())
        return super().judgement()

    def _left(self) -> int:
        return self.room

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
        self._took(step, round(100 * difference))
        self._guess.learn(place, difference)
        self._sum += difference

    def _look_ahead(self, place: int) -> None:
        """Sums and bounds of what the guesses leave over the remaining requests; the set is known, the order unused."""
        guess = self._guess.values
        self._guess_left = _left_over(guess)
        self._bottom = float((self._low - guess)[place:].min())
        self._top = float((self._high - guess)[place:].max())

    def _counted(self) -> frozenset[Claim]:
        """The claims that are true of the window, when all of it has been seen."""
        mean = self._sum / self._size
        margin = self._game.terms.margin
        return frozenset(claim for claim, null in CLAIMS.items() if null.sign * (mean - null.theta(margin)) > 0)


def _left_over(values: Floats) -> Floats:
    """The sum of the values from each place on; 0 after the last."""
    sums: Floats = np.append(np.cumsum(values[::-1])[::-1], 0.0)
    return sums
