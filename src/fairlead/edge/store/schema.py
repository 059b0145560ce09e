"""The ledger's tables as they are now. The migrations lead here, and a test holds them to it.

Times are microseconds since 1970 in UTC; `record` and `design` are JSON as bytes; bodies are compressed. Texts that a
log brought are escaped where a database could not hold them (see `codec`).
"""

from __future__ import annotations

import sqlalchemy as sa

# Constraints have names so that a later migration can speak of them in both databases.
metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)

# SQLite numbers rows by itself only when the type is exactly INTEGER.
Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_SECONDS: sa.Double[float] = sa.Double()


def _numbered() -> sa.Column[int]:
    return sa.Column("seq", Number, sa.Identity(), primary_key=True)


def _usage() -> list[sa.Column[int]]:
    names = (
        "fresh", "cache_read", "cache_write_5m", "cache_write_1h", "visible", "reasoning", "audio_in", "image_in", "audio_out",
    )  # fmt: skip
    return [sa.Column(name, sa.BigInteger) for name in names]


def _where_known(name: str) -> sa.Index:
    """An index without the rows that have nothing there: most traffic names neither user nor conversation."""
    known = sa.text(f"{name} IS NOT NULL")
    return sa.Index(f"ix_exchanges_{name}", name, sqlite_where=known, postgresql_where=known)


bodies = sa.Table(
    "bodies",
    metadata,
    sa.Column("id", Number, sa.Identity(), primary_key=True),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

exchanges = sa.Table(
    "exchanges",
    metadata,
    _numbered(),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("row_hash", sa.Text, nullable=False, unique=True),
    sa.Column("request_key", sa.Text, nullable=False),
    sa.Column("workload_id", sa.Text),
    sa.Column("prompt_id", sa.Text),
    sa.Column("dialect", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("provider", sa.Text),
    sa.Column("tier", sa.Text),
    *_usage(),
    sa.Column("started_us", sa.BigInteger),
    sa.Column("latency_s", _SECONDS),
    sa.Column("first_token_s", _SECONDS),
    sa.Column("failure", sa.Text),
    sa.Column("fidelity", sa.Text),
    sa.Column("conversation", sa.Text),
    sa.Column("step", sa.BigInteger),
    sa.Column("made_for", sa.Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("metadata", sa.LargeBinary, nullable=False),
    sa.Column("served", sa.Text),
    sa.Column("request_body", sa.BigInteger, sa.ForeignKey("bodies.id"), nullable=False, index=True),
    sa.Column("response_body", sa.BigInteger, sa.ForeignKey("bodies.id"), nullable=False, index=True),
    sa.Index("ix_exchanges_workload", "workload_id", "seq"),
    _where_known("conversation"),
    _where_known("made_for"),
    sqlite_autoincrement=True,  # a number is never given twice, also after the last exchange was forgotten
)

workloads = sa.Table(
    "workloads",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

pilots = sa.Table(
    "pilots",
    metadata,
    _numbered(),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("design", sa.LargeBinary, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)

draws = sa.Table(
    "draws",
    metadata,
    sa.Column("pilot_id", sa.Text, sa.ForeignKey("pilots.id"), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("exchange_id", sa.Text, nullable=False, index=True),
    sqlite_with_rowid=False,
)

on_file = sa.Table(
    "on_file",
    metadata,
    sa.Column("pilot_id", sa.Text, sa.ForeignKey("pilots.id"), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("exchange_id", sa.Text, nullable=False, index=True),
    sa.Column("closed", sa.BigInteger),
    sa.Column("segments", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("asker_id", sa.Text, primary_key=True),
    sa.Column("request_key", sa.Text, primary_key=True),
    sa.Column("body", sa.BigInteger, sa.ForeignKey("bodies.id"), nullable=False, index=True),
    *_usage(),
    sa.Column("latency_s", _SECONDS),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

pairs = sa.Table(
    "pairs",
    metadata,
    sa.Column("pilot_id", sa.Text, sa.ForeignKey("pilots.id"), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("exchange_id", sa.Text, nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("judge_id", sa.Text, primary_key=True),
    sa.Column("question_key", sa.Text, primary_key=True),
    sa.Column("exchange_id", sa.Text, nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

preferences = sa.Table(
    "preferences",
    metadata,
    _numbered(),
    sa.Column("pilot_id", sa.Text, sa.ForeignKey("pilots.id"), nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("exchange_id", sa.Text, nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("pilot_id", "position", "reviewer"),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    _numbered(),
    sa.Column("pilot_id", sa.Text, sa.ForeignKey("pilots.id"), nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)


def _diary(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        _numbered(),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
    )


def _sums(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


# What the gateway saw, added up as it came: no page, budget or view ever reads the exchanges for it. Money is in millionths
# of a millionth of a dollar, which adds exactly; `spread` holds histograms.
rollups = sa.Table(
    "rollups",
    metadata,
    sa.Column("hour_us", sa.BigInteger, primary_key=True),
    sa.Column("workload_id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("served", sa.Text, primary_key=True),
    *_sums("calls", "errors", "closed", "unmetered", "unpriced"),
    *_sums("fresh", "cache_read", "cache_write", "visible", "reasoning", "cost", "instead", "latency_us"),
    sa.Column("spread", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

spend = sa.Table(
    "spend",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("day_us", sa.BigInteger, primary_key=True),
    *_sums("calls", "tokens", "cost", "unpriced"),
    sqlite_with_rowid=False,
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)

plans = _diary("plans")
scans = _diary("scans")

routes = sa.Table(
    "routes",
    metadata,
    sa.Column("workload_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

steps = sa.Table(
    "steps",
    metadata,
    _numbered(),
    sa.Column("workload_id", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("workload_id", "number"),
)

route_states = sa.Table(
    "route_states",
    metadata,
    sa.Column("workload_id", sa.Text, primary_key=True),
    sa.Column("run", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("workload_id", sa.Text, primary_key=True),
    sa.Column("run", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("unit", sa.Text, primary_key=True),
    sa.Column("is_first", sa.Boolean, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

watched = sa.Table(
    "watched",
    metadata,
    _numbered(),
    sa.Column("workload_id", sa.Text, nullable=False),
    sa.Column("run", sa.BigInteger, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("exchange_id", sa.Text, nullable=False, index=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("ix_watched_route", "workload_id", "run", "stage"),
)

alerts = sa.Table(
    "alerts",
    metadata,
    _numbered(),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("tries", sa.BigInteger, nullable=False),
    sa.Column("due_us", sa.BigInteger),
    sa.Column("told", sa.Boolean),
)

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("approved_us", sa.BigInteger, nullable=False),
)

state = sa.Table(
    "state",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
