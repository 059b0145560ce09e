"""The rates of the one conversion at the end, from the European Central Bank's history that ships with a dependency.

Rules kept here: the last known rate is used and its date is told; a rate more than 90 days old comes with a warning; a
rate the user pins is used as given. Nothing is read from the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from currency_converter import CurrencyConverter

from fairlead.core.errors import UsageError
from fairlead.core.money import Rates

OLDEST_DAYS = 90
"""A rate older than this is used with a warning."""


def rates(to: str, currencies: Iterable[str], *, today: date, pinned: Mapping[str, Decimal] | None = None) -> Rates:
    """What one unit of each of `currencies` is worth in `to`; `pinned` rates are the user's own and come first."""
    to = to.upper()
    per = {code.upper(): rate for code, rate in (pinned or {}).items()}
    wanted = {code.upper() for code in currencies} - {to} - per.keys()
    _check(to, wanted)
    if not wanted:
        return Rates(to=to, per=per, day=today.isoformat() if per else "", source="pinned by you" if per else "")
    last = {code: _last(code, to) for code in wanted}
    day = min(when for when, _ in last.values())
    age = (today - day).days
    return Rates(
        to=to,
        per=per | {code: rate for code, (_, rate) in last.items()},
        day=day.isoformat(),
        source="European Central Bank reference rates" + (", others pinned by you" if per else ""),
        warning=f"The exchange rate is {age} days old; update CurrencyConverter or pin one."
        if age > OLDEST_DAYS
        else "",
    )


def _check(to: str, wanted: set[str]) -> None:
    if len(to) != 3 or not to.isalpha():
        raise UsageError(f"currency = {to[:20]!r} cannot be used; give a code of three letters, such as GBP.")
    if wanted and to not in _history().currencies:
        raise UsageError(
            f"currency = {to!r} cannot be used; no exchange rate is known. Known are USD, GBP, EUR and others."
        )
    for code in sorted(wanted):
        if code not in _history().currencies:
            raise UsageError(
                f"No exchange rate from {code!r} to {to!r} is known; pin one or give prices in another currency."
            )


def _last(code: str, to: str) -> tuple[date, Decimal]:
    bounds = _history().bounds
    day: date = min(bounds[code].last_date, bounds[to].last_date)
    return day, Decimal(_history().convert(1, code, to, date=day))


@cache
def _history() -> Any:
    """The converter; its package carries no types."""
    return CurrencyConverter(decimal=True, fallback_on_missing_rate=True)
