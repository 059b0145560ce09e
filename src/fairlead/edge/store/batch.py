"""Exchanges on their way into the ledger, a bounded batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from fairlead.core.errors import LedgerError
from fairlead.core.nouns import Exchange
from fairlead.edge.store.codec import Body, answer_body, key, packer, request_body
from fairlead.edge.store.database import Row
from fairlead.edge.store.rows import exchange_values

_EXCHANGES = 1_000
_CHARACTERS = 8_000_000


class Batch:
    """Exchanges by the column their `row_hash` goes to, each once."""

    def __init__(self) -> None:
        self._exchanges: dict[str, Exchange] = {}
        self._bodies: dict[str, tuple[Body, Body]] = {}

    @classmethod
    def split(cls, exchanges: Iterable[Exchange]) -> Iterator[Self]:
        """Batches of at most a thousand exchanges and roughly eight million characters."""
        batch, characters = cls(), 0
        for exchange in exchanges:
            batch._exchanges.setdefault(key(exchange.row_hash), exchange)
            characters += _characters(exchange)
            if len(batch) >= _EXCHANGES or characters >= _CHARACTERS:
                yield batch
                batch, characters = cls(), 0
        if batch:
            yield batch

    def __len__(self) -> int:
        return len(self._exchanges)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._exchanges.values())

    def row_hashes(self) -> list[str]:
        """The columns for `row_hash`."""
        return list(self._exchanges)

    def ids(self) -> list[str]:
        """The columns for `id`."""
        return list({key(exchange.id) for exchange in self._exchanges.values()})

    def second_ids(self) -> list[str]:
        """The columns for `id` that stand in for taken ones."""
        return [_second_id(exchange) for exchange in self._exchanges.values()]

    def drop(self, row_hashes: set[str]) -> None:
        """Leave out what the ledger already has."""
        for row_hash in row_hashes:
            del self._exchanges[row_hash]

    def bodies(self) -> list[Row]:
        """The rows of all message bodies, each once."""
        pack = packer()
        data: dict[bytes, bytes] = {}
        for row_hash, exchange in self._exchanges.items():
            self._bodies[row_hash] = pair = _bodies(exchange)
            data.update(pair)
        return [(name, pack(body)) for name, body in data.items()]

    def values(self, *, taken: set[str]) -> list[Row]:
        """The rows of the exchanges, none with an id that is taken."""
        values: list[Row] = []
        for row_hash, exchange in self._exchanges.items():
            column = _first_free((key(exchange.id), _second_id(exchange)), taken)
            taken.add(column)
            request, response = self._bodies[row_hash]
            values.append(exchange_values(exchange, id_column=column, request=request.hash, response=response.hash))
        return values


def _second_id(exchange: Exchange) -> str:
    return key(f"{exchange.id}#{exchange.row_hash}")


def _first_free(columns: tuple[str, ...], taken: set[str]) -> str:
    """The first that is free; when a log was made so that none is, the last with marks behind it."""
    for column in columns:
        if column not in taken:
            return column
    return _first_free((f"{columns[-1]}#",), taken)


def _bodies(exchange: Exchange) -> tuple[Body, Body]:
    try:
        request = request_body(exchange.request_body, exchange.request)
        return request, answer_body(exchange.response_body, exchange.answer)
    except RecursionError as error:
        raise LedgerError(f"Exchange {exchange.id!r} is nested too deeply to be kept.") from error


def _characters(exchange: Exchange) -> int:
    """Roughly how much text an exchange carries."""
    parts = sum(len(part.text) for message in exchange.request.messages for part in message.parts)
    inputs = sum(map(len, exchange.request.inputs))
    return len(exchange.request.system) + parts + inputs + len(exchange.answer.text)
