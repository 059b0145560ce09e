"""A pair as text: what whoever compares two answers, model or person, is shown of the request and of both. Pure.

Rules kept: both answers go through the same steps; media are named, never shown; what is too long is cut in its middle,
and that it was is said and counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from fairlead.core.judge.names import nameless
from fairlead.core.nouns import Answer, Message, Part, PartKind, Request

LONGEST = 24_000
"""Characters of a request or an answer that are shown."""

_MEDIA = frozenset({PartKind.IMAGE, PartKind.DOCUMENT, PartKind.AUDIO})
_ADDRESSES = re.compile(
    r"\b(?:prefer|choose|pick|select|favou?r|vote\s+for|rate|score)\s+(?:this|the\s+(?:first|second|other|above|previous)|answer|response|option|assistant|model|mine)\b"
    r"|\b(?:ignore|disregard|forget)\s+(?:all\s+|any\s+)?(?:the\s+)?(?:previous|prior|above|other|earlier)\s+(?:instructions?|answers?|responses?|rules?|text)"
    r"|[\"']?verdict[\"']?\s*[:=]|\b(?:dear|note\s+to(?:\s+the)?|attention)\s+(?:judge|grader|evaluator|reviewer)\b"
    r"|\b(?:answer|response|assistant)\s+[AB12]\s+is\s+(?:better|best|correct|superior)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown of a pair, names taken out. `addressed` says that an answer speaks to whoever judges it."""

    request: str
    incumbent: str
    candidate: str
    shortened: bool = False

    @property
    def same(self) -> bool:
        """Whether both answers say the same, blanks at the ends aside."""
        return self.incumbent.strip() == self.candidate.strip()

    @property
    def addressed(self) -> bool:
        """Whether one of the answers speaks to whoever judges it."""
        return any(_ADDRESSES.search(text) for text in (self.incumbent, self.candidate))


def shown_pair(
    request: Request, incumbent: Answer, candidate: Answer, *, contestants: Iterable[str], longest: int = LONGEST
) -> Shown:
    """What is shown of a pair; `contestants` are the models whose names are taken out."""
    names, whole = tuple(contestants), [request_text(request), answer_text(incumbent), answer_text(candidate)]
    # Cut first: taking out names takes time in proportion to the text, and an answer may have megabytes.
    asked, *answers = [shortened(text, longest=longest) for text in whole]
    said = [nameless(text, contestants=names, asked=asked) for text in answers]
    return Shown(request=asked, incumbent=said[0], candidate=said[1], shortened=[asked, *answers] != whole)


def request_text(request: Request) -> str:
    """A request's instructions and turns, each under who said it."""
    turns = [("system", request.system)] if request.system else []
    turns += [(turn.role, _turn_text(turn)) for turn in request.messages]
    if len(turns) == 1:
        return turns[0][1]
    return "\n\n".join(f"[{role}]\n{text}" for role, text in turns)


def answer_text(answer: Answer) -> str:
    """An answer's text, and the calls it makes, one a line."""
    calls = [
        f"[calls {call.name} with {call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False, sort_keys=True)}]"
        for call in answer.tool_calls
    ]
    return "\n".join(part for part in (answer.text, *calls) if part)


def shortened(text: str, *, longest: int) -> str:
    r"""The text, its middle left out where it is too long.

    >>> shortened("abcdefghij", longest=4)
    'ab\n[… 6 characters left out …]\nij'
    """
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"


def _turn_text(turn: Message) -> str:
    return "\n".join(text for part in turn.parts if (text := _part_text(part)))


def _part_text(part: Part) -> str:
    if part.kind in {PartKind.TEXT, PartKind.TOOL_RESULT}:
        return part.text
    if part.kind is PartKind.TOOL_CALL:
        arguments = (
            part.arguments if isinstance(part.arguments, str) else json.dumps(part.arguments, ensure_ascii=False)
        )
        return f"[calls {part.name} with {arguments}]"
    return f"[{part.kind.value}]" if part.kind in _MEDIA else ""
