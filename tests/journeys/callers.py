"""A gateway in processes of its own, people who call it a few at once, and what its ledger says of a route meanwhile."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from fairlead.edge.app.routes import RouteBook
from fairlead.edge.store import Ledger
from fairlead.serve.routing import Route
from fairlead.serve.snapshot import Stage
from journeys.walk import start

CATCH_UP_S = 120
"""How long nothing at all may happen before a test gives up: how fast a machine is decides nothing."""

AT_ONCE = 8

Body = Callable[[int], dict[str, Any]]


class Callers:
    """People who use the gateway, a few at once; everything they were answered is remembered."""

    def __init__(self, port: int, body: Body) -> None:
        """`body` makes the body of the request with a number."""
        self._port = port
        self._body = body
        self._next = 100_000
        self.statuses: dict[int, int] = {}

    def call(self, count: int) -> None:
        numbers = range(self._next, self._next + count)
        self._next += count
        with ThreadPoolExecutor(AT_ONCE) as callers:
            list(callers.map(self._some, [numbers[first::AT_ONCE] for first in range(AT_ONCE)]))

    def _some(self, numbers: range) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        for number in numbers:
            headers = {"Content-Type": "application/json", "Authorization": "Bearer the-callers-own"}
            connection.request("POST", "/v1/chat/completions", json.dumps(self._body(number)), headers)
            answer = connection.getresponse()
            answer.read()
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        connection.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def gateway(folder: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start("serve", *flags, cwd=folder)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith(b"Serving on"), process.stderr and process.stderr.read()
        yield process
    finally:
        process.terminate()
        print(process.communicate(timeout=60)[1].decode())  # what it told an operator; shown where a test fails


def until_it_follows(port: int, body: Body) -> None:
    """Ask until the data plane knows the routes: a new gateway answers before its control process has read the ledger."""
    for number in range(20_000):
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(body(number % 50)), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.getheader("x-fairlead-stage") == "shadow":
            return
    pytest.fail("the data plane never heard of the route")


def route_of(folder: Path) -> Route:
    with Ledger.open(folder / "fairlead.db") as ledger:
        (route,) = RouteBook(ledger).all()
        return route


def progress(folder: Path) -> object:
    """Something that changes for as long as calls are kept and pairs are graded."""
    with Ledger.open(folder / "fairlead.db") as ledger:
        (route,) = RouteBook(ledger).all()
        return ledger.size().exchanges, ledger.routing.states(route.workload_id, "tally.")


def until(folder: Path, callers: Callers, stage: Stage, *, most: int) -> None:
    """Go on calling until the route is at a stage; on a busy machine grading may then still have to catch up."""
    for _ in range(0, most, 40):
        if route_of(folder).stage is stage:
            return
        callers.call(40)
    before, patience = progress(folder), time.monotonic() + CATCH_UP_S
    while time.monotonic() < patience:
        if route_of(folder).stage is stage:
            return
        time.sleep(0.2)
        now = progress(folder)
        if now != before:
            before, patience = now, time.monotonic() + CATCH_UP_S
    pytest.fail(f"after {most} calls the route is at {route_of(folder).stage}, not {stage}: {route_of(folder).why}")
