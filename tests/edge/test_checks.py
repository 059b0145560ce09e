"""What `fairlead doctor` finds, on machines where something is missing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fairlead.edge import checks
from fairlead.edge.store import Ledger
from fairlead.testing.recorded import RecordedServer


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in checks.PROVIDER_KEYS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def found(name: str, **more: Any) -> checks.Check:
    every = checks.all_checks(**{"ledger": None, "config": None, "endpoints": [], **more})
    return next(check for check in every if check.name.startswith(name))


def test_a_machine_without_anything_is_told_what_each_missing_thing_is_for() -> None:
    every = checks.all_checks(ledger=None, config=None, endpoints=[])
    assert [check.name for check in every][:4] == ["Python", "settings", "ledger", "disk"]
    assert found("ledger").remedy == "`fairlead scan logs/` makes it."
    assert "--reask" in found("keys").remedy
    assert all(check.state != "missing" for check in every if check.name != "disk")
    assert not list(Path.cwd().iterdir()), "looking changes nothing"


def test_a_key_is_found_and_its_value_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-show")
    assert found("keys").finding == "found OPENAI_API_KEY."
    assert "sk-do-not-show" not in str(checks.all_checks(ledger=None, config=None, endpoints=[]))


def test_a_candidates_key_that_is_absent_is_missing(folder: Path) -> None:
    (folder / "fairlead.toml").write_text(
        "[candidates.q]\nendpoint = 'http://127.0.0.1:9/v1'\nmodel = 'm'\nkey_env = 'QWEN_KEY'\n"
    )
    check = found("key of candidate q")
    assert (check.state, check.remedy) == ("missing", "export QWEN_KEY=…")


def test_settings_that_cannot_be_read_are_missing_and_everything_else_is_still_looked_at(folder: Path) -> None:
    (folder / "fairlead.toml").write_text("leger = 3")
    assert found("settings").state == "missing"
    assert found("Python").state == "ok"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (b'[serve]\nport = "many"', "port must be a number"),
        (b"\xa2\xff", "not a text in UTF-8 (byte 1)"),
        (b"[pilot\nmargin =", "not valid TOML"),
    ],
)
def test_any_mistake_in_the_settings_is_told(folder: Path, written: bytes, says: str) -> None:
    (folder / "fairlead.toml").write_bytes(written)
    assert found("settings").state == "missing"
    assert says in found("settings").finding


def test_an_endpoint_that_is_no_address_is_told_from_one_that_is_silent() -> None:
    assert checks.endpoint("localhost:8000/v1").finding == "not an address."
    assert "http://localhost:8000/v1" in checks.endpoint("nonsense").remedy


def test_a_ledger_that_opens_says_how_much_it_keeps(folder: Path) -> None:
    with Ledger.open(folder / "fairlead.db"):
        pass
    assert found("ledger").finding == "fairlead.db opens; it keeps 0 exchanges."


def test_a_ledger_that_cannot_be_used_is_missing(folder: Path) -> None:
    (folder / "fairlead.db").write_bytes(b"something else entirely" * 100)
    assert found("ledger").state == "missing"


def test_a_folder_where_no_ledger_can_be_made_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    assert (found("ledger").state, found("ledger").remedy) == ("missing", "Name another place with --ledger.")


def test_little_disk_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LITTLE_DISK", 10**18)
    assert found("disk").state == "missing"
    assert "make room" in found("disk").remedy


def test_an_old_price_list_is_noted() -> None:
    assert checks.prices(datetime(2090, 1, 1, tzinfo=UTC)).state == "note"


def test_a_sandbox_is_only_needed_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert (found("sandbox").state, "bubblewrap" in found("sandbox").remedy) == ("note", True)


def models(*names: str) -> Response:
    return JSONResponse({"object": "list", "data": [{"id": name} for name in names]})


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [
        (lambda: models("a", "b"), "ok", "models: a, b."),
        (models, "ok", "models: none."),
        (lambda: JSONResponse([], status_code=401), "note", "wants a key"),
        (lambda: PlainTextResponse("no", status_code=500), "note", "HTTP 500"),
        (lambda: PlainTextResponse("<html>"), "note", "not in OpenAI's form"),
        (lambda: JSONResponse({"data": 3}), "note", "not in OpenAI's form"),
        (lambda: JSONResponse([]), "note", "not in OpenAI's form"),
    ],
)
def test_an_endpoint_is_asked_for_its_models_only(answer: Callable[[], Response], state: str, says: str) -> None:
    async def endpoint(request: Any) -> Response:
        return answer()

    with RecordedServer(Starlette(routes=[Route("/v1/models", endpoint)])) as server:
        check = checks.endpoint(server.url)
    assert (check.state, says in check.finding) == (state, True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/v1", "no address", "http://[", "ftp://127.0.0.1/v1", ""])
def test_an_endpoint_that_does_not_answer_is_missing(url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    check = checks.endpoint(url.format(port=port))
    assert check.state == "missing"
    assert "\n" not in check.finding
