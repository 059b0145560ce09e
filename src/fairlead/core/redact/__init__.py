"""Redaction: secrets and personal data taken out of exchanges before anything is stored. Pure; `Checks` come from the edge.

>>> from fairlead.core.redact import Redactor
>>> class Nothing:
...     def is_valid(self, scheme, number): return False
...     def is_phone(self, number, *, strict): return False
>>> Redactor(Nothing()).text("Write to ann@example.org or bob@example.org; ann@example.org is faster.")
'Write to <email 1> or <email 2>; <email 1> is faster.'

The words (`Policy`, `DataClass`, …) are there at once; what does the work is loaded when it is first named: settings and commands
need the words only, and the gateway starts in half the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.core.later import later
from fairlead.core.redact.kinds import SECRETS, Checks, DataClass, Hit, Kind, Policy

if TYPE_CHECKING:
    from fairlead.core.redact.exchange import GIVEN, expected, is_clean, redacted
    from fairlead.core.redact.find import Finder
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

_WHERE = {
    "GIVEN": "exchange",
    "expected": "exchange",
    "is_clean": "exchange",
    "redacted": "exchange",
    "Finder": "find",
    "Redactor": "redactor",
    "Report": "redactor",
}

__getattr__ = later(__name__, _WHERE, globals())
