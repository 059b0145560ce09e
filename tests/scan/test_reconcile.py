"""A bill held against the log: every reason that is named is borne out by the figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from fairlead.core.billing import UNNAMED, Bill, BillLine, TokenType
from fairlead.core.nouns import Dialect, Endpoint, ExchangeRow, Usage
from fairlead.scan.reconcile import LogUse, Reconciliation, reconcile

T = TokenType
PRICES = {
    T.INPUT: Decimal(3), T.CACHE_READ: Decimal("0.3"), T.CACHE_WRITE_5M: Decimal("3.75"), T.CACHE_WRITE_1H: Decimal(6),
    T.OUTPUT: Decimal(15),
}  # fmt: skip
DAY = date(2026, 6, 1)


def line(kind=T.INPUT, tokens=None, amount=None, *, days=0, **more):
    given = {"provider": "anthropic", "day": DAY + timedelta(days=days), "model": "Claude Sonnet 4.5", "type": kind}
    return BillLine(**given | {"tokens": tokens, "amount": None if amount is None else Decimal(str(amount))} | more)


def call(*, days=0, tier=None, **usage):
    return ExchangeRow(
        seq=1, id="e", request_key="k", workload_id=None, prompt_id=None, dialect=Dialect.ANTHROPIC_MESSAGES,
        endpoint=Endpoint.CHAT, model="claude-sonnet-4-5-20250929", provider=None, usage=Usage(**usage),
        started_at=datetime(2026, 6, 1, 9, tzinfo=UTC) + timedelta(days=days), latency_s=None, failure=None, conversation=None, tier=tier,
    )  # fmt: skip


def held(lines, calls) -> Reconciliation:
    bills = [Bill(source="bill.csv", lines=tuple(lines))]
    used = LogUse(bills)
    for each in calls:
        if used.wants(each, "anthropic"):
            usage = each.usage
            counts = {
                T.INPUT: usage.fresh, T.CACHE_READ: usage.cache_read, T.CACHE_WRITE_5M: usage.cache_write_5m,
                T.CACHE_WRITE_1H: usage.cache_write_1h, T.OUTPUT: (usage.visible or 0) + (usage.reasoning or 0),
            }  # fmt: skip
            used.add(each, "anthropic", {kind: (count or 0) * PRICES[kind] for kind, count in counts.items()})
    return reconcile(bills, used, value=lambda each: (each.tokens or 0) * PRICES[each.type])


def reason(lines, calls, kind=T.INPUT) -> str:
    (row,) = [row for row in held(lines, calls).rows if row.type is kind]
    return row.reason


def test_a_log_that_holds_everything_explains_everything():
    found = held([line(tokens=100), line(T.OUTPUT, 10)], [call(fresh=60, visible=10), call(fresh=40, visible=0)])
    assert (found.billed, found.explained, found.unexplained) == (450, 450, 0)
    assert {row.reason for row in found.rows} == {"agrees"}
    assert found.priced


def test_days_the_log_lacks_are_named():
    lines = [line(tokens=100, days=number) for number in range(5)]
    told = reason(lines, [call(fresh=100, visible=0, days=number) for number in (0, 1, 4)])
    assert told == "the log holds nothing on 2 of 5 billed days (2026-06-03 to 2026-06-04)"


def test_a_log_that_begins_within_the_first_day_is_told_from_one_that_lacks_calls_every_day():
    lines = [line(tokens=100, days=number) for number in range(5)]
    late = [call(fresh=10, visible=0), *(call(fresh=100, visible=0, days=number) for number in range(1, 5))]
    assert reason(lines, late) == "the log begins or ends within the bill's days (2026-06-01 to 2026-06-05)"
    every = [call(fresh=80, visible=0, days=number) for number in range(5)]
    assert reason(lines, every).startswith("calls that are not in the log")


def test_cache_reads_that_a_log_counts_as_fresh_are_found_out():
    lines = [line(tokens=1000), line(T.CACHE_READ, 9000)]
    calls = [call(fresh=10_000, visible=0)]
    told = "cache reads stand in the log as fresh input, so the log prices them too high"
    assert reason(lines, calls) == told
    assert reason(lines, calls, T.CACHE_READ) == told


def test_cache_reads_are_found_out_by_money_alone():
    lines = [line(amount=3000), line(T.CACHE_READ, amount=2700)]
    assert "fresh input" in reason(lines, [call(fresh=10_000, visible=0)])


def test_one_hour_writes_that_a_log_counts_as_five_minute_ones():
    told = reason([line(T.CACHE_WRITE_1H, 500)], [call(fresh=0, cache_write_5m=500, visible=0)], T.CACHE_WRITE_1H)
    assert told == "one-hour and five-minute cache writes are told apart by the bill, not by the log"


def test_writes_a_log_counts_as_fresh_input():
    lines = [line(tokens=100), line(T.CACHE_WRITE_5M, 900)]
    assert reason(lines, [call(fresh=1000, visible=0)]) == "cache writes stand in the log as fresh input"


def test_batches_are_told_by_the_bill_and_not_by_the_log():
    lines = [line(amount=150, tier="batch")]
    assert reason(lines, [call(fresh=100, visible=0)]) == "billed at the batch tier, which the log does not tell"
    assert "probably billed at the batch tier" in reason([line(amount=150)], [call(fresh=100, visible=0)])
    assert "batch" not in reason(lines, [call(fresh=100, visible=0, tier="batch")])


def test_a_key_that_was_billed_and_not_logged_is_named():
    lines = [line(tokens=100, key="app"), line(tokens=60, key="research")]
    assert (
        reason(lines, [call(fresh=100, visible=0)])
        == "key 'research' alone was billed this much: its calls are not in the log"
    )


def test_several_keys_that_are_not_in_the_log_are_listed():
    lines = [line(tokens=100, key=key) for key in ("a", "b", "c", "d")]
    assert "calls that are not in the log" in reason(lines, [call(fresh=50, visible=0)])
    assert "a, b, c, d" in reason(lines, [call(fresh=50, visible=0)])


def test_a_discount_is_told_by_the_list_price_beside_it():
    lines = [line(amount=270, list_amount=Decimal(300))]
    assert reason(lines, [call(fresh=100, visible=0)]) == "a discount of 10.0 % on the list price"


def test_tokens_that_agree_and_money_that_does_not_are_another_price():
    lines = [line(tokens=100), line(amount=600)]
    told = reason(lines, [call(fresh=100, visible=0)])
    assert told.startswith("tokens agree; billed at another price than the list's")


def test_a_cent_is_rounding():
    assert reason([line(amount="300.009")], [call(fresh=100, visible=0)]) in {"agrees", "rounding"}
    assert reason([line(amount="301")], [call(fresh=100, visible=0)]) == "rounding"


def test_calls_without_counts_are_the_reason_when_there_are_many():
    told = reason([line(tokens=200)], [call(fresh=100, visible=0), call()])
    assert told == "1 of 2 calls in the log have no token counts"


def test_reasoning_counted_twice_is_found_out():
    told = reason([line(T.OUTPUT, 100)], [call(fresh=0, visible=100, reasoning=60)], T.OUTPUT)
    assert told == "the log counts reasoning beside output that already includes it"


def test_a_log_with_more_than_the_bill_says_so():
    found = held([line(tokens=100)], [call(fresh=150, visible=0)])
    assert found.rows[0].reason.startswith("the log holds more than was billed")
    assert (found.explained, found.unexplained) == (300, -150)


def test_what_the_log_holds_too_much_of_is_not_set_off_against_what_it_lacks():
    found = held([line(tokens=100), line(T.OUTPUT, 100)], [call(fresh=150, visible=90)])
    assert (found.billed, found.explained, found.unexplained) == (
        100 * PRICES[T.INPUT] + 100 * PRICES[T.OUTPUT],
        100 * PRICES[T.INPUT] + 90 * PRICES[T.OUTPUT],
        10 * PRICES[T.OUTPUT],
    )
    assert any("not set off" in note for note in found.notes)


def test_tokens_without_a_known_price_are_not_counted_as_free():
    used = LogUse(bills := [Bill(source="bill.csv", lines=(line(tokens=100), line(T.AUDIO_IN, 10)))])
    used.add(call(fresh=100, audio_in=10), "anthropic", {T.INPUT: 100 * PRICES[T.INPUT]})
    found = reconcile(bills, used, value=lambda each: None if each.type is T.AUDIO_IN else 300)
    logged = {row.type: row.logged for row in found.rows}
    assert logged == {T.INPUT: 100 * PRICES[T.INPUT], T.AUDIO_IN: None}


def test_calls_without_a_date_are_told_of():
    used = LogUse(bills := [Bill(source="bill.csv", lines=(line(tokens=100),))])
    undated = replace(call(fresh=100, visible=0), started_at=None)
    assert not used.wants(undated, "anthropic")
    used.note(undated, "anthropic")
    used.note(undated, "someone else")
    notes = reconcile(bills, used, value=lambda _: Decimal(300)).notes
    assert notes == ("1 call in the log carries no date and is not held against the bill.",)


def test_a_provider_or_model_that_is_not_in_the_log_is_named():
    assert reason([line(tokens=5)], []) == "the log holds no call to anthropic in these days"
    other = replace(call(fresh=5, visible=0), model="claude-opus-4-1")
    rows = {row.model: row.reason for row in held([line(tokens=5, project="Lab")], [other]).rows}
    assert rows["claude-sonnet-4-5"] == "no call to this model is in the log: another application, key or project (Lab)"


def test_searches_are_not_looked_for_in_a_log_of_calls():
    assert reason([line(T.OTHER, amount=4)], [call(fresh=5, visible=0)], T.OTHER).startswith("not billed by tokens")


@pytest.mark.parametrize("days", [-3, 8])
def test_only_the_days_of_the_bill_are_compared(days):
    lines = [line(tokens=100), line(tokens=100, days=2)]
    found = held(lines, [call(fresh=200, visible=0), call(fresh=900, visible=0, days=days)])
    assert found.rows[0].logged_tokens == 200


def test_a_price_nobody_knows_leaves_tokens_to_be_compared():
    bills = [Bill(source="b", lines=(line(tokens=100),), unknown_columns=("carbon",), set_aside={"no day is named": 2})]
    used = LogUse(bills)
    used.add(call(fresh=100, visible=0), "anthropic", None)
    found = reconcile(bills, used, value=lambda _: None)
    assert (found.billed, found.rows[0].logged, found.rows[0].reason) == (None, None, "agrees")
    assert len(found.notes) == 3


def test_a_cost_report_of_fewer_days_than_the_usage_is_held_against_its_own_days_and_the_rest_is_valued_at_list_prices():
    used = [line(tokens=100, days=number) for number in range(4)]
    paid = [line(amount=300, days=number) for number in range(2)]
    found = held([*used, *paid], [call(fresh=100, visible=0, days=number) for number in range(4)])
    assert (found.billed, found.explained, found.unexplained) == (1200, 1200, 0)
    assert found.rows[0].reason == "agrees"
    assert any("on days without a cost, tokens are valued at list prices" in note for note in found.notes)


def test_tokens_are_compared_on_the_days_of_the_usage_only():
    lines = [line(tokens=100), *(line(amount=300, days=number) for number in range(4))]
    (row,) = held(lines, [call(fresh=100, visible=0, days=number) for number in range(4)]).rows
    assert (row.billed_tokens, row.logged_tokens, row.billed, row.logged, row.reason) == (
        100,
        100,
        1200,
        1200,
        "agrees",
    )


def test_days_between_two_reports_that_neither_covers_are_not_compared():
    lines = [line(tokens=100), line(amount=300, days=9)]
    found = held(lines, [call(fresh=100, visible=0, days=number) for number in (0, 5, 9)])
    assert (found.billed, found.explained, found.unexplained) == (600, 600, 0)


def test_costs_without_models_are_held_against_everything_of_their_provider():
    other = replace(call(fresh=50, visible=0), model="claude-opus-4-1")
    lump = line(T.ALL, amount=450, model=UNNAMED)
    found = held([lump], [call(fresh=100, visible=0), other])
    assert [(row.model, row.type, row.billed, row.logged, row.reason) for row in found.rows] == [
        ("all models", T.ALL, 450, 450, "agrees")
    ]
    beside = held([lump, line(tokens=100)], [call(fresh=100, visible=0), other])
    assert (beside.billed, beside.explained, beside.notes) == (450, 450, ())
    assert {row.model: row.reason for row in beside.rows if row.billed_tokens == 100} == {"claude-sonnet-4-5": "agrees"}
    lacks = reason(
        [replace(lump, amount=Decimal(900)), replace(lump, day=DAY + timedelta(days=1))],
        [call(fresh=300, visible=0)],
        T.ALL,
    )
    assert lacks == "the log holds nothing on 1 of 2 billed days (2026-06-02)"


def test_an_amount_without_a_model_beside_others_with_one_says_what_to_export():
    lines = [line(amount=300), line(T.ALL, amount=5, model=UNNAMED)]
    assert reason(lines, [call(fresh=100, visible=0)], T.ALL).startswith("the bill does not say for which model")


def test_a_credit_is_told_apart_and_the_bill_still_adds_up():
    found = held([line(amount=300), line(T.CREDIT, amount=-40, model="Credit")], [call(fresh=100, visible=0)])
    assert (found.billed, found.explained, found.unexplained) == (260, 260, 0)
    assert [row.reason for row in found.rows] == ["agrees", "a credit or refund: no call stands for it"]
    back = reason([line(amount=300), line(amount=-60)], [call(fresh=100, visible=0)])
    assert back == "60.00 was given back: credits or refunds"


def test_searches_counted_without_an_amount_are_unknown_and_not_free():
    found = held([line(tokens=100), line(T.OTHER, 7)], [call(fresh=100, visible=0)])
    assert {row.type: row.billed for row in found.rows} == {T.INPUT: 300, T.OTHER: None}
    assert any("a cost report tells it" in note for note in found.notes)


def test_a_fee_for_each_call_is_in_what_the_log_explains():
    used = LogUse(bills := [Bill(source="b", lines=(line(amount=300),))])
    used.add(call(fresh=100, visible=0), "anthropic", {T.INPUT: Decimal(300), T.OTHER: Decimal(2)})
    rows = {row.type: (row.billed, row.logged) for row in reconcile(bills, used, value=lambda _: None).rows}
    assert rows == {T.INPUT: (300, 300), T.OTHER: (0, 2)}


def test_tokens_that_the_cost_report_has_no_line_for_are_used_and_not_billed():
    lines = [line(tokens=100), line(amount=9, model="Claude Haiku 4.5")]
    told = {row.model: row.reason for row in held(lines, [call(fresh=100, visible=0)]).rows}
    assert told["claude-sonnet-4-5"].startswith("used and not billed")


def test_amounts_that_no_price_explains_are_told_beside_the_totals():
    used = LogUse(bills := [Bill(source="b", lines=(line(amount=300),), goes_on=True)])
    used.add(call(fresh=100, visible=0), "anthropic", None)
    notes = reconcile(bills, used, value=lambda _: None).notes
    assert "b is not the last page of its report: what the pages after it hold is missing here." in notes
    assert any("300.00 that was billed is neither explained nor unexplained" in note for note in notes)
