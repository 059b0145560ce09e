"""Asks the other side of calls that should be answered twice, with its own concurrency, queue and budget, and grades both.

Nothing here is between a caller and an answer: a call comes when it is answered and kept. What is not asked is counted with
the reason; what is asked is drawn in the ledger first, so that a kill cannot choose which requests count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Protocol

from fairlead.core.errors import EndpointError, FairleadError
from fairlead.core.nouns import Answer, Failure, FailureKind, PairRow, Reply, TokenPrice
from fairlead.edge.app.live_grading import Grading
from fairlead.edge.control.asking import NoKeyError, NotAllowedError
from fairlead.edge.control.questions import Question
from fairlead.pilot.purse import Purse
from fairlead.serve import tally as words
from fairlead.serve.tally import Tally

_LATE_S = 1.0
"""How long after its time limit a request may still hold up those that follow."""

_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What asking may take: requests at once, requests waiting, seconds, and money a month (`None` for any)."""

    concurrency: int
    queue: int
    timeout_s: float
    budget: Decimal | None = None
    currency: str = "USD"


class Sink(Protocol):
    """Where pairs go."""

    def claim(self, questions: Sequence[Question]) -> list[int | None]:
        """Draw questions; the position of each, `None` for one that may not be drawn (again). Done in a thread."""
        ...

    def enter(self, position: int, *, late: Callable[[], PairRow | None]) -> None:
        """A question is being asked."""
        ...

    def finish(self, position: int, row: PairRow | None) -> None:
        """A question was answered and graded, or (`None`) there is nothing to count."""
        ...

    async def settle(self, tally: Tally) -> Tally:
        """Count what may be counted now, and keep what was counted; the sum of all that ever was."""
        ...


@dataclass(slots=True)
class _Waiting:
    question: Question
    position: int
    amount: Decimal
    purse: Purse | None


class Pairs:
    """The asking of one stage of one route."""

    def __init__(
        self,
        ask: Callable[[Question], Awaitable[Reply]],
        *,
        candidate_asked: bool,
        grading: Grading,
        limits: Limits,
        price: TokenPrice | None,
        spent: Decimal,
        sink: Sink,
        now: Callable[[], datetime],
    ) -> None:
        """`candidate_asked` says which side is asked; `spent` is what this month has cost so far at other stages."""
        self.tally = Tally()
        self.total = Tally()
        self.grading = grading
        self._ask = ask
        self._candidate_asked = candidate_asked
        self._limits = limits
        self._price = price
        self._sink = sink
        self._now = now
        self._month: str = f"{now():%Y-%m}"
        self._before = spent
        self._purse = self._new_purse(spent)
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._thinking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fairlead-live-grader")
        self._workers: list[asyncio.Task[None]] = []
        self._settling = asyncio.Lock()
        self._pause_s = 0.0
        self._paused_until = 0.0
        self._open = True

    @property
    def room(self) -> int:
        """How many more questions may wait."""
        return max(0, self._limits.queue - self._queue.qsize())

    # What is asked

    async def offer(self, questions: Sequence[Question]) -> None:
        """Take questions, in the order of their requests; each is asked or counted as skipped."""
        self.tally.add(words.WANTED, len(questions))
        self._turn_of_month()
        admitted = [question for question in questions if self._admits(question)]
        room = self.room
        self.tally.add(words.NO_ROOM, max(0, len(admitted) - room))
        admitted = admitted[:room]
        places = await asyncio.to_thread(self._sink.claim, admitted) if admitted else []
        for question, position in zip(admitted, places, strict=True):
            if position is None:
                self.tally.add(words.REPEAT)
            else:
                self._put(question, position)
        await self._settle()

    async def again(self, questions: Sequence[tuple[int, Question]]) -> None:
        """Ask what was drawn before this process began and was never answered."""
        for position, question in questions:
            self._put(question, position)

    def _admits(self, question: Question) -> bool:
        reason = self._hindrance(question)
        if reason is not None:
            self.tally.add(reason)
        return reason is None

    def _hindrance(self, question: Question) -> str | None:
        if self.grading.off:
            return words.NO_GRADER
        if not self.grading.may_grade(*question.names):
            return words.NO_EXPECTED
        if asyncio.get_running_loop().time() < self._paused_until:
            return words.UNREACHABLE
        return self._too_dear(question)

    def _too_dear(self, question: Question) -> str | None:
        purse = self._purse
        if purse is None:
            return words.OUT_OF_BUDGET
        if self._limits.budget is not None and not purse.priced:
            return words.NO_PRICE
        return None if purse.fits(purse.estimate(0, question.logged.usage)) else words.OUT_OF_BUDGET

    def _put(self, question: Question, position: int) -> None:
        purse = self._purse
        amount = Decimal(0) if purse is None else purse.estimate(0, question.logged.usage)
        if purse is not None:
            purse.reserve(amount)
        self.tally.add(words.DRAWN)
        self._queue.put_nowait(_Waiting(question, position, amount, purse))
        if len(self._workers) < self._limits.concurrency:
            self._workers.append(asyncio.get_running_loop().create_task(self._work()))

    # Asking

    async def _work(self) -> None:
        while True:
            waiting = await self._queue.get()
            await self._answer(waiting)
            await self._settle()
            self._queue.task_done()

    async def _answer(self, waiting: _Waiting) -> None:
        question, position = waiting.question, waiting.position
        self._sink.enter(position, late=partial(self._late, question, position))
        due = self._limits.timeout_s + _LATE_S
        timer = asyncio.get_running_loop().call_later(due, self._nudge)
        try:
            # What is cancelled here is neither counted nor set aside: it is drawn, and asked by whoever goes on.
            reply = await self._asked(question)
            row = None
            if reply is not None:
                self._pay(waiting, reply)
                row = await self._graded(question, position, reply)
            self._sink.finish(position, row)
        finally:
            timer.cancel()
            if waiting.purse is not None:
                waiting.purse.release(waiting.amount)

    async def _asked(self, question: Question) -> Reply | None:
        if question.known is not None:
            return question.known
        self.tally.add(words.ASKED)
        try:
            reply = await self._ask(question)
        except NoKeyError as error:
            self._hindered(words.NO_KEY, str(error))
        except NotAllowedError as error:
            self._hindered(words.LOCAL_ONLY, str(error))
        except (EndpointError, FairleadError) as error:
            loop = asyncio.get_running_loop()
            self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LAST_PAUSE_S)
            self._paused_until = loop.time() + self._pause_s
            self._hindered(words.UNREACHABLE, str(error))
        else:
            self._pause_s = self._paused_until = 0.0
            failure = reply.answer.failure
            self.tally.add(words.ANSWERED if failure is None else words.FAILED + failure.kind.value)
            return reply
        return None

    def _hindered(self, reason: str, problem: str) -> None:
        self.tally.add(reason)
        self.tally.problem = problem

    async def _graded(self, question: Question, position: int, reply: Reply) -> PairRow | None:
        work = partial(self._row, question, position, reply)
        try:
            row = await asyncio.get_running_loop().run_in_executor(self._thinking, work)
        except FairleadError as error:
            self._hindered(words.NOT_GRADED, str(error))
            return None
        self.tally.add(words.GRADED)
        return row

    def _row(self, question: Question, position: int, reply: Reply) -> PairRow:
        candidate, incumbent = (reply, question.logged) if self._candidate_asked else (question.logged, reply)
        return self.grading.row(
            question.asked.request, position=position, names=question.names, candidate=candidate, incumbent=incumbent
        )

    def _late(self, question: Question, position: int) -> PairRow | None:
        """What a question is worth whose time is up: the side that was asked has failed."""
        self.tally.add(words.FAILED + FailureKind.TIMEOUT.value)
        answer = Answer(failure=Failure(kind=FailureKind.TIMEOUT, detail="no answer in time"))
        try:
            return self._row(question, position, Reply(answer=answer))
        except FairleadError:
            return None

    def _nudge(self) -> None:
        """A request is late: count it as that, and what waited for it."""
        if self._open:
            task = asyncio.get_running_loop().create_task(self._settle())
            self._workers.append(task)
            task.add_done_callback(self._workers.remove)

    async def _settle(self) -> None:
        async with self._settling:
            tally, self.tally = self.tally, Tally()
            self.total = total = await self._sink.settle(tally)
            budget = self._limits.budget
            # Other processes spend from the same budget.
            if budget is not None and self._before + total.spent_in(self._month, self._limits.currency) >= budget:
                self._purse = None

    # Money

    def _new_purse(self, spent: Decimal) -> Purse | None:
        """The purse of a month; `None` when there is nothing left in it."""
        budget = self._limits.budget
        left = None if budget is None else budget - spent
        if left is not None and left <= 0:
            return None
        return Purse(budget=left, prices=(self._price,))

    def _turn_of_month(self) -> None:
        month: str = f"{self._now():%Y-%m}"
        if month != self._month:
            self._month, self._before, self._purse = month, Decimal(0), self._new_purse(Decimal(0))

    def _pay(self, waiting: _Waiting, reply: Reply) -> None:
        purse, price = waiting.purse, self._price
        if purse is None or price is None or not reply.attempts:
            return
        before, guessed = _amount(purse.spent), _amount(purse.estimated)
        purse.settle(0, logged=waiting.question.logged.usage, reply=reply)
        amount, estimated = _amount(purse.spent) - before, _amount(purse.estimated) - guessed
        self.tally.pay(amount, month=self._month, currency=price.currency, estimated=estimated > 0)

    # The end

    async def idle(self) -> None:
        """Come back when everything that was drawn so far is answered."""
        await self._queue.join()

    async def close(self) -> None:
        """Stop asking; what is on its way is given up, and drawn again by whoever goes on."""
        self._open = False
        for worker in [*self._workers]:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._thinking.shutdown(wait=False, cancel_futures=True)
        self.tally.add(words.STOPPED, self._queue.qsize())
        await self._settle()


def _amount(money: object) -> Decimal:
    amount = getattr(money, "amount", None)
    return amount if isinstance(amount, Decimal) else Decimal(0)
