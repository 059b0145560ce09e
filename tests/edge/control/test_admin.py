"""The admin page: its token, its answers, and that the OpenAPI document tells the truth about them."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from edge.control.calls import call
from edge.control.test_capture import capturing
from fairlead.core.errors import LedgerError, UsageError
from fairlead.core.nouns import Category, CategoryGuess, Workload
from fairlead.edge.admin_token import read_token, token_of, token_path
from fairlead.edge.app.keys import KeyBook
from fairlead.edge.app.routes import RouteBook
from fairlead.edge.control import metrics
from fairlead.edge.control.admin import Admin, Sources, document
from fairlead.edge.control.keeper import State
from fairlead.edge.control.overview import Live, Planes, overview
from fairlead.edge.control.process import Reloaded
from fairlead.edge.operate_settings import AdminSettings
from fairlead.edge.store import Ledger
from fairlead.serve.frames import Breaker, Counters, ReplicaSeen
from fairlead.serve.keys import hash_of
from fairlead.serve.snapshot import RouteNow, Snapshot, Stage, UpstreamNow

TOKEN = "a-token-for-this-test-only"
HEADERS = {"authorization": f"Bearer {TOKEN}"}
ODD = Workload(id="w1", name='Sort "the" mail\n', guess=CategoryGuess(category=Category.STRUCTURED, confidence=1.0))


class World:
    """What the page shows, by hand: a ledger with some calls, one data plane, one upstream that is not asked."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.state, self.planes, self.live = State(), Planes(), Live()
        self.reloads = 0
        self.changes = 0
        self.away: str | None = None
        route = RouteNow(workload_id="w1", stage=Stage.CANARY, share=0.1)
        upstream = UpstreamNow(name="openai", urls=("https://api.openai.com/v1",))
        self.snapshot = Snapshot(version=3, routes=(route,), upstreams=(upstream,))
        ledger.put_workloads([ODD])
        lot = capturing().read([call(workload_id="w1"), call(workload_id="w1", status=500, response=b'{"error":{}}')])
        ledger.capture(lot.arrivals, lot.tallies)
        self.live.add(lot)
        seen = ReplicaSeen(
            upstream="openai",
            url="https://api.openai.com/v1",
            breaker=Breaker.OPEN,
            requests=5,
            failures=3,
            problem="503",
        )
        for added in ((0,) * 13, (0, 0, 8, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)):
            self.planes.add(
                Counters(
                    process=0,
                    at_us=1,
                    started_us=1,
                    added=added,
                    added_s=0.01,
                    dropped=2,
                    refused={"no key": 4},
                    replicas=(seen,),
                )
            )

    def opened(self) -> Ledger:
        if self.away:
            raise LedgerError(self.away)
        return self.ledger

    def overview(self):
        ledger = self.opened()
        return overview(
            now=datetime.now(UTC),
            since=0.0,
            state=self.state,
            unreadable=0,
            missed=0,
            planes=self.planes,
            live=self.live,
            snapshot=self.snapshot,
            workloads=ledger.workloads(),
            today=ledger.rollups(since_us=0, until_us=2**62),
            coverage={"w1": 0.9},
            is_ready=True,
        )

    def metrics(self):
        return metrics.page(self.overview(), planes=self.planes, sums=self.live.sums(), kept=2, writes=1)

    def reload(self) -> Reloaded:
        self.reloads += 1
        return Reloaded(
            problem="" if self.reloads == 1 else "fairlead.toml is not valid TOML.", from_next_start=("ledger",)
        )

    def changed(self) -> None:
        self.changes += 1

    def app(self):
        sources = Sources(
            ledger=self.opened,
            overview=self.overview,
            metrics=self.metrics,
            snapshot=lambda: self.snapshot,
            reload=self.reload,
            changed=self.changed,
            routes=lambda: RouteBook(self.opened()),
        )
        return Admin(sources).app(TOKEN)


@pytest.fixture
def world(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        yield World(ledger)


@pytest.fixture
def client(world):
    with TestClient(world.app(), headers=HEADERS) as made:
        yield made


@pytest.mark.parametrize(
    "brought",
    [
        {},
        {"authorization": TOKEN},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {TOKEN}x"},
        {"cookie": TOKEN},
    ],
)
def test_nothing_is_answered_without_the_token_not_even_whether_a_path_exists(world, brought):
    with TestClient(world.app()) as stranger:
        for path in [*document()["paths"], "/nothing/here", "/docs"]:
            refused = stranger.get(path, headers=brought)
            assert refused.status_code == 401
            assert refused.json()["error"]["code"] == "Unauthorized"


OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(document()).get_all_operations()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_the_page_answers_as_its_document_says_whatever_is_sent(client, operation):
    statuses = {*operation.definition.raw["responses"], "404", "405"}  # a slash in a parameter makes it another path

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def answers(case):
        sent = None if type(case.body).__name__ == "NotSet" else json.dumps(case.body).encode()
        answer = client.request(case.method, case.formatted_path, content=sent)
        assert str(answer.status_code) in statuses
        if answer.status_code >= 400 and case.path != "/ready":
            assert answer.json()["error"]["status"] == answer.status_code

    answers()


def test_keys_are_made_replaced_and_closed_and_their_hashes_never_shown(world, client):
    made = client.post("/keys", json={"name": "billing", "budget_month": "200", "models": ["gpt-4o*"]})
    assert made.status_code == 201
    key_id, secret = made.json()["key"]["id"], made.json()["secret"]
    [key] = KeyBook(world.ledger).all()
    assert key.hash == hash_of(secret.encode())
    rotated = client.post(f"/keys/{key_id}/rotate", json={"grace_hours": 1}).json()
    assert rotated["secret"] != secret
    assert client.delete(f"/keys/{key_id}").json()["revoked"]
    assert client.delete(f"/keys/{key_id}").status_code == 422
    assert client.delete("/keys/none").status_code == 404
    listed = client.get("/keys").text
    assert key.hash not in listed
    assert secret not in listed
    assert world.changes == 3


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"name":"x","admin":true}', b'{"name":""}', b'{"name":"x","budget_day":-1}', b'{"name":"x","expires_days":1e9}', b"x" * 70_000],
)  # fmt: skip
def test_a_body_that_cannot_be_used_is_told_in_one_line(client, body):
    refused = client.post("/keys", content=body)
    assert refused.status_code == 422
    assert "\n" not in refused.json()["error"]["message"]


def test_a_step_by_hand_needs_a_route_that_allows_it_and_a_reason(client):
    assert client.post("/routes/w1/events", json={"event": "advanced", "why": "looks good"}).status_code == 422
    assert client.post("/routes/w1/events", json={"event": "put on hold", "why": " "}).status_code == 422
    held = client.post("/routes/w1/events", json={"event": "put on hold", "why": "audit"})
    assert held.status_code == 200
    assert client.get("/routes/w1/steps").json()["steps"][0]["why"] == "audit"


def test_a_reload_says_what_was_wrong_and_what_waits_for_the_next_start(client):
    first, second = client.post("/reload").json(), client.post("/reload").json()
    assert first == {"reloaded": True, "problem": "", "from_next_start": ["ledger"]}
    assert second == {"reloaded": False, "problem": "fairlead.toml is not valid TOML.", "from_next_start": ["ledger"]}


def test_not_ready_is_said_with_the_reason(world, client):
    assert client.get("/ready").json() == {"ready": True, "problem": ""}
    world.state.problem = "The disk is full."
    unready = client.get("/ready")
    assert (unready.status_code, unready.json()["problem"]) == (503, "The disk is full.")
    world.away = "The ledger is away."
    assert client.get("/overview").status_code == 503
    assert client.get("/health").status_code == 200


def test_the_overview_names_what_a_person_looks_for(client):
    shown = client.get("/overview").json()
    [row] = shown["workloads"]
    assert (row["name"], row["stage"], row["share"], row["calls"], row["errors"]) == (ODD.name, "canary", 0.1, 2, 1)
    assert (row["coverage"], row["cost"], shown["cost"]) == (0.9, "0.00021", "0.00021")
    assert shown["dropped_total"] == 2
    assert 0.00025 < shown["added_p50_s"] < 0.0005
    assert shown["upstreams"][0]["breaker"] == "open"


def test_metrics_are_read_by_prometheus_and_add_up(client):
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert sum(sample.value for sample in found["fairlead_calls"].samples) == 2
    latency = found["fairlead_latency_seconds"].samples
    assert sum(s.value for s in latency if s.name.endswith("_count")) == 2
    assert sum(s.value for s in latency if s.name.endswith("_sum")) == pytest.approx(0.8)
    assert sum(s.value for s in latency if s.labels.get("le") == "+Inf") == 2
    assert found["fairlead_refused"].samples[0].labels == {"reason": "no key"}
    assert [s.value for s in found["fairlead_upstream_breaker"].samples] == [2.0]
    assert {s.labels["where"]: s.value for s in found["fairlead_calls_dropped"].samples}["data_plane"] == 2


def test_labels_cannot_break_out_of_their_quotes(world):
    lot = capturing().read([call(workload_id='w"1\n', model="m")])
    world.live.add(lot)
    families = list(text_string_to_metric_families(world.metrics()))
    assert 'w"1\n' in {s.labels.get("workload") for family in families for s in family.samples}


def test_a_data_plane_that_is_gone_leaves_its_drops_behind():
    now = 0.0
    planes = Planes(clock=lambda: now)
    planes.add(Counters(process=0, at_us=1, started_us=1, dropped=3, refused={"no key": 1}))
    now = 60.0
    planes.add(Counters(process=0, at_us=1, started_us=2, dropped=1))
    assert (len(planes.all()), planes.dropped, planes.refused) == (1, 4, {"no key": 1})


def test_the_token_is_made_once_for_its_owner_only(tmp_path):
    ledger = str(tmp_path / "fairlead.db")
    token = token_of(AdminSettings(), ledger=ledger, environ={})
    path = token_path(AdminSettings(), ledger=ledger)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token) >= 40
    assert token_of(AdminSettings(), ledger=ledger, environ={}) == token
    path.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        read_token(path)


@pytest.mark.parametrize("given", ["secret", "changeme-changeme", "sk-1234567890123456", "aaaaaaaaaaaaaaaaaaaaaaaa"])
def test_a_sample_token_is_refused(given, tmp_path):
    with pytest.raises(UsageError, match="sample token or one shorter"):
        token_of(AdminSettings(), ledger=str(tmp_path / "l"), environ={"FAIRLEAD_ADMIN_TOKEN": given})


def test_the_token_of_the_environment_goes_first_and_no_file_is_made(tmp_path):
    given = os.urandom(20).hex()
    assert token_of(AdminSettings(), ledger=str(tmp_path / "l"), environ={"FAIRLEAD_ADMIN_TOKEN": given}) == given
    assert list(tmp_path.iterdir()) == []
