"""Money spent, on its way and still allowed."""

from decimal import Decimal

import pytest

from fairlead.core.errors import UsageError
from fairlead.core.nouns import Answer, Reply, TokenPrice, Usage
from fairlead.pilot.purse import Purse

PRICE = TokenPrice(input=Decimal(1), output=Decimal(10))
LOGGED = Usage(fresh=1_000, visible=100)


def reply(**usage):
    return Reply(answer=Answer(text="yes"), usage=Usage(**usage))


def purse(budget=None, prices=(PRICE,)):
    return Purse(budget=None if budget is None else Decimal(budget), prices=prices)


def test_a_reply_costs_what_its_tokens_cost():
    made = purse()
    made.settle(0, logged=LOGGED, reply=reply(fresh=1_000_000, visible=0))
    assert made.spent.amount == 1
    assert made.estimated.amount == 0


def test_the_estimate_follows_what_this_tokenizer_and_this_model_do():
    made = purse()
    first = made.estimate(0, LOGGED)
    assert first == Decimal("0.002001")
    made.settle(0, logged=LOGGED, reply=reply(fresh=2_000, visible=900))
    assert made.estimate(0, LOGGED) == Decimal("0.011001")


def test_what_is_on_its_way_counts_against_the_cap():
    made = purse("0.005")
    amount = made.estimate(0, LOGGED)
    assert made.fits(amount)
    made.reserve(amount)
    made.reserve(amount)
    assert not made.fits(amount)
    made.release(amount)
    assert made.fits(amount)


def test_an_attempt_without_tokens_costs_the_estimate_for_each_try():
    made = purse()
    made.settle(0, logged=LOGGED, reply=Reply(answer=Answer(), attempts=3))
    assert made.spent == made.estimated
    assert made.spent.amount == 3 * Decimal("0.002001")


def test_without_a_price_of_either_side_requests_are_counted():
    made = purse("2", prices=(PRICE, None))
    made.settle(0, logged=LOGGED, reply=reply(fresh=10, visible=10))
    assert made.fits(made.estimate(1, LOGGED))
    made.settle(1, logged=LOGGED, reply=reply(fresh=10, visible=10))
    assert not made.fits(made.estimate(0, LOGGED))
    assert made.spent is None


def test_a_free_model_has_no_cap_to_reach():
    made = purse("1", prices=(TokenPrice(input=Decimal(0), output=Decimal(0)),))
    made.settle(0, logged=LOGGED, reply=Reply(answer=Answer()))
    assert made.fits(made.estimate(0, LOGGED))
    assert made.spent.amount == 0


def test_an_unknown_log_is_estimated_on_the_long_side():
    assert purse().estimate(0, Usage()) > Decimal("0.005")


def test_two_currencies_are_refused():
    with pytest.raises(UsageError, match="EUR and USD"):
        purse(prices=(PRICE, TokenPrice(input=Decimal(1), output=Decimal(1), currency="EUR")))


@pytest.mark.parametrize("budget", ["0", "-1"])
def test_a_cap_of_nothing_is_refused(budget):
    with pytest.raises(UsageError, match="above 0"):
        purse(budget)
