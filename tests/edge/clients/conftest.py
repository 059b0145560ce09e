"""Servers that misbehave on purpose, over real sockets of this machine."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from random import Random

import pytest

from fairlead.edge.clients.http import Endpoint

ANSWER = (
    b'{"id":"1","object":"chat.completion","model":"m-1","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"42"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3}}'
)
BODY = {"model": "m", "messages": [{"role": "user", "content": "6 times 7?"}]}


class Hurried(Random):
    """Lets retries follow at once."""

    def uniform(self, a, b):
        return 0.0


class Wire:
    """One connection's side of a server: reads whole requests, writes whatever bytes a test wants."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def request(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await self.reader.readexactly(int({k.lower(): v for k, v in fields.items()}.get("content-length", 0)))
        return head, body

    async def write(self, raw):
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, body=ANSWER, *, status="200 OK", kind="application/json", headers=()):
        lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
        await self.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def reset(self):
        """Close without a goodbye."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def served(handle, *, tls=None):
    """A server on a free port whose connections are given to `handle(wire)`; gives the base URL."""
    tasks = set()

    async def connected(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await handle(Wire(reader, writer))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()
        await server.wait_closed()


def replies_to(handle, *, times=1, body=BODY, **settings):
    """What asking a server that does `handle` gives, `times` times one after the other."""

    async def main():
        async with served(handle) as url, Endpoint(url, **({"timeout_s": 5.0, "random": Hurried()} | settings)) as ask:
            return [await ask(body) for _ in range(times)]

    return asyncio.run(main())


@pytest.fixture
def replies():
    return replies_to
