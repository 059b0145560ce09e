"""A scan killed at any write is simply run again, and ends as one that was left alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fairlead import scan
from fairlead.core.nouns import Answer, Dialect, Exchange, Workload
from fairlead.core.redact import Policy, Redactor
from fairlead.core.wire import openai
from fairlead.core.workload import Grouper
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.store import Ledger
from fairlead.edge.store.batch import Appending

START = datetime(2026, 3, 2, tzinfo=UTC)
WRITES = ("assign", "set_workloads", "change_state")


class Killed(BaseException):
    """The end of a process, as far as this one is concerned."""


class Mortal:
    """A ledger whose process is killed before or after its n-th write."""

    def __init__(self, ledger: Ledger, *, lives: int, late: bool) -> None:
        self._ledger = ledger
        self._lives = lives
        self._late = late

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)
        return self._watched(method) if name in WRITES else method

    def appending(self, *, left_until: int | None = None) -> Appending:
        appending = self._ledger.appending(left_until=left_until)
        appending._keep = self._watched(appending._keep)
        return appending

    def _watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self._lives -= 1
            if self._lives == 0 and not self._late:
                raise Killed
            result = method(*arguments, **named)
            if self._lives == 0:
                raise Killed
            return result

        return call


def exchange(number: int) -> Exchange:
    system = ("Add up the amounts of the note.", "Sort the mail to one of the teams.")[number % 2]
    body: dict[str, Any] = {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": f"Item {number}"}],
    }
    return Exchange(
        id=f"x{number}",
        row_hash=f"row {number}",
        dialect=Dialect.OPENAI_CHAT,
        request=openai.request(body),
        answer=Answer(text="fine", model="gpt-4o"),
        request_body=body,
        response_body=None,
        started_at=START + timedelta(minutes=number),
    )


def scanned(ledger: Any, count: int = 60, *, policy: Policy = Policy.KEEP, step: int = 1) -> tuple[Workload, ...]:
    """Scan so many exchanges, in batches of twenty."""
    grouping = scan.Grouping(ledger, language_of=lambda _text: "en", keeps_bodies=policy is not Policy.DROP)
    redactor = Redactor(Recognisers(), policy=policy, key=lambda: b"k" * 32)
    scan.take_in(
        map(exchange, range(count)[::step]), ledger=ledger, redactor=redactor, on_new=grouping.learn,
        on_left=grouping.learn_left, left_until=grouping.left_until,
    )  # fmt: skip
    return grouping.finish()


def content(ledger: Ledger) -> tuple[object, ...]:
    """What a reader sees: who belongs where, and what each workload is."""
    homes = {row.id: (row.workload_id, row.prompt_id) for row in ledger.rows()}
    return homes, sorted(ledger.workloads(), key=lambda workload: workload.id)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["fairlead.edge.store.batch"], "_MOST_ROWS", 20)
    monkeypatch.setattr(sys.modules["fairlead.scan.workloads"], "BATCH", 25)


@pytest.fixture
def alone(tmp_path: Path, small_batches: None) -> tuple[object, ...]:
    with Ledger.open(tmp_path / "alone.db") as ledger:
        assert len(scanned(ledger)) == 2
        return content(ledger)


def kills() -> Iterator[tuple[int, bool]]:
    for lives in range(1, 20):
        yield lives, False
        yield lives, True


def test_a_scan_killed_at_any_write_and_run_again_ends_the_same(tmp_path: Path, alone: tuple[object, ...]) -> None:
    died = 0
    for lives, late in kills():
        path = tmp_path / f"{lives}-{late}.db"
        with Ledger.open(path) as ledger:
            try:
                scanned(Mortal(ledger, lives=lives, late=late))
            except Killed:
                died += 1
        with Ledger.open(path) as ledger:
            scanned(ledger)
            assert content(ledger) == alone, f"killed {'after' if late else 'before'} write {lives}"
    assert died >= 14


def test_a_scan_that_drops_texts_ends_the_same_too_in_whatever_order_the_log_is_read_again(
    tmp_path: Path, small_batches: None
) -> None:
    with Ledger.open(tmp_path / "alone.db") as ledger:
        assert len(scanned(ledger, policy=Policy.DROP)) == 2
        whole = content(ledger)
    for lives, late in kills():
        for step in (1, -1):
            with Ledger.open(tmp_path / f"{lives}-{late}-{step}.db") as ledger:
                with suppress(Killed):
                    scanned(Mortal(ledger, lives=lives, late=late), policy=Policy.DROP)
                scanned(ledger, policy=Policy.DROP, step=step)
                assert content(ledger) == whole, f"killed {'after' if late else 'before'} write {lives}"
        if lives > 10:
            break


def test_a_scan_killed_twice_over_ends_the_same(tmp_path: Path, alone: tuple[object, ...]) -> None:
    for lives in range(1, 9):
        path = tmp_path / f"{lives}.db"
        for later in (0, 2):
            with Ledger.open(path) as ledger, suppress(Killed):
                scanned(Mortal(ledger, lives=lives + later, late=True))
        with Ledger.open(path) as ledger:
            scanned(ledger)
            assert content(ledger) == alone


def test_workloads_that_turn_out_to_be_one_are_one_in_the_ledger_too(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.db") as ledger:
        older, younger = sorted(scanned(ledger), key=lambda workload: workload.id)
        state = ledger.state("grouper")
        assert isinstance(state, dict)
        grouper = Grouper.from_json(state["grouper"])
        grouper.merge(younger.id, into=older.id)
        ledger.set_state("grouper", {**state, "grouper": grouper.to_json()})
        (merged,) = scanned(ledger, count=62)
        assert merged.id == older.id
        assert {row.workload_id for row in ledger.rows()} == {older.id}
        assert len({row.prompt_id for row in ledger.rows()}) == 2, "each keeps the prompt it was made with"
