"""Ledgers to test: each test gets an empty one in a file, and the same again in a real PostgreSQL server."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

import machine
from fairlead.edge.store import Ledger
from fairlead.edge.store.database import TABLES


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory):
    """An empty ledger, made once; tests take copies, for making one takes a moment."""
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    Ledger.open(path).close()
    return path


@pytest.fixture
def path(tmp_path, empty_file):
    """The path of an empty ledger."""
    return Path(shutil.copy(empty_file, tmp_path / "fairlead.db"))


class Server:
    """A PostgreSQL server of our own, without a network port."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        # The server refuses to run as root, so there another user runs it.
        self._user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def start(self) -> None:
        self._run("initdb", "-U", "fairlead", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        settings = f"-k '{self.folder}' -c listen_addresses='' -F"
        self._run("pg_ctl", "start", "-w", "-s", "-l", str(self.folder / "log"), "-o", settings)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate")

    def url(self, name: str) -> str:
        return f"postgresql://fairlead@/{name}?host={self.folder}"

    def new(self, name: str) -> str:
        """The URL of a database of this name, made for the occasion."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", self.folder / "data", *arguments]
        other = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        done = subprocess.run(
            command, check=False, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **other
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def server():
    """A running PostgreSQL server, or a skip that says what is missing."""
    found = machine.program("postgres", package="postgresql", elsewhere="/usr/lib/postgresql/*/bin/postgres")
    folder = Path(tempfile.mkdtemp(prefix="ledger-"))
    server = Server(folder, Path(found).resolve().parent)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def only_database(server):
    """The URL of a ledger in PostgreSQL, made once."""
    url = server.new("ledger")
    Ledger.open(url).close()
    return url


@pytest.fixture
def url(only_database):
    """The URL of an empty ledger in PostgreSQL."""
    with psycopg.connect(only_database) as connection:
        connection.execute(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")
    return only_database


@pytest.fixture(params=["path", "url"])
def where(request):
    """Where an empty ledger is: in a file, then in PostgreSQL."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def ledger(where):
    """An empty ledger, in either database."""
    with Ledger.open(where) as opened:
        yield opened


@pytest.fixture
def file_ledger(path):
    """An empty ledger in a file."""
    with Ledger.open(path) as opened:
        yield opened
