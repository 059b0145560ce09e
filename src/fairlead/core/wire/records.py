"""Requests, answers and usage as JSON and back, exactly; fields that hold their default are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from enum import StrEnum
from typing import TypeVar

from fairlead.core.nouns import (
    JSON,
    Answer,
    Endpoint,
    Failure,
    FailureKind,
    Message,
    Part,
    PartKind,
    Request,
    Tool,
    ToolCall,
    Usage,
)
from fairlead.core.wire import fields

_Word = TypeVar("_Word", bound=StrEnum)
_TOKENS = tuple(f.name for f in fields_of(Usage))


def request_to_json(request: Request) -> dict[str, JSON]:
    """Return a request as JSON."""
    return {
        "endpoint": request.endpoint.value,
        "model": request.model,
        **_said(
            system=request.system,
            messages=[_message_to_json(turn) for turn in request.messages],
            tools=[_tool_to_json(tool) for tool in request.tools],
            json_mode=request.json_mode,
            stream=request.stream,
            parameters=dict(request.parameters),
            inputs=list[JSON](request.inputs),
        ),
        **_known(tool_choice=request.tool_choice, schema=None if request.schema is None else dict(request.schema)),
    }


def request_from_json(value: JSON) -> Request:
    """Return the request that `request_to_json` wrote."""
    raw = fields.mapping(value, "parsed.request")
    schema = raw.get("schema")
    return Request(
        endpoint=_word(Endpoint, raw.get("endpoint"), "parsed.request.endpoint"),
        model=fields.text(raw.get("model"), "parsed.request.model"),
        system=fields.text_or_empty(raw.get("system"), "parsed.request.system"),
        messages=tuple(_message_from_json(turn) for turn in _listed(raw, "messages")),
        tools=tuple(_tool_from_json(tool) for tool in _listed(raw, "tools")),
        tool_choice=raw.get("tool_choice"),
        schema=None if schema is None else dict(fields.mapping(schema, "parsed.request.schema")),
        json_mode=raw.get("json_mode") is True,
        stream=raw.get("stream") is True,
        parameters=dict(fields.mapping_or_empty(raw.get("parameters"))),
        inputs=tuple(fields.text(item, "parsed.request.inputs") for item in _listed(raw, "inputs")),
    )


def answer_to_json(answer: Answer) -> dict[str, JSON]:
    """Return an answer as JSON."""
    failure = answer.failure
    calls = [_call_to_json(call) for call in answer.tool_calls]
    return {
        **_said(text=answer.text, tool_calls=calls, embeddings=answer.embeddings),
        **_known(
            model=answer.model,
            finish=answer.finish,
            failure=None
            if failure is None
            else {"kind": failure.kind.value, **_said(detail=failure.detail), **_known(status=failure.status)},
        ),
    }


def answer_from_json(value: JSON) -> Answer:
    """Return the answer that `answer_to_json` wrote."""
    raw = fields.mapping(value, "parsed.answer")
    return Answer(
        text=fields.text_or_empty(raw.get("text"), "parsed.answer.text"),
        tool_calls=tuple(_call_from_json(call) for call in _listed(raw, "tool_calls")),
        model=_text_or_none(raw, "model"),
        finish=_text_or_none(raw, "finish"),
        embeddings=fields.count(raw.get("embeddings")) or 0,
        failure=None if raw.get("failure") is None else _failure_from_json(raw["failure"]),
    )


def usage_to_json(usage: Usage) -> dict[str, JSON]:
    """Return token counts as JSON; unknown ones are left out."""
    counts: Mapping[str, int | None] = {name: getattr(usage, name) for name in _TOKENS}
    return {name: value for name, value in counts.items() if value is not None}


def usage_from_json(value: JSON) -> Usage:
    """Return the token counts that `usage_to_json` wrote; what is not a count is unknown."""
    raw = fields.mapping_or_empty(value)
    return Usage(**{name: fields.count(raw.get(name)) for name in _TOKENS})


def _said(**values: JSON) -> dict[str, JSON]:
    """Leave out what is empty, false or 0: the defaults of fields that are never null."""
    return {name: value for name, value in values.items() if value}


def _known(**values: JSON) -> dict[str, JSON]:
    """Leave out what is null: the default of fields that may be empty."""
    return {name: value for name, value in values.items() if value is not None}


def _listed(raw: Mapping[str, JSON], name: str) -> list[JSON]:
    value = raw.get(name)
    return [] if value is None else fields.sequence(value, f"parsed.{name}")


def _text_or_none(raw: Mapping[str, JSON], name: str) -> str | None:
    value = raw.get(name)
    return None if value is None else fields.text(value, f"parsed.{name}")


def _word(words: type[_Word], value: JSON, where: str) -> _Word:
    found = fields.text(value, where)
    if found not in {word.value for word in words}:
        raise fields.unexpected(where, found, [word.value for word in words])
    return words(found)


def _message_to_json(turn: Message) -> JSON:
    return {"role": turn.role, "parts": [_part_to_json(part) for part in turn.parts]}


def _message_from_json(value: JSON) -> Message:
    raw = fields.mapping(value, "parsed.message")
    parts = tuple(_part_from_json(part) for part in _listed(raw, "parts"))
    return Message(role=fields.text(raw.get("role"), "parsed.message.role"), parts=parts)


def _part_to_json(part: Part) -> JSON:
    return {
        "kind": part.kind.value,
        **_said(text=part.text),
        **_known(call_id=part.call_id, name=part.name, arguments=part.arguments, media_type=part.media_type),
    }


def _part_from_json(value: JSON) -> Part:
    raw = fields.mapping(value, "parsed.part")
    return Part(
        kind=_word(PartKind, raw.get("kind"), "parsed.part.kind"),
        text=fields.text_or_empty(raw.get("text"), "parsed.part.text"),
        call_id=_text_or_none(raw, "call_id"),
        name=_text_or_none(raw, "name"),
        arguments=raw.get("arguments"),
        media_type=_text_or_none(raw, "media_type"),
    )


def _tool_to_json(tool: Tool) -> JSON:
    kind = None if tool.kind == "function" else tool.kind
    said = _said(description=tool.description, parameters=dict(tool.parameters))
    return {"name": tool.name, **said, **_known(kind=kind)}


def _tool_from_json(value: JSON) -> Tool:
    raw = fields.mapping(value, "parsed.tool")
    return Tool(
        name=fields.text(raw.get("name"), "parsed.tool.name"),
        description=fields.text_or_empty(raw.get("description"), "parsed.tool.description"),
        parameters=dict(fields.mapping_or_empty(raw.get("parameters"))),
        kind=_text_or_none(raw, "kind") or "function",
    )


def _call_to_json(call: ToolCall) -> JSON:
    return {"name": call.name, **_known(arguments=call.arguments, call_id=call.call_id)}


def _call_from_json(value: JSON) -> ToolCall:
    raw = fields.mapping(value, "parsed.tool_call")
    return ToolCall(
        name=fields.text(raw.get("name"), "parsed.tool_call.name"),
        arguments=raw.get("arguments"),
        call_id=_text_or_none(raw, "call_id"),
    )


def _failure_from_json(value: JSON) -> Failure:
    raw = fields.mapping(value, "parsed.answer.failure")
    return Failure(
        kind=_word(FailureKind, raw.get("kind"), "parsed.answer.failure.kind"),
        detail=fields.text_or_empty(raw.get("detail"), "parsed.answer.failure.detail"),
        status=fields.count(raw.get("status")),
    )
