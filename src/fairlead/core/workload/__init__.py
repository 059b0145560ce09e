"""Which requests do one job, and what kind of job it is."""

from fairlead.core.workload.group import Assignment, Grouper

__all__ = ["Assignment", "Grouper"]
