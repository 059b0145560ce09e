"""The ledger in a PostgreSQL database, for several machines.

Rules kept here: writers take turns behind one advisory lock, as they do in SQLite; a password never stands in a message.
"""

# ruff: noqa: S608 - statements are put together from names that stand in the code; values go beside them

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

import psycopg

from fairlead.core.errors import LedgerError, UsageError
from fairlead.edge.store.database import TABLES, Row, Values
from fairlead.edge.store.version import VERSION, VERSION_TABLE, refuse_newer

Connection: TypeAlias = psycopg.Connection[Row]

_LOCK = int.from_bytes(b"Fairlead", "big") >> 1  # PostgreSQL's lock numbers are signed

# The first prefix of the SQLSTATE code that fits says what to tell.
_LINES = (
    (
        "53100",
        "The disk of the database {where} is full; make room and run the same command again: nothing already accepted is lost.",
    ),
    (
        "55P03",
        "The ledger {where} is in use by another process and stayed locked for {wait:g} s; let it finish, then run this again.",
    ),
    ("25006", "The database {where} is read-only; name one that can be written with --ledger."),
    ("42501", "The user of {where} lacks a right it needs ({error}); grant it, or name another user in the URL."),
    (
        "08",
        "The connection to {where} was lost ({error}); run the same command again: nothing already accepted is lost.",
    ),
    (
        "57P",
        "The connection to {where} was lost ({error}); run the same command again: nothing already accepted is lost.",
    ),
    ("53", "The database {where} is short of something ({error}); try again when it is not."),
)
_UNREACHABLE = "The database {where} cannot be reached ({error}); check the URL, the password and that the server runs."


@cache
def _spoken(sql: str) -> bytes:
    """The statement with PostgreSQL's place for values."""
    return sql.replace("?", "%s").encode()


class PostgresTransaction:
    """One write on a PostgreSQL connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """The rows that a query finds."""
        return self._connection.execute(_spoken(sql), values).fetchall()

    def change(self, sql: str, values: Values = ()) -> int:
        """Run a statement; how many rows it touched."""
        return self._connection.execute(_spoken(sql), values).rowcount

    def change_each(self, sql: str, rows: Sequence[Values]) -> int:
        """Run a statement once per row of values; how many rows it touched in all."""
        if not rows:
            return 0
        with self._connection.cursor() as cursor:
            cursor.executemany(_spoken(sql), rows)
            return cursor.rowcount


class PostgresDatabase:
    """A ledger on a PostgreSQL server; `wait_s` is how long it waits for a lock that another process holds."""

    def __init__(self, url: str, *, create: bool, wait_s: float) -> None:
        self.where = without_password(url)
        self._url = url.replace("postgresql+psycopg:", "postgresql:", 1)
        self._wait_s = wait_s
        self._lock = threading.RLock()
        self._connection = self._connect()
        try:
            with self._explained():
                self._prepare(create=create)
        except BaseException:
            self._connection.close()
            raise

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """The rows that a query finds."""
        with self._lock, self._explained():
            return self._live().execute(_spoken(sql), values).fetchall()

    @contextmanager
    def write(self) -> Generator[PostgresTransaction]:
        """One transaction: kept when the block ends, undone when it raises."""
        with self._lock, self._explained():
            connection = self._live()
            try:
                connection.execute("BEGIN")
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                yield PostgresTransaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise

    def spare_memory(self, *, most_mb: int) -> None:
        """The server's memory is its own."""

    def erasing(self) -> None:
        """Nothing to make ready: `scrub` writes the tables anew."""

    def scrub(self) -> None:
        """Write the tables anew without what was deleted."""
        with self._lock, self._explained():
            for table in TABLES:
                self._live().execute(f"VACUUM FULL {table}".encode())

    def backup(self, path: Path) -> None:
        """Refuse: the server has its own way."""
        raise UsageError(
            f"A ledger in PostgreSQL is copied by its own tool: pg_dump --format=custom --file={path} {self.where}"
        )

    def bytes_used(self) -> int:
        """The tables with their indexes."""
        tables = ", ".join(f"('{table}')" for table in TABLES)
        return int(
            self.rows(f"SELECT sum(pg_total_relation_size(name::regclass)) FROM (VALUES {tables}) t (name)")[0][0]
        )

    def bytes_held(self) -> int:
        """The bodies, which are nearly all of it: the server itself does not say how much of a table is in use."""
        return int(self.rows("SELECT coalesce(sum(octet_length(data)), 0) FROM bodies")[0][0])

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Turn what PostgreSQL says into a line for the reader; what is a bug stays as it is."""
        try:
            yield
        except psycopg.Error as error:
            code = error.sqlstate or ("08" if isinstance(error, psycopg.OperationalError) else "")
            for prefix, line in _LINES:
                if code.startswith(prefix):
                    raise LedgerError(
                        line.format(where=self.where, wait=self._wait_s, error=_first_line(error))
                    ) from error
            raise

    def _connect(self) -> Connection:
        try:
            connection = psycopg.connect(self._url, autocommit=True, connect_timeout=10, application_name="fairlead")
        except psycopg.ProgrammingError as error:
            raise UsageError(f"{self.where} is not a PostgreSQL URL ({_first_line(error)}).") from error
        except psycopg.OperationalError as error:
            raise LedgerError(_UNREACHABLE.format(where=self.where, error=_first_line(error))) from error
        connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{round(self._wait_s * 1000)}ms",))
        return connection

    def _live(self) -> Connection:
        """The connection, made anew where it broke."""
        if self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def _prepare(self, *, create: bool) -> None:
        """See that the database holds a ledger of this version, or refuse before anything is touched."""
        found = self._version()
        if found is None:
            if not create:
                raise LedgerError(
                    f"There is no ledger in {self.where}; `fairlead scan logs/` makes one, or name another with --ledger."
                )
            self._refuse_what_is_not_ours()
        else:
            refuse_newer(found, where=self.where)
        if found != VERSION:
            from fairlead.edge.store.upgrade import upgrade_postgres  # noqa: PLC0415 - loads slowly and is rarely needed

            upgrade_postgres(lambda: psycopg.connect(self._url), lock=_LOCK)

    def _version(self) -> int | None:
        """The version of the ledger; `None` when there is none."""
        try:
            rows = self._connection.execute(f"SELECT version_num FROM {VERSION_TABLE}".encode()).fetchall()
        except psycopg.errors.UndefinedTable:
            return None
        return int(rows[0][0]) if rows else None

    def _refuse_what_is_not_ours(self) -> None:
        taken = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND pg_table_is_visible(oid) ORDER BY relname"
        rows = self._connection.execute(taken, (list(TABLES),)).fetchall()
        if rows and self._version() is None:  # else another process has just made the ledger
            names = ", ".join(row[0] for row in rows)
            raise LedgerError(
                f"{self.where} is not a Fairlead ledger but has tables named {names}; give Fairlead a database of its own."
            )


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    shown = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}"))
    return shown if "password=" not in parts.query else shown.partition("?")[0]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].strip()
