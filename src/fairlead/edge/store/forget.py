"""Erasing what a user or a conversation left, and everything that was made of it."""

# ruff: noqa: S608 - statements are put together from names that stand in the code; values go beside them

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.edge.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How much was erased; `pilots` are the ids of those that lost pairs, whose verdicts rest on them no longer."""

    exchanges: int
    bodies: int
    replies: int
    draws: int
    pairs: int
    judgements: int = 0
    preferences: int = 0
    pilots: tuple[str, ...] = ()

    @classmethod
    def together(cls, parts: Sequence[Forgotten]) -> Forgotten:
        """What several erasures erased."""
        return cls(
            exchanges=sum(part.exchanges for part in parts),
            bodies=sum(part.bodies for part in parts),
            replies=sum(part.replies for part in parts),
            draws=sum(part.draws for part in parts),
            pairs=sum(part.pairs for part in parts),
            judgements=sum(part.judgements for part in parts),
            preferences=sum(part.preferences for part in parts),
            pilots=tuple(dict.fromkeys(pilot for part in parts for pilot in part.pilots)),
        )


_GONE = "(SELECT id FROM gone)"
_GONE_REPLIES = (
    "replies WHERE request_key IN (SELECT request_key FROM gone)"
    " AND request_key NOT IN (SELECT request_key FROM exchanges)"
)


def erase(transaction: Transaction, who: str) -> Forgotten:
    """Erase, within one transaction, what was said by or for `who`."""
    _mark(transaction, who)
    paired = transaction.rows(f"SELECT DISTINCT pilot_id FROM pairs WHERE exchange_id IN {_GONE} ORDER BY pilot_id")
    pairs = transaction.change(f"DELETE FROM pairs WHERE exchange_id IN {_GONE}")
    transaction.change(f"DELETE FROM watched WHERE exchange_id IN {_GONE}")
    judgements = transaction.change(f"DELETE FROM judgements WHERE exchange_id IN {_GONE}")
    preferences = transaction.change(f"DELETE FROM preferences WHERE exchange_id IN {_GONE}")
    # A draw leaves its place empty: the others keep their positions, on which pilots, also running ones, rely.
    draws = transaction.change(f"UPDATE draws SET exchange_id = '' WHERE exchange_id IN {_GONE}")
    transaction.change(f"DELETE FROM on_file WHERE exchange_id IN {_GONE}")
    exchanges = transaction.change("DELETE FROM exchanges WHERE seq IN (SELECT seq FROM gone)")
    transaction.change(f"INSERT INTO loose SELECT body FROM {_GONE_REPLIES}")
    replies = transaction.change(f"DELETE FROM {_GONE_REPLIES}")
    bodies = erase_loose_bodies(transaction)
    for table in ("gone", "loose"):
        transaction.change(f"DROP TABLE {table}")
    pilots = tuple(row[0] for row in paired)
    return Forgotten(
        exchanges=exchanges,
        bodies=bodies,
        replies=replies,
        draws=draws,
        pairs=pairs,
        judgements=judgements,
        preferences=preferences,
        pilots=pilots,
    )


def _mark(transaction: Transaction, who: str) -> None:
    """List the exchanges to erase in `gone`, and in `loose` the bodies they leave."""
    transaction.change("CREATE TEMPORARY TABLE gone (seq BIGINT, id TEXT, request_key TEXT)")
    transaction.change("CREATE TEMPORARY TABLE loose (id BIGINT)")
    chosen = "FROM exchanges WHERE made_for = ? OR conversation = ?"
    transaction.change(f"INSERT INTO gone SELECT seq, id, request_key {chosen}", (who, who))
    for column in ("request_body", "response_body"):
        transaction.change(f"INSERT INTO loose SELECT {column} {chosen}", (who, who))


def erase_loose_bodies(transaction: Transaction) -> int:
    """Erase the listed bodies that nothing refers to any more."""
    return transaction.change(
        "DELETE FROM bodies WHERE id IN (SELECT id FROM loose)"
        " AND NOT EXISTS (SELECT 1 FROM exchanges WHERE request_body = bodies.id)"
        " AND NOT EXISTS (SELECT 1 FROM exchanges WHERE response_body = bodies.id)"
        " AND NOT EXISTS (SELECT 1 FROM replies WHERE body = bodies.id)"
    )
