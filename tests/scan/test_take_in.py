"""Exchanges are taken in a batch at a time, and a batch is bounded by what it holds."""

from __future__ import annotations

from fairlead.core.nouns import Answer, Dialect, Endpoint, Exchange, Request
from fairlead.scan.take_in import batches


def exchange(number: int, system: str) -> Exchange:
    return Exchange(
        id=f"x{number}",
        row_hash=f"row {number}",
        dialect=Dialect.OPENAI_CHAT,
        request=Request(endpoint=Endpoint.CHAT, model="m", system=system),
        answer=Answer(text="fine"),
        request_body=None,
        response_body=None,
    )


def test_short_exchanges_go_by_number_and_long_ones_by_length():
    short = [exchange(number, "be brief") for number in range(7)]
    assert [len(batch) for batch in batches(short, size=3, characters=1_000)] == [3, 3, 1]
    long = [exchange(number, "x" * 600) for number in range(5)]
    assert [len(batch) for batch in batches(long, size=3, characters=1_000)] == [2, 2, 1]
