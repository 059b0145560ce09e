from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import UsageError
from fairlead.core.money import Rates, Spend, added, cost, parse_price, people, people_each
from fairlead.core.nouns import Money, TokenPrice, Usage

PRICE = TokenPrice(input=Decimal(2), output=Decimal(8), cache_read=Decimal("0.5"), cache_write=Decimal("2.5"))
CURRENCIES = st.sampled_from(["USD", "GBP", "EUR"])
AMOUNTS = st.decimals(min_value=0, max_value=1000, places=6)
COUNTS = st.integers(min_value=0, max_value=10_000_000)


def usd(amount: str) -> Money:
    return Money(amount=Decimal(amount))


def test_each_kind_of_token_is_billed_at_its_own_price():
    usage = Usage(fresh=1000, cache_read=2000, cache_write_5m=400, cache_write_1h=100, visible=300, reasoning=200)
    # 1000 x 2 + 2000 x 0.5 + 500 x 2.5 + 500 x 8 = 2000 + 1000 + 1250 + 4000 = 8250 per million
    assert cost(usage, PRICE) == usd("0.00825")


def test_a_longer_lived_cache_write_has_its_own_price_where_there_is_one():
    price = TokenPrice(input=Decimal(3), output=Decimal(15), cache_write=Decimal("3.75"), cache_write_1h=Decimal(6))
    assert cost(Usage(fresh=0, cache_write_1h=1_000_000, visible=0), price) == usd("6")


def test_without_a_cache_price_cached_tokens_are_billed_as_fresh_ones():
    plain = TokenPrice(input=Decimal(2), output=Decimal(8))
    assert cost(Usage(fresh=0, cache_read=500_000, cache_write_5m=500_000, visible=0), plain) == usd("2")


@pytest.mark.parametrize("usage", [Usage(), Usage(fresh=10), Usage(visible=10)])
def test_a_missing_count_makes_the_cost_unknown_not_zero(usage):
    assert cost(usage, PRICE) is None


def test_embeddings_have_a_cost_without_output_tokens():
    assert cost(Usage(fresh=1_000_000), TokenPrice(input=Decimal("0.02"), output=Decimal(0))) == usd("0.02")


@given(st.lists(COUNTS, min_size=6, max_size=6), st.lists(COUNTS, min_size=6, max_size=6))
def test_the_cost_of_two_requests_is_the_sum_of_their_costs(one, two):
    names = ("fresh", "cache_read", "cache_write_5m", "cache_write_1h", "visible", "reasoning")
    first, second = (Usage(**dict(zip(names, counts, strict=True))) for counts in (one, two))
    both = Usage(**{name: a + b for name, a, b in zip(names, one, two, strict=True)})
    parts = [cost(first, PRICE), cost(second, PRICE)]
    assert cost(both, PRICE) == added([part for part in parts if part])[0]


@given(st.lists(st.tuples(AMOUNTS, CURRENCIES)))
def test_sums_keep_currencies_apart(amounts):
    totals = {money.currency: money.amount for money in added(Money(amount=a, currency=c) for a, c in amounts)}
    assert totals == {code: sum((a for a, c in amounts if c == code), Decimal(0)) for code in {c for _, c in amounts}}


def test_unknown_costs_are_counted_and_change_neither_sum_nor_mean():
    spend = Spend()
    for money in (usd("1"), None, usd("3"), None, Money(amount=Decimal(5), currency="GBP")):
        spend.add(money)
    pounds, dollars = spend.summaries()
    assert spend.unknown == 2
    assert (dollars.n, dollars.mean, dollars.total) == (2, Decimal(2), usd("4"))
    assert dollars.sd == Decimal(2).sqrt()
    assert (pounds.n, pounds.mean, pounds.sd) == (1, Decimal(5), None)


def test_money_is_converted_only_where_a_rate_is_known():
    rates = Rates(to="GBP", per={"USD": Decimal("0.75")})
    assert rates.convert(usd("100")) == Money(amount=Decimal("75.00"), currency="GBP")
    assert rates.convert(Money(amount=Decimal(3), currency="GBP")) == Money(amount=Decimal(3), currency="GBP")
    assert rates.convert(Money(amount=Decimal(3), currency="JPY")) is None


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("27900", "USD", "$27,900"),
        ("1234.5", "GBP", "£1,234.50"),
        ("0", "USD", "$0"),
        ("0.004", "USD", "under $0.01"),
        ("0.005", "EUR", "under €0.01"),
        ("0.01", "USD", "$0.01"),
        ("-12.3", "USD", "−$12.30"),
        ("-0.001", "USD", "over −$0.01"),
        ("1234.5", "JPY", "¥1,235"),
        ("0.5", "JPY", "under ¥1"),
        ("7.125", "CHF", "CHF 7.13"),
        ("10000000.49", "USD", "$10,000,000"),
    ],
)
def test_amounts_read_as_people_write_them(amount, currency, text):
    assert people(Money(amount=Decimal(amount), currency=currency)) == text


def test_plans_leave_cents_out_from_a_hundred_on():
    assert people(usd("99.994"), cents=False) == "$99.99"
    assert people(usd("1234.5"), cents=False) == "$1,235"


def test_amounts_of_several_currencies_stand_side_by_side():
    assert people_each([usd("12"), Money(amount=Decimal(3), currency="GBP")]) == "$12.00 + £3.00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.10,0.40", ("0.10", "0.40", None, "USD")),
        (" 0.1 , 0.4 , 0.02 ", ("0.1", "0.4", "0.02", "USD")),
        ("0.10,0.40 GBP", ("0.10", "0.40", None, "GBP")),
        ("eur 0.10,0.40,0.05", ("0.10", "0.40", "0.05", "EUR")),
        ("0,0", ("0", "0", None, "USD")),
    ],
)
def test_a_price_can_be_given_on_the_command_line(text, expected):
    price = parse_price(text)
    read, wrote, cached, currency = expected
    assert (price.input, price.output, price.currency) == (Decimal(read), Decimal(wrote), currency)
    assert price.cache_read == (Decimal(cached) if cached else None)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1,2,3,4", "a,b", "1,-2", "1e3,2", "nan,1", "1..2,3", "USD 1,2 GBP", "2000000,1", ",", "1,", "$1,$2"],
)
def test_a_price_that_cannot_be_read_says_what_would_work(text):
    with pytest.raises(UsageError, match=r"IN,OUT.*per million tokens"):
        parse_price(text)


@given(st.text(max_size=300))
def test_no_text_makes_the_price_reader_fail_in_another_way(text):
    try:
        price = parse_price(text)
    except UsageError:
        return
    assert 0 <= price.input <= 1_000_000
    assert 0 <= price.output <= 1_000_000
