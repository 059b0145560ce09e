"""A fast upstream: a few processes that answer every chat request with the same bytes, whole or in 32 chunks, one write each.

python benchmarks/gateway/upstream.py PORT

The chunks are written back to back, as fast as the system takes them: whoever reads may find several at once. Where the request
says `WITH PAUSES` there is a millisecond between them, so that each must be read and passed on alone. Token
counts are told to those who ask for them, as OpenAI does: nothing in each chunk, and one more chunk with the counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from typing import Final

import httptools
import uvloop

CHUNKS: Final = 32
PROCESSES: Final = 8
"""As many connections write at once as a machine of few cores ever lets: one process alone would always be waited for."""
APART: Final = b"WITH PAUSES"
PAUSE_S: Final = 0.001
USAGE: Final = {"prompt_tokens": 150, "completion_tokens": 32, "total_tokens": 182}
TEXT: Final = "Delivery note 7741 names 12 crates, received on 3 June; two were damaged and a credit of 38.20 is due."


def _whole() -> bytes:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    body = json.dumps(
        {"id": "chatcmpl-mock", "object": "chat.completion", "created": 1, "model": "mock",
         "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
         "usage": USAGE}
    ).encode()  # fmt: skip
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _chunks(*, counted: bool) -> list[bytes]:
    more: dict[str, None] = {"usage": None} if counted else {}
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
            **more,
        }
        events.append(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")
    if counted:
        end = {**chunk, "choices": [], "usage": USAGE}
        events.append(b"data: " + json.dumps(end, separators=(",", ":")).encode() + b"\n\n")
    events.append(b"data: [DONE]\n\n")
    framed = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    framed[-1] += b"0\r\n\r\n"
    return framed


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE = _whole()
PARTS = {counted: [HEAD, *_chunks(counted=counted)] for counted in (False, True)}


class Mock(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.descriptor = transport.get_extra_info("socket").fileno()
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body.replace(b'": ', b'":'), b""
        parts = PARTS[b'"include_usage":true' in body]
        if b'"stream":true' not in body:
            self.transport.write(WHOLE)
        elif APART in body:
            self._next(parts, 0)
        else:
            self._all(parts)

    def _all(self, parts: list[bytes]) -> None:
        written = 0
        try:
            for part in parts:
                os.write(self.descriptor, part)
                written += 1
        except BlockingIOError:  # a reader that is behind gets the rest when it has caught up
            self.transport.write(b"".join(parts[written:]))
        except ConnectionError:
            self.transport.abort()

    def _next(self, parts: list[bytes], number: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(parts[number])
        if number + 1 < len(parts):
            asyncio.get_running_loop().call_later(PAUSE_S, self._next, parts, number + 1)


async def main(port: int, parent: int) -> None:
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    await loop.create_server(Mock, "127.0.0.1", port, backlog=4096, reuse_port=True)
    if parent:
        loop.add_reader(parent, gone.set)  # nothing is ever written: it can be read when the first process is gone
    await gone.wait()


def started() -> int:
    """Start the other processes; what tells them when the first one is gone, nothing in that one."""
    there, kept = os.pipe()
    for _ in range(PROCESSES - 1):
        if os.fork() == 0:
            os.close(kept)
            return there
    return 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    uvloop.run(main(int(sys.argv[1]), started()))
