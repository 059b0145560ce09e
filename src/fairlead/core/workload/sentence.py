"""One line of a prompt as masked sentences: names, numbers, addresses and quotations become `<x>`, the rest stays.

Stateless: the same line always gives the same sentences, on every machine. A few thousand words make up nearly all
that is written, so each is understood once and then looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

SLOT: Final = "<x>"
_MAX_LINE: Final = 6_000
_MAX_WORD: Final = 120
_KEPT_WORD: Final = 24
_MAX_WORDS: Final = 30_000
_MAX_TOKENS: Final = 40
_MAX_PIECES: Final = 4
_MAX_SEGMENT: Final = 240

_STOPS: Final = frozenset(".!?。！？")
_WIDE_STOP: Final = re.compile(r"(?<=[。！？])")
_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_UNSPACED_LETTER: Final = re.compile(rf"[{_UNSPACED}]")
_TOKEN: Final = re.compile(rf"<\w{{1,20}}>|[{_UNSPACED}]|[^\W{_UNSPACED}]{{1,40}}(?:['’][^\W\d]{{1,3}})?|[^\w\s]")
_SLOTS: Final = re.compile(r"<x>(?:(?: ?[,&/+;'’()\[\]-]| and| or| to| of| the| de| van| von)* ?<x>)+")
_LITERAL: Final = re.compile(rf"(?<![<\w])[^\W\d_]{{2,}}|[{_UNSPACED}]")
_LISTED: Final = re.compile(r"^\s*(?:[-*•+]|\(?\d{1,3}[.)]|[a-zA-Z][.):])\s+")
_HAS_DIGIT: Final = re.compile(r"\d")
_QUOTED: Final = re.compile(r"`[^`\n]{1,200}`|\"[^\"\n]{1,80}\"|“[^”\n]{1,80}”|«[^»\n]{1,80}»")
_ADDRESS: Final = re.compile(r"://|\w@\w|^\W?\.{0,2}/?[\w.-]+(?:/[\w.-]+){2}")
MARK: Final = re.compile(r"<[a-z]{2,20}(?: [a-z]{2,20}){0,3} (?:\d{1,4}|[a-z]{12})>")
"""What redaction puts in the place of a value: a slot, as the value itself is, so that both are the same wording."""

_EDGES: Final = re.compile(r"^([^\w<]*)(.*?)([^\w>]*)$", re.DOTALL)
_KEY: Final = re.compile(
    r"^[\s>*•+\"{-]{0,8}(?:\*\*)?([^\W\d_][\w /()'’-]{0,38}?)(?:\*\*)?\"?\s?(?:[:=]|：)(?:\*\*)?\s*(\S.*)$", re.DOTALL
)
_JSON_PAIR: Final = re.compile(r"^\W*\"([^\"\n]{1,40})\"\s*:\s*\"?(.*?)\"?\W*$", re.DOTALL)
_DIRECTIVES: Final = (
    "task instruction instructions rule rules role format goal output objective important note warning remember "
    "constraint constraints requirement requirements response answer style job purpose system persona guideline "
    "guidelines step first then finally never always do don't if otherwise example"
)
_DIRECTIVE: Final = frozenset(_DIRECTIVES.split())
# Capitals that every prompt uses; they name nobody.
_CAPITALS: Final = (
    "JSON API SQL HTML XML CSV YAML PDF URL URLS ID IDS FAQ AI NOT MUST NEVER ONLY ALWAYS DO DON'T ALL YES NO OR AND I "
    "YOU YOUR IF THE A AN You Your If The A An Do Use Never Always And Or"
)
_COMMON_CAPITALS: Final = frozenset(_CAPITALS.split())
_SMALL_WORDS: Final = "a an and the of for to in on with or : -"
_SMALL: Final = frozenset(_SMALL_WORDS.split())
_ABBREVIATIONS: Final = "mr mrs ms dr prof st no nr vs e.g i.e etc inc ltd co corp jr sr approx fig vol z.b d.h bzw"
_ABBREVIATED: Final = frozenset(_ABBREVIATIONS.split())
# Words that open sentences: what follows one of them may be a name, the word itself is none.
_STARTERS: Final = (
    "the our this that these those my his her its their every each all any some no in on at for from with without by as "
    "to of about after before when where while since because although however also but so then please now use follow "
    "ask tell help write draft summarize summarise translate classify extract return respond reply answer list name "
    "find give make take keep avoid ensure check compare describe explain identify generate create produce provide "
    "convert read review act assume imagine given based start end begin finish include exclude consider remember note "
    "act be is are was has have can could may should will would what which who why how convert cite quote mention "
    "refer speak talk work plan call run turn match sort rank rate score select choose pick say state show output "
    "format add remove replace rewrite edit polish prefer do don't never always only"
)
_OPENERS: Final = frozenset(_STARTERS.split())
# In German every noun has a capital, so capitals name nobody there.
_GERMAN_WORDS: Final = (
    "und der die das den dem des ist sind für mit nicht ein eine einen einem zu du sie im von auf als wenn bitte"
)
_GERMAN: Final = frozenset(_GERMAN_WORDS.split())


@lru_cache(maxsize=4_096)
def literal_words(segment: str) -> int:
    """How many words of a masked segment are the template's own; where words are not spaced, three letters are one."""
    found = len(_LITERAL.findall(segment))
    if segment.isascii():
        return found
    letters = len(_UNSPACED_LETTER.findall(segment))
    return found - letters + -(-letters // 3)


@dataclass(frozen=True, slots=True)
class _Word:
    """One word as it is kept: its masked `text`, how it is `shown` inside a sentence, and whether a sentence ends with it.

    `capital` marks what may be a name, which is shown as one; `small` what may follow a name that opens a sentence.
    """

    text: str
    shown: str
    is_german: bool
    capital: bool
    small: bool
    closes: bool
    breaks: bool


def _word(raw: str) -> _Word:
    found = _EDGES.match(raw[:_MAX_WORD])
    before, core, after = found.groups() if found is not None else ("", raw[:_MAX_WORD], "")
    if core[:1].isdigit():
        before = before.removesuffix("+")  # of a phone number, which redaction takes out whole
    edges = (_spaced(before), _spaced(after))
    short = after == "." and (len(core) == 1 or core.lower() in _ABBREVIATED)
    named = " ".join(part for part in (edges[0], SLOT, "" if short else edges[1]) if part)
    closes = (after or raw)[-1:] in _STOPS and not short
    breaks = bool(after.strip("'’&-*_")) and not short
    if core == SLOT or _HAS_DIGIT.search(core) is not None or _ADDRESS.search(raw) is not None:
        return _Word(named, named, is_german=False, capital=False, small=False, closes=closes, breaks=breaks)
    capital = core[:1].isupper() and core not in _COMMON_CAPITALS
    text = _spaced(raw.lower())
    return _Word(
        text, named if capital else text, is_german=text in _GERMAN, capital=capital, small=not capital, closes=closes,
        breaks=breaks,
    )  # fmt: skip


def _spaced(text: str) -> str:
    return " ".join(_TOKEN.findall(text))


def _masked(words: list[_Word]) -> str:
    """Words as one masked sentence: numbers and addresses are slots, and so are names.

    A capital inside a sentence is a name's. At a sentence's start one capital is grammar, but two in a row before a
    small word are a name.
    """
    parts = [word.shown for word in words]
    if words[0].capital and not _opens_with_name(words):
        parts[0] = words[0].text
    joined = " ".join(parts)
    return _SLOTS.sub(SLOT, joined) if SLOT in joined else joined


def _opens_with_name(words: list[_Word]) -> bool:
    if words[0].text in _OPENERS:
        return False
    for at, word in enumerate(words):
        if not word.capital:
            return at >= 2 and word.small
        if word.breaks:
            return at >= 1 and len(words) > at + 1
    return False


def _names_nobody(text: str, words: list[_Word]) -> bool:
    """Whether the capitals of a line are no names: headings in title case, shouting, German nouns."""
    if len(words) <= 8 and words[-1].capital and all(word.capital or word.text in _SMALL for word in words):
        return len(words) > 1
    return text.isupper() or sum([word.is_german for word in words]) * 8 > len(words)


def _pieces(sentence: str) -> list[str]:
    """A sentence in pieces of at most forty words, a few at most: prompts without full stops are one long sentence."""
    if sentence.count(" ") < _MAX_TOKENS:
        return [sentence[:_MAX_SEGMENT]]
    tokens = sentence.split(" ", _MAX_TOKENS * _MAX_PIECES)[: _MAX_TOKENS * _MAX_PIECES]
    starts = range(0, len(tokens), _MAX_TOKENS)
    return [" ".join(tokens[start : start + _MAX_TOKENS])[:_MAX_SEGMENT] for start in starts]


def key_of(line: str) -> tuple[str, str] | None:
    """The key and value of a `Key: value` line, unless the key announces an instruction ("Task: …").

    >>> key_of("Customer name: Anna Smith")
    ('customer name', 'Anna Smith')
    >>> key_of("Task: summarise the ticket")
    """
    # Most lines hold none of the marks, and the pattern tries every beginning before it gives up.
    found = _KEY.match(line) if ":" in line or "=" in line or "：" in line else None
    if found is None:
        return None
    key, value = found[1].strip().lower(), found[2]
    words = key.split()
    if not words or len(words) > 5 or value.startswith("//") or words[0] in _DIRECTIVE or words[-1] in _DIRECTIVE:
        return None
    return key, value


class Sentences:
    """Masks lines, remembering every word."""

    def __init__(self) -> None:
        self._known: dict[str, _Word] = {}

    def of_line(self, line: str) -> tuple[str, ...]:
        """The masked sentences of one line; a `Key: value` line gives its key, and its value only when that is a text.

        >>> Sentences().of_line("Dear support, order 4711 from Anna Smith is late. Please check it.")
        ('dear support , order <x> from <x> is late .', 'please check it .')
        >>> Sentences().of_line("Customer name: Anna Smith")
        ('customer name :',)
        """
        line = _LISTED.sub("", line[:_MAX_LINE])
        if '":' in line and (pair := _JSON_PAIR.match(line)) is not None:
            line = f"{pair[1].replace('_', ' ')}: {pair[2]}"
        key = key_of(line)
        if key is None:
            return tuple(self.of_text(line))
        name, value = key
        label = f"{_spaced(name)} :"
        if value.count(",") < 3 and value.count(" ") < 12:
            return (label,)
        # A long value may be an instruction ("Categories: a, b, c, d"); growth finds out whether it ever changes.
        return (label, *(f"{label} {sentence}"[:_MAX_SEGMENT] for sentence in self.of_text(value)))

    def of_text(self, text: str) -> list[str]:
        """The masked sentences of a text in which some word is the template's own."""
        if '"' in text or "`" in text or "“" in text or "«" in text:
            text = _QUOTED.sub(f" {SLOT} ", text)
        if not text.isascii():
            text = _WIDE_STOP.sub(" ", text)
        known = self._known
        words = [known.get(raw) or self._learned(raw) for raw in text.split()]
        if not words:
            return []
        plain = _names_nobody(text, words)
        ends = [at for at, word in enumerate(words, 1) if word.closes]
        if not ends or ends[-1] != len(words):
            ends.append(len(words))
        found: list[str] = []
        for start, end in pairwise((0, *ends)):
            part = words[start:end]
            sentence = " ".join([word.text for word in part]) if plain else _masked(part)
            if _LITERAL.search(sentence):
                found += _pieces(sentence)
        return found

    def _learned(self, raw: str) -> _Word:
        word = _word(raw)
        if len(raw) <= _KEPT_WORD:
            if len(self._known) >= _MAX_WORDS:
                self._known.clear()
            self._known[raw] = word
        return word
