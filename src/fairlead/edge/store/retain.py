"""Old traffic taken out again, a bounded batch at a time, so that nobody waits for it.

Only what the gateway captured goes: a log that somebody scanned stays until somebody forgets it. What pilots drew stays
where the policy keeps evidence. Roll-ups stay always: they hold no text.
"""

# ruff: noqa: S608 - statements are put together from names that stand in the code; values go beside them

from __future__ import annotations

from dataclasses import dataclass

from fairlead.edge.store.database import Database, Row, Transaction
from fairlead.edge.store.forget import erase_loose_bodies

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What one batch took out. `after` is where the next goes on; `looked` is false when there is nothing left to look at."""

    exchanges: int = 0
    bodies: int = 0
    after: int = 0
    looked: bool = False


def expire(transaction: Transaction, *, before_us: int | None, after: int, evidence: bool) -> Expired:
    """Take out the next batch of captured exchanges, oldest first: those before a moment, or (`None`) any.

    `evidence` keeps what a pilot drew, and what guards were fed (numbers without text).
    """
    old = "" if before_us is None else " AND started_us < ?"
    sql = f"SELECT seq, id, request_body, response_body FROM exchanges WHERE seq > ? AND served IS NOT NULL{old} ORDER BY seq LIMIT ?"
    found = transaction.rows(sql, (after, *(() if before_us is None else (before_us,)), _AT_ONCE))
    if not found:
        return Expired(after=after)
    drawn = _drawn(transaction, found)
    going = [row for row in found if not (evidence and row[1] in drawn)]
    if not evidence and drawn:
        transaction.change_each("UPDATE draws SET exchange_id = '' WHERE exchange_id = ?", [(each,) for each in drawn])
    transaction.change("CREATE TEMPORARY TABLE loose (id BIGINT)")
    transaction.change_each("INSERT INTO loose VALUES (?)", [(body,) for row in going for body in row[2:]])
    exchanges = transaction.change_each("DELETE FROM exchanges WHERE seq = ?", [(row[0],) for row in going])
    transaction.change_each("DELETE FROM judgements WHERE exchange_id = ?", [(row[1],) for row in going])
    if not evidence:
        transaction.change_each("DELETE FROM watched WHERE exchange_id = ?", [(row[1],) for row in going])
    bodies = erase_loose_bodies(transaction)
    transaction.change("DROP TABLE loose")
    return Expired(exchanges=exchanges, bodies=bodies, after=found[-1][0], looked=True)


def lonely_replies(database: Database) -> list[Row]:
    """Replies of candidates to requests that are no longer in the ledger: (asker id, request key) each."""
    return database.rows(
        "SELECT asker_id, request_key FROM replies WHERE request_key NOT IN (SELECT request_key FROM exchanges)"
    )


def expire_replies(transaction: Transaction, replies: list[Row]) -> int:
    """Take out these replies, with the bodies that nothing refers to any more; how many bodies went."""
    transaction.change("CREATE TEMPORARY TABLE loose (id BIGINT)")
    chosen = "replies WHERE asker_id = ? AND request_key = ?"
    transaction.change_each(f"INSERT INTO loose SELECT body FROM {chosen}", replies)
    transaction.change_each(f"DELETE FROM {chosen}", replies)
    bodies = erase_loose_bodies(transaction)
    transaction.change("DROP TABLE loose")
    return bodies


def _drawn(transaction: Transaction, rows: list[Row]) -> set[str]:
    ids = [row[1] for row in rows]
    sql = f"SELECT DISTINCT exchange_id FROM draws WHERE exchange_id IN ({', '.join('?' * len(ids))})"
    return {row[0] for row in transaction.rows(sql, ids)}
