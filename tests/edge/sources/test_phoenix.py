"""Spans out of Phoenix: a dataframe written as JSON lines or as CSV, and what `px` writes."""

from __future__ import annotations

import csv
import io

import pytest

from fairlead.core.nouns import Dialect, FailureKind, ToolCall, Usage
from fairlead.edge.sources import phoenix
from fairlead.edge.sources.phoenix import undotted

CALL = {
    "name": "ChatCompletion",
    "span_kind": "LLM",
    "parent_id": "p",
    "start_time": "2026-03-01 12:00:00.500000+00:00",
    "end_time": "2026-03-01 12:00:02+00:00",
    "status_code": "OK",
    "status_message": "",
    "events": [],
    "context.span_id": "s",
    "context.trace_id": "t",
    "attributes.llm.model_name": "gpt-4o-mini",
    "attributes.llm.provider": "openai",
    "attributes.llm.input_messages": [
        {"message.role": "system", "message.content": "Be brief."},
        {"message.role": "user", "message.content": "It's 14°, isn't it?"},
        {"message.role": "assistant", "message.tool_calls": [{"tool_call.id": "c", "tool_call.function.name": "weather", "tool_call.function.arguments": '{"city": "Lyon"}'}]},
        {"message.role": "tool", "message.tool_call_id": "c", "message.content": "14"},
    ],
    "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": "Yes, 14."}],
    "attributes.llm.tools": [{"tool.json_schema": {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}}],
    "attributes.llm.invocation_parameters": {"temperature": 0.1, "max_tokens": 100},
    "attributes.llm.token_count.prompt": 120.0,
    "attributes.llm.token_count.completion": 12.0,
    "attributes.llm.token_count.prompt_details.cache_read": 64.0,
    "attributes.session.id": "chat-7",
    "attributes.output.value": "['no', 'list']",
    "attributes.retrieval.documents": None,
}  # fmt: skip
CHAIN = {**dict.fromkeys(CALL), "name": "chain", "span_kind": "CHAIN", "context.span_id": "p", "context.trace_id": "t", "start_time": "2026-03-01 12:00:00+00:00"}  # fmt: skip


def as_table(*rows):
    """As `df.to_csv()` writes it: the index has the name of a column, what is missing is empty, lists are Python's."""
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(["context.span_id", *CALL])
    written.writerows([row["context.span_id"], *("" if row[name] is None else row[name] for name in CALL)] for row in rows)  # fmt: skip
    return text.getvalue()


@pytest.mark.parametrize("is_table", [False, True])
def test_rows_of_a_dataframe_are_spans(scan_rows, is_table):
    found = scan_rows(as_table(CALL, CHAIN), name="spans.csv") if is_table else scan_rows(CALL, CHAIN)
    (only,) = found.exchanges
    assert (found.reasons, sum(found.reading.notes.values())) == ([], 1)
    assert (only.request.system, only.request.messages[0].text) == ("Be brief.", "It's 14°, isn't it?")
    call = only.request.messages[1].parts[0]
    assert (call.name, call.arguments, call.call_id) == ("weather", {"city": "Lyon"}, "c")
    assert only.request.messages[2].parts[0].text == "14"
    assert [tool.name for tool in only.request.tools] == ["weather"]
    assert only.request.parameters == {"temperature": 0.1, "max_tokens": 100}
    assert (only.answer.text, only.answer.failure) == ("Yes, 14.", None)
    assert only.usage == Usage(fresh=56, cache_read=64, visible=12)
    assert (only.provider, only.conversation, only.latency_s, only.id) == ("openai", "chat-7", 1.5, "s")


def test_what_the_command_line_writes_is_read_as_traces_and_as_spans(scan_rows):
    spans = [
        {
            "name": "chat",
            "context": {"trace_id": "t", "span_id": f"s{number}"},
            "span_kind": kind,
            "parent_id": None,
            "start_time": "2026-03-01T12:00:00.000Z",
            "end_time": "2026-03-01T12:00:01.250Z",
            "status_code": status,
            "status_message": "slow down",
            "attributes": {
                "llm.model_name": "gpt-4o",
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": "Hi",
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
                "llm.token_count.prompt": 5,
                "llm.token_count.completion": 2,
            },
        }
        for number, (kind, status) in enumerate([("LLM", "OK"), ("AGENT", "OK"), ("LLM", "ERROR")])
    ]
    trace = {"traceId": "t", "spans": spans, "rootSpan": spans[1], "startTime": "x", "duration": 1250, "status": "OK"}
    for written in (trace, [trace], spans):
        found = scan_rows(written, document=True)
        answered, failed = found.exchanges
        assert answered.answer.tool_calls == (ToolCall(name="f", arguments={}),)
        assert (answered.usage, answered.latency_s) == (Usage(fresh=5, visible=2), 1.25)
        assert failed.answer.failure.kind is FailureKind.SERVER_ERROR
        assert failed.answer.failure.detail == "slow down"


def test_embeddings_of_a_dataframe_hold_their_texts(scan_rows):
    row = {name: value for name, value in CALL.items() if "llm" not in name and "value" not in name}
    vectors = [{"embedding.text": "a", "embedding.vector": [0.1]}, {"embedding.text": "b"}]
    row |= {
        "span_kind": "EMBEDDING",
        "attributes.embedding.embeddings": vectors,
        "attributes.embedding.model_name": "e",
    }
    (only,) = scan_rows(row).exchanges
    assert (only.dialect, only.request.inputs, only.request.model) == (Dialect.OPENAI_EMBEDDINGS, ("a", "b"), "e")


@pytest.mark.parametrize(
    "cell", ["[" * 50_000, "[{'a': 1e999}]", "[__import__('os')]", "{1: 2}", "[b'x']", "[1, 2", r"['\d', 1j]"]
)
def test_a_cell_that_is_no_list_of_values_is_a_text(scan_rows, cell):
    (only,) = scan_rows({**CALL, "attributes.llm.input_messages": cell}).exchanges
    assert only.usage == Usage(fresh=56, cache_read=64, visible=12)


def test_dotted_names_become_objects_in_lists_too():
    assert undotted([{"a.b": 1, "a.c": [{"d.e": 2}]}, {"f": 3}, "x.y"]) == [
        {"a": {"b": 1, "c": [{"d": {"e": 2}}]}},
        {"f": 3},
        "x.y",
    ]


def test_a_cell_of_a_great_many_parts_stays_a_text():
    small, great = "[" + "0," * 10 + "]", "[" + "0," * 200_000 + "]"
    assert phoenix._opened(small) == [0] * 10
    assert phoenix._opened(great) is great
