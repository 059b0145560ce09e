"""Judging a pair without knowing whose answers they are: what a judge is asked, and what its words amount to. Pure.

`question` builds the request, `verdict_in` reads the reply, `families_of` says who made a model, `nameless` takes out of an
answer who wrote it. Whoever holds a connection sends.
"""

from fairlead.core.judge.families import families_of, kin
from fairlead.core.judge.names import nameless
from fairlead.core.judge.panel import PEOPLE, PairGrader, by_rule, combined, grades_of, judged_of
from fairlead.core.judge.rubric import (
    Question,
    Rubric,
    Side,
    Verdict,
    body_for,
    question,
    repair,
    rubric_for,
    verdict_in,
)
from fairlead.core.judge.shown import Shown, answer_text, request_text, shown_pair

__all__ = [
    "PEOPLE",
    "PairGrader",
    "Question",
    "Rubric",
    "Shown",
    "Side",
    "Verdict",
    "answer_text",
    "body_for",
    "by_rule",
    "combined",
    "families_of",
    "grades_of",
    "judged_of",
    "kin",
    "nameless",
    "question",
    "repair",
    "request_text",
    "rubric_for",
    "shown_pair",
    "verdict_in",
]
