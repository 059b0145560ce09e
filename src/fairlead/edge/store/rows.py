"""Exchanges, replies and usage as rows of the ledger's tables, and back.

The order of the columns stands here once, for writing and for reading.
"""

# ruff: noqa: S608 - statements are put together from names that stand in the code; values go beside them

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TypeAlias

from fairlead.core.calls import Calls
from fairlead.core.nouns import (
    Answer,
    Dialect,
    Endpoint,
    Exchange,
    ExchangeRow,
    FailureKind,
    Fidelity,
    OnFile,
    Reply,
    Request,
    Ungrouped,
    Usage,
)
from fairlead.core.wire.key import request_key, with_mark
from fairlead.edge.store.codec import (
    body_parts,
    decode,
    encode,
    kept,
    key,
    key_or_none,
    microseconds,
    moment,
    shown,
    shown_or_none,
)
from fairlead.edge.store.database import Row

Unpacked: TypeAlias = Callable[[bytes, bytes], bytes]

USAGE = "fresh, cache_read, cache_write_5m, cache_write_1h, visible, reasoning, audio_in, image_in, audio_out"
_TOKENS = USAGE.count(",") + 1
_LARGEST = 2**63 - 1
_SEPARATOR = ", "
BY_CANDIDATE = "candidate"
"""In the column `served`: the candidate answered. It is empty where the gateway had no part in it."""

_DIALECTS = {dialect.value: dialect for dialect in Dialect}
_ENDPOINTS = {endpoint.value: endpoint for endpoint in Endpoint}
_FAILURES: dict[str | None, FailureKind | None] = {None: None, **{kind.value: kind for kind in FailureKind}}

INSERT_BODY = "INSERT INTO bodies (hash, data) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING"
_BODY = "(SELECT id FROM bodies WHERE hash = ?)"

INSERT_EXCHANGE = (
    "INSERT INTO exchanges (id, row_hash, request_key, dialect, endpoint, model, provider, tier,"
    f" {USAGE}, started_us, latency_s, first_token_s, failure, fidelity, conversation, step, made_for, source,"
    " metadata, request_body, response_body)"
    f" VALUES ({'?, ' * (18 + _TOKENS)}{_BODY}, {_BODY})"
    " ON CONFLICT (row_hash) DO NOTHING"
)

INSERT_ARRIVAL = (
    "INSERT INTO exchanges (id, row_hash, request_key, dialect, endpoint, model, provider, tier,"
    f" {USAGE}, started_us, latency_s, first_token_s, failure, fidelity, conversation, step, made_for, source,"
    " metadata, served, workload_id, prompt_id, request_body, response_body)"
    f" VALUES ({', '.join('?' * (23 + _TOKENS))}) ON CONFLICT DO NOTHING"
)

SELECT_ROWS = (
    "SELECT seq, id, request_key, workload_id, prompt_id, dialect, endpoint, model, provider,"
    f" {USAGE}, started_us, latency_s, failure, conversation, first_token_s, step, fidelity, tier, made_for, served FROM exchanges"
)

SELECT_CALLS = (
    "SELECT seq, workload_id, model, provider, tier, served, fidelity, started_us, latency_s, first_token_s, failure,"
    f" request_key, prompt_id, conversation, {USAGE} FROM exchanges"
)

SELECT_METADATA = "SELECT seq, id, metadata FROM exchanges"

SELECT_REQUESTS = (
    "SELECT e.seq, q.hash, q.data, e.started_us, e.request_key FROM exchanges e JOIN bodies q ON q.id = e.request_body"
)

SELECT_EXCHANGES = (
    "SELECT e.seq, q.hash, q.data, a.hash, a.data, e.id, e.row_hash, e.dialect, e.provider,"
    f" {USAGE}, e.started_us, e.latency_s, e.first_token_s, e.fidelity, e.conversation, e.step, e.made_for, e.source,"
    " e.metadata, e.tier, e.request_key"
    " FROM exchanges e JOIN bodies q ON q.id = e.request_body JOIN bodies a ON a.id = e.response_body"
)

INSERT_REPLY = (
    f"INSERT INTO replies (asker_id, request_key, body, {USAGE}, latency_s, attempts)"
    f" VALUES (?, ?, {_BODY}, {'?, ' * _TOKENS}?, ?) ON CONFLICT (asker_id, request_key) DO NOTHING"
)

SELECT_REPLY = (
    f"SELECT hash, data, {USAGE}, latency_s, attempts FROM replies JOIN bodies ON bodies.id = replies.body"
    " WHERE asker_id = ? AND request_key = ?"
)


def _count(number: int | None) -> int | None:
    """A token count that the databases can hold; anything larger was no count."""
    return number if number is None or -_LARGEST <= number <= _LARGEST else None


def usage_row(usage: Usage) -> Row:
    """The columns of `USAGE`."""
    counts = (
        usage.fresh, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.visible, usage.reasoning,
        usage.audio_in, usage.image_in, usage.audio_out,
    )  # fmt: skip
    return tuple(map(_count, counts))


def usage_from(columns: Row) -> Usage:
    """The usage in the columns of `USAGE`."""
    fresh, cache_read, cache_write_5m, cache_write_1h, visible, reasoning, audio_in, image_in, audio_out = columns
    return Usage(
        fresh=fresh,
        cache_read=cache_read,
        cache_write_5m=cache_write_5m,
        cache_write_1h=cache_write_1h,
        visible=visible,
        reasoning=reasoning,
        audio_in=audio_in,
        image_in=image_in,
        audio_out=audio_out,
    )


def exchange_values(exchange: Exchange, *, request: bytes, response: bytes) -> Row:
    """The values of `INSERT_EXCHANGE` behind the id; `request` and `response` are the hashes of the bodies."""
    failure = exchange.answer.failure
    return (
        key(exchange.row_hash),
        key(request_key(exchange.request)),
        exchange.dialect.value,
        exchange.request.endpoint.value,
        kept(exchange.answer.model or exchange.request.model),
        None if exchange.provider is None else kept(exchange.provider),
        None if exchange.tier is None else kept(exchange.tier),
        *usage_row(exchange.usage),
        microseconds(exchange.started_at),
        exchange.latency_s,
        exchange.first_token_s,
        None if failure is None else failure.kind.value,
        _SEPARATOR.join(exchange.fidelity) or None,
        key_or_none(exchange.conversation),
        _count(exchange.step),
        key_or_none(exchange.user),
        kept(exchange.source),
        encode(exchange.metadata),
        request,
        response,
    )


def exchange_from(columns: Row, *, unpacked: Unpacked) -> Exchange:
    """The exchange in the columns of `SELECT_EXCHANGES`; `unpacked` gives a body's bytes."""
    _, request, packed_request, response, packed_response, id_column, row_hash, dialect, provider = columns[:9]
    (
        started_us, latency_s, first_token_s, fidelity, conversation, step, made_for, source, metadata, tier, key_column,
    ) = columns[9 + _TOKENS :]  # fmt: skip
    request_raw, request_read = body_parts(Request, unpacked(request, packed_request))
    response_raw, answer = body_parts(Answer, unpacked(response, packed_response))
    notes = decode(metadata)
    return Exchange(
        id=shown(id_column),
        row_hash=shown(row_hash),
        dialect=Dialect(dialect),
        request=with_mark(request_read, shown(key_column)),
        answer=answer,
        request_body=request_raw,
        response_body=response_raw,
        usage=usage_from(columns[9 : 9 + _TOKENS]),
        started_at=None if started_us is None else moment(started_us),
        latency_s=latency_s,
        provider=shown_or_none(provider),
        conversation=shown_or_none(conversation),
        user=shown_or_none(made_for),
        metadata=notes if isinstance(notes, dict) else {},
        source=shown(source),
        first_token_s=first_token_s,
        step=step,
        fidelity=flags_from(fidelity),
        tier=shown_or_none(tier),
    )


@lru_cache(maxsize=1_024)
def flags_from(column: str | None) -> tuple[Fidelity, ...]:
    """The fidelity flags in their column."""
    return tuple(map(Fidelity, column.split(_SEPARATOR))) if column else ()


def ungrouped_from(columns: Row, *, unpacked: Unpacked) -> Ungrouped:
    """The request in the columns of `SELECT_REQUESTS`; `unpacked` gives a body's bytes."""
    seq, request, packed, started_us, key_column = columns
    _, read = body_parts(Request, unpacked(request, packed))
    request_read = with_mark(read, shown(key_column))
    return Ungrouped(seq=seq, request=request_read, started_at=None if started_us is None else moment(started_us))


def reply_values(asker_id: str, request_key: str, reply: Reply, *, body: bytes) -> Row:
    """The values of `INSERT_REPLY`; `body` is the hash of the body."""
    return (key(asker_id), key(request_key), body, *usage_row(reply.usage), reply.latency_s, reply.attempts)


def reply_from(columns: Row, *, unpacked: Unpacked) -> Reply:
    """The reply in the columns of `SELECT_REPLY`; `unpacked` gives a body's bytes."""
    raw, answer = body_parts(Answer, unpacked(*columns[:2]))
    latency_s, attempts = columns[2 + _TOKENS :]
    return Reply(
        answer=answer,
        usage=usage_from(columns[2 : 2 + _TOKENS]),
        latency_s=latency_s,
        attempts=attempts,
        response_body=raw,
    )


_MOST_SHARED = 50_000


class _Texts(dict[str | None, str | None]):
    """Texts by their columns, each made once; there are few, or they are forgotten."""

    def __missing__(self, column: str) -> str:
        if len(self) > _MOST_SHARED:
            self.clear()
            self[None] = None
        text = self[column] = shown(column)
        return text


class _Usages(dict[Row, Usage]):
    """Usages by their columns, each made once."""

    def __missing__(self, columns: Row) -> Usage:
        if len(self) > _MOST_SHARED:
            self.clear()
        usage = self[columns] = usage_from(columns)
        return usage


class RowReader:
    """Reads the columns of `SELECT_ROWS`, keeping one copy of what many rows share.

    A hundred thousand rows are read at a time, so what is done for each is kept short.
    """

    def __init__(self) -> None:
        self._texts = _Texts({None: None})
        self._usages = _Usages()

    def read(self, rows: Iterable[Row]) -> list[ExchangeRow]:
        """The rows as records."""
        return [self._record(columns) for columns in rows]

    def _record(self, columns: Row) -> ExchangeRow:
        seq, id_column, request_key, workload_id, prompt_id, dialect, endpoint, model, provider = columns[:9]
        (
            started_us, latency_s, failure, conversation, first_token_s, step, fidelity, tier, made_for, served,
        ) = columns[9 + _TOKENS :]  # fmt: skip
        texts = self._texts
        return ExchangeRow(
            seq=seq,
            id=shown(id_column),
            request_key=request_key,
            workload_id=texts[workload_id],
            prompt_id=texts[prompt_id],
            dialect=_DIALECTS[dialect],
            endpoint=_ENDPOINTS[endpoint],
            model=texts[model] or "",
            provider=texts[provider],
            usage=self._usages[columns[9 : 9 + _TOKENS]],
            started_at=None if started_us is None else moment(started_us),
            latency_s=latency_s,
            failure=_FAILURES[failure],
            conversation=texts[conversation],
            first_token_s=first_token_s,
            step=step,
            fidelity=flags_from(fidelity),
            tier=texts[tier],
            user=texts[made_for],
            by_candidate=served == BY_CANDIDATE,
        )


class CallReader:
    """Reads the columns of `SELECT_CALLS` for counting."""

    def __init__(self) -> None:
        self._texts = _Texts({None: None})

    def read(self, rows: Iterable[Row]) -> list[tuple[str | None, Calls]]:
        """The rows by workload, each by the column and in order."""
        by_workload: dict[str | None, list[Row]] = {}
        for row in rows:
            by_workload.setdefault(row[1], []).append(row)
        return [(self._texts[workload], self._calls(each)) for workload, each in by_workload.items()]

    def _calls(self, rows: list[Row]) -> Calls:
        (
            _, _, models, providers, tiers, served, fidelities, started_us, latencies_s, first_tokens_s, failures,
            request_keys, prompt_ids, conversations, *usage,
        ) = zip(*rows, strict=True)  # fmt: skip
        text = self._texts.__getitem__
        return Calls(
            request_keys=request_keys,
            prompt_ids=prompt_ids,
            models=[text(model) or "" for model in models],
            providers=[*map(text, providers)],
            tiers=[*map(text, tiers)],
            by_candidate=[each == BY_CANDIDATE for each in served],
            started_us=started_us,
            latencies_s=latencies_s,
            first_tokens_s=first_tokens_s,
            failures=failures,
            fidelities=[*map(flags_from, fidelities)],
            conversations=conversations,
            usage=usage,
        )


class OnFileReader:
    """Reads what is on file of a pilot's requests, keeping one copy of segments that many share."""

    def __init__(self) -> None:
        self._segments: dict[bytes, tuple[str, ...]] = {}

    def read(self, rows: Iterable[Row]) -> list[OnFile]:
        """The rows as records."""
        return [
            OnFile(position=position, exchange_id=shown(id_column), closed=closed, segments=self._read(segments))
            for position, id_column, closed, segments in rows
        ]

    def _read(self, column: bytes) -> tuple[str, ...]:
        found = self._segments.get(column)
        if found is None:
            values = decode(column)
            found = self._segments[column] = tuple(map(str, values)) if isinstance(values, list) else ()
        return found
