"""The borrowed price list, `genai-prices` (bundled, read offline), as a `PriceList`.

Its rates are asked from the list itself with probe requests, one set for each context tier. It takes fifteen megabytes and
a third of a second to load, so nothing names this module before a price is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from fairlead.edge.catalog.rates import Found, Rates, Seller, no_tier

_OTHER_HOSTS: Mapping[str, str] = {
    "api.deepinfra.com": "deepinfra",
    "api.studio.nebius.com": "nebius",
    "api.tokenfactory.nebius.com": "nebius",
    "api.jina.ai": "jina",
    "api.together.ai": "together",
}

# Sellers whose audio tokens always cost more than text; what the list does not know of them it would bill as text.
_AUDIO_APART = frozenset({"openai", "azure"})


class Listed:
    """The list in this process."""

    def providers(self) -> frozenset[str]:
        """The ids of the providers in the list."""
        return frozenset(provider.id for provider in get_snapshot().providers)

    def seller(self, provider: str, model: str) -> Seller | None:
        """A model as a provider sells it; `None` where the list does not know the provider."""
        entry = find_provider_by_id(get_snapshot().providers, provider)
        if entry is None:
            return None
        listed = _listed(entry.id, model)
        reason = f"unknown model {model!r} at {entry.id!r}"
        return Seller(entry.id, model, listed is not None, reason, by_the_minute=_by_the_minute(listed))

    def found(self, seller: Seller, at: datetime, *, today: datetime, tier: str | None) -> Found:
        """What a listed model costs at a moment and service tier."""
        listed = None if seller.id is None else _listed(seller.id, seller.model)
        if listed is None:
            return Found(reason=seller.reason)
        price = listed.get_prices(at)
        if not isinstance(price.input_mtok, Decimal | TieredPrices):
            return Found(reason=f"no token price for {seller.model!r} in the price list")
        standard = _tiers(seller, price, at)
        no_audio = f"no audio price for {seller.model!r}" if seller.id in _AUDIO_APART else ""
        if tier is None:
            return Found(tiers=standard, since=_since(listed, at), no_audio=no_audio)
        # The list silently gives the standard price where it knows none for the tier. It knows tiers from a late day on:
        # while the standard price was the same as today, so was the tier's.
        for day in (at, today):
            plain = standard if day is at else _tiers(seller, listed.get_prices(day), day)
            other = _tiers(seller, listed.get_prices(day, {"processing": tier}), day, tier)
            if other != plain and plain == standard:
                return Found(tiers=other, since=_since(listed, at), no_audio=no_audio)
        return Found(reason=no_tier(seller, tier))

    def provider_at(self, endpoint: str) -> str | None:
        """Which provider answers at a base URL, or `None` when it is not one we know."""
        host = re.sub(r"^https?://([^/:]+).*$", r"\1", endpoint.lower())
        if host in _OTHER_HOSTS:
            return _OTHER_HOSTS[host]
        for provider in get_snapshot().providers:
            match = re.match(provider.api_pattern, endpoint)
            if match and (
                endpoint[match.end() : match.end() + 1] in {"", "/", ":"} or match.group().endswith(("/", "."))
            ):
                return str(provider.id)
        return None


def _listed(provider: str, model: str) -> ModelInfo | None:
    entry = find_provider_by_id(get_snapshot().providers, provider)
    return None if entry is None else entry.find_model(model, all_providers=get_snapshot().providers)


def _by_the_minute(listed: ModelInfo | None) -> bool:
    if listed is None or isinstance(listed.prices, ModelPrice):
        return False
    return any(isinstance(price.constraint, TimeOfDateConstraint) for price in listed.prices)


def _since(listed: ModelInfo, at: datetime) -> str:
    if isinstance(listed.prices, ModelPrice):
        return ""
    starts = [getattr(price.constraint, "start_date", None) for price in listed.prices]
    begun = [start for start in starts if start is not None and start <= at.date()]
    return max(begun).isoformat() if begun else ""


def _tiers(seller: Seller, price: ModelPrice, at: datetime, tier: str | None = None) -> tuple[Rates, ...]:
    """One set of rates for each context tier, smallest inputs first."""
    starts = {tier.start for value in vars(price).values() if isinstance(value, TieredPrices) for tier in value.tiers}
    bounds: list[int | None] = [0, *sorted(starts), None]
    return tuple(_probe(_Asked(seller, price, at, tier), low or 0, high) for low, high in pairwise(bounds))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the list is asked about: whose price, at which moment and service tier."""

    seller: Seller
    price: ModelPrice
    at: datetime
    tier: str | None

    def bill(self, usage: ListedUsage) -> Decimal:
        """What the list makes of so many tokens."""
        context = None if self.tier is None else {"processing": self.tier}
        return calc_price(
            usage,
            self.seller.model,
            provider_id=self.seller.id,
            genai_request_timestamp=self.at,
            price_context=context,
        ).total_price


def _probe(asked: _Asked, low: int, high: int | None) -> Rates:
    """The rates for inputs of more than `low` tokens, by asking the list for requests that differ in one count."""
    tokens = low + 1

    def bill(**counts: int) -> Decimal:
        return asked.bill(ListedUsage(**counts))

    request = bill(input_tokens=0, output_tokens=0)
    fresh = bill(input_tokens=tokens)
    price = asked.price
    answers = price.output_mtok is not None and "embed" not in asked.seller.model.lower()
    output = bill(input_tokens=tokens, output_tokens=1) - fresh if answers else None
    reasoning = spoken = output
    if output is not None and price.output_audio_mtok is not None:
        spoken = bill(input_tokens=tokens, output_tokens=1, output_audio_tokens=1) - fresh
    if output is not None and price.output_reasoning_mtok is not None:
        reasoning = bill(input_tokens=tokens, output_tokens=1, output_reasoning_tokens=1) - fresh
    write = {"input_tokens": tokens, "cache_write_tokens": tokens}
    return Rates(
        fresh=(fresh - request) / tokens,
        cache_read=(bill(input_tokens=tokens, cache_read_tokens=tokens) - request) / tokens,
        cache_write_5m=(bill(**write, cache_write_5m_tokens=tokens) - request) / tokens,
        cache_write_1h=(bill(**write, cache_write_1h_tokens=tokens) - request) / tokens,
        visible=output,
        reasoning=reasoning,
        audio_in=(bill(input_tokens=tokens, input_audio_tokens=tokens) - request) / tokens,
        image_in=(bill(input_tokens=tokens, input_image_tokens=tokens) - request) / tokens,
        audio_out=spoken,
        request=request,
        limit=high,
    )


def newest_price_day(*, today: date) -> date:
    """The newest day on which a price in the list begins; how old the list is at most."""
    begun = (
        entry.constraint.start_date
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        for entry in model.prices
        if isinstance(entry.constraint, StartDateConstraint)
    )
    return max((day for day in begun if day <= today), default=date.min)
