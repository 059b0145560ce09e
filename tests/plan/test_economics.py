from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.money import CostSummary, Rates
from fairlead.core.moves import PilotFacts, SideFacts, WorkloadFacts
from fairlead.core.nouns import Money, TokenPrice
from fairlead.core.span import LogSpan
from fairlead.plan import daily_calls, forecasted

START = datetime(2026, 9, 1, tzinfo=UTC)
TEN_DAYS = LogSpan(start=START, end=START + timedelta(days=10))
DOLLARS = Rates()


def costs(mean: str, *, n: int = 1000, sd: str | None = "0", currency: str = "USD") -> CostSummary:
    return CostSummary(currency=currency, n=n, mean=Decimal(mean), sd=None if sd is None else Decimal(sd))


def workload(*summaries: CostSummary, calls: int = 1000, daily: tuple[int, ...] = (100,) * 10, **more) -> WorkloadFacts:
    return WorkloadFacts(id="w", name="W", category="writing", calls=calls, costs=summaries, daily_calls=daily, **more)


def pilot(*summaries: CostSummary, priced: bool = True, currency: str = "USD") -> PilotFacts:
    price = TokenPrice(input=Decimal(1), output=Decimal(1), currency=currency) if priced else None
    side = SideFacts(answers=200, costs=summaries)
    return PilotFacts(
        pilot_id="p",
        workload_id="w",
        candidate_id="c",
        candidate="open-9b",
        margin=0.05,
        price=price,
        candidate_side=side,
    )


def test_a_month_is_scaled_from_the_logs_own_span():
    money = forecasted(workload(costs("0.01")), pilot(costs("0.002")), span=TEN_DAYS, rates=DOLLARS)
    # 1000 calls in 10 days are 3043.75 in 30.4375 days; at 1 cent 30.4375 dollars, at 0.2 cents 6.0875.
    assert money.today is not None
    assert money.after is not None
    assert money.saving is not None
    assert (money.today.value, money.after.value, money.saving.value) == (
        Decimal("30.4375"),
        Decimal("6.0875"),
        Decimal("24.3500"),
    )


def test_steady_calls_at_one_price_leave_nothing_uncertain():
    saving = forecasted(workload(costs("0.01")), pilot(costs("0.002")), span=TEN_DAYS, rates=DOLLARS).saving
    assert saving is not None
    assert saving.low == saving.value == saving.high


def test_the_interval_holds_what_varying_days_and_costs_say():
    varying = workload(costs("0.01", sd="0.02"), daily=(60, 140) * 5)
    saving = forecasted(varying, pilot(costs("0.002", n=100, sd="0.001")), span=TEN_DAYS, rates=DOLLARS).saving
    assert saving is not None
    # Days: s² = 16000/9 = 1777.8; a month 1777.8 (30.4375 + 30.4375²/10) = 218809, sd 467.8 calls, x 0.008 = 3.742.
    # Costs: errors 0.02/sqrt(1000) = 0.00063246 and 0.001/sqrt(100) = 0.0001, together 0.00064031, x 3043.75 = 1.9490;
    # both at once 467.8 x 0.00064031 = 0.2995. Their root sum of squares 4.2298, t(9) = 2.262: half width 9.568.
    assert saving.low is not None
    assert saving.high is not None
    assert float(saving.value - saving.low) == pytest.approx(9.568, abs=0.002)
    assert float(saving.high - saving.value) == pytest.approx(9.568, abs=0.002)


def test_a_dearer_candidate_gives_a_negative_saving():
    saving = forecasted(workload(costs("0.002")), pilot(costs("0.004")), span=TEN_DAYS, rates=DOLLARS).saving
    assert saving is not None
    assert saving.value == Decimal("-6.0875")


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (LogSpan(start=START, end=START + timedelta(hours=23)), "spans 23 hours; a month is not extrapolated"),
        (LogSpan(start=START, end=START + timedelta(minutes=40)), "spans 40 minutes"),
        (LogSpan(start=START, end=START), "spans less than a minute"),
        (None, "no dates"),
    ],
)
def test_below_a_day_there_is_no_month_and_the_reason_is_told(span, words):
    money = forecasted(workload(costs("0.01")), pilot(costs("0.002")), span=span, rates=DOLLARS)
    assert (money.today, money.after, money.saving) == (None, None, None)
    assert words in money.unknown


def test_exactly_one_day_is_enough_for_a_figure_but_not_for_an_interval():
    day = LogSpan(start=START, end=START + timedelta(days=1))
    saving = forecasted(workload(costs("0.01"), daily=(1000,)), pilot(costs("0.002")), span=day, rates=DOLLARS).saving
    assert saving is not None
    assert (saving.low, saving.high) == (None, None)


def test_a_candidate_without_a_price_leaves_the_saving_unknown_until_one_is_given():
    money = forecasted(workload(costs("0.01")), pilot(costs("0.002"), priced=False), span=TEN_DAYS, rates=DOLLARS)
    assert money.today is not None
    assert (money.after, money.saving) == (None, None)
    assert "--price" in money.unknown


def test_an_unknown_price_today_leaves_the_saving_unknown_with_the_reason():
    unpriced = workload(unknown_costs=1000, unknown_reasons=("unknown model 'acme-9b'",))
    money = forecasted(unpriced, pilot(costs("0.002")), span=TEN_DAYS, rates=DOLLARS)
    assert (money.today, money.after, money.saving) == (None, None, None)
    assert money.unknown == "unknown model 'acme-9b'"


def test_calls_without_a_known_cost_are_left_out_of_both_sides():
    half = workload(costs("0.01", n=500), unknown_costs=500)
    whole = forecasted(workload(costs("0.01")), pilot(costs("0.002")), span=TEN_DAYS, rates=DOLLARS)
    part = forecasted(half, pilot(costs("0.002")), span=TEN_DAYS, rates=DOLLARS)
    assert part.saving is not None
    assert whole.saving is not None
    assert part.saving.value * 2 == whole.saving.value


def test_an_endpoint_that_reports_no_tokens_leaves_the_cost_unknown():
    money = forecasted(workload(costs("0.01")), pilot(), span=TEN_DAYS, rates=DOLLARS)
    assert money.after is None
    assert "no token counts" in money.unknown


def test_currencies_are_converted_once_and_native_amounts_kept():
    rates = Rates(to="GBP", per={"USD": Decimal("0.75"), "EUR": Decimal("0.85")})
    mixed = workload(costs("0.01", n=600), costs("0.02", n=400, currency="EUR"))
    money = forecasted(mixed, pilot(costs("0.001", currency="EUR"), currency="EUR"), span=TEN_DAYS, rates=rates)
    # (600 x 0.01 x 0.75 + 400 x 0.02 x 0.85) / 1000 calls = 0.0113 pounds; x 3043.75 = 34.394375
    assert money.today is not None
    assert money.today.value == Decimal("34.3944")
    assert money.today_native == (
        Money(amount=Decimal("18.2625")),
        Money(amount=Decimal("24.3500"), currency="EUR"),
    )
    assert money.after_native == Money(amount=Decimal("3.0438"), currency="EUR")


def test_a_currency_without_a_rate_is_unknown_not_one_to_one():
    money = forecasted(workload(costs("0.01", currency="XYZ")), None, span=TEN_DAYS, rates=DOLLARS)
    assert money.today is None
    assert money.today_unknown == "no exchange rate from XYZ to USD"


def test_daily_calls_count_full_days_from_the_start_of_the_log():
    span = LogSpan(start=START + timedelta(hours=6), end=START + timedelta(days=2, hours=12))
    times = [span.start, span.start + timedelta(hours=23), span.start + timedelta(hours=24), span.end]
    assert daily_calls(times, span) == (2, 1)


@given(
    today=st.decimals(min_value=0, max_value=1, places=6),
    after=st.decimals(min_value=0, max_value=1, places=6),
    daily=st.lists(st.integers(min_value=0, max_value=500), min_size=3, max_size=40),
)
def test_saving_is_always_today_less_after_and_lies_in_its_interval(today, after, daily):
    calls = max(1, sum(daily))
    facts = workload(costs(str(today), n=calls, sd="0.01"), calls=calls, daily=tuple(daily))
    money = forecasted(facts, pilot(costs(str(after), sd="0.01")), span=TEN_DAYS, rates=DOLLARS)
    assert money.today is not None
    assert money.after is not None
    assert money.saving is not None
    assert money.saving.value == money.today.value - money.after.value
    assert money.saving.low is not None
    assert money.saving.high is not None
    assert money.saving.low <= money.saving.value <= money.saving.high


def test_calls_that_a_candidate_answers_already_are_traffic_at_what_the_incumbents_calls_cost():
    whole = forecasted(workload(costs("0.01")), pilot(costs("0.002")), span=TEN_DAYS, rates=DOLLARS)
    tried = workload(costs("0.01", n=600), by_candidate=400)
    assert forecasted(tried, pilot(costs("0.002")), span=TEN_DAYS, rates=DOLLARS) == whole


def test_where_a_candidate_answered_everything_today_is_unknown_and_the_reason_is_told():
    money = forecasted(workload(by_candidate=1000), pilot(costs("0.002")), span=TEN_DAYS, rates=DOLLARS)
    assert (money.today, money.after, money.saving) == (None, None, None)
    assert money.today_unknown.startswith("a candidate answered every call")
