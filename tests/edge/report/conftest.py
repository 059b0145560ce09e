"""A made-up plan over eight workloads: moves, waits, a stay, an unknown price, a hostile name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import cycle, islice

import pytest

from fairlead.core.evidence import Forecast
from fairlead.core.money import CostSummary, Rates, parse_price
from fairlead.core.moves import PilotFacts, Plan, Skipped, WorkloadFacts
from fairlead.core.nouns import (
    Candidate,
    Estimand,
    FailureKind,
    Grade,
    Money,
    Pair,
    PairRow,
    PilotDesign,
    Usage,
)
from fairlead.core.span import LogSpan
from fairlead.plan import order, pilot_facts

START = datetime(2026, 9, 1, tzinfo=UTC)
SPAN = LogSpan(start=START, end=START + timedelta(days=29.9))
HOSTILE = 'Reply </td><script>alert(1)</script> "drafts" \u202esdrawkcab\u202c \x1b[31m' + "long " * 60
# name, category, calls, cost a call, pairs, one win in, one loss in, price, candidate
SPECS = (
    ("Invoice fields", "structured", 410_000, "0.0182", 640, 50, 60, "0.08,0.28"),
    ("Ticket triage", "structured", 1_200_000, "0.0041", 900, 33, 34, "0.03,0.05,0.01"),
    ("SQL from question", "coding", 62_000, "0.0516", 420, 10, 40, "0.39,1.60"),
    ("Maths tutor", "reasoning", 14_000, "0.033", 900, 30, 33, None),
    (HOSTILE, "writing", 88_000, "0.0193", 150, 9, 8, "0.23,0.40"),
    ("Agent planner", "agentic", 31_000, "0.0473", 340, 60, 5, "0.6,2.5"),
    ("Moderation", "safety", 150_000, "0.0022", 0, 1, 1, None),
    ("Untagged traffic", "writing", 5_000, None, 0, 1, 1, None),
)


def _rows(pairs: int, win: int, loss: int) -> Iterator[PairRow]:
    for number in range(1, pairs + 1):
        won, lost = number % win == 0, number % loss == loss // 2
        failed = lost and number % 3 == 0
        yield PairRow(
            pair=Pair(
                position=number,
                exchange_id=f"e{number}",
                incumbent=Grade(score=0.0 if won else 1.0),
                candidate=Grade(score=0.0 if lost else 1.0),
            ),
            incumbent_refused=False,
            candidate_refused=number % 211 == 0,
            incumbent_failure=None,
            candidate_failure=FailureKind.TIMEOUT if failed else None,
            incumbent_latency_s=1.0 + number % 7 / 10,
            candidate_latency_s=0.4 + number % 5 / 10,
            incumbent_usage=Usage(fresh=800 + number % 50, visible=100 + number % 30),
            candidate_usage=Usage() if failed else Usage(fresh=900 + number % 40, visible=140 + number % 20),
            candidate_attempts=2 if number % 40 == 0 else 1,
            candidate_model="open-32b-2507",
        )


@cache
def _pilot(number: int, pairs: int, win: int, loss: int, price: str | None, margin: float) -> PilotFacts:
    rows = tuple(_rows(pairs, win, loss))
    design = PilotDesign(
        workload_id=f"w{number}",
        candidate=Candidate(endpoint="https://api.example/v1", model="open-32b", parameters={"temperature": 0}),
        grader="fields v1",
        labels_hash="a1b2c3",
        margin=margin,
        alpha=0.05,
        n_max=5000,
        seed=7,
        estimand=Estimand.LIKE_THIS,
        timeout_s=60,
        frozen_seq=1,
        frozen_count=1,
        incumbent=None,
        incumbent_models=("closed-xl-2026-05-13",),
        prompt_ids=("v3", "v4"),
        log_from=SPAN.start,
        log_to=SPAN.end,
    )
    facts = pilot_facts(
        design,
        rows,
        price=parse_price(price) if price else None,
        incumbent_costs=[Money(amount=Decimal("0.01"))] * len(rows),
        distinct_left=300,
    )
    return replace(facts, forecast=Forecast(median=420, p80=900, p_replace=0.61, p_worse=0.34))


@cache
def build_plan(
    only: tuple[int, ...] = tuple(range(8)),
    *,
    currency: str = "USD",
    span: LogSpan | None = SPAN,
    simulated: bool = False,
    margin: float = 0.05,
) -> Plan:
    workloads, pilots = [], []
    for number in only:
        name, category, calls, cost, pairs, win, loss, price = SPECS[number]
        priced = (CostSummary(currency="USD", n=calls, mean=Decimal(cost), sd=Decimal(cost) / 2),) if cost else ()
        workloads.append(
            WorkloadFacts(
                id=f"w{number}",
                name=name,
                category=category,
                calls=calls,
                costs=priced,
                unknown_costs=0 if cost else calls,
                unknown_reasons=() if cost else ("unknown model 'acme-9b'",),
                daily_calls=tuple(islice(cycle([calls // 28, calls // 30, calls // 40]), 29)),
                incumbents=("closed-xl-2026-05-13",),
            )
        )
        if pairs:
            pilots.append(_pilot(number, pairs, win, loss, price, margin))
    return order(
        workloads,
        pilots,
        made_at=datetime(2026, 11, 23, 9, tzinfo=UTC),
        span=span,
        rates=Rates(to="GBP", per={"USD": Decimal("0.7463")}, day="2026-10-30", source="reference rates")
        if currency == "GBP"
        else Rates(),
        skipped=[Skipped(source="september.jsonl.gz", count=12, reason="line is not JSON")],
        simulated=simulated,
    )


@pytest.fixture(scope="session")
def sample() -> Callable[..., Plan]:
    return build_plan
