"""Equal asks have equal keys; asks that could be answered differently do not."""

from __future__ import annotations

import copy

import pytest

from fairlead.core.nouns import Endpoint, Message, Part, PartKind, Request
from fairlead.core.wire import anthropic, openai
from fairlead.core.wire.key import request_key

CHAT = {
    "model": "gpt-4o",
    "temperature": 0.5,
    "max_tokens": 100,
    "stop": "END",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": '{"t": "Lyon"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "14"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "w", "description": "d", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "v"}},
    ],
}
MESSAGES = {
    "model": "claude-x",
    "temperature": 0.5,
    "max_tokens": 100,
    "stop_sequences": ["END"],
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "…", "signature": "s"},
                {"type": "tool_use", "id": "toolu_9", "name": "w", "input": {"t": "Lyon"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_9", "content": "14"}]},
    ],
    "tools": [{"name": "v"}, {"name": "w", "description": "d", "input_schema": {"type": "object"}}],
}


def key(body):
    return request_key(openai.request(body))


def changed(**more):
    return {**copy.deepcopy(CHAT), **more}


def test_a_key_never_changes_between_versions():
    assert key(CHAT) == "286f7b8bcb512837103eedc828f0ffc6"


def test_the_same_ask_in_two_dialects_has_one_key():
    assert request_key(anthropic.request(MESSAGES)) == key(CHAT)


@pytest.mark.parametrize(
    "more",
    [
        {"model": "other"},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"user": "ana", "metadata": {"a": "b"}, "store": True, "service_tier": "flex"},
        {"tools": CHAT["tools"][::-1]},
        {"tool_choice": "auto"},
        {"max_tokens": None, "max_completion_tokens": 100},
        {"stop": ["END"]},
        {"seed": None},
    ],
)
def test_what_does_not_change_the_ask_does_not_change_the_key(more):
    assert key(changed(**more)) == key(CHAT)


@pytest.mark.parametrize(
    "more",
    [
        {"messages": CHAT["messages"][:2]},
        {"messages": [{"role": "system", "content": "Be long."}, *CHAT["messages"][1:]]},
        {"tools": CHAT["tools"][:1]},
        {"tool_choice": "required"},
        {"temperature": 0.6},
        {"temperature": None},
        {"max_tokens": 101},
        {"seed": 1},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
        {"reasoning_effort": "low"},
    ],
)
def test_what_changes_the_ask_changes_the_key(more):
    assert key(changed(**more)) != key(CHAT)


def test_whole_numbers_are_the_same_however_they_are_written():
    assert key(changed(temperature=1.0)) == key(changed(temperature=1))


def test_results_swapped_between_two_calls_are_another_ask():
    calls = [
        {"id": name, "type": "function", "function": {"name": "w", "arguments": "{}"}} for name in ("first", "second")
    ]
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": calls}]
    results = [{"role": "tool", "tool_call_id": name, "content": name} for name in ("first", "second")]
    swapped = [{**a, "tool_call_id": b["tool_call_id"]} for a, b in zip(results, results[::-1], strict=True)]
    assert key(changed(messages=turns + results)) != key(changed(messages=turns + swapped))


def test_embeddings_of_other_texts_have_other_keys():
    texts = [("a",), ("b",), ("a", "b"), ("ab",)]
    keys = {request_key(Request(endpoint=Endpoint.EMBEDDINGS, model="e", inputs=inputs)) for inputs in texts}
    assert len(keys) == 4


def test_half_of_a_surrogate_pair_does_not_stop_a_key():
    turn = Message(role="user", parts=(Part(kind=PartKind.TEXT, text="\ud800"),))
    assert len(request_key(Request(endpoint=Endpoint.CHAT, model="m", messages=(turn,)))) == 32
