"""Who answers a request: sticky, nested in the share, and never outside the listed upstreams."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serve.decide import Routes, conversation_of, opening_of, place
from fairlead.serve.frames import Served
from fairlead.serve.snapshot import RouteNow, Snapshot, Stage, TargetNow

OPEN = TargetNow(upstream="local", model="qwen3-32b")
CLOSED = TargetNow(upstream="openai")
SPARE = TargetNow(upstream="spare")
names = st.sampled_from(["openai", "local", "spare", "elsewhere"])
stages = st.sampled_from(list(Stage))


def routes(**fields):
    made = {"workload_id": "w1", "candidate": OPEN, "salt": "s", **fields}
    return Routes(Snapshot(version=7, routes=(RouteNow(**made),), aliases={"w0": "w1"}))


def decided(table, *, conversation=None, call="c1", workload="w1", dialect="openai"):
    return table.decide(workload, dialect=dialect, conversation=conversation, call_id=call)


def sides(table, count=2000):
    return [decided(table, conversation=f"c:{number}").side for number in range(count)]


def test_a_request_of_no_known_workload_goes_where_its_dialect_goes():
    table = routes(stage=Stage.MOVED)
    assert decided(table, workload=None).target == CLOSED
    assert decided(table, workload=None, dialect="anthropic").target == TargetNow(upstream="anthropic")
    assert not decided(table, workload=None).pair_wanted
    assert decided(table, workload="somebody else's").side is Served.INCUMBENT


def test_in_stay_and_shadow_the_incumbent_answers_every_caller():
    for stage in (Stage.STAY, Stage.SHADOW):
        assert set(sides(routes(stage=stage, share=0.9), 200)) == {Served.INCUMBENT}


def test_in_the_shadow_every_call_is_wanted_twice_and_in_stay_none():
    assert decided(routes(stage=Stage.SHADOW)).pair_wanted
    assert not decided(routes(stage=Stage.STAY)).pair_wanted


def test_once_moved_the_candidate_answers_and_the_incumbent_stands_behind_it():
    found = decided(routes(stage=Stage.MOVED, fallbacks=(SPARE,)))
    assert found.side is Served.CANDIDATE
    assert (found.target, *found.fallbacks) == (OPEN, SPARE, CLOSED)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_canary_takes_its_share_of_conversations(share):
    taken = sides(routes(stage=Stage.CANARY, share=share), 5000).count(Served.CANDIDATE) / 5000
    assert taken == pytest.approx(share, abs=4 * (share * (1 - share) / 5000) ** 0.5)


@given(st.text(min_size=1, max_size=30), st.integers(0, 50))
def test_a_conversation_keeps_its_side_through_all_its_turns(conversation, turn):
    table = routes(stage=Stage.CANARY, share=0.5)
    first = decided(table, conversation=conversation, call="first").side
    assert decided(table, conversation=conversation, call=f"turn {turn}").side is first


@given(st.text(min_size=1, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_raising_the_share_moves_conversations_over_and_none_back(conversation, one, other):
    low, high = sorted((one, other))
    if decided(routes(stage=Stage.CANARY, share=low), conversation=conversation).side is Served.CANDIDATE:
        assert decided(routes(stage=Stage.CANARY, share=high), conversation=conversation).side is Served.CANDIDATE


def test_two_routes_do_not_choose_the_same_conversations():
    one, other = routes(stage=Stage.CANARY, share=0.5), routes(stage=Stage.CANARY, share=0.5, salt="other")
    same = sum(a is b for a, b in zip(sides(one), sides(other), strict=True))
    assert 850 < same < 1150


def test_pairs_are_drawn_by_the_call_so_that_long_conversations_weigh_what_they_weigh():
    table = routes(stage=Stage.MOVED, paired_share=0.2)
    wanted = [decided(table, conversation="one", call=f"{number}").pair_wanted for number in range(2000)]
    assert sum(wanted) / 2000 == pytest.approx(0.2, abs=0.04)


def test_only_the_calls_that_the_candidate_answers_are_paired_in_the_canary():
    table = routes(stage=Stage.CANARY, share=0.3, paired_share=1.0)
    for number in range(300):
        found = decided(table, conversation=f"{number}")
        assert found.pair_wanted == (found.side is Served.CANDIDATE)


@given(st.lists(names, min_size=1, max_size=3), stages, st.floats(0, 1), names, names, st.lists(names, max_size=3))
def test_nothing_ever_leaves_the_listed_upstreams(only, stage, share, incumbent, candidate, fallbacks):
    table = routes(
        stage=stage,
        share=share,
        only=tuple(only),
        incumbent=TargetNow(upstream=incumbent),
        candidate=TargetNow(upstream=candidate, model="m"),
        fallbacks=tuple(TargetNow(upstream=name) for name in fallbacks),
    )
    found = decided(table, conversation="c")
    asked = [target.upstream for target in (found.target, *found.fallbacks) if target is not None]
    assert set(asked) <= set(only)
    assert (found.target is None) == bool(found.refused)
    if found.pair_wanted:
        assert {incumbent, candidate} <= set(only)


def test_a_local_only_workload_whose_incumbent_is_outside_is_answered_by_its_candidate_at_every_stage():
    for stage in Stage:
        found = decided(routes(stage=stage, only=("local",)))
        assert (found.target, found.side) == (OPEN, Served.CANDIDATE)


def test_a_local_only_workload_that_leads_nowhere_is_refused_in_words():
    found = decided(routes(stage=Stage.STAY, only=("bunker",)))
    assert found.target is None
    assert "may only be answered by bunker" in found.refused
    assert not found.pair_wanted


def test_the_default_route_holds_for_what_has_no_route_of_its_own_and_for_what_is_not_known_yet():
    closed_in = RouteNow(workload_id="", only=("local",), incumbent=TargetNow(upstream="local"))
    table = Routes(Snapshot(version=1, default_route=closed_in))
    assert decided(table, workload=None).target == TargetNow(upstream="local")
    assert decided(table, workload="new").target == TargetNow(upstream="local")


def test_a_workload_is_found_under_the_name_it_had_before():
    assert decided(routes(stage=Stage.MOVED), workload="w0").side is Served.CANDIDATE


def test_a_conversation_is_told_by_its_id_then_its_user_then_how_it_opens():
    body = {"messages": [{"role": "user", "content": "hello"}]}
    assert conversation_of(conversation="7", user="ann", body=body) == "c:7"
    assert conversation_of(conversation=None, user="ann", body=body) == "u:ann"
    assert conversation_of(conversation="", user="", body=body).startswith("o:")
    assert conversation_of(conversation=None, user=None, body={"input": "embed me"}) is None


@given(st.lists(st.text(max_size=20), max_size=5))
def test_a_chat_opens_the_same_way_however_long_it_has_become(later):
    opening = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Where is my parcel?"}]
    turns = [{"role": role, "content": text} for text in later for role in ("assistant", "user")]
    assert opening_of({"messages": opening + turns}) == opening_of({"messages": opening})
    assert opening_of({"messages": opening}) is not None


@pytest.mark.parametrize(
    "bodies",
    [
        ({"messages": [{"role": "user", "content": "a"}]}, {"messages": [{"role": "user", "content": "b"}]}),
        (
            {"system": "one", "messages": [{"role": "user", "content": "a"}]},
            {"system": "two", "messages": [{"role": "user", "content": "a"}]},
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:1"}}]}]},
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:2"}}]}]},
        ),
        (
            {"instructions": "one", "input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}]},
            {"instructions": "one", "input": [{"role": "user", "content": [{"type": "input_text", "text": "b"}]}]},
        ),
    ],
)
def test_chats_that_open_differently_are_told_apart(bodies):
    assert len({opening_of(body) for body in bodies}) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["messages", "input", "system", "x"]), json_values, max_size=4))
def test_no_body_however_odd_stops_the_decision(body):
    opening_of(body)


def test_a_place_is_the_same_in_every_process():
    assert place("salt", "conversation 7") == pytest.approx(0.6756443569927758, abs=1e-15)


def test_deciding_imports_nothing_that_is_slow_to_start():
    code = "import sys, fairlead.serve.decide; print([m for m in ('numpy','sqlalchemy','genai_prices','asyncio') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
