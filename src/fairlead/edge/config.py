"""`fairlead.toml` to `Settings`: one committed file, no secrets in it.

Rules kept here: a flag beats the file, the file beats the default; an unknown name is an error that lists the known
ones; keys are named by the environment variable that holds them (`key_env`), never written down.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from fairlead.core.errors import InputError, UsageError
from fairlead.core.nouns import Candidate, Combine, Dialect, Judge, TokenPrice, Workload
from fairlead.core.redact import DataClass, Policy
from fairlead.edge.reading import FILE_NAME, choice, known, mapping, number, table, text


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSettings:
    """How pilots are run unless a flag says otherwise."""

    margin: float = 0.03
    alpha: float = 0.05
    n_max: int = 5000
    seed: int = 0
    concurrency: int = 8
    timeout_s: float = 60.0
    segments: tuple[str, ...] = ()
    floor: float | None = None
    cluster: str = "conversation"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingSettings:
    """How judges judge and what people are shown unless a flag says otherwise."""

    margin: float = 0.1
    combine: Combine = Combine.MEAN
    rubric: str = ""
    controls: int = 200
    verbosity: int = 50
    block: int = 20
    opinions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacySettings:
    """What is taken out of logs before they are kept, and where the texts of a workload may go (by its name or id)."""

    redact: Policy = Policy.KEEP
    regions: tuple[str, ...] = ()
    key_file: str = ""
    data_classes: Mapping[str, DataClass] = field(default_factory=dict[str, DataClass])

    def data_class(self, workload: Workload) -> DataClass:
        """The data class of a workload; `any` where the settings name none."""
        return self.data_classes.get(workload.name) or self.data_classes.get(workload.id) or DataClass.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `fairlead.toml` says of all but the gateway; `serve` tells whether it says anything of that."""

    ledger: str = "fairlead.db"
    currency: str = "USD"
    organisation: str = ""
    pilot: PilotSettings = PilotSettings()
    judging: JudgingSettings = JudgingSettings()
    judges: Mapping[str, Judge] = field(default_factory=dict[str, Judge])
    privacy: PrivacySettings = PrivacySettings()
    candidates: Mapping[str, Candidate] = field(default_factory=dict[str, Candidate])
    prices: Mapping[str, TokenPrice] = field(default_factory=dict[str, TokenPrice])
    serve: bool = False


TOP = {"ledger", "currency", "organisation", "pilot", "judging", "judges", "privacy", "candidates", "prices", "serve"}
PILOT = {"margin", "alpha", "n_max", "seed", "concurrency", "timeout_s", "segments", "floor", "cluster"}
JUDGING = {"margin", "combine", "rubric", "controls", "verbosity", "block", "opinions"}
JUDGE = {"endpoint", "model", "dialect", "key_env", "temperature", "parameters", "family", "price"}
DIALECTS = {"openai": Dialect.OPENAI_CHAT, "anthropic": Dialect.ANTHROPIC_MESSAGES}
PRIVACY = {"redact", "regions", "key_file", "workloads"}
CANDIDATE = {
    "endpoint", "model", "version", "key_env", "parameters", "drop", "rename",
    "prompt_prefix", "prompt", "thinking_budget", "price",
}  # fmt: skip
PRICE = {"input", "output", "cache_read", "cache_write", "cache_write_1h", "batch", "currency", "since", "source"}


def load(path: Path | None = None) -> Settings:
    """Settings from `path`, or from `fairlead.toml` in the working folder when there is one, or the defaults."""
    chosen = path or Path(FILE_NAME)
    if path is None and not chosen.exists():
        return Settings()
    try:
        raw = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{chosen} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{chosen} is not a text in UTF-8 (byte {error.start + 1}); write it again as one.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{chosen} is not valid TOML: {error}.") from error
    return settings(raw, where=str(chosen))


def settings(raw: Mapping[str, Any], *, where: str) -> Settings:
    """Settings from a parsed TOML table; `where` names the file in errors."""
    known(raw, TOP, where)
    pilot = table(raw, "pilot", where)
    known(pilot, PILOT, f"{where} [pilot]")
    judging = table(raw, "judging", where)
    known(judging, JUDGING, f"{where} [judging]")
    return Settings(
        ledger=text(raw, "ledger", where) or "fairlead.db",
        currency=(text(raw, "currency", where) or "USD").upper(),
        organisation=text(raw, "organisation", where) or "",
        pilot=pilot_settings(pilot, f"{where} [pilot]"),
        judging=judging_settings(judging, f"{where} [judging]"),
        judges={name: judge(entry, f"{where} [judges.{name}]") for name, entry in table(raw, "judges", where).items()},
        privacy=privacy_settings(table(raw, "privacy", where), f"{where} [privacy]"),
        candidates={
            name: candidate(entry, f"{where} [candidates.{name}]")
            for name, entry in table(raw, "candidates", where).items()
        },
        prices={
            name: token_price(entry, f'{where} [prices."{name}"]')
            for name, entry in table(raw, "prices", where).items()
        },
        serve="serve" in raw,
    )


def pilot_settings(raw: Mapping[str, Any], where: str) -> PilotSettings:
    """The `[pilot]` table."""
    default = PilotSettings()
    return PilotSettings(
        margin=number(raw, "margin", where, default.margin),
        alpha=number(raw, "alpha", where, default.alpha),
        n_max=int(number(raw, "n_max", where, default.n_max)),
        seed=int(number(raw, "seed", where, default.seed)),
        concurrency=int(number(raw, "concurrency", where, default.concurrency)),
        timeout_s=number(raw, "timeout_s", where, default.timeout_s),
        segments=names_in(raw, "segments", where),
        floor=number(raw, "floor", where, 0.0) if "floor" in raw else None,
        cluster=text(raw, "cluster", where) or default.cluster,
    )


def judging_settings(raw: Mapping[str, Any], where: str) -> JudgingSettings:
    """The `[judging]` table."""
    default = JudgingSettings()
    found = JudgingSettings(
        margin=number(raw, "margin", where, default.margin),
        combine=choice(Combine, raw.get("combine", default.combine.value), f"{where}: combine"),
        rubric=text(raw, "rubric", where) or "",
        controls=int(number(raw, "controls", where, default.controls)),
        verbosity=int(number(raw, "verbosity", where, default.verbosity)),
        block=int(number(raw, "block", where, default.block)),
        opinions=int(number(raw, "opinions", where, default.opinions)),
    )
    for name, least in (("controls", 0), ("verbosity", 0), ("block", 1), ("opinions", 1)):
        if getattr(found, name) < least:
            raise InputError(f"{where}: {name} must be {least} or more, not {getattr(found, name)}.")
    return found


def judge(raw: Any, where: str) -> Judge:
    """One `[judges.NAME]` table."""
    entry = mapping(raw, where)
    known(entry, JUDGE, where)
    for needed in ("endpoint", "model"):
        if not text(entry, needed, where):
            raise InputError(f'{where} needs {needed} = "…".')
    dialect = text(entry, "dialect", where) or "openai"
    if dialect not in DIALECTS:
        raise InputError(f"{where}: dialect must be one of {', '.join(DIALECTS)}, not {dialect!r}.")
    return Judge(
        endpoint=str(entry["endpoint"]),
        model=str(entry["model"]),
        dialect=DIALECTS[dialect],
        key_env=text(entry, "key_env", where),
        temperature=None if entry.get("temperature") == "none" else float(number(entry, "temperature", where, 0.0)),
        parameters=mapping(entry.get("parameters", {}), f"{where} parameters"),
        family=text(entry, "family", where),
        price=token_price(entry["price"], f"{where} price") if "price" in entry else None,
    )


def privacy_settings(raw: Mapping[str, Any], where: str) -> PrivacySettings:
    """The `[privacy]` table."""
    known(raw, PRIVACY, where)
    regions: Any = raw.get("regions", [])
    if not isinstance(regions, list) or any(len(str(region)) != 2 for region in regions):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        raise InputError(f'{where}: regions must be a list of two-letter country codes, such as ["GB", "IN"].')
    return PrivacySettings(
        redact=choice(Policy, raw.get("redact", Policy.KEEP.value), f"{where}: redact"),
        regions=tuple(str(region).upper() for region in regions),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        key_file=text(raw, "key_file", where) or "",
        data_classes={
            name: data_class(entry, f'{where[:-1]}.workloads."{name}"]')
            for name, entry in table(raw, "workloads", where).items()
        },
    )


def data_class(raw: Any, where: str) -> DataClass:
    """The data class that a `[privacy.workloads."NAME"]` table gives."""
    entry = mapping(raw, where)
    known(entry, {"data_class"}, where)
    return choice(DataClass, entry.get("data_class", DataClass.ANY.value), f"{where}: data_class")


def candidate(raw: Any, where: str) -> Candidate:
    """One `[candidates.NAME]` table."""
    entry = mapping(raw, where)
    known(entry, CANDIDATE, where)
    for needed in ("endpoint", "model"):
        if not text(entry, needed, where):
            raise InputError(f'{where} needs {needed} = "…".')
    return Candidate(
        endpoint=str(entry["endpoint"]),
        model=str(entry["model"]),
        version=text(entry, "version", where),
        key_env=text(entry, "key_env", where),
        parameters=mapping(entry.get("parameters", {}), f"{where} parameters"),
        drop=names_in(entry, "drop", where),
        rename={str(k): str(v) for k, v in mapping(entry.get("rename", {}), f"{where} rename").items()},
        prompt_prefix=text(entry, "prompt_prefix", where),
        prompt=text(entry, "prompt", where),
        thinking_budget=int(number(entry, "thinking_budget", where, 0)) if "thinking_budget" in entry else None,
        price=token_price(entry["price"], f"{where} price") if "price" in entry else None,
    )


def names_in(raw: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """A list of names, empty when absent."""
    value: Any = raw.get(name, [])
    items: list[Any] = value if isinstance(value, list) else [None]  # pyright: ignore[reportUnknownVariableType]
    if not all(isinstance(item, str) for item in items):
        raise InputError(f'{where}: {name} must be a list of names, such as ["logprobs"].')
    return tuple(items)


def token_price(raw: Any, where: str) -> TokenPrice:
    """A price per million tokens: `{ input = 0.1, output = 0.3, cache_read = 0.05, currency = "USD", since = "2026-11-01" }`."""
    entry = mapping(raw, where)
    known(entry, PRICE, where)
    return TokenPrice(
        input=amount(entry, "input", where),
        output=amount(entry, "output", where),
        **{
            name: amount(entry, name, where)
            for name in ("cache_read", "cache_write", "cache_write_1h", "batch")
            if name in entry
        },
        currency=(text(entry, "currency", where) or "USD").upper(),
        since=str(entry.get("since", "")),
        source=text(entry, "source", where) or "fairlead.toml",
    )


def amount(raw: Mapping[str, Any], name: str, where: str) -> Decimal:
    """A price, exact: written as a number or as text."""
    try:
        value = Decimal(str(raw[name]))
    except (KeyError, InvalidOperation) as error:
        raise InputError(f"{where} needs {name} = PRICE per million tokens, such as 0.25.") from error
    if not value.is_finite() or value < 0:
        raise InputError(f"{where}: {name} must be zero or more, not {raw[name]!r}.")
    return value


def share(value: float, *, name: str) -> float:
    """A share strictly between 0 and 1, such as a margin."""
    if not 0 < value < 1:
        raise UsageError(f"{name} = {value:g} cannot be used; set it to a share between 0 and 1, such as 0.03.")
    return value
