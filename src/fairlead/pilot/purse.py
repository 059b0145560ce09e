"""What a pilot has spent, what is on its way, and whether the next request still fits under the cap.

Rules kept: a request is paid for before it is sent, with an estimate (its logged input tokens, scaled by how this
tokenizer has counted so far, and the longest output so far), and settled when its reply is there; a failed attempt costs
too, at the estimate where no tokens were reported; without a price the cap counts requests. No clock, no files.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fairlead.core import money
from fairlead.core.errors import UsageError
from fairlead.core.nouns import Money, Reply, TokenPrice, Usage

_UNKNOWN_INPUT = 1_000
_UNKNOWN_OUTPUT = 500


@dataclass(slots=True)
class Habits:
    """How one side has been using tokens, beside what the log led to expect."""

    logged_input: int = 0
    own_input: int = 0
    longest_output: int = 0

    def see(self, logged: Usage, own: Usage) -> None:
        """Take in one answered request."""
        if logged.input is not None and own.input is not None:
            self.logged_input += logged.input
            self.own_input += own.input
        self.longest_output = max(self.longest_output, own.output or 0)

    def expected(self, logged: Usage) -> Usage:
        """The tokens the next request may take, on the long side."""
        ratio = self.own_input / self.logged_input if self.logged_input and self.own_input else 1.0
        tokens = _UNKNOWN_INPUT if logged.input is None else round(logged.input * max(ratio, 1.0)) + 1
        said = _UNKNOWN_OUTPUT if logged.output is None else logged.output
        return Usage(fresh=tokens, visible=max(said, self.longest_output))


class Purse:
    """The money (or the number of requests) of one pilot."""

    def __init__(self, *, budget: Decimal | None, prices: tuple[TokenPrice | None, ...]) -> None:
        """`prices` has one entry for everybody who is asked: the candidate, the incumbent if it is asked, then the judges."""
        if budget is not None and budget <= 0:
            raise UsageError(f"A budget of {budget} cannot be used; set it to an amount above 0.")
        currencies = {price.currency for price in prices if price is not None}
        if len(currencies) > 1:
            raise UsageError(
                f"Those who are asked are priced in {' and '.join(sorted(currencies))}; give all in one currency."
            )
        self._budget = budget
        self._prices = prices
        self._habits = tuple(Habits() for _ in prices)
        self._currency = next(iter(currencies), "USD")
        self._spent = Decimal(0)
        self._spent_on = [Decimal(0)] * len(prices)
        self._requests_to = [0] * len(prices)
        self._estimated = Decimal(0)
        self._on_its_way = Decimal(0)
        self.requests = 0

    @property
    def priced(self) -> bool:
        """Whether every side that is asked has a price, so that the cap is in money."""
        return all(price is not None for price in self._prices)

    @property
    def spent(self) -> Money | None:
        """Everything the replies cost so far; `None` without a price."""
        return self._money(self._spent)

    def spent_on(self, first: int) -> Money | None:
        """What everybody from number `first` on has cost; `None` without a price."""
        return self._money(sum(self._spent_on[first:], Decimal(0)))

    def requests_to(self, first: int) -> int:
        """How many requests went to everybody from number `first` on."""
        return sum(self._requests_to[first:])

    @property
    def estimated(self) -> Money | None:
        """The part of `spent` that no token count stands behind; `None` without a price."""
        return self._money(self._estimated)

    def estimate(self, side: int, logged: Usage) -> Decimal:
        """What asking `side` is going to cost at most, as far as can be told; 1 where requests are counted."""
        price = self._prices[side]
        if not self.priced or price is None:
            return Decimal(1)
        cost = money.cost(self._habits[side].expected(logged), price)
        return Decimal(0) if cost is None else cost.amount

    def fits(self, amount: Decimal) -> bool:
        """Whether `amount` more stays under the cap, with everything that is on its way."""
        return self._budget is None or self._spent + self._on_its_way + amount <= self._budget

    def reserve(self, amount: Decimal) -> None:
        """A request is being sent."""
        self._on_its_way += amount

    def release(self, amount: Decimal) -> None:
        """A request was not answered after all, or has been settled."""
        self._on_its_way -= amount

    def settle(self, side: int, *, logged: Usage, reply: Reply, requests: int = 1) -> None:
        """A reply is there and has been paid for; `requests` of them at once when an earlier run's are counted again."""
        self.requests += requests
        self._requests_to[side] += requests
        if not self.priced:
            self._pay(side, Decimal(requests))
            return
        price = self._prices[side]
        cost = None if price is None else money.cost(reply.usage, price)
        if cost is not None:
            self._pay(side, cost.amount)
            if requests == 1:
                self._habits[side].see(logged, reply.usage)
        else:
            guess = self.estimate(side, logged) * max(reply.attempts, 1) * requests
            self._pay(side, guess)
            self._estimated += guess

    def _pay(self, side: int, amount: Decimal) -> None:
        self._spent += amount
        self._spent_on[side] += amount

    def _money(self, amount: Decimal) -> Money | None:
        return Money(amount=amount, currency=self._currency) if self.priced else None
