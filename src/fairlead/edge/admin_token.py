"""The token of the admin page: from the environment, or from a file that only its owner can read, made at the first start."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from fairlead.core.errors import UsageError
from fairlead.edge.operate_settings import AdminSettings
from fairlead.serve.keys import is_sample

_SHORTEST_TOKEN = 16
_TOKEN_BYTES = 32


def token_of(settings: AdminSettings, *, ledger: str, environ: Mapping[str, str]) -> str:
    """The admin token: from the environment, else from its file, which is made where it is missing."""
    given = environ.get(settings.token_env, "") if settings.token_env else ""
    if given:
        if len(given) < _SHORTEST_TOKEN or is_sample(given):
            raise UsageError(
                f"{settings.token_env} holds a sample token or one shorter than {_SHORTEST_TOKEN} characters; set a secret."
            )
        return given
    return _token_in(token_path(settings, ledger=ledger))


def token_path(settings: AdminSettings, *, ledger: str) -> Path:
    """Where the token's file lies."""
    if settings.token_file:
        return Path(settings.token_file)
    return Path("fairlead.admin-token") if "://" in ledger else Path(f"{ledger}.admin-token")


def _token_in(path: Path) -> str:
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_token(path)
    except OSError as error:
        raise UsageError(f"The admin token cannot be written to {path}: {error.strerror}.") from error
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with os.fdopen(made, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def read_token(path: Path) -> str:
    """The token in a file that only its owner can read."""
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others; run chmod 600 {path}, or delete it and start again.")
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The admin token cannot be read from {path}: {error}.") from error
    if len(token) < _SHORTEST_TOKEN:
        raise UsageError(f"{path} holds no token; delete it and start again.")
    return token
