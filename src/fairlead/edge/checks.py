"""What `fairlead doctor` looks at: each check is one function from the surroundings to a `Check`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import httpx2

from fairlead.core.errors import FairleadError
from fairlead.edge import config as settings_file
from fairlead.edge.config import Settings
from fairlead.edge.reading import FILE_NAME

LITTLE_DISK = 1_000_000_000
OLD_PRICES_DAYS = 60
PROVIDER_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at: `missing` means something will not work, `note` is worth knowing."""

    name: str
    state: Literal["ok", "note", "missing"]
    finding: str
    remedy: str = ""


def all_checks(*, ledger: str | None, config: Path | None, endpoints: Sequence[str]) -> list[Check]:
    """Every check, in the order a newcomer needs them."""
    try:
        settings = settings_file.load(config)
        if settings.serve:
            gateway_settings(config)
        read = Check(name="settings", state="ok", finding=settings_words(settings, config))
    except FairleadError as error:
        settings, read = Settings(), Check(name="settings", state="missing", finding=str(error))
    where = ledger or settings.ledger
    return [
        python(),
        read,
        ledger_check(where),
        disk(where),
        prices(datetime.now(UTC)),
        *keys(settings),
        sandbox(),
        *(endpoint(url) for url in unique([*endpoints, *(c.endpoint for c in settings.candidates.values())])),
    ]


def gateway_settings(config: Path | None) -> None:
    """Read the gateway's part of the settings, for the mistakes in it."""
    from fairlead.edge import operate_settings, route_settings, serve_settings  # noqa: PLC0415 - only where it is there

    for part in (serve_settings, route_settings, operate_settings):
        part.load(config)


def python() -> Check:
    """The interpreter."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check(name="Python", state="ok", finding=f"{found}, fairlead {version('fairlead')}.")


def settings_words(settings: Settings, config: Path | None) -> str:
    """Where the settings came from, in words."""
    path = config or Path(FILE_NAME)
    if not path.exists():
        return f"no {FILE_NAME} here, so the defaults hold."
    return f"{path} read; {len(settings.candidates)} candidates, {len(settings.prices)} prices of your own."


def ledger_check(where: str) -> Check:
    """Whether the ledger opens, without making one."""
    from fairlead.edge.store import Ledger  # noqa: PLC0415 - the other checks must work when this one cannot

    if "://" not in where and not Path(where).exists():
        folder = Path(where).absolute().parent
        if not os.access(folder, os.W_OK):
            return Check(
                name="ledger",
                state="missing",
                finding=f"{where} is not there yet, and {folder} cannot be written.",
                remedy="Name another place with --ledger.",
            )
        return Check(
            name="ledger", state="note", finding=f"{where} is not there yet.", remedy="`fairlead scan logs/` makes it."
        )
    try:
        with Ledger.open(where, create=False) as ledger:
            return Check(
                name="ledger", state="ok", finding=f"{where} opens; it keeps {ledger.size().exchanges:,} exchanges."
            )
    except FairleadError as error:
        return Check(name="ledger", state="missing", finding=str(error))


def disk(where: str) -> Check:
    """Free space where the ledger lies."""
    folder = Path(where).resolve().parent if "://" not in where else Path.cwd()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < LITTLE_DISK:
        return Check(
            name="disk",
            state="missing",
            finding=f"only {free / 1e9:.1f} GB free at the ledger.",
            remedy="A scan keeps half to three quarters of the size of the log; make room or pass --ledger elsewhere.",
        )
    return Check(name="disk", state="ok", finding=f"{free / 1e9:,.0f} GB free at the ledger.")


def prices(now: datetime) -> Check:
    """How old the bundled price list is."""
    from fairlead.edge.catalog.listed import newest_price_day  # noqa: PLC0415 - loading the catalogue takes a moment

    newest = newest_price_day(today=now.date())
    age = (now.date() - newest).days
    finding = f"genai-prices {version('genai-prices')}, newest entry {newest.isoformat()}."
    if age > OLD_PRICES_DAYS:
        return Check(
            name="prices", state="note", finding=finding, remedy=f"That is {age} days old: pip install -U genai-prices."
        )
    return Check(name="prices", state="ok", finding=finding)


def keys(settings: Settings) -> Iterable[Check]:
    """Which keys are in the environment; their values are never shown."""
    found = [name for name in PROVIDER_KEYS if os.environ.get(name)]
    yield Check(
        name="keys",
        state="ok" if found else "note",
        finding=f"found {', '.join(found)}." if found else f"none of {', '.join(PROVIDER_KEYS)} is set.",
        remedy="" if found else "Only needed to ask the incumbent again (--reask).",
    )
    for name, candidate in settings.candidates.items():
        if candidate.key_env and not os.environ.get(candidate.key_env):
            yield Check(
                name=f"key of candidate {name}",
                state="missing",
                finding=f"the environment has no {candidate.key_env}.",
                remedy=f"export {candidate.key_env}=…",
            )


def sandbox() -> Check:
    """Whether model-written code could be run safely."""
    if shutil.which("bwrap"):
        return Check(name="sandbox", state="ok", finding="bubblewrap is installed.")
    return Check(
        name="sandbox",
        state="note",
        finding="bubblewrap is not installed.",
        remedy="Only needed for graders that run model-written code: apt-get install bubblewrap.",
    )


def endpoint(url: str) -> Check:
    """Whether an endpoint answers, by asking for its list of models."""
    name = f"endpoint {url}"
    try:
        answer = httpx2.get(url.rstrip("/") + "/models", timeout=5.0)
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        return Check(
            name=name, state="missing", finding="not an address.", remedy="One looks like http://localhost:8000/v1."
        )
    except httpx2.HTTPError as error:
        return Check(
            name=name, state="missing", finding=f"no answer ({type(error).__name__}).", remedy="Is the server running?"
        )
    if answer.status_code in {401, 403}:
        return Check(name=name, state="note", finding=f"answers, and wants a key (HTTP {answer.status_code}).")
    if not answer.is_success:
        return Check(name=name, state="note", finding=f"answers HTTP {answer.status_code} to {answer.request.url}.")
    try:
        models = [str(row["id"]) for row in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return Check(name=name, state="note", finding="answers, but its list of models is not in OpenAI's form.")
    return Check(name=name, state="ok", finding=f"answers; models: {', '.join(models[:5]) or 'none'}.")


def unique(urls: Iterable[str]) -> list[str]:
    """The addresses, each once, in order."""
    return list(dict.fromkeys(urls))
