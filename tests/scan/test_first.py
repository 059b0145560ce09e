"""What a first pilot would take: an order to begin in, worked out from what is known and silent about the rest."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from fairlead.core.nouns import Category, TokenPrice
from fairlead.scan.first import Candidacy, outlook, pairs_needed

PRICE = TokenPrice(input=Decimal("0.1"), output=Decimal("0.4"))
JOB = Candidacy(
    id="w", category=Category.WRITING, spend=Decimal(100), calls=Decimal(10_000), input_mean=Decimal(1000),
    output_mean=Decimal(500), can_be_asked=5_000,
)  # fmt: skip


def looked(job: Candidacy = JOB, price: TokenPrice | None = PRICE, rate: str = "1"):
    return outlook(job, price, rate=Decimal(rate), margin=0.03)


def test_a_pilot_costs_its_requests_at_the_reference_price():
    found = looked()
    each = Decimal("0.0003")  # 1000 x 0.1 + 500 x 0.4 = 300 millionths
    assert found.pairs == pairs_needed(0.03)
    assert found.pilot_cost == each * found.pairs
    assert found.after == 3
    assert found.saving == 97
    assert looked(rate="0.5").after == Decimal("1.5")


def test_a_pilot_asks_no_more_than_the_log_holds():
    found = looked(replace(JOB, can_be_asked=200))
    assert (found.pairs, found.needed) == (200, pairs_needed(0.03))


def test_a_narrower_margin_needs_more_pairs():
    assert pairs_needed(0.02) > pairs_needed(0.05) > 100


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"can_be_asked": 0}, "does not hold its requests"),
        ({"can_be_asked": 10}, "only 10 distinct requests"),
        ({"spend": Decimal(1)}, "costs no more today"),
    ],
)
def test_a_pilot_that_cannot_begin_or_cannot_save_says_why(change, why):
    assert why in looked(replace(JOB, **change)).why_not


def test_what_is_unknown_stays_unknown():
    assert looked(price=None).pilot_cost is None
    assert looked(replace(JOB, input_mean=None)).after is None
    assert looked(replace(JOB, spend=None)).saving is None
    assert looked(replace(JOB, spend=None)).weight == 0


def test_a_kind_of_work_that_closed_models_are_said_to_lead_comes_later():
    assert (
        looked(replace(JOB, category=Category.AGENTIC)).weight
        < looked().weight
        < looked(replace(JOB, category=Category.CODING)).weight
    )
