"""Settings of a grader, read once from JSON values into types; anything that cannot be used is a `UsageError`.

A grader says in `settings_help` which settings it has. A setting that is not named there is refused rather than ignored:
a misspelt `tolerence` would otherwise change nothing and nobody would know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fairlead.core.errors import UsageError
from fairlead.core.nouns import JSON


class Settings:
    """The settings given to one grader."""

    def __init__(self, given: Mapping[str, JSON], *, grader: str, known: Mapping[str, str]) -> None:
        unknown = [name for name in given if name not in known]
        if unknown:
            has = ", ".join(known) or "none"
            raise UsageError(f"grader {grader!r} has no setting {unknown[0]!r}; its settings are: {has}.")
        self._given = given
        self._grader = grader

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._given.get(name, default)
        if not isinstance(value, bool):
            raise self.unusable(name, value, "true or false")
        return value

    def amount(self, name: str, *, default: float) -> float:
        """A number from 0 up."""
        value = self._given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise self.unusable(name, value, "a number from 0 up, such as 0.01")
        return float(value)

    def pick(self, name: str, *, among: Sequence[str], default: str) -> str:
        """One of a few words."""
        value = self._given.get(name, default)
        if not isinstance(value, str) or value not in among:
            raise self.unusable(name, value, f"one of {', '.join(among)}")
        return value

    def text(self, name: str, *, default: str = "") -> str:
        """Any text."""
        value = self._given.get(name, default)
        if not isinstance(value, str):
            raise self.unusable(name, value, "text")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty when not given."""
        value = self._given.get(name, [])
        if not isinstance(value, list | tuple):
            raise self.unusable(name, value, "a list of texts")
        texts = tuple(item for item in value if isinstance(item, str) and item.strip())
        if len(texts) != len(value):
            raise self.unusable(name, value, "a list of texts, none of them empty")
        return texts

    def schema(self, name: str) -> Mapping[str, JSON] | None:
        """A JSON object, or `None` when not given."""
        value = self._given.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise self.unusable(name, value, "a JSON schema (an object)")
        return value

    def unusable(self, name: str, value: object, wanted: str) -> UsageError:
        """The error that says a setting's value cannot be used and what would work."""
        seen = repr(value)
        seen = seen if len(seen) <= 60 else seen[:57] + "…"
        return UsageError(f"grader {self._grader!r}: {name} = {seen} cannot be used; set it to {wanted}.")
