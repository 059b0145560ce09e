"""Bills held against the ledger: files read, exchanges of their days priced kind by kind, the difference explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

from fairlead import scan
from fairlead.core.billing import Bill, BillLine, TokenType
from fairlead.core.errors import InputError
from fairlead.core.money import Rates
from fairlead.core.nouns import ExchangeRow
from fairlead.edge.app.desk import Desk
from fairlead.edge.currency import rates
from fairlead.edge.sources.bills import read_bills

_NOON = time(12, tzinfo=UTC)


def readable(paths: Sequence[str | Path]) -> list[Bill]:
    """The bills in these files; raises `InputError` where one is none, or where they are in several currencies."""
    bills = read_bills(paths)
    _currency(bills)
    return bills


def reconciled(desk: Desk, bills: Sequence[Bill]) -> scan.Reconciliation:
    """Bills held against what the ledger holds of their days."""
    currency = _currency(bills)
    used = scan.LogUse(bills)
    known: dict[str, Rates] = {}
    for row in desk.ledger.each_row():
        provider = desk.prices.provider_of(row.model, row.provider)
        used.note(row, provider)
        if provider is not None and used.wants(row, provider):
            used.add(row, provider, _amounts(desk, row, currency, known))
    return scan.reconcile(bills, used, value=lambda line: _listed(desk, line, currency, known))


def _currency(bills: Sequence[Bill]) -> str:
    """The one currency of the bills' amounts; dollars where they hold tokens only."""
    found = sorted({line.currency for bill in bills for line in bill.lines if line.amount is not None})
    if len(found) > 1:
        raise InputError(
            f"These bills are in {' and '.join(found)}, which cannot be added up. Give --bill the files of one currency at a time."
        )
    return found[0] if found else "USD"


def _amounts(
    desk: Desk, row: ExchangeRow, currency: str, known: dict[str, Rates]
) -> Mapping[TokenType, Decimal] | None:
    """What the tokens of an exchange cost by kind, in the bill's currency."""
    priced = desk.prices.parts_of(row.model, row.provider, row.usage, row.started_at, tier=row.tier)
    rate = None if priced is None else _rate(desk, priced[0], currency, known)
    return None if priced is None or rate is None else {kind: amount * rate for kind, amount in priced[1].items()}


def _rate(desk: Desk, own: str, currency: str, known: dict[str, Rates]) -> Decimal | None:
    if own == currency:
        return Decimal(1)
    if own not in known:
        known[own] = rates(currency, {own}, today=desk.now.date())
    return known[own].rate(own)


def _listed(desk: Desk, line: BillLine, currency: str, known: dict[str, Rates]) -> Decimal | None:
    """What the tokens of a line cost at the list price of their day, in the bill's currency."""
    noon = datetime.combine(line.day, _NOON)
    priced = desk.prices.rate_of(line.model, line.provider, line.type, noon, tier=line.tier)
    if priced is None or line.tokens is None:
        return None
    own, price = priced
    rate = _rate(desk, own, currency, known)
    return None if rate is None else price * line.tokens * rate
