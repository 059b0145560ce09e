"""Losses that are timeouts arrive last. Fed in the order of arrival they make a worse candidate look equal."""

import heapq
from random import Random

import pytest

from fairlead.core.evidence import VerdictKind, Watch
from fairlead.core.nouns import FailureKind
from fairlead.pilot import design as designs
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import Said, exchanges

IN_FLIGHT, ANSWER_S, TIMEOUT_S, MARGIN, MOST = 64, 1.0, 60.0, 0.03, 500
RIGHT = Said(text="yes", after_s=ANSWER_S)
LOST = Said(failure=FailureKind.TIMEOUT, after_s=TIMEOUT_S)
LEDGER = MemoryLedger(exchanges(MOST))
RUNS = 8


def lost_ones(loss, seed):
    random = Random(f"{loss}/{seed}")
    return {f"question {number}" for number in range(1, MOST + 1) if random.random() < loss}


@pytest.mark.parametrize("loss", [0.03, 0.05, 0.10])
def test_with_64_in_flight_a_candidate_whose_losses_are_timeouts_is_never_called_equivalent(stage, loss):
    for seed in range(RUNS):
        lost = lost_ones(loss, seed)
        pilot = stage(
            lambda text, lost=lost: LOST if text in lost else RIGHT,
            ledger=LEDGER.copy(),
            margin=MARGIN,
            timeout_s=TIMEOUT_S,
            seed=seed,
            n_max=MOST,
        )
        result = pilot.run(concurrency=IN_FLIGHT)
        assert result.judgement.verdict not in {VerdictKind.EQUIVALENT, VerdictKind.OPEN_LEADS}, (loss, seed)
        assert pilot.ask.busiest == IN_FLIGHT


@pytest.mark.parametrize("loss", [0.03, 0.05, 0.10])
def test_the_same_answers_in_the_order_of_arrival_are_called_equivalent_so_the_trap_is_real(loss):
    misled = sum(equivalent_by_arrival(loss, seed) for seed in range(RUNS))
    assert misled >= RUNS - 2


def equivalent_by_arrival(loss, seed):
    lost, watch = lost_ones(loss, seed), Watch(MARGIN)
    on_their_way, clock = [], 0.0
    for number in range(1, MOST + 1):
        if len(on_their_way) == IN_FLIGHT:
            clock, score = heapq.heappop(on_their_way)
            watch.add(score - 1)
        is_lost = f"question {number}" in lost
        heapq.heappush(on_their_way, (clock + (TIMEOUT_S if is_lost else ANSWER_S), 0 if is_lost else 1))
        if watch.decided:
            break
    return watch.judgement().verdict is VerdictKind.EQUIVALENT


def test_a_finished_pair_waits_at_most_one_timeout_for_those_before_it(stage):
    pilot = stage(lambda text: LOST if text == first[0] else RIGHT, ledger=LEDGER.copy(), timeout_s=TIMEOUT_S)
    first = [pilot.ledger.exchange(next(drawn(pilot))).request.messages[-1].text]
    told = []
    result = pilot.run(concurrency=IN_FLIGHT, progress=told.append)
    assert result.candidate.failures == {"timeout": 1}
    waits = [one for one in told if one.pairs == 0 and one.waiting]
    assert waits
    assert max(one.elapsed_s for one in waits) <= TIMEOUT_S
    assert told[-1].elapsed_s < TIMEOUT_S + 10 * ANSWER_S


def drawn(pilot):
    frame = designs.frame_of(pilot.design, pilot.ledger.rows("w1"), pilot.grader, pilot.expected)
    return (row.id for row in designs.order(pilot.design, frame))
