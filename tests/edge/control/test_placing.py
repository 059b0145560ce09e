"""Several gateway processes find workloads together, through the ledger alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.workload.making import asks, mixed, places, scanned, text
from fairlead.core.workload import share
from fairlead.edge.control.placing import Placing, link
from fairlead.edge.store import Ledger

START = datetime(2026, 9, 1, tzinfo=UTC)
JOBS = [
    [asks(f"You {does} for the members of the rowing club. Be brief.", text(i * 7 + at)) for i in range(60)]
    for at, does in enumerate(
        ["sum up the minutes", "answer letters", "write the training plan", "sort the photographs"]
    )
]


def linked(where: Path, placing: Placing) -> None:
    with Ledger.open(where) as ledger:
        link(ledger, placing, language_of=lambda _text: "en")


def test_processes_that_learn_apart_and_link_at_once_place_every_call_alike(tmp_path: Path) -> None:
    log = mixed(*JOBS)
    where = tmp_path / "a.db"
    with Ledger.open(where):
        pass
    processes = [Placing() for _ in range(3)]
    for number, request in enumerate(log):
        processes[number % 3].learn(request, at=START + timedelta(minutes=number))
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda placing: linked(where, placing), processes))
    for placing in processes:
        linked(where, placing)
    alone = places(scanned(log), log)
    assert len(set(alone)) == len(JOBS)
    for placing in processes:
        assert [placing.place(request).workload_id for request in log] == alone
    with Ledger.open(where) as ledger:
        assert places(share.load(ledger), log) == alone


def test_what_a_user_decided_while_a_process_linked_is_kept(tmp_path: Path) -> None:
    where = tmp_path / "a.db"
    placing = Placing()
    for number, request in enumerate(mixed(*JOBS)):
        placing.learn(request, at=START + timedelta(minutes=number))
    with Ledger.open(where) as ledger:
        link(ledger, placing, language_of=lambda _text: "en")
        found = placing.place(JOBS[0][0]).workload_id
        assert found is not None
        share.decide(ledger, lambda grouper: grouper.rename(found, "Minutes"))
        placing.learn(JOBS[1][0], at=START)
        link(ledger, placing, language_of=lambda _text: "en")
        assert share.load(ledger).name(found) == "Minutes"
