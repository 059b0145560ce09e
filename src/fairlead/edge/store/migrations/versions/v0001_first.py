"""The first ledger: exchanges with their bodies, workloads, and what pilots and plans found.

A migration is never changed once released: it says what was, `schema` says what is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SECONDS: sa.Double[float] = sa.Double()


def upgrade() -> None:
    """Make the tables."""
    _exchanges()
    _workloads()
    _pilots()
    _routes()
    _gateway()
    for name in ("plans", "scans"):
        op.create_table(name, *_diary(), sa.PrimaryKeyConstraint("seq", name=f"pk_{name}"))
    op.create_table(
        "hosts",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("approved_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_hosts"),
    )
    op.create_table(
        "state",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_state"),
    )


def _numbered(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False)


def _usage() -> list[sa.Column[int]]:
    names = (
        "fresh", "cache_read", "cache_write_5m", "cache_write_1h", "visible", "reasoning", "audio_in", "image_in", "audio_out",
    )  # fmt: skip
    return [sa.Column(name, sa.BigInteger()) for name in names]


def _diary() -> list[sa.Column[int] | sa.Column[bytes]]:
    return [
        _numbered("seq"),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
    ]


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    other = target.partition(".")[0]
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}_{other}")


def _exchanges() -> None:
    op.create_table(
        "bodies",
        _numbered("id"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bodies"),
        sa.UniqueConstraint("hash", name="uq_bodies_hash"),
    )
    op.create_table(
        "exchanges",
        _numbered("seq"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "row_hash", "request_key")),
        *(sa.Column(name, sa.Text()) for name in ("workload_id", "prompt_id")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("dialect", "endpoint", "model")),
        sa.Column("provider", sa.Text()),
        sa.Column("tier", sa.Text()),
        *_usage(),
        sa.Column("started_us", sa.BigInteger()),
        sa.Column("latency_s", _SECONDS),
        sa.Column("first_token_s", _SECONDS),
        *(sa.Column(name, sa.Text()) for name in ("failure", "fidelity", "conversation")),
        sa.Column("step", sa.BigInteger()),
        sa.Column("made_for", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("metadata", sa.LargeBinary(), nullable=False),
        sa.Column("served", sa.Text()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("request_body", "response_body")),
        _foreign("exchanges", "request_body", "bodies.id"),
        _foreign("exchanges", "response_body", "bodies.id"),
        sa.PrimaryKeyConstraint("seq", name="pk_exchanges"),
        sa.UniqueConstraint("id", name="uq_exchanges_id"),
        sa.UniqueConstraint("row_hash", name="uq_exchanges_row_hash"),
        sqlite_autoincrement=True,
    )
    for column in ("request_body", "response_body"):
        op.create_index(f"ix_exchanges_{column}", "exchanges", [column])
    for column in ("conversation", "made_for"):
        known = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_exchanges_{column}", "exchanges", [column], sqlite_where=known, postgresql_where=known)
    op.create_index("ix_exchanges_workload", "exchanges", ["workload_id", "seq"])


def _workloads() -> None:
    op.create_table(
        "workloads",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workloads"),
    )


def _pilots() -> None:
    op.create_table(
        "pilots",
        _numbered("seq"),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("design", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_pilots"),
        sa.UniqueConstraint("id", name="uq_pilots_id"),
    )
    _of_a_pilot("draws")
    _of_a_pilot(
        "on_file", sa.Column("closed", sa.BigInteger()), sa.Column("segments", sa.LargeBinary(), nullable=False)
    )
    _of_a_pilot("pairs", sa.Column("record", sa.LargeBinary(), nullable=False))
    op.create_table(
        "replies",
        sa.Column("asker_id", sa.Text(), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("body", sa.BigInteger(), nullable=False),
        *_usage(),
        sa.Column("latency_s", _SECONDS),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        _foreign("replies", "body", "bodies.id"),
        sa.PrimaryKeyConstraint("asker_id", "request_key", name="pk_replies"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_replies_body", "replies", ["body"])
    _judging()
    op.create_table(
        "verdicts",
        sa.Column("pilot_id", sa.Text(), nullable=False),
        *_diary(),
        _foreign("verdicts", "pilot_id", "pilots.id"),
        sa.PrimaryKeyConstraint("seq", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_pilot_id", "verdicts", ["pilot_id"])


def _of_a_run() -> list[sa.Column[str] | sa.Column[int]]:
    return [sa.Column("workload_id", sa.Text(), nullable=False), sa.Column("run", sa.BigInteger(), nullable=False)]


def _routes() -> None:
    op.create_table(
        "routes",
        sa.Column("workload_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workload_id", name="pk_routes"),
    )
    op.create_table(
        "steps",
        _numbered("seq"),
        sa.Column("workload_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_steps"),
        sa.UniqueConstraint("workload_id", "number", name="uq_steps_workload_id"),
    )
    op.create_table(
        "route_states",
        *_of_a_run(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workload_id", "run", "name", name="pk_route_states"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "claims",
        *_of_a_run(),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workload_id", "run", "unit", name="pk_claims"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "watched",
        _numbered("seq"),
        *_of_a_run(),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("exchange_id", sa.Text(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_watched"),
    )
    op.create_index("ix_watched_exchange_id", "watched", ["exchange_id"])
    op.create_index("ix_watched_route", "watched", ["workload_id", "run", "stage"])
    op.create_table(
        "alerts",
        _numbered("seq"),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger()),
        sa.Column("told", sa.Boolean()),
        sa.PrimaryKeyConstraint("seq", name="pk_alerts"),
    )


def _sums(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _gateway() -> None:
    op.create_table(
        "rollups",
        sa.Column("hour_us", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("workload_id", "model", "key_id", "served")),
        *_sums("calls", "errors", "closed", "unmetered", "unpriced"),
        *_sums("fresh", "cache_read", "cache_write", "visible", "reasoning", "cost", "instead", "latency_us"),
        sa.Column("spread", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hour_us", "workload_id", "model", "key_id", "served", name="pk_rollups"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spend",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("day_us", sa.BigInteger(), nullable=False),
        *_sums("calls", "tokens", "cost", "unpriced"),
        sa.PrimaryKeyConstraint("key_id", "day_us", name="pk_spend"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )


def _judging() -> None:
    op.create_table(
        "judgements",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("judge_id", "question_key", "exchange_id")),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("judge_id", "question_key", name="pk_judgements"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_judgements_exchange_id", "judgements", ["exchange_id"])
    op.create_table(
        "preferences",
        _numbered("seq"),
        sa.Column("pilot_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reviewer", "exchange_id")),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        _foreign("preferences", "pilot_id", "pilots.id"),
        sa.PrimaryKeyConstraint("seq", name="pk_preferences"),
        sa.UniqueConstraint("pilot_id", "position", "reviewer", name="uq_preferences_pilot_id"),
    )
    op.create_index("ix_preferences_exchange_id", "preferences", ["exchange_id"])


def _of_a_pilot(name: str, *more: sa.Column[bytes] | sa.Column[int]) -> None:
    op.create_table(
        name,
        sa.Column("pilot_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("exchange_id", sa.Text(), nullable=False),
        *more,
        _foreign(name, "pilot_id", "pilots.id"),
        sa.PrimaryKeyConstraint("pilot_id", "position", name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )
    op.create_index(f"ix_{name}_exchange_id", name, ["exchange_id"])
