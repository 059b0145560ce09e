"""The ledger in one SQLite file, shared by several processes through its write-ahead log (WAL).

Rules kept here: a file that is not a ledger, or is newer than this Fairlead, is recognised by its first hundred bytes
and left byte-identical; every failure becomes one line that says what would help.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from itertools import compress, groupby
from pathlib import Path
from types import NoneType
from typing import NamedTuple, TypeAlias
from urllib.parse import quote
from weakref import WeakSet

from fairlead.core.errors import LedgerError
from fairlead.edge.store.database import Row, Values
from fairlead.edge.store.new import made_new
from fairlead.edge.store.version import APPLICATION_ID, VERSION, refuse_newer

_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\x00"
_MINE_ONLY = 0o600  # a ledger holds what people wrote

_PRAGMAS = (
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",
    # A checkpoint waits for the disk: one for every 16 MB written, and the log goes back to that size after a big one.
    "PRAGMA wal_autocheckpoint = 4096",
    "PRAGMA journal_size_limit = 16777216",
)

_FULL = (
    "The disk is full, or a limit on file sizes was reached, while writing {where}; make room and run the same command"
    " again: nothing already accepted is lost."
)
_BUSY = "The ledger {where} is in use by another process and stayed locked for {wait:g} s; let it finish, then run this again."
_READ_ONLY = "The ledger {where} cannot be written: the file, its folder or the disk is read-only. Copy it to a folder you can write to."
_DAMAGED = "The ledger {where} is damaged ({error}); put back a copy made with `fairlead ledger backup`."
_FAILED = "The disk did not do what it was asked with {where} ({error}); nothing already accepted is lost."

# The first prefix of SQLite's error name that fits says what to tell.
_LINES = (
    ("SQLITE_BUSY", _BUSY),
    ("SQLITE_LOCKED", _BUSY),
    ("SQLITE_FULL", _FULL),
    ("SQLITE_IOERR_WRITE", _FULL),
    ("SQLITE_IOERR_SHMSIZE", _FULL),
    (
        "SQLITE_READONLY_DBMOVED",
        "The ledger {where} was moved or deleted while in use; put it back and run this again.",
    ),
    ("SQLITE_READONLY", _READ_ONLY),
    ("SQLITE_CANTOPEN", _READ_ONLY),
    ("SQLITE_PERM", _READ_ONLY),
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_NOTADB", _DAMAGED),
    ("SQLITE_IOERR", _FAILED),
)


@contextmanager
def _explained(where: str, *, wait_s: float) -> Generator[None]:
    """Turn what SQLite says into a line for the reader; what is a bug stays as it is."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        for prefix, line in _LINES:
            if name.startswith(prefix):
                raise LedgerError(line.format(where=where, wait=wait_s, error=error)) from error
        raise


_Kinds: TypeAlias = tuple[type, ...]


def _kinds(row: Values) -> _Kinds:
    """Of which types the values of a row are."""
    return tuple(map(type, row))


class _Binding(NamedTuple):
    """How rows whose values are of the same types are bound: by which statement, and by what of them.

    `sqlite3` looks for an adapter for every `None` and every `bytes` it is given, at up to 2 us each: more than the rest of
    the row takes. What is written into the statement, and a `bytearray`, is bound at once.
    """

    sql: str
    there: tuple[bool, ...]
    packed: tuple[int, ...]

    def bound(self, row: Values) -> Values:
        """What is bound of a row."""
        values = [*compress(row, self.there)]
        for place in self.packed:
            values[place] = bytearray(values[place])
        return values


@lru_cache(maxsize=1024)
def _binding(sql: str, kinds: _Kinds) -> _Binding:
    there = tuple(kind is not NoneType for kind in kinds)
    packed = tuple(place for place, kind in enumerate(compress(kinds, there)) if kind is bytes)
    if all(there):
        return _Binding(sql, there, packed)
    marks = ["?" if is_there else "NULL" for is_there in there]
    said = "".join(part + mark for part, mark in zip(sql.split("?"), [*marks, ""], strict=True))
    return _Binding(said, there, packed)


class SqliteTransaction:
    """One write on a SQLite connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """The rows that a query finds."""
        return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, values: Values = ()) -> int:
        """Run a statement; how many rows it touched."""
        return self._connection.execute(sql, values).rowcount

    def change_each(self, sql: str, rows: Sequence[Values]) -> int:
        """Run a statement once per row of values; how many rows it touched in all."""
        touched = 0
        for kinds, run in groupby(rows, key=_kinds):
            binding = _binding(sql, kinds)
            touched += self._connection.executemany(binding.sql, map(binding.bound, run)).rowcount
        return touched


_OPENING = threading.Lock()
_OPEN: WeakSet[SqliteDatabase] = WeakSet()
"""What this process has open."""


def _inode(path: Path) -> tuple[int, int] | None:
    """What tells a file from every other on this machine, whatever it is called."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class SqliteDatabase:
    """A ledger file; `wait_s` is how long it waits for a lock that another process holds."""

    def __init__(self, where: str | Path, *, create: bool, wait_s: float) -> None:
        self.where = _readable(where)
        self._wait_s = wait_s
        self._lock = threading.RLock()
        self._path = Path(os.path.abspath(where))  # noqa: PTH100 - resolve() would follow links, which are the user's
        # POSIX drops every lock that a process has on a file as soon as it closes the file once, however it opened it: a ledger that
        # this process has open must not be looked at from outside SQLite, or another process would take itself for the last one,
        # fold the write-ahead log away under our hands, and what we wrote from then on would be seen by nobody.
        with _OPENING, _explained(self.where, wait_s=wait_s):
            self._prepare(create=create)
            self._connection = self._connect()
            self.inode = _inode(self._path)
            _OPEN.add(self)
        self._transaction = SqliteTransaction(self._connection)

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """The rows that a query finds."""
        with self._lock, _explained(self.where, wait_s=self._wait_s):
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def write(self) -> Generator[SqliteTransaction]:
        """One transaction: kept when the block ends, undone when it raises."""
        with self._lock, _explained(self.where, wait_s=self._wait_s):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._transaction
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise

    def spare_memory(self, *, most_mb: int) -> None:
        """Hold at most so much of the file in memory: for a process that runs all day and seldom reads."""
        with self._lock:
            self._connection.execute(f"PRAGMA cache_size = {-1024 * most_mb:d}")

    def erasing(self) -> None:
        """Have SQLite overwrite what it deletes."""
        with self._lock:
            self._connection.execute("PRAGMA secure_delete = ON")

    def scrub(self) -> None:
        """Rewrite the file without what was deleted and empty the write-ahead log."""
        with self._lock, _explained(self.where, wait_s=self._wait_s):
            self._connection.execute("VACUUM")
            blocked = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if blocked:
            message = (
                f"Erased from the ledger {self.where}, but another process is reading it, so old pages are still in its"
                " -wal file; close that process and run the same command again."
            )
            raise LedgerError(message)

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file, while others may write."""
        if path.exists():
            raise LedgerError(
                f"{_readable(path)} already exists; name a file that does not, so that nothing is overwritten."
            )
        part = path.with_name(f"{path.name}.part")
        try:
            _make(part, exclusive=False)
            with self._lock, _explained(_readable(path), wait_s=self._wait_s), closing(sqlite3.connect(part)) as copy:
                self._connection.backup(copy)
            _to_disk(part)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)

    def bytes_used(self) -> int:
        """The file with its write-ahead log."""
        files = (self._path, _beside(self._path, "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def bytes_held(self) -> int:
        """The pages in use; the others are used again before the file grows."""
        pages, free, size = (
            self.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def close(self) -> None:
        """Let go of the file; the last process to do so folds the write-ahead log into it."""
        with self._lock:
            self._connection.close()
            _OPEN.discard(self)

    def _prepare(self, *, create: bool) -> None:
        """See that there is a ledger of this version at the path, or refuse before anything is touched."""
        _refuse_what_is_no_file(self._path, self.where)
        if any(each.inode == _inode(self._path) for each in [*_OPEN]):
            return
        header = _header(self._path, self.where)
        if not header:
            if not create:
                raise LedgerError(
                    f"There is no ledger at {self.where}; `fairlead scan logs/` makes one, or name another with --ledger."
                )
            _make(self._path, exclusive=True)
        elif not header.startswith(_MAGIC) or int.from_bytes(header[68:72], "big") != APPLICATION_ID:
            raise LedgerError(
                f"{self.where} is not a Fairlead ledger; it was left untouched. Name another file with --ledger."
            )
        refuse_newer(int.from_bytes(header[60:64], "big"), where=self.where)
        if self._version() != VERSION:
            self._upgrade()

    def _version(self) -> int:
        """The version with what the write-ahead log holds, read without changing a byte."""
        with closing(
            sqlite3.connect(f"file:{quote(os.fsencode(self._path))}?mode=ro", uri=True, timeout=self._wait_s)
        ) as look:
            version = int(look.execute("PRAGMA user_version").fetchone()[0])
        refuse_newer(version, where=self.where)
        return version

    def _upgrade(self) -> None:
        """Bring the file to this version in one transaction: a kill leaves the old version or the new one."""
        if made_new(self._bare_connection):
            return
        from fairlead.edge.store.upgrade import upgrade_sqlite  # noqa: PLC0415 - Alembic loads slowly and is rarely needed

        upgrade_sqlite(self._bare_connection)

    def _bare_connection(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path, timeout=self._wait_s, isolation_level=None, check_same_thread=False, cached_statements=256
        )

    def _connect(self) -> sqlite3.Connection:
        connection = self._bare_connection()
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            for pragma in _PRAGMAS:
                connection.execute(pragma)
        except BaseException:
            connection.close()
            raise
        if mode != "wal":
            connection.close()
            raise LedgerError(
                f"The disk under {self.where} cannot be shared between processes (no WAL); use a local disk."
            )
        return connection


def _readable(path: str | Path) -> str:
    """A path for a message: on one line, whatever bytes it holds."""
    text = str(path).encode("utf-8", "replace").decode()
    return text if text.isprintable() else repr(text)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _refuse_what_is_no_file(path: Path, where: str) -> None:
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise LedgerError(
                f"The folder {_readable(path.parent)} does not exist; make it, or name another file with --ledger."
            ) from None
        return
    except (OSError, ValueError) as error:
        raise LedgerError(f"The ledger {where} cannot be opened: {_reason(error)}.") from error
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "not a regular file"
        raise LedgerError(f"{where} is {what}; name a file with --ledger.")
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
        raise LedgerError(_READ_ONLY.format(where=where))


def _header(path: Path, where: str) -> bytes:
    """The first bytes of the file; none when it is missing or empty."""
    try:
        with path.open("rb") as file:
            return file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise LedgerError(f"The ledger {where} cannot be read: {_reason(error)}.") from error


def _make(path: Path, *, exclusive: bool) -> None:
    """Make an empty file that only its owner reads, where there is none yet."""
    flags = os.O_CREAT | os.O_WRONLY | (0 if exclusive else os.O_TRUNC)
    try:
        os.close(os.open(path, flags, _MINE_ONLY))
    except OSError as error:
        raise LedgerError(f"{_readable(path)} cannot be made: {_reason(error)}.") from error


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
