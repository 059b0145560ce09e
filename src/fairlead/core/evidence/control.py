"""What is known of a request before the candidate answers it, turned into a guess of the difference.

The incumbent's score is on file for every logged request, and it says a lot about the difference: where the incumbent
failed the candidate can only gain. A ridge regression, fitted on past pairs only, turns that score and the request's segment
into a guess. A guess that is wrong costs pairs and never validity, for the bets subtract it and add its known mean back.

Everything is in the order in which the requests are drawn, and a guess is fixed before its difference is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fairlead.core.errors import UsageError
from fairlead.core.evidence.bets import Floats
from fairlead.core.evidence.settings import finite

_RIDGE = 6.0
_WARM = 20
_TRUSTED = 30
_TOP_SEGMENTS = 8
_FEWEST, _MOST = 0.04, 0.96


def checked_scores(closed: Sequence[float]) -> Floats:
    """The incumbent's scores as an array, when all lie in 0..1."""
    scores = np.array(finite(closed, what="The incumbent's scores"))
    if len(scores) and not 0 <= scores.min() <= scores.max() <= 1:
        raise UsageError("The incumbent's scores must lie in 0..1; one does not.")
    return scores


def features(closed: Floats | None, segments: Sequence[str] | None, *, size: int) -> Floats:
    """One row per request: 1, the incumbent's score, its commonest segments, and score by segment; standardised."""
    dummies = [_standard(column) for column in _dummies(segments or (), size)]
    if closed is None:
        columns = dummies
    else:
        columns = [_standard(closed), *dummies, *((closed - closed.mean()) * dummy for dummy in dummies[:4])]
    return np.stack([np.ones(size), *columns], axis=1)


def _dummies(segments: Sequence[str], size: int) -> list[Floats]:
    if segments and len(segments) != size:
        raise UsageError(f"{len(segments)} segments were given for {size} requests; each request needs one.")
    common = Counter(segments).most_common(_TOP_SEGMENTS)
    named = np.array(segments)
    return [(named == name).astype(np.float64) for name, count in common if _FEWEST <= count / size <= _MOST]


def _standard(column: Floats) -> Floats:
    spread = float(column.std())
    standard: Floats = (column - column.mean()) / (spread if spread > 1e-9 else 1.0)
    return standard


class Guess:
    """A guess of the difference for every row of features, refitted now and then on the pairs settled so far."""

    def __init__(self, rows: Floats, *, low: Floats, high: Floats, warm: int = _WARM, ridge: float = _RIDGE) -> None:
        width = rows.shape[1]
        self.values: Floats = np.zeros(len(rows))
        self._rows, self._low, self._high, self._warm = rows, low, high, warm
        self._penalty = np.diag([1e-6, *[ridge] * (width - 1)])
        self._gram, self._moment = np.zeros((width, width)), np.zeros(width)
        self._raw: Floats = np.zeros(len(rows))
        self._n = 0
        self._next = warm if width > 1 else None
        self._honest: list[tuple[float, float]] = []

    def refit(self) -> bool:
        """Refit on the past when it is time to; whether it was. Asked before the next request is looked at."""
        if self._next is None or self._n < self._next:
            return False
        weights = np.linalg.solve(self._gram + self._penalty, self._moment)
        self._raw = np.clip(self._rows @ weights, self._low, self._high)
        self.values = self._slope() * self._raw
        self._next = max(self._n + 25, int((self._n + 1) * 1.12) - 1)
        return True

    def learn(self, row: int, difference: float) -> None:
        """Take in the difference of a request with these features after it was bet on."""
        if self._n > self._warm:
            self._honest.append((difference, float(self._raw[row])))
        known = self._rows[row]
        self._gram += np.outer(known, known)
        self._moment += known * difference
        self._n += 1

    def _slope(self) -> float:
        """How far past guesses, each made before its difference was seen, can be trusted: 0 (not at all) to 1."""
        if len(self._honest) <= _TRUSTED:
            return 1.0
        seen, guessed = np.array(self._honest).T
        guessed = guessed - guessed.mean()
        variance = float((guessed**2).mean())
        return 0.0 if variance < 1e-9 else float(np.clip((guessed * seen).mean() / variance, 0, 1))
