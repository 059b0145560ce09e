"""The paths that are served. One reading of a path: what is looked up here is what is authorised, routed and recorded.

Anything that is not in the table, letter for letter, is not served: there is no decoding, no `..`, no second reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fairlead.serve.frames import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a path asks for: the protocol, the method it takes, and the path after a base URL.

    `whole` and `path` are the path itself, where there is one such path only.
    """

    protocol: Protocol
    method: bytes
    after_base: bytes
    is_anthropic: bool
    whole: bytes = b""
    path: str = ""


def _place(protocol: Protocol, path: bytes, method: bytes = b"POST") -> tuple[bytes, Place]:
    is_anthropic = protocol in {Protocol.ANTHROPIC_MESSAGES, Protocol.ANTHROPIC_COUNT}
    after_base = path.removeprefix(b"/v1")
    return path, Place(
        protocol=protocol,
        method=method,
        after_base=after_base,
        is_anthropic=is_anthropic,
        whole=path,
        path=path.decode(),
    )


PLACES: Final[Mapping[bytes, Place]] = dict(
    [
        _place(Protocol.OPENAI_CHAT, b"/v1/chat/completions"),
        _place(Protocol.OPENAI_RESPONSES, b"/v1/responses"),
        _place(Protocol.OPENAI_EMBEDDINGS, b"/v1/embeddings"),
        _place(Protocol.OPENAI_COMPLETIONS, b"/v1/completions"),
        _place(Protocol.OPENAI_MODELS, b"/v1/models", b"GET"),
        _place(Protocol.ANTHROPIC_MESSAGES, b"/v1/messages"),
        _place(Protocol.ANTHROPIC_COUNT, b"/v1/messages/count_tokens"),
    ]
)

HEALTH: Final = (b"/healthz", b"/readyz")
_MODEL: Final = re.compile(rb"/v1/models/[A-Za-z0-9][A-Za-z0-9._:@-]*(?:/[A-Za-z0-9][A-Za-z0-9._:@-]*){0,2}")


def place_of(path: bytes) -> Place | None:
    """What a path asks for, or `None` when it is not served."""
    found = PLACES.get(path)
    if found is None and len(path) < 300 and _MODEL.fullmatch(path):
        return Place(
            protocol=Protocol.OPENAI_MODELS, method=b"GET", after_base=path.removeprefix(b"/v1"), is_anthropic=False
        )
    return found


def served() -> str:
    """The paths that are served, for an error."""
    return ", ".join(path.decode() for path in PLACES)
