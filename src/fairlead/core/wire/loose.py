"""Messages as frameworks and tracers write them, to the same records: OpenAI, Anthropic, Gemini, LangChain, OTel, ….

A dialect is strict: its bodies go through `openai` or `anthropic`. A trace is not: the same conversation comes as role and
content, as parts, as `contents`, as LangChain classes, or as one flattened text. Rules kept: what is understood becomes a
message; what is not becomes a part without content, which is counted as lost; a flattened text is taken apart only where
its first line names a role, and is then flagged as reconstructed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fairlead.core.nouns import JSON, Endpoint, Fidelity, Message, Part, PartKind, Request, Tool
from fairlead.core.wire import fields
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.openai import body_of, media_part, without_system

ROLE_BY_WORD: Mapping[str, str] = {
    "system": "system",
    "systemmessage": "system",
    "developer": "developer",
    "user": "user",
    "human": "user",
    "humanmessage": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "tool": "tool",
    "toolmessage": "tool",
    "function": "tool",
    "functionmessage": "tool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """A conversation as far as it was understood; `tools` are those whose definitions stood among the messages."""

    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    fidelity: tuple[Fidelity, ...] = ()


def turns(value: JSON) -> Turns:
    """Return the conversation that `value` holds, in whatever shape."""
    value = structure_or_text(value) if isinstance(value, str) and value.strip() else value
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, dict):
        value = _listed(value)
    if not isinstance(value, list) or not value:
        return Turns()
    if all(isinstance(item, str) for item in value):
        return turns("\n".join(str(item) for item in value)) if len(value) == 1 else Turns()
    return _from_list(value)


def _listed(value: dict[str, JSON]) -> JSON:
    """The messages inside an object that wraps them, or the object itself as the only message."""
    for key in ("messages", "contents", "input_messages", "input", "args", "prompt", "kwargs"):
        inner = value.get(key)
        if isinstance(inner, dict) and key in {"input", "kwargs"}:
            return _listed(inner)
        if isinstance(inner, (list, str)) and inner:
            return [{"role": "user", "content": inner}] if isinstance(inner, str) else inner
    return [value] if _role(value) else []


def _from_list(value: Sequence[JSON]) -> Turns:
    # LangChain logs a batch of conversations; the first is the one that was asked.
    if len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    found: list[Message] = []
    tools: list[Tool] = []
    for raw in value:
        defined = _tool_definition(raw)
        if defined:
            tools.append(defined)
        else:
            found.extend(message(raw))
    return Turns(messages=tuple(found), tools=tuple(tools), fidelity=_missing_start(found))


def _missing_start(found: Sequence[Message]) -> tuple[Fidelity, ...]:
    """A conversation that opens with a call or a result has lost what came before (a thread kept at the vendor)."""
    first = next((turn for turn in found if turn.role not in {"system", "developer"}), None)
    lost = first is not None and any(part.kind in {PartKind.TOOL_CALL, PartKind.TOOL_RESULT} for part in first.parts)
    return (Fidelity.TRUNCATED,) if lost else ()


_ROLE_LINE = re.compile(r"^(system|developer|user|assistant|tool): ?", re.MULTILINE)


def _from_text(text: str) -> Turns:
    if not text.strip():
        return Turns()
    if not _ROLE_LINE.match(text):
        return Turns(messages=(Message(role="user", parts=(Part(kind=PartKind.TEXT, text=text),)),))
    pieces = _ROLE_LINE.split(text)[1:]
    found = [_flat(role, told.removesuffix("\n")) for role, told in zip(pieces[::2], pieces[1::2], strict=True)]
    return Turns(messages=tuple(found), fidelity=(Fidelity.RECONSTRUCTED,))


def _flat(role: str, told: str) -> Message:
    kind = PartKind.TOOL_RESULT if role == "tool" else PartKind.TEXT
    return Message(role=role, parts=() if told in {"", "None"} else (Part(kind=kind, text=told),))


def message(raw: JSON) -> list[Message]:
    """Return what one logged message says: one message, or one for each tool result and one for the rest."""
    if isinstance(raw, str):
        return [Message(role="user", parts=(Part(kind=PartKind.TEXT, text=raw),))]
    if not isinstance(raw, dict):
        return []
    if isinstance(raw.get("message"), dict) and "content" not in raw:
        return message(raw["message"])
    raw = _unwrapped(raw)
    role = _role(raw) or "user"
    found = [*_content(raw), *_calls(raw)]
    if role == "tool" and not any(part.kind is PartKind.TOOL_RESULT for part in found):
        found = [_joined_result(raw, found), *(part for part in found if part.kind is not PartKind.TEXT)]
    results = [Message(role="tool", parts=(part,)) for part in found if part.kind is PartKind.TOOL_RESULT]
    rest = tuple(part for part in found if part.kind is not PartKind.TOOL_RESULT)
    if results and not rest:
        return list(results)
    return [*results, Message(role="user" if role == "tool" else role, parts=rest)]


def _unwrapped(raw: dict[str, JSON]) -> dict[str, JSON]:
    """LangChain's serialised form keeps the message under `kwargs` or `data` and its class in `id` or `type`."""
    inner = raw.get("kwargs") or raw.get("data")
    if not isinstance(inner, dict) or "content" not in inner or "content" in raw:
        return raw
    names = raw.get("id")
    kind = names[-1] if isinstance(names, list) and names else raw.get("type")
    return {**inner, "type": inner.get("type") or kind}


def _role(raw: Mapping[str, JSON]) -> str | None:
    for key in ("role", "type", "_type"):
        word = raw.get(key)
        if isinstance(word, str) and word.lower() in ROLE_BY_WORD:
            return ROLE_BY_WORD[word.lower()]
    return None


def _content(raw: Mapping[str, JSON]) -> list[Part]:
    found: list[Part] = []
    thought = fields.text_or_none(raw.get("reasoning_content"))
    if thought:
        found.append(Part(kind=PartKind.THINKING, text=thought))
    content = next((raw[key] for key in ("parts", "content", "text") if raw.get(key) is not None), None)
    return [*found, *parts(content)]


def parts(content: JSON) -> list[Part]:
    """Return the parts of a message's content: text, one part, or a list of them."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Part(kind=PartKind.TEXT, text=content)]
    if isinstance(content, dict) and isinstance(content.get("parts"), list):
        content = content["parts"]
    listed = content if isinstance(content, list) else [content]
    return [part for raw in listed for part in _part(raw)]


def _part(raw: JSON) -> list[Part]:
    if isinstance(raw, str):
        return [Part(kind=PartKind.TEXT, text=raw)]
    if not isinstance(raw, dict):
        return [] if raw is None else [Part(kind=PartKind.TEXT, text=str(raw))]
    kind = raw.get("type")
    if isinstance(kind, str) and kind in _BY_TYPE:
        return [_BY_TYPE[kind](raw)]
    for key, read in _BY_KEY.items():
        if raw.get(key) is not None:
            return [read(raw)]
    return [Part(kind=PartKind.DOCUMENT, media_type=f"unknown/{str(kind or next(iter(raw), ''))[:60]}")]


def _first(raw: Mapping[str, JSON], *keys: str) -> JSON:
    return next((raw[key] for key in keys if raw.get(key) is not None), None)


def _text(raw: Mapping[str, JSON]) -> Part:
    told = _first(raw, "text", "content", "refusal")
    kind = PartKind.THINKING if raw.get("thought") is True else PartKind.TEXT
    return Part(kind=kind, text=told if isinstance(told, str) else "" if told is None else as_text(told))


def _thinking(raw: Mapping[str, JSON]) -> Part:
    told = _first(raw, "thinking", "reasoning", "text", "content", "summary")
    return Part(kind=PartKind.THINKING, text="" if told is None else as_text(told))


def call(raw: Mapping[str, JSON]) -> Part:
    """Return a tool call in any of its shapes: a nested or flat function, `args`, `input`, `toolName`, …."""
    function = _first(raw, "function", "functionCall", "function_call")
    inner: Mapping[str, JSON] = function if isinstance(function, dict) else raw
    name = function if isinstance(function, str) else _first(inner, "name", "toolName", "tool_name")
    arguments = structure_or_text(_first(inner, "arguments", "args", "input", "parameters"))
    return Part(
        kind=PartKind.TOOL_CALL,
        call_id=_call_id(raw) or _call_id(inner),
        name=name if isinstance(name, str) else "",
        arguments={} if arguments is None else arguments,
    )


def _result(raw: Mapping[str, JSON]) -> Part:
    wrapped = _first(raw, "functionResponse", "function_response")
    inner: Mapping[str, JSON] = wrapped if isinstance(wrapped, dict) else raw
    told = _first(inner, "response", "result", "output", "content", "text")
    if isinstance(told, dict) and told.keys() == {"type", "value"}:  # as the AI SDK wraps it
        told = told["value"]
    name = _first(inner, "name", "toolName", "function")
    return Part(
        kind=PartKind.TOOL_RESULT,
        text="" if told is None else as_text(told),
        call_id=_call_id(raw) or _call_id(inner),
        name=name if isinstance(name, str) else None,
    )


def _joined_result(raw: Mapping[str, JSON], content: Sequence[Part]) -> Part:
    told = "\n".join(part.text for part in content if part.kind is PartKind.TEXT)
    name = _first(raw, "name", "function")
    return Part(
        kind=PartKind.TOOL_RESULT,
        text=told,
        call_id=_call_id(raw),
        name=name if isinstance(name, str) else None,
    )


def _call_id(raw: Mapping[str, JSON]) -> str | None:
    found = _first(raw, "tool_call_id", "tool_use_id", "toolCallId", "call_id", "id")
    if isinstance(found, list):  # one agent framework writes [run, call]
        found = found[-1] if found else None
    return fields.text_or_none(found)


def as_text(value: JSON) -> str:
    """Return a value as text: text itself, the text of parts, or compact JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, dict) and "text" in item for item in value):
        return "\n".join(part.text for part in parts(value))
    return json_text(value)


def json_text(value: JSON) -> str:
    """Return a value as JSON text, as it would be shown."""
    return json.dumps(value, ensure_ascii=False)


_KIND_BY_MODALITY: Mapping[str, PartKind] = {
    "image": PartKind.IMAGE,
    "audio": PartKind.AUDIO,
    "video": PartKind.DOCUMENT,
}


def _media(raw: Mapping[str, JSON]) -> Part:
    """An image, sound or file by address, by inline data, or by an id that only the vendor can resolve."""
    inner = _first(
        raw, "image_url", "source", "inlineData", "inline_data", "fileData", "file_data", "input_audio", "file"
    )
    held: Mapping[str, JSON] = inner if isinstance(inner, dict) else raw
    mime = fields.text_or_none(_first(held, "mimeType", "mime_type", "media_type", "mediaType"))
    modality = fields.text_or_none(raw.get("modality")) or (mime or "").split("/")[0] or str(raw.get("type", ""))
    kind = next((k for word, k in _KIND_BY_MODALITY.items() if word in modality), PartKind.DOCUMENT)
    data = (
        inner if isinstance(inner, str) else _first(held, "url", "uri", "fileUri", "file_uri", "data", "image", "audio")
    )
    if data is None:
        data = _first(held, "content", "file_data")
    address = data if isinstance(data, str) and not data.startswith("<") else ""
    if address and not address.startswith(("data:", "http://", "https://", "gs://", "s3://")):
        address = f"data:{mime or 'application/octet-stream'};base64,{address}"
    return replace(media_part(kind, address), media_type=media_part(kind, address).media_type or mime)


_BY_TYPE: Mapping[str, Callable[[Mapping[str, JSON]], Part]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _text,
    "reasoning": _thinking,
    "thinking": _thinking,
    "redacted_thinking": _thinking,
    "tool_call": call,
    "tool_use": call,
    "tool-call": call,
    "function_call": call,
    "function": call,
    "tool_call_response": _result,
    "tool_result": _result,
    "tool-result": _result,
    "function_call_output": _result,
    "image": _media,
    "image_url": _media,
    "input_image": _media,
    "input_audio": _media,
    "audio": _media,
    "document": _media,
    "input_file": _media,
    "file": _media,
    "uri": _media,
    "blob": _media,
    "media": _media,
}
_BY_KEY: Mapping[str, Callable[[Mapping[str, JSON]], Part]] = {
    "text": _text,
    "functionCall": call,
    "function_call": call,
    "functionResponse": _result,
    "function_response": _result,
    "inlineData": _media,
    "inline_data": _media,
    "fileData": _media,
    "file_data": _media,
}


def _calls(raw: Mapping[str, JSON]) -> list[Part]:
    listed = raw.get("tool_calls") or fields.mapping_or_empty(raw.get("additional_kwargs")).get("tool_calls")
    found = [call(_flattened(item)) for item in fields.list_or_empty(listed) if isinstance(item, dict)]
    older = raw.get("function_call")
    return [call(older)] if not found and isinstance(older, dict) else found


def _flattened(raw: dict[str, JSON]) -> dict[str, JSON]:
    """OpenInference wraps each call once more, as `tool_call`."""
    inner = raw.get("tool_call")
    return inner if isinstance(inner, dict) else raw


def _tool_definition(raw: JSON) -> Tool | None:
    """A definition that a tracer put among the messages, as if a tool had said it."""
    content = raw.get("content") if isinstance(raw, dict) and raw.get("role") == "tool" else None
    function = content.get("function") if isinstance(content, dict) and content.get("type") == "function" else None
    return tool(function) if isinstance(function, dict) and "parameters" in function else None


def tool(raw: JSON) -> Tool | None:
    """Return a tool's definition: OpenAI's, Anthropic's, Gemini's or a bare function."""
    if not isinstance(raw, dict):
        return None
    inner = raw.get("function")
    held = inner if isinstance(inner, dict) else raw
    name = fields.text_or_none(held.get("name"))
    if name is None:
        return None
    schema = structure_or_text(_first(held, "parameters", "input_schema", "parametersJsonSchema", "inputSchema"))
    return Tool(
        name=name,
        description=fields.text_or_none(held.get("description")) or "",
        parameters=dict(fields.mapping_or_empty(schema)),
    )


def tools(value: JSON) -> tuple[Tool, ...]:
    """Return the tools defined in a list, Gemini's `function_declarations` included; what is no definition is left out."""
    found: list[Tool] = []
    for raw in map(structure_or_text, fields.list_or_empty(structure_or_text(value))):
        held = fields.mapping_or_empty(raw)
        declared = held.get("functionDeclarations") or held.get("function_declarations")
        listed = declared if isinstance(declared, list) else [raw]
        found.extend(defined for item in listed if (defined := tool(item)))
    return tuple(found)


def chat_body(
    *,
    model: str,
    messages: Iterable[Message],
    tools: Iterable[Tool] = (),
    parameters: Mapping[str, JSON] | None = None,
    system: str = "",
    schema: Mapping[str, JSON] | None = None,
    tool_choice: JSON = None,
) -> dict[str, JSON]:
    """Return the OpenAI chat body that asks for what was understood."""
    leading, rest = without_system(list(messages))
    asked = Request(
        endpoint=Endpoint.CHAT,
        model=model,
        system="\n\n".join(text for text in (system, leading) if text),
        messages=rest,
        tools=tuple(tools),
        tool_choice=tool_choice,
        schema=schema,
        json_mode=schema is not None,
        parameters={name: value for name, value in (parameters or {}).items() if value is not None},
    )
    return body_of(asked, model=model)


def completion(
    said: Sequence[Message], *, model: str | None = None, finish: str | None = None, usage: JSON = None
) -> dict[str, JSON]:
    """Return a chat completion that says what `said` holds; text and calls of several messages are joined."""
    held = [part for turn in said for part in turn.parts]
    text = "".join(part.text for part in held if part.kind is PartKind.TEXT)
    calls: list[JSON] = [
        {
            "id": part.call_id,
            "type": "function",
            "function": {
                "name": part.name or "",
                "arguments": part.arguments if isinstance(part.arguments, str) else json_text(part.arguments),
            },
        }
        for part in held
        if part.kind is PartKind.TOOL_CALL
    ]
    answer: dict[str, JSON] = {"role": "assistant", "content": text or None}
    if calls:
        answer["tool_calls"] = calls
    body: dict[str, JSON] = {"object": "chat.completion"}
    if model:
        body["model"] = model
    body["choices"] = [{"index": 0, "message": answer, "finish_reason": finish}]
    if usage is not None:
        body["usage"] = usage
    return body
