"""Which grader to suggest for a workload, from its category and one of its requests.

A suggestion, for a person to confirm: the request's own form decides first (tools, a schema, lettered options, a label to
choose, a number asked for), then the category. Where nothing says what a right answer looks like, it is `agree`.
"""

from __future__ import annotations

import re

from fairlead.core.nouns import Category, Endpoint, Request

READ = 20_000
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


def _asked(request: Request) -> str:
    """The instructions and the last question, bounded."""
    last = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    return f"{request.system[:READ]}\n{last[:READ]}\n{last[READ:][-READ:]}"
