"""What a price list says: who sells a model, what a token of each kind costs there, and the bill for what a call used.

A `PriceList` is asked once for each model, seller and day; what it says is small, and a bill is a handful of exact decimal
products. So the list itself, which is large, may lie in another process (`edge.control.price_list`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, Protocol

from fairlead.core.billing import TokenType
from fairlead.core.money import MILLION, Costs, cost
from fairlead.core.nouns import Money, TokenPrice, Usage
from fairlead.core.quick import quick

_KINDS = tuple(each.name for each in fields(Usage))
NO_USAGE = "usage not recorded"
"""The reason why a call has no cost that no price would help."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What an exchange cost, or why that is not known; `assumed_date` when it was priced at another day than its own."""

    money: Money | None
    reason: str = ""
    assumed_date: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """Money per token of each kind, for inputs of at most `limit` tokens (`None`: any), and per request."""

    fresh: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    visible: Decimal | None
    reasoning: Decimal | None
    audio_in: Decimal
    image_in: Decimal
    audio_out: Decimal | None
    request: Decimal
    limit: int | None

    def cost(self, usage: Usage) -> Decimal:
        """The bill for `usage`, whose counts are known to be there."""
        return (
            self.request
            + (usage.fresh or 0) * self.fresh
            + (usage.cache_read or 0) * self.cache_read
            + (usage.cache_write_5m or 0) * self.cache_write_5m
            + (usage.cache_write_1h or 0) * self.cache_write_1h
            + (usage.visible or 0) * (self.visible or 0)
            + (usage.reasoning or 0) * (self.reasoning or 0)
            + (usage.audio_in or 0) * self.audio_in
            + (usage.image_in or 0) * self.image_in
            + (usage.audio_out or 0) * (self.audio_out or 0)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one model at one moment: a price of ours, or the list's rates by tier, or why there is none."""

    ours: TokenPrice | None = None
    tiers: tuple[Rates, ...] = ()
    since: str = ""
    reason: str = ""
    no_audio: str = ""
    """Why audio tokens have no known price, where the list's price for them is only that of text."""


@dataclass(frozen=True, slots=True)
class Seller:
    """Who is paid for a model: the provider's id, whether the list has the model there, and if not, why there is no price."""

    id: str | None
    model: str
    is_listed: bool = False
    reason: str = ""
    by_the_minute: bool = False


class PriceList(Protocol):
    """A list of prices by provider, model and date."""

    def providers(self) -> frozenset[str]:
        """The ids of the providers in the list."""
        ...

    def seller(self, provider: str, model: str) -> Seller | None:
        """A model as a provider sells it; `None` where the list does not know the provider."""
        ...

    def found(self, seller: Seller, at: datetime, *, today: datetime, tier: str | None) -> Found:
        """What a listed model costs at a moment and service tier."""
        ...

    def provider_at(self, endpoint: str) -> str | None:
        """Which provider answers at a base URL."""
        ...


def no_tier(seller: Seller, tier: str | None) -> str:
    """Why a model has no price at a service tier."""
    return f"no {tier} price for {seller.model!r}"


def cost_of_usage(found: Found, usage: Usage) -> tuple[Money | None, str]:
    """What a call cost, or `None` and why that is not known."""
    if found.ours is not None:
        money = cost(usage, found.ours)
        return money, "" if money else NO_USAGE
    tokens = usage.input
    if tokens is None:
        return None, NO_USAGE
    rates = tier_for(found, tokens)
    if usage.visible is None and rates.visible is not None:
        return None, NO_USAGE
    if usage.output and rates.visible is None:
        return None, "no price for output tokens"
    if found.no_audio and _as_text(usage, rates):
        return None, found.no_audio
    return Money(amount=rates.cost(usage)), ""


def tier_for(found: Found, tokens: int) -> Rates:
    """The list's rates for an input of so many tokens."""
    return next(rates for rates in found.tiers if rates.limit is None or tokens <= rates.limit)


Counts = tuple[int | None, ...]
"""The token counts of a call, in the order of the fields of `Usage`."""


class _Whole(NamedTuple):
    """Rates as whole numbers of one small amount, in the order of `Counts`, and per request."""

    rates: tuple[int, ...]
    request: int
    unit: Money


def add_costs(costs: Costs, found: Found, calls: Sequence[Counts]) -> None:
    """Add what calls with these token counts cost: in whole numbers, and one by one those that are not as most."""
    if found.reason:
        for _ in calls:
            costs.add(None, found.reason)
        return
    whole = _ours(found.ours) if found.ours is not None else _listed(found.tiers[0])
    usual, others = _told_apart(found, calls)
    numbers = [whole.request] * len(usual)
    for rate, column in zip(whole.rates, zip(*usual, strict=True), strict=False):
        if rate and any(column):
            numbers = [number + rate * (count or 0) for number, count in zip(numbers, column, strict=True)]
    costs.spend.add_each(numbers, whole.unit)
    for counts in others:
        costs.add(*cost_of_usage(found, Usage(**dict(zip(_KINDS, counts, strict=True)))))


def _told_apart(found: Found, calls: Sequence[Counts]) -> tuple[Sequence[Counts], Sequence[Counts]]:
    """Calls whose tokens all have a known price in the lowest context tier, and the others."""
    limit = None if found.ours is not None else found.tiers[0].limit
    answers = bool(found.ours.output) if found.ours is not None else found.tiers[0].visible is not None
    usual: list[Counts] = []
    others: list[Counts] = []
    for counts in calls:
        fresh, read, write, write_1h, visible, reasoning, audio_in, image_in, audio_out = counts
        is_usual = (
            fresh is not None
            and (visible is not None if answers else not (visible or reasoning or audio_out))
            and not audio_in
            and not audio_out
            and (limit is None or fresh + (read or 0) + (write or 0) + (write_1h or 0) + (image_in or 0) <= limit)
        )
        (usual if is_usual else others).append(counts)
    return usual, others


@lru_cache(maxsize=1_024)
def _listed(rates: Rates) -> _Whole:
    each = (
        rates.fresh, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h, rates.visible, rates.reasoning,
        rates.audio_in, rates.image_in, rates.audio_out,
    )  # fmt: skip
    return _whole([rate or Decimal(0) for rate in each], rates.request, "USD")


@lru_cache(maxsize=1_024)
def _ours(price: TokenPrice) -> _Whole:
    """As `core.money.cost` reads a price."""
    write = price.input if price.cache_write is None else price.cache_write
    each = (
        price.input, price.input if price.cache_read is None else price.cache_read, write,
        write if price.cache_write_1h is None else price.cache_write_1h, price.output, price.output,
        price.input, price.input, price.output,
    )  # fmt: skip
    return _whole([rate / MILLION for rate in each], Decimal(0), price.currency)


def _whole(rates: Sequence[Decimal], request: Decimal, currency: str) -> _Whole:
    exponent = min(0, *(int(each.as_tuple().exponent) for each in (*rates, request)))
    unit = Decimal((0, (1,), exponent))
    return _Whole(tuple(int(rate / unit) for rate in rates), int(request / unit), Money(amount=unit, currency=currency))


def _as_text(usage: Usage, rates: Rates) -> bool:
    """Whether audio tokens would be billed as text for want of a price of their own."""
    heard = bool(usage.audio_in) and rates.audio_in == rates.fresh
    return heard or (bool(usage.audio_out) and rates.audio_out == rates.visible)


def is_unheard(found: Found, kind: TokenType) -> bool:
    """Whether tokens of this kind are audio that would be billed as text for want of a price of their own."""
    if not found.no_audio or not found.tiers:
        return False
    rates = found.tiers[0]
    return (kind is TokenType.AUDIO_IN and rates.audio_in == rates.fresh) or (
        kind is TokenType.AUDIO_OUT and rates.audio_out == rates.visible
    )
