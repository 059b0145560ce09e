"""What every writer shares: who asked, counts said in either dialect, and server-sent events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from fairlead.core.nouns import JSON, Usage
from fairlead.core.wire.translate.notes import Notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a writer must know of the request. `name` (the gateway's id of the call) makes ids where the upstream gave none.

    `now` is in whole seconds. `wants_usage` is whether a chat caller asked for the usage chunk; `body` is the caller's
    request; `custom` names its free-form tools.
    """

    name: str
    now: int
    model: str
    body: Mapping[str, JSON]
    notes: Notes
    wants_usage: bool = False
    custom: frozenset[str] = field(default_factory=frozenset[str])


def named_event(name: str, data: Mapping[str, JSON]) -> bytes:
    """Return one server-sent event with a name."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def event(data: Mapping[str, JSON]) -> bytes:
    """Return one server-sent event without a name."""
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


def output_tokens(usage: Usage) -> int:
    """Return everything the model wrote, thinking included."""
    return (usage.visible or 0) + (usage.reasoning or 0)


def written_tokens(usage: Usage) -> int:
    """Return the tokens written to a cache, for whatever lifetime."""
    return (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0)


def input_tokens(usage: Usage) -> int:
    """Return everything the model read, cached or not."""
    return (usage.fresh or 0) + (usage.cache_read or 0) + written_tokens(usage)


def note_unknown(usage: Usage, notes: Notes) -> None:
    """Say so where a protocol demands a number and none is known: zero stands there and means nothing."""
    if usage.fresh is None or usage.visible is None:
        notes.add("usage")
