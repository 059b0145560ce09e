"""From what is kept to what holds now: targets, upstreams, and what local only leaves."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.nouns import Candidate
from fairlead.serve.current import NO_UPSTREAM, fallback_of, route_now, routes_now, upstreams_now
from fairlead.serve.routing import Route
from fairlead.serve.snapshot import Stage, UpstreamNow

CANDIDATE = Candidate(
    endpoint="http://127.0.0.1:8000/v1",
    model="qwen3-32b",
    key_env="QWEN",
    parameters={"temperature": 0},
    drop=("logprobs",),
    prompt="Be brief.",
    thinking_budget=9,
)
ROUTE = Route(workload_id="w1", candidate=CANDIDATE, upstream="local", stage=Stage.CANARY)
few = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True).map(tuple)


def test_a_candidate_keeps_all_its_settings_on_the_way_to_the_data_plane():
    target = route_now(ROUTE).candidate
    assert (target.upstream, target.model, target.candidate_id) == ("local", "qwen3-32b", CANDIDATE.id)
    assert (target.parameters, target.drop, target.prompt, target.thinking_budget) == (
        {"temperature": 0},
        ("logprobs",),
        "Be brief.",
        9,
    )


def test_the_paired_share_is_that_of_the_stage():
    assert route_now(ROUTE).paired_share == ROUTE.canary_paired
    assert route_now(Route(workload_id="w1", stage=Stage.MOVED)).paired_share == ROUTE.moved_paired


@given(few, few)
def test_two_lists_of_what_may_see_a_workload_allow_what_both_allow_and_never_more(own, by_class):
    allowed = set(route_now(Route(workload_id="w1", only=own), only=by_class).only)
    lists = [set(each) for each in (own, by_class) if each]
    both = set.intersection(*lists) if lists else set()
    assert allowed == (both or ({NO_UPSTREAM} if lists else set()))


def test_a_workload_that_is_local_only_has_a_route_though_nothing_was_ever_moved():
    found = routes_now([ROUTE], only={"w2": ("local",)})
    assert [(route.workload_id, route.stage, route.only) for route in found] == [
        ("w1", Stage.CANARY, ()),
        ("w2", Stage.STAY, ("local",)),
    ]


def test_a_candidate_brings_its_upstream_along_unless_one_is_configured_under_that_name():
    own = UpstreamNow(name="local", urls=("http://10.0.0.1/v1",))
    assert upstreams_now([own], [ROUTE]) == (own,)
    (brought,) = upstreams_now([], [ROUTE])
    assert (brought.name, brought.urls, brought.key_env) == ("local", ("http://127.0.0.1:8000/v1",), "QWEN")


def test_a_fallback_is_an_upstream_with_or_without_a_model():
    assert (fallback_of("spare").upstream, fallback_of("spare").model) == ("spare", None)
    assert (fallback_of("spare:m:7b").upstream, fallback_of("spare:m:7b").model) == ("spare", "m:7b")
