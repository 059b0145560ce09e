"""A fake judge: a real HTTP server that answers a judge's questions by a rule instead of with an opinion.

    python -m fairlead.testing.judge --rule longer --port 8001

It reads the question the way a model would, by what it says, and follows one of `RULES`: honest ones ("longer", "shorter",
"holds:WORD") and ones that a judge should not follow ("first", "obeys", "prose", "echo", "mute"), to see what becomes of them.
Nothing it says is about any answer's worth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fairlead.core.errors import FairleadError, UsageError
from fairlead.core.nouns import JSON, Answer, Failure, Reply, Usage
from fairlead.testing.recorded import RecordedServer

_FRAME = re.compile(
    r"^(?P<mark>\[[0-9a-f]{12}\]) request\n(?P<request>.*?)\n(?P=mark) end of request\n"
    r"(?P=mark) answer (?P<one>\w+)\n(?P<first>.*?)\n(?P=mark) end of answer (?P=one)\n"
    r"(?P=mark) answer (?P<other>\w+)\n(?P<second>.*?)\n(?P=mark) end of answer (?P=other)$",
    re.DOTALL | re.MULTILINE,
)
_ORDER = re.compile(r"prefer (?:answer|response) ([A-Z0-9]+)", re.IGNORECASE)
_MINE = re.compile(r"prefer this (?:answer|response)", re.IGNORECASE)
_VERDICT = re.compile(r'\{[^{}]*"verdict"[^{}]*\}')
TOKENS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A judge's question as it was understood. `again` says that it is the repair of an earlier one."""

    request: str
    first: str
    second: str
    names: tuple[str, str]
    again: bool = False


Rule = Callable[[Asked], str]


def read(body: Mapping[str, Any]) -> Asked | None:
    """The question in a chat body, or `None` when it holds none."""
    turns = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
    found = _FRAME.search(turns[0]) if turns else None
    if found is None:
        return None
    return Asked(
        request=found["request"],
        first=found["first"],
        second=found["second"],
        names=(found["one"], found["other"]),
        again=len(turns) > 1,
    )


def verdict(asked: Asked, place: int | None) -> str:
    """What a judge of good form replies: place 0 or 1 is preferred, `None` neither."""
    said = "tie" if place is None else asked.names[place]
    return json.dumps({"reason": "A rule, not an opinion.", "verdict": said})


def by(measure: Callable[[str], float]) -> Rule:
    """Prefers the answer that measures more."""

    def rule(asked: Asked) -> str:
        one, other = measure(asked.first), measure(asked.second)
        return verdict(asked, None if one == other else 0 if one > other else 1)

    return rule


def first(asked: Asked) -> str:
    """Prefers whichever stands first."""
    return verdict(asked, 0)


def obeys(asked: Asked) -> str:
    """Does what an answer tells it: a name or place it is told to prefer, whatever stands there."""
    told = _ORDER.search(asked.first + asked.second)
    if told is not None:
        name = told[1].upper()
        if name in asked.names:
            return verdict(asked, asked.names.index(name))
        return verdict(asked, 0 if name in {"A", "1"} else 1)
    mine = [bool(_MINE.search(text)) for text in (asked.first, asked.second)]
    return verdict(asked, mine.index(True) if sum(mine) == 1 else None)


def prose(asked: Asked) -> str:
    """Never says it in the form that was asked for."""
    return f"I think that {asked.names[0]} is the better answer, all things considered."


def mends(asked: Asked) -> str:
    """Says it in prose first, and in the right form when asked again."""
    return by(len)(asked) if asked.again else prose(asked)


def echo(asked: Asked) -> str:
    """Repeats a verdict that one of the answers holds."""
    held = _VERDICT.search(asked.first + asked.second)
    return f"The answer says: {held[0]}" if held else verdict(asked, None)


RULES: Mapping[str, Rule] = {
    "longer": by(len),
    "shorter": by(lambda text: -len(text)),
    "tie": lambda asked: verdict(asked, None),
    "first": first,
    "obeys": obeys,
    "prose": prose,
    "mends": mends,
    "echo": echo,
}


def rule_called(name: str) -> Rule:
    """A rule by its name; `holds:WORD` prefers the answer that holds a word."""
    kind, colon, word = name.partition(":")
    if colon and kind == "holds" and word:
        return by(lambda text: word in text)
    if name not in RULES:
        raise UsageError(f"There is no rule {name!r}; there are: {', '.join(RULES)}, holds:WORD.")
    return RULES[name]


def _never(asked: Asked) -> Failure | None:
    del asked
    return None


class FakeJudgeAsk:
    """An `Ask` that follows a rule without a network; `asked` lists the questions in the order they came.

    `fails` says of a question in what way it is not answered, if at all.
    """

    def __init__(
        self, rule: Rule, *, after_s: float = 0.1, fails: Callable[[Asked], Failure | None] | None = None
    ) -> None:
        self.asked: list[Asked] = []
        self.bodies: list[Mapping[str, Any]] = []
        self._rule = rule
        self._after_s = after_s
        self._fails = fails or _never

    async def __call__(self, body: Mapping[str, JSON]) -> Reply:
        """Answer by the rule."""
        asked = read(body)
        assert asked is not None, "a judge was asked something else"
        self.asked.append(asked)
        self.bodies.append(body)
        await asyncio.sleep(self._after_s)
        failure = self._fails(asked)
        if failure is not None:
            return Reply(answer=Answer(failure=failure), latency_s=self._after_s)
        said = self._rule(asked)
        usage = Usage(fresh=len(str(body)) // 4, visible=TOKENS)
        return Reply(
            answer=Answer(text=said, model=str(body["model"]), finish="stop"), usage=usage, latency_s=self._after_s
        )


class FakeJudge:
    """The ASGI application. `asked` lists the questions that came, in order; `served` counts every request.

    A share of `failing` requests is answered 500 each time, chosen by what they ask. With `schemas` false a request for a
    schema is refused with 400, as older endpoints do.
    """

    def __init__(self, rule: Rule, *, latency_s: float = 0.0, failing: float = 0.0, schemas: bool = True) -> None:
        self.asked: list[Asked] = []
        self.bodies: list[Mapping[str, Any]] = []
        self.served = 0
        self._rule = rule
        self._latency_s = latency_s
        self._failing = failing
        self._schemas = schemas
        self._app = Starlette(routes=[Route("/v1/chat/completions", self._chat, methods=["POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

    async def _chat(self, request: Request) -> Response:
        self.served += 1
        body = json.loads(await request.body())
        if not self._schemas and "response_format" in body:
            return _error(400, "Unsupported parameter: 'response_format'.")
        asked = read(body)
        if asked is None:
            return _error(400, "This fake judge answers judges' questions only.")
        self.asked.append(asked)
        self.bodies.append(body)
        await asyncio.sleep(self._latency_s)
        if _chance(asked) < self._failing:
            return _error(500, "The fake judge fails here.")
        return JSONResponse(_completion(str(body.get("model")), self._rule(asked), body))


def _chance(asked: Asked) -> float:
    text = f"{asked.request}|{asked.first}|{asked.second}"
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=4).digest(), "big") / 2**32


def _completion(model: str, said: str, body: Mapping[str, Any]) -> dict[str, Any]:
    read_tokens = sum(len(str(turn["content"])) for turn in body["messages"]) // 4
    return {
        "id": "fake",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "system_fingerprint": "fake-judge",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}],
        "usage": {"prompt_tokens": read_tokens, "completion_tokens": TOKENS, "total_tokens": read_tokens + TOKENS},
    }


def _error(status: int, message: str) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return JSONResponse({"error": {"message": message, "type": kind, "code": None}}, status_code=status)


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped; the first line printed is the base URL."""
    parser = argparse.ArgumentParser(prog="python -m fairlead.testing.judge", description="Serves a fake judge.")
    parser.add_argument("--rule", default="longer", help=f"one of {', '.join(RULES)}, holds:WORD")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--failing", type=float, default=0.0, metavar="SHARE", help="questions answered 500, each time")
    given = parser.parse_args(arguments)
    try:
        app = FakeJudge(rule_called(given.rule), latency_s=given.latency, failing=given.failing)
        server = RecordedServer(app, port=given.port)
    except FairleadError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    print(server.url, flush=True)  # noqa: T201
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
