import gc
import time
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.billing import TokenType
from fairlead.core.errors import InputError
from fairlead.core.money import MILLION, Costs, cost
from fairlead.core.nouns import TokenPrice, Usage
from fairlead.edge.catalog.overlay import bundled, parse
from fairlead.edge.catalog.prices import Prices

TODAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRICES = Prices(today=TODAY)
SMALL = Usage(fresh=1000, visible=100)
COUNTS = st.integers(min_value=0, max_value=400_000)


@pytest.mark.parametrize(
    ("model", "provider", "reason"),
    [
        ("gpt-99-ultra", "openai", "unknown model 'gpt-99-ultra' at 'openai'"),
        ("gpt-99-ultra", None, "unknown model 'gpt-99-ultra' at 'openai'"),
        ("acme-9b", None, "unknown model 'acme-9b'"),
        ("gpt-4o", "acme-gateway", "unknown provider 'acme-gateway'"),
        ("gpt-oss-120b", None, "unknown model 'gpt-oss-120b'"),
        ("moderation", "openai", "no token price for 'moderation' in the price list"),
        ("", None, "unknown model"),
        ("x" * 5000, "openai", "unknown model"),
        ("no-such-model", "deepinfra", "unknown model 'no-such-model' at 'deepinfra'"),
    ],
)
def test_what_has_no_price_costs_an_unknown_amount_with_the_reason(model, provider, reason):
    priced = PRICES.cost_of(model, provider, SMALL, TODAY)
    assert priced.money is None
    assert priced.reason == reason
    assert PRICES.price_of(model, provider, TODAY) is None


@pytest.mark.parametrize("usage", [Usage(), Usage(fresh=5), Usage(visible=5)])
@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-pro", "deepseek-chat"])
def test_usage_that_was_not_recorded_makes_the_cost_unknown(model, usage):
    assert PRICES.cost_of(model, None, usage, TODAY).reason == "usage not recorded"


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o", "openai"),
        ("ft:gpt-4o-2024-08-06:acme::1", "openai"),
        ("o3", "openai"),
        ("text-embedding-3-small", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "google"),
        ("grok-4", "x-ai"),
        ("mistral-large-latest", "mistral"),
        ("deepseek-chat", "deepseek"),
        ("openai/gpt-4o", "openai"),
        ("anthropic/claude-sonnet-4-5", "anthropic"),
        ("together_ai/Qwen/Qwen3.7-Max", "together"),
    ],
)
def test_the_provider_is_taken_from_the_name_where_only_one_sells_it(model, provider):
    name = model.split("/", 1)[1] if model.startswith(("openai/", "anthropic/", "together_ai/")) else model
    guessed = PRICES.price_of(model, None, TODAY)
    assert guessed is not None
    assert guessed == PRICES.price_of(name, provider, TODAY)


def test_an_exchange_without_a_date_is_priced_today_and_marked():
    undated = PRICES.cost_of("o3", None, SMALL, None)
    assert undated.assumed_date
    assert undated.money == PRICES.cost_of("o3", None, SMALL, TODAY).money


@pytest.mark.parametrize("year", [1970, 1999, 2019, 2027, 9999])
def test_a_date_no_call_can_have_is_not_believed(year):
    assert PRICES.cost_of("gpt-4o", None, SMALL, datetime(year, 1, 1, tzinfo=UTC)).assumed_date


def test_a_price_changes_at_midnight_utc_wherever_the_log_was_written():
    tokyo = timezone(timedelta(hours=9))
    before = PRICES.cost_of("o3", None, SMALL, datetime(2025, 6, 10, 8, 59, tzinfo=tokyo))
    after = PRICES.cost_of("o3", None, SMALL, datetime(2025, 6, 10, 9, 0, tzinfo=tokyo))
    assert before.money is not None
    assert after.money is not None
    assert before.money.amount == 5 * after.money.amount


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5.4", "claude-sonnet-4-5", "gemini-2.5-pro", "claude-3-haiku"])
@given(fresh=COUNTS, read=COUNTS, write=COUNTS, write_1h=COUNTS, visible=COUNTS, reasoning=COUNTS)
@settings(max_examples=40)
def test_memoised_costs_equal_those_the_list_works_out_itself(model, fresh, read, write, write_1h, visible, reasoning):
    usage = Usage(
        fresh=fresh,
        cache_read=read,
        cache_write_5m=write,
        cache_write_1h=write_1h,
        visible=visible,
        reasoning=reasoning,
    )
    listed = calc_price(
        ListedUsage(
            input_tokens=usage.input,
            cache_read_tokens=read,
            cache_write_tokens=write + write_1h,
            cache_write_5m_tokens=write,
            cache_write_1h_tokens=write_1h,
            output_tokens=usage.output,
            output_reasoning_tokens=reasoning,
        ),
        model,
        genai_request_timestamp=TODAY,
    )
    priced = PRICES.cost_of(model, None, usage, TODAY)
    assert priced.money is not None
    assert priced.money.amount == listed.total_price


SOLD = (
    ("gpt-4o", None), ("gpt-4o-audio-preview", "openai"), ("claude-sonnet-4-5", None), ("gemini-2.5-pro", "google"),
    ("deepseek-chat", "deepseek"), ("text-embedding-3-small", None), ("o3", "openai"), ("acme-9b", None), ("own-9b", "acme"),
)  # fmt: skip
KINDS = [each.name for each in fields(Usage)]
SOME_COUNTS = st.none() | st.sampled_from([0, 1, 7, 1234, 199_990, 250_000])
USAGES = st.tuples(*([SOME_COUNTS] * len(KINDS)))
MOMENTS = st.none() | st.datetimes(datetime(2018, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - without a zone, as it asks
OWN = {
    "own-9b": [
        TokenPrice(input=Decimal("0.07"), output=Decimal("1.1"), currency="GBP"),
        TokenPrice(input=Decimal(1), output=Decimal(0), batch=Decimal("0.3"), since="2025-06-01"),
    ]
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SOLD), st.sampled_from([None, "batch"]), st.lists(st.tuples(USAGES, MOMENTS), min_size=1))
def test_many_calls_together_cost_to_the_last_digit_what_they_cost_one_by_one(sold, tier, calls):
    prices, one_by_one = Prices(OWN, today=TODAY), Costs()
    for counts, at in calls:
        priced = prices.cost_of(*sold, Usage(**dict(zip(KINDS, counts, strict=True))), at, tier=tier)
        one_by_one.add(priced.money, priced.reason)
        one_by_one.assumed_dates += priced.assumed_date
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    started_us = [None if at is None else (at - epoch) // timedelta(microseconds=1) for _, at in calls]
    together = prices.costs_of(*sold, [counts for counts, _ in calls], started_us, tier=tier)
    assert together == one_by_one


def test_a_price_record_gives_the_same_cost_as_the_list():
    usage = Usage(fresh=1200, cache_read=300, cache_write_5m=70, cache_write_1h=30, visible=50, reasoning=20)
    price = PRICES.price_of("claude-haiku-4-5", None, TODAY)
    assert price is not None
    assert cost(usage, price) == PRICES.cost_of("claude-haiku-4-5", None, usage, TODAY).money


def test_a_users_own_price_rules_over_the_list_from_its_date_on():
    mine = TokenPrice(input=Decimal(1), output=Decimal(2), currency="GBP", since="2026-03-01", source="contract")
    prices = Prices({"gpt-4o": [mine]}, today=TODAY)
    before = prices.cost_of("gpt-4o", "openai", SMALL, datetime(2026, 2, 28, 12, tzinfo=UTC))
    after = prices.cost_of("gpt-4o", "openai", SMALL, datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert before.money is not None
    assert before.money.currency == "USD"
    assert after.money is not None
    assert (after.money.amount, after.money.currency) == ((1000 * 1 + 100 * 2) / MILLION, "GBP")


def test_a_users_own_price_makes_an_unknown_model_known_at_any_provider():
    prices = Prices({"acme-9b": [TokenPrice(input=Decimal(1), output=Decimal(1))]}, today=TODAY)
    assert prices.cost_of("acme-9b", None, SMALL, None).money is not None
    assert prices.cost_of("acme-9b", "our-own-gateway", SMALL, None).money is not None
    assert prices.price_at("http://127.0.0.1:8000/v1", "acme-9b", None) is not None


def test_a_users_price_with_a_date_that_is_none_says_what_would_work():
    bad = TokenPrice(input=Decimal(1), output=Decimal(1), since="March")
    with pytest.raises(InputError, match="write a date such as 2026-03-01"):
        Prices({"m": [bad]}, today=TODAY)


@pytest.mark.parametrize(
    ("endpoint", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.together.xyz/v1", "together"),
        ("https://api.deepinfra.com/v1/openai", "deepinfra"),
        ("https://acme.openai.azure.com/openai", "azure"),
        ("https://api.openai.com.evil.example/v1", None),
        ("http://127.0.0.1:8000/v1", None),
        ("https://llm.internal/v1", None),
        ("", None),
    ],
)
def test_an_endpoint_tells_its_provider_only_where_it_is_known(endpoint, provider):
    assert PRICES.provider_at(endpoint) == provider


def test_a_closed_models_price_is_never_lent_to_an_endpoint_of_ones_own():
    assert PRICES.price_at("http://127.0.0.1:8000/v1", "gpt-4o", TODAY) is None
    assert PRICES.price_at("http://127.0.0.1:8000/v1", "gpt-oss-120b", TODAY) is None
    assert PRICES.price_at("https://api.deepinfra.com/v1/openai", "openai/gpt-oss-120b", TODAY) is not None


def test_every_row_of_our_own_has_a_source_a_checked_day_and_sensible_numbers():
    rows = bundled()
    assert len(rows) > 100
    for row in rows:
        assert ", checked 2026-" in row.price.source
        assert 0 < row.price.input < 100
        assert 0 <= row.price.output < 200
        assert row.price.cache_read is None or row.price.cache_read <= row.price.input


def test_no_two_rows_of_our_own_speak_about_the_same_time():
    keys = [(row.provider, row.model, row.since, row.windows, row.weekdays) for row in bundled()]
    assert len(keys) == len(set(keys))


def test_a_broken_price_row_is_named():
    header = "provider,model,since,hours,days,input,cache_read,output,currency,source,checked"
    with pytest.raises(InputError, match=r"mine\.csv: price row 2"):
        list(parse([header, "a,m,,,,1,,2,USD,s,2026-01-01", "a,m,,,,one,,2,USD,s,2026-01-01"], name="mine.csv"))


def test_twenty_thousand_exchanges_cost_far_less_than_a_second_over_asking_the_list():
    prices = Prices(today=TODAY)
    models = ("gpt-4o", "gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "deepseek-v4-pro")
    days = [TODAY - timedelta(days=day, minutes=7 * day) for day in range(30)]

    def price_all(count: int) -> float:
        gc.collect()
        start = time.process_time()
        for number in range(count):
            usage = Usage(fresh=500 + number, visible=number % 900)
            prices.cost_of(models[number % 5], None if number % 5 < 4 else "deepseek", usage, days[number % 30])
        return time.process_time() - start

    price_all(200)
    ours = price_all(20_000)
    start = time.process_time()
    for number in range(400):
        listed = ListedUsage(input_tokens=500 + number, output_tokens=number)
        calc_price(listed, models[number % 4], genai_request_timestamp=days[number % 30])
    theirs = 50 * (time.process_time() - start)
    assert ours < theirs / 3


def test_memory_stays_bounded_under_endless_model_names(monkeypatch):
    monkeypatch.setattr("fairlead.edge.catalog.prices._MEMORY", 100)
    prices = Prices(today=TODAY)
    for number in range(1000):
        prices.cost_of(f"model-{number}", None, SMALL, TODAY)
    assert len(prices._sellers) <= 100
    assert len(prices._found) <= 100


def test_a_process_that_runs_for_weeks_prices_each_call_at_its_own_day(monkeypatch):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=40)

    prices = Prices()
    monkeypatch.setattr("fairlead.edge.catalog.prices.datetime", Later)
    assert not prices.cost_of("gpt-4o", "openai", SMALL, Later.now(UTC)).assumed_date
    assert prices.cost_of("gpt-4o", "openai", SMALL, Later.now(UTC) + timedelta(days=2)).assumed_date


def test_audio_that_the_list_would_bill_as_text_is_left_out_of_a_calls_parts():
    heard = Usage(fresh=100, visible=10, audio_in=50)
    at = datetime(2026, 6, 1, tzinfo=UTC)
    prices = Prices(today=TODAY)
    assert prices.cost_of("gpt-4o-audio-preview", "openai", heard, at).money is None
    told = prices.parts_of("gpt-4o-audio-preview", "openai", heard, at)
    assert told is not None
    assert set(told[1]) == {TokenType.INPUT, TokenType.OUTPUT}
    assert prices.rate_of("gpt-4o-audio-preview", "openai", TokenType.AUDIO_IN, at) is None
    assert prices.rate_of("gpt-4o-audio-preview", "openai", TokenType.INPUT, at) == ("USD", Decimal("0.0000025"))


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("sonar-pro", "perplexity"),
        ("sonar-deep-research", "perplexity"),
        ("gpt-5", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
    ],
)
def test_the_parts_of_a_calls_cost_add_up_to_it_with_a_fee_for_the_request(model, provider):
    used = Usage(fresh=700, cache_read=200, cache_write_5m=30, cache_write_1h=20, visible=50, reasoning=90, image_in=10)
    prices, at = Prices(today=TODAY), datetime(2026, 11, 1, tzinfo=UTC)
    money = prices.cost_of(model, provider, used, at).money
    told = prices.parts_of(model, provider, used, at)
    assert money is not None
    assert told is not None
    assert sum(told[1].values()) == money.amount
    assert (TokenType.OTHER in told[1]) == (model == "sonar-pro")
