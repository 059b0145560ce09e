"""A prompt as the list of its masked sentences: what varies from call to call is blanked out, what repeats stays.

Whole blocks that hold data (fenced code, `<document>` tags, everything under a heading such as `Context:`) become their
marker alone; `sentence` masks the lines that are left. Length is bounded at every step, so that a
hostile prompt costs no more than a long one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fairlead.core.workload.memo import Memo
from fairlead.core.workload.sentence import MARK, SLOT, Sentences, key_of

MAX_SEGMENTS: Final = 64
_HEAD_SEGMENTS: Final = 44
_LONGEST_HEADING: Final = 80
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
_JSON_COMMA: Final = re.compile(r"(?<=[\"\]}\w]),\s*(?=\")")
_RULER: Final = re.compile(r"^[\W_]*$")
_CHAT_MARK: Final = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>")


def _drop_tagged(text: str) -> str:
    """Replace `<context>…</context>` by `<context>`, also when either end was cut off."""
    pieces: list[str] = []
    at = 0
    small = text.lower() if text.isascii() else text
    while (opened := _DATA_TAG.search(text, at)) is not None:
        tag = opened[1].lower()
        pieces += (text[at : opened.start()], f"\n{tag} tag\n")
        at = _end_of_closing(small, tag, opened.end())
        if len(pieces) > 2 * MAX_SEGMENTS:
            break
    return "".join(pieces) + text[at:] if pieces else text


def _end_of_closing(text: str, tag: str, at: int) -> int:
    """Where a tag that is open at `at` is closed; the end of the text where it is not. ASCII text is in small letters."""
    if text.isascii():
        found = text.find(closing := f"</{tag}>", at)
        return len(text) if found < 0 else found + len(closing)
    closed = re.compile(rf"</{tag}>", re.IGNORECASE).search(text, at)
    return len(text) if closed is None else closed.end()


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


def _plain(text: str) -> str:
    """A text without chat marks and blocks of data between tags, and JSON in it on lines of its own."""
    # One letter is found in a twentieth of the time that two or more take, and most texts do not have it.
    if ("<" in text and ("<|" in text or "<s>" in text)) or ("]" in text and "INST]" in text):
        text = _CHAT_MARK.sub("\n", text)
    if "<" in text:
        text = _drop_tagged(MARK.sub(SLOT, text))  # a mark such as <email 1> opens nothing
    return _JSON_COMMA.sub("\n", text) if '"' in text and '":' in text else text


@dataclass(frozen=True, slots=True)
class _Line:
    """A line's masked sentences, and whether what follows it is data."""

    segments: tuple[str, ...]
    opens_data: bool


def _cost_of_text(text: str, segments: tuple[str, ...]) -> int:
    return _bytes(text) + 64 + 8 * len(segments)


def _cost_of_line(line: str, read: _Line) -> int:
    # The segments hold about what the line held, each with the room that every string takes.
    return 2 * _bytes(line) + 250 + 60 * len(read.segments)


def _bytes(text: str) -> int:
    # Text outside Latin takes up to four bytes a character.
    return len(text) if text.isascii() else 4 * len(text)


class Masker:
    """Masks texts and remembers what it masked: prompts and lines repeat, and a repeated one costs a look-up."""

    def __init__(self, *, text_budget: int = 12_000_000, line_budget: int = 12_000_000) -> None:
        self._texts: Memo[str, tuple[str, ...]] = Memo(text_budget, _cost_of_text, second_time=True)
        self._lines: Memo[str, _Line] = Memo(line_budget, _cost_of_line, second_time=True)
        self._sentences = Sentences()

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

    def line(self, text: str) -> tuple[str, ...]:
        """The masked sentences of one line; not remembered."""
        return self._sentences.of_line(MARK.sub(SLOT, text) if "<" in text else text)

    def spare(self, budget: int) -> None:
        """Remember no more than so many bytes of texts, and as many of lines."""
        self._texts.spare(budget)
        self._lines.spare(budget)

    def has_masked(self, text: str) -> bool:
        """Whether this system prompt was masked lately: it comes back."""
        return self._texts.was_offered(text)

    def _segments(self, pieces: tuple[str, ...]) -> list[str]:
        found: list[str] = []
        for piece in pieces:
            text = _plain(piece)
            lines = text.split("\n")
            self._walk(_unfenced(lines) if "`" in text and "```" in text else lines, found)
        return found

    def _walk(self, lines: list[str], found: list[str]) -> None:
        """Mask line by line, leaving out what stands under a heading for data."""
        skipping = False
        young = self._lines.young
        for line in lines:
            if skipping and not _ends_data(line):
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
            opens = len(line) <= _LONGEST_HEADING and _DATA_HEADING.match(line) is not None
            read = _Line(self._sentences.of_line(line), opens_data=opens)
        self._lines.put(line, read)
        return read


def _unfenced(lines: list[str]) -> list[str]:
    """The lines outside fenced blocks, with a mark for each block."""
    kept: list[str] = []
    fenced = False
    for line in lines:
        if line.startswith("```"):
            fenced = not fenced
            if fenced:
                kept.append("code block")
        elif not fenced:
            kept.append(line)
    return kept


def _ends_data(line: str) -> bool:
    may_head = line.endswith(":") or line.startswith(("#", "=", "*", "["))
    return (may_head and _HEADING.match(line) is not None) or key_of(line) is not None


def _bounded(segments: list[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(segments))
    if len(unique) <= MAX_SEGMENTS:
        return unique
    return unique[:_HEAD_SEGMENTS] + unique[_HEAD_SEGMENTS - MAX_SEGMENTS :]
