"""Items as an Anthropic message, whole or in events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.core.errors import Untranslatable
from fairlead.core.nouns import JSON, Usage
from fairlead.core.wire import fields
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.translate.ask_message import OWN_SIGNATURE
from fairlead.core.wire.translate.blocks import Block, Blocks, gathered
from fairlead.core.wire.translate.errors import Fault, error_object
from fairlead.core.wire.translate.notes import safe_id
from fairlead.core.wire.translate.pieces import Finish, Head, Item, Kind, Piece, Used
from fairlead.core.wire.translate.write import Asked, named_event, note_unknown, output_tokens, written_tokens

_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_PROTOCOL = "anthropic.messages"


def whole(items: Iterable[Item], asked: Asked) -> dict[str, JSON]:
    """Return a whole message made of `items`."""
    head, finish, usage = Head(), Finish(reason="stop"), Usage()
    pieces: list[Piece] = []
    for item in items:
        match item:
            case Head():
                head = item
            case Piece():
                pieces.append(item)
            case Finish():
                finish = item
            case Used():
                usage = item.usage
            case _:
                pass
    blocks = gathered(pieces)
    reason, matched = stop_of(finish, blocks, asked)
    message = _message(head, asked)
    message["content"] = [_content(block, asked) for block in blocks]
    message |= {"stop_reason": reason, "stop_sequence": matched, "usage": usage_json(usage, asked)}
    return message


def usage_json(usage: Usage, asked: Asked) -> dict[str, JSON]:
    """Return the counts as Anthropic says them: cached tokens beside the fresh ones, never among them."""
    note_unknown(usage, asked.notes)
    return {
        "input_tokens": usage.fresh or 0,
        "cache_creation_input_tokens": written_tokens(usage),
        "cache_read_input_tokens": usage.cache_read or 0,
        "output_tokens": output_tokens(usage),
    }


def stop_of(finish: Finish, blocks: list[Block], asked: Asked) -> tuple[str, str | None]:
    """Return Anthropic's reason and the stop sequence, if that was it."""
    if any(block.kind is Kind.REFUSAL for block in blocks):
        return "refusal", None
    if any(block.kind is Kind.CALL for block in blocks):
        return ("max_tokens" if finish.reason == "length" else "tool_use"), None
    stops = fields.list_or_empty(asked.body.get("stop_sequences"))
    if finish.reason == "stop" and finish.matched is not None and finish.matched in stops:
        return "stop_sequence", finish.matched
    reason = _REASONS.get(finish.reason, "end_turn")
    return ("end_turn" if reason == "tool_use" else reason), None


def _message(head: Head, asked: Asked) -> dict[str, JSON]:
    return {
        "id": head.id or f"msg_{asked.name}",
        "type": "message",
        "role": "assistant",
        "model": head.model or asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _content(block: Block, asked: Asked) -> JSON:
    if block.kind is Kind.THINKING:
        return {"type": "thinking", "thinking": block.text, "signature": OWN_SIGNATURE}
    if block.kind is not Kind.CALL:
        return {"type": "text", "text": block.text}
    made = structure_or_text(block.text)
    if not isinstance(made, dict):
        raise Untranslatable(f"The upstream called {block.name[:64]!r} with arguments that are no JSON object.")
    return {**_call_head(block, asked), "input": made}


def _call_head(block: Block, asked: Asked) -> dict[str, JSON]:
    call_id = safe_id(block.id) if block.id else f"toolu_{asked.name}_{block.number}"
    return {"type": "tool_use", "id": call_id, "name": block.name}


class MessageWriter:
    """Writes the events of a streamed message."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._blocks = Blocks(self)
        self._finish = Finish(reason="stop")
        self._usage = Usage()

    def head(self, head: Head) -> bytes:
        """Return the events that begin an answer."""
        zero: dict[str, JSON] = {"input_tokens": 0, "output_tokens": 0}
        message: dict[str, JSON] = {**_message(head, self._asked), "usage": zero}
        return named_event("message_start", {"type": "message_start", "message": message}) + self.ping()

    def piece(self, piece: Piece) -> bytes:
        """Return the events of one piece."""
        return self._blocks.take(piece)

    def signed(self, block: dict[str, JSON]) -> bytes:  # noqa: ARG002
        """Return nothing: no stream of chat chunks holds signed thinking."""
        return b""

    def used(self, usage: Usage) -> bytes:
        """Keep the counts for the end."""
        self._usage = usage
        return b""

    def finish(self, finish: Finish) -> bytes:
        """Keep the reason for the end: the counts come after it."""
        self._finish = finish
        return b""

    def end(self) -> bytes:
        """Return the events that close the message."""
        events = self._blocks.finish()
        reason, matched = stop_of(self._finish, self._blocks.made, self._asked)
        delta: dict[str, JSON] = {"stop_reason": reason, "stop_sequence": matched}
        usage = usage_json(self._usage, self._asked)
        events += named_event("message_delta", {"type": "message_delta", "delta": delta, "usage": usage})
        return events + named_event("message_stop", {"type": "message_stop"})

    def fault(self, fault: Fault) -> bytes:
        """Return the event that breaks the answer off."""
        return named_event("error", error_object(_PROTOCOL, fault))

    def ping(self) -> bytes:
        """Return the event that keeps a silent connection alive."""
        return named_event("ping", {"type": "ping"})

    def opened(self, block: Block) -> bytes:
        """Return the event that opens a block."""
        start: dict[str, JSON] = {"type": "text", "text": ""}
        if block.kind is Kind.THINKING:
            start = {"type": "thinking", "thinking": "", "signature": ""}
        elif block.kind is Kind.CALL:
            start = {**_call_head(block, self._asked), "input": {}}
        opening: dict[str, JSON] = {"type": "content_block_start", "index": block.number, "content_block": start}
        return named_event("content_block_start", opening)

    def extended(self, block: Block, text: str) -> bytes:
        """Return the event that adds to a block."""
        delta: dict[str, JSON] = {"type": "text_delta", "text": text}
        if block.kind is Kind.THINKING:
            delta = {"type": "thinking_delta", "thinking": text}
        elif block.kind is Kind.CALL:
            delta = {"type": "input_json_delta", "partial_json": text}
        return self._delta(block, delta)

    def closed(self, block: Block) -> bytes:
        """Return the event that closes a block; thinking is signed with a mark that says who made it."""
        signed = b""
        if block.kind is Kind.THINKING:
            signed = self._delta(block, {"type": "signature_delta", "signature": OWN_SIGNATURE})
        return signed + named_event("content_block_stop", {"type": "content_block_stop", "index": block.number})

    @staticmethod
    def _delta(block: Block, delta: dict[str, JSON]) -> bytes:
        data: dict[str, JSON] = {"type": "content_block_delta", "index": block.number, "delta": delta}
        return named_event("content_block_delta", data)
