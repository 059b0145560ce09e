"""How much time a log covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

DAYS_A_MONTH = Decimal("30.4375")
"""365.25 days over twelve months."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSpan:
    """From the first to the last exchange of the log."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Days between the two, as a fraction."""
        return (self.end - self.start).total_seconds() / 86_400
