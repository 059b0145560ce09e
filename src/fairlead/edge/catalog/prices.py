"""What an exchange cost, at the price of its own date, from a borrowed price list and dated rows of our own.

The list is `genai-prices` (bundled, read offline). Rules kept here: our rows and the user's rule over it; an unknown model,
provider or token count makes a cost unknown, with the reason, never zero; a free or empty entry of the list is not a
price; a model that many providers serve has no price until its provider is known.

A price is looked up once for each model, provider and day (each minute where it depends on the time of day), and its
rates are asked from the list itself with probe requests, one set for each context tier. The sum for one exchange is
then a handful of exact decimal products.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from fairlead.core.billing import TokenType, tokens_by_type
from fairlead.core.money import MILLION, cost
from fairlead.core.nouns import Money, TokenPrice, Usage
from fairlead.edge.catalog.overlay import Overlay, OverlayRow, bundled, from_prices

_SOLD_BY_ONE: Sequence[tuple[re.Pattern[str], str]] = [
    (re.compile(r"(ft:)?gpt-(?!oss)|chatgpt-|o\d|text-embedding-(3|ada)|text-davinci|davinci|codex-"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "google"),
    (re.compile(r"grok-"), "x-ai"),
    (re.compile(r"voyage-"), "voyageai"),
    (re.compile(r"command-|embed-v|embed-(english|multilingual)"), "cohere"),
    (re.compile(r"(mistral-(large|medium|small|tiny)-|codestral-|magistral-)(latest|\d{4}$)|mistral-embed"), "mistral"),
    (re.compile(r"deepseek-(chat|reasoner)$"), "deepseek"),
    (re.compile(r"sonar"), "perplexity"),
]
"""Model names that one provider alone sells, so that a log without a provider can still be priced."""

_OTHER_HOSTS: Mapping[str, str] = {
    "api.deepinfra.com": "deepinfra",
    "api.studio.nebius.com": "nebius",
    "api.tokenfactory.nebius.com": "nebius",
    "api.jina.ai": "jina",
    "api.together.ai": "together",
}
_SAME: Mapping[str, str] = {"together_ai": "together", "fireworks_ai": "fireworks", "jina_ai": "jina", "xai": "x-ai"}

# Sellers whose audio tokens always cost more than text; what the list does not know of them it would bill as text.
_AUDIO_APART = frozenset({"openai", "azure"})
NO_USAGE = "usage not recorded"
"""The reason why a call has no cost that no price would help."""
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
_LONGEST_NAME = 200
_MEMORY = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What an exchange cost, or why that is not known; `assumed_date` when it was priced at another day than its own."""

    money: Money | None
    reason: str = ""
    assumed_date: bool = False


@dataclass(frozen=True, slots=True)
class _Rates:
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
class _Found:
    """What is known of one model at one moment: a price of ours, or the list's rates by tier, or why there is none."""

    ours: TokenPrice | None = None
    tiers: tuple[_Rates, ...] = ()
    since: str = ""
    reason: str = ""
    no_audio: str = ""
    """Why audio tokens have no known price, where the list's price for them is only that of text."""


@dataclass(frozen=True, slots=True)
class _Seller:
    """Who is paid for a model: the provider's id, and its entry and the model's in the list where it has them."""

    id: str | None
    model: str
    provider: Provider | None = None
    listed: ModelInfo | None = None
    reason: str = ""
    by_the_minute: bool = False


class Prices:
    """Prices by date; `overlay` holds the user's own prices by model name, `today` prices what has no date."""

    def __init__(
        self,
        overlay: Mapping[str, Sequence[TokenPrice]] | None = None,
        *,
        today: datetime | None = None,
        rows: Sequence[OverlayRow] | None = None,
    ) -> None:
        ours = bundled() if rows is None else tuple(rows)
        self._overlay = Overlay((*ours, *from_prices(overlay or {})))
        self._today = datetime.now(UTC) if today is None else today.astimezone(UTC)
        self._sellers: dict[tuple[str, str | None], _Seller] = {}
        self._found: dict[tuple[str, str | None, object, str | None], _Found] = {}

    def cost_of(
        self, model: str, provider: str | None, usage: Usage, at: datetime | None, *, tier: str | None = None
    ) -> Priced:
        """What an exchange of `model` cost at its own date, or why that is not known; `tier` is such as `batch`."""
        moment, assumed = self._moment(at)
        found = self._find(model, provider, moment, tier)
        if found.reason:
            return Priced(money=None, reason=found.reason, assumed_date=assumed)
        money, reason = _cost_of_usage(found, usage)
        return Priced(money=money, reason=reason, assumed_date=assumed)

    def provider_of(self, model: str, provider: str | None) -> str | None:
        """Who is paid for a model: the log's own word for it, or the only one who sells it."""
        return self._seller(model, provider).id

    def parts_of(
        self, model: str, provider: str | None, usage: Usage, at: datetime | None, *, tier: str | None = None
    ) -> tuple[str, dict[TokenType, Decimal]] | None:
        """What each kind of token of an exchange cost, with the currency; `None` when no price is known."""
        found = self._find(model, provider, self._moment(at)[0], tier)
        if found.reason:
            return None
        rates, currency = _rates_for(found, usage.input or 0)
        return currency, {
            kind: count * rate for kind, count in tokens_by_type(usage).items() if (rate := rates(kind)) is not None
        }

    def rate_of(
        self, model: str, provider: str | None, kind: TokenType, at: datetime, *, tier: str | None = None
    ) -> Decimal | None:
        """What one token of a kind costs, for inputs in the lowest context tier, in dollars; `None` when not known."""
        found = self._find(model, provider, self._moment(at)[0], tier)
        if found.reason:
            return None
        rates, currency = _rates_for(found, 0)
        return rates(kind) if currency == "USD" else None

    def price_of(self, model: str, provider: str | None, at: datetime | None) -> TokenPrice | None:
        """Per million tokens at a date, for inputs in the lowest context tier; `None` when not known."""
        moment, _ = self._moment(at)
        found = self._find(model, provider, moment)
        if found.ours is not None:
            return found.ours
        if not found.tiers:
            return None
        rates = found.tiers[0]
        return TokenPrice(
            input=_per_million(rates.fresh),
            output=_per_million(rates.visible or Decimal(0)),
            cache_read=_per_million(rates.cache_read),
            cache_write=_per_million(rates.cache_write_5m),
            cache_write_1h=_per_million(rates.cache_write_1h),
            since=found.since,
            source=f"genai-prices, as of {moment:%Y-%m-%d}",
        )

    def price_at(self, endpoint: str, model: str, at: datetime | None) -> TokenPrice | None:
        """The price of `model` at the endpoint with this base URL; never guessed for an endpoint we do not know."""
        own = self._overlay.find(model, None, self._moment(at)[0])
        provider = self.provider_at(endpoint)
        return own if own is not None or provider is None else self.price_of(model, provider, at)

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

    def _moment(self, at: datetime | None) -> tuple[datetime, bool]:
        """The date to price at, and whether it had to be assumed: none given, or one that no API call can have."""
        if at is None:
            return self._today, True
        moment = at.astimezone(UTC)
        if not _EARLIEST <= moment <= self._today + timedelta(days=1):
            return self._today, True
        return moment, False

    def _find(self, model: str, provider: str | None, at: datetime, tier: str | None = None) -> _Found:
        seller = self._seller(model, provider)
        when: object = at.replace(second=0, microsecond=0) if seller.by_the_minute else at.date()
        key = (model, provider, when, tier)
        if key not in self._found:
            if len(self._found) >= _MEMORY:
                self._found.clear()
            self._found[key] = self._look_up(seller, at, tier)
        return self._found[key]

    def _look_up(self, seller: _Seller, at: datetime, tier: str | None) -> _Found:
        ours = self._overlay.find(seller.model, seller.id, at)
        if ours is not None:
            ours = ours if tier is None else _at_tier(ours, tier)
            return _Found(reason=_no_tier(seller, tier)) if ours is None else _Found(ours=ours)
        if seller.provider is None or seller.listed is None:
            return _Found(reason=seller.reason)
        price = seller.listed.get_prices(at)
        if not isinstance(price.input_mtok, Decimal | TieredPrices):
            return _Found(reason=f"no token price for {seller.model!r} in the price list")
        standard = _tiers(seller, price, at)
        no_audio = f"no audio price for {seller.model!r}" if seller.provider.id in _AUDIO_APART else ""
        if tier is None:
            return _Found(tiers=standard, since=_since(seller.listed, at), no_audio=no_audio)
        # The list silently gives the standard price where it knows none for the tier. It knows tiers from a late day on:
        # while the standard price was the same as today, so was the tier's.
        for day in (at, self._today):
            plain = standard if day is at else _tiers(seller, seller.listed.get_prices(day), day)
            other = _tiers(seller, seller.listed.get_prices(day, {"processing": tier}), day, tier)
            if other != plain and plain == standard:
                return _Found(tiers=other, since=_since(seller.listed, at), no_audio=no_audio)
        return _Found(reason=_no_tier(seller, tier))

    def _seller(self, model: str, provider: str | None) -> _Seller:
        key = (model, provider)
        if key not in self._sellers:
            if len(self._sellers) >= _MEMORY:
                self._sellers.clear()
            seller = self._find_seller(model.strip(), provider)
            by_the_minute = _by_the_minute(seller.listed) or self._overlay.by_the_minute(seller.model)
            self._sellers[key] = replace(seller, by_the_minute=by_the_minute)
        return self._sellers[key]

    def _find_seller(self, model: str, provider: str | None) -> _Seller:
        if not model or len(model) > _LONGEST_NAME:
            return _Seller(id=None, model=model[:_LONGEST_NAME], reason="unknown model")
        named = provider.strip().lower() if provider else ""
        if named:
            return self._sold_by(_SAME.get(named, named), model)
        prefix, slash, rest = model.partition("/")
        if slash and prefix.lower() in _known_prefixes(self._overlay.providers):
            return self._sold_by(_SAME.get(prefix.lower(), prefix.lower()), rest)
        sole = next((seller for pattern, seller in _SOLD_BY_ONE if pattern.match(model.lower())), None)
        if sole is None:
            return _Seller(id=None, model=model, reason=f"unknown model {model!r}")
        return self._sold_by(sole, model)

    def _sold_by(self, provider: str, model: str) -> _Seller:
        entry = find_provider_by_id(get_snapshot().providers, provider)
        if entry is None:
            known = self._overlay.knows(model, provider) or provider in self._overlay.providers
            reason = f"unknown model {model!r} at {provider!r}" if known else f"unknown provider {provider!r}"
            return _Seller(id=provider, model=model, reason=reason)
        listed = entry.find_model(model, all_providers=get_snapshot().providers)
        return _Seller(
            id=entry.id, model=model, provider=entry, listed=listed, reason=f"unknown model {model!r} at {entry.id!r}"
        )


def _cost_of_usage(found: _Found, usage: Usage) -> tuple[Money | None, str]:
    if found.ours is not None:
        money = cost(usage, found.ours)
        return money, "" if money else NO_USAGE
    tokens = usage.input
    if tokens is None:
        return None, NO_USAGE
    rates = next(rates for rates in found.tiers if rates.limit is None or tokens <= rates.limit)
    if usage.visible is None and rates.visible is not None:
        return None, NO_USAGE
    if usage.output and rates.visible is None:
        return None, "no price for output tokens"
    if found.no_audio and _as_text(usage, rates):
        return None, found.no_audio
    return Money(amount=rates.cost(usage)), ""


def _as_text(usage: Usage, rates: _Rates) -> bool:
    """Whether audio tokens would be billed as text for want of a price of their own."""
    heard = bool(usage.audio_in) and rates.audio_in == rates.fresh
    return heard or (bool(usage.audio_out) and rates.audio_out == rates.visible)


def _rates_for(found: _Found, tokens: int) -> tuple[Callable[[TokenType], Decimal | None], str]:
    """The price of a token by its kind, for an input of so many tokens, and the currency."""
    ours = found.ours
    if ours is None:
        rates = next(rates for rates in found.tiers if rates.limit is None or tokens <= rates.limit)
        kinds: dict[TokenType, Decimal | None] = {
            TokenType.INPUT: rates.fresh,
            TokenType.CACHE_READ: rates.cache_read,
            TokenType.CACHE_WRITE_5M: rates.cache_write_5m,
            TokenType.CACHE_WRITE_1H: rates.cache_write_1h,
            TokenType.OUTPUT: rates.visible,
            TokenType.AUDIO_IN: rates.audio_in,
            TokenType.IMAGE_IN: rates.image_in,
            TokenType.AUDIO_OUT: rates.audio_out,
        }
        return kinds.get, "USD"
    write = ours.input if ours.cache_write is None else ours.cache_write
    mtok = {
        TokenType.INPUT: ours.input,
        TokenType.CACHE_READ: ours.input if ours.cache_read is None else ours.cache_read,
        TokenType.CACHE_WRITE_5M: write,
        TokenType.CACHE_WRITE_1H: write if ours.cache_write_1h is None else ours.cache_write_1h,
        TokenType.OUTPUT: ours.output,
        TokenType.AUDIO_IN: ours.input,
        TokenType.IMAGE_IN: ours.input,
        TokenType.AUDIO_OUT: ours.output,
    }
    return lambda kind: mtok[kind] / MILLION if kind in mtok else None, ours.currency


def _no_tier(seller: _Seller, tier: str | None) -> str:
    return f"no {tier} price for {seller.model!r}"


def _at_tier(price: TokenPrice, tier: str) -> TokenPrice | None:
    """A price of ours at a service tier; only what batches cost is ever said."""
    if tier != "batch" or price.batch is None:
        return None

    def less(amount: Decimal | None) -> Decimal | None:
        return None if amount is None or price.batch is None else amount * price.batch

    return replace(
        price,
        input=price.input * price.batch,
        output=price.output * price.batch,
        cache_read=less(price.cache_read),
        cache_write=less(price.cache_write),
        cache_write_1h=less(price.cache_write_1h),
    )


def _known_prefixes(ours: frozenset[str]) -> frozenset[str]:
    return ours | {provider.id for provider in get_snapshot().providers} | set(_SAME)


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


def _tiers(seller: _Seller, price: ModelPrice, at: datetime, tier: str | None = None) -> tuple[_Rates, ...]:
    """One set of rates for each context tier, smallest inputs first."""
    starts = {tier.start for value in vars(price).values() if isinstance(value, TieredPrices) for tier in value.tiers}
    bounds: list[int | None] = [0, *sorted(starts), None]
    return tuple(_probe(_Asked(seller, price, at, tier), low or 0, high) for low, high in pairwise(bounds))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the list is asked about: whose price, at which moment and service tier."""

    seller: _Seller
    price: ModelPrice
    at: datetime
    tier: str | None

    def bill(self, usage: ListedUsage) -> Decimal:
        """What the list makes of so many tokens."""
        assert self.seller.provider is not None
        context = None if self.tier is None else {"processing": self.tier}
        return calc_price(
            usage,
            self.seller.model,
            provider_id=self.seller.provider.id,
            genai_request_timestamp=self.at,
            price_context=context,
        ).total_price


def _probe(asked: _Asked, low: int, high: int | None) -> _Rates:
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
    return _Rates(
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


def _per_million(rate: Decimal) -> Decimal:
    return (rate * MILLION).normalize() + 0


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
