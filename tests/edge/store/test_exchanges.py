"""Exchanges in, exchanges out, in a file and in PostgreSQL."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings

from edge.store.samples import exchange, exchanges
from fairlead.core.errors import LedgerError
from fairlead.core.nouns import (
    Answer,
    Category,
    CategoryGuess,
    Endpoint,
    ExchangeRow,
    Failure,
    FailureKind,
    Fidelity,
    Usage,
    Workload,
)
from fairlead.core.redact import Policy, Redactor, redacted
from fairlead.core.wire.key import request_key
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.store import Ledger

_serial = count()


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(exchanges)
def test_any_exchange_comes_back_equal(ledger, made):
    number = next(_serial)
    made = replace(made, id=f"{made.id}{number}", row_hash=f"{made.row_hash}{number}")
    assert ledger.append_exchanges([made]) == 1
    assert ledger.exchange(made.id) == made


def test_calls_whose_texts_were_dropped_share_one_body_and_each_keeps_its_own_mark(ledger):
    redactor = Redactor(Recognisers(), policy=Policy.DROP, key=lambda: b"k" * 32)
    made = [redacted(exchange(i, said=said), redactor) for i, said in enumerate(("Is it?", "Was it?"))]
    ledger.append_exchanges(made)
    assert list(ledger.exchanges()) == made
    assert [ledger.request(each.seq) for each in ledger.rows()] == [each.request for each in made]
    assert len({each.request_key for each in ledger.rows()}) == 2
    assert len(ledger._database.rows("SELECT DISTINCT request_body FROM exchanges")) == 1


@pytest.mark.parametrize("said", ["", "x", "x" * 5_000])
def test_a_client_that_sends_a_parameter_of_the_marks_name_gets_it_back(ledger, said):
    made = replace(exchange(1), request=replace(exchange(1).request, messages=(), parameters={"dropped": said, "n": 2}))
    ledger.append_exchanges([made])
    assert list(ledger.exchanges()) == [made]


def test_exchanges_come_back_in_order_of_arrival(ledger):
    made = [exchange(number) for number in (3, 1, 2)]
    ledger.append_exchanges(made)
    ledger.append_exchanges([exchange(0)])
    assert list(ledger.exchanges()) == [*made, exchange(0)]


def test_what_is_known_is_not_kept_again(ledger):
    made = [exchange(number) for number in range(5)]
    assert ledger.append_exchanges(made[:3]) == 3
    assert ledger.append_exchanges([*made, *made]) == 2
    assert list(ledger.exchanges()) == made


def test_another_row_with_the_same_id_is_kept_under_an_id_of_its_own(ledger):
    twins = [exchange(1), replace(exchange(2), id="e1"), replace(exchange(3), id="e1")]
    assert ledger.append_exchanges(twins) == 3
    assert ledger.append_exchanges(twins) == 0
    assert [each.id for each in ledger.exchanges()] == ["e1", "e1#row-2", "e1#row-3"]
    assert ledger.exchange("e1") == twins[0]


def test_a_log_that_claims_the_ids_of_others_in_advance_gets_them_all_kept(ledger):
    first, claimed, third = exchange(1), replace(exchange(2), id="e1#row-3"), replace(exchange(3), id="e1")
    ledger.append_exchanges([first, claimed])
    assert ledger.append_exchanges([third]) == 1
    assert [each.id for each in ledger.exchanges()] == ["e1", "e1#row-3", "e1#row-3#"]


def test_a_row_says_what_counting_and_drawing_need(ledger):
    failed = Answer(failure=Failure(kind=FailureKind.TIMEOUT), finish=None)
    made = exchange(answer=failed, usage=Usage(fresh=1, cache_read=2, visible=3, reasoning=4), conversation="c1")
    ledger.append_exchanges([made])
    ledger.assign([(ledger.rows()[0].seq, "w1", "p1")])
    assert ledger.rows("w1") == [
        ExchangeRow(
            seq=1,
            id="e1",
            request_key=request_key(made.request),
            workload_id="w1",
            prompt_id="p1",
            dialect=made.dialect,
            endpoint=Endpoint.CHAT,
            model="closed-1",
            provider=None,
            usage=made.usage,
            started_at=made.started_at,
            latency_s=0.25,
            failure=FailureKind.TIMEOUT,
            conversation="c1",
            user=made.user,
        )
    ]


def test_the_model_that_answered_stands_in_the_row(ledger):
    ledger.append_exchanges([exchange()])
    assert ledger.rows()[0].model == "closed-1-0301"


def test_unknown_stays_unknown(ledger):
    bare = exchange(usage=Usage(), started_at=None, latency_s=None, user=None)
    ledger.append_exchanges([bare])
    row = ledger.rows()[0]
    assert (row.usage, row.started_at, row.latency_s, row.provider) == (Usage(), None, None, None)
    assert ledger.exchange("e1") == bare


def test_what_a_log_has_lost_and_how_far_it_was_is_kept(ledger):
    made = exchange(first_token_s=0.125, step=3, fidelity=(Fidelity.TRUNCATED, Fidelity.MEDIA_DROPPED))
    ledger.append_exchanges([made])
    assert ledger.exchange("e1") == made


def test_a_count_no_machine_can_hold_is_no_count(ledger):
    ledger.append_exchanges([exchange(usage=Usage(fresh=10**30, visible=4))])
    assert ledger.rows()[0].usage == Usage(fresh=None, visible=4)


def test_dates_far_away_are_kept(ledger):
    far = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
    ledger.append_exchanges(exchange(number, started_at=at) for number, at in enumerate(far))
    assert [row.started_at for row in ledger.rows()] == far


def test_equal_bodies_are_kept_once(ledger):
    ledger.append_exchanges(exchange(number) for number in range(50))
    assert (ledger.size().exchanges, ledger.size().bodies) == (50, 2)


def test_an_exchange_that_is_not_there_is_named(ledger):
    with pytest.raises(LedgerError, match="holds no exchange 'nobody'"):
        ledger.exchange("nobody")


def test_what_cannot_be_kept_stops_nothing_before_it(ledger):
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(LedgerError, match="'e2' is nested too deeply"):
        ledger.append_exchanges(
            [*(exchange(1, id=f"a{n}", row_hash=f"a{n}") for n in range(1000)), exchange(2, request_body=deep)]
        )
    assert ledger.size().exchanges == 1000


def test_a_workload_lists_its_own(ledger):
    ledger.append_exchanges(exchange(number) for number in range(4))
    rows = ledger.rows()
    ledger.assign((row.seq, f"w{row.seq % 2}", None) for row in rows)
    ledger.assign([(rows[0].seq, "w0", "p2")])
    assert [row.id for row in ledger.rows("w0")] == ["e0", "e1", "e3"]
    assert [each.id for each in ledger.exchanges("w0")] == ["e0", "e1", "e3"]
    assert ledger.rows("w0")[0].prompt_id == "p2"
    assert ledger.rows("w9") == []


def test_what_is_grouped_while_reading_is_read_once(ledger):
    made = [exchange(number) for number in range(250)]
    ledger.append_exchanges(made)
    seen = []
    for each in ledger.ungrouped():
        ledger.assign([(each.seq, "w1", None)])
        seen.append((each.request, each.started_at))
    assert seen == [(each.request, each.started_at) for each in made]
    assert list(ledger.ungrouped()) == []


def test_each_new_exchange_is_told_as_it_is_taken_in_and_kept_when_the_block_ends(ledger):
    ledger.append_exchanges([exchange(0)])
    with ledger.appending() as appending:
        assert [each.id for each in appending.add([exchange(0), exchange(1), exchange(1)])] == ["e1"]
        assert appending.add([exchange(1)]) == []
    assert appending.new == 1
    assert [row.id for row in ledger.rows()] == ["e0", "e1"]


def test_what_was_taken_in_before_an_error_is_kept(ledger):
    def interrupted():
        with ledger.appending() as appending:
            appending.add([exchange(0)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ledger.size().exchanges == 1


def test_reading_may_go_on_while_exchanges_are_written(ledger):
    ledger.append_exchanges(exchange(number) for number in range(300))
    reading = ledger.exchanges()
    first = next(reading)
    ledger.append_exchanges([exchange(300)])
    assert [first, *reading][-1] == exchange(300)


def test_workloads_are_those_that_were_set_last(ledger):
    guess = CategoryGuess(category=Category.CODING, confidence=0.5, reasons=("code",), others=(Category.AGENTIC,))
    made = [Workload(id=f"w{number}", name=f"name {number}", guess=guess) for number in (2, 1, 3)]
    ledger.set_workloads(made)
    assert ledger.workloads() == made
    ledger.set_workloads(made[:1])
    assert ledger.workloads() == made[:1]


def test_state_is_the_value_that_was_set_last(ledger):
    assert ledger.state("grouper") is None
    for value in ({"templates": ["x\x00y", 1.5]}, [1, 2]):
        ledger.set_state("grouper", value)
        assert ledger.state("grouper") == value


def test_scans_are_listed_in_order(ledger):
    records = [{"paths": ["a"], "skipped": 1}, {"paths": ["b"], "skipped": 0}]
    for each in records:
        ledger.add_scan(each)
    assert ledger.scans() == records


def test_export_hands_over_everything(ledger):
    made = [exchange(number) for number in range(250)]
    ledger.append_exchanges(made)
    exported = []
    assert ledger.export(exported.append) == 250
    assert exported == made


def test_appending_takes_no_more_than_a_batch_from_memory(file_ledger):
    """A thousand exchanges of 80 kB go through in batches; all at once they would take 160 MB and more."""
    gc.collect()
    tracemalloc.start()
    try:
        file_ledger.append_exchanges(exchange(number, said=f"{number:05d}" * 16000) for number in range(1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000


def test_two_handles_see_each_others_writes(where):
    with Ledger.open(where) as one, Ledger.open(where) as other:
        one.append_exchanges([exchange(1)])
        other.append_exchanges([exchange(1), exchange(2)])
        assert [row.id for row in one.rows()] == ["e1", "e2"]


def test_an_interrupted_write_leaves_the_ledger_ready_for_the_next(ledger):
    def interrupted():
        yield from (exchange(number) for number in range(1000))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.append_exchanges(interrupted())
    assert ledger.append_exchanges([exchange(1000)]) == 1
    assert ledger.size().exchanges == 1001


def test_several_exchanges_are_read_at_once_and_those_that_are_not_there_are_left_out(ledger):
    made = [exchange(number) for number in range(1, 150)]
    ledger.append_exchanges(made)
    wanted = [made[140].id, "nobody", made[3].id, made[3].id]
    assert ledger.exchanges_by_id(wanted) == {made[140].id: made[140], made[3].id: made[3]}
    assert len(ledger.exchanges_by_id([each.id for each in made])) == len(made)
