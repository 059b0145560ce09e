"""What every built-in grader shares: an id with version and settings, a failed answer scores 0, an expected answer is read.

Rules kept here: a `Failure` is graded 0 with its reason before any grader looks at the text; an expected answer that is
missing or cannot be read is the user's mistake and raises `InputError` (scoring it 0 for both sides would make a
broken labels file look like equality); whatever a *model* wrote is graded and never raises.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import MISSING, dataclass, fields
from typing import ClassVar, Self

from fairlead.core.errors import InputError
from fairlead.core.grade.settings import Settings
from fairlead.core.ids import digest, plain
from fairlead.core.nouns import JSON, Answer, Grade, Request

RIGHT = Grade(score=1.0)
# Longer settings (a schema, hundreds of labels) are named by their hash.
ID_LIMIT = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One answer to be graded, with what it answers and what it is compared with."""

    request: Request
    answer: Answer
    expected: JSON = None
    incumbent: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(ABC):
    """A built-in grader: its fields are its settings."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    says: ClassVar[str]
    settings_help: ClassVar[dict[str, str]] = {}
    is_quick: ClassVar[bool] = True
    """Whether grading an answer of a few pages takes well under a millisecond, whatever the settings."""

    @classmethod
    @abstractmethod
    def configured(cls, settings: Settings) -> Self:
        """The grader with these settings."""

    @abstractmethod
    def compare(self, case: Case) -> Grade:
        """Grade an answer that is there."""

    @abstractmethod
    def problem(self, expected: JSON) -> str | None:
        """What is wrong with this expected answer, or `None` when it can be graded against."""

    @property
    def id(self) -> str:
        """Name, version and every setting that differs from its default."""
        settings = ",".join(self._changed())
        if len(settings) > ID_LIMIT:
            settings = "settings#" + digest(settings, size=8)
        return f"{self.name}@{self.version}" + (f"({settings})" if settings else "")

    @property
    def needs_expected(self) -> bool:
        """Whether a labels file must give the expected answer."""
        return True

    def grade(self, *, request: Request, answer: Answer, expected: JSON, incumbent: Answer | None) -> Grade:
        """Grade `answer`: 0 for a failure, else by comparison."""
        if answer.failure is not None:
            return failed(answer)
        if self.needs_expected:
            wrong = self.problem(expected)
            if wrong is not None:
                raise InputError(wrong)
        return self.compare(Case(request=request, answer=answer, expected=expected, incumbent=incumbent))

    def _changed(self) -> list[str]:
        changed: list[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default is MISSING or value != field.default:
                changed.append(f"{field.name}={json.dumps(plain(value), sort_keys=True, ensure_ascii=False)}")
        return changed


def failed(answer: Answer) -> Grade:
    """The grade of an answer that failed: 0, with why."""
    failure = answer.failure
    if failure is None:
        return wrong("no answer")
    return wrong(f"no answer: {failure.kind}" + (f" ({failure.detail[:120]})" if failure.detail else ""))


def wrong(reason: str) -> Grade:
    """A grade of 0 with why."""
    return Grade(score=0.0, reason=reason)


def alternatives(expected: JSON) -> list[JSON]:
    """The answers of which any one is right: a list gives several, anything else is the only one."""
    return expected if isinstance(expected, list) else [expected]


def shown(value: object, *, limit: int = 60) -> str:
    """A value in one line, cut, for reasons and errors."""
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False, default=str)
    text = " ".join(text[: 4 * limit].split())
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
