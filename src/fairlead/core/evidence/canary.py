"""A guard over traffic that has been moved: raises an alarm when the open model has become worse than tolerated.

A loss of quality may begin at any time, so the gambler puts a little fresh capital in at every pair and bets that from now on
the difference is below minus the tolerance. Two ways to spend:

- a *canary* runs over a planned number of pairs and spends a capital of 1 in all, half at once and half evenly. What is
  staked and what is kept together form a supermartingale, so the chance of *any* false alarm is at most `alpha`.
- *permanent* monitoring puts in 1 at every pair and raises the alarm at `bar`; false alarms are then at least `bar` pairs apart on
  average. With the pairs of a year as the bar that is at most one false alarm a year.

Both hold while every conditional mean is at least minus the tolerance: feed at most one pair of a conversation, in the order of the
requests. The same guard watches errors, latency or refusals: feed -1 when only the open model failed, 0 when both or neither did.

Processes of a gateway each collect a `Stretch`; stretches are affine maps of the capital, so they join in any grouping and
are laid onto the shared state one after another. The alarm is read from the shared state, not from a process's own view, for
every further view would be a further chance of a false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.core.errors import UsageError
from fairlead.core.evidence.settings import checked_alpha, checked_margin, finite
from fairlead.core.nouns import JSON

_STAKES = tuple(0.02 * (0.9 / 0.02) ** (place / 15) for place in range(16))
_WEIGHT = 1 / len(_STAKES)
_TOP = 1e100
_CHECKED = 512
_FIRST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What is declared before the first pair: the tolerated mean loss, the alarm's bar and how fresh capital is put in.

    Made by `canary` or `permanent`.
    """

    tolerance: float
    bar: float
    first: float
    each: float
    horizon: int | None

    @classmethod
    def canary(cls, *, tolerance: float, horizon: int, alpha: float = 0.01) -> Guard:
        """A guard over `horizon` pairs whose chance of any false alarm is at most `alpha`."""
        if horizon < 1:
            raise UsageError(
                f"horizon = {horizon} cannot be used; set it to the number of graded pairs planned, such as 20000."
            )
        bar = 1 / checked_alpha(alpha)
        return cls(
            tolerance=checked_margin(tolerance), bar=bar, first=_FIRST, each=(1 - _FIRST) / horizon, horizon=horizon
        )

    @classmethod
    def permanent(cls, *, tolerance: float, pairs_per_year: float, false_alarms_per_year: float = 1.0) -> Guard:
        """A guard without end that raises at most so many false alarms a year, on average."""
        if not (pairs_per_year > 0 and 0 < false_alarms_per_year < math.inf):
            raise UsageError(
                "Permanent monitoring needs the graded pairs of a year and a false-alarm budget, both above 0."
            )
        bar = max(pairs_per_year / false_alarms_per_year, 1.0)
        return cls(tolerance=checked_margin(tolerance), bar=bar, first=0.0, each=1.0, horizon=None)

    def factors(self, difference: float) -> tuple[float, ...]:
        """What each stake gains from a difference; none is below 0.1."""
        if not -1 <= difference <= 1:
            raise UsageError(
                f"A difference of {difference} cannot be used; it is the candidate's score minus the incumbent's, in -1..1."
            )
        return tuple(1 - stake * (difference + self.tolerance) / (1 + self.tolerance) for stake in _STAKES)


class Stretch:
    """What a run of pairs does to the capital: multiplies it by `gain` and adds `fresh`, stake by stake."""

    __slots__ = ("_cache", "fresh", "gain", "guard", "n")

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.n = 0
        self.gain = [1.0] * len(_STAKES)
        self.fresh = [0.0] * len(_STAKES)
        self._cache: dict[float, tuple[float, ...]] = {}

    def add(self, difference: float) -> None:
        """Take in one pair."""
        factors = _looked_up(self._cache, self.guard, difference)
        each = self.guard.each * _WEIGHT
        self.gain = [gain * factor for gain, factor in zip(self.gain, factors, strict=True)]
        self.fresh = [(fresh + each) * factor for fresh, factor in zip(self.fresh, factors, strict=True)]
        self.n += 1
        if self.n % _CHECKED == 0:
            self.gain, self.fresh = _capped(self.gain), _capped(self.fresh)

    def then(self, other: Stretch) -> Stretch:
        """This stretch followed by another, as one."""
        _same(self.guard, other.guard)
        joined = Stretch(self.guard)
        joined.n = self.n + other.n
        joined.gain = _capped([a * b for a, b in zip(self.gain, other.gain, strict=True)])
        joined.fresh = _capped([a * g + b for a, g, b in zip(self.fresh, other.gain, other.fresh, strict=True)])
        return joined

    def to_json(self) -> dict[str, JSON]:
        """The stretch as JSON values; `from_json` reads it back."""
        return {"n": self.n, "gain": list(self.gain), "fresh": list(self.fresh)}

    @classmethod
    def from_json(cls, guard: Guard, value: Mapping[str, JSON]) -> Stretch:
        """The stretch that `to_json` wrote, under the same guard."""
        stretch = cls(guard)
        stretch.n, stretch.gain, stretch.fresh = _count(value, "n"), _column(value, "gain"), _column(value, "fresh")
        return stretch


class Canary:
    """The shared state of a guard: fed pair by pair, or stretch by stretch. An alarm, once raised, stays.

    After an alarm nothing more is bet; a new guard starts afresh.
    """

    __slots__ = ("_cache", "_capital", "_rest", "alarm_at", "guard", "n")

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.n = 0
        self.alarm_at: int | None = None
        self._capital = [guard.first * _WEIGHT] * len(_STAKES)
        self._rest = 1 - guard.first if guard.horizon is not None else 0.0
        self._cache: dict[float, tuple[float, ...]] = {}

    @property
    def level(self) -> float:
        """What has been won and kept so far; the alarm is raised at `guard.bar`."""
        return sum(self._capital) + self._rest

    def add(self, difference: float) -> bool:
        """Take in one pair (candidate's score minus incumbent's); whether the alarm is raised."""
        if self.alarm_at is None:
            factors = _looked_up(self._cache, self.guard, difference)
            each = self._put_in(1) * _WEIGHT
            self._capital = [(held + each) * factor for held, factor in zip(self._capital, factors, strict=True)]
            self._read()
        return self.alarm_at is not None

    def lay(self, stretch: Stretch) -> bool:
        """Take in a stretch that a process has collected; whether the alarm is raised."""
        _same(self.guard, stretch.guard)
        if self.alarm_at is None and stretch.n:
            share = self._put_in(stretch.n) / (self.guard.each * stretch.n)
            columns = zip(self._capital, stretch.gain, stretch.fresh, strict=True)
            self._capital = [held * gain + share * fresh for held, gain, fresh in columns]
            self._read()
        return self.alarm_at is not None

    def to_json(self) -> dict[str, JSON]:
        """The state as JSON values; `from_json` reads it back."""
        return {"n": self.n, "alarm_at": self.alarm_at, "rest": self._rest, "capital": list(self._capital)}

    @classmethod
    def from_json(cls, guard: Guard, value: Mapping[str, JSON]) -> Canary:
        """The state that `to_json` wrote, under the same guard."""
        canary = cls(guard)
        canary.n, canary._capital = _count(value, "n"), _column(value, "capital")
        (canary._rest,) = finite([_number(value, "rest")], what="A canary's state")
        canary.alarm_at = None if value.get("alarm_at") is None else _count(value, "alarm_at")
        return canary

    def _put_in(self, pairs: int) -> float:
        """The fresh capital for so many more pairs, counted; past the horizon there is none."""
        self.n += pairs
        if self.guard.horizon is None:
            return self.guard.each * pairs
        spent = min(self.guard.each * pairs, self._rest)
        self._rest -= spent
        return spent

    def _read(self) -> None:
        if sum(self._capital) + self._rest >= self.guard.bar:
            self.alarm_at = self.n
            self._capital = _capped(self._capital)


def split_difference(score: float, *, candidate: bool, share: float) -> float:
    """One graded answer of a randomised split as a difference, where the candidate gets `share` of the requests.

    Its mean is the mean difference times the smaller share; scale the tolerance likewise.
    """
    if not (0 < share < 1 and 0 <= score <= 1):
        raise UsageError("A split needs the candidate's share strictly between 0 and 1, and a score in 0..1.")
    smaller = min(share, 1 - share)
    return score * smaller / share if candidate else -score * smaller / (1 - share)


def _capped(capital: list[float]) -> list[float]:
    """Capital cut to what a float can carry through the next pairs; giving money away keeps the game fair."""
    return [min(held, _TOP) for held in capital]


def _looked_up(cache: dict[float, tuple[float, ...]], guard: Guard, difference: float) -> tuple[float, ...]:
    factors = cache.get(difference)
    if factors is None:
        factors = guard.factors(difference)
        if len(cache) < 1000:
            cache[difference] = factors
    return factors


def _same(one: Guard, other: Guard) -> None:
    if one != other:
        raise UsageError("Stretches of another guard cannot be joined; tolerance, bar and horizon must be the same.")


def _number(value: Mapping[str, JSON], name: str) -> float:
    found = value.get(name)
    if not isinstance(found, (int, float)):
        raise UsageError(f"This is no canary's state written by Fairlead: {name} is missing.")
    return float(found)


def _count(value: Mapping[str, JSON], name: str) -> int:
    return int(_number(value, name))


def _column(value: Mapping[str, JSON], name: str) -> list[float]:
    found = value.get(name)
    numbers = [item for item in found if isinstance(item, (int, float))] if isinstance(found, list) else []
    if len(numbers) != len(_STAKES):
        raise UsageError(f"This is no canary's state written by Fairlead: {name} does not hold {len(_STAKES)} numbers.")
    return finite(numbers, what=f"A canary's {name}")
