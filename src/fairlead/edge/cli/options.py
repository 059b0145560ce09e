"""Flags that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from fairlead.core.ids import plain
from fairlead.core.redact import Policy

__all__ = ["Command", "as_json", "config", "currency", "ledger", "plain", "policy", "print_json", "redact"]

Command = TypeVar("Command", bound=Callable[..., Any])


def ledger(command: Command) -> Command:
    """`--ledger PATH-or-URL`."""
    return click.option(
        "--ledger",
        metavar="PATH-or-URL",
        help="Where things are kept: a file, or postgresql://… (default: fairlead.db here, or as in fairlead.toml).",
    )(command)


def config(command: Command) -> Command:
    """`--config FILE`."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Settings to use (default: fairlead.toml here, when there is one).",
    )(command)


def currency(command: Command) -> Command:
    """`--currency CODE`."""
    return click.option(
        "--currency",
        metavar="CODE",
        help="Currency of the amounts, such as GBP (default: USD, or as in fairlead.toml).",
    )(command)


def redact(command: Command) -> Command:
    """`--redact POLICY`."""
    return click.option(
        "--redact",
        type=click.Choice([policy.value for policy in Policy]),
        help="What happens to personal data before anything is stored: keep, mask, hash, or drop all bodies"
        " (default: keep, or as in fairlead.toml). Secrets are masked always.",
    )(command)


def policy(name: str | None) -> Policy | None:
    """The policy a flag names, `None` when it was not given."""
    return None if name is None else Policy(name)


def as_json(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the same record as JSON, and nothing else.")(
        command
    )


def print_json(record: Mapping[str, Any]) -> None:
    """Print a record as one JSON document: money as text, times in ISO 8601, what is unknown as null."""
    text = msgspec.json.format(msgspec.json.encode(plain(record), enc_hook=exact), indent=2)
    click.echo(text.decode("utf-8"))


def exact(value: Any) -> Any:
    """What JSON has no type for."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
