"""Puts a streamed answer together again, fed with bytes as they come off the wire, split anywhere.

`EventReader` takes server-sent events apart; `ChatStream` and `MessageStream` assemble the body that the same endpoint
would have sent without streaming. Rules kept: the work is bounded by `max_bytes`; what the provider numbers (choices,
tool calls, blocks) is kept by number, never by position, so a hostile index costs nothing; usage is taken from
whichever event carries it, the last one counting; a stream that ends without a finish reason and without its closing
event was cut. A failure is written into the body as its `error`, so the body alone tells what happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON, Answer, Usage
from fairlead.core.wire import anthropic, fields, openai
from fairlead.core.wire.decode import decode, structure_or_text

MAX_STREAM_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name, where it had one, and its data."""

    name: str
    data: bytes


class EventReader:
    r"""Takes server-sent events apart: any line end, comments, several data lines, a byte order mark.

    >>> reader = EventReader()
    >>> reader.feed(b'data: {"a"')
    []
    >>> reader.feed(b': 1}\r\n\r\n')
    [Event(name='', data=b'{"a": 1}')]
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._name = ""
        self._data: list[bytes] = []
        self._begun = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that `chunk` completes."""
        self._rest += chunk
        if not self._begun and len(self._rest) >= 3:
            self._begun = True
            if self._rest.startswith(b"\xef\xbb\xbf"):
                del self._rest[:3]
        found: list[Event] = []
        for line in self._lines():
            self._take(line, found)
        return found

    def close(self) -> list[Event]:
        """Return the last event of a stream that ended without a blank line."""
        found: list[Event] = []
        self._take(bytes(self._rest), found)
        self._rest.clear()
        self._take(b"", found)
        return found

    def _lines(self) -> list[bytes]:
        # A carriage return at the very end may be half of a line end: it waits for the next chunk.
        end = len(self._rest) - 1 if self._rest.endswith(b"\r") else len(self._rest)
        last = max(self._rest.rfind(b"\n", self._searched, end), self._rest.rfind(b"\r", self._searched, end))
        if last < 0:
            self._searched = end
            return []
        whole = bytes(self._rest[: last + 1])
        del self._rest[: last + 1]
        self._searched = 0
        return whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]

    def _take(self, line: bytes, found: list[Event]) -> None:
        if not line:
            if self._data:
                found.append(Event(self._name, b"\n".join(self._data)))
            self._name, self._data = "", []
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")


class AnyStream:
    """What both protocols share: bounds, decoding, the end, and failures."""

    def __init__(self, *, max_bytes: int = MAX_STREAM_BYTES) -> None:
        self._reader = EventReader()
        self._left = max_bytes
        self._error: JSON = None
        self._ended = False
        self._finished = False
        self._has_content = False

    @property
    def done(self) -> bool:
        """Whether nothing more can change the answer: the closing event, an error, or too many bytes."""
        return self._ended or self._error is not None

    @property
    def is_cut(self) -> bool:
        """Whether the stream, if it ends here, ends too early: no finish reason and no closing event."""
        return not self._ended and not self._finished

    @property
    def has_content(self) -> bool:
        """Whether the first token (of text, thinking or a call) has arrived."""
        return self._has_content

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream; what comes after the end is ignored."""
        if self.done:
            return
        self._left -= len(chunk)
        if self._left < 0:
            self._error = {"type": "stream_too_large", "message": "the stream is longer than the bound"}
            return
        self._take_events(self._reader.feed(chunk))

    def feed_objects(self, events: Iterable[JSON]) -> None:
        """Take events that are decoded already, as logs hold them."""
        for event in events:
            if not self.done:
                self._take_object(event)

    def close(self) -> None:
        """Say that no more bytes will come."""
        if not self.done:
            self._take_events(self._reader.close())

    def _take_events(self, events: Iterable[Event]) -> None:
        for event in events:
            if self.done:
                return
            data = event.data.strip()
            if data == b"[DONE]":
                self._ended = True
            elif data:
                self._take_data(event.name, data)

    def _take_data(self, name: str, data: bytes) -> None:
        try:
            value = decode(data)
        except UnreadableLine as error:
            self._error = {"type": "not_json", "message": f"an event of the stream is {error.reason}"}
            return
        if name == "error" and not (isinstance(value, dict) and value.get("error")):
            value = {"error": value}
        self._take_object(value)

    def _take_object(self, event: JSON) -> None:
        if not isinstance(event, dict):
            self._error = {"type": "not_json", "message": f"an event of the stream is {fields.seen(event)}"}
        elif event.get("error") is not None:
            self._error = event["error"]
        else:
            self._take(event)

    def _take(self, event: Mapping[str, JSON]) -> None:
        raise NotImplementedError

    def _failure(self) -> dict[str, JSON]:
        if self._error is not None:
            return {"error": self._error}
        if self.is_cut:
            return {"error": {"type": "stream_cut", "message": "the stream ended before the answer was finished"}}
        return {}


@dataclass(slots=True)
class _Call:
    id: str | None = None
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])

    def json(self) -> JSON:
        function: dict[str, JSON] = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(slots=True)
class _Choice:
    role: str = "assistant"
    content: list[str] = field(default_factory=list[str])
    refusal: list[str] = field(default_factory=list[str])
    thinking: list[str] = field(default_factory=list[str])
    calls: dict[int, _Call] = field(default_factory=dict[int, _Call])
    finish: str | None = None

    def json(self, index: int) -> JSON:
        said: dict[str, JSON] = {"role": self.role, "content": "".join(self.content) if self.content else None}
        if self.refusal:
            said["refusal"] = "".join(self.refusal)
        if self.thinking:
            said["reasoning_content"] = "".join(self.thinking)
        calls = [self.calls[i].json() for i in sorted(self.calls) if self.calls[i].name]
        if calls:
            said["tool_calls"] = calls
        return {"index": index, "message": said, "finish_reason": self.finish}


class ChatStream(AnyStream):
    r"""Assembles the chunks of a streamed chat completion.

    >>> stream = ChatStream()
    >>> stream.feed(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n')
    >>> stream.feed(b'data: [DONE]\n\n')
    >>> stream.done, stream.answer()[0].text
    (True, 'Hi')
    """

    def __init__(self, *, max_bytes: int = MAX_STREAM_BYTES) -> None:
        super().__init__(max_bytes=max_bytes)
        self._head: dict[str, JSON] = {}
        self._usage: JSON = None
        self._choices: dict[int, _Choice] = {}

    def body(self) -> dict[str, JSON]:
        """Return the chat completion assembled so far, with an `error` where the stream failed or stops too early."""
        body: dict[str, JSON] = {"object": "chat.completion", **self._head}
        body["choices"] = [self._choices[i].json(i) for i in sorted(self._choices)]
        if self._usage is not None:
            body["usage"] = self._usage
        return {**body, **self._failure()}

    def answer(self) -> tuple[Answer, Usage]:
        """Return the answer and its tokens as they stand."""
        return openai.answer(self.body())

    def _take(self, event: Mapping[str, JSON]) -> None:
        for key in ("id", "created", "model", "system_fingerprint", "service_tier"):
            if event.get(key):
                self._head.setdefault(key, event[key])
        if event.get("usage") is not None:
            self._usage = event["usage"]
        for raw in fields.list_or_empty(event.get("choices")):
            if isinstance(raw, dict):
                self._take_choice(raw)

    def _take_choice(self, raw: Mapping[str, JSON]) -> None:
        choice = self._choices.setdefault(fields.count(raw.get("index")) or 0, _Choice())
        delta = fields.mapping_or_empty(raw.get("delta"))
        for key, pieces in (
            ("content", choice.content),
            ("refusal", choice.refusal),
            ("reasoning_content", choice.thinking),
            ("reasoning", choice.thinking),
        ):
            piece = delta.get(key)
            if isinstance(piece, str) and piece:
                pieces.append(piece)
                self._has_content = True
                if pieces is choice.thinking:
                    break
        self._take_calls(choice, delta)
        choice.role = fields.text_or_none(delta.get("role")) or choice.role
        choice.finish = fields.text_or_none(raw.get("finish_reason")) or choice.finish
        self._finished = self._finished or choice.finish is not None

    def _take_calls(self, choice: _Choice, delta: Mapping[str, JSON]) -> None:
        listed = fields.list_or_empty(delta.get("tool_calls"))
        if not listed and isinstance(delta.get("function_call"), dict):
            listed = [{"index": 0, "function": delta["function_call"]}]
        for raw in listed:
            if isinstance(raw, dict):
                self._has_content = True
                _extend(_call_for(choice.calls, raw), raw)


def _call_for(calls: dict[int, _Call], raw: Mapping[str, JSON]) -> _Call:
    """The call a delta belongs to: by number, else by id, else the one that is being written."""
    index = fields.count(raw.get("index"))
    call_id = fields.text_or_none(raw.get("id"))
    if index is None:
        known = [i for i in calls if call_id is None or calls[i].id == call_id]
        index = known[-1] if known else len(calls)
    return calls.setdefault(index, _Call())


def _extend(call: _Call, raw: Mapping[str, JSON]) -> None:
    call.id = call.id or fields.text_or_none(raw.get("id"))
    function = fields.mapping_or_empty(raw.get("function"))
    name, arguments = function.get("name"), function.get("arguments")
    if isinstance(name, str) and name != call.name:
        call.name += name
    if isinstance(arguments, str):
        call.arguments.append(arguments)
    elif arguments is not None:
        call.arguments.append(json.dumps(arguments, ensure_ascii=False))


@dataclass(slots=True)
class _Block:
    start: dict[str, JSON]
    pieces: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def json(self) -> JSON:
        block = dict(self.start)
        for key, pieces in self.pieces.items():
            told = "".join(pieces)
            if key == "partial_json":
                block["input"] = structure_or_text(told)
            else:
                before = block.get(key)
                block[key] = (before if isinstance(before, str) else "") + told
        return block


class MessageStream(AnyStream):
    """Assembles the events of a streamed Anthropic message."""

    _DELTA_FIELDS = ("text", "thinking", "partial_json", "signature")

    def __init__(self, *, max_bytes: int = MAX_STREAM_BYTES) -> None:
        super().__init__(max_bytes=max_bytes)
        self._message: dict[str, JSON] = {"type": "message", "role": "assistant"}
        self._usage: dict[str, JSON] = {}
        self._blocks: dict[int, _Block] = {}

    def body(self) -> dict[str, JSON]:
        """Return the message assembled so far, with an `error` where the stream failed or stops too early."""
        body = dict(self._message)
        body["content"] = [self._blocks[i].json() for i in sorted(self._blocks)]
        if self._usage:
            body["usage"] = dict(self._usage)
        return {**body, **self._failure()}

    def answer(self) -> tuple[Answer, Usage]:
        """Return the answer and its tokens as they stand."""
        return anthropic.answer(self.body())

    def _take(self, event: Mapping[str, JSON]) -> None:
        kind = event.get("type")
        if kind == "message_start":
            message = fields.mapping_or_empty(event.get("message"))
            self._message.update({k: v for k, v in message.items() if k not in {"content", "usage"}})
            self._count(message.get("usage"))
        elif fields.is_one_of(kind, {"content_block_start", "content_block_delta"}):
            self._take_block(event)
        elif kind == "message_delta":
            delta = fields.mapping_or_empty(event.get("delta"))
            self._message.update({k: v for k, v in delta.items() if k in {"stop_reason", "stop_sequence"}})
            self._finished = self._finished or fields.text_or_none(delta.get("stop_reason")) is not None
            self._count(event.get("usage"))
        elif kind == "message_stop":
            self._ended = True

    def _count(self, usage: JSON) -> None:
        # The last event repeats the input counts; where it leaves one null the first one stands.
        self._usage.update({k: v for k, v in fields.mapping_or_empty(usage).items() if v is not None})

    def _take_block(self, event: Mapping[str, JSON]) -> None:
        index = fields.count(event.get("index")) or 0
        start = event.get("content_block")
        if isinstance(start, dict):
            self._blocks[index] = _Block(dict(start))
            return
        delta = fields.mapping_or_empty(event.get("delta"))
        block = self._blocks.setdefault(index, _Block({"type": "text", "text": ""}))
        for key in self._DELTA_FIELDS:
            piece = delta.get(key)
            if isinstance(piece, str):
                block.pieces.setdefault(key, []).append(piece)
                self._has_content = True
