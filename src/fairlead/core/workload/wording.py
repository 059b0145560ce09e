"""What wording of a user's message is a program's and what is people's: the rules, each with its reason.

A template stands at the same end of every message, tells somebody to do something or introduces something, and has
something else around it each time. People repeat themselves too, but word for word, and in no particular place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from fairlead.core.workload.blocks import AFFIX_WORDS, COMMON, Item, total
from fairlead.core.workload.sample import SHORT_FRAME
from fairlead.core.workload.sentence import SLOT, literal_words
from fairlead.core.workload.tree import affixes

# Shares of a feature's messages: repeated word for word, and saying nothing beside it.
_ECHO: Final = 0.2
_ALONE: Final = 0.1
# A message that never varies is a program's when it is this share of all, and at least so many.
_FIXED_SHARE: Final = 0.005
_FIXED: Final = 20
# How many different whole messages are counted; more make no difference.
DIFFERENT: Final = 8

_CODE_MARKS: Final = re.compile(r"[(){}\[\];=\\]")
_VERBS: Final = (
    "ensure|avoid|keep|return|respond|reply|answer|output|write|rewrite|draft|summari[sz]e|classify|categori[sz]e|label"
    "|extract|translate|identify|explain|list|generate|create|produce|provide|give|decide|determine|evaluate|rate|score"
    "|check|convert|format|use|include|describe|compare|analy[sz]e|review|find|solve|compute|calculate|detect|flag|rank"
    "|select|choose|suggest|help|act|assist|make|turn|read|fix|implement|refactor|plan|call"
)
# Words by which a line asks for something, anywhere in it, and by which a sentence opens with a command.
INSTRUCTS: Final = re.compile(rf"\b(?:you|your|must|never|always|only|should|do not|don't|please|task|{_VERBS})\b")
# Of the verbs, those that name a job of work; the others may as well tell how any job is to be done.
_TASK_VERBS: Final = (
    "write|rewrite|draft|compose|summari[sz]e|classify|categori[sz]e|label|tag|extract|translate|locali[sz]e|identify|explain"
    "|list|generate|create|produce|decide|determine|evaluate|rate|score|grade|check|proofread|convert|describe|compare"
    "|analy[sz]e|review|find|solve|compute|calculate|detect|flag|rank|select|choose|pick|suggest|recommend|plan|turn|fix"
    "|implement|refactor|sort|route|match|moderate|transcribe|condense|shorten|name|count|prepare|fill|look up|sum up"
)
_OPENS_TASK: Final = (
    r"^(?:\^ )?(?:(?:task|instructions?|goal|job) : |(?:your|the) (?:task|job|goal|role|purpose) is to |please |now |then |first "
    r"|(?:can|could|will) you |i want you to |you (?:will |must |should |need to |are to |can |help(?: to)? )?)*"
)
_TASK: Final = re.compile(rf"{_OPENS_TASK}(?:{_TASK_VERBS})\b")
_OWN_TASK: Final = re.compile(
    rf"{_OPENS_TASK}(?:{_TASK_VERBS})\b|^(?:\^ )?you (?:answer|help|assist|handle|manage|support)\b"
)
_COMMANDS: Final = re.compile(rf"^(?:\^ )?(?:please |now |then |can you |could you |i want you to )*(?:{_VERBS})\b")


def is_wording(feature: str, framed: int) -> bool:
    """Whether a feature of a user's message can be a template's.

    Where the system prompt already says what to do, only a lead-in ("The ticket to answer:") can be; where it says
    little, an instruction can; where there is none, any wording long enough, or a heading. Program code never is.
    """
    words = literal_words(feature)
    if len(_CODE_MARKS.findall(feature)) >= 2:
        return False
    if feature.startswith(("^ ", "$ ")):
        return not framed and words >= AFFIX_WORDS
    if framed:
        return words >= 4 and (feature.endswith(":") or (framed < SHORT_FRAME and leads(feature)))
    return words >= 2 or (words == 1 and feature.endswith(":"))


def leads(feature: str) -> bool:
    """Whether it introduces something or tells somebody to do something."""
    return feature.endswith(":") or _COMMANDS.match(feature) is not None


def verb(line: str) -> str:
    """The first word of a line, behind "please", "you must" and the like.

    >>> verb("you will sort the mail that reaches <x> .")
    'sort'
    """
    return re.sub(_OPENS_TASK, "", line).split(" ", 1)[0]


def is_head(short: Iterable[str], long: Iterable[str]) -> bool:
    """Whether a prompt whose lines another one has too only says who speaks, and the other one gives that somebody a task.

    A rule more ("Never promise anything.") makes a version of a prompt; a first task makes another prompt of it.
    """
    begins = set(short)
    return any(_TASK.match(line) for line in long if line not in begins) and not any(map(_OWN_TASK.match, begins))


def is_frame(feature: str, items: Sequence[Item]) -> bool:
    """Whether wording that tells nobody to do anything is a template's all the same.

    People's popular questions come back word for word; the end of a sentence is a template's only where the sentence
    tells somebody to do something.
    """
    if not feature.startswith(("^ ", "$ ")):
        return _echoes(items) <= _ECHO and _alone(feature, items) <= _ALONE
    telling = sum(i.weight for i in items if any(leads(s) for s in i.held if feature in affixes(s)))
    return telling >= COMMON * total(items)


def _echoes(items: Sequence[Item]) -> float:
    """The share of messages that repeat another word for word, as people's popular questions do."""
    repeated = sum(i.weight for i in items if i.opening and i.opening.count > 1 and len(i.opening.marks) == 1)
    return repeated / max(1, total(items))


def _alone(feature: str, items: Sequence[Item]) -> float:
    """The share of messages that say this and nothing else; around a template's wording there is always something."""
    if SLOT in feature:
        return 0.0
    return sum(item.weight for item in items if item.held == (feature,)) / max(1, total(items))


def is_placed(feature: str, items: Sequence[Item]) -> bool:
    """Whether it stands at the same end of the message (almost) always; what people say wanders about."""
    whole = total(items)
    opens = sum(item.weight for item in items if _is_at(feature, _worded(item.held)[:1]))
    closes = sum(item.weight for item in items if _is_at(feature, item.held[-1:]))
    return max(opens, closes) >= COMMON * whole


def _is_at(feature: str, place: tuple[str, ...]) -> bool:
    return bool(place) and (feature == place[0] or feature in affixes(place[0]))


def _worded(segments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(segment for segment in segments if not segment.endswith(" attached :"))


def is_repeated(feature: str, items: Sequence[Item], whole: int) -> bool:
    """Whether one fixed message is sent so often that a program must be sending it."""
    return literal_words(feature) >= 4 and total(items) >= max(_FIXED, _FIXED_SHARE * whole)


def different_messages(items: Sequence[Item]) -> int:
    """How many different whole messages are behind the items, counted up to eight."""
    marks: set[int] = set()
    for item in items:
        if item.opening is not None:
            marks |= item.opening.marks
        if len(marks) >= DIFFERENT:
            break
    return len(marks)
