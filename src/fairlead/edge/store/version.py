"""Which shape the ledger has: known here so that a current ledger opens without loading Alembic.

A SQLite ledger carries `APPLICATION_ID` and its version in the first hundred bytes of the file, where they are read
before SQLite touches anything. PostgreSQL keeps the version in the table that Alembic keeps.
"""

from __future__ import annotations

from fairlead.core.errors import LedgerTooNew

VERSION_TABLE = "fairlead_version"
REVISION = "0001"
VERSION = int(REVISION)
APPLICATION_ID = int.from_bytes(b"FLed", "big")


def refuse_newer(found: int, *, where: str) -> None:
    """Raise `LedgerTooNew` when `found` is a version this Fairlead does not know."""
    if found > VERSION:
        message = (
            f"The ledger {where} was written by a newer Fairlead (ledger version {found}, this one reads up to {VERSION});"
            " it was left untouched. Update Fairlead, or name another ledger with --ledger."
        )
        raise LedgerTooNew(message)
