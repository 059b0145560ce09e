"""Short names for workloads, out of the template's own words.

Names are shown in tables and reports: at most sixty characters, letters, digits and plain punctuation only, and no two
alike. The text they are made of is hostile until cleaned.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final

from fairlead.core.workload.sentence import SLOT, literal_words
from fairlead.core.workload.tree import Leaf

MAX_NAME: Final = 60
_MAX_WORDS: Final = 8
_MOST_WORDS: Final = 11
"""A phrase that ends of itself may have so many words; one that goes on is cut, and ends where a part of it does."""
# A prompt says what it is for in its first lines; what sounds so further down is a rule of the house.
_OPENS: Final = 4
_AD_HOC: Final = "Ad hoc chat"
_ANY_TOOLS: Final = "Tool calls of many kinds"
"""Nothing is shared but that there are tools, others in every call."""
_LABEL: Final = re.compile(
    r"^[\W_]*(?:<?(?:system|role|task|your task|instructions?|goal|objective|prompt|purpose|job)(?: tag)?\s?[:>]\s+)(?=\w+ )"
)
_OPENING: Final = re.compile(
    r"^(?:(?:you are|you're|act as|act like|you (?:will )?act as|assume the role of|imagine you are|you work as)\s+"
    r"(?:<x>\s*,?\s*)?(?:part of\s+)?(?:(?:a|an|the|our|my)\s+)?"
    r"|(?:your|the) (?:task|job|role|goal|purpose) is (?:to )?(?:act as )?"
    r"|(?:please|kindly|now|first|always|you (?:will|must|should|can|help(?: to)?|need to))\s+"
    r"|as (?:a|an|the|our|my) [^,]{1,60}, ?you (?:(?:can|will|should|must|are to|need to) )?"
    r"|(?:i want you to|i need you to|help me(?: to)?|can you|could you|given [^,]{1,60},)\s*"
    r"|you (?=\w))"
)
# A line that goes on like this is a rule of conduct; what the job is stands elsewhere.
_RULE: Final = re.compile(
    r"^(?:never|always|not|do|don't|only|be|avoid|ensure|keep|stay|remain|may|cannot)\b", re.IGNORECASE
)
_ALWAYS: Final = re.compile(r"^(?:you (?:must |should |will )?)?always\b", re.IGNORECASE)
# Who asks, what time it is, what there is: told along the way, and not what is to be done.
_STATEMENT: Final = re.compile(
    r"^(?:(?:i|we|they|he|she|my|our)\b(?! (?:want|need) you\b)|(?:it|there|today|now) (?:is|are|was|were|has|have)\b"
    r"|(?:the|this|a|an)(?: \w+){1,3} (?:is|are|was|were) (?:<x>|below|above|given|provided|attached)\b"
    r"|here (?:is|are)\b)"
)
# "Before the bot answers, check …": the job stands behind the comma.
_BEFOREHAND: Final = re.compile(r"^(?:before|after|when|whenever|once|while) [^,.;:?!]{1,80} ?, (?!and\b|or\b)")
# What stands for a block of data: it says what a message holds, and not what is to be done with it.
_BLOCK: Final = re.compile(r"^(?:[\^$] )?(?:(\w+) tag|code block)(?: [.:])?$")
_ARTICLES: Final = re.compile(r"^(?:a|an|the|this|that|these|following|each|every)\s+")
_FOLLOWING: Final = re.compile(
    r"\b(?:the |this |these )?following (?=\w)|\bexactly (?=one)|\bgiven (?=text|passage|document)"
)
_QUALITIES: Final = re.compile(
    r"^(?:(?:helpful|friendly|expert|professional|senior|experienced|skilled|careful|concise|polite|world-class|precise"
    r"|highly|very|smart|knowledgeable|certified|ai|llm|virtual|automated|seasoned|meticulous|diligent|reliable)\s*,?\s+"
    r"(?:and\s+)?)+",
    re.IGNORECASE,
)
# For wording whose source does not show how it was written (`Leaf.written`).
_ACRONYMS: Final = {
    word: word.upper()
    for word in ("json", "sql", "crm", "api", "pdf", "faq", "icd", "html", "csv", "ai", "url", "hr", "xml", "vat")
}
# Words that lead nowhere at the end of a name.
_LEADING_NOWHERE: Final = (
    "a an the of to for in on at by with and or from into that which who is are be as using based your you it its this "
    "these those their his her our my if when then than about per via not no only any all so below most exactly whether used "
    "what how where why because while until unless must should would could "
    "el los las del una para por con le les du une dans avec der das dem ein eine einen einem und oder für im zum zur il lo gli "
    "della che dos das em het een voor ya wa kwa na katika của cho và với tại ở في من على إلى عن مع के की का में को से और"
)
_TAIL: Final = frozenset(_LEADING_NOWHERE.split())
_CLAUSES: Final = "what whether how which that if when where why who whose while because unless until before after"
_CLAUSE_OPENS: Final = frozenset(_CLAUSES.split())
_ARTICLES_AND_LIKE: Final = "a an the this that these those your its their his her our my all any"
_DETERMINERS: Final = frozenset(_ARTICLES_AND_LIKE.split())
_OBJECTS: Final = frozenset(("this", "these", "it"))
_OWNERS: Final = ("'s", "’s", "s'", "s’")
_STOPS: Final = r"<\s?/|[.:;!?()\[\]{}|\"“”«»]|, (?:and|who|that|which|you)\b|\bwho\b|\bwhose\b|\bthat (?=\w+s\b)|\bso that\b|\band (?:you|your)\b"
_BREAK: Final = re.compile(rf"\s*(?:<x>|{_STOPS})")
_STOP: Final = re.compile(rf"\s*(?:{_STOPS})")
# A job that is put as a question keeps its article: "is the statement true".
_QUESTION: Final = re.compile(r"^(?:is|are|was|were|does|do|did|can|could|should|has|have|will|would)\b(?! not\b)")
# What a template's author leaves open by hand is a slot too.
_HOLE: Final = re.compile(r"…|_{2,}|(?:\. ?){2,}\.")
_KEPT: Final = frozenset("-'’&/+,.()#%…")


def clean(text: str, limit: int = MAX_NAME) -> str:
    r"""The text without control, format or odd characters, in one line of at most `limit` characters.

    >>> clean("Ticket\x1b[31m <b>triage</b>\u202e")
    'Ticket 31m b triage /b'
    """
    plain = unicodedata.normalize("NFKC", text[: 8 * limit])
    kept = "".join(c if c.isalnum() or c in _KEPT or unicodedata.category(c)[0] == "M" else " " for c in plain)
    words = " ".join(kept.split())
    return words if len(words) <= limit else words[: limit - 1].rpartition(" ")[0].rstrip(" ,.-") or words[:limit]


def phrase(line: str) -> str:
    """What a template's line is about, in a few words; empty when nothing is left.

    >>> phrase("you are an expert invoice extraction assistant for <x> .")
    'invoice extraction assistant'
    >>> phrase("you sort the mail that reaches <x> .")
    'sort the mail'
    """
    text = _LABEL.sub("", line.removeprefix("^ ").removeprefix("$ "))
    later = _BEFOREHAND.sub("", text)
    if later is not text and len(_led(_BREAK.split(later, maxsplit=1)[0].split())) > 1:
        text = later
    return _opened(text)


def _opened(text: str) -> str:
    """The first words of a text behind what opens it, with who does the work only where nothing else is said."""
    text = _ARTICLES.sub("", _OPENING.sub("", _OPENING.sub("", text)))
    bare = _cut(_QUALITIES.sub("", text))
    return bare if " " in bare else _cut(text)


def _cut(text: str) -> str:
    """The first words of a text up to a slot or a stop, without words that lead nowhere at the end."""
    bare = _FOLLOWING.sub("the " if _QUESTION.match(text) else "", text)
    text = re.sub(r" ([,'’]) ?", r"\1 ", re.sub(r"^(?:<x>[\s,'’s]*)+", "", bare))
    text = _HOLE.sub(SLOT, text.replace(" - ", "-"))
    words = _led(_BREAK.split(text, maxsplit=1)[0].split())
    if len(words) < 2 and SLOT in text:
        words = _bridged(text)
    words = _short(words)
    return " ".join(_ACRONYMS.get(word, word) for word in words).strip(" ,-'’.")


def _short(words: list[str]) -> list[str]:
    """The words where they are few, else the first of them up to where a part of the sentence ends.

    >>> " ".join(_short("sort the letters by street and tell the postman what he has to carry up the hill".split()))
    'sort the letters by street'
    """
    if len(words) <= _MAX_WORDS or (len(words) <= _MOST_WORDS and len(" ".join(words)) <= MAX_NAME):
        return _led(words)
    led = _led(words[:_MAX_WORDS])
    follows = words[len(led)]
    if len(led) > 2 and (len(led) == _MAX_WORDS or follows in _DETERMINERS):  # the last word is not the end of anything
        if led[-1].endswith(_OWNERS):
            led = _led(led[:-1])
        elif led[-2] in {"and", "or", "to"}:
            led = _led(led[:-2])
    opens = max((at for at, word in enumerate(led) if word in _CLAUSE_OPENS), default=0)
    return _led(led[:opens]) if opens >= 3 else led


def _bridged(text: str) -> list[str]:
    """The words of a text's first sentence without its slots, and without the words that led into one.

    >>> " ".join(_bridged("write <x> for the analysts of <x> ."))
    'write for the analysts'
    """
    pieces = _STOP.split(text, maxsplit=1)[0].split(SLOT)
    # What stands behind a comma tells of what was in the slot, not of the job.
    told = takewhile(lambda piece: not piece.lstrip().startswith(","), pieces)
    return [word for piece in told for word in _led(piece.split())]


def _led(words: list[str]) -> list[str]:
    """The words without those at the end that lead nowhere."""
    led = list(words)
    while led and led[-1].strip(",'’-&/") in _TAIL | {""}:
        if len(led) == 2 and led[1] in _OBJECTS and led[0] not in _TAIL:
            break  # "port this" says more than "port"
        led.pop()
    return led


def names(leaves: Mapping[str, Leaf], *, taken: Mapping[str, str]) -> dict[str, str]:
    """A unique name for every workload by id; those in `taken` keep theirs."""
    named = dict(taken)
    used = {name.casefold() for name in named.values()}
    common = Counter(line for leaf in leaves.values() for line in (*leaf.lines, *leaf.anchors))
    proposed = {id_: _distinct(_proposals(leaves[id_], common)) for id_ in sorted(leaves) if id_ not in named}
    first = Counter(proposals[0].casefold() for proposals in proposed.values())
    for id_, proposals in proposed.items():
        # Two prompts that would have the same name both get what sets them apart.
        shared = first[proposals[0].casefold()] > 1 and len(proposals) > 1
        named[id_] = _free(proposals[1:] if shared else proposals, used)
        used.add(named[id_].casefold())
    return named


def _distinct(proposals: Iterator[str]) -> list[str]:
    cleaned = (clean(proposal) for proposal in proposals)
    return list(dict.fromkeys(name[:1].upper() + name[1:] for name in cleaned if name)) or ["Unnamed work"]


def _free(proposals: Sequence[str], used: set[str]) -> str:
    for name in proposals:
        if name.casefold() not in used:
            return name
    number = 2
    stem = proposals[0][: MAX_NAME - 8]
    while f"{stem} ({number})".casefold() in used:
        number += 1
    return f"{stem} ({number})"


def _proposals(leaf: Leaf, common: Counter[str]) -> Iterator[str]:
    """Names from best to worst: what the prompt is about, then with what sets it apart added."""
    if leaf.ad_hoc:
        yield _AD_HOC
        return
    if leaf.family.startswith("embeddings"):
        yield f"Embeddings with {leaf.family.removeprefix('embeddings').strip()}"
        return
    phrases = list(_phrases(leaf, common))
    yield from phrases[:1]
    if not phrases and leaf.tools:
        yield _work_with(_tool_words(leaf))
    for detail in (*_tool_words(leaf), *_field_words(leaf), *phrases[1:4]):
        told = " ".join(_led(clean(detail, 24).split()))
        yield f"{clean(phrases[0], 36)} ({told})" if phrases and told else detail
    if not phrases:
        yield "Chat with tools" if leaf.tools else _ANY_TOOLS


def _phrases(leaf: Leaf, common: Counter[str]) -> Iterator[str]:
    """Phrases of the lines, the telling ones first: a line that many workloads share tells little."""
    lines = [*leaf.lines, *leaf.anchors] or [*leaf.said]

    def rank(entry: tuple[int, str]) -> tuple[int, int]:
        at, line = entry
        told = phrase(leaf.written.get(line, line))
        words = literal_words(told)
        opens = _LABEL.match(line) is not None or _OPENING.match(line) is not None
        is_rule = _RULE.match(told) is not None or _ALWAYS.match(line) is not None
        tells = words >= 2 and at < _OPENS and opens and not is_rule
        is_aside = line.endswith(":") or _STATEMENT.match(line) is not None
        return min(common[line], 6) - (3 if tells else 0) + (3 if words < 2 else 0) + (2 if is_aside else 0), at

    blocks: list[str] = []
    single: list[str] = []
    for _, line in sorted(enumerate(lines), key=rank):
        if (block := _BLOCK.match(line)) is not None:
            blocks.append(f"messages with {(block[1] or 'code').replace('_', ' ')}")
        elif literal_words(found := phrase(leaf.written.get(line, line))) >= 1 and len(found) > 3:
            if " " in found:
                yield found
            else:
                single.append(found)
    yield from (*blocks[:1], *single)  # one word of a text full of data is as likely a part of the data


def _work_with(tools: Sequence[str]) -> str:
    """What a job is called of which only the tools are known: `set device, set temperature`, `work with bash`."""
    told = ", ".join(tools)
    return told if " " in told else f"work with {told}"


def _tool_words(leaf: Leaf) -> list[str]:
    return [name.replace("_", " ") for name in leaf.tools[:3]]


def _field_words(leaf: Leaf) -> list[str]:
    named = [
        name.replace("_", " ") for name in leaf.format[:2] if name != "json"
    ]  # that it is JSON says nothing of the job
    return [", ".join(named)] if named else []
