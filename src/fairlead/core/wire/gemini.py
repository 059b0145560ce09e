"""Gemini `generateContent`, as a chat body and a completion.

`promptTokenCount` includes cached content; `candidatesTokenCount` excludes thoughts, which are billed as output. Names come
in camelCase from the API and in snake_case from the Python client; both are read.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.nouns import JSON, Message, Part, PartKind, Usage
from fairlead.core.wire import fields, loose

_CUT: Mapping[str, JSON] = {
    "error": {"type": "stream_cut", "message": "the stream ended before the answer was finished"}
}
_SETTINGS: Mapping[str, str] = {
    "temperature": "temperature",
    "topP": "top_p",
    "top_p": "top_p",
    "topK": "top_k",
    "top_k": "top_k",
    "maxOutputTokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stopSequences": "stop",
    "stop_sequences": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}


_JSON_TYPE = "application/json"
_DEFINED = frozenset(
    {"functionDeclarations", "function_declarations", "type", "function", "name", "description", "parameters"}
)


def is_request(body: JSON) -> bool:
    """Whether a body asks Gemini."""
    return isinstance(body, dict) and isinstance(body.get("contents"), (list, dict, str))


def is_response(body: JSON) -> bool:
    """Whether a body is Gemini's answer, or one candidate of it."""
    if not isinstance(body, dict):
        return False
    if "candidates" in body or "usageMetadata" in body or "promptFeedback" in body:
        return True
    return "usage_metadata" in body and isinstance(body.get("content"), dict)


def chat_body(body: Mapping[str, JSON], *, model: str | None = None) -> dict[str, JSON]:
    """Return the chat body that asks the same."""
    config = fields.mapping_or_empty(_either(body, "generationConfig", "generation_config", "config"))
    system = _either(body, "systemInstruction", "system_instruction") or _either(
        config, "systemInstruction", "system_instruction"
    )
    contents = body.get("contents")
    asked = loose.turns(contents if isinstance(contents, list) else [contents])
    schema = _either(config, "responseSchema", "response_schema", "responseJsonSchema", "response_json_schema")
    named = fields.text_or_none(body.get("model")) or model or "unnamed"
    offered = body.get("tools") or config.get("tools")
    made = loose.chat_body(
        model=named.rpartition("/")[2],
        messages=asked.messages,
        system="\n".join(part.text for part in loose.parts(system) if part.kind is PartKind.TEXT),
        tools=loose.tools(offered),
        tool_choice=_tool_choice(body, config),
        parameters={name: config.get(key) for key, name in _SETTINGS.items() if config.get(key) is not None},
        schema=schema if isinstance(schema, dict) else None,
    )
    if "response_format" not in made and _either(config, "responseMimeType", "response_mime_type") == _JSON_TYPE:
        made["response_format"] = {"type": "json_object"}
    if vendor := _vendor_tools(offered):
        made["tools"] = [*fields.list_or_empty(made.get("tools")), *vendor]
    return made


def _vendor_tools(offered: JSON) -> list[JSON]:
    """Tools that run at the vendor (search, code), which no other endpoint can offer: named, so that they are not forgotten."""
    listed = [tool for tool in fields.list_or_empty(offered) if isinstance(tool, dict)]
    return [{"type": name} for tool in listed for name in tool if name not in _DEFINED]


def _tool_choice(body: Mapping[str, JSON], config: Mapping[str, JSON]) -> JSON:
    """Whether a tool must be called, in OpenAI's words."""
    given = _either(body, "toolConfig", "tool_config") or _either(config, "toolConfig", "tool_config")
    calling = fields.mapping_or_empty(
        _either(fields.mapping_or_empty(given), "functionCallingConfig", "function_calling_config")
    )
    mode = calling.get("mode")
    allowed = fields.list_or_empty(_either(calling, "allowedFunctionNames", "allowed_function_names"))
    if mode == "ANY" and len(allowed) == 1:
        return {"type": "function", "function": {"name": allowed[0]}}
    return {"ANY": "required", "NONE": "none"}.get(mode) if isinstance(mode, str) else None


def completion(body: JSON) -> JSON:
    """Return Gemini's answer as a chat completion; a streamed one (a list of answers) is joined."""
    events = [event for event in (body if isinstance(body, list) else [body]) if isinstance(event, dict)]
    if not events:
        return None
    for event in events:
        if event.get("error") is not None:
            return {"error": event["error"]}
    said: list[Message] = []
    finish = model = None
    for event in events:
        candidate = _candidate(event)
        said.append(Message(role="assistant", parts=tuple(_spoken(candidate.get("content")))))
        finish = fields.text_or_none(_either(candidate, "finishReason", "finish_reason")) or finish
        model = fields.text_or_none(_either(event, "modelVersion", "model_version")) or model
    finish = finish or _blocked(events)
    made = loose.completion(said, model=model, finish=finish, usage=_openai_usage(_usage_metadata(events)))
    return {**made, **_CUT} if isinstance(body, list) and finish is None else made


def _blocked(events: list[dict[str, JSON]]) -> str | None:
    """Why a prompt was not answered at all."""
    for event in events:
        told = fields.mapping_or_empty(_either(event, "promptFeedback", "prompt_feedback"))
        if reason := fields.text_or_none(_either(told, "blockReason", "block_reason")):
            return reason
    return None


def _candidate(event: Mapping[str, JSON]) -> Mapping[str, JSON]:
    candidates = fields.list_or_empty(event.get("candidates"))
    first = candidates[0] if candidates else None
    return first if isinstance(first, dict) else event


def _spoken(content: JSON) -> list[Part]:
    return loose.parts(content)


def _usage_metadata(events: list[dict[str, JSON]]) -> Mapping[str, JSON]:
    """The last count is the whole."""
    found: Mapping[str, JSON] = {}
    for event in events:
        found = fields.mapping_or_empty(_either(event, "usageMetadata", "usage_metadata")) or found
    return found


def usage(raw: Mapping[str, JSON]) -> Usage:
    """Return disjoint token counts."""
    asked = fields.count(_either(raw, "promptTokenCount", "prompt_token_count"))
    tools = fields.count(_either(raw, "toolUsePromptTokenCount", "tool_use_prompt_token_count"))
    cached = fields.count(_either(raw, "cachedContentTokenCount", "cached_content_token_count"))
    visible = fields.count(_either(raw, "candidatesTokenCount", "candidates_token_count", "response_token_count"))
    thought = fields.count(_either(raw, "thoughtsTokenCount", "thoughts_token_count"))
    fresh = None if asked is None else asked - (cached or 0) + (tools or 0)
    if fresh is not None and fresh < 0:
        fresh = cached = None
    heard, seen = (_of_kind(raw, "prompt", kind, fresh) for kind in ("AUDIO", "IMAGE"))
    spoken = _of_kind(raw, "candidates", "AUDIO", visible)
    return Usage(
        fresh=None if fresh is None else max(0, fresh - (heard or 0) - (seen or 0)),
        cache_read=cached,
        visible=None if visible is None else visible - (spoken or 0),
        reasoning=thought,
        audio_in=heard,
        image_in=seen,
        audio_out=spoken,
    )


def _of_kind(raw: Mapping[str, JSON], side: str, kind: str, whole: int | None) -> int | None:
    """Tokens of one kind within the whole, as the details by modality count them."""
    listed = fields.list_or_empty(_either(raw, f"{side}TokensDetails", f"{side}_tokens_details"))
    found = [fields.mapping_or_empty(each) for each in listed]
    counts = [
        fields.count(_either(each, "tokenCount", "token_count")) or 0 for each in found if each.get("modality") == kind
    ]
    return sum(counts) if sum(counts) and whole is not None and sum(counts) <= whole else None


def _openai_usage(raw: Mapping[str, JSON]) -> JSON:
    """The counts as OpenAI would give them, so that the completion says them itself."""
    used = usage(raw)
    if used.fresh is None and used.visible is None:
        return None
    told: dict[str, JSON] = {"prompt_tokens": used.input, "completion_tokens": used.output}
    within = {"cached_tokens": used.cache_read, "audio_tokens": used.audio_in, "image_tokens": used.image_in}
    if any(count is not None for count in within.values()):
        told["prompt_tokens_details"] = {name: count for name, count in within.items() if count is not None}
    made = {"reasoning_tokens": used.reasoning, "audio_tokens": used.audio_out}
    if any(count is not None for count in made.values()):
        told["completion_tokens_details"] = {name: count for name, count in made.items() if count is not None}
    return {name: value for name, value in told.items() if value is not None}


def _either(raw: Mapping[str, JSON], *names: str) -> JSON:
    return next((raw[name] for name in names if raw.get(name) is not None), None)
