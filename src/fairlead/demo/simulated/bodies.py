"""Responses as the two providers write them, whole and as a stream, with the tokens they took.

Tokens are counted by one rule, so that usage follows from the text: a quarter of its UTF-8 bytes, rounded up; a picture
takes 85. Reasoning tokens are drawn per request for the models that reason; they are billed, not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Body, mappings, text_of
from fairlead.demo.simulated.solvers.said import Said

PICTURE_TOKENS = 85
VERSIONS: Mapping[str, str] = {
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-4o": "gpt-4o-2024-11-20",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "claude-sonnet-4-6": "claude-sonnet-4-6",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
}
# Fewest and most reasoning tokens, in steps of 64 as providers report them.
REASONING: Mapping[str, tuple[int, int]] = {"minimal": (0, 0), "low": (1, 5), "medium": (3, 16), "high": (8, 32)}


def tokens_in(text: str) -> int:
    """Tokens of a text by the rule of this module."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def compact(value: Any) -> str:
    """JSON without spaces."""
    return msgspec.json.encode(value).decode()


def prompt_tokens(body: Body) -> int:
    """Tokens of everything a body asks: texts, calls, results, tools, schema and pictures."""
    count = tokens_in(text_of(body.get("system")))
    for message in mappings(body.get("messages")):
        count += 4 + tokens_in(text_of(message.get("content")))
        count += tokens_in(compact(message["tool_calls"])) if message.get("tool_calls") else 0
        count += sum(map(_tokens_of_part, mappings(message.get("content"))))
    return count + sum(tokens_in(compact(body[part])) for part in ("tools", "response_format") if body.get(part))


def _tokens_of_part(part: Body) -> int:
    kind = part.get("type")
    if kind in {"image_url", "image"}:
        return PICTURE_TOKENS
    return tokens_in(compact(part.get("input") or part.get("content"))) if kind in {"tool_use", "tool_result"} else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer with all that a response says around it."""

    said: Said
    model: str
    id: str
    created: int
    prompt: int
    cached: int = 0
    reasoning: int = 0
    finish: str | None = None

    @property
    def visible(self) -> int:
        """Tokens of the words and the call."""
        call = tokens_in(self.said.tool + compact(self.said.arguments)) + 4 if self.said.tool else 0
        return max(1, tokens_in(self.said.text) + call)


def reasoning_tokens(body: Body, draws: Draws) -> int:
    """Tokens thought but not shown, for models that reason."""
    if not str(body.get("model", "")).startswith("gpt-5"):
        return 0
    fewest, most = REASONING.get(str(body.get("reasoning_effort", "medium")), (3, 16))
    return 64 * (fewest + int(draws.share("reasoning") * (most - fewest + 1)))


def call_id(told: Told) -> str:
    """The id of the call in a response."""
    return "call_" + told.id[-24:]


def openai_usage(told: Told) -> dict[str, Any]:
    """Usage as OpenAI states it: cached tokens are part of the prompt's, reasoning is part of the completion's."""
    completion = told.visible + told.reasoning
    return {
        "prompt_tokens": told.prompt,
        "completion_tokens": completion,
        "total_tokens": told.prompt + completion,
        "prompt_tokens_details": {"cached_tokens": told.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": told.reasoning, "audio_tokens": 0},
    }


def openai_call(told: Told) -> list[dict[str, Any]]:
    """The tool call of a chat message, in a list; empty when there is none."""
    if told.said.tool is None:
        return []
    function = {"name": told.said.tool, "arguments": compact(told.said.arguments)}
    return [{"id": call_id(told), "type": "function", "function": function}]


def openai_finish(told: Told) -> str:
    """Why a chat completion ended."""
    return told.finish or ("tool_calls" if told.said.tool else "stop")


def chat_completion(told: Told) -> dict[str, Any]:
    """A whole chat completion."""
    calls = openai_call(told)
    message: dict[str, Any] = {"role": "assistant", "content": told.said.text or None, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": openai_finish(told)}
    return {
        "id": "chatcmpl-" + told.id,
        "object": "chat.completion",
        "created": told.created,
        "model": told.model,
        "choices": [choice],
        "usage": openai_usage(told),
        "system_fingerprint": "simulated",
    }


def pieces(text: str) -> Iterator[str]:
    """A text in pieces, as it is streamed."""
    size = max(8, len(text) // 6)
    return (text[start : start + size] for start in range(0, len(text), size))


def chat_chunks(told: Told, *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """A chat completion as the chunks of a stream."""
    head = {
        "id": "chatcmpl-" + told.id,
        "object": "chat.completion.chunk",
        "created": told.created,
        "model": told.model,
        "system_fingerprint": "simulated",
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": "" if told.said.text else None})
    for piece in pieces(told.said.text):
        yield chunk({"content": piece})
    for call in openai_call(told):
        function = call["function"]
        yield chunk({"tool_calls": [{**call, "index": 0, "function": {**function, "arguments": ""}}]})
        for piece in pieces(function["arguments"]):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    yield chunk({}, openai_finish(told))
    if with_usage:
        yield {**head, "choices": [], "usage": openai_usage(told)}


def anthropic_usage(told: Told) -> dict[str, Any]:
    """Usage as Anthropic states it: cached tokens stand beside the fresh ones."""
    return {
        "input_tokens": told.prompt - told.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": told.cached,
        "output_tokens": told.visible,
    }


def blocks(told: Told) -> list[dict[str, Any]]:
    """The content of a message."""
    content: list[dict[str, Any]] = [{"type": "text", "text": told.said.text}] if told.said.text else []
    if told.said.tool:
        call = {
            "type": "tool_use",
            "id": "toolu_" + told.id[-24:],
            "name": told.said.tool,
            "input": dict(told.said.arguments),
        }
        content.append(call)
    return content


def message(told: Told) -> dict[str, Any]:
    """A whole message of the Messages API."""
    return {
        "id": "msg_" + told.id,
        "type": "message",
        "role": "assistant",
        "model": told.model,
        "content": blocks(told),
        "stop_reason": told.finish or ("tool_use" if told.said.tool else "end_turn"),
        "stop_sequence": None,
        "usage": anthropic_usage(told),
    }


def message_events(told: Told) -> Iterator[dict[str, Any]]:
    """A message as the events of a stream."""
    whole: dict[str, Any] = message(told)
    start: dict[str, Any] = {
        **whole,
        "content": [],
        "stop_reason": None,
        "usage": {**whole["usage"], "output_tokens": 1},
    }
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(whole["content"]):
        is_text = block["type"] == "text"
        opened: dict[str, Any] = {**block, "text": ""} if is_text else {**block, "input": {}}
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        for piece in pieces(block["text"] if is_text else compact(block["input"])):
            delta = (
                {"type": "text_delta", "text": piece}
                if is_text
                else {"type": "input_json_delta", "partial_json": piece}
            )
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": told.visible}}
    yield {"type": "message_stop"}
