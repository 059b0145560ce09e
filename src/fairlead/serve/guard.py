"""What is watched while a candidate answers callers, and when it has crossed its bound. Pure.

Five guards run on one engine (`core.evidence.canary`): the *quality* of graded pairs, and four guardrails. In the canary
they share `alpha`: the chance that any of them ever raises a false alarm is at most that. After the move they share a budget
of false alarms a year. Quality gets half of either, for it is what a move is about; each guardrail an eighth.

What a guard is fed is a difference in -1..1 whose mean says how much worse the candidate is:

| guard | fed by | -1 when | +1 when | tolerated |
|---|---|---|---|---|
| quality | graded pairs | the incumbent's answer is right and the candidate's is not | the other way round | the margin of its verdict |
| refusals | pairs | only the candidate refused | only the incumbent refused | `refusals` |
| errors | every call the candidate was asked | it failed (whoever answered the caller then) | never | `errors` |
| slow | every call it answered | the answer took more than `slow_s` | never | `slow` |
| schema | every call that asked for JSON | it was no JSON, or broke the schema | never | `schema` |

One pair of a conversation counts and no more, in the order of the requests (`line`). Processes collect a `Stretch` each and
lay them onto the shared state in the ledger; the alarm is read there and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self, TypeAlias

from fairlead.core.errors import UsageError
from fairlead.core.evidence.canary import Canary, Guard, Stretch
from fairlead.core.nouns import JSON
from fairlead.serve.snapshot import Stage


class Watched(StrEnum):
    """What a guard watches."""

    QUALITY = "quality"
    ERRORS = "errors"
    SLOW = "slow"
    REFUSALS = "refusals"
    SCHEMA = "schema"


PAIRED = frozenset({Watched.QUALITY, Watched.REFUSALS})
"""Guards that need both sides' answers; the others see every call the candidate was asked."""

SHARES: Mapping[Watched, float] = {
    Watched.QUALITY: 0.5,
    Watched.ERRORS: 0.125,
    Watched.SLOW: 0.125,
    Watched.REFUSALS: 0.125,
    Watched.SCHEMA: 0.125,
}
"""How the chance of a false alarm is shared out; the sum is 1."""

SAYS: Mapping[Watched, str] = {
    Watched.QUALITY: "its answers grade worse than the incumbent's by more than {tolerance}",
    Watched.ERRORS: "more than {tolerance} of the calls it was asked failed",
    Watched.SLOW: "more than {tolerance} of its answers took longer than {slow_s:g} s",
    Watched.REFUSALS: "it refuses more often than the incumbent by more than {tolerance}",
    Watched.SCHEMA: "more than {tolerance} of its JSON answers were broken",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is declared before the first pair of a stage, and kept for as long as the stage lasts.

    `horizon` counts graded pairs of the canary. `calls_per_pair` says how many calls the candidate answers for each pair
    that is graded; `pairs_per_year` how many pairs a year the permanent guard is planned for.
    """

    stage: Stage
    quality: float = 0.03
    errors: float = 0.02
    slow: float = 0.05
    refusals: float = 0.03
    schema: float = 0.02
    slow_s: float = 60.0
    alpha: float = 0.01
    horizon: int = 500
    false_alarms_per_year: float = 1.0
    pairs_per_year: float = 20_000.0
    calls_per_pair: float = 2.0

    def tolerance(self, what: Watched) -> float:
        """The mean loss that a guard tolerates."""
        return {
            Watched.QUALITY: self.quality,
            Watched.ERRORS: self.errors,
            Watched.SLOW: self.slow,
            Watched.REFUSALS: self.refusals,
            Watched.SCHEMA: self.schema,
        }[what]

    def guard(self, what: Watched) -> Guard:
        """The engine's settings for one guard."""
        per = 1.0 if what in PAIRED else max(self.calls_per_pair, 1.0)
        if self.stage is Stage.CANARY:
            horizon = max(1, math.ceil(self.horizon * per))
            return Guard.canary(tolerance=self.tolerance(what), horizon=horizon, alpha=self.alpha * SHARES[what])
        return Guard.permanent(
            tolerance=self.tolerance(what),
            pairs_per_year=self.pairs_per_year * per,
            false_alarms_per_year=self.false_alarms_per_year * SHARES[what],
        )

    def says(self, what: Watched) -> str:
        """What it means that a guard crossed, in words."""
        return SAYS[what].format(tolerance=_points(self.tolerance(what), what), slow_s=self.slow_s)

    def to_json(self) -> dict[str, JSON]:
        """The terms as JSON values; `from_json` reads them back."""
        return dict(asdict(self))

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> Self:
        """The terms that `to_json` wrote."""
        known = {name: item for name, item in value.items() if name in cls.__dataclass_fields__ and name != "stage"}
        return cls(stage=Stage(str(value["stage"])), **known)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


Differences: TypeAlias = Mapping[Watched, float]
"""What one pair or one call shows: a difference for each guard that it is about."""


def of_pair(*, difference: float | None, candidate_refused: bool, incumbent_refused: bool) -> Differences:
    """What a pair shows; `difference` is `None` where it could not be graded."""
    shown = {Watched.REFUSALS: float(incumbent_refused) - float(candidate_refused)}
    if difference is not None:
        shown[Watched.QUALITY] = difference
    return shown


def of_call(*, failed: bool, latency_s: float | None, slow_s: float, schema_broken: bool | None) -> Differences:
    """What a call that the candidate was asked shows; `schema_broken` is `None` where no JSON was asked for."""
    shown = {Watched.ERRORS: -float(failed)}
    if not failed and latency_s is not None:
        shown[Watched.SLOW] = -float(latency_s > slow_s)
    if not failed and schema_broken is not None:
        shown[Watched.SCHEMA] = -float(schema_broken)
    return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one process has seen for a while, ready to be laid onto the shared state."""

    stretches: Mapping[Watched, Stretch]
    sums: Mapping[Watched, float]


class Collected:
    """What one process has seen since it last laid it onto the shared state."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._stretches: dict[Watched, Stretch] = {}
        self._sums: dict[Watched, float] = {}

    def add(self, shown: Differences) -> None:
        """Take in what a pair or a call shows."""
        for what, difference in shown.items():
            stretch = self._stretches.get(what)
            if stretch is None:
                stretch = self._stretches[what] = Stretch(self.terms.guard(what))
            stretch.add(max(-1.0, min(1.0, difference)))
            self._sums[what] = self._sums.get(what, 0.0) + difference

    @property
    def empty(self) -> bool:
        """Whether there is nothing to lay."""
        return not self._stretches

    def take(self) -> Batch:
        """What was collected; from here on it begins anew."""
        taken = Batch(stretches=self._stretches, sums=self._sums)
        self._stretches, self._sums = {}, {}
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one guard stands: `n` differences so far, `level` of the `bar` at which it crosses; `crossed_at` once it has."""

    what: Watched
    n: int
    level: float
    bar: float
    crossed_at: int | None = None
    horizon: int | None = None
    tolerance: float = 0.0
    mean: float | None = None


class Guards:
    """The shared state of a stage's guards: laid onto, read, kept as JSON."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._guards = {what: Canary(terms.guard(what)) for what in Watched}
        self._sums = dict.fromkeys(Watched, 0.0)

    def lay(self, batch: Batch) -> None:
        """Take in what a process has collected."""
        for what, stretch in batch.stretches.items():
            self._guards[what].lay(stretch)
            self._sums[what] += batch.sums[what]

    @property
    def crossed(self) -> tuple[Reading, ...]:
        """The guards that crossed their bound."""
        return tuple(reading for reading in self.readings() if reading.crossed_at is not None)

    @property
    def pairs(self) -> int:
        """Graded pairs so far."""
        return self._guards[Watched.QUALITY].n

    @property
    def lasted(self) -> bool:
        """Whether a canary has gone its horizon of graded pairs and none of its guards has crossed."""
        horizon = self.terms.horizon if self.terms.stage is Stage.CANARY else None
        return horizon is not None and self.pairs >= horizon and not self.crossed

    def readings(self) -> tuple[Reading, ...]:
        """How every guard stands."""
        return tuple(
            Reading(
                what=what,
                n=state.n,
                level=state.level,
                bar=state.guard.bar,
                crossed_at=state.alarm_at,
                horizon=state.guard.horizon,
                tolerance=state.guard.tolerance,
                mean=self._sums[what] / state.n if state.n else None,
            )
            for what, state in self._guards.items()
        )

    def to_json(self) -> dict[str, JSON]:
        """The state as JSON values; `from_json` reads it back."""
        return {
            "terms": self.terms.to_json(),
            "guards": {what.value: state.to_json() for what, state in self._guards.items()},
            "sums": {what.value: total for what, total in self._sums.items()},
        }

    @classmethod
    def from_json(cls, value: JSON) -> Self:
        """The state that `to_json` wrote."""
        raw = value if isinstance(value, dict) else {}
        terms, states, sums = raw.get("terms"), raw.get("guards"), raw.get("sums")
        if not (isinstance(terms, dict) and isinstance(states, dict) and isinstance(sums, dict)):
            raise UsageError("This is no state of guards written by Fairlead.")
        found = cls(Terms.from_json(terms))
        for what in Watched:
            state, total = states.get(what.value), sums.get(what.value)
            if isinstance(state, dict):
                found._guards[what] = Canary.from_json(found.terms.guard(what), state)
            if isinstance(total, (int, float)):
                found._sums[what] = float(total)
        return found


def why(crossed: Iterable[Reading], terms: Terms) -> str:
    """Why a route goes back, in one sentence.

    >>> reading = Reading(what=Watched.ERRORS, n=60, level=9000.0, bar=800.0, crossed_at=57, mean=-0.35)
    >>> why([reading], Terms(stage=Stage.CANARY))
    'more than 2 % of the calls it was asked failed (21 of 60; seen after 57 calls)'
    """
    return "; ".join(f"{terms.says(reading.what)} ({_counted(reading)})" for reading in crossed)


def _counted(reading: Reading) -> str:
    """What a guard saw: of pairs the mean difference, of calls how many."""
    paired = reading.what in PAIRED
    seen = f"seen after {reading.crossed_at} {'pairs' if paired else 'calls'}"
    if reading.mean is None:
        return seen
    if paired:
        return f"by {-100 * reading.mean:.1f} points over {reading.n} pairs; {seen}"
    return f"{-reading.mean * reading.n:.0f} of {reading.n}; {seen}"


def _points(tolerance: float, what: Watched) -> str:
    return f"{100 * tolerance:.3g} {'points' if what in PAIRED else '%'}"
