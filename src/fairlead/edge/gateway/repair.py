"""Structured output that is not what was asked for: put right where that is safe, else told, so that somebody else is asked.

Only form is repaired: a code fence, thinking aloud before the answer, words around one JSON value. A value that then breaks
the schema is not made up. Whole answers only: a stream has been read by the caller before it could be judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from fairlead.serve.frames import Protocol

if TYPE_CHECKING:
    from fairlead.core.nouns import JSON


class Judged(NamedTuple):
    """An answer that may be given, changed or not; or what is wrong with it."""

    body: bytes
    problem: str = ""


def wants_structure(request: bytes, protocol: Protocol) -> bool:
    """Whether a chat request asks for JSON."""
    return protocol is Protocol.OPENAI_CHAT and b'"response_format"' in request


def judged(request: bytes, answer: bytes) -> Judged:
    """The answer to a chat request that asked for JSON, repaired where its form was wrong."""
    try:
        asked: JSON = msgspec.json.decode(request)
        said: JSON = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Judged(answer, "the answer is not JSON")
    form = asked.get("response_format") if isinstance(asked, dict) else None
    kind = form.get("type") if isinstance(form, dict) else None
    if not isinstance(form, dict) or kind not in {"json_object", "json_schema"} or not isinstance(said, dict):
        return Judged(answer)
    choices = said.get("choices")
    changed = False
    for choice in choices if isinstance(choices, list) else []:
        message = choice.get("message") if isinstance(choice, dict) else None
        text = message.get("content") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(text, str) or message.get("tool_calls"):
            continue
        right, problem = _right(text, _schema_in(form))
        if problem:
            return Judged(answer, problem)
        if right is not None:
            message["content"] = right
            changed = True
    return Judged(msgspec.json.encode(said) if changed else answer)


def _schema_in(form: dict[str, JSON]) -> dict[str, JSON] | None:
    described = form.get("json_schema")
    schema = described.get("schema") if isinstance(described, dict) else None
    return schema if isinstance(schema, dict) else None


def _right(text: str, schema: dict[str, JSON] | None) -> tuple[str | None, str]:
    """The text put right (`None` when it is right as it stands), or what is wrong with it."""
    from fairlead.core.errors import InputError  # noqa: PLC0415  # needed by few, and heavy
    from fairlead.core.grade.reading import json_value  # noqa: PLC0415
    from fairlead.core.grade.schema import breach  # noqa: PLC0415

    as_it_stands = json_value(text, whole=True)
    value = as_it_stands if as_it_stands is not None else json_value(text)
    if value is None:
        return None, "the answer holds no JSON"
    try:
        broken = None if schema is None else breach(value, schema)
    except InputError:
        broken = None  # a schema that cannot be used judges nobody
    if broken:
        return None, f"the answer breaks its schema: {broken}"
    return (None if as_it_stands is not None else msgspec.json.encode(value).decode()), ""
