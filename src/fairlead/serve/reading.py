"""What a call was about: the raw bytes that a data plane saw, read into the records everything else speaks in.

Rules kept: a body is read by the protocol it was sent in, never guessed; streams are put together, whatever ended them;
an answer that failed is a `Failure` with the reason of whoever knows it best: the body, the status, or how the call ended.
OpenAI Responses and the older completions are kept as the chat that asks the same, as a scan of a log keeps them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import (
    JSON,
    Answer,
    Dialect,
    Failure,
    FailureKind,
    Fidelity,
    Message,
    Part,
    PartKind,
    Request,
    Usage,
)
from fairlead.core.wire import anthropic, fields, loose, openai, responses
from fairlead.core.wire.decode import decode
from fairlead.core.wire.failure import failure_of, one_line
from fairlead.core.wire.other_streams import CompletionStream, ResponseStream
from fairlead.core.wire.row import TIERS
from fairlead.core.wire.stream import MAX_STREAM_BYTES, ChatStream, MessageStream
from fairlead.serve.frames import Ended, Protocol

KEPT = frozenset(
    {
        Protocol.OPENAI_CHAT,
        Protocol.OPENAI_RESPONSES,
        Protocol.OPENAI_EMBEDDINGS,
        Protocol.OPENAI_COMPLETIONS,
        Protocol.ANTHROPIC_MESSAGES,
    }
)
"""Protocols whose calls ask a model something; the others are counted and not kept."""

_GZIP = b"\x1f\x8b"
_CONVERSATION_KEYS = ("conversation_id", "session_id", "thread_id")
_ENDED: Mapping[Ended, tuple[str, str]] = {
    Ended.CLIENT_CLOSED: ("stream_cut", "the caller went away before the answer was finished"),
    Ended.CUT: ("stream_cut", "the answer was cut short"),
    Ended.TIMEOUT: ("timeout", "no answer in time"),
    Ended.UPSTREAM_ERROR: ("server_error", "the upstream gave no answer"),
    Ended.REFUSED: ("refused_request", "refused by the gateway"),
    Ended.DONE: ("empty", "the answer held nothing"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it is kept: its body in `dialect`, what was read from it, and for whom it was made."""

    dialect: Dialect
    body: JSON
    request: Request
    user: str | None = None
    conversation: str | None = None
    fidelity: tuple[Fidelity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer as it is kept: its body as the upstream spoke it, and what was read from it."""

    body: JSON
    answer: Answer
    usage: Usage
    tier: str | None = None


def asked(protocol: Protocol, data: bytes) -> Asked:
    """Read a request; raises `UnreadableLine` where it cannot be one (the upstream has refused it, too)."""
    sent = fields.mapping(decode(data), "request")
    beside = fields.mapping_or_empty(sent.get("metadata"))
    dialect, body = _as_kept(protocol, sent)
    return Asked(
        dialect=dialect,
        body=body,
        request=_REQUESTS[dialect](body),
        user=fields.label(sent.get("user")) or fields.label(beside.get("user_id")),
        conversation=next((found for name in _CONVERSATION_KEYS if (found := fields.label(beside.get(name)))), None),
        fidelity=responses.fidelity(sent) if protocol is Protocol.OPENAI_RESPONSES else (),
    )


_REQUESTS: Mapping[Dialect, Callable[[JSON], Request]] = {
    Dialect.OPENAI_CHAT: openai.request,
    Dialect.OPENAI_EMBEDDINGS: openai.embeddings_request,
    Dialect.ANTHROPIC_MESSAGES: anthropic.request,
}


def _as_kept(protocol: Protocol, sent: dict[str, JSON]) -> tuple[Dialect, JSON]:
    if protocol is Protocol.ANTHROPIC_MESSAGES:
        return Dialect.ANTHROPIC_MESSAGES, sent
    if protocol is Protocol.OPENAI_EMBEDDINGS:
        return Dialect.OPENAI_EMBEDDINGS, sent
    if protocol is Protocol.OPENAI_RESPONSES:
        return Dialect.OPENAI_CHAT, responses.chat_body(sent)
    return Dialect.OPENAI_CHAT, _completion_asked(sent) if protocol is Protocol.OPENAI_COMPLETIONS else sent


def _completion_asked(sent: Mapping[str, JSON]) -> JSON:
    """The older completions endpoint: its prompt is the only turn."""
    prompt = sent.get("prompt")
    if isinstance(prompt, list):
        prompt = "\n".join(each if isinstance(each, str) else loose.json_text(each) for each in prompt)
    turn = Message(role="user", parts=(Part(kind=PartKind.TEXT, text=fields.text_or_empty(prompt, "request.prompt")),))
    parameters = {name: value for name, value in sent.items() if name not in {"prompt", "model", "stream"}}
    body = loose.chat_body(model=openai.model_of(sent), messages=[turn], parameters=parameters)
    return {**body, "stream": True} if sent.get("stream") is True else body


def answered(spoken: Protocol, data: bytes, *, status: int, ended: Ended, problem: str = "") -> Answered:
    """Read an answer, whole or as far as it came."""
    data = _unpacked(data)
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"data:", b"event:", b"id:", b":", b"retry:")):
        body: JSON = _assembled(spoken, data)
    elif not start:
        body = _without_answer(ended, problem)
    else:
        body = _whole(data, ended=ended)
    if spoken is Protocol.OPENAI_RESPONSES:
        body = _response_as_chat(body)
    elif spoken is Protocol.OPENAI_COMPLETIONS:
        body = _completion_as_chat(body)
    return _read(spoken, body, status=status)


def _unpacked(data: bytes) -> bytes:
    """An answer that the upstream packed, as far as it can be unpacked."""
    if not data.startswith(_GZIP):
        return data
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(data, MAX_STREAM_BYTES)
    except zlib.error:
        return b""


def _assembled(spoken: Protocol, data: bytes) -> JSON:
    stream = _STREAMS.get(spoken, ChatStream)()
    stream.feed(data)
    stream.close()
    return stream.body()


_STREAMS: Mapping[Protocol, type[ChatStream | MessageStream | ResponseStream | CompletionStream]] = {
    Protocol.ANTHROPIC_MESSAGES: MessageStream,
    Protocol.OPENAI_RESPONSES: ResponseStream,
    Protocol.OPENAI_COMPLETIONS: CompletionStream,
}


def _without_answer(ended: Ended, problem: str) -> JSON:
    kind, message = _ENDED[ended]
    return {"error": {"type": kind, "message": one_line(problem) or message}}


def _whole(data: bytes, *, ended: Ended) -> JSON:
    try:
        return decode(data)
    except UnreadableLine as error:
        if ended is Ended.DONE:
            return {"error": {"type": "not_json", "message": error.reason}}
        return _without_answer(ended, "")


def _response_as_chat(body: JSON) -> JSON:
    if not isinstance(body, dict):
        return body
    error = body.get("error")
    said = dict(fields.mapping_or_empty(responses.completion({**body, "error": None})))
    return said if error is None else {**said, "error": error}


def _completion_as_chat(body: JSON) -> JSON:
    choices = fields.list_or_empty(fields.mapping_or_empty(body).get("choices"))
    if not isinstance(body, dict) or not choices:
        return body
    choice = fields.mapping_or_empty(choices[0])
    text, finish = choice.get("text"), fields.text_or_none(choice.get("finish_reason"))
    said = (Message(role="assistant", parts=(Part(kind=PartKind.TEXT, text=text if isinstance(text, str) else ""),)),)
    whole = loose.completion(said, model=fields.text_or_none(body.get("model")), finish=finish, usage=body.get("usage"))
    return whole if body.get("error") is None else {**whole, "error": body["error"]}


def _read(spoken: Protocol, body: JSON, *, status: int) -> Answered:
    if status >= 400:
        told = body.get("error") or body if isinstance(body, dict) else body
        return Answered(body=body, answer=Answer(failure=failure_of(told, status=status)), usage=Usage())
    try:
        answer, usage = _ANSWERS.get(spoken, openai.answer)(body)
    except UnreadableLine as error:
        failure = Failure(kind=FailureKind.NOT_JSON, detail=one_line(error.reason), status=status or None)
        return Answered(body=body, answer=Answer(failure=failure), usage=Usage())
    return Answered(body=body, answer=answer, usage=usage, tier=_tier(body))


def _tier(body: JSON) -> str | None:
    """The service tier an answer names; `None` is the standard one."""
    told = fields.mapping_or_empty(body)
    named = told.get("service_tier") or fields.mapping_or_empty(told.get("usage")).get("service_tier")
    return str(named) if fields.is_one_of(named, TIERS) else None


_ANSWERS: Mapping[Protocol, Callable[[JSON], tuple[Answer, Usage]]] = {
    Protocol.ANTHROPIC_MESSAGES: anthropic.answer,
    Protocol.OPENAI_EMBEDDINGS: openai.embeddings_answer,
}
