"""Agrees with the incumbent: the same comparisons, with the incumbent's answer in the place of the expected one.

For workloads where nobody knows the truth. It measures likeness and never quality: where the incumbent is wrong, a candidate
that is right disagrees. The comparison follows from the shape of the incumbent's answer, first hit wins: tool calls → tool
calls; a refusal → a refusal; a JSON object or array → every field; a letter picked → that letter; a final number, stated or
alone → that number; else the text, without regard to case. The setting `by` fixes one comparison instead. An incumbent that
failed gives nothing to agree with: 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from fairlead.core.errors import InputError
from fairlead.core.grade.choice import ChoiceRule, picked
from fairlead.core.grade.exact import ExactRule, bare
from fairlead.core.grade.fields import JsonRule
from fairlead.core.grade.label import LabelRule
from fairlead.core.grade.number import NumberRule, final_number, states_number
from fairlead.core.grade.reading import json_value
from fairlead.core.grade.refusal import is_refusal
from fairlead.core.grade.rule import RIGHT, Case, Rule, failed, wrong
from fairlead.core.grade.settings import Settings
from fairlead.core.grade.tools import ToolCallRule
from fairlead.core.nouns import JSON, Answer, Grade

SHAPES = ("auto", "exact", "number", "choice", "label", "json", "tool_call")
# A text this short that is little more than a letter or a number is one.
SHORT = 60

_EXACT = ExactRule(ignore_case=True)
_CALLS = ToolCallRule()
_JSON = JsonRule(extra="wrong")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreeRule(Rule):
    """Compares with the incumbent's answer."""

    name: ClassVar[str] = "agree"
    is_quick: ClassVar[bool] = False
    says: ClassVar[str] = (
        "The answer agrees with the incumbent's, compared by the shape of that answer; this is likeness, not quality."
    )
    settings_help: ClassVar[dict[str, str]] = {
        "by": "auto (default: the shape of the incumbent's answer decides) or one of " + ", ".join(SHAPES[1:]),
        "labels": "with by = label: the set of labels",
    }

    by: str = "auto"
    labels: tuple[str, ...] = ()

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """The grader with these settings."""
        by = settings.pick("by", among=SHAPES, default="auto")
        labels = tuple(sorted(set(settings.words("labels"))))
        if labels and by != "label":
            raise settings.unusable("labels", list(labels), "nothing unless by = label")
        return cls(by=by, labels=labels)

    @property
    def needs_expected(self) -> bool:
        """The incumbent's answer takes its place."""
        return False

    def problem(self, expected: JSON) -> str | None:
        """Nothing is expected, so nothing is wrong with it."""
        del expected
        return None

    def compare(self, case: Case) -> Grade:
        """1 when the answer agrees with the incumbent's."""
        incumbent = case.incumbent
        if incumbent is None:
            raise InputError("agreement needs the incumbent's answer, and there is none.")
        if incumbent.failure is not None:
            return wrong(f"the incumbent has no answer to agree with; {failed(incumbent).reason}")
        shape = shape_of(incumbent) if self.by == "auto" else self.by
        grade = self._grade(shape, case, incumbent)
        return (
            grade
            if grade.score == 1.0
            else Grade(score=grade.score, reason=f"differs from the incumbent's {shape}: {grade.reason}")
        )

    def _grade(self, shape: str, case: Case, incumbent: Answer) -> Grade:
        if shape == "tool_call":
            return _CALLS.calls(case.request.tools, case.answer, incumbent.tool_calls)
        if shape == "refusal":
            return RIGHT if is_refusal(case.answer) else wrong("the incumbent refused")
        rule, wanted = self._comparison(shape, incumbent.text)
        if wanted is None or rule.problem(wanted) is not None:
            return wrong(f"the incumbent's answer holds no {shape}")
        return rule.compare(Case(request=case.request, answer=case.answer, expected=wanted))

    def _comparison(self, shape: str, text: str) -> tuple[Rule, JSON]:
        """The comparison for a shape, and what the incumbent's text then says."""
        if shape == "json":
            return _JSON, json_value(text)
        if shape == "choice":
            return ChoiceRule(), picked(text)
        if shape == "number":
            number = final_number(text)
            return NumberRule(), None if number is None else number.text
        if shape == "label":
            return LabelRule(labels=self.labels), text
        return _EXACT, text


def shape_of(answer: Answer) -> str:
    """What kind of answer this is: tool_call, refusal, json, choice, number or exact."""
    if answer.tool_calls:
        return "tool_call"
    if is_refusal(answer):
        return "refusal"
    text = answer.text
    if json_value(text) is not None and _is_mostly_json(text):
        return "json"
    short = len(bare(text[: 4 * SHORT], ignore_case=False)) <= SHORT and len(text) <= 4 * SHORT
    if (short or states_number(text) is None) and picked(text) is not None:
        return "choice"
    if states_number(text) is not None or (short and final_number(text) is not None and _is_mostly_number(text)):
        return "number"
    return "exact"


def _is_mostly_json(text: str) -> bool:
    stripped = text.strip()
    return stripped.startswith(("{", "[", "```"))


def _is_mostly_number(text: str) -> bool:
    number = final_number(text)
    return number is not None and 3 * len(number.text) >= len(bare(text, ignore_case=False))


def is_agreement(grader_id: str) -> bool:
    """Whether a grader, by its id, asks for likeness to the incumbent rather than for what is right.

    >>> is_agreement("agree@1(by='json')"), is_agreement("exact@1")
    (True, False)
    """
    return grader_id.partition("@")[0] == AgreeRule.name
