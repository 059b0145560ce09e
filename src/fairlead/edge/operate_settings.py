"""The parts of `[serve]` about operating the gateway: what is kept how long, who may look, traces and the log of calls.

[serve.capture]   what the control process keeps of the traffic, and for how long
[serve.admin]     the admin page's token
[serve.traces]    OpenTelemetry spans, where somebody collects them
[serve.logs]      a line for each call, without content
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fairlead.core.errors import InputError
from fairlead.edge.reading import FILE_NAME, known, number, table, text

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """What is kept. `None` for `max_days` or `max_gb` is no limit.

    `keep_evidence` spares what pilots drew from both limits. `memory_mb` bounds what waits for a ledger that cannot be
    written; `flush_s` is how often what arrived is written.
    """

    max_days: float | None = 90.0
    max_gb: float | None = None
    keep_evidence: bool = True
    memory_mb: float = 64.0
    flush_s: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """Where the admin token is: in this variable, else in this file (by default beside the ledger), which is made."""

    token_env: str = "FAIRLEAD_ADMIN_TOKEN"  # noqa: S105 - the name of a variable
    token_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """Where spans go, as an OTLP/HTTP address; empty for nowhere. `headers_env` names a variable with its headers."""

    endpoint: str = ""
    headers_env: str = "OTEL_EXPORTER_OTLP_HEADERS"
    share: float = 1.0
    service: str = "fairlead"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """Where the log of calls goes: a file, `-` for standard error, empty for nowhere."""

    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperateSettings:
    """Everything in this module."""

    capture: CaptureSettings = CaptureSettings()
    admin: AdminSettings = AdminSettings()
    traces: TraceSettings = TraceSettings()
    logs: LogSettings = LogSettings()


TABLES: Mapping[str, type[Any]] = {
    "capture": CaptureSettings,
    "admin": AdminSettings,
    "traces": TraceSettings,
    "logs": LogSettings,
}


def load(path: Path | None = None) -> OperateSettings:
    """The settings in `path`, or in `fairlead.toml` of the working folder when there is one, or the defaults."""
    chosen = path or Path(FILE_NAME)
    if path is None and not chosen.exists():
        return OperateSettings()
    try:
        raw = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{chosen} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{chosen} is not valid TOML: {error}.") from error
    return operate_settings(table(raw, "serve", str(chosen)), f"{chosen} [serve]")


def operate_settings(serve: Mapping[str, Any], where: str) -> OperateSettings:
    """The parts of a `[serve]` table that are about operating it."""
    return OperateSettings(
        **{name: _read(kind, table(serve, name, where), f"{where[:-1]}.{name}]") for name, kind in TABLES.items()}
    )


def _read(kind: type[Record], raw: Mapping[str, Any], where: str) -> Record:
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    known(raw, names, where)
    return kind(**{name: _READERS[name](raw, name, where) for name in raw})


def _above_zero(raw: Mapping[str, Any], name: str, where: str) -> float:
    value = number(raw, name, where, 0.0)
    if not 0 < value < float("inf"):
        raise InputError(f"{where}: {name} must be more than zero, not {value!r}.")
    return float(value)


def _limit(raw: Mapping[str, Any], name: str, where: str) -> float | None:
    return None if raw[name] == "none" else _above_zero(raw, name, where)


def _share(raw: Mapping[str, Any], name: str, where: str) -> float:
    value = number(raw, name, where, 0.0)
    if not 0 <= value <= 1:
        raise InputError(f"{where}: {name} must be a share from 0 to 1, not {value!r}.")
    return float(value)


def _flag(raw: Mapping[str, Any], name: str, where: str) -> bool:
    if not isinstance(raw[name], bool):
        raise InputError(f"{where}: {name} must be true or false, not {raw[name]!r}.")
    return bool(raw[name])


def _words(raw: Mapping[str, Any], name: str, where: str) -> str:
    return text(raw, name, where) or ""


def _address(raw: Mapping[str, Any], name: str, where: str) -> str:
    given = _words(raw, name, where)
    if given and urlsplit(given).scheme not in {"http", "https"}:
        raise InputError(f"{where}: {name} must be an address such as http://127.0.0.1:4318/v1/traces, not {given!r}.")
    return given


_READERS: Mapping[str, Any] = {
    "max_days": _limit,
    "max_gb": _limit,
    "keep_evidence": _flag,
    "memory_mb": _above_zero,
    "flush_s": _above_zero,
    "token_env": _words,
    "token_file": _words,
    "endpoint": _address,
    "headers_env": _words,
    "share": _share,
    "service": _words,
    "file": _words,
}
