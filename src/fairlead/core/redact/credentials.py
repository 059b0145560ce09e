"""Keys, tokens and passwords in a text.

Three signs, each looked for only where a cheap look says that it may be there: the prefix by which a provider marks its
keys, the place where a secret stands (`scheme://user:HERE@host`, `Bearer HERE`), and a name in front of it
(`api_key = "HERE"`). A name alone is not enough: the value must look like a secret and not like code or prose.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from math import log2

from fairlead.core.redact.kinds import Hit, Kind

_EDGE = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
"""Where a word begins; within JSON text a line break before it reads as the letters `\\n`, within an address a `=` as `%3D`."""

_PREFIXED: tuple[tuple[str, Kind, str], ...] = (
    ("sk-", Kind.API_KEY, r"sk-(?:proj-|ant-|or-|svcacct-|admin-|lf-|(?=[A-Za-z0-9_-]{0,60}\d))[A-Za-z0-9_-]{16,400}"),
    ("pk-lf-", Kind.API_KEY, r"pk-lf-[A-Za-z0-9-]{16,80}"),
    ("sk_live_", Kind.API_KEY, r"sk_live_[A-Za-z0-9]{16,200}"),
    ("rk_live_", Kind.API_KEY, r"rk_live_[A-Za-z0-9]{16,200}"),
    ("sk_test_", Kind.API_KEY, r"sk_test_[A-Za-z0-9]{16,200}"),
    ("rk_test_", Kind.API_KEY, r"rk_test_[A-Za-z0-9]{16,200}"),
    ("AKIA", Kind.API_KEY, r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("ASIA", Kind.API_KEY, r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("AIza", Kind.API_KEY, r"AIza[A-Za-z0-9_-]{35}"),
    ("GOCSPX-", Kind.API_KEY, r"GOCSPX-[A-Za-z0-9_-]{20,60}"),
    ("gh", Kind.API_KEY, r"gh[pousr]_[A-Za-z0-9]{30,255}"),
    ("github_pat_", Kind.API_KEY, r"github_pat_[A-Za-z0-9_]{22,255}"),
    ("glpat-", Kind.API_KEY, r"glpat-[A-Za-z0-9_-]{20,255}"),
    ("xox", Kind.TOKEN, r"xox[abeoprs]-[A-Za-z0-9-]{10,400}"),
    ("xapp-", Kind.TOKEN, r"xapp-[A-Za-z0-9-]{10,400}"),
    ("hf_", Kind.API_KEY, r"hf_[A-Za-z0-9]{30,60}"),
    ("gsk_", Kind.API_KEY, r"gsk_[A-Za-z0-9]{40,80}"),
    ("xai-", Kind.API_KEY, r"xai-[A-Za-z0-9]{40,120}"),
    ("nvapi-", Kind.API_KEY, r"nvapi-[A-Za-z0-9_-]{40,120}"),
    ("r8_", Kind.API_KEY, r"r8_[A-Za-z0-9]{30,60}"),
    ("pplx-", Kind.API_KEY, r"pplx-[A-Za-z0-9]{30,80}"),
    ("tvly-", Kind.API_KEY, r"tvly-[A-Za-z0-9-]{20,60}"),
    ("fw_", Kind.API_KEY, r"fw_[A-Za-z0-9]{20,60}(?![A-Za-z0-9_])"),
    ("jina_", Kind.API_KEY, r"jina_[A-Za-z0-9_-]{40,120}"),
    ("key-", Kind.API_KEY, r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("SK", Kind.API_KEY, r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("npm_", Kind.API_KEY, r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", Kind.API_KEY, r"pypi-AgEIcHlwaS[A-Za-z0-9_-]{50,400}"),
    ("dop_v1_", Kind.API_KEY, r"dop_v1_[a-f0-9]{64}"),
    ("dckr_pat_", Kind.API_KEY, r"dckr_pat_[A-Za-z0-9_-]{20,80}"),
    ("shp", Kind.API_KEY, r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("lin_api_", Kind.API_KEY, r"lin_api_[A-Za-z0-9]{40}"),
    ("ntn_", Kind.API_KEY, r"ntn_[A-Za-z0-9]{40,60}"),
    ("sq0", Kind.API_KEY, r"sq0(?:atp|csp)-[A-Za-z0-9_-]{20,60}"),
    ("dapi", Kind.API_KEY, r"dapi[a-f0-9]{32}(?:-\d)?(?![A-Za-z0-9])"),
    ("PMAK-", Kind.API_KEY, r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("age-secret-key-", Kind.PRIVATE_KEY, r"(?i:age-secret-key-1)[A-Za-z0-9]{50,70}"),
    ("AGE-SECRET-KEY-", Kind.PRIVATE_KEY, r"(?i:age-secret-key-1)[A-Za-z0-9]{50,70}"),
    ("ABSK", Kind.API_KEY, r"ABSK[A-Za-z0-9+/]{60,400}={0,2}"),
    ("gldt-", Kind.API_KEY, r"gldt-[A-Za-z0-9_-]{20,255}"),
    ("glrt-", Kind.API_KEY, r"glrt-[A-Za-z0-9_.-]{20,255}"),
    ("glptt-", Kind.API_KEY, r"glptt-[0-9a-f]{40}"),
    ("glsa_", Kind.API_KEY, r"glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}"),
    ("glc_", Kind.API_KEY, r"glc_[A-Za-z0-9+/]{32,400}={0,2}"),
    ("tgp_v1_", Kind.API_KEY, r"tgp_v1_[A-Za-z0-9_-]{30,80}"),
    ("csk-", Kind.API_KEY, r"csk-[A-Za-z0-9]{40,80}"),
    ("lsv2_", Kind.API_KEY, r"lsv2_[ps][tk]_[0-9a-f]{32}_[0-9a-f]{10}"),
    ("pcsk_", Kind.API_KEY, r"pcsk_[A-Za-z0-9_]{40,120}"),
    ("sntry", Kind.API_KEY, r"sntry[su]_[A-Za-z0-9+/=_]{40,400}"),
    ("ATATT3", Kind.API_KEY, r"ATATT3[A-Za-z0-9_=-]{50,400}"),
    ("figd_", Kind.API_KEY, r"figd_[A-Za-z0-9_-]{30,80}"),
    ("sbp_", Kind.API_KEY, r"sbp_[0-9a-f]{40}"),
    ("secret_", Kind.API_KEY, r"secret_[A-Za-z0-9]{43}(?![A-Za-z0-9_])"),
    ("NRAK-", Kind.API_KEY, r"NRAK-[A-Z0-9]{27}"),
    ("eyJ", Kind.TOKEN, r"eyJ[A-Za-z0-9_-]{8,20000}\.[A-Za-z0-9_-]{8,50000}(?:\.[A-Za-z0-9_-]{4,20000})?"),
)
_INSIDE: tuple[tuple[str, Kind, re.Pattern[str]], ...] = (
    (
        "8Q~",
        Kind.API_KEY,
        re.compile(r"(?:(?<![A-Za-z0-9_~.-])|(?<=\\[nrt]))[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    ),
    (":AA", Kind.API_KEY, re.compile(r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{32,33}(?![A-Za-z0-9_-])")),
    (":APA91b", Kind.API_KEY, re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{7,30}:APA91b[A-Za-z0-9_-]{100,200}")),
    ("/api/webhooks/", Kind.TOKEN, re.compile(r"/api/webhooks/\d{10,25}/[A-Za-z0-9_-]{40,100}")),
)
"""Keys whose mark stands within them."""

_PARTED: tuple[tuple[str, Kind, str], ...] = (
    ("ya29.", Kind.TOKEN, r"ya29\.[A-Za-z0-9_-]{20,2000}"),
    ("hooks.slack.com", Kind.TOKEN, r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,200}"),
    ("SG.", Kind.API_KEY, r"SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{16,80}"),
    ("hvs.", Kind.TOKEN, r"hvs\.[A-Za-z0-9_-]{20,200}"),
    ("whsec_", Kind.API_KEY, r"whsec_[A-Za-z0-9+/=]{16,200}"),
)
"""Keys of several words, of which the long one may stand behind the prefix: behind a dot, a slash, a plus."""

_Pattern = tuple[Kind, re.Pattern[str]]


def _by_beginning() -> dict[str, list[tuple[str, _Pattern]]]:
    found: dict[str, list[tuple[str, _Pattern]]] = {}
    for prefix, kind, pattern in (*_PREFIXED, *_PARTED):
        found.setdefault(prefix[:2], []).append((prefix, (kind, re.compile(_EDGE + pattern))))
    return found


_BY_BEGINNING = _by_beginning()
"""Keys by the first two letters of their word: a look-up for each long word, however many keys are known."""
_PARTS = [each for entries in _BY_BEGINNING.values() for each in entries if each[0] in {p for p, _, _ in _PARTED}]
_BEFORE = frozenset("\\%./+=-")

LONG_WORD = b"x" * 16
_PREFIX_REACH = 48

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_LONGEST_KEY = 20_000

_IN_URL = re.compile(r"://[^\s/:@\"'<>]{0,200}:(?P<it>[^\s/@\"'<>]{1,300})@(?=[A-Za-z0-9\[$({])")
_IN_HEADER = re.compile(r"(?i:bearer|basic|token)[ :]{1,3}[\"']?(?P<it>[A-Za-z0-9._~+/-]{16,4000}={0,2})")
_IN_PARTS = re.compile(r"(?i:accountkey|sharedaccesskey|password|pwd)=(?P<it>[^\s;\"'<>]{4,400})(?=;|\"|'|\s|$)")
_IN_QUERY = re.compile(r"[?&](?i:sig|key|api_key|apikey|access_token|token|secret)=(?P<it>[A-Za-z0-9%._~+/-]{12,2000})")

_PASSWORD_NAMES = ("passw", "pwd", "passphrase", "passcode", "contrase", "mot de passe", "mật khẩu")
_IN_PASSWORD_NAMES = ("pass", "pwd", "contrase", "mật khẩu")
"""Without any of these there is none of those names: four looks instead of seven."""
_KEY_NAMES = ("secret", "token", "key", "credential")
_BEFORE_KEY = ("api", "access", "secret", "private", "auth", "account", "encryption", "signing", "master", "client")
_AFTER_NAME = re.compile(
    r"[A-Za-z0-9_ñ-]{0,16}\\{0,7}[\"'`]?(?:\s{0,3}(?::=|=>|[:=])\s{0,3}| is:? | was:? | là )"
    r"(?P<open>\\{0,7}[\"'`])?(?P<it>[^\s\"'`<>]{4,500})",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"[$%{(\[]|^(?:os|process|env|config|settings|self|this|null|none|true|false|undefined)\b", re.IGNORECASE
)
_MADE_UP = re.compile(
    r"(?i)x{4,}|\*{3,}|\.{3,}|^(?:your|my|the|some|example|changeme|placeholder|redacted|string|secret)[_-]?\w{0,36}$"
)
_LOGIN = re.compile(r"\blogin\s+\S{1,100}\s+password\s+(?P<it>[^\s\"'<>]{4,300})")
"""As `.netrc` has it."""
_CURL_USER = re.compile(r"\s(?:-u|--user)[ =]\s{0,3}[\"']?[^\s:\"']{1,100}:(?P<it>[^\s\"'<>]{4,300})")
_NEXT_PART = re.compile(r"[;&,](?=[A-Za-z][\w -]{0,40}=)")
_TRAILING = ".,;:!?)]}\\"


def secrets(text: str, lowered: str, words: bytes) -> Iterator[Hit]:
    """Every secret in `text`; `lowered` is its lower case, `words` has an `x` for each letter, digit, `_` and `-` of it."""
    has_long_word = LONG_WORD in words
    if has_long_word:
        yield from _marked(text, lowered, words)
    if "-----BEGIN " in text:
        yield from _private_keys(text)
    if "@" in text and "://" in text:
        yield from _placed(_IN_URL, text, Kind.PASSWORD)
    if ";" in text and "=" in text and ("key=" in lowered or "pwd=" in lowered or "password=" in lowered):
        yield from _placed(_IN_PARTS, text, Kind.PASSWORD)
    if any(part in lowered for part in _IN_PASSWORD_NAMES):
        yield from _named(text, lowered, _PASSWORD_NAMES)
        if "login" in lowered:
            yield from _placed(_LOGIN, text, Kind.PASSWORD)
    if "curl " in text:
        yield from _placed(_CURL_USER, text, Kind.PASSWORD)
    if has_long_word:
        yield from _named(text, lowered, _KEY_NAMES)


def _marked(text: str, lowered: str, words: bytes) -> Iterator[Hit]:
    """Secrets that hold a long word and are told by a mark of their own or by where they stand."""
    yield from _prefixed(text, words)
    for mark, kind, pattern in _INSIDE:
        if mark in text:
            yield from (Hit(*found.span(), kind) for found in pattern.finditer(text))
    if "bearer" in lowered or "basic " in lowered or "token " in lowered:
        yield from _placed(_IN_HEADER, text, Kind.TOKEN, needs_mix=True)
    if "?" in text or "&" in text:
        yield from _placed(_IN_QUERY, text, Kind.TOKEN, needs_mix=True)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a password, key or token."""
    lowered = name.lower()
    return _is_password_name(lowered) or any(_names_key(lowered, lowered.find(each), each) for each in _KEY_NAMES)


def is_secret(name: str, value: str) -> bool:
    """Whether `value` is the secret that a field called `name` holds."""
    if not 4 <= len(value) <= 500 or any(mark in value for mark in "<> \n"):
        return False
    return _is_value(value, is_password=_is_password_name(name.lower()), is_quoted=True)


def secret_kind(name: str) -> Kind:
    """What kind of secret a field of this name holds."""
    return Kind.PASSWORD if _is_password_name(name.lower()) else Kind.API_KEY


def _is_password_name(lowered: str) -> bool:
    return any(each in lowered for each in _PASSWORD_NAMES)


def _names_key(lowered: str, at: int, name: str) -> bool:
    """Whether the name found at a place names a secret: any token does, but only some keys."""
    if at < 0:
        return False
    return name != "key" or lowered[max(0, at - 12) : at].rstrip("_- ").endswith(_BEFORE_KEY)


def _prefixed(text: str, words: bytes) -> Iterator[Hit]:
    for kind, pattern in _seen(text, words):
        for found in pattern.finditer(text):
            if kind is Kind.PRIVATE_KEY or not _MADE_UP.search(found[0]):
                yield Hit(found.start(), found.end(), kind)


def _seen(text: str, words: bytes) -> Iterator[_Pattern]:
    """Patterns whose prefix begins a long word or stands shortly before one; every key has or follows one."""
    seen: dict[_Pattern, None] = {}
    at = words.find(LONG_WORD)
    while at >= 0:
        here = _BY_BEGINNING.get(text[at : at + 2])
        if here is not None:
            seen.update((pattern, None) for prefix, pattern in here if text.startswith(prefix, at))
        if text[at] == "-" or text[at - 1 : at] in _BEFORE:
            seen.update((pattern, None) for pattern in _seen_apart(text, at))
        end = words.find(b" ", at)
        at = words.find(LONG_WORD, end) if end > 0 else -1
    if "-sk-" in text:
        seen.update((pattern, None) for prefix, pattern in _BY_BEGINNING["sk"] if prefix == "sk-")
    yield from seen


def _seen_apart(text: str, at: int) -> Iterator[_Pattern]:
    """Patterns of a long word that does not begin with the key: behind an escape, in several parts, or behind dashes."""
    begins = at + {"\\": 1, "%": 2}.get(text[at - 1 : at], 0)
    begins += len(text[begins : begins + 4]) - len(text[begins : begins + 4].lstrip("-"))
    for prefix, pattern in _BY_BEGINNING.get(text[begins : begins + 2], ()):
        if text.startswith(prefix, begins):
            yield pattern
    near = text[max(0, at - _PREFIX_REACH) : at]
    yield from (pattern for prefix, pattern in _PARTS if prefix in near)


def _private_keys(text: str) -> Iterator[Hit]:
    for begin in _PEM.finditer(text):
        end = _PEM_END.search(text, begin.end(), begin.end() + _LONGEST_KEY)
        yield Hit(begin.start(), end.end() if end else min(len(text), begin.end() + _LONGEST_KEY), Kind.PRIVATE_KEY)


def _placed(pattern: re.Pattern[str], text: str, kind: Kind, *, needs_mix: bool = False) -> Iterator[Hit]:
    for found in pattern.finditer(text):
        value = found["it"]
        if _MADE_UP.search(value) or _CODE.match(value) or (needs_mix and not (_is_mixed(value) or _is_pair(value))):
            continue
        yield Hit(found.start("it"), found.end("it"), kind)


def _named(text: str, lowered: str, names: tuple[str, ...]) -> Iterator[Hit]:
    """Assignments: looked at only behind the names, so that a text without them costs nothing."""
    is_password = names is _PASSWORD_NAMES
    for name in names:
        at = lowered.find(name)
        while at >= 0:
            found = _AFTER_NAME.match(text, at + len(name)) if _names_key(lowered, at, name) else None
            hit = _named_hit(found, is_password=is_password) if found else None
            if hit is not None:
                yield hit
            at = lowered.find(name, at + len(name))


def _named_hit(found: re.Match[str], *, is_password: bool) -> Hit | None:
    value = found["it"].rstrip("\\")
    if found["open"] is None:
        value = _NEXT_PART.split(value, maxsplit=1)[0].rstrip(_TRAILING)
    if len(value) < 4 or not _is_value(value, is_password=is_password, is_quoted=found["open"] is not None):
        return None
    start = found.start("it")
    return Hit(start, start + len(value), Kind.PASSWORD if is_password else Kind.API_KEY)


def _is_value(value: str, *, is_password: bool, is_quoted: bool) -> bool:
    if _MADE_UP.search(value) or (not is_quoted and _CODE.search(value)) or _CODE.match(value):
        return False
    if is_password:
        return _is_password(value, is_quoted=is_quoted)
    digits = sum(letter.isdigit() for letter in value)
    return len(value) >= 16 and _is_mixed(value) and (is_quoted or digits > 1) and entropy(value) >= 3.0


def _is_password(value: str, *, is_quoted: bool) -> bool:
    """Told from prose (`the password is wrong`) and from code (`password = hashed`) by what it is made of."""
    if any(letter.isdigit() for letter in value) or value[1:] != value[1:].lower():
        return len(value) >= 5
    if is_quoted:
        return len(value) >= 6 and not value.isalpha()
    return len(value) >= 6 and any(mark in value for mark in "!@#^&*+=~?")


def _is_mixed(value: str) -> bool:
    """Letters and digits both: words and plain numbers are no keys."""
    return any(letter.isdigit() for letter in value) and any(letter.isalpha() for letter in value)


def _is_pair(value: str) -> bool:
    """Whether this is `user:password` as basic authentication sends it, which may hold no digit."""
    try:
        return b":" in base64.b64decode(value, validate=True)
    except ValueError:
        return False


def entropy(text: str) -> float:
    """Bits of information per letter, counted within the text."""
    size = len(text)
    counts = {letter: text.count(letter) for letter in set(text)}
    return -sum(n / size * log2(n / size) for n in counts.values())
