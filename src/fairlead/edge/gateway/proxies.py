"""Which proxy the environment names for an address: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, less what `NO_PROXY` lists.

The standard library's own reading of these comes with `urllib.request`, which takes longer to load than the whole data
plane. As there, this machine itself is never reached through a proxy, and `HTTP_PROXY` in capitals is not believed
inside a CGI script, where a caller could set it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from fairlead.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of its header, empty for none."""

    host: str
    port: int
    authorization: str = ""


def proxy_for(host: str, *, is_https: bool, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy through which `host` is reached, or `None` for none."""
    if _is_here(host) or _is_excepted(host, _variable("no_proxy", environ)):
        return None
    found = _variable("https_proxy" if is_https else "http_proxy", environ) or _variable("all_proxy", environ)
    return _proxy(found) if found else None


def _variable(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name, "")
    if not value and not (name == "http_proxy" and "REQUEST_METHOD" in environ):
        value = environ.get(name.upper(), "")
    return value.strip()


def _proxy(url: str) -> Proxy:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError(
            f"The environment names a proxy of the kind {parts.scheme}://, which the gateway cannot use; name an http:// proxy."
        )
    named = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        named = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return Proxy(host=parts.hostname, port=parts.port or 80, authorization=named)


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_excepted(host: str, listed: str) -> bool:
    host = host.lower()
    for entry in listed.lower().replace(" ", "").split(","):
        if not entry:
            continue
        name = entry.rsplit(":", 1)[0] if entry.count(":") == 1 else entry
        name = name.removeprefix("*").removeprefix(".")
        if entry == "*" or (name and (host == name or host.endswith("." + name))) or _in_network(host, entry):
            return True
    return False


def _in_network(host: str, entry: str) -> bool:
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        return False
