"""Graders of the analysts and of the account managers at Corvane. Used as `--grader graders.py:same_query`."""

from __future__ import annotations

import re

from fairlead.core.nouns import JSON, Answer, Request


def plain_sql(text: str) -> str:
    """A query without its fence, its layout and the case of its keywords; quoted values stay as they are."""
    fenced = re.search(r"```(?:sql)?\s*(.*?)```", text[:20_000], re.DOTALL | re.IGNORECASE)
    query = (fenced[1] if fenced else text[:20_000]).strip().rstrip(";")
    parts = re.split(r"('[^']*')", query)
    told = "".join(part if part.startswith("'") else part.lower().replace("!=", "<>") for part in parts)
    told = re.sub(r"\s*(<>|<=|>=|=|<|>|,|\(|\))\s*", r" \1 ", told)
    return re.sub(r"\basc\b", "", " ".join(told.split())).strip()


def same_query(request: Request, answer: Answer, expected: JSON) -> bool:  # noqa: ARG001  graders are all called alike
    """True when the answer is the expected query, however it is laid out."""
    return plain_sql(answer.text) == plain_sql(str(expected))


def states_the_facts(request: Request, answer: Answer, expected: JSON) -> bool:  # noqa: ARG001  graders are all called alike
    """True when a note states every fact it must and keeps to its length."""
    if not isinstance(expected, dict):
        return False
    facts, most = expected.get("facts"), expected.get("max_words")
    if not isinstance(facts, list) or not isinstance(most, int):
        return False
    said = " ".join(answer.text.lower().split())
    return len(said.split()) <= most and all(re.search(rf"\b{re.escape(str(fact).lower())}\b", said) for fact in facts)
