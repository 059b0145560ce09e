"""What one exchange shows about the kind of work it is: structure first, then the words of the instruction.

Every signal is a number per exchange: 0 or 1 for facts, a small count for words. The words are matched in the
*instruction* (the system prompt, or the ends of the user's message where there is none), since what users write about
is not what they ask for. Texts are cut before they are read, so that an exchange costs the same however long it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

from fairlead.core.nouns import Answer, Endpoint, PartKind, Request
from fairlead.core.workload.language import WELL_TRAINED, LanguageOf, language

_SYSTEM: Final = 3_000
_USER: Final = 500
_ANSWER: Final = 4_000


class _Either:
    """A pattern that reads large and small letters alike; its own letters are small.

    Plain ASCII is put into small letters once: then a branch that begins with another letter is passed by its first one, which
    takes a third of the time. In other texts a letter may turn into two, so those are read as they are. Each hit holds one of
    the words that it `needs`, which are looked for first.
    """

    def __init__(self, pattern: str, flags: int = 0, *, needs: tuple[str, ...] = ()) -> None:
        self._needs = needs
        self._small = re.compile(pattern, flags)
        self._as_is = re.compile(pattern, flags | re.IGNORECASE)

    def is_in(self, text: str) -> bool:
        """Whether the pattern is found anywhere."""
        if not text.isascii():
            return self._as_is.search(text) is not None
        small = text.lower()
        if self._needs and not any(word in small for word in self._needs):
            return False
        return self._small.search(small) is not None

    def hits(self, text: str) -> list[str]:
        """Everything that it finds, in small letters."""
        if text.isascii():
            return self._small.findall(text.lower())
        return [hit.lower() for hit in self._as_is.findall(text)]


class Words(_Either):
    """Words and phrases that tell something, found wherever a line has them.

    Most lines hold none, and to look for forty phrases takes long: a line in which no word begins as any of them does is passed
    over. What a phrase begins with is read from its pattern; one that begins as half of all lines do is known by a word further
    on, named in `_KNOWN_BY`.
    """

    def __init__(self, *phrases: str) -> None:
        super().__init__(r"\b(?:" + "|".join(phrases) + ")")
        self.phrases = phrases
        self.begins: tuple[str, ...] = tuple(sorted({begin for phrase in phrases for begin in _begins(phrase)}))


_KNOWN_BY: Final[Mapping[str, tuple[str, ...]]] = {
    r"(?:from|into|in|to) (?:english|french|german|spanish|thai|vietnamese|arabic|hindi|swahili|japanese|chinese|korean)\b":
        ("english ", "french ", "german ", "spanish ", "thai ", "vietnamese ", "arabic ", "hindi ", "swahili ", "japanese ", "chinese ", "korean "),
    r"(?:pieces of |the |this |given |provided |following |retrieved )context\b": ("context ",),
    r"(?:from|using|based on|in|per|against) the (?:\w+ ){0,3}(?:documents?|passages?|excerpts?|articles?|sources|context|wording|manual|handbook|policy)":
        ("document", "passage", "excerpt", "article", "sources", "context", "wording", "manual", "handbook", "policy"),
    r"use (?:the|your|these) tools?": ("tool",), r"with (?:the |your )?tools\b": ("tools ",), r"on the web": ("web",),
    r"re-?rank\w*": ("rerank", "re "), r"e-?mails?\b": ("email", "e "), r"c\+\+": ("c+",), r"c#": ("c#",), r"\d+ words": ("words",),
}  # fmt: skip
_LITERAL: Final = re.compile(r"[a-z0-9]+")
_BEGUN: Final = re.compile(r"\w+[+#]?")


def _begins(phrase: str) -> list[str]:
    """How a word must begin for a phrase to be there; with a space behind it, it must be the whole word."""
    if phrase in _KNOWN_BY:
        return [*_KNOWN_BY[phrase]]
    if phrase.startswith("(?:"):
        inner, _, rest = phrase[3:].partition(")")
        return [begin for each in inner.split("|") for begin in _begins(each + rest)]
    if "|" in phrase.partition("(")[0]:
        first, _, rest = phrase.partition("|")
        return [*_begins(first), *_begins(rest)]
    found = _LITERAL.match(phrase)
    assert found is not None, phrase
    literal, rest = found[0], phrase[found.end() :]
    if rest.startswith(("?", "*", "{")):
        return [literal[:-1]]
    is_whole = rest.startswith((" ", r"\b", "-", "[- ]", "'")) and rest[1:2] not in ("?", "*")
    return [f"{literal} " if is_whole else literal]


TRANSLATES: Final = Words(
    r"translat\w*", r"locali[sz]\w*", r"l10n\b", r"subtitl\w*", r"interpreter\b", r"bilingual", r"multilingual",
    r"(?:from|into|in|to) (?:english|french|german|spanish|thai|vietnamese|arabic|hindi|swahili|japanese|chinese|korean)\b",
    r"native speaker", r"target language", r"source language", r"mother tongue",
)  # fmt: skip
RETRIEVES: Final = Words(
    r"(?:retriev|search|reference|source|context|help|knowledge)\w* (?:document|passage|article|excerpt|result|snippet|chunk|quer|index)\w*",
    r"(?:pieces of |the |this |given |provided |following |retrieved )context\b", r"retrieved \w+", r"question[- ]answering", r"(?:don't|do not) know the answer", r"context (?:information|below|above|provided)",
    r"knowledge (?:base|assistant)", r"(?:from|using|based on|in|per|against) the (?:\w+ ){0,3}(?:documents?|passages?|excerpts?|articles?|sources|context|wording|manual|handbook|policy)",
    r"cit(?:e|ing|ations?)\b", r"quot(?:e|ing) the", r"ground(?:ed)? (?:every|your|all|in|each)", r"relevan(?:t|ce) (?:the |is |of |to |passage|document|score)",
    r"re-?rank\w*", r"search (?:quer|term|engine)\w*", r"(?:documentation|product|vector|document) index\w*", r"(?:only|solely|exclusively|not prior knowledge)[^.]{0,40}(?:context|documents?|passages?|excerpts?|knowledge)",
    r"not (?:in|contained in|found in|there in) the (?:context|documents?|passages?|text)", r"faq\b", r"semantic\w*", r"passages?\b", r"excerpts?\b",
)  # fmt: skip
CODES: Final = Words(
    r"code\b", r"coding\b", r"codebase", r"functions?\b", r"python\b", r"(?:java|type)script\b", r"java\b", r"rust\b", r"golang\b", r"c\+\+", r"c#",
    r"sql\b", r"postgres\w*", r"bash\b", r"shell script", r"bugs?\b", r"refactor\w*", r"unit tests?\b", r"pytest", r"compil\w+", r"regex\w*",
    r"regular expression", r"algorithm\w*", r"pull requests?\b", r"commits?\b", r"diffs?\b", r"repositor\w+", r"developer\w*", r"program(?:s|mer|ming)?\b",
    r"software", r"api\b", r"debug\w*", r"stack ?trace", r"implement\w*", r"html\b", r"css\b", r"react\b", r"kubernetes", r"class(?:es)? (?:with|that|named)",
)  # fmt: skip
REASONS: Final = Words(
    r"step[- ]by[- ]step", r"think\w* (?:carefully|through|before|hard|step|aloud)", r"reason(?:s|ing|ed)?\b", r"solv\w+", r"prov(?:e|ing) (?:that|the|by)", r"proofs?\b", r"deriv\w+",
    r"deduc\w+", r"calculat\w+", r"comput(?:e|ation)\b", r"probabilit\w+", r"logic\w*", r"puzzles?\b", r"riddles?\b", r"equations?\b", r"math\w*", r"theorems?\b", r"algebra\w*", r"geometr\w+",
    r"word problems?", r"multiple[- ]choice", r"final (?:answer|number|result)", r"show (?:your|every|all|the) (?:work|step)\w*", r"physics\b", r"chemistry\b",
    r"infer(?:ence)?\b", r"hypothes\w+", r"arguments? for and against", r"base rates?", r"correct (?:option|choice|letter)", r"estimat\w+", r"exam\b", r"clues?\b",
)  # fmt: skip
GUARDS: Final = Words(
    r"moderat(?:e|es|or|ors|ion|ing)\b", r"harmful", r"hate\b", r"hateful", r"harass\w*", r"self[- ]harm", r"suicid\w*", r"violen(?:ce|t)", r"unsafe\b", r"toxic\w*", r"abus(?:e|es|ive)\b",
    r"nsfw", r"jailbreak\w*", r"refus(?:e|al)\w*", r"safety\b", r"dangerous", r"threat\w*", r"scams?\b", r"trust (?:&|and) safety", r"sexual\w*", r"policy violations?", r"violat\w+",
    r"prompt injection", r"guard ?rails?", r"extremis\w+", r"illegal", r"disallowed", r"child safety", r"misinformation", r"escalate\b",
)  # fmt: skip
SENSITIVE: Final = Words(
    r"kill\w*", r"murder\w*", r"manslaughter", r"assassinat\w*", r"genocid\w*", r"massacre\w*", r"slaughter\w*", r"exterminat\w*", r"behead\w*", r"lynch\w*",
    r"shoot(?:ing|er|s)?\b", r"stab(?:bed|bing|s)?\b", r"strangl\w*", r"suffocat\w*", r"drown\w*", r"poison\w*", r"tortur\w*", r"mutilat\w*", r"castrat\w*", r"maim\w*", r"hang (?:him|her|them|myself|a person)",
    r"bombs?\b", r"bombing", r"explosives?\b", r"explod\w*", r"detonat\w*", r"blow(?:ing)? up", r"weapons?\b", r"guns?\b", r"rifles?\b", r"pistols?\b", r"ammunition", r"grenades?\b", r"nuclear weapon", r"nerve agent", r"anthrax", r"ricin", r"cyanide",
    r"attack\w*", r"assault\w*", r"terroris\w+", r"extremis\w+", r"kidnap\w*", r"abduct\w*", r"hostages?\b", r"hitman", r"arson\w*", r"burn(?:ing)? down", r"destroy\w*", r"sabotag\w*",
    r"cocaine|heroin|meth\b|methamphetamine|fentanyl|cannabis|marijuana|lsd\b|ecstasy|drugs?\b", r"overdos\w*", r"steal\w*", r"stole\b", r"theft\b", r"rob(?:bing|bery|bed)?\b", r"burglar\w*", r"shoplift\w*", r"smuggl\w*", r"launder\w*", r"counterfeit\w*", r"forg(?:e|ed|ing|ery)\b", r"fake (?:id|passport|review|news)\w*",
    r"blackmail\w*", r"extort\w*", r"brib(?:e|ery|ing)\w*", r"fraud\w*", r"scam\w*", r"phish\w*", r"hack\w*", r"malware", r"ransomware", r"keylogger\w*", r"ddos", r"botnet\w*", r"piracy|pirated", r"illegal\w*", r"crimes?\b", r"criminal\w*",
    r"racis\w+", r"sexis\w+", r"homophob\w+", r"antisemit\w+", r"xenophob\w+", r"misogyn\w+", r"discriminat\w*", r"slurs?\b", r"hate speech", r"supremac\w+", r"nazi\w*", r"hitler", r"holocaust", r"ethnic cleansing", r"bully\w*", r"harass\w*", r"stalk(?:ing|er|ed)?\b", r"insult\w*", r"offensive joke\w*",
    r"rap(?:e|ed|ist)\b", r"porn\w*", r"sexual\w*", r"pedophil\w+|paedophil\w+", r"child abuse", r"incest\w*", r"suicid\w*", r"self-harm\w*", r"kill (?:myself|yourself)", r"anorexi\w+", r"die\b", r"death penalty", r"execut(?:e|ed|ion) (?:a |the )?(?:person|prisoner)\w*",
    r"(?:home |private |personal )address\b", r"social security number", r"medical records?", r"private information", r"spy(?:ing)? on", r"conspirac\w+", r"defam\w+", r"libel\w*",
)  # fmt: skip
SHAPES: Final = Words(
    r"extract\w*", r"classif\w+", r"categori[sz]e\w*", r"label\w*", r"pars(?:e|es|ing)\b", r"json\b", r"fields?\b", r"schema\b", r"tag(?:s|ged|ging)?\b", r"rout(?:e|es|ing)\b", r"intents?\b",
    r"one of:?", r"exactly one", r"name only", r"one word", r"yaml\b", r"csv\b", r"entit(?:y|ies)\b", r"normali[sz]e\w*", r"fill in", r"rate the", r"score the", r"sentiment\w*", r"codes?\b(?! (?:at|in|review|block))", r"keys? \w+",
    r"comma[- ]separated", r"queue\b", r"exactly one \w+ call", r"structured", r"detect\b", r"choose (?:one|from)", r"output only", r"triage\w*", r"which (?:intent|categor|label|class|queue)\w*",
)  # fmt: skip
WRITES: Final = Words(
    r"writ(?:e|es|er|ing|ten)\b", r"draft\w*", r"summar\w+", r"rewrit\w+", r"polish\w*", r"tone\b", r"e-?mails?\b", r"letters?\b", r"blogs?\b", r"posts?\b", r"stor(?:y|ies)\b", r"storytell\w+", r"articles?\b", r"newsletters?\b",
    r"essays?\b", r"headlines?\b", r"titles?\b", r"descriptions?\b", r"paragraphs?\b", r"cop(?:y|ywriter)\b", r"edit(?:or|ing)?\b", r"minutes\b", r"outlines?\b", r"adverts?\b", r"poems?\b", r"press release", r"house style",
    r"wording\b", r"sentences?\b", r"bullet points?", r"words at most|\d+ words", r"recommend\w*", r"explain\b", r"chat\w*", r"companion", r"condens\w+", r"shorten\w*", r"paraphras\w+", r"proofread\w*", r"report\b", r"friendly\b", r"creative\w*", r"assistant\b",
)  # fmt: skip
ACTS: Final = Words(
    r"agents?\b", r"autonomous\w*", r"use (?:the|your|these) tools?", r"using tools?", r"with (?:the |your )?tools\b", r"until (?:it|they|the)", r"work through", r"on the web", r"browse\w*", r"plan,? ", r"investigat\w+", r"run the tests",
)  # fmt: skip

_FENCE: Final = re.compile(r"```(\w*)")
_CODE_LINE: Final = re.compile(
    r"^\s*(?:def |class |import |from \w+ import|return\b|if .*:$|for .*[:{]$|(?:const|let|var|function|export|public|private|static|fn|func|struct|impl|#include)\b|SELECT\b|INSERT\b|CREATE\b|UPDATE\b|\}|\w+ = .+\(.*\)$|.*;\s*$|\w+\(.*\)$)",
    re.MULTILINE,
)
_JSON_MARKS: Final = re.compile(r"^\s*(?:```(?:json)?\s*)?[\[{][\s\S]*[\]}]\s*(?:```)?\s*$")
_CITES: Final = _Either(r"\[\d{1,2}\]|\baccording to (?:the |clause|section|passage)|\bclause \d|\bsource:")
_WORKS_OUT: Final = _Either(
    r"\d\s*[=≈]\s*[$€£]?-?\d|\\boxed|\\frac|\btherefore\b|\bthus\b|\bit follows\b|\bso the answer\b|\bthe answer is\b|\bfinal answer\b|\bprobability:"
)  # fmt: skip
_DECLINES: Final = _Either(
    r"\b(?:i(?:'m| am) sorry,? (?:but )?i|i can(?:no|')t (?:help|assist|provide|support|condone|fulfill|comply)|i cannot|i'm unable|i am unable|as an ai|not appropriate to|i won't|never acceptable|against the law)\b"
)  # fmt: skip
_ASKS_SUM: Final = _Either(
    r"\bhow (?:many|much|far|long|old|fast|tall|big)\b|\bwhat (?:is|was|are) (?:the|his|her|their|its) [\w ]{0,40}(?:total|average|speed|cost|price|percent\w*|number|age|sum|force|area|volume|ratio|profit)\b",
    needs=("how ", "what "),
)
_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)?")
_REACT: Final = re.compile(r"^\s*(?:Thought|Action|Action Input|Observation)\s*:", re.MULTILINE)
_DATA_TAGS: Final = _Either(
    r"<(?:documents?|context|passages?|excerpts?|sources?|search_results|knowledge)\b|^[\W_]*(?:context|documents|passages|excerpts|sources|retrieved passages|context information is below)\W*$",
    re.MULTILINE,
    needs=("document", "context", "passage", "excerpt", "source", "search_results", "knowledge"),
)
_TRAJECTORY: Final = re.compile(r"""["']role["']\s*:\s*["']tool["']|["']type["']\s*:\s*["']tool_(?:result|use)["']""")
_CALLED: Final = re.compile(
    r"""["'](?:tool_calls|function_call)["']\s*:|^\s*\[?\s*\{?\s*["'][\w.]+["']\s*:\s*["']?\{"""
)
_QUESTION_MARK: Final = re.compile(r"[?？؟]")

WORDS: Final[Mapping[str, Words]] = {
    "translates": TRANSLATES, "retrieves": RETRIEVES, "codes": CODES, "reasons": REASONS, "guards": GUARDS, "shapes": SHAPES, "writes": WRITES, "acts": ACTS,
}  # fmt: skip
_MOST_WORDS: Final = 3


def signals(request: Request, answer: Answer | None, language_of: LanguageOf | None = None) -> dict[str, float]:
    """The signals of one exchange by name; those that are zero are left out."""
    if request.endpoint is Endpoint.EMBEDDINGS:
        return {"embeddings": 1.0}
    user = _user_text(request)
    instruction = instruction_of(request, user)
    found = _structure(request) | _wording(instruction) | _content(request, user, instruction)
    found |= _languages(request, user, answer, language_of)
    if answer is not None:
        for name, value in _answered(answer).items():
            found[name] = max(value, found.get(name, 0.0))
    return {name: value for name, value in found.items() if value}


def _user_text(request: Request) -> str:
    texts = [message.text for message in request.messages if message.role == "user" and message.text]
    if not texts:
        return "\n".join(request.inputs[:1])[:_USER]
    return texts[0]


def _ends(text: str, head: int, tail: int) -> str:
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"


def instruction_of(request: Request, user: str) -> str:
    """The text that says what to do: the system prompt, and the user's message where that says little."""
    system = _ends(request.system, _SYSTEM, _SYSTEM // 3)
    if len(system.split(None, 11)) >= 12:
        return system
    return f"{system}\n{_ends(user, _USER, _USER // 2)}"


def _structure(request: Request) -> dict[str, float]:
    kinds = [part.kind for message in request.messages for part in message.parts]
    results = sum(kind is PartKind.TOOL_RESULT for kind in kinds)
    media = {PartKind.IMAGE: "image", PartKind.DOCUMENT: "document", PartKind.AUDIO: "audio"}
    found = {media[kind]: 1.0 for kind in kinds if kind in media}
    parameters = request.parameters
    effort = parameters.get("reasoning_effort") or parameters.get("reasoning") or parameters.get("thinking")
    return found | {
        "media": float(bool(found)),
        "tools": float(bool(request.tools)),
        "rounds": float(results >= 1),
        "many rounds": float(results >= 3),
        "schema": float(request.schema is not None),
        "json mode": float(request.json_mode and request.schema is None),
        "effort": float(bool(effort) and effort not in ("low", "minimal", "none")),
        "turns": float(sum(message.role == "user" for message in request.messages) >= 3),
    }


def _wording(instruction: str) -> dict[str, float]:
    hits: dict[str, set[str]] = {name: set() for name in WORDS}
    for line in instruction.split("\n"):
        for name, words in _hits(line):
            hits[name].update(words)
    return {name: float(min(_MOST_WORDS, len(words))) for name, words in hits.items()}


@lru_cache(maxsize=8_192)
def _hits(line: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The telling words of a line, by signal; lines of prompts come again in every call."""
    begun: Collection[str] = WORDS
    if line.isascii():
        begun = set[str]().union(*map(_begun_by, _BEGUN.findall(line.lower())))
    found = ((name, frozenset(words.hits(line))) for name, words in WORDS.items() if name in begun)
    return tuple((name, words) for name, words in found if words)


@lru_cache(maxsize=16_384)
def _begun_by(word: str) -> frozenset[str]:
    """The signals of which some phrase may begin with, or is known by, this word."""
    return frozenset(name for name, words in WORDS.items() if f"{word} ".startswith(words.begins))


def _content(request: Request, user: str, instruction: str) -> dict[str, float]:
    text = _ends(user, 2 * _USER, _USER)
    given = _DATA_TAGS.is_in(instruction) or _DATA_TAGS.is_in(text)
    whole = f"{request.system[:_SYSTEM]}\n{text}" if not request.system else text
    return {
        "sensitive": float(not request.system and SENSITIVE.is_in(text)),
        "data tags": float(given),
        # Figures in a document that was handed over are looked up, not worked out.
        "sum": float(not given and _ASKS_SUM.is_in(text) and len(_NUMBERS.findall(text)) >= 2),
        "code asked": _code_in(whole),
        "react": float(instruction.count(":") >= 3 and len(_REACT.findall(instruction)) >= 3),
        "question": float(_QUESTION_MARK.search(text[-300:]) is not None),
    }


def _code_in(text: str) -> float:
    fences = [kind.lower() for kind in _FENCE.findall(text)]
    if any(kind not in ("", "json", "text", "markdown", "md") for kind in fences):
        return 1.0
    lines = len(_CODE_LINE.findall(text))
    return float(lines >= 2 and 3 * lines >= sum(1 for line in text.split("\n") if line.strip()))


def _languages(request: Request, user: str, answer: Answer | None, language_of: LanguageOf | None) -> dict[str, float]:
    found: dict[str, float] = {}
    told = language(request.system, language_of) if request.system else None
    asked = language(user, language_of)
    replied = language(answer.text, language_of) if answer is not None and len(answer.text) > 12 else None
    for who, code in (("system", told), ("user", asked), ("reply", replied)):
        if code is not None and code != "en":
            found[f"{who} {'other' if code in WELL_TRAINED else 'rare'} language"] = 1.0
            found[f"language {code}"] = 1.0
    if asked is not None and replied is not None and asked != replied:
        found["language changes"] = 1.0
    return found


def _answered(answer: Answer) -> dict[str, float]:
    text = answer.text[:_ANSWER]
    count = len(text.split())
    rounds = len(_TRAJECTORY.findall(text))
    called = bool(answer.tool_calls) or (rounds == 0 and _CALLED.search(text) is not None)
    is_json = bool(text) and _JSON_MARKS.match(text) is not None
    code = _code_in(text) if not is_json else 0.0
    return {
        "called": float(called),
        "rounds": float(rounds >= 1),
        "many rounds": float(rounds >= 3),
        "json answer": float(is_json and not called),
        "short answer": float(0 < count <= 4 and not is_json and not code),
        "long answer": float(count >= 60 and not is_json and not code),
        "code answer": code,
        "cites": float(_CITES.is_in(text)),
        "works out": float(_WORKS_OUT.is_in(text)),
        "declines": float(_DECLINES.is_in(text[:600])),
    }
