"""From proven claims to a verdict: one table of claims, one order in which they are read.

Every claim is read off the same confidence sequence, so having several of them costs nothing. A claim that has once been
proven stays proven. If two proven claims contradict each other, the pairs cannot all come from one mean (the traffic or
the grader changed): that is said (`conflict`), and there is no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from fairlead.core.evidence.bets import Sign
from fairlead.core.evidence.histogram import Histogram
from fairlead.core.evidence.settings import N_MAX


class VerdictKind(StrEnum):
    """What the pairs so far say."""

    OPEN_LEADS = "open leads"
    EQUIVALENT = "equivalent"
    CLOSED_LEADS = "closed leads"
    UNDECIDED = "undecided"


class Claim(StrEnum):
    """What can be proven about the mean difference."""

    BETTER = "the open model is better"
    NOT_WORSE = "the open model is not worse by more than the margin"
    BEHIND = "the closed model is better"
    WORSE = "the closed model is better by more than the margin"
    NOT_MUCH_BETTER = "the open model is not better by more than the margin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """The hypothesis that a claim refutes: `sign` +1 "the mean is at most `margins` margins", -1 "at least"."""

    margins: int
    sign: Sign

    def theta(self, margin: float) -> float:
        """The boundary of the hypothesis, as a mean difference."""
        return self.margins * margin


CLAIMS: Mapping[Claim, Null] = {
    Claim.BETTER: Null(margins=0, sign=1),
    Claim.NOT_WORSE: Null(margins=-1, sign=1),
    Claim.BEHIND: Null(margins=0, sign=-1),
    Claim.WORSE: Null(margins=-1, sign=-1),
    Claim.NOT_MUCH_BETTER: Null(margins=1, sign=-1),
}


_OPPOSITES = frozenset({Claim.NOT_WORSE, Claim.WORSE})


class Floor(StrEnum):
    """Whether a segment keeps its floor."""

    HOLDS = "holds"
    FAILS = "fails"
    OPEN = "not settled"
    TOO_FEW = "too few to tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment of a workload: the requests whose `label` is `value`, with an interval of its own.

    The intervals of all segments hold together. `n` pairs of the segment's `requests` on file were bet on; `floor` is how much
    worse the open model may be here.
    """

    label: str
    value: str
    requests: int
    n: int
    low: float
    high: float
    mean: float | None
    floor: float
    state: Floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with everything it rests on.

    `low` and `high` bound the mean difference (open minus closed); `wins`, `ties` and `losses` are the open model's.
    `two_sided` says that `equivalent` also excludes the open model being better by more than the margin.
    `log_e_replace` and `log_e_worse` are the current ln E against "worse by the margin or more" and "not worse"; with
    `segments` the former is that of the weakest of mean and segments.
    `replace_ok` takes the mean and every one of the `segments`; `blocked` says which segment stands in the way.
    """

    verdict: VerdictKind
    low: float
    high: float
    n: int
    mean: float | None
    wins: int
    ties: int
    losses: int
    replace_ok: bool
    by_more_than_margin: bool
    two_sided: bool
    log_e_replace: float
    log_e_worse: float
    conflict: bool = False
    segments: tuple[Segment, ...] = ()
    blocked: str = ""


def judgement(
    *,
    counts: Histogram,
    claims: frozenset[Claim],
    margin: float,
    low: float,
    high: float,
    n_min: int,
    log_e_replace: float,
    log_e_worse: float,
) -> Judgement:
    """What `claims` amount to after these pairs; the interval is cut to what the claims have ruled out for good."""
    low, high = _cut(claims, margin, low, high)
    said = claims if counts.n >= n_min else frozenset[Claim]()
    judged = Judgement(
        verdict=verdict_of(said),
        low=low,
        high=high,
        n=counts.n,
        mean=counts.mean,
        wins=counts.wins,
        ties=counts.ties,
        losses=counts.losses,
        replace_ok=Claim.NOT_WORSE in said,
        by_more_than_margin=Claim.WORSE in said,
        two_sided=Claim.NOT_WORSE in said and Claim.NOT_MUCH_BETTER in said,
        log_e_replace=log_e_replace,
        log_e_worse=log_e_worse,
    )
    return disputed(judged) if low > high or claims >= _OPPOSITES else judged


def disputed(judged: Judgement) -> Judgement:
    """The judgement without its verdict, because its pairs cannot all come from one mean."""
    return replace(undecided(judged), conflict=True)


def undecided(judged: Judgement) -> Judgement:
    """The judgement without its verdict."""
    return replace(judged, verdict=VerdictKind.UNDECIDED, replace_ok=False, by_more_than_margin=False, two_sided=False)


def verdict_of(claims: frozenset[Claim]) -> VerdictKind:
    """The verdict that the proven claims amount to; the first that holds is the strongest true thing to say."""
    if Claim.BETTER in claims:
        return VerdictKind.OPEN_LEADS
    if Claim.NOT_WORSE in claims:
        return VerdictKind.EQUIVALENT
    if Claim.BEHIND in claims or Claim.WORSE in claims:
        return VerdictKind.CLOSED_LEADS
    return VerdictKind.UNDECIDED


def stop(judgement: Judgement, *, n_max: int = N_MAX) -> bool:
    """Whether a pilot should stop: the margin is decided either way, the pairs are used up, or they conflict.

    `closed leads` with its size unresolved goes on, for it may still prove `equivalent`.
    """
    return judgement.replace_ok or judgement.by_more_than_margin or judgement.conflict or judgement.n >= n_max


def _cut(claims: frozenset[Claim], margin: float, low: float, high: float) -> tuple[float, float]:
    for claim in claims:
        null = CLAIMS[claim]
        if null.sign > 0:
            low = max(low, null.theta(margin))
        else:
            high = min(high, null.theta(margin))
    return low, high
