"""Numbers of things in words, for whoever tells them; it loads nothing."""

from __future__ import annotations


def many(number: int, what: str) -> str:
    """So many of something.

    >>> many(1, "line"), many(2_000, "line")
    ('1 line', '2,000 lines')
    """
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
