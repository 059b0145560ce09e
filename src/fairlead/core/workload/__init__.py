"""Which requests do one job, and what kind of job it is; `share` keeps one state of it for all processes."""

from fairlead.core.workload.category import CategoryTally
from fairlead.core.workload.group import Assignment, Grouper, Shaped
from fairlead.core.workload.language import LanguageOf, language

__all__ = ["Assignment", "CategoryTally", "Grouper", "LanguageOf", "Shaped", "language"]
