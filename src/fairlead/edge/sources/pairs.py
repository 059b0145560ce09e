"""Rows that are Fairlead's own, and whatever else holds two bodies: pairs of any dialect, and the bodies of one response.

A pair in a dialect that Fairlead keeps (OpenAI chat and embeddings, Anthropic Messages) goes through as it is; OpenAI
Responses, Gemini and older completions are first put into chat bodies.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields, gemini, responses
from fairlead.core.wire.decode import structure_or_text
from fairlead.edge.sources.bodies import pair
from fairlead.edge.sources.reader import Around, EachRow, Found, Logged, Row, Source


def _claims(row: Row) -> bool:
    return "fairlead" in row or "request" in row


def _rows(row: Row) -> Iterable[Found]:
    if "fairlead" in row:
        yield Logged(row=row)
        return
    request = _body(row.get("request"))
    if not isinstance(request, dict) or "messages" in request:
        yield Logged(row={**_timed(row), "request": request})
    elif _is_foreign(request, row.get("response")):
        yield pair(request, row.get("response"), _around(row))
    else:
        yield Logged(row={**_timed(row), "request": request})


def _body(value: JSON) -> JSON:
    return structure_or_text(value) if isinstance(value, str) else value


def _is_foreign(request: dict[str, JSON], response: JSON) -> bool:
    if gemini.is_request(request) or responses.is_request(request):
        return True
    return responses.is_response(response) if "input" in request else isinstance(request.get("prompt"), str)


def _timed(row: Row) -> Row:
    """Some tools call the time of a pair its timestamp."""
    return {**row, "started_at": row["timestamp"]} if "timestamp" in row and "started_at" not in row else row


def _around(row: Row) -> Around:
    timed = _timed(row)
    return Around(
        id=row.get("id"),
        started_at=timed.get("started_at"),
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
