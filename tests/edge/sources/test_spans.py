"""Spans of calls of models, as OpenTelemetry and OpenInference write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.core.nouns import Dialect, FailureKind, Fidelity, ToolCall, Usage
from fairlead.edge.sources.attributes import flat_otlp, nested
from fairlead.edge.sources.spans import SPANS

START, END = 1772366400_000_000_000, 1772366401_500_000_000


def otlp_value(value):
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [otlp_value(item) for item in value]}}
        case dict():
            return {"kvlistValue": {"values": [{"key": k, "value": otlp_value(v)} for k, v in value.items()]}}
        case _:
            return {"stringValue": value}


def attributes(**named):
    return [{"key": name, "value": otlp_value(value)} for name, value in named.items()]


def span(held, name="chat gpt-4o", span_id="b7", **more):
    return {
        "traceId": "5b8e",
        "spanId": span_id,
        "name": name,
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(END),
        "attributes": attributes(**held),
        "status": {},
        **more,
    }


def otlp(*spans, logs=()):
    resource = {"attributes": attributes(**{"service.name": "shop"})}
    row = {}
    if spans:
        row["resourceSpans"] = [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]
    if logs:
        row["resourceLogs"] = [{"resource": resource, "scopeLogs": [{"logRecords": list(logs)}]}]
    return row


CURRENT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.stop_sequences": ["END"],
    "gen_ai.response.finish_reasons": ["tool_call"],
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 30,
    "gen_ai.usage.reasoning.output_tokens": 20,
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.input.messages": json.dumps(
        [
            {"role": "user", "parts": [{"type": "text", "content": "Weather in Lyon?"}]},
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"t": 1}}],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"degrees": 14}}]},
        ]
    ),
    "gen_ai.output.messages": json.dumps(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "text", "content": "14 degrees."},
                    {"type": "tool_call", "id": "c2", "name": "weather", "arguments": {"t": 2}},
                ],
                "finish_reason": "tool_call",
            }
        ]
    ),
    "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "weather", "parameters": {"type": "object"}}]),
}


def check_current(only):
    assert only.request.system == "Be brief."
    assert [turn.role for turn in only.request.messages] == ["user", "assistant", "tool"]
    assert only.request.messages[0].text == "Weather in Lyon?"
    assert only.request.messages[1].parts[0].arguments == {"t": 1}
    assert only.request.messages[2].parts[0].text == '{"degrees": 14}'
    assert [tool.name for tool in only.request.tools] == ["weather"]
    assert only.answer.text == "14 degrees."
    assert only.answer.tool_calls == (ToolCall(name="weather", arguments={"t": 2}, call_id="c2"),)
    assert only.usage == Usage(fresh=40, cache_read=60, visible=10, reasoning=20)


def test_a_span_of_the_current_conventions_is_read_whole(scan_rows):
    (only,) = scan_rows(otlp(span(CURRENT))).exchanges
    check_current(only)
    assert only.request.parameters == {"temperature": 0.5, "max_tokens": 100, "stop": ["END"]}
    assert (only.request.model, only.answer.model, only.provider) == ("gpt-4o", "gpt-4o-2024-08-06", "openai")
    assert (only.latency_s, only.first_token_s, only.answer.finish) == (1.5, 0.25, "tool_call")
    assert (only.conversation, only.id, only.metadata["service"]) == ("conv-1", "b7", "shop")
    assert only.fidelity == ()


def test_structured_attributes_say_the_same_as_json_texts(scan_rows):
    structured = {k: json.loads(v) if isinstance(v, str) and v.startswith("[") else v for k, v in CURRENT.items()}
    (only,) = scan_rows(otlp(span(structured))).exchanges
    check_current(only)


def test_messages_in_the_details_event_are_read(scan_rows):
    texts = {k: v for k, v in CURRENT.items() if k.endswith("messages")}
    rest = {k: v for k, v in CURRENT.items() if k not in texts}
    event = {"name": "gen_ai.client.inference.operation.details", "attributes": attributes(**texts)}
    (only,) = scan_rows(otlp(span(rest, events=[event]))).exchanges
    check_current(only)


@pytest.mark.parametrize("logs_first", [False, True])
def test_messages_in_log_records_of_the_span_are_joined_from_another_record(scan_rows, logs_first):
    texts = {k: v for k, v in CURRENT.items() if k.endswith("messages")}
    rest = {k: v for k, v in CURRENT.items() if k not in texts}
    record = {
        "traceId": "5b8e",
        "spanId": "b7",
        "eventName": "gen_ai.client.inference.operation.details",
        "attributes": attributes(**texts),
    }
    rows = [otlp(span(rest)), otlp(logs=[record])]
    (only,) = scan_rows(*(rows[::-1] if logs_first else rows)).exchanges
    check_current(only)


OLD = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.prompt_tokens": 9,
    "gen_ai.usage.completion_tokens": 2,
}


def old_events():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return [
        {"name": "gen_ai.system.message", "attributes": attributes(content="Be brief.")},
        {"name": "gen_ai.user.message", "attributes": attributes(content="Hi")},
        {"name": "gen_ai.assistant.message", "attributes": attributes(tool_calls=json.dumps([call]))},
        {"name": "gen_ai.tool.message", "attributes": attributes(content="14", id="c1")},
        {
            "name": "gen_ai.choice",
            "attributes": attributes(index=0, finish_reason="stop", message=json.dumps({"content": "Hello"})),
        },
    ]


def check_old(only):
    assert only.request.system == "Be brief."
    assert [turn.role for turn in only.request.messages] == ["user", "assistant", "tool"]
    assert only.request.messages[1].parts[0].name == "f"
    assert only.request.messages[2].parts[0].call_id == "c1"
    assert only.answer.text == "Hello"
    assert only.usage == Usage(fresh=9, visible=2)


def test_the_older_names_with_an_event_for_each_message_are_read(scan_rows):
    (only,) = scan_rows(otlp(span(OLD, events=old_events()))).exchanges
    check_old(only)


def test_the_older_events_as_log_records_are_read(scan_rows):
    records = []
    for event in old_events():
        held = {item["key"]: item["value"] for item in event["attributes"]}
        body = {"kvlistValue": {"values": [{"key": k, "value": v} for k, v in held.items()]}}
        named = attributes(**{"event.name": event["name"]})
        records.append({"traceId": "5b8e", "spanId": "b7", "attributes": named, "body": body})
    (only,) = scan_rows(otlp(span(OLD), logs=records)).exchanges
    check_old(only)


def test_a_span_without_any_prompt_still_costs(scan_rows):
    (only,) = scan_rows(otlp(span(OLD))).exchanges
    assert only.fidelity == (Fidelity.PROMPT_ABSENT,)
    assert only.request.model == "gpt-4o"
    assert only.usage == Usage(fresh=9, visible=2)


@pytest.mark.parametrize("odd", ["nonsense", 3, True])
def test_a_span_whose_attributes_are_none_is_skipped_with_the_reason(scan_rows, odd):
    result = scan_rows(otlp(span(CURRENT), {**span(CURRENT, span_id="c9"), "attributes": odd}))
    assert len(result.exchanges) == 1
    assert [each.reason for each in result.skipped] == ["a span's attributes are neither a list nor an object"]
    assert [each.line for each in result.skipped] == [1]


def test_spans_of_tools_and_agents_are_counted_and_are_no_exchanges(scan_rows):
    result = scan_rows(
        otlp(span({"gen_ai.operation.name": "execute_tool"}), span({"http.method": "GET"}), span(CURRENT))
    )
    assert len(result.exchanges) == 1
    assert sum(result.reading.notes.values()) == 2


def test_a_span_as_the_python_sdk_writes_it_is_read(scan_rows):
    row = {
        "name": "chat gpt-4o",
        "context": {"trace_id": "0x5b8e", "span_id": "0xb7", "trace_state": "[]"},
        "start_time": "2026-03-01T12:00:00.000000Z",
        "end_time": "2026-03-01T12:00:01.500000Z",
        "status": {"status_code": "ERROR", "description": "Rate limit reached"},
        "attributes": CURRENT,
        "events": [],
    }
    (only,) = scan_rows(row, document=True).exchanges
    assert only.latency_s == 1.5
    assert only.answer.failure is not None
    assert only.answer.failure.detail == "Rate limit reached"


def test_a_timeout_is_one(scan_rows):
    (only,) = scan_rows(otlp(span({**CURRENT, "error.type": "ReadTimeout"}))).exchanges
    assert only.answer.failure is not None
    assert only.answer.failure.kind is FailureKind.TIMEOUT


INFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o",
    "llm.provider": "openai",
    "llm.invocation_parameters": '{"temperature": 0.5, "model": "gpt-4o"}',
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "What is it?",
    "llm.input_messages.1.message.contents.1.message_content.type": "image",
    "llm.input_messages.1.message.contents.1.message_content.image.image.url": "data:image/png;base64,AAAA",
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "look",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"at": 1}',
    "llm.input_messages.3.message.role": "tool",
    "llm.input_messages.3.message.tool_call_id": "c1",
    "llm.input_messages.3.message.content": "a cat",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "A cat.",
    "llm.tools.0.tool.json_schema": '{"type": "function", "function": {"name": "look"}}',
    "llm.token_count.prompt": 50,
    "llm.token_count.prompt_details.cache_read": 10,
    "llm.token_count.completion": 4,
    "llm.token_count.total": 54,
    "session.id": "s-1",
    "user.id": "u-1",
}


@pytest.mark.parametrize("form", ["otlp", "flat", "nested"])
def test_openinference_says_the_same_flattened_and_nested(scan_rows, form):
    times = {"start_time": "2026-03-01T12:00:00Z", "end_time": "2026-03-01T12:00:01Z"}
    context = {"trace_id": "t", "span_id": "s"}
    row = {
        "otlp": otlp(span(INFERENCE)),
        "flat": {"name": "x", "context": context, "attributes": INFERENCE, **times},
        "nested": {"name": "x", "context": context, "attributes": nested(INFERENCE), **times},
    }[form]
    (only,) = scan_rows(row).exchanges
    assert only.request.system == "Be brief."
    assert [turn.role for turn in only.request.messages] == ["user", "assistant", "tool"]
    assert [part.text for part in only.request.messages[0].parts] == ["What is it?", "data:image/png;base64,AAAA"]
    assert only.request.messages[1].parts[0].arguments == {"at": 1}
    assert [tool.name for tool in only.request.tools] == ["look"]
    assert only.request.parameters == {"temperature": 0.5}
    assert only.answer.text == "A cat."
    assert only.usage == Usage(fresh=40, cache_read=10, visible=4)
    assert (only.conversation, only.user) == ("s-1", "u-1")


def test_an_embedding_span_holds_its_texts(scan_rows):
    held = {
        "openinference.span.kind": "EMBEDDING",
        "embedding.model_name": "text-embedding-3-small",
        "embedding.embeddings.0.embedding.text": "a",
        "embedding.embeddings.1.embedding.text": "b",
        "llm.token_count.prompt": 2,
    }
    (only,) = scan_rows(otlp(span(held))).exchanges
    assert only.dialect is Dialect.OPENAI_EMBEDDINGS
    assert only.request.inputs == ("a", "b")
    assert only.usage.fresh == 2


# What could be counted twice, or lost


def details(held=CURRENT, **more):
    name = {"eventName": "gen_ai.client.inference.operation.details"}
    return {"traceId": "5b8e", "spanId": "b7", **name, "attributes": attributes(**held), **more}


@pytest.mark.parametrize("logs_first", [False, True])
def test_a_call_told_by_its_span_and_by_its_event_is_one(scan_rows, logs_first):
    rows = [otlp(span(CURRENT)), otlp(logs=[details()])]
    result = scan_rows(*(rows[::-1] if logs_first else rows))
    (only,) = result.exchanges
    check_current(only)
    assert result.reasons == []


def test_an_event_without_its_span_is_a_call_by_itself(scan_rows):
    (by_span, alone) = scan_rows(otlp(logs=[details(), details(spanId=None)])).exchanges
    check_current(by_span)
    check_current(alone)


def test_what_programs_log_besides_is_counted_and_not_complained_of(scan_rows):
    result = scan_rows(otlp(logs=[{"traceId": "t", "spanId": "s", "body": {"stringValue": "started"}}, {}]))
    assert (result.exchanges, result.reasons, sum(result.reading.notes.values())) == ([], [], 2)


@pytest.mark.parametrize("apart", [False, True])
def test_a_call_recorded_twice_one_inside_the_other_is_one(scan_rows, apart):
    outer = span({**CURRENT, "gen_ai.usage.input_tokens": 999}, span_id="a1")
    inner = span(OLD if not apart else CURRENT, parentSpanId="a1")
    result = scan_rows(otlp(inner), otlp(outer)) if apart else scan_rows(otlp(outer, inner))
    (only,) = result.exchanges
    assert only.id == "b7"
    assert only.request.messages[0].text == "Weather in Lyon?"
    assert only.usage.input != 999
    assert sum(result.reading.notes.values()) == 1


def test_spans_without_ids_are_all_kept_and_never_taken_for_each_other(scan_rows):
    bare = [{**span(OLD), "traceId": "", "spanId": None, "startTimeUnixNano": str(START + n)} for n in range(3)]
    found = scan_rows(otlp(*bare)).exchanges
    assert len({each.row_hash for each in found}) == 3


def test_spans_that_waited_in_vain_are_different_rows_in_different_logs(scan_rows):
    (one,) = scan_rows(otlp(span(OLD))).exchanges
    (other,) = scan_rows(otlp(span(OLD, span_id="c8"))).exchanges
    (again,) = scan_rows(otlp(span(CURRENT, span_id="d9")), otlp(span(OLD))).exchanges[1:]
    assert one.row_hash == again.row_hash != other.row_hash


def test_what_a_tracer_says_around_the_call_is_kept(scan_rows):
    numbered = {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Hi",
        "gen_ai.completion.0.tool_calls.0.name": "f",
        "gen_ai.completion.0.tool_calls.0.arguments": "{}",
        "llm.request.functions.0.name": "f",
        "llm.request.functions.0.parameters": '{"type": "object"}',
        "gen_ai.request.stream": True,
        "gen_ai.request.choice.count": 2,
        "gen_ai.output.type": "json",
        "gen_ai.usage.cache_read_input_tokens": "3",
    }
    (only,) = scan_rows(otlp(span({**OLD, **numbered}))).exchanges
    assert [(tool.name, tool.parameters) for tool in only.request.tools] == [("f", {"type": "object"})]
    assert (only.request.stream, only.request.json_mode, only.request.parameters) == (True, True, {"n": 2})
    assert (only.usage, only.fidelity) == (Usage(fresh=6, cache_read=3, visible=2), ())


def test_audio_is_counted_apart_and_a_total_tells_whether_cached_tokens_are_beside_the_input(scan_rows):
    heard = {"llm.token_count.prompt_details.audio": 20, "llm.token_count.completion_details.audio": 2}
    beside = {"llm.token_count.prompt_details.cache_read": 40, "llm.token_count.total": 94}
    (spoken,) = scan_rows(otlp(span({**INFERENCE, **heard}))).exchanges
    (cached,) = scan_rows(otlp(span({**INFERENCE, **beside}))).exchanges
    assert spoken.usage == Usage(fresh=20, cache_read=10, visible=2, audio_in=20, audio_out=2)
    assert cached.usage == Usage(fresh=50, cache_read=40, visible=4)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"error.type": "400"}, FailureKind.REFUSED_REQUEST),
        ({"error.type": "APIError", "http.response.status_code": 429}, FailureKind.SERVER_ERROR),
        ({"error.type": "BadRequestError", "http.response.status_code": "404"}, FailureKind.REFUSED_REQUEST),
    ],
)
def test_an_error_is_of_the_kind_that_its_status_says(scan_rows, told, kind):
    raised = {"name": "exception", "attributes": attributes(**{"exception.message": "too long"})}
    (only,) = scan_rows(otlp(span({**CURRENT, **told}, events=[raised]))).exchanges
    assert only.answer.failure is not None
    assert (only.answer.failure.kind, only.answer.failure.detail) == (kind, "too long")


@given(st.dictionaries(st.text("ab0.", min_size=1, max_size=7), st.integers() | st.none(), max_size=8))
def test_any_names_can_be_nested(flat):
    nested(flat)
    assert flat_otlp([{"key": name, "value": {"intValue": value}} for name, value in flat.items()]) == flat


# Messages made from the published schemas


def made_from(schema, definitions, depth=0):
    """A strategy for values of a JSON schema, for the parts of the language that these schemas use."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return made_from(definitions[name], definitions, depth) if name in definitions else st.just({"type": "object"})
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return st.one_of([made_from(inner, definitions, depth) for inner in schema[key]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "string":
            return st.text("abc é", max_size=6)
        case "null":
            return st.none()
        case "array":
            return st.lists(made_from(schema["items"], definitions, depth + 1), min_size=1, max_size=3)
        case "object":
            fields = {name: made_from(inner, definitions, depth + 1) for name, inner in schema["properties"].items()}
            return st.fixed_dictionaries(fields)
        case _:
            return st.none() | st.integers() | st.dictionaries(st.text("ab", max_size=2), st.integers(), max_size=2)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_messages_made_from_the_published_schemas_are_read(logs, data):
    held = dict(OLD)
    for name, attribute in (
        ("gen-ai-input-messages", "gen_ai.input.messages"),
        ("gen-ai-output-messages", "gen_ai.output.messages"),
        ("gen-ai-system-instructions", "gen_ai.system_instructions"),
        ("gen-ai-tool-definitions", "gen_ai.tool.definitions"),
    ):
        schema = json.loads((logs / "otel" / f"{name}.json").read_text())
        held[attribute] = json.dumps(data.draw(made_from(schema, schema["$defs"])))
    taker = SPANS.opened()
    row = otlp(span(held))
    assert SPANS.claims(row)
    (found,) = [*taker.take(row), *taker.end()]
    sent, asked = json.loads(held["gen_ai.input.messages"]), found.row["request"]
    said = [part["content"] for turn in sent for part in turn["parts"] if part["type"] == "text" and part["content"]]
    assert asked is not None
    told = json.dumps(asked["messages"], ensure_ascii=False)
    assert all(json.dumps(text, ensure_ascii=False)[1:-1] in told for text in said)
    called = sum(part["type"] == "tool_call" for turn in sent for part in turn["parts"])
    assert sum(len(turn.get("tool_calls", [])) for turn in asked["messages"]) == called
