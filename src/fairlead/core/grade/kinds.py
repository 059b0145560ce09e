"""Which grader to suggest for a workload, from its category and one of its requests.

A suggestion, for a person to confirm: the request's own form decides first (tools, a schema, lettered options, a label to
choose, a number asked for), then the category. Where nothing says what a right answer looks like, it is `agree`. Expected
answers say more than the request does: `suggested_by_answers` reads their form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fairlead.core.grade.rule import alternatives
from fairlead.core.nouns import JSON, Category, Endpoint, Request

READ = 20_000
SHORT = 60
"""Expected texts longer than this are prose, which nobody repeats letter for letter."""

REPEATS = 5
"""Expected texts that each stand for at least so many requests, on average, are a set of labels."""
_OPTIONS = re.compile(r"(?m)^\s*\(?A[).:]\s.{0,400}(?:\n.{0,400}){0,3}?\n\s*\(?B[).:]\s")
_LETTER = re.compile(
    r"\b(?:answer|respond|reply)\b.{0,60}\b(?:letter|A, B, C|\(A\))|\bmultiple[- ]choice\b", re.IGNORECASE
)
_LABEL = re.compile(
    r"\bclassif(?:y|ies|ication)\b|\bcategori[sz]e\b|\bone of (?:the following|these|:)|\b(?:label|category|intent|sentiment) (?:of|is|for|as|from)\b"
    r"|\b(?:answer|respond|reply)\b.{0,30}\b(?:yes or no|true or false)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\bhow (?:many|much|old|far|long|tall)\b|\b(?:calculate|compute|percentage|what is the (?:total|sum|average|cost|price|probability|area))\b"
    r"|\bfinal (?:numeric(?:al)? )?answer\b|\\boxed|\banswer\b.{0,30}\bnumber\b",
    re.IGNORECASE,
)
_JSON = re.compile(
    r"\b(?:in|as|valid|return|output|only) (?:a |only )?json\b|\bjson (?:object|format|schema|only)\b", re.IGNORECASE
)
_NUMBER_ALONE = re.compile(r"[-+−]?\s?[$€£¥]?\s?\d[\d.,' \u00a0]*(?:[eE][-+]?\d+)?\s?[%$€£¥]?")
_LETTER_ALONE = re.compile(r"\(?[A-Ja-j][).]?")
_FREE = {Category.WRITING, Category.CODING, Category.SAFETY}


def suggested(category: Category, request: Request) -> str:
    """The grader that fits requests like this one."""
    text = _asked(request)
    rules = (
        (request.endpoint is Endpoint.EMBEDDINGS, "agree"),
        (bool(request.tools) and request.tool_choice != "none", "tool_call"),
        (request.schema is not None, "json"),
        (category in _FREE, "agree"),
        (bool(_OPTIONS.search(text) or _LETTER.search(text)), "choice"),
        (category is Category.REASONING and bool(_NUMBER.search(text)), "number"),
        (request.json_mode or bool(_JSON.search(text)), "json"),
        (bool(_LABEL.search(text)), "label"),
        (category is Category.STRUCTURED, "json"),
    )
    return next((name for applies, name in rules if applies), "agree")


def suggested_by_answers(expected: Sequence[JSON]) -> str | None:
    """The grader that fits the form of these expected answers; `None` for prose, which no rule compares.

    >>> suggested_by_answers([1948, "$20.00"]), suggested_by_answers(["B", "C"]), suggested_by_answers([{"total": 3}])
    ('number', 'choice', 'json')
    """
    values = [value for each in expected for value in alternatives(each) or [each]]
    if not values:
        return None
    if any(isinstance(value, dict | list) for value in values):
        return "json"
    if all(_is_number(value) for value in values):
        return "number"
    if all(isinstance(value, str) and _LETTER_ALONE.fullmatch(value.strip()) for value in values):
        return "choice"
    if any(isinstance(value, str) and len(value) > SHORT for value in values):
        return None
    return "label" if are_labels(values) else "exact"


def are_labels(values: Sequence[JSON]) -> bool:
    """Whether few values stand for many requests, as the labels of a classifier do."""
    return len(values) >= REPEATS * len({str(value) for value in values})


def _is_number(value: JSON) -> bool:
    if isinstance(value, str):
        return _NUMBER_ALONE.fullmatch(value.strip()) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _asked(request: Request) -> str:
    """The instructions and the last question, bounded."""
    last = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    return f"{request.system[:READ]}\n{last[:READ]}\n{last[READ:][-READ:]}"
