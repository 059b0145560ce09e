"""OpenAI Responses, as a chat body and a completion.

A request that goes on from an earlier response (`previous_response_id`, `conversation`) has left its history at the vendor:
it is flagged as truncated and never completed by guessing.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.nouns import JSON, Fidelity, Tool
from fairlead.core.wire import fields, loose

_STRUCTURAL = frozenset(
    {
        "model", "input", "instructions", "tools", "tool_choice", "text", "max_output_tokens", "stream", "reasoning",
        "previous_response_id", "conversation", "prompt",
    }
)  # fmt: skip
_MARKS = frozenset(
    {"instructions", "max_output_tokens", "previous_response_id", "text", "truncation", "reasoning", "conversation"}
)


def is_request(body: JSON) -> bool:
    """Whether a body asks the Responses API (rather than for embeddings, which have an `input` too)."""
    if not isinstance(body, dict) or "input" not in body or "messages" in body:
        return False
    sent = body["input"]
    has_items = isinstance(sent, list) and any(isinstance(item, dict) for item in sent)
    return has_items or not _MARKS.isdisjoint(body) or "tools" in body


def is_response(body: JSON) -> bool:
    """Whether a body is a response object."""
    return isinstance(body, dict) and (body.get("object") == "response" or isinstance(body.get("output"), list))


def chat_body(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the chat body that asks the same."""
    asked = loose.turns(_items(body.get("input")))
    form = fields.mapping_or_empty(fields.mapping_or_empty(body.get("text")).get("format"))
    schema = form.get("schema")
    parameters = {name: value for name, value in body.items() if name not in _STRUCTURAL and value is not None}
    effort = fields.mapping_or_empty(body.get("reasoning")).get("effort")
    made = loose.chat_body(
        model=fields.text_or_none(body.get("model")) or "unnamed",
        messages=asked.messages,
        system=_instructions(body.get("instructions")),
        tools=_tools(body.get("tools")),
        tool_choice=_tool_choice(body.get("tool_choice")),
        parameters={**parameters, "max_completion_tokens": body.get("max_output_tokens"), "reasoning_effort": effort},
        schema=schema if isinstance(schema, dict) else None,
    )
    vendor = [tool for tool in fields.list_or_empty(body.get("tools")) if _kind(tool) != "function"]
    if vendor:
        made["tools"] = [*fields.list_or_empty(made.get("tools")), *vendor]
    if body.get("stream") is True:
        made["stream"] = True
    return made


def fidelity(body: Mapping[str, JSON]) -> tuple[Fidelity, ...]:
    """Return what a request body does not hold of what was asked."""
    kept_away = any(body.get(key) for key in ("previous_response_id", "conversation", "prompt"))
    return (Fidelity.TRUNCATED,) if kept_away else ()


def completion(body: Mapping[str, JSON]) -> JSON:
    """Return a response object as a chat completion."""
    if body.get("error") is not None:
        return {"error": body["error"]}
    said = [
        turn
        for item in fields.list_or_empty(body.get("output"))
        if isinstance(item, dict)
        and fields.is_one_of(item.get("type"), {"message", "function_call", "custom_tool_call"})
        for turn in loose.message(_item(item))
    ]
    incomplete = fields.mapping_or_empty(body.get("incomplete_details")).get("reason")
    finish = fields.text_or_none(incomplete) or fields.text_or_none(body.get("status"))
    model, tier = fields.text_or_none(body.get("model")), fields.text_or_none(body.get("service_tier"))
    made = loose.completion(said, model=model, finish=finish, usage=body.get("usage"))
    return {**made, "service_tier": tier} if tier else made


def _items(sent: JSON) -> JSON:
    if isinstance(sent, list):
        return [_item(item) for item in sent if not _is_silent(item)]
    return [{"role": "user", "content": sent}] if isinstance(sent, str) else sent


def _is_silent(item: JSON) -> bool:
    """Items that only the vendor can use again: references and encrypted thinking."""
    return isinstance(item, dict) and fields.is_one_of(item.get("type"), {"item_reference", "reasoning"})


def _item(item: JSON) -> JSON:
    """A call or a result, which here stand beside messages, as the message that holds it."""
    if not isinstance(item, dict) or "role" in item:
        return item
    if fields.is_one_of(item.get("type"), {"function_call", "custom_tool_call"}):
        return {"role": "assistant", "content": [{**item, "type": "function_call", "id": item.get("call_id")}]}
    if fields.is_one_of(item.get("type"), {"function_call_output", "custom_tool_call_output"}):
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": loose.as_text(item.get("output"))}
    return {"role": "assistant", "content": item.get("content")}


def _instructions(given: JSON) -> str:
    if isinstance(given, list):
        return "\n\n".join(turn.text for turn in loose.turns(given).messages)
    return given if isinstance(given, str) else ""


def _kind(tool: JSON) -> JSON:
    return tool.get("type") if isinstance(tool, dict) else None


def _tools(given: JSON) -> tuple[Tool, ...]:
    return loose.tools([tool for tool in fields.list_or_empty(given) if _kind(tool) == "function"])


def _tool_choice(given: JSON) -> JSON:
    if isinstance(given, dict):
        return {"type": "function", "function": {"name": given["name"]}} if given.get("name") else None
    return given
