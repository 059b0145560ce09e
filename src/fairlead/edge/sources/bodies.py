"""Two bodies of any dialect to a canonical row: what gateways, proxies and batch files hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON, Dialect, Failure, Usage
from fairlead.core.wire import fields, gemini, loose, responses
from fairlead.core.wire.decode import decode, structure_or_text
from fairlead.core.wire.failure import kind_of_status
from fairlead.core.wire.other_streams import CompletionStream, ResponseStream
from fairlead.core.wire.row import dialect_of_response, whole_response
from fairlead.core.wire.stream import EventReader
from fairlead.edge.sources.reader import Around, Logged, logged
from fairlead.edge.sources.traced import own_usage


def pair(
    request: JSON,
    response: JSON,
    around: Around,
    *,
    model: str | None = None,
    status: int | None = None,
    failure: Failure | None = None,
    is_free: bool = False,
    of: JSON = None,
) -> Logged:
    """Return the row of a request and what came back; bodies may be JSON texts, and either may be missing.

    `is_free` says that a gateway answered from its own cache: nobody billed the tokens that the answer tells of.
    """
    sent, got = _body(request), answered_whole(response)
    dialect = dialect_of_response(got)
    if dialect is not Dialect.OPENAI_EMBEDDINGS and isinstance(sent, dict) and _is_responses(sent, got):
        around = around.with_fidelity(responses.fidelity(sent))
        sent = responses.chat_body(sent)
    elif isinstance(sent, dict) and gemini.is_request(sent):
        sent = {**gemini.chat_body(sent, model=model), **({"stream": True} if isinstance(got, list) else {})}
    elif isinstance(sent, dict) and "messages" not in sent and isinstance(sent.get("prompt"), str):
        sent = _completion_request(sent)
    if isinstance(sent, dict) and model and not sent.get("model"):
        sent = {**sent, "model": model}
    if failure is None and status is not None and status >= 400 and not _has_error(got):
        failure = Failure(kind=kind_of_status(status), status=status)
    used = Usage(fresh=0, visible=0) if is_free else around.usage if _told(got) is None else None
    around = replace(around, usage=used)
    return logged(
        sent if isinstance(sent, dict) else None,
        _chat_response(got),
        around,
        dialect=None if isinstance(sent, dict) else dialect,
        model=model or _model(got),
        failure=failure,
        of=of,
    )


def _is_responses(sent: JSON, got: JSON) -> bool:
    return responses.is_request(sent) or responses.is_response(got)


def _body(value: JSON) -> JSON:
    return structure_or_text(value) if isinstance(value, str) and value.strip() else value


def answered_whole(value: JSON) -> JSON:
    """Return a response as one body, whatever protocol streamed it; Gemini's stream stays the list of its answers."""
    if value in (None, "", {}, "{}"):
        return None
    events = value if isinstance(value, list) else _events_of(value)
    if events:
        stream = _other_stream(events[:4])
        if stream is not None:
            stream.feed_objects(events)
            return stream.body()
        if any(gemini.is_response(item) for item in events):
            return events
    return whole_response(value)


_OF_ANOTHER_PROTOCOL = re.compile(r'"response\.|"text_completion"|"(?:candidates|usageMetadata)"')


def _events_of(value: JSON) -> list[JSON]:
    """The events of a stream's text, where it may be one that is not kept as it is; none otherwise."""
    if not isinstance(value, str) or value.lstrip("\ufeff \t\r\n")[:1] not in {"d", "e", ":"}:
        return []
    if not _OF_ANOTHER_PROTOCOL.search(value, 0, 4096):
        return []
    reader = EventReader()
    read = [*reader.feed(value.encode("utf-8", "replace")), *reader.close()]
    try:
        return [decode(event.data) for event in read if event.data.strip() != b"[DONE]"]
    except UnreadableLine:
        return []


def _other_stream(first: Sequence[JSON]) -> ResponseStream | CompletionStream | None:
    """What puts a stream of OpenAI Responses or of the older completions together."""
    for event in first:
        if isinstance(event, dict):
            kind = event.get("type")
            if isinstance(kind, str) and kind.startswith("response."):
                return ResponseStream()
            choice = next(iter(fields.list_or_empty(event.get("choices"))), None)
            if event.get("object") == "text_completion" or (isinstance(choice, dict) and "text" in choice):
                return CompletionStream()
    return None


def _chat_response(got: JSON) -> JSON:
    if isinstance(got, dict):
        if responses.is_response(got):
            return responses.completion(got)
        choices = fields.list_or_empty(got.get("choices"))
        if choices and isinstance(choices[0], dict) and isinstance(choices[0].get("text"), str):
            return _completion_response(got, choices[0])
    return gemini.completion(got) if isinstance(got, list) or gemini.is_response(got) else got


def _completion_request(sent: Mapping[str, JSON]) -> dict[str, JSON]:
    """The older completions endpoint: its prompt is the only turn."""
    parameters = {name: value for name, value in sent.items() if name not in {"prompt", "model", "stream"}}
    model = fields.text_or_none(sent.get("model")) or "unnamed"
    made = loose.chat_body(model=model, messages=loose.message(sent["prompt"]), parameters=parameters)
    return {**made, "stream": True} if sent.get("stream") is True else made


def _completion_response(got: Mapping[str, JSON], choice: Mapping[str, JSON]) -> JSON:
    said = loose.message({"role": "assistant", "content": choice["text"]})
    finish = fields.text_or_none(choice.get("finish_reason"))
    made = loose.completion(said, model=_model(got), finish=finish, usage=got.get("usage"))
    return {**made, **{name: got[name] for name in ("error", "service_tier") if got.get(name) is not None}}


def _has_error(got: JSON) -> bool:
    return isinstance(got, dict) and got.get("error") is not None


def _told(got: JSON) -> JSON:
    """Whether the response tells its tokens itself; then nobody else's count is needed."""
    return True if isinstance(got, list) or own_usage(got) is not None else None


def _model(got: JSON | Mapping[str, JSON]) -> str | None:
    return fields.text_or_none(got.get("model")) if isinstance(got, Mapping) else None


def is_chat_like(body: JSON) -> bool:
    """Whether a value is a request body in any dialect."""
    if not isinstance(body, dict):
        return False
    return isinstance(body.get("messages"), list) or gemini.is_request(body) or "input" in body or "prompt" in body
