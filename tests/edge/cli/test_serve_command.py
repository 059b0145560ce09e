"""What `fairlead serve` looks up before its data planes start: whether any workload may be held to a route."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from fairlead.core.errors import UsageError
from fairlead.edge.app.classes import CLASSES
from fairlead.edge.cli.serve import may_have_routes, refuse_nowhere
from fairlead.edge.serve_settings import load
from fairlead.edge.store import Ledger


def test_a_gateway_that_could_keep_nothing_from_the_first_call_on_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        refuse_nowhere(str(tmp_path / "nowhere" / "a.db"))
    (tmp_path / "there.db").touch()
    refuse_nowhere(str(tmp_path / "new.db"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match=r"cannot be written\. Name another place with --ledger"):
        refuse_nowhere(str(tmp_path / "new.db"))
    refuse_nowhere(str(tmp_path / "there.db"))
    refuse_nowhere("postgresql://somewhere/fairlead")


def test_a_ledger_that_is_not_there_or_holds_no_route_makes_nobody_wait(tmp_path: Path) -> None:
    assert not may_have_routes(str(tmp_path / "none.db"))
    with Ledger.open(tmp_path / "new.db"):
        pass
    assert not may_have_routes(str(tmp_path / "new.db"))


def test_a_route_or_a_data_class_in_the_ledger_makes_calls_wait(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "class.db") as ledger:
        ledger.set_state(CLASSES, {"w1": "local"})
    assert may_have_routes(str(tmp_path / "class.db"))
    with Ledger.open(tmp_path / "route.db"):
        pass
    file = sqlite3.connect(tmp_path / "route.db")
    columns = [row[1:4] for row in file.execute("PRAGMA table_info(routes)")]
    values = {name: b"{}" if kind == "BLOB" else "w1" if kind == "TEXT" else 1 for name, kind, _ in columns}
    file.execute(f"INSERT INTO routes VALUES ({', '.join('?' * len(values))})", [*values.values()])
    file.commit()
    file.close()
    assert may_have_routes(str(tmp_path / "route.db"))


def test_a_ledger_that_cannot_be_looked_into_makes_calls_wait(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
    assert may_have_routes(str(tmp_path / "broken.db"))
    assert may_have_routes("postgresql://somewhere/fairlead")


@pytest.mark.parametrize("part", ['[serve.routes]\n"w1" = {}\n', '[privacy.workloads]\n"Contracts" = "local"\n'])
def test_settings_that_name_routes_or_data_classes_make_calls_wait(tmp_path: Path, part: str) -> None:
    path = tmp_path / "fairlead.toml"
    path.write_text("")
    assert not load(path).routes_first
    path.write_text(f'ledger = "mine.db"\n{part}')
    assert load(path).routes_first
    assert load(path).ledger == "mine.db"
