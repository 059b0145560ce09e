"""A Responses request as a chat completions body, for an upstream that knows no `/v1/responses`.

Rules kept: what lives at the provider (an earlier response, a stored prompt, hosted tools) is refused; what only asks for
convenience (storing, caching hints) is named in the notes. A free-form ("custom") tool becomes a function with one text,
and a call of it is free-form again on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from fairlead.core.errors import Untranslatable
from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.translate.ask_chat import speaks_closed
from fairlead.core.wire.translate.notes import Notes

CUSTOM_INPUT = "input"
"""The one argument of a function that stands for a free-form tool."""

_SAME: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "parallel_tool_calls": "parallel_tool_calls",
    "user": "user",
    "stream": "stream",
}
_READ = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "text", "max_output_tokens", "reasoning", "metadata",
     "previous_response_id", "conversation", "prompt", "background", "top_logprobs", *_SAME}
)  # fmt: skip
_MEANS_NOTHING: Mapping[str, tuple[JSON, ...]] = {
    "store": (False,),
    "include": ([],),
    "truncation": ("disabled",),
    "service_tier": ("auto", "default"),
    "stream_options": ({},),
}
_HELD = ("previous_response_id", "conversation", "prompt")


def custom_tools(body: Mapping[str, JSON]) -> frozenset[str]:
    """Return the names of a request's free-form tools."""
    tools = (tool for tool in fields.list_or_empty(body.get("tools")) if isinstance(tool, dict))
    return frozenset(str(tool.get("name")) for tool in tools if tool.get("type") == "custom")


def request(body: Mapping[str, JSON], notes: Notes, *, model: str) -> dict[str, JSON]:
    """Return the chat body that asks `model` what a Responses `body` asks."""
    _refuse(body)
    asked: dict[str, JSON] = {"model": model, "messages": _messages(body, notes)}
    asked |= {target: body[name] for name, target in _SAME.items() if body.get(name) is not None}
    if body.get("max_output_tokens") is not None:
        asked["max_completion_tokens" if speaks_closed(model) else "max_tokens"] = body["max_output_tokens"]
    _set_tools(asked, body, notes)
    _set_text(asked, fields.mapping_or_empty(body.get("text")), notes)
    effort = fields.mapping_or_empty(body.get("reasoning")).get("effort")
    if effort is not None and (speaks_closed(model) or model.startswith("claude")):
        asked["reasoning_effort"] = effort
    elif effort is not None:
        notes.add("reasoning")
    if asked.get("stream") is True:
        asked["stream_options"] = {"include_usage": True}
    for name in body:
        if name not in _READ and body[name] is not None and body[name] not in _MEANS_NOTHING.get(name, ()):
            notes.add(name)
    return asked


def _refuse(body: Mapping[str, JSON]) -> None:
    for name in _HELD:
        if body.get(name):
            raise Untranslatable(
                f"{name} names something held at OpenAI; this route's upstream cannot read it. Send the whole input instead."
            )
    if body.get("background") is True:
        raise Untranslatable("background work cannot be done by an upstream that speaks chat completions.")
    if body.get("top_logprobs"):
        raise Untranslatable("top_logprobs cannot be carried to an upstream that speaks chat completions.")


def _set_text(asked: dict[str, JSON], text: Mapping[str, JSON], notes: Notes) -> None:
    form = fields.mapping_or_empty(text.get("format"))
    kind = form.get("type")
    if kind == "json_schema":
        described = {key: form[key] for key in ("name", "description", "schema", "strict") if form.get(key) is not None}
        asked["response_format"] = {"type": "json_schema", "json_schema": described}
    elif kind == "json_object":
        asked["response_format"] = {"type": "json_object"}
    elif kind not in (None, "text"):
        raise fields.unexpected("text.format.type", str(kind), ("text", "json_object", "json_schema"))
    if text.get("verbosity") not in (None, "medium"):
        notes.add("text.verbosity")


# Tools


def _set_tools(asked: dict[str, JSON], body: Mapping[str, JSON], notes: Notes) -> None:
    listed = fields.sequence(body.get("tools") or [], "tools")
    tools: list[JSON] = [
        _tool(fields.mapping(raw, f"tools[{i}]"), f"tools[{i}]", notes) for i, raw in enumerate(listed)
    ]
    if not tools:
        return
    asked["tools"] = tools
    choice = body.get("tool_choice")
    if isinstance(choice, str):
        asked["tool_choice"] = choice
    elif isinstance(choice, dict):
        asked["tool_choice"] = _chosen(choice)


def _tool(tool: Mapping[str, JSON], where: str, notes: Notes) -> JSON:
    kind = tool.get("type")
    if kind not in ("function", "custom"):
        raise Untranslatable(
            f"{where} is {str(kind)[:40]!r}, a tool that runs at OpenAI; this route's upstream has none."
        )
    function: dict[str, JSON] = {"name": fields.text(tool.get("name"), f"{where}.name")}
    if tool.get("description"):
        function["description"] = tool["description"]
    if kind == "custom":
        if fields.mapping_or_empty(tool.get("format")).get("type") == "grammar":
            notes.add("grammar of a custom tool")
        text: dict[str, JSON] = {"type": "string"}
        function["parameters"] = {"type": "object", "properties": {CUSTOM_INPUT: text}, "required": [CUSTOM_INPUT]}
        return {"type": "function", "function": function}
    function["parameters"] = dict(fields.mapping_or_empty(tool.get("parameters")))
    if isinstance(tool.get("strict"), bool):
        function["strict"] = tool["strict"]
    return {"type": "function", "function": function}


def _chosen(choice: Mapping[str, JSON]) -> JSON:
    kind = choice.get("type")
    if kind in ("function", "custom"):
        return {"type": "function", "function": {"name": choice.get("name")}}
    if kind != "allowed_tools":
        raise Untranslatable(f"tool_choice is {str(kind)[:40]!r}, a tool that runs at OpenAI.")
    tools: list[JSON] = [
        _chosen(fields.mapping(raw, "tool_choice.tools")) for raw in fields.list_or_empty(choice.get("tools"))
    ]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode"), "tools": tools}}


# Input


def _messages(body: Mapping[str, JSON], notes: Notes) -> list[JSON]:
    told = body.get("instructions")
    messages: list[JSON] = [{"role": "system", "content": fields.text(told, "instructions")}] if told else []
    sent = body.get("input")
    items: list[JSON] = [{"role": "user", "content": sent}] if isinstance(sent, str) else fields.sequence(sent, "input")
    for i, raw in enumerate(items):
        _add(messages, fields.mapping(raw, f"input[{i}]"), f"input[{i}]", notes)
    if not any(isinstance(turn, dict) and turn.get("role") != "system" for turn in messages):
        raise Untranslatable("input is empty.")
    return messages


def _add(messages: list[JSON], item: Mapping[str, JSON], where: str, notes: Notes) -> None:
    kind = item.get("type") or "message"
    if kind == "message":
        messages.append(_message(item, where, notes))
    elif kind in ("function_call", "custom_tool_call"):
        _add_call(messages, _call(item, where))
    elif kind in ("function_call_output", "custom_tool_call_output"):
        messages.extend(_output(item, where, notes))
    elif kind == "reasoning":
        notes.add("reasoning of earlier turns")
    else:
        raise Untranslatable(f"{where} is {str(kind)[:40]!r}, which has no place in a chat completions request.")


def _message(item: Mapping[str, JSON], where: str, notes: Notes) -> JSON:
    role = fields.text(item.get("role"), f"{where}.role")
    if role not in ("user", "assistant", "system", "developer"):
        raise fields.unexpected(f"{where}.role", role, ("user", "assistant", "system", "developer"))
    content = item.get("content")
    if not isinstance(content, str):
        parts = [_part(raw, f"{where}.content[{i}]", notes) for i, raw in enumerate(fields.sequence(content, where))]
        texts = [part.get("text") for part in parts if part.get("type") == "text"]
        content = (
            "".join(map(str, texts))
            if len(texts) == len(parts) and (role != "user" or len(parts) == 1)
            else list[JSON](parts)
        )
    return {"role": "system" if role == "developer" else role, "content": content}


def _part(raw: JSON, where: str, notes: Notes) -> dict[str, JSON]:
    part = fields.mapping(raw, where)
    kind = fields.text(part.get("type"), f"{where}.type")
    read = _PARTS.get(kind)
    if read is None:
        raise Untranslatable(f"{where} is {kind[:40]!r}, which has no place in a chat completions request.")
    return read(part, where, notes)


def _text(part: Mapping[str, JSON], where: str, _notes: Notes) -> dict[str, JSON]:
    return {"type": "text", "text": fields.text(part.get("text"), f"{where}.text")}


def _refusal(part: Mapping[str, JSON], where: str, _notes: Notes) -> dict[str, JSON]:
    return {"type": "text", "text": fields.text(part.get("refusal"), f"{where}.refusal")}


def _image(part: Mapping[str, JSON], where: str, _notes: Notes) -> dict[str, JSON]:
    url = part.get("image_url")
    if not isinstance(url, str):
        raise Untranslatable(f"{where} is an image held at OpenAI; send it as image_url.")
    image: dict[str, JSON] = {"url": url}
    if isinstance(part.get("detail"), str):
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _file(part: Mapping[str, JSON], where: str, _notes: Notes) -> dict[str, JSON]:
    if not isinstance(part.get("file_data"), str):
        raise Untranslatable(f"{where} is a file held elsewhere; send its content as file_data.")
    return {"type": "file", "file": {key: part[key] for key in ("filename", "file_data") if part.get(key)}}


def _audio(part: Mapping[str, JSON], where: str, _notes: Notes) -> dict[str, JSON]:
    return {"type": "input_audio", "input_audio": fields.mapping(part.get("input_audio"), f"{where}.input_audio")}


_PARTS: Mapping[str, Callable[[Mapping[str, JSON], str, Notes], dict[str, JSON]]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _call(item: Mapping[str, JSON], where: str) -> JSON:
    if item.get("type") == "custom_tool_call":
        arguments = msgspec.json.encode({CUSTOM_INPUT: fields.text(item.get("input"), f"{where}.input")}).decode()
    else:
        arguments = fields.text(item.get("arguments"), f"{where}.arguments")
    function: dict[str, JSON] = {"name": fields.text(item.get("name"), f"{where}.name"), "arguments": arguments}
    return {"id": fields.text(item.get("call_id"), f"{where}.call_id"), "type": "function", "function": function}


def _add_call(messages: list[JSON], call: JSON) -> None:
    """Calls stand beside messages in Responses; in chat they are the assistant's message before them, or one of its own."""
    last = messages[-1] if messages else None
    if isinstance(last, dict) and last.get("role") == "assistant":
        last["tool_calls"] = [*fields.list_or_empty(last.get("tool_calls")), call]
        last["content"] = last["content"] or None
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


def _output(item: Mapping[str, JSON], where: str, notes: Notes) -> list[JSON]:
    told = item.get("output")
    media: list[JSON] = []
    if not isinstance(told, str):
        parts = [
            _part(raw, f"{where}.output[{i}]", notes) for i, raw in enumerate(fields.sequence(told, f"{where}.output"))
        ]
        media = [part for part in parts if part.get("type") != "text"]
        told = "\n".join(str(part["text"]) for part in parts if part.get("type") == "text")
    call_id = fields.text(item.get("call_id"), f"{where}.call_id")
    result: JSON = {"role": "tool", "tool_call_id": call_id, "content": told}
    return [result, {"role": "user", "content": media}] if media else [result]
