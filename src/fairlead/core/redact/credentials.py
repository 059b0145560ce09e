"""Keys, tokens and passwords in a text.

Three signs, each looked for only where a cheap look says that it may be there: the prefix by which a provider marks its
keys, the place where a secret stands (`scheme://user:HERE@host`, `Bearer HERE`, a cookie, a signed address), and a name in
front of it (`api_key = "HERE"`). A name alone is not enough: the value must look like a secret and not like code or prose.
What was found is followed over the line breaks that cut it (`wrapped`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from math import log2

from fairlead.core.redact.kinds import Hit, Kind
from fairlead.core.redact.wrapped import BREAK_AHEAD, whole

_EDGE = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
"""Where a word begins; within JSON text a line break before it reads as the letters `\\n`, within an address a `=` as `%3D`."""

_PUBLIC = "BDRVJUSUZJQ0FUR|BQVUJMSUMg|BSU0EgUFVCTElD|BTU0gyIFBVQkxJ|BQR1AgUFVCTElD|BYNTA5IENS|BUUlVTVEVE|BORVcgQ0VSV"
"""How `-----BEGIN CERTIFICATE-----` and other things that are no secret go on in base64."""
_PUTTY = r"PuTTY-User-Key-File-\d(?:[^P]|P(?!uTTY-|rivate-MAC)){1,8000}Private-MAC: ?[0-9a-f]{20,64}"

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
    ("sb_secret_", Kind.API_KEY, r"sb_secret_[A-Za-z0-9_-]{20,80}"),
    ("HRKU-", Kind.API_KEY, r"HRKU-[A-Za-z0-9_-]{36,80}"),
    ("pscale_", Kind.API_KEY, r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{30,80}"),
    ("pat", Kind.API_KEY, r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    (
        "pa-",
        Kind.API_KEY,
        r"pa-(?=[A-Za-z0-9_-]{0,40}\d)(?=[a-z0-9_-]{0,40}[A-Z])[A-Za-z0-9_-]{40,60}(?![A-Za-z0-9_-])",
    ),
    ("sk_", Kind.API_KEY, r"sk_[0-9a-f]{40,64}(?![A-Za-z0-9])"),
    ("LTAI", Kind.API_KEY, r"LTAI(?=[A-Za-z0-9]{0,19}\d)[A-Za-z0-9]{12,20}(?![A-Za-z0-9])"),
    ("sgp_", Kind.API_KEY, r"sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}"),
    ("e2b_", Kind.API_KEY, r"e2b_[0-9a-f]{40}"),
    ("fc-", Kind.API_KEY, r"fc-[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("apify_api_", Kind.API_KEY, r"apify_api_[A-Za-z0-9]{30,60}"),
    ("phx_", Kind.API_KEY, r"phx_[A-Za-z0-9]{40,60}"),
    ("re_", Kind.API_KEY, r"re_(?=[A-Za-z0-9_]{0,33}\d)[A-Za-z0-9]{8}_[A-Za-z0-9]{24}(?![A-Za-z0-9_])"),
    ("rnd_", Kind.API_KEY, r"rnd_[A-Za-z0-9]{28,40}(?![A-Za-z0-9_])"),
    ("xkeysib-", Kind.API_KEY, r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    ("rubygems_", Kind.API_KEY, r"rubygems_[0-9a-f]{48}"),
    ("glcbt-", Kind.TOKEN, r"glcbt-[A-Za-z0-9_-]{20,255}"),
    ("AA", Kind.API_KEY, r"(?<=\d{8}:)AA[A-Za-z0-9_-]{32,33}(?![A-Za-z0-9_-])"),
    ("APA91b", Kind.API_KEY, r"APA91b[A-Za-z0-9_-]{100,200}"),
    ("LS0tLS1CRUdJTi", Kind.PRIVATE_KEY, rf"LS0tLS1CRUdJTi(?!{_PUBLIC})[A-Za-z0-9+/]{{16,20000}}={{0,2}}"),
    ("PuTTY-User-Key-File-", Kind.PRIVATE_KEY, _PUTTY),
    ("eyJ", Kind.TOKEN, r"eyJ[A-Za-z0-9_-]{37,200}" + BREAK_AHEAD),
    ("eyJ", Kind.TOKEN, r"eyJ[A-Za-z0-9_-]{8,20000}\.[A-Za-z0-9_-]{8,50000}(?:\.[A-Za-z0-9_-]{4,20000})?"),
)
_PARTED: tuple[tuple[str, str, Kind, str], ...] = (
    (".", "ya29.", Kind.TOKEN, r"ya29\.[A-Za-z0-9_-]{20,2000}"),
    ("/", "hooks.slack.com", Kind.TOKEN, r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,200}"),
    (".", "SG.", Kind.API_KEY, r"SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{16,80}"),
    (".", "hvs.", Kind.TOKEN, r"hvs\.[A-Za-z0-9_-]{20,200}"),
    ("/+=", "whsec_", Kind.API_KEY, r"whsec_[A-Za-z0-9+/=]{16,200}"),
    (".~", "8Q~", Kind.API_KEY, r"(?<![~.-])[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    ("/", "api/webhooks/", Kind.TOKEN, r"api/webhooks/\d{10,25}/[A-Za-z0-9_-]{40,100}"),
    (
        "/",
        "webhookb2/",
        Kind.TOKEN,
        r"webhookb2/[A-Za-z0-9@-]{20,80}/IncomingWebhook/[0-9A-Fa-f]{32}(?:/[A-Za-z0-9_-]{8,80}){0,2}",
    ),
    (".", "dp.", Kind.API_KEY, r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
)
"""Keys of several words, of which the long one may stand behind the prefix: behind which letter comes first."""

_LISTED = "|".join(re.escape(prefix) for prefix, _, _ in _PREFIXED if "-" in prefix or "_" in prefix)
KEY_ON_A_LINE = re.compile(rf"(?:\A|\n)(?:{_LISTED})")
"""A line that begins as a key does and no line of a file in base64: a list of keys has nothing but the letters of one."""

_Pattern = tuple[Kind, re.Pattern[str]]


def _by_beginning() -> dict[str, list[tuple[str, _Pattern]]]:
    found: dict[str, list[tuple[str, _Pattern]]] = {}
    for prefix, kind, pattern in (*_PREFIXED, *(each[1:] for each in _PARTED)):
        found.setdefault(prefix[:2], []).append((prefix, (kind, re.compile(_EDGE + pattern))))
    return found


_BY_BEGINNING = _by_beginning()
"""Keys by the first two letters of their word: a look-up for each long word, however many keys are known."""
_PARTS = {
    before: [
        (prefix, (kind, re.compile(_EDGE + pattern))) for befores, prefix, kind, pattern in _PARTED if before in befores
    ]
    for before in "./+=~"
}
_BEFORE = frozenset("\\%./+=-~")

LONG_WORD = b"x" * 16
_PREFIX_REACH = 48

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_LONGEST_KEY = 20_000

_IN_URL = re.compile(r":(?:\\{0,4}/){2}[^\s/:@\"'<>]{0,200}:(?P<it>[^\s/@\"'<>]{1,300})@(?=[A-Za-z0-9\[$({])")
_KEY_IN_URL = re.compile(r":(?:\\{0,4}/){2}(?P<it>[A-Za-z0-9_-]{20,400})@(?=[A-Za-z0-9\[$({])")
_IN_QUOTED_URL = re.compile(r"%3[Aa]%2[Ff]%2[Ff][A-Za-z0-9._-]{0,100}%3[Aa](?P<it>[A-Za-z0-9._~!*-]{1,200})%40")
_IN_HEADER = re.compile(r"(?i:bearer|basic|token)[ :]{1,3}[\"']?(?P<it>[A-Za-z0-9._~+/-]{16,4000}={0,2})")
_IN_PARTS = re.compile(r"(?i:accountkey|sharedaccesskey|password|pwd)=(?P<it>[^\s;\"'<>]{4,400})(?=;|\"|'|\s|$)")
_QUERY_NAME = r"(?i:sig|key|api_?key|auth|jwt|sas|sp?token|secret|(?:[a-z]{1,12}[_-]){0,4}(?:signature|token|secret|credential|apikey|auth_key))"
_IN_QUERY = re.compile(rf"[?&#]{_QUERY_NAME}=(?P<it>[A-Za-z0-9%._~+/-]{{12,2000}})")
_IN_WRITTEN_QUERY = re.compile(rf"&amp;{_QUERY_NAME}=(?P<it>[A-Za-z0-9%._~+/-]{{12,2000}})")
_IN_JSON_QUERY = re.compile(rf"\\u0026{_QUERY_NAME}=(?P<it>[A-Za-z0-9%._~+/-]{{12,2000}})")

_OPEN = r"\\{0,7}[\"'`]?"
_BLANK = r"(?:\s|\\{1,4}[nrt])"
_PAIR = rf",?{_BLANK}{{0,40}}{_OPEN}(?i:value|val){_OPEN}\s{{0,3}}[:=]\s{{0,3}}"
"""Between the name and the value of `{"name": "api_key", "value": "…"}`, of `name="api_key" value="…"`, of two lines of YAML."""
_HEADER = rf"{_OPEN}(?:\s{{0,3}}[:=]\s{{0,3}}|{_PAIR}|,\s{{0,3}}(?=\\{{0,7}}[\"'])){_OPEN}"
_AUTH = re.compile(
    rf"(?:orization)?{_HEADER}(?:(?i:bearer|basic|token|apikey|negotiate)\s{{1,3}})?(?P<it>[A-Za-z0-9._~+/-]{{8,4000}}={{0,2}})"
)
_SIGNED = re.compile(
    rf"orization{_HEADER}(?i:digest|aws4-hmac-sha256|hmac|hawk|oauth)\b[^\n]{{0,400}}?"
    r"(?i:response|signature|mac)=\\{0,7}\"?(?P<it>[A-Za-z0-9%+/=]{16,200})"
)
_COOKIES = re.compile(rf"s?{_HEADER}(?P<it>[^\s\"'`<>;=]{{1,60}}=[^\n\r\"'`<>\\]{{4,4000}})")
_CURL_COOKIES = re.compile(r"\s(?:-b|--cookie)[ =]\s{0,3}[\"']?(?P<it>[^\s\"'`<>;=]{1,60}=[^\n\r\"'`<>\\]{4,4000})")
_COOKIE = re.compile(r"(?P<name>[^\s;=]{1,60})=(?P<it>[^\s;,]{8,4000})")
_COOKIE_NAME = re.compile(r"(?i)sess|sid\b|auth|token|csrf|xsrf|jwt|login|secret|remember")

_PASSWORD_NAMES = ("passw", "pwd", "passphrase", "passcode", "contrase", "mot de passe", "mật khẩu")
_IN_PASSWORD_NAMES = ("pass", "pwd", "contrase", "mật khẩu")
"""Without any of these there is none of those names: four looks instead of seven."""
_KEY_NAMES = ("secret", "token", "key", "credential")
_KEY_NAMES_BUT_TOKEN = ("secret", "key", "credential")
_NO_TOKEN = ("tokeniz", "tokenis")
_BEFORE_KEY = ("api", "access", "secret", "private", "auth", "account", "encryption", "signing", "master", "client")
_AFTER_NAME = re.compile(
    r"[A-Za-z0-9_ñ-]{0,16}(?:"
    rf"\\{{0,7}}[\"'`]?{_PAIR}"
    r"|(?P<tag>>)(?=[^\s<>]{4,500}<\\{0,4}/)"
    r"|(?P<call>\\{0,7}[\"'],\s{0,3}|\()(?=\\{0,7}[\"'])"
    r"|(?P<row>`?\s{0,20}\|\s{0,20}(?=\S))"
    r"|\\{0,7}[\"'`]?(?:\*{0,2}\s{0,3}(?::=|=>|[:=])\*{0,2}\s{0,3}| is:? | was:? | là | lautet:? | ist:? | est | es |['’]s ))"
    r"(?:\(\s{0,3}(?=[\"']))?(?P<open>\\{0,7}[\"'`])?(?P<it>[^\s\"'`<>]{4,500})",
    re.IGNORECASE,
)
_REST = re.compile(r"[A-Za-z0-9+/=_.~-]{0,20000}")
_LONGEST_NAMED = 500
_LONG_VALUE, _LONG_LOOKS = 100, 500
"""Long values that hold names and values again, and are no secrets: after so many of them the next name is looked for behind the value."""
_FLAG_REACH = 28
_AFTER_FLAG = re.compile(
    r"[A-Za-z0-9_-]{0,16}(?:\\{0,7}[\"'],?)?\s{1,3}(?P<open>\\{0,7}[\"'])?(?P<it>(?!-)[^\s\"'`<>]{4,500})",
    re.IGNORECASE,
)
_FLAG = re.compile(r"(?:^|[\s\"'])--[a-z-]{0,20}$")
_CALLED = re.compile(r"\(\s{0,3}\\{0,7}[\"'][\w.-]{0,24}$")
_CODE = re.compile(
    r"[$%{(\[]|^(?:os|process|env|config|settings|self|this|null|none|true|false|undefined)\b", re.IGNORECASE
)
_MADE_UP = re.compile(
    r"(?i)x{4,}|\*{3,}|\.{3,}|^(?:your|my|the|some|example|changeme|placeholder|redacted|string|secret)[_-]?\w{0,36}$"
    r"|(?:^|[_-])your[_-]"
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
    if "-----BEGIN" in text:
        yield from _private_keys(text)
    if "@" in text and ("://" in text or ":\\/" in text):
        yield from _placed(_IN_URL, text, Kind.PASSWORD)
        yield from _placed(_KEY_IN_URL, text, Kind.TOKEN, needs_mix=True)
    if "%" in text and "%40" in text:
        yield from _placed(_IN_QUOTED_URL, text, Kind.PASSWORD)
    if ";" in text and "=" in text and ("key=" in lowered or "pwd=" in lowered or "password=" in lowered):
        yield from _placed(_IN_PARTS, text, Kind.PASSWORD)
    if any(part in lowered for part in _IN_PASSWORD_NAMES):
        yield from _named(text, lowered, _PASSWORD_NAMES)
        if "login" in lowered:
            yield from _placed(_LOGIN, text, Kind.PASSWORD)
    if "curl " in text:
        yield from _placed(_CURL_USER, text, Kind.PASSWORD)
        yield from (hit for found in _CURL_COOKIES.finditer(text) for hit in cookies(text, *found.span("it")))
    if not has_long_word and "=" in text and "secret" in lowered:
        yield from _named(text, lowered, _KEY_NAMES)  # a key of many signs between its letters


def _marked(text: str, lowered: str, words: bytes) -> Iterator[Hit]:
    """Secrets that hold a long word, or stand beside one."""
    yield from _prefixed(text, words)
    has_token = "token" in lowered
    if "bearer" in lowered or "basic " in lowered or (has_token and "token " in lowered):
        yield from _placed(_IN_HEADER, text, Kind.TOKEN, needs_mix=True)
    if "=" in text and ("?" in text or "&" in text or "#" in text):
        yield from _placed(_IN_QUERY, text, Kind.TOKEN, needs_mix=True)
        if "&amp;" in text:
            yield from _placed(_IN_WRITTEN_QUERY, text, Kind.TOKEN, needs_mix=True)
        if "\\u0026" in text:
            yield from _placed(_IN_JSON_QUERY, text, Kind.TOKEN, needs_mix=True)
    if "auth" in lowered:
        yield from _authorizations(text, lowered)
    if "cookie" in lowered:
        yield from _all_cookies(text, lowered)
    yield from _named(text, lowered, _KEY_NAMES if has_token else _KEY_NAMES_BUT_TOKEN)


def _authorizations(text: str, lowered: str) -> Iterator[Hit]:
    """What stands behind `Authorization:`, with or without its scheme; and `"auth": "…"`, as Docker keeps a login."""
    for at in _places(lowered, "auth"):
        is_header = lowered.startswith("orization", at)
        found = _AUTH.match(text, at)
        if is_header and (signed := _SIGNED.match(text, at)):
            yield Hit(*signed.span("it"), Kind.TOKEN)
        elif found and (_is_pair(found["it"]) or (is_header and is_key(found["it"]))):
            yield Hit(*found.span("it"), Kind.TOKEN)


def _places(lowered: str, word: str) -> Iterator[int]:
    """Where each of the words ends."""
    at = lowered.find(word)
    while at >= 0:
        yield at + len(word)
        at = lowered.find(word, at + len(word))


def _all_cookies(text: str, lowered: str) -> Iterator[Hit]:
    at = lowered.find("cookie")
    while at >= 0:
        found = _COOKIES.match(text, at + len("cookie"))
        if found:
            yield from cookies(text, *found.span("it"))
        at = lowered.find("cookie", found.end() if found else at + 1)


def cookies(text: str, start: int, end: int) -> Iterator[Hit]:
    """Those of a header's cookies that let somebody in: long and mixed, or named like one that does."""
    for each in _COOKIE.finditer(text, start, end):
        value = each["it"]
        shortest = 8 if _COOKIE_NAME.search(each["name"]) else 20
        if len(value) >= shortest and _is_mixed(value) and not _MADE_UP.search(value) and not _CODE.match(value):
            yield Hit(*each.span("it"), Kind.TOKEN)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a password, key or token."""
    lowered = name.lower()
    if is_password_name(lowered) or lowered.endswith(("auth", "authorization")) or "cookie" in lowered:
        return True
    return any(_names_key(lowered, lowered.find(each), each) for each in _KEY_NAMES)


def is_secret(name: str, value: str) -> bool:
    """Whether `value` is the secret that a field called `name` holds."""
    lowered = name.lower()
    is_password = is_password_name(lowered)
    if not is_password and "\n" in value:
        value = value.strip().replace("\r", "").replace("\n", "")
    if not 4 <= len(value) <= _LONGEST_KEY or any(mark in value for mark in "<>\n") or "cookie" in lowered:
        return False
    if lowered.endswith("auth"):
        return _is_pair(value)
    if lowered.endswith("authorization") and _is_pair(value.rpartition(" ")[2]):
        return True
    return " " not in value and _is_value(value, is_password=is_password, is_quoted=True)


def secret_kind(name: str) -> Kind:
    """What kind of secret a field of this name holds."""
    return Kind.PASSWORD if is_password_name(name.lower()) else Kind.API_KEY


def is_password_name(lowered: str) -> bool:
    """Whether a name in small letters is that of a password, which may be short."""
    return any(each in lowered for each in _PASSWORD_NAMES)


def _names_key(lowered: str, at: int, name: str) -> bool:
    """Whether the name found at a place names a secret: any token does, but only some keys."""
    if at < 0 or (name == "token" and lowered.startswith(_NO_TOKEN, at)):
        return False
    return name != "key" or lowered[max(0, at - 12) : at].rstrip("_- ").endswith(_BEFORE_KEY)


def _prefixed(text: str, words: bytes) -> Iterator[Hit]:
    for kind, pattern in _seen(text, words):
        for found in pattern.finditer(text):
            hit = Hit(found.start(), found.end(), kind)
            if found.re.pattern.endswith(BREAK_AHEAD):
                hit = whole(text, hit)
                if "." not in text[hit.start : hit.end]:
                    continue  # base64 of anything in braces
            if kind is Kind.PRIVATE_KEY or not _MADE_UP.search(found[0]):
                yield hit


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
    parts = _PARTS.get(text[at - 1 : at])
    if parts is not None:
        near = text[max(0, at - _PREFIX_REACH) : at]
        yield from (pattern for prefix, pattern in parts if prefix in near)


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
    looks = _LONG_LOOKS
    for name in names:
        at = lowered.find(name)
        while at >= 0:
            end = at + len(name)
            found = _assigned(text, at, end) if _names_key(lowered, at, name) else None
            hit = _named_hit(found, is_password=is_password) if found else None
            if hit is not None:
                yield hit
                end = hit.end
            elif found and len(found["it"]) >= _LONG_VALUE:
                looks -= 1
                end = end if looks > 0 else found.end()
            at = lowered.find(name, end)


def _assigned(text: str, start: int, end: int) -> re.Match[str] | None:
    """What follows the name that stands there, if it is the way a value follows its name."""
    if text[start - 1 : start] == "-" and _FLAG.search(text, max(0, start - _FLAG_REACH), start):
        found = _AFTER_FLAG.match(text, end)
        if found:
            return None if found["it"].isupper() and found["it"].isalpha() else found
    found = _AFTER_NAME.match(text, end)
    if (
        found
        and found["call"]
        and found["call"] != "("
        and not _CALLED.search(text, max(0, start - _FLAG_REACH), start)
    ):
        return None
    return found


def _named_hit(found: re.Match[str], *, is_password: bool) -> Hit | None:
    value = found["it"].rstrip("\\")
    if found["open"] is None:
        value = _NEXT_PART.split(value, maxsplit=1)[0].rstrip(_TRAILING)
    is_quoted = found["open"] is not None and not (is_password and found.groupdict().get("call") == "(")
    if len(value) < 4 or not _is_value(value, is_password=is_password, is_quoted=is_quoted):
        return None
    start = found.start("it")
    end = start + len(value)
    if len(value) == _LONGEST_NAMED:
        rest = _REST.match(found.string, end)
        end = rest.end() if rest else end
    return Hit(start, end, Kind.PASSWORD if is_password else Kind.API_KEY)


def _is_value(value: str, *, is_password: bool, is_quoted: bool) -> bool:
    if _MADE_UP.search(value) or (not is_quoted and _CODE.search(value)) or _CODE.match(value):
        return False
    if is_password:
        return _is_password(value, is_quoted=is_quoted)
    return is_key(value) and (is_quoted or sum(letter.isdigit() for letter in value) > 1)


def is_key(value: str) -> bool:
    """Whether this is long, mixed and uneven enough for a key, and no piece of code."""
    return len(value) >= 16 and _is_mixed(value) and not _CODE.match(value) and entropy(value) >= 3.0


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
        told = base64.b64decode(value, validate=True)
    except ValueError:
        return False
    return b":" in told and told.isascii() and told.decode().isprintable()


def entropy(text: str) -> float:
    """Bits of information per letter, counted within the text."""
    size = len(text)
    counts = {letter: text.count(letter) for letter in set(text)}
    return -sum(n / size * log2(n / size) for n in counts.values())
