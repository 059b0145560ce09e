"""Spans of the Vercel AI SDK in OTLP; names and counts are those of vercel/ai (packages/otel, and core and providers of 4.3 and 5.0)."""

from __future__ import annotations

import json

import pytest
from tests.edge.sources.test_spans import otlp, span

from fairlead.core.nouns import Dialect, PartKind, ToolCall, Usage
from fairlead.edge.sources.ai_sdk import tool_choice, usage

PROMPT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Weather in Lyon?"}, {"type": "file", "mediaType": "image/png", "data": "aGk="}]},
    {"role": "assistant", "content": [{"type": "reasoning", "text": "Hm."}, {"type": "tool-call", "toolCallId": "c1", "toolName": "weather", "input": {"city": "Lyon"}}]},
    {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "weather", "output": {"type": "json", "value": {"t": 14}}}]},
]  # fmt: skip
TOOL = {"type": "function", "name": "weather", "description": "", "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}}}  # fmt: skip
STEP = {
    "operation.name": "ai.streamText.doStream trip",
    "ai.operationId": "ai.streamText.doStream",
    "ai.telemetry.functionId": "trip",
    "ai.telemetry.metadata.userId": "u-1",
    "ai.telemetry.metadata.sessionId": "chat-7",
    "ai.model.provider": "openai.responses",
    "ai.model.id": "gpt-5-mini",
    "ai.settings.maxOutputTokens": 200,
    "ai.settings.maxRetries": 2,
    "ai.prompt.messages": json.dumps(PROMPT),
    "ai.prompt.tools": [json.dumps(TOOL)],
    "ai.prompt.toolChoice": '{"type":"auto"}',
    "ai.response.finishReason": "tool-calls",
    "ai.response.text": "",
    "ai.response.toolCalls": json.dumps([{"toolCallId": "c2", "toolName": "weather", "input": {"city": "Nice"}}]),
    "ai.response.model": "gpt-5-mini-2025-08-07",
    "ai.response.msToFirstChunk": 250.0,
    "ai.usage.inputTokens": 100,
    "ai.usage.cachedInputTokens": 60,
    "ai.usage.outputTokens": 30,
    "ai.usage.reasoningTokens": 20,
    "ai.usage.totalTokens": 130,
    "gen_ai.system": "openai.responses",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.response.model": "gpt-5-mini-2025-08-07",
    "gen_ai.response.finish_reasons": ["tool-calls"],
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 30,
}
AROUND = {
    "ai.operationId": "ai.streamText",
    "ai.model.provider": "openai.responses",
    "ai.model.id": "gpt-5-mini",
    "ai.prompt": json.dumps({"messages": PROMPT[:2]}),
    "ai.response.text": "14 degrees",
    "ai.usage.inputTokens": 300,
    "ai.usage.outputTokens": 60,
}


def test_a_step_is_one_call_and_what_stands_around_it_is_none(scan_rows):
    tool = span({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "weather"}, span_id="d1", parentSpanId="b7")
    found = scan_rows(otlp(span(STEP, parentSpanId="a1")), otlp(tool, span(AROUND, span_id="a1")))
    (only,) = found.exchanges
    assert (found.reasons, sum(found.reading.notes.values())) == ([], 2)
    assert (only.request.system, only.request.model, only.request.stream) == ("Be brief.", "gpt-5-mini", True)
    kinds = [[part.kind for part in turn.parts] for turn in only.request.messages]
    assert kinds == [
        [PartKind.TEXT, PartKind.IMAGE],
        [PartKind.TOOL_CALL],
        [PartKind.TOOL_RESULT],
    ]
    assert only.request.messages[2].parts[0].text == '{"t": 14}'
    assert only.request.tools[0].parameters["properties"] == {"city": {"type": "string"}}
    assert only.request.parameters == {"max_tokens": 200}
    assert only.answer.tool_calls == (ToolCall(name="weather", arguments={"city": "Nice"}, call_id="c2"),)
    assert (only.answer.model, only.answer.finish) == ("gpt-5-mini-2025-08-07", "tool_calls")
    assert only.usage == Usage(fresh=40, cache_read=60, visible=10, reasoning=20)
    assert (only.provider, only.conversation, only.user, only.first_token_s) == ("openai", "chat-7", "u-1", 0.25)
    assert (only.fidelity, only.metadata["agent"]) == ((), "trip")


def test_an_object_is_a_json_answer(scan_rows):
    (only,) = scan_rows(
        otlp(
            span(
                {
                    "ai.operationId": "ai.generateObject.doGenerate",
                    "ai.model.provider": "google.generative-ai",
                    "ai.model.id": "gemini-2.5-flash",
                    "ai.prompt.messages": json.dumps([*PROMPT[:1], {"role": "user", "content": "Lyon"}]),
                    "ai.response.object": '{"t":14}',
                    "ai.settings.temperature": 0,
                    "ai.usage.promptTokens": 9,
                    "ai.usage.completionTokens": 4,
                }
            )
        )
    ).exchanges
    assert (only.request.json_mode, only.request.stream, only.request.parameters) == (True, False, {"temperature": 0})
    assert (only.answer.text, only.provider) == ('{"t":14}', "google")
    assert only.usage == Usage(fresh=9, visible=4)


def test_embeddings_are_counted_once(scan_rows):
    inner = {
        "ai.operationId": "ai.embedMany.doEmbed",
        "ai.model.provider": "openai.embedding",
        "ai.model.id": "text-embedding-3-small",
        "ai.values": ['"a"', '"b \\"c\\""'],
        "ai.usage.tokens": 5,
    }
    outer = {**inner, "ai.operationId": "ai.embedMany", "ai.usage.tokens": 10}
    rows = scan_rows(otlp(span(inner, span_id="b1", parentSpanId="a1"), span(inner, span_id="b2", parentSpanId="a1"), span(outer, span_id="a1")))  # fmt: skip
    assert [each.usage for each in rows.exchanges] == [Usage(fresh=5)] * 2
    assert rows.exchanges[0].dialect is Dialect.OPENAI_EMBEDDINGS
    assert rows.exchanges[0].request.inputs == ("a", 'b "c"')
    assert rows.exchanges[0].provider == "openai"


def test_a_call_through_vercels_gateway_is_priced_by_the_provider_in_the_models_name(scan_rows):
    (only,) = scan_rows(otlp(span({**STEP, "ai.model.provider": "gateway", "gen_ai.system": "gateway", "ai.model.id": "openai/gpt-5-mini", "gen_ai.request.model": "openai/gpt-5-mini"}))).exchanges  # fmt: skip
    assert (only.provider, only.request.model) == (None, "openai/gpt-5-mini")


def test_which_tool_was_to_be_called_is_said_as_a_chat_body_does():
    told = [{"type": "auto"}, {"type": "required"}, {"type": "none"}, {"type": "tool", "toolName": "f"}, {"type": []}]
    assert [tool_choice({"ai.prompt.toolChoice": json.dumps(each)}) for each in told] == [
        None,
        "required",
        "none",
        {"type": "function", "function": {"name": "f"}},
        None,
    ]


CLAUDE = {"input_tokens": 7, "output_tokens": 45, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 80, "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 30}}  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "metadata", "told"),
    [
        pytest.param(
            {"inputTokens": 987, "outputTokens": 45, "inputTokenDetails.noCacheTokens": 7, "inputTokenDetails.cacheReadTokens": 900, "inputTokenDetails.cacheWriteTokens": 80},
            {"anthropic": {"usage": CLAUDE}},
            Usage(fresh=7, cache_read=900, cache_write_5m=50, cache_write_1h=30, visible=45),
            id="version 6: the input holds all, and its parts are told",
        ),
        pytest.param(
            {"inputTokens": 7, "outputTokens": 45, "cachedInputTokens": 900},
            {"anthropic": {"usage": CLAUDE, "cacheCreationInputTokens": 80}},
            Usage(fresh=7, cache_read=900, cache_write_5m=50, cache_write_1h=30, visible=45),
            id="version 5 of Anthropic: the input holds nothing that was cached",
        ),
        pytest.param(
            {"promptTokens": 1000, "completionTokens": 45},
            {"anthropic": {"cacheCreationInputTokens": 80, "cacheReadInputTokens": 900}},
            Usage(fresh=1000, cache_read=900, cache_write_5m=80, visible=45),
            id="version 4 of Anthropic: the same, told in the metadata",
        ),
        pytest.param(
            {"inputTokens": 1000, "outputTokens": 45, "cachedInputTokens": 900},
            {"bedrock": {"usage": {"cacheWriteInputTokens": 80}}},
            Usage(fresh=1000, cache_read=900, cache_write_5m=80, visible=45),
            id="version 5 of Bedrock",
        ),
        pytest.param(
            {"promptTokens": 100, "completionTokens": 30},
            {"openai": {"cachedPromptTokens": 60, "reasoningTokens": 20}},
            Usage(fresh=40, cache_read=60, visible=10, reasoning=20),
            id="version 4 of OpenAI: the input holds what was cached",
        ),
        pytest.param(
            {"inputTokens": 100, "outputTokens": 10, "reasoningTokens": 20, "totalTokens": 130, "cachedInputTokens": 60},
            {},
            Usage(fresh=40, cache_read=60, visible=10, reasoning=20),
            id="version 5 of Google: thoughts are beside the output",
        ),
        pytest.param({"inputTokens": 7, "outputTokens": 45, "cachedInputTokens": 900}, {}, Usage(fresh=7, cache_read=900, visible=45), id="what is more than the input is beside it"),
    ],
)  # fmt: skip
def test_counts_are_what_each_version_and_provider_meant(counts, metadata, told):
    held = {"ai.operationId": "ai.generateText.doGenerate", "ai.response.providerMetadata": json.dumps(metadata)}
    assert usage({**held, **{f"ai.usage.{name}": count for name, count in counts.items()}}) == told


def test_langfuse_keeps_the_attributes_and_so_the_counts(scan_rows):
    held = {"ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": "7", "ai.usage.outputTokens": "45", "ai.response.providerMetadata": json.dumps({"anthropic": {"usage": CLAUDE}})}  # fmt: skip
    call = {
        "id": "o",
        "traceId": "t",
        "type": "GENERATION",
        "startTime": "2026-03-01T12:00:00Z",
        "model": "claude-sonnet-4-5",
    }
    metadata = {"attributes": held, "scope": {"name": "ai"}}
    (only,) = scan_rows({**call, "input": PROMPT, "metadata": metadata, "usageDetails": {"input": 0, "output": 45, "input_cached_tokens": 900}}).exchanges  # fmt: skip
    assert only.usage == Usage(fresh=7, cache_read=900, cache_write_5m=50, cache_write_1h=30, visible=45)
