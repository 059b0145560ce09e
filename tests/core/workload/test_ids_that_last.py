"""Ids: versions of one prompt are one workload, fresh scans agree, state survives, and nothing published is taken back."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.workload.making import DAY_ONE, asks, kept_apart, mixed, places, scanned, text
from fairlead.core.errors import LedgerTooNew, UsageError
from fairlead.core.workload import Grouper

BASE = (
    "You summarise letters for the mayor's office.\nName the sender, the wish and the deadline.\nStay neutral in tone."
)
LONGER = BASE + "\nNever promise anything."
REWORDED = LONGER.replace(
    "Name the sender, the wish and the deadline.", "Name the sender, the request and the deadline."
)
OTHER = "You turn the mayor's speeches into five headlines.\nNo puns.\nNo numbers."


def of(prompt: str, number: int = 30, start: int = 0):
    return [asks(prompt, text(start + i)) for i in range(number)]


def reloaded(grouper: Grouper) -> Grouper:
    return Grouper.from_json(json.loads(json.dumps(grouper.to_json())))


def test_three_versions_of_a_prompt_are_one_workload_with_three_prompts():
    versions = [of(BASE), of(LONGER, start=100), of(REWORDED, start=200)]
    log = [request for version in versions for request in version] + of(OTHER, start=300)
    grouper = scanned(log, hours_apart=1)
    (workload,) = set(places(grouper, log[:90]))
    assert {grouper.assign(version[0]).prompt_id for version in versions} == set(grouper.prompts(workload))
    assert len(grouper.prompts(workload)) == 3
    assert workload not in places(grouper, log[90:])


def test_versions_in_use_at_the_same_time_are_one_workload_when_a_line_was_added_or_reworded():
    groups = [of(BASE), of(LONGER, start=100), of(REWORDED, start=200)]
    log = mixed(*groups)
    assert len(set(places(scanned(log, hours_apart=1), log))) == 1


def test_a_replaced_task_is_a_version_when_it_follows_and_another_job_when_it_runs_beside():
    new = BASE.replace("Stay neutral in tone.", "Write it as a poem of four lines that rhyme.")
    one, two = of(BASE), of(new, start=100)
    assert len(set(places(scanned(one + two, hours_apart=1), one + two))) == 1
    assert kept_apart(scanned(mixed(one, two), hours_apart=1), one, two)


def test_without_times_order_of_arrival_is_not_taken_for_time():
    new = BASE.replace("Stay neutral in tone.", "Write it as a poem of four lines that rhyme.")
    assert kept_apart(scanned(of(BASE) + of(new, start=100)), of(BASE), of(new, start=100))


def test_versions_never_join_jobs_with_other_tools_or_another_schema():
    plain = of(BASE)
    tools = [asks(LONGER, text(i), tools=["file", "forward"]) for i in range(30)]
    fields = [asks(LONGER, text(i), fields=["sender", "wish"]) for i in range(30)]
    assert kept_apart(scanned(plain + tools + fields, hours_apart=1), plain, tools, fields)


def test_an_id_given_before_a_version_was_joined_stays_valid():
    grouper = scanned(of(BASE), hours_apart=1)
    first = grouper.assign(of(BASE)[0]).workload_id
    for i, request in enumerate(of(REWORDED, start=500)):
        grouper.learn(request, at=DAY_ONE.replace(month=11, day=1 + i % 28))
    grouper.link()
    assert (
        grouper.resolve(first) == grouper.assign(of(BASE)[0]).workload_id == grouper.assign(of(REWORDED)[0]).workload_id
    )


def test_ids_survive_saving_loading_and_learning_more():
    grouper = scanned(mixed(of(BASE), of(OTHER)))
    known = {prompt: grouper.assign(of(prompt)[0]) for prompt in (BASE, OTHER)}
    again = reloaded(grouper)
    scanned(of("You name colours for a paint maker.", start=900) + of(OTHER, start=950), grouper=again)
    assert {prompt: again.assign(of(prompt)[0]) for prompt in known} == known
    assert reloaded(again).to_json() == again.to_json()


def test_a_prompt_that_was_forgotten_and_comes_back_has_its_old_id():
    grouper = scanned(of(BASE) + of(OTHER))
    known = grouper.assign(of(BASE)[0])
    state = grouper.to_json()
    state["sample"] = scanned(of(OTHER)).to_json()["sample"]
    later = Grouper.from_json(state)
    later.link()
    scanned(of(BASE, start=700), grouper=later)
    assert later.assign(of(BASE)[0]) == known


def test_a_state_of_a_newer_version_is_refused():
    state = Grouper().to_json()
    with pytest.raises(LedgerTooNew, match="newer Fairlead"):
        Grouper.from_json({**state, "version": 99})


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_log_changes_nothing(seed):
    log = mixed(
        of(BASE), of(LONGER, start=50), of(OTHER), [asks("", f"Rhyme with this word:\n{text(i, 1)}") for i in range(30)]
    )
    shuffled = list(log)
    Random(seed).shuffle(shuffled)
    one, two = scanned(log), scanned(shuffled)
    assert places(one, log) == places(two, log)
    assert [one.name(id_) for id_ in places(one, log)] == [two.name(id_) for id_ in places(two, log)]


def test_a_fresh_scan_of_a_part_of_the_log_gives_the_same_ids():
    log = mixed(of(BASE, 80), of(OTHER, 80), [asks("", f"Rhyme with this word:\n{text(i, 1)}") for i in range(80)])
    whole = places(scanned(log), log)
    for part in (slice(0, 60), slice(None, None, 4), slice(180, None)):
        assert places(scanned(log[part]), log[part]) == whole[part]


def test_assigning_changes_nothing():
    grouper = scanned(mixed(of(BASE), of(OTHER)))
    before = grouper.to_json()
    places(grouper, of(BASE) + of("Never seen before.", start=40))
    assert grouper.to_json() == before


# ---------------------------------------------------------------------------------------------------- as it arrives


def test_what_arrives_is_pending_until_it_is_certain_and_keeps_its_id_ever_after():
    grouper = Grouper()
    requests = of(BASE, 40)
    assert all(grouper.arrive(request, at=DAY_ONE) is None for request in requests[:20])
    grouper.link()
    given_at_arrival = [grouper.arrive(request, at=DAY_ONE) for request in requests[20:]]
    assert None not in given_at_arrival
    grouper.link()
    assert {grouper.resolve(place.workload_id) for place in given_at_arrival if place} == set(places(grouper, requests))


def test_a_new_task_behind_a_known_preamble_is_pending_not_the_old_task():
    preamble = "You work for the mayor's office. Follow the town's style guide. Use plain words.\n"
    grouper = scanned(
        of(preamble + "Task: summarise the letter for the mayor, in four sentences, with sender, wish and deadline.")
    )
    assert (
        grouper.arrive(
            asks(preamble + "Task: look up in which year the bridge named in the letter was built.", text(5))
        )
        is None
    )


def test_an_edited_prompt_has_another_prompt_id():
    grouper = scanned(of(BASE, 40))
    edited = asks(BASE.replace("Stay neutral in tone.", "Be enthusiastic about everything."), text(3))
    known, found = grouper.assign(of(BASE)[0]), grouper.assign(edited)
    assert found.workload_id == known.workload_id
    assert found.prompt_id != known.prompt_id


# ------------------------------------------------------------------------------------------------- what users decide


def relinked(grouper: Grouper) -> Grouper:
    """A restart, then a scan of more log."""
    return scanned(
        mixed(of(BASE, start=600), of(LONGER, start=700), of(OTHER, start=800)),
        grouper=reloaded(grouper),
        hours_apart=1,
    )


def test_a_name_given_by_the_user_survives_a_restart_and_a_rescan():
    grouper = scanned(of(BASE) + of(OTHER))
    (workload,) = set(places(grouper, of(BASE)))
    grouper.rename(workload, "Mayor's post\x1b[0m")
    assert relinked(grouper).name(workload) == "Mayor's post 0m"


def test_a_name_the_user_gives_is_taken_from_whoever_had_it():
    grouper = scanned(of(BASE) + of(OTHER))
    (one,), (two,) = set(places(grouper, of(BASE))), set(places(grouper, of(OTHER)))
    grouper.rename(one, grouper.name(two))
    assert grouper.name(one).casefold() != grouper.name(two).casefold()


def test_workloads_merged_by_the_user_stay_merged():
    grouper = scanned(of(BASE) + of(OTHER))
    (one,), (two,) = set(places(grouper, of(BASE))), set(places(grouper, of(OTHER)))
    grouper.merge(two, into=one)
    later = relinked(grouper)
    assert set(places(later, of(BASE) + of(OTHER))) == {one}
    assert later.resolve(two) == one


def test_a_prompt_split_off_by_the_user_stays_on_its_own():
    grouper = scanned(mixed(of(BASE), of(LONGER, start=100)), hours_apart=1)
    (workload,) = set(places(grouper, of(BASE) + of(LONGER)))
    made = grouper.split(grouper.assign(of(LONGER)[0]).prompt_id)
    later = relinked(grouper)
    assert set(places(later, of(LONGER))) == {made}
    assert set(places(later, of(BASE))) == {workload}
    assert grouper.name(made) != grouper.name(workload)


def test_a_pinned_workload_is_not_joined_until_it_is_let_go():
    grouper = scanned(of(BASE))
    (workload,) = set(places(grouper, of(BASE)))
    grouper.pin(workload)
    held = scanned(of(LONGER, 100, start=700), grouper=reloaded(grouper))
    assert kept_apart(held, of(BASE), of(LONGER))
    held.pin(workload, held=False)
    held.link()
    assert set(places(held, of(BASE) + of(LONGER))) == {workload}


@pytest.mark.parametrize(
    "act",
    [lambda g: g.rename("w0", "x"), lambda g: g.merge("w0", into="w1"), lambda g: g.pin("w0"), lambda g: g.split("p0")],
)
def test_an_unknown_id_is_an_error_that_says_so(act):
    with pytest.raises(UsageError, match="is not known"):
        act(scanned(of(BASE)))


# ---------------------------------------------------------------------------------------------- several processes


def test_processes_that_learn_apart_and_share_find_what_one_would_have_found():
    log = mixed(of(BASE, 60), of(OTHER, 60), of(LONGER, 60, start=200))
    shared = Grouper().to_json()
    workers = [Grouper.from_json(shared) for _ in range(3)]
    for number, request in enumerate(log):
        workers[number % 3].learn(request)
    for worker in workers:
        base = Grouper.from_json(json.loads(json.dumps(shared)))
        base.absorb(worker)
        base.link()
        shared = base.to_json()
    assert places(Grouper.from_json(shared), log) == places(scanned(log), log)


def test_a_process_adds_only_what_it_learned_itself():
    base = scanned(of(BASE, 40))
    worker = reloaded(base)
    for request in of(OTHER, 40):
        worker.learn(request)
    base.absorb(worker)
    base.link()
    both = scanned(of(BASE, 40) + of(OTHER, 40))
    assert base.to_json()["sample"]["cells"] == both.to_json()["sample"]["cells"]
