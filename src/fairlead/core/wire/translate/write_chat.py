"""Items as a chat completion, whole or in chunks."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.nouns import JSON, Usage
from fairlead.core.wire.translate.blocks import Block, gathered
from fairlead.core.wire.translate.errors import Fault, error_object
from fairlead.core.wire.translate.pieces import Finish, Head, Item, Kind, Piece, Signed, Used
from fairlead.core.wire.translate.write import Asked, event, input_tokens, note_unknown, output_tokens, written_tokens

_FIELDS = {Kind.TEXT: "content", Kind.REFUSAL: "refusal", Kind.THINKING: "reasoning_content"}
_PROTOCOL = "openai.chat"


def whole(items: Iterable[Item], asked: Asked) -> dict[str, JSON]:
    """Return a whole chat completion made of `items`."""
    head, finish, usage = Head(), Finish(reason="stop"), Usage()
    pieces: list[Piece] = []
    signed: list[JSON] = []
    for item in items:
        match item:
            case Head():
                head = item
            case Piece():
                pieces.append(item)
            case Signed():
                signed.append(item.block)
            case Finish():
                finish = item
            case Used():
                usage = item.usage
            case _:
                pass
    said = _said(gathered(pieces), asked)
    if signed:
        said["thinking_blocks"] = signed
    choice: dict[str, JSON] = {"index": 0, "message": said, "logprobs": None, "finish_reason": finish.reason}
    body = _head(head, asked, "chat.completion")
    return {**body, "choices": [choice], "usage": usage_json(usage, asked)}


def usage_json(usage: Usage, asked: Asked) -> dict[str, JSON]:
    """Return the counts as OpenAI says them: cached tokens are among the prompt's, reasoning among the completion's."""
    note_unknown(usage, asked.notes)
    prompt, completion = input_tokens(usage), output_tokens(usage)
    details: dict[str, JSON] = {"cached_tokens": usage.cache_read or 0}
    if written_tokens(usage):
        details["cache_write_tokens"] = written_tokens(usage)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
    }


def _head(head: Head, asked: Asked, kind: str) -> dict[str, JSON]:
    return {
        "id": head.id or f"chatcmpl-{asked.name}",
        "object": kind,
        "created": asked.now,
        "model": head.model or asked.model,
    }


def _said(blocks: list[Block], asked: Asked) -> dict[str, JSON]:
    told = {kind: "".join(block.text for block in blocks if block.kind is kind) for kind in _FIELDS}
    calls: list[JSON] = [_call(block, asked) for block in blocks if block.kind is Kind.CALL]
    said: dict[str, JSON] = {
        "role": "assistant",
        "content": told[Kind.TEXT] or (None if calls else ""),
        "refusal": told[Kind.REFUSAL] or None,
    }
    if told[Kind.THINKING]:
        said["reasoning_content"] = told[Kind.THINKING]
    if calls:
        said["tool_calls"] = calls
    return said


def _call(block: Block, asked: Asked) -> JSON:
    function: dict[str, JSON] = {"name": block.name, "arguments": block.text or "{}"}
    return {"id": block.id or f"call_{asked.name}_{block.index}", "type": "function", "function": function}


class ChatWriter:
    """Writes the chunks of a streamed chat completion."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._head = _head(Head(), asked, "chat.completion.chunk")
        self._usage = Usage()
        self._named: set[int] = set()

    def head(self, head: Head) -> bytes:
        """Return the chunk that begins an answer."""
        self._head = _head(head, self._asked, "chat.completion.chunk")
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, piece: Piece) -> bytes:
        """Return the chunk of one piece."""
        if piece.kind is not Kind.CALL:
            return self._chunk({_FIELDS[piece.kind]: piece.text})
        call: dict[str, JSON] = {"index": piece.index}
        function: dict[str, JSON] = {"arguments": piece.text}
        if piece.index not in self._named:
            self._named.add(piece.index)
            call |= {"id": piece.id or f"call_{self._asked.name}_{piece.index}", "type": "function"}
            function = {"name": piece.name or "", "arguments": piece.text}
        return self._chunk({"tool_calls": [{**call, "function": function}]})

    def signed(self, block: dict[str, JSON]) -> bytes:
        """Return the chunk that lets a caller send thinking back as it was signed."""
        return self._chunk({"thinking_blocks": [block]})

    def used(self, usage: Usage) -> bytes:
        """Keep the counts for the end."""
        self._usage = usage
        return b""

    def finish(self, finish: Finish) -> bytes:
        """Return the chunk that says why the answer stopped."""
        return self._chunk({}, finish.reason)

    def end(self) -> bytes:
        """Return the usage chunk, where it was asked for, and the closing event."""
        usage = usage_json(self._usage, self._asked)
        counted = event({**self._head, "choices": [], "usage": usage}) if self._asked.wants_usage else b""
        return counted + b"data: [DONE]\n\n"

    def fault(self, fault: Fault) -> bytes:
        """Return the event that breaks the answer off."""
        return event(error_object(_PROTOCOL, fault))

    def ping(self) -> bytes:
        """Return a comment that keeps a silent connection alive."""
        return b": ping\n\n"

    def _chunk(self, delta: dict[str, JSON], reason: str | None = None) -> bytes:
        choice: dict[str, JSON] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk: dict[str, JSON] = {**self._head, "choices": [choice]}
        if self._asked.wants_usage:
            chunk["usage"] = None
        return event(chunk)
