"""What a tracer kept of one call, as bodies: for every source that records calls by attributes instead of by bodies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.core.nouns import JSON, Fidelity, Message, Tool, Usage
from fairlead.core.wire import anthropic, fields, gemini, loose, openai, responses
from fairlead.core.wire.decode import structure_or_text
from fairlead.edge.sources.counts import counts_of, whole_number

_SAMPLING = frozenset(
    {
        "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "frequency_penalty", "presence_penalty",
        "n", "seed", "stop", "stop_sequences", "reasoning_effort", "min_p", "repetition_penalty",
    }
)  # fmt: skip
_TOOL_KEYS = ("gen_ai.tool.definitions", "llm.tools", "tools", "llm.request.functions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A prompt as far as a trace holds it."""

    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    system: str = ""
    parameters: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    schema: Mapping[str, JSON] | None = None
    tool_choice: JSON = None
    fidelity: tuple[Fidelity, ...] = ()


def asked_of(value: JSON, *, attributes: Mapping[str, JSON] | None = None) -> Asked:
    """Return the prompt that a logged input holds; tools may also stand among the attributes."""
    value = structure_or_text(value) if isinstance(value, str) and value.strip() else value
    beside = next((found for key in _TOOL_KEYS if (found := loose.tools((attributes or {}).get(key)))), ())
    if isinstance(value, dict):
        body = _as_chat_body(value)
        if body is not None:
            request = openai.request(body)
            return Asked(
                messages=request.messages,
                tools=request.tools or beside,
                system=request.system,
                parameters=sampling(request.parameters),
                schema=request.schema,
                tool_choice=request.tool_choice,
                fidelity=responses.fidelity(value) if "input" in value else (),
            )
    read = loose.turns(value)
    inner = loose.tools(value.get("tools")) if isinstance(value, dict) else ()
    return Asked(messages=read.messages, tools=read.tools or inner or beside, fidelity=read.fidelity)


def _as_chat_body(value: dict[str, JSON]) -> dict[str, JSON] | None:
    """A provider's whole body inside a trace; `None` when it is not one or holds no turn."""
    if gemini.is_request(value):
        made = gemini.chat_body(value)
    elif responses.is_request(value):
        made = responses.chat_body(value)
    else:
        return None
    return made if made.get("messages") else None


def asked_body(asked: Asked, *, model: str | None, settings: Iterable[JSON] = ()) -> dict[str, JSON]:
    """Return the chat body that asks it, with the settings that a tracer kept apart."""
    parameters = dict(asked.parameters)
    for given in settings:
        parameters |= sampling(fields.mapping_or_empty(structure_or_text(given) if isinstance(given, str) else given))
    return loose.chat_body(
        model=model or "unnamed",
        messages=asked.messages,
        tools=asked.tools,
        system=asked.system,
        parameters=parameters,
        schema=asked.schema,
        tool_choice=asked.tool_choice,
    )


def sampling(given: Mapping[str, JSON]) -> dict[str, JSON]:
    """The sampling parameters among settings; tracers write "null", "" and -1 for what was not set."""
    found: dict[str, JSON] = {}
    for name, raw in given.items():
        value = structure_or_text(raw) if isinstance(raw, str) and raw[:1] in {"{", "["} else raw
        if name not in _SAMPLING or value in (None, "", "null", [], -1) or isinstance(value, dict):
            continue
        found[name] = _number(value) if name not in {"stop", "stop_sequences", "reasoning_effort"} else value
    return {name: value for name, value in found.items() if value is not None}


def _number(value: JSON) -> JSON:
    if not isinstance(value, str):
        return value
    try:
        return whole_number(value) if whole_number(value) is not None else float(value)
    except ValueError:
        return None


def answer_body(output: JSON, *, model: str | None, finish: str | None = None) -> JSON:
    """Return a logged output as a completion; `None` when nothing was recorded."""
    value = structure_or_text(output) if isinstance(output, str) and output.strip() else output
    if value in (None, "", [], {}):
        return None
    if isinstance(value, dict):
        if isinstance(value.get("choices"), list) or value.get("error") is not None:
            return value
        if gemini.is_response(value):
            return gemini.completion(value)
        if responses.is_response(value):
            return responses.completion(value)
    return loose.completion(_said(value), model=model or _answered_by(value), finish=finish or _finish(value))


def _said(value: JSON) -> tuple[Message, ...]:
    """The messages of an answer; a value in no known shape is the answer itself, as JSON (a structured answer)."""
    if isinstance(value, str):
        return tuple(loose.message({"role": "assistant", "content": value}))
    if isinstance(value, dict) and {"content", "parts", "tool_calls", "kwargs", "message"}.isdisjoint(value):
        return tuple(loose.message({"role": "assistant", "content": loose.json_text(value)}))
    listed = value if isinstance(value, list) else [value]
    if any(not isinstance(item, dict) or not _is_message(item) for item in listed):
        return tuple(loose.message({"role": "assistant", "content": loose.as_text(value)}))
    return tuple(turn for item in listed for turn in loose.message(item))


def _is_message(item: dict[str, JSON]) -> bool:
    return not {"content", "parts", "tool_calls", "kwargs", "message", "text"}.isdisjoint(item)


def _finish(value: JSON) -> str | None:
    held = fields.mapping_or_empty(value[-1] if isinstance(value, list) and value else value)
    beside = fields.mapping_or_empty(held.get("response_metadata"))
    for key in ("finish_reason", "stop_reason"):
        found = fields.text_or_none(held.get(key)) or fields.text_or_none(beside.get(key))
        if found:
            return found
    return None


def _answered_by(value: JSON) -> str | None:
    beside = fields.mapping_or_empty(fields.mapping_or_empty(value).get("response_metadata"))
    return fields.text_or_none(beside.get("model_name")) or fields.text_or_none(
        fields.mapping_or_empty(value).get("model")
    )


def own_usage(output: JSON) -> Usage | None:
    """Return the counts that the provider's own answer holds: worth more than what a tracer counted."""
    held = fields.mapping_or_empty(output)
    counted = held.get("usage_metadata") or held.get("usageMetadata")
    if isinstance(counted, dict):
        found = gemini.usage(counted)
        return found if found.fresh is not None else counts_of({**counted, "input_token_details.": None})
    raw = held.get("usage")
    if not isinstance(raw, dict):
        return None
    found = anthropic.usage(raw) if held.get("type") == "message" else openai.usage(raw)
    return found if found.fresh is not None or found.visible is not None else None


def tidy(value: dict[str, JSON]) -> JSON:
    """The part of a record by which it is known again: without what every export writes anew."""
    return {key: held for key, held in value.items() if key not in {"updatedAt", "createdAt", "exportedAt"}}
