"""From one candidate's evidence and money to what to do: move, stay or wait, why, and the next step in words.

The rules are read in order; the first that applies speaks. Words here are for people who decide about money.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairlead.core.evidence import Floor, Judgement, VerdictKind
from fairlead.core.evidence.voice import PEOPLE, said
from fairlead.core.money import people
from fairlead.core.moves import Action, Forecasted, PilotFacts
from fairlead.core.nouns import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the rules look at: the pilot, its money, whether it is on the list of `entries` out of `declared` questions."""

    pilot: PilotFacts
    money: Forecasted
    listed: bool
    entries: int
    declared: int
    alpha: float
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do, why, and the next step."""

    action: Action
    reason: str
    next: str


def advise(case: Case) -> Advice:
    """What the plan says about one candidate for one workload."""
    for rule in _RULES:
        advice = rule(case)
        if advice is not None:
            return advice
    return _undecided(case)


def _not_run(case: Case) -> Advice | None:
    if case.pilot.judgement is not None and case.pilot.judgement.n:
        return None
    if case.pilot.reviewed is not None and case.pilot.reviewed.shown:
        return Advice(
            action=Action.WAIT, reason="nobody has looked at its pairs yet", next="let people look: fairlead review"
        )
    return Advice(action=Action.WAIT, reason="declared, no pairs yet", next="run its pilot: fairlead pilot NAME")


def _out_of_date(case: Case) -> Advice | None:
    if not case.pilot.out_of_date:
        return None
    return Advice(
        action=Action.WAIT,
        reason="verdict out of date: " + "; ".join(case.pilot.out_of_date),
        next="pilot it again: what it was decided on has changed",
    )


def _conflict(case: Case) -> Advice | None:
    if not _judged(case).conflict:
        return None
    return Advice(
        action=Action.WAIT,
        reason="the pairs contradict each other: traffic or grader changed during the pilot",
        next="find what changed, then pilot it again",
    )


def _worse(case: Case) -> Advice | None:
    if not _judged(case).by_more_than_margin:
        return None
    return Advice(
        action=Action.STAY,
        reason=f"{_said(case)} by more than the margin of {points(case.pilot.margin)}",
        next="stay; try another candidate if the spend is worth it",
    )


def _blocked(case: Case) -> Advice | None:
    """A good mean with a segment in the way: failing ones keep the workload where it is, open ones need pairs."""
    judged = _judged(case)
    if not judged.blocked or judged.verdict not in {VerdictKind.OPEN_LEADS, VerdictKind.EQUIVALENT}:
        return None
    if any(segment.state is Floor.FAILS for segment in judged.segments):
        return Advice(
            action=Action.STAY,
            reason=f"{judged.verdict} on the whole, but {judged.blocked}",
            next="stay, or make that segment a workload of its own and move the rest",
        )
    return Advice(
        action=Action.WAIT, reason=f"{judged.verdict} on the whole, but {judged.blocked}", next="continue its pilot"
    )


def _dearer(case: Case) -> Advice | None:
    saving = case.money.saving
    if not _judged(case).replace_ok or saving is None or saving.value >= 0:
        return None
    extra = people(Money(amount=-saving.value, currency=case.currency), cents=False)
    return Advice(
        action=Action.STAY,
        reason=f"{_said(case)}, but it costs {extra} a month more",
        next="stay for the money; move only if the answers are worth that",
    )


def _listed(case: Case) -> Advice | None:
    if not case.listed:
        return None
    priced = case.money.saving is not None
    return Advice(
        action=Action.MOVE,
        reason=_said(case),
        next="move it now" if priced else f"ready to move; {case.money.unknown}",
    )


def _proven_alone(case: Case) -> Advice | None:
    if not _judged(case).replace_ok:
        return None
    return Advice(
        action=Action.WAIT,
        reason=f"{_said(case)} on its own, not yet among {case.declared} questions asked at once",
        next="begin it anew with a smaller --alpha: pairs chosen for segments add nothing to its mean"
        if _judged(case).segments
        else _pairs(case, more_for_list(case.pilot, case.declared / (case.entries + 1), case.alpha)),
    )


def _closed_leads(case: Case) -> Advice | None:
    if _judged(case).verdict is not VerdictKind.CLOSED_LEADS:
        return None
    return Advice(
        action=Action.WAIT,
        reason=f"{_said(case)}, but perhaps by less than the margin of {points(case.pilot.margin)}",
        next=_more(case),
    )


def _undecided(case: Case) -> Advice:
    return Advice(action=Action.WAIT, reason=_said(case), next=_more(case))


_RULES: Sequence[Callable[[Case], Advice | None]] = (
    _not_run,
    _out_of_date,
    _conflict,
    _worse,
    _blocked,
    _dearer,
    _listed,
    _proven_alone,
    _closed_leads,
)


def _judged(case: Case) -> Judgement:
    assert case.pilot.judgement is not None
    return case.pilot.judgement


def _said(case: Case) -> str:
    """The verdict in short, as whoever came to it says it."""
    return said(_judged(case).verdict, case.pilot.speaker)


def _more(case: Case) -> str:
    """How many more pairs, from the forecast."""
    forecast, people = case.pilot.forecast, case.pilot.reviewed
    if people is not None and case.pilot.speaker == PEOPLE:
        if people.more_labels is None:
            return "let people look at its pairs: fairlead review"
        return f"about {rounded(people.more_labels):,} more answers from people: fairlead review"
    if forecast is None:
        return "continue its pilot"
    if forecast.median is None:
        return "over 20,000 more pairs: too close to the margin to tell; widen the margin or leave it"
    return _pairs(case, forecast.median)


def _pairs(case: Case, more: int) -> str:
    """`about N more pairs`, with what the log and the pilot's limit allow."""
    left, judged = case.pilot.distinct_left, _judged(case)
    about = f"about {rounded(more):,} more pairs" if more >= 10 else "a few more pairs"
    if left is not None and left < more:
        return f"{about}; needs {rounded(more - left):,} more distinct requests than the log holds"
    if judged.n + more > case.pilot.n_max:
        return f"{about}, beyond the limit of {case.pilot.n_max:,} it was set"
    return about


def more_for_list(pilot: PilotFacts, share: float, alpha: float) -> int:
    """Pairs until a proven claim is strong enough to join the list, at the pace so far.

    The log of an e-value grows in proportion to the pairs. The bar for one more entry is ln(`share` / alpha), where
    `share` is the number of questions for each entry the list would then have.
    """
    judged = pilot.judgement
    if judged is None or judged.log_e_replace <= 0:
        return pilot.n_max
    return max(1, math.ceil(judged.n * (math.log(share / alpha) / judged.log_e_replace - 1)))


def rounded(count: int) -> int:
    """To two leading digits, for a forecast is no more exact than that."""
    if count < 10:
        return count
    step: int = 10 ** (len(str(count)) - 2)
    return round(count / step) * step


def points(share: float) -> str:
    """A share as points: `3 points`, `2.5 points`."""
    number = f"{share * 100:.1f}".removesuffix(".0")
    return f"{number} point" if number == "1" else f"{number} points"
