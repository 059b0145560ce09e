"""Where an endpoint is and which key it gets.

Rules kept: only http and https; nobody's name or password in an address; a key comes from the environment and goes to
one host. A provider's own variable (`OPENAI_API_KEY`, …) is only ever read for that provider's host over https, so that
pointing a pilot at another endpoint cannot hand it a key that was meant for someone else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from fairlead.core.errors import UsageError
from fairlead.core.nouns import Dialect

PATHS: Mapping[Dialect, str] = {
    Dialect.OPENAI_CHAT: "/chat/completions",
    Dialect.OPENAI_EMBEDDINGS: "/embeddings",
    Dialect.ANTHROPIC_MESSAGES: "/messages",
}

CANDIDATE_KEY = "FAIRLEAD_CANDIDATE_KEY"
INCUMBENT_KEY = "FAIRLEAD_INCUMBENT_KEY"
JUDGE_KEY = "FAIRLEAD_JUDGE_KEY"

_LOCAL_NAMES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")

PROVIDERS: Mapping[str, str] = {
    "api.openai.com": "OPENAI_API_KEY",
    "api.anthropic.com": "ANTHROPIC_API_KEY",
    "api.mistral.ai": "MISTRAL_API_KEY",
    "api.deepseek.com": "DEEPSEEK_API_KEY",
    "api.groq.com": "GROQ_API_KEY",
    "api.together.xyz": "TOGETHER_API_KEY",
    "api.fireworks.ai": "FIREWORKS_API_KEY",
    "api.deepinfra.com": "DEEPINFRA_API_KEY",
    "openrouter.ai": "OPENROUTER_API_KEY",
}
"""Which variable holds whose key, by the provider's own host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A checked base URL, without a slash at its end; `host` is how it is named to people."""

    base_url: str
    host: str
    is_https: bool
    name: str

    def url(self, dialect: Dialect) -> str:
        """Where requests in a dialect are sent."""
        return self.base_url + PATHS[dialect]


def address(base_url: str) -> Address:
    """The address in `base_url`; `/v1` is added where no path is given.

    >>> address("http://localhost:8000").base_url
    'http://localhost:8000/v1'
    """
    shown = base_url[:200]
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port
    except ValueError:
        raise UsageError(f"The endpoint {shown!r} cannot be read; write it like https://host:8000/v1.") from None
    if "@" in parts.netloc:
        raise UsageError(
            f"The endpoint on {parts.hostname} holds a name or password; leave it out and name the key's variable (key_env)."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"The endpoint {shown!r} is not an http or https address; write it like https://host:8000/v1.")
    if parts.query or parts.fragment:
        raise UsageError(f"The endpoint on {parts.hostname} holds '?' or '#'; write it like https://host:8000/v1.")
    path = quote(parts.path, safe="/%:@!$&'()*+,;=").rstrip("/")
    for known in PATHS.values():
        path = path.removesuffix(known)
    host = _ascii_host(parts.hostname)
    host += "" if port is None else f":{port}"
    base = f"{parts.scheme}://{host}{path or '/v1'}"
    return Address(base_url=base, host=host, is_https=parts.scheme == "https", name=parts.hostname)


def is_local(at: Address) -> bool:
    """Whether this is a machine of one's own as far as its name tells: loopback, a private address, a local name.

    >>> is_local(address("http://10.0.0.7:8000")), is_local(address("https://api.example.com"))
    (True, False)
    """
    try:
        found = ip_address(at.name)
    except ValueError:
        name = at.name.casefold().rstrip(".")
        return "." not in name or name.endswith(_LOCAL_NAMES)
    return found.is_private or found.is_loopback or found.is_link_local


def _ascii_host(name: str) -> str:
    if ":" in name:
        return f"[{name}]"
    try:
        host = name.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not host or not all(letter.isalnum() or letter in "-._" for letter in host):
        raise UsageError(f"{name[:100]!r} is not the name of a host; write the endpoint like https://host:8000/v1.")
    return host


def key_for(
    at: Address, *, key_env: str | None, environ: Mapping[str, str], own_variable: str = CANDIDATE_KEY
) -> str | None:
    """The key to send to `at`, or `None` when it gets none.

    In this order: the variable `key_env` names (it must be set then), `own_variable`, the provider's own variable.
    """
    if key_env is not None:
        found = environ.get(key_env)
        if not found:
            raise UsageError(f"The environment variable {key_env} is not set; it should hold the key for {at.host}.")
        return _sendable(found, key_env)
    provider = PROVIDERS.get(at.name) if at.is_https else None
    for variable in (own_variable, provider):
        if variable is not None and environ.get(variable):
            return _sendable(environ[variable], variable)
    return None


def _sendable(key: str, variable: str) -> str:
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            f"The environment variable {variable} does not hold a key that can be sent (spaces or line ends?)."
        )
    return key
