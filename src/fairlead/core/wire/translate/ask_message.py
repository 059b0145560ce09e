"""A chat completions body as an Anthropic Messages request, for an upstream that speaks Anthropic.

Rules kept: what has no place there is named in the notes; what would change the meaning (several choices, log
probabilities, sound, files held at the provider) is refused. Results of tools go into one user turn, before anything
else in it, as Anthropic demands; `max_tokens`, which it demands too, is set where the caller set none.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping

from fairlead.core.errors import UnreadableLine, Untranslatable
from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.translate.notes import Notes, safe_id

DEFAULT_MAX_TOKENS = 8192
"""What an answer may take where the caller set no bound and thinking no budget."""

OLDER_MAX_TOKENS = 4096
"""The same for the Claude 3 family, which refuses more."""

BUDGETS: Mapping[str, int] = {"low": 1024, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 32768}
"""Tokens of thinking for each `reasoning_effort`; any other word thinks not at all."""

JSON_ONLY = "Answer with one JSON object and nothing else."
OWN_SIGNATURE = "fairlead"
"""Stands where a thinking block that no Anthropic model wrote must have a signature."""

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_SAME: Mapping[str, str] = {"top_p": "top_p", "top_k": "top_k", "stream": "stream"}
_READ = frozenset(
    {"model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens", "stop",
     "temperature", "response_format", "reasoning_effort", "user", "safety_identifier", "stream_options", "n",
     "logprobs", "top_logprobs", "functions", "function_call", "modalities", "audio", "web_search_options", *_SAME}
)  # fmt: skip
_MEANS_NOTHING: Mapping[str, tuple[JSON, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "store": (False,),
    "service_tier": ("auto", "default"),
    "metadata": ({},),
    "verbosity": ("medium",),
}
"""Values that ask for what happens anyway; leaving them out loses nothing."""


def request(body: Mapping[str, JSON], notes: Notes, *, model: str) -> dict[str, JSON]:
    """Return the Messages body that asks `model` what a chat `body` asks."""
    _refuse(body)
    system, messages = _messages(body, notes)
    asked: dict[str, JSON] = {"model": model, "messages": messages}
    asked |= {target: body[name] for name, target in _SAME.items() if body.get(name) is not None}
    _set_format(asked, body, system, notes)
    if system:
        is_marked = any("cache_control" in block for block in system)
        asked["system"] = list[JSON](system) if is_marked else _joined(system)
    _set_tools(asked, body)
    _set_limits(asked, body, notes, model=model)
    user = body.get("safety_identifier") or body.get("user")
    if isinstance(user, str):
        asked["metadata"] = {"user_id": user}
    for name in body:
        if name not in _READ and body[name] is not None and body[name] not in _MEANS_NOTHING.get(name, ()):
            notes.add(name)
    return asked


def _joined(system: list[dict[str, JSON]]) -> str:
    return "\n\n".join(str(block["text"]) for block in system)


def _refuse(body: Mapping[str, JSON]) -> None:
    count = body.get("n")
    if count not in (None, 1):
        raise Untranslatable("n asks for several choices; Anthropic answers with one. Set n to 1 or leave it out.")
    modalities = body.get("modalities")
    if body.get("audio") or (isinstance(modalities, list) and "audio" in modalities):
        raise Untranslatable("Sound as an answer cannot be had from an Anthropic upstream.")
    for name in ("logprobs", "top_logprobs", "functions", "function_call", "web_search_options"):
        if body.get(name):
            raise Untranslatable(f"{name} cannot be carried to an Anthropic upstream.")


# Limits, thinking, format


def _set_limits(asked: dict[str, JSON], body: Mapping[str, JSON], notes: Notes, *, model: str) -> None:
    budget = _budget(body, asked, notes)
    limit = body.get("max_completion_tokens")
    limit = body.get("max_tokens") if limit is None else limit
    if limit is None:
        limit = budget + (OLDER_MAX_TOKENS if model.startswith("claude-3-") else DEFAULT_MAX_TOKENS)
        notes.add(f"max_tokens={limit}")
    asked["max_tokens"] = limit
    if budget and isinstance(limit, int) and limit > budget:
        asked["thinking"] = {"type": "enabled", "budget_tokens": budget}
    elif budget:
        notes.add("reasoning_effort")
    _set_temperature(asked, body, notes)
    _set_stop(asked, body, notes)


def _budget(body: Mapping[str, JSON], asked: Mapping[str, JSON], notes: Notes) -> int:
    """Tokens of thinking; none where Anthropic forbids it: a forced tool, or calls whose thinking is gone."""
    effort = body.get("reasoning_effort")
    budget = BUDGETS.get(effort, 0) if isinstance(effort, str) else 0
    choice = fields.mapping_or_empty(asked.get("tool_choice")).get("type")
    if budget and (choice in ("any", "tool") or _answers_unthought_calls(fields.list_or_empty(asked["messages"]))):
        notes.add("reasoning_effort")
        return 0
    return budget


def _answers_unthought_calls(messages: list[JSON]) -> bool:
    """Whether the last turn answers calls of a turn that does not open with its thinking."""
    called = [turn for turn in messages if isinstance(turn, dict) and turn.get("role") == "assistant"]
    if not called or not _has(messages[-1], "tool_result"):
        return False
    first = fields.list_or_empty(called[-1].get("content"))[:1]
    return not (first and isinstance(first[0], dict) and first[0].get("type") in ("thinking", "redacted_thinking"))


def _has(turn: JSON, kind: str) -> bool:
    content = fields.list_or_empty(fields.mapping_or_empty(turn).get("content"))
    return any(isinstance(block, dict) and block.get("type") == kind for block in content)


def _set_temperature(asked: dict[str, JSON], body: Mapping[str, JSON], notes: Notes) -> None:
    heat = body.get("temperature")
    if heat is None:
        return
    if "thinking" in asked:  # Anthropic takes no other temperature than 1 beside thinking.
        if heat != 1:
            notes.add("temperature")
    elif isinstance(heat, (int, float)) and heat > 1:
        notes.add("temperature")
        asked["temperature"] = 1
    else:
        asked["temperature"] = heat


def _set_stop(asked: dict[str, JSON], body: Mapping[str, JSON], notes: Notes) -> None:
    stop = body.get("stop")
    if stop is None:
        return
    listed = [stop] if isinstance(stop, str) else fields.sequence(stop, "stop")
    kept: list[JSON] = [word for word in listed if isinstance(word, str) and word.strip()]
    if len(kept) < len(listed):
        notes.add("stop of white space")
    if kept:
        asked["stop_sequences"] = kept


def _set_format(asked: dict[str, JSON], body: Mapping[str, JSON], system: list[dict[str, JSON]], notes: Notes) -> None:
    form = fields.mapping_or_empty(body.get("response_format"))
    kind = form.get("type")
    if kind == "json_schema":
        described = fields.mapping(form.get("json_schema"), "response_format.json_schema")
        schema = fields.mapping(described.get("schema"), "response_format.json_schema.schema")
        asked["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    elif kind == "json_object":
        notes.add("response_format=json_object")
        system.append({"type": "text", "text": JSON_ONLY})
    elif kind not in (None, "text"):
        raise fields.unexpected("response_format.type", str(kind), ("text", "json_object", "json_schema"))


# Tools


def _set_tools(asked: dict[str, JSON], body: Mapping[str, JSON]) -> None:
    listed = fields.sequence(body.get("tools") or [], "tools")
    tools = [_tool(raw, f"tools[{i}]") for i, raw in enumerate(listed)]
    if not tools:
        return
    choice, allowed = _tool_choice(body.get("tool_choice"))
    if allowed is not None:
        tools = [tool for tool in tools if tool["name"] in allowed]
    if body.get("parallel_tool_calls") is False and (choice or {}).get("type") != "none":
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    asked["tools"] = list[JSON](tools)
    if choice is not None:
        asked["tool_choice"] = choice


def _tool(raw: JSON, where: str) -> dict[str, JSON]:
    tool = fields.mapping(raw, where)
    kind = tool.get("type")
    if kind not in (None, "function"):
        raise Untranslatable(f"{where} is a {str(kind)[:40]!r} tool, which Anthropic's protocol does not have.")
    function = fields.mapping(tool.get("function"), f"{where}.function")
    schema = dict(fields.mapping_or_empty(function.get("parameters")))
    schema.setdefault("type", "object")
    made: dict[str, JSON] = {"name": fields.text(function.get("name"), f"{where}.function.name")}
    if function.get("description"):
        made["description"] = function["description"]
    made["input_schema"] = schema
    if isinstance(function.get("strict"), bool):
        made["strict"] = function["strict"]
    if isinstance(tool.get("cache_control"), dict):
        made["cache_control"] = tool["cache_control"]
    return made


def _tool_choice(raw: JSON) -> tuple[dict[str, JSON] | None, set[JSON] | None]:
    """The choice in Anthropic's words, and the names of the tools that are allowed where only some are."""
    if raw is None:
        return None, None
    words = {"auto": "auto", "required": "any", "none": "none"}
    if isinstance(raw, str):
        if raw not in words:
            raise fields.unexpected("tool_choice", raw, words)
        return {"type": words[raw]}, None
    chosen = fields.mapping(raw, "tool_choice")
    if chosen.get("type") == "allowed_tools":
        inner = fields.mapping(chosen.get("allowed_tools", chosen), "tool_choice.allowed_tools")
        listed = fields.sequence(inner.get("tools"), "tool_choice.allowed_tools.tools")
        names = {_chosen_name(tool, f"tool_choice.allowed_tools.tools[{i}]") for i, tool in enumerate(listed)}
        return {"type": words.get(str(inner.get("mode")), "auto")}, set[JSON](names)
    return {"type": "tool", "name": _chosen_name(chosen, "tool_choice")}, None


def _chosen_name(raw: JSON, where: str) -> str:
    chosen = fields.mapping(raw, where)
    return fields.text(fields.mapping_or_empty(chosen.get("function", chosen)).get("name"), f"{where}.function.name")


# Messages


def _messages(body: Mapping[str, JSON], notes: Notes) -> tuple[list[dict[str, JSON]], list[JSON]]:
    """The system blocks, and the turns: neighbours of one role are one turn."""
    listed = fields.sequence(body.get("messages"), "messages")
    system: list[dict[str, JSON]] = []
    turns: list[tuple[str, list[JSON]]] = []
    for i, raw in enumerate(listed):
        where = f"messages[{i}]"
        turn = fields.mapping(raw, where)
        role = fields.text(turn.get("role"), f"{where}.role")
        if turn.get("name"):
            notes.add("messages.name")
        if role in ("system", "developer"):
            if turns:
                notes.add("place of a later system message")
            system.extend(_system_blocks(turn.get("content"), f"{where}.content"))
            continue
        speaker, blocks = _turn(role, turn, where, notes)
        if turns and turns[-1][0] == speaker:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((speaker, blocks))
    if not turns:
        raise Untranslatable("messages holds nothing but system messages; Anthropic wants a user's turn.")
    return system, [_turn_json(speaker, blocks) for speaker, blocks in turns]


def _turn_json(speaker: str, blocks: list[JSON]) -> JSON:
    results = [block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result"]
    rest = [block for block in blocks if not (isinstance(block, dict) and block.get("type") == "tool_result")]
    ordered: list[JSON] = [*results, *rest]
    only = ordered[0] if len(ordered) == 1 else None
    if isinstance(only, dict) and only.keys() == {"type", "text"}:
        return {"role": speaker, "content": only["text"]}
    return {"role": speaker, "content": ordered}


def _system_blocks(content: JSON, where: str) -> list[dict[str, JSON]]:
    blocks = [block for block in _content(content, where, Notes()) if isinstance(block, dict)]
    if any(block.get("type") != "text" for block in blocks):
        raise Untranslatable(f"{where} holds something other than text; Anthropic's system prompt is text.")
    return blocks


def _turn(role: str, turn: Mapping[str, JSON], where: str, notes: Notes) -> tuple[str, list[JSON]]:
    if role == "user":
        return "user", _content(turn.get("content"), f"{where}.content", notes)
    if role == "assistant":
        return "assistant", _assistant(turn, where, notes)
    if role == "tool":
        result: dict[str, JSON] = {
            "type": "tool_result",
            "tool_use_id": safe_id(fields.text(turn.get("tool_call_id"), f"{where}.tool_call_id")),
        }
        content = _content(turn.get("content"), f"{where}.content", notes)
        if content:
            result["content"] = turn["content"] if isinstance(turn["content"], str) else content
        return "user", [result]
    raise fields.unexpected(f"{where}.role", role, ("system", "developer", "user", "assistant", "tool"))


def _assistant(turn: Mapping[str, JSON], where: str, notes: Notes) -> list[JSON]:
    blocks = _thinking(turn, notes)
    blocks.extend(_content(turn.get("content"), f"{where}.content", notes))
    if isinstance(turn.get("refusal"), str):
        blocks.extend(_content(turn["refusal"], f"{where}.refusal", notes))
    if turn.get("audio") or turn.get("function_call"):
        raise Untranslatable(f"{where} holds sound or a function_call, which an Anthropic upstream cannot be given.")
    for i, raw in enumerate(fields.list_or_empty(turn.get("tool_calls"))):
        blocks.append(_call(fields.mapping(raw, f"{where}.tool_calls[{i}]"), f"{where}.tool_calls[{i}]", notes))
    return blocks


def _thinking(turn: Mapping[str, JSON], notes: Notes) -> list[JSON]:
    """Thinking that Anthropic signed, as `thinking_blocks` carried it to the caller and back; no other can be sent."""
    kept: list[JSON] = [block for block in fields.list_or_empty(turn.get("thinking_blocks")) if _is_signed(block)]
    if not kept and any(turn.get(key) for key in ("reasoning_content", "reasoning", "thinking_blocks")):
        notes.add("thinking of earlier turns")
    return kept


def _is_signed(block: JSON) -> bool:
    if not isinstance(block, dict):
        return False
    if block.get("type") == "redacted_thinking":
        return isinstance(block.get("data"), str)
    signature = block.get("signature")
    return block.get("type") == "thinking" and isinstance(signature, str) and signature not in ("", OWN_SIGNATURE)


def _call(call: Mapping[str, JSON], where: str, notes: Notes) -> JSON:
    function = fields.mapping(call.get("function"), f"{where}.function")
    made = structure_or_text(function.get("arguments"))
    if not isinstance(made, dict):
        notes.add("arguments that are no JSON object")
        made = dict[str, JSON]({"arguments": made})
    name = fields.text(function.get("name"), f"{where}.function.name")
    return {"type": "tool_use", "id": safe_id(fields.text(call.get("id"), f"{where}.id")), "name": name, "input": made}


# Parts


def _content(content: JSON, where: str, notes: Notes) -> list[JSON]:
    if content is None:
        return []
    if isinstance(content, str):
        return _text({"text": content}, where, notes)
    found: list[JSON] = []
    for i, raw in enumerate(fields.sequence(content, where)):
        part = fields.mapping(raw, f"{where}[{i}]")
        kind = fields.text(part.get("type"), f"{where}[{i}].type")
        read = _PARTS.get(kind)
        if read is None:
            raise Untranslatable(f"{where}[{i}] is {kind[:40]!r}, which an Anthropic upstream cannot be given.")
        blocks = read(part, f"{where}[{i}]", notes)
        if isinstance(part.get("cache_control"), dict):
            blocks = [{**block, "cache_control": part["cache_control"]} for block in blocks if isinstance(block, dict)]
        found.extend(blocks)
    return found


def _text(part: Mapping[str, JSON], where: str, _notes: Notes) -> list[JSON]:
    told = fields.text(part.get("text"), f"{where}.text")
    return [{"type": "text", "text": told}] if told.strip() else []  # Anthropic refuses blank text.


def _refusal(part: Mapping[str, JSON], where: str, notes: Notes) -> list[JSON]:
    return _text({"text": part.get("refusal")}, where, notes)


def _image(part: Mapping[str, JSON], where: str, notes: Notes) -> list[JSON]:
    image = fields.mapping(part.get("image_url"), f"{where}.image_url")
    if image.get("detail") not in (None, "auto"):
        notes.add("image_url.detail")
    return [{"type": "image", "source": _source(fields.text(image.get("url"), f"{where}.image_url.url"), where)}]


def _file(part: Mapping[str, JSON], where: str, _notes: Notes) -> list[JSON]:
    file = fields.mapping(part.get("file"), f"{where}.file")
    data = file.get("file_data")
    if not isinstance(data, str):
        raise Untranslatable(f"{where} is a file held at OpenAI; send its content as file_data.")
    source = _source(data, where)
    if fields.text(source.get("media_type", "application/pdf"), where).startswith("text/"):
        text = _decoded(source.get("data"), where)
        source = dict[str, JSON]({"type": "text", "media_type": "text/plain", "data": text})
    document: dict[str, JSON] = {"type": "document", "source": source}
    if isinstance(file.get("filename"), str):
        document["title"] = file["filename"]
    return [document]


def _decoded(data: JSON, where: str) -> str:
    try:
        return base64.b64decode(fields.text(data, where), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnreadableLine(f"{where}.file.file_data is not text in base64") from error


def _source(url: str, where: str) -> dict[str, JSON]:
    data = _DATA_URL.match(url)
    if data is None:
        if not url.lower().startswith(("https://", "http://")):
            raise Untranslatable(f"{where} has neither a data URL nor a web address.")
        return {"type": "url", "url": url}
    if ";base64" not in data[2].lower():
        raise Untranslatable(f"{where} holds a data URL that is not base64.")
    return {"type": "base64", "media_type": data[1] or "application/octet-stream", "data": url[data.end() :]}


_PARTS: Mapping[str, Callable[[Mapping[str, JSON], str, Notes], list[JSON]]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
}
