"""The ledger file: what is taken for one, what is refused untouched, and what the reader is told."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge.store.samples import exchange
from fairlead.core.errors import LedgerError, LedgerTooNew, UsageError
from fairlead.edge.control.process import OpenLedger
from fairlead.edge.store import Ledger
from fairlead.edge.store.version import APPLICATION_ID, VERSION


def refusal(path, **options):
    """What opening says, having checked that it left every byte where it was."""
    before = {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path, **options)
    assert {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()} == before
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_missing_ledger_is_made(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        ledger.append_exchanges([exchange()])
    assert sqlite3.connect(tmp_path / "fairlead.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_only_its_owner_can_read_a_ledger_and_its_backup(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        ledger.append_exchanges([exchange()])
        ledger.backup(tmp_path / "copy.db")
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_an_empty_file_becomes_a_ledger(tmp_path):
    (tmp_path / "fairlead.db").touch()
    with Ledger.open(tmp_path / "fairlead.db", create=True) as ledger:
        assert ledger.size().exchanges == 0


@pytest.mark.parametrize(
    "name", ["a b.db", "what?.db", "naïve – 台帳.db", "50%.db", "file:x?mode=ro", "a'b\"c#d.db", ":memory:"]
)
def test_any_file_name_will_do(tmp_path, name):
    for create in (True, False):
        with Ledger.open(tmp_path / name, create=create) as ledger:
            ledger.append_exchanges([exchange()])
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_name_that_is_not_text_will_do(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.db"))
    with Ledger.open(path) as ledger:
        ledger.append_exchanges([exchange()])
    with Ledger.open(path, create=False) as ledger:
        assert ledger.size().exchanges == 1


def test_a_relative_name_means_the_same_file_after_the_folder_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Ledger.open("fairlead.db") as ledger:
        monkeypatch.chdir("/")
        ledger.append_exchanges([exchange()])
        assert ledger.size().disk_bytes > 10_000


@pytest.mark.parametrize("slashes", ["sqlite:///", "sqlite:////"])
def test_a_sqlite_url_names_a_file(tmp_path, monkeypatch, slashes):
    monkeypatch.chdir(tmp_path)
    name = "our%20log.db" if slashes == "sqlite:///" else f"{str(tmp_path)[1:]}/our%20log.db"
    Ledger.open(slashes + name).close()
    assert (tmp_path / "our log.db").exists()


@pytest.mark.parametrize("url", ["mysql://host/x", "sqlite://", "redis://host"])
def test_other_urls_are_refused(url):
    with pytest.raises(UsageError, match=r"name a file|names no file"):
        Ledger.open(url)


def test_a_missing_ledger_is_not_made_when_only_reading(tmp_path):
    assert "There is no ledger at" in str(refusal(tmp_path / "fairlead.db", create=False))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path):
    assert f"The folder {tmp_path}/nowhere does not exist" in str(refusal_in_nowhere(tmp_path))


def refusal_in_nowhere(tmp_path):
    with pytest.raises(LedgerError) as caught:
        Ledger.open(tmp_path / "nowhere" / "fairlead.db")
    return caught.value


def test_a_folder_is_no_ledger(tmp_path):
    with pytest.raises(LedgerError, match="is a folder"):
        Ledger.open(tmp_path)


def test_a_pipe_is_no_ledger(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LedgerError, match="is not a regular file"):
        Ledger.open(tmp_path / "pipe")


def test_a_name_too_long_is_refused_in_one_line(tmp_path):
    with pytest.raises(LedgerError, match="cannot be opened: file name too long"):
        Ledger.open(tmp_path / ("x" * 300))


@pytest.mark.parametrize("content", [b"request,response\n", b"\x00" * 5000, b"SQLite format 3\x00", os.urandom(4096)])
def test_a_file_that_is_not_a_ledger_is_left_untouched(tmp_path, content):
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    assert "is not a Fairlead ledger" in str(refusal(path))


def test_another_programs_database_is_left_untouched(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE exchanges (id)")
    connection.close()
    assert "is not a Fairlead ledger" in str(refusal(path))


def newer(path, version=VERSION + 1):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("CREATE TABLE of_the_future (id)")
    return connection


def test_a_ledger_of_a_newer_fairlead_is_left_untouched(path):
    newer(path).close()
    error = refusal(path)
    assert isinstance(error, LedgerTooNew)
    assert f"ledger version {VERSION + 1}, this one reads up to {VERSION}" in str(error)


def test_a_newer_ledger_is_recognised_also_in_its_write_ahead_log(tmp_path, path):
    """As a newer Fairlead leaves it when it is killed between its commit and its checkpoint."""
    connection = newer(path)
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
    connection.close()
    killed = tmp_path / "killed"
    killed.mkdir()
    for name, content in files.items():
        (killed / name).write_bytes(content)
    assert int.from_bytes((killed / path.name).read_bytes()[60:64], "big") == VERSION
    with pytest.raises(LedgerTooNew):
        Ledger.open(killed / path.name)
    assert {name: (killed / name).read_bytes() for name in files} == files


def test_the_file_says_what_it_is(path):
    header = path.read_bytes()[:100]
    assert header[68:72] == APPLICATION_ID.to_bytes(4, "big") == b"FLed"


def test_a_damaged_ledger_says_what_would_help(path):
    with Ledger.open(path) as ledger:
        ledger.append_exchanges(exchange(number, said=f"{number}" * 100) for number in range(300))
    content = bytearray(path.read_bytes())
    content[8192 : len(content) // 2] = os.urandom(len(content) // 2 - 8192)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"damaged .*ledger backup"), Ledger.open(path) as ledger:
        list(ledger.exchanges())


def test_a_damaged_body_is_never_taken_for_what_was_said(path):
    with Ledger.open(path) as ledger:
        ledger.append_exchanges([exchange()])
        with sqlite3.connect(path) as other:
            other.execute("UPDATE bodies SET data = (SELECT data FROM bodies ORDER BY id DESC LIMIT 1)")
        other.close()
        with pytest.raises(LedgerError, match=r"A message body .* is damaged"):
            ledger.exchange("e1")


def test_a_locked_ledger_says_so_after_the_wait(path):
    with Ledger.open(path, wait_s=0.05) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match=r"in use by another process and stayed locked for 0\.05 s"):
            ledger.append_exchanges([exchange()])
        assert list(ledger.exchanges()) == []
        other.execute("ROLLBACK")
        other.close()
        assert ledger.append_exchanges([exchange()]) == 1


AS_NOBODY = """
import os, sys
from fairlead.core.errors import LedgerError
from fairlead.edge.store import Ledger
os.setgid(65534); os.setuid(65534)
try:
    Ledger.open(sys.argv[1]).set_state("x", 1)
except LedgerError as error:
    print(error)
"""


def said_to_someone_without_rights(path):
    """What a process hears that may read the ledger's folder but not write there."""
    if os.getuid() == 0:
        for folder in list(path.parents)[:-2]:
            folder.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, path], capture_output=True, text=True, check=True)
        return done.stdout
    path.parent.chmod(0o555)
    try:
        with pytest.raises(LedgerError) as caught:
            Ledger.open(path)
        return str(caught.value)
    finally:
        path.parent.chmod(0o755)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    assert "cannot be made: permission denied" in said_to_someone_without_rights(tmp_path / "fairlead.db")


def test_a_ledger_that_cannot_be_written_is_refused(path):
    path.chmod(0o444)
    assert "cannot be written" in said_to_someone_without_rights(path)


def test_a_backup_is_a_ledger_in_one_file(tmp_path, file_ledger):
    file_ledger.append_exchanges([exchange()])
    file_ledger.backup(tmp_path / "copy.db")
    file_ledger.append_exchanges([exchange(2)])
    assert sorted(file.name for file in tmp_path.iterdir() if "copy" in file.name) == ["copy.db"]
    with Ledger.open(tmp_path / "copy.db", create=False) as copy:
        assert list(copy.exchanges()) == [exchange()]


def test_a_backup_overwrites_nothing(tmp_path, file_ledger):
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(LedgerError, match="already exists"):
        file_ledger.backup(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_a_backup_into_a_missing_folder_leaves_nothing_behind(tmp_path, file_ledger):
    with pytest.raises(LedgerError, match="cannot be made"):
        file_ledger.backup(tmp_path / "nowhere" / "copy.db")


def test_a_current_ledger_opens_without_loading_alembic(path):
    program = (
        "import sys; from fairlead.edge.store import Ledger; Ledger.open(sys.argv[1]).close();"
        " print([name for name in ('sqlalchemy', 'alembic', 'psycopg', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


ELSEWHERE = """
import sys
from fairlead.edge.store import Ledger
with Ledger.open(sys.argv[1]) as ledger:
    print(ledger.size().exchanges)
"""


def seen_by_another_process(path):
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, str(path)], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_a_ledger_that_is_opened_twice_in_one_process_is_not_folded_away_by_another(path):
    with Ledger.open(path) as first:
        first.append_exchanges([exchange(0)])
        Ledger.open(path).close()  # as a second thread does that was quicker than it knew
        assert seen_by_another_process(path) == 1
        assert path.with_name("fairlead.db-wal").exists(), "the other process is not the last one"
        first.append_exchanges([exchange(1)])
        assert seen_by_another_process(path) == 2


def test_threads_that_ask_for_the_ledger_at_once_get_the_same_one(path):
    opened, together = OpenLedger(str(path)), threading.Barrier(4)

    def ask(_):
        together.wait()
        return opened()

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, range(4)))
    assert len({id(each) for each in found}) == 1
    opened.close()
