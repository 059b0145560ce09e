"""Graders: how good one answer is, from 0 to 1, by a rule that can be read, with an id that changes when the rule does.

`grader("number", settings={"tolerance": 0.01})` makes one; `graded(...)` applies any grader and names the exchange in every
error; `suggested(category, request)` says which fits a workload, `fitting` which fits its expected answers; `is_refusal(answer)` is counted beside grades. What a model
wrote never raises: a failure, a megabyte of brackets or no answer at all is graded 0 with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from fairlead.core.errors import FairleadError, InputError, UsageError
from fairlead.core.grade.agree import AgreeRule, is_agreement
from fairlead.core.grade.choice import ChoiceRule
from fairlead.core.grade.exact import ExactRule
from fairlead.core.grade.fields import JsonRule
from fairlead.core.grade.kinds import are_labels, suggested, suggested_by_answers
from fairlead.core.grade.label import LabelRule, label_set
from fairlead.core.grade.number import NumberRule
from fairlead.core.grade.refusal import is_refusal
from fairlead.core.grade.rule import Rule
from fairlead.core.grade.settings import Settings
from fairlead.core.grade.tools import ToolCallRule, calls_in
from fairlead.core.nouns import JSON, Answer, Category, Grade, Request
from fairlead.core.ports import Grader

GRADERS: Mapping[str, type[Rule]] = MappingProxyType(
    {rule.name: rule for rule in (ExactRule, NumberRule, ChoiceRule, LabelRule, JsonRule, ToolCallRule, AgreeRule)}
)


def grader(spec: str, *, settings: Mapping[str, JSON] | None = None) -> Rule:
    """The built-in grader of this name with these settings.

    >>> grader("number", settings={"tolerance": 0.5}).id
    'number@1(tolerance=0.5)'
    """
    rule = GRADERS.get(spec)
    if rule is None:
        raise UsageError(
            f"there is no grader {spec!r}; there are: {', '.join(GRADERS)}, or FILE.py:FUNCTION for your own."
        )
    return rule.configured(Settings(settings or {}, grader=spec, known=rule.settings_help))


def describe(name: str) -> str:
    """One sentence on what a built-in grader counts as right."""
    return grader(name).says


def settings_of(name: str) -> Mapping[str, str]:
    """The settings of a built-in grader, each with what it does."""
    return MappingProxyType(grader(name).settings_help)


def problem_with(grader: Grader, expected: JSON) -> str | None:
    """Why an expected answer cannot be graded against, or `None`; to be asked of a labels file before a pilot starts."""
    if not grader.needs_expected:
        return None
    if expected is None:
        return "there is no expected answer."
    return grader.problem(expected) if isinstance(grader, Rule) else None


def settings_from(spec: str, expected: Iterable[JSON]) -> dict[str, JSON]:
    """Settings that follow from all expected answers together: for `label`, the set of labels that occur."""
    return {"labels": list[JSON](label_set(expected))} if spec == LabelRule.name else {}


def fitting(category: Category, request: Request, expected: Sequence[JSON]) -> str | None:
    """The grader for these expected answers; `None` where they are prose, which no rule compares.

    What the request's form suggests goes first, if it can use every one of them. It is never one that leaves them aside.
    """
    by_request, by_answers = suggested(category, request), suggested_by_answers(expected)
    rule = grader(by_request, settings=settings_from(by_request, expected))
    usable = rule.needs_expected and all(problem_with(rule, value) is None for value in expected)
    if not usable or (by_request == LabelRule.name and not are_labels(expected)):
        return by_answers
    return by_request


def graded(
    grader: Grader,
    *,
    exchange_id: str,
    request: Request,
    answer: Answer,
    expected: JSON,
    incumbent: Answer | None = None,
) -> Grade:
    """The grade of an answer; an error names the exchange, a score outside 0 to 1 is an error."""
    try:
        grade = grader.grade(request=request, answer=answer, expected=expected, incumbent=incumbent)
    except FairleadError as error:
        raise InputError(f"exchange {exchange_id}: {error}") from error
    if not 0 <= grade.score <= 1:
        raise InputError(f"exchange {exchange_id}: grader {grader.id} scored {grade.score!r}; a score is from 0 to 1.")
    return grade


__all__ = [
    "GRADERS",
    "Rule",
    "calls_in",
    "describe",
    "fitting",
    "graded",
    "grader",
    "is_agreement",
    "is_refusal",
    "label_set",
    "problem_with",
    "settings_from",
    "settings_of",
    "suggested",
]
