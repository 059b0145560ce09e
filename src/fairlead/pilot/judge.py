"""Asks the judges of a pilot what they make of a pair: both orders, one repair, nothing twice.

Rules kept: a judge that answered is kept before the pair that rests on it; one that failed is not, and counts as having
given no verdict; no judge is asked about a pair in which a side failed or both said the same; whatever a judge costs is
settled in the same purse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from fairlead.core import judge as judging
from fairlead.core.ids import digest
from fairlead.core.judge import Question, Rubric, Shown
from fairlead.core.nouns import Answer, Failure, Judge, Judged, Judging, Opinion, Reply, Request, Usage
from fairlead.core.ports import Ask, PilotLedger
from fairlead.pilot.bets import Asked, is_refused_request

T = TypeVar("T")

CHARACTERS_A_TOKEN = 4
REPLY_TOKENS = 150
FRAME_TOKENS = 600
"""What every question holds beside the request and the answers."""

Pay = Callable[[int, Usage, Reply], None]


class Keeps(Protocol):
    """Where what judges said is kept, and looked for before they are asked."""

    async def call(self, work: Callable[[PilotLedger], T]) -> T:
        """What `work` returns, done beside everything else."""
        ...

    def keep_judgement(self, judge_id: str, question_key: str, exchange_id: str, reply: Reply) -> None:
        """Have a judge's reply written soon."""
        ...

    async def flush(self) -> None:
        """Come back when everything handed in so far is written."""
        ...


class Ruling(NamedTuple):
    """What the judges made of a pair, and how each of them fared."""

    judged: Judged
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What one judge said to one question: a preference, or nothing that could be read."""

    preference: float | None
    repaired: bool = False
    paid: tuple[Reply, ...] = ()
    fresh: bool = False
    trouble: str = ""


def expected_usage(logged: Usage) -> Usage:
    """The tokens that one question about a request of this size may take, on the long side."""
    asked, said = logged.input or 1_000, logged.output or 500
    return Usage(fresh=FRAME_TOKENS + asked + 3 * said, visible=REPLY_TOKENS)


class Bench:
    """The judges of a pilot, connected."""

    def __init__(
        self,
        design: Judging,
        asks: Sequence[Ask],
        *,
        rubric: Rubric,
        contestants: Iterable[str],
        keeper: Keeps,
        pay: Pay,
        thinking: Executor,
    ) -> None:
        """`pay` hears of every reply that this pilot pays for, with the judge's place; `thinking` runs what takes time."""
        self._design = design
        self._rubric = rubric
        self._contestants = tuple(contestants)
        self._thinking = thinking
        self._seats = [
            _Seat(judge, ask, keeper=keeper, pay=partial(pay, place))
            for place, (judge, ask) in enumerate(zip(design.judges, asks, strict=True))
        ]

    async def ruling(
        self, exchange_id: str, request: Request, *, incumbent: Answer, candidate: Answer, paid: bool = False
    ) -> Ruling:
        """What the judges make of a pair; `paid` says that an earlier run of this pilot may have asked them already."""
        known = judging.by_rule(incumbent, candidate)
        if known is not None:
            return self._undisputed(*known)
        shown, questions = await asyncio.get_running_loop().run_in_executor(
            self._thinking, self._prepared, request, incumbent, candidate
        )
        known = judging.by_rule(incumbent, candidate, shown)
        if known is not None:
            return self._undisputed(*known)
        heard = await _together(
            seat.said(exchange_id, question, paid=paid) for seat in self._seats for question in questions
        )
        pairs = list(zip(heard[::2], heard[1::2], strict=True))
        opinions = [_opinion(one, other) for one, other in pairs]
        judged = judging.judged_of(opinions, self._design.combine, shown, incumbent, candidate)
        return Ruling(judged, tuple(_fared(one, other) for one, other in pairs))

    def _prepared(
        self, request: Request, incumbent: Answer, candidate: Answer
    ) -> tuple[Shown, tuple[Question, Question]]:
        names = (*self._contestants, request.model)
        shown = judging.shown_pair(request, incumbent, candidate, contestants=names)
        return shown, (
            judging.question(shown, self._rubric, first="candidate"),
            judging.question(shown, self._rubric, first="incumbent"),
        )

    def _undisputed(self, preference: float, why: str) -> Ruling:
        judged = Judged(preference=preference, by_rule=why)
        return Ruling(judged, tuple(Asked(failure=None, fresh=False) for _ in self._seats))


class _Seat:
    """One judge: knows what it has answered already and whether it takes a schema."""

    def __init__(self, judge: Judge, ask: Ask, *, keeper: Keeps, pay: Callable[[Usage, Reply], None]) -> None:
        self._judge = judge
        self._ask = ask
        self._keeper = keeper
        self._pay = pay
        self._running: dict[str, asyncio.Future[Reply]] = {}
        self._answered: set[str] = set()
        self._takes_schema = True

    async def said(self, exchange_id: str, question: Question, *, paid: bool) -> _Heard:
        """What the judge says to a question, with one repair."""
        first, is_fresh = await self._reply(exchange_id, question, paid=paid)
        paying = (first,) if is_fresh or paid else ()
        if first.answer.failure is not None:
            return _Heard(preference=None, paid=paying, fresh=is_fresh, trouble=_words(first.answer.failure))
        verdict = judging.verdict_in(first.answer.text, question)
        if verdict is not None:
            return _Heard(preference=question.preference(verdict), paid=paying, fresh=is_fresh)
        mended = judging.repair(question, first.answer.text)
        second, is_new = await self._reply(exchange_id, mended, paid=paid)
        paying = (*paying, second) if is_new or paid else paying
        is_fresh = is_fresh or is_new
        if second.answer.failure is not None:
            return _Heard(
                preference=None, repaired=True, paid=paying, fresh=is_fresh, trouble=_words(second.answer.failure)
            )
        verdict = judging.verdict_in(second.answer.text, mended)
        if verdict is None:
            trouble = f"no verdict in {second.answer.text[:120]!r}"
            return _Heard(preference=None, repaired=True, paid=paying, fresh=is_fresh, trouble=trouble)
        return _Heard(preference=mended.preference(verdict), repaired=True, paid=paying, fresh=is_fresh)

    async def _reply(self, exchange_id: str, question: Question, *, paid: bool) -> tuple[Reply, bool]:
        """The judge's reply, and whether it was asked for it now."""
        key = digest(judging.body_for(self._judge, question))
        while (running := self._running.get(key)) is not None:
            await asyncio.wait([running])
            if not running.cancelled():
                return running.result(), False
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._running[key] = future
        try:
            if key in self._answered:
                await self._keeper.flush()
            kept = await self._keeper.call(lambda ledger: ledger.judgement(self._judge.id, key))
            reply = kept if kept is not None else await self._asked(question)
            if kept is None or (paid and key not in self._answered):
                self._pay(_guess(question), reply)
            if reply.answer.failure is None:
                self._answered.add(key)
                if kept is None:
                    self._keeper.keep_judgement(self._judge.id, key, exchange_id, reply)
            future.set_result(reply)
            return reply, kept is None
        finally:
            del self._running[key]
            future.cancel()

    async def _asked(self, question: Question) -> Reply:
        reply = await self._ask(judging.body_for(self._judge, question, schema=self._takes_schema))
        failure = reply.answer.failure
        if self._takes_schema and failure is not None and is_refused_request(failure):
            # The form of the answer is asked for in words too; an endpoint that knows no schemas is asked without one.
            plain = await self._ask(judging.body_for(self._judge, question, schema=False))
            if plain.answer.failure is None:
                self._takes_schema, reply = False, plain
        return reply


def _guess(question: Question) -> Usage:
    size = sum(len(turn.text) for turn in question.request.messages)
    return Usage(fresh=FRAME_TOKENS + size // CHARACTERS_A_TOKEN, visible=REPLY_TOKENS)


def _opinion(candidate_first: _Heard, incumbent_first: _Heard) -> Opinion:
    paid = (*candidate_first.paid, *incumbent_first.paid)
    return Opinion(
        candidate_first=candidate_first.preference,
        incumbent_first=incumbent_first.preference,
        repairs=candidate_first.repaired + incumbent_first.repaired,
        requests=len(paid),
        usage=together([reply.usage for reply in paid]),
    )


def _fared(one: _Heard, other: _Heard) -> Asked:
    """How a judge fared with a pair: it is mute when neither order led to a verdict."""
    return Asked(
        failure=None,
        fresh=one.fresh or other.fresh,
        mute=one.preference is None and other.preference is None,
        words=one.trouble or other.trouble,
    )


def together(usages: Sequence[Usage]) -> Usage:
    """The tokens of several replies; unknown where one of them is."""
    if not usages or any(usage.input is None or usage.output is None for usage in usages):
        return Usage() if usages else Usage(fresh=0, visible=0)
    return Usage(
        fresh=sum(usage.fresh or 0 for usage in usages),
        cache_read=sum(usage.cache_read or 0 for usage in usages),
        cache_write_5m=sum(usage.cache_write_5m or 0 for usage in usages),
        cache_write_1h=sum(usage.cache_write_1h or 0 for usage in usages),
        visible=sum(usage.visible or 0 for usage in usages),
        reasoning=sum(usage.reasoning or 0 for usage in usages),
    )


def _words(failure: Failure) -> str:
    return failure.detail or failure.kind.value


async def _together(waiting: Iterable[Coroutine[object, object, _Heard]]) -> list[_Heard]:
    """All of them at once; when one cannot be had, none is left running."""
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
