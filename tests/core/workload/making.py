"""Requests for tests, written briefly, and a whole scan in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from fairlead.core.nouns import Endpoint, Message, Part, PartKind, Request, Tool
from fairlead.core.workload import Grouper

DAY_ONE = datetime(2026, 9, 1, tzinfo=UTC)
_WORDS = (
    "amber anchor basket beacon candle canyon copper cotton dancer desert ember engine falcon fabric garden gravel harbor "
    "hammer island ivory jacket jungle kettle kernel ladder lagoon marble meadow needle nectar orchid oxygen pepper pigeon "
    "quartz quiver ribbon rocket saddle silver timber tunnel umbrella urchin velvet violet walnut willow yarrow zephyr"
)
WORDS = _WORDS.split()


def words(number: int, count: int = 6) -> str:
    """Words that differ from number to number, without a pattern."""
    return " ".join(Random(number).choices(WORDS, k=count))


def text(number: int, sentences: int = 3) -> str:
    return " ".join(f"{words(number * 13 + i).capitalize()}." for i in range(sentences))


def said(content: str, role: str = "user") -> Message:
    return Message(role=role, parts=(Part(kind=PartKind.TEXT, text=content),))


def asks(
    system: str = "",
    user: str = "",
    *,
    tools: Iterable[str] = (),
    fields: Sequence[str] | None = None,
    model: str = "gpt-4o",
) -> Request:
    schema = (
        None if fields is None else {"type": "object", "properties": {field: {"type": "string"} for field in fields}}
    )
    return Request(
        endpoint=Endpoint.CHAT, model=model, system=system, messages=(said(user),), tools=tuple(Tool(name=name) for name in tools),
        schema=schema, json_mode=schema is not None,
    )  # fmt: skip


def embeds(user: str, model: str) -> Request:
    return Request(endpoint=Endpoint.EMBEDDINGS, model=model, inputs=(user,))


def scanned(
    requests: Sequence[Request], *, hours_apart: float | None = None, grouper: Grouper | None = None
) -> Grouper:
    grouper = grouper or Grouper()
    for number, request in enumerate(requests):
        at = None if hours_apart is None else DAY_ONE + timedelta(hours=hours_apart * number)
        grouper.learn(request, at=at)
    grouper.link()
    return grouper


def places(grouper: Grouper, requests: Iterable[Request]) -> list[str]:
    return [grouper.assign(request).workload_id for request in requests]


def kept_apart(grouper: Grouper, *groups: Sequence[Request]) -> bool:
    """Whether each group of requests is one workload, and no two groups the same one."""
    found = [set(places(grouper, group)) for group in groups]
    return all(len(ids) == 1 for ids in found) and len(set.union(*found)) == len(groups)


def mixed(*groups: Sequence[Request]) -> list[Request]:
    """The groups' requests in turn, as a proxy would have logged them."""
    longest = max(map(len, groups))
    return [group[i] for i in range(longest) for group in groups if i < len(group)]
