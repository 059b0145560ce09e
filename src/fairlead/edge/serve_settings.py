"""The `[serve]` part of `fairlead.toml`: where the gateway listens, its limits, and the upstreams it may ask.

Upstream addresses come from here and from nowhere else; no request can name one. Keys are named by the variable or the
file that holds them. `base_snapshot` says what holds before the control process has spoken: the upstreams, and
everything routed where it went before.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from fairlead.core.errors import InputError
from fairlead.edge.reading import FILE_NAME, choice, known, mapping, number, table, text
from fairlead.serve.snapshot import Disconnect, RouteNow, Snapshot, UpstreamNow

OPENAI = UpstreamNow(
    name="openai",
    urls=("https://api.openai.com/v1",),
    dialect="openai",
    key_env="OPENAI_API_KEY",
    caller_key=True,
)
ANTHROPIC = UpstreamNow(
    name="anthropic",
    urls=("https://api.anthropic.com/v1",),
    dialect="anthropic",
    key_env="ANTHROPIC_API_KEY",
    caller_key=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """How the gateway serves. Times are seconds, sizes bytes.

    `header_s` and `body_s` bound how long a caller may take to send a head and to pause within a body; `keep_s` how long
    an idle connection is kept; `grace_s` how long answers on their way may take at the end; `drain_s` how long an answer
    that nobody waits for any more is read for the record, where a route says so. `kept_bytes` of an answer are recorded.
    `routes_first` says that some workload may have a route, or may not leave: then no call is sent anywhere before the control
    process has told which. `ledger` is where that stands.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    admin_port: int = 8081
    workers: int = 1
    require_key: bool = False
    response_headers: bool = True
    max_body_bytes: int = 64 * 1024 * 1024
    max_header_bytes: int = 64 * 1024
    max_headers: int = 128
    max_connections: int = 8192
    header_s: float = 15.0
    body_s: float = 30.0
    keep_s: float = 75.0
    write_s: float = 60.0
    grace_s: float = 30.0
    drain_s: float = 60.0
    kept_bytes: int = 32 * 1024 * 1024
    inject_usage: bool = True
    disconnect: Disconnect = Disconnect.CANCEL
    openai: str = "openai"
    anthropic: str = "anthropic"
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    upstreams: Mapping[str, UpstreamNow] = field(
        default_factory=lambda: {upstream.name: upstream for upstream in (OPENAI, ANTHROPIC)}
    )
    ledger: str = "fairlead.db"
    routes_first: bool = False


_WHOLE = {
    "port": (1, 65535),
    "admin_port": (1, 65535),
    "workers": (1, 256),
    "max_headers": (8, 10_000),
    "max_connections": (1, 1_000_000),
}
_SECONDS = ("header_s", "body_s", "keep_s", "write_s", "grace_s", "drain_s")
_MEGABYTES = {"max_body_mb": "max_body_bytes", "kept_mb": "kept_bytes"}
_FLAGS = ("require_key", "response_headers", "inject_usage")
NAMES = {
    *_WHOLE, *_SECONDS, *_MEGABYTES, *_FLAGS, "host", "max_header_kb", "disconnect", "openai", "anthropic", "aliases",
    "upstreams", "routes", "webhook", "capture", "admin", "traces", "logs",
}  # fmt: skip
UPSTREAM = {
    "url", "urls", "dialect", "key_env", "key_file", "health", "connect_s", "first_byte_s", "idle_s", "max_in_flight",
    "caller_key", "lend_key", "responses",
}  # fmt: skip


def load(path: Path | None = None) -> ServeSettings:
    """The gateway's settings in `path`, or in `fairlead.toml` of the working folder when there is one, or the defaults."""
    chosen = path or Path(FILE_NAME)
    if path is None and not chosen.exists():
        return ServeSettings()
    try:
        raw = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{chosen} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{chosen} is not valid TOML: {error}.") from error
    serve = table(raw, "serve", str(chosen))
    return replace(
        serve_settings(serve, f"{chosen} [serve]"),
        ledger=text(raw, "ledger", str(chosen)) or ServeSettings().ledger,
        routes_first=bool(serve.get("routes")) or bool(table(raw, "privacy", str(chosen)).get("workloads")),
    )


def serve_settings(raw: Mapping[str, Any], where: str) -> ServeSettings:
    """The `[serve]` table."""
    known(raw, NAMES, where)
    default = ServeSettings()
    given: dict[str, Any] = {}
    for name, (least, most) in _WHOLE.items():
        given[name] = _whole(raw, name, where, default=getattr(default, name), least=least, most=most)
    for name in _SECONDS:
        given[name] = _seconds(raw, name, where, getattr(default, name))
    for name, target in _MEGABYTES.items():
        given[target] = int(_positive(raw, name, where, getattr(default, target) / 2**20) * 2**20)
    given["max_header_bytes"] = int(_positive(raw, "max_header_kb", where, default.max_header_bytes / 1024) * 1024)
    for name in _FLAGS:
        given[name] = _flag(raw, name, where, default=getattr(default, name))
    named = table(raw, "upstreams", where)
    upstreams = {name: _upstream(name, entry, f'{where[:-1]}.upstreams."{name}"]') for name, entry in named.items()}
    settings = ServeSettings(
        **given,
        host=text(raw, "host", where) or default.host,
        disconnect=choice(Disconnect, raw.get("disconnect", default.disconnect.value), f"{where}: disconnect"),
        openai=text(raw, "openai", where) or default.openai,
        anthropic=text(raw, "anthropic", where) or default.anthropic,
        aliases={model: str(meant) for model, meant in table(raw, "aliases", where).items()},
        upstreams={**default.upstreams, **upstreams},
    )
    return _with_caller_keys(_checked(settings, where), named)


def _upstream(name: str, raw: Any, where: str) -> UpstreamNow:
    entry = mapping(raw, where)
    known(entry, UPSTREAM, where)
    default = UpstreamNow(name=name, urls=())
    urls: Any = entry.get("urls", [entry["url"]] if "url" in entry else [])
    if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):  # pyright: ignore[reportUnknownVariableType]
        raise InputError(f'{where} needs url = "http://host:8000/v1" (or urls = [...] for several replicas).')
    dialect = entry.get("dialect", default.dialect)
    if dialect not in {"openai", "anthropic"}:
        raise InputError(f"{where}: dialect must be one of openai, anthropic, not {dialect!r}.")
    health = text(entry, "health", where) or ""
    if health and not health.startswith("/"):
        raise InputError(f"{where}: health must be a path that begins with '/', such as \"/health\", not {health!r}.")
    return UpstreamNow(
        name=name,
        urls=tuple(str(url) for url in urls),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        dialect=dialect,
        key_env=text(entry, "key_env", where),
        key_file=text(entry, "key_file", where),
        health=health,
        connect_s=_seconds(entry, "connect_s", where, default.connect_s),
        first_byte_s=_seconds(entry, "first_byte_s", where, default.first_byte_s),
        idle_s=_seconds(entry, "idle_s", where, default.idle_s),
        max_in_flight=_whole(entry, "max_in_flight", where, default=0, least=0, most=1_000_000),
        caller_key=_flag(entry, "caller_key", where, default=False),
        lend_key=_flag(entry, "lend_key", where, default=False),
        responses=_flag(entry, "responses", where, default=True),
    )


def _with_caller_keys(settings: ServeSettings, named: Mapping[str, Any]) -> ServeSettings:
    """Where a dialect goes by default, callers' own keys go too, unless the settings say otherwise."""
    upstreams = dict(settings.upstreams)
    for name in (settings.openai, settings.anthropic):
        if "caller_key" not in named.get(name, {}):
            upstreams[name] = msgspec.structs.replace(upstreams[name], caller_key=True)
    return replace(settings, upstreams=upstreams)


def _checked(settings: ServeSettings, where: str) -> ServeSettings:
    for name in ("openai", "anthropic"):
        if getattr(settings, name) not in settings.upstreams:
            raise InputError(
                f"{where}: {name} = {getattr(settings, name)!r} is no upstream; there are"
                f" {', '.join(sorted(settings.upstreams))}."
            )
    return settings


def base_snapshot(settings: ServeSettings) -> Snapshot:
    """What holds before the control process has spoken."""
    return Snapshot(
        version=0,
        upstreams=tuple(settings.upstreams.values()),
        default_openai=settings.openai,
        default_anthropic=settings.anthropic,
        default_route=RouteNow(workload_id="", disconnect=settings.disconnect, inject_usage=settings.inject_usage),
        require_key=settings.require_key,
        response_headers=settings.response_headers,
        aliases=dict(settings.aliases),
    )


def _whole(raw: Mapping[str, Any], name: str, where: str, *, default: int, least: int, most: int) -> int:
    value = number(raw, name, where, default)
    if value != int(value) or not least <= value <= most:
        raise InputError(f"{where}: {name} must be a whole number from {least} to {most}, not {value!r}.")
    return int(value)


def _positive(raw: Mapping[str, Any], name: str, where: str, default: float) -> float:
    value = number(raw, name, where, default)
    if not 0 < value < float("inf"):
        raise InputError(f"{where}: {name} must be more than zero, not {value!r}.")
    return float(value)


def _seconds(raw: Mapping[str, Any], name: str, where: str, default: float) -> float:
    return _positive(raw, name, where, default)


def _flag(raw: Mapping[str, Any], name: str, where: str, *, default: bool) -> bool:
    value = raw.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"{where}: {name} must be true or false, not {value!r}.")
    return value
