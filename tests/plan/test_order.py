import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.errors import InputError
from fairlead.core.evidence import Evidence, Floor, Forecast, Histogram, Segment
from fairlead.core.money import CostSummary
from fairlead.core.moves import Action, PilotFacts, Plan, SideFacts, WorkloadFacts, plan_from_json, total
from fairlead.core.nouns import TokenPrice
from fairlead.core.span import LogSpan
from fairlead.core.telling import headline, lede, rows_for_people
from fairlead.plan import order
from fairlead.plan.advice import rounded

MADE = datetime(2026, 11, 23, tzinfo=UTC)
START = datetime(2026, 9, 1, tzinfo=UTC)
SPAN = LogSpan(start=START, end=START + timedelta(days=30))
PROVEN = (30, 700, 20)
OPEN_AHEAD = (90, 320, 10)
BEHIND = (10, 180, 90)
A_LITTLE_BEHIND = (20, 330, 60)
TOO_FEW = (10, 120, 10)
BARELY = (6, 160, 2)


def workload(name: str, cost: str | None = "0.01", calls: int = 3000) -> WorkloadFacts:
    priced = (CostSummary(currency="USD", n=calls, mean=Decimal(cost), sd=Decimal("0.001")),) if cost else ()
    return WorkloadFacts(
        id=name,
        name=name,
        category="writing",
        calls=calls,
        costs=priced,
        unknown_costs=0 if cost else calls,
        unknown_reasons=() if cost else ("unknown model 'acme'",),
        daily_calls=(calls // 30,) * 30,
    )


def pilot(
    name: str,
    counts: tuple[int, int, int] | None,
    *,
    cost: str | None = "0.002",
    candidate: str = "open-9b",
    more: int | None = 420,
    left: int | None = None,
    out_of_date: tuple[str, ...] = (),
) -> PilotFacts:
    judgement = None
    if counts is not None:
        wins, ties, losses = counts
        histogram = Histogram.from_counts(wins=wins, ties=ties, losses=losses)
        judgement = Evidence(margin=0.05, counts=histogram).judge()
    summary = CostSummary(currency="USD", n=200, mean=Decimal(cost), sd=Decimal(0)) if cost else None
    return PilotFacts(
        pilot_id=f"p-{name}-{candidate}",
        workload_id=name,
        candidate_id=candidate,
        candidate=candidate,
        margin=0.05,
        judgement=judgement,
        forecast=Forecast(median=more, p80=more, p_replace=0.7, p_worse=0.2),
        candidate_side=SideFacts(answers=200, costs=(summary,) if summary else ()),
        price=TokenPrice(input=Decimal(1), output=Decimal(1)) if cost else None,
        distinct_left=left,
        out_of_date=out_of_date,
    )


def planned(workloads: list[WorkloadFacts], pilots: list[PilotFacts], span: LogSpan | None = SPAN) -> Plan:
    return order(workloads, pilots, made_at=MADE, span=span)


def one(counts: tuple[int, int, int] | None, **more):
    return planned([workload("a")], [pilot("a", counts, **more)]).moves[0]


def test_what_is_proven_moves_now():
    move = one(PROVEN)
    assert (move.action, move.reason, move.next) == (Action.MOVE, "equivalent", "move it now")
    assert one(OPEN_AHEAD).reason == "open leads"


def test_what_is_behind_by_more_than_the_margin_stays():
    move = one(BEHIND)
    assert move.action is Action.STAY
    assert move.reason == "closed leads by more than the margin of 5 points"


def test_behind_with_its_size_open_waits_for_more_pairs():
    move = one(A_LITTLE_BEHIND)
    assert move.action is Action.WAIT
    assert "perhaps by less than the margin" in move.reason
    assert move.next == "about 420 more pairs"


def test_undecided_says_how_many_more_pairs():
    assert one(TOO_FEW, more=1183).next == "about 1,200 more pairs"
    assert one(TOO_FEW, more=4).next == "a few more pairs"


def test_when_the_log_runs_out_it_says_how_many_more_requests_are_needed():
    assert one(TOO_FEW, more=420, left=120).next == (
        "about 420 more pairs; needs 300 more distinct requests than the log holds"
    )


def test_when_the_forecast_passes_the_pilots_limit_it_says_so():
    assert one(TOO_FEW, more=9000).next == "about 9,000 more pairs, beyond the limit of 5,000 it was set"


def test_a_margin_that_cannot_be_resolved_is_called_that():
    assert "over 20,000 more pairs" in one(TOO_FEW, more=None).next


def test_a_verdict_out_of_date_does_not_move_anything():
    move = one(PROVEN, out_of_date=("the incumbent is now gpt-5",))
    assert move.action is Action.WAIT
    assert move.reason == "verdict out of date: the incumbent is now gpt-5"


def test_a_dearer_candidate_stays_however_good_it_is():
    move = one(OPEN_AHEAD, cost="0.03")
    assert move.action is Action.STAY
    assert move.reason == "open leads, but it costs $60.88 a month more"
    assert rows_for_people(planned([workload("a")], [pilot("a", OPEN_AHEAD, cost="0.03")]))[0].saving == "$60.88 more"


def test_an_unknown_price_does_not_hide_that_it_may_move():
    move = one(PROVEN, cost=None)
    assert move.action is Action.MOVE
    assert move.money.saving is None
    assert "--price" in move.next


def test_a_workload_without_a_pilot_waits_for_one():
    move = planned([workload("a")], []).moves[0]
    assert (move.action, move.reason, move.best) == (Action.WAIT, "no pilot yet", None)
    assert move.money.today is not None


def test_a_pilot_declared_but_not_run_counts_among_the_questions():
    # Alone its proof suffices; asked beside forty others it does not.
    names = [f"w{number}" for number in range(40)]
    alone = planned([workload("a")], [pilot("a", BARELY)])
    crowd = planned(
        [workload("a"), *map(workload, names)], [pilot("a", BARELY), *(pilot(name, None) for name in names)]
    )
    assert alone.moves[0].action is Action.MOVE
    assert crowd.declared == 41
    assert all(move.action is Action.WAIT for move in crowd.moves)
    barely = next(move for move in crowd.moves if move.workload.id == "a")
    assert barely.reason == "equivalent on its own, not yet among 41 questions asked at once"
    assert "more pairs" in barely.next


def test_of_several_candidates_the_one_that_saves_most_is_moved_and_the_others_are_kept():
    dear = pilot("a", PROVEN, cost="0.004", candidate="open-70b")
    cheap = pilot("a", PROVEN, cost="0.001", candidate="open-9b")
    move = planned([workload("a")], [dear, cheap]).moves[0]
    assert move.best is not None
    assert move.best.pilot.candidate == "open-9b"
    assert [other.pilot.candidate for other in move.others] == ["open-70b"]


def test_a_proven_candidate_comes_before_a_cheaper_unproven_one():
    cheap = pilot("a", TOO_FEW, cost="0.0001", candidate="open-1b")
    proven = pilot("a", PROVEN, cost="0.004", candidate="open-70b")
    best = planned([workload("a")], [cheap, proven]).moves[0].best
    assert best is not None
    assert best.pilot.candidate == "open-70b"


@pytest.mark.parametrize("counts", [BEHIND, TOO_FEW, PROVEN])
def test_a_pilot_without_pairs_hides_nothing_that_another_has_shown(counts):
    plan = planned([workload("a")], [pilot("a", None, candidate="mistyped"), pilot("a", counts, candidate="right")])
    (move,) = plan.moves
    assert move.best.pilot.candidate == "right"
    assert move.reason == one(counts).reason
    assert [option.pilot.candidate for option in move.others] == ["mistyped"]


def test_rows_come_in_the_order_to_act_on():
    plan = planned(
        [
            workload(name, cost)
            for name, cost in [("s", "0.5"), ("u", "0.3"), ("m1", "0.01"), ("m2", "0.02"), ("n", None)]
        ],
        [pilot("s", BEHIND), pilot("u", TOO_FEW), pilot("m1", PROVEN), pilot("m2", PROVEN), pilot("n", PROVEN)],
    )
    assert [move.workload.id for move in plan.moves] == ["m2", "m1", "n", "u", "s"]


def test_nothing_is_asked_of_a_workload_that_is_not_there():
    plan = planned([workload("a")], [pilot("gone", PROVEN), pilot("a", PROVEN)])
    assert plan.declared == 1


def test_notes_tell_what_is_left_out():
    partly = WorkloadFacts(
        id="a",
        name="a",
        category="writing",
        calls=100,
        costs=(CostSummary(currency="USD", n=60, mean=Decimal("0.01"), sd=Decimal(0)),),
        unknown_costs=40,
        unknown_reasons=("usage not recorded",),
        assumed_dates=7,
        daily_calls=(50, 50),
    )
    notes = planned([partly], [pilot("a", PROVEN)]).moves[0].notes
    assert notes[0] == "40 of 100 calls have no known cost (usage not recorded); they are left out of both sides."
    assert notes[1].startswith("7 calls carry no usable date")
    assert notes[2].startswith("Fewer than three full days")


OUTCOMES = st.sampled_from([PROVEN, OPEN_AHEAD, BEHIND, A_LITTLE_BEHIND, TOO_FEW, BARELY, None])
QUESTIONS = st.lists(
    st.tuples(st.integers(0, 5), OUTCOMES, st.sampled_from(["0.0001", "0.002", "0.03", None]), st.booleans()),
    max_size=14,
)


@st.composite
def plans(draw) -> Plan:
    spends = draw(st.lists(st.sampled_from(["0.0004", "0.01", "0.2", None]), min_size=6, max_size=6))
    pilots = [
        pilot(f"w{place}", counts, cost=cost, candidate=f"c{number}", out_of_date=("changed",) if stale else ())
        for number, (place, counts, cost, stale) in enumerate(draw(QUESTIONS))
    ]
    return planned([workload(f"w{number}", spend) for number, spend in enumerate(spends)], pilots)


@given(plans())
@settings(max_examples=60, deadline=None)
def test_totals_are_the_sums_of_the_rows(plan):
    rows = plan.moves
    assert plan.tally.all == len(rows) == 6
    assert plan.tally.move == sum(row.action is Action.MOVE for row in rows)
    today = [row.money.today.value for row in rows if row.money.today]
    saved = [row.money.saving.value for row in rows if row.action is Action.MOVE and row.money.saving]
    assert (plan.today.value if plan.today else 0) == sum(today)
    assert (plan.saving.value if plan.saving else 0) == sum(saved)
    if plan.today and plan.after:
        assert plan.after.value == sum(today) - sum(saved) <= plan.today.value


@given(plans())
@settings(max_examples=60, deadline=None)
def test_every_entry_of_the_list_is_strong_enough_for_the_list_that_is_shown(plan):
    listed = [row for row in plan.moves if row.action is Action.MOVE]
    for row in listed:
        assert row.best is not None
        assert row.best.pilot.judgement is not None
        assert not row.best.pilot.out_of_date
        assert row.best.pilot.judgement.log_e_replace >= math.log(plan.declared / (0.05 * len(listed))) - 1e-9
        assert row.money.saving is None or row.money.saving.value >= 0


@given(plans())
@settings(max_examples=40, deadline=None)
def test_a_plan_survives_the_ledger(plan):
    assert plan_from_json(json.loads(json.dumps(plan.to_json(), allow_nan=False))) == plan


@given(plans())
@settings(max_examples=40, deadline=None)
def test_rows_stand_in_order_of_action_then_saving(plan):
    rank = {Action.MOVE: 0, Action.WAIT: 1, Action.STAY: 2}
    keys = [
        (rank[m.action], m.money.saving is None, -m.money.saving.value if m.money.saving else 0) for m in plan.moves
    ]
    assert keys == sorted(keys)


@pytest.mark.parametrize("stored", [{}, {"format": 99}, {"format": 1}, {"format": 1, "made_at": 3}])
def test_a_stored_plan_that_cannot_be_read_says_to_make_it_again(stored):
    with pytest.raises(InputError, match="run `fairlead plan` again"):
        plan_from_json(stored)


def test_the_first_sentence_fits_whatever_the_plan_says():
    def first(workloads, pilots, span=SPAN):
        return str(headline(planned(workloads, pilots, span)))

    three = [workload("a"), workload("b"), workload("c")]
    assert first([], []) == "No workloads were found in the log."
    assert first(three[:1], []) == "Move nothing yet: your one workload needs more evidence."
    assert first(three, []) == "Move nothing yet: all 3 workloads need more evidence."
    assert first(three[:1], [pilot("a", BEHIND)]) == "Keep your one workload where it is."
    assert first(three, [pilot(name, BEHIND) for name in "abc"]) == "Keep all 3 workloads where they are."
    assert first(three, [pilot("a", BEHIND)]) == (
        "Move nothing yet: 2 of 3 workloads need more evidence, 1 should stay where it is."
    )
    assert first(three[:1], [pilot("a", PROVEN)]) == (
        "Move your one workload now and spend $6.09 a month instead of $30.44."
    )
    assert first(three, [pilot(name, PROVEN) for name in "abc"]) == (
        "Move all 3 workloads now and spend $18.26 a month instead of $91.31."
    )
    assert first(three, [pilot("a", PROVEN), pilot("b", PROVEN, cost=None)]) == (
        "Move 2 of 3 workloads now and spend $66.96 a month instead of $91.31; "
        "what one of these moves saves is not known yet."
    )
    assert first(three, [pilot("a", PROVEN, cost=None)]) == (
        "Move 1 of 3 workloads now; what that saves a month is not known yet."
    )


def test_below_a_day_of_log_the_summary_says_why_there_is_no_month():
    short = LogSpan(start=START, end=START + timedelta(hours=3))
    plan = planned([workload("a")], [pilot("a", PROVEN)], short)
    assert str(headline(plan)) == "Move your one workload now; what that saves a month is not known yet."
    assert (
        "There are no monthly figures: the log spans 3 hours; a month is not extrapolated from less than one day."
        in (lede(plan))
    )


def test_sums_with_an_open_end_have_no_interval():
    plan = planned([workload("a"), workload("b")], [])
    assert total([]) is None
    assert plan.today is not None
    assert plan.today.low is not None


@given(st.integers(min_value=0, max_value=10**7))
def test_forecasts_are_told_to_two_digits(count):
    assert abs(rounded(count) - count) <= max(0.05 * count, 0)


def test_a_failing_segment_keeps_a_workload_where_it_is_though_the_mean_is_good():
    good = pilot("mail", OPEN_AHEAD)
    assert good.judgement is not None
    segment = Segment(
        label="language", value="sw", requests=90, n=60, low=-0.3, high=-0.12, mean=-0.2, floor=0.1, state=Floor.FAILS
    )
    judged = replace(good.judgement, replace_ok=False, blocked="segment language = sw fails", segments=(segment,))
    (move,) = planned([workload("mail")], [replace(good, judgement=judged)]).moves
    assert move.action is Action.STAY
    assert move.reason == "open leads on the whole, but segment language = sw fails"
    unsettled = replace(judged, segments=(replace(segment, state=Floor.OPEN),))
    (move,) = planned([workload("mail")], [replace(good, judgement=unsettled)]).moves
    assert (move.action, move.next) == (Action.WAIT, "continue its pilot")
