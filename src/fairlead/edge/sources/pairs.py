"""Rows that are Fairlead's own, and whatever else holds two bodies: pairs of any dialect, and the bodies of one response.

A pair in a dialect that Fairlead keeps (OpenAI chat and embeddings, Anthropic Messages) goes through as it is; OpenAI
Responses, Gemini and older completions are first put into chat bodies. What stands around the bodies is read under its
usual names too (`latency_ms`, `timestamp`, `session_id`); a field that nobody understands is told, not passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.core.nouns import JSON, Dialect
from fairlead.core.wire import fields, gemini, responses
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.row import dialect_of_response
from fairlead.edge.sources.bodies import answered_whole, pair
from fairlead.edge.sources.counts import seconds_of_thousandths
from fairlead.edge.sources.reader import Around, EachRow, Found, Logged, Row, Source

_OWN = frozenset(
    {
        "request", "response", "id", "started_at", "latency_s", "first_token_s", "provider", "conversation", "user", "step",
        "metadata", "tier",
    }
)  # fmt: skip
_NAMES: Mapping[str, str] = {
    "timestamp": "started_at",
    "created_at": "started_at",
    "request_id": "id",
    "session_id": "conversation",
    "conversation_id": "conversation",
    "thread_id": "conversation",
    "user_id": "user",
}
_THOUSANDTHS: Mapping[str, str] = {
    "latency_ms": "latency_s",
    "duration_ms": "latency_s",
    "first_token_ms": "first_token_s",
    "ttft_ms": "first_token_s",
}
_STATUS = ("status", "status_code")
_FAILED = frozenset({"error", *_STATUS})
_TOLD_ELSEWHERE = frozenset({"model", "usage", "stream", "endpoint", "url", "method", "dialect"})
"""What the bodies say themselves as a rule, or what says nothing that is kept."""
_LABELS = frozenset({"client_id", "workload_id", "tags", "environment", "app", "service", "feature", "trace_id"})


def _claims(row: Row) -> bool:
    return "fairlead" in row or "request" in row


def _rows(row: Row) -> Iterable[Found]:
    if "fairlead" in row:
        yield Logged(row=row)
        return
    unread: tuple[str, ...] = ()
    if not _OWN.issuperset(row):
        row, unread = _named(row)
    request = row["request"]
    if isinstance(request, str):
        request = structure_or_text(request)
        row = {**row, "request": request}
    if isinstance(request, dict) and "messages" not in request:
        yield _foreign(row, request, unread)
    elif request is None and _is_answer(row.get("response")):
        yield _with(pair(None, row.get("response"), _around(row)), unread)
    else:
        yield Logged(row=row, unread=unread)


def _with(found: Logged, unread: tuple[str, ...]) -> Logged:
    return Logged(row=found.row, of=found.of, unread=unread)


def _foreign(row: Row, request: dict[str, JSON], unread: tuple[str, ...]) -> Logged:
    """A pair that is no chat: embeddings as they are, what asks the same as a chat as that chat."""
    response = answered_whole(row.get("response"))
    if gemini.is_request(request) or responses.is_request(request):
        is_foreign = dialect_of_response(response) is not Dialect.OPENAI_EMBEDDINGS
    else:
        is_foreign = responses.is_response(response) if "input" in request else isinstance(request.get("prompt"), str)
    return _with(pair(request, response, _around(row)), unread) if is_foreign else Logged(row=row, unread=unread)


def _is_answer(response: JSON) -> bool:
    """Whether a body without its request still tells what it answered and cost."""
    whole = answered_whole(response)
    return dialect_of_response(whole) is not None or responses.is_response(whole) or gemini.is_response(whole)


def _named(row: Row) -> tuple[Row, tuple[str, ...]]:
    """The row with what stands around its bodies under Fairlead's own names, and the fields that nobody understands."""
    found: dict[str, JSON] = {name: value for name, value in row.items() if name in _OWN}
    found.setdefault("request", None)
    labels: dict[str, JSON] = {}
    unread: list[str] = []
    for name, value in row.items():
        if name in _OWN or name in _TOLD_ELSEWHERE or name in _FAILED or value is None:
            continue
        if name in _NAMES:
            found.setdefault(_NAMES[name], value)
        elif name in _THOUSANDTHS:
            found.setdefault(_THOUSANDTHS[name], seconds_of_thousandths(value))
        elif name in _LABELS:
            labels[name] = value
        else:
            unread.append(name)
    if labels and isinstance(found.get("metadata", {}), dict):
        found["metadata"] = {**labels, **fields.mapping_or_empty(found.get("metadata"))}
    if found.get("response") in (None, "", {}):
        found["response"] = _failure(row)
    if isinstance(row.get("usage"), dict):
        _completed(found, "response", "usage", row["usage"])
    if isinstance(row.get("model"), str):
        _completed(found, "request", "model", row["model"])
    return found, tuple(unread)


def _completed(found: dict[str, JSON], body: str, name: str, value: JSON) -> None:
    """Put into a body what it leaves out and the row says beside it (Azure keeps the model in the address)."""
    held = found.get(body)
    if isinstance(held, dict) and held.get(name) is None and "error" not in held:
        found[body] = {**held, name: value}


def _failure(row: Row) -> JSON:
    """What went wrong, where a row says so beside a response that is not there."""
    error = row.get("error")
    status = next((found for name in _STATUS if (found := fields.count(row.get(name))) and 400 <= found <= 599), None)
    if error in (None, "", {}, False) and status is None:
        return None
    told: dict[str, JSON] = dict(error) if isinstance(error, dict) else {}
    if isinstance(error, str):
        told["message"] = error
    return {"error": told if status is None else {**told, "status": status}}


def _around(row: Row) -> Around:
    return Around(
        id=row.get("id"),
        started_at=row.get("started_at"),
        latency_s=row.get("latency_s"),
        first_token_s=row.get("first_token_s"),
        provider=row.get("provider"),
        conversation=row.get("conversation"),
        user=row.get("user"),
        step=row.get("step"),
        metadata=fields.mapping_or_empty(row.get("metadata")),
    )


PAIRS = Source(
    name="pairs",
    fields=frozenset({"request", "response", "started_at", "latency_s", "id", "metadata"}),
    claims=_claims,
    opened=lambda: EachRow(_rows),
)
