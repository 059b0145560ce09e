"""Anthropic Messages: bodies to records, in the same shape that OpenAI chat bodies give.

Rules kept: tool results become messages of role `tool` of their own, so that the same conversation reads the same in
either dialect; `tool_choice` is said in OpenAI's words; `input_tokens` excludes cached tokens already; a cache write
whose lifetime is not named lasted five minutes, the default. Wrong types raise `UnreadableLine` naming the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import (
    JSON,
    Answer,
    Endpoint,
    Message,
    Part,
    PartKind,
    Request,
    Tool,
    ToolCall,
    Usage,
)
from fairlead.core.wire import fields
from fairlead.core.wire.failure import failure_of
from fairlead.core.wire.openai import answered, media_part, model_of, parameters_of

_STRUCTURAL = frozenset({"model", "messages", "system", "tools", "tool_choice", "stream", "output_format"})
_VENDOR_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})


def request(body: JSON) -> Request:
    """Return the request that a Messages body makes."""
    body = fields.mapping(body, "request")
    raw_messages = fields.sequence(body.get("messages"), "request.messages")
    if not raw_messages:
        raise UnreadableLine("request.messages is empty")
    turns: list[Message] = []
    for i, raw in enumerate(raw_messages):
        turns.extend(_messages(raw, f"request.messages[{i}]"))
    choice, single = _tool_choice(body.get("tool_choice"))
    schema = _schema(body)
    parameters = parameters_of(body, _STRUCTURAL)
    if single:
        parameters["parallel_tool_calls"] = False
    return Request(
        endpoint=Endpoint.CHAT,
        model=model_of(body),
        system=_system(body.get("system")),
        messages=tuple(turns),
        tools=_tools(body.get("tools")),
        tool_choice=choice,
        schema=schema,
        json_mode=schema is not None,
        stream=body.get("stream") is True,
        parameters=parameters,
    )


def _system(raw: JSON) -> str:
    parts = _parts(raw, "request.system")
    return "\n\n".join(part.text for part in parts if part.kind is PartKind.TEXT)


def _messages(raw: JSON, where: str) -> list[Message]:
    """One Anthropic turn as one or more messages: each tool result first, as an answer to its call."""
    raw = fields.mapping(raw, where)
    role = fields.text(raw.get("role"), f"{where}.role")
    if role not in {"user", "assistant", "system"}:
        raise fields.unexpected(f"{where}.role", role, ("user", "assistant"))
    parts = _parts(raw.get("content"), f"{where}.content")
    results = [part for part in parts if part.kind is PartKind.TOOL_RESULT]
    rest = tuple(part for part in parts if part.kind is not PartKind.TOOL_RESULT)
    turns = [Message(role="tool", parts=(result,)) for result in results]
    return [*turns, Message(role=role, parts=rest)] if rest or not turns else turns


def _parts(content: JSON, where: str) -> list[Part]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Part(kind=PartKind.TEXT, text=content)]
    parts: list[Part] = []
    for i, raw in enumerate(fields.sequence(content, where)):
        block = fields.mapping(raw, f"{where}[{i}]")
        kind = fields.text(block.get("type"), f"{where}[{i}].type")
        read = _BLOCK_READERS.get(kind, _unknown)
        parts.extend(read(block, f"{where}[{i}]"))
    return parts


def _text(block: Mapping[str, JSON], where: str) -> list[Part]:
    told = fields.text_or_empty(block.get("text"), f"{where}.text")
    return [Part(kind=PartKind.TEXT, text=told)] if told else []


def _thinking(block: Mapping[str, JSON], where: str) -> list[Part]:
    return [Part(kind=PartKind.THINKING, text=fields.text_or_empty(block.get("thinking"), f"{where}.thinking"))]


def _image(block: Mapping[str, JSON], where: str) -> list[Part]:
    return [media_part(PartKind.IMAGE, _address(block, where))]


def _document(block: Mapping[str, JSON], where: str) -> list[Part]:
    source = fields.mapping_or_empty(block.get("source"))
    if source.get("type") == "content":
        return _parts(source.get("content"), f"{where}.source.content")
    return [media_part(PartKind.DOCUMENT, _address(block, where), name=fields.text_or_none(block.get("title")))]


def _address(block: Mapping[str, JSON], where: str) -> str:
    """The address of a block's media as a URL; empty when the log holds only the id of an uploaded file."""
    source = fields.mapping(block.get("source"), f"{where}.source")
    if source.get("type") == "url":
        return fields.text(source.get("url"), f"{where}.source.url")
    data = source.get("data")
    if not isinstance(data, str) or not data:
        return ""
    kind = fields.text_or_none(source.get("media_type")) or "application/octet-stream"
    return f"data:{kind},{data}" if source.get("type") == "text" else f"data:{kind};base64,{data}"


def _call(block: Mapping[str, JSON], where: str) -> list[Part]:
    call = _tool_call(block, where)
    return [Part(kind=PartKind.TOOL_CALL, call_id=call.call_id, name=call.name, arguments=call.arguments)]


def _tool_call(block: Mapping[str, JSON], where: str) -> ToolCall:
    made = block.get("input")
    return ToolCall(
        name=fields.text(block.get("name"), f"{where}.name"),
        arguments={} if made is None else made,
        call_id=fields.text_or_none(block.get("id")),
    )


def _result(block: Mapping[str, JSON], where: str) -> list[Part]:
    content = _parts(block.get("content"), f"{where}.content")
    told = "\n".join(part.text for part in content if part.kind is PartKind.TEXT)
    result = Part(
        kind=PartKind.TOOL_RESULT,
        text=told,
        call_id=fields.text_or_none(block.get("tool_use_id")),
        arguments={"is_error": True} if block.get("is_error") is True else None,
    )
    # A picture in a tool result has no place in an OpenAI tool message: it follows in the user's turn.
    return [result, *(part for part in content if part.kind is not PartKind.TEXT)]


def _nothing(_block: Mapping[str, JSON], _where: str) -> list[Part]:
    return []


def _unknown(block: Mapping[str, JSON], _where: str) -> list[Part]:
    return [Part(kind=PartKind.DOCUMENT, media_type=f"unknown/{str(block.get('type'))[:60]}")]


_BLOCK_READERS: Mapping[str, Callable[[Mapping[str, JSON], str], list[Part]]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _nothing,
    "image": _image,
    "document": _document,
    "tool_use": _call,
    "tool_result": _result,
}


def _tools(listed: JSON) -> tuple[Tool, ...]:
    if listed is None:
        return ()
    return tuple(_tool(raw, f"request.tools[{i}]") for i, raw in enumerate(fields.sequence(listed, "request.tools")))


def _tool(raw: JSON, where: str) -> Tool:
    raw = fields.mapping(raw, where)
    kind = fields.text_or_none(raw.get("type")) or "custom"
    name = fields.text_or_none(raw.get("name"))
    if kind != "custom":
        return Tool(name=name or kind, kind=kind)
    return Tool(
        name=fields.text(raw.get("name"), f"{where}.name"),
        description=fields.text_or_empty(raw.get("description"), f"{where}.description"),
        parameters=dict(fields.mapping_or_empty(raw.get("input_schema"))),
    )


def _tool_choice(raw: JSON) -> tuple[JSON, bool]:
    """The choice in OpenAI's words, and whether parallel calls were forbidden."""
    if not isinstance(raw, dict):
        return None, False
    single = raw.get("disable_parallel_tool_use") is True
    kind = raw.get("type")
    if kind == "tool":
        return {"type": "function", "function": {"name": raw.get("name")}}, single
    words: Mapping[JSON, JSON] = {"auto": "auto", "any": "required", "none": "none"}
    return (words.get(kind) if isinstance(kind, str) else None), single


def _schema(body: Mapping[str, JSON]) -> Mapping[str, JSON] | None:
    """The schema of a structured answer: `output_config.format`, or the older `output_format`."""
    config = fields.mapping_or_empty(body.get("output_config"))
    asked = fields.mapping_or_empty(config.get("format") or body.get("output_format"))
    schema = asked.get("schema")
    return dict(schema) if isinstance(schema, dict) else None


def answer(body: JSON) -> tuple[Answer, Usage]:
    """Return what a Messages response answered and the tokens it took; an error body gives a failure."""
    body = fields.mapping(body, "response")
    model = fields.text_or_none(body.get("model"))
    used = usage(body.get("usage"))
    if body.get("error") is not None:
        return Answer(model=model, failure=failure_of(body["error"])), used
    told: list[str] = []
    calls: list[ToolCall] = []
    for i, raw in enumerate(fields.sequence(body.get("content"), "response.content")):
        where = f"response.content[{i}]"
        block = fields.mapping(raw, where)
        if block.get("type") == "text":
            told.append(fields.text_or_empty(block.get("text"), f"{where}.text"))
        elif block.get("type") == "tool_use":
            calls.append(_tool_call(block, where))
    finish = fields.text_or_none(body.get("stop_reason"))
    return answered("".join(told), tuple(calls), model=model, finish=finish), used


def usage(raw: JSON) -> Usage:
    """Return disjoint token counts from an Anthropic usage object; what contradicts itself is unknown."""
    if not isinstance(raw, dict):
        return Usage()
    fresh, read = raw.get("input_tokens"), raw.get("cache_read_input_tokens")
    short, long = _writes(raw)
    given = [fresh, read, short, long]
    counts = [fields.count(value) for value in given]
    if any(value is not None and counted is None for value, counted in zip(given, counts, strict=True)):
        counts = [None] * 4
    visible, reasoning = _output(raw)
    return Usage(
        fresh=counts[0],
        cache_read=counts[1],
        cache_write_5m=counts[2],
        cache_write_1h=counts[3],
        visible=visible,
        reasoning=reasoning,
    )


def _writes(raw: Mapping[str, JSON]) -> tuple[JSON, JSON]:
    """Cache writes by lifetime as logged; a breakdown that does not add up to its total spoils both."""
    total = raw.get("cache_creation_input_tokens")
    split = fields.mapping_or_empty(raw.get("cache_creation"))
    short, long = split.get("ephemeral_5m_input_tokens"), split.get("ephemeral_1h_input_tokens")
    if short is None and long is None:
        return total, None
    if total is not None and fields.count(total) != (fields.count(short) or 0) + (fields.count(long) or 0):
        return False, False
    return short, long


def _output(raw: Mapping[str, JSON]) -> tuple[int | None, int | None]:
    total = fields.count(raw.get("output_tokens"))
    said = fields.mapping_or_empty(raw.get("output_tokens_details")).get("thinking_tokens")
    thought = fields.count(said)
    if total is None or (said is not None and (thought is None or thought > total)):
        return None, None
    return (total, None) if thought is None else (total - thought, thought)
