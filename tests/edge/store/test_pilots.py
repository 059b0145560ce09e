"""What a pilot writes down, and finds again after it was killed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.store.samples import design, designs, exchange, pair, pair_rows, replies, reply
from fairlead.core.errors import LedgerError
from fairlead.edge.store import Ledger

relaxed = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)


@relaxed
@given(designs)
def test_any_design_comes_back_equal(ledger, made):
    made = replace(made, seed=len(ledger.pilots()))
    pilot_id = ledger.start_pilot(made)
    assert ledger.design(pilot_id) == made


def test_the_same_design_is_the_same_pilot(ledger):
    first = ledger.start_pilot(design())
    assert ledger.start_pilot(design()) == first
    second = ledger.start_pilot(design(margin=0.03))
    assert [entry.id for entry in ledger.pilots()] == [first, second]
    assert ledger.pilots()[1].design == design(margin=0.03)


def test_a_pilot_that_is_not_there_is_named(ledger):
    for call in (
        ledger.design,
        lambda name: ledger.append_pairs(name, [pair(1)]),
        lambda name: ledger.append_draws(name, ["e1"]),
    ):
        with pytest.raises(LedgerError, match="holds no pilot 'p0'"):
            call("p0")


def test_draws_go_on_where_they_ended(ledger):
    pilot_id = ledger.start_pilot(design())
    other = ledger.start_pilot(design(seed=8))
    ledger.append_draws(pilot_id, ["e3", "e1"])
    ledger.append_draws(other, ["e9"])
    ledger.append_draws(pilot_id, ["e2", "e1"])
    assert list(ledger.draws(pilot_id)) == ["e3", "e1", "e2", "e1"]
    assert [list(ledger.draws(pilot_id, after=place)) for place in (1, 3, 9)] == [["e1", "e2", "e1"], ["e1"], []]


@relaxed
@given(st.lists(replies, max_size=4))
def test_any_reply_comes_back_equal(ledger, made):
    asker = f"c{ledger.size().replies}"
    ledger.append_replies([(asker, f"k{number}", each) for number, each in enumerate(made)])
    assert [ledger.reply(asker, f"k{number}") for number in range(len(made))] == made


def test_the_first_reply_stays(ledger):
    ledger.append_replies([("c1", "k1", reply("first")), ("c1", "k1", reply("second"))])
    ledger.append_replies([("c1", "k1", reply("third")), ("c1", "k2", reply("other"))])
    assert ledger.reply("c1", "k1") == reply("first")
    assert ledger.reply("c1", "k2") == reply("other")
    assert ledger.reply("c2", "k1") is None


@relaxed
@given(st.lists(pair_rows, max_size=4, unique_by=lambda row: row.pair.position))
def test_pairs_come_back_equal_and_in_order(ledger, made):
    pilot_id = ledger.start_pilot(design(seed=len(ledger.pilots())))
    ledger.append_pairs(pilot_id, made)
    assert list(ledger.pairs(pilot_id)) == sorted(made, key=lambda row: row.pair.position)


def test_the_same_pair_again_changes_nothing(ledger):
    pilot_id = ledger.start_pilot(design())
    ledger.append_pairs(pilot_id, [pair(1), pair(2)])
    ledger.append_pairs(pilot_id, [pair(2), pair(3)])
    assert [row.pair.position for row in ledger.pairs(pilot_id)] == [1, 2, 3]


def test_another_pair_at_a_taken_place_is_refused_and_nothing_of_its_batch_is_kept(ledger):
    pilot_id = ledger.start_pilot(design())
    ledger.append_pairs(pilot_id, [pair(1)])
    with pytest.raises(LedgerError, match="already has another pair at position 1"):
        ledger.append_pairs(pilot_id, [pair(2), pair(1, score=0.0)])
    assert ledger.pairs(pilot_id) == [pair(1)]


def test_verdicts_and_plans_are_kept_in_order(ledger):
    pilot_id = ledger.start_pilot(design())
    assert ledger.last_plan() is None
    for number in (1, 2):
        ledger.add_verdict(pilot_id, {"verdict": "undecided", "n": number})
        ledger.add_plan({"moves": number})
    assert [(entry.pilot_id, entry.record) for entry in ledger.verdicts()] == [
        (pilot_id, {"verdict": "undecided", "n": number}) for number in (1, 2)
    ]
    assert ledger.last_plan() == {"moves": 2}


def test_entries_carry_the_time_they_were_made(ledger):
    pilot_id = ledger.start_pilot(design())
    ledger.add_verdict(pilot_id, {})
    assert ledger.pilots()[0].created_at <= ledger.verdicts()[0].created_at


def test_a_host_is_approved_once_for_all(ledger):
    assert ledger.approved_hosts() == frozenset()
    for host in ("models.example:443", "localhost:9", "localhost:9"):
        ledger.approve_host(host)
    assert ledger.approved_hosts() == {"models.example:443", "localhost:9"}


def test_everything_is_there_when_the_ledger_is_opened_again(where):
    with Ledger.open(where) as ledger:
        ledger.append_exchanges([exchange()])
        pilot_id = ledger.start_pilot(design())
        ledger.append_draws(pilot_id, ["e1"])
        ledger.append_replies([("c1", "k1", reply())])
        ledger.append_pairs(pilot_id, [pair(1)])
    with Ledger.open(where, create=False) as ledger:
        assert ledger.exchange("e1") == exchange()
        assert (list(ledger.draws(pilot_id)), ledger.reply("c1", "k1")) == (["e1"], reply())
        assert ledger.pairs(pilot_id) == [pair(1)]


def test_size_counts_what_is_kept(ledger):
    ledger.append_exchanges([exchange(1), replace(exchange(2), request_body={"model": "other"})])
    pilot_id = ledger.start_pilot(design())
    ledger.append_replies([("c1", "k1", reply())])
    ledger.append_pairs(pilot_id, [pair(1), pair(2)])
    size = ledger.size()
    assert (size.exchanges, size.bodies, size.pilots, size.pairs, size.replies) == (2, 4, 1, 2, 1)
    assert size.disk_bytes > 10_000
