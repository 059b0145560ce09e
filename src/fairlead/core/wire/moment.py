"""When something happened, from whatever a log writes: ISO 8601, or seconds, milliseconds, … since 1970.

Rules kept: a time without a zone is UTC; a date before 2015 (there were no such calls) or more than a day after the
reader's `now` is set aside as unknown, and said so; nothing else of the row is lost over a date.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fairlead.core.nouns import JSON

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
SLACK = timedelta(days=1)


class Moment(NamedTuple):
    """A time, or none; `set_aside` when something was given that cannot be one."""

    at: datetime | None
    set_aside: bool


def moment(value: JSON, *, now: datetime) -> Moment:
    """Return the time that `value` tells.

    >>> moment("2026-03-01T12:00:00Z", now=datetime(2026, 11, 1, tzinfo=UTC)).at.isoformat()
    '2026-03-01T12:00:00+00:00'
    """
    if value is None or value == "":
        return Moment(None, set_aside=False)
    at = _time(value)
    if at is None or not EARLIEST <= at <= now + SLACK:
        return Moment(None, set_aside=True)
    return Moment(at, set_aside=False)


def seconds_between(start: JSON, end: JSON) -> float | None:
    """Return the seconds from one written time to another; `None` when either is unknown or they run backwards."""
    began, ended = _time(start), _time(end)
    if began is None or ended is None or ended < began:
        return None
    return (ended - began).total_seconds()


def _time(value: JSON) -> datetime | None:
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_epoch(value)
    return None


def _from_text(text: str) -> datetime | None:
    if len(text) > 64:
        return None
    if text.isdecimal() and len(text) != 8:  # 1793010200000 is no second of January 1793, as ISO 8601 may be read
        return _from_epoch(int(text))
    text = text.removesuffix(" UTC")
    try:
        at = datetime.fromisoformat(text[:-1] + "Z" if text.endswith("z") else text)
        if at.tzinfo is UTC:
            return at
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return _from_epoch(float(text))
    except ValueError:
        return None


def _from_epoch(value: float) -> datetime | None:
    """Seconds until the year 5138 are below 1e11; each finer unit is a thousand times more."""
    if isinstance(value, int) and abs(value) > 10**21:
        return None
    if not math.isfinite(value):
        return None
    for _ in range(3):
        if abs(value) >= 1e11:
            value /= 1000
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
