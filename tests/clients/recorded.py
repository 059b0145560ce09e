"""What the recorded upstream answers, by path; written by hand after the public documentation's shapes."""

from __future__ import annotations

import base64
import struct
from typing import Any

from clients.upstream import Answer, Asked, Script
from core.wire.translate.conversations import CHAT_ANSWER, CHAT_CHUNKS, MESSAGE_EVENTS, MESSAGES_ANSWER

ODD = {"x_unknown": {"nested": [1.5, None, "ü"]}, "service_tier": "default", "system_fingerprint": "fp_1"}
"""Fields that no gateway knows: they have to survive."""

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1764000000,
    "status": "completed",
    "model": "gpt-5-2025-08-07",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Grüß Gott.", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 13,
    },
    **ODD,
}
_PART = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
_ITEM = RESPONSE["output"][0]
RESPONSE_EVENTS = (
    {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "status": "in_progress", "output": []}},
    {
        "type": "response.output_item.added",
        "sequence_number": 1,
        "output_index": 0,
        "item": {**_ITEM, "status": "in_progress", "content": []},
    },
    {"type": "response.content_part.added", "sequence_number": 2, **_PART, "part": {**_ITEM["content"][0], "text": ""}},
    {"type": "response.output_text.delta", "sequence_number": 3, **_PART, "delta": "Grüß ", "logprobs": []},
    {"type": "response.output_text.delta", "sequence_number": 4, **_PART, "delta": "Gott.", "logprobs": []},
    {"type": "response.output_text.done", "sequence_number": 5, **_PART, "text": "Grüß Gott.", "logprobs": []},
    {"type": "response.content_part.done", "sequence_number": 6, **_PART, "part": _ITEM["content"][0]},
    {"type": "response.output_item.done", "sequence_number": 7, "output_index": 0, "item": _ITEM},
    {"type": "response.completed", "sequence_number": 8, "response": RESPONSE},
)


def chat_text(text: str, **more: Any) -> dict[str, Any]:
    """A whole chat completion that says `text`."""
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None}
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {**CHAT_ANSWER, "choices": [{**choice, "message": message}], **ODD, **more}


def is_stream(asked: Asked) -> bool:
    return asked.json.get("stream") is True


def chat(asked: Asked) -> Answer:
    body = asked.json
    headers = {"x-request-id": "req_7", "openai-processing-ms": "12"}
    if is_stream(asked):
        wants_usage = (body.get("stream_options") or {}).get("include_usage") is True
        chunks = [{**chunk, **ODD} for chunk in CHAT_CHUNKS[:-1]]
        if wants_usage:
            chunks = [{**chunk, "usage": None} for chunk in chunks] + [CHAT_CHUNKS[-1]]
        return Answer(events=(*chunks, "[DONE]"), headers=headers)
    if body.get("response_format"):
        return Answer(body=chat_text('{"city": "Köln", "days": 3}'), headers=headers)
    if body.get("tools"):
        return Answer(body={**CHAT_ANSWER, **ODD}, headers=headers)
    return Answer(body=chat_text("Grüß Gott ☀"), headers=headers)


def messages(asked: Asked) -> Answer:
    headers = {"request-id": "req_8", "anthropic-organization-id": "org"}
    if is_stream(asked):
        return Answer(events=MESSAGE_EVENTS, headers=headers)
    return Answer(body={**MESSAGES_ANSWER, "x_unknown": {"a": [1.5]}}, headers=headers)


def responses(asked: Asked) -> Answer:
    return Answer(events=RESPONSE_EVENTS) if is_stream(asked) else Answer(body=RESPONSE)


def embeddings(asked: Asked) -> Answer:
    body = asked.json
    vectors: list[Any] = [[0.25, -1.5, 3.0], [1.0, 2.0, 4.0]]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack("<3f", *vector)).decode() for vector in vectors]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 6, "total_tokens": 6}
    return Answer(body={"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage})


def completions(_asked: Asked) -> Answer:
    choice = {"index": 0, "text": " time", "finish_reason": "length", "logprobs": None}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    return Answer(
        body={
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
    )


def models(_asked: Asked) -> Answer:
    return Answer(body={"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]})


def count_tokens(_asked: Asked) -> Answer:
    return Answer(body={"input_tokens": 2095})


RECORDED: dict[str, Script] = {
    "/v1/chat/completions": chat,
    "/v1/messages": messages,
    "/v1/messages/count_tokens": count_tokens,
    "/v1/responses": responses,
    "/v1/embeddings": embeddings,
    "/v1/completions": completions,
    "/v1/models": models,
}
