from datetime import date
from decimal import Decimal

import pytest

from fairlead.core.errors import UsageError
from fairlead.core.nouns import Money
from fairlead.edge.currency import rates

TODAY = date(2026, 11, 23)


def test_dollars_become_pounds_at_the_last_known_rate_which_is_dated():
    pounds = rates("gbp", ["USD"], today=TODAY)
    converted = pounds.convert(Money(amount=Decimal(1000)))
    assert converted is not None
    assert converted.currency == "GBP"
    assert 600 < converted.amount < 900
    assert date.fromisoformat(pounds.day) <= TODAY
    assert "European Central Bank" in pounds.source


def test_nothing_is_looked_up_where_nothing_needs_converting():
    same = rates("USD", ["USD"], today=TODAY)
    assert (same.per, same.day, same.warning) == ({}, "", "")


def test_a_rate_older_than_ninety_days_comes_with_a_warning():
    last = date.fromisoformat(rates("EUR", ["USD"], today=TODAY).day)
    assert rates("EUR", ["USD"], today=date.fromordinal(last.toordinal() + 90)).warning == ""
    assert "91 days old" in rates("EUR", ["USD"], today=date.fromordinal(last.toordinal() + 91)).warning


def test_a_pinned_rate_is_used_as_given():
    pinned = rates("GBP", ["USD"], today=TODAY, pinned={"usd": Decimal("0.8")})
    assert pinned.convert(Money(amount=Decimal(10))) == Money(amount=Decimal(8), currency="GBP")
    assert pinned.source == "pinned by you"


@pytest.mark.parametrize(("to", "native"), [("XXX", "USD"), ("GB", "USD"), ("£££", "USD"), ("USD", "ABC")])
def test_an_unknown_currency_says_what_would_work(to, native):
    with pytest.raises(UsageError, match=r"GBP|pin one"):
        rates(to, [native], today=TODAY)
