"""An Anthropic Messages request as a chat completions body, for an upstream that speaks OpenAI.

Rules kept: what has no place there is named in the notes; what would change the meaning (files and tools held at the
provider, a begun answer) is refused. Tool results become messages of role `tool`; pictures in them follow in the user's
turn, as chat has no place for them in a result. A result that was an error says so in its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from fairlead.core.errors import Untranslatable
from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.translate.notes import Notes, own_id

_SAME: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "stop_sequences": "stop",
    "stream": "stream",
}
_READ = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "max_tokens", "metadata", "output_config", "output_format",
     "thinking", "top_k", *_SAME}
)  # fmt: skip
_HELD = frozenset({"mcp_servers", "container"})
_CLOSED = re.compile(r"(?:openai/)?(?:gpt-(?!oss)|chatgpt|o\d)")
_TOOL_MARKS = frozenset({"name", "type", "description", "input_schema", "strict", "cache_control"})


def speaks_closed(model: str) -> bool:
    """Whether a model's name is one of OpenAI's own, which know `max_completion_tokens` and no `top_k`.

    >>> speaks_closed("gpt-5-mini"), speaks_closed("gpt-oss-20b"), speaks_closed("qwen3-32b")
    (True, False, False)
    """
    return _CLOSED.match(model) is not None


def request(body: Mapping[str, JSON], notes: Notes, *, model: str) -> dict[str, JSON]:
    """Return the chat body that asks `model` what a Messages `body` asks."""
    _refuse_held(body)
    asked: dict[str, JSON] = {"model": model, "messages": _messages(body, notes)}
    asked |= {target: body[name] for name, target in _SAME.items() if body.get(name) is not None}
    _set_limits(asked, body, notes, is_closed=speaks_closed(model))
    _set_tools(asked, body, notes)
    _set_format(asked, body, notes)
    user = fields.mapping_or_empty(body.get("metadata")).get("user_id")
    if isinstance(user, str):
        asked["user"] = user
    if asked.get("stream") is True:
        asked["stream_options"] = {"include_usage": True}
    for name in body:
        if name not in _READ and body[name] is not None:
            notes.add(name)
    return asked


def _refuse_held(body: Mapping[str, JSON]) -> None:
    for name in sorted(_HELD):
        if body.get(name):
            raise Untranslatable(
                f"{name} works at Anthropic only; the upstream of this route speaks OpenAI's protocol."
            )


def _set_limits(asked: dict[str, JSON], body: Mapping[str, JSON], notes: Notes, *, is_closed: bool) -> None:
    if body.get("max_tokens") is not None:
        asked["max_completion_tokens" if is_closed else "max_tokens"] = body["max_tokens"]
    if body.get("top_k") is not None:
        if is_closed:
            notes.add("top_k")
        else:
            asked["top_k"] = body["top_k"]
    if fields.mapping_or_empty(body.get("thinking")).get("type") not in (None, "disabled"):
        notes.add("thinking")


def _set_format(asked: dict[str, JSON], body: Mapping[str, JSON], notes: Notes) -> None:
    config = fields.mapping_or_empty(body.get("output_config"))
    form = fields.mapping_or_empty(config.get("format") or body.get("output_format"))
    if form:
        if form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
            raise Untranslatable("output_config.format is not a json_schema with a schema.")
        described: dict[str, JSON] = {"name": "answer", "schema": form["schema"], "strict": True}
        asked["response_format"] = {"type": "json_schema", "json_schema": described}
    for name in config:
        if name != "format":
            notes.add(f"output_config.{name}")


# Tools


def _set_tools(asked: dict[str, JSON], body: Mapping[str, JSON], notes: Notes) -> None:
    listed = fields.sequence(body.get("tools") or [], "tools")
    tools: list[JSON] = [_tool(raw, f"tools[{i}]", notes) for i, raw in enumerate(listed)]
    if not tools:
        return
    asked["tools"] = tools
    choice = fields.mapping_or_empty(body.get("tool_choice"))
    kind = choice.get("type")
    if kind == "tool":
        asked["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif isinstance(kind, str):
        words = {"auto": "auto", "any": "required", "none": "none"}
        if kind not in words:
            raise fields.unexpected("tool_choice.type", kind, (*words, "tool"))
        asked["tool_choice"] = words[kind]
    if choice.get("disable_parallel_tool_use") is True:
        asked["parallel_tool_calls"] = False


def _tool(raw: JSON, where: str, notes: Notes) -> JSON:
    tool = fields.mapping(raw, where)
    kind = tool.get("type")
    if kind not in (None, "custom"):
        raise Untranslatable(f"{where} is {str(kind)[:40]!r}, a tool that only Anthropic's own models know.")
    function: dict[str, JSON] = {"name": fields.text(tool.get("name"), f"{where}.name")}
    if tool.get("description"):
        function["description"] = tool["description"]
    function["parameters"] = dict(fields.mapping_or_empty(tool.get("input_schema")))
    if isinstance(tool.get("strict"), bool):
        function["strict"] = tool["strict"]
    for name in tool:
        if name not in _TOOL_MARKS:
            notes.add(f"tools.{name}")
    _mark(tool, notes)
    return {"type": "function", "function": function}


# Messages


def _messages(body: Mapping[str, JSON], notes: Notes) -> list[JSON]:
    turns = fields.sequence(body.get("messages"), "messages")
    if not turns:
        raise Untranslatable("messages is empty.")
    system = _plain(body.get("system"), "system", notes)
    messages: list[JSON] = [{"role": "system", "content": system}] if system else []
    for i, raw in enumerate(turns):
        messages.extend(_turn(fields.mapping(raw, f"messages[{i}]"), f"messages[{i}]", notes))
    if fields.mapping(turns[-1], "messages").get("role") == "assistant":
        raise Untranslatable(
            "The last message is the assistant's: an answer begun by the caller cannot be continued over OpenAI's protocol."
        )
    return messages


def _turn(turn: Mapping[str, JSON], where: str, notes: Notes) -> list[JSON]:
    role = fields.text(turn.get("role"), f"{where}.role")
    blocks = blocks_of(turn.get("content"), f"{where}.content")
    if role == "assistant":
        return [_assistant(blocks, f"{where}.content", notes)]
    if role == "system":
        return [{"role": "system", "content": _plain(turn.get("content"), f"{where}.content", notes)}]
    if role != "user":
        raise fields.unexpected(f"{where}.role", role, ("user", "assistant"))
    return _user(blocks, f"{where}.content", notes)


def blocks_of(content: JSON, where: str) -> list[Mapping[str, JSON]]:
    """Return the blocks of a message's content; text alone is one block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [fields.mapping(raw, f"{where}[{i}]") for i, raw in enumerate(fields.sequence(content, where))]


def _plain(content: JSON, where: str, notes: Notes) -> str:
    """Text alone, as every server takes it in a system message."""
    if content is None:
        return ""
    told: list[str] = []
    for i, block in enumerate(blocks_of(content, where)):
        if block.get("type") != "text":
            raise _no_place(block, f"{where}[{i}]")
        _mark(block, notes)
        told.append(fields.text(block.get("text"), f"{where}[{i}].text"))
    return "\n\n".join(text for text in told if text)


def _assistant(blocks: list[Mapping[str, JSON]], where: str, notes: Notes) -> JSON:
    told: list[str] = []
    calls: list[JSON] = []
    for i, block in enumerate(blocks):
        kind = block.get("type")
        _mark(block, notes)
        if kind == "text":
            if calls:
                notes.add("text after tool_use")
            told.append(fields.text(block.get("text"), f"{where}[{i}].text"))
        elif kind == "tool_use":
            calls.append(_call(block, f"{where}[{i}]"))
        elif kind in ("thinking", "redacted_thinking"):
            notes.add("thinking of earlier turns")
        else:
            raise _no_place(block, f"{where}[{i}]")
    said: dict[str, JSON] = {"role": "assistant", "content": "".join(told)}
    if calls:
        said["tool_calls"] = calls
        said["content"] = said["content"] or None
    return said


def _call(block: Mapping[str, JSON], where: str) -> JSON:
    arguments = msgspec.json.encode(fields.mapping_or_empty(block.get("input"))).decode()
    return {
        "id": own_id(fields.text(block.get("id"), f"{where}.id")),
        "type": "function",
        "function": {"name": fields.text(block.get("name"), f"{where}.name"), "arguments": arguments},
    }


def _user(blocks: list[Mapping[str, JSON]], where: str, notes: Notes) -> list[JSON]:
    results: list[JSON] = []
    pictures: list[JSON] = []
    said: list[JSON] = []
    for i, block in enumerate(blocks):
        if block.get("type") == "tool_result":
            results.append(_result(block, f"{where}[{i}]", pictures, notes))
        else:
            said.extend(_parts(block, f"{where}[{i}]", notes))
    content: list[JSON] = [*pictures, *said]
    return [*results, {"role": "user", "content": _shortest(content)}] if content or not results else results


def _shortest(parts: list[JSON]) -> JSON:
    """One text alone goes as text, the form that every server reads."""
    only = parts[0] if len(parts) == 1 else None
    return only.get("text") if isinstance(only, dict) and only.get("type") == "text" else (parts or "")


def _result(block: Mapping[str, JSON], where: str, pictures: list[JSON], notes: Notes) -> JSON:
    _mark(block, notes)
    told: list[str] = []
    content = block.get("content")
    for i, inner in enumerate([] if content is None else blocks_of(content, f"{where}.content")):
        for part in _parts(inner, f"{where}.content[{i}]", notes):
            if isinstance(part, dict) and part.get("type") == "text":
                told.append(str(part["text"]))
            else:
                pictures.append(part)
    text = "\n".join(told)
    if block.get("is_error") is True and not text.lower().startswith("error"):
        text = f"Error: {text}"
    call_id = own_id(fields.text(block.get("tool_use_id"), f"{where}.tool_use_id"))
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def _parts(block: Mapping[str, JSON], where: str, notes: Notes) -> list[JSON]:
    """One block of a user's turn as parts of a chat message."""
    _mark(block, notes)
    kind = block.get("type")
    if kind == "text":
        return [_text(fields.text(block.get("text"), f"{where}.text"))]
    if kind == "image":
        return [{"type": "image_url", "image_url": {"url": _address(block, where)}}]
    if kind == "document":
        return _document(block, where, notes)
    if kind == "search_result":
        return _search_result(block, where, notes)
    raise _no_place(block, where)


def _text(told: str) -> JSON:
    return {"type": "text", "text": told}


def _document(block: Mapping[str, JSON], where: str, notes: Notes) -> list[JSON]:
    if fields.mapping_or_empty(block.get("citations")).get("enabled") is True:
        notes.add("citations")
    source = fields.mapping(block.get("source"), f"{where}.source")
    title, context = fields.text_or_none(block.get("title")), fields.text_or_none(block.get("context"))
    kind = source.get("type")
    if kind == "base64":
        file: dict[str, JSON] = {"filename": title or "document.pdf", "file_data": _address(block, where)}
        return [*([_text(context)] if context else []), {"type": "file", "file": file}]
    heading = [_text(line) for line in (title, context) if line]
    if kind == "text":
        return [*heading, _text(fields.text(source.get("data"), f"{where}.source.data"))]
    if kind == "content":
        inner = blocks_of(source.get("content"), f"{where}.source.content")
        return [
            *heading,
            *(part for i, b in enumerate(inner) for part in _parts(b, f"{where}.source.content[{i}]", notes)),
        ]
    raise Untranslatable(
        f"{where}.source is {str(kind)[:40]!r}; over OpenAI's chat protocol a document travels as its content."
    )


def _search_result(block: Mapping[str, JSON], where: str, notes: Notes) -> list[JSON]:
    if fields.mapping_or_empty(block.get("citations")).get("enabled") is True:
        notes.add("citations")
    heading = [_text(line) for key in ("title", "source") if (line := fields.text_or_none(block.get(key)))]
    inner = blocks_of(block.get("content"), f"{where}.content")
    return [*heading, *(part for i, b in enumerate(inner) for part in _parts(b, f"{where}.content[{i}]", notes))]


def _address(block: Mapping[str, JSON], where: str) -> str:
    source = fields.mapping(block.get("source"), f"{where}.source")
    kind = source.get("type")
    if kind == "url":
        return fields.text(source.get("url"), f"{where}.source.url")
    if kind != "base64":
        raise Untranslatable(f"{where}.source is {str(kind)[:40]!r}, which only Anthropic can read.")
    media = fields.text(source.get("media_type"), f"{where}.source.media_type")
    return f"data:{media};base64,{fields.text(source.get('data'), f'{where}.source.data')}"


def _mark(block: Mapping[str, JSON], notes: Notes) -> None:
    if block.get("cache_control"):
        notes.add("cache_control")


def _no_place(block: Mapping[str, JSON], where: str) -> Untranslatable:
    kind = str(block.get("type"))[:40]
    return Untranslatable(f"{where} is {kind!r}, which has no place in a chat completions request.")
