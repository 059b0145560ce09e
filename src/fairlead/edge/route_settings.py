"""The `[serve.routes]` part of `fairlead.toml`: how workloads are moved, watched and taken back, and whom to tell.

`[serve.routes]` holds for every workload, `[serve.routes."NAME"]` for one, by its name or id, and goes before it. The address
that alerts are sent to, and the names of the variables that hold its secret, come from here and from nowhere else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fairlead.core.errors import InputError
from fairlead.core.nouns import Workload
from fairlead.edge.config import amount
from fairlead.edge.reading import FILE_NAME, choice, known, mapping, number, table, text
from fairlead.serve.snapshot import Disconnect


class Start(StrEnum):
    """Where a workload begins that a plan wants moved."""

    SHADOW = "shadow"
    CANARY = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """How one workload is moved. Shares are of 1; `budget` is money a month in `currency`, `None` for no cap.

    `slow_s` `None` takes twice the incumbent's 95th percentile of the pilot. `only` lists the upstreams that may ever see
    the workload; `concurrency`, `queue` and `timeout_s` are those of the shadow and of the incumbent's half of pairs.
    `judges` names entries of `[judges]` that compare live pairs, `judge_concurrency` at once.
    """

    candidate: str = ""
    start: Start = Start.SHADOW
    share: float = 0.1
    shadow_share: float = 1.0
    canary_paired: float = 0.5
    moved_paired: float = 0.05
    margin: float | None = None
    n_max: int = 5_000
    coverage: float = 0.9
    horizon: int = 500
    alpha: float = 0.01
    false_alarms_per_year: float = 1.0
    errors: float = 0.02
    slow: float = 0.05
    refusals: float = 0.03
    schema: float = 0.02
    slow_s: float | None = None
    budget: Decimal | None = None
    currency: str = "USD"
    concurrency: int = 4
    queue: int = 100
    timeout_s: float = 60.0
    grader: str = ""
    labels: str = ""
    judges: tuple[str, ...] = ()
    judge_concurrency: int = 4
    only: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    disconnect: Disconnect = Disconnect.CANCEL
    inject_usage: bool = True
    repair: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Whom to tell when a route is rolled back: an address, and the variable that holds the secret its calls are signed with."""

    url: str
    secret_env: str
    timeout_s: float = 10.0
    tries: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesSettings:
    """Everything `[serve.routes]` and `[serve.webhook]` say."""

    general: RouteSettings = RouteSettings()
    named: Mapping[str, RouteSettings] = field(default_factory=dict[str, RouteSettings])
    webhook: Webhook | None = None

    def of(self, workload_id: str, name: str | None = None) -> RouteSettings:
        """The settings of one workload."""
        return self.named.get(workload_id) or self.named.get(name or "") or self.general

    def of_workload(self, workload: Workload) -> RouteSettings:
        """The settings of one workload."""
        return self.of(workload.id, workload.name)


NAMES = {f.name for f in fields(RouteSettings)}
WEBHOOK = {f.name for f in fields(Webhook)}


def load(path: Path | None = None) -> RoutesSettings:
    """The routes' settings in `path`, or in `fairlead.toml` of the working folder when there is one, or the defaults."""
    chosen = path or Path(FILE_NAME)
    if path is None and not chosen.exists():
        return RoutesSettings()
    try:
        raw = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{chosen} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{chosen} is not valid TOML: {error}.") from error
    return routes_settings(table(raw, "serve", str(chosen)), f"{chosen} [serve]")


def routes_settings(serve: Mapping[str, Any], where: str) -> RoutesSettings:
    """The parts of a `[serve]` table that are about routes."""
    inside = f"{where[:-1]}.routes"
    raw = table(serve, "routes", where)
    own = {name: value for name, value in raw.items() if name in NAMES}
    named = {name: value for name, value in raw.items() if name not in NAMES}
    for name, value in named.items():
        if not isinstance(value, dict):
            known({name: value}, NAMES, f"{inside}]")
    general = route_settings(own, f"{inside}]", RouteSettings())
    return RoutesSettings(
        general=general,
        named={
            name: route_settings(mapping(value, inside), f'{inside}."{name}"]', general)
            for name, value in named.items()
        },
        webhook=_webhook(table(serve, "webhook", where), f"{where[:-1]}.webhook]") if "webhook" in serve else None,
    )


def route_settings(raw: Mapping[str, Any], where: str, default: RouteSettings) -> RouteSettings:
    """One table of a route's settings, over what holds in general."""
    known(raw, NAMES, where)
    return replace(default, **{name: _READERS[name](raw, name, where) for name in raw})


def _share(raw: Mapping[str, Any], name: str, where: str) -> float:
    return _between(raw, name, where, least=0.0, most=1.0)


def _inner_share(raw: Mapping[str, Any], name: str, where: str) -> float:
    return _between(raw, name, where, least=0.0, most=1.0, open_ends=True)


def _whole(raw: Mapping[str, Any], name: str, where: str) -> int:
    return int(_between(raw, name, where, least=1, most=10_000_000))


def _above_zero(raw: Mapping[str, Any], name: str, where: str) -> float:
    return _between(raw, name, where, least=0.0, most=1e7, open_ends=True)


def _flag(raw: Mapping[str, Any], name: str, where: str) -> bool:
    if not isinstance(raw[name], bool):
        raise InputError(f"{where}: {name} must be true or false, not {raw[name]!r}.")
    return bool(raw[name])


def _words(raw: Mapping[str, Any], name: str, where: str) -> str:
    return text(raw, name, where) or ""


def _between(
    raw: Mapping[str, Any], name: str, where: str, *, least: float, most: float, open_ends: bool = False
) -> float:
    value = number(raw, name, where, 0.0)
    inside = least < value < most if open_ends else least <= value <= most
    if not inside:
        between = "more than" if open_ends else "from"
        raise InputError(
            f"{where}: {name} must be {between} {least:g} {'and below' if open_ends else 'to'} {most:g}, not {value:g}."
        )
    return value


def _upstreams(raw: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    return _names(raw, name, where, of='upstreams, such as ["local"]')


def _judges(raw: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    return _names(raw, name, where, of='names from [judges], such as ["mistral"]')


def _names(raw: Mapping[str, Any], name: str, where: str, *, of: str) -> tuple[str, ...]:
    value: Any = raw[name]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):  # pyright: ignore[reportUnknownVariableType]
        raise InputError(f"{where}: {name} must be a list of {of}.")
    return tuple(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _disconnect(raw: Mapping[str, Any], name: str, where: str) -> Disconnect:
    return choice(Disconnect, raw[name], f"{where}: {name}")


def _start(raw: Mapping[str, Any], name: str, where: str) -> Start:
    return choice(Start, raw[name], f"{where}: {name}")


_READERS: Mapping[str, Callable[[Mapping[str, Any], str, str], Any]] = {
    **dict.fromkeys(("share", "shadow_share", "canary_paired", "moved_paired", "coverage"), _share),
    **dict.fromkeys(("margin", "alpha", "errors", "slow", "refusals", "schema"), _inner_share),
    **dict.fromkeys(("n_max", "horizon", "concurrency", "queue", "judge_concurrency"), _whole),
    **dict.fromkeys(("timeout_s", "slow_s", "false_alarms_per_year"), _above_zero),
    **dict.fromkeys(("only", "fallbacks"), _upstreams),
    "judges": _judges,
    **dict.fromkeys(("inject_usage", "repair"), _flag),
    **dict.fromkeys(("candidate", "currency", "grader", "labels"), _words),
    "budget": amount,
    "disconnect": _disconnect,
    "start": _start,
}


def _webhook(raw: Mapping[str, Any], where: str) -> Webhook:
    known(raw, WEBHOOK, where)
    default = Webhook(url="", secret_env="")
    url, secret = text(raw, "url", where), text(raw, "secret_env", where)
    parts = urlsplit(url or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f'{where} needs url = "https://…", where alerts are sent, not {url!r}.')
    if not secret:
        raise InputError(
            f'{where} needs secret_env = "NAME", the variable that holds the secret alerts are signed with.'
        )
    return Webhook(
        url=url or "",
        secret_env=secret,
        timeout_s=_above_zero(raw, "timeout_s", where) if "timeout_s" in raw else default.timeout_s,
        tries=_whole(raw, "tries", where) if "tries" in raw else default.tries,
    )
