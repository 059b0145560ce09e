"""A gateway under load for a long while: streams, whole answers, callers that go away, upstreams that break. Does anything grow?

    python benchmarks/soak.py                          # 20 minutes, 40 callers
    python benchmarks/soak.py --minutes 1 --callers 20

One line a sample: memory and descriptors of each process. At the end the slope of each is told with its standard error, from the
second half of the run; within two of those it is zero. Every answer is looked at: nobody may get anything but a whole answer or
one of the faults that were put in.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

UPSTREAM, OURS, ADMIN = 19200, 19280, 19281


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers, and now and then misbehaves."""
    chance = random.Random(id(writer))
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
            body = await reader.readexactly(length)
            fault = chance.random()
            if fault < 0.01:
                return
            if fault < 0.02:
                writer.write(b"HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\n{}")
            elif b'"stream": true' in body:
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                for number in range(32):
                    event = (
                        b'data: {"choices":[{"index":0,"delta":{"content":"w%d "},"finish_reason":null}]}\n\n' % number
                    )
                    writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                    await asyncio.sleep(0.005)
                    if writer.is_closing():  # the gateway has stopped this one: its caller went away
                        return
                    if fault < 0.03 and number == 16:
                        return
                writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
            else:
                answer = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hello"}}]}'
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                    % (len(answer), answer)
                )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def caller(number: int, until: float, seen: Counter[str], rest_s: float) -> None:
    """Asks again and again, and goes away in the middle of every twentieth stream."""
    chance = random.Random(number)
    while time.monotonic() < until:
        streamed = chance.random() < 0.5
        leaves = streamed and chance.random() < 0.1
        turns = [
            {"role": "system", "content": f"Job {chance.randrange(5)}"},
            {"role": "user", "content": "x" * chance.randrange(3000)},
        ]
        body = json.dumps({"model": "m", "messages": turns, "stream": streamed}).encode()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", OURS)
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
                % len(body)
                + body
            )
            if leaves:
                await reader.read(600)
                seen["left"] += 1
            else:
                answer = await reader.read()
                seen[_kind(answer)] += 1
            writer.close()
        except OSError as error:
            seen[f"no connection: {error}"] += 1
        await asyncio.sleep(rest_s)


def _kind(answer: bytes) -> str:
    status = answer[9:12].decode("latin-1")
    if status == "200" and b"event-stream" in answer:
        if answer.endswith(b"0\r\n\r\n"):
            return "stream, cut and told" if b'"error"' in answer else "stream"
        return "stream that ends nowhere"
    return f"whole {status}"


def below(pid: int) -> dict[int, tuple[float, int]]:
    """Memory in MiB and open descriptors of a process and those below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found: dict[int, tuple[float, int]] = {}
    for each in [pid, *map(int, children)]:
        pages = int(Path(f"/proc/{each}/statm").read_text().split()[1])
        found[each] = (pages * os.sysconf("SC_PAGE_SIZE") / 2**20, sum(1 for _ in Path(f"/proc/{each}/fd").iterdir()))
    return found


def slope(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Growth per hour and its standard error, by least squares."""
    half = samples[len(samples) // 2 :]
    count = len(half)
    mean_t, mean_v = sum(t for t, _ in half) / count, sum(v for _, v in half) / count
    spread = sum((t - mean_t) ** 2 for t, _ in half) or 1.0
    rate = sum((t - mean_t) * (v - mean_v) for t, v in half) / spread
    rest = sum((v - mean_v - rate * (t - mean_t)) ** 2 for t, v in half) / max(count - 2, 1)
    return rate * 3600, (rest / spread) ** 0.5 * 3600


async def soak(minutes: float, callers: int, rest_s: float, folder: Path) -> int:
    server = await asyncio.start_server(upstream, "127.0.0.1", UPSTREAM)
    (folder / "fairlead.toml").write_text(
        f'[serve]\nopenai = "mock"\n[serve.upstreams.mock]\nurl = "http://127.0.0.1:{UPSTREAM}/v1"\n'
    )
    gateway = subprocess.Popen(  # noqa: ASYNC220  # it is waited for in a thread
        [sys.executable, "-m", "fairlead", "serve", "--port", str(OURS), "--admin-port", str(ADMIN), "--json"],
        cwd=folder, env={**os.environ, "XDG_RUNTIME_DIR": str(folder)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert gateway.stdout is not None
    await asyncio.to_thread(gateway.stdout.readline)
    began = time.monotonic()
    until = began + minutes * 60
    seen: Counter[str] = Counter()
    samples: dict[int, list[tuple[float, tuple[float, int]]]] = {}
    asking = [asyncio.create_task(caller(number, until, seen, rest_s)) for number in range(callers)]
    try:
        while time.monotonic() < until:
            await asyncio.sleep(min(5.0, minutes * 3))
            at = time.monotonic() - began
            now = below(gateway.pid)
            for pid, size in now.items():
                samples.setdefault(pid, []).append((at, size))
            print(
                f"{at:6.0f} s  {sum(seen.values()):8} asked ",
                *(f"{m:6.1f} MiB {f:4} fd" for m, f in now.values()),
                flush=True,
            )
        await asyncio.gather(*asking)
        await asyncio.sleep(1.0)
        after = below(gateway.pid)
    finally:
        gateway.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(gateway.wait)
        server.close()
    print("\nanswers:", dict(seen), "exit code", code)
    for pid, taken in samples.items():
        rate, error = slope([(t, m) for t, (m, _) in taken])
        print(
            f"process {pid}: memory {rate:+.2f} ± {error:.2f} MiB an hour; descriptors {taken[0][1][1]} → {after.get(pid, (0, 0))[1]}"
        )
    odd = [
        kind
        for kind in seen
        if kind not in {"left", "stream", "stream, cut and told", "whole 200", "whole 502", "whole 503"}
    ]
    if odd:
        print("not expected:", odd)
    return 1 if odd or code else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--callers", type=int, default=40)
    parser.add_argument("--rest", type=float, default=0.02, help="seconds a caller waits between two requests")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        sys.exit(asyncio.run(soak(given.minutes, given.callers, given.rest, folder)))


if __name__ == "__main__":
    main()
