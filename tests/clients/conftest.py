"""A running `fairlead serve` in front of recorded upstreams, as a customer would run it: processes and real HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clients.recorded import RECORDED
from clients.upstream import Upstream

START_S = 60.0


@dataclass(frozen=True)
class Gateway:
    """A gateway that serves, and the upstream behind it."""

    url: str
    upstream: Upstream


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path, settings: str, **environment: str) -> Iterator[str]:
    """Run `fairlead serve` in `folder` with these settings, and give its address once it says that it serves."""
    (folder / "fairlead.toml").write_text(settings, encoding="utf-8")
    ports = [str(free_port()), str(free_port())]
    command = [sys.executable, "-m", "fairlead", "serve", "--json", "--port", ports[0], "--admin-port", ports[1]]
    with (folder / "errors.txt").open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--ledger", str(folder / "ledger.db")],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_S)
        line = process.stdout.readline() if ready else b""
        assert line, (folder / "errors.txt").read_text(encoding="utf-8")
        yield f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


SAME = """
[serve.upstreams.openai]
url = "{url}/v1"
[serve.upstreams.anthropic]
url = "{url}/v1"
dialect = "anthropic"
"""


OPENED: list[Any] = []
"""The clients that a test has made; they are closed when it ends, so that no connection outlives it."""


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture(scope="session")
def recorded() -> Iterator[Upstream]:
    upstream = Upstream()
    upstream.scripts = dict(RECORDED)
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def gateway(recorded: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Both dialects, each to the upstream that speaks it."""
    folder = tmp_path_factory.mktemp("same")
    with serving(folder, SAME.format(url=recorded.url)) as url:
        yield Gateway(url, recorded)


@pytest.fixture(autouse=True)
def _nothing_asked_yet(recorded: Upstream) -> None:
    recorded.taken()
    recorded.scripts = dict(RECORDED)
