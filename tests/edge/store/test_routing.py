"""Routes in the ledger: steps and routes together, states fed by several processes, draws made once, alerts told once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from edge.store.samples import design, exchange
from fairlead.edge.store import Ledger
from fairlead.edge.store.routing import Draw


def moved(ledger, version, *, workload="w1", **more):
    record, step = {"stage": "shadow", "version": version}, {"number": version}
    return ledger.routing.move(workload, version=version, record=record, step=step, at_us=version, **more)


def test_a_route_is_kept_together_with_the_step_that_led_to_it(ledger):
    assert ledger.routing.one("w1") is None
    assert moved(ledger, 1)
    assert moved(ledger, 2)
    assert ledger.routing.one("w1") == {"stage": "shadow", "version": 2}
    assert ledger.routing.steps("w1") == [{"number": 1}, {"number": 2}]
    assert ledger.routing.all() == [{"stage": "shadow", "version": 2}]
    assert ledger.routing.steps("w2") == []


def test_of_two_who_move_a_route_at_once_one_learns_that_it_did_not(ledger):
    assert moved(ledger, 1)
    assert not moved(ledger, 1, states={(1, "guards"): {"n": 9}}, alert={"told": "twice"})
    assert ledger.routing.steps() == [{"number": 1}]
    assert ledger.routing.state("w1", 1, "guards") is None
    assert ledger.routing.alerts() == []


def test_the_mark_rises_with_every_step_of_any_route(ledger):
    marks = [ledger.routing.mark()]
    for version, workload in [(1, "w1"), (1, "w2"), (2, "w1")]:
        moved(ledger, version, workload=workload)
        marks.append(ledger.routing.mark())
    assert marks == sorted(set(marks))


def test_what_a_stage_begins_with_is_kept_once(ledger):
    moved(ledger, 1, states={(1, "guards"): {"n": 0}})
    ledger.routing.change_state("w1", 1, "guards", lambda value: {"n": value["n"] + 5})
    moved(ledger, 2, states={(1, "guards"): {"n": 0}})
    assert ledger.routing.state("w1", 1, "guards") == {"n": 5}


def test_nothing_that_several_processes_saw_is_lost(where):
    def feed(_):
        with Ledger.open(where) as own:
            for _ in range(20):
                own.routing.change_state("w1", 1, "sum", lambda value: (value or 0) + 1)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(feed, range(4)))
    with Ledger.open(where) as ledger:
        assert ledger.routing.state("w1", 1, "sum") == 80


def test_a_request_and_a_conversation_are_drawn_once_in_a_run(ledger):
    def claim(draws, run=1):
        return ledger.routing.claim("w1", run, draws)

    assert claim([Draw("e1", ("request 1", "talk 1")), Draw("e2", ("request 2", "talk 1"))]) == [1, None]
    assert claim([Draw("e3", ("request 1",)), Draw("e4", ("request 2",)), Draw("e5", ("request 4",))]) == [None, 2, 3]
    assert claim([Draw("e6", ("request 1",))], run=2) == [1]
    assert claim([Draw("e7", ())]) == [None]


def test_what_is_drawn_for_a_pilot_is_a_draw_of_the_pilot_and_what_has_no_pair_is_known(ledger):
    ledger.append_exchanges([exchange(number) for number in range(1, 4)])
    pilot = ledger.start_pilot(design())
    draws = [Draw(f"e{number}", (f"r{number}",)) for number in range(1, 4)]
    assert ledger.routing.claim("w1", 1, draws, pilot_id=pilot) == [1, 2, 3]
    assert ledger.draws(pilot) == ["e1", "e2", "e3"]
    assert ledger.routing.undone(pilot) == [(1, "e1"), (2, "e2"), (3, "e3")]


def test_pairs_that_guards_were_fed_are_kept_in_their_order_and_forgotten_with_their_user(ledger):
    ledger.append_exchanges([exchange(1), exchange(2)])
    ledger.routing.watch("w1", 1, "canary", [("e1", {"difference": -1.0}), ("e2", {"difference": 0.0})])
    ledger.routing.watch("w1", 1, "moved", [("e1", {"difference": 1.0})])
    assert ledger.routing.watched("w1", 1, "canary") == [{"difference": -1.0}, {"difference": 0.0}]
    ledger.forget("u1")
    assert ledger.routing.watched("w1", 1, "canary") == [{"difference": 0.0}]
    assert ledger.routing.watched("w1", 1, "moved") == []


def test_an_alert_is_told_by_one_process_and_tried_again_when_it_failed(ledger):
    moved(ledger, 1, alert={"why": "worse"})
    assert ledger.routing.due_alerts(now_us=0) == []
    (due,) = ledger.routing.due_alerts(now_us=10)
    assert due.record == {"why": "worse"}
    assert ledger.routing.lease_alert(due, until_us=20)
    assert not ledger.routing.lease_alert(due, until_us=20)
    assert ledger.routing.due_alerts(now_us=15) == []
    (again,) = ledger.routing.due_alerts(now_us=20)
    assert again.tries == 1
    ledger.routing.end_alert(again, told=True)
    assert ledger.routing.due_alerts(now_us=10**15) == []
    assert [told for _, told in ledger.routing.alerts()] == [True]


def test_the_pace_of_a_workload_is_how_many_calls_came_over_what_time(ledger):
    ledger.append_exchanges([exchange(number) for number in range(1, 6)])
    ledger.assign([(row.seq, "w1", None) for row in ledger.rows()])
    pace = ledger.routing.pace("w1")
    assert (pace.calls, pace.last_us - pace.first_us) == (5, 4_000_000)
    assert ledger.routing.pace("w2") is None
