import base64
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fairlead.core.moves import Plan
from fairlead.core.span import LogSpan
from fairlead.edge.report import render
from fairlead.edge.report.marks import nice, reach
from fairlead.edge.report.text import LONGEST, shown

SNAPSHOT = Path(__file__).resolve().parents[2] / "snapshots" / "report.html"
VOID = {"meta", "circle", "line", "path", "polygon", "polyline"}
Sample = Callable[..., Plan]


class Page(HTMLParser):
    """Reads a page as a browser would, noting tags, attributes and text, and what was left open."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.problems: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in {"td", "th"} and self.cells:
            self.cells[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1:]}")
            return
        self.open.pop()

    def handle_data(self, data):
        if "style" in self.open or "title" in self.open:
            return
        self.words.append(data)
        if ("td" in self.open or "th" in self.open) and self.cells and self.cells[-1]:
            self.cells[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(sample: Sample) -> Page:
    return Page(render(sample(), org="Example Org", version="0.0.0"))


def test_the_page_looks_as_it_did(sample: Sample):
    html = render(sample(simulated=True), org="Example Org", truth={"w0": "+0.5 points"}, version="0.0.0")
    if os.environ.get("FAIRLEAD_WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(html, "utf-8")
    assert html == SNAPSHOT.read_text("utf-8"), "look at the page; FAIRLEAD_WRITE_SNAPSHOTS=1 accepts it"


def test_every_element_is_closed_in_its_place(page: Page):
    assert page.problems == []
    assert page.open == []


def test_the_first_sentence_is_for_whoever_decides_about_money(page: Page):
    # Calls x cost x 30.4375 / 29.9 days: 7596 + 5008 + 3257 + 470 + 1729 + 1493 + 336 today, one is not known.
    # After: about 919.5 tokens in and 149.5 out an answer; 115 + 35 + 598 millionths x calls are 48 + 43 + 38 dollars
    # for the three priced moves, so that 19889 - (7596 + 5008 + 3257) + 129 remain.
    assert "Move 4 of 8 workloads now and spend $4,157 a month instead of $19,889; " in page.text
    assert "what one of these moves saves is not known yet." in page.text


def test_the_row_below_the_table_adds_up_the_rows_above_it(sample: Sample):
    plan = sample()
    rows = [cells for cells in Page(render(plan)).cells if len(cells) == 8]
    body, totals = rows[1:-1], rows[-1]
    assert len(body) == 8

    def dollars(text: str) -> float:
        found = re.match(r"\$([\d,.]+)", text)
        return float(found.group(1).replace(",", "")) if found else 0.0

    moved = [cells for cells in body if cells[7].startswith("●")]
    assert dollars(totals[2]) == pytest.approx(sum(dollars(cells[2]) for cells in body), abs=4)
    assert dollars(totals[4]) == pytest.approx(sum(dollars(cells[4]) for cells in moved), abs=4)
    assert dollars(totals[3]) == pytest.approx(dollars(totals[2]) - dollars(totals[4]), abs=1.5)
    assert totals[6] == f"{sum(int(cells[6].replace(',', '')) for cells in body if cells[6] != '–'):,}"
    assert totals[7] == "4 move, 3 wait, 1 stay"


def test_another_set_of_rows_gives_another_headline(sample: Sample):
    assert "Move your one workload now and spend" in Page(render(sample((0,)))).text
    assert "Keep your one workload where it is." in Page(render(sample((5,)))).text
    assert "Move nothing yet: all 3 workloads need more evidence." in Page(render(sample((4, 6, 7)))).text
    assert "Move all 2 workloads now and spend" in Page(render(sample((0, 1)))).text
    assert "No workloads were found in the log." in Page(render(sample(()))).text


def test_a_hostile_name_is_text_and_nothing_else(page: Page):
    assert page.named("script") == []
    assert "<script>alert(1)</script>" in page.text
    assert not any("\u202a" <= character <= "\u202e" or character == "\x1b" for character in page.text)
    assert all(not name.startswith("on") and name != "style" for _, attrs in page.tags for name in attrs)


@given(st.text(max_size=300))
@example('"><img src=x onerror=alert(1)>')
@example("{{ 7 * 7 }}{% raw %}")
@example("javascript:alert(1)")
@settings(max_examples=20, deadline=None)
def test_no_name_whatever_breaks_the_page(sample: Sample, name: str):
    plan = sample((0, 6))
    named = replace(plan.moves[0], workload=replace(plan.moves[0].workload, name=name), reason=name, notes=(name,))
    read = Page(render(replace(plan, moves=(named, plan.moves[1])), org=name, truth={"w0": name}))
    assert read.problems == []
    assert read.named("script") == read.named("img") == []


def test_nothing_is_loaded_from_anywhere_and_nothing_runs(sample: Sample):
    html = render(sample())
    assert not re.search(r"(?:src|href|action|xlink:href)\s*=\s*[\"'](?!#)", html)
    assert "url(" not in html
    assert "@import" not in html
    assert "http://" not in html
    assert "https://" not in html


def test_the_style_sheet_is_allowed_by_its_hash_and_nothing_else_is(page: Page, sample: Sample):
    html = render(sample())
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    policy = next(attrs["content"] for attrs in page.named("meta") if attrs.get("http-equiv"))
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_every_figure_says_in_words_what_it_shows(page: Page):
    figures = page.named("svg")
    assert len(figures) == 1 + 6 + 6
    for attrs in figures[1:]:
        assert attrs["role"] == "img"
        assert "points, interval" in str(attrs["aria-label"])


def test_tables_have_captions_and_headers_that_say_what_they_head(page: Page):
    assert len(page.named("caption")) == len(page.named("table")) == 7
    assert all(attrs.get("scope") in {"col", "row"} for attrs in page.named("th"))


def test_the_page_has_one_title_and_a_language(page: Page):
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("h1")) == len(page.named("main")) == 1
    assert page.tags.index(("title", {})) < page.tags.index(("body", {}))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_paper(sample: Sample, scheme: int):
    css = render(sample())
    colours = {name: pair.split(",")[scheme] for name, pair in re.findall(r"--(\w+):light-dark\(([^)]*)\)", css)}
    for paper in ("paper", "raised"):
        for ink in ("ink", "quiet", "move", "wait", "stay"):
            assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_both_sides_stand_beside_the_verdict(page: Page):
    lines = {cells[0]: cells[1:] for cells in page.cells if len(cells) == 3}
    for what in ("Mean grade", "Latency p50", "Latency p95", "Input tokens", "Output tokens", "Failed answers"):
        assert all(lines[what]), what
    assert "Refusals" in lines
    assert "Cost of 1,000 requests" in lines


def test_what_a_verdict_rests_on_is_named(page: Page):
    for words in (
        "open-32b at api.example",
        "temperature = 0",
        "open-32b-2507",
        "closed-xl-2026-05-13, answers as logged",
        "fields v1",
        "labels file a1b2c3",
        "−5.0 points; any false statement in at most 5 % of pilots",
        "traffic like this",
        "2026-09-01 to 2026-09-30",
        "v3, v4",
        "seed 7, at most 5,000 pairs",
        "USD 0.08 in, 0.28 out per million tokens (given with --price)",
        "all 6 declared questions",
        "by e-BH at 5 %",
    ):
        assert words in page.text, words


def test_what_is_unknown_or_was_skipped_is_said(page: Page):
    assert "Untagged traffic: today's spend is not known (unknown model 'acme-9b')." in page.text
    assert "Maths tutor: no price is known for open-32b; give --price IN,OUT." in page.text
    assert "12 rows were skipped in september.jsonl.gz: line is not JSON" in page.text


def test_a_log_of_three_hours_gets_no_monthly_figures(sample: Sample):
    plan = sample(span=LogSpan(start=sample().span.start, end=sample().span.start + timedelta(hours=3)))
    text = Page(render(plan)).text
    assert "Move 4 of 8 workloads now; what that saves a month is not known yet." in text
    assert "the log spans 3 hours; a month is not extrapolated from less than one day" in text
    assert "$0 " not in text


def test_other_currencies_show_rate_date_and_native_amounts(sample: Sample):
    text = Page(render(sample(currency="GBP"))).text
    assert "1 USD = 0.7463 GBP on 2026-10-30 (reference rates), applied once, at the end." in text
    assert "£5,669" in text
    assert "$7,596" in text


def test_simulated_data_is_flagged_on_every_screen(sample: Sample):
    assert "simulated" not in Page(render(sample())).text
    for html in (render(sample(simulated=True)), render(sample(), simulated=True)):
        read = Page(html)
        assert "Both models and every answer in this report are simulated." in read.text
        assert any(attrs.get("class") == "flag" for attrs in read.named("strong"))


def test_the_truth_column_is_there_only_when_it_is_passed_in(sample: Sample):
    assert "Truth" not in Page(render(sample())).text
    told = Page(render(sample(), truth={"w0": "+0.5 points"})).text
    assert "Truth" in told
    assert "+0.5 points" in told


def test_the_stored_record_gives_the_same_page(sample: Sample):
    plan = sample()
    assert render(json.loads(json.dumps(plan.to_json()))) == render(plan)


def test_links_lead_to_sections_that_exist(page: Page):
    targets = {attrs["id"] for attrs in page.named("section") if attrs.get("id")}
    links = {str(attrs["href"]).removeprefix("#") for attrs in page.named("a")}
    assert links == targets
    assert len(links) == 6


@given(st.text(max_size=1000), st.integers(min_value=2, max_value=200))
def test_shown_text_is_one_short_visible_line(text, longest):
    safe = shown(text, longest=longest)
    assert len(safe) <= longest
    assert "\n" not in safe
    assert not any("\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069" for character in safe)


def test_names_in_other_scripts_stay_whole():
    for name in ("Phiếu hỗ trợ tiếng Việt", "تلخيص العقود", "สรุปสัญญา", "客服工单", "👩‍💻 review"):
        assert shown(name) == name


def test_accents_do_not_pile_up():
    assert len(shown("a" + "\u0301" * 50)) <= 4
    assert len(shown("x" * 500)) == LONGEST


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_steps_of_an_axis_are_round_and_not_too_wide(step):
    chosen = nice(step)
    assert step / 2.6 <= chosen <= step * 1.001


def test_a_shared_scale_shows_all_ends_up_to_thirty_points():
    assert reach([]) == reach([0.01]) == 0.08
    assert 0.2 < reach([0.2, -0.1]) < 0.22
    assert reach([1.0]) == 0.30
