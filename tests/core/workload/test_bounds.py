"""Memory stays bounded whatever the traffic, and what is sampled still counts for what was left out."""

from __future__ import annotations

import json
from random import Random

import pytest

from core.workload.making import WORDS, asks, places, scanned, text
from fairlead.core.workload import Grouper, sample
from fairlead.core.workload.memo import Memo
from fairlead.core.workload.sample import Sample


@pytest.fixture
def small(monkeypatch):
    """Budgets small enough to be reached by a test; the rules are the same."""
    monkeypatch.setattr(sample, "MAX_FRAMES", 120)
    monkeypatch.setattr(sample, "MAX_OPENINGS", 300)
    monkeypatch.setattr(sample, "_CELL_OPENINGS", 100)


def strange(number: int, size: int = 30) -> str:
    random = Random(number)
    return "\n".join(" ".join("".join(random.choices("abcdefghij", k=6)) for _ in range(9)) for _ in range(size))


@pytest.mark.usefixtures("small")
def test_different_prompts_fill_the_sample_and_no_more():
    grouper = Grouper()
    for i in range(1_500):
        grouper.learn(asks(strange(i, 3), strange(-i, 2), tools=[f"tool_{i}"]))
    assert len(grouper._news) <= 120
    assert grouper._news._openings <= 300
    assert grouper._news._openings == sum(len(cell.openings) for cell in grouper._news.cells.values())


@pytest.mark.usefixtures("small")
def test_a_job_is_found_among_prompts_that_are_all_different_even_when_it_comes_last():
    late = [asks("You name the birds in a photograph. Latin names only.", text(i)) for i in range(80)]
    grouper = scanned([asks(strange(i, 3)) for i in range(1_000)] + late)
    assert len(set(places(grouper, late))) == 1
    assert grouper.name(places(grouper, late)[0]) == "Name the birds in a photograph"


@pytest.mark.usefixtures("small")
def test_a_job_whose_prompts_all_differ_in_one_line_is_found_when_it_overflows_the_sample():
    jobs = [
        asks(f"You answer from the page below.\n{strange(i, 1)}\nQuote the page in every answer.", text(i))
        for i in range(600)
    ]
    other = [
        asks(f"You grade pupils' essays by the scheme below.\n{strange(-i, 1)}\nBe kind but exact.", text(i))
        for i in range(300)
    ]
    grouper = scanned(jobs + other)
    assert len(set(places(grouper, jobs))) == 1
    assert len(set(places(grouper, other))) == 1
    assert set(places(grouper, jobs)).isdisjoint(places(grouper, other))


@pytest.mark.usefixtures("small")
def test_the_sample_stands_for_all_that_was_seen():
    grouper = Grouper()
    for i in range(2_000):
        grouper.learn(asks(strange(i, 2)))
    stands_for = sum(cell.weight for cell in grouper._news.cells.values())
    assert 1_000 < stands_for < 4_000


@pytest.mark.usefixtures("small")
def test_one_prompt_left_in_the_sample_for_many_is_not_taken_for_a_job():
    strangers = [asks(strange(i, 4)) for i in range(600)]
    grouper = scanned(strangers)
    assert set(places(grouper, strangers)) == {grouper.assign(asks("never seen")).workload_id}


def test_the_bytes_of_the_sample_are_bounded_when_every_prompt_is_different(monkeypatch):
    monkeypatch.setattr(sample, "_FRAME_BYTES", 300_000)
    monkeypatch.setattr(sample, "_OPENING_BYTES", 100_000)
    grouper = Grouper()
    for i in range(300):
        grouper.learn(asks(strange(i, 20), strange(-i, 10), tools=[f"tool_{i}_{j}" for j in range(20)]))
    held = grouper._news.cells.values()
    assert sum(sample.size_of(cell.frame) for cell in held) == grouper._news._frame_bytes <= 300_000
    openings = sum(sample.bytes_of(segments) for cell in held for segments in cell.openings)
    assert openings == grouper._news._opening_bytes <= 100_000
    assert len(json.dumps(grouper.to_json())) < 1_000_000


def test_samples_added_in_either_order_hold_the_same():
    logs = [
        [asks(" ".join(Random(seed * 1_000 + i).choices(WORDS, k=3)), text(i % 7)) for i in range(60)]
        for seed in (1, 2)
    ]
    held = []
    for order in (logs, logs[::-1]):
        whole = Sample()
        for log in order:
            part = Grouper()
            for request in log:
                part.learn(request)
            whole.absorb(part._news)
        held.append(
            {frame: (cell.count, {s: o.count for s, o in cell.openings.items()}) for frame, cell in whole.cells.items()}
        )
    assert held[0] == held[1]


def test_a_grouper_that_is_to_spare_memory_remembers_little_and_places_the_same():
    jobs = [asks(f"You answer questions about {what}. Be brief.", text(i)) for i in range(40) for what in WORDS[:3]]
    grouper = scanned(jobs)
    before = [grouper.place(each) for each in jobs]
    grouper.spare_memory(most_mb=0.01)
    for number in range(300):
        grouper.place(asks(strange(number)))
    assert [grouper.place(each) for each in jobs] == before
    assert len(grouper._masker._lines) < 60
    assert len(grouper._plain) < 60


def test_a_memory_for_what_comes_again_keeps_nothing_that_is_offered_once():
    memo: Memo[str, int] = Memo(1_000, second_time=True)
    memo.put("once", 1)
    assert (memo.get("once"), memo.was_offered("once"), memo.was_offered("never")) == (None, True, False)
    memo.put("once", 1)
    assert memo.get("once") == 1


def test_what_was_offered_once_is_forgotten_too():
    memo: Memo[int, int] = Memo(1_000, second_time=True)
    for number in range(100_000):
        memo.put(number, number)
    assert len(memo) == 0
    assert not memo.was_offered(0)
