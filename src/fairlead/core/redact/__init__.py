"""Redaction: secrets and personal data taken out of exchanges before anything is stored. Pure; `Checks` come from the edge.

>>> class Nothing:
...     def is_valid(self, scheme, number): return False
...     def is_phone(self, number, *, strict): return False
>>> Redactor(Nothing()).text("Write to ann@example.org or bob@example.org; ann@example.org is faster.")
'Write to <email 1> or <email 2>; <email 1> is faster.'
"""

from fairlead.core.redact.exchange import GIVEN, expected, is_clean, redacted
from fairlead.core.redact.find import Finder
from fairlead.core.redact.kinds import SECRETS, Checks, DataClass, Hit, Kind, Policy
from fairlead.core.redact.redactor import Redactor, Report

__all__ = [
    "GIVEN",
    "SECRETS",
    "Checks",
    "DataClass",
    "Finder",
    "Hit",
    "Kind",
    "Policy",
    "Redactor",
    "Report",
    "expected",
    "is_clean",
    "redacted",
]
