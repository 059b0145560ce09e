"""A prompt as the list of its masked sentences: what varies from call to call is blanked out, what repeats stays.

Stateless: the same text always gives the same sentences, on every machine. Names, dates, numbers, addresses, quoted
text and the values of `Key: value` lines become `<x>`; whole blocks that hold data (fenced code, `<document>` tags,
everything under a heading such as `Context:`) become their marker alone. Length is bounded at every step, so that a
hostile prompt costs no more than a long one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from fairlead.core.workload.memo import Memo

SLOT: Final = "<x>"
MAX_SEGMENTS: Final = 64
_HEAD_SEGMENTS: Final = 44
_MAX_TOKENS: Final = 40
_MAX_LINE: Final = 1_200
_MAX_WORD: Final = 120
_KEPT_WORD: Final = 24
_MAX_WORDS: Final = 30_000
_MAX_SEGMENT: Final = 240
_STOPS: Final = frozenset(".!?。！？")
_HAS_DIGIT: Final = re.compile(r"\d")
_SMALL: Final = frozenset(["a", "an", "and", "the", "of", "for", "to", "in", "on", "with", "or", ":", "-"])
_SYSTEM_HEAD, _SYSTEM_TAIL = 16_000, 6_000
_USER_HEAD, _USER_TAIL = 1_500, 1_200

_DATA_NAMES: Final = (
    "document|documents|doc|docs|context|example|examples|env|environment|data|text|article|email|transcript|source"
    "|sources|passage|passages|chunk|chunks|search_results|results|result|file|files|content|input|query|question"
    "|history|conversation|chat_history|user_info|user_profile|profile|memory|memories|ticket|message|messages|code"
    "|diff|contract|resume|cv|invoice|review|reviews|report|page|snippet|snippets|knowledge|knowledge_base|record"
    "|records|customer|order|product|log|logs|excerpt|excerpts|note|notes|draft|letter|post|comment|thread|paper"
)
_DATA_TAG: Final = re.compile(rf"<({_DATA_NAMES})\b[^<>\n]{{0,200}}>", re.IGNORECASE)
_DATA_CLOSE: Final = re.compile(rf"</({_DATA_NAMES})>", re.IGNORECASE)
_DATA_HEADING: Final = re.compile(
    r"^[\W_]{0,6}(?:relevant |retrieved |reference |background |source |here (?:are|is) (?:the |some )?)?"
    r"(?:documents?|context|examples?|passages?|excerpts?|snippets?|articles?|search results|sources|transcript"
    r"|knowledge base|conversation(?: so far| history)?|chat history|history|data|text|input|email|code|diff)"
    r"[\W_]{0,6}$",
    re.IGNORECASE,
)
_HEADING: Final = re.compile(
    r"^(?:#{1,6}\s.{1,80}|.{1,60}:|={2,}.{1,60}={2,}|\*\*[^*\n]{1,60}\*\*:?|\[[A-Z /]{2,40}\])$"
)
_RULER: Final = re.compile(r"^[\W_]*$")
_KEY: Final = re.compile(
    r"^[\s>*•+-]{0,8}(?:\*\*)?([^\W\d_][\w /()'’-]{0,38}?)(?:\*\*)?\s?(?:[:=]|：)(?:\*\*)?\s*(\S.*)$", re.DOTALL
)
_DIRECTIVE: Final = frozenset(
    [
        "task",
        "instruction",
        "instructions",
        "rule",
        "rules",
        "role",
        "format",
        "goal",
        "output",
        "objective",
        "important",
        "note",
        "warning",
        "remember",
        "constraint",
        "constraints",
        "requirement",
        "requirements",
        "response",
        "answer",
        "style",
        "job",
        "purpose",
        "system",
        "persona",
        "guideline",
        "guidelines",
        "step",
        "first",
        "then",
        "finally",
        "never",
        "always",
        "do",
        "don't",
        "if",
        "otherwise",
        "example",
    ]
)
_QUOTED: Final = re.compile(r"`[^`\n]{1,200}`|\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»")
_ADDRESS: Final = re.compile(r"://|\w@\w|^\W?\.{0,2}/?[\w.-]+(?:/[\w.-]+){2}")
_EDGES: Final = re.compile(r"^([^\w<]*)(.*?)([^\w>]*)$", re.DOTALL)
# Capitals that every prompt uses; they name nobody.
_COMMON_CAPITALS: Final = frozenset(
    [
        "JSON",
        "API",
        "SQL",
        "HTML",
        "XML",
        "CSV",
        "YAML",
        "PDF",
        "URL",
        "URLS",
        "ID",
        "IDS",
        "FAQ",
        "AI",
        "NOT",
        "MUST",
        "NEVER",
        "ONLY",
        "ALWAYS",
        "DO",
        "DON'T",
        "ALL",
        "YES",
        "NO",
        "OR",
        "AND",
        "I",
        "YOU",
        "YOUR",
        "IF",
        "THE",
        "A",
        "AN",
    ]
) | frozenset(["You", "Your", "If", "The", "A", "An", "Do", "Use", "Never", "Always", "And", "Or"])
_CHAT_MARK: Final = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>")
_WIDE_STOP: Final = re.compile(r"(?<=[。！？])")
_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_TOKEN: Final = re.compile(rf"<\w{{1,20}}>|[{_UNSPACED}]|[^\W{_UNSPACED}]{{1,40}}(?:['’][^\W\d]{{1,3}})?|[^\w\s]")
_SLOTS: Final = re.compile(r"<x>(?:(?: ?[,&/+;'’()\[\]-]| and| or| to| of| the| de| van| von)* ?<x>)+")
_LITERAL: Final = re.compile(rf"(?<![<\w])[^\W\d_]{{2,}}|[{_UNSPACED}]")
_UNSPACED_LETTER: Final = re.compile(rf"[{_UNSPACED}]")
_LISTED: Final = re.compile(r"^\s*(?:[-*•+]|\(?\d{1,3}[.)]|[a-zA-Z][.)])\s+")


def literal_words(segment: str) -> int:
    """How many words of a masked segment are the template's own."""
    found = len(_LITERAL.findall(segment))
    if segment.isascii():
        return found
    letters = len(_UNSPACED_LETTER.findall(segment))
    return found - letters + -(-letters // 3)


@dataclass(frozen=True, slots=True)
class _Word:
    """One word as it is kept: its masked `text`, what it is were it a name, and whether a sentence ends with it.

    `capital` marks what may be a name, `small` what may follow a name that opens a sentence.
    """

    text: str
    as_name: str
    capital: bool
    small: bool
    closes: bool
    breaks: bool


def _word(raw: str) -> _Word:
    found = _EDGES.match(raw[:_MAX_WORD])
    before, core, after = found.groups() if found is not None else ("", raw[:_MAX_WORD], "")
    edges = (_spaced(before), _spaced(after))
    named = " ".join(part for part in (edges[0], SLOT, edges[1]) if part)
    closes = after[-1:] in _STOPS if after else raw[-1:] in _STOPS
    breaks = bool(after.strip("'’&-*_"))
    if core == SLOT or _HAS_DIGIT.search(core) is not None or _ADDRESS.search(raw) is not None:
        return _Word(named, named, capital=False, small=False, closes=closes, breaks=breaks)
    capital = core[:1].isupper() and core not in _COMMON_CAPITALS
    return _Word(_spaced(raw.lower()), named, capital=capital, small=not capital, closes=closes, breaks=breaks)


def _spaced(text: str) -> str:
    return " ".join(_TOKEN.findall(text))


def _sentence(words: list[_Word]) -> str:
    """Words as one masked sentence: numbers and addresses are slots, and so are names.

    A capital inside a sentence is a name's. At a sentence's start one capital is grammar, but two in a row before a
    small word are a name.
    """
    parts = [word.as_name if word.capital else word.text for word in words[:_MAX_TOKENS]]
    if words[0].capital and not _opens_with_name(words):
        parts[0] = words[0].text
    joined = " ".join(parts)
    if SLOT in joined:
        joined = _SLOTS.sub(SLOT, joined)
    return joined[:_MAX_SEGMENT]


def _opens_with_name(words: list[_Word]) -> bool:
    for at, word in enumerate(words):
        if not word.capital:
            return at >= 2 and word.small
        if word.breaks:
            return at >= 1 and len(words) > at + 1
    return False


def _titled(words: list[_Word]) -> bool:
    """Whether a line is a heading in title case, whose capitals name nobody."""
    return 1 < len(words) <= 8 and words[-1].capital and all(word.capital or word.text in _SMALL for word in words)


def _key_of(line: str) -> tuple[str, str] | None:
    found = _KEY.match(line)
    if found is None:
        return None
    key, value = found[1].strip().lower(), found[2]
    words = key.split()
    if not words or len(words) > 5 or value.startswith("//") or words[0] in _DIRECTIVE or words[-1] in _DIRECTIVE:
        return None
    return key, value


class _Words:
    """Masks lines word by word, remembering every word: a few thousand make up nearly all that is written."""

    def __init__(self) -> None:
        self._known: dict[str, _Word] = {}

    def sentences(self, text: str) -> list[str]:
        """The masked sentences of a text in which some word is the template's own."""
        if '"' in text or "`" in text or "“" in text or "«" in text:
            text = _QUOTED.sub(f" {SLOT} ", text)
        if not text.isascii():
            text = _WIDE_STOP.sub(" ", text)
        known = self._known
        words = [known.get(raw) or self._learned(raw) for raw in text.split()]
        if _titled(words):
            return [" ".join([word.text for word in words])]
        ends = [at for at, word in enumerate(words, 1) if word.closes]
        if not ends or ends[-1] != len(words):
            ends.append(len(words))
        sentences = [_sentence(words[start:end]) for start, end in pairwise((0, *ends)) if start < end]
        return [sentence for sentence in sentences if _LITERAL.search(sentence)]

    def _learned(self, raw: str) -> _Word:
        word = _word(raw)
        if len(raw) <= _KEPT_WORD:
            if len(self._known) >= _MAX_WORDS:
                self._known.clear()
            self._known[raw] = word
        return word

    def line(self, line: str) -> tuple[str, ...]:
        """The masked sentences of one line; a `Key: value` line gives its key, and its value only when that is a text.

        >>> _Words().line("Dear support, order 4711 from Anna Smith is late. Please check it.")
        ('dear support , order <x> from <x> is late .', 'please check it .')
        >>> _Words().line("Customer name: Anna Smith")
        ('customer name :',)
        """
        line = _LISTED.sub("", line[:_MAX_LINE])
        key = _key_of(line) if ":" in line or "=" in line or "：" in line else None
        if key is None:
            return tuple(self.sentences(line))
        name, value = key
        label = f"{_spaced(name)} :"
        if value.count(",") < 3 and value.count(" ") < 12:
            return (label,)
        # A long value may be an instruction ("Categories: a, b, c, d"); growth finds out whether it ever changes.
        return (label, *(f"{label} {sentence}"[:_MAX_SEGMENT] for sentence in self.sentences(value)))


def _drop_tagged(text: str) -> str:
    """Replace `<context>…</context>` by `<context>`, also when either end was cut off."""
    pieces: list[str] = []
    at = 0
    while (opened := _DATA_TAG.search(text, at)) is not None:
        tag = opened[1].lower()
        closing = re.compile(rf"</{tag}>", re.IGNORECASE).search(text, opened.end())
        pieces += (text[at : opened.start()], f"\n{tag} tag\n")
        at = len(text) if closing is None else closing.end()
        if len(pieces) > 2 * MAX_SEGMENTS:
            break
    return "".join(pieces) + text[at:] if pieces else text


def _after_stray_close(text: str) -> str:
    """What follows a closing tag whose opening was cut off with the middle of a long text."""
    closed = _DATA_CLOSE.search(text)
    if closed is None or _DATA_TAG.search(text, 0, closed.start()) is not None:
        return text
    return text[closed.end() :]


def _ends(text: str, head: int, tail: int) -> tuple[str, ...]:
    if len(text) <= head + tail:
        return (text,)
    return text[:head].rpartition("\n")[0] or text[:head], _after_stray_close(text[-tail:])


@dataclass(frozen=True, slots=True)
class _Line:
    """A line's masked sentences, and whether what follows it is data."""

    segments: tuple[str, ...]
    opens_data: bool


def _cost_of_text(text: str, segments: tuple[str, ...]) -> int:
    return _bytes(text) + 64 + 8 * len(segments)


def _cost_of_line(line: str, read: _Line) -> int:
    return _bytes(line) + 250 + sum(60 + _bytes(segment) for segment in read.segments)


def _bytes(text: str) -> int:
    # Text outside Latin takes up to four bytes a character.
    return len(text) if text.isascii() else 4 * len(text)


class Masker:
    """Masks texts and remembers what it masked: prompts and lines repeat, and a repeated one costs a look-up."""

    def __init__(self, *, text_budget: int = 12_000_000, line_budget: int = 12_000_000) -> None:
        self._texts: Memo[str, tuple[str, ...]] = Memo(text_budget, _cost_of_text)
        self._lines: Memo[str, _Line] = Memo(line_budget, _cost_of_line)
        self._words = _Words()

    def system(self, text: str) -> tuple[str, ...]:
        """The masked segments of a system prompt, each once, in order; the middle of a very long one is left out."""
        if not text:
            return ()
        known = self._texts.get(text)
        if known is None:
            known = _bounded(self._segments(_ends(text, _SYSTEM_HEAD, _SYSTEM_TAIL)))
            self._texts.put(text, known)
        return known

    def user(self, text: str) -> tuple[str, ...]:
        """The masked segments of a user message's two ends; not remembered as a whole, since it rarely repeats."""
        return _bounded(self._segments(_ends(text, _USER_HEAD, _USER_TAIL)))

    def _segments(self, pieces: tuple[str, ...]) -> list[str]:
        found: list[str] = []
        for piece in pieces:
            text = _CHAT_MARK.sub("\n", piece) if "<" in piece or "[/" in piece else piece
            if "<" in text:
                text = _drop_tagged(text)
            self._walk(text.split("\n"), found)
        return found

    def _walk(self, lines: list[str], found: list[str]) -> None:
        """Mask line by line, leaving out fenced blocks and what stands under a heading for data."""
        fenced = skipping = False
        young = self._lines.young
        for line in lines:
            if line.startswith("```"):
                fenced = not fenced
                if fenced:
                    found.append("code block")
                continue
            if fenced or not line or (skipping and not _ends_data(line)):
                continue
            known = young.get(line)
            if known is None:
                known = self._lines.recall(line) or self._read(line)
                young = self._lines.young
            skipping = known.opens_data
            found += known.segments

    def _read(self, line: str) -> _Line:
        if _RULER.match(line):
            read = _Line((), opens_data=False)
        else:
            read = _Line(self._words.line(line), opens_data=_DATA_HEADING.match(line) is not None)
        self._lines.put(line, read)
        return read


def _ends_data(line: str) -> bool:
    return _HEADING.match(line) is not None or _key_of(line) is not None


def _bounded(segments: list[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(segments))
    if len(unique) <= MAX_SEGMENTS:
        return unique
    return unique[:_HEAD_SEGMENTS] + unique[_HEAD_SEGMENTS - MAX_SEGMENTS :]
