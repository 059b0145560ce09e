"""Runs a pilot: draw, ask both sides, grade, bet, stop when the margin is decided. May be killed at any moment.

Rules kept: a draw is written down before it is asked, so that a kill cannot choose which requests count; pairs are bet
on in the order they were drawn (`bets.py` says why); every answer that came is kept, and nothing that is kept is asked
again; a failed answer is scored 0 for the side that failed, and only when an endpoint cannot be used at all is nothing
scored: then the pilot pauses; once it has stopped no further pair counts, however many answers are still on their way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from fairlead.core.errors import EndpointError, FairleadError, InputError, PilotPaused, UsageError
from fairlead.core.evidence import PilotEvidence
from fairlead.core.evidence.judges import Reliability, reliability, withheld
from fairlead.core.evidence.verdict import undecided
from fairlead.core.evidence.voice import speaker_of
from fairlead.core.grade import Rule
from fairlead.core.judge import PEOPLE, Rubric, by_rule
from fairlead.core.nouns import (
    JSON,
    Answer,
    Exchange,
    ExchangeRow,
    Judged,
    OnFile,
    PairRow,
    PilotDesign,
    Reply,
    TokenPrice,
    Usage,
)
from fairlead.core.ports import Ask, Grader, PilotLedger
from fairlead.pilot import design as designs
from fairlead.pilot import on_file
from fairlead.pilot import progress as words
from fairlead.pilot import result as results
from fairlead.pilot.asking import CandidateBodies, Side, incumbent_bodies, logged_reply, pair_row
from fairlead.pilot.bets import Asked, Bets, Finished, Trouble, is_refused_request
from fairlead.pilot.judge import Bench, expected_usage
from fairlead.pilot.keep import Keeper
from fairlead.pilot.progress import Progress, Teller
from fairlead.pilot.purse import Purse
from fairlead.pilot.result import Ended, PilotResult
from fairlead.pilot.supply import Drawn, Gone, Supply

BATCH = 64
"""Draws that are written down and read together, at most."""

BATCH_CHARACTERS = 8_000_000
"""Requests with pages and pictures in them are read in smaller batches, so that memory stays bounded."""

GRADED_AT_ONCE = 20_000
"""Characters of an answer up to which a quick rule grades it where it came in."""

RUN_AHEAD = 8
"""How many draws may be finished or on their way beyond the one that is waited for, as a multiple of the concurrency.

While a slow answer holds up the bets, going on keeps the endpoint busy, and stopping saves requests that may turn out
not to be needed. When many pairs are still needed anyway, half of them may be asked ahead.
"""


class PausedPilot(PilotPaused):
    """A pilot that stopped before a verdict, with `result` as it stands."""

    def __init__(self, message: str, result: PilotResult) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run may use: everything that is not part of the design and so does not touch the evidence."""

    price: TokenPrice | None = None
    incumbent_price: TokenPrice | None = None
    judge_prices: tuple[TokenPrice | None, ...] = ()
    budget: Decimal | None = None
    proof: float = 0.0
    concurrency: int = 8
    progress: Callable[[Progress], None] | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    language: Callable[[str], str | None] = lambda _text: None


async def run(
    design: PilotDesign,
    *,
    ledger: PilotLedger,
    ask_candidate: Ask,
    ask_incumbent: Ask | None = None,
    ask_judges: Sequence[Ask] = (),
    rubric: Rubric | None = None,
    grader: Grader,
    expected: Mapping[str, JSON] | None = None,
    price: TokenPrice | None = None,
    incumbent_price: TokenPrice | None = None,
    judge_prices: Sequence[TokenPrice | None] = (),
    budget: Decimal | None = None,
    proof: float = 0.0,
    concurrency: int = 8,
    progress: Callable[[Progress], None] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    language: Callable[[str], str | None] = lambda _text: None,
) -> PilotResult:
    """Run the pilot of `design`, or what is left of it, and return what it found.

    Raises `PausedPilot` when it had to stop before a verdict because of an endpoint. `budget` caps the whole pilot in
    the currency of `price`, earlier runs included; without a price it counts requests. Cancelling keeps everything.
    `proof` is the log of the e-value that "not worse" must reach, where standing by itself is not enough: a decided
    pilot goes on until it does. `language` tells the language of a text, for segments by language.
    """
    terms = Terms(
        price=price,
        incumbent_price=incumbent_price,
        judge_prices=tuple(judge_prices) or (None,) * len(ask_judges),
        budget=budget,
        proof=proof,
        concurrency=concurrency,
        progress=progress,
        now=now,
        language=language,
    )
    _check(design, terms, grader=grader, ask_incumbent=ask_incumbent)
    _check_judges(design, ask_judges, rubric)
    pilot = _Pilot(design, terms, ledger=ledger, grader=grader, expected=expected)
    pilot.connect(ask_candidate, ask_incumbent)
    if design.judging is not None and rubric is not None:
        pilot.seat(ask_judges, rubric)
    return await pilot.run()


def _check(design: PilotDesign, terms: Terms, *, grader: Grader, ask_incumbent: Ask | None) -> None:
    if grader.id != design.grader:
        raise UsageError(
            f"This pilot was designed with the grader {design.grader}, not {grader.id}; that is another pilot."
        )
    if (design.incumbent is None) != (ask_incumbent is None):
        raise UsageError("The incumbent is asked again exactly when the design names whom to ask.")
    if terms.concurrency < 1:
        raise UsageError(
            f"concurrency = {terms.concurrency} cannot be used; set it to a number of requests, such as 8."
        )


def _check_judges(design: PilotDesign, asks: Sequence[Ask], rubric: Rubric | None) -> None:
    judging = design.judging
    if len(asks) != (0 if judging is None else len(judging.judges)):
        raise UsageError("Exactly the judges that the design names are asked.")
    if judging is not None and (rubric is None or rubric.hash != judging.prompt):
        raise UsageError("This pilot was designed with other words for its judges; that is another pilot.")


class _Pilot:
    """One run."""

    def __init__(
        self,
        design: PilotDesign,
        terms: Terms,
        *,
        ledger: PilotLedger,
        grader: Grader,
        expected: Mapping[str, JSON] | None,
    ) -> None:
        self._design = design
        self._terms = terms
        self._grader = grader
        self._expected = expected
        self._keeper = Keeper(ledger, on_error=self._break)
        sides = (terms.price,) if design.incumbent is None else (terms.price, terms.incumbent_price)
        self._first_judge = len(sides)
        asked = (*sides, *terms.judge_prices)
        self._purse = Purse(budget=terms.budget, prices=asked)
        self._bench: Bench | None = None
        # On a thread, for a grader that thinks for a second would make the answers that come meanwhile look late.
        self._grading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fairlead-grader")
        self._bodies = CandidateBodies(design.candidate)
        self._sides: list[Side] = []
        self._ready: deque[Drawn | Gone] = deque()
        self._fetching: asyncio.Task[None] | None = None
        self._dry = False
        self._typical_size = 1
        self._flying: set[asyncio.Task[None]] = set()
        self._held: list[tuple[Side, Drawn, Reply]] = []
        self._something = asyncio.Event()
        self._teller = Teller(
            terms.progress,
            clock=asyncio.get_running_loop().time,
            n_max=design.n_max,
            speaker=speaker_of(design),
        )
        self._error: BaseException | None = None

    def connect(self, ask_candidate: Ask, ask_incumbent: Ask | None) -> None:
        """Name whom to ask."""
        design, keeper = self._design, self._keeper
        name = designs.candidate_asker(design)
        self._sides = [Side(number=0, asker_id=name, ask=ask_candidate, body=self._bodies, keeper=keeper)]
        again = designs.incumbent_asker(design)
        if ask_incumbent is not None and design.incumbent is not None and again is not None:
            body = incumbent_bodies(design.incumbent)
            self._sides.append(Side(number=1, asker_id=again, ask=ask_incumbent, body=body, keeper=keeper))

    def seat(self, asks: Sequence[Ask], rubric: Rubric) -> None:
        """Name the judges."""
        design = self._design
        assert design.judging is not None
        self._bench = Bench(
            design.judging,
            asks,
            rubric=rubric,
            contestants=designs.contestants(design),
            keeper=self._keeper,
            pay=lambda place, logged, reply: self._purse.settle(self._first_judge + place, logged=logged, reply=reply),
            thinking=self._grading,
        )

    async def run(self) -> PilotResult:
        """Run to the end, and leave nothing unwritten whatever happens."""
        try:
            await self._begin()
            try:
                await self._drive()
            finally:
                await self._land()
                await self._keeper.flush()
            return self._outcome()
        finally:
            self._grading.shutdown(wait=False, cancel_futures=True)
            await self._keeper.close()

    # What earlier runs left

    async def _begin(self) -> None:
        design = self._design

        def read(ledger: PilotLedger) -> tuple[str, Sequence[ExchangeRow], designs.Known]:
            pilot_id, rows = ledger.start_pilot(design), ledger.rows(design.workload_id)
            return pilot_id, rows, on_file.known(ledger, design.workload_id, design.drawing, rows)

        self._pilot_id, rows, labels = await self._keeper.call(read)
        self._frame = designs.frame_of(design, rows, self._grader, self._expected, labels)
        draws = await self._keeper.call(lambda ledger: ledger.draws(self._pilot_id))
        pairs = await self._keeper.call(lambda ledger: ledger.pairs(self._pilot_id))
        self._keeper.begin(self._pilot_id)
        known = await self._on_file() if on_file.needed(design) else ()
        self._bets = Bets(
            PilotEvidence(design, known, proof=self._terms.proof),
            sides=self._first_judge + len(self._terms.judge_prices),
        )
        self._recall(pairs, {row.id: row.usage for row in rows})
        self._supply = Supply(
            pilot_id=self._pilot_id,
            draws=draws,
            known=rows,
            order=designs.order(design, self._frame, draws),
            askers=[side.asker_id for side in self._sides],
            keeper=self._keeper,
            after=self._bets.head - 1,
            repeats=designs.repeats(design),
        )

    async def _on_file(self) -> Sequence[OnFile]:
        """What is known before the first draw: kept from an earlier run, or worked out and written down now."""
        kept = await self._keeper.call(lambda ledger: ledger.on_file(self._pilot_id))
        if kept:
            return kept
        loop, found = asyncio.get_running_loop(), list[OnFile]()
        for first, rows in on_file.batches(on_file.ahead(self._design, self._frame), BATCH):
            exchanges = await self._keeper.call(partial(_exchanges, rows))
            found += await loop.run_in_executor(self._grading, self._known, first, rows, exchanges)
        await self._keeper.call(lambda ledger: ledger.append_on_file(self._pilot_id, found))
        return found

    def _known(self, first: int, rows: Sequence[ExchangeRow], exchanges: Sequence[Exchange]) -> list[OnFile]:
        found: list[OnFile] = []
        for position, (row, exchange) in enumerate(zip(rows, exchanges, strict=True), first):
            expected = None if self._expected is None else self._expected.get(row.id)
            try:
                closed = on_file.closed_score(self._design, exchange, grader=self._grader, expected=expected)
            except FairleadError as error:
                raise InputError(f"Exchange {row.id} cannot be graded: {error}") from error
            names = self._design.drawing.segments
            segments = tuple(on_file.label(name, exchange, row, language=self._terms.language) for name in names)
            found.append(OnFile(position=position, exchange_id=row.id, closed=closed, segments=segments))
        return found

    def _recall(self, pairs: Sequence[PairRow], logged: Mapping[str, Usage]) -> None:
        paid: set[str] = set()
        for row in sorted(pairs, key=lambda row: row.pair.position):
            self._bets.recall(row)
            exchange_id = row.pair.exchange_id
            if exchange_id not in paid:
                paid.add(exchange_id)
                self._pay_again(row, logged.get(exchange_id, row.incumbent_usage))

    def _pay_again(self, row: PairRow, logged: Usage) -> None:
        """Count what an earlier run paid for this pair."""
        used = [(row.candidate_usage, row.candidate_attempts), (row.incumbent_usage, 1)]
        for side, (usage, attempts) in zip(self._sides, used, strict=False):
            reply = Reply(answer=Answer(), usage=usage, attempts=attempts)
            self._purse.settle(side.number, logged=logged, reply=reply)
        for place, opinion in enumerate(row.judged.opinions if row.judged is not None else ()):
            if opinion.requests:
                reply = Reply(answer=Answer(), usage=opinion.usage)
                number = self._first_judge + place
                self._purse.settle(number, logged=expected_usage(logged), reply=reply, requests=opinion.requests)

    # The run

    async def _drive(self) -> None:
        while not self._over:
            self._launch()
            self._refill()
            if self._idle:
                if not self._bet(last=True):
                    return
                continue
            self._tell()
            await self._something.wait()
            self._something.clear()
            self._bet()

    @property
    def _over(self) -> bool:
        return self._error is not None or self._bets.ended is not None or self._bets.trouble is not None

    @property
    def _idle(self) -> bool:
        return not self._flying and self._fetching is None

    def _launch(self) -> None:
        while self._ready and len(self._flying) < self._terms.concurrency and self._has_room():
            drawn = self._ready[0]
            if isinstance(drawn, Gone):
                self._bets.finish(drawn.position, Finished(row=None, erased=drawn.erased))
                self._something.set()
            elif not self._bets.evidence.wants(drawn.exchange.id):
                self._bets.finish(drawn.position, Finished(row=None, needless=True))
                self._something.set()
            elif not self._send(drawn):
                return
            self._ready.popleft()

    def _has_room(self) -> bool:
        """Whether another draw may be asked before the one that is waited for is answered."""
        bets = self._bets
        ahead = len(self._flying) + bets.waiting
        most = max(RUN_AHEAD * self._terms.concurrency, bets.still_needed // 2)
        return ahead < min(most, self._room)

    @property
    def _room(self) -> int:
        """Pairs that may still be bet on."""
        evidence = self._bets.evidence
        most = self._design.n_max - evidence.n
        return most if evidence.room is None else min(most, evidence.room)

    def _send(self, drawn: Drawn) -> bool:
        """Start asking, if it fits the budget."""
        asked = [side for side in self._sides if side.must_ask(drawn)]
        amount = sum((self._purse.estimate(side.number, drawn.exchange.usage) for side in asked), Decimal(0))
        amount += self._judges_cost(drawn)
        if amount and not self._purse.fits(amount):
            return False
        self._purse.reserve(amount)
        task = asyncio.get_running_loop().create_task(self._answer(drawn, amount))
        self._flying.add(task)
        task.add_done_callback(self._landed)
        return True

    def _judges_cost(self, drawn: Drawn) -> Decimal:
        """What judging a pair may cost: two questions to each judge."""
        numbers = range(self._first_judge, self._first_judge + len(self._terms.judge_prices))
        logged = expected_usage(drawn.exchange.usage)
        return sum((2 * self._purse.estimate(number, logged) for number in numbers), Decimal(0))

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._break(error)
        self._something.set()

    def _break(self, error: BaseException) -> None:
        """Something that must end the run; the first such thing is what is told."""
        if self._error is None:
            self._error = error
        self._something.set()

    async def _answer(self, drawn: Drawn, amount: Decimal) -> None:
        fresh = [side.must_ask(drawn) for side in self._sides]
        try:
            replies = await self._replies(drawn)
            for side, kept in zip(self._sides, drawn.replies, strict=True):
                if kept is not None and drawn.paid:
                    self._purse.settle(side.number, logged=drawn.exchange.usage, reply=kept)
            incumbent = replies[1] if len(replies) > 1 else logged_reply(drawn.exchange)
            judged, heard = await self._judged(drawn, incumbent=incumbent.answer, candidate=replies[0].answer)
        finally:
            self._purse.release(amount)
        paired = partial(self._paired, drawn, candidate=replies[0], incumbent=incumbent, judged=judged)
        if judged is not None or self._is_quick(replies[0].answer, incumbent.answer):
            row = paired()
        else:
            row = await asyncio.get_running_loop().run_in_executor(self._grading, paired)
        asked = [Asked(failure=reply.answer.failure, fresh=new) for reply, new in zip(replies, fresh, strict=True)]
        self._bets.finish(drawn.position, Finished(row=row, asked=(*asked, *heard)))

    def _is_quick(self, *answers: Answer) -> bool:
        """Whether grading takes less time than a thread would to begin."""
        quick = isinstance(self._grader, Rule) and self._grader.is_quick
        return quick and all(len(answer.text) <= GRADED_AT_ONCE for answer in answers)

    async def _judged(
        self, drawn: Drawn, *, incumbent: Answer, candidate: Answer
    ) -> tuple[Judged | None, tuple[Asked, ...]]:
        """What the judges made of a pair; when people are to say, what needs nobody to say it."""
        if self._bench is not None:
            exchange = drawn.exchange
            return await self._bench.ruling(
                exchange.id, exchange.request, incumbent=incumbent, candidate=candidate, paid=drawn.paid
            )
        if self._design.grader != PEOPLE:
            return None, ()
        preference, why = by_rule(incumbent, candidate) or (0.0, "")
        return Judged(preference=preference, by_rule=why), ()

    async def _replies(self, drawn: Drawn) -> list[Reply]:
        if len(self._sides) == 1:
            return [await self._sides[0].reply(drawn, self._accept)]
        tasks = [asyncio.ensure_future(side.reply(drawn, self._accept)) for side in self._sides]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    def _paired(self, drawn: Drawn, *, candidate: Reply, incumbent: Reply, judged: Judged | None = None) -> PairRow:
        expected = None if self._expected is None else self._expected.get(drawn.exchange.id)
        try:
            return pair_row(
                drawn,
                candidate=candidate,
                incumbent=incumbent,
                grader=self._grader,
                expected=expected,
                judged=judged,
            )
        except FairleadError as error:
            raise InputError(f"Exchange {drawn.exchange.id} cannot be graded: {error}") from error

    def _accept(self, side: Side, drawn: Drawn, reply: Reply) -> None:
        """A reply has come: it is paid for, and kept unless this side may be refusing everything."""
        if reply.attempts:
            self._purse.settle(side.number, logged=drawn.exchange.usage, reply=reply)
        failure = reply.answer.failure
        if failure is not None and is_refused_request(failure) and not self._bets.trusts(side.number):
            self._held.append((side, drawn, reply))
        else:
            self._keeper.keep_reply(side.asker_id, drawn.key, reply)

    def _bet(self, *, last: bool = False) -> bool:
        """Bet on the pairs whose turn has come, and tell whether any draw was done with."""
        head = self._bets.head
        rows = self._bets.advance(last=last)
        for row in rows:
            self._keeper.keep_pair(row)
        if self._held and self._bets.trouble is None:
            self._keep_held()
        return self._bets.head != head

    def _keep_held(self) -> None:
        held, self._held = self._held, []
        for side, drawn, reply in held:
            if self._bets.trusts(side.number):
                self._keeper.keep_reply(side.asker_id, drawn.key, reply)
            else:
                self._held.append((side, drawn, reply))

    def _refill(self) -> None:
        concurrency, bets = self._terms.concurrency, self._bets
        enough = len(self._ready) >= concurrency or len(self._ready) * self._typical_size > BATCH_CHARACTERS
        if self._fetching is not None or self._dry or enough:
            return
        outstanding = len(self._flying) + bets.waiting + len(self._ready)
        most = min(BATCH, max(16, concurrency), 1 + BATCH_CHARACTERS // self._typical_size)
        wanted = min(most, self._room - outstanding)
        if wanted > 0:
            self._fetching = asyncio.get_running_loop().create_task(self._fetch(wanted))

    async def _fetch(self, count: int) -> None:
        try:
            drawn = await self._supply.more(count)
            self._ready.extend(drawn)
            self._dry = not drawn
            sizes = [one.size for one in drawn if isinstance(one, Drawn)]
            self._typical_size = max(self._typical_size // 2, *sizes, 1)
        except Exception as error:  # noqa: BLE001  # whatever it is, the run must end and say so
            self._break(error)
        finally:
            self._fetching = None
            self._something.set()

    async def _land(self) -> None:
        """Cancel what is still on its way."""
        tasks = [*self._flying, *([self._fetching] if self._fetching is not None else []), *self._teller.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tell(self, *, now: bool = False) -> None:
        self._teller.tell(self._bets, self._purse, in_flight=len(self._flying), now=now)

    # The end

    def _outcome(self) -> PilotResult:
        error, trouble = self._error, self._bets.trouble
        self._tell(now=True)
        if isinstance(error, EndpointError):
            message = words.unusable(str(error), self._bets.evidence.n)
            raise PausedPilot(message, self._result(Ended.PAUSED, message)) from error
        if error is not None:
            raise error
        if trouble is not None:
            message = self._told(trouble)
            raise PausedPilot(message, self._result(Ended.PAUSED, message))
        if self._bets.ended is not None:
            return self._result(self._bets.ended, "")
        return self._undecided()

    def _told(self, trouble: Trouble) -> str:
        design = self._design
        again = design.incumbent.model if design.incumbent is not None else None
        if trouble.side >= self._first_judge and design.judging is not None:
            judge = design.judging.judges[trouble.side - self._first_judge].model
            return words.mute(judge, trouble.details, counted=not trouble.refused)
        model = design.candidate.model if trouble.side == 0 else again or "The incumbent"
        if not trouble.refused:
            return words.outage(len(trouble.details), trouble.details[-1], model)
        return words.all_refused(trouble.details, sorted(self._bodies.sent) if trouble.side == 0 else (), model)

    def _undecided(self) -> PilotResult:
        if (decided := self._bets.short_of_proof) is not None:
            return self._result(decided, "")
        n, skipped = self._bets.evidence.n, designs.skipped(self._frame)
        if self._ready:
            price = self._terms.price
            currency = price.currency if self._purse.priced and price is not None else None
            return self._result(Ended.BUDGET, words.over_budget(self._terms.budget, currency, n))
        more = self._bets.evidence.expects().median
        passed_over = skipped.repeated_requests + skipped.repeated_conversations
        return self._result(Ended.RAN_OUT, words.ran_out(n, more, passed_over))

    def _reliability(self) -> Reliability | None:
        judging = self._design.judging
        if judging is None:
            return None
        judged = [row.judged for row in self._bets.rows if row.judged is not None]
        return reliability(judged, [judge.model for judge in judging.judges])

    def _result(self, ended: Ended, message: str) -> PilotResult:
        design, terms, bets, frame = self._design, self._terms, self._bets, self._frame
        judgement = bets.evidence.judgement()
        judges = self._reliability()
        doubt = withheld(judges, design.margin) if judges is not None else ""
        if doubt:
            judgement = undecided(judgement)
            message = f"{message} {doubt[0].upper()}{doubt[1:]}.".strip()
        is_open = bets.evidence.decided_at is None and not judgement.conflict
        skipped = designs.skipped(frame)
        return PilotResult(
            pilot_id=self._pilot_id,
            design=design,
            judgement=judgement,
            ended=ended,
            incumbent=results.incumbent_side(
                bets.rows,
                models=design.incumbent_models,
                price=terms.incumbent_price,
                reasked=design.incumbent is not None,
            ),
            candidate=results.candidate_side(bets.rows, price=terms.price),
            basis=results.basis(design, bets.rows, decided_at=terms.now()),
            words=results.verdict_words(judgement, design),
            message=message,
            requests=self._purse.requests,
            spent=self._purse.spent,
            spent_estimated=self._purse.estimated,
            judges=judges,
            judges_spent=self._purse.spent_on(self._first_judge) if judges is not None else None,
            judges_requests=self._purse.requests_to(self._first_judge),
            speaker=speaker_of(design),
            forecast=bets.evidence.expects() if is_open and design.grader != PEOPLE else None,
            set_aside=bets.set_aside,
            not_sent=tuple(sorted(self._bodies.not_sent)),
            frame={
                "exchanges": frame.total,
                "gradable": len(frame.rows),
                "without_expected": frame.without_expected,
                "not_recorded": frame.not_recorded,
                "by_candidate": frame.by_candidate,
                "distinct": frame.distinct,
                "repeated_requests": skipped.repeated_requests,
                "repeated_conversations": skipped.repeated_conversations,
            },
        )


def _exchanges(rows: Sequence[ExchangeRow], ledger: PilotLedger) -> list[Exchange]:
    there = ledger.exchanges_by_id([row.id for row in rows])
    return [there[row.id] if row.id in there else ledger.exchange(row.id) for row in rows]
