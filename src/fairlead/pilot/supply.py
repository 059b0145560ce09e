"""Draws on their way to being asked: written down first, then read from the ledger together with what is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from fairlead.core.errors import LedgerError
from fairlead.core.nouns import Exchange, ExchangeRow, Reply
from fairlead.core.ports import PilotLedger
from fairlead.core.wire.key import request_key
from fairlead.pilot.keep import Keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A draw made ready: its exchange, and for each asked side the reply kept from earlier, if any.

    `paid` says that an earlier run of this pilot asked for those replies.
    """

    position: int
    key: str
    exchange: Exchange
    replies: tuple[Reply | None, ...]
    paid: bool = False

    @property
    def size(self) -> int:
        """Characters in the request's messages."""
        return sum(len(part.text) for message in self.exchange.request.messages for part in message.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A draw that is set aside: its exchange has been erased from the ledger since (`erased`), or it was drawn before."""

    position: int
    erased: str | None = None


class Supply:
    """Hands out draws by position, first those of earlier runs, then new ones."""

    def __init__(
        self,
        *,
        pilot_id: str,
        draws: Sequence[str],
        known: Sequence[ExchangeRow],
        order: Iterator[ExchangeRow],
        askers: Sequence[str],
        keeper: Keeper,
        after: int,
        repeats: bool,
    ) -> None:
        """`after` is the last position that needs no answer any more; `askers` are the sides' names in the ledger.

        Unless draws may be `repeats`, the same exchange drawn again (by two processes at once) is set aside.
        """
        self._pilot_id = pilot_id
        self._old = draws
        self._doubled = frozenset[int]() if repeats else _doubled(draws)
        self._keys = {row.id: row.request_key for row in known}
        self._order = order
        self._askers = tuple(askers)
        self._keeper = keeper
        self._next = after + 1

    async def more(self, count: int) -> list[Drawn | Gone]:
        """The next `count` draws or fewer; none when there is nothing left to draw."""
        start = self._next
        ids = list(self._old[start - 1 : start - 1 + count])
        new = [] if ids else [row.id for row in islice(self._order, count)]
        self._next += len(ids) + len(new)
        return await self._keeper.call(lambda ledger: self._ready(ledger, start, ids, new))

    def _ready(self, ledger: PilotLedger, start: int, old: list[str], new: list[str]) -> list[Drawn | Gone]:
        if new:
            ledger.append_draws(self._pilot_id, new)
            if list(ledger.draws(self._pilot_id, after=start - 1)) != new:
                raise LedgerError(
                    f"Pilot {self._pilot_id} is running in another process too; let that one finish, or end it."
                )
        drawn = [*old, *new]
        there = ledger.exchanges_by_id(drawn)
        return [
            self._read(ledger, position, exchange_id, there, paid=bool(old))
            for position, exchange_id in enumerate(drawn, start)
        ]

    def _read(
        self, ledger: PilotLedger, position: int, exchange_id: str, there: Mapping[str, Exchange], *, paid: bool
    ) -> Drawn | Gone:
        if position in self._doubled:
            return Gone(position=position)
        if exchange_id not in there and exchange_id not in self._keys:
            return Gone(position=position, erased=exchange_id or None)
        exchange = there[exchange_id] if exchange_id in there else ledger.exchange(exchange_id)
        key = self._keys.get(exchange_id) or request_key(exchange.request)
        replies = tuple(ledger.reply(asker, key) for asker in self._askers)
        return Drawn(position=position, key=key, exchange=exchange, replies=replies, paid=paid)


def _doubled(draws: Sequence[str]) -> frozenset[int]:
    """The positions whose exchange stands at an earlier position too."""
    first: dict[str, int] = {}
    for position, exchange_id in enumerate(draws, 1):
        first.setdefault(exchange_id, position)
    return frozenset(position for position, exchange_id in enumerate(draws, 1) if first[exchange_id] != position)
