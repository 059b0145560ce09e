"""What a provider billed, in the words that a log can be held against: day, model, kind of token, amount.

A bill comes by tokens (a usage report), by money (a cost report) or by both. Models are compared by `family`, for a bill
may name one by its display name ("Claude Sonnet 4.5") and a log by a dated version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from fairlead.core.nouns import Usage

UNNAMED = "all models"
"""Stands for the model of a line that names none: such a bill is held against everything of its provider."""


class TokenType(StrEnum):
    """What a line of a bill is for."""

    INPUT = "input"
    CACHE_READ = "cache read"
    CACHE_WRITE_5M = "cache write 5m"
    CACHE_WRITE_1H = "cache write 1h"
    OUTPUT = "output"
    AUDIO_IN = "audio in"
    IMAGE_IN = "image in"
    AUDIO_OUT = "audio out"
    OTHER = "not tokens"
    CREDIT = "credit"
    ALL = "all kinds"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One line of a bill. `tokens` and `amount` are `None` where it tells only the other; `list_amount` is before a discount.

    `key` and `project` are as the bill names them; `tier` is `batch` and the like, `None` the standard one.
    """

    provider: str
    day: date
    model: str
    type: TokenType
    tokens: int | None = None
    amount: Decimal | None = None
    list_amount: Decimal | None = None
    currency: str = "USD"
    tier: str | None = None
    key: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The lines of one file, and what in it was set aside: columns nobody knows, rows without a day.

    `goes_on` says that the file is a page of an API after which others follow.
    """

    source: str
    lines: tuple[BillLine, ...]
    unknown_columns: tuple[str, ...] = ()
    set_aside: Mapping[str, int] = field(default_factory=dict[str, int])
    goes_on: bool = False


_VERSION = re.compile(r"(?:[-@]v?(?:20\d{6}|20\d{2}-\d{2}-\d{2})|-latest)(?:-v\d+:\d+)?$")
# Claude's older models bear their number before their name, and people write it behind; a whole number is also written `-0`.
_NUMBER_FIRST = re.compile(r"^claude-(\d(?:-\d{1,2})?)-([a-z]+)$")
_NUMBER_LAST = re.compile(r"^(claude-[a-z]+-\d)-0$")


def family(model: str) -> str:
    """The name that all versions of a model share, however it is written.

    >>> family("Claude Sonnet 4.5"), family("claude-sonnet-4-5-20250929"), family("gpt-4o-2024-08-06")
    ('claude-sonnet-4-5', 'claude-sonnet-4-5', 'gpt-4o')
    """
    name = model.strip().lower().removeprefix("models/").removeprefix("anthropic/").removeprefix("openai/")
    name = _VERSION.sub("", re.sub(r"[\s_]+", "-", name))
    if not name.startswith("claude"):
        return name
    return _NUMBER_LAST.sub(r"\1", _NUMBER_FIRST.sub(r"claude-\2-\1", name.replace(".", "-")))


def tokens_by_type(usage: Usage) -> dict[TokenType, int]:
    """The counts of an exchange as a bill has them: reasoning is output."""
    counts = {
        TokenType.INPUT: usage.fresh,
        TokenType.CACHE_READ: usage.cache_read,
        TokenType.CACHE_WRITE_5M: usage.cache_write_5m,
        TokenType.CACHE_WRITE_1H: usage.cache_write_1h,
        TokenType.OUTPUT: None if usage.visible is None else usage.visible + (usage.reasoning or 0),
        TokenType.AUDIO_IN: usage.audio_in,
        TokenType.IMAGE_IN: usage.image_in,
        TokenType.AUDIO_OUT: usage.audio_out,
    }
    return {kind: count for kind, count in counts.items() if count}
