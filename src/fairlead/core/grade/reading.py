"""How an answer is read before it is compared: what part of it counts, and where it names its own final answer.

Answers are hostile: up to megabytes, any characters. Everything here looks at a bounded part and takes linear time.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import deque
from collections.abc import Iterator

from fairlead.core.nouns import JSON

# A final answer stands at the end; what comes before the last 20,000 characters is reasoning.
TAIL = 20_000
# An answer in JSON is read whole up to here; a longer one is not an answer to a question with an expected object.
JSON_LIMIT = 400_000
JSON_STARTS = 24

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_FIELD = re.compile(
    r'"(?P<name>[^"\\\n]{1,40})"\s{0,20}:\s{0,20}(?P<value>"[^"\\]{0,1000}(?:\\.[^"\\]{0,1000}){0,40}"|[^",{}\[\]\n]+)',
    re.DOTALL,
)
_ANSWER_WORDS = (
    *("answer", "antwort", "réponse", "respuesta", "resposta", "risposta", "antwoord", "svar", "vastaus", "odpowiedź"),
    *(
        "ответ",
        "відповідь",
        "cevap",
        "jawaban",
        "đáp án",
        "câu trả lời",
        "答案",
        "答え",
        "解答",
        "回答",
        "정답",
        "คำตอบ",
    ),
    *("الإجابة", "الجواب", "उत्तर"),
)
_SAYS = re.compile(
    r"[*_\"'`)]{0,3}\s{0,3}(?:(?:would be|should be|must be|is|was|ist|est|es|é|è|adalah|là)\b|是|为|為|は|은|는|है|:|：|=|>|(?<=\s)[-–—](?=\s))"
    r"[*_]{0,3}\s{0,3}[:：]?"
)


def normal(text: str, *, ignore_case: bool = False) -> str:
    """The text in Unicode NFKC with white space collapsed and invisible characters gone."""
    text = " ".join(unicodedata.normalize("NFKC", text).translate(_INVISIBLE).split())
    return text.casefold() if ignore_case else text


def unfenced(text: str) -> str:
    """The text without one code fence, or one pair of backticks, around all of it."""
    text = text.strip()
    if text.startswith("```"):
        _, newline, inside = text.removesuffix("```").partition("\n")
        return inside if newline and text.endswith("```") and "```" not in inside else text
    if len(text) > 2 and text[0] == text[-1] == "`" and text.count("`") == 2:
        return text[1:-1]
    return text


def after_thinking(text: str) -> str:
    """What follows the last `</think>`: models served without a reasoning parser think aloud in the answer."""
    end = text.rfind("</think>")
    return text if end < 0 else text[end + len("</think>") :]


def tail(text: str) -> str:
    """The part of an answer in which its final answer is looked for."""
    return after_thinking(text[-TAIL:])


def fields_named(text: str, names: frozenset[str]) -> str | None:
    """The value of the last JSON field with one of these names, as text, even where the JSON around it is broken."""
    if '"' not in text:
        return None
    found: str | None = None
    for match in _FIELD.finditer(text):
        if match["name"].casefold().replace(" ", "_") in names:
            found = match["value"]
    return None if found is None else _unquoted(found)


def boxed(text: str) -> str | None:
    r"""What the last `\boxed{…}` holds, with nested braces."""
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        return None
    start = text.index("{", start) + 1
    depth = 1
    for at in range(start, min(len(text), start + 1_000)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return None


def stated(text: str) -> str | None:
    """The line after the last `answer:`, `the answer is`, `<answer>` or `####`, in any of several languages."""
    mark = text.rfind("####")
    start = max(-1 if mark < 0 else mark + 4, *_answers_said(text))
    if start < 0:
        return None
    rest = text[start : start + 400].lstrip(" \t\r\n*_:：#>\"'`")
    return rest.split("\n", 1)[0].split("</", 1)[0].strip() or None


def _answers_said(text: str) -> Iterator[int]:
    """For each word for an answer, where what it says begins (last time it says something), or -1."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = text
    for word in _ANSWER_WORDS:
        at = lower.rfind(word)
        while at >= 0:
            says = _SAYS.match(lower, at + len(word))
            before = lower[at - 1 : at]
            if says is not None and before != "/" and not (word[0].isascii() and before.isalpha()):
                yield says.end()
                break
            at = lower.rfind(word, 0, at)
    yield -1


def json_value(text: str, *, whole: bool = False, prefer: type | None = None) -> JSON | None:
    """The JSON object or array in an answer: all of it, else in a code fence, else in the prose; the last one counts.

    With `prefer` a value of that type is taken before others. `whole` allows nothing around it.
    """
    text = text.strip()
    if len(text) > JSON_LIMIT:
        return None
    value = loads(text)
    if isinstance(value, dict | list) or whole:
        return value if isinstance(value, dict | list) else None
    text = after_thinking(text)
    best: JSON | None = None
    for found in _embedded(text):
        if best is None or prefer is None or isinstance(found, prefer) or not isinstance(best, prefer):
            best = found
    return best


def loads(text: str) -> JSON | None:
    """JSON as the standard has it (no NaN), or `None` when it is not, is nested too deeply or holds absurd numbers."""
    try:
        value: JSON = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value


def _embedded(text: str) -> Iterator[JSON]:
    last = deque((match[1] for match in _FENCE.finditer(text)), maxlen=JSON_STARTS)
    fenced = [value for inside in last if isinstance(value := loads(inside.strip()), dict | list)]
    if fenced:
        yield from fenced
        return
    decoder = json.JSONDecoder(parse_constant=_refuse)
    at = 0
    for _ in range(JSON_STARTS):
        start = min((i for i in (text.find("{", at), text.find("[", at)) if i >= 0), default=-1)
        if start < 0:
            return
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = start + 1
        else:
            yield value


def _refuse(constant: str) -> JSON:
    raise ValueError(constant)


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    text = loads(value.replace("\n", "\\n"))
    return text if isinstance(text, str) else value[1:-1]
