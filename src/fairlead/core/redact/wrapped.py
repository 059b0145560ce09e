r"""Secrets that go on over the end of a line: wrapped by a mail or a terminal, or written in parts by a programmer.

What is cut at a column is known by its lines: each as wide as the one with the beginning, all of them nothing but the letters of
keys, and a shorter one at the end. What is written in parts says so itself: `\` at the end of a line, or `"…"` after `"…"`.
"""

from __future__ import annotations

import re

from fairlead.core.redact.kinds import Hit, Kind

_BREAK = r"(?:\r?\n|\\{1,4}r\\{1,4}n|\\{1,4}n)"
"""The end of a line; within JSON text it reads as the letters `\\n`."""
BREAK_AHEAD = rf"(?={_BREAK})"

_LINE = re.compile(_BREAK + r"(?P<line>[ \t]{0,12}(?P<it>[A-Za-z0-9+/_.~-]{1,400}={0,2}))(?=[\s\\\"'`,;)\]}<]|$)")
_PART = re.compile(
    r"(?:\\{1,2}\r?\n[ \t]{0,40}|\\{0,4}[\"'][ \t]{0,2}\+?[ \t]{0,2}\\?\r?\n[ \t]{0,40}\+?[ \t]{0,2}[\"'])(?P<it>[A-Za-z0-9+/_.~-]{4,400}={0,2})"
)
_ANOTHER = re.compile(r"sk-|pk-|eyJ|AKIA|ASIA|AIza|gh[pousr]_|xox|glpat-|hf_|gsk_|github_pat_")
_MAY_FOLLOW = frozenset("\n\r\\\"'")
_NARROWEST, _WIDEST = 40, 400
_SHORTEST = 24
_MOST_LINES = 1_000


def whole(text: str, hit: Hit) -> Hit:
    """The secret with what belongs to it on the lines below; the same hit when it ends where it seemed to."""
    if text[hit.end : hit.end + 1] not in _MAY_FOLLOW or hit.kind in {Kind.PASSWORD, Kind.PRIVATE_KEY}:
        return hit
    end = _parts(text, hit.end)
    if end == hit.end and hit.end - hit.start >= _SHORTEST:
        end = _lines(text, hit)
    return hit if end == hit.end else Hit(hit.start, end, hit.kind)


def _parts(text: str, end: int) -> int:
    for _ in range(_MOST_LINES):
        found = _PART.match(text, end)
        if found is None or not _is_rest(found["it"], kinds=2):
            break
        end = found.end()
    return end


def _lines(text: str, hit: Hit) -> int:
    reach = max(0, hit.start - _WIDEST)
    begins = max(
        *(at + len(end) for end in ("\n", "\\n") if (at := text.rfind(end, reach, hit.start)) >= 0), reach, reach
    )
    width, end, kinds = hit.end - begins, hit.end, 3
    if not _NARROWEST <= width <= _WIDEST:
        return end
    for _ in range(_MOST_LINES):
        found = _LINE.match(text, end)
        size = len(found["line"]) if found else 0
        if found is None or size > width or _ANOTHER.match(found["it"]):
            break
        if size < width and not _is_rest(found["it"], kinds=kinds):
            break
        end, kinds = found.end(), 2
        if size < min(width, _NARROWEST):
            break
        width = size
    return end


def _is_rest(value: str, *, kinds: int) -> bool:
    """Whether this is the last piece of a key rather than a word: of how many kinds its letters are."""
    has = (
        any(letter.isdigit() for letter in value),
        any(letter.isupper() for letter in value[1:]),
        any(letter.islower() for letter in value),
    )
    return sum(has) >= kinds and (kinds < 3 or len(value) >= 8)
