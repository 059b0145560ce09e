"""What of a request says where in somebody's program it was made: its shape.

The shape is the endpoint, the masked system prompt, the names of the tools, the outline of the response schema and the
two ends of the *first* user message (later turns and agent steps never matter, so a whole trajectory has one shape).
Left out on purpose: the model (it is what gets swapped; embeddings excepted), sampling parameters, time and caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from fairlead.core.nouns import JSON, Endpoint, Message, Part, PartKind, Request
from fairlead.core.workload.mask import Masker

_MAX_TOOLS: Final = 256
_MAX_PATHS: Final = 64
_MAX_NAME: Final = 80
_USER_SEGMENTS: Final = 5
_MEDIA: Final = {PartKind.IMAGE: "image", PartKind.DOCUMENT: "document", PartKind.AUDIO: "recording"}


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a shape that a program's author wrote: everything but the user's message.

    Frames are looked up again and again, and hold up to a few hundred texts: their hash is worked out once.
    """

    family: str
    lines: tuple[str, ...]
    tools: tuple[str, ...]
    format: tuple[str, ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.family, self.lines, self.tools, self.format)))

    def __hash__(self) -> int:
        return self._hash


def family_of(request: Request) -> str:
    """`chat`, or `embeddings` with the model's name: embeddings of two models cannot replace each other."""
    if request.endpoint is Endpoint.EMBEDDINGS:
        return f"embeddings {request.model[:_MAX_NAME]}"
    return "chat"


def tools_of(request: Request) -> tuple[str, ...]:
    """The sorted names of the tools offered; where a log left them out, of the tools called."""
    if request.tools:
        return tuple(sorted({tool.name[:_MAX_NAME] for tool in request.tools[:_MAX_TOOLS]}))
    if len(request.messages) < 2:
        return ()
    called = {name[:_MAX_NAME] for message in request.messages for name in _called(message)}
    return tuple(sorted(called)[:_MAX_TOOLS])


def _called(message: Message) -> Iterator[str]:
    if message.role != "assistant":
        return iter(())
    return (part.name for part in message.parts if part.kind is PartKind.TOOL_CALL and part.name)


def format_of(request: Request) -> tuple[str, ...]:
    """The sorted property paths of the response schema, `("json",)` for JSON without one, or `()`."""
    if request.schema is not None:
        return tuple(sorted(set(_paths(request.schema)))[:_MAX_PATHS]) or ("json",)
    return ("json",) if request.json_mode else ()


def _paths(schema: Mapping[str, JSON]) -> list[str]:
    found: list[str] = []
    waiting: list[tuple[str, JSON, int]] = [("", dict(schema), 0)]
    while waiting and len(found) < 4 * _MAX_PATHS:
        path, node, depth = waiting.pop()
        if not isinstance(node, dict) or depth > 8:
            continue
        properties = node.get("properties")
        if isinstance(properties, dict):
            below = [(f"{path}.{str(name)[:_MAX_NAME]}".lstrip("."), child) for name, child in properties.items()]
            found += [name for name, _ in below]
            waiting += [(name, child, depth + 1) for name, child in below[:_MAX_PATHS]]
        for inner in ("items", "schema", "json_schema"):
            if inner in node:
                waiting.append((path, node[inner], depth + 1))
    return found


def first_user(request: Request) -> str:
    """The first user message's text, below a line for each medium in it."""
    for message in request.messages:
        if message.role == "user":
            media = [_medium(part) for part in message.parts if part.kind in _MEDIA]
            return "\n".join([*media[:3], message.text]) if media else message.text
    return ""


def _medium(part: Part) -> str:
    # The address tells two images apart when different messages are counted; masking blanks it out.
    return f"{_MEDIA[part.kind]} attached: {part.text[-40:]}"


def frame_of(request: Request, masker: Masker) -> Frame:
    """The frame of a request."""
    if request.endpoint is Endpoint.EMBEDDINGS:
        return Frame(family_of(request), (), (), ())
    return Frame(family_of(request), masker.system(request.system), tools_of(request), format_of(request))


def anchors_of(text: str, masker: Masker) -> tuple[str, ...]:
    """The masked first and last few segments of a user message: where a template's fixed wording stands."""
    segments = masker.user(text)
    if len(segments) <= 2 * _USER_SEGMENTS:
        return segments
    return segments[:_USER_SEGMENTS] + segments[-_USER_SEGMENTS:]


def mark_of(text: str) -> int:
    """A 64-bit content hash of a text's two ends and length: the same on every machine and in every process."""
    ends = f"{len(text)} {text[:400]} {text[-200:]}"
    return int.from_bytes(blake2b(ends.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
