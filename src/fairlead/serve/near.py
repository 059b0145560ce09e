"""Whether an upstream is this machine or a private network, as its addresses are written. Pure: no name is looked up."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from fairlead.serve.snapshot import UpstreamNow


def is_local(upstream: UpstreamNow) -> bool:
    """Whether every address of an upstream is this machine or a private network, as written."""
    return all(_is_near(urlsplit(url).hostname or "") for url in upstream.urls)


def _is_near(host: str) -> bool:
    if host in {"localhost", ""} or host.endswith((".localhost", ".internal", ".local")):
        return host != ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return False
