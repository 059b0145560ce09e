"""Exchanges that arrive all day, kept a batch at a time at the least cost.

`Batch` is for logs: each exchange is read, compared and encoded on its own. Here the caller has done that, once for what
repeats: a body that came before is known by its number and not even hashed again. The number is checked in every batch,
for another process may have erased the body meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fairlead.edge.store.database import Row, Transaction
from fairlead.edge.store.rows import INSERT_ARRIVAL, INSERT_BODY

_AT_ONCE = 500


class KeptBody:
    """A message body, packed, and the number it has in the ledger once it is there; shared by all that have the same."""

    __slots__ = ("hash", "number", "packed")

    def __init__(self, name: bytes, packed: bytes) -> None:
        self.hash = name
        self.packed = packed
        self.number: int | None = None


class Arrival(NamedTuple):
    """An exchange as the columns of `INSERT_ARRIVAL` before its bodies, and the bodies. `row_hash` is its second column."""

    columns: Row
    request: KeptBody
    response: KeptBody


def append(transaction: Transaction, arrivals: Sequence[Arrival]) -> dict[KeptBody, int]:
    """Keep the arrivals that are new; the numbers of their bodies, which hold once the transaction does."""
    numbers = _numbers(transaction, {body for each in arrivals for body in (each.request, each.response)})
    values = [(*each.columns, numbers[each.request], numbers[each.response]) for each in arrivals]
    transaction.change_each(INSERT_ARRIVAL, values)
    return numbers


def known_rows(transaction: Transaction, row_hashes: Sequence[str]) -> set[str]:
    """Which of the rows are there already: asked when a batch is tried again and may have been kept the first time."""
    return {row[0] for row in _any_of(transaction, "SELECT row_hash FROM exchanges WHERE row_hash", row_hashes)}


def _numbers(transaction: Transaction, bodies: Iterable[KeptBody]) -> dict[KeptBody, int]:
    """The number of each body; those that are not in the ledger are put there."""
    found: dict[KeptBody, int] = {}
    missing: list[KeptBody] = []
    there = _still_there(transaction, bodies)
    for body in bodies:
        if body.number is not None and there.get(body.number) == body.hash:
            found[body] = body.number
        else:
            missing.append(body)
    if missing:
        transaction.change_each(INSERT_BODY, [(body.hash, body.packed) for body in missing])
        rows = _any_of(transaction, "SELECT hash, id FROM bodies WHERE hash", [body.hash for body in missing])
        by_hash = {bytes(row[0]): int(row[1]) for row in rows}
        found.update((body, by_hash[body.hash]) for body in missing)
    return found


def _still_there(transaction: Transaction, bodies: Iterable[KeptBody]) -> Mapping[int, bytes]:
    numbers = [body.number for body in bodies if body.number is not None]
    return {row[0]: bytes(row[1]) for row in _any_of(transaction, "SELECT id, hash FROM bodies WHERE id", numbers)}


def _any_of(transaction: Transaction, start: str, values: Sequence[object]) -> list[Row]:
    found: list[Row] = []
    for place in range(0, len(values), _AT_ONCE):
        part = values[place : place + _AT_ONCE]
        found += transaction.rows(f"{start} IN ({', '.join('?' * len(part))})", part)
    return found
