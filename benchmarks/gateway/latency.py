"""What a gateway adds: requests at a steady rate, in turn to the upstream itself and through the gateway.

python benchmarks/gateway/latency.py UPSTREAM_PORT PORT BODY_FILE SECONDS

Prints JSON: milliseconds added to the first byte and to the end, at the median and at the 99th percentile, and how many were asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from time import perf_counter

import uvloop

A_SECOND = 60


class Caller(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.heard = b""

    def ask(self, request: bytes) -> asyncio.Future[tuple[float, float]]:
        """Seconds to the first byte of the body, and to the end."""
        self.heard, self.first = b"", 0.0
        self.done: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
        self.began = perf_counter()
        self.transport.write(request)
        return self.done

    def data_received(self, data: bytes) -> None:
        now = perf_counter() - self.began
        self.heard += data
        head, found, body = self.heard.partition(b"\r\n\r\n")
        if not found or not body:
            return
        self.first = self.first or now
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0].strip()
        is_whole = len(body) >= int(length) if length else body.endswith(b"0\r\n\r\n")
        if is_whole and not self.done.done():
            self.done.set_result((self.first, now))


def request(port: int, body: bytes, key: str) -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    if key:
        head += f"authorization: Bearer {key}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def main(upstream: int, port: int, body: bytes, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    ways = []
    for each, key in ((upstream, ""), (port, os.environ.get("KEY", ""))):
        _, caller = await loop.create_connection(Caller, "127.0.0.1", each)
        ways.append((caller, request(each, body, key), list[tuple[float, float]]()))
    for number in range(round(A_SECOND * seconds)):
        caller, asked, taken = ways[number % 2]
        took = await asyncio.wait_for(caller.ask(asked), 30)
        if number >= 40:  # the first ones warm up
            taken.append(took)
        await asyncio.sleep(1 / A_SECOND)
    (_, _, direct), (_, _, through) = ways
    told: dict[str, float] = {"n": len(through)}
    for what, at in (("first byte", 0), ("end", 1)):
        there, here = sorted(each[at] for each in through), sorted(each[at] for each in direct)
        for share in (0.5, 0.99):
            place = int(len(there) * share)
            told[f"{what} p{share * 100:.0f}"] = (there[place] - here[int(len(here) * share)]) * 1e3
    print(json.dumps(told))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_bytes(), float(sys.argv[4])))
