"""How a prompt's lines are written, where their masked form hides it: abbreviations in capitals (IT, FAQ, UK).

Masked lines are in small letters, and a word in capitals inside a sentence is a slot in them, for it may be a name. What stands
there in every prompt of a kind is no name of somebody, and a workload is better called by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_BEGINNING: Final = 600
_LINES: Final = 8
_MOST: Final = 20
_ABBREVIATION: Final = re.compile(r"(?<![\w&'’./@-])[A-Z](?:&?[A-Z]){1,5}s?(?![\w&'’@]|\.\w)")
# Words that prompts shout; they are written so for weight.
_SHOUTED_WORDS: Final = (
    "all also always an and any are as at be both but by can do don each either every few for from has have here if in into "
    "is it's its just last less made make may more most must never new no none nor not note now of off on one only or other "
    "our out over own please shall short should so some step stop such than that the their them then there these they this "
    "those to too two under up very was we were what when which who why will with yes you your task role rule rules goal "
    "first next keep use using avoid answer output input return write read end begin start done important warning strict"
)
_SHOUTED: Final = frozenset(_SHOUTED_WORDS.split())

Lines = Callable[[str], tuple[str, ...]]
"""The masked sentences of one line."""


def written(text: str, masked: Lines) -> dict[str, str]:
    """The masked lines of a prompt's beginning that hold abbreviations, each with how it is written.

    >>> from fairlead.core.workload.sentence import Sentences
    >>> written("You are the IT service desk of Acme. If it is late, say so.", Sentences().of_line)
    {'you are the <x> service desk of <x> .': 'you are the IT service desk of <x> .'}
    """
    found: dict[str, str] = {}
    head = text[:_BEGINNING]
    if _ABBREVIATION.search(head) is None:
        return found
    lines = head.split("\n")
    for line in (lines if len(text) == len(head) or len(lines) == 1 else lines[:-1])[:_LINES]:
        kinds = {word: None for word in _ABBREVIATION.findall(line) if word.lower() not in _SHOUTED}
        # A line in capitals throughout is loud, unless abbreviations are all that it holds.
        if kinds and (not line.isupper() or len(kinds) == len(line.split())):
            found |= _as_written(line, [*kinds], masked)
    return found


def _as_written(line: str, words: list[str], masked: Lines) -> dict[str, str]:
    """A line masked with its abbreviations set aside, once as names and once as plain words, and put back."""
    marks = {f"zq{chr(97 + at)}qz": word for at, word in enumerate(words[:_MOST])}
    of = {word: mark for mark, word in marks.items()}
    plain = masked(line)
    found: dict[str, str] = {}
    lower = _ABBREVIATION.sub(lambda at: of.get(at[0], at[0].lower()), line)
    named = _ABBREVIATION.sub(lambda at: of.get(at[0], at[0]).capitalize(), line)
    for marked in (named, lower):
        shown = masked(marked)
        if len(shown) != len(plain):
            continue
        for before, now in zip(plain, shown, strict=True):
            put_back = re.sub(r"zq[a-t]qz", lambda at: marks.get(at[0], at[0]), now)
            if put_back != now and before not in found:
                found[before] = put_back
    return found
