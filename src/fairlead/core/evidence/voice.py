"""Who says a verdict, and in what words. A judge's opinion is never worded as more than that.

A verdict of a grader with right answers is said as it is: `equivalent`. Of a judge without human labels it is "judge X does
not prefer the incumbent by the margin", of people "people do not prefer the incumbent by the margin".
"""

from __future__ import annotations

from fairlead.core.evidence.verdict import Judgement, VerdictKind
from fairlead.core.nouns import PilotDesign

PEOPLE = "people"
"""What people are called where they speak, and the grader's id where they alone do."""


def speaker_of(design: PilotDesign) -> str:
    """Who comes to a pilot's verdict: judges or people by what they are called, or nobody, for a grader."""
    if design.judging is not None:
        return design.judging.name
    return PEOPLE if design.grader == PEOPLE else ""


def said(kind: VerdictKind, speaker: str = "") -> str:
    """A verdict in short, as whoever came to it says it; a grader needs no name.

    >>> said(VerdictKind.EQUIVALENT), said(VerdictKind.EQUIVALENT, "judge mistral-large"), said(VerdictKind.OPEN_LEADS, "people")
    ('equivalent', 'judge mistral-large does not prefer the incumbent by the margin', 'people prefer the candidate')
    """
    if not speaker:
        return str(kind)
    does, prefers = ("do", "prefer") if speaker == PEOPLE else ("does", "prefers")
    words = {
        VerdictKind.OPEN_LEADS: f"{speaker} {prefers} the candidate",
        VerdictKind.EQUIVALENT: f"{speaker} {does} not prefer the incumbent by the margin",
        VerdictKind.CLOSED_LEADS: f"{speaker} {prefers} the incumbent",
        VerdictKind.UNDECIDED: f"undecided ({speaker})",
    }
    return words[kind]


def short(judged: Judgement, speaker: str = "") -> str:
    """The verdict in short, with its size where that is proven."""
    return said(judged.verdict, speaker) + (" by more than the margin" if judged.by_more_than_margin else "")
