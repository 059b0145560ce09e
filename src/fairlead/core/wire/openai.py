"""OpenAI chat completions and embeddings, both ways: bodies to records, and any request to a chat body.

Rules kept: leading system and developer messages become `Request.system`; older forms (`functions`, `function_call`,
`reasoning_content`) are read as what replaced them; parameters that are null were not sent; `prompt_tokens` includes
cached tokens and `completion_tokens` includes reasoning, so both are taken apart; a count that contradicts another is
unknown. A body that cannot be a request or an answer raises `UnreadableLine` naming the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import count as numbers
from typing import NamedTuple

from fairlead.core.errors import UnreadableLine
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
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.failure import failure_of

UNNAMED_MODEL = "unnamed"
"""Stands where a body names no model (Azure keeps it in the address); no price is ever known for it."""

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_LEADING = frozenset({"system", "developer"})
_PLAIN_ROLES = ("system", "user", "assistant", "developer")
_STRUCTURAL = frozenset(
    {"model", "messages", "tools", "functions", "tool_choice", "function_call", "response_format", "stream", "input"}
)
_DATA_TYPE = re.compile(r"data:([^;,]+)")
_MEDIA = frozenset({PartKind.IMAGE, PartKind.DOCUMENT, PartKind.AUDIO})
_TEXT, _TOOL_CALL, _TOOL_RESULT = PartKind.TEXT, PartKind.TOOL_CALL, PartKind.TOOL_RESULT


# Requests


def request(body: JSON) -> Request:
    """Return the request that a chat completions body makes."""
    body = fields.mapping(body, "request")
    turns = [_usual(raw) or message(raw, f"request.messages[{i}]") for i, raw in enumerate(_messages(body))]
    system, rest = without_system(turns)
    schema, json_mode = _response_format(body.get("response_format"))
    return Request(
        endpoint=Endpoint.CHAT,
        model=model_of(body),
        system=system,
        messages=rest,
        tools=_tools(body),
        tool_choice=_tool_choice(body),
        schema=schema,
        json_mode=json_mode,
        stream=body.get("stream") is True,
        parameters=parameters_of(body, _STRUCTURAL),
    )


def model_of(body: Mapping[str, JSON]) -> str:
    """Return the model a body asks for; `UNNAMED_MODEL` where it names none."""
    return fields.text_or_empty(body.get("model"), "request.model") or UNNAMED_MODEL


def parameters_of(body: Mapping[str, JSON], structural: Iterable[str]) -> dict[str, JSON]:
    """Return the fields of a body that are neither structural nor null."""
    return {key: value for key, value in body.items() if value is not None and key not in structural}


def without_system(turns: list[Message]) -> tuple[str, tuple[Message, ...]]:
    """Split off the leading system and developer messages that are text, and return their text and the rest."""
    leading: list[str] = []
    for turn in turns:
        if turn.role not in _LEADING or not all(part.kind is _TEXT for part in turn.parts):
            break
        leading.append(turn.text)
    return "\n\n".join(leading), tuple(turns[len(leading) :])


def message(raw: JSON, where: str) -> Message:
    """Return one chat message; `where` names it in errors."""
    raw = fields.mapping(raw, where)
    role = fields.text(raw.get("role"), f"{where}.role")
    if role not in ROLES:
        raise fields.unexpected(f"{where}.role", role, ROLES)
    if role in {"tool", "function"}:
        return Message(role="tool", parts=_result_parts(raw, where))
    parts = [*_thinking(raw), *content_parts(raw.get("content"), f"{where}.content"), *_refusal(raw)]
    parts.extend(_call_parts(raw, where))
    name = fields.text_or_none(raw.get("name"))
    if name and parts and parts[0].kind is PartKind.TEXT:
        parts[0] = Part(kind=PartKind.TEXT, text=parts[0].text, name=name)
    return Message(role=role, parts=tuple(parts))


def _usual(raw: JSON) -> Message | None:
    """One chat message of a form that nearly every turn of every log has, or `None`; `message` reads it as this does.

    Text, or texts, of somebody who speaks; calls of tools by an assistant who says nothing besides; what a tool gave back as text.
    """
    if type(raw) is not dict:
        return None
    role, said = raw.get("role"), raw.get("content")
    if type(role) is not str:
        return None
    parts: tuple[Part, ...] = ()
    if len(raw) == 2 and role in _PLAIN_ROLES:
        parts = (Part(kind=_TEXT, text=said),) if type(said) is str and said else _usual_texts(said)
    elif len(raw) == 3 and role == "tool":
        parts = _usual_result(said, raw.get("tool_call_id"))
    elif len(raw) == 3 and role == "assistant" and said is None and "content" in raw:
        parts = _usual_calls(raw.get("tool_calls"))
    return Message(role=role, parts=parts) if parts else None


def _usual_texts(said: JSON) -> tuple[Part, ...]:
    """The parts of a content that is texts and nothing else; none where it is something else."""
    if type(said) is not list:
        return ()
    parts: list[Part] = []
    for part in said:
        if type(part) is not dict or len(part) != 2 or part.get("type") != "text":
            return ()
        text = part.get("text")
        if type(text) is not str:
            return ()
        parts.append(Part(kind=_TEXT, text=text))
    return tuple(parts)


def _usual_result(said: JSON, call_id: JSON) -> tuple[Part, ...]:
    if type(said) is str and said and type(call_id) is str and call_id.strip():
        return (Part(kind=_TOOL_RESULT, text=said, call_id=call_id),)
    return ()


def _usual_calls(calls: JSON) -> tuple[Part, ...]:
    found = [_usual_call(call) for call in fields.list_or_empty(calls)]
    parts = tuple(part for part in found if part is not None)
    return parts if len(parts) == len(found) else ()


def _usual_call(raw: JSON) -> Part | None:
    """A call of a function with its name, arguments as text and an id; `None` for any other."""
    function = raw.get("function") if type(raw) is dict and "custom" not in raw else None
    if type(raw) is not dict or type(function) is not dict:
        return None
    name, arguments, call_id = function.get("name"), function.get("arguments"), raw.get("id")
    if type(name) is not str or type(arguments) is not str or type(call_id) is not str or not call_id.strip():
        return None
    return Part(kind=_TOOL_CALL, call_id=call_id, name=name, arguments=structure_or_text(arguments))


def content_parts(content: JSON, where: str) -> list[Part]:
    """Return the parts of a message's content: text, a list of parts, or nothing."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Part(kind=PartKind.TEXT, text=content)]
    if isinstance(content, dict):
        content = [content]
    return [_content_part(raw, f"{where}[{i}]") for i, raw in enumerate(fields.sequence(content, where))]


def _messages(body: Mapping[str, JSON]) -> list[JSON]:
    messages = fields.sequence(body.get("messages"), "request.messages")
    if not messages:
        raise UnreadableLine("request.messages is empty")
    return messages


def _content_part(raw: JSON, where: str) -> Part:
    if isinstance(raw, str):
        return Part(kind=PartKind.TEXT, text=raw)
    raw = fields.mapping(raw, where)
    kind = fields.text(raw.get("type"), f"{where}.type")
    read = _PART_READERS.get(kind)
    return read(raw, where) if read else Part(kind=PartKind.DOCUMENT, media_type=f"unknown/{kind[:60]}")


def _text_part(raw: Mapping[str, JSON], where: str) -> Part:
    return Part(kind=PartKind.TEXT, text=fields.text_or_empty(raw.get("text"), f"{where}.text"))


def _refusal_part(raw: Mapping[str, JSON], where: str) -> Part:
    return Part(kind=PartKind.TEXT, text=fields.text_or_empty(raw.get("refusal"), f"{where}.refusal"))


def _thinking_part(raw: Mapping[str, JSON], where: str) -> Part:
    return Part(kind=PartKind.THINKING, text=fields.text_or_empty(raw.get("thinking"), f"{where}.thinking"))


def _image_part(raw: Mapping[str, JSON], where: str) -> Part:
    image = raw.get("image_url")
    beside: Mapping[str, JSON] = image if isinstance(image, dict) else raw
    url = fields.text_or_empty(image.get("url") if isinstance(image, dict) else image, f"{where}.image_url")
    return media_part(PartKind.IMAGE, url, beside={k: beside[k] for k in ("detail", "file_id") if beside.get(k)})


def _audio_part(raw: Mapping[str, JSON], where: str) -> Part:
    audio = fields.mapping_or_empty(raw.get("input_audio"))
    data = fields.text_or_empty(audio.get("data"), f"{where}.input_audio.data")
    form = fields.text_or_none(audio.get("format")) or "wav"
    return media_part(PartKind.AUDIO, f"data:audio/{form};base64,{data}" if data else "")


def _file_part(raw: Mapping[str, JSON], where: str) -> Part:
    inner = raw.get("file")
    file = inner if isinstance(inner, dict) else raw
    data = fields.text_or_empty(file.get("file_data") or file.get("file_url"), f"{where}.file_data")
    name = fields.text_or_none(file.get("filename"))
    return media_part(PartKind.DOCUMENT, data, name=name, beside={k: file[k] for k in ("file_id",) if file.get(k)})


_PART_READERS: Mapping[str, Callable[[Mapping[str, JSON], str], Part]] = {
    "text": _text_part,
    "input_text": _text_part,
    "output_text": _text_part,
    "refusal": _refusal_part,
    "thinking": _thinking_part,
    "image_url": _image_part,
    "input_image": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
    "input_file": _file_part,
}


def media_part(kind: PartKind, url: str, *, name: str | None = None, beside: Mapping[str, JSON] | None = None) -> Part:
    """Return a part that holds an image, a document or sound at `url` (often a data URL)."""
    media_type = _DATA_TYPE.match(url)
    return Part(
        kind=kind,
        text=url,
        name=name,
        media_type=media_type[1] if media_type else None,
        arguments=dict(beside) if beside else None,
    )


def _thinking(raw: Mapping[str, JSON]) -> list[Part]:
    for key in ("reasoning_content", "reasoning"):
        found = fields.text_or_none(raw.get(key))
        if found:
            return [Part(kind=PartKind.THINKING, text=found)]
    return []


def _refusal(raw: Mapping[str, JSON]) -> list[Part]:
    found = fields.text_or_none(raw.get("refusal"))
    return [Part(kind=PartKind.TEXT, text=found)] if found else []


def _call_parts(raw: Mapping[str, JSON], where: str) -> list[Part]:
    return [
        Part(kind=PartKind.TOOL_CALL, call_id=call.call_id, name=call.name, arguments=call.arguments)
        for call in tool_calls(raw, where)
    ]


def tool_calls(raw: Mapping[str, JSON], where: str) -> tuple[ToolCall, ...]:
    """Return the tool calls of an assistant message, the older single `function_call` included."""
    listed = raw.get("tool_calls")
    if listed is None and "function_call" not in raw:
        return ()
    calls = [] if listed is None else fields.sequence(listed, f"{where}.tool_calls")
    found = [_tool_call(call, f"{where}.tool_calls[{i}]") for i, call in enumerate(calls)]
    if not found and isinstance(raw.get("function_call"), dict):
        found = [_tool_call({"function": raw["function_call"]}, f"{where}.function_call")]
    return tuple(found)


def _tool_call(raw: JSON, where: str) -> ToolCall:
    raw = fields.mapping(raw, where)
    custom = raw.get("custom")
    function = fields.mapping(custom if isinstance(custom, dict) else raw.get("function"), f"{where}.function")
    return ToolCall(
        name=fields.text(function.get("name"), f"{where}.function.name"),
        arguments=function.get("input") if function is custom else structure_or_text(function.get("arguments")),
        call_id=fields.text_or_none(raw.get("id")),
    )


def _result_parts(raw: Mapping[str, JSON], where: str) -> tuple[Part, ...]:
    content = content_parts(raw.get("content"), f"{where}.content")
    call_id = fields.text_or_none(raw.get("tool_call_id"))
    told = "\n".join(part.text for part in content if part.kind is PartKind.TEXT)
    result = Part(kind=PartKind.TOOL_RESULT, text=told, call_id=call_id, name=fields.text_or_none(raw.get("name")))
    return (result, *(part for part in content if part.kind is not PartKind.TEXT))


def _tools(body: Mapping[str, JSON]) -> tuple[Tool, ...]:
    listed = body.get("tools")
    if listed is None and body.get("functions") is not None:
        functions = fields.sequence(body["functions"], "request.functions")
        listed = list[JSON]({"type": "function", "function": function} for function in functions)
    if listed is None:
        return ()
    return tuple(_tool(raw, f"request.tools[{i}]") for i, raw in enumerate(fields.sequence(listed, "request.tools")))


def _tool(raw: JSON, where: str) -> Tool:
    raw = fields.mapping(raw, where)
    kind = fields.text_or_none(raw.get("type")) or "function"
    if kind != "function":
        inner = fields.mapping_or_empty(raw.get(kind))
        return Tool(name=fields.text_or_none(inner.get("name")) or kind, kind=kind)
    function = raw["function"] if isinstance(raw.get("function"), dict) else raw
    function = fields.mapping(function, where)
    return Tool(
        name=fields.text(function.get("name"), f"{where}.function.name"),
        description=fields.text_or_empty(function.get("description"), f"{where}.function.description"),
        parameters=dict(fields.mapping_or_empty(function.get("parameters"))),
    )


def _tool_choice(body: Mapping[str, JSON]) -> JSON:
    chosen = body.get("tool_choice")
    if chosen is not None:
        return chosen
    older = body.get("function_call")
    if isinstance(older, dict):
        return {"type": "function", "function": {"name": older.get("name")}}
    return older


def _response_format(asked: JSON) -> tuple[Mapping[str, JSON] | None, bool]:
    if not isinstance(asked, dict):
        return None, False
    if asked.get("type") == "json_schema":
        described = fields.mapping(asked.get("json_schema"), "request.response_format.json_schema")
        schema = described.get("schema")
        return (dict(schema) if isinstance(schema, dict) else None), True
    return None, asked.get("type") == "json_object"


# Answers


def answer(body: JSON) -> tuple[Answer, Usage]:
    """Return what a chat completion answered and the tokens it took; an error body gives a failure."""
    body = fields.mapping(body, "response")
    model = fields.text_or_none(body.get("model"))
    used = usage(body.get("usage"))
    if body.get("error") is not None:
        return Answer(model=model, failure=failure_of(body["error"])), used
    choices = fields.sequence(body.get("choices"), "response.choices")
    if not choices:
        return Answer(model=model, failure=Failure(kind=FailureKind.EMPTY, detail="no choices")), used
    choice = fields.mapping(choices[0], "response.choices[0]")
    said = fields.mapping(choice.get("message"), _SAID)
    finish = fields.text_or_none(choice.get("finish_reason"))
    return answered(_told(said), tool_calls(said, _SAID), model=model, finish=finish), used


_SAID = "response.choices[0].message"


def _told(said: Mapping[str, JSON]) -> str:
    content = said.get("content")
    if isinstance(content, str) and content:
        return content
    parts = content_parts(content, f"{_SAID}.content") or _refusal(said)
    return "".join(part.text for part in parts if part.kind is _TEXT)


def answered(text: str, calls: tuple[ToolCall, ...], *, model: str | None, finish: str | None) -> Answer:
    """Return an answer; one that holds neither text nor a call is a failure of kind EMPTY."""
    if not calls and not text.strip():
        detail = f"finished with {finish}" if finish else ""
        return Answer(model=model, finish=finish, failure=Failure(kind=FailureKind.EMPTY, detail=detail))
    return Answer(text=text, tool_calls=calls, model=model, finish=finish)


def usage(raw: JSON) -> Usage:
    """Return disjoint token counts from an OpenAI usage object; what contradicts itself is unknown.

    >>> usage({"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}).fresh
    4
    """
    if not isinstance(raw, dict):
        return Usage()
    usual = _usual_usage(raw)
    if usual is not None:
        return usual
    fresh, cached, written, kept = _input_counts(raw)
    visible, reasoning = _output_counts(raw)
    if fresh is None and visible is None:
        return Usage()
    heard = _apart(raw, fresh, _INPUT_DETAILS, "audio_tokens")
    seen = _apart(raw, None if fresh is None else fresh - (heard or 0), _INPUT_DETAILS, "image_tokens")
    spoken = _apart(raw, visible, _OUTPUT_DETAILS, "audio_tokens")
    return Usage(
        fresh=None if fresh is None else fresh - (heard or 0) - (seen or 0),
        cache_read=cached,
        cache_write_5m=written,
        cache_write_1h=kept,
        visible=None if visible is None else visible - (spoken or 0),
        reasoning=reasoning,
        audio_in=heard,
        image_in=seen,
        audio_out=spoken,
    )


def _usual_usage(raw: Mapping[str, JSON]) -> Usage | None:
    """Counts as OpenAI writes them where nothing is counted apart but what was read from a cache; `None` for any other.

    What this gives is what is put together for the others too, in a fifth of the time.
    """
    given, made = raw.get("prompt_tokens"), raw.get("completion_tokens")
    heard, said = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    if type(given) is not int or type(made) is not int or type(heard) is not dict or type(said) is not dict:
        return None
    if not _USUAL_COUNTS.issuperset(raw) or not _COUNTED_APART.isdisjoint(heard):
        return None
    if heard.get("audio_tokens") or said.get("audio_tokens"):
        return None
    cached, thought = heard.get("cached_tokens"), said.get("reasoning_tokens")
    if type(cached) is not int or type(thought) is not int or thought:
        return None
    if not (0 <= cached <= given <= fields.MAX_COUNT and 0 <= made <= fields.MAX_COUNT):
        return None
    return Usage(fresh=given - cached, cache_read=cached, visible=made, reasoning=0)


_USUAL_COUNTS = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
)
_COUNTED_APART = frozenset({"cache_write_tokens", "cache_creation_tokens", "image_tokens"})
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")


def _apart(raw: Mapping[str, JSON], whole: int | None, where: tuple[str, ...], name: str) -> int | None:
    """Tokens of a kind that is counted within the whole and billed apart from it; none where there are none."""
    found = fields.count(_details(raw, *where).get(name))
    return found if found and whole is not None and found <= whole else None


def _first(raw: Mapping[str, JSON], *names: str) -> JSON:
    for name in names:
        value = raw.get(name)
        if value is not None:
            return value
    return None


def _details(raw: Mapping[str, JSON], *names: str) -> Mapping[str, JSON]:
    return fields.mapping_or_empty(_first(raw, *names))


class _Inputs(NamedTuple):
    """Disjoint counts of an input; `None` is unknown."""

    fresh: int | None = None
    read: int | None = None
    written: int | None = None
    kept: int | None = None
    """Written to be kept for an hour."""


def _input_counts(raw: Mapping[str, JSON]) -> _Inputs:
    details = _details(raw, *_INPUT_DETAILS)
    named = [_first(details, "cached_tokens"), _written(raw, details), _kept(details)]
    if named[0] is None:  # DeepSeek and Moonshot report hits beside the total, gateways by Anthropic's name.
        named[0] = _first(raw, "prompt_cache_hit_tokens", "cached_tokens")
        named[0] = raw.get("cache_read_input_tokens") if named[0] is None and "prompt_tokens" in raw else named[0]
    given = fields.count(_first(raw, "prompt_tokens", "input_tokens"))
    counts = [None if part is None else fields.count(part) for part in named]
    if given is None or any(part is not None and held is None for part, held in zip(named, counts, strict=True)):
        return _Inputs()
    read, written, kept = counts
    fresh = _fresh(raw, given, read or 0, written or 0)
    if fresh is None or (kept or 0) > (written or 0):
        return _Inputs()
    return _Inputs(fresh, read, written - kept if written and kept else written, kept or None)


def _written(raw: Mapping[str, JSON], details: Mapping[str, JSON]) -> JSON:
    """Tokens written to a cache. LiteLLM keeps Anthropic's name beside; its 1.77 repeats what was read in the detail."""
    beside = raw.get("cache_creation_input_tokens") if "prompt_tokens" in raw else None
    told = details.get("cache_creation_tokens") if beside is None else beside
    return _first(details, "cache_write_tokens") or told


def _kept(details: Mapping[str, JSON]) -> JSON:
    return fields.mapping_or_empty(details.get("cache_creation_token_details")).get("ephemeral_1h_input_tokens")


def _fresh(raw: Mapping[str, JSON], given: int, read: int, written: int) -> int | None:
    """What of the input was neither read from nor written to a cache; `None` where the counts contradict each other.

    OpenAI counts both within. Gateways that keep Anthropic's names may count either beside: Portkey both, as its total
    tells, and LiteLLM 1.65 to 1.75 what was written, which shows where it cannot be within.
    """
    everything = fields.count(raw.get("total_tokens"))
    made = fields.count(_first(raw, "completion_tokens", "output_tokens"))
    if read + written and everything is not None and made is not None and everything == given + made + read + written:
        return given
    if given >= read + written:
        return given - read - written
    if raw.get("cache_creation_input_tokens") is None and raw.get("cache_read_input_tokens") is None:
        return None
    return given - read if given >= read else given


def _output_counts(raw: Mapping[str, JSON]) -> tuple[int | None, int | None]:
    said = _first(_details(raw, *_OUTPUT_DETAILS), "reasoning_tokens")
    total, reasoning = fields.count(_first(raw, "completion_tokens", "output_tokens")), fields.count(said)
    if total is None or (said is not None and reasoning is None):
        return None, None
    if not reasoning:
        return total, reasoning
    if _adds_reasoning(raw, total + reasoning):
        return total, reasoning
    return (total - reasoning, reasoning) if reasoning <= total else (None, None)


def _adds_reasoning(raw: Mapping[str, JSON], output: int) -> bool:
    """Whether reasoning is counted beside completion tokens, as xAI does: only then do the three add up to the total."""
    everything = fields.count(raw.get("total_tokens"))
    prompt = fields.count(_first(raw, "prompt_tokens", "input_tokens"))
    return everything is not None and prompt is not None and everything == prompt + output


# Embeddings


def embeddings_request(body: JSON) -> Request:
    """Return the request that an embeddings body makes."""
    body = fields.mapping(body, "request")
    return Request(
        endpoint=Endpoint.EMBEDDINGS,
        model=model_of(body),
        inputs=_inputs(body.get("input")),
        parameters=parameters_of(body, {"model", "input"}),
    )


def _inputs(raw: JSON) -> tuple[str, ...]:
    if isinstance(raw, str):
        return (raw,)
    listed = fields.sequence(raw, "request.input")
    if not listed:
        raise UnreadableLine("request.input is empty")
    if all(isinstance(item, int) for item in listed):
        return (_token_ids(listed),)
    return tuple(_input(item, f"request.input[{i}]") for i, item in enumerate(listed))


def _input(item: JSON, where: str) -> str:
    return _token_ids(item) if isinstance(item, list) else fields.text(item, where)


def _token_ids(ids: list[JSON]) -> str:
    """Texts sent as token ids stay ids, as text: equal asks stay equal, and nobody pretends to know the words."""
    return json.dumps(ids, separators=(",", ":"))


def embeddings_answer(body: JSON) -> tuple[Answer, Usage]:
    """Return how many vectors an embeddings endpoint gave back, and the tokens it took."""
    body = fields.mapping(body, "response")
    model = fields.text_or_none(body.get("model"))
    used = usage(body.get("usage"))
    if used.fresh is not None:
        used = Usage(fresh=used.fresh, cache_read=used.cache_read, visible=0)
    if body.get("error") is not None:
        return Answer(model=model, failure=failure_of(body["error"])), used
    vectors = len(fields.sequence(body.get("data"), "response.data"))
    failure = None if vectors else Failure(kind=FailureKind.EMPTY, detail="no vectors")
    return Answer(model=model, embeddings=vectors, failure=failure), used


# Any request as a chat body


_PARAMETER_NAMES: Mapping[str, str] = {"stop_sequences": "stop"}


def body_of(request: Request, *, model: str) -> dict[str, JSON]:
    """Return the OpenAI body that asks `model` the same, whatever dialect the request came in.

    `stream` is left to the caller. Thinking of earlier turns is left out, as every endpoint forbids or ignores it; so
    are tools that run at the vendor and media that the log no longer holds.
    """
    parameters = {_PARAMETER_NAMES.get(name, name): value for name, value in request.parameters.items()}
    if request.endpoint is Endpoint.EMBEDDINGS:
        return {**parameters, "model": model, "input": [_sendable_input(text) for text in request.inputs]}
    body: dict[str, JSON] = {**parameters, "model": model, "messages": chat_messages(request)}
    tools = [_tool_json(tool) for tool in request.tools if tool.kind == "function"]
    if tools:
        body["tools"] = list[JSON](tools)
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(request.schema)},
        }
    elif request.json_mode:
        body["response_format"] = {"type": "json_object"}
    return body


def _sendable_input(text: str) -> JSON:
    ids = structure_or_text(text)
    return ids if isinstance(ids, list) and ids and all(isinstance(i, int) for i in ids) else text


def chat_messages(request: Request) -> list[JSON]:
    """Return the messages of a chat body, the system prompt first."""
    messages: list[JSON] = [{"role": "system", "content": request.system}] if request.system else []
    ids = _CallIds()
    for turn in request.messages:
        messages.extend(_result_messages(turn, ids) if turn.role == "tool" else [_chat_message(turn, ids)])
    return messages


class _CallIds:
    """Hands out ids for calls that were logged without one, and to each result the id of the call it answers."""

    def __init__(self) -> None:
        self._numbers = numbers(1)
        self._open: list[tuple[str | None, str]] = []

    def of_call(self, part: Part) -> str:
        found = part.call_id or f"call_{next(self._numbers)}"
        self._open.append((part.name, found))
        return found

    def of_result(self, part: Part) -> str:
        if part.call_id:
            return part.call_id
        matching = [i for i, (name, _) in enumerate(self._open) if part.name in {None, name}]
        return self._open.pop(matching[0])[1] if matching else f"call_{next(self._numbers)}"


def _chat_message(turn: Message, ids: _CallIds) -> dict[str, JSON]:
    calls: list[JSON] = [_call_json(part, ids) for part in turn.parts if part.kind is PartKind.TOOL_CALL]
    said: dict[str, JSON] = {"role": turn.role, "content": _content_json(turn)}
    name = next((part.name for part in turn.parts if part.kind is PartKind.TEXT and part.name), None)
    if name:
        said["name"] = name
    if calls:
        said["tool_calls"] = calls
        said["content"] = said["content"] or None
    return said


def _content_json(turn: Message) -> JSON:
    parts = [part for part in turn.parts if part.kind is PartKind.TEXT or (part.kind in _MEDIA and is_sendable(part))]
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].kind is PartKind.TEXT:
        return parts[0].text
    return [_part_json(part) for part in parts]


def is_sendable(part: Part) -> bool:
    """Whether a media part still holds what is needed to send it to another endpoint."""
    return bool(part.text) and (part.kind is not PartKind.AUDIO or part.text.startswith("data:"))


def _part_json(part: Part) -> JSON:
    if part.kind is PartKind.TEXT:
        return {"type": "text", "text": part.text}
    if part.kind is PartKind.IMAGE:
        detail = fields.mapping_or_empty(part.arguments).get("detail")
        image: dict[str, JSON] = {"url": part.text, **({"detail": detail} if detail else {})}
        return {"type": "image_url", "image_url": image}
    if part.kind is PartKind.AUDIO:
        form = (part.media_type or "audio/wav").split("/")[-1]
        return {"type": "input_audio", "input_audio": {"data": part.text.partition(",")[2], "format": form}}
    return {"type": "file", "file": {"filename": part.name or "document", "file_data": part.text}}


def _call_json(part: Part, ids: _CallIds) -> JSON:
    arguments = part.arguments if isinstance(part.arguments, str) else json.dumps(part.arguments, ensure_ascii=False)
    return {
        "id": ids.of_call(part),
        "type": "function",
        "function": {"name": part.name or "", "arguments": arguments},
    }


def _result_messages(turn: Message, ids: _CallIds) -> list[JSON]:
    results: list[JSON] = [
        {"role": "tool", "tool_call_id": ids.of_result(part), "content": part.text}
        for part in turn.parts
        if part.kind is PartKind.TOOL_RESULT
    ]
    media = Message(role="user", parts=tuple(part for part in turn.parts if part.kind in _MEDIA and is_sendable(part)))
    return [*results, _chat_message(media, ids)] if media.parts else results


def _tool_json(tool: Tool) -> JSON:
    function: dict[str, JSON] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = dict(tool.parameters)
    return {"type": "function", "function": function}
