"""What the ledger needs from a database, so that SQLite and PostgreSQL can each give it.

Statements are written once, with `?` where a value goes, in the SQL that both understand. All writing goes through
`write`: one transaction at a time over all processes, so that what was read inside it still holds when it commits, and
exchanges are numbered in the order in which they become visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = tuple[Any, ...]
Values: TypeAlias = Sequence[Any]

TABLES = (
    "bodies",
    "exchanges",
    "workloads",
    "pilots",
    "draws",
    "on_file",
    "replies",
    "judgements",
    "preferences",
    "pairs",
    "verdicts",
    "routes",
    "steps",
    "route_states",
    "claims",
    "watched",
    "alerts",
    "rollups",
    "spend",
    "keys",
    "plans",
    "scans",
    "hosts",
    "state",
)


def any_of(start: str, values: Sequence[str]) -> tuple[str, Sequence[str]]:
    """A query for any of the values, and the values."""
    return f"{start} IN ({', '.join('?' * len(values))})", values


class Transaction(Protocol):
    """What can be done between the beginning and the end of one write."""

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """The rows that a query finds."""
        ...

    def change(self, sql: str, values: Values = ()) -> int:
        """Run a statement; how many rows it touched."""
        ...

    def change_each(self, sql: str, rows: Sequence[Values]) -> int:
        """Run a statement once per row of values; how many rows it touched in all."""
        ...


class Database(Protocol):
    """One open connection; safe to share between threads."""

    @property
    def where(self) -> str:
        """The database as the user named it, without its password."""
        ...

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """The rows that a query finds."""
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """One transaction: kept when the block ends, undone when it raises."""
        ...

    def spare_memory(self, *, most_mb: int) -> None:
        """Hold at most so much of the ledger in this process's memory."""
        ...

    def erasing(self) -> None:
        """Make ready for a transaction whose deletions must leave nothing behind."""
        ...

    def scrub(self) -> None:
        """Rewrite the files so that nothing that was deleted can be read from them."""
        ...

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file, while others may write."""
        ...

    def bytes_used(self) -> int:
        """How much disk the ledger takes."""
        ...

    def bytes_held(self) -> int:
        """How much of that is in use."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
