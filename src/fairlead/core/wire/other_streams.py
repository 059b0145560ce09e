"""Streams of the two protocols that are kept as chat: OpenAI Responses and the older completions, put together again.

Each assembles the body that the same endpoint would have sent without streaming, by the rules of `stream`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.stream import MAX_STREAM_BYTES, AnyStream

_CLOSING = frozenset({"response.completed", "response.incomplete", "response.failed"})
_WHOLE = ("created", "in_progress", "completed", "incomplete", "failed")


class ResponseStream(AnyStream):
    r"""Assembles the events of a streamed response object.

    The closing event brings the whole response. A stream that was cut has the items that were done, and of the one that
    was being written what had arrived.

    >>> stream = ResponseStream()
    >>> stream.feed(b'data: {"type":"response.output_text.delta","output_index":0,"delta":"Hi"}\n\n')
    >>> stream.body()["output"][0]["content"][0]["text"]
    'Hi'
    """

    def __init__(self, *, max_bytes: int = MAX_STREAM_BYTES) -> None:
        super().__init__(max_bytes=max_bytes)
        self._response: dict[str, JSON] = {"object": "response"}
        self._items: dict[int, dict[str, JSON]] = {}
        self._text: dict[int, list[str]] = {}
        self._arguments: dict[int, list[str]] = {}

    def body(self) -> dict[str, JSON]:
        """Return the response assembled so far, with an `error` where the stream failed or stops too early."""
        if self._ended:
            return self._response
        places = sorted({*self._items, *self._text, *self._arguments})
        output: list[JSON] = [self._item(place) for place in places]
        return {**self._response, "output": output, **self._failure()}

    def _take(self, event: Mapping[str, JSON]) -> None:
        kind = fields.text_or_none(event.get("type")) or ""
        if kind == "error":
            self._error = {"type": event.get("code") or "server_error", "message": event.get("message")}
        elif kind.removeprefix("response.") in _WHOLE and isinstance(event.get("response"), dict):
            self._response = dict(fields.mapping_or_empty(event["response"]))
            self._ended = kind in _CLOSING
        else:
            self._take_piece(kind, event)

    def _take_piece(self, kind: str, event: Mapping[str, JSON]) -> None:
        place = fields.count(event.get("output_index")) or 0
        if kind in {"response.output_item.added", "response.output_item.done"}:
            self._items[place] = dict(fields.mapping_or_empty(event.get("item")))
            if kind.endswith("done"):
                self._text.pop(place, None)
                self._arguments.pop(place, None)
            return
        pieces = {"response.output_text.delta": self._text, "response.function_call_arguments.delta": self._arguments}
        delta = event.get("delta")
        if kind in pieces and isinstance(delta, str):
            pieces[kind].setdefault(place, []).append(delta)
            self._has_content = True

    def _item(self, place: int) -> JSON:
        item = self._items.get(place, {"type": "message", "role": "assistant"})
        if place in self._arguments:
            return {**item, "arguments": "".join(self._arguments[place])}
        if place in self._text:
            return {**item, "content": [{"type": "output_text", "text": "".join(self._text[place])}]}
        return item


@dataclass(slots=True)
class _Written:
    text: list[str] = field(default_factory=list[str])
    finish: str | None = None


class CompletionStream(AnyStream):
    """Assembles the chunks of a streamed answer of the older completions endpoint."""

    def __init__(self, *, max_bytes: int = MAX_STREAM_BYTES) -> None:
        super().__init__(max_bytes=max_bytes)
        self._head: dict[str, JSON] = {}
        self._usage: JSON = None
        self._choices: dict[int, _Written] = {}

    def body(self) -> dict[str, JSON]:
        """Return the completion assembled so far, with an `error` where the stream failed or stops too early."""
        choices: list[JSON] = [
            {"index": i, "text": "".join(each.text), "finish_reason": each.finish}
            for i, each in sorted(self._choices.items())
        ]
        usage: dict[str, JSON] = {} if self._usage is None else {"usage": self._usage}
        return {"object": "text_completion", **self._head, "choices": choices, **usage, **self._failure()}

    def _take(self, event: Mapping[str, JSON]) -> None:
        for key in ("id", "created", "model"):
            if event.get(key):
                self._head.setdefault(key, event[key])
        if event.get("usage") is not None:
            self._usage = event["usage"]
        for raw in fields.list_or_empty(event.get("choices")):
            if isinstance(raw, dict):
                self._take_choice(raw)

    def _take_choice(self, raw: Mapping[str, JSON]) -> None:
        written = self._choices.setdefault(fields.count(raw.get("index")) or 0, _Written())
        text = raw.get("text")
        if isinstance(text, str) and text:
            written.text.append(text)
            self._has_content = True
        written.finish = fields.text_or_none(raw.get("finish_reason")) or written.finish
        self._finished = self._finished or written.finish is not None
