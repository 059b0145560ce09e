"""How many tokens a Messages request takes, where the upstream cannot be asked: an estimate, and said to be one.

Four bytes of UTF-8 a token, and what a picture or a page takes at Anthropic; within a quarter for English prose and code.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields

BYTES_PER_TOKEN = 4
TOKENS_PER_IMAGE = 1600
TOKENS_PER_MESSAGE = 4
BYTES_PER_PAGE = 50_000
TOKENS_PER_PAGE = 2_000


def estimated_tokens(body: Mapping[str, JSON]) -> int:
    """Return about how many input tokens a Messages body takes.

    >>> estimated_tokens({"messages": [{"role": "user", "content": "Hello, how are you?"}]})
    9
    """
    turns = fields.list_or_empty(body.get("messages"))
    parts = [body.get("system"), *(turn.get("content") for turn in turns if isinstance(turn, dict))]
    tools = body.get("tools")
    told = sum(_tokens(part) for part in parts) + (_of_bytes(len(msgspec.json.encode(tools))) if tools else 0)
    return told + TOKENS_PER_MESSAGE * len(turns)


def _of_bytes(count: int) -> int:
    return -(-count // BYTES_PER_TOKEN)


def _tokens(content: JSON) -> int:
    if isinstance(content, str):
        return _of_bytes(len(content.encode("utf-8", "replace")))
    return sum(_block(block) for block in fields.list_or_empty(content) if isinstance(block, dict))


def _block(block: Mapping[str, JSON]) -> int:
    kind = block.get("type")
    source = fields.mapping_or_empty(block.get("source"))
    if kind == "image":
        return TOKENS_PER_IMAGE
    if kind == "document" and source.get("type") in ("base64", "url", "file"):
        data = source.get("data")
        return TOKENS_PER_PAGE * max(1, len(data) // BYTES_PER_PAGE if isinstance(data, str) else 1)
    if kind == "tool_result":
        return _tokens(block.get("content")) + TOKENS_PER_MESSAGE
    return sum(_value(value) for name, value in block.items() if name not in ("type", "signature", "cache_control"))


def _value(value: JSON) -> int:
    return _of_bytes(
        len(value.encode("utf-8", "replace")) if isinstance(value, str) else len(msgspec.json.encode(value))
    )
