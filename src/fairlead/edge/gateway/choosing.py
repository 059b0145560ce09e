"""Who answers a request when no route says anything else: the place its dialect goes to by default."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.serve.frames import Served
from fairlead.serve.snapshot import RouteNow, Snapshot, Stage, TargetNow


class Decision(NamedTuple):
    """Where one request goes; `target` is `None` when nobody may answer it, and `refused` says why."""

    target: TargetNow | None
    side: Served = Served.INCUMBENT
    fallbacks: tuple[TargetNow, ...] = ()
    stage: Stage = Stage.STAY
    pair_wanted: bool = False
    route: RouteNow | None = None
    refused: str = ""


class Routes:
    """The routes of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._default = snapshot.default_route
        self._targets = {
            "openai": TargetNow(upstream=snapshot.default_openai),
            "anthropic": TargetNow(upstream=snapshot.default_anthropic),
        }

    def decide(self, workload_id: str | None, *, dialect: str, conversation: str | None, call_id: str) -> Decision:
        """Who answers."""
        del workload_id, conversation, call_id
        route = self._default
        target = self._targets[dialect] if route is None or route.incumbent is None else route.incumbent
        return Decision(target, route=route, fallbacks=() if route is None else route.fallbacks)
