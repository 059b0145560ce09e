"""Connections to one endpoint: what a client needs of them, whoever makes them.

Two kinds: `direct.py` speaks HTTP/1.1 over asyncio and httptools, at a tenth of the processor time of a general client,
which keeps measured latencies honest when many requests are in flight; `Proxied` here goes through the proxies that the
environment names, with httpx2. Redirects are never followed, nothing is stored between requests.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Protocol
from urllib.request import getproxies, proxy_bypass

import httpx2

from fairlead.edge.clients.address import Address


class UnreachableError(Exception):
    """No connection could be made; nothing was sent."""


class BrokenError(Exception):
    """A connection ended, or stopped speaking HTTP, before the answer was complete."""


class Response(Protocol):
    """A response whose head is there; iterating gives its body as it comes. Header names are in lower case."""

    @property
    def status(self) -> int:
        """The status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Connections(Protocol):
    """Sends bodies to one URL over kept-alive connections."""

    def sent(self, content: bytes) -> AbstractAsyncContextManager[Response]:
        """The response to `content`; raises `UnreachableError` or `BrokenError`, also while it is iterated."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


@cache
def trusted_authorities() -> ssl.SSLContext:
    """The certificates this machine trusts; loading them takes long enough to do it once."""
    return httpx2.create_ssl_context()


def needs_proxy(at: Address) -> bool:
    """Whether the environment names a proxy for this address; this machine itself is never reached through one."""
    if at.name in {"localhost", "127.0.0.1", "::1"}:
        return False
    proxies = getproxies()
    scheme = "https" if at.is_https else "http"
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(at.name)


class _ProxiedResponse:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.aiter_raw():
                yield chunk
        except httpx2.TransportError as error:
            raise BrokenError(_reason(error)) from error


class Proxied:
    """Connections through the proxies of the environment."""

    def __init__(self, url: str, headers: Mapping[str, str], *, connect_s: float) -> None:
        self._url = url
        self._client = httpx2.AsyncClient(
            headers=headers,
            verify=trusted_authorities(),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            timeout=httpx2.Timeout(None, connect=connect_s),
            follow_redirects=False,
        )

    @asynccontextmanager
    async def sent(self, content: bytes) -> AsyncGenerator[Response]:
        """The response to `content`."""
        request = self._client.build_request("POST", self._url, content=content)
        try:
            response = await self._client.send(request, stream=True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            raise UnreachableError(_reason(error)) from error
        except httpx2.TransportError as error:
            raise BrokenError(_reason(error)) from error
        try:
            yield _ProxiedResponse(response)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _reason(error: httpx2.TransportError) -> str:
    """What went wrong; httpx2 leaves some of its errors without words."""
    return str(error).strip().rstrip(".") or type(error).__name__
