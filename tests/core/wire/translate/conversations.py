"""Requests, answers and streams in both dialects, written by hand after the public documentation's shapes."""

from __future__ import annotations

import json

PNG = "iVBORw0KGgo="
PDF = "JVBERi0xLjQ="

MESSAGES_REQUEST = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 900,
    "temperature": 0.2,
    "top_p": 0.9,
    "stop_sequences": ["END"],
    "system": "You file tickets.",
    "metadata": {"user_id": "u-7"},
    "tools": [
        {
            "name": "find_order",
            "description": "Looks an order up",
            "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        }
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                {
                    "type": "document",
                    "title": "bill.pdf",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"id": "A-1"}},
                {"type": "tool_use", "id": "toolu_2", "name": "find_order", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "shipped"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "nothing found"},
                {"type": "text", "text": "And now?"},
            ],
        },
    ],
}

CHAT_REQUEST = {
    "model": "qwen3-32b",
    "max_tokens": 900,
    "temperature": 0.2,
    "top_p": 0.9,
    "stop": ["END"],
    "user": "u-7",
    "parallel_tool_calls": False,
    "tool_choice": "auto",
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "find_order",
                "description": "Looks an order up",
                "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
            },
        }
    ],
    "messages": [
        {"role": "system", "content": "You file tickets."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                {"type": "file", "file": {"filename": "bill.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {
                    "id": "toolu_1",
                    "type": "function",
                    "function": {"name": "find_order", "arguments": '{"id":"A-1"}'},
                },
                {"id": "toolu_2", "type": "function", "function": {"name": "find_order", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "shipped"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "nothing found"},
        {"role": "user", "content": "And now?"},
    ],
}
"""The same conversation in OpenAI's words."""

CHAT_ANSWER = {
    "id": "chatcmpl-9",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "qwen3-32b",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "I look it up.",
                "reasoning_content": "The order is A-1.",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "find_order", "arguments": '{"id": "A-1"}'},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 10},
    },
}

MESSAGES_ANSWER = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [
        {"type": "thinking", "thinking": "The order is A-1.", "signature": "c2lnbmVk"},
        {"type": "text", "text": "I look it up."},
        {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"id": "A-1"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 30,
        "cache_creation_input_tokens": 6,
        "cache_read_input_tokens": 64,
        "output_tokens": 30,
    },
}


def chunk(delta=None, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1764000000, "model": "qwen3-32b"}
    return {**head, "choices": choices, **more}


def call(index, text="", **more):
    function = {"arguments": text, **({"name": more.pop("name")} if "name" in more else {})}
    return {"tool_calls": [{"index": index, "function": function, **more}]}


CHAT_CHUNKS = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "The order "}),
    chunk({"reasoning_content": "is A-1."}),
    chunk({"content": "Grüß Gott ☀, "}),
    chunk({"content": "I look it up."}),
    chunk(call(0, id="call_1", type="function", name="find_order")),
    chunk(call(0, '{"id"')),
    chunk(call(0, ': "A-1"}')),
    chunk(call(1, id="functions.find_order:1", type="function", name="find_order")),
    chunk(call(1, "{}")),
    chunk({}, finish="tool_calls"),
    chunk(usage=CHAT_ANSWER["usage"]),
)

MESSAGE_EVENTS = (
    {
        "type": "message_start",
        "message": {
            **{name: MESSAGES_ANSWER[name] for name in ("id", "type", "role", "model")},
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": 30,
                "cache_creation_input_tokens": 6,
                "cache_read_input_tokens": 64,
                "output_tokens": 1,
            },
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "The order "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "is A-1."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2lnbmVk"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "I look ☀ "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "it up."}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"id": '}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '"A-1"}'}},
    {"type": "content_block_stop", "index": 2},
    {
        "type": "content_block_start",
        "index": 3,
        "content_block": {"type": "tool_use", "id": "toolu_2", "name": "list_all", "input": {}},
    },
    {"type": "content_block_stop", "index": 3},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 30},
    },
    {"type": "message_stop"},
)


def chat_sse(*events, done=True, end="\n\n"):
    lines = ["data: " + json.dumps(event, ensure_ascii=False) for event in events] + (["data: [DONE]"] if done else [])
    return "".join(line + end for line in lines).encode()


def message_sse(*events):
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n" for e in events).encode()


def events_of(sse):
    """What a caller reads: each event's data, decoded; comments left out."""
    found = [line[6:] for line in sse.decode().split("\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in found]
