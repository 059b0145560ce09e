"""Responses requests said as chat: items to messages, and what only OpenAI holds refused."""

from __future__ import annotations

import pytest

from core.wire.translate.conversations import PNG
from fairlead.core.errors import Untranslatable
from fairlead.core.wire.translate import cross, needs_crossing


def to_chat(to="openai", model="m", **body):
    return cross("openai.responses", to=to, body={"model": "gpt-5", **body}, model=model, name="n", now=1)


def test_items_become_the_messages_of_one_conversation():
    crossing = to_chat(
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "No lists."},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
                ],
            },
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** Begin"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "done"}]},
        ],
        tools=[
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
            {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        ],
        tool_choice={"type": "function", "name": "f"},
        max_output_tokens=50,
        store=True,
        reasoning={"effort": "low"},
        text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}},
    )
    assert crossing.request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "No lists."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "patch", "arguments": '{"input":"*** Begin"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
    ]
    assert crossing.request["max_tokens"] == 50
    assert crossing.request["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert crossing.request["response_format"]["json_schema"] == {
        "name": "a",
        "schema": {"type": "object"},
        "strict": True,
    }
    assert [tool["function"]["name"] for tool in crossing.request["tools"]] == ["f", "patch"]
    assert crossing.notes == ("reasoning of earlier turns", "grammar of a custom tool", "reasoning", "store")


def test_a_response_may_be_asked_of_anthropic_by_way_of_chat():
    crossing = to_chat(to="anthropic", model="claude-sonnet-4-5", input="Hi", instructions="Brief.", max_output_tokens=9000,
                       reasoning={"effort": "low"})  # fmt: skip
    assert crossing.request == {
        "model": "claude-sonnet-4-5",
        "system": "Brief.",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 9000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    assert crossing.path == "/messages"


def test_only_an_upstream_without_the_responses_path_needs_a_translation():
    assert not needs_crossing("openai.responses", to="openai")
    assert needs_crossing("openai.responses", to="openai", knows_responses=False)
    assert needs_crossing("openai.responses", to="anthropic")
    assert not needs_crossing("anthropic.count_tokens", to="anthropic")


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "p"}},
        {"background": True},
        {"top_logprobs": 3},
        {"tools": [{"type": "web_search"}]},
        {"tool_choice": {"type": "file_search"}, "tools": [{"type": "function", "name": "f"}]},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
        {"input": []},
        {"input": None},
        {"text": {"format": {"type": "xml"}}},
    ],
)
def test_what_is_held_at_openai_is_refused(body):
    with pytest.raises(Untranslatable):
        to_chat(**{"input": "Hi", **body})
