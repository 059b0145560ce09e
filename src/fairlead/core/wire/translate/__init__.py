"""One protocol's request, answer, stream and errors in another's: a caller on an upstream that speaks differently.

    crossing = cross("anthropic.messages", to="openai", body=body, model="qwen3-32b", name=call_id, now=seconds)
    crossing.path, crossing.request       # "/chat/completions", a body (a dict of its own) to send
    crossing.notes                        # what could not be carried over, for `X-Fairlead-Untranslated`
    crossing.answer(raw)                  # a whole 200 answer, in the caller's protocol
    crossing.error(status, raw)           # an error answer: status and body in the caller's dialect
    stream = crossing.stream()            # feed(bytes) -> bytes, close(), fail(message), has_content, done, problem

Rules kept: what would change the meaning is refused (`Untranslatable`, one sentence: another target may be asked instead,
and only when none is left the caller is told, with status 400); what cannot be carried over and does not change it is
named in `notes`; nothing is dropped in silence. A whole answer that cannot be said raises `Untranslatable` too: the upstream
wrote garbage (tell the caller 502, or ask the next). Everything is pure: no clock, no randomness; `name` and `now` are given.

| caller | upstream speaks OpenAI | upstream speaks Anthropic |
|---|---|---|
| `openai.chat` | same protocol: nothing to do | translated |
| `openai.responses` | same, or translated to chat with `knows_responses=False` | translated |
| `anthropic.messages` | translated | same |
| `anthropic.count_tokens` | estimated, nothing is asked | same |
| `openai.embeddings`, `openai.completions` | same | refused |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from fairlead.core.errors import UnreadableLine, Untranslatable
from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.decode import decode
from fairlead.core.wire.translate import (
    ask_chat,
    ask_message,
    ask_response,
    read_chat,
    read_message,
    write_chat,
    write_message,
    write_response,
)
from fairlead.core.wire.translate.count import estimated_tokens
from fairlead.core.wire.translate.errors import Fault, Problem, error_body, problem, upstream_problem
from fairlead.core.wire.translate.notes import Notes
from fairlead.core.wire.translate.pieces import Item
from fairlead.core.wire.translate.stream import MAX_BYTES, Reader, Stream, Writer
from fairlead.core.wire.translate.write import Asked

__all__ = [
    "Crossing",
    "Fault",
    "Problem",
    "Stream",
    "cross",
    "error_body",
    "estimated_tokens",
    "needs_crossing",
    "problem",
    "upstream_problem",
    "without_own_thinking",
]

_Ask: TypeAlias = Callable[..., dict[str, JSON]]


@dataclass(frozen=True, slots=True)
class _Upstream:
    """How an upstream of one dialect is asked and read."""

    spoken: str
    path: str
    read: Callable[[Mapping[str, JSON], Notes], list[Item]]
    reader: Callable[[Notes], Reader]


@dataclass(frozen=True, slots=True)
class _Caller:
    """How a caller of one protocol is answered, and its request said in each dialect (one step after another)."""

    write: Callable[[Iterable[Item], Asked], dict[str, JSON]]
    writer: Callable[[Asked], Writer]
    steps: Mapping[str, tuple[_Ask, ...]]


_UPSTREAMS: Mapping[str, _Upstream] = {
    "openai": _Upstream("openai.chat", "/chat/completions", read_chat.whole, read_chat.ChatReader),
    "anthropic": _Upstream("anthropic.messages", "/messages", read_message.whole, read_message.MessageReader),
}
_CALLERS: Mapping[str, _Caller] = {
    "openai.chat": _Caller(write_chat.whole, write_chat.ChatWriter, {"anthropic": (ask_message.request,)}),
    "anthropic.messages": _Caller(write_message.whole, write_message.MessageWriter, {"openai": (ask_chat.request,)}),
    "openai.responses": _Caller(
        write_response.whole,
        write_response.ResponseWriter,
        {"openai": (ask_response.request,), "anthropic": (ask_response.request, ask_message.request)},
    ),
}


def needs_crossing(caller: str, *, to: str, knows_responses: bool = True) -> bool:
    """Whether a caller's protocol must be translated for an upstream of dialect `to`.

    >>> needs_crossing("openai.chat", to="anthropic"), needs_crossing("openai.responses", to="openai")
    (True, False)
    """
    if caller == "openai.responses" and to == "openai":
        return not knows_responses
    return caller.partition(".")[0] != to


class Crossing:
    """One request on its way to an upstream that speaks another protocol, and its answer on the way back."""

    def __init__(self, caller: str, upstream: _Upstream, request: dict[str, JSON], asked: Asked) -> None:
        self._caller = caller
        self._upstream = upstream
        self._asked = asked
        self.request = request

    @property
    def path(self) -> str:
        """Where the upstream is asked, after its base address."""
        return self._upstream.path

    @property
    def spoken(self) -> str:
        """The protocol that the upstream speaks."""
        return self._upstream.spoken

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be carried over; an answer may add to what the request left behind."""
        return self._asked.notes.names

    def answer(self, raw: bytes) -> bytes:
        """Return a whole answer in the caller's protocol; raises `Untranslatable` where it cannot be said."""
        try:
            body = fields.mapping(decode(raw), "the answer")
        except UnreadableLine as error:
            raise Untranslatable(f"The upstream's answer cannot be read: {error.reason}.") from None
        items = self._upstream.read(body, self._asked.notes)
        fault = next((item for item in items if isinstance(item, Fault)), None)
        if fault is not None:
            raise Untranslatable(f"The upstream answered with an error: {fault.message}")
        return msgspec.json.encode(_CALLERS[self._caller].write(items, self._asked))

    def error(self, status: int, raw: bytes) -> Problem:
        """Return an upstream's error answer in the caller's dialect."""
        return upstream_problem(self._caller, status=status, body=raw)

    def stream(self, *, max_bytes: int = MAX_BYTES) -> Stream:
        """Return what turns the upstream's stream into the caller's."""
        reader = self._upstream.reader(self._asked.notes)
        return Stream(reader, _CALLERS[self._caller].writer(self._asked), max_bytes=max_bytes)


def cross(caller: str, *, to: str, body: Mapping[str, JSON], model: str, name: str, now: int) -> Crossing:
    """Return the crossing of a caller's request to an upstream of dialect `to`, asked for `model`.

    `body` is the caller's request, decoded; it is not changed. `name` makes ids where an upstream gives none.
    """
    made = _CALLERS.get(caller)
    steps = made.steps.get(to) if made else None
    if steps is None:
        raise Untranslatable(f"{caller} has no counterpart at an upstream that speaks {to}.")
    notes = Notes()
    request: Mapping[str, JSON] = body
    try:
        for step in steps:
            request = step(request, notes, model=model)
        custom = ask_response.custom_tools(body) if caller == "openai.responses" else frozenset[str]()
    except UnreadableLine as error:
        raise Untranslatable(f"{error.reason}.") from None
    wants_usage = fields.mapping_or_empty(body.get("stream_options")).get("include_usage") is True
    asked = Asked(name=name, now=now, model=model, body=body, notes=notes, wants_usage=wants_usage, custom=custom)
    return Crossing(caller, _UPSTREAMS[to], dict(request), asked)


def without_own_thinking(body: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """Return a Messages body without thinking that a translated model wrote, or `None` where it holds none.

    Such thinking bears Fairlead's mark for a signature, which Anthropic refuses: a conversation that comes back to
    Anthropic (a fallback, a route taken back) goes on without it. Cheap to guard: only a body in which the bytes
    `"signature":"fairlead"` may occur needs a look.
    """
    turns = body.get("messages")
    if not isinstance(turns, list):
        return None
    kept = [_without_own(turn) for turn in turns]
    return None if all(new is old for new, old in zip(kept, turns, strict=True)) else {**body, "messages": kept}


def _without_own(turn: JSON) -> JSON:
    if not isinstance(turn, dict) or not isinstance(turn.get("content"), list):
        return turn
    blocks = fields.list_or_empty(turn["content"])
    kept: list[JSON] = [
        block
        for block in blocks
        if not (isinstance(block, dict) and block.get("signature") == ask_message.OWN_SIGNATURE)
    ]
    return turn if len(kept) == len(blocks) else {**turn, "content": kept}
