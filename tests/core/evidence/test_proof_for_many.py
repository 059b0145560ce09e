"""A claim that stands by itself may go on to stand among many: more pairs, the same e-process, nothing withdrawn."""

import math

import pytest

from fairlead.core.evidence.pilot import PilotEvidence
from fairlead.core.nouns import Candidate, Estimand, Grade, Pair, PilotDesign

PROOF = math.log(14 / (0.05 * 9))
DESIGN = PilotDesign(
    workload_id="w1", candidate=Candidate(endpoint="http://127.0.0.1/v1", model="m"), grader="exact@1", labels_hash="a",
    margin=0.05, alpha=0.05, n_max=5000, seed=0, estimand=Estimand.LIKE_THIS, timeout_s=60, frozen_seq=1, frozen_count=1,
    incumbent=None, incumbent_models=(), prompt_ids=(), log_from=None, log_to=None,
)  # fmt: skip


def pair(position: int, difference: int) -> Pair:
    incumbent, candidate = Grade(score=float(difference < 0)), Grade(score=float(difference > 0))
    return Pair(position=position, exchange_id=f"e{position}", incumbent=incumbent, candidate=candidate)


def stopped_at(proof: float, differences: list[int]) -> PilotEvidence:
    evidence = PilotEvidence(DESIGN, proof=proof)
    for position, difference in enumerate(differences, start=1):
        evidence.add(pair(position, difference))
        if evidence.decided:
            break
    return evidence


@pytest.mark.parametrize("every", [1000, 25, 40])
def test_it_goes_on_from_where_it_stood_until_the_proof_is_reached(every: int) -> None:
    differences = [(-1 if number % 2 else 1) * (number % every == every - 1) for number in range(2000)]
    alone, among = stopped_at(0.0, differences), stopped_at(PROOF, differences)
    assert alone.judgement().replace_ok
    assert alone.judgement().log_e_replace < PROOF <= among.judgement().log_e_replace
    assert among.decided_at == alone.decided_at == alone.n < among.n
    assert among.judgement().replace_ok, "what was proven once stays proven"


def test_a_candidate_that_is_worse_stops_as_soon_as_that_is_shown() -> None:
    differences = [-1 if number % 3 == 0 else 0 for number in range(2000)]
    assert stopped_at(PROOF, differences).n == stopped_at(0.0, differences).n
