"""Alerts: signed, tried again, given up in the end, told by one process; and never sent anywhere but to the address set."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fairlead.edge.control.webhook import SIGNATURE, Alerts
from fairlead.edge.route_settings import Webhook
from fairlead.edge.store import Ledger
from fairlead.testing.recorded import RecordedServer

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
ALERT = {
    "workload": "w1",
    "name": "Parcels",
    "before": "moved",
    "after": "stay",
    "why": "it got worse",
    "on_hold": True,
}


class Desk:
    """Whoever is told; answers with the statuses in turn, then 200."""

    def __init__(self, *statuses):
        self.heard = []
        self._statuses = list(statuses)
        self.app = Starlette(
            routes=[Route("/hook", self._hook, methods=["POST"]), Route("/other", self._other, methods=["POST"])]
        )

    async def _hook(self, request: Request) -> Response:
        self.heard.append((dict(request.headers), await request.body()))
        status = self._statuses.pop(0) if self._statuses else 200
        return RedirectResponse("/other") if status == 302 else Response(status_code=status)

    async def _other(self, request: Request) -> Response:
        self.heard.append(("redirected", await request.body()))
        return Response()


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as made:
        made.routing.move("w1", version=1, record={}, step={}, at_us=0, alert=ALERT)
        yield made


def told(ledger, url, *, tries=3, turns=1, environ=None):
    """What is said on the way, when so many turns are taken a day apart."""
    said, at = [], [NOW]
    alerts = Alerts(
        None if url is None else Webhook(url=url, secret_env="SECRET", tries=tries),
        ledger=lambda: ledger,
        environ={"SECRET": "s3cret"} if environ is None else environ,
        now=lambda: at[0],
        tell=said.append,
    )

    async def main():
        for _ in range(turns):
            await alerts.turn()
            at[0] += timedelta(days=1)

    asyncio.run(main())
    return said


def test_an_operator_is_told_once_with_a_signature_that_can_be_checked(ledger):
    desk = Desk()
    with RecordedServer(desk.app) as server:
        assert told(ledger, f"http://127.0.0.1:{server.port}/hook", turns=3) == []
    ((headers, body),) = desk.heard
    assert json.loads(body) == ALERT
    at, _, given = headers[SIGNATURE.lower()].partition(",v1=")
    signed = at.removeprefix("t=").encode() + b"." + body
    assert given == hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert [done for _, done in ledger.routing.alerts()] == [True]


def test_what_failed_is_tried_again_and_told_in_the_end(ledger):
    desk = Desk(500, 503)
    with RecordedServer(desk.app) as server:
        said = told(ledger, f"http://127.0.0.1:{server.port}/hook", turns=5)
    assert len(desk.heard) == 3
    assert len(said) == 1
    assert "status 500" in said[0]
    assert [done for _, done in ledger.routing.alerts()] == [True]


def test_after_the_tries_it_is_given_up_and_said_aloud(ledger):
    desk = Desk(*[500] * 10)
    with RecordedServer(desk.app) as server:
        said = told(ledger, f"http://127.0.0.1:{server.port}/hook", turns=9)
    assert len(desk.heard) == 3
    assert "Nobody could be told at the webhook in 3 tries (status 500): Parcels went from moved to stay" in said[-1]
    assert [done for _, done in ledger.routing.alerts()] == [False]


def test_a_redirect_is_not_followed(ledger):
    desk = Desk(302)
    with RecordedServer(desk.app) as server:
        told(ledger, f"http://127.0.0.1:{server.port}/hook")
    assert [entry[0] for entry in desk.heard if entry[0] == "redirected"] == []


def test_without_its_secret_nothing_is_sent(ledger):
    desk = Desk()
    with RecordedServer(desk.app) as server:
        said = told(ledger, f"http://127.0.0.1:{server.port}/hook", environ={})
    assert desk.heard == []
    assert "SECRET is not set" in said[0]


def test_an_address_where_nobody_listens_is_tried_again(ledger):
    said = told(ledger, "http://127.0.0.1:9/hook")
    assert "could not be told" in said[0]
    assert [done for _, done in ledger.routing.alerts()] == [None]


def test_without_a_webhook_the_operator_reads_it_where_the_gateway_speaks(ledger):
    assert told(ledger, None, turns=2) == [
        "Parcels went from moved to stay: it got worse; it stays there until a person says otherwise."
    ]
