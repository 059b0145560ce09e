"""One workload with its route, a step that follows it, endpoints that answer as a script says: for tests of routes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from edge.control.calls import answering, asking, call
from fairlead.core.nouns import (
    Answer,
    Candidate,
    Category,
    CategoryGuess,
    Failure,
    FailureKind,
    Reply,
    TokenPrice,
    Usage,
    Workload,
)
from fairlead.core.redact import Redactor
from fairlead.edge.app.routes import Begun, RouteBook
from fairlead.edge.config import PrivacySettings, Settings
from fairlead.edge.control.asking import Askers, NotAllowedError
from fairlead.edge.control.routes import RouteStep, World
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.route_settings import RouteSettings, RoutesSettings
from fairlead.serve.frames import Served
from fairlead.serve.routing import By, Happened
from fairlead.serve.snapshot import Snapshot, UpstreamNow
from fairlead.serve.tally import Tally
from fairlead.testing.virtual import run_in_virtual_time

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
CANDIDATE = Candidate(endpoint="http://127.0.0.1:8000/v1", model="qwen3-32b")
GUESS = CategoryGuess(category=Category.STRUCTURED, confidence=0.9)
WORKLOAD = Workload(id="w1", name="Parcels", guess=GUESS)
LOCAL = UpstreamNow(name="local", urls=("http://127.0.0.1:8000/v1",))
FAR = UpstreamNow(name="openai", urls=("https://api.openai.com/v1",))
USAGE = Usage(fresh=1000, visible=100)
PRICE = TokenPrice(input=Decimal(1), output=Decimal(1))


def said(text, **more):
    return Reply(answer=Answer(text=text, model="m", finish="stop"), usage=USAGE, latency_s=0.1, **more)


def failed(kind=FailureKind.SERVER_ERROR):
    return Reply(answer=Answer(failure=Failure(kind=kind)), latency_s=0.1)


class Asked(Askers):
    """Endpoints that answer as a script says; what they were asked is remembered in order."""

    def __init__(self, say=lambda text: said("yes"), *, after_s=0.0, judges=None):
        """`judges` are fake ones by their model."""
        super().__init__(environ={})
        self.judges = judges or {}
        self.say = say
        self.after_s = after_s
        self.asked = []
        self.in_flight = self.busiest = 0

    async def _answer(self, upstream, asked, only):
        if only and upstream not in only:
            raise NotAllowedError(f"{upstream} may not see this workload.")
        text = asked.request.messages[-1].text
        self.asked.append((upstream, text))
        self.in_flight += 1
        self.busiest = max(self.busiest, self.in_flight)
        try:
            found = self.say(text)
            await asyncio.sleep(found[1] if isinstance(found, tuple) else self.after_s)
        finally:
            self.in_flight -= 1
        reply = found[0] if isinstance(found, tuple) else found
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def candidate(self, candidate, upstream, asked, *, only, timeout_s):
        return await self._answer(upstream, asked, only)

    async def incumbent(self, target, asked, *, only, timeout_s):
        return await self._answer(target.upstream, asked, only)

    def _seat(self, judge, there, *, timeout_s):
        return Closing(self.judges[judge.model])


class Closing:
    """A fake judge that can be closed like an endpoint."""

    def __init__(self, ask):
        self._ask = ask

    async def __call__(self, body):
        return await self._ask(body)

    async def aclose(self):
        pass


class Kept:
    def __init__(self, of):
        self.call = of


class Office:
    """One workload with its route, a step that follows it, and everything it told."""

    def __init__(
        self, ledger, *, askers=None, privacy=None, upstreams=(LOCAL, FAR), price=None, general=None, **settings
    ):
        """`general` are the settings but for their privacy."""
        self.ledger = ledger
        self.general = replace(general or Settings(), privacy=privacy or PrivacySettings())
        self.published = []
        self.told = []
        self.now = NOW
        self.askers = askers or Asked()
        self.settings = RoutesSettings(general=RouteSettings(**{"grader": "agree", **settings}))
        self.step = RouteStep(
            World(
                ledger=lambda: ledger,
                settings=lambda: self.general,
                redactor=lambda: Redactor(Recognisers(), policy=self.general.privacy.redact, key=lambda: b"key"),
                routes=lambda: self.settings,
                snapshot=lambda: Snapshot(version=0, upstreams=upstreams),
                publish=lambda routes, upstreams: self.published.append({r.workload_id: r for r in routes}),
                price_of=lambda endpoint, model: price,
                tell=self.told.append,
                environ={},
                now=lambda: self.now,
            ),
            askers=self.askers,
        )

    @property
    def book(self):
        return RouteBook(self.ledger, settings=self.settings, general=self.general, now=lambda: self.now)

    def begin(self, *events, **more):
        begun = Begun(candidate=CANDIDATE, upstream="local", margin=more.pop("margin", 0.05), **more)
        self.book.start(WORKLOAD, begun, by=By.PERSON, who="ann", why="try it")
        for event in events:
            by = By.EVIDENCE
            self.book.happen("w1", Happened(event=event, by=by, at=self.now, who="test", why="test"))

    @property
    def stage(self):
        return self.book.get("w1").stage

    @property
    def counts(self):
        route = self.book.get("w1")
        kept = [Tally.from_json(value) for _, _, value in self.ledger.routing.states("w1", "tally.")]
        total = Tally()
        for each in kept:
            total = total.plus(each)
        assert route
        return total

    async def feed(self, calls, *, idle=True):
        await self.step.take([Kept(each) for each in calls])
        if idle:
            await self.step.idle()
            await asyncio.sleep(0)


def shadowed(number, *, said_="yes", **more):
    return call(
        **{
            "call_id": f"s{number}",
            "workload_id": "w1",
            "stage": "shadow",
            "pair_wanted": True,
            "request": asking(f"question {number}"),
            "response": answering(said_),
            **more,
        }
    )


def moved(number, *, stage="canary", said_="yes", **more):
    return shadowed(number, said_=said_, **{"stage": stage, "served": Served.CANDIDATE, "upstream": "local", **more})


def run(main):
    return run_in_virtual_time(main)
