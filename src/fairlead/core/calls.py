"""Exchanges by the column, for counting: what is done for a column at once takes a fraction of what it takes row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import TypeAlias

from fairlead.core.nouns import ExchangeRow, Fidelity, Usage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Column: TypeAlias = Sequence[int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Exchanges with what is counted of them, each thing a column; `None` is unknown.

    `started_us` are microseconds since 1970; `failures` are there where a call failed; `usage` are the token counts in the order
    of the fields of `Usage`.
    """

    request_keys: Sequence[str]
    prompt_ids: Sequence[str | None]
    models: Sequence[str]
    providers: Sequence[str | None]
    tiers: Sequence[str | None]
    by_candidate: Sequence[bool]
    started_us: Column
    latencies_s: Sequence[float | None]
    first_tokens_s: Sequence[float | None]
    failures: Sequence[str | None]
    fidelities: Sequence[tuple[Fidelity, ...]]
    conversations: Sequence[str | None]
    usage: Sequence[Column]

    @classmethod
    def of(cls, rows: Sequence[ExchangeRow]) -> Calls:
        """The columns of rows."""
        return cls(
            request_keys=[row.request_key for row in rows],
            prompt_ids=[row.prompt_id for row in rows],
            models=[row.model for row in rows],
            providers=[row.provider for row in rows],
            tiers=[row.tier for row in rows],
            by_candidate=[row.by_candidate for row in rows],
            started_us=[None if row.started_at is None else (row.started_at - EPOCH) // MICROSECOND for row in rows],
            latencies_s=[row.latency_s for row in rows],
            first_tokens_s=[row.first_token_s for row in rows],
            failures=[row.failure for row in rows],
            fidelities=[row.fidelity for row in rows],
            conversations=[row.conversation for row in rows],
            usage=[[getattr(row.usage, each.name) for row in rows] for each in fields(Usage)],
        )

    def by_incumbent(self) -> Calls:
        """Those that the incumbent answered."""
        if not any(self.by_candidate):
            return self
        own = [not tried for tried in self.by_candidate]
        columns = {name: [*compress(getattr(self, name), own)] for name in _SINGLE}
        return Calls(**columns, usage=[[*compress(column, own)] for column in self.usage])


_SINGLE = tuple(each.name for each in fields(Calls) if each.name != "usage")
