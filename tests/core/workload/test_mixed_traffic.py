"""Grouping and categories over generated traffic of several applications, and over recorded requests of real models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from core.workload.making import places, scanned
from core.workload.measure import agreement
from core.workload.traffic import traffic
from core.workload.traffic_fill import ADJ, NOUN, TAIL, Fill
from core.workload.traffic_heldout import SPECS as HELD_OUT
from core.workload.traffic_seen import SPECS as SEEN
from fairlead.core.nouns import Answer, Category, Endpoint, Message, Part, PartKind, Request, Tool
from fairlead.core.workload import CategoryTally, Grouper
from fairlead.edge.language import Languages

TEXTS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "texts"
RECORDED = {
    "alpaca_eval": Category.WRITING, "bfcl_v1": Category.STRUCTURED, "can_ai_code": Category.CODING, "routellm_gsm8k": Category.REASONING,
    "tau_bench_airline": Category.AGENTIC, "typia_validate": Category.STRUCTURED, "xstest": Category.SAFETY, "zeroeval_gsm": Category.REASONING,
}  # fmt: skip


@pytest.fixture(scope="module")
def languages():
    return Languages()


@pytest.fixture(scope="module")
def log():
    return traffic(SEEN + HELD_OUT, size=4_000, shuffled=False)


@pytest.fixture(scope="module")
def large_log():
    return traffic(SEEN + HELD_OUT, size=8_000, shuffled=False)


def scan(sent) -> Grouper:
    grouper = Grouper()
    for one in sent:
        grouper.learn(one.request, at=one.at)
    grouper.link()
    return grouper


def v(grouper: Grouper, sent) -> float:
    jobs = [one for one in sent if one.key != "noise"]
    return agreement([one.key for one in jobs], places(grouper, [one.request for one in jobs])).v


def test_over_seventy_templates_are_told_apart(log):
    assert len({spec.key for spec in SEEN + HELD_OUT}) > 70
    assert (
        {spec.category for spec in SEEN}
        == {spec.category for spec in HELD_OUT}
        == {category.value for category in Category}
    )
    assert v(scan(log), log) >= 0.98


ORDERS = [("Always mention", "Explain"), ("Do not promise", "Keep"), ("Answer only about", "Write down")]
SAYS = [("The archive holds", "Our members like"), ("The council pays for", "Nobody here owns")]


def rules(key: str, wording=ORDERS) -> str:
    """A page of rules behind one template's prompt, of the words that all the others' rules are of."""
    fill = Fill(Random(f"rules of {key}"))
    picked = [
        (*fill.pick(wording), fill.pick(ADJ), fill.pick(NOUN), fill.pick(TAIL), fill.pick(NOUN)) for _ in range(28)
    ]
    return "\n".join(
        f"- {one} the {adj} {noun} {tail}. {two} the {other}." for one, two, adj, noun, tail, other in picked
    )


@pytest.mark.parametrize(
    "page",
    [rules, lambda key: rules(key, SAYS), lambda _key: rules("all")],
    ids=["a page for each", "pages of statements", "one page for all"],
)
def test_pages_of_house_rules_join_no_prompts(log, page):
    pages = {one.key: page(one.key) for one in log}
    behind = [
        replace(
            one, request=replace(one.request, system=f"{one.request.system}\n{pages[one.key]}\nDate: {one.at:%d %B}")
        )
        for one in log[::2]
        if one.request.system and one.key != "noise"
    ]
    assert v(scan(behind), behind) >= 0.97


@pytest.mark.parametrize("specs", [SEEN, HELD_OUT], ids=["looked at", "kept aside"])
def test_shuffled_traffic_is_grouped_as_well(specs):
    sent = traffic(specs, size=2_500, seed=11)
    assert v(scan(sent), sent) >= 0.97


@pytest.mark.parametrize(
    "part", [slice(0, 2_000), slice(None, None, 4)], ids=["the first quarter", "every fourth request"]
)
def test_a_quarter_of_the_log_gives_the_ids_of_the_whole(part, large_log):
    requests = [one.request for one in large_log]
    whole = places(scan(large_log), requests)[part]
    found = places(scan(large_log[part]), requests[part])
    assert sum(a == b for a, b in zip(found, whole, strict=True)) / 2_000 >= 0.98


def test_the_ids_given_online_are_those_of_the_scan(log):
    grouper = Grouper()
    arrived = []
    for number, one in enumerate(log):
        arrived.append(grouper.arrive(one.request, at=one.at))
        if number % 500 == 499:
            grouper.link()
    placed = [(one.request, place) for one, place in zip(log, arrived, strict=True) if place is not None]
    assert len(placed) >= 0.7 * len(log)
    same = sum(grouper.resolve(place.workload_id) == grouper.assign(request).workload_id for request, place in placed)
    assert same / len(placed) >= 0.98


@pytest.mark.parametrize(("specs", "least"), [(SEEN, 0.95), (HELD_OUT, 0.92)], ids=["looked at", "kept aside"])
def test_the_category_of_nearly_every_template_is_right(specs, least, languages):
    tallies = {spec.key: CategoryTally(languages) for spec in specs}
    for one in traffic(specs, size=2_500, noise_share=0):
        tallies[one.key].add(one.request, one.answer)
    truth = {spec.key: spec.category for spec in specs}
    wrong = {
        key: tally.guess().category for key, tally in tallies.items() if tally.guess().category.value != truth[key]
    }
    assert len(wrong) <= (1 - least) * len(specs), wrong


def recorded(name: str, limit: int):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = parquet.read_table(TEXTS / f"{name}.parquet", columns=["item_id", "request", "response"]).to_pylist()
    for row in list({row["item_id"]: row for row in reversed(rows)}.values())[-limit:]:
        body = json.loads(row["request"])
        messages = [
            Message(role=m["role"], parts=(Part(kind=PartKind.TEXT, text=str(m["content"])),)) for m in body["messages"]
        ]
        leading = "\n".join(m.text for m in messages if m.role == "system")
        tools = tuple(Tool(name=t["function"]["name"]) for t in body.get("tools") or [])
        rest = tuple(m for m in messages if m.role != "system")
        yield (
            Request(endpoint=Endpoint.CHAT, model="", system=leading, messages=rest, tools=tools),
            Answer(text=row["response"] or ""),
        )


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the recorded data (../shared/data) is not here")
def test_at_least_seven_of_eight_recorded_workloads_have_the_right_category(languages):
    given = {}
    for name in RECORDED:
        tally = CategoryTally(languages)
        for request, answer in recorded(name, 300):
            tally.add(request, answer)
        given[name] = tally.guess().category
    assert sum(given[name] is truth for name, truth in RECORDED.items()) >= 7, given


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the recorded data (../shared/data) is not here")
@pytest.mark.parametrize("name", ["tau_bench_airline", "zeroeval_gsm", "bfcl_v1"])
def test_a_recorded_workload_with_a_template_is_one_group(name):
    requests = [request for request, _ in recorded(name, 200)]
    grouper = Grouper()
    for request in requests:
        grouper.learn(request)
    grouper.link()
    found = places(grouper, requests)
    assert max(found.count(id_) for id_ in set(found)) >= 0.95 * len(found)


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the recorded data (../shared/data) is not here")
def test_questions_without_any_template_stay_one_group():
    requests = [request for request, _ in recorded("routellm_gsm8k", 1_500)]
    assert len(requests) > 1_000
    assert len(set(places(scanned(requests), requests))) == 1
