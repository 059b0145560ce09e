"""The story of one workload: stay, shadow, canary, moved, on evidence; then its candidate gets worse, and it is taken back.

The gateway is the real one, in processes of its own; its two endpoints are simulated on this machine. Nobody who calls it is ever
answered with an error, and the ledger can tell afterwards why each step was taken.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as At

from fairlead.edge.app.routes import RouteBook
from fairlead.edge.store import Ledger
from fairlead.serve.guard import Collected, Guards, Terms, of_pair
from fairlead.serve.routing import Event, Route
from fairlead.serve.snapshot import Stage
from fairlead.testing.recorded import RecordedServer
from fairlead.testing.recording import completion
from journeys.walk import FIRST_DAY, fairlead, line, start, write_lines

pytestmark = pytest.mark.journey

SYSTEM = "You add up the amounts on a delivery note. Answer with the number alone."
GRADER = """
import re

def right(request, answer):
    parts = re.findall(r"(\\d+) EUR", request.messages[-1].text)
    return answer.text.strip() == str(sum(map(int, parts)))
"""
CATCH_UP_S = 120
AT_ONCE = 8


class Model:
    """An endpoint that adds up; of `wrong` requests in a hundred it gets wrong the same ones every time."""

    def __init__(self, name: str, *, wrong: int) -> None:
        self.name = name
        self.wrong = wrong
        self.asked = 0
        self.app = Starlette(routes=[At("/v1/chat/completions", self._chat, methods=["POST"])])

    async def _chat(self, request: Request) -> Response:
        self.asked += 1
        said = json.loads(await request.body())["messages"][-1]["content"]
        right = sum(int(part.split()[0]) for part in said.partition(": ")[2].split(", "))
        place = int.from_bytes(blake2b(f"{self.name}|{said}".encode(), digest_size=4).digest(), "big") % 100
        answer = str(right + (place < self.wrong))
        usage = {"prompt_tokens": 40, "completion_tokens": 3, "total_tokens": 43}
        return JSONResponse(completion(self.name, {"role": "assistant", "content": answer}, usage))


def note(number: int) -> str:
    dice = random.Random(number)
    return f"Note {number}: " + ", ".join(f"{dice.randrange(10, 900)} EUR" for _ in range(3))


def body(number: int) -> dict[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": note(number)}]
    return {"model": "closed-1", "messages": messages}


class Callers:
    """People who use the gateway, a few at once; everything they were answered is remembered."""

    def __init__(self, port: int) -> None:
        self._port = port
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
            connection.request("POST", "/v1/chat/completions", json.dumps(body(number)), headers)
            answer = connection.getresponse()
            answer.read()
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        connection.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def settings(folder: Path, *, closed: str, open_: str) -> int:
    port = free_port()
    (folder / "grade.py").write_text(GRADER)
    (folder / "fairlead.toml").write_text(
        f"""
[serve]
port = {port}
admin_port = {free_port()}
openai = "closed"
[serve.upstreams.closed]
url = "{closed}"
[serve.upstreams.open]
url = "{open_}"
[serve.routes]
share = 0.5
canary_paired = 1.0
moved_paired = 1.0
horizon = 120
concurrency = 8
queue = 5000
[candidates.open]
endpoint = "{open_}"
model = "open-1"
"""
    )
    return port


def scanned(folder: Path) -> None:
    """A log of the workload, scanned and piloted; the plan says to move it."""
    rows = []
    for number in range(700):
        right = sum(int(part.split()[0]) for part in note(number).partition(": ")[2].split(", "))
        rows.append(line(f"n{number}", "closed-1", {"messages": body(number)["messages"]}, str(right), at=FIRST_DAY))
    write_lines(folder / "log.jsonl", rows)
    assert fairlead("scan", "log.jsonl", cwd=folder).code == 0
    done = fairlead(
        "pilot", "--candidate", "open", "--grader", "grade.py:right", "--margin", "0.05", "--price", "0.01,0.01", "--yes",
        cwd=folder,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert fairlead("plan", cwd=folder).code == 0


@contextmanager
def gateway(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start("serve", "--plan", cwd=folder)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith(b"Serving on"), process.stderr and process.stderr.read()
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def until_it_follows(port: int) -> None:
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


def until(folder: Path, callers: Callers, stage: Stage, *, most: int) -> None:
    """Go on calling until the route is at a stage; on a busy machine grading may then still have to catch up."""
    for _ in range(0, most, 40):
        if route_of(folder).stage is stage:
            return
        callers.call(40)
    patience = time.monotonic() + CATCH_UP_S
    while time.monotonic() < patience:
        if route_of(folder).stage is stage:
            return
        time.sleep(0.2)
    pytest.fail(f"after {most} calls the route is at {route_of(folder).stage}, not {stage}: {route_of(folder).why}")


def predicted(terms: Terms, *, before: int, drop: float, differ: float) -> int:
    """Graded pairs within which the guard crosses in all of fifty runs of the simulated detector."""
    return max(crossing(terms, before=before, drop=drop, differ=differ, seed=seed) for seed in range(50))


def crossing(terms: Terms, *, before: int, drop: float, differ: float, seed: int) -> int:
    chance = random.Random(seed)
    guards, collected = Guards(terms), Collected(terms)
    for number in range(2_000):
        mean = 0.0 if number < before else -drop
        weights = [(differ - mean) / 2, 1 - differ, (differ + mean) / 2]
        difference = chance.choices([-1.0, 0.0, 1.0], weights)[0]
        collected.add(of_pair(difference=difference, candidate_refused=False, incumbent_refused=False))
        guards.lay(collected.take())
        if guards.crossed:
            return number + 1
    pytest.fail("the simulated guard never crossed")


def test_a_workload_moves_on_evidence_and_is_taken_back_when_its_candidate_gets_worse(tmp_path: Path) -> None:
    closed, open_ = Model("closed-1", wrong=4), Model("open-1", wrong=4)
    with RecordedServer(closed.app) as first, RecordedServer(open_.app) as second:
        port = settings(tmp_path, closed=first.url, open_=second.url)
        scanned(tmp_path)
        with gateway(tmp_path):
            callers = Callers(port)
            assert route_of(tmp_path).stage is Stage.SHADOW
            until_it_follows(port)
            until(tmp_path, callers, Stage.CANARY, most=3_000)
            until(tmp_path, callers, Stage.MOVED, most=2_000)
            callers.call(80)
            open_.wrong += 20
            until(tmp_path, callers, Stage.STAY, most=3_000)
            asked_before = open_.asked
            callers.call(80)
            late = open_.asked - asked_before
    assert set(callers.statuses) == {200}
    assert late <= AT_ONCE * 4, "the way back reaches the data plane at once"
    told(tmp_path)


def told(folder: Path) -> None:
    """What the ledger says of it all."""
    with Ledger.open(folder / "fairlead.db") as ledger:
        book = RouteBook(ledger)
        (route,) = book.all()
        steps = book.steps(route.workload_id)
        guards = Guards.from_json(ledger.routing.state(route.workload_id, route.run, "guards.moved"))
        alerts = [alert.record for alert, _ in ledger.routing.alerts()]
    assert [(step.event, step.before.value, step.after.value) for step in steps] == [
        (Event.STARTED, "stay", "shadow"),
        (Event.REPLACE_OK, "shadow", "canary"),
        (Event.LASTED, "canary", "moved"),
        (Event.REGRESSED, "moved", "stay"),
    ]
    assert route.hold
    assert all(step.who and step.why for step in steps)
    assert all(step.evidence for step in steps[1:])
    assert steps[-1].who == "guard of quality"
    bad_from = 80 - AT_ONCE
    assert guards.crossed[0].crossed_at is not None
    limit = predicted(guards.terms, before=80 + AT_ONCE, drop=0.20, differ=0.27)
    assert bad_from < guards.crossed[0].crossed_at <= limit + 40 + AT_ONCE
    assert isinstance(alerts[-1], dict)
    assert alerts[-1]["event"] == "regressed"
    shown = fairlead("route", "show", route.workload_id, cwd=folder).out
    for words in ("stay → shadow", "shadow → canary", "canary → moved", "moved → stay, on hold", "guard of quality"):
        assert words in shown
