"""Bills: every header that is known, in every dress it comes in, and what is said of a table that is none."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from fairlead.core.billing import TokenType, family
from fairlead.core.errors import InputError
from fairlead.edge.sources.bills import parse_bill, read_bill, read_bills

USAGE = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
    "web_search_count,inference_geo,speed\n"
    "2026-06-01,claude-sonnet-4-5-20250929,prod,Default,standard,≤ 200k,1000,20,30,400,50,2,,\n"
)
OLDER = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write,usage_input_tokens_cache_read,usage_output_tokens,web_search_count\n"
    "2026-06-01,claude-sonnet-4-5-20250929,prod,Default,standard,≤ 200k,1000,20,400,50,0\n"
)
COST = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed\n"
    "2026-06-01,Claude Sonnet 4.5,Default,prod,message_batch,≤ 200k,input_no_cache,1.50,2.00,token,,\n"
    "2026-06-01,Claude Sonnet 4.5,Default,prod,standard,≤ 200k,input_cache_write_1h,0.25,0.25,token,,\n"
    "2026-06-01,Web search,Default,prod,standard,,,0.02,0.02,web_search,,\n"
)


def held(data: str | bytes):
    bill = parse_bill(data if isinstance(data, bytes) else data.encode(), "bill.csv")
    return {(line.model, line.type): line.tokens if line.amount is None else line.amount for line in bill.lines}


SONNET = "claude-sonnet-4-5-20250929"
FULL = {
    (SONNET, TokenType.INPUT): 1000,
    (SONNET, TokenType.CACHE_READ): 400,
    (SONNET, TokenType.CACHE_WRITE_5M): 20,
    (SONNET, TokenType.CACHE_WRITE_1H): 30,
    (SONNET, TokenType.OUTPUT): 50,
    (SONNET, TokenType.OTHER): 2,
}


@pytest.mark.parametrize(
    "data",
    [
        USAGE.encode(),
        b"\xef\xbb\xbf" + USAGE.encode(),
        USAGE.replace(",", "\t").encode(),
        USAGE.replace("\n", "\r\n").encode(),
        USAGE.replace(",inference_geo,speed", "").replace(",2,,\n", ",2\n").encode(),
    ],
    ids=["as downloaded", "byte order mark", "tabs", "Windows lines", "without the newest columns"],
)
def test_an_anthropic_usage_table_is_read_in_every_dress(data):
    assert held(data) == FULL


def test_the_older_table_has_one_kind_of_cache_write():
    assert held(OLDER)[SONNET, TokenType.CACHE_WRITE_5M] == 20
    assert (SONNET, TokenType.CACHE_WRITE_1H) not in held(OLDER)


def test_an_anthropic_cost_table_names_models_for_people_and_batches():
    bill = parse_bill(COST.encode(), "cost.csv")
    first = bill.lines[0]
    assert (first.model, first.type, first.amount, first.list_amount) == (
        "Claude Sonnet 4.5", TokenType.INPUT, Decimal("1.50"), Decimal("2.00"),
    )  # fmt: skip
    assert (first.tier, first.key, first.project, first.day) == ("batch", "prod", "Default", date(2026, 6, 1))
    assert [line.type for line in bill.lines] == [TokenType.INPUT, TokenType.CACHE_WRITE_1H, TokenType.OTHER]
    without = (
        COST.replace(",list_price_usd", "")
        .replace("1.50,2.00", "1.50")
        .replace("0.25,0.25", "0.25")
        .replace("0.02,0.02", "0.02")
    )
    assert [line.list_amount for line in parse_bill(without.encode(), "old.csv").lines] == [None] * 3


@pytest.mark.parametrize(
    ("display", "version"),
    [
        ("Claude Sonnet 4.5", "claude-sonnet-4-5-20250929"),
        ("Claude Opus 4.1", "claude-opus-4-1-20250805"),
        ("Claude 3.5 Sonnet", "claude-3-5-sonnet-20241022"),
        ("Claude Haiku 4.5", "claude-haiku-4-5@20251001"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("GPT-5 mini", "gpt-5-mini-2025-08-07"),
        ("Claude Haiku 3.5", "claude-3-5-haiku-20241022"),
        ("Claude Sonnet 3.7", "claude-3-7-sonnet-latest"),
        ("Claude Opus 4", "claude-opus-4-0"),
    ],
)
def test_a_display_name_and_a_version_are_of_one_family(display, version):
    assert family(display) == family(version)


def test_different_models_are_of_different_families():
    names = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-opus-4-1", "claude-opus-4-5", "gpt-5", "gpt-5-mini"]
    assert len({family(name) for name in names}) == len(names)


def page(*results, **bucket):
    return json.dumps({"object": "page", "data": [{**bucket, "results": list(results)}], "has_more": False})


def test_anthropics_admin_api_gives_usage_and_costs_in_cents():
    used = {
        "uncached_input_tokens": 1000, "cache_read_input_tokens": 400, "output_tokens": 50, "model": SONNET, "service_tier": "standard",
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}, "server_tool_use": {"web_search_requests": 2},
        "api_key_id": None, "workspace_id": "wrkspc_1", "context_window": "0-200k",
    }  # fmt: skip
    assert held(page(used, starting_at="2026-06-01T00:00:00Z", ending_at="2026-06-02T00:00:00Z")) == FULL
    cost = {
        "amount": "123.45",
        "currency": "USD",
        "cost_type": "tokens",
        "token_type": "output_tokens",
        "model": SONNET,
        "description": "…",
    }
    assert held(page(cost, starting_at="2026-06-01T00:00:00Z")) == {(SONNET, TokenType.OUTPUT): Decimal("1.2345")}


OPENAI = {
    "object": "organization.usage.completions.result", "input_tokens": 1000, "output_tokens": 60, "input_cached_tokens": 300,
    "input_audio_tokens": 100, "output_audio_tokens": 10, "num_model_requests": 4, "project_id": "proj_1", "user_id": None,
    "api_key_id": "key_1", "model": "gpt-4o-2024-08-06", "batch": True,
}  # fmt: skip
PARTS = {
    TokenType.INPUT: 600,
    TokenType.CACHE_READ: 300,
    TokenType.OUTPUT: 50,
    TokenType.AUDIO_IN: 100,
    TokenType.AUDIO_OUT: 10,
}


def test_openais_usage_is_taken_apart_for_input_includes_cached_tokens():
    bill = parse_bill(page(OPENAI, object="bucket", start_time=1780272000, end_time=1780358400).encode(), "usage.json")
    assert {line.type: line.tokens for line in bill.lines} == PARTS
    assert {(line.day, line.tier, line.project) for line in bill.lines} == {(date(2026, 6, 1), "batch", "proj_1")}


def test_openais_usage_also_comes_as_a_table_and_a_bucket_a_line():
    names = [name for name in OPENAI if name != "object"]
    header = ",".join(["start_time", "end_time", "start_time_iso", "end_time_iso", *names])
    row = ",".join(
        [
            "1780272000",
            "1780272060",
            "2026-06-01T00:00:00+00:00",
            "2026-06-01T00:01:00+00:00",
            *(str(OPENAI[n] or "") for n in names),
        ]
    )
    assert {line.type: line.tokens for line in parse_bill(f"{header}\n{row}\n".encode(), "u.csv").lines} == PARTS
    bucket = json.dumps({"object": "bucket", "start_time": 1780272000, "end_time": 1780358400, "results": [OPENAI]})
    twice = parse_bill(f"{bucket}\n{bucket}\n".encode(), "u.jsonl").lines
    assert sum(line.tokens or 0 for line in twice) == 2 * sum(PARTS.values())


@pytest.mark.parametrize(
    ("item", "model", "kind", "tier"),
    [
        ("gpt-4o-2024-08-06, input", "gpt-4o-2024-08-06", TokenType.INPUT, None),
        ("gpt-4o-2024-08-06, cached input", "gpt-4o-2024-08-06", TokenType.CACHE_READ, None),
        ("gpt-4o-2024-08-06 batch, output", "gpt-4o-2024-08-06", TokenType.OUTPUT, "batch"),
        ("gpt-realtime, audio output", "gpt-realtime", TokenType.AUDIO_OUT, None),
        ("web search tool calls", "web search tool calls", TokenType.OTHER, None),
    ],
)
def test_a_line_item_of_openais_costs_names_model_and_kind(item, model, kind, tier):
    cost = {
        "object": "organization.costs.result",
        "amount": {"value": 0.06, "currency": "usd"},
        "line_item": item,
        "project_id": None,
    }
    (line,) = parse_bill(page(cost, start_time=1780272000).encode(), "costs.json").lines
    assert (line.model, line.type, line.tier, line.amount, line.currency) == (model, kind, tier, Decimal("0.06"), "USD")


def test_a_table_that_is_no_bill_is_refused_with_its_unknown_columns_and_the_nearest():
    with pytest.raises(InputError) as told:
        parse_bill(b"usage_date_utc,model_version,tokens_total,price\n2026-06-01,claude,5,1\n", "odd.csv")
    said = str(told.value)
    assert "unknown columns tokens_total, price" in said
    assert "Anthropic usage table, which also has usage_input_tokens_no_cache, usage_output_tokens" in said
    assert "\n" not in said


def test_columns_that_are_new_are_named_and_the_rest_is_read():
    bill = parse_bill(USAGE.replace("speed", "speed,carbon").encode(), "new.csv")
    assert bill.unknown_columns == ("carbon",)
    assert bill.lines


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"start_time,end_time,start_time_iso,end_time_iso\n1,2,a,b\n", "nothing was used"),
        (b"", "is empty"),
        (b"{broken", "neither a table nor JSON"),
        (USAGE.replace("1000", "many").encode(), "no line that can be read"),
        (
            USAGE.replace("2026-06-01", "June").encode(),
            "'June' is no day that can be told; days are written as 2026-06-01",
        ),
    ],
)
def test_what_cannot_be_a_bill_is_refused_in_one_line(data, said):
    with pytest.raises(InputError, match=said):
        parse_bill(data, "x")


def test_a_row_that_contradicts_itself_is_set_aside_and_counted():
    rows = USAGE + "2026-06-02,claude-sonnet-4-5,prod,Default,standard,,-5,0,0,0,1,0,,\n"
    bill = parse_bill(rows.encode(), "x.csv")
    assert len(bill.lines) == len(FULL)
    assert sum(bill.set_aside.values()) == 1


def test_a_bill_that_is_not_there_is_said_so():
    with pytest.raises(InputError, match="does not exist"):
        read_bill("/nowhere/bill.csv")


# What people do to tables


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        ('"1,234.50"', "1234.50", "USD"),
        ("$1.50", "1.50", "USD"),
        ("-$1.50", "-1.50", "USD"),
        ("(1.50)", "-1.50", "USD"),
        ("1.50 USD", "1.50", "USD"),
        ("€1.50", "1.50", "EUR"),
        ('"1,50"', "1.50", "USD"),
        ('"1.234,50"', "1234.50", "USD"),
        ("1.5e-05", "0.000015", "USD"),
        ("\u22121.50", "-1.50", "USD"),
        ("1 234.50", "1234.50", "USD"),
    ],
)
def test_an_amount_is_read_as_people_and_spreadsheets_write_it(written, amount, currency):
    table = COST.splitlines()[0] + f"\n2026-06-01,Claude Sonnet 4.5,Default,prod,standard,,output,{written},,token,,\n"
    (line,) = parse_bill(table.encode(), "cost.csv").lines
    assert (line.amount, line.currency) == (Decimal(amount), currency)


def test_a_table_saved_with_semicolons_has_a_comma_before_its_cents():
    table = COST.replace(",", ";").replace("1.50;2.00", "1.234,50;2.000,00").replace("0.25;0.25", "0,251;0,251")
    amounts = [line.amount for line in parse_bill(table.encode("utf-16"), "cost.csv").lines]
    assert amounts == [Decimal("1234.50"), Decimal("0.251"), Decimal("0.02")]


def test_counts_may_have_commas_between_thousands_if_they_stand_in_quotes():
    assert held(USAGE.replace("1000", '"1,234,567"'))[SONNET, TokenType.INPUT] == 1_234_567
    bare = USAGE + USAGE.splitlines()[1].replace("1000", "1,234") + "\n"
    assert [*parse_bill(bare.encode(), "x").set_aside] == [
        "there are more cells than the header has; is a number with a comma in it not in quotes?"
    ]


def test_a_row_that_adds_up_the_others_is_set_aside_and_not_counted_twice():
    rows = USAGE + "2026-06-30,Total,,,,,1000,20,30,400,50,2,,\nTotal,,,,,,1000,20,30,400,50,2,,\n"
    bill = parse_bill(rows.encode(), "x")
    assert len(bill.lines) == len(FULL)
    assert bill.set_aside == {"they add up other rows": 2}


def test_a_table_with_a_header_only_says_that_nothing_was_used():
    for rows in ("", "2026-06-01,claude-sonnet-4-5,prod,Default,standard,,0,0,0,0,0,0,,\n"):
        with pytest.raises(InputError, match="Choose a longer period"):
            parse_bill((USAGE.splitlines()[0] + "\n" + rows).encode(), "x")
    with pytest.raises(InputError, match="holds no result"):
        parse_bill(page().encode(), "x.json")


@pytest.mark.parametrize(
    ("start", "day"),
    [
        ("2026-06-01T00:00:00Z", 1), ("2026-06-01T00:00:00+02:00", 1), ("2026-06-01T00:00:00-05:00", 1),
        ("2026-06-01T01:00:00+02:00", 31), ("2026-06-01 00:00:00", 1), ("2026-06-01", 1), ("1780272000", 1),
    ],
)  # fmt: skip
def test_a_buckets_day_is_the_one_it_covers_most_of(start, day):
    (line,) = parse_bill(f"start_time,model,input_tokens\n{start},gpt-4o,7\n".encode(), "u.csv").lines
    assert line.day.day == day


# Other products, pages, credits


def test_products_that_are_not_used_by_the_token_are_counted_beside_the_models():
    images = {"object": "organization.usage.images.result", "images": 3, "num_model_requests": 3, "model": "dall-e-3"}
    stores = {"object": "organization.usage.vector_stores.result", "usage_bytes": 512, "project_id": None}
    found = held(page(OPENAI, images, stores, start_time=1780272000))
    assert found["dall-e-3", TokenType.OTHER] == 3
    assert found["vector stores", TokenType.OTHER] == 512
    assert found["gpt-4o-2024-08-06", TokenType.INPUT] == PARTS[TokenType.INPUT]
    assert held("start_time,model,images\n1780272000,dall-e-3,4\n") == {("dall-e-3", TokenType.OTHER): 4}


def test_tokens_that_are_both_cached_and_audio_are_taken_out_once():
    row = {
        **OPENAI,
        "input_tokens": 100,
        "input_cached_tokens": 80,
        "input_audio_tokens": 60,
        "input_cached_audio_tokens": 50,
    }
    found = held(page(row, start_time=1780272000))
    assert [
        found["gpt-4o-2024-08-06", kind] for kind in (TokenType.INPUT, TokenType.CACHE_READ, TokenType.AUDIO_IN)
    ] == [10, 80, 10]


def test_a_list_of_pages_is_read_and_a_page_before_others_says_so():
    first = json.loads(page(OPENAI, start_time=1780272000)) | {"has_more": True}
    bill = parse_bill(json.dumps([first, json.loads(page(OPENAI, start_time=1780358400))]).encode(), "pages.json")
    assert (len({line.day for line in bill.lines}), bill.goes_on) == (2, False)
    assert parse_bill(json.dumps(first).encode(), "page.json").goes_on


def test_costs_that_are_not_grouped_name_neither_model_nor_kind():
    cost = {"amount": {"value": 1.5, "currency": "usd"}, "line_item": None, "project_id": None}
    assert held(page(cost, start_time=1780272000)) == {("all models", TokenType.ALL): Decimal("1.5")}
    theirs = {
        "amount": "150",
        "currency": "USD",
        "model": None,
        "description": None,
        "token_type": None,
        "cost_type": None,
    }
    assert held(page(theirs, starting_at="2026-06-01T00:00:00Z")) == {("all models", TokenType.ALL): Decimal("1.5")}


def test_money_given_back_is_a_credit_unless_it_is_for_tokens():
    back = COST.replace(
        "Web search,Default,prod,standard,,,0.02,0.02,web_search", "Promotional credit,,,,,,-5.00,,credit"
    )
    assert held(back)["Promotional credit", TokenType.CREDIT] == Decimal(-5)
    assert held(COST.replace("1.50,2.00", "-1.50,-2.00"))["Claude Sonnet 4.5", TokenType.INPUT] == Decimal("-1.50")


def test_a_day_that_stands_in_two_files_alike_is_counted_once(tmp_path):
    both, one = tmp_path / "june.csv", tmp_path / "june (1).csv"
    later = USAGE.splitlines()[1].replace("2026-06-01", "2026-06-02").replace("1000", "999") + "\n"
    both.write_text(USAGE + later, "utf-8")
    one.write_text(USAGE, "utf-8")
    again, whole = read_bills([one, both])
    assert again.lines == ()
    assert again.set_aside == {f"their day stands in {both} alike": len(FULL)}
    assert len(whole.lines) == 2 * len(FULL)
