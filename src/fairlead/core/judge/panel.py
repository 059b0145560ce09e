"""From what judges said of a pair to one preference; and the pairs nobody has to be asked about. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.core.errors import UsageError
from fairlead.core.judge.shown import Shown, answer_text
from fairlead.core.nouns import JSON, Answer, Combine, Grade, Judged, Opinion, Request

PEOPLE = "people"
"""The id of the grader that leaves it all to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairGrader:
    """Names who grades pairs rather than answers, where a grader is asked for: judges, or people."""

    id: str
    needs_expected: bool = False

    def grade(self, *, request: Request, answer: Answer, expected: JSON, incumbent: Answer | None) -> Grade:
        """Refuse: there is nothing to say about one answer alone."""
        del request, answer, expected, incumbent
        raise UsageError(f"{self.id} compares two answers; it cannot grade one alone.")


def combined(opinions: Sequence[Opinion], how: Combine) -> float:
    """One preference of a panel: the mean, or what more of its members prefer than not.

    >>> three = [Opinion(candidate_first=1, incumbent_first=1), Opinion(candidate_first=1, incumbent_first=0), Opinion(candidate_first=-1, incumbent_first=-1)]
    >>> combined(three, Combine.MAJORITY), round(combined(three, Combine.MEAN), 3)
    (1.0, 0.167)
    """
    preferences = [opinion.preference for opinion in opinions]
    if how is Combine.MEAN:
        return math.fsum(preferences) / len(preferences)
    balance = sum((preference > 0) - (preference < 0) for preference in preferences)
    return float((balance > 0) - (balance < 0))


def by_rule(incumbent: Answer, candidate: Answer, shown: Shown | None = None) -> tuple[float, str] | None:
    """The preference nobody has to be asked about, with why: a side failed, or both said the same; else `None`."""
    failed = incumbent.failure is not None, candidate.failure is not None
    if all(failed):
        return 0.0, "both failed"
    if failed[0]:
        return 1.0, "the incumbent failed"
    if failed[1]:
        return -1.0, "the candidate failed"
    if shown is not None and shown.same and not shown.shortened:
        return 0.0, "both answers are the same"
    return None


def judged_of(opinions: Sequence[Opinion], how: Combine, shown: Shown, incumbent: Answer, candidate: Answer) -> Judged:
    """What a panel made of a pair."""
    return Judged(
        preference=combined(opinions, how),
        opinions=tuple(opinions),
        incumbent_length=len(answer_text(incumbent)),
        candidate_length=len(answer_text(candidate)),
        shortened=shown.shortened,
        addressed=shown.addressed,
    )


def grades_of(preference: float) -> tuple[Grade, Grade]:
    """The incumbent's and the candidate's grade whose difference is the preference."""
    return Grade(score=(1 - preference) / 2), Grade(score=(1 + preference) / 2)
