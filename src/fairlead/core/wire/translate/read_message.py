"""An Anthropic message, whole or in events, as items."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from fairlead.core.nouns import JSON
from fairlead.core.wire import anthropic, fields
from fairlead.core.wire.translate.errors import fault_of
from fairlead.core.wire.translate.notes import Notes
from fairlead.core.wire.translate.pieces import End, Finish, Head, Item, Kind, Piece, Ping, Signed, Used

REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Anthropic's reasons in OpenAI's words; one that is not known means that the answer stopped."""

_DELTAS: Mapping[str, Kind] = {"text": Kind.TEXT, "thinking": Kind.THINKING}


def whole(body: Mapping[str, JSON], notes: Notes) -> list[Item]:
    """Return the items of a whole message."""
    if body.get("error") is not None:
        return [fault_of(body)]
    if not isinstance(body.get("content"), list):
        return [fault_of({"error": {"message": "The upstream's answer holds no content.", "status": 502}})]
    reader = MessageReader(notes)
    items = list(reader.take({"type": "message_start", "message": dict(body)}))
    for index, block in enumerate(fields.list_or_empty(body["content"])):
        items.extend(reader.take({"type": "content_block_start", "index": index, "content_block": block}))
        items.extend(reader.take({"type": "content_block_stop", "index": index}))
    items.extend(reader.take({"type": "message_delta", "delta": dict(body)}))
    return [*items, End()]


class _Block:
    """One block while it is read: what it began as and how many of its pieces were given on."""

    def __init__(self, start: Mapping[str, JSON], number: int) -> None:
        self.start = start
        self.number = number
        self.thought: list[str] = []
        self.signature = ""
        self.has_arguments = False


class MessageReader:
    """Reads events of a streamed message, one decoded event at a time."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._usage: dict[str, JSON] = {}

    def take(self, event: Mapping[str, JSON]) -> Iterator[Item]:
        """Yield the items of one event."""
        kind = event.get("type")
        if kind == "error" or event.get("error") is not None:
            yield fault_of(event)
        elif kind == "message_start":
            yield from self._start(fields.mapping_or_empty(event.get("message")))
        elif kind == "content_block_start":
            yield from self._open(event)
        elif kind == "content_block_delta":
            yield from self._extend(event)
        elif kind == "content_block_stop":
            yield from self._close(fields.count(event.get("index")) or 0)
        elif kind == "message_delta":
            yield from self._finish(event)
        elif kind == "message_stop":
            yield End()
        elif kind == "ping":
            yield Ping()

    def _start(self, message: Mapping[str, JSON]) -> Iterator[Item]:
        yield Head(id=fields.text_or_none(message.get("id")), model=fields.text_or_none(message.get("model")))
        yield from self._count(message.get("usage"))

    def _count(self, raw: JSON) -> Iterator[Item]:
        # The last event repeats the input counts; where it leaves one null the first one stands.
        found = {k: v for k, v in fields.mapping_or_empty(raw).items() if v is not None}
        if found:
            self._usage.update(found)
            yield Used(usage=anthropic.usage(self._usage))

    def _finish(self, event: Mapping[str, JSON]) -> Iterator[Item]:
        delta = fields.mapping_or_empty(event.get("delta"))
        yield from self._count(event.get("usage"))
        reason = fields.text_or_none(delta.get("stop_reason"))
        if reason is not None:
            yield Finish(reason=REASONS.get(reason, "stop"), matched=fields.text_or_none(delta.get("stop_sequence")))

    def _open(self, event: Mapping[str, JSON]) -> Iterator[Item]:
        start = fields.mapping_or_empty(event.get("content_block"))
        kind = start.get("type")
        block = _Block(start, self._calls)
        self._blocks[fields.count(event.get("index")) or 0] = block
        if kind == "tool_use":
            self._calls += 1
            yield Piece(
                kind=Kind.CALL,
                index=block.number,
                id=fields.text_or_none(start.get("id")),
                name=fields.text_or_none(start.get("name")),
            )
        elif kind in ("text", "thinking"):
            if start.get("citations"):
                self._notes.add("citations")
            signature = start.get("signature")
            block.signature = signature if isinstance(signature, str) else ""
            yield from self._told(block, str(kind), start)
        elif kind != "redacted_thinking":
            self._notes.add(f"content.{kind}")

    def _extend(self, event: Mapping[str, JSON]) -> Iterator[Item]:
        index = fields.count(event.get("index")) or 0
        block = self._blocks.get(index)
        if block is None:  # Some compatible servers never say that a text begins.
            block = self._blocks[index] = _Block({"type": "text"}, self._calls)
        delta = fields.mapping_or_empty(event.get("delta"))
        for key in _DELTAS:
            yield from self._told(block, key, delta)
        arguments, signature = delta.get("partial_json"), delta.get("signature")
        if isinstance(arguments, str) and arguments and block.start.get("type") == "tool_use":
            block.has_arguments = True
            yield Piece(kind=Kind.CALL, index=block.number, text=arguments)
        if isinstance(signature, str):
            block.signature += signature
        if delta.get("type") == "citations_delta":
            self._notes.add("citations")

    def _told(self, block: _Block, key: str, raw: Mapping[str, JSON]) -> Iterator[Item]:
        told = raw.get(key)
        if isinstance(told, str) and told:
            if key == "thinking":
                block.thought.append(told)
            yield Piece(kind=_DELTAS[key], text=told)

    def _close(self, index: int) -> Iterator[Item]:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        kind = block.start.get("type")
        if kind == "tool_use" and not block.has_arguments:
            made = block.start.get("input")
            arguments = json.dumps({} if made is None else made, ensure_ascii=False, separators=(",", ":"))
            yield Piece(kind=Kind.CALL, index=block.number, text=arguments)
        elif kind == "redacted_thinking":
            yield Signed(block=dict(block.start))
        elif kind == "thinking" and block.signature:
            thought = "".join(block.thought)
            yield Signed(block={"type": "thinking", "thinking": thought, "signature": block.signature})
