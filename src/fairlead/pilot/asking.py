"""From a drawn exchange to both sides' replies, and from the replies to a pair. Nothing is asked twice.

Rules kept: a side that failed scores 0, whatever the failure; a request that cannot be put into the endpoint's words is
a failure of that side; two draws of the same request share one reply, also while it is still on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from fairlead.core.errors import UnreadableLine, UsageError
from fairlead.core.grade import is_refusal
from fairlead.core.judge import grades_of
from fairlead.core.nouns import (
    JSON,
    Answer,
    Asker,
    Candidate,
    Dialect,
    Exchange,
    Failure,
    FailureKind,
    Grade,
    Judged,
    Pair,
    PairRow,
    Reply,
    Request,
)
from fairlead.core.ports import Ask, Grader
from fairlead.core.wire import openai
from fairlead.core.wire.candidate import candidate_body
from fairlead.pilot.keep import Keeper
from fairlead.pilot.supply import Drawn

Body = Callable[[Exchange], Mapping[str, JSON]]
Accept = Callable[["Side", Drawn, Reply], None]


class Side:
    """One side that is asked over HTTP: knows how its body is made and which requests it has already answered."""

    def __init__(self, *, number: int, asker_id: str, ask: Ask, body: Body, keeper: Keeper) -> None:
        """`number` is the side's place in the purse."""
        self.number = number
        self.asker_id = asker_id
        self._ask = ask
        self._body = body
        self._keeper = keeper
        self._running: dict[str, asyncio.Future[Reply]] = {}
        self._answered: set[str] = set()

    def must_ask(self, drawn: Drawn) -> bool:
        """Whether a reply to this draw is neither kept nor on its way."""
        asked = drawn.key in self._running or drawn.key in self._answered
        return drawn.replies[self.number] is None and not asked

    async def reply(self, drawn: Drawn, accept: Accept) -> Reply:
        """The reply to a drawn request; `accept` is called once for each that was really asked for."""
        kept = drawn.replies[self.number]
        if kept is not None:
            return kept
        running = self._running.get(drawn.key)
        if running is not None:
            return await asyncio.shield(running)
        if drawn.key in self._answered:
            kept = await self._kept(drawn.key)
            if kept is not None:
                return kept
        return await self._asked(drawn, accept)

    async def _kept(self, key: str) -> Reply | None:
        await self._keeper.flush()
        return await self._keeper.call(lambda ledger: ledger.reply(self.asker_id, key))

    async def _asked(self, drawn: Drawn, accept: Accept) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._running[drawn.key] = future
        try:
            reply = await self._sent(drawn.exchange)
            accept(self, drawn, reply)
            self._answered.add(drawn.key)
            future.set_result(reply)
            return reply
        finally:
            del self._running[drawn.key]
            future.cancel()

    async def _sent(self, exchange: Exchange) -> Reply:
        try:
            body = self._body(exchange)
        except UnreadableLine as error:
            detail = f"this request cannot be sent: {error.reason}"[:300]
            failure = Failure(kind=FailureKind.REFUSED_REQUEST, detail=detail)
            return Reply(answer=Answer(failure=failure), attempts=0)
        return await self._ask(body)


class CandidateBodies:
    """Makes the candidate's bodies; remembers which fields were sent and which logged parameters were not."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self.not_sent: set[str] = set()
        self.sent: set[str] = set()

    def __call__(self, exchange: Exchange) -> Mapping[str, JSON]:
        """The body that asks the candidate what the exchange asked."""
        made = candidate_body(exchange.request, self._candidate)
        self.not_sent.update(made.omitted)
        self.sent.update(made.body)
        return made.body


def incumbent_bodies(asker: Asker) -> Body:
    """Makes the bodies that ask the incumbent again: as logged, or in OpenAI's words where the log has others."""

    def body(exchange: Exchange) -> Mapping[str, JSON]:
        if exchange.dialect is asker.dialect and isinstance(exchange.request_body, dict):
            logged = {
                name: value for name, value in exchange.request_body.items() if name not in {"stream", "stream_options"}
            }
            return logged if asker.model is None else {**logged, "model": asker.model}
        if asker.dialect is not Dialect.OPENAI_CHAT:
            raise UsageError(
                f"Exchanges logged as {exchange.dialect} cannot be asked again in {asker.dialect}; name an endpoint that "
                f"speaks {exchange.dialect}, or use the logged answers."
            )
        return openai.body_of(exchange.request, model=asker.model or exchange.request.model)

    return body


def logged_reply(exchange: Exchange) -> Reply:
    """The incumbent's logged answer in the shape of a reply."""
    return Reply(answer=exchange.answer, usage=exchange.usage, latency_s=exchange.latency_s)


def pair_row(
    drawn: Drawn,
    *,
    candidate: Reply,
    incumbent: Reply,
    grader: Grader,
    expected: JSON,
    judged: Judged | None = None,
) -> PairRow:
    """Both replies graded, or `judged` together; pure."""
    request, reference = drawn.exchange.request, incumbent.answer
    grades = (
        grades_of(judged.preference)
        if judged is not None
        else tuple(graded(grader, request, each, expected, reference) for each in (incumbent.answer, candidate.answer))
    )
    pair = Pair(position=drawn.position, exchange_id=drawn.exchange.id, incumbent=grades[0], candidate=grades[1])
    return row_of(pair, candidate=candidate, incumbent=incumbent, judged=judged)


def row_of(pair: Pair, *, candidate: Reply, incumbent: Reply, judged: Judged | None = None) -> PairRow:
    """A graded pair with what is told of both replies beside their grades."""
    return PairRow(
        pair=pair,
        incumbent_refused=_refused(incumbent.answer),
        candidate_refused=_refused(candidate.answer),
        incumbent_failure=_kind(incumbent.answer),
        candidate_failure=_kind(candidate.answer),
        incumbent_latency_s=incumbent.latency_s,
        candidate_latency_s=candidate.latency_s,
        incumbent_usage=incumbent.usage,
        candidate_usage=candidate.usage,
        candidate_attempts=candidate.attempts,
        candidate_model=candidate.answer.model,
        judged=judged,
    )


def graded(grader: Grader, request: Request, answer: Answer, expected: JSON, reference: Answer) -> Grade:
    """The grade of one side's answer; `reference` is the incumbent's. A failure scores 0."""
    if answer.failure is not None:
        return Grade(score=0.0, reason=answer.failure.kind.value)
    return grader.grade(
        request=request,
        answer=answer,
        expected=expected,
        incumbent=None if reference.failure is not None else reference,
    )


def _refused(answer: Answer) -> bool:
    return answer.failure is None and is_refusal(answer)


def _kind(answer: Answer) -> FailureKind | None:
    return None if answer.failure is None else answer.failure.kind
