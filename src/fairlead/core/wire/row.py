"""One row of a log to one `Exchange`: the only way in, whatever the source.

A *row* is an object with the body sent (`request`), the body received (`response`) and what is known around them; a
reader of another product's export turns its records into such rows. Rules kept: what a row does not say is unknown;
what it says wrongly around the bodies (a date, a duration, an id) is set aside and noted, and the row is kept; a
request that cannot be one raises `UnreadableLine`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import (
    JSON,
    Answer,
    Dialect,
    Exchange,
    Failure,
    FailureKind,
    Fidelity,
    PartKind,
    Request,
    Usage,
)
from fairlead.core.quick import quick
from fairlead.core.wire import anthropic, fields, openai
from fairlead.core.wire.decode import decode_text
from fairlead.core.wire.failure import one_line
from fairlead.core.wire.moment import moment
from fairlead.core.wire.records import answer_from_json, request_from_json, usage_from_json
from fairlead.core.wire.stream import ChatStream, MessageStream

SCHEMA = 1
"""Version of the canonical row; the value of its `fairlead` field."""


class Note(StrEnum):
    """Something about a row that is worth counting and did not cost the row."""

    DATE = "date set aside"
    LATENCY = "latency set aside"
    ID = "id set aside"
    METADATA = "metadata set aside"
    NO_CALL = "record of something else than a call of a model"
    REPEATED_ROW = "same row again"
    REPEATED_ID = "id repeated with other content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A line (or, without a line number, a whole file) that could not be read, and why."""

    source: str
    line: int | None
    reason: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRow:
    """The exchange a row holds and what was noted on the way."""

    exchange: Exchange
    notes: tuple[Note, ...] = ()


_REQUESTS: Mapping[Dialect, Callable[[JSON], Request]] = {
    Dialect.OPENAI_CHAT: openai.request,
    Dialect.OPENAI_EMBEDDINGS: openai.embeddings_request,
    Dialect.ANTHROPIC_MESSAGES: anthropic.request,
}
_ANSWERS: Mapping[Dialect, Callable[[JSON], tuple[Answer, Usage]]] = {
    Dialect.OPENAI_CHAT: openai.answer,
    Dialect.OPENAI_EMBEDDINGS: openai.embeddings_answer,
    Dialect.ANTHROPIC_MESSAGES: anthropic.answer,
}


def request_of(dialect: Dialect, body: JSON) -> Request:
    """Return the request a body makes in its dialect."""
    return _REQUESTS[dialect](body)


def answer_of(dialect: Dialect, body: JSON) -> tuple[Answer, Usage]:
    """Return the answer and usage a whole body holds in its dialect; null means that no answer was recorded."""
    if body is None:
        return Answer(failure=Failure(kind=FailureKind.NOT_RECORDED, detail="the log holds no response")), Usage()
    return _ANSWERS[dialect](body)


def row_hash(data: bytes) -> str:
    """Return the hash by which a row is known again: of its bytes without surrounding white space."""
    return hashlib.blake2b(data.strip(), digest_size=16).hexdigest()


def exchange(row: Mapping[str, JSON], *, row_hash: str, source: str, now: datetime) -> ReadRow:
    """Return the exchange that a row holds; `now` is the time of reading."""
    return _Reading(row, row_hash=row_hash, source=source, now=now).exchange()


def whole_response(response: JSON) -> JSON:
    """Return a response as one body: a list of stream events, or their text, is put together again."""
    if isinstance(response, list):
        return _assembled(response)
    if isinstance(response, str):
        return _from_text(response)
    return response


def _assembled(events: Sequence[JSON]) -> JSON:
    if not events:
        return {"error": {"type": "stream_cut", "message": "the stream held no event"}}
    stream = MessageStream() if any(_is_message_event(event) for event in events[:4]) else ChatStream()
    stream.feed_objects(events)
    return stream.body()


def _is_message_event(event: JSON) -> bool:
    kind = event.get("type") if isinstance(event, dict) else None
    return isinstance(kind, str) and (kind.startswith(("message_", "content_block_")) or kind == "ping")


def _from_text(text: str) -> JSON:
    start = text.lstrip("\ufeff \t\r\n")[:16]
    if start.startswith(("data:", "event:", "id:", ":")):
        stream = MessageStream() if '"message_start"' in text[:4096] else ChatStream()
        stream.feed(text.encode("utf-8", "replace"))
        stream.close()
        return stream.body()
    if start.startswith("{"):
        try:
            return decode_text(text)
        except UnreadableLine:
            pass
    return {"error": {"type": "not_json", "message": one_line(text)}}


def dialect_of(request: JSON, response: JSON) -> Dialect:
    """Return the dialect in which a pair of bodies is written, by what they hold; the response decides first."""
    asked = fields.mapping(request, "request")
    found = dialect_of_response(response) or _dialect_of_request(asked)
    if found is None:
        names = ", ".join(sorted(asked)[:8]) or "no fields"
        raise UnreadableLine(
            f"request is neither OpenAI chat, OpenAI embeddings nor Anthropic Messages: it holds {one_line(names)[:120]}"
        )
    return found


def dialect_of_response(response: JSON) -> Dialect | None:
    """Return the dialect of a response body, or `None` when it shows none."""
    if not isinstance(response, dict):
        return None
    if response.get("type") == "message" or "stop_reason" in response:
        return Dialect.ANTHROPIC_MESSAGES
    if "choices" in response:
        return Dialect.OPENAI_CHAT
    vectors = fields.list_or_empty(response.get("data"))
    if vectors and isinstance(vectors[0], dict) and "embedding" in vectors[0]:
        return Dialect.OPENAI_EMBEDDINGS
    return None


def _dialect_of_request(asked: Mapping[str, JSON]) -> Dialect | None:
    if "messages" in asked:
        return Dialect.ANTHROPIC_MESSAGES if _looks_anthropic(asked) else Dialect.OPENAI_CHAT
    return Dialect.OPENAI_EMBEDDINGS if "input" in asked else None


_ANTHROPIC_FIELDS = frozenset({"system", "stop_sequences", "anthropic_version", "thinking", "mcp_servers"})
_ANTHROPIC_BLOCKS = frozenset({"tool_use", "tool_result", "image", "document", "redacted_thinking"})


def _looks_anthropic(asked: Mapping[str, JSON]) -> bool:
    if not _ANTHROPIC_FIELDS.isdisjoint(asked):
        return True
    if any(isinstance(tool, dict) and "input_schema" in tool for tool in fields.list_or_empty(asked.get("tools"))):
        return True
    for turn in fields.list_or_empty(asked.get("messages")):
        for block in fields.list_or_empty(turn.get("content") if isinstance(turn, dict) else None):
            if isinstance(block, dict) and fields.is_one_of(block.get("type"), _ANTHROPIC_BLOCKS):
                return True
    model = asked.get("model")
    plain_roles = all(
        isinstance(turn, dict) and fields.is_one_of(turn.get("role"), {"user", "assistant"})
        for turn in fields.list_or_empty(asked.get("messages"))
    )
    return isinstance(model, str) and model.startswith("claude") and "max_tokens" in asked and plain_roles


_FLAGS = frozenset(flag.value for flag in Fidelity)
_MEDIA_DROPPED = (Fidelity.MEDIA_DROPPED,)
_MEDIA = frozenset({PartKind.IMAGE, PartKind.DOCUMENT, PartKind.AUDIO})
TIERS = frozenset({"batch", "flex", "priority"})
_CONVERSATION_KEYS = ("conversation_id", "session_id", "thread_id")
_USER_KEYS = ("user_id", "user")


class _Reading:
    """One row being read, collecting notes."""

    def __init__(self, row: Mapping[str, JSON], *, row_hash: str, source: str, now: datetime) -> None:
        self._row = row
        self._hash = row_hash
        self._source = source
        self._now = now
        self._notes: list[Note] = []
        self._is_canonical = "fairlead" in row
        if self._is_canonical:
            _check_schema(row["fairlead"])

    def exchange(self) -> ReadRow:
        row = self._row
        body, response = row.get("request"), whole_response(row.get("response"))
        dialect = self._dialect(body, response)
        request, answer, usage = self._parsed(dialect, body, response)
        metadata = self._metadata()
        found = Exchange(
            id=self._id(),
            row_hash=self._row_hash(),
            dialect=dialect,
            request=request,
            answer=answer,
            request_body=body,
            response_body=response,
            usage=usage,
            started_at=self._started_at(),
            latency_s=self._seconds("latency_s"),
            provider=fields.label(row.get("provider")),
            conversation=self._who("conversation", metadata, _CONVERSATION_KEYS),
            user=self._who("user", metadata, _USER_KEYS) or self._user_of(body, request),
            metadata=metadata,
            source=self._own_source(),
            first_token_s=self._seconds("first_token_s"),
            step=fields.count(row.get("step")),
            fidelity=self._fidelity(request, answer),
            tier=self._tier(response, metadata),
        )
        return ReadRow(exchange=found, notes=tuple(self._notes))

    def _dialect(self, body: JSON, response: JSON) -> Dialect:
        named = self._row.get("dialect")
        if self._is_canonical and isinstance(named, str):
            if named in {dialect.value for dialect in Dialect}:
                return Dialect(named)
            raise fields.unexpected("dialect", one_line(named), Dialect)
        if body is None:
            raise UnreadableLine("request is missing")
        return dialect_of(body, response)

    def _parsed(self, dialect: Dialect, body: JSON, response: JSON) -> tuple[Request, Answer, Usage]:
        given = fields.mapping_or_empty(self._row.get("parsed") if self._is_canonical else None)
        request = request_from_json(given["request"]) if "request" in given else request_of(dialect, body)
        if "answer" in given:
            answer, usage = answer_from_json(given["answer"]), Usage()
        else:
            answer, usage = answer_of(dialect, response)
        if self._is_canonical and "usage" in self._row:
            usage = usage_from_json(self._row["usage"])
        return request, answer, usage

    def _metadata(self) -> dict[str, JSON]:
        given = self._row.get("metadata")
        if given is not None and not isinstance(given, dict):
            self._notes.append(Note.METADATA)
        return dict(fields.mapping_or_empty(given))

    def _id(self) -> str:
        given = self._row.get("id")
        found = fields.label(given)
        if found is None and given is not None:
            self._notes.append(Note.ID)
        return found or f"x{self._row_hash()[:20]}"

    def _row_hash(self) -> str:
        given = self._row.get("row_hash") if self._is_canonical else None
        return given if isinstance(given, str) and 8 <= len(given) <= 128 and given.isalnum() else self._hash

    def _own_source(self) -> str:
        given = self._row.get("source") if self._is_canonical else None
        return given if isinstance(given, str) and len(given) <= 4096 else self._source

    def _started_at(self) -> datetime | None:
        found = moment(self._row.get("started_at"), now=self._now)
        if found.set_aside:
            self._notes.append(Note.DATE)
        return found.at

    def _seconds(self, name: str) -> float | None:
        given = self._row.get(name)
        found = fields.seconds(given)
        if found is None and given is not None:
            self._notes.append(Note.LATENCY)
        return found

    def _who(self, name: str, metadata: Mapping[str, JSON], keys: Sequence[str]) -> str | None:
        if name in self._row:
            return fields.label(self._row[name])
        for key in keys:
            if key in metadata and (found := fields.label(metadata[key])):
                return found
        return None

    def _user_of(self, body: JSON, request: Request) -> str | None:
        if "user" in self._row or not isinstance(body, dict):
            return None
        beside = fields.mapping_or_empty(request.parameters.get("metadata"))
        return fields.label(body.get("user")) or fields.label(beside.get("user_id"))

    def _tier(self, response: JSON, metadata: Mapping[str, JSON]) -> str | None:
        """The service tier, as the row or the response names it; `None` is the standard one."""
        if "tier" in self._row:
            return fields.label(self._row["tier"])
        body = fields.mapping_or_empty(response)
        named = body.get("service_tier") or fields.mapping_or_empty(body.get("usage")).get("service_tier")
        if fields.is_one_of(named, TIERS):
            return str(named)
        return "batch" if metadata.get("batch") is True else None

    def _fidelity(self, request: Request, answer: Answer) -> tuple[Fidelity, ...]:
        lost = _lost_in(request)
        if answer.tool_calls and not request.tools:
            lost = (*lost, Fidelity.TOOLS_MISSING)
        if not self._is_canonical or "fidelity" not in self._row:
            return lost
        listed = fields.list_or_empty(self._row["fidelity"])
        given = tuple(Fidelity(flag) for flag in listed if isinstance(flag, str) and flag in _FLAGS)
        # An exported row says all there is to say; a reader's row only what the bodies do not show.
        return given if "row_hash" in self._row else tuple(dict.fromkeys((*given, *lost)))


def _lost_in(request: Request) -> tuple[Fidelity, ...]:
    """What the request itself shows to be lost."""
    for turn in request.messages:
        for part in turn.parts:
            if not part.text and part.kind in _MEDIA:
                return _MEDIA_DROPPED
    return ()


def _check_schema(version: JSON) -> None:
    if version == SCHEMA and not isinstance(version, bool):
        return
    if isinstance(version, int) and version > SCHEMA:
        raise UnreadableLine(
            f"canonical row of schema {version} was written by a newer Fairlead; this one reads {SCHEMA}"
        )
    raise UnreadableLine(f"field fairlead is {one_line(str(version))[:40]}, not {SCHEMA}")
