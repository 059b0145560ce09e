"""Money: what tokens cost, sums that keep currencies apart, one conversion at the end, and how amounts read.

Rules kept here: an amount is `Decimal` in its own currency; what is not known is `None` and is counted as unknown, never
added as zero; nothing is converted before the last step, and the rate that was used travels with its date.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from operator import mul

from fairlead.core.errors import UsageError
from fairlead.core.nouns import Money, TokenPrice, Usage

MILLION = Decimal(1_000_000)
CENT = Decimal("0.01")
_HIGHEST = Decimal(1_000_000)

_SYMBOLS: Mapping[str, str] = {
    "USD": "$",
    "GBP": "£",
    "EUR": "€",
    "JPY": "¥",
    "CNY": "CN¥",
    "INR": "₹",
    "KRW": "₩",
    "VND": "₫",
    "AUD": "A$",
    "CAD": "C$",
}
_WITHOUT_CENTS = frozenset({"JPY", "KRW", "VND", "IDR", "HUF"})


def cost(usage: Usage, price: TokenPrice) -> Money | None:
    """What the tokens of `usage` cost at `price`; `None` when a count that decides the bill was not recorded.

    >>> cost(Usage(fresh=1_000_000, visible=500_000), TokenPrice(input=Decimal(2), output=Decimal(8))).amount
    Decimal('6')
    """
    if usage.fresh is None or (usage.visible is None and price.output):
        return None
    write = price.input if price.cache_write is None else price.cache_write
    write_1h = write if price.cache_write_1h is None else price.cache_write_1h
    read = price.input if price.cache_read is None else price.cache_read
    amount = (
        (usage.fresh + (usage.audio_in or 0) + (usage.image_in or 0)) * price.input
        + (usage.cache_read or 0) * read
        + (usage.cache_write_5m or 0) * write
        + (usage.cache_write_1h or 0) * write_1h
        + ((usage.visible or 0) + (usage.reasoning or 0) + (usage.audio_out or 0)) * price.output
    )
    return Money(amount=amount / MILLION, currency=price.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSummary:
    """Cost per request over the `n` requests whose cost is known, in one currency; `sd` is `None` below two."""

    currency: str
    n: int
    mean: Decimal
    sd: Decimal | None = None

    @property
    def total(self) -> Money:
        """What the `n` requests cost together."""
        return Money(amount=self.mean * self.n, currency=self.currency)


@dataclass(slots=True)
class _Sum:
    n: int = 0
    total: Decimal = Decimal(0)
    squares: Decimal = Decimal(0)


@dataclass(slots=True)
class Spend:
    """A running sum of money that keeps currencies apart and counts what is unknown."""

    unknown: int = 0
    _sums: dict[str, _Sum] = field(default_factory=dict[str, _Sum])

    def add(self, money: Money | None) -> None:
        """Count one request's cost; `None` is counted as unknown."""
        if money is None:
            self.unknown += 1
            return
        total = self._sums.setdefault(money.currency, _Sum())
        total.n += 1
        total.total += money.amount
        total.squares += money.amount * money.amount

    def add_each(self, numbers: Sequence[int], unit: Money) -> None:
        """Count the costs of several requests, each so many of a small amount: whole numbers add up exactly and at once."""
        if numbers:
            squares = Decimal(sum(map(mul, numbers, numbers))) * (unit.amount * unit.amount)
            self._add(unit.currency, _Sum(len(numbers), Decimal(sum(numbers)) * unit.amount, squares))

    def absorb(self, other: Spend) -> None:
        """Count everything that another sum has counted."""
        self.unknown += other.unknown
        for currency, part in other._sums.items():
            self._add(currency, part)

    def _add(self, currency: str, part: _Sum) -> None:
        total = self._sums.setdefault(currency, _Sum())
        total.n += part.n
        total.total += part.total
        total.squares += part.squares

    def totals(self) -> tuple[Money, ...]:
        """One amount per currency, by currency code."""
        return tuple(Money(amount=s.total, currency=code) for code, s in sorted(self._sums.items()))

    def summaries(self) -> tuple[CostSummary, ...]:
        """Cost per request, one summary per currency, by currency code."""
        return tuple(_summary(code, s) for code, s in sorted(self._sums.items()))


def _summary(currency: str, sums: _Sum) -> CostSummary:
    mean = sums.total / sums.n
    if sums.n == 1:
        return CostSummary(currency=currency, n=1, mean=mean)
    variance = max(Decimal(0), (sums.squares - sums.total * mean) / (sums.n - 1))
    return CostSummary(currency=currency, n=sums.n, mean=mean, sd=variance.sqrt())


@dataclass(slots=True)
class Costs:
    """What several requests cost together; of those whose cost is not known, why, with how many.

    `assumed_dates` of them were priced at another day than their own.
    """

    spend: Spend = field(default_factory=Spend)
    reasons: Counter[str] = field(default_factory=Counter[str])
    assumed_dates: int = 0

    def add(self, money: Money | None, reason: str = "") -> None:
        """Count one request's cost, or why it is not known."""
        self.spend.add(money)
        if money is None:
            self.reasons[reason] += 1

    def absorb(self, other: Costs) -> None:
        """Count everything that others were counted to cost."""
        self.spend.absorb(other.spend)
        self.reasons.update(other.reasons)
        self.assumed_dates += other.assumed_dates


def added(amounts: Iterable[Money]) -> tuple[Money, ...]:
    """The sums of `amounts`, one per currency, by currency code."""
    spend = Spend()
    for money in amounts:
        spend.add(money)
    return spend.totals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one unit of each currency is worth in `to`, on `day` (ISO date), as `source` says; `warning` when stale."""

    to: str = "USD"
    per: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    day: str = ""
    source: str = ""
    warning: str = ""

    def rate(self, currency: str) -> Decimal | None:
        """What one unit of `currency` is worth, or `None` when that is not known."""
        return Decimal(1) if currency == self.to else self.per.get(currency)

    def convert(self, money: Money) -> Money | None:
        """The amount in `to`, or `None` when there is no rate for its currency."""
        rate = self.rate(money.currency)
        return None if rate is None else Money(amount=money.amount * rate, currency=self.to)


def people(money: Money, *, cents: bool = True) -> str:
    """The amount as people write it: whole from 10,000 on, with cents below, `under $0.01` for less than that.

    Without `cents`, amounts from 100 on are whole.

    >>> people(Money(amount=Decimal("1234.5"), currency="GBP"))
    '£1,234.50'
    >>> people(Money(amount=Decimal("0.004")))
    'under $0.01'
    """
    size = abs(money.amount)
    sign = "−" if money.amount < 0 else ""
    smallest = Decimal(1) if money.currency in _WITHOUT_CENTS else CENT
    if 0 < size < smallest:
        return f"{'over −' if sign else 'under '}{_with_symbol(smallest, money.currency)}"
    whole = size >= (10_000 if cents else 100) or smallest == 1 or size == 0
    rounded = size.quantize(Decimal(1) if whole else CENT, rounding=ROUND_HALF_UP)
    return sign + _with_symbol(rounded, money.currency)


def _with_symbol(amount: Decimal, currency: str) -> str:
    symbol = _SYMBOLS.get(currency)
    return f"{currency} {amount:,}" if symbol is None else f"{symbol}{amount:,}"


def people_each(amounts: Iterable[Money]) -> str:
    """Amounts of several currencies, one after the other: `$12.00 + £3.00`."""
    return " + ".join(people(money) for money in amounts)


def parse_price(text: str, *, since: str = "", source: str = "given with --price") -> TokenPrice:
    """A price from `IN,OUT[,CACHED]` per million tokens, with a currency code before or after it (USD without one).

    >>> parse_price("0.10,0.40 GBP").currency
    'GBP'
    """
    match = re.fullmatch(r"\s*(?:([A-Za-z]{3})\s+)?([0-9.,\s]+?)(?:\s+([A-Za-z]{3}))?\s*", text[:100])
    parts = match.group(2).split(",") if match else []
    if match is None or len(parts) not in {2, 3} or (match.group(1) and match.group(3)):
        raise UsageError(_price_hint(text))
    numbers = [_amount(part, text) for part in parts]
    return TokenPrice(
        input=numbers[0],
        output=numbers[1],
        cache_read=numbers[2] if len(numbers) == 3 else None,
        currency=(match.group(1) or match.group(3) or "USD").upper(),
        since=since,
        source=source,
    )


def _amount(part: str, text: str) -> Decimal:
    try:
        number = Decimal(part.strip())
    except InvalidOperation:
        raise UsageError(_price_hint(text)) from None
    if not 0 <= number <= _HIGHEST:
        raise UsageError(_price_hint(text))
    return number


def _price_hint(text: str) -> str:
    return (
        f"price = {text[:60]!r} cannot be used; give IN,OUT or IN,OUT,CACHED per million tokens, "
        "such as 0.10,0.40 or '0.10,0.40,0.02 GBP'."
    )
