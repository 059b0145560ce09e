"""The hidden jobs of the sample organisation, by the category each really belongs to."""

from __future__ import annotations

from fairlead.demo.jobs.agentic import AGENTIC
from fairlead.demo.jobs.coding import CODING
from fairlead.demo.jobs.multilingual import MULTILINGUAL
from fairlead.demo.jobs.multimodal import MULTIMODAL
from fairlead.demo.jobs.reasoning import EXAM_JOB, SUMS_JOB
from fairlead.demo.jobs.retrieval import CONTRACTS, HANDBOOK
from fairlead.demo.jobs.safety import SAFETY
from fairlead.demo.jobs.structured import INVOICES, PAYMENTS, SLOTS, TICKETS
from fairlead.demo.jobs.task import Job
from fairlead.demo.jobs.writing import WRITING

JOBS: tuple[Job, ...] = (
    CODING,
    MULTILINGUAL,
    HANDBOOK,
    CONTRACTS,
    SUMS_JOB,
    EXAM_JOB,
    WRITING,
    INVOICES,
    TICKETS,
    SLOTS,
    PAYMENTS,
    AGENTIC,
    MULTIMODAL,
    SAFETY,
)

__all__ = ["JOBS", "Job"]
