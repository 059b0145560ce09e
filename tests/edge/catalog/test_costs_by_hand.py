"""Costs worked out by hand. Each row's remark is the sum in millionths of a dollar: tokens x price per million."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fairlead.core.nouns import Usage
from fairlead.edge.catalog.prices import Prices

PRICES = Prices(today=datetime(2026, 11, 23, 12, tzinfo=UTC))
NOON = "2026-09-15T12:00"


def tokens(fresh=0, read=0, write=0, write_1h=0, visible: int | None = 0, reasoning: int | None = None) -> Usage:
    return Usage(
        fresh=fresh,
        cache_read=read,
        cache_write_5m=write,
        cache_write_1h=write_1h,
        visible=visible,
        reasoning=reasoning,
    )


BY_HAND = [
    # OpenAI: cached input is part of the total it reports, here already taken apart.
    ("gpt-4o", None, tokens(1_000_000), NOON, "2.5"),  # 1000000 x 2.5
    ("gpt-4o", "openai", tokens(1000, visible=500), NOON, "0.0075"),  # 1000 x 2.5 + 500 x 10 = 2500 + 5000
    ("gpt-4o", "openai", tokens(400, read=600, visible=100), NOON, "0.00275"),  # 1000 + 600 x 1.25 + 1000
    ("gpt-4o-mini", None, tokens(2000, visible=300), NOON, "0.00048"),  # 2000 x 0.15 + 300 x 0.6 = 300 + 180
    ("gpt-4o-mini", None, tokens(0, read=1000, visible=10), NOON, "0.000081"),  # 1000 x 0.075 + 10 x 0.6 = 75 + 6
    ("gpt-5", None, tokens(600_000, read=400_000, visible=200_000), NOON, "2.8"),  # 0.75 + 0.05 + 2.00 dollars
    ("gpt-5", None, tokens(1000, visible=200, reasoning=800), NOON, "0.01125"),  # 1250 + 1000 x 10: thinking is output
    ("gpt-5-mini", None, tokens(8000, read=2000, visible=500), NOON, "0.00305"),  # 2000 + 2000 x 0.025 + 500 x 2
    ("gpt-5-nano", None, tokens(10_000, visible=1000), NOON, "0.0009"),  # 500 + 400
    ("gpt-4.1", None, tokens(10_000, visible=1000), NOON, "0.028"),  # 20000 + 8000
    ("gpt-4.1", None, tokens(0, read=10_000, visible=1000), NOON, "0.013"),  # 10000 x 0.5 + 8000
    ("o3", None, tokens(1000, visible=1000), "2025-06-09T23:59", "0.05"),  # before the cut: 10000 + 40000
    ("o3", None, tokens(1000, visible=1000), "2025-06-10T00:00", "0.01"),  # after it: 2000 + 8000
    ("o1", None, tokens(2000, read=2000, visible=100, reasoning=900), NOON, "0.105"),  # 30000 + 15000 + 60000
    ("o4-mini", None, tokens(5000, visible=100, reasoning=400), NOON, "0.0077"),  # 5000 x 1.1 + 500 x 4.4
    ("gpt-4", None, tokens(1000, visible=1000), NOON, "0.09"),  # 30000 + 60000
    ("gpt-4-turbo", None, tokens(3000, visible=700), NOON, "0.051"),  # 30000 + 21000
    ("gpt-3.5-turbo", None, tokens(4000, visible=2000), NOON, "0.005"),  # 2000 + 3000
    ("gpt-5.4", None, tokens(272_000, visible=1000), NOON, "0.695"),  # 272000 x 2.5 + 15000: the tier starts above
    ("gpt-5.4", None, tokens(272_001, visible=1000), NOON, "1.382505"),  # 272001 x 5 + 22500: all at the tier's price
    ("text-embedding-3-large", None, tokens(1_000_000, visible=None), NOON, "0.13"),
    ("text-embedding-3-small", None, tokens(50_000, visible=None), NOON, "0.001"),  # 50000 x 0.02
    ("text-embedding-ada-002", None, tokens(12_345, visible=0), NOON, "0.0012345"),  # 12345 x 0.1
    ("gpt-4o", "azure", tokens(1000, visible=100), NOON, "0.0035"),  # 2500 + 1000, through OpenAI's list
    # Anthropic: input excludes cached tokens; two lifetimes of cache writes.
    ("claude-sonnet-4-5", None, tokens(1000, visible=500), NOON, "0.0105"),  # 3000 + 7500
    (
        "claude-sonnet-4-5",
        None,
        tokens(100, read=10_000, write=2000, visible=300),
        NOON,
        "0.0153",
    ),  # 300+3000+7500+4500
    ("claude-sonnet-4-5", None, tokens(0, write_1h=5000, visible=100), NOON, "0.0315"),  # 5000 x 6 + 1500
    (
        "claude-sonnet-4-5",
        None,
        tokens(50_000, read=150_000, visible=1000),
        NOON,
        "0.21",
    ),  # at 200000: 150000+45000+15000
    ("claude-sonnet-4-5", None, tokens(50_001, read=150_000, visible=1000), NOON, "0.412506"),  # 300006 + 90000 + 22500
    ("claude-opus-4-1-20250805", None, tokens(2000, visible=1000), NOON, "0.105"),  # 30000 + 75000
    ("claude-opus-4-1", None, tokens(0, write=1000, write_1h=1000, visible=0), NOON, "0.04875"),  # 18750 + 30000
    ("claude-haiku-4-5", None, tokens(10_000, read=90_000, visible=2000), NOON, "0.029"),  # 10000 + 9000 + 10000
    ("claude-3-haiku", None, tokens(4000, write=1000, visible=800), NOON, "0.0023"),  # 1000 + 300 + 1000
    ("claude-opus-4-6", None, tokens(300_000, visible=0), "2026-03-12T12:00", "3"),  # long context still dearer: x 10
    ("claude-opus-4-6", None, tokens(300_000, visible=0), "2026-03-13T12:00", "1.5"),  # from the 13th: x 5
    ("claude-sonnet-4-5", "google", tokens(1000, visible=100), NOON, "0.0045"),  # Vertex: 3000 + 1500
    # Google: tiers by context, cached input.
    ("gemini-2.5-pro", None, tokens(100_000, visible=1000), NOON, "0.135"),  # 125000 + 10000
    ("gemini-2.5-pro", None, tokens(150_000, read=100_000, visible=1000), NOON, "0.415"),  # 375000 + 25000 + 15000
    ("gemini-2.5-flash", None, tokens(1000, visible=100, reasoning=300), NOON, "0.0013"),  # 300 + 1000
    ("gemini-2.5-flash-lite", None, tokens(20_000, read=10_000, visible=500), NOON, "0.0023"),  # 2000 + 100 + 200
    ("gemini-embedding-001", None, tokens(200_000, visible=None), NOON, "0.03"),
    # Others in the list; without a cache price, cached tokens cost what fresh ones do.
    ("llama-3.3-70b-versatile", "groq", tokens(1000, read=1000, visible=1000), NOON, "0.00197"),  # 590 + 590 + 790
    ("mistral-large-latest", None, tokens(3000, visible=500), NOON, "0.009"),  # 6000 + 3000
    ("mistral-embed", None, tokens(10_000, visible=None), NOON, "0.001"),
    ("voyage-3-large", None, tokens(100_000, visible=None), NOON, "0.018"),
    ("grok-4", None, tokens(1000, read=4000, visible=200), NOON, "0.009"),  # 3000 + 3000 + 3000
    ("sonar", None, tokens(500, visible=500), NOON, "0.013"),  # 500 + 500 and 12 dollars per 1000 requests
    ("sonar-deep-research", None, tokens(0, visible=1000, reasoning=2000), NOON, "0.014"),  # 8000 + 2000 x 3
    ("qwen/qwen-2.5-coder-32b-instruct", "openrouter", tokens(1_000_000), "2026-10-18T12:00", "0.06"),
    ("qwen/qwen-2.5-coder-32b-instruct", "openrouter", tokens(1_000_000), "2026-10-19T12:00", "0.66"),
    # Rows of our own. DeepSeek: night discount until September 2025, flat, then peak hours, on weekdays only.
    ("deepseek-chat", None, tokens(1_000_000), "2025-09-05T12:00", "0.27"),
    ("deepseek-chat", None, tokens(1_000_000), "2025-09-04T20:00", "0.135"),
    ("deepseek-chat", None, tokens(1_000_000), "2025-09-05T20:00", "0.56"),  # the discount ended at 16:00
    (
        "deepseek-chat",
        None,
        tokens(500_000, read=500_000, visible=100_000),
        "2026-02-01T20:00",
        "0.196",
    ),  # .14+.014+.042
    (
        "deepseek-v4-pro",
        "deepseek",
        tokens(1000, read=1000, visible=1000),
        "2026-09-01T02:00",
        "0.005324",
    ),  # Tuesday, peak
    (
        "deepseek-v4-pro",
        "deepseek",
        tokens(1000, read=1000, visible=1000),
        "2026-09-01T05:00",
        "0.002662",
    ),  # 660 + 22 + 1980
    ("deepseek-v4-pro", "deepseek", tokens(1000, read=1000, visible=1000), "2026-09-05T02:00", "0.002662"),  # Saturday
    ("deepseek-v4-pro", "deepseek", tokens(1_000_000), "2026-08-01T02:00", "0.435"),  # before peak hours
    ("meta-llama/Llama-3.3-70B-Instruct", "deepinfra", tokens(10_000, visible=1000), NOON, "0.0027"),  # 2300 + 400
    (
        "deepseek-ai/DeepSeek-V3-0324",
        "deepinfra",
        tokens(1000, read=2000, visible=1000),
        NOON,
        "0.00141",
    ),  # 240+270+900
    ("BAAI/bge-base-en-v1.5", "together", tokens(1_000_000, visible=None), NOON, "0.008"),
]


@pytest.mark.parametrize(("model", "provider", "usage", "at", "dollars"), BY_HAND)
def test_a_cost_equals_the_one_worked_out_by_hand(model, provider, usage, at, dollars):
    priced = PRICES.cost_of(model, provider, usage, datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert priced.reason == ""
    assert priced.money is not None
    assert (priced.money.amount, priced.money.currency) == (Decimal(dollars), "USD")


def test_there_are_at_least_forty_of_them_over_ten_providers():
    named = [provider for _, provider, *_ in BY_HAND if provider]
    assert len(BY_HAND) >= 40
    assert len(set(named)) >= 7


APART = [
    # Service tiers, and tokens that are billed apart from text.
    ("gpt-4o", "batch", Usage(fresh=1_000_000, visible=100_000), "1.75"),  # half of 2.5 + half of 1
    ("gpt-4o-mini", "batch", Usage(fresh=1_000_000, visible=100_000), "0.105"),  # half of 0.15 + half of 0.06
    ("claude-sonnet-4-5", "batch", Usage(fresh=100_000, visible=100_000), "0.9"),  # half of 0.3 + half of 1.5
    ("gemini-2.5-flash", "batch", Usage(fresh=1_000_000, visible=0), "0.15"),  # half of 0.3
    ("gemini-2.5-flash", None, Usage(fresh=1000, visible=0, audio_in=1000), "0.0013"),  # 300 + 1000 x 1
    ("gemini-2.5-flash", None, Usage(fresh=0, visible=100, image_in=1000), "0.00055"),  # 1000 x 0.3 + 100 x 2.5
    ("gpt-realtime", None, Usage(fresh=0, visible=0, audio_in=1000, audio_out=500), "0.064"),  # 32000 + 500 x 64
    ("gpt-realtime", None, Usage(fresh=0, visible=0, image_in=1000), "0.005"),  # 1000 x 5
    ("gpt-4o", None, Usage(fresh=0, visible=0, image_in=1000), "0.0025"),  # images are billed as text
]


@pytest.mark.parametrize(("model", "tier", "usage", "dollars"), APART)
def test_tiers_audio_and_images_cost_what_was_worked_out_by_hand(model, tier, usage, dollars):
    priced = PRICES.cost_of(model, None, usage, datetime(2026, 9, 15, 12, tzinfo=UTC), tier=tier)
    assert (priced.reason, priced.money and priced.money.amount) == ("", Decimal(dollars))


@pytest.mark.parametrize(
    ("model", "tier", "usage", "reason"),
    [
        ("gpt-5", "flex", Usage(fresh=1, visible=1), "no flex price for 'gpt-5'"),
        ("gpt-5", "priority", Usage(fresh=1, visible=1), "no priority price for 'gpt-5'"),
        ("claude-opus-4-1", "batch", Usage(fresh=1, visible=1), "no batch price for 'claude-opus-4-1'"),
        (
            "gpt-4o-audio-preview",
            None,
            Usage(fresh=1, visible=1, audio_in=9),
            "no audio price for 'gpt-4o-audio-preview'",
        ),
        (
            "gpt-4o-audio-preview",
            None,
            Usage(fresh=1, visible=1, audio_out=9),
            "no audio price for 'gpt-4o-audio-preview'",
        ),
    ],
)
def test_a_price_that_the_list_would_make_up_is_unknown(model, tier, usage, reason):
    priced = PRICES.cost_of(model, None, usage, datetime(2026, 9, 15, 12, tzinfo=UTC), tier=tier)
    assert (priced.money, priced.reason) == (None, reason)
