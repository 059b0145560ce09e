"""One key for equal asks: what decides the answer, whatever the dialect, and nothing else.

Counted: system prompt, turns, tools, schema, texts to embed, and parameters that change what is said. Not counted: who
is asked (model), how it is delivered (stream), for whom and how it is billed (user, metadata, …), thinking of earlier
turns, and the ids that providers give to tool calls, which are numbered instead. Never change what goes into a key:
kept replies are found by it, and a test pins its value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from fairlead.core.nouns import JSON, Message, Part, PartKind, Request, Tool
from fairlead.core.quick import changed

DROPPED = "dropped"
"""Name of the parameter that holds, in a request whose texts were dropped, the keyed hash of what was asked."""

_LONGEST_MARK = 100

_NOT_COUNTED = frozenset(
    {
        "anthropic_beta", "anthropic_version", "betas", "cache_control", "container", "diagnostics",
        "encoding_format", "extra_headers", "inference_geo", "metadata", "moderation", "prompt_cache_key",
        "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "service_tier", "speed", "store",
        "stream_options", "timeout", "user", "user_profile_id", "workspace_id",
    }
)  # fmt: skip
_ONE_NAME: Mapping[str, str] = {"max_completion_tokens": "max_tokens", "stop_sequences": "stop"}
_TEXT, _THINKING, _TOOL_RESULT = PartKind.TEXT, PartKind.THINKING, PartKind.TOOL_RESULT
_ENCODER = msgspec.json.Encoder(order="deterministic")


def request_key(request: Request) -> str:
    """Return a hash that is equal for equal asks; of one whose texts were dropped, the hash that was left in their place."""
    if (left := _mark_of(request)) is not None:
        return left
    asked: list[object] = [
        request.endpoint.value,
        request.system,
        _turns(request.messages),
        [[t.name, t.description, dict(t.parameters), t.kind] for t in sorted(request.tools, key=_name_of)],
        None if request.tool_choice == "auto" else request.tool_choice,
        None if request.schema is None else dict(request.schema),
        request.json_mode,
        request.inputs,
        _parameters(request.parameters),
    ]
    return hashlib.blake2b(_encoded(asked), digest_size=16).hexdigest()


def without_mark(request: Request) -> Request:
    """A request whose texts were dropped without the hash of what was asked, so that many are equal; any other as it is."""
    mark = _mark_of(request)
    return _marked(request, "") if mark and len(mark) <= _LONGEST_MARK else request


def with_mark(request: Request, key: str) -> Request:
    """What `without_mark` was given, by its key; any other request as it is."""
    return _marked(request, key) if _mark_of(request) == "" else request


def _mark_of(request: Request) -> str | None:
    if request.messages or request.inputs:
        return None
    mark = request.parameters.get(DROPPED)
    return mark if isinstance(mark, str) else None


def _marked(request: Request, mark: str) -> Request:
    return changed(request, parameters={**request.parameters, DROPPED: mark})


def _name_of(tool: Tool) -> str:
    return tool.name


def _encoded(value: object) -> bytes:
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair, which only text made in this process can hold
        return repr(value).encode("utf-8", "backslashreplace")


def _turns(messages: tuple[Message, ...]) -> list[object]:
    numbers: dict[str, int] = {}
    turns: list[object] = []
    for turn in messages:
        parts = [
            part.text if part.kind is _TEXT and part.name is None else _part(part, numbers)
            for part in turn.parts
            if part.kind is not _THINKING
        ]
        turns.append(["system" if turn.role == "developer" else turn.role, parts])
    return turns


def _part(part: Part, numbers: dict[str, int]) -> object:
    call = None if part.call_id is None else numbers.setdefault(part.call_id, len(numbers))
    if part.kind is _TOOL_RESULT:
        return [str(part.kind), part.text, call]
    return [str(part.kind), part.text, call, part.name, part.arguments]


def _parameters(sent: Mapping[str, JSON]) -> dict[str, JSON]:
    counted = {_ONE_NAME.get(name, name): value for name, value in sent.items() if name not in _NOT_COUNTED}
    if isinstance(counted.get("stop"), str):
        counted["stop"] = [counted["stop"]]
    return {name: _whole(value) for name, value in counted.items()}


def _whole(value: JSON) -> JSON:
    """1.0 and 1 ask for the same."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
