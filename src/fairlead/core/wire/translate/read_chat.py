"""A chat completion, whole or in chunks, as items."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields, openai
from fairlead.core.wire.translate.errors import fault_of
from fairlead.core.wire.translate.notes import Notes
from fairlead.core.wire.translate.pieces import End, Finish, Head, Item, Kind, Piece, Used

_UNSAID = frozenset({"audio", "annotations"})


def whole(body: Mapping[str, JSON], notes: Notes) -> list[Item]:
    """Return the items of a whole chat completion."""
    if body.get("error") is not None:
        return [fault_of(body)]
    choices = fields.list_or_empty(body.get("choices"))
    if not choices or not isinstance(choices[0], dict):
        return [fault_of({"error": {"message": "The upstream's answer holds no choices.", "status": 502}})]
    if len(choices) > 1:
        notes.add("further choices")
    reader = ChatReader(notes)
    choice: dict[str, JSON] = {**choices[0], "index": 0, "delta": _numbered(choices[0].get("message"))}
    chunk: dict[str, JSON] = {**body, "choices": [choice]}
    return [*reader.take(chunk), End()]


def _numbered(said: JSON) -> JSON:
    """A whole message as one delta: each of its calls is a call of its own, whatever ids it bears."""
    if not isinstance(said, dict) or not isinstance(said.get("tool_calls"), list):
        return said
    calls = [call for call in fields.list_or_empty(said["tool_calls"]) if isinstance(call, dict)]
    return {**said, "tool_calls": [{**call, "index": i} for i, call in enumerate(calls)]}


class ChatReader:
    """Reads chunks of a streamed chat completion, one decoded event at a time."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._begun = False
        self._ids: dict[str, int] = {}
        self._last = 0

    def take(self, event: Mapping[str, JSON]) -> Iterator[Item]:
        """Yield the items of one chunk."""
        if event.get("error") is not None:
            yield fault_of(event)
            return
        if not self._begun:
            self._begun = True
            yield Head(id=fields.text_or_none(event.get("id")), model=fields.text_or_none(event.get("model")))
        for raw in fields.list_or_empty(event.get("choices")):
            if isinstance(raw, dict):
                if raw.get("index") in (None, 0):
                    yield from self._choice(raw)
                else:
                    self._notes.add("further choices")
        if event.get("usage") is not None:
            yield Used(usage=openai.usage(event["usage"]))

    def _choice(self, raw: Mapping[str, JSON]) -> Iterator[Item]:
        delta = fields.mapping_or_empty(raw.get("delta"))
        yield from self._said(delta)
        yield from self._calls(delta)
        reason = fields.text_or_none(raw.get("finish_reason"))
        if reason is not None:
            # vLLM names the sequence that stopped it in `stop_reason`, SGLang in `matched_stop`.
            matched = raw.get("stop_reason", raw.get("matched_stop"))
            yield Finish(reason=reason, matched=matched if isinstance(matched, str) else None)

    def _said(self, delta: Mapping[str, JSON]) -> Iterator[Item]:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            yield Piece(kind=Kind.THINKING, text=thought)
        content = delta.get("content")
        if isinstance(content, list):
            content = "".join(_text_of(part) for part in content)
        if isinstance(content, str) and content:
            yield Piece(kind=Kind.TEXT, text=content)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            yield Piece(kind=Kind.REFUSAL, text=refusal)
        for name in _UNSAID:
            if delta.get(name):
                self._notes.add(name)

    def _calls(self, delta: Mapping[str, JSON]) -> Iterator[Item]:
        listed = fields.list_or_empty(delta.get("tool_calls"))
        if not listed and isinstance(delta.get("function_call"), dict):
            listed = [{"index": 0, "function": delta["function_call"]}]
        for place, raw in enumerate(listed):
            if isinstance(raw, dict):
                yield self._call(raw, place)

    def _call(self, raw: Mapping[str, JSON], place: int) -> Piece:
        function = fields.mapping_or_empty(raw.get("function"))
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        name, call_id = function.get("name"), fields.text_or_none(raw.get("id"))
        return Piece(
            kind=Kind.CALL,
            index=self._index(fields.count(raw.get("index")), call_id, place),
            id=call_id,
            name=name if isinstance(name, str) and name else None,
            text=arguments or "",
        )

    def _index(self, index: int | None, call_id: str | None, place: int) -> int:
        """The call a delta belongs to: by number, else by id, else the one that is being written."""
        if index is None:
            index = self._ids.get(call_id, max(len(self._ids), place)) if call_id else self._last
        if call_id:
            self._ids.setdefault(call_id, index)
        self._last = index
        return index


def _text_of(part: JSON) -> str:
    told = fields.mapping_or_empty(part).get("text")
    return told if isinstance(told, str) else ""
