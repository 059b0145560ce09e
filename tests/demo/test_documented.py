"""What docs/demo.md says is true is what the code does."""

from __future__ import annotations

from pathlib import Path

from tests.demo.test_answers import NAMES

from fairlead.demo.jobs import JOBS
from fairlead.demo.simulated.rates import FAULTS, RATES, true_difference

PAGE = (Path(__file__).parents[2] / "docs" / "demo.md").read_text("utf-8")


def rows() -> dict[str, list[str]]:
    """The cells of every table row, by its first cell."""
    cells = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")
    )
    return {row[0]: row[1:] for row in cells}


def test_every_job_is_documented_with_its_rates() -> None:
    documented, jobs = rows(), {job.name: job for job in JOBS}

    for kind, rate in RATES.items():
        job, difference = jobs[NAMES[kind]], f"{true_difference(kind) * 100:+.1f}".replace("-", "−")
        told = [job.category, job.model, f"{job.calls:,}", f"{job.distinct:,}", f"`{job.grader}`"]
        assert documented[job.name] == [*told, f"{rate.closed:.1%}", f"{rate.open:.1%}", difference]
    assert set(NAMES.values()) == set(jobs)


def test_faults_are_documented_with_their_rates() -> None:
    documented = rows()
    for side, faults in FAULTS.items():
        told = [faults.hang, faults.cut, faults.limited, faults.unavailable]
        assert documented[f"{side.value} model"] == [f"{each:.1%}" for each in told]
