"""Why a verdict is what it is, in plain words: what was counted, what was proven, what would change it, and every gate. Pure.

Everything is worked out anew from the design and the pairs, so an explanation cannot say more than the evidence does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fairlead.core.evidence import Floor, Judgement, PilotEvidence
from fairlead.core.evidence.cluster import Clusters, clusters
from fairlead.core.evidence.settings import N_MIN
from fairlead.core.evidence.stakes import Terms
from fairlead.core.evidence.verdict import CLAIMS, Claim
from fairlead.core.nouns import Engine, Estimand, PairRow, PilotDesign
from fairlead.pilot.result import points, signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One condition of a verdict: whether it is met, in words."""

    name: str
    met: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """An explanation: sentences by topic, and the gates."""

    question: str
    counts: str
    interval: str
    proof: tuple[str, ...]
    looks: str
    change: tuple[str, ...]
    segments: tuple[str, ...]
    dependence: str
    gates: tuple[Gate, ...]
    judges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What an explanation looks at; `clusters` names each pair's cluster by exchange id, `lost` counts what the log has lost."""

    design: PilotDesign
    evidence: PilotEvidence
    rows: Sequence[PairRow]
    said: str
    frame: Mapping[str, int] = field(default_factory=dict[str, int])
    stale: tuple[str, ...] = ()
    clusters: Mapping[str, str] = field(default_factory=dict[str, str])
    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    judges: tuple[str, ...] = ()


def explained(case: Case) -> Why:
    """Why the verdict is what it is."""
    design, judged = case.design, case.evidence.judgement()
    return Why(
        question=_question(design),
        counts=_counts(judged),
        interval=_interval(design, judged),
        proof=tuple(_proof(case.evidence, judged)),
        looks=(
            f"It was looked at after every one of {judged.n:,} pairs. Looking costs nothing: the bound of {points(design.alpha)} % on "
            "any false statement holds at every look at once. Pairs were bet on in the order they were drawn, failures scored 0."
        ),
        change=tuple(_change(case, judged)),
        segments=tuple(_segments(judged)),
        dependence=_dependence(case),
        gates=tuple(_gates(case, judged)),
        judges=case.judges,
    )


def _question(design: PilotDesign) -> str:
    about = (
        "traffic like this"
        if design.estimand is Estimand.LIKE_THIS
        else f"exactly these {design.frozen_count:,} exchanges"
    )
    return (
        f"On {about}: is {design.candidate.model} worse than the incumbent by {points(design.margin)} points or more? Margin, grader "
        f"({design.grader}), clusters, segments, engine, seed and the most pairs were fixed before the first pair; their hash "
        f"is the pilot's name, {design.id}."
    )


def _counts(judged: Judgement) -> str:
    if judged.mean is None:
        return "There are no pairs yet."
    return (
        f"{judged.n:,} pairs: the candidate was better on {judged.wins:,}, worse on {judged.losses:,}, the same on {judged.ties:,}. "
        f"Mean difference {signed(judged.mean)} points."
    )


def _interval(design: PilotDesign, judged: Judgement) -> str:
    side = "above" if judged.low >= -design.margin else "below" if judged.high <= -design.margin else "on both sides of"
    return (
        f"The true difference is between {signed(judged.low)} and {signed(judged.high)} points ({100 * (1 - design.alpha):g} %, at every "
        f"look). The margin lies at {signed(-design.margin)}: the interval is {side} it."
    )


_ENGINES: Mapping[Engine, str] = {
    Engine.CONSTANT: "constant bets, each side at half of alpha",
    Engine.ADAPTIVE: "stakes that follow the variance seen so far, over a prior on the effect declared in advance",
    Engine.REMAINING: "stakes that follow the variance seen so far, on what remains of the window",
}


def _proof(evidence: PilotEvidence, judged: Judgement) -> Iterator[str]:
    design = evidence.design
    betting = design.betting
    known = ", with the incumbent's scores on file taken into account" if betting.scores_on_file else ""
    yield f"How pairs become evidence: {_ENGINES[betting.engine]}{known}."
    for claim, log_e in ((Claim.NOT_WORSE, evidence.strength), (Claim.WORSE, judged.log_e_worse)):
        bar = _bar(design, claim)
        proven = evidence.claims.get(claim)
        when = f"proven at pair {proven:,}" if proven is not None else "not proven"
        yield f"“{str(claim).capitalize()}”: a capital of {bar:.3g} is needed, {_capital(log_e)} is held now; {when}."
    for claim in (Claim.BETTER, Claim.BEHIND, Claim.NOT_MUCH_BETTER):
        if claim in evidence.claims:
            yield f"“{str(claim).capitalize()}”: proven at pair {evidence.claims[claim]:,}."


def _bar(design: PilotDesign, claim: Claim) -> float:
    if design.betting.engine is Engine.CONSTANT:
        return 2 / design.alpha
    null = CLAIMS[claim]
    terms = Terms(margin=design.margin, alpha=design.alpha, share=design.betting.share)
    return math.exp(terms.bar(null.theta(design.margin), null.sign))


def _capital(log_e: float) -> str:
    return (
        f"{math.exp(log_e):,.3g}" if -20 < log_e < 20 else ("almost none" if log_e < 0 else f"over {math.exp(20):,.0f}")
    )


def _change(case: Case, judged: Judgement) -> Iterator[str]:
    design, evidence = case.design, case.evidence
    if judged.mean is None:
        yield "Any pairs at all."
        return
    if judged.low < 0:
        yield (
            f"Whatever margin is had in mind: these pairs rule out a loss of more than {signed(-judged.low)[1:]} points, and no "
            "smaller one."
        )
    if evidence.decided_at is None and not judged.conflict:
        more = evidence.expects()
        amount = "more than 20,000 more pairs" if more.median is None else f"about {more.median:,} more pairs"
        most = f" (at most {more.p80:,} with 80 % probability)" if more.p80 is not None else ""
        yield (
            f"The margin is not decided: {amount} would decide it{most}, for the candidate in {more.p_replace:.0%} of possible "
            f"worlds, against it in {more.p_worse:.0%}."
        )
    else:
        yield "What has been proven stays proven for this question; further pairs only narrow the interval."
    yield (
        "Another margin, grader, prompt, candidate setting, engine, cluster or segment is another question: it starts new "
        "evidence. The verdict goes out of date when a model version, the grader, the expected answers or the prompt changes, or "
        "when there is traffic from 30 days after it."
    )
    if design.estimand is Estimand.LIKE_THIS:
        yield "If future traffic differs from the log, nothing here speaks of it; a canary does."
    else:
        yield "It speaks of these exchanges alone and of no further traffic."


def _segments(judged: Judgement) -> Iterator[str]:
    for each in judged.segments:
        yield (
            f"{each.label} = {each.value}: {each.state} (floor {signed(-each.floor)}; {signed(each.low)} to {signed(each.high)} points after "
            f"{each.n:,} pairs, {each.requests:,} requests on file)."
        )


def _dependence(case: Case) -> str:
    key = case.design.drawing.cluster
    if key is None:
        return "No clusters were declared: requests count as independent of each other."
    if case.design.estimand is Estimand.LIKE_THIS:
        return (
            f"One bet for each {key}, drawn in proportion to its requests, so that requests that belong together count once (design "
            "effect 1 by design)."
        )
    found = _clusters_of(case)
    if found is None or found.design_effect is None:
        return "The window's own mean is asked about, so it does not matter how requests depend on each other."
    return (
        f"The window's own mean is asked about, so it does not matter how requests depend on each other. For traffic beyond it, "
        f"these pairs come from {found.clusters:,} clusters by {key}; the design effect is {found.design_effect:.1f}."
    )


def _clusters_of(case: Case) -> Clusters | None:
    keys = [case.clusters.get(row.pair.exchange_id, row.pair.exchange_id) for row in case.rows]
    if len(set(keys)) < 2:
        return None
    return clusters([row.pair.difference for row in case.rows], keys)


def _gates(case: Case, judged: Judgement) -> Iterator[Gate]:
    yield Gate(
        name="enough pairs",
        met=judged.n >= N_MIN or case.evidence.room == 0,
        words=f"{judged.n:,} of the {N_MIN} pairs before which no verdict is shown",
    )
    yield Gate(
        name="one mean",
        met=not (judged.conflict or case.evidence.torn),
        words="the looks contradict each other: traffic, grader or a model changed on the way"
        if judged.conflict or case.evidence.torn
        else "all looks have a mean in common",
    )
    yield Gate(
        name="still true",
        met=not case.stale,
        words="; ".join(case.stale) or "nothing it rests on has changed",
    )
    failing = [each for each in judged.segments if each.state in {Floor.FAILS, Floor.OPEN}]
    yield Gate(
        name="every segment",
        met=not failing,
        words=judged.blocked
        or (f"{len(judged.segments)} segments keep their floor" if judged.segments else "no segments were declared"),
    )
    left_out = {
        "without an expected answer": case.frame.get("without_expected", 0),
        "without a recorded answer": case.frame.get("not_recorded", 0),
        "answered by a candidate": case.frame.get("by_candidate", 0),
    }
    yield _whole("left out", left_out, "nothing was left out", total=case.frame.get("exchanges", 0))
    yield _whole("asked as logged", case.lost, "every pair's request was logged whole", total=len(case.rows))


def _whole(name: str, counts: Mapping[str, int], none: str, *, total: int) -> Gate:
    """A gate that is missed when more than one in ten are lost; lesser losses are told."""
    found = {why: count for why, count in counts.items() if count}
    words = ", ".join(f"{count:,} {why}" for why, count in found.items())
    return Gate(name=name, met=10 * sum(found.values()) <= total or not found, words=words or none)
