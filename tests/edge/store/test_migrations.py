"""The migrations lead to the schema, in both databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fairlead.edge.store import schema, upgrade
from fairlead.edge.store.database import TABLES
from fairlead.edge.store.new import STATEMENTS, made_new
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


def test_a_new_file_is_what_all_migrations_make_of_an_empty_one():
    assert STATEMENTS.read_text("utf-8") == upgrade.statements(), "run: make schema"


def test_a_file_is_made_new_only_where_nothing_is(tmp_path):
    path = tmp_path / "a.db"

    def tables():
        with closing(sqlite3.connect(path)) as file:
            return file.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()

    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE older (id INTEGER)")
    assert not made_new(lambda: sqlite3.connect(path, isolation_level=None))
    assert tables() == [("older",)]
    path.unlink()
    assert made_new(lambda: sqlite3.connect(path, isolation_level=None))
    whole = tables()
    assert made_new(lambda: sqlite3.connect(path, isolation_level=None)), "another process was first"
    assert tables() == whole


def test_every_table_is_known_to_the_databases():
    assert set(TABLES) == set(schema.metadata.tables)


@pytest.mark.parametrize("table", ["exchanges", "draws", "pairs", "replies"])
def test_the_keys_of_the_schema_are_the_keys_of_the_migrations(where, table):
    inspector = sa.inspect(engine_of(where))
    expected = [column.name for column in schema.metadata.tables[table].primary_key.columns]
    assert inspector.get_pk_constraint(table)["constrained_columns"] == expected
