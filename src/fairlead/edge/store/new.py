"""A new ledger file, made by the statements that all migrations come to.

`new_ledger.sql` holds them as SQLite keeps them in a file that was migrated from nothing (`make new-ledger` writes it, a test
compares): Alembic and SQLAlchemy take longer to load than the first scan of a small log takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fairlead.edge.store.version import APPLICATION_ID, VERSION

STATEMENTS = Path(__file__).with_name("new_ledger.sql")
END = ";\n"


def made_new(connect: Callable[[], sqlite3.Connection]) -> bool:
    """Make a ledger of this version in an empty file, marks included, in one exclusive transaction.

    Returns whether a ledger of this version is there now, by this process or another; `False` leaves the file to the migrations.
    """
    with closing(connect()) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            connection.execute("ROLLBACK")
            return bool(connection.execute("PRAGMA user_version").fetchone() == (VERSION,))
        for statement in STATEMENTS.read_text("utf-8").split(END):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        # The version must stand in the file itself, where an older Fairlead looks for it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return True
