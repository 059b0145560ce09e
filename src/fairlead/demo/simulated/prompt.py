"""What a body asks, in either dialect, as plain text: all a solver may look at."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

Body: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A tool call of an earlier turn and its result, both as sent."""

    tool: str
    arguments: Body
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The system text, the user's text, the rounds of tools so far, the names of the tools, and a picture."""

    system: str
    user: str
    rounds: tuple[Round, ...] = ()
    tools: frozenset[str] = frozenset()
    image: bytes | None = None

    @property
    def key(self) -> str:
        """Equal for equal requests, whichever dialect they come in and however white space was set."""
        told = [self.system, self.user, *(each.result for each in self.rounds), *sorted(self.tools)]
        return " ".join(" ".join(told).split()) + (str(binascii.crc32(self.image)) if self.image else "")


def read(body: Body) -> Prompt:
    """The prompt of an OpenAI chat or Anthropic Messages body; what cannot be understood is left out."""
    messages = mappings(body.get("messages"))
    system = [text_of(body.get("system"))]
    system += [text_of(each.get("content")) for each in messages if each.get("role") in {"system", "developer"}]
    users = [each for each in messages if each.get("role") == "user"]
    said = [found for each in users if (found := text_of(each.get("content")))]
    parts = (part for each in users for part in mappings(each.get("content")))
    return Prompt(
        system="\n".join(part for part in system if part),
        user=said[-1] if said else "",
        rounds=tuple(rounds_of(messages)),
        tools=frozenset(tool_name(each) for each in mappings(body.get("tools"))),
        image=next((picture for part in parts if (picture := picture_of(part))), None),
    )


def mapping(value: Any) -> Body:
    """The value when it is an object, else an empty one."""
    return cast("Body", value) if isinstance(value, dict) else {}


def mappings(value: Any) -> Sequence[Body]:
    """The objects of a list; nothing when it is none."""
    return [mapping(each) for each in cast("list[object]", value) if each] if isinstance(value, list) else ()


def text_of(content: Any) -> str:
    """The text in a message's content."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in mappings(content) if part.get("type") == "text"]
    return "\n".join(part for part in parts if isinstance(part, str))


def picture_of(part: Body) -> bytes | None:
    """The bytes of a picture sent inline."""
    encoded = mapping(part.get("image_url")).get("url") or mapping(part.get("source")).get("data")
    if not isinstance(encoded, str):
        return None
    try:
        return base64.b64decode(encoded.rpartition(",")[2], validate=True)
    except binascii.Error:
        return None


def tool_name(raw: Body) -> str:
    """The name of a tool or of a call, in either dialect."""
    return str((mapping(raw.get("function")) or raw).get("name", ""))


def rounds_of(messages: Sequence[Body]) -> Iterator[Round]:
    """Calls paired with their results, in order."""
    called: dict[str, tuple[str, Body]] = {}
    for each in messages:
        for made in mappings(each.get("tool_calls")):
            called[str(made.get("id"))] = (
                tool_name(made),
                arguments_of(mapping(made.get("function")).get("arguments")),
            )
        if each.get("role") == "tool":
            yield round_of(called, each.get("tool_call_id"), each.get("content"))
        for part in mappings(each.get("content")):
            if part.get("type") == "tool_use":
                called[str(part.get("id"))] = (str(part.get("name")), arguments_of(part.get("input")))
            elif part.get("type") == "tool_result":
                yield round_of(called, part.get("tool_use_id"), part.get("content"))


def round_of(called: Mapping[str, tuple[str, Body]], call_id: Any, content: Any) -> Round:
    """The round that a result closes."""
    tool, arguments = called.get(str(call_id), ("", {}))
    return Round(tool=tool, arguments=arguments, result=text_of(content))


def arguments_of(raw: Any) -> Body:
    """Arguments as an object, whether sent as one or as text."""
    if not isinstance(raw, str):
        return mapping(raw)
    try:
        return mapping(json.loads(raw))
    except ValueError:
        return {}
