"""What became of the calls that should have been answered twice, as numbers: a missing shadow is never silent. Pure.

Money is kept by month and currency; what a reply cost that reported no tokens is estimated and stands in `estimated` too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Self

from fairlead.core.nouns import JSON

WANTED, DRAWN, ASKED, ANSWERED, GRADED = "wanted", "drawn", "asked", "answered", "graded"
FAILED, SKIPPED, JUDGES = "failed: ", "skipped: ", "judges: "
IN_VAIN = "asked in vain"
"""Asked, and nobody could answer: the endpoint cannot be used, or there is no key for it."""

UNPRICED = "asked at an unknown price"

OUT_OF_BUDGET = SKIPPED + "out of budget"
NO_PRICE = SKIPPED + "a budget is set and no price is known"
NO_ROOM = SKIPPED + "too many were waiting"
LOCAL_ONLY = SKIPPED + "local only"
NO_KEY = SKIPPED + "no key of the operator"
REPEAT = SKIPPED + "asked or talked about before"
TURN = SKIPPED + "a later turn was drawn instead"
NOT_READ = SKIPPED + "the request or answer could not be read"
LEFT = SKIPPED + "the caller went away"
UNREACHABLE = SKIPPED + "the endpoint cannot be used"
NO_EXPECTED = SKIPPED + "no expected answer"
NO_GRADER = SKIPPED + "nothing can grade live answers of this workload"
NOT_GRADED = SKIPPED + "the grader could not grade it"
UNJUDGED = "answered and not judged"
"""Both sides are there and no judgement of them; each has its reason among the skipped, too."""

JUDGED = JUDGES + "pairs they were asked about"
BY_RULE = JUDGES + "pairs that needed none"
QUESTIONS = JUDGES + "requests"
REPAIRS = JUDGES + "asked again for the form"
UNREAD = JUDGES + "verdicts that could not be read"
MUTE = JUDGES + "pairs without any verdict"
JUDGE_AWAY = SKIPPED + "a judge cannot be used"
JUDGE_KEY = SKIPPED + "no key of the operator for a judge"
JUDGE_ELSEWHERE = SKIPPED + "a judge may not see it"
JUDGE_KIN = SKIPPED + "a judge is of the incumbent's family"
JUDGE_LATE = SKIPPED + "no judgement in time"
JUDGE_BUDGET = SKIPPED + "out of budget before it was judged"
NOT_KEPT = SKIPPED + "no text is kept, so no judge may see it"
FAULT = SKIPPED + "a fault of Fairlead's own"
NOT_DRAWN = SKIPPED + "the ledger could not be written"
STOPPED = SKIPPED + "the stage ended first"
ERASED = SKIPPED + "erased or masked before it was asked"


class Tally:
    """Counts and money, added to as things happen, kept as JSON."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.spent: dict[tuple[str, str], Decimal] = {}
        self.estimated: dict[tuple[str, str], Decimal] = {}
        self.problem = ""

    def add(self, what: str, count: int = 1) -> None:
        """Count something."""
        if count:
            self.counts[what] += count

    def pay(self, amount: Decimal, *, month: str, currency: str, estimated: bool = False) -> None:
        """Count money that was spent in a month."""
        for sums in (self.spent, self.estimated) if estimated else (self.spent,):
            sums[month, currency] = sums.get((month, currency), Decimal(0)) + amount

    def spent_in(self, month: str, currency: str) -> Decimal:
        """What was spent in a month."""
        return self.spent.get((month, currency), Decimal(0))

    @property
    def empty(self) -> bool:
        """Whether nothing was counted."""
        return not self.counts and not self.spent

    @property
    def coverage(self) -> float | None:
        """The share of the asked that were answered, well or badly, and judged; `None` before anything was asked.

        An answer that failed counts as answered, for it is graded; one that nobody gave, or that no judge was there for, does not.
        """
        asked = self.counts[ASKED]
        return None if not asked else max(0, asked - self.counts[IN_VAIN] - self.counts[UNJUDGED]) / asked

    def plus(self, other: Tally) -> Tally:
        """Both together; the newer problem stands."""
        joined = Tally()
        joined.counts = self.counts + other.counts
        for name in ("spent", "estimated"):
            sums: dict[tuple[str, str], Decimal] = getattr(joined, name)
            for each in (self, other):
                for place, amount in getattr(each, name).items():
                    sums[place] = sums.get(place, Decimal(0)) + amount
        joined.problem = other.problem or self.problem
        return joined

    def to_json(self) -> dict[str, JSON]:
        """The tally as JSON values; `from_json` reads it back."""
        return {
            "counts": dict[str, JSON](sorted(self.counts.items())),
            "spent": _listed(self.spent),
            "estimated": _listed(self.estimated),
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, value: JSON) -> Self:
        """The tally that `to_json` wrote; an empty one for anything else."""
        tally = cls()
        raw: Mapping[str, JSON] = value if isinstance(value, dict) else {}
        counts = raw.get("counts")
        if isinstance(counts, dict):
            tally.counts.update({name: count for name, count in counts.items() if isinstance(count, int)})
        tally.spent, tally.estimated = _sums(raw.get("spent")), _sums(raw.get("estimated"))
        tally.problem = str(raw.get("problem") or "")
        return tally


def _listed(sums: Mapping[tuple[str, str], Decimal]) -> list[JSON]:
    return [[month, currency, str(amount)] for (month, currency), amount in sorted(sums.items())]


def _sums(value: JSON) -> dict[tuple[str, str], Decimal]:
    rows = value if isinstance(value, list) else []
    return {(str(row[0]), str(row[1])): Decimal(str(row[2])) for row in rows if isinstance(row, list) and len(row) == 3}
