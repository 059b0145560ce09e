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

    @property
    def length(self) -> str:
        """How long that is, for people: `29.9 days`, `3 hours`, `1 minute`."""
        if self.days >= 1:
            return f"{self.days:,.1f} days"
        minutes = round(self.days * 1440)
        if minutes >= 90:
            return f"{self.days * 24:.0f} hours"
        return "less than a minute" if not minutes else f"{minutes} minute{'' if minutes == 1 else 's'}"
