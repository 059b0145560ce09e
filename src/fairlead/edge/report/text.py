"""Text from logs made safe to show: no control or direction-changing characters, no stacks of accents, not endless.

Escaping for HTML is the template's business; this is about what escaping leaves: characters that would reorder, hide or
smear the text beside them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

LONGEST = 90
_JOINERS = frozenset({"\u200c", "\u200d"})
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MOST_ACCENTS = 3


def shown(text: str, *, longest: int = LONGEST) -> str:
    """The text on one line, with what cannot be shown as �, at most `longest` characters.

    >>> shown("invoice   " + chr(0x202E) + "fields")
    'invoice �fields'
    """
    clean = "".join(_kept(" ".join(text[: 4 * longest].split())))
    return clean if len(clean) <= longest else clean[: longest - 1].rstrip() + "…"


def _kept(text: str) -> Iterator[str]:
    accents = 0
    for character in text:
        accents = accents + 1 if unicodedata.combining(character) else 0
        if accents > _MOST_ACCENTS:
            continue
        hidden = character not in _JOINERS and unicodedata.category(character) in _HIDDEN
        yield "�" if hidden else character
