"""Judges of live pairs: asked as in a pilot (`pilot.judge`), beside everything else, and shown no more than the ledger keeps.

Rules kept here: both answers are there before a judge is asked; texts go through redaction first, the judges' own words before
they are kept; a judge that may not see a workload now is not asked, whoever chose it; whatever a judge costs is told to `pay`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from fairlead.core.errors import FairleadError, LedgerError
from fairlead.core.judge import by_rule, kin
from fairlead.core.nouns import JSON, Answer, Exchange, Judge, Judged, Reply, Request
from fairlead.core.ports import PilotLedger
from fairlead.core.redact import Policy, Redactor, redacted
from fairlead.edge.app.live_grading import Comparing
from fairlead.edge.control.asking import Askers
from fairlead.edge.control.questions import Question
from fairlead.edge.store import Ledger
from fairlead.pilot.judge import Bench, Pay, Ruling

T = TypeVar("T")

_MOST_HELD = 1_000


class KinError(FairleadError):
    """A judge is of the family of the model that answers this request today."""


class NotKeptError(FairleadError):
    """No text of this workload is kept, so none is shown to a judge."""


class LiveBench:
    """The judges of one stage of one route."""

    def __init__(
        self,
        comparing: Comparing,
        askers: Askers,
        *,
        only: Callable[[], tuple[str, ...]],
        ledger: Ledger,
        redactor: Redactor,
        timeout_s: float,
        concurrency: int,
    ) -> None:
        """`only` says what may see the workload now; at most `concurrency` pairs are judged at once."""
        self.comparing = comparing
        self.limit_s = 4 * timeout_s
        """How long judging a pair may take: its turn, a question and its repair."""
        self._askers = askers
        self._only = only
        self._redactor = redactor
        self._timeout_s = timeout_s
        self._kept = _Judgements(ledger, redactor)
        self._gate = asyncio.Semaphore(concurrency)
        self._bench: Bench | None = None

    def seat(self, *, pay: Pay, thinking: Executor) -> None:
        """Begin; `pay` hears of every reply with the judge's place, `thinking` runs what takes time."""
        judging = self.comparing.judging
        self._thinking = thinking
        self._bench = Bench(
            judging,
            [partial(self._ask, judge) for judge in judging.judges],
            rubric=self.comparing.rubric,
            contestants=self.comparing.contestants,
            keeper=self._kept,
            pay=pay,
            thinking=thinking,
        )

    async def ruling(self, question: Question, *, incumbent: Answer, candidate: Answer) -> Ruling:
        """What the judges make of a pair; `TimeoutError` when they take too long."""
        known = by_rule(incumbent, candidate)
        if known is not None:
            return Ruling(Judged(preference=known[0], by_rule=known[1]), ())
        self._refuse(question.asked.request.model)
        assert self._bench is not None
        async with asyncio.timeout(self.limit_s), self._gate:
            look = partial(self._shown, question, incumbent, candidate)
            request, one, other = await asyncio.get_running_loop().run_in_executor(self._thinking, look)
            ruling = await self._bench.ruling(question.exchange_id, request, incumbent=one, candidate=other)
        await self._kept.flush()
        return ruling

    async def close(self) -> None:
        """Write what is left."""
        await self._kept.flush()

    def _refuse(self, incumbent: str) -> None:
        judging = self.comparing.judging
        if self._redactor.policy is Policy.DROP:
            raise NotKeptError("No text is kept (redact = drop), so none is shown to a judge.")
        if judging.forced:
            return
        for judge in judging.judges:
            family = kin(judge.model, incumbent, declared=judge.family)
            if family is not None:
                raise KinError(f"The judge {judge.model} is of {family}'s family, and so is {incumbent[:80]}.")

    def _shown(self, question: Question, incumbent: Answer, candidate: Answer) -> tuple[Request, Answer, Answer]:
        """What the ledger would keep of a request and both answers."""
        asked, name = question.asked, question.exchange_id
        exchange = Exchange(
            id=name,
            row_hash=name,
            dialect=asked.dialect,
            request=asked.request,
            answer=incumbent,
            request_body=asked.body,
            response_body=None,
        )
        one = redacted(exchange, self._redactor)
        return one.request, one.answer, redacted(replace(exchange, answer=candidate), self._redactor).answer

    async def _ask(self, judge: Judge, body: Mapping[str, JSON]) -> Reply:
        return await self._askers.judge(judge, body, only=self._only(), timeout_s=self._timeout_s)


class _Judgements:
    """What judges replied, in the ledger: redacted, and held for a while when the ledger cannot be written."""

    def __init__(self, ledger: Ledger, redactor: Redactor) -> None:
        self._ledger = ledger
        self._redactor = redactor
        self._held: list[tuple[str, str, str, Reply]] = []

    async def call(self, work: Callable[[PilotLedger], T]) -> T:
        """What `work` returns, done in a thread."""
        return await asyncio.to_thread(work, self._ledger)

    def keep_judgement(self, judge_id: str, question_key: str, exchange_id: str, reply: Reply) -> None:
        """Have a judge's reply written at the next flush."""
        answer = replace(reply.answer, text=self._redactor.text(reply.answer.text))
        if len(self._held) < _MOST_HELD:
            self._held.append((judge_id, question_key, exchange_id, replace(reply, answer=answer, response_body=None)))

    async def flush(self) -> None:
        """Come back when everything handed in so far is written; what cannot be is tried again at the next."""
        held, self._held = self._held, []
        try:
            if held:
                await asyncio.to_thread(self._ledger.append_judgements, held)
        except LedgerError:
            self._held = [*held, *self._held][:_MOST_HELD]
