"""A fast upstream: one process that answers every chat request with the same bytes, whole or in 32 chunks, one write each.

python benchmarks/gateway/mock.py PORT
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys

import httptools
import uvloop

CHUNKS = 32
TEXT = "Delivery note 7741 names 12 crates, received on 3 June; two were damaged and a credit of 38.20 is due."


def _whole() -> bytes:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    body = json.dumps(
        {"id": "chatcmpl-mock", "object": "chat.completion", "created": 1, "model": "mock",
         "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 150, "completion_tokens": 32, "total_tokens": 182}}
    ).encode()  # fmt: skip
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _chunks() -> list[bytes]:
    events: list[bytes] = []
    for number in range(CHUNKS):
        last = number == CHUNKS - 1
        choice = {"index": 0, "delta": {"content": f"word{number:02} "}, "finish_reason": "stop" if last else None}
        chunk = {
            "id": "chatcmpl-mock",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "mock",
            "choices": [choice],
        }
        events.append(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    events.append(b"data: [DONE]\n\n")
    framed = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    framed[-1] += b"0\r\n\r\n"
    return framed


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE, PARTS = _whole(), _chunks()


class Mock(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        streamed = b'"stream":true' in self.body or b'"stream": true' in self.body
        self.body = b""
        if streamed:
            self.transport.write(HEAD)
            self._next(0)
        else:
            self.transport.write(WHOLE)

    def _next(self, number: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(PARTS[number])  # a turn of the loop each, so that each leaves in a segment of its own
        if number + 1 < len(PARTS):
            asyncio.get_running_loop().call_soon(self._next, number + 1)


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Mock, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    uvloop.run(main(int(sys.argv[1])))
