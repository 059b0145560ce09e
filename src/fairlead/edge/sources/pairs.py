"""Rows that are Fairlead's own: pairs of bodies, canonical rows, and records that name the two bodies a little differently."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.edge.sources.reader import EachRow, Found, Logged, Row, Source


def _claims(row: Row) -> bool:
    return "fairlead" in row or "request" in row


def _rows(row: Row) -> Iterable[Found]:
    yield Logged(row=row)


PAIRS = Source(
    name="pairs",
    fields=frozenset({"request", "response", "started_at", "latency_s", "id", "metadata"}),
    claims=_claims,
    opened=lambda: EachRow(_rows),
)
