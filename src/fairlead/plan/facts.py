"""From a pilot's stored rows to the facts a plan needs: what each side did, what it cost, how the interval closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fairlead.core.evidence import Judgement, PilotEvidence, replayed
from fairlead.core.evidence.human import People
from fairlead.core.evidence.judges import Reliability, reliability, withheld
from fairlead.core.evidence.reviewed import blocks, reviewed
from fairlead.core.evidence.verdict import undecided
from fairlead.core.evidence.voice import PEOPLE, speaker_of
from fairlead.core.money import Spend, cost
from fairlead.core.moves import PilotFacts, SideFacts, Step
from fairlead.core.nouns import (
    Candidate,
    FailureKind,
    Money,
    OnFile,
    PairRow,
    PilotDesign,
    Preference,
    TokenPrice,
    Usage,
)

STEPS = 40
"""Points of the evidence chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """One side of one pair, with its cost."""

    score: float
    refused: bool
    failure: FailureKind | None
    latency_s: float | None
    usage: Usage
    attempts: int | None
    cost: Money | None


def pilot_facts(
    design: PilotDesign,
    rows: Sequence[PairRow],
    *,
    price: TokenPrice | None,
    incumbent_costs: Sequence[Money | None] = (),
    known: Sequence[OnFile] = (),
    distinct_left: int | None = None,
    out_of_date: tuple[str, ...] = (),
    preferences: Sequence[Preference] = (),
) -> PilotFacts:
    """What a plan needs to know of a pilot.

    `incumbent_costs` go with `rows`, one each, where they are known; `known` is what was on file before the first pair.
    """
    evidence = replayed(design, known, [row.pair for row in rows])
    judges = _judges(design, rows)
    people = reviewed(design, rows, preferences) if preferences or design.grader == PEOPLE else None
    heard = people is not None and (people.speaks or design.grader == PEOPLE)
    judged = people.judgement if people is not None and heard else _judgement(evidence, judges, design.margin)
    candidate = design.candidate
    return PilotFacts(
        pilot_id=design.id,
        workload_id=design.workload_id,
        candidate_id=candidate.id,
        candidate=_name(candidate),
        host=urlsplit(candidate.endpoint).netloc.rpartition("@")[2],
        settings=_settings(design),
        margin=design.margin,
        alpha=design.alpha,
        n_max=design.n_max,
        seed=design.seed,
        estimand=design.estimand,
        grader=design.grader,
        labels_hash=design.labels_hash,
        reasked=design.incumbent is not None,
        judgement=judged if rows or heard else None,
        speaker=PEOPLE if heard else speaker_of(design),
        reviewed=people,
        judges=judges,
        forecast=evidence.expects() if rows and not heard else None,
        incumbent_side=_incumbent(rows, incumbent_costs) if rows else None,
        candidate_side=_candidate(rows, price) if rows else None,
        steps=people_steps(design, rows, preferences) if heard else evidence_steps(evidence),
        decided_at=None if heard else evidence.decided_at,
        price=price,
        incumbent_models=design.incumbent_models,
        candidate_models=tuple(sorted({row.candidate_model for row in rows if row.candidate_model})),
        prompt_ids=design.prompt_ids,
        log_from=design.log_from,
        log_to=design.log_to,
        distinct_left=distinct_left,
        out_of_date=out_of_date,
        engine=_engine(design),
        cluster=design.drawing.cluster or "",
    )


def _name(candidate: Candidate) -> str:
    return candidate.model if candidate.version is None else f"{candidate.model} ({candidate.version})"


def _engine(design: PilotDesign) -> str:
    return f"{design.betting.engine}" + (", incumbent's scores on file used" if design.betting.scores_on_file else "")


def _judges(design: PilotDesign, rows: Sequence[PairRow]) -> Reliability | None:
    """How the judges did, where there were any."""
    if design.judging is None:
        return None
    names = [judge.model for judge in design.judging.judges]
    return reliability([row.judged for row in rows if row.judged is not None], names)


def _judgement(evidence: PilotEvidence, judges: Reliability | None, margin: float) -> Judgement:
    """The verdict now; none while too much of what the judges said could not be read."""
    judged = evidence.judgement()
    return undecided(judged) if judges is not None and withheld(judges, margin) else judged


def evidence_steps(evidence: PilotEvidence, *, points: int = STEPS) -> tuple[Step, ...]:
    """The interval at up to `points` places along the pairs, for the chart; the last place is the last pair."""
    return tuple(Step(n=at.n, low=at.low, mean=at.mean, high=at.high) for at in evidence.charted(points))


def people_steps(design: PilotDesign, rows: Sequence[PairRow], preferences: Sequence[Preference]) -> tuple[Step, ...]:
    """The interval of what people prefer at up to `STEPS` places along the labels."""
    counted = blocks(design, rows, preferences)
    places = {max(1, round(len(counted) * place / STEPS)) for place in range(1, STEPS + 1)} if counted else set[int]()
    people, steps = People(design.margin, design.alpha), list[Step]()
    for number, block in enumerate(counted, start=1):
        people.add(block)
        if number in places:
            interval, mean = people.interval(), people.judgement().mean
            steps.append(Step(n=number, low=interval.low, mean=mean or 0.0, high=interval.high))
    return tuple(steps)


def _settings(design: PilotDesign) -> str:
    """The candidate's settings in words; prompts themselves are not repeated."""
    candidate = design.candidate
    words = [f"{name} = {value}" for name, value in sorted(candidate.parameters.items())]
    words += [f"without {name}" for name in candidate.drop]
    words += [f"{old} sent as {new}" for old, new in sorted(candidate.rename.items())]
    words += ["with a prompt prefix"] if candidate.prompt_prefix else []
    words += ["with another prompt"] if candidate.prompt else []
    words += [f"thinking budget {candidate.thinking_budget:,}"] if candidate.thinking_budget is not None else []
    return ", ".join(words)


def _incumbent(rows: Sequence[PairRow], costs: Sequence[Money | None]) -> SideFacts:
    known = list(costs) if len(costs) == len(rows) else [None] * len(rows)
    return _side(
        _Reply(
            score=row.pair.incumbent.score,
            refused=row.incumbent_refused,
            failure=row.incumbent_failure,
            latency_s=row.incumbent_latency_s,
            usage=row.incumbent_usage,
            attempts=None,
            cost=money,
        )
        for row, money in zip(rows, known, strict=True)
    )


def _candidate(rows: Sequence[PairRow], price: TokenPrice | None) -> SideFacts:
    return _side(
        _Reply(
            score=row.pair.candidate.score,
            refused=row.candidate_refused,
            failure=row.candidate_failure,
            latency_s=row.candidate_latency_s,
            usage=row.candidate_usage,
            attempts=row.candidate_attempts,
            cost=None if price is None else cost(row.candidate_usage, price),
        )
        for row in rows
    )


def _side(replies: Iterable[_Reply]) -> SideFacts:
    rows = list(replies)
    latencies = sorted(row.latency_s for row in rows if row.latency_s is not None)
    spend = Spend()
    for row in rows:
        spend.add(row.cost)
    return SideFacts(
        answers=len(rows),
        score=_mean([row.score for row in rows]),
        latency_p50_s=quantile(latencies, 0.5),
        latency_p95_s=quantile(latencies, 0.95),
        input_tokens=_mean([row.usage.input for row in rows if row.usage.input is not None]),
        output_tokens=_mean([row.usage.output for row in rows if row.usage.output is not None]),
        failures=sum(row.failure is not None for row in rows),
        refusals=sum(row.refused for row in rows),
        attempts=_mean([row.attempts for row in rows if row.attempts is not None]),
        costs=spend.summaries(),
        unknown_costs=spend.unknown,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which `share` of the ordered values lie, between neighbours in proportion; `None` without any."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
