"""Logs of every format with anything dropped, retyped, reordered or cut: read, or told; never a crash, never silence."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.core.nouns import Exchange
from fairlead.core.wire.canonical import exchange_from_json, exchange_to_json
from fairlead.core.wire.row import Note
from fairlead.edge.sources.read import read

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TURNS = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "http://x/y"}}],
    },
    {
        "role": "assistant",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "14"},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
CHAT = {"model": "gpt-4o", "messages": TURNS, "tools": TOOLS, "temperature": 0.5}
DONE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1772366400,
    "model": "gpt-4o-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}},
}
GEMINI = {
    "contents": [{"role": "user", "parts": [{"text": "Hi"}, {"functionCall": {"name": "f", "args": {}}}]}],
    "tools": [{"functionDeclarations": [{"name": "f"}]}],
    "generationConfig": {"temperature": 1},
}
CANDIDATES = {
    "candidates": [{"content": {"parts": [{"text": "A"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1},
}
SPAN = {
    "traceId": "t",
    "spanId": "s",
    "startTimeUnixNano": "1772366400000000000",
    "endTimeUnixNano": "1772366401000000000",
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "9"}},
        {"key": "gen_ai.input.messages", "value": {"stringValue": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}])}},
        {"key": "llm.input_messages.0.message.role", "value": {"stringValue": "user"}},
    ],
    "events": [{"name": "gen_ai.choice", "attributes": [{"key": "message", "value": {"stringValue": '{"content": "x"}'}}]}],
    "status": {"code": 1},
}  # fmt: skip
STEP = {
    "ai.operationId": "ai.streamText.doStream",
    "ai.model.provider": "anthropic.messages",
    "ai.model.id": "claude-x",
    "ai.prompt.messages": json.dumps([{"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c", "output": {"type": "text", "value": "x"}}]}]),
    "ai.prompt.tools": ['{"type": "function", "name": "f", "inputSchema": {}}'],
    "ai.prompt.toolChoice": '{"type": "tool", "toolName": "f"}',
    "ai.response.toolCalls": '[{"toolCallId": "c", "toolName": "f", "input": {}}]',
    "ai.response.finishReason": "tool-calls",
    "ai.response.msToFirstChunk": 5.5,
    "ai.response.providerMetadata": '{"anthropic": {"usage": {"input_tokens": 3}}}',
    "ai.usage.inputTokens": 3,
    "ai.usage.cachedInputTokens": 1,
    "ai.usage.outputTokens": 3,
    "ai.usage.reasoningTokens": 1,
    "ai.settings.maxOutputTokens": 9,
    "ai.telemetry.metadata.userId": "u",
}  # fmt: skip
EMBED = {"ai.operationId": "ai.embed.doEmbed", "ai.model.id": "m", "ai.values": ['"a"'], "ai.usage.tokens": 5}
LOGS = {
    "pair": {"request": CHAT, "response": DONE, "id": "a", "metadata": {"session_id": "s"}},
    "stream": {
        "request": CHAT,
        "response": [{"choices": [{"index": 0, "delta": {"content": "x", "tool_calls": [{"index": 0}]}}]}],
    },
    "messages": {
        "request": {
            "model": "claude-x",
            "max_tokens": 5,
            "system": [{"type": "text", "text": "x"}],
            "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "y"}]}],
        },
        "response": [
            {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
            {"type": "content_block_delta", "index": 0, "delta": {"text": "x"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        ],
    },
    "responses": {
        "request": {
            "model": "gpt-5",
            "input": [{"role": "user", "content": "x"}, {"type": "function_call", "name": "f"}],
        },
        "response": {
            "object": "response",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}],
        },
    },
    "gemini": {"request": GEMINI, "response": CANDIDATES},
    "batch in": {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT},
    "batch out": {"id": "b", "custom_id": "a", "response": {"status_code": 200, "body": DONE}, "error": None},
    "anthropic batch": {"custom_id": "a", "result": {"type": "errored", "error": {"error": {"type": "x"}}}},
    "stored": {"object": "list", "data": [DONE, {"id": "chatcmpl-1-0", "role": "user", "content": "x"}]},
    "openpipe": {"input": CHAT, "output": DONE, "tags": {"a": "b"}},
    "litellm": {
        "id": "a",
        "call_type": "acompletion",
        "startTime": 1772366400.0,
        "endTime": 1772366401.0,
        "model": "m",
        "status": "failure",
        "model_parameters": {"tools": TOOLS},
        "messages": TURNS,
        "response": DONE,
        "metadata": {"usage_object": DONE["usage"]},
        "error_information": {"error_code": "429"},
    },
    "spend": {
        "request_id": "a",
        "spend": 1.0,
        "startTime": "2026-03-01 12:00:00",
        "metadata": '{"usage_object": {"prompt_tokens": 3}}',
        "messages": json.dumps(TURNS),
        "proxy_server_request": CHAT,
    },
    "helicone": {"request_created_at": "2026-03-01", "request_body": CHAT, "response_body": DONE, "latency": 5},
    "portkey": {"ai_model": "m", "request": {"body": CHAT}, "response": {"body": DONE}, "response_time": 5},
    "langfuse": {
        "trace": {"id": "t", "sessionId": "s"},
        "observations": [
            {
                "id": "o",
                "type": "GENERATION",
                "startTime": "2026-03-01T12:00:00Z",
                "endTime": "2026-03-01T12:00:01Z",
                "input": {"messages": TURNS, "tools": TOOLS},
                "output": {
                    "content": "x",
                    "tool_calls": [{"name": "f", "args": {}}],
                    "usage_metadata": {"input_tokens": 3},
                },
                "metadata": {"attributes": {"gen_ai.tool.definitions": TOOLS}},
                "usageDetails": {"input": 3, "output": 4},
                "modelParameters": {"temperature": 1},
            }
        ],
    },
    "inspect": {
        "eval": {"model": "openai/x"},
        "samples": [
            {
                "id": 1,
                "messages": TURNS,
                "message_pool": TURNS,
                "attachments": {"a": "b"},
                "events": [
                    {
                        "event": "model",
                        "model": "openai/x",
                        "input": [{"role": "user", "content": "attachment://a"}],
                        "input_refs": [[0, 1]],
                        "output": {"choices": [{"message": {"content": "x"}}], "usage": {"input_tokens": 3}},
                        "config": {"temperature": 1},
                    }
                ],
            }
        ],
    },
    "langfuse inside itself": {
        "id": "o",
        "traceId": "t",
        "type": "GENERATION",
        "startTime": "2026-03-01T12:00:00Z",
        "parentObservationId": "o",
        "input": {"messages": TURNS},
        "usageDetails": {"input": 3, "input_cache_creation": 0, "input_cache_creation_5m": 2, "total": 5},
    },
    "otlp": {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [SPAN]}]}]},
    "ai sdk": {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            {**SPAN, "attributes": {**STEP, "ai.values": ['"a"']}},
                            {**SPAN, "spanId": "u", "attributes": EMBED},
                        ]
                    }
                ]
            }
        ]
    },
    "phoenix": {
        "name": "x",
        "span_kind": "LLM",
        "start_time": "2026-03-01 12:00:00+00:00",
        "end_time": 1772366401000,
        "status_code": "ERROR",
        "events": [],
        "context.span_id": "s",
        "context.trace_id": "t",
        "attributes.llm.input_messages": "[{'message.role': 'user', 'message.content': 'x'}]",
        "attributes.llm.output_messages": [{"message.tool_calls": [{"tool_call.function.name": "f"}]}],
        "attributes.llm.invocation_parameters": {"temperature": 1},
        "attributes.llm.token_count.prompt": 3.0,
    },
    "phoenix trace": {
        "traceId": "t",
        "spans": [
            {
                "name": "x",
                "context": {"trace_id": "t", "span_id": "s"},
                "span_kind": "LLM",
                "attributes": {"input.value": "x"},
            }
        ],
    },
    "otlp logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [{**SPAN, "body": {"stringValue": "x"}}]}]}]},
    "lm-eval": {"doc_id": 1, "arguments": [["x", {"until": ["y"]}]], "resps": [["z"]]},
    "claude code": {
        "type": "assistant",
        "uuid": "u",
        "sessionId": "s",
        "message": {"id": "m", "model": "x", "content": [{"type": "tool_use", "name": "f", "input": {}}]},
    },
    "codex": {
        "type": "response_item",
        "payload": {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
    },
    "codex count": {
        "type": "event_msg",
        "payload": {"type": "token_count", "info": {"last_token_usage": {"input_tokens": 3}}},
    },
}
ANYTHING = st.sampled_from(
    [None, True, 0, -1, 1e300, 2**70, "", "x", "[]", '{"a"', [], [[]], {}, {"type": []}, [None, 5, "x"]]
)


def places(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(row, draw):
    row = copy.deepcopy(row)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(places(row))
        if not paths:
            break
        *outer, last = draw(st.sampled_from(paths))
        target = row
        for key in outer:
            target = target[key]
        if draw(st.booleans()):
            target[last] = copy.deepcopy(draw(ANYTHING))
        else:
            del target[last]
    return row


def read_all(tmp_path, data):
    path = tmp_path / "log.jsonl"
    path.write_bytes(data)
    reading = read([str(path)], now=NOW)
    return reading, list(reading)


@pytest.mark.parametrize("name", LOGS)
def test_the_log_as_it_should_be_is_read(tmp_path, name):
    reading, found = read_all(tmp_path, json.dumps(LOGS[name]).encode())
    assert reading.exchanges or reading.skipped or reading.notes.get(Note.NO_CALL)
    assert len(found) == reading.exchanges + reading.skipped


@pytest.mark.parametrize("called", ["export.csv", "notes.eval", "trace.zip"])
def test_what_a_log_is_called_makes_no_difference(tmp_path, called):
    for name, row in LOGS.items():
        told = []
        for path in (tmp_path / "log.jsonl", tmp_path / called):
            path.write_text(json.dumps(row) + "\n", encoding="utf-8")
            found = list(read([str(path)], now=NOW))
            told.append(
                [(item.row_hash, item.dialect) if isinstance(item, Exchange) else item.reason for item in found]
            )
        assert told[0] == told[1], name


@pytest.mark.parametrize("name", LOGS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_changed_log_is_read_or_told_and_never_crashes(tmp_path, name, data):
    row = changed(LOGS[name], data.draw)
    again = json.dumps(dict(reversed(row.items()))).encode()
    cut = again[: data.draw(st.integers(0, len(again)))]
    reading, found = read_all(tmp_path, json.dumps(row).encode() + b"\n" + again + b"\n" + cut)
    assert found or reading.notes.get(Note.NO_CALL)
    for item in found:
        if isinstance(item, Exchange):
            line = json.dumps(exchange_to_json(item))
            assert exchange_from_json(json.loads(line), now=NOW) == item
        else:
            assert item.reason
            assert "\n" not in item.reason


def test_an_answer_of_a_session_that_says_nothing_is_told_and_not_lost(tmp_path):
    reading, found = read_all(tmp_path, json.dumps(LOGS["claude code"] | {"message": {}}).encode())
    assert len(found) == reading.exchanges + reading.skipped == 1


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_logs_of_many_formats_in_one_file_do_not_disturb_each_other(tmp_path, data):
    names = data.draw(st.lists(st.sampled_from(["pair", "gemini", "openpipe", "helicone", "langfuse"]), max_size=8))
    reading, found = read_all(tmp_path, b"".join(json.dumps(LOGS[name]).encode() + b"\n" for name in names))
    assert [isinstance(item, Exchange) for item in found] == [True] * len(names)
    assert reading.skipped == 0
