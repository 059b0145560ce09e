"""How big a workload is: what is known is summed, what is unknown is counted and never zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.nouns import Dialect, Endpoint, ExchangeRow, FailureKind, Money, Usage
from fairlead.scan import Cost, shape, span
from fairlead.scan.shape import quantile, total

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def row(number: int, **more: object) -> ExchangeRow:
    values = {
        "seq": number, "id": f"x{number}", "request_key": f"key {number}", "workload_id": "w", "prompt_id": "p",
        "dialect": Dialect.OPENAI_CHAT, "endpoint": Endpoint.CHAT, "model": "gpt-4o", "provider": None,
        "usage": Usage(), "started_at": None, "latency_s": None, "failure": None, "conversation": None,
    }  # fmt: skip
    return ExchangeRow(**{**values, **more})


def cost(amount: str | None, reason: str = "") -> Cost:
    return Cost(money=None if amount is None else Money(amount=Decimal(amount), currency="USD"), reason=reason)


def test_nothing_known_gives_unknown_everywhere() -> None:
    found = shape([row(1), row(2)], [cost(None, "no price"), cost(None, "no price")], log=None)
    assert (found.input_tokens, found.cached_tokens, found.output_tokens) == (None, None, None)
    assert (found.latency_p50_s, found.latency_p95_s, found.cached_share) == (None, None, None)
    assert (found.costs, found.unpriced, found.unpriced_reasons) == ((), 2, {"no price": 2})
    assert found.daily == ()


def test_what_is_known_is_summed_and_the_rest_counted() -> None:
    rows = [
        row(1, usage=Usage(fresh=80, cache_read=20, visible=5), latency_s=1.0),
        row(2, request_key="key 1", latency_s=3.0, failure=FailureKind.TIMEOUT),
        row(3, usage=Usage(fresh=100, cache_read=0, visible=5), model="gpt-4.1"),
    ]
    found = shape(rows, [cost("0.1"), cost(None, "no tokens"), cost("0.2")], log=None)
    assert (found.calls, found.requests, found.failures) == (3, 2, 1)
    assert (found.input_tokens, found.cached_tokens, found.output_tokens) == (200, 20, 10)
    assert found.cached_share == pytest.approx(0.1)
    assert found.latency_p50_s == 2.0
    assert found.models == {"gpt-4o": 2, "gpt-4.1": 1}
    assert [summary.total.amount for summary in found.costs] == [Decimal("0.3")]
    assert found.unpriced_reasons == {"no tokens": 1}


def test_days_are_counted_from_the_start_of_the_whole_log_and_a_broken_last_one_is_left_out() -> None:
    rows = [row(n, started_at=START + timedelta(hours=12 * n)) for n in range(6)]
    log = span([*rows, row(9, started_at=START + timedelta(days=3, hours=5))])
    assert log is not None
    assert shape(rows, [cost("1")] * 6, log=log).daily == (2, 2, 2)


def test_rows_without_dates_have_no_span() -> None:
    assert span([row(1)]) is None
    assert span([]) is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.sampled_from([0.05, 0.5, 0.95]))
def test_a_quantile_lies_within_the_values_and_grows_with_its_share(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found is not None
    assert min(values) <= found * (1 + 1e-12) + 1e-9
    assert found <= max(values) * (1 + 1e-12) + 1e-9
    assert quantile(values, 0.05) <= quantile(values, 0.95) * (1 + 1e-12) + 1e-9  # type: ignore[operator]


@given(st.lists(st.none() | st.integers(0, 10**9)))
def test_a_total_is_unknown_exactly_when_nothing_is_known(counts: list[int | None]) -> None:
    known = [count for count in counts if count is not None]
    assert total(counts) == (sum(known) if known else None)
