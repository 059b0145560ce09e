"""The order of bets: pairs count in the order their requests were drawn, whatever order their answers came in.

Slow answers are the failing ones. Fed in the order of arrival, evidence sees the quick answers first and clears a margin
that the timeouts still on their way would have held; fed in the order of the draws it never does. So a finished pair
waits here until every pair drawn before it is finished too. Pure.

Two things are noticed on the way, for each side that is asked: that its first answers are all refusals of the request
(then the settings are wrong and nothing is bet on), and that it has failed many times in a row by its server's fault
(then the pilot pauses, and the failures stay counted).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fairlead.core.evidence import PilotEvidence
from fairlead.core.nouns import Failure, FailureKind, PairRow
from fairlead.pilot.result import Ended

FIRST_ANSWERS = 5
OUTAGE = 20

_SERVER_FAULTS = frozenset({FailureKind.SERVER_ERROR, FailureKind.NOT_JSON, FailureKind.CUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How one asked side fared with one draw; `fresh` when it was asked in this run.

    `mute` is a judge that gave no verdict that could be read, whatever the reason, which `words` tell.
    """

    failure: Failure | None
    fresh: bool
    mute: bool = False
    words: str = ""

    @property
    def refused(self) -> bool:
        """Whether the endpoint would not take the request."""
        failure = self.failure
        return self.mute or (self.fresh and failure is not None and is_refused_request(failure))

    @property
    def server_failed(self) -> bool:
        """Whether the server, not the answer, is at fault."""
        return self.mute or (self.fresh and self.failure is not None and self.failure.kind in _SERVER_FAULTS)


def is_refused_request(failure: Failure) -> bool:
    """Whether an endpoint answered that the request itself cannot be used (400 or 422)."""
    return failure.kind is FailureKind.REFUSED_REQUEST and failure.status in {400, 422}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A draw that is ready to be bet on.

    `row` is `None` when nothing is bet on: it is `needless` now that the evidence stands, or was drawn before, or its
    exchange has been erased from the ledger; then `erased` is its id where that is known.
    """

    row: PairRow | None
    erased: str | None = None
    needless: bool = False
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a pilot should pause: side number `side` (0 is the candidate) failed `details`, one for each draw."""

    side: int
    details: tuple[str, ...]
    refused: bool


class Bets:
    """The pairs bet on so far, and those that wait. `head` is the position to be bet on next."""

    def __init__(self, evidence: PilotEvidence, *, sides: int) -> None:
        """`sides` is how many are asked: the candidate, the incumbent when it is asked again, and the judges.

        When people are to see pairs it goes on to the last pair though the margin is decided.
        """
        self.evidence = evidence
        self._to_the_end = evidence.design.reviewing.wanted
        self.head = 1
        self.rows: list[PairRow] = []
        self.set_aside = 0
        self.passed_over = 0
        self.trouble: Trouble | None = None
        self.ended: Ended | None = None
        self.failures = 0
        self.refusals = 0
        self._sum = 0.0
        self._squares = 0.0
        self._waiting: dict[int, Finished] = {}
        self._trusted = [False] * sides
        self._faults: list[list[str]] = [[] for _ in range(sides)]

    @property
    def waiting(self) -> int:
        """Finished pairs that wait for an earlier draw."""
        return len(self._waiting)

    @property
    def still_needed(self) -> int:
        """Roughly how many more pairs the margin needs: the usual formula, with the mean and spread of the pairs so far."""
        design = self.evidence.design
        n = self.evidence.n
        if self._to_the_end:
            return design.n_max - n
        mean = self._sum / (n + 4)
        spread = (self._squares + 1) / (n + 4) - mean**2
        distance = max(abs(mean + design.margin), 0.001)
        return max(0, round(2 * math.log(2 / design.alpha) * max(spread, 0.0) / distance**2) - n)

    def trusts(self, side: int) -> bool:
        """Whether a side has shown that it takes this kind of request."""
        return self._trusted[side]

    def recall(self, row: PairRow) -> None:
        """Take in the next pair of an earlier run, in the order of positions."""
        gap = row.pair.position - self.head
        if self.evidence.design.drawing.segments:
            self.passed_over += gap
        else:
            self.set_aside += gap
        self.head = row.pair.position + 1
        self._trusted = [True] * len(self._trusted)
        self._bet(row)

    def finish(self, position: int, finished: Finished) -> None:
        """A draw is answered by both sides."""
        self._waiting[position] = finished

    def advance(self, *, last: bool = False) -> list[PairRow]:
        """Bet on every pair whose turn has come, and return them; `last` says that no more answers will come."""
        if self._doubts(last=last):
            return []
        taken: list[PairRow] = []
        while self.ended is None and self.trouble is None and self.head in self._waiting:
            finished = self._waiting.pop(self.head)
            self.head += 1
            if finished.row is None or not self.evidence.wants(finished.row.pair.exchange_id):
                self._pass(finished)
                continue
            taken.append(finished.row)
            self._bet(finished.row)
            self._note_faults(finished.asked)
        return taken

    def _pass(self, finished: Finished) -> None:
        """Go on without a bet."""
        if finished.row is not None or finished.needless:
            self.passed_over += 1
            return
        self.set_aside += 1
        if finished.erased is not None:
            self.evidence.forget(finished.erased)

    def _bet(self, row: PairRow) -> None:
        self.rows.append(row)
        self.failures += row.candidate_failure is not None
        self.refusals += row.candidate_refused
        difference = row.pair.difference
        self._sum += difference
        self._squares += difference**2
        self.evidence.add(row.pair)
        self.ended = self._end()

    def _end(self) -> Ended | None:
        evidence = self.evidence
        if not self._to_the_end:
            if evidence.torn or (evidence.decided and evidence.judgement().conflict):
                return Ended.CONFLICT
            if evidence.decided:
                return Ended.DECIDED
        if evidence.n >= evidence.design.n_max:
            return self.short_of_proof or Ended.N_MAX
        return (self.short_of_proof or Ended.RAN_OUT) if evidence.room == 0 else None

    @property
    def short_of_proof(self) -> Ended | None:
        """Decided, when it is the margin's stronger proof alone that could not be reached."""
        decided = self.evidence.decided_at is not None and not self._to_the_end
        return Ended.DECIDED if decided and not self.evidence.segmented else None

    def _doubts(self, *, last: bool) -> bool:
        """Whether bets must wait, for a side may be refusing everything."""
        if all(self._trusted):
            return False
        heads = self._heads()
        for side, trusted in enumerate(self._trusted):
            refused = [asked[side].refused for asked in heads]
            if trusted or not all(refused) or (last and len(heads) < FIRST_ANSWERS):
                self._trusted[side] = trusted or bool(heads) or last
            elif len(heads) >= FIRST_ANSWERS:
                details = tuple(_detail(asked[side]) for asked in heads)
                self.trouble = Trouble(side=side, details=details, refused=True)
        return not all(self._trusted)

    def _heads(self) -> list[tuple[Asked, ...]]:
        """The first answers in the order of the draws, as far as they are there."""
        heads: list[tuple[Asked, ...]] = []
        position = self.head
        while position in self._waiting and len(heads) < FIRST_ANSWERS:
            if self._waiting[position].row is not None:
                heads.append(self._waiting[position].asked)
            position += 1
        return heads

    def _note_faults(self, asked: tuple[Asked, ...]) -> None:
        for side, one in enumerate(asked):
            if one.server_failed:
                self._faults[side].append(_detail(one))
            elif one.fresh:
                self._faults[side].clear()
            if len(self._faults[side]) >= OUTAGE and self.ended is None:
                self.trouble = Trouble(side=side, details=tuple(self._faults[side]), refused=False)


def _detail(asked: Asked) -> str:
    if asked.failure is None:
        return asked.words
    return asked.failure.detail or asked.failure.kind.value
