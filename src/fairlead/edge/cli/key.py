"""`fairlead key`: callers' keys for the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from fairlead.core.money import people
from fairlead.core.nouns import Money
from fairlead.edge import app
from fairlead.edge.app.keys import Key, KeyBook, Limits, Made
from fairlead.edge.cli import options
from fairlead.edge.cli.show import terminal
from fairlead.edge.store.codec import microseconds, moment
from fairlead.edge.store.rollups import DAY_US, DOLLAR


@click.group(name="key")
def command() -> None:
    """Make, list, replace and revoke the keys with which callers come to the gateway.

    \b
    fairlead key create billing --budget-month 200     shows the secret, once; only its hash is kept
    fairlead key list                                  what each may do and has spent
    fairlead key rotate billing --grace-hours 24       a new secret; the old one works one more day
    fairlead key revoke billing

    A running gateway knows within a second or two.
    """


@command.command(name="create")
@click.argument("name")
@click.option(
    "--workload", "workloads", multiple=True, help="A workload it may be used for (default: all); repeatable."
)
@click.option("--model", "models", multiple=True, help="A model it may ask for, such as 'gpt-4o*'; repeatable.")
@click.option("--requests-per-minute", type=click.IntRange(min=1), help="Requests a minute, over all processes.")
@click.option("--tokens-per-minute", type=click.IntRange(min=1), help="Tokens a minute, over all processes.")
@click.option("--budget-day", metavar="USD", help="What it may spend in a day (UTC).")
@click.option("--budget-month", metavar="USD", help="What it may spend in a calendar month (UTC).")
@click.option("--expires-days", type=click.FloatRange(min=0, min_open=True), help="Days until it expires.")
@options.ledger
@options.config
@options.as_json
def create(
    name: str,
    workloads: Sequence[str],
    models: Sequence[str],
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    budget_day: str | None,
    budget_month: str | None,
    expires_days: float | None,
    ledger: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Make a key called NAME and show its secret, once.

    The record printed by --json: {"key": id, name, limits and times, "secret"}.
    """
    with app.opened(ledger=ledger, config=config) as desk:
        limits = Limits(
            workloads=tuple(each.id for each in desk.chosen(workloads)),
            models=tuple(models),
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            budget_day=dollars(budget_day, "--budget-day"),
            budget_month=dollars(budget_month, "--budget-month"),
        )
        expires = None if expires_days is None else desk.now + timedelta(days=expires_days)
        made = KeyBook(desk.ledger).create(name, limits=limits, expires_at=expires)
    show_made(made, as_json=as_json, said=f"Made key {made.key.id} ({made.key.name}).")


@command.command(name="rotate")
@click.argument("key")
@click.option(
    "--grace-hours",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="How long the old secret works.",
)
@options.ledger
@options.config
@options.as_json
def rotate(key: str, grace_hours: float, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Give the key KEY (name or id) a new secret and show it, once.

    The record printed by --json: {"key": id, name, limits and times, "secret"}.
    """
    with app.opened(ledger=ledger, config=config, create=False) as desk:
        made = KeyBook(desk.ledger).rotate(key, grace_s=grace_hours * 3600)
    show_made(
        made, as_json=as_json, said=f"Key {made.key.id} has a new secret; the old one works {grace_hours:g} h more."
    )


@command.command(name="revoke")
@click.argument("key")
@options.ledger
@options.config
@options.as_json
def revoke(key: str, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Close the key KEY (name or id) for good.

    The record printed by --json: the key.
    """
    with app.opened(ledger=ledger, config=config, create=False) as desk:
        closed = KeyBook(desk.ledger).revoke(key)
    if as_json:
        options.print_json(shown(closed))
    else:
        click.echo(f"Key {closed.id} ({closed.name}) is revoked.")


@command.command(name="list")
@options.ledger
@options.config
@options.as_json
def list_keys(ledger: str | None, config: Path | None, as_json: bool) -> None:
    """List the keys, what each may do, and what it has spent today and this month.

    The record printed by --json: {"keys": each with id, name, limits, times, "spent_day" and "spent_month" in USD}.
    """
    with app.opened(ledger=ledger, config=config, create=False) as desk:
        keys = KeyBook(desk.ledger).all()
        now_us = microseconds(desk.now) or 0
        first_us = microseconds(desk.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)) or 0
        day = {who: spent.cost for who, spent in desk.ledger.spent(since_us=now_us // DAY_US * DAY_US).items()}
        month = {who: spent.cost for who, spent in desk.ledger.spent(since_us=first_us).items()}
        names = {each.id: each.name for each in desk.ledger.workloads()}
    rows = [(key, usd(day.get(key.id, 0)), usd(month.get(key.id, 0))) for key in keys]
    if as_json:
        records = [{**shown(key), "spent_day": today, "spent_month": so_far} for key, today, so_far in rows]
        options.print_json({"keys": records})
        return
    if not keys:
        click.echo("There are no keys yet; make one with: fairlead key create NAME")
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for head in ("Key", "Name", "May do", "Today", "This month", "State"):
        table.add_column(head, justify="right" if head in {"Today", "This month"} else "left")
    for key, today, so_far in rows:
        table.add_row(
            key.id,
            Text(key.name),
            Text(may_do(key.limits, names)),
            people(Money(amount=today)),
            people(Money(amount=so_far)),
            state_of(key, now_us),
        )
    terminal.console().print(table)


def dollars(given: str | None, flag: str) -> Decimal | None:
    """An amount of dollars as a flag gives it."""
    if given is None:
        return None
    try:
        return Decimal(given.removeprefix("$"))
    except ArithmeticError:
        raise click.UsageError(f"{flag} = {given!r} is no amount of dollars, such as 200 or 12.50.") from None


def usd(cost: int) -> Decimal:
    """An amount of the roll-ups in dollars."""
    return Decimal(cost) / DOLLAR


def shown(key: Key) -> dict[str, Any]:
    """A key as --json prints it: without hashes, times in ISO 8601."""
    return {
        "id": key.id,
        "name": key.name,
        "limits": options.plain(key.limits),
        "created": moment(key.created_us),
        "expires": None if key.expires_us is None else moment(key.expires_us),
        "revoked": None if key.revoked_us is None else moment(key.revoked_us),
        "old_secret_until": None if key.old_until_us is None else moment(key.old_until_us),
    }


def show_made(made: Made, *, as_json: bool, said: str) -> None:
    """Show a new secret."""
    if as_json:
        options.print_json({"key": shown(made.key), "secret": made.secret})
        return
    click.echo(f"{said} Its secret is shown this once and kept nowhere:\n\n  {made.secret}\n")
    click.echo("Send it as `Authorization: Bearer …` or `x-api-key`.")


def may_do(limits: Limits, names: dict[str, str]) -> str:
    """What a key may do, in words."""
    known = replace(limits, workloads=tuple(names.get(each, each) for each in limits.workloads))
    parts = [
        ", ".join(known.models) or "any model",
        ", ".join(known.workloads) or "any workload",
        *([f"{known.requests_per_minute:,} requests/min"] if known.requests_per_minute else []),
        *([f"{known.tokens_per_minute:,} tokens/min"] if known.tokens_per_minute else []),
        *([f"{people(Money(amount=known.budget_day))} a day"] if known.budget_day else []),
        *([f"{people(Money(amount=known.budget_month))} a month"] if known.budget_month else []),
    ]
    return "; ".join(parts)


def state_of(key: Key, now_us: int) -> str:
    """Whether a key works, in words."""
    if key.revoked_us is not None:
        return "revoked"
    if key.expires_us is not None:
        return "expired" if key.expires_us <= now_us else f"until {moment(key.expires_us):%Y-%m-%d}"
    if key.old_until_us is not None and key.old_until_us > now_us:
        return f"old secret until {moment(key.old_until_us):%Y-%m-%d %H:%M}"
    return "works"
