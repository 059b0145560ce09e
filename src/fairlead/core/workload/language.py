"""Which language a text is in: by script first, then by the commonest English words, then by whoever knows better.

Most scripts name their language or come close; Latin script does not, so a `LanguageOf` may be passed in (the edge has
one that uses a language identifier). Without one, Latin text that is not plainly English is of unknown language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

LanguageOf: TypeAlias = Callable[[str], str | None]

_LOOKED_AT: Final = 600
_SCRIPTS: Final[tuple[tuple[int, int, str], ...]] = (
    (0x0370, 0x03FF, "el"), (0x0400, 0x052F, "cyrillic"), (0x0530, 0x058F, "hy"), (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "arabic"), (0x0900, 0x097F, "devanagari"), (0x0980, 0x09FF, "bn"), (0x0A00, 0x0A7F, "pa"),
    (0x0A80, 0x0AFF, "gu"), (0x0B80, 0x0BFF, "ta"), (0x0C00, 0x0C7F, "te"), (0x0C80, 0x0CFF, "kn"),
    (0x0D00, 0x0D7F, "ml"), (0x0D80, 0x0DFF, "si"), (0x0E00, 0x0E7F, "th"), (0x0E80, 0x0EFF, "lo"),
    (0x1000, 0x109F, "my"), (0x10A0, 0x10FF, "ka"), (0x1200, 0x137F, "am"), (0x1780, 0x17FF, "km"),
    (0x3040, 0x30FF, "ja"), (0x3400, 0x9FFF, "han"), (0xAC00, 0xD7AF, "ko"),
)  # fmt: skip
_ALONE: Final = {"cyrillic": "ru", "arabic": "ar", "devanagari": "hi", "han": "zh"}
_ENGLISH: Final = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "in",
        "is",
        "you",
        "that",
        "it",
        "for",
        "on",
        "are",
        "with",
        "as",
        "this",
        "be",
        "have",
        "from",
        "or",
        "what",
        "not",
        "how",
        "can",
        "your",
        "an",
        "at",
        "by",
        "do",
        "if",
        "will",
        "which",
        "there",
        "when",
        "all",
        "we",
        "i",
        "my",
        "me",
        "about",
        "please",
        "does",
        "who",
        "why",
    ]
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_VIETNAMESE: Final = re.compile("[ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹđơư]")

NAMES: Final = {
    "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan",
    "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "gu": "Gujarati", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "lo": "Lao",
    "lt": "Lithuanian", "lv": "Latvian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay",
    "my": "Burmese", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian",
    "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
WELL_TRAINED: Final = frozenset(["en", "de", "fr", "es", "it", "pt", "nl", "zh", "ja", "ru"])


def language(text: str, language_of: LanguageOf | None = None) -> str | None:
    """The language code of a text, or `None` where it cannot be told.

    >>> language("Where is my parcel and when will it be here?")
    'en'
    >>> language("สินค้ายังไม่มาถึง")
    'th'
    """
    sample = text[:_LOOKED_AT]
    small = sample.lower()
    words: list[str] = _WORD.findall(small if sample.isascii() else sample)
    if not words:
        return None
    if not sample.isascii():
        if (script := _script(sample)) is not None:
            return _refined(script, sample, language_of)
        if len(_VIETNAMESE.findall(small)) * 25 > len(sample):
            return "vi"
    english = sum(map(_ENGLISH.__contains__, words if sample.isascii() else map(str.lower, words)))
    if english * 6 >= len(words):
        return "en"
    return language_of(sample) if language_of is not None and len(words) >= 3 else None


def _refined(script: str, sample: str, language_of: LanguageOf | None) -> str:
    if script in _ALONE:
        # Several languages share the script: ask, and fall back on the commonest.
        return (language_of(sample) if language_of is not None else None) or _ALONE[script]
    return script


@lru_cache(maxsize=4_096)
def _script_of(character: str) -> str | None:
    return next((name for low, high, name in _SCRIPTS if low <= ord(character) <= high), None)


def _script(sample: str) -> str | None:
    """The commonest script outside Latin, when it makes up a fair part of the letters."""
    found: Counter[str] = Counter()
    letters = 0
    for character, times in Counter(sample).items():
        if character.isalpha():
            letters += times
            if character > "\u036f" and (name := _script_of(character)) is not None:
                found[name] += times
    if not found:
        return None
    if found["ja"] and found["han"]:
        found["ja"] += found.pop("han")
    name, count = found.most_common(1)[0]
    return name if count >= 0.3 * letters else None
