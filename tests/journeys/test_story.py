"""The story of one workload: stay, shadow, canary, moved, on evidence; then its candidate gets worse, and it is taken back.

The gateway is the real one, in processes of its own; its two endpoints are simulated on this machine. Nobody who calls it is ever
answered with an error, and the ledger can tell afterwards why each step was taken.
"""

from __future__ import annotations

import json
import random
from hashlib import blake2b
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
from fairlead.serve.routing import Event
from fairlead.serve.snapshot import Stage
from fairlead.testing.recorded import RecordedServer
from fairlead.testing.recording import completion
from journeys.callers import AT_ONCE, Callers, free_port, gateway, route_of, until, until_it_follows
from journeys.walk import FIRST_DAY, fairlead, line, write_lines

pytestmark = pytest.mark.journey

SYSTEM = "You add up the amounts on a delivery note. Answer with the number alone."
GRADER = """
import re

def right(request, answer):
    parts = re.findall(r"(\\d+) EUR", request.messages[-1].text)
    return answer.text.strip() == str(sum(map(int, parts)))
"""


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
        with gateway(tmp_path, "--plan"):
            callers = Callers(port, body)
            assert route_of(tmp_path).stage is Stage.SHADOW
            until_it_follows(port, body)
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
