"""Takes out of an answer who wrote it, so that whoever prefers one of two answers cannot prefer a name.

Two things go: sentences in which a model speaks of itself ("As GPT-4, I cannot", "I'm Claude, made by Anthropic"), whatever model
it names; and the names of both contestants' families wherever they stand, in both answers by the same rule, unless the
request itself speaks of them (then they are its subject, not a signature).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial

from fairlead.core.judge.families import families_of

MODEL, MAKER = "[model]", "[maker]"

_PRODUCTS: Mapping[str, tuple[str, str]] = {
    "OpenAI": (
        r"Chat\s?GPT(?:[-\s]?[0-9](?:[\w.]*\w)?)?|GPT[-\s]?(?:oss|[0-9](?:[\w.]*\w)?)(?:[-\s](?:turbo|mini|nano|o|pro|[0-9]+b))*|InstructGPT|OpenAI\s+o[1-9](?:-\w+)?",
        r"Open\s?AI",
    ),
    "Anthropic": (r"Claude(?:[-\s](?:v?[0-9](?:[\w.]*\w)?|Instant|Opus|Sonnet|Haiku))*", r"Anthropic(?:\s+PBC)?"),
    "Google": (r"(?:Google\s+)?(?:Gemini|Gemma|Bard|PaLM)(?:[-\s](?:[0-9](?:[\w.]*\w)?|Pro|Flash|Ultra|Nano|Advanced))*", r"Google(?:\s+DeepMind|\s+AI)?|DeepMind"),
    "Meta": (r"(?:Meta\s+)?(?:Code\s?)?Llama(?:[-\s][0-9](?:[\w.]*\w)?)*|Vicuna|Alpaca|Koala|Meta\s+AI", r"Meta(?:\s+AI|\s+Platforms)?|LMSYS(?:\s+Org)?"),
    "Mistral": (r"(?:Mistral|Mixtral|Ministral|Codestral|Magistral|Le\s+Chat|Zephyr)(?:[-\s](?:[0-9](?:[\w.]*\w)?|Large|Medium|Small|Nemo))*", r"Mistral(?:\s+AI)?"),
    "Alibaba": (r"(?:Tongyi\s+)?(?:Qwen|QwQ)(?:[-\s]?[0-9](?:[\w.]*\w)?|[-\s](?:Max|Plus|Turbo))*|Tongyi(?:\s+Qianwen)?|通义千问", r"Alibaba(?:\s+Cloud|\s+Group)?|阿里(?:巴巴|云)"),
    "DeepSeek": (r"DeepSeek(?:[-\s](?:V?[0-9](?:[\w.]*\w)?|R1|Chat|Coder))*|深度求索", r"DeepSeek(?:\s+AI)?"),
    "Zhipu": (r"(?:Chat)?GLM(?:[-\s]?[0-9](?:[\w.]*\w)?)*|智谱清言", r"Zhipu(?:\s+AI)?|Z\.ai|智谱(?:AI)?"),
    "Moonshot": (r"Kimi(?:[-\s]?K?[0-9](?:[\w.]*\w)?)*", r"Moonshot(?:\s+AI)?|月之暗面"),
    "Microsoft": (r"Phi[-\s]?[0-9](?:[\w.]*\w)?|WizardLM|(?:Microsoft\s+)?Copilot", r"Microsoft(?:\s+Research)?"),
    "xAI": (r"Grok(?:[-\s]?[0-9](?:[\w.]*\w)?)*", r"xAI"),
    "Cohere": (r"Command[-\s]?(?:R\+?|A)|Coral|Aya", r"Cohere(?:\s+For\s+AI)?"),
    "Amazon": (r"(?:Amazon\s+)?(?:Nova|Titan)(?:\s(?:Micro|Lite|Pro|Premier))?", r"Amazon(?:\s+Web\s+Services)?|AWS"),
    "AI21": (r"Jamba|Jurassic(?:-[0-9])?", r"AI21(?:\s+Labs)?"),
    "IBM": (r"Granite(?:[-\s][0-9](?:[\w.]*\w)?)?", r"IBM"),
    "NVIDIA": (r"Nemotron(?:[-\s]\w+)?", r"NVIDIA"),
}  # fmt: skip
"""What a family's models and its maker are called in running text."""

# Atomic, for a name that is followed by something else must not be tried again in every shorter way.
_ANY_PRODUCT = rf"(?>{re.escape(MODEL)}|" + "|".join(products for products, _ in _PRODUCTS.values()) + ")"
_ANY_MAKER = "(?>" + "|".join(makers for _, makers in _PRODUCTS.values()) + ")"
_KIND = (
    r"(?:an?\s+|the\s+|your\s+)?(?:(?:AI|language|chat|large|helpful|harmless|friendly|virtual|open[- ](?:weight|source))[,\s]+)*"
    r"(?:model|assistant|chatbot|AI|LLM)\b"
)
_KNOWN_NAME = rf"(?:{_ANY_MAKER}|{_ANY_PRODUCT})"
_SOME_NAME = rf"(?:{_KNOWN_NAME}|(?-i:[A-Z](?:[\w.-]*\w)?(?:\s[A-Z](?:[\w.-]*\w)?)?))"
_MADE_BY = r"(?:(?:which|that|and|who)\s+(?:was|is)\s+)?(?:created|made|developed|trained|built|designed|provided|powered)\s+(?:exclusively\s+)?by\s+(?:the\s+(?:\w+\s+)?company\s+|the\s+team\s+at\s+)?"
_MADE = rf"{_MADE_BY}{_SOME_NAME}"
_CALLED = rf"(?:called|named|known\s+as)\s+{_SOME_NAME}"
_I_AM = (
    r"\b(?:I(?:'|’)?m|I\s+am|My\s+name\s+is|This\s+is|You(?:'|’)?re\s+(?:talking|speaking|chatting)\s+(?:to|with))"
    r"\s+(?:actually\s+|just\s+|only\s+)?"
)

_SELF = (
    # "As GPT-4, an AI model developed by OpenAI, I …"; without a name only when the writer goes on about itself
    re.compile(
        rf"\bAs\s+(?:(?:{_ANY_PRODUCT})(?:\s*[,(]\s*{_KIND}\)?)?(?:,?\s+{_MADE})?|{_KIND},?\s+(?:{_MADE}|{_CALLED}(?:,?\s+{_MADE})?)"
        rf"|{_KIND}(?=,\s*(?:I|my|we)\b)),\s*",
        re.IGNORECASE,
    ),
    # "I'm Claude, an AI assistant made by Anthropic." "My name is Qwen."
    re.compile(
        rf"{_I_AM}(?:(?:{_ANY_PRODUCT})(?:\s*,?\s*{_KIND})?(?:\s*,?\s*{_MADE})?|{_KIND}\s*,?\s*(?:{_MADE}|{_CALLED}(?:\s*,?\s*{_MADE})?))",
        re.IGNORECASE,
    ),
    # "我是通义千问，由阿里云开发" and the like
    re.compile(rf"我(?:是|叫)\s*(?:{_ANY_PRODUCT})(?:[，,]\s*(?:是)?由?[^。．.！!\n]{{0,40}}(?:开发|研发|训练|创建)[^。．.！!\n]{{0,20}})?"),
    # "I was made by OpenAI", "my creators at Anthropic"
    re.compile(
        rf"\bI\s+was\s+{_MADE_BY}{_KNOWN_NAME}|\bmy\s+(?:creators?|developers?|makers?)(?:\s+(?:at|is|are|,))?\s+(?:{_ANY_MAKER})",
        re.IGNORECASE,
    ),
)  # fmt: skip
_DATE = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")
_SAYS_SO = "I am [model]"


def nameless(text: str, *, contestants: Iterable[str], asked: str = "") -> str:
    """The text without its writer's name; `contestants` are the models compared, `asked` the request's text.

    >>> nameless("I'm Claude, made by Anthropic. Paris.", contestants=["claude-3-opus", "qwen3-32b"])
    'I am [model]. Paris.'
    """
    models = tuple(sorted(set(contestants)))
    opening, *others = _SELF
    for pattern in _ids(models):
        text = pattern.sub(partial(_mark, mark=MODEL, asked=asked), text)
    text = opening.sub("", text)
    for pattern in others:
        text = pattern.sub(_SAYS_SO, text)
    for pattern, mark in _names(models):
        text = pattern.sub(partial(_mark, mark=mark, asked=asked), text)
    return text


def _mark(found: re.Match[str], *, mark: str, asked: str) -> str:
    name = found[0]
    return name if name.casefold() in asked.casefold() else mark


@lru_cache(maxsize=64)
def _ids(contestants: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """The models' own ids."""
    return tuple(_bounded(re.escape(name)) for model in contestants for name in _spellings(model))


@lru_cache(maxsize=64)
def _names(contestants: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """What the models' families and makers are called, and what is put in the place of it."""
    families = sorted({family for model in contestants for family in families_of(model)} & _PRODUCTS.keys())
    products = [_bounded(_PRODUCTS[family][0]) for family in families]
    makers = [_bounded(_PRODUCTS[family][1]) for family in families]
    return (*((name, MODEL) for name in products), *((name, MAKER) for name in makers))


def _bounded(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?>{words})(?!\w)", re.IGNORECASE)


def _spellings(model: str) -> list[str]:
    """A model's id as it is written: whole, without who hosts it, without its date; short words may mean anything and stay."""
    bare = model.rpartition("/")[2]
    undated = _DATE.sub("", bare)
    return [name for name in dict.fromkeys((model, bare, undated, undated.replace("-", " "))) if len(name) >= 5]
