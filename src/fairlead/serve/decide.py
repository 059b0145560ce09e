"""Who answers one request: a snapshot, a workload and a conversation to a `Decision`, in a few microseconds. Pure.

Rules kept here: `only` goes before everything, so a target that may not see the workload is never chosen, and when none
may the request is refused rather than sent; a conversation keeps its side for as long as the share does not fall below
its place; raising the share moves more conversations over and none back; a request of no known workload goes where its
dialect goes, untouched.

A conversation is told by its id where the caller names one; else by the user; else by how it opens (a chat is sent whole
with every turn, so its system prompt and first user message stay the same); else each request stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

from fairlead.serve.frames import Served
from fairlead.serve.snapshot import RouteNow, Snapshot, Stage, TargetNow

_WHOLE = float(1 << 64)
_OPENING = 4_000
"""Characters of the first messages that tell one conversation from another."""

OPENAI = "openai"
ANTHROPIC = "anthropic"


class Decision(NamedTuple):
    """Where one request goes. `target` is `None` when nobody may answer it, and `refused` says why.

    `side` is who answers if the target does; `pair_wanted` asks the control process for the other side's answer.
    """

    target: TargetNow | None
    side: Served = Served.INCUMBENT
    fallbacks: tuple[TargetNow, ...] = ()
    stage: Stage = Stage.STAY
    pair_wanted: bool = False
    route: RouteNow | None = None
    refused: str = ""


class Routes:
    """The routes of one snapshot, ready to be asked; made once for each snapshot."""

    __slots__ = ("_aliases", "_default", "_incumbents", "_routes", "_settled", "_untouched", "version")

    def __init__(self, snapshot: Snapshot) -> None:
        self.version = snapshot.version
        self._routes = {route.workload_id: route for route in snapshot.routes}
        self._aliases = dict(snapshot.aliases)
        self._default = snapshot.default_route
        self._incumbents = {
            OPENAI: TargetNow(upstream=snapshot.default_openai),
            ANTHROPIC: TargetNow(upstream=snapshot.default_anthropic),
        }
        self._untouched = {dialect: Decision(target) for dialect, target in self._incumbents.items()}
        # Where there is no other side, every request of a workload goes the same way.
        self._settled: dict[tuple[str | None, str], Decision] = {
            (route.workload_id, dialect): Decision(
                route.incumbent or target,
                Served.INCUMBENT,
                route.fallbacks,
                route.stage,
                pair_wanted=False,
                route=route,
            )
            for route in snapshot.routes
            if route.candidate is None and not route.only
            for dialect, target in self._incumbents.items()
        }
        if self._default is None:
            self._settled.update(((None, dialect), decision) for dialect, decision in self._untouched.items())

    def route(self, workload_id: str | None) -> RouteNow | None:
        """The route of a workload, also under a name it had before; the default route where it has none."""
        if workload_id is None:
            return self._default
        found = self._routes.get(workload_id)
        if found is None and workload_id in self._aliases:
            found = self._routes.get(self._aliases[workload_id])
        return found or self._default

    def settled(self, workload_id: str | None, dialect: str) -> Decision | None:
        """Who answers, where that is the same for every request of a workload; the same object every time."""
        return self._settled.get((workload_id, dialect))

    def decide(self, workload_id: str | None, *, dialect: str, conversation: str | None, call_id: str) -> Decision:
        """Who answers. `dialect` is `openai` or `anthropic`, `conversation` as `conversation_of` gives it.

        >>> Routes(Snapshot(version=1)).decide("w1", dialect="openai", conversation=None, call_id="a").target.upstream
        'openai'
        """
        settled = self._settled.get((workload_id, dialect))
        if settled is not None:
            return settled
        route = self.route(workload_id)
        if route is None:
            return self._untouched[dialect]
        incumbent = route.incumbent or self._incumbents[dialect]
        stage, candidate = route.stage, route.candidate
        takes = candidate is not None and _takes(route, conversation or call_id)
        wanted = candidate is not None and _pair_wanted(route, call_id, taken=takes)
        if takes and candidate is not None:
            order, side = (candidate, *route.fallbacks, incumbent), Served.CANDIDATE
        else:
            order, side = (incumbent, *route.fallbacks), Served.INCUMBENT
        if route.only:
            return _within(route, order, incumbent, wanted=wanted)
        return Decision(order[0], side, order[1:], stage, wanted, route)


def _within(route: RouteNow, order: tuple[TargetNow, ...], incumbent: TargetNow, *, wanted: bool) -> Decision:
    """The decision among the targets that may see the workload; the candidate steps in where the incumbent may not."""
    allowed = tuple(target for target in order if target.upstream in route.only)
    candidate = route.candidate
    if not allowed and candidate is not None and candidate.upstream in route.only:
        allowed = (candidate,)
    if not allowed:
        asked = ", ".join(dict.fromkeys(target.upstream for target in order))
        words = f"this workload may only be answered by {', '.join(route.only)}, and its route leads to {asked}"
        return Decision(None, Served.INCUMBENT, (), route.stage, pair_wanted=False, route=route, refused=words)
    first = allowed[0]
    side = Served.CANDIDATE if candidate is not None and first is candidate else Served.INCUMBENT
    both = candidate is not None and candidate.upstream in route.only and incumbent.upstream in route.only
    return Decision(first, side, allowed[1:], route.stage, wanted and both, route)


def _takes(route: RouteNow, unit: str) -> bool:
    if route.stage is Stage.MOVED:
        return True
    return route.stage is Stage.CANARY and place(route.salt, unit) < route.share


def _pair_wanted(route: RouteNow, call_id: str, *, taken: bool) -> bool:
    # By the call and not by the conversation: a turn of a long conversation is as likely to be drawn as any other request,
    # so what is graded stands for requests and not for conversations.
    if route.stage is Stage.SHADOW:
        return _drawn(route, route.shadow_share, call_id)
    return taken and _drawn(route, route.paired_share, call_id)


def _drawn(route: RouteNow, share: float, call_id: str) -> bool:
    return share >= 1 or (share > 0 and place(route.salt, "pair", call_id) < share)


def place(*words: str) -> float:
    """Where words fall in 0..1, evenly, the same in every process.

    >>> round(place("salt", "conversation 7"), 3)
    0.676
    """
    hashed = blake2b("\x1f".join(words).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed, "big") / _WHOLE


def conversation_of(*, conversation: str | None, user: str | None, body: Mapping[str, object] | None) -> str | None:
    """What a conversation is told by: its id, its user, or how it opens; `None` when each request stands alone."""
    if conversation:
        return "c:" + conversation
    if user:
        return "u:" + user
    opening = None if body is None else opening_of(body)
    return None if opening is None else "o:" + opening


def opening_of(body: Mapping[str, object]) -> str | None:
    """A hash of a chat's system prompt and first user message; `None` for a body that is no chat.

    >>> opening_of({"prompt": "Once upon"}) is None
    True
    """
    messages = body.get("messages", body.get("input"))
    if not isinstance(messages, list):
        return None
    said = [_beginning(body.get("system") or body.get("instructions"))]
    for message in messages:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(message, dict):
            return None
        said.append(_beginning(message.get("content")))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        if message.get("role") == "user":  # pyright: ignore[reportUnknownMemberType]
            return blake2b("\x1e".join(said).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return None


def _beginning(content: object) -> str:
    """The first characters of a message: its text, or the texts and addresses of its parts."""
    if isinstance(content, str):
        return content[:_OPENING]
    if not isinstance(content, list):
        return ""
    texts: list[str] = []
    for part in content[:8]:  # pyright: ignore[reportUnknownVariableType]
        texts.extend(value[:_OPENING] for value in _leaves(part))  # pyright: ignore[reportUnknownArgumentType]
    return "\x1d".join(texts)


def _leaves(part: object) -> list[str]:
    """The strings in one part of a message, one level down at most: a text, an image's address, a document's data."""
    if not isinstance(part, dict):
        return []
    found: list[str] = []
    for value in part.values():  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            found.extend(inner for inner in value.values() if isinstance(inner, str))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return found
