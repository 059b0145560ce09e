"""What an HTTP response means for the request: a table of statuses, and bodies read into answers. Pure.

Rules kept: a body that is there is hostile until it has been read by `core.wire`; what the endpoint says is shown in one
line of at most 300 characters and never with the key in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON, Answer, Dialect, Failure, FailureKind, Usage
from fairlead.core.wire import anthropic, openai
from fairlead.core.wire.decode import decode
from fairlead.core.wire.failure import failure_of, one_line

READERS: Mapping[Dialect, Callable[[JSON], tuple[Answer, Usage]]] = {
    Dialect.OPENAI_CHAT: openai.answer,
    Dialect.OPENAI_EMBEDDINGS: openai.embeddings_answer,
    Dialect.ANTHROPIC_MESSAGES: anthropic.answer,
}


class Meaning(Enum):
    """What to do about a status."""

    ANSWER = auto()
    LIMITED = auto()
    UNUSABLE = auto()
    TRANSIENT = auto()
    REFUSED = auto()


_MEANINGS: Mapping[int, Meaning] = {
    401: Meaning.UNUSABLE,
    402: Meaning.UNUSABLE,
    403: Meaning.UNUSABLE,
    404: Meaning.UNUSABLE,
    405: Meaning.UNUSABLE,
    407: Meaning.UNUSABLE,
    408: Meaning.TRANSIENT,
    429: Meaning.LIMITED,
    529: Meaning.LIMITED,  # Anthropic: overloaded
}


def meaning(status: int) -> Meaning:
    """What to do about a status that is in the table, or by its hundreds."""
    if status in _MEANINGS:
        return _MEANINGS[status]
    if 200 <= status < 300:
        return Meaning.ANSWER
    if status >= 500:
        return Meaning.TRANSIENT
    return Meaning.REFUSED if status >= 400 else Meaning.UNUSABLE


ADVICE: Mapping[int, str] = {
    401: "Check the key.",
    402: "The account has to be paid.",
    403: "Check what the key is allowed to do.",
    404: "Check the model's name and that the address ends where the API begins (often /v1).",
}


def without_key(text: str, key: str | None) -> str:
    """`text` with the key, and whatever else looks like one, blotted out."""
    if key:
        text = text.replace(key, "[key]")
    return _LIKE_A_KEY.sub("[key]", text)


_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|gsk|hf)[-_][A-Za-z0-9_*.\-]{8,}")
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def endpoint_words(raw: bytes, key: str | None) -> str:
    """What an endpoint says in an error body: its message, or the text of its page, in one line."""
    try:
        body = decode(raw)
    except UnreadableLine:
        text = raw[:4_000].decode("utf-8", "replace")
        return one_line(without_key(_TAG.sub(" ", text), key))
    return one_line(without_key(_message(body), key))


def _message(body: JSON) -> str:
    if not isinstance(body, dict):
        return body if isinstance(body, str) else ""
    error = body.get("error", body)
    if not isinstance(error, dict):
        return str(error)
    said = next((error[name] for name in ("message", "detail", "msg") if isinstance(error.get(name), str)), None)
    param = error.get("param")
    if said is None:
        detail = error.get("detail")
        said = _field_errors(detail) if isinstance(detail, list) else ""
    named = isinstance(param, str) and param and param not in str(said)
    return f"{said} ({param})" if named else str(said)


def _field_errors(detail: list[JSON]) -> str:
    """The words of FastAPI's list of validation errors, each with the field it is about."""
    told: list[str] = []
    for one in detail[:5]:
        if isinstance(one, dict):
            where = one.get("loc")
            path = ".".join(str(step) for step in where if step != "body") if isinstance(where, list) else ""
            told.append(f"{path}: {one.get('msg')}")
    return "; ".join(told)


def error_code(raw: bytes) -> str:
    """The code or type of an error body, lower case; empty when it names none."""
    try:
        body = decode(raw)
    except UnreadableLine:
        return ""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return ""
    return " ".join(str(error[name]) for name in ("code", "type") if isinstance(error.get(name), str)).lower()


def answer_in(raw: bytes, dialect: Dialect) -> tuple[Answer, Usage, JSON]:
    """The answer, its tokens and its body, from the bytes of a response whose status was 200."""
    if not raw.strip():
        return _failed(FailureKind.EMPTY, "the answer has no body"), Usage(), None
    try:
        body = decode(raw)
    except UnreadableLine as error:
        return _unread(raw, error.reason), Usage(), None
    return answer_of(body, dialect)


def answer_of(body: JSON, dialect: Dialect) -> tuple[Answer, Usage, JSON]:
    """The answer, its tokens and its body, from a decoded body."""
    if isinstance(body, dict) and body.get("error") is not None:
        # A body may carry an error and still hold tokens that were billed (a stream that was cut).
        usage = openai.usage(body.get("usage")) if dialect is not Dialect.ANTHROPIC_MESSAGES else Usage()
        model = body.get("model")
        failed = Answer(failure=failure_of(body["error"]), model=model if isinstance(model, str) else None)
        return failed, usage, body
    try:
        answer, usage = READERS[dialect](body)
    except UnreadableLine as error:
        return _failed(FailureKind.NOT_JSON, f"not an answer of this API: {error.reason}"), Usage(), None
    return answer, usage, body


def _unread(raw: bytes, reason: str) -> Answer:
    start = raw.lstrip()[:1]
    if start in {b"{", b"["} and raw.rstrip()[-1:] not in {b"}", b"]"}:
        return _failed(FailureKind.CUT, "the JSON ends before it is complete")
    words = one_line(_TAG.sub(" ", raw[:4_000].decode("utf-8", "replace")))
    return _failed(FailureKind.NOT_JSON, f"{reason}: {words}")


def _failed(kind: FailureKind, detail: str) -> Answer:
    return Answer(failure=Failure(kind=kind, detail=one_line(detail)))
