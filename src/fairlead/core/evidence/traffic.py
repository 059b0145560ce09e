"""Evidence about *traffic like this*: the mean difference over the population that the logged requests were drawn from.

With the log's incumbent scores the variance can be cut for this question too. The log is itself a draw from the traffic, so
the mean guess over the whole log is not the mean over the traffic; but a few requests that are used for nothing else, drawn
afresh for each pair, have guesses whose mean is right on average. So each pair's guess is taken off and the mean guess of
its own small group (the pair's request and the fresh ones) is put back: the expected outcome is exactly the traffic's mean
difference, however wrong the guesses are. Fresh requests come from the end of the drawn order, and only as many as the pairs
still expected leave over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import Floats
from fairlead.core.evidence.control import Guess, checked_scores
from fairlead.core.evidence.settings import N_MAX, N_MIN, hundredths
from fairlead.core.evidence.stakes import Bounds, Ordered, Step, Terms

Cells: TypeAlias = npt.NDArray[np.int64]
_MOST_FRESH = 19
_WARM = 20
_DOUBT = 200
_PACE = 8.0
_SCORES: Floats = np.arange(101) / 100


class _Groups:
    """Which fresh requests each pair gets, and the guesses for every score the incumbent can have."""

    def __init__(self, scores: Floats) -> None:
        self._cells = np.rint(100 * scores).astype(np.int64)
        self.end = len(scores)
        # A rounded score may be off by half a hundredth, and so may a rounded difference.
        self._low, self._high = -_SCORES - 0.01, 1.01 - _SCORES
        rows = np.stack([np.ones(101), 2 * _SCORES - 1], axis=1)
        self._guess = Guess(rows, low=-_SCORES, high=1 - _SCORES, warm=_WARM)

    def outcome(self, place: int, difference: float, *, fresh: int) -> tuple[float, float, float]:
        """The outcome to bet on for the pair at `place`, with the bounds it was known to keep."""
        self._guess.refit()
        taken = self._cells[self.end - fresh : self.end]
        self.end -= fresh
        table, share = self._guess.values, fresh / (fresh + 1)
        cell = int(self._cells[place])
        low = float((self._low - share * table).min() + share * table.min())
        high = float((self._high - share * table).max() + share * table.max())
        self._guess.learn(cell, difference)
        return difference - share * float(table[cell]) + float(table[taken].sum()) / (fresh + 1), low, high


class Traffic(Ordered):
    """Evidence about traffic like the log, fed pair by pair in the drawn order.

    `closed` are the incumbent's scores on file of all logged requests in their drawn order (those to be drawn first are
    first). Without them plain differences are bet on, and there may be any number of pairs.
    """

    def __init__(
        self, terms: Terms, *, closed: Sequence[float] | None = None, n_max: int = N_MAX, n_min: int = N_MIN
    ) -> None:
        super().__init__(terms, n_min=n_min)
        self._n_max = n_max
        self._groups = None if closed is None else _Groups(checked_scores(closed))

    @property
    def room(self) -> int | None:
        """Pairs that the log still holds; `None` when no log was given."""
        return None if self._groups is None else self._groups.end - self.n

    def add(self, difference: float) -> None:
        """Take in the pair of the next request in the drawn order: candidate's score minus incumbent's."""
        rounded = hundredths(difference)
        z, low, high = rounded / 100, -1.0, 1.0
        if self._groups is not None:
            if not self.room:
                raise UsageError(
                    "The log is used up: every request was drawn or spent on a correction. A longer log can go on."
                )
            z, low, high = self._groups.outcome(self.n, z, fresh=self._fresh(self._groups.end - self.n - 1))
        self._took(Step(z=z, low=low, high=high, spread=self._spread.now), rounded)
        self._look()

    def bounds(self) -> Bounds:
        """Nothing is certain of further traffic; the guess of its mean is that of the outcomes so far."""
        return Bounds(n=self.n, middle=self._spread.mean)

    def _fresh(self, spare: int) -> int:
        """How many of the `spare` requests to spend on this pair: what the pairs still expected leave over, evenly.

        A function of past outcomes alone, so the bet stays fair.
        """
        if self.n < _WARM:
            return 0
        mean = self._spread.mean * self.n / (self.n + _DOUBT)
        expected = min(_PACE * self._spread.now / max((mean + self._game.terms.margin) ** 2, 1e-9), self._n_max)
        coming = max(expected, 1.0)
        return int(min(max(spare / coming - 1, 0), _MOST_FRESH, spare))
