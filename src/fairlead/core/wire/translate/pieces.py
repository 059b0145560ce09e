"""What an answer is made of, in no protocol: the items that readers give and writers take.

A whole answer and a stream are the same items; a stream only cuts `Piece`s smaller. An answer is one `Head`, then pieces,
`Used` at most once or growing, `Finish`, and `End`; or a `Fault` at any point, after which nothing counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from fairlead.core.nouns import JSON, Usage
from fairlead.core.wire.translate.errors import Fault


class Kind(StrEnum):
    """What a piece belongs to."""

    TEXT = "text"
    REFUSAL = "refusal"
    THINKING = "thinking"
    CALL = "call"


@dataclass(slots=True, kw_only=True)
class Head:
    """The answer's id and the model that gives it, where the upstream says so."""

    id: str | None = None
    model: str | None = None


@dataclass(slots=True, kw_only=True)
class Piece:
    """Some text of one part of the answer. For a call: which one, its id and name when known, and more of its arguments."""

    kind: Kind
    text: str = ""
    index: int = 0
    id: str | None = None
    name: str | None = None


@dataclass(slots=True, kw_only=True)
class Signed:
    """A whole block of thinking as Anthropic signed it, given beside its pieces so that it can be sent back one day."""

    block: dict[str, JSON]


@dataclass(slots=True, kw_only=True)
class Used:
    """Tokens so far; the last one counts."""

    usage: Usage


@dataclass(slots=True, kw_only=True)
class Finish:
    """Why the answer stopped, in OpenAI's words; `matched` is the stop sequence that did it, where known."""

    reason: str
    matched: str | None = None


@dataclass(slots=True, kw_only=True)
class Ping:
    """The upstream is alive and has nothing to say."""


@dataclass(slots=True, kw_only=True)
class End:
    """The upstream closed the answer properly."""


Item: TypeAlias = Head | Piece | Signed | Used | Finish | Ping | End | Fault
