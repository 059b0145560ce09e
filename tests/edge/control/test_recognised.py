"""Under every policy of redaction a scan, the ledger of a gateway and its data plane say the same of which workload a request is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.workload.making import text
from edge.control.calls import asking, call
from fairlead.core.nouns import Answer, Exchange
from fairlead.core.redact import Policy, Redactor
from fairlead.edge.catalog.prices import Prices
from fairlead.edge.control.capture import Capture
from fairlead.edge.control.placing import Placing, link, load
from fairlead.edge.gateway.placing import Placing as Online
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.store import Ledger
from fairlead.scan.take_in import take_in
from fairlead.scan.workloads import Grouping
from fairlead.serve.frames import Protocol
from fairlead.serve.reading import asked

START = datetime(2026, 9, 1, tzinfo=UTC)
SYSTEMS = (
    "You sum up the minutes for the members of the rowing club. Be brief.",
    "You answer letters for the club. Sign as ann.smith@example.org and be kind to everybody who writes.",
    "You write the training plan. Questions go to +44 7946 095 845 or to the coach in person.",
    "You sort the photographs of the club by who is in them.",
)
BODIES = {
    f"c{number}{at}": asking(f"{text(number * 7 + at)} Write to bob{number}@example.com.", system=system)
    for number in range(20)
    for at, system in enumerate(SYSTEMS)
}


def redactor(policy):
    return Redactor(Recognisers(), policy=policy, key=lambda: b"key")


def exchange(name, body, at):
    read = asked(Protocol.OPENAI_CHAT, body)
    return Exchange(
        id=name, row_hash=name, dialect=read.dialect, request=read.request, answer=Answer(text="ok"),
        request_body=read.body, response_body=None, started_at=at,
    )  # fmt: skip


def scanned(where, policy):
    """The workload of each request as a scan finds it."""
    found = [exchange(name, body, START + timedelta(minutes=n)) for n, (name, body) in enumerate(BODIES.items())]
    with Ledger.open(where) as ledger:
        grouping = Grouping(ledger, language_of=lambda _: "en", keeps_bodies=policy is not Policy.DROP)
        take_in(found, ledger=ledger, redactor=redactor(policy), on_new=grouping.learn)
        grouping.finish()
        return {row.id: row.workload_id for row in ledger.rows()}


def captured(where, policy):
    """The workload of each request as a gateway keeps it, and the state that its data planes go by."""
    placing = Placing()
    capture = Capture(
        redactor=redactor(policy), price=Prices().cost_of, rate={"USD": Decimal(1)}.get, placing=placing
    )  # fmt: skip
    with Ledger.open(where) as ledger:
        lot = capture.read([call(call_id=name, request=body) for name, body in BODIES.items()])
        ledger.capture(lot.arrivals, lot.tallies)
        link(ledger, placing, language_of=lambda _: "en")
        return {row.id: row.workload_id for row in ledger.rows()}, load(ledger)[1]


@pytest.mark.parametrize("policy", Policy)
def test_a_scan_the_ledger_and_the_data_plane_agree_on_the_workload_of_every_request(tmp_path, policy):
    by_scan = scanned(tmp_path / "scan.db", policy)
    kept, state = captured(tmp_path / "gateway.db", policy)
    online = Online.from_state(state)
    live = {name: online.read(Protocol.OPENAI_CHAT, body, None).workload_id for name, body in BODIES.items()}
    assert len(set(by_scan.values())) == len(SYSTEMS)
    assert kept == by_scan
    assert live == by_scan


def test_under_drop_neither_the_ledger_nor_what_is_learned_holds_what_one_message_said(tmp_path):
    _, state = captured(tmp_path / "gateway.db", Policy.DROP)
    held = state + b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for word in (b"bob7@example.com", b"ann.smith@example.org", b"7946"):
        assert word not in held
