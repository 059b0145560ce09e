"""Calls as data planes hand them over: a plain one, and what tests want to be different about it."""

from __future__ import annotations

import json
from itertools import count
from time import time_ns

import msgspec

from fairlead.serve.frames import Call, Ended, Protocol

STARTED_US = time_ns() // 1000
_NUMBERS = count(1)
_ENCODE = msgspec.msgpack.Encoder().encode

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "On its way."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}


def asking(said="Where is my parcel?", *, system="You answer customers of a parcel service.", **more):
    turns = [{"role": "system", "content": system}, {"role": "user", "content": said}]
    return json.dumps({"model": "gpt-4o-mini", "messages": turns, **more}).encode()


def answering(said="On its way.", **more):
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    return json.dumps({**ANSWER, "choices": [choice], **more}).encode()


def streaming(*events, done=True):
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, *(["data: [DONE]\n\n"] if done else [])]).encode()


def call(**more):
    number = next(_NUMBERS)
    given = {
        "call_id": f"call{number:08d}",
        "process": 1,
        "started_us": STARTED_US + number,
        "path": "/v1/chat/completions",
        "protocol": Protocol.OPENAI_CHAT,
        "spoken": Protocol.OPENAI_CHAT,
        "model": "gpt-4o-mini",
        "streamed": False,
        "request": asking(),
        "response": answering(),
        "status": 200,
        "ended": Ended.DONE,
        "first_byte_s": 0.2,
        "latency_s": 0.4,
        "upstream": "openai",
    }
    return Call(**given | more)


def frame(of):
    """A frame as it goes over the socket."""
    data = _ENCODE(of)
    return len(data).to_bytes(4, "big") + data
