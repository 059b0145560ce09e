"""One call recorded twice is one, in whatever order the records come."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.edge.sources.test_spans import CURRENT, OLD, otlp, span

from fairlead.core.nouns import Usage
from fairlead.edge.sources import doubles
from fairlead.edge.sources.doubles import Doubles

OBSERVATION = {"traceId": "t", "type": "GENERATION", "model": "gpt-4o", "input": [{"role": "user", "content": "Hi"}], "output": "Hello"}  # fmt: skip


def observation(name, second, *, outer=None, counts=(9, 2), **more):
    usage = {"input": counts[0], "output": counts[1]} if counts else {}
    at = f"2026-03-01T12:00:{second:02}Z"
    return {**OBSERVATION, "id": name, "startTime": at, "parentObservationId": outer, "usageDetails": usage, **more}


ROOT = {"id": "root", "traceId": "t", "type": "AGENT", "startTime": "2026-03-01T12:00:00Z"}
AGENT = [
    ROOT,
    observation("outer", 1, outer="root", counts=(30, 8)),
    observation("one", 2, outer="outer", counts=(9, 2)),
    observation("two", 3, outer="outer", counts=(12, 3)),
]
ENDED = [AGENT[2], AGENT[3], AGENT[1], ROOT]


@pytest.mark.parametrize("rows", [AGENT, AGENT[::-1], ENDED], ids=["as begun", "latest first", "as ended"])
def test_an_export_of_observations_counts_the_inner_calls_and_not_what_sums_them_up(scan_rows, rows):
    found = scan_rows(*rows)
    assert {each.id: each.usage for each in found.exchanges} == {
        "one": Usage(fresh=9, visible=2),
        "two": Usage(fresh=12, visible=3),
    }
    assert sum(found.reading.notes.values()) == 2


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("outer", [None, "elsewhere"])
def test_two_observations_with_the_same_counts_one_inside_the_other_are_one_call(scan_rows, order, outer):
    both = [observation("a", 1, outer=outer), observation("b", 2, outer="a")]
    found = scan_rows(*both[::order])
    assert [each.usage for each in found.exchanges] == [Usage(fresh=9, visible=2)]
    assert sum(found.reading.notes.values()) == 1


def test_a_call_is_the_same_row_in_a_downloaded_trace_and_in_an_export(scan_rows):
    both = [observation("a", 1), observation("b", 2, outer="a")]
    (whole,) = scan_rows({"trace": {"id": "t"}, "observations": both}).exchanges
    (listed,) = scan_rows(*both).exchanges
    (latest_first,) = scan_rows(*both[::-1]).exchanges
    assert whole.row_hash == latest_first.row_hash
    assert {whole.id, latest_first.id} == {"b"}
    assert listed.usage == whole.usage


@pytest.mark.parametrize("order", [1, -1])
def test_what_the_inner_observation_does_not_say_the_outer_one_does(scan_rows, order):
    both = [ROOT, observation("a", 1, outer="root", counts=None), observation("b", 2, outer="a", input=None, counts=(9, 2))]  # fmt: skip
    (only,) = scan_rows(*both[::order]).exchanges
    assert (only.id, only.usage, only.request.messages[0].text) == ("b", Usage(fresh=9, visible=2), "Hi")


def test_an_observation_is_known_again_by_its_id_and_not_by_what_is_said_of_it_later(scan_rows):
    (first,) = scan_rows(observation("a", 1)).exchanges
    (again,) = scan_rows(observation("a", 1, scores=[{"value": 1}], updatedAt="2026-03-02")).exchanges
    (other,) = scan_rows(observation("a", 1, traceId="t2")).exchanges
    assert first.row_hash == again.row_hash != other.row_hash


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("counts", [100, 999])
def test_a_span_around_a_call_is_passed_over_also_where_it_comes_in_an_earlier_line(scan_rows, order, counts):
    root = span({"gen_ai.operation.name": "invoke_agent"}, span_id="c0")
    outer = span({**CURRENT, "gen_ai.usage.input_tokens": counts}, span_id="a1", parentSpanId="c0")
    lines = [otlp(root), otlp(outer), otlp(span(CURRENT, parentSpanId="a1"))]
    found = scan_rows(*lines[::order])
    assert [each.id for each in found.exchanges] == ["b7"]
    assert sum(found.reading.notes.values()) == 2


@pytest.mark.parametrize("order", [1, -1])
def test_spans_without_prompts_are_one_call_where_one_is_inside_the_other(scan_rows, order):
    bare = {name: value for name, value in OLD.items() if "usage" in name or name.startswith("gen_ai.request")}
    lines = [otlp(span(bare, span_id="a1")), otlp(span(bare, parentSpanId="a1"))]
    assert [each.id for each in scan_rows(*lines[::order]).exchanges] == ["b7"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_span_of_the_ai_sdk_takes_the_counts_that_another_instrumentation_made_inside_it(scan_rows, order):
    held = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt-4o",
        "ai.model.provider": "openai.chat",
        "ai.prompt.messages": json.dumps([{"role": "user", "content": "Hi"}]),
    }
    inner = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2}  # fmt: skip
    lines = [otlp(span(held, span_id="a1")), otlp(span(inner, parentSpanId="a1"))]
    (only,) = scan_rows(*lines[::order]).exchanges
    assert (only.id, only.usage, only.request.messages[0].text) == ("b7", Usage(fresh=9, visible=2), "Hi")


@pytest.mark.parametrize("order", [1, -1])
def test_an_export_takes_the_better_body_of_either_record_and_none_of_one_around_several(scan_rows, order):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    asked = {"messages": OBSERVATION["input"], "tools": tools}
    both = [ROOT, observation("a", 1, outer="root", input=asked), observation("b", 2, outer="a", input="user: Hi")]
    (only,) = scan_rows(*both[::order]).exchanges
    assert (only.id, [tool.name for tool in only.request.tools], only.fidelity) == ("b", ["f"], ())
    again = observation("c", 3, outer="a", input="user: Ho")
    found = scan_rows(*[*both, again][::order]).exchanges
    assert sorted((each.id, each.request.messages[0].text, len(each.request.tools)) for each in found) == [("b", "Hi", 0), ("c", "Ho", 0)]  # fmt: skip


OUTERMOST, MIDDLE, INNERMOST = observation("o", 1), observation("x", 2, outer="o"), observation("y", 3, outer="x")


@pytest.mark.parametrize("rows", list(permutations([OUTERMOST, MIDDLE, INNERMOST])))
def test_three_records_inside_each_other_are_one_call_in_any_order_and_in_a_trace(scan_rows, rows):
    (listed,) = scan_rows(*rows).exchanges
    (whole,) = scan_rows({"trace": {"id": "t"}, "observations": list(rows)}).exchanges
    assert listed.id == whole.id == "y"
    assert listed.row_hash == whole.row_hash
    assert listed.usage == whole.usage == Usage(fresh=9, visible=2)


@pytest.mark.parametrize("order", [1, -1])
def test_what_the_middle_one_of_three_records_leaves_open_the_outermost_says(scan_rows, order):
    rows = [OUTERMOST, {**MIDDLE, "input": None, "usageDetails": {}}, {**INNERMOST, "usageDetails": {}}][::order]
    for found in (scan_rows(*rows), scan_rows({"trace": {"id": "t"}, "observations": rows})):
        assert [(each.id, each.usage) for each in found.exchanges] == [("y", Usage(fresh=9, visible=2))]


def test_a_trace_whose_outermost_call_holds_one_that_sums_up_two_has_two_calls(scan_rows):
    rows = [OUTERMOST, MIDDLE, INNERMOST, observation("z", 4, outer="x")]
    assert [each.id for each in scan_rows({"trace": {"id": "t"}, "observations": rows}).exchanges] == ["y", "z"]


@pytest.mark.parametrize("order", [1, -1])
def test_an_embedding_in_the_course_of_a_generation_does_not_stand_for_it(scan_rows, order):
    embedding = observation("e", 2, outer="o", type="EMBEDDING", model="text-embedding-3-small", input="Hi", counts=(5, 0))  # fmt: skip
    rows = [OUTERMOST, embedding][::order]
    spans = [otlp(span(CURRENT, span_id="a1")), otlp(span({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e", "gen_ai.usage.input_tokens": 5}, parentSpanId="a1"))][::order]  # fmt: skip
    for found in (scan_rows(*rows), scan_rows({"trace": {"id": "t"}, "observations": rows}), scan_rows(*spans)):
        assert {each.request.endpoint.value for each in found.exchanges} == {"chat", "embeddings"}


def test_a_record_that_names_itself_as_the_one_around_it_is_a_call(scan_rows):
    assert [each.id for each in scan_rows({"trace": {"id": "t"}, "observations": [observation("a", 1, outer="a")]}).exchanges] == ["a"]  # fmt: skip
    assert [each.id for each in scan_rows(otlp(span(CURRENT, parentSpanId="b7"))).exchanges] == ["b7"]


def test_what_is_held_while_others_are_read_keeps_the_line_that_it_stands_in(scan_rows):
    empty = observation("c", 3, counts=None, input=None, output=None)
    found = scan_rows(observation("a", 1), observation("b", 2, counts=None), empty)
    assert sorted((each.id, each.source.rpartition(":")[2]) for each in found.exchanges) == [("a", "1"), ("b", "2")]
    assert [skipped.line for skipped in found.skipped] == [3]
    bare = {name: value for name, value in OLD.items() if "usage" in name or name.startswith("gen_ai.request")}
    assert [each.source.rpartition(":")[2] for each in scan_rows(otlp(span(CURRENT)), otlp(span(bare, span_id="a1"))).exchanges] == ["1", "2"]  # fmt: skip


def test_counts_of_a_span_around_two_without_counts_are_counted_once(scan_rows):
    bare = {name: value for name, value in OLD.items() if name.startswith("gen_ai.request")}
    spans = [span(CURRENT, span_id="a1"), span(bare, span_id="b1", parentSpanId="a1"), span(bare, span_id="b2", parentSpanId="a1")]  # fmt: skip
    whole = otlp(spans[0])
    whole["resourceSpans"][0]["scopeSpans"][0]["spans"] += [
        each for one in spans[1:] for each in otlp(one)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    ]
    found = scan_rows(whole).exchanges
    assert sorted(each.id for each in found) == ["b1", "b2"]
    assert [each.usage.input for each in found if each.usage.input is not None] == [100]


def made(*, holds=False):
    return Doubles(
        holds=holds,
        name=lambda call: call["name"],
        outer=lambda call: call["outer"],
        told=lambda call: str(call["count"]) if call["count"] else None,
        both=lambda inner, outer: {**inner, "count": inner["count"] or outer["count"]},
    )


@st.composite
def traces(draw):
    """Trees of records, calls and others: what is around calls counts their sum, as what sums up does."""
    records = []

    def grow(name, outer, depth):
        place = len(records)
        inner = draw(st.integers(0, 3)) if depth < 3 else 0
        is_call = depth > 0 and draw(st.booleans())
        counts = [grow(f"{name}/{n}", name, depth + 1) for n in range(inner)]
        count = (sum(counts) or draw(st.integers(1, 50))) if is_call else 0
        records.insert(place, {"name": name, "outer": outer, "count": count, "is_call": is_call})
        return count

    for tree in range(draw(st.integers(1, 4))):
        grow(f"{tree}", None, 0)
    return records


@pytest.mark.parametrize("order", [1, -1])
@given(records=traces(), held=st.integers(40, 80), holds=st.booleans())
def test_every_call_is_given_once_and_every_record_is_answered(records, held, order, holds):
    before, doubles.HELD = doubles.HELD, held
    try:
        taken = made(holds=holds)
        got = []
        for record in records[::order]:
            taken.see(record)
            if record["is_call"]:
                got += taken.take(record)
        got += taken.end()
    finally:
        doubles.HELD = before
    outers = {record["outer"] for record in records if record["is_call"]}
    calls = [record for record in records if record["is_call"]]
    assert sorted(call["name"] for call in got if call is not None) == sorted(
        call["name"] for call in calls if call["name"] not in outers
    )
    assert len(got) == len(calls)
