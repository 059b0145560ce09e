"""The first page: what it says, and what it makes of names nobody would give on purpose."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from fairlead.core.span import LogSpan
from fairlead.edge.report import FirstPage, PageBill, PageWorkload, render_first

HOSTILE = "<img src=x onerror=alert(1)>\"'&\x1b\u202e{{ 7*7 }}</style><script>"

WORKLOAD = PageWorkload(
    id="w1", name="Sort the mail", category="structured", confidence=0.9, reasons=("answers are JSON",), others=("writing",), calls=3_000,
    requests=2_900, spend=Decimal(400), spend_is_partial=False, calls_a_day=100.0, calls_an_hour=4.2, peak_an_hour=77,
    peak_at=datetime(2026, 6, 3, 9, tzinfo=UTC), inputs=(1200.0, 14_000.0), outputs=(20.0, 90.0), cached_share=0.4, prefix_reuse=0.7,
    latency=(0.6, 2.5), error_rate=0.002, steps=4.0, trajectories=500, growth=0.12, daily=(90, 100, 110, 120), models={"gpt-4o": 2_990, "gpt-4o-mini": 10},
    replayable=2_900, is_local_only=False, needed=1_600, pairs=1_600, pilot_cost=Decimal("1.20"), after=Decimal(30), saving=Decimal(370), weight=Decimal(333),
    why_not="", reference="Qwen3-32B",
)  # fmt: skip
PAGE = FirstPage(
    organisation="Acme", version="1", made_at=datetime(2026, 7, 1, tzinfo=UTC), exchanges=3_000, currency="USD", month_unknown="",
    span=LogSpan(start=datetime(2026, 6, 1, tzinfo=UTC), end=datetime(2026, 6, 30, tzinfo=UTC)), workloads=(WORKLOAD,),
    spend_by_model={"gpt-4o": Decimal(380), "local": None}, calls_by_model={"gpt-4o": 2_990, "local": 10},
    references=("Pilots are costed at $0.08.",), notes=("10 calls have no known cost.",),
)  # fmt: skip


class Seen(HTMLParser):
    """The tags and texts of a page; raises on a tag that is left open."""

    VOID = frozenset({"meta"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.text += " "

    def handle_data(self, data):
        self.text += "" if self.open and self.open[-1] == "style" else data


def text(page: FirstPage) -> str:
    return " ".join(Seen(render_first(page)).text.replace("\u00a0", " ").split())


def test_it_says_what_is_spent_where_and_what_to_pilot_first():
    told = text(PAGE)
    assert "You spend $400.00 a month on 1 workload. One is worth piloting first." in told
    assert "these would save up to $370.00 a month. Finding out would cost about $1.20." in told
    assert "about 1,600 requests, $1.20 at the price of Qwen3-32B" in told
    assert "fairlead pilot w1 --endpoint URL --model NAME --labels FILE" in told
    for shape in (
        "1,200 / 20",
        "p95 14.0k / 90",
        "40 %",
        "reuse 70 %",
        "600 ms",
        "p95 2.5 s",
        "0.2 %",
        "growth +12 %",
        "77 in the busiest",
        "4 calls each",
    ):
        assert shape in told, shape
    assert "answers are JSON. Also: writing." in told


def test_a_pilot_that_the_log_is_too_short_for_says_so():
    assert "may end undecided" not in text(PAGE)
    short = replace(PAGE, workloads=(replace(WORKLOAD, pairs=90),))
    assert "about 90 requests" in text(short)
    assert "a margin of 3 points takes about 1,600, so this may end undecided" in text(short)


def test_text_from_logs_can_do_nothing_to_the_page():
    hostile = replace(
        WORKLOAD,
        id='w"><b>',
        name=HOSTILE,
        reasons=(HOSTILE,),
        models={HOSTILE: 3_000},
        reference=HOSTILE,
        why_not=HOSTILE,
    )
    page = replace(
        PAGE, organisation=HOSTILE, workloads=(hostile, replace(WORKLOAD, name=HOSTILE)), calls_by_model={HOSTILE: 3}, spend_by_model={HOSTILE: Decimal(1)},
        notes=(HOSTILE,), references=(HOSTILE,), bill=PageBill(title=HOSTILE, rows=((HOSTILE,) * 6,), notes=(HOSTILE,)),
    )  # fmt: skip
    seen = Seen(render_first(page))
    assert seen.open == []
    assert {"script", "img", "b"} & set(seen.tags) <= {"b"}
    assert seen.tags.count("b") == 1, "only the page's own"
    assert not any(name.startswith("on") for name, _ in seen.attributes)
    assert "\x1b" not in seen.text
    assert "\u202e" not in seen.text
    assert "{{ 7*7 }}" in seen.text


def test_it_loads_nothing_and_allows_only_its_own_style():
    page = render_first(PAGE)
    assert "default-src 'none'; style-src 'sha256-" in page
    assert not {"script", "link", "img", "iframe", "object"} & set(Seen(page).tags)
    assert "http" not in page.replace("http-equiv", "")


def test_what_is_unknown_is_said_to_be():
    unknown = replace(
        WORKLOAD, spend=None, calls_a_day=None, calls_an_hour=None, peak_an_hour=None, peak_at=None, inputs=(None, None), outputs=(None, None),
        cached_share=None, prefix_reuse=None, latency=(None, None), error_rate=None, steps=None, trajectories=0, growth=None, daily=(), pilot_cost=None,
        after=None, saving=None, weight=Decimal(0), why_not="the log does not hold its requests as they were asked",
    )  # fmt: skip
    told = text(
        replace(
            PAGE,
            workloads=(unknown,),
            span=None,
            month_unknown="no exchange carries a date",
            spend_by_model={},
            calls_by_model={},
            references=(),
        )
    )
    assert "What a month costs is unknown: no exchange carries a date." in told
    assert "You run 1 workload." in told
    assert "Pilot these first" not in told
    assert told.count("unknown") > 5
    assert "$0" not in told
    assert "the log does not hold its requests as they were asked" in told


def test_where_no_month_is_known_the_page_tells_what_the_log_itself_cost_and_what_to_pilot():
    told = text(replace(PAGE, month_unknown="the log covers less than a day"))
    assert "The log's calls cost $" in told
    assert "a month costs is unknown: the log covers less than a day. Amounts are for the log's own calls." in told
    assert "would have saved up to" in told
    assert "at most, of the log's $" in told
    assert ("In the log" in told, "A month" in told, "Calls a day" in told) == (True, False, False)
    assert f"{sum(each.calls for each in PAGE.workloads):,}" in told


def test_a_page_of_nothing_is_a_page():
    told = text(replace(PAGE, workloads=(), exchanges=0, spend_by_model={}, calls_by_model={}))
    assert "No workloads were found in the log." in told


def test_a_partial_amount_is_marked_and_the_bill_is_shown():
    bill = PageBill(title="$10 billed", rows=(("claude", "input", "$10", "$8", "$2", "rounding"),))
    told = text(replace(PAGE, workloads=(replace(WORKLOAD, spend_is_partial=True),), bill=bill))
    assert "$400.00+" in told
    assert "$10 billed" in told
    assert "claude input $10 $8 $2 rounding" in told


def test_money_that_leaves_calls_out_says_so_from_the_first_sentence_on():
    unpriced = replace(WORKLOAD, id="w2", category="agentic", spend=None, spend_is_partial=True, weight=Decimal(0))
    page = replace(PAGE, workloads=(WORKLOAD, unpriced), calls_without_cost=1_200, calls_by_model={"gpt-4o": 1})
    told = text(page)
    assert "You spend at least $400.00+ a month on 2 workloads." in told
    assert "What 1,200 of them cost is not known and in no amount." in told
    assert "with a known amount $400.00+" in told
    assert "1 workload unknown" in told
    assert "gpt-4o 1 call " in told


def test_what_costs_next_to_nothing_is_said_in_english():
    rare = replace(WORKLOAD, spend=Decimal("0.001"), pilot_cost=Decimal("0.001"), calls_a_day=0.006)
    told = text(replace(PAGE, workloads=(rare,), calls_without_cost=1))
    assert "You spend under $0.01+ a month" in told
    assert "Finding out would cost under $0.01." in told
    assert "under 0.1" in told


@pytest.mark.parametrize("number", [1, 400])
def test_many_workloads_are_a_page_that_can_be_mailed(number):
    many = tuple(replace(WORKLOAD, id=f"w{n}", daily=tuple(range(90))) for n in range(number))
    assert len(render_first(replace(PAGE, workloads=many))) < 1_000_000


def test_the_most_promising_come_first_and_are_at_most_three():
    many = tuple(replace(WORKLOAD, id=f"w{n}", name=f"Job {n}", weight=Decimal(n)) for n in range(6))
    told = text(replace(PAGE, workloads=many))
    assert told.index("fairlead pilot w5 ") < told.index("fairlead pilot w4 ") < told.index("fairlead pilot w3")
    assert "fairlead pilot w2" not in told
