"""The last column of the demo: what was found beside what is true. Read after everything is decided, and by nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Outcome(StrEnum):
    """How a verdict stands to the truth."""

    RIGHT = "right"
    WRONG = "wrong"
    OPEN = "not decided"
    UNKNOWN = "no truth known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A hidden job among the exchanges of a found workload, and what part of them it makes up."""

    job: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRow:
    """A found workload beside the hidden job that most of its exchanges really belong to.

    `purity` is that job's share of the workload and `recall` the workload's share of that job. `difference` is the true
    one, open minus closed with faults included; `None` where none is defined, as for chatter.
    """

    workload_id: str
    job: str
    category: str | None
    purity: float
    recall: float
    jobs: tuple[Share, ...]
    closed: float | None
    open: float | None
    difference: float | None
    verdict: str | None
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What `truth.json` holds."""

    jobs: Mapping[str, Mapping[str, str | float | None]]
    job_of: Mapping[str, str]


def read_truth(path: Path) -> Truth | None:
    """The truth, or `None` when its file is gone: then there is one column less, and nothing else changes."""
    if not path.exists():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    names = list(told["jobs"])
    return Truth(jobs=told["jobs"], job_of={id_: names[index] for id_, index in told["exchanges"].items()})


def outcome(verdict: str | None, difference: float | None, *, margin: float) -> Outcome:
    """Whether a verdict is right, by what it claims: leads, or no worse than the margin.

    >>> outcome("equivalent", -0.02, margin=0.05)
    <Outcome.RIGHT: 'right'>
    """
    if difference is None:
        return Outcome.UNKNOWN
    claims = {"open leads": difference > 0, "equivalent": difference > -margin, "closed leads": difference < 0}
    if verdict not in claims:
        return Outcome.OPEN
    return Outcome.RIGHT if claims[verdict] else Outcome.WRONG


def compared(
    truth: Truth, found: Mapping[str, str], verdicts: Mapping[str, str], *, margin: float
) -> Sequence[TruthRow]:
    """A row per found workload, largest first; `found` maps exchange ids to workloads, `verdicts` workloads to words."""
    sizes = Counter(truth.job_of.values())
    inside: dict[str, Counter[str]] = {}
    for exchange_id, workload_id in found.items():
        job = truth.job_of.get(exchange_id)
        if job is not None:
            inside.setdefault(workload_id, Counter())[job] += 1
    ordered = sorted(inside.items(), key=lambda item: (-item[1].total(), item[0]))
    return [row_of(truth, id_, jobs, verdicts.get(id_), sizes=sizes, margin=margin) for id_, jobs in ordered]


def row_of(
    truth: Truth, workload_id: str, jobs: Counter[str], verdict: str | None, *, sizes: Counter[str], margin: float
) -> TruthRow:
    """The row of one found workload."""
    job, count = min(jobs.items(), key=lambda item: (-item[1], item[0]))
    known = truth.jobs[job]
    difference = rate(known.get("difference"))
    category = known.get("category")
    return TruthRow(
        workload_id=workload_id,
        job=job,
        category=category if isinstance(category, str) else None,
        purity=count / jobs.total(),
        recall=count / sizes[job],
        jobs=tuple(Share(job=name, share=times / jobs.total()) for name, times in jobs.most_common()),
        closed=rate(known.get("closed")),
        open=rate(known.get("open")),
        difference=difference,
        verdict=verdict,
        outcome=outcome(verdict, difference, margin=margin),
    )


def rate(value: str | float | None) -> float | None:
    """A rate as stored, or `None`."""
    return value if isinstance(value, float) else None
