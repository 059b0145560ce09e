"""From a call that was kept to what is asked about it, and to what it shows by itself.

    question = of_call(call, route, incumbent="openai", only=(), today="2026-11-02", at_turns=True)

Where nothing is asked, the reason comes back in its place, in the words that are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from fairlead.core.errors import InputError, UnreadableLine
from fairlead.core.grade.schema import breach
from fairlead.core.nouns import Answer, Exchange, Failure, FailureKind, Reply, Request, Usage
from fairlead.core.wire.decode import decode
from fairlead.core.wire.key import request_key
from fairlead.edge.control.asking import Asked
from fairlead.pilot.asking import logged_reply
from fairlead.serve import reading
from fairlead.serve import tally as words
from fairlead.serve.decide import place
from fairlead.serve.frames import Call, Ended, Served
from fairlead.serve.guard import Differences
from fairlead.serve.guard import of_call as differences_of
from fairlead.serve.routing import Route

TURN_SHARE = 0.5
"""A request with a conversation is drawn with this chance, so that later turns are drawn too and long conversations weigh more."""

_FAILED = frozenset({Ended.CUT, Ended.TIMEOUT, Ended.UPSTREAM_ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call whose other side is to be asked: `logged` is what the side that answered the caller said.

    `names` are what labels may know it by, its exchange's id first; `units` what may be drawn once only. `known` is what
    the other side said, where the caller was answered by it because the first had failed: then nobody is asked.
    """

    asked: Asked
    logged: Reply
    names: tuple[str, ...]
    units: tuple[str, ...]
    known: Reply | None = None

    @property
    def exchange_id(self) -> str:
        """The exchange's id in the ledger."""
        return self.names[0]


def unit(*words_: str) -> str:
    """What may be drawn once only, as it is kept: a hash, for a conversation's id may say whose it is."""
    return blake2b("\x1f".join(words_).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def of_call(
    call: Call, route: Route, *, incumbent: str, only: tuple[str, ...], today: str, at_turns: bool
) -> Question | str:
    """What to ask about a call, or why nothing is; `at_turns` asks the candidate, and of a conversation at any of its turns.

    `incumbent` is the upstream that answers where nothing was moved, `only` lists those that may see the workload.
    """
    if call.ended is Ended.CLIENT_CLOSED:
        return words.LEFT
    if only and not {route.upstream, incumbent} <= set(only):
        return words.LOCAL_ONLY
    try:
        asked = reading.asked(call.protocol, call.request)
    except UnreadableLine:
        return words.NOT_READ
    if asked.request.endpoint.value == "chat" and not asked.request.messages:
        return words.NOT_READ
    conversation = call.conversation or asked.conversation
    if at_turns and conversation is not None and place(route.salt, "turn", call.call_id) >= TURN_SHARE:
        return words.TURN
    key = request_key(asked.request)
    side = Served.INCUMBENT if at_turns else Served.CANDIDATE
    if at_turns:
        units = (unit(route.salt, "request", key), *([unit(route.salt, "talk", conversation)] if conversation else []))
    else:
        user = call.user or asked.user
        day = f"{user}|{today}" if user else call.call_id
        units = (unit(route.salt, route.stage.value, conversation or day),)
    return Question(
        asked=Asked(dialect=asked.dialect, body=asked.body, request=asked.request),
        logged=_answered(call) if call.served is side else _fallen(call),
        names=(call.call_id, key),
        units=units,
        known=_answered(call) if call.served is not side and call.upstream == incumbent else None,
    )


def of_exchange(exchange: Exchange) -> Question:
    """What to ask about a call as the ledger has it."""
    return Question(
        asked=Asked(dialect=exchange.dialect, body=exchange.request_body, request=exchange.request),
        logged=logged_reply(exchange),
        names=(exchange.id, request_key(exchange.request)),
        units=(),
    )


def was_asked(call: Call) -> bool:
    """Whether the candidate was asked, whoever answered in the end."""
    return call.served is Served.CANDIDATE or any(attempt.side is Served.CANDIDATE for attempt in call.attempts)


def shown(call: Call, *, slow_s: float) -> Differences:
    """What a call that the candidate was asked shows to the guardrails."""
    failed = call.served is not Served.CANDIDATE or call.status >= 400 or call.ended in _FAILED
    broken = None if failed else _schema_broken(call)
    return differences_of(failed=failed, latency_s=call.latency_s, slow_s=slow_s, schema_broken=broken)


def _answered(call: Call) -> Reply:
    """What the side said that answered the caller."""
    heard = reading.answered(call.spoken, call.response, status=call.status, ended=call.ended, problem=call.problem)
    return Reply(answer=heard.answer, usage=heard.usage, latency_s=call.latency_s, attempts=0)


def _fallen(call: Call) -> Reply:
    """What a candidate said that another answered for: nothing."""
    attempt = next((each for each in call.attempts if each.side is Served.CANDIDATE), None)
    status, problem = (None, "") if attempt is None else (attempt.status, attempt.problem[:300])
    kind = FailureKind.TIMEOUT if "time" in problem and status is None else FailureKind.SERVER_ERROR
    return Reply(answer=Answer(failure=Failure(kind=kind, detail=problem, status=status)), usage=Usage())


def _schema_broken(call: Call) -> bool | None:
    """Whether an answer broke the schema that the request set; `None` where it set none."""
    try:
        request = reading.asked(call.protocol, call.request).request
    except UnreadableLine:
        return None
    if request.schema is None and not request.json_mode:
        return None
    heard = reading.answered(call.spoken, call.response, status=call.status, ended=call.ended)
    if heard.answer.failure is not None or heard.answer.tool_calls:
        return None
    return _broken(request, heard.answer.text)


def _broken(request: Request, text: str) -> bool:
    """Whether a text is no JSON, or breaks the request's schema."""
    try:
        value = decode(text.encode("utf-8", "surrogatepass"))
    except UnreadableLine:
        return True
    try:
        return request.schema is not None and breach(value, request.schema) is not None
    except InputError:
        return False
