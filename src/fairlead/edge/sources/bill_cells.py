"""The cells of a bill as people, spreadsheets and APIs write them: days, amounts, counts, names, tiers.

What stands in a cell and cannot be read raises `UnreadableLine` with the value; nothing is taken for zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.failure import one_line
from fairlead.core.wire.moment import moment
from fairlead.edge.sources.counts import whole_number

LONGEST_NAME = 200

Row = Mapping[str, JSON]

_AMOUNTS = ("cost_usd", "list_price_usd", "amount_value", "amount.value", "amount")
_COMMA_LAST = re.compile(r"\D{0,4}(?:[\d.' \xa0\u202f]*),(?P<part>\d+)\D{0,4}")


def has_decimal_comma(row: Row, *, is_local: bool) -> bool:
    """Whether an amount of the row can only be read with a comma before its cents; in a local table `1,234` counts too."""
    for name in _AMOUNTS:
        found = _COMMA_LAST.fullmatch(str(row.get(name) or ""))
        if found and (is_local or len(found["part"]) != 3 or "." in found[0]):
            return True
    return False


_LOCAL_THOUSANDS = re.compile(r"\.(?=\d{3}(?!\d))")


def with_points(row: Row) -> Row:
    """The row with its amounts written with a point before the cents, where the table has a comma there."""
    local = {name: _LOCAL_THOUSANDS.sub("", str(row[name])) for name in _AMOUNTS if row.get(name)}
    return {**row, **{name: held.replace(",", ".") for name, held in local.items()}}


def day_in(row: Row, *names: str) -> date:
    """The day in the first of these columns that tells one."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        found = _day_of(value)
        if found is not None:
            return found
    told = next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")
    raise UnreadableLine(
        f"{one_line(told)[:40]!r} is no day that can be told; days are written as 2026-06-01"
        if told
        else "no day is named"
    )


def _day_of(value: JSON) -> date | None:
    """The day of a bucket: the date it is written with where it begins at midnight, whatever the zone, else that in UTC."""
    if isinstance(value, str) and len(value) >= 10:
        try:
            written = datetime.fromisoformat(value)
        except ValueError:
            written = None
        if written is not None and written.tzinfo is not None and (written.hour or written.minute):
            return written.astimezone(UTC).date()
        try:
            return date.fromisoformat(value[:10])
        except ValueError:
            return None
    found = moment(value, now=datetime(9000, 1, 1, tzinfo=UTC)).at
    return None if found is None else found.date()


_SIGNS: Mapping[str, str] = {"$": "USD", "€": "EUR", "£": "GBP", "₹": "INR"}
_AROUND = re.compile(r"(?:(?:US|USD|EUR|GBP|INR)\b|US(?=\$)|[$€£₹]|[\s\xa0\u202f'])", re.IGNORECASE)


def amount_in(value: JSON) -> Decimal | None:
    """An amount as people and spreadsheets write it: `$1,234.50`, `-$3`, `(3.00)` and `3.00 USD` too."""
    if value in (None, ""):
        return None
    text = _AROUND.sub("", str(value)).replace("\u2212", "-").replace(",", "")
    if text.startswith("(") and text.endswith(")"):
        text = f"-{text[1:-1]}"
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise UnreadableLine(f"amount {one_line(str(value))[:40]!r} is no number") from None
    if not found.is_finite() or abs(found) > 10**12:
        raise UnreadableLine("an amount is no amount")
    return found


def paid(row: Row, *names: str) -> Decimal:
    """The amount in the first of these columns that has one."""
    found = next((amount for name in names if (amount := amount_in(row.get(name))) is not None), None)
    if found is None:
        raise UnreadableLine("no amount is named")
    return found


_THOUSANDS = re.compile(r"[,'\s\xa0\u202f](?=\d{3})")


def count(row: Row, *names: str) -> int:
    """The count in the first of these columns that is not empty; 0 where all are, as reports leave out what was not used."""
    for name in names:
        value = row.get(name)
        if value in (None, ""):
            continue
        found = whole_number(_THOUSANDS.sub("", value) if isinstance(value, str) else value)
        if found is None:
            raise UnreadableLine(f"{name} {one_line(str(value))[:40]!r} is no count")
        return found
    return 0


def label(row: Row, *names: str) -> str | None:
    """The name in the first of these columns that has one."""
    found = next((told for name in names if (told := fields.label(row.get(name)))), None)
    return None if found is None else found[:LONGEST_NAME]


def tier_in(value: JSON) -> str | None:
    """The service tier that a word tells; `None` is the standard one."""
    word = str(value or "").strip().lower()
    if word == "true" or "batch" in word:
        return "batch"
    return next((tier for tier in ("flex", "priority") if re.search(rf"\b{tier}\b", word)), None)


def currency(row: Row) -> str:
    """The currency that a row names, or that its amounts are written with; dollars where neither tells."""
    named = label(row, "currency", "amount.currency", "amount_currency")
    signs = (sign for name in _AMOUNTS for sign in _SIGNS if sign in str(row.get(name) or ""))
    return named.upper() if named else _SIGNS.get(next(signs, ""), "USD")
