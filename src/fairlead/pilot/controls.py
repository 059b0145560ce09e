"""Tests a judge on answers of one model, once for each judge and rubric, before it judges anything.

*Two answers of one model* to the same request: whoever cannot tell whose is whose prefers neither on average. A judge whose
interval leaves out 0 sees something it must not see. *A short and a long answer of one model*: what length alone is worth to it.

Rules kept: answers and judgements are kept like a pilot's, so a kill loses nothing; both sides failing or saying the same is
a tie, as in a pilot; what it costs is paid from the pilot's budget, and when that is used up fewer pairs are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

from fairlead.core.evidence import Evidence, Interval
from fairlead.core.evidence.judges import Reliability, reliability
from fairlead.core.judge import Rubric
from fairlead.core.nouns import Candidate, Exchange, Judged, Judging, PilotDesign, Reply, TokenPrice
from fairlead.core.ports import Ask, PilotLedger
from fairlead.core.wire.key import request_key
from fairlead.pilot.asking import CandidateBodies
from fairlead.pilot.design import candidate_asker, contestants
from fairlead.pilot.judge import Bench, expected_usage
from fairlead.pilot.keep import Keeper
from fairlead.pilot.purse import Purse

Sides: TypeAlias = tuple[tuple[Candidate, str], tuple[Candidate, str]]
"""Two candidates to ask, each with what is added to the name its replies are kept under."""

BRIEF = "Answer as briefly as the request allows."
DETAILED = "Answer in detail, with explanations and examples where they help."


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a judge made of pairs of one model's answers; `low` and `high` bound its mean preference at any time."""

    pairs: int
    same: int
    mean: float | None
    low: float
    high: float
    judges: Reliability

    @property
    def holds(self) -> bool:
        """Whether no preference is still possible."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Both controls. `alike` are pairs of two answers, `verbosity` of a short one and a long one (positive: prefers long)."""

    alike: Control
    verbosity: Control
    requests: int
    spent: Decimal | None


async def run(
    design: PilotDesign,
    judging: Judging,
    *,
    exchanges: Sequence[Exchange],
    ask: Ask,
    ask_judges: Sequence[Ask],
    rubric: Rubric,
    ledger: PilotLedger,
    alike: int,
    verbosity: int,
    prices: tuple[TokenPrice | None, ...],
    budget: Decimal | None,
    concurrency: int,
) -> Controls:
    """Test the judges on the first of these exchanges; `prices` are the candidate's and the judges'."""
    bench = _Controls(
        design, judging, ask, ask_judges, rubric=rubric, ledger=ledger, purse=Purse(budget=budget, prices=prices)
    )
    try:
        one = await bench.all(exchanges[:alike], bench.alike, concurrency)
        other = await bench.all(exchanges[:verbosity], bench.verbosity, concurrency)
    finally:
        await bench.close()
    names = [judge.model for judge in judging.judges]
    spent = bench.purse.spent
    return Controls(
        alike=_control(one, names, design),
        verbosity=_control(other, names, design),
        requests=bench.purse.requests,
        spent=None if spent is None else spent.amount,
    )


class _Controls:
    def __init__(
        self,
        design: PilotDesign,
        judging: Judging,
        ask: Ask,
        ask_judges: Sequence[Ask],
        *,
        rubric: Rubric,
        ledger: PilotLedger,
        purse: Purse,
    ) -> None:
        self.purse = purse
        self._design = design
        self._judges = len(judging.judges)
        self._ask = ask
        self._error: BaseException | None = None
        self._keeper = Keeper(ledger, on_error=self._broke)
        self._thinking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fairlead-grader")
        self._bench = Bench(
            judging,
            ask_judges,
            rubric=rubric,
            contestants=contestants(design),
            keeper=self._keeper,
            pay=lambda place, logged, reply: purse.settle(1 + place, logged=logged, reply=reply),
            thinking=self._thinking,
        )

    async def all(self, exchanges: Iterable[Exchange], sides: Sides, concurrency: int) -> list[Judged]:
        """The judged pairs, in the order of the exchanges, as far as the budget reaches."""
        gate, found = asyncio.Semaphore(concurrency), list[Judged | None]()

        async def one(exchange: Exchange) -> Judged | None:
            async with gate:
                return await self._judged(exchange, sides)

        tasks = [asyncio.ensure_future(one(exchange)) for exchange in exchanges]
        try:
            found = list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
        if self._error is not None:
            raise self._error
        done = [each is None for each in found]
        # Up to the first that the budget left out, for those that fit are not a random part of them.
        return [each for each in found[: done.index(True) if True in done else None] if each is not None]

    @property
    def alike(self) -> Sides:
        """The same model twice; the second time under a name of its own."""
        return (self._design.candidate, ""), (self._design.candidate, "/again")

    @property
    def verbosity(self) -> Sides:
        """The same model, told to be brief and told to be detailed."""
        return (_told(self._design.candidate, BRIEF), ""), (_told(self._design.candidate, DETAILED), "")

    async def close(self) -> None:
        """Write what is left."""
        self._thinking.shutdown(wait=False, cancel_futures=True)
        await self._keeper.close()

    async def _judged(self, exchange: Exchange, sides: Sides) -> Judged | None:
        amount = 2 * self.purse.estimate(0, exchange.usage) + sum(
            (2 * self.purse.estimate(1 + place, expected_usage(exchange.usage)) for place in range(self._judges)),
            Decimal(0),
        )
        if not self.purse.fits(amount):
            return None
        self.purse.reserve(amount)
        try:
            one, other = [await self._reply(exchange, *side) for side in sides]
            ruling = await self._bench.ruling(
                exchange.id, exchange.request, incumbent=one.answer, candidate=other.answer
            )
            return ruling.judged
        finally:
            self.purse.release(amount)

    async def _reply(self, exchange: Exchange, candidate: Candidate, again: str) -> Reply:
        asker = candidate_asker(replace(self._design, candidate=candidate)) + again
        key = request_key(exchange.request)
        kept = await self._keeper.call(lambda ledger: ledger.reply(asker, key))
        if kept is not None:
            return kept
        reply = await self._ask(CandidateBodies(candidate)(exchange))
        self.purse.settle(0, logged=exchange.usage, reply=reply)
        self._keeper.keep_reply(asker, key, reply)
        return reply

    def _broke(self, error: BaseException) -> None:
        self._error = error


def _told(candidate: Candidate, how: str) -> Candidate:
    return replace(candidate, prompt_prefix="\n\n".join(part for part in (candidate.prompt_prefix, how) if part))


def _control(pairs: Sequence[Judged], names: Sequence[str], design: PilotDesign) -> Control:
    evidence = Evidence(margin=design.margin, alpha=design.alpha).after([each.preference for each in pairs])
    interval = evidence.interval() if pairs else Interval(low=-1.0, high=1.0)
    return Control(
        pairs=len(pairs),
        same=sum(bool(each.by_rule) for each in pairs),
        mean=evidence.counts.mean,
        low=interval.low,
        high=interval.high,
        judges=reliability(pairs, names),
    )
