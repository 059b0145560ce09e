"""Recorded answers: which model said what to which request, from a Parquet file or put in by hand.

A file has the columns `item_id, model, request, response`: the request a JSON text of an OpenAI chat body (`messages`,
`tools`), the response a text, or JSON of a message or of tool calls (`[{name: arguments as JSON text}]`). A request is
matched on its messages and tools and nothing else; of several answers to the same request the first one stays.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fairlead.core.errors import InputError, UnreadableLine, UsageError
from fairlead.core.ids import digest
from fairlead.core.nouns import JSON
from fairlead.core.wire.decode import decode_text

COLUMNS = ("item_id", "model", "request", "response")

Body = Mapping[str, JSON]


def match_key(body: Body) -> str:
    """What a request is matched on: its messages and tools, however they are written."""
    messages = [_message(message) for message in _listed(body.get("messages"))]
    tools = [tool.get("function", tool) if isinstance(tool, dict) else tool for tool in _listed(body.get("tools"))]
    return digest([messages, tools])


def _listed(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _message(message: JSON) -> JSON:
    if not isinstance(message, dict):
        return message
    said = {name: value for name, value in message.items() if value is not None and name != "content"}
    return {**said, "content": _content(message.get("content"))}


def _content(content: JSON) -> JSON:
    texts = [_text(part) for part in content] if isinstance(content, list) else []
    if texts and None not in texts:
        return "".join(text or "" for text in texts)
    return content or ""


def _text(part: JSON) -> str | None:
    if not isinstance(part, dict) or part.get("type") != "text":
        return None
    text = part.get("text")
    return text if isinstance(text, str) else None


@dataclass(slots=True)
class Recording:
    """Recorded answers by model and request, and the requests themselves by what they are matched on."""

    answers: dict[tuple[str, str], dict[str, JSON]] = field(default_factory=dict[tuple[str, str], dict[str, JSON]])
    requests: dict[str, Body] = field(default_factory=dict[str, Body])
    models: set[str] = field(default_factory=set[str])

    def add(self, *, model: str, request: Body, response: str) -> None:
        """Record one answer; the first to a request stays."""
        self._keep(match_key(request), request, model=model, response=response)

    def answer(self, model: str, body: Body) -> dict[str, JSON] | None:
        """The recorded message to a request, or `None`."""
        return self.answers.get((model, match_key(body)))

    @classmethod
    def read(cls, path: Path, *, models: Iterable[str] = ()) -> Self:
        """The recording in a Parquet file; `models` leaves out all others."""
        recording = cls()
        wanted = frozenset(models)
        read: dict[str, tuple[str, Body]] = {}
        others: set[str] = set()
        for number, (model, text, response) in enumerate(_rows(path), 1):
            if wanted and model not in wanted:
                others.add(model)
                continue
            if text not in read:  # the same request stands there once for every model
                request = _request(text, f"{path} row {number}")
                read[text] = match_key(request), request
            recording._keep(*read[text], model=model, response=response)
        missing = wanted - recording.models
        if missing:
            known = ", ".join(sorted(others | recording.models)) or "no answers at all"
            raise InputError(f"{path} holds no answers of {', '.join(sorted(missing))}; it holds {known}.")
        return recording

    def _keep(self, key: str, request: Body, *, model: str, response: str) -> None:
        self.models.add(model)
        self.requests.setdefault(key, request)
        self.answers.setdefault((model, key), _said(response, has_tools=bool(request.get("tools"))))


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")  # an extra: only recordings need it
    except ImportError:
        raise UsageError(
            "Reading a recording needs pyarrow; install it with pip install 'fairlead[recorded]'."
        ) from None
    try:
        table: Any = parquet.read_table(path, columns=list(COLUMNS))
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise InputError(
            f"{path} cannot be read as a recording with columns {', '.join(COLUMNS)}: {reason}."
        ) from error
    for batch in table.to_batches(max_chunksize=500):
        for row in batch.to_pylist():
            yield str(row["model"]), str(row["request"]), str(row["response"] or "")


def _request(text: str, where: str) -> Body:
    try:
        request = decode_text(text)
    except UnreadableLine as error:
        raise InputError(f"{where}: the request is {error.reason}.") from error
    if not isinstance(request, dict):
        raise InputError(f"{where}: the request is not a JSON object.")
    return request


def _said(response: str, *, has_tools: bool) -> dict[str, JSON]:
    """The assistant's message in a recorded response."""
    value: JSON = None
    if response[:1] in {"{", "["}:
        try:
            value = decode_text(response)
        except UnreadableLine:
            value = None
    message = value.get("message") if isinstance(value, dict) else None
    if isinstance(message, dict):
        return {"role": "assistant", **message}
    calls = _calls(value) if has_tools and isinstance(value, list) else None
    if calls:
        return {"role": "assistant", "content": None, "tool_calls": calls}
    return {"role": "assistant", "content": response}


def _calls(value: list[JSON]) -> list[JSON] | None:
    calls: list[JSON] = []
    for number, one in enumerate(value):
        name, arguments = next(iter(one.items())) if isinstance(one, dict) and len(one) == 1 else ("", None)
        if not isinstance(arguments, str):
            return None
        function: JSON = {"name": name, "arguments": arguments}
        calls.append({"id": f"call_{number}", "type": "function", "function": function})
    return calls


def completion(model: str, message: Mapping[str, JSON], usage: Mapping[str, int]) -> JSON:
    """The body of a chat completion that says `message`."""
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    choice: JSON = {"index": 0, "message": dict(message), "logprobs": None, "finish_reason": finish}
    return {**_head(model, "chat.completion"), "choices": [choice], "usage": dict(usage)}


def chunks(model: str, message: Mapping[str, JSON], usage: Mapping[str, int] | None) -> Iterator[JSON]:
    """The same as the chunks of a stream; the last one carries `usage` where it was asked for."""
    head = _head(model, "chat.completion.chunk")

    def chunk(delta: dict[str, JSON], finish: str | None = None) -> JSON:
        choice: JSON = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**head, "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    text = message.get("content")
    if isinstance(text, str):
        for start in range(0, len(text), _PIECE):
            yield chunk({"content": text[start : start + _PIECE]})
    for number, call in enumerate(_listed(message.get("tool_calls"))):
        if isinstance(call, dict):
            yield chunk({"tool_calls": [{"index": number, **call}]})
    yield chunk({}, "tool_calls" if message.get("tool_calls") else "stop")
    if usage is not None:
        yield {**head, "choices": [], "usage": dict(usage)}


_PIECE = 24


def _head(model: str, kind: str) -> dict[str, JSON]:
    return {"id": "chatcmpl-recorded", "object": kind, "created": 0, "model": model}


def counted(body: Body, message: Mapping[str, JSON]) -> dict[str, int]:
    """Tokens, which are not part of a recording: one for every four characters, so that costs can be worked out."""
    asked = len(json.dumps(body.get("messages"), ensure_ascii=False)) // 4 + 1
    said = len(json.dumps(dict(message), ensure_ascii=False)) // 4 + 1
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
