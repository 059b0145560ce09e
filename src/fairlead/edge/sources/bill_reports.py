"""The kinds of report that OpenAI and Anthropic give, as tables and by their admin APIs, and how a row of each becomes lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from fairlead.core.billing import UNNAMED, BillLine, TokenType
from fairlead.core.errors import UnreadableLine
from fairlead.edge.sources.bill_cells import LONGEST_NAME, Row, amount_in, count, currency, day_in, label, paid, tier_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One kind of report: what it must hold, what else it may, and how a row of it becomes lines."""

    name: str
    needs: frozenset[str]
    knows: frozenset[str]
    lines: Callable[[Row], Iterator[BillLine]]


def _by_tokens(line: BillLine, counts: Mapping[TokenType, int]) -> Iterator[BillLine]:
    for kind, tokens in counts.items():
        if tokens:
            yield _with(line, kind, tokens=tokens)


def _with(
    line: BillLine,
    kind: TokenType,
    *,
    tokens: int | None = None,
    amount: Decimal | None = None,
    list_amount: Decimal | None = None,
) -> BillLine:
    return BillLine(
        provider=line.provider, day=line.day, model=line.model, type=kind, tokens=tokens, amount=amount,
        list_amount=list_amount, currency=line.currency, tier=line.tier, key=line.key, project=line.project,
    )  # fmt: skip


# Anthropic


def _anthropic_usage(row: Row) -> Iterator[BillLine]:
    line = _line("anthropic", row, day_in(row, "usage_date_utc", "starting_at"), ("model_version", "model"))
    yield from _by_tokens(
        line,
        {
            TokenType.INPUT: count(row, "usage_input_tokens_no_cache", "uncached_input_tokens"),
            TokenType.CACHE_READ: count(row, "usage_input_tokens_cache_read", "cache_read_input_tokens"),
            TokenType.CACHE_WRITE_5M: count(
                row, "usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write",
                "cache_creation.ephemeral_5m_input_tokens", "cache_creation_input_tokens",
            ),
            TokenType.CACHE_WRITE_1H: count(
                row, "usage_input_tokens_cache_write_1h", "cache_creation.ephemeral_1h_input_tokens"
            ),
            TokenType.OUTPUT: count(row, "usage_output_tokens", "output_tokens"),
            TokenType.OTHER: count(row, "web_search_count", "server_tool_use.web_search_requests"),
        },
    )  # fmt: skip


def _line(provider: str, row: Row, day: date, model: tuple[str, ...]) -> BillLine:
    return BillLine(
        provider=provider,
        day=day,
        model=label(row, *model) or UNNAMED,
        type=TokenType.OTHER,
        currency=currency(row),
        tier=tier_in(row.get("usage_type") or row.get("service_tier") or row.get("batch")),
        key=label(row, "api_key", "api_key_name", "api_key_id"),
        project=label(row, "workspace", "project_name", "project_id", "workspace_id"),
    )


def _kind(found: TokenType | None, amount: Decimal, *, is_told: bool) -> TokenType:
    """What an amount is for: without any word of it everything, without tokens something else, below zero then a credit."""
    if found is not None:
        return found
    if not is_told:
        return TokenType.ALL
    return TokenType.OTHER if amount >= 0 else TokenType.CREDIT


_ANTHROPIC_TYPES: Mapping[str, TokenType] = {
    "input_no_cache": TokenType.INPUT,
    "uncached_input_tokens": TokenType.INPUT,
    "input": TokenType.INPUT,
    "input_cache_read": TokenType.CACHE_READ,
    "cache_read_input_tokens": TokenType.CACHE_READ,
    "input_cache_write_5m": TokenType.CACHE_WRITE_5M,
    "input_cache_write": TokenType.CACHE_WRITE_5M,
    "cache_creation.ephemeral_5m_input_tokens": TokenType.CACHE_WRITE_5M,
    "input_cache_write_1h": TokenType.CACHE_WRITE_1H,
    "cache_creation.ephemeral_1h_input_tokens": TokenType.CACHE_WRITE_1H,
    "output": TokenType.OUTPUT,
    "output_tokens": TokenType.OUTPUT,
}


def _anthropic_cost(row: Row) -> Iterator[BillLine]:
    line = _line("anthropic", row, day_in(row, "usage_date_utc"), ("model",))
    amount = paid(row, "cost_usd")
    yield _with(line, _anthropic_kind(row, amount), amount=amount, list_amount=amount_in(row.get("list_price_usd")))


def _anthropic_cost_report(row: Row) -> Iterator[BillLine]:
    """The API gives amounts in cents."""
    line = _line("anthropic", row, day_in(row, "starting_at"), ("model", "description"))
    amount = paid(row, "amount")
    yield _with(line, _anthropic_kind(row, amount), amount=amount / 100)


def _anthropic_kind(row: Row, amount: Decimal) -> TokenType:
    word = str(row.get("token_type") or "").strip().lower()
    told = word or label(row, "description", "cost_type") not in {None, "token", "tokens"}
    return _kind(_ANTHROPIC_TYPES.get(word), amount, is_told=bool(told))


# OpenAI


def _openai_usage(row: Row) -> Iterator[BillLine]:
    """Input includes cached and audio tokens, and cached ones may be audio or images; what is inside is taken out."""
    line = _line("openai", row, day_in(row, "start_time", "start_time_iso"), ("model",))
    whole, cached = count(row, "input_tokens"), count(row, "input_cached_tokens")
    heard = max(0, count(row, "input_audio_tokens") - count(row, "input_cached_audio_tokens"))
    seen = max(0, count(row, "input_image_tokens") - count(row, "input_cached_image_tokens"))
    spoken = count(row, "output_audio_tokens")
    fresh, said = whole - cached - heard - seen, count(row, "output_tokens") - spoken
    if fresh < 0 or said < 0:
        raise UnreadableLine("cached or audio tokens outnumber the tokens they are part of")
    yield from _by_tokens(
        line,
        {
            TokenType.INPUT: fresh,
            TokenType.CACHE_READ: cached,
            TokenType.OUTPUT: said,
            TokenType.AUDIO_IN: heard,
            TokenType.IMAGE_IN: seen,
            TokenType.AUDIO_OUT: spoken,
        },
    )


_OTHER_USES = ("images", "characters", "seconds", "num_sessions", "usage_bytes")
"""What OpenAI counts of products that are not used by the token: pictures, speech, code interpreter, vector stores."""


def _openai_other_usage(row: Row) -> Iterator[BillLine]:
    """A product without a model is called by the API's own word for its results."""
    line = _line("openai", row, day_in(row, "start_time", "start_time_iso"), ("model",))
    word = str(row.get("object") or "").removeprefix("organization.usage.").removesuffix(".result")
    named = line.model if line.model != UNNAMED else word.replace("_", " ") or "another product"
    yield from _by_tokens(replace(line, model=named[:LONGEST_NAME]), {TokenType.OTHER: count(row, *_OTHER_USES)})


_OPENAI_TYPES: Sequence[tuple[str, TokenType]] = (
    ("cached", TokenType.CACHE_READ),
    ("audio input", TokenType.AUDIO_IN),
    ("audio output", TokenType.AUDIO_OUT),
    ("input audio", TokenType.AUDIO_IN),
    ("output audio", TokenType.AUDIO_OUT),
    ("image input", TokenType.IMAGE_IN),
    ("output", TokenType.OUTPUT),
    ("input", TokenType.INPUT),
)


def _openai_cost(row: Row) -> Iterator[BillLine]:
    """A line item is `MODEL, input`, `MODEL, cached input`, `MODEL batch, output`; others are not for tokens."""
    line = _line("openai", row, day_in(row, "start_time", "start_time_iso"), ("line_item", "model"))
    amount = paid(row, "amount.value", "amount_value")
    item = line.model if label(row, "line_item") else ""
    model, _, rest = item.partition(",")
    found = next((kind for word, kind in _OPENAI_TYPES if word in rest.lower()), None)
    name = model.strip().removesuffix(" batch") or line.model
    made = replace(line, model=name, tier=tier_in(item) or line.tier)
    yield _with(made, _kind(found, amount, is_told=bool(item)), amount=amount)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ANTHROPIC_ROW = (
    "usage_type context_window inference_geo speed api_key workspace api_key_id api_key_status workspace_id"
)
_API_ROW = "object starting_at ending_at currency description service_tier"
_OPENAI_ROW = (
    "object start_time end_time start_time_iso end_time_iso project_id project_name user_id user_email api_key_id api_key_name"
    " organization_id organization_name"
)

REPORTS: Sequence[Report] = (
    Report(
        name="Anthropic usage table",
        needs=_names("usage_date_utc model_version usage_input_tokens_no_cache usage_output_tokens"),
        knows=_names(
            _ANTHROPIC_ROW + " usage_input_tokens_cache_write_5m usage_input_tokens_cache_write_1h"
            " usage_input_tokens_cache_write usage_input_tokens_cache_read web_search_count"
        ),
        lines=_anthropic_usage,
    ),
    Report(
        name="Anthropic cost table",
        needs=_names("usage_date_utc model token_type cost_usd"),
        knows=_names(_ANTHROPIC_ROW + " list_price_usd cost_type"),
        lines=_anthropic_cost,
    ),
    Report(
        name="Anthropic usage report of the admin API",
        needs=_names("starting_at uncached_input_tokens output_tokens"),
        knows=_names(
            f"{_ANTHROPIC_ROW} {_API_ROW} model cache_read_input_tokens cache_creation.ephemeral_5m_input_tokens"
            " cache_creation.ephemeral_1h_input_tokens cache_creation_input_tokens server_tool_use.web_search_requests"
            " account_id service_account_id"
        ),
        lines=_anthropic_usage,
    ),
    Report(
        name="Anthropic cost report of the admin API",
        needs=_names("starting_at amount currency"),
        knows=_names(f"{_ANTHROPIC_ROW} {_API_ROW} model cost_type token_type"),
        lines=_anthropic_cost_report,
    ),
    *(
        Report(
            name=name,
            needs=_names(f"start_time amount{point}value"),
            knows=_names(f"{_OPENAI_ROW} line_item amount{point}currency model quantity"),
            lines=_openai_cost,
        )
        for name, point in (("OpenAI costs", "."), ("OpenAI costs table", "_"))
    ),
    Report(
        name="OpenAI usage",
        needs=_names("start_time model input_tokens"),
        knows=_names(
            f"{_OPENAI_ROW} output_tokens num_model_requests batch service_tier input_cached_tokens input_audio_tokens"
            " output_audio_tokens input_uncached_tokens input_text_tokens output_text_tokens input_cached_text_tokens"
            " input_cached_audio_tokens input_image_tokens input_cached_image_tokens output_image_tokens"
        ),
        lines=_openai_usage,
    ),
    *(
        Report(
            name="OpenAI usage of other products",
            needs=_names(f"start_time {counted}"),
            knows=_names(f"{_OPENAI_ROW} num_model_requests model size source input_tokens"),
            lines=_openai_other_usage,
        )
        for counted in _OTHER_USES
    ),
)
