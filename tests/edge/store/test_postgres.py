"""What is particular to PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from edge.store.samples import exchange
from fairlead.core.errors import LedgerError, LedgerTooNew, UsageError
from fairlead.edge.store import Ledger
from fairlead.edge.store.postgres import without_password


@pytest.fixture
def bare(server, request):
    """The URL of a database with nothing in it, gone after the test."""
    name = "bare"
    yield server.new(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_ledger_is_made_in_an_empty_database(bare):
    with pytest.raises(LedgerError, match="There is no ledger in"):
        Ledger.open(bare, create=False)
    with Ledger.open(bare) as ledger:
        ledger.append_exchanges([exchange()])
    with Ledger.open(bare.replace("postgresql:", "postgresql+psycopg:"), create=False) as ledger:
        assert ledger.size().exchanges == 1


def test_a_database_with_other_tables_of_these_names_is_refused(bare):
    with psycopg.connect(bare) as connection:
        connection.execute("CREATE TABLE pairs (shoes int)")
    with pytest.raises(LedgerError, match="is not a Fairlead ledger but has tables named pairs"):
        Ledger.open(bare)
    with psycopg.connect(bare) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def test_a_ledger_of_a_newer_fairlead_is_refused(bare):
    Ledger.open(bare).close()
    with psycopg.connect(bare) as connection:
        connection.execute("UPDATE fairlead_version SET version_num = '9001'")
    with pytest.raises(LedgerTooNew, match="ledger version 9001"):
        Ledger.open(bare)


def test_a_lock_that_another_holds_is_waited_for_and_told_of(url):
    with Ledger.open(url, wait_s=0.05) as ledger, psycopg.connect(url) as other:
        other.execute("LOCK TABLE bodies IN EXCLUSIVE MODE")
        with pytest.raises(LedgerError, match=r"stayed locked for 0\.05 s"):
            ledger.append_exchanges([exchange()])
        other.rollback()
        assert ledger.append_exchanges([exchange()]) == 1


def test_a_broken_connection_is_told_of_and_made_anew(url):
    with Ledger.open(url) as ledger:
        ledger.append_exchanges([exchange()])
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'fairlead'"
            )
        with pytest.raises(LedgerError, match=r"connection to .* was lost"):
            ledger.size()
        assert ledger.size().exchanges == 1


def test_a_read_only_database_is_told_of(url):
    with Ledger.open(f"{url}&options=-cdefault_transaction_read_only%3Don") as ledger:
        with pytest.raises(LedgerError, match="is read-only"):
            ledger.append_exchanges([exchange()])
        assert ledger.size().exchanges == 0


def test_a_server_that_is_not_there_is_named_without_the_password():
    with pytest.raises(LedgerError, match="cannot be reached") as caught:
        Ledger.open("postgresql://ada:s3cret@127.0.0.1:1/ledger")
    assert "s3cret" not in str(caught.value)
    assert "postgresql://ada@127.0.0.1:1/ledger" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_url_that_makes_no_sense_is_refused():
    with pytest.raises(UsageError, match="is not a PostgreSQL URL"):
        Ledger.open("postgresql://host/ledger?nonsense=1")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:5/d", "postgresql://u@h:5/d"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://u:p%40@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"),
        ("postgresql://h/d?user=u&password=p", "postgresql://h/d"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert without_password(url) == shown


def test_a_backup_is_the_servers_business(url):
    with Ledger.open(url) as ledger, pytest.raises(UsageError, match="pg_dump"):
        ledger.backup(Path("copy"))
