"""How big a workload is: what is known is summed, what is unknown is counted and never zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.nouns import Dialect, Endpoint, ExchangeRow, FailureKind, Fidelity, Money, Usage
from fairlead.scan import Cost, shape, span
from fairlead.scan.counting import Distinct, Met, Quantiles
from fairlead.scan.shape import Spread, growth, quantile

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


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.sampled_from([0.05, 0.5, 0.95]))
def test_few_values_have_exact_quantiles(values: list[float], share: float) -> None:
    found = Quantiles()
    for value in values:
        found.extend([value])
    assert found.at(share) == quantile(values, share)
    assert found.highest == max(values)


def test_many_values_have_quantiles_right_to_half_a_per_cent() -> None:
    found = Quantiles()
    values = [((n * 7919) % 50_021) / 10 for n in range(50_000)]
    for place in range(0, 50_000, 1_000):
        found.extend(values[place : place + 1_000])
    for share in (0.01, 0.5, 0.95):
        exact = quantile(values, share)
        assert found.at(share) == pytest.approx(exact, rel=0.011)
    assert found.count == len(values)


@given(st.lists(st.lists(st.text(max_size=4), max_size=100), max_size=4))
def test_distinct_things_are_counted_with_how_often_each_came(groups: list[list[str]]) -> None:
    names = [name for group in groups for name in group]
    different, met = Distinct(), Met()
    for group in groups:
        different.extend(group)
        met.extend(group)
    assert len(different) == len(met) == len(set(names))
    assert sorted(met.counts()) == sorted(names.count(name) for name in set(names))


def test_a_great_many_distinct_things_are_counted_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.scan.counting._AT_ONCE", 16)
    found = Distinct()
    found.extend(f"{number % 700}" for number in range(1_000))
    found.extend(["the same"] * 100)
    assert len(found) == 701


def test_the_busiest_hour_is_named_and_the_mean_is_over_the_whole_log() -> None:
    rows = [row(n, started_at=START + timedelta(minutes=10 * n)) for n in range(4)]
    rows += [row(9, started_at=START + timedelta(hours=48))]
    found = shape(rows, [cost("1")] * 5, log=span(rows))
    assert (found.peak_an_hour, found.peak_at) == (4, START)
    assert found.calls_an_hour == pytest.approx(5 / 48)


def test_steps_are_counted_per_trajectory() -> None:
    rows = [row(n, conversation=name) for n, name in enumerate("aaaabbc")]
    found = shape(rows, [cost("1")] * 7, log=None)
    assert (found.trajectories, found.steps) == (3, Spread(p50=2, p95=pytest.approx(3.8), highest=4))


def test_a_prompt_that_comes_again_within_five_minutes_could_be_read_from_a_cache() -> None:
    at = START.replace(minute=0)
    rows = [row(n, prompt_id="p", started_at=at + timedelta(seconds=20 * n)) for n in range(10)]
    rows += [row(20 + n, prompt_id=f"q{n}", started_at=at + timedelta(hours=n)) for n in range(10)]
    assert shape(rows, [cost("1")] * 20, log=None).prefix_reuse == pytest.approx(9 / 20)


def test_growth_compares_the_halves_of_the_log() -> None:
    assert growth([10, 10, 15, 15]) == pytest.approx(0.5)
    assert growth([10, 10, 99, 5, 5]) == pytest.approx(-0.5), "the middle day belongs to neither half"
    assert growth([1, 2]) is None
    assert growth([0, 0, 30, 30]) is None
    assert growth([2, 2, 8, 8]) is None, "so few calls are chance"


def test_what_cannot_be_asked_again_is_counted() -> None:
    rows = [
        row(1),
        row(2, fidelity=(Fidelity.PROMPT_ABSENT,)),
        row(3, fidelity=(Fidelity.RECONSTRUCTED, Fidelity.REDACTED)),
    ]
    found = shape(rows, [cost("1")] * 3, log=None)
    assert found.replayable == 2
    assert found.fidelity == {"prompt absent": 1, "reconstructed": 1, "redacted": 1}


def test_tokens_are_spread_over_the_calls_that_tell_them() -> None:
    rows = [
        row(n, usage=Usage(fresh=n, cache_read=0, visible=1), tier="batch" if n % 2 else None) for n in range(101)
    ] + [row(999)]
    found = shape(rows, [cost("1")] * 102, log=None)
    assert found.inputs == Spread(p50=50, p95=95, highest=100)
    assert found.tiers == {"batch": 50}


def test_what_a_candidate_answered_counts_as_traffic_and_as_nothing_of_the_incumbents() -> None:
    own = [row(1, usage=Usage(fresh=100, visible=10), latency_s=2.0)]
    tried = row(
        2,
        usage=Usage(fresh=9, visible=9),
        latency_s=90.0,
        model="open-9b",
        failure=FailureKind.TIMEOUT,
        by_candidate=True,
    )
    found = shape([*own, tried], [cost("0.1"), cost(None, "no price")], log=None)
    assert (found.calls, found.requests, found.by_candidate, found.failures) == (2, 2, 1, 0)
    assert (found.models, found.input_tokens, found.latency_p50_s) == ({"gpt-4o": 1}, 100, 2.0)
    assert (found.unpriced, [each.n for each in found.costs]) == (0, [1])
