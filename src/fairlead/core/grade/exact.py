"""Exact text: the answer is the expected text, after removing differences nobody means.

Removed on both sides: Unicode variants (NFKC), runs of white space, a code fence or backticks around the whole text, one
full stop at the end. Case counts unless `ignore_case` is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from fairlead.core.grade.reading import normal, unfenced
from fairlead.core.grade.rule import RIGHT, Case, Rule, alternatives, shown, wrong
from fairlead.core.grade.settings import Settings
from fairlead.core.nouns import JSON, Grade

# An answer this much longer than every expected text is not read: white space aside, it cannot be equal.
ROOM, TIMES = 20_000, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactRule(Rule):
    """Compares whole texts."""

    name: ClassVar[str] = "exact"
    says: ClassVar[str] = (
        "The answer is exactly the expected text, give or take white space, a code fence and a final full stop."
    )
    settings_help: ClassVar[dict[str, str]] = {
        "ignore_case": "whether capitals and small letters are equal (default false)"
    }

    ignore_case: bool = False

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """The grader with these settings."""
        return cls(ignore_case=settings.flag("ignore_case", default=False))

    def problem(self, expected: JSON) -> str | None:
        """What is wrong with this expected answer, if anything."""
        for value in alternatives(expected) or [None]:
            if written(value) is None:
                return f"the expected answer {shown(value)} is not text; give a text, or a list of texts of which any is right."
        return None

    def compare(self, case: Case) -> Grade:
        """1 when the texts are equal."""
        wanted = [text for value in alternatives(case.expected) if (text := written(value)) is not None]
        if len(case.answer.text) > ROOM + TIMES * max(map(len, wanted)):
            return wrong("far longer than the expected text")
        found = bare(case.answer.text, ignore_case=self.ignore_case)
        if any(found == bare(text, ignore_case=self.ignore_case) for text in wanted):
            return RIGHT
        return wrong(f"{shown(found)}, not {shown(wanted[0])}" if found else "empty answer")


def bare(text: str, *, ignore_case: bool) -> str:
    """The text with everything removed that exact text overlooks."""
    text = normal(unfenced(text), ignore_case=ignore_case)
    if text.endswith((".", "。")) and not text.endswith(".."):
        text = text[:-1].rstrip()
    return text


def written(value: JSON) -> str | None:
    """An expected answer as text: a number or truth value as JSON writes it, `None` for anything with structure."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return value if isinstance(value, str) else None
