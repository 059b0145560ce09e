"""A prompt as the list of its masked sentences: what varies from call to call is blanked out, what repeats stays.

Stateless: the same text always gives the same sentences, on every machine. Names, dates, numbers, addresses, quoted
text and the values of `Key: value` lines become `<x>`; whole blocks that hold data (fenced code, `<document>` tags,
everything under a heading such as `Context:`) become their marker alone. Length is bounded at every step, so that a
hostile prompt costs no more than a long one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fairlead.core.workload.memo import Memo

SLOT: Final = "<x>"
MAX_SEGMENTS: Final = 64
_HEAD_SEGMENTS: Final = 44
_MAX_TOKENS: Final = 40
_MAX_LINE: Final = 1_200
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
_LANGUAGES: Final = (
    "English|French|German|Spanish|Italian|Portuguese|Dutch|Polish|Czech|Slovak|Hungarian|Romanian|Bulgarian|Greek"
    "|Turkish|Arabic|Hebrew|Persian|Farsi|Urdu|Hindi|Bengali|Tamil|Telugu|Marathi|Gujarati|Punjabi|Thai|Lao|Khmer"
    "|Burmese|Vietnamese|Indonesian|Malay|Tagalog|Filipino|Chinese|Mandarin|Cantonese|Japanese|Korean|Mongolian"
    "|Russian|Ukrainian|Serbian|Croatian|Slovenian|Swedish|Norwegian|Danish|Finnish|Icelandic|Estonian|Latvian"
    "|Lithuanian|Swahili|Yoruba|Hausa|Igbo|Zulu|Amharic|Somali|Welsh|Irish|Catalan|Basque|Galician"
)
_MONTHS: Final = "January|February|March|April|May|June|July|August|September|October|November|December"
_DAYS: Final = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
_QUOTED: Final = re.compile(r"`[^`\n]{1,200}`|\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»")
_ADDRESS: Final = re.compile(
    r"https?://\S{1,400}|\b[\w.+-]{1,64}@[\w-]{1,63}\.\w[\w.]{0,62}\b|(?<![\w<])/?[\w.-]{1,64}(?:/[\w.-]{1,64}){2,20}"
)
_NUMBER: Final = re.compile(r"[$€£₹¥#]?\b(?:\w+[-_])*\w*\d\w*(?:[.,:/-]\w+)*%?")
_CALENDAR: Final = re.compile(rf"\b(?:(?:{_MONTHS})\b\.?|(?:{_DAYS})s?\b|(?:{_LANGUAGES})\b)")
_SOME_CAPITAL: Final = re.compile(r"(?<=. )[A-Z]")
_COMMON_CAPITALS: Final = (
    "JSON|API|SQL|HTML|XML|CSV|YAML|PDF|URL|ID|FAQ|AI|NOT|MUST|NEVER|ONLY|ALWAYS|DO|ALL|YES|NO|OR|AND|I|You|Your|If|The"
    "|A|Do|Use|Never|Always"
)
_PROPER: Final = r"[A-Z][\w'’&-]{0,40}(?:\.\w{1,20})?"
_NAME: Final = re.compile(
    # A run of capitalised words inside a sentence is a name; acronyms every prompt uses are not.
    rf"(?<=[a-z,;)’'] )(?!(?:{_COMMON_CAPITALS})\b){_PROPER}(?: (?:of |and |the |de |& )?{_PROPER}){{0,6}}"
    # At a sentence's start one capital is grammar; two in a row before a small word are a name.
    rf"|(?:^|(?<=[.!?] ))[A-Z][a-z'’-]{{1,30}}(?: {_PROPER}){{1,4}}(?= [a-z])"
)
_DIGIT: Final = re.compile(r"\d")
_PADDED: Final = f" {SLOT} "
_CHAT_MARK: Final = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_TOKEN: Final = re.compile(rf"<\w{{1,20}}>|[{_UNSPACED}]|[^\W{_UNSPACED}]{{1,40}}(?:['’][^\W\d]{{1,3}})?|[^\w\s]")
_SLOTS: Final = re.compile(r"<x>(?:(?: ?[,&/+;'’()\[\]-]| and| or| to)* ?<x>)+")
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


def _mask_sentence(text: str) -> str:
    tokens = _TOKEN.findall(text.lower())
    joined = " ".join(tokens[:_MAX_TOKENS])
    if SLOT in joined:
        joined = _SLOTS.sub(SLOT, joined)
    return joined


def _blank(text: str) -> str:
    """Blank out what varies; each pass runs only where its sign is seen, since most lines hold none."""
    if '"' in text or "`" in text or "“" in text or "«" in text:
        text = _QUOTED.sub(_PADDED, text)
    if "/" in text or "@" in text:
        text = _ADDRESS.sub(_PADDED, text)
    if _DIGIT.search(text):
        text = _NUMBER.sub(_PADDED, text)
    if _SOME_CAPITAL.search(text):
        text = _NAME.sub(_PADDED, _CALENDAR.sub(_PADDED, text))
    return text


def _sentences(text: str) -> Iterator[str]:
    for sentence in _SENTENCE.split(_blank(text)):
        masked = _mask_sentence(sentence)
        if _LITERAL.search(masked):
            yield masked


def _key_of(line: str) -> tuple[str, str] | None:
    found = _KEY.match(line)
    if found is None:
        return None
    key, value = found[1].strip().lower(), found[2]
    words = key.split()
    if not words or len(words) > 5 or value.startswith("//") or words[0] in _DIRECTIVE or words[-1] in _DIRECTIVE:
        return None
    return key, value


def mask_line(line: str) -> tuple[str, ...]:
    """The masked sentences of one line; a `Key: value` line gives its key, and its value only when that is a text.

    >>> mask_line("Dear support, order 4711 from Anna Smith is late. Please check it.")
    ('dear support , order <x> from <x> is late .', 'please check it .')
    >>> mask_line("Customer name: Anna Smith")
    ('customer name :',)
    """
    line = _LISTED.sub("", line[:_MAX_LINE])
    key = _key_of(line)
    if key is None:
        return tuple(_sentences(line))
    name, value = key
    label = f"{_mask_sentence(name)} :"
    if value.count(",") < 3 and value.count(" ") < 12:
        return (label,)
    # A long value may be an instruction ("Categories: a, b, c, d"); growth finds out whether it ever changes.
    return (label, *(f"{label} {sentence}" for sentence in _sentences(value)))


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


class Masker:
    """Masks texts and remembers what it masked: prompts and lines repeat, and a repeated one costs a look-up."""

    def __init__(self, *, text_budget: int = 6_000_000, line_budget: int = 6_000_000) -> None:
        self._texts: Memo[str, tuple[str, ...]] = Memo(text_budget)
        self._lines: Memo[str, tuple[str, ...]] = Memo(line_budget)

    def system(self, text: str) -> tuple[str, ...]:
        """The masked segments of a system prompt, each once, in order; the middle of a very long one is left out."""
        if not text:
            return ()
        known = self._texts.get(text)
        if known is None:
            known = _bounded(self._segments(_ends(text, _SYSTEM_HEAD, _SYSTEM_TAIL)))
            self._texts.put(text, known, len(text) + 64 + 16 * len(known))
        return known

    def user(self, text: str) -> tuple[str, ...]:
        """The masked segments of a user message's two ends; not remembered as a whole, since it rarely repeats."""
        return _bounded(self._segments(_ends(text, _USER_HEAD, _USER_TAIL)))

    def _segments(self, pieces: tuple[str, ...]) -> Iterator[str]:
        for piece in pieces:
            text = _CHAT_MARK.sub("\n", piece)
            if "<" in text:
                text = _drop_tagged(text)
            yield from self._walk(text.split("\n"))

    def _walk(self, lines: list[str]) -> Iterator[str]:
        """Mask line by line, leaving out fenced blocks and what stands under a heading for data."""
        fenced = skipping = False
        for line in lines:
            if line.startswith("```"):
                fenced = not fenced
                if fenced:
                    yield "code block"
            if fenced or line.startswith("```") or _RULER.match(line):
                continue
            if _DATA_HEADING.match(line):
                skipping = True
                yield from self._line(line)
                continue
            if skipping and not (_HEADING.match(line) or _key_of(line)):
                continue
            skipping = False
            yield from self._line(line)

    def _line(self, line: str) -> tuple[str, ...]:
        known = self._lines.get(line)
        if known is None:
            known = mask_line(line)
            self._lines.put(line, known, len(line) + 64 + 2 * sum(map(len, known)))
        return known


def _bounded(segments: Iterator[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(segments))
    if len(unique) <= MAX_SEGMENTS:
        return unique
    return unique[:_HEAD_SEGMENTS] + unique[_HEAD_SEGMENTS - MAX_SEGMENTS :]
