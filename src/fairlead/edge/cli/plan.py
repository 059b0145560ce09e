"""`fairlead plan`: order the workloads, what to move first and what it saves."""

from __future__ import annotations

from pathlib import Path

import click

from fairlead.core.errors import UsageError
from fairlead.core.money import parse_price
from fairlead.core.nouns import TokenPrice
from fairlead.edge.app import opened, planning
from fairlead.edge.cli import options
from fairlead.edge.cli.show import plan as show_plan


@click.command(name="plan")
@click.option(
    "--currency", metavar="CODE", help="Currency of the amounts, such as GBP (default: USD, or as in fairlead.toml)."
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="MODEL=IN,OUT[,CACHED]",
    help="A model's price per million tokens; may be repeated.",
)
@options.ledger
@options.config
@options.as_json
def command(
    currency: str | None, prices: tuple[str, ...], ledger: str | None, config: Path | None, as_json: bool
) -> None:
    """Order the workloads: what to move first, what it saves a month, what to do next for the rest.

    \b
    fairlead plan
    fairlead plan --currency GBP --price qwen3-32b=0.10,0.40

    The list "move now" is chosen so that at most 5 % of its entries are expected to be wrong, however many workloads and
    candidates were piloted. Costs after a move come from the candidate's own tokens in its pilot, retries and failures
    included. What is not known is said to be unknown. The plan is kept in the ledger; `fairlead report` makes a page of it.

    The record printed by --json is described in docs/plan.md.
    """
    own = dict(priced(text) for text in prices)
    with opened(ledger=ledger, config=config, create=False, own_prices=own) as desk:
        plan = planning.make(desk, currency=(currency or desk.settings.currency).upper())
    if as_json:
        options.print_json(plan.to_json())
    else:
        show_plan.plan(plan)


def priced(text: str) -> tuple[str, TokenPrice]:
    """`MODEL=IN,OUT[,CACHED]`."""
    model, equals, price = text.rpartition("=")
    if not equals or not model:
        raise UsageError(f"--price {text!r} cannot be used; write MODEL=IN,OUT, such as qwen3-32b=0.10,0.40.")
    return model, parse_price(price)
