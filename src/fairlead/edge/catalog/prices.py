"""What an exchange cost, at the price of its own date, from a borrowed price list and dated rows of our own.

Rules kept here: our rows and the user's rule over the list (`listed`); an unknown model, provider or token count makes a cost
unknown, with the reason, never zero; a free or empty entry of the list is not a price; a model that many providers serve has
no price until its provider is known. The list is asked once for each model, provider and day (each minute where a price
depends on the time of day), and loaded when it is first asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fairlead.core.billing import TokenType, tokens_by_type
from fairlead.core.calls import EPOCH, MICROSECOND
from fairlead.core.money import MILLION, Costs
from fairlead.core.nouns import TokenPrice, Usage
from fairlead.edge.catalog.overlay import Overlay, OverlayRow, bundled, from_prices
from fairlead.edge.catalog.rates import (
    Counts,
    Found,
    Priced,
    PriceList,
    Seller,
    add_costs,
    cost_of_usage,
    is_unheard,
    no_tier,
    tier_for,
)

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

_SAME: Mapping[str, str] = {
    "together_ai": "together", "togetherai": "together", "fireworks_ai": "fireworks", "jina_ai": "jina",
    "xai": "x-ai", "x_ai": "x-ai", "azure.ai.inference": "azure",
}  # fmt: skip

_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
_LONGEST_NAME = 200
_MEMORY = 50_000
_MINUTE_US = 60_000_000
_DAY_US = 86_400_000_000


class Prices:
    """Prices by date; `overlay` holds the user's own prices by model name, `today` prices what has no date."""

    def __init__(
        self,
        overlay: Mapping[str, Sequence[TokenPrice]] | None = None,
        *,
        today: datetime | None = None,
        rows: Sequence[OverlayRow] | None = None,
        listed: PriceList | None = None,
    ) -> None:
        ours = bundled() if rows is None else tuple(rows)
        self._overlay = Overlay((*ours, *from_prices(overlay or {})))
        self._given_today = None if today is None else today.astimezone(UTC)
        self._listed = listed
        self._sellers: dict[tuple[str, str | None], Seller] = {}
        self._found: dict[tuple[str, str | None, object, str | None], Found] = {}
        self._alike: dict[Found, Found] = {}

    def cost_of(
        self, model: str, provider: str | None, usage: Usage, at: datetime | None, *, tier: str | None = None
    ) -> Priced:
        """What an exchange of `model` cost at its own date, or why that is not known; `tier` is such as `batch`."""
        moment, assumed = self._moment(at)
        found = self._find(model, provider, moment, tier)
        if found.reason:
            return Priced(money=None, reason=found.reason, assumed_date=assumed)
        money, reason = cost_of_usage(found, usage)
        return Priced(money=money, reason=reason, assumed_date=assumed)

    def costs_of(
        self,
        model: str,
        provider: str | None,
        calls: Sequence[Counts],
        started_us: Sequence[int | None],
        *,
        tier: str | None = None,
    ) -> Costs:
        """What exchanges of one model cost, each as `cost_of` has it; `started_us` are microseconds since 1970."""
        costs = Costs()
        moments, costs.assumed_dates = self._moments(started_us)
        period = _MINUTE_US if self._seller(model, provider).by_the_minute else _DAY_US
        periods = [us // period for us in moments]
        # In each period what comes first says when the list is asked, as it does call by call.
        asked = dict(zip(reversed(periods), reversed(moments), strict=True))
        found = {number: self._find(model, provider, EPOCH + us * MICROSECOND, tier) for number, us in asked.items()}
        prices = {id(each): each for each in found.values()}
        if len(prices) == 1:
            add_costs(costs, found[periods[0]], calls)
            return costs
        by_price: dict[int, list[Counts]] = {}
        for number, counts in zip(periods, calls, strict=True):
            by_price.setdefault(id(found[number]), []).append(counts)
        for number, some in by_price.items():
            add_costs(costs, prices[number], some)
        return costs

    def _moments(self, started_us: Sequence[int | None]) -> tuple[Sequence[int], int]:
        """The moments to price at, as `_moment` has them, and how many of them had to be assumed."""
        today = (self._today - EPOCH) // MICROSECOND
        first, last = (_EARLIEST - EPOCH) // MICROSECOND, today + _DAY_US
        known = [us for us in started_us if us is not None and first <= us <= last]
        if len(known) == len(started_us):
            return known, 0
        moments = [today if us is None or not first <= us <= last else us for us in started_us]
        return moments, len(started_us) - len(known)

    def provider_of(self, model: str, provider: str | None) -> str | None:
        """Who is paid for a model: the log's own word for it, or the only one who sells it."""
        return self._seller(model, provider).id

    def parts_of(
        self, model: str, provider: str | None, usage: Usage, at: datetime | None, *, tier: str | None = None
    ) -> tuple[str, dict[TokenType, Decimal]] | None:
        """What each kind of token of an exchange cost, with the currency; `None` when no price is known.

        Kinds without a known price are left out, audio too where the list has no price for it but that of text. A fee for
        the request stands under `TokenType.OTHER`; with it the parts add up to the cost.
        """
        found = self._find(model, provider, self._moment(at)[0], tier)
        if found.reason:
            return None
        rates, currency = _rates_for(found, usage.input or 0)
        parts = {
            kind: count * rate
            for kind, count in tokens_by_type(usage).items()
            if (rate := rates(kind)) is not None and not is_unheard(found, kind)
        }
        if found.ours is None:
            listed = tier_for(found, usage.input or 0)
            if TokenType.OUTPUT in parts:
                parts[TokenType.OUTPUT] += (usage.reasoning or 0) * ((listed.reasoning or 0) - (listed.visible or 0))
            if listed.request:
                parts[TokenType.OTHER] = listed.request
        return currency, parts

    def rate_of(
        self, model: str, provider: str | None, kind: TokenType, at: datetime, *, tier: str | None = None
    ) -> tuple[str, Decimal] | None:
        """What one token of a kind costs, for inputs in the lowest context tier, with the currency; `None` when not known."""
        found = self._find(model, provider, self._moment(at)[0], tier)
        if found.reason:
            return None
        rates, currency = _rates_for(found, 0)
        rate = None if is_unheard(found, kind) else rates(kind)
        return None if rate is None else (currency, rate)

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
        return self._list.provider_at(endpoint)

    @property
    def _list(self) -> PriceList:
        if self._listed is None:
            from fairlead.edge.catalog.listed import Listed  # noqa: PLC0415 - see the module

            self._listed = Listed()
        return self._listed

    @property
    def _today(self) -> datetime:
        return self._given_today or datetime.now(UTC)

    def _moment(self, at: datetime | None) -> tuple[datetime, bool]:
        """The date to price at, and whether it had to be assumed: none given, or one that no API call can have."""
        today = self._today
        if at is None:
            return today, True
        moment = at.astimezone(UTC)
        if not _EARLIEST <= moment <= today + timedelta(days=1):
            return today, True
        return moment, False

    def _find(self, model: str, provider: str | None, at: datetime, tier: str | None = None) -> Found:
        seller = self._seller(model, provider)
        when: object = at.replace(second=0, microsecond=0) if seller.by_the_minute else at.date()
        key = (model, provider, when, tier)
        if key not in self._found:
            if len(self._found) >= _MEMORY:
                self._found.clear()
                self._alike.clear()
            looked_up = self._look_up(seller, at, tier)
            self._found[key] = self._alike.setdefault(looked_up, looked_up)
        return self._found[key]

    def _look_up(self, seller: Seller, at: datetime, tier: str | None) -> Found:
        ours = self._overlay.find(seller.model, seller.id, at)
        if ours is not None:
            ours = ours if tier is None else _at_tier(ours, tier)
            return Found(reason=no_tier(seller, tier)) if ours is None else Found(ours=ours)
        if not seller.is_listed:
            return Found(reason=seller.reason)
        return self._list.found(seller, at, today=self._today, tier=tier)

    def _seller(self, model: str, provider: str | None) -> Seller:
        key = (model, provider)
        if key not in self._sellers:
            if len(self._sellers) >= _MEMORY:
                self._sellers.clear()
            seller = self._find_seller(model.strip(), provider)
            by_the_minute = seller.by_the_minute or self._overlay.by_the_minute(seller.model)
            self._sellers[key] = replace(seller, by_the_minute=by_the_minute)
        return self._sellers[key]

    def _find_seller(self, model: str, provider: str | None) -> Seller:
        if not model or len(model) > _LONGEST_NAME:
            return Seller(id=None, model=model[:_LONGEST_NAME], reason="unknown model")
        named = provider.strip().lower() if provider else ""
        if named:
            return self._sold_by(_SAME.get(named, named), model)
        prefix, slash, rest = model.partition("/")
        if slash and prefix.lower() in self._overlay.providers | self._list.providers() | _SAME.keys():
            return self._sold_by(_SAME.get(prefix.lower(), prefix.lower()), rest)
        sole = next((seller for pattern, seller in _SOLD_BY_ONE if pattern.match(model.lower())), None)
        if sole is None:
            return Seller(id=None, model=model, reason=f"unknown model {model!r}")
        return self._sold_by(sole, model)

    def _sold_by(self, provider: str, model: str) -> Seller:
        seller = self._list.seller(provider, model)
        if seller is not None:
            return seller
        known = self._overlay.knows(model, provider) or provider in self._overlay.providers
        reason = f"unknown model {model!r} at {provider!r}" if known else f"unknown provider {provider!r}"
        return Seller(provider, model, reason=reason)


def _rates_for(found: Found, tokens: int) -> tuple[Callable[[TokenType], Decimal | None], str]:
    """The price of a token by its kind, for an input of so many tokens, and the currency."""
    ours = found.ours
    if ours is None:
        rates = tier_for(found, tokens)
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


def _per_million(rate: Decimal) -> Decimal:
    return (rate * MILLION).normalize() + 0
