"""What Alembic runs around the migrations: the connection comes from `upgrade`, already in its transaction."""

from __future__ import annotations

from alembic import context

from fairlead.edge.store.schema import metadata
from fairlead.edge.store.version import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
