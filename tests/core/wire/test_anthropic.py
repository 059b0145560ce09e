"""Anthropic Messages, read into the same records."""

from __future__ import annotations

import pytest
from anthropic.types import Message as SdkMessage

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import FailureKind, Message, Part, PartKind, Tool, ToolCall, Usage
from fairlead.core.wire import anthropic, openai

ASKED = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 512,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "tools": [{"name": "weather", "description": "Weather", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
    "messages": [
        {"role": "user", "content": "Weather in Lyon?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "a tool", "signature": "s"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"town": "Lyon"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [
                        {"type": "text", "text": "14"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    ],
                },
                {"type": "text", "text": "Go on."},
            ],
        },
    ],
}


def message(content, **more):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        **more,
    }


def test_a_messages_body_reads_like_the_same_chat_in_openais_words():
    request = anthropic.request(ASKED)
    assert request.system == "Be brief."
    assert request.tools == (Tool(name="weather", description="Weather", parameters={"type": "object"}),)
    assert request.tool_choice == "required"
    assert request.parameters == {"max_tokens": 512, "stop_sequences": ["END"], "parallel_tool_calls": False}
    assert request.messages[2:] == (
        Message(role="tool", parts=(Part(kind=PartKind.TOOL_RESULT, text="14", call_id="t1"),)),
        Message(
            role="user",
            parts=(
                Part(kind=PartKind.IMAGE, text="data:image/png;base64,AAAA", media_type="image/png"),
                Part(kind=PartKind.TEXT, text="Go on."),
            ),
        ),
    )


def test_a_messages_body_can_be_asked_of_an_openai_endpoint():
    body = openai.body_of(anthropic.request(ASKED), model="open-model")
    assert body == {
        "model": "open-model",
        "max_tokens": 512,
        "stop": ["END"],
        "parallel_tool_calls": False,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather in Lyon?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "t1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"town": "Lyon"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "14"},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "text", "text": "Go on."},
                ],
            },
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "Weather", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": "required",
    }


def test_pdfs_are_kept_as_documents_and_uploaded_files_as_documents_without_content():
    blocks = [
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JV"},
        },
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]
    request = anthropic.request({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": blocks}]})
    parts = request.messages[0].parts
    assert [part.text for part in parts] == [
        "data:application/pdf;base64,JV",
        "",
        "data:text/plain,words",
        "https://example.com/a.png",
    ]
    assert parts[0].name == "a.pdf"


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_a_structured_answer_is_asked_by_its_schema(where):
    form = {"type": "json_schema", "schema": {"type": "object"}}
    extra = {"output_config": {"format": form}} if where == "output_config" else {"output_format": form}
    request = anthropic.request({"model": "m", "messages": [{"role": "user", "content": "x"}], **extra})
    assert request.schema == {"type": "object"}
    assert request.json_mode


def test_tools_that_run_at_the_vendor_keep_their_kind():
    request = anthropic.request(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        }
    )
    assert request.tools == (Tool(name="web_search", kind="web_search_20250305"),)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"messages": "hi"}, "request.messages is text, not a list"),
        ({"messages": []}, "request.messages is empty"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "role is 'robot', not one of assistant, user"),
        ({"messages": [{"role": "user", "content": [5]}]}, r"content\[0\] is a number, not an object"),
        ({"messages": [{"role": "user", "content": "x"}], "system": 5}, "request.system is a number, not a list"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "source is null, not an object"),
    ],
)
def test_a_body_of_wrong_types_is_refused_with_the_field_that_is_wrong(body, reason):
    with pytest.raises(UnreadableLine, match=reason):
        anthropic.request({"model": "m", **body})


def test_text_and_tool_use_are_read_and_thinking_is_not_part_of_the_answer():
    body = message(
        [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Let me ", "citations": None},
            {"type": "text", "text": "look.", "citations": None},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"town": "Lyon"}},
        ],
        usage={"input_tokens": 5, "output_tokens": 9},
    )
    SdkMessage.model_validate(body)
    answer, usage = anthropic.answer(body)
    assert answer.text == "Let me look."
    assert answer.tool_calls == (ToolCall(name="weather", arguments={"town": "Lyon"}, call_id="t1"),)
    assert answer.finish == "end_turn"
    assert usage == Usage(fresh=5, visible=9)


def test_an_overloaded_error_is_a_failure():
    answer, _ = anthropic.answer({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.SERVER_ERROR
    assert answer.failure.detail == "Overloaded"


def test_an_answer_without_content_blocks_is_a_failure():
    answer, _ = anthropic.answer(message([]))
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.EMPTY


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (
            {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 7, "output_tokens": 4},
            Usage(fresh=10, cache_read=90, cache_write_5m=7, visible=4),
        ),
        (
            {
                "input_tokens": 1,
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
                "output_tokens": 9,
                "output_tokens_details": {"thinking_tokens": 6},
            },
            Usage(fresh=1, cache_write_5m=10, cache_write_1h=20, visible=3, reasoning=6),
        ),
        (
            {
                "input_tokens": 1,
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
                "output_tokens": 9,
            },
            Usage(visible=9),
        ),
        ({"input_tokens": -5, "output_tokens": 1}, Usage(visible=1)),
        ({"input_tokens": 5, "cache_read_input_tokens": "9", "output_tokens": True}, Usage()),
        ({"input_tokens": 5, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 3}}, Usage(fresh=5)),
        (None, Usage()),
        (7, Usage()),
    ],
)
def test_usage_is_disjoint_and_contradictions_are_unknown(raw, usage):
    assert anthropic.usage(raw) == usage
