"""A workload that only a judge can compare goes stay → shadow → canary → moved on what the judge prefers, and is taken back.

Gateway, endpoints and judge are processes and servers of their own on this machine; the judge follows a rule. No caller waits for
it, and no caller is answered with an error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as At
from starlette.types import Receive, Scope, Send

from fairlead.edge.app.routes import RouteBook
from fairlead.edge.store import Ledger
from fairlead.serve import tally as words
from fairlead.serve.routing import Event
from fairlead.serve.snapshot import Stage
from fairlead.serve.tally import Tally
from fairlead.testing.judge import FakeJudge, rule_called
from fairlead.testing.recorded import RecordedServer
from fairlead.testing.recording import completion
from journeys.callers import Callers, free_port, gateway, route_of, until, until_it_follows
from journeys.walk import FIRST_DAY, fairlead, line, write_lines

pytestmark = pytest.mark.journey

SYSTEM = "You write friendly replies to customers of a parcel service. Two sentences at most."
SECRET = "the-operators-own-key-for-the-judge"


class Writer:
    """An endpoint that writes replies, kind ones or plain ones."""

    def __init__(self, name: str, *, kind: bool) -> None:
        self.name = name
        self.kind = kind
        self.app = Starlette(routes=[At("/v1/chat/completions", self._chat, methods=["POST"])])

    async def _chat(self, request: Request) -> Response:
        said = json.loads(await request.body())["messages"][-1]["content"]
        text = f"{'With warm regards' if self.kind else 'Noted'}: {said}"
        usage = {"prompt_tokens": 60, "completion_tokens": 20, "total_tokens": 80}
        return JSONResponse(completion(self.name, {"role": "assistant", "content": text}, usage))


class Court(FakeJudge):
    """A judge that prefers warm regards; `keys` are those it was asked with."""

    def __init__(self) -> None:
        super().__init__(rule_called("holds:warm regards"))
        self.keys: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        self.keys.add(headers.get(b"authorization", b"").decode())
        await super().__call__(scope, receive, send)


def body(number: int) -> dict[str, Any]:
    asked = f"Please answer customer {number}, whose parcel is {number % 9 + 1} days late."
    return {
        "model": "closed-1",
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}],
    }


def settings(folder: Path, *, closed: str, open_: str, judge: str) -> int:
    port = free_port()
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
horizon = 40
concurrency = 4
judge_concurrency = 4
queue = 5000
budget = "5.00"
[candidates.open]
endpoint = "{open_}"
model = "open-1"
price = {{ input = 0.1, output = 0.1 }}
[judges.court]
endpoint = "{judge}"
model = "court-1"
key_env = "COURT_KEY"
price = {{ input = 1, output = 2 }}
[prices."closed-1"]
input = 1
output = 2
"""
    )
    return port


def piloted(folder: Path) -> None:
    rows = [
        line(
            f"n{number}", "closed-1", {"messages": body(number)["messages"]}, f"Noted: customer {number}.", at=FIRST_DAY
        )
        for number in range(120)
    ]
    write_lines(folder / "log.jsonl", rows)
    assert fairlead("scan", "log.jsonl", cwd=folder).code == 0
    done = fairlead(
        "pilot", "--candidate", "open", "--judge", "court", "--controls", "0", "--verbosity", "0", "--yes", cwd=folder
    )
    assert done.code == 0, done.err


def test_a_judge_moves_a_workload_and_takes_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURT_KEY", SECRET)
    closed, open_ = Writer("closed-1", kind=False), Writer("open-1", kind=True)
    judge = Court()
    with RecordedServer(closed.app) as first, RecordedServer(open_.app) as second, RecordedServer(judge) as third:
        port = settings(tmp_path, closed=first.url, open_=second.url, judge=third.url)
        piloted(tmp_path)
        begun = fairlead("route", "start", "Write friendly", "--candidate", "open", cwd=tmp_path)
        assert begun.code == 0, begun.err
        with gateway(tmp_path):
            callers = Callers(port, body)
            until_it_follows(port, body)
            until(tmp_path, callers, Stage.CANARY, most=400)
            until(tmp_path, callers, Stage.MOVED, most=800)
            open_.kind, closed.kind = False, True
            until(tmp_path, callers, Stage.STAY, most=800)
    assert set(callers.statuses) == {200}
    told(tmp_path, judge)


def told(folder: Path, judge: Court) -> None:
    route = route_of(folder)
    with Ledger.open(folder / "fairlead.db") as ledger:
        events = [step.event for step in RouteBook(ledger).steps(route.workload_id)]
        kept = ledger.routing.states(route.workload_id, "tally.")
        judged = {entry.exchange_id for entry in ledger.judgements()}
    assert events == [Event.STARTED, Event.REPLACE_OK, Event.LASTED, Event.REGRESSED]
    total = Tally()
    for _, _, value in kept:
        total = total.plus(Tally.from_json(value))
    assert total.coverage == 1
    assert total.counts[words.QUESTIONS] >= 2 * total.counts[words.JUDGED] > 100
    assert len(judged) >= total.counts[words.JUDGED]
    assert sum(total.spent.values()) > 0
    shown = fairlead("route", "show", route.workload_id, cwd=folder).out
    assert "judges: pairs they were asked about" in shown
    assert "was answered and judged" in shown
    assert judge.keys == {f"Bearer {SECRET}"}, "no caller's key is ever a judge's"
