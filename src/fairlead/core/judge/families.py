"""Who made a model, from its name: a judge must not be kin of either contestant, for models prefer their own kind.

A distilled or merged model belongs to every maker its name tells of (`DeepSeek-R1-Distill-Qwen-32B`). A name that tells
of nobody has no family: such a judge is let in, and that it is unknown is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

FAMILIES: Mapping[str, str] = {
    "OpenAI": r"gpt|chatgpt|openai|davinci|o[1-9](?:-|$)|codex|text-embedding-3",
    "Anthropic": r"claude|anthropic",
    "Google": r"gemini|gemma|palm-?2?|bard|text-bison|chat-bison",
    "Meta": r"llama|codellama|meta-ai|vicuna|alpaca(?!-eval)|koala",
    "Mistral": r"mistral|mixtral|ministral|codestral|magistral|devstral|pixtral|zephyr",
    "Alibaba": r"qwen|qwq|qvq|tongyi",
    "DeepSeek": r"deepseek",
    "Zhipu": r"glm|chatglm|zhipu|codegeex",
    "Moonshot": r"kimi|moonshot",
    "Microsoft": r"phi-?[1-9]|phi$|wizardlm|mai-ds|orca",
    "xAI": r"grok",
    "Cohere": r"command-?r|command-?a|command$|c4ai|aya|cohere",
    "Amazon": r"nova-(?:micro|lite|pro|premier)|amazon|titan",
    "AI21": r"jamba|ai21|j2-",
    "IBM": r"granite",
    "NVIDIA": r"nemotron|nvidia",
    "Minimax": r"minimax|abab",
    "Tencent": r"hunyuan",
    "Baidu": r"ernie",
    "ByteDance": r"doubao|seed-oss|skylark",
    "01.AI": r"yi-(?:[0-9]|large|medium|lightning|coder)",
    "TII": r"falcon",
    "Databricks": r"dbrx|dolly",
    "AI2": r"olmo|tulu|molmo",
    "Shanghai AI Lab": r"internlm|internvl",
    "Baichuan": r"baichuan",
    "Upstage": r"solar",
    "LG": r"exaone",
    "Stability": r"stablelm|stable-beluga",
    "Hugging Face": r"smollm|starcoder",
}
"""Maker and the words in a model's name that tell of it, each at the beginning of a word."""

_KNOWN: Mapping[str, re.Pattern[str]] = {
    family: re.compile(rf"(?:^|[^a-z])(?:{words})", re.IGNORECASE) for family, words in FAMILIES.items()
}


def families_of(model: str, declared: str | None = None) -> frozenset[str]:
    """Everybody whose model this is, as far as its name tells; `declared` goes before the name.

    >>> sorted(families_of("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"))
    ['Alibaba', 'DeepSeek']
    >>> families_of("acme-9b")
    frozenset()
    """
    if declared:
        known = {family.casefold(): family for family in FAMILIES}
        found = known.get(declared.casefold())
        return frozenset({found}) if found else families_of(declared) or frozenset({declared.casefold()})
    name = model.rpartition("/")[2] or model
    return frozenset(family for family, words in _KNOWN.items() if words.search(name))


def kin(judge: str, contestant: str, *, declared: str | None = None) -> str | None:
    """Whose family a judge shares with a contestant, `None` when none is known; the same model is always kin.

    >>> kin("gpt-4.1", "openai/gpt-oss-120b")
    'OpenAI'
    """
    if _bare(judge) == _bare(contestant):
        return _bare(judge)
    shared = families_of(judge, declared) & families_of(contestant)
    return min(shared) if shared else None


def _bare(model: str) -> str:
    return model.rpartition("/")[2].casefold()
