"""Brings a ledger to the current version with Alembic. Loaded only when there is something to bring up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from fairlead.edge.store.new import END, STATEMENTS
from fairlead.edge.store.version import APPLICATION_ID, REVISION, VERSION, VERSION_TABLE

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade_sqlite(connect: Callable[[], sqlite3.Connection]) -> None:
    """Migrate in one exclusive transaction, marks of the file included."""
    with _connected("sqlite://", connect) as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        if connection.exec_driver_sql("PRAGMA user_version").scalar() != VERSION:
            migrate(connection)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
        connection.commit()
        # The version must stand in the file itself, where an older Fairlead looks for it.
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def upgrade_postgres(connect: Callable[[], Any], *, lock: int) -> None:
    """Migrate in one transaction, after whoever else is doing it."""
    with _connected("postgresql+psycopg://", connect) as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (lock,))
        migrate(connection)
        connection.commit()


def migrate(connection: sa.Connection) -> None:
    """Run the migrations that this database has not had."""
    command.upgrade(config(connection), "head")


def statements() -> str:
    """The statements that make a new SQLite ledger, as all migrations leave it: what `new_ledger.sql` holds."""
    with _connected("sqlite://", lambda: sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        made = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        )
        tables = [str(row[0]) for row in made]
    version = f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{REVISION}')"  # noqa: S608 - both stand in the code
    return END.join([*tables, version]) + "\n"


def write_statements() -> None:
    """Write `new_ledger.sql` anew, after a migration was added."""
    STATEMENTS.write_text(statements(), "utf-8")


def config(connection: sa.Connection | None = None) -> Config:
    """Alembic's settings, which need no file."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings


@contextmanager
def _connected(url: str, connect: Callable[[], Any]) -> Generator[sa.Connection]:
    """A SQLAlchemy connection whose errors are the database's own, as everywhere in the ledger."""
    try:
        with sa.create_engine(url, creator=connect, poolclass=sa.pool.NullPool).connect() as connection:
            yield connection
    except DBAPIError as error:
        raise error.orig or error from error
