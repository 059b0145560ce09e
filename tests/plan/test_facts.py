from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.nouns import (
    Candidate,
    Estimand,
    FailureKind,
    Grade,
    Money,
    Pair,
    PairRow,
    PilotDesign,
    TokenPrice,
    Usage,
)
from fairlead.plan import pilot_facts, quantile

PRICE = TokenPrice(input=Decimal(1), output=Decimal(2))
DESIGN = PilotDesign(
    workload_id="w",
    candidate=Candidate(
        endpoint="https://user:secret@llm.example:8443/v1",
        model="open-9b",
        version="2507",
        parameters={"temperature": 0},
        drop=("logit_bias",),
        rename={"max_tokens": "max_completion_tokens"},
        prompt_prefix="Be brief.",
        thinking_budget=1024,
    ),
    grader="label v1",
    labels_hash=None,
    margin=0.05,
    alpha=0.05,
    n_max=5000,
    seed=3,
    estimand=Estimand.LIKE_THIS,
    timeout_s=60,
    frozen_seq=10,
    frozen_count=10,
    incumbent=None,
    incumbent_models=("gpt-4o",),
    prompt_ids=("v1",),
    log_from=datetime(2026, 9, 1, tzinfo=UTC),
    log_to=datetime(2026, 9, 30, tzinfo=UTC),
)


def row(position: int, *, incumbent: float = 1, candidate: float = 1, usage: Usage | None = None, **more) -> PairRow:
    values = {
        "incumbent_refused": False,
        "candidate_refused": False,
        "incumbent_failure": None,
        "candidate_failure": None,
        "incumbent_latency_s": 2.0,
        "candidate_latency_s": 1.0,
        "incumbent_usage": Usage(fresh=100, visible=10),
        "candidate_usage": usage or Usage(fresh=100, visible=50),
        "candidate_attempts": 1,
        "candidate_model": "open-9b-2507",
    }
    pair = Pair(
        position=position,
        exchange_id=f"e{position}",
        incumbent=Grade(score=incumbent),
        candidate=Grade(score=candidate),
    )
    return PairRow(pair=pair, **(values | more))


def test_both_sides_are_summed_up_with_what_went_wrong():
    rows = [
        row(1),
        row(2, candidate=0, usage=Usage(), candidate_failure=FailureKind.TIMEOUT, candidate_latency_s=None),
        row(3, candidate_refused=True, candidate_attempts=3, usage=Usage(fresh=300, visible=150)),
        row(4, incumbent=0, incumbent_failure=FailureKind.NOT_RECORDED),
    ]
    facts = pilot_facts(DESIGN, rows, price=PRICE, incumbent_costs=[Money(amount=Decimal("0.01"))] * 3 + [None])
    candidate, incumbent = facts.candidate_side, facts.incumbent_side
    assert candidate is not None
    assert incumbent is not None
    assert (candidate.answers, candidate.failures, candidate.refusals, candidate.attempts) == (4, 1, 1, 1.5)
    # 100 + 2 x 50 = 200 twice and 300 + 2 x 150 = 600 millionths once: retries are paid for, the lost one is unknown.
    assert candidate.costs[0].n == 3
    assert candidate.costs[0].mean == Decimal("0.001") / 3
    assert candidate.unknown_costs == 1
    assert (incumbent.failures, incumbent.score, incumbent.unknown_costs) == (1, 0.75, 1)
    assert incumbent.costs[0].mean == Decimal("0.01")


def test_without_a_price_costs_are_unknown_and_not_zero():
    side = pilot_facts(DESIGN, [row(1)], price=None).candidate_side
    assert side is not None
    assert (side.costs, side.unknown_costs) == ((), 1)


def test_settings_are_told_and_secrets_are_not():
    facts = pilot_facts(DESIGN, [row(1)], price=PRICE)
    assert facts.host == "llm.example:8443"
    assert facts.candidate == "open-9b (2507)"
    assert facts.settings == (
        "temperature = 0, without logit_bias, max_tokens sent as max_completion_tokens, with a prompt prefix, "
        "thinking budget 1,024"
    )
    assert "secret" not in repr(facts)


def test_a_pilot_without_pairs_has_no_judgement():
    facts = pilot_facts(DESIGN, [], price=PRICE)
    assert (facts.judgement, facts.candidate_side, facts.steps, facts.decided_at) == (None, None, (), None)


def test_the_pair_that_decided_is_the_first_at_which_the_margin_was_proven():
    rows = [row(number, candidate=0) for number in range(1, 121)]
    facts = pilot_facts(DESIGN, rows, price=PRICE)
    assert facts.judgement is not None
    assert facts.judgement.by_more_than_margin
    assert facts.decided_at is not None
    before = pilot_facts(DESIGN, rows[: facts.decided_at - 1], price=PRICE).judgement
    assert before is not None
    assert not before.by_more_than_margin
    at = pilot_facts(DESIGN, rows[: facts.decided_at], price=PRICE).judgement
    assert at is not None
    assert at.by_more_than_margin


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=1, max_size=300))
@settings(max_examples=25, deadline=None)
def test_the_chart_ends_where_the_evidence_stands(differences):
    rows = [row(n, incumbent=max(-d, 0), candidate=max(d, 0)) for n, d in enumerate(differences, 1)]
    facts = pilot_facts(DESIGN, rows, price=PRICE)
    assert facts.judgement is not None
    assert facts.steps[-1].n == len(differences)
    assert facts.steps[-1].low <= facts.judgement.low + 2e-4
    assert facts.steps[-1].high >= facts.judgement.high - 2e-4
    assert [step.n for step in facts.steps] == sorted({step.n for step in facts.steps})
    assert len(facts.steps) <= 40


def test_quantiles_lie_between_neighbours():
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.95) == 3.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
