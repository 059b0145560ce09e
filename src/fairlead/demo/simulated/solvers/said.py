"""What a solver hands back: words or a tool call, and the mistakes several solvers have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.demo.simulated.chance import Draws


class Unclear(Exception):  # noqa: N818  it is an outcome of reading, as StopIteration is
    """The request looked like one of the known kinds but could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the model says: text, or one call of a tool."""

    text: str = ""
    tool: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


def found(pattern: str, text: str, flags: int = 0) -> re.Match[str]:
    """The first match of a pattern; `Unclear` when there is none."""
    match = re.search(pattern, text, flags)
    if match is None:
        raise Unclear(pattern)
    return match


def group_of(match: re.Match[str]) -> str:
    """The one group of a match that took part."""
    return next(group for group in match.groups() if group is not None)


def plain(value: float) -> str:
    """A number without needless decimals: 12 or 12.5."""
    return str(int(value)) if value == int(value) else f"{value:.2f}".rstrip("0")


def other(draws: Draws, name: str, right: Any, options: Sequence[Any]) -> Any:
    """One of the options that is not the right one."""
    return draws.pick(name, [each for each in options if each != right])


def slipped(draws: Draws, text: str) -> str:
    """The text with one digit mistaken for its neighbour."""
    places = [index for index, char in enumerate(text) if char.isdigit()]
    place = draws.pick("slip", places)
    return text[:place] + str((int(text[place]) + draws.pick("step", (1, 2, 9))) % 10) + text[place + 1 :]
