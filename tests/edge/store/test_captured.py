"""What the gateway keeps, in both databases: batches with their sums, moves between workloads, retention, shared state."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from edge.store.samples import START, design, exchange, reply
from fairlead.core.calls import Calls
from fairlead.core.errors import LedgerError
from fairlead.core.nouns import Answer, Failure, FailureKind, Fidelity, Usage
from fairlead.core.wire.key import request_key
from fairlead.edge.store import Ledger
from fairlead.edge.store.append import Arrival, KeptBody
from fairlead.edge.store.codec import encode, hash_of, microseconds, packer
from fairlead.edge.store.rollups import BOUNDS_S, DAY_US, HOUR_US, NOTE, Slot, Tally, count, quantile, together
from fairlead.serve.frames import Served

EVER = {"since_us": 0, "until_us": 2**62}
AT_US = microseconds(START)


def body(number):
    data = encode([{"n": number}, None])
    return KeptBody(hash_of(data), packer()(data))


def arrival(number, *, workload=None, at_us=AT_US, key_id="k1", cost=5, bodies=None):
    request, response = bodies or (body(number), body(-number))
    note = {NOTE: {"ended": "done", "key": key_id, "cost": cost, "instead": 2 * cost}}
    names = (f"call{number}", f"call{number}", f"rk{number}", "openai.chat", "chat", "m-1", "openai", None)
    usage = (100, 20, None, None, 30, 4, None, None, None)
    around = (at_us, 0.3, 0.1, None, None, None, None, None, "gateway", encode(note), "incumbent", workload, None)
    return Arrival((*names, *usage, *around), request, response)


def tally_of(*arrivals):
    tallies = {}
    for each in arrivals:
        slot = Slot(AT_US // HOUR_US * HOUR_US, each.columns[-2] or "", "m-1", "k1", "incumbent")
        tally = tallies.setdefault(slot, Tally())
        tally.count(failed=False, closed=False, latency_s=0.3, first_s=0.1, cost=5, instead=10)
        tally.fresh += 100
        tally.cache_read += 20
        tally.visible += 30
        tally.reasoning += 4
        tally.unmetered = 0
    return tallies


def keep(ledger, *arrivals):
    ledger.capture(arrivals, tally_of(*arrivals))


def test_batches_are_kept_with_their_sums(ledger):
    keep(ledger, arrival(1, workload="w1"), arrival(2, workload="w1"))
    keep(ledger, arrival(3, workload="w1"))
    [(slot, tally)] = ledger.rollups(**EVER)
    assert (slot.workload_id, slot.key_id, tally.calls, tally.cost, tally.instead) == ("w1", "k1", 3, 15, 30)
    assert (sum(tally.latency), sum(tally.first), tally.tokens) == (3, 3, 462)
    spent = ledger.spent(since_us=AT_US // DAY_US * DAY_US)["k1"]
    assert (spent.calls, spent.cost, spent.tokens) == (3, 15, 462)
    assert ledger.spent(since_us=AT_US + DAY_US) == {}


def test_bodies_known_by_number_are_checked_and_kept_once(ledger):
    shared = (body(7), body(8))
    keep(ledger, arrival(1, bodies=shared))
    assert shared[0].number is not None
    keep(ledger, arrival(2, bodies=shared), arrival(3, bodies=(body(7), shared[1])))
    assert ledger.size().bodies == 2
    shared[0].number = 999_999
    keep(ledger, arrival(4, bodies=shared))
    assert (ledger.size().exchanges, ledger.size().bodies) == (4, 2)


def test_a_batch_tried_again_after_a_lost_answer_is_kept_once(ledger):
    one = arrival(1)
    keep(ledger, one)
    ledger.capture([one], tally_of(one), again=True)
    assert together(tally for _, tally in ledger.rollups(**EVER)).calls == 1


def test_calls_that_find_their_workload_later_are_counted_there_exactly(ledger):
    keep(ledger, *(arrival(n) for n in range(1, 5)))
    before = together(tally for _, tally in ledger.rollups(**EVER))
    seqs = [row.seq for row in ledger.rows()]
    ledger.place([(seq, "w1", "p1") for seq in seqs[:3]])
    sums = {slot.workload_id: tally for slot, tally in ledger.rollups(**EVER)}
    assert {name: tally.calls for name, tally in sums.items()} == {"": 1, "w1": 3}
    ledger.place([(seqs[3], "w1", None)])
    [(slot, after)] = ledger.rollups(**EVER)
    assert (slot.workload_id, after) == ("w1", before)
    ledger.place([(seqs[3], "w1", None)])
    assert together(tally for _, tally in ledger.rollups(**EVER)) == before


def test_a_workload_that_turned_out_to_be_another_takes_its_rows_and_sums_along(ledger):
    keep(ledger, arrival(1, workload="w1"), arrival(2, workload="w2"))
    ledger.rename_workload("w2", "w1")
    assert {row.workload_id for row in ledger.rows()} == {"w1"}
    [(slot, tally)] = ledger.rollups(**EVER)
    assert (slot.workload_id, tally.calls) == ("w1", 2)


@pytest.mark.parametrize("others", [0, 1, 2, 3])
def test_a_state_is_changed_anew_where_another_process_was_quicker(ledger, where, others):
    seen = []

    def change(value):
        if len(seen) < others:
            with Ledger.open(where) as other:
                other.set_state("grouper", [*(value or []), "theirs"])
        seen.append(value)
        return [*(value or []), "mine"]

    assert ledger.change_state("grouper", change) == ["theirs"] * others + ["mine"]
    assert ledger.state("grouper") == ["theirs"] * others + ["mine"]
    assert len(seen) == others + 1


def test_retention_takes_captured_calls_before_a_moment_and_leaves_scanned_logs_and_sums(ledger):
    ledger.append_exchanges([exchange(1, started_at=START - timedelta(days=9))])
    keep(ledger, *(arrival(n, at_us=AT_US - n * DAY_US) for n in range(1, 9)))
    gone = ledger.expire(before_us=AT_US - 4 * DAY_US)
    assert (gone.exchanges, gone.bodies) == (4, 8)
    assert not ledger.expire(before_us=AT_US - 4 * DAY_US, after=gone.after).looked
    assert [row.id for row in ledger.rows()] == ["e1", "call1", "call2", "call3", "call4"]
    assert together(tally for _, tally in ledger.rollups(**EVER)).calls == 8


def test_bodies_that_a_younger_call_shares_stay(ledger):
    shared = (body(7), body(8))
    keep(ledger, arrival(1, at_us=0, bodies=shared), arrival(2, bodies=shared))
    assert ledger.expire(before_us=AT_US).bodies == 0
    assert ledger.size().bodies == 2


@pytest.mark.parametrize(("evidence", "left"), [(True, ["call1"]), (False, [])])
def test_what_a_pilot_drew_stays_unless_the_policy_says_otherwise(ledger, evidence, left):
    keep(ledger, arrival(1), arrival(2))
    pilot = ledger.start_pilot(design())
    ledger.append_draws(pilot, ["call1"])
    ledger.expire(before_us=None, evidence=evidence)
    assert [row.id for row in ledger.rows()] == left
    assert ledger.draws(pilot) == (["call1"] if evidence else [""])


def test_replies_to_requests_that_are_gone_go_too(ledger):
    ledger.append_exchanges([exchange(1)])
    ledger.append_replies(
        [("c1", request_key(next(ledger.exchanges()).request), reply("a")), ("c1", "rk9", reply("b"))]
    )
    assert ledger.expire_replies() == 1
    assert ledger.reply("c1", "rk9") is None
    assert ledger.size().replies == 1


def test_what_is_held_shrinks_when_calls_go(ledger):
    big = [Arrival(arrival(n).columns, KeptBody(bytes([n]) * 20, b"x" * 200_000), body(-n)) for n in range(1, 9)]
    ledger.capture(big, {})
    before = ledger.bytes_held()
    ledger.expire(before_us=None)
    assert ledger.bytes_held() < before / 2


def test_keys_are_kept_in_the_order_they_were_made(ledger):
    ledger.put_key("k2", {"name": "two"})
    ledger.put_key("k1", {"name": "one"})
    ledger.put_key("k2", {"name": "second"})
    assert ledger.key_records() == [{"name": "second"}, {"name": "one"}]


def test_a_quantile_is_read_inside_its_bucket():
    histogram = []
    for seconds in (0.01, 0.06, 0.07, 0.3, 1000):
        count(histogram, seconds)
    assert len(histogram) == len(BOUNDS_S) + 1
    assert 0.05 < quantile(histogram, 0.5) <= 0.1
    assert quantile(histogram, 1.0) == BOUNDS_S[-1]
    assert quantile([], 0.5) is None


def test_a_ledger_that_is_locked_keeps_neither_rows_nor_sums(path):
    with Ledger.open(path, wait_s=0.01) as ledger, Ledger.open(path) as other:
        with other._database.write(), pytest.raises(LedgerError):
            keep(ledger, arrival(1))
        assert (ledger.size().exchanges, ledger.rollups(**EVER)) == (0, [])


def test_rows_say_which_calls_a_candidate_answered(ledger):
    theirs = arrival(2, workload="w1")
    assert theirs.columns[-3] == Served.INCUMBENT
    theirs = theirs._replace(columns=(*theirs.columns[:-3], Served.CANDIDATE.value, *theirs.columns[-2:]))
    keep(ledger, arrival(1, workload="w1"), theirs)
    ledger.append_exchanges([exchange(3)])
    assert {row.id: row.by_candidate for row in ledger.rows()} == {"call1": False, "call2": True, exchange(3).id: False}


def test_what_is_missing_stays_missing_however_rows_with_and_without_it_come(ledger):
    """The statement says NULL where a row has nothing, so rows of several forms go in one batch, in their order."""
    some = [
        arrival(number, workload=("w1" if number % 2 else None), bodies=(body(1), body(2))) for number in range(1, 8)
    ]
    keep(ledger, *some)
    rows = list(ledger.each_row())
    assert [row.id for row in rows] == [f"call{number}" for number in range(1, 8)]
    assert [row.workload_id for row in rows] == ["w1", None, "w1", None, "w1", None, "w1"]


def test_what_is_counted_by_the_column_is_what_stands_in_the_rows(ledger):
    keep(
        ledger,
        *[
            arrival(number, workload=("w1" if number % 2 else None), bodies=(body(1), body(2)))
            for number in range(1, 8)
        ],
    )
    ledger.append_exchanges(
        [
            exchange(1, fidelity=(Fidelity.TRUNCATED, Fidelity.REDACTED), tier="batch", provider="ac\x1bme\x00"),
            exchange(2, answer=Answer(model="closed-1\x00", failure=Failure(kind=FailureKind.CUT)), conversation="c"),
            exchange(3, usage=Usage(cache_read=3, audio_out=9), started_at=None, latency_s=None, first_token_s=0.1),
        ]
    )
    rows = list(ledger.each_row())
    found = dict(ledger.calls())
    assert found.keys() == {"w1", None}
    for workload_id, calls in found.items():
        expected = Calls.of([row for row in rows if row.workload_id == workload_id])
        for each in fields(Calls):
            assert [*map(tuple, calls.usage)] == [*map(tuple, expected.usage)]
            if each.name != "usage":
                assert [*getattr(calls, each.name)] == [*getattr(expected, each.name)], each.name
