"""Exchanges on their way into the ledger: encoded as they come, a few at a time, and written many at a time.

A transaction costs as much as hundreds of rows: it touches every page of every index that a row goes to. What waits for it is
rows and packed bodies, not exchanges, so that few of those are held at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from fairlead.core.errors import LedgerError
from fairlead.core.nouns import Exchange
from fairlead.edge.store.codec import Body, answer_body, key, packer, request_body
from fairlead.edge.store.database import Row, Transaction, any_of
from fairlead.edge.store.rows import INSERT_BODY, INSERT_EXCHANGE, exchange_values

_MOST_ROWS = 2_000
_MOST_BYTES = 8_000_000


class Encoded(NamedTuple):
    """An exchange ready to be written: its id, its second choice where that is taken, and the other columns."""

    id: str
    second_id: str
    columns: Row


class Waiting:
    """Encoded exchanges by the column their `row_hash` goes to, and the bodies they speak of."""

    def __init__(self) -> None:
        self.rows: dict[str, Encoded] = {}
        self.bodies: dict[bytes, bytes] = {}
        self._bytes = 0
        self._pack = packer()

    @property
    def is_full(self) -> bool:
        """Whether it is time to write."""
        return len(self.rows) >= _MOST_ROWS or self._bytes >= _MOST_BYTES

    def add(self, row_hash: str, exchange: Exchange) -> None:
        """Encode an exchange."""
        request, response = _bodies(exchange)
        columns = exchange_values(exchange, request=self._kept(request), response=self._kept(response))
        self.rows[row_hash] = Encoded(key(exchange.id), key(f"{exchange.id}#{exchange.row_hash}"), columns)

    def _kept(self, body: Body) -> bytes:
        if body.hash not in self.bodies:
            # What the compressor gives still has the room of the worst case behind it.
            self.bodies[body.hash] = packed = memoryview(self._pack(body.data)).tobytes()
            self._bytes += len(packed)
        return body.hash

    def write(self, transaction: Transaction) -> int:
        """Write everything, no row with an id that is taken; how many rows were not there."""
        taken = _taken(transaction, list({row.id for row in self.rows.values()}))
        if taken:
            taken |= _taken(transaction, [row.second_id for row in self.rows.values()])
        transaction.change_each(INSERT_BODY, list(self.bodies.items()))
        values: list[Row] = []
        for row in self.rows.values():
            column = _first_free((row.id, row.second_id), taken)
            taken.add(column)
            values.append((column, *row.columns))
        return transaction.change_each(INSERT_EXCHANGE, values)


class Appending:
    """Exchanges being kept one group after the other: what waits is written when there is enough, and when the block ends.

    When the block ends by an error, what was taken in before it is written too, unless it was the writing that failed.
    `left` says of rows that are known which of them a killed scan left without a workload.
    """

    def __init__(
        self,
        *,
        known: Callable[[Sequence[str]], set[str]],
        keep: Callable[[Waiting], int],
        left: Callable[[Sequence[str]], set[str]] | None = None,
    ) -> None:
        self._known = known
        self._keep = keep
        self._left = left
        self._met: set[int] = set()
        self._waiting = Waiting()
        self._has_failed = False
        self.new = 0
        self.left: list[Exchange] = []

    def add(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Take a few exchanges in; those of them whose row the ledger does not know, in their order."""
        columns = [key(exchange.row_hash) for exchange in exchanges]
        known = self._known(columns)
        if self._left is not None:
            left = self._left([row_hash for row_hash in columns if row_hash in known]) if known else set[str]()
            self.left = [
                each
                for column, each in zip(columns, exchanges, strict=True)
                if column in left and self._is_first(column)
            ]
        fresh: list[Exchange] = []
        for row_hash, exchange in zip(columns, exchanges, strict=True):
            if row_hash in known or row_hash in self._waiting.rows:
                continue
            known.add(row_hash)
            self._waiting.add(row_hash, exchange)
            fresh.append(exchange)
            if self._waiting.is_full:
                self.write()
        return fresh

    def _is_first(self, column: str) -> bool:
        """Whether a row that was left comes for the first time."""
        number = hash(column)
        is_first = number not in self._met
        self._met.add(number)
        return is_first

    def write(self) -> None:
        """Write what waits."""
        if self._waiting.rows:
            self._has_failed = True
            self.new += self._keep(self._waiting)
            self._has_failed = False
            self._waiting = Waiting()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._has_failed:
            self.write()


def _bodies(exchange: Exchange) -> tuple[Body, Body]:
    try:
        request = request_body(exchange.request_body, exchange.request)
        return request, answer_body(exchange.response_body, exchange.answer)
    except RecursionError as error:
        raise LedgerError(f"Exchange {exchange.id!r} is nested too deeply to be kept.") from error


def _first_free(columns: tuple[str, ...], taken: set[str]) -> str:
    """The first that is free; when a log was made so that none is, the last with marks behind it."""
    for column in columns:
        if column not in taken:
            return column
    return _first_free((f"{columns[-1]}#",), taken)


def _taken(transaction: Transaction, ids: Sequence[str]) -> set[str]:
    return {row[0] for row in transaction.rows(*any_of("SELECT id FROM exchanges WHERE id", ids))}
