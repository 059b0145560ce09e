"""What holds now, as the control process tells every data plane: routes, keys, upstreams and the state of the grouper.

A snapshot replaces the one before it whole; a data plane without one (the first moments, or a control process that is
gone) goes on with the last it had, or routes everything where it went before. Secrets are not in it: upstream keys are read
from the environment by the data plane itself, callers' keys stand here as hashes.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Stage(StrEnum):
    """How far a workload has moved. A hold is not a stage: it keeps a route at the stage it is in (see `routing`)."""

    STAY = "stay"
    SHADOW = "shadow"
    CANARY = "canary"
    MOVED = "moved"


class Disconnect(StrEnum):
    """What happens upstream when the caller goes away: stop it, or read it to its end (bounded) for the record."""

    CANCEL = "cancel"
    DRAIN = "drain"


class UpstreamNow(msgspec.Struct, frozen=True, kw_only=True):
    """A place that answers: one or more replicas (base URLs as SDKs take them) that speak one dialect.

    `dialect` is `openai` or `anthropic`. `key_env` or `key_file` name where the operator's key for it is: it is sent for
    callers with a Fairlead key, for shadows and for judges. `caller_key` passes on the own key of a caller who brought one
    (it is true for the providers that a dialect goes to by default, and never for a candidate). A caller with an own key
    reaches an upstream that takes neither that nor no key at all only where `lend_key` says so. `health` is a path asked
    now and then, empty for none. `responses` says whether an OpenAI upstream serves `/responses`; where it does not, such
    requests are asked as chat.
    """

    name: str
    urls: tuple[str, ...]
    dialect: str = "openai"
    key_env: str | None = None
    key_file: str | None = None
    health: str = ""
    connect_s: float = 10.0
    first_byte_s: float = 600.0
    idle_s: float = 120.0
    max_in_flight: int = 0
    caller_key: bool = False
    lend_key: bool = False
    responses: bool = True


class TargetNow(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream and what changes in the request on the way there.

    `model` replaces the caller's model name when set. The rest are a candidate's settings (see `core.nouns.Candidate`).
    """

    upstream: str
    model: str | None = None
    candidate_id: str | None = None
    parameters: dict[str, object] = {}
    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    prompt_prefix: str | None = None
    prompt: str | None = None
    thinking_budget: int | None = None


class RouteNow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a workload's requests go now.

    `incumbent` is `None` for "where the caller's dialect goes by default". `share` of conversations go to the candidate in
    the canary; `paired_share` of those that the candidate answers are also answered by the incumbent (by the control
    process), in canary and moved; `shadow_share` of calls are shadowed. `fallbacks` are tried in order, before the first
    content event only. `only` lists the upstreams that may ever see this workload (local only); empty means any.
    `hold` says that neither evidence nor a plan moves the route on; it changes nothing about who answers.
    """

    workload_id: str
    stage: Stage = Stage.STAY
    incumbent: TargetNow | None = None
    candidate: TargetNow | None = None
    share: float = 0.0
    shadow_share: float = 1.0
    paired_share: float = 0.05
    fallbacks: tuple[TargetNow, ...] = ()
    only: tuple[str, ...] = ()
    disconnect: Disconnect = Disconnect.CANCEL
    inject_usage: bool = True
    repair: bool = False
    salt: str = ""
    hold: bool = False


class KeyNow(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's key: what it may do and what it has used. Empty tuples mean anything; `None` limits mean none.

    Money is in USD; `spent_day` and `spent_month` are what the ledger knows since midnight and the first, UTC.
    """

    id: str
    hash: str
    name: str = ""
    workloads: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget_day: float | None = None
    budget_month: float | None = None
    spent_day: float = 0.0
    spent_month: float = 0.0
    expires_us: int | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a data plane acts on. `grouper` is the workload state as JSON bytes, or `None` when it has not changed."""

    version: int
    upstreams: tuple[UpstreamNow, ...] = ()
    default_openai: str = "openai"
    default_anthropic: str = "anthropic"
    default_route: RouteNow | None = None
    routes: tuple[RouteNow, ...] = ()
    keys: tuple[KeyNow, ...] = ()
    require_key: bool = False
    response_headers: bool = True
    aliases: dict[str, str] = {}
    grouper: bytes | None = None
