"""The migrations lead to the schema, in both databases."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fairlead.edge.store import schema, upgrade
from fairlead.edge.store.database import TABLES
from fairlead.edge.store.version import REVISION, VERSION_TABLE


def engine_of(where):
    if "postgresql" in str(where):
        return sa.create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.connect(where), poolclass=sa.pool.NullPool
        )
    return sa.create_engine(f"sqlite:///{where}", poolclass=sa.pool.NullPool)


def test_the_migrations_make_what_the_schema_says(where):
    with engine_of(where).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, schema.metadata) == []


def test_the_last_migration_is_the_version_this_fairlead_knows():
    assert ScriptDirectory.from_config(upgrade.config()).get_heads() == [REVISION]


def test_every_table_is_known_to_the_databases():
    assert set(TABLES) == set(schema.metadata.tables)


@pytest.mark.parametrize("table", ["exchanges", "draws", "pairs", "replies"])
def test_the_keys_of_the_schema_are_the_keys_of_the_migrations(where, table):
    inspector = sa.inspect(engine_of(where))
    expected = [column.name for column in schema.metadata.tables[table].primary_key.columns]
    assert inspector.get_pk_constraint(table)["constrained_columns"] == expected
