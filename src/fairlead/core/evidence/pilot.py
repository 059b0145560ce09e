"""All evidence of one pilot: its mean's and its segments', fed with its pairs in the drawn order.

The same pairs fed again give the same evidence, so nothing of it is stored: a pilot that goes on, a plan and a page each
build it from the design, what was on file before the first pair, and the pairs.

**Segments.** A good mean must not hide a failing segment. Each value of a declared label with enough requests has a floor of
its own. The open model may replace the incumbent only when the mean keeps the margin *and* every segment is shown to keep
its floor. That is one claim which is false only when one particular part of it is, so its parts need no correction for
how many there are. Single statements about segments do: their intervals, and "fails", are at alpha over the number of
segments, so that all of them hold together.

Once the mean is decided, pairs are taken only for segments that are not settled, and for nothing but them: others are
passed over, by a rule that looks at earlier pairs alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from fairlead.core.errors import LedgerError
from fairlead.core.evidence.engine import Live, live
from fairlead.core.evidence.forecasting import Forecast
from fairlead.core.evidence.sequence import Charted
from fairlead.core.evidence.settings import hundredths
from fairlead.core.evidence.stakes import Terms
from fairlead.core.evidence.traffic import Traffic
from fairlead.core.evidence.verdict import Claim, Floor, Judgement, Segment
from fairlead.core.evidence.voice import PEOPLE
from fairlead.core.evidence.watch import Ungraded
from fairlead.core.evidence.window import Window
from fairlead.core.nouns import Engine, OnFile, Pair, PilotDesign

FEWEST = 50
"""Requests of a segment below which it is counted among the others."""

SEGMENT_N_MIN = 30
"""Pairs before anything is said of a segment."""

FLOOR = 0.1
"""How much worse the open model may be in a segment unless the design says otherwise; never less than the margin."""

OTHERS = "(others)"


class PilotEvidence:
    """What a pilot has shown so far."""

    def __init__(self, design: PilotDesign, on_file: Sequence[OnFile] = (), *, proof: float = 0.0) -> None:
        """`proof` is the log of the e-value that "not worse" must reach before no more pairs are wanted.

        A claim that stands by itself may need more of it to stand among many; going on is always allowed. It is no use to a
        pilot with segments, whose mean takes no more pairs once pairs are chosen for their segments.
        """
        self.design = design
        self._proof = proof
        self._proven = False
        self.n = 0
        self._known = list(on_file)
        self._by_id = {each.exchange_id: each for each in on_file}
        self._pairs: list[Pair] = []
        self._begin()

    def _begin(self) -> None:
        self.n = 0
        self._closed = False
        self._proven = False
        self._mean = _of_the_mean(self.design, self._known)
        self._segments = _segments(self.design, self._known)
        self._follows = self.design.betting.scores_on_file or self.design.betting.engine is Engine.REMAINING

    @property
    def decided(self) -> bool:
        """Whether the pilot's questions are answered: the mean's, and every segment's unless the mean says no."""
        if not self._mean.decided or not self._enough:
            return False
        return Claim.WORSE in self._mean.claims or all(each.settled for each in self._segments.values())

    @property
    def segmented(self) -> bool:
        """Whether segments have floors of their own."""
        return bool(self._segments)

    @property
    def _enough(self) -> bool:
        """Whether what is proven is proven as strongly as was asked; once it was, it stays so."""
        claims = self._mean.claims
        if not self._proof or self._segments or self._proven or Claim.WORSE in claims or Claim.NOT_WORSE not in claims:
            return True
        self._proven = self._mean.strength >= self._proof
        return self._proven

    @property
    def _answered(self) -> bool:
        """Whether the mean asks for no more pairs. What `add` takes and what `wants` passes over both follow from this alone."""
        return self._closed or (self._mean.decided and self._enough)

    @property
    def decided_at(self) -> int | None:
        """The pair at which the margin was decided; `None` while it is not."""
        found = [n for claim, n in self._mean.claims.items() if claim in {Claim.NOT_WORSE, Claim.WORSE}]
        return min(found, default=None)

    @property
    def claims(self) -> Mapping[Claim, int]:
        """What has been proven of the mean, with the pair that proved it."""
        return self._mean.claims

    @property
    def strength(self) -> float:
        """Natural logarithm of the capital that the mean holds now towards "not worse by more than the margin"."""
        return self._mean.strength

    @property
    def torn(self) -> bool:
        """Whether the pairs cannot come from one mean: traffic, grader or a model changed on the way."""
        return self._mean.torn

    @property
    def room(self) -> int | None:
        """Pairs that can still be taken in; `None` when there is no end."""
        return None if self._answered else self._mean.room

    def wants(self, exchange_id: str) -> bool:
        """Whether the pair of this request still matters, given the pairs so far."""
        if not self._answered or self.design.reviewing.wanted:
            return True
        known = self._by_id.get(exchange_id)
        return known is not None and any(not each.settled for each in self._of(known))

    def add(self, pair: Pair) -> None:
        """Take in the next pair, in the drawn order."""
        known = self._by_id.get(pair.exchange_id)
        self._closed = self._closed or (bool(self._segments) and self._passes_over(pair))
        if not self._closed:
            self._check(pair, self._mean.n)
            self._mean.add(pair.difference)
            self._closed = bool(self._segments) and self._mean.decided
        if known is not None:
            for each in self._of(known):
                each.add(pair.difference)
        self._pairs.append(pair)
        self.n += 1

    def forget(self, exchange_id: str) -> None:
        """Go on without a request that has been erased; it is no part of the window, and of no segment, any more."""
        if exchange_id not in self._by_id:
            return
        del self._by_id[exchange_id]
        self._known = [each for each in self._known if each.exchange_id != exchange_id]
        pairs, self._pairs = self._pairs, []
        self._begin()
        for pair in pairs:
            if pair.exchange_id != exchange_id:
                self.add(pair)

    def judgement(self) -> Judgement:
        """The verdict now, with every segment."""
        judged = self._mean.judgement()
        if not self._segments:
            return judged
        told = tuple(each.told() for each in self._segments.values())
        blocked = _blocked(told)
        # "Not worse, and no segment below its floor" is false when one part is, so it is as strong as its weakest part.
        weakest = min(judged.log_e_replace, *(each.strength for each in self._segments.values()))
        return replace(
            judged,
            segments=told,
            blocked=blocked,
            replace_ok=judged.replace_ok and not blocked,
            log_e_replace=weakest,
        )

    def charted(self, points: int) -> tuple[Charted, ...]:
        """The interval of the mean at up to `points` places along its pairs."""
        return self._mean.charted(points)

    def expects(self, *, seed: int = 0) -> Forecast:
        """More pairs until the margin is decided either way."""
        return self._mean.expects(seed=seed)

    def forecaster(self) -> Callable[[], Forecast]:
        """What works `expects` out from how things stand now.

        It takes a tenth of a second, so it may run on another thread while pairs go on being added; `expects` may not.
        """
        return self._mean.forecaster()

    def _of(self, known: OnFile) -> Iterable[_Segment]:
        for label, value in zip(self.design.drawing.segments, known.segments, strict=False):
            found = self._segments.get((label, value)) or self._segments.get((label, OTHERS))
            if found is not None:
                yield found

    def _passes_over(self, pair: Pair) -> bool:
        """Whether draws before this pair were passed over, so that it was taken for its segments.

        The mean had been decided then, and was closed; without a request that has been erased since it need not be now.
        """
        known, place = self._by_id.get(pair.exchange_id), self._mean.n
        if not self._follows or known is None or place == len(self._known):
            return False
        return known.position > self._known[place].position

    def _check(self, pair: Pair, place: int) -> None:
        """Bets that rest on what was on file must follow it, request by request."""
        if not self._follows:
            return
        known = self._known[place] if place < len(self._known) else None
        if known is None or known.exchange_id != pair.exchange_id:
            raise LedgerError(
                f"The pairs of pilot {self.design.id} do not follow its drawn order at pair {place + 1}; begin it anew "
                "with another --seed."
            )
        if known.closed is not None and known.closed != hundredths(pair.incumbent.score):
            raise LedgerError(
                f"The grader {self.design.grader} gave the incumbent's answer to {pair.exchange_id!r} {known.closed / 100:g} "
                f"before the first pair and {pair.incumbent.score:g} now; a grader must give the same answer the same grade."
            )


class _Segment:
    """The evidence of one segment."""

    def __init__(self, key: tuple[str, str], evidence: Traffic | Window, *, requests: int, alpha: float) -> None:
        self.label, self.value = key
        self.requests = requests
        self._evidence = evidence
        self._alpha = alpha
        self._doubted = -1

    @property
    def settled(self) -> bool:
        """Whether nothing more needs to be asked for it."""
        if self.requests < FEWEST or self._evidence.room == 0 or Claim.NOT_WORSE in self._evidence.claims:
            return True
        return Claim.WORSE in self._evidence.claims and self._fails()

    @property
    def strength(self) -> float:
        """Natural logarithm of the e-value for "keeps its floor"; infinite where that is not asked, or known for certain."""
        certain = self._evidence.room == 0 and self.told().state is Floor.HOLDS
        return math.inf if self.requests < FEWEST or certain else self._evidence.strength

    def _fails(self) -> bool:
        """Whether it fails at the error rate of a single statement; worked out once after each pair."""
        if self._doubted == self._evidence.n:
            return False
        fails = self.told().state is Floor.FAILS
        if not fails:
            self._doubted = self._evidence.n
        return fails

    def add(self, difference: float) -> None:
        if not self.settled:
            self._evidence.add(difference)

    def told(self) -> Segment:
        """What stands now."""
        evidence, floor = self._evidence, self._evidence.terms.margin
        interval = evidence.at_error(self._alpha)
        return Segment(
            label=self.label,
            value=self.value,
            requests=self.requests,
            n=evidence.n,
            low=interval.low,
            high=interval.high,
            mean=evidence.counts.mean,
            floor=floor,
            state=self._state(interval.low, interval.high),
        )

    def _state(self, low: float, high: float) -> Floor:
        evidence, floor = self._evidence, self._evidence.terms.margin
        if evidence.n >= SEGMENT_N_MIN and (high < -floor or evidence.proves(Claim.WORSE, alpha=self._alpha)):
            return Floor.FAILS
        if Claim.NOT_WORSE in evidence.claims or (evidence.room == 0 and low > -floor):
            return Floor.HOLDS
        return Floor.TOO_FEW if self.requests < FEWEST else Floor.OPEN


def replayed(design: PilotDesign, on_file: Sequence[OnFile], pairs: Iterable[Pair]) -> PilotEvidence:
    """The evidence of a pilot's pairs so far."""
    evidence = PilotEvidence(design, on_file)
    for pair in pairs:
        evidence.add(pair)
    return evidence


def _of_the_mean(design: PilotDesign, known: Sequence[OnFile]) -> Live:
    if design.grader == PEOPLE:
        return Ungraded(design.margin, design.alpha)
    betting = design.betting
    closed = [each.closed / 100 for each in known if each.closed is not None] if betting.scores_on_file else None
    groups = ["|".join(each.segments) for each in known] if design.drawing.segments else None
    return live(
        betting,
        margin=design.margin,
        alpha=design.alpha,
        n_max=design.n_max,
        size=len(known),
        closed=closed,
        segments=groups,
    )


def _segments(design: PilotDesign, known: Sequence[OnFile]) -> dict[tuple[str, str], _Segment]:
    """Every segment that has a floor; values with few requests together are the others."""
    members: dict[tuple[str, str], list[OnFile]] = {}
    for place, label in enumerate(design.drawing.segments):
        counts = Counter(each.segments[place] for each in known)
        for each in known:
            value = each.segments[place]
            members.setdefault((label, value if counts[value] >= FEWEST else OTHERS), []).append(each)
    enough = sum(len(found) >= FEWEST for found in members.values())
    alpha = design.alpha / max(enough, 1)
    floor = max(design.drawing.floor or FLOOR, design.margin)
    return {
        key: _Segment(key, _of_segment(design, found, floor), requests=len(found), alpha=alpha)
        for key, found in sorted(members.items())
    }


def _of_segment(design: PilotDesign, known: Sequence[OnFile], floor: float) -> Traffic | Window:
    """A segment's requests come in an order that is uniformly random among themselves, so it has an engine of its own."""
    terms = Terms(margin=floor, alpha=design.alpha)
    if design.betting.engine is not Engine.REMAINING:
        return Traffic(terms, n_min=SEGMENT_N_MIN)
    closed = [each.closed / 100 for each in known if each.closed is not None] if design.betting.scores_on_file else None
    return Window(terms, size=len(known), closed=closed, n_min=SEGMENT_N_MIN)


def _blocked(segments: Sequence[Segment]) -> str:
    """Which segments stand in the way, in words; empty when none does."""
    for state, words in ((Floor.FAILS, "fails its floor"), (Floor.OPEN, "is not shown to keep its floor yet")):
        found = [each for each in segments if each.state is state]
        if found:
            first = max(found, key=lambda each: each.requests)
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            between = f"{100 * first.low:+.1f} to {100 * first.high:+.1f} points".replace("-", "−")
            return (
                f"segment {first.label} = {first.value}{more} {words} of −{100 * first.floor:.4g} points: "
                f"{between} after {first.n} pairs"
            )
    return ""
