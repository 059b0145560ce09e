"""What can be told about judges from the pairs they judged: whether place or length sways them, and how often they fail.

None of this says that a judge is right; only people can (`human`). It says where it is visibly not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fairlead.core.nouns import Judged, Opinion

_FARTHEST = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """One judge over its pairs. Shares are `None` where there is nothing to divide by.

    `consistent` is the share of pairs in which both orders led to the same verdict; `first_place` how often, when it preferred
    one, it preferred the one shown first (half is fair). `unread` of `calls` gave no readable verdict; `repairs` needed a
    second question. `length_slope` is by how much the preference rises when an answer is twice as long, with its standard error;
    `longer` how often it preferred the longer one.
    """

    judge: str
    pairs: int
    calls: int
    unread: int
    repairs: int
    requests: int
    consistent: float | None
    first_place: float | None
    longer: float | None
    length_slope: float | None
    length_slope_se: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """A pilot's judges over its pairs.

    `by_rule` pairs needed no judge (a side failed, or both said the same). `agreement` is, over all pairs of judges, the share
    of judged pairs in which they lean the same way; `None` for one judge. `could_shift` bounds by how much the unread verdicts
    could move the mean preference.
    """

    judges: tuple[Steadiness, ...]
    pairs: int
    by_rule: int
    agreement: float | None
    shortened: int
    addressed: int
    could_shift: float


def reliability(rows: Iterable[Judged], names: Sequence[str]) -> Reliability:
    """What the judges called `names` did over these pairs."""
    judged = list(rows)
    asked = [each for each in judged if each.opinions]
    seats = [_steadiness(asked, place, name) for place, name in enumerate(names)]
    unread = sum(seat.unread for seat in seats)
    return Reliability(
        judges=tuple(seats),
        pairs=len(judged),
        by_rule=len(judged) - len(asked),
        agreement=_agreement(asked, len(names)),
        shortened=sum(each.shortened for each in asked),
        addressed=sum(each.addressed for each in asked),
        could_shift=unread / (2 * len(judged) * len(names)) if judged and names else 0.0,
    )


def withheld(found: Reliability, margin: float) -> str:
    """Why no verdict may be read off these judges, or nothing: too much of what they said could not be read."""
    if found.could_shift <= margin / 2:
        return ""
    return (
        f"in {sum(judge.unread for judge in found.judges):,} of {sum(judge.calls for judge in found.judges):,} questions no verdict "
        f"could be read, which may have moved the mean by up to {100 * found.could_shift:.1f} points; there is no verdict while that "
        f"is more than half the margin of {100 * margin:.4g}"
    )


def _steadiness(asked: Sequence[Judged], place: int, name: str) -> Steadiness:
    opinions = [each.opinions[place] for each in asked]
    both = [(o.candidate_first, o.incumbent_first) for o in opinions]
    read = [(one, other) for one, other in both if one is not None and other is not None]
    slope, error = _slope([_ratio(each) for each in asked], [o.preference for o in opinions])
    return Steadiness(
        judge=name,
        pairs=len(opinions),
        calls=2 * len(opinions),
        unread=sum(opinion.unread for opinion in opinions),
        repairs=sum(opinion.repairs for opinion in opinions),
        requests=sum(opinion.requests for opinion in opinions),
        consistent=_share(one == other for one, other in read),
        first_place=_share(first for opinion in opinions for first in _firsts(opinion)),
        longer=_share(
            (each.opinions[place].preference > 0) == (_ratio(each) > 0)
            for each in asked
            if each.opinions[place].preference and _ratio(each)
        ),
        length_slope=slope,
        length_slope_se=error,
    )


def _firsts(opinion: Opinion) -> list[bool]:
    """For each order in which one was preferred, whether it was the one shown first."""
    firsts = [opinion.candidate_first > 0] if opinion.candidate_first else []
    return firsts + ([opinion.incumbent_first < 0] if opinion.incumbent_first else [])


def _ratio(each: Judged) -> float:
    """How many times as long the candidate's answer is, in doublings, bounded."""
    doublings = math.log2((each.candidate_length + 1) / (each.incumbent_length + 1))
    return min(max(doublings, -_FARTHEST), _FARTHEST)


def _share(hits: Iterable[bool]) -> float | None:
    found = list(hits)
    return sum(found) / len(found) if found else None


def _slope(at: Sequence[float], values: Sequence[float]) -> tuple[float | None, float | None]:
    """The least-squares slope and its standard error; `None` where the lengths do not differ or are too few."""
    n = len(at)
    if n < 3:
        return None, None
    mid, mean = math.fsum(at) / n, math.fsum(values) / n
    spread = math.fsum((x - mid) ** 2 for x in at)
    if spread < 1e-9:
        return None, None
    slope = math.fsum((x - mid) * (y - mean) for x, y in zip(at, values, strict=True)) / spread
    rest = math.fsum((y - mean - slope * (x - mid)) ** 2 for x, y in zip(at, values, strict=True))
    return slope, math.sqrt(rest / (n - 2) / spread)


def _agreement(asked: Sequence[Judged], judges: int) -> float | None:
    """Over all pairs of judges, how often they lean the same way."""
    leans = [[_lean(opinion.preference) for opinion in each.opinions] for each in asked]
    return _share(
        lean[one] == lean[other] for lean in leans for one in range(judges) for other in range(one + 1, judges)
    )


def _lean(preference: float) -> int:
    return (preference > 0) - (preference < 0)
