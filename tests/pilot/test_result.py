"""What a verdict says, and until when it holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fairlead.core.evidence import Evidence
from fairlead.core.nouns import Estimand
from fairlead.pilot import result as results
from fairlead.pilot.progress import all_refused, refused_parameters

AT = datetime(2026, 3, 2, tzinfo=UTC)
BASIS = results.Basis(
    candidate="c1",
    candidate_models=("open-1",),
    incumbent_models=("closed-1",),
    grader="exact@1",
    labels_hash="l1",
    prompts="p1",
    log_from=AT,
    log_to=AT,
)


@pytest.mark.parametrize(
    ("losses", "ties", "wins", "says"),
    [
        (0, 300, 0, "equivalent: on traffic like this, open-1 is not worse by 5 points or more (difference "),
        (
            40,
            880,
            80,
            "open leads: on traffic like this, open-1 is better (difference +0.7 to +7.4 points at 95 %, 1000 pairs).",
        ),
        (80, 20, 10, "closed leads: on traffic like this, open-1 is worse by more than 5 points ("),
        (80, 880, 40, "closed leads: on traffic like this, open-1 is worse; by how much is not settled ("),
        (30, 240, 30, "undecided: on traffic like this, nothing is proven about open-1 ("),
    ],
)
def test_a_verdict_is_worded_with_what_it_is_about(stage, losses, ties, wins, says):
    design = stage(count=5).design
    evidence = Evidence(margin=0.05).after([-1.0] * losses + [0.0] * ties + [1.0] * wins)
    assert results.verdict_words(evidence.judge(), design).startswith(says)
    window = results.verdict_words(evidence.judge(), replace(design, estimand=Estimand.WINDOW))
    assert "on exactly this window of 5 exchanges (2026-03-02 to 2026-03-02)" in window


def test_a_verdict_holds_while_nothing_it_rests_on_changes():
    assert results.out_of_date(BASIS, BASIS) == ()
    unknown = replace(BASIS, candidate_models=(), labels_hash=None)
    assert results.out_of_date(BASIS, unknown) == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"incumbent_models": ("closed-2",)}, "the incumbent's model version changed from closed-1 to closed-2"),
        (
            {"candidate_models": ("open-1", "open-2")},
            "the candidate's model version changed from open-1 to open-1, open-2",
        ),
        ({"grader": "exact@2"}, "the grader changed from exact@1 to exact@2"),
        ({"labels_hash": "l2"}, "the expected answers changed"),
        ({"prompts": "p2"}, "the prompt changed"),
        ({"candidate": "c2"}, "the candidate or its settings changed"),
        (
            {"log_to": AT + timedelta(days=31)},
            "it rests on traffic up to 2026-03-02; there is traffic up to 2026-04-02",
        ),
    ],
)
def test_a_verdict_is_out_of_date_when_what_it_rests_on_changes(change, reason):
    assert results.out_of_date(BASIS, replace(BASIS, **change)) == (reason,)


def test_quantiles_are_values_that_were_measured():
    assert results.quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert results.quantile([1.0, 2.0, 3.0, 4.0], 0.95) == 4.0
    assert results.quantile([], 0.5) is None


@pytest.mark.parametrize(
    ("detail", "found"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model.", ("max_tokens",)),
        ("[{'loc': ('body', 'logit_bias'), 'msg': 'extra'}, {'loc': ('body', 'seed')}]", ("logit_bias", "seed")),
        ("the model must be given messages", ()),
        ("", ()),
    ],
)
def test_refused_parameters_are_found_in_the_endpoints_words(detail, found):
    sent = ["model", "messages", "max_tokens", "logit_bias", "seed"]
    assert refused_parameters([detail], sent) == found


def test_without_a_name_in_the_words_no_hint_is_made_up():
    said = all_refused(["No."] * 5, ["seed"], "open-1")
    assert "--drop" not in said
    assert said.startswith("open-1 refused the first 5 requests: No. Nothing was scored.")
