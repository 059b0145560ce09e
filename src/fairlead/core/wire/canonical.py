"""An exchange as one canonical row: what `ledger export` writes and `scan` reads back, losing nothing.

The row is a pair row (`request` and `response` as logged) with everything else that is known beside it, marked by
`"fairlead": 1`. Only where reading the bodies again would not give the same request or answer (a failure that left no
body, bodies that were not kept) are these written out under `parsed`.
"""

from __future__ import annotations

from datetime import datetime

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON, Exchange
from fairlead.core.wire.records import answer_to_json, request_to_json, usage_to_json
from fairlead.core.wire.row import SCHEMA, answer_of, exchange, request_of, whole_response


def exchange_to_json(exchange: Exchange) -> dict[str, JSON]:
    """Return the exchange as a canonical row; `exchange_from_json` gives it back."""
    row: dict[str, JSON] = {
        "fairlead": SCHEMA,
        "id": exchange.id,
        "row_hash": exchange.row_hash,
        "dialect": exchange.dialect.value,
        "request": exchange.request_body,
        "response": exchange.response_body,
        "usage": usage_to_json(exchange.usage),
        "started_at": None if exchange.started_at is None else exchange.started_at.isoformat(),
        "latency_s": exchange.latency_s,
        "first_token_s": exchange.first_token_s,
        "provider": exchange.provider,
        **({} if exchange.tier is None else {"tier": exchange.tier}),
        "conversation": exchange.conversation,
        "user": exchange.user,
        "step": exchange.step,
        "metadata": dict(exchange.metadata),
        "fidelity": [flag.value for flag in exchange.fidelity],
        "source": exchange.source,
    }
    parsed = _parsed(exchange)
    return {**row, "parsed": parsed} if parsed else row


def exchange_from_json(row: JSON, *, now: datetime) -> Exchange:
    """Return the exchange that a canonical row holds; dates after `now` are set aside."""
    if not isinstance(row, dict) or "fairlead" not in row:
        raise UnreadableLine("not a canonical row: the field fairlead is missing")
    return exchange(row, row_hash="", source="", now=now).exchange


def _parsed(exchange: Exchange) -> dict[str, JSON]:
    """What the bodies alone do not tell."""
    parsed: dict[str, JSON] = {}
    try:
        request = request_of(exchange.dialect, exchange.request_body)
    except UnreadableLine:
        request = None
    if request != exchange.request:
        parsed["request"] = request_to_json(exchange.request)
    try:
        answer = answer_of(exchange.dialect, whole_response(exchange.response_body))[0]
    except UnreadableLine:
        answer = None
    if answer != exchange.answer:
        parsed["answer"] = answer_to_json(exchange.answer)
    return parsed
