"""A `Desk` is what a command works at: settings read, ledger open, prices at hand, the time of day."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fairlead.core.errors import UsageError
from fairlead.core.nouns import TokenPrice, Workload
from fairlead.core.redact import DataClass
from fairlead.core.workload import share
from fairlead.edge import config as settings_file
from fairlead.edge.app.classes import said_local
from fairlead.edge.catalog.prices import Prices
from fairlead.edge.config import Settings
from fairlead.edge.store import Ledger

_ID = re.compile(r"w[0-9a-f]{12}")
_ID_BEGINS = re.compile(r"w[0-9a-f]{3,11}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Settings, ledger, prices and the time; `prices` already holds the user's own rows."""

    settings: Settings
    ledger: Ledger
    where: str
    prices: Prices
    now: datetime
    own_prices: Mapping[str, TokenPrice] = field(default_factory=dict[str, TokenPrice])

    def data_class(self, workload: Workload) -> DataClass:
        """Where the texts of a workload may go: the stricter of what the settings and `fairlead workload class` say."""
        if workload.id in said_local(self.ledger):
            return DataClass.LOCAL_ONLY
        return self.settings.privacy.data_class(workload)

    def workload(self, wanted: str) -> Workload:
        """The one workload whose id or name begins with `wanted`, case aside."""
        return self.chosen([wanted])[0]

    def chosen(self, wanted: Sequence[str]) -> list[Workload]:
        """The workloads called `wanted`; each must name exactly one."""
        everything = self.ledger.workloads()
        return [self.one(everything, name) for name in wanted]

    def one(self, everything: Sequence[Workload], wanted: str) -> Workload:
        """The one workload `wanted` names, or an error that lists what there is."""
        key = wanted.casefold()
        exact = [w for w in everything if w.id == wanted or w.name.casefold() == key]
        found = exact or [w for w in everything if w.name.casefold().startswith(key)]
        if not found and _ID.fullmatch(wanted):
            now = share.load(self.ledger).resolve(wanted)  # an id stays valid also after a merge
            found = [w for w in everything if w.id == now]
        if not found and _ID_BEGINS.fullmatch(wanted):
            found = [w for w in everything if w.id.startswith(wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"{wanted!r} names {len(found)} workloads ({names(found)}); use the id or more of the name."
            )
        raise UsageError(
            f"No workload is called {wanted!r}. There are: {names(everything) or 'none yet; run fairlead scan'}."
        )


def names(workloads: Sequence[Workload]) -> str:
    """The first workloads by name and id, for an error."""
    shown = ", ".join(f"{w.name} ({w.id})" for w in workloads[:8])
    return shown + (f" and {len(workloads) - 8} more" if len(workloads) > 8 else "")


def check_serving(config: Path | None) -> None:
    """Say what is wrong in the gateway's part of the settings, which the command does not need: a mistake is told when it is made."""
    from fairlead.edge import operate_settings, route_settings, serve_settings  # noqa: PLC0415  # only where it is there

    for part in (serve_settings, route_settings, operate_settings):
        part.load(config)


@contextmanager
def opened(
    *,
    ledger: str | None,
    config: Path | None,
    create: bool = True,
    own_prices: Mapping[str, TokenPrice] | None = None,
    now: datetime | None = None,
) -> Generator[Desk]:
    """A desk for one command; the ledger is closed at the end, whatever happens."""
    settings = settings_file.load(config)
    if settings.serve:
        check_serving(config)
    where = ledger or settings.ledger
    prices = {**settings.prices, **(own_prices or {})}
    with Ledger.open(where, create=create) as opened_ledger:
        yield Desk(
            settings=settings,
            ledger=opened_ledger,
            where=where,
            prices=Prices({model: [price] for model, price in prices.items()}, today=now),
            now=now or datetime.now(UTC),
            own_prices=prices,
        )
