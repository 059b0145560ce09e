"""Endpoints without a network: an `Ask` that answers as a script says, and logged exchanges to go with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fairlead.core.errors import EndpointError
from fairlead.core.nouns import (
    JSON,
    Answer,
    Dialect,
    Exchange,
    Failure,
    FailureKind,
    Reply,
    Usage,
)
from fairlead.core.wire import openai

USAGE = Usage(fresh=100, visible=10)
LOGGED_AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a scripted endpoint does with one request: answers `text` after `after_s`, or fails, or cannot be used."""

    text: str = ""
    after_s: float = 0.0
    failure: FailureKind | None = None
    status: int | None = None
    detail: str = ""
    error: str | None = None
    usage: Usage = USAGE


class ScriptedAsk:
    """An `Ask` that looks up what to say by the text of the last message.

    `asked` lists those texts in the order of asking; `busiest` is the most that were ever in flight together.
    """

    def __init__(self, say: Callable[[str], Said], *, model: str = "scripted") -> None:
        self._say = say
        self._model = model
        self.asked: list[str] = []
        self.bodies: list[Mapping[str, JSON]] = []
        self.busiest = 0
        self.in_flight = 0

    async def __call__(self, body: Mapping[str, JSON]) -> Reply:
        """Answer as the script says."""
        text = openai.request(dict(body)).messages[-1].text
        self.asked.append(text)
        self.bodies.append(body)
        said = self._say(text)
        self.in_flight += 1
        self.busiest = max(self.busiest, self.in_flight)
        try:
            await asyncio.sleep(said.after_s)
        finally:
            self.in_flight -= 1
        if said.error is not None:
            raise EndpointError(said.error)
        if said.failure is not None:
            failure = Failure(kind=said.failure, detail=said.detail, status=said.status)
            return Reply(answer=Answer(failure=failure), latency_s=said.after_s)
        answer = Answer(text=said.text, model=self._model, finish="stop")
        return Reply(answer=answer, usage=said.usage, latency_s=said.after_s)


def exchange(
    number: int, *, question: str | None = None, answer: str = "yes", conversation: str | None = None
) -> Exchange:
    """A logged chat exchange, number `number`; equal questions are equal requests."""
    asked: JSON = {
        "model": "closed-1",
        "messages": [
            {"role": "system", "content": "Answer the question."},
            {"role": "user", "content": question or f"question {number}"},
        ],
        "temperature": 0,
    }
    return Exchange(
        id=f"x{number}",
        row_hash=f"row-{number}",
        dialect=Dialect.OPENAI_CHAT,
        request=openai.request(asked),
        answer=Answer(text=answer, model="closed-1-2026-01-01", finish="stop"),
        request_body=asked,
        response_body=None,
        usage=Usage(fresh=100, visible=10),
        started_at=LOGGED_AT,
        latency_s=0.8,
        conversation=conversation,
    )


def exchanges(count: int, *, answers: Iterable[str] | None = None) -> list[Exchange]:
    """`count` logged exchanges with distinct questions, all answered "yes" or as `answers` says."""
    said = list(answers) if answers is not None else ["yes"] * count
    return [exchange(number, answer=said[number - 1]) for number in range(1, count + 1)]
