"""A pool of kept-alive HTTP/1.1 connections in which taking one costs the same however many there are.

httpx2's own pool looks at every connection twice for each request, which at 64 in flight is most of its time. Here each
request in flight has a lane, an httpx2 client of one connection, and lanes that are free wait in a stack.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache

import httpx2

_ONE = httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0)


@cache
def trusted_authorities() -> ssl.SSLContext:
    """The certificates this machine trusts; loading them takes long enough to do it once."""
    return httpx2.create_ssl_context()


class Lanes:
    """Connections to one endpoint. Proxies come from the environment; redirects are not followed."""

    def __init__(self) -> None:
        self._free: list[httpx2.AsyncClient] = []
        self._all: list[httpx2.AsyncClient] = []

    @asynccontextmanager
    async def lane(self) -> AsyncGenerator[httpx2.AsyncClient]:
        """A client nobody else uses meanwhile."""
        client = self._free.pop() if self._free else self._opened()
        try:
            yield client
        finally:
            self._free.append(client)

    async def aclose(self) -> None:
        """Close every connection."""
        closing, self._all, self._free = self._all, [], []
        for client in closing:
            await client.aclose()

    def _opened(self) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(verify=trusted_authorities(), limits=_ONE, timeout=None, follow_redirects=False)
        self._all.append(client)
        return client
