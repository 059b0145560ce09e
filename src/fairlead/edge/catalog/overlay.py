"""Dated price rows of our own and of the user's, which rule over the borrowed price list.

The rows that ship lie in `prices.csv`, each with its source and the day it was checked. A price is never changed: a new
row with its own `since` is added, so that last March still costs what it cost. Some providers charge by the hour of the
day or spare the weekend: such a row names `hours` and `days` (UTC) and rules over the plain row of the same `since`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from importlib.resources import files

from fairlead.core.errors import InputError
from fairlead.core.nouns import TokenPrice

_START = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Part of a day, UTC; the end is outside."""

    start: time
    end: time

    def holds(self, at: time) -> bool:
        """Whether `at` lies inside."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayRow:
    """A price of one model at one provider (`None`: whoever serves it), from `since` on, perhaps only at some hours."""

    provider: str | None
    model: str
    price: TokenPrice
    since: datetime = _START
    windows: tuple[Window, ...] = ()
    weekdays: frozenset[int] = frozenset()

    @property
    def narrow(self) -> bool:
        """Whether it holds only at some hours or on some days."""
        return bool(self.windows or self.weekdays)

    def holds(self, at: datetime) -> bool:
        """Whether this row prices a request made `at`."""
        if at < self.since:
            return False
        in_hours = not self.windows or any(window.holds(at.time()) for window in self.windows)
        return in_hours and (not self.weekdays or at.isoweekday() in self.weekdays)


class Overlay:
    """Looks up overlay rows by model and provider; of those that hold, the newest, and of these the narrowest."""

    def __init__(self, rows: Iterable[OverlayRow]) -> None:
        self._rows: dict[str, list[OverlayRow]] = {}
        for row in rows:
            self._rows.setdefault(row.model.lower(), []).append(row)
        for same in self._rows.values():
            same.sort(key=lambda row: (row.provider is not None, row.since, row.narrow), reverse=True)

    def find(self, model: str, provider: str | None, at: datetime) -> TokenPrice | None:
        """The price of a request made `at`, or `None` when no row speaks about it."""
        for row in self._rows.get(model.lower(), ()):
            if row.provider in {None, provider} and row.holds(at):
                return row.price
        return None

    def knows(self, model: str, provider: str | None) -> bool:
        """Whether any row, of whatever date, speaks about the model."""
        return any(row.provider in {None, provider} for row in self._rows.get(model.lower(), ()))

    def by_the_minute(self, model: str) -> bool:
        """Whether the price of the model depends on more than the day."""
        return any(row.narrow or row.since.time() != time() for row in self._rows.get(model.lower(), ()))

    @property
    def providers(self) -> frozenset[str]:
        """The providers that rows speak about."""
        return frozenset(row.provider for rows in self._rows.values() for row in rows if row.provider)


def bundled() -> tuple[OverlayRow, ...]:
    """The rows that ship with Fairlead."""
    text = files("fairlead.edge.catalog").joinpath("prices.csv").read_text("utf-8")
    return tuple(parse(text.splitlines(), name="prices.csv"))


def from_prices(prices: Mapping[str, Sequence[TokenPrice]]) -> tuple[OverlayRow, ...]:
    """Rows of the user's own, by model name as written in `fairlead.toml`; they hold whoever serves the model."""
    return tuple(
        OverlayRow(provider=None, model=model, price=price, since=_moment(price.since, f"[prices.{model!r}]"))
        for model, dated in prices.items()
        for price in dated
    )


def parse(lines: Iterable[str], *, name: str) -> Iterator[OverlayRow]:
    """The rows of a price file; lines that open with `#` are remarks."""
    content = (line for line in lines if not line.startswith("#"))
    for number, fields in enumerate(csv.DictReader(content), start=1):
        try:
            yield _row(fields)
        except (KeyError, ValueError, InvalidOperation) as problem:
            raise InputError(f"{name}: price row {number} cannot be read ({problem!r}).") from problem


def _row(fields: Mapping[str, str]) -> OverlayRow:
    return OverlayRow(
        provider=fields["provider"] or None,
        model=fields["model"],
        since=_moment(fields["since"], fields["model"]),
        windows=tuple(_window(text) for text in fields["hours"].split()),
        weekdays=_weekdays(fields["days"]),
        price=TokenPrice(
            input=Decimal(fields["input"]),
            output=Decimal(fields["output"]),
            cache_read=Decimal(fields["cache_read"]) if fields["cache_read"] else None,
            currency=fields["currency"],
            since=fields["since"][:10],
            source=f"{fields['source']}, checked {fields['checked']}",
        ),
    )


def _moment(text: str, what: str) -> datetime:
    if not text:
        return _START
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"since = {text!r} of {what} cannot be used; write a date such as 2026-03-01.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _window(text: str) -> Window:
    start, end = text.split("-")
    return Window(start=time.fromisoformat(start), end=time.fromisoformat(end))


def _weekdays(text: str) -> frozenset[int]:
    if not text:
        return frozenset()
    first, _, last = text.partition("-")
    return frozenset(range(int(first), int(last or first) + 1))
