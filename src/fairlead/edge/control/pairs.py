"""Asks the other side of calls that should be answered twice, with its own concurrency, queue and budget, and grades both.

Nothing here is between a caller and an answer: a call comes when it is answered and kept. What is not asked is counted with
the reason; what is asked is drawn in the ledger first, so that a kill cannot choose which requests count. Where judges compare
the pairs, what they may cost is set aside before the other side is asked, so that a budget that is used up stops both.
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

from fairlead.core import money
from fairlead.core.errors import EndpointError, FairleadError, LedgerError
from fairlead.core.judge import by_rule
from fairlead.core.nouns import Answer, Failure, FailureKind, Judged, Money, PairRow, Reply, TokenPrice, Usage
from fairlead.edge.app.live_grading import Grading
from fairlead.edge.control.asking import NoKeyError, NotAllowedError
from fairlead.edge.control.judging import KinError, LiveBench, NotKeptError
from fairlead.edge.control.questions import Question
from fairlead.pilot.bets import FIRST_ANSWERS
from fairlead.pilot.judge import Ruling, expected_usage
from fairlead.pilot.purse import Purse
from fairlead.serve import tally as words
from fairlead.serve.tally import Tally

_LATE_S = 1.0
"""How long after its time limit a request may still hold up those that follow."""

_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What asking may take: requests at once, requests waiting, seconds, money a month (`None` for any), pairs judged at once."""

    concurrency: int
    queue: int
    timeout_s: float
    budget: Decimal | None = None
    currency: str = "USD"
    judge_concurrency: int = 4


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
    purse: Purse
    reply: Reply | None = None


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
        judges: LiveBench | None = None,
        judge_prices: Sequence[TokenPrice | None] = (),
    ) -> None:
        """`candidate_asked` says which side is asked; `spent` is what this month has cost so far at other stages.

        `judges` compare the pairs, in the place of the grader; `judge_prices` are what each of them costs.
        """
        self.tally = Tally()
        self.total = Tally()
        self.grading = grading
        self._ask = ask
        self._candidate_asked = candidate_asked
        self._limits = limits
        self._judges = judges
        self._prices = (price, *judge_prices)
        self._sink = sink
        self._now = now
        self._month: str = f"{now():%Y-%m}"
        self._before = spent
        self._is_out = False
        self._purse = self._new_purse(spent)
        self._asking = asyncio.Semaphore(limits.concurrency)
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._thinking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fairlead-live-grader")
        self._workers: list[asyncio.Task[None]] = []
        self._settling = asyncio.Lock()
        self._pause_s = 0.0
        self._paused_until = 0.0
        self._paused_for = words.UNREACHABLE
        self._mutes = 0
        self._open = True
        if judges is not None:
            judges.seat(pay=self._pay_judge, thinking=self._thinking)

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
        try:
            places = await asyncio.to_thread(self._sink.claim, admitted) if admitted else []
        except LedgerError as error:
            self.tally.add(words.NOT_DRAWN, len(admitted) - 1)
            self._hindered(words.NOT_DRAWN, str(error))
            return
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
            return self._paused_for
        return self._too_dear(question)

    def _too_dear(self, question: Question) -> str | None:
        if self._is_out:
            return words.OUT_OF_BUDGET
        if self._limits.budget is not None and not self._purse.priced:
            return words.NO_PRICE
        return None if self._purse.fits(self._cost_of(question)) else words.OUT_OF_BUDGET

    def _cost_of(self, question: Question) -> Decimal:
        """What asking the other side may cost, and judging both: two questions to each judge."""
        asked, logged = self._purse.estimate(0, question.logged.usage), expected_usage(question.logged.usage)
        judged = (2 * self._purse.estimate(place, logged) for place in range(1, len(self._prices)))
        return sum(judged, asked)

    def _put(self, question: Question, position: int) -> None:
        purse, amount = self._purse, self._cost_of(question)
        purse.reserve(amount)
        self.tally.add(words.DRAWN)
        self._queue.put_nowait(_Waiting(question, position, amount, purse))
        if len(self._workers) < self._at_once:
            self._workers.append(asyncio.get_running_loop().create_task(self._work()))

    @property
    def _at_once(self) -> int:
        """Pairs that are worked on at once: those being asked, and those being judged."""
        return self._limits.concurrency + (0 if self._judges is None else self._limits.judge_concurrency)

    # Asking

    async def _work(self) -> None:
        while True:
            waiting = await self._queue.get()
            await self._asking.acquire()
            await self._answer(waiting)
            await self._settle()
            self._queue.task_done()

    async def _answer(self, waiting: _Waiting) -> None:
        position = waiting.position
        self._sink.enter(position, late=partial(self._late, waiting))
        timer = asyncio.get_running_loop().call_later(self.due_s + _LATE_S, self._nudge)
        try:
            # What is cancelled here is neither counted nor set aside: it is drawn, and asked by whoever goes on.
            try:
                waiting.reply = await self._asked(waiting)
            finally:
                self._asking.release()
            row = None if waiting.reply is None else await self._graded(waiting, waiting.reply)
        except Exception as error:  # noqa: BLE001 - one pair that trips us must not end the asking of all others
            self._hindered(words.FAULT, f"{type(error).__name__}: {error}")
            row = None
        finally:
            timer.cancel()
            waiting.purse.release(waiting.amount)
        self._sink.finish(position, row)

    @property
    def due_s(self) -> float:
        """How long a pair may take, from the moment it is asked."""
        return self._limits.timeout_s + (0.0 if self._judges is None else self._judges.limit_s)

    async def _asked(self, waiting: _Waiting) -> Reply | None:
        question = waiting.question
        if question.known is not None:
            return question.known
        if self._is_out:
            self.tally.add(words.OUT_OF_BUDGET)
            return None
        self.tally.add(words.ASKED)
        try:
            reply = await self._ask(question)
        except NoKeyError as error:
            self.tally.add(words.IN_VAIN)
            self._hindered(words.NO_KEY, str(error))
        except NotAllowedError as error:
            self._hindered(words.LOCAL_ONLY, str(error))
        except (EndpointError, FairleadError) as error:
            self.tally.add(words.IN_VAIN)
            self._pause(words.UNREACHABLE)
            self._hindered(words.UNREACHABLE, str(error))
        else:
            if self._paused_for == words.UNREACHABLE:
                self._pause_s = self._paused_until = 0.0
            self._pay(waiting.purse, 0, question.logged.usage, reply)
            failure = reply.answer.failure
            self.tally.add(words.ANSWERED if failure is None else words.FAILED + failure.kind.value)
            return reply
        return None

    def _hindered(self, reason: str, problem: str) -> None:
        self.tally.add(reason)
        self.tally.problem = problem

    def _pause(self, reason: str) -> None:
        """Ask nothing for a while, each time for longer: who is needed for a pair cannot be used."""
        if self._paused_for != reason:
            self._paused_for, self._pause_s = reason, 0.0
        self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LAST_PAUSE_S)
        self._paused_until = asyncio.get_running_loop().time() + self._pause_s

    async def _graded(self, waiting: _Waiting, reply: Reply) -> PairRow | None:
        judged = None
        if self._judges is not None:
            judged = await self._judged(waiting.question, self._judges, reply)
            if judged is None:
                self.tally.add(words.UNJUDGED)
                return None
        work = partial(self._row, waiting.question, waiting.position, reply, judged)
        try:
            row = await asyncio.get_running_loop().run_in_executor(self._thinking, work)
        except FairleadError as error:
            self._hindered(words.NOT_GRADED, str(error))
            return None
        self.tally.add(words.GRADED)
        return row

    async def _judged(self, question: Question, judges: LiveBench, reply: Reply) -> Judged | None:
        """What the judges made of a pair; `None` where there is no judgement, which is counted with its reason."""
        candidate, incumbent = self._sides(question, reply)
        if self._is_out:
            self.tally.add(words.JUDGE_BUDGET)
            return None
        try:
            ruling = await judges.ruling(question, incumbent=incumbent.answer, candidate=candidate.answer)
        except NoKeyError as error:
            self._pause(words.JUDGE_KEY)
            self._hindered(words.JUDGE_KEY, str(error))
        except NotAllowedError as error:
            self._pause(words.JUDGE_ELSEWHERE)
            self._hindered(words.JUDGE_ELSEWHERE, str(error))
        except KinError as error:
            self._hindered(words.JUDGE_KIN, str(error))
        except NotKeptError as error:
            self._hindered(words.NOT_KEPT, str(error))
        except TimeoutError:
            self._hindered(words.JUDGE_LATE, f"no judgement within {judges.limit_s:g} s")
        except (EndpointError, FairleadError) as error:
            self._pause(words.JUDGE_AWAY)
            self._hindered(words.JUDGE_AWAY, str(error))
        else:
            self._heard(ruling)
            return ruling.judged
        return None

    def _heard(self, ruling: Ruling) -> None:
        """Count what judges said; where none of them can be read time after time, asking goes on after a pause only."""
        judged = ruling.judged
        if not judged.opinions:
            self.tally.add(words.BY_RULE)
            return
        self.tally.add(words.JUDGED)
        self.tally.add(words.REPAIRS, sum(opinion.repairs for opinion in judged.opinions))
        self.tally.add(words.UNREAD, sum(opinion.unread for opinion in judged.opinions))
        self.tally.add(words.MUTE, judged.is_mute)
        self._mutes = self._mutes + 1 if judged.is_mute else 0
        if self._mutes >= FIRST_ANSWERS:
            said = next((asked.words for asked in ruling.asked if asked.words), "")
            self._pause(words.JUDGE_AWAY)
            self.tally.problem = f"no verdict of the judges could be read, {self._mutes} times in a row: {said}"
        elif not judged.is_mute:
            self._pause_s = self._paused_until = 0.0

    def _sides(self, question: Question, reply: Reply) -> tuple[Reply, Reply]:
        """The candidate's reply and the incumbent's."""
        return (reply, question.logged) if self._candidate_asked else (question.logged, reply)

    def _row(self, question: Question, position: int, reply: Reply, judged: Judged | None) -> PairRow:
        candidate, incumbent = self._sides(question, reply)
        return self.grading.row(
            question.asked.request,
            position=position,
            names=question.names,
            candidate=candidate,
            incumbent=incumbent,
            judged=judged,
        )

    def _late(self, waiting: _Waiting) -> PairRow | None:
        """What a question is worth whose time is up: the side that was asked has failed, unless it is judges who are late."""
        if waiting.reply is not None and self._judges is not None:
            return None
        self.tally.add(words.FAILED + FailureKind.TIMEOUT.value)
        answer = Answer(failure=Failure(kind=FailureKind.TIMEOUT, detail="no answer in time"))
        candidate, incumbent = self._sides(waiting.question, Reply(answer=answer))
        known = by_rule(incumbent.answer, candidate.answer) if self._judges is not None else None
        judged = None if known is None else Judged(preference=known[0], by_rule=known[1])
        try:
            return self._row(waiting.question, waiting.position, Reply(answer=answer), judged)
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
            try:
                self.total = total = await self._sink.settle(tally)
            except LedgerError as error:  # what was to be kept is handed over again at the next settling
                self.tally = tally.plus(self.tally)
                self.tally.problem = str(error)
                return
            budget = self._limits.budget
            # Other processes spend from the same budget.
            if budget is not None and self._before + total.spent_in(self._month, self._limits.currency) >= budget:
                self._is_out = True

    # Money

    def _new_purse(self, spent: Decimal) -> Purse:
        """The purse of a month; where nothing is left, one that only counts what is still on its way."""
        budget = self._limits.budget
        left = None if budget is None else budget - spent
        self._is_out = left is not None and left <= 0
        return Purse(budget=None if self._is_out else left, prices=self._prices)

    def _turn_of_month(self) -> None:
        month: str = f"{self._now():%Y-%m}"
        if month != self._month:
            self._month, self._before, self._purse = month, Decimal(0), self._new_purse(Decimal(0))

    def _pay(self, purse: Purse, place: int, logged: Usage, reply: Reply) -> None:
        """A reply of somebody who was asked is paid for: number 0 is the other side, then come the judges."""
        price = self._prices[place]
        if not reply.attempts:
            return
        if price is None or not purse.priced:
            cost = None if price is None else money.cost(reply.usage, price)
            if cost is None:
                self.tally.add(words.UNPRICED)
            else:
                self.tally.pay(cost.amount, month=self._month, currency=cost.currency)
            return
        before, guessed = _amount(purse.spent), _amount(purse.estimated)
        purse.settle(place, logged=logged, reply=reply)
        amount, estimated = _amount(purse.spent) - before, _amount(purse.estimated) - guessed
        self.tally.pay(amount, month=self._month, currency=price.currency, estimated=estimated > 0)

    def _pay_judge(self, place: int, logged: Usage, reply: Reply) -> None:
        self.tally.add(words.QUESTIONS)
        self._pay(self._purse, 1 + place, logged, reply)

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
        if self._judges is not None:
            await self._judges.close()
        self._thinking.shutdown(wait=False, cancel_futures=True)
        self.tally.add(words.STOPPED, self._queue.qsize())
        await self._settle()


def _amount(money: Money | None) -> Decimal:
    return Decimal(0) if money is None else money.amount
