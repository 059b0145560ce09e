"""A gateway under load for a long while: streams, whole answers, callers that go away, upstreams that break. Does anything grow?

    python benchmarks/soak.py                          # 20 minutes, 40 callers
    python benchmarks/soak.py --minutes 3 --callers 20

One line a sample: memory, descriptors and threads of each process. Memories fill for a while after a start, so the first part
(`--warm-up`, a third of the run where it is not named) is not judged; of the rest the slope is told with its standard error,
from the means of ten stretches, for samples close to each other err together. Zero is what lies within two of those, or is less
than 1 MiB over what was judged. Descriptors and threads must come back to what they were at rest.

Every answer is looked at, and each that is not whole must have a cause that was put in: the upstream marks the faults it makes,
and what it did is counted on both sides. An error of the gateway's own that nothing asked for fails the run.
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
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

UPSTREAM, OURS, ADMIN = 19200, 19280, 19281


PUT_IN: Counter[str] = Counter()
"""What the upstream did wrong on purpose."""


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers, and now and then misbehaves."""
    chance = random.Random(id(writer) ^ time.monotonic_ns())
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
            body = await reader.readexactly(length)
            fault = chance.random()
            if fault < 0.01:
                PUT_IN["closed before an answer"] += 1
                return
            if fault < 0.02:
                PUT_IN["answered 503"] += 1
                writer.write(b"HTTP/1.1 503 X\r\nx-put-in: yes\r\ncontent-length: 2\r\n\r\n{}")
            elif b'"stream": true' in body:
                if not await stream(writer, cut=fault < 0.03):
                    return
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


async def stream(writer: asyncio.StreamWriter, *, cut: bool) -> bool:
    """A stream of 32 events, or half of one; whether the connection goes on."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for number in range(32):
        event = b'data: {"choices":[{"index":0,"delta":{"content":"w%d "},"finish_reason":null}]}\n\n' % number
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await asyncio.sleep(0.005)
        if writer.is_closing():  # the gateway has stopped this one: its caller went away
            return False
        if cut and number == 16:
            PUT_IN["cut in a stream"] += 1
            return False
    writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
    return True


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


EXPECTED = {
    "left": None,
    "whole": None,
    "stream": None,
    "the upstream's 503": "answered 503",
    "502 upstream_failed": "closed before an answer",
    "stream, cut and told": "cut in a stream",
}
"""What callers may see, and the fault that may cause it."""


def _kind(answer: bytes) -> str:
    """What a caller got; of an error also whose it is."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head[9:12].decode("latin-1")
    if status == "200":
        if b"event-stream" not in head:
            return "whole" if body else "nothing"
        if not answer.endswith(b"0\r\n\r\n"):
            return "stream that ends nowhere"
        return "stream, cut and told" if b'"error"' in body else "stream"
    if b"x-put-in:" in head:
        return f"the upstream's {status}"
    try:
        return f"{status} {json.loads(body)['error']['code']}"
    except (ValueError, KeyError, TypeError):
        return f"{status} {body[:40]!r}"


def not_caused(seen: Counter[str]) -> list[str]:
    """What callers saw that nothing which was put in explains."""
    wrong = [kind for kind in seen if kind not in EXPECTED]
    for kind, cause in EXPECTED.items():
        if cause is not None and seen[kind] > PUT_IN[cause]:
            wrong.append(f"{kind}: {seen[kind]} times, and {PUT_IN[cause]} times it was put in")
    return wrong


@dataclass(frozen=True)
class Seen:
    """A process at a moment: MiB, open descriptors, threads, seconds of processor time."""

    memory: float
    descriptors: int
    threads: int
    busy_s: float


NAMES = ("supervisor", "control", "data plane")


def below(pid: int) -> dict[str, Seen]:
    """A gateway's processes, by what they are."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {name: _seen(each) for name, each in zip(NAMES, [pid, *map(int, children)], strict=False)}


def _seen(pid: int) -> Seen:
    place = Path(f"/proc/{pid}")
    stat = (place / "stat").read_text().rsplit(")", 1)[1].split()
    pages = int((place / "statm").read_text().split()[1])
    return Seen(
        memory=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        descriptors=sum(1 for _ in (place / "fd").iterdir()),
        threads=int(stat[17]),
        busy_s=sum(map(int, stat[11:13])) / os.sysconf("SC_CLK_TCK"),
    )


STRETCHES = 10


def slope(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Growth an hour and its standard error: a line through the means of ten stretches, by least squares."""
    size = max(1, len(samples) // STRETCHES)
    parts = [samples[at : at + size] for at in range(0, len(samples) - size + 1, size)]
    points = [(fmean(t for t, _ in part), fmean(v for _, v in part)) for part in parts]
    middle_t, middle_v = fmean(t for t, _ in points), fmean(v for _, v in points)
    spread = sum((t - middle_t) ** 2 for t, _ in points) or 1.0
    rate = sum((t - middle_t) * (v - middle_v) for t, v in points) / spread
    rest = sum((v - middle_v - rate * (t - middle_t)) ** 2 for t, v in points) / max(len(points) - 2, 1)
    return rate * 3600, (rest / spread) ** 0.5 * 3600


def judged(
    samples: list[tuple[float, dict[str, Seen]]], *, at_rest: dict[str, Seen], after: dict[str, Seen]
) -> list[str]:
    """Tell of each process whether it grew; the names of those that did."""
    grown: list[str] = []
    (begun_s, begin), (ended_s, end) = samples[0], samples[-1]
    for name, before in at_rest.items():
        rate, error = slope([(t, each[name].memory) for t, each in samples])
        grows = rate > 2 * error and rate * (ended_s - begun_s) / 3600 > 1.0
        busy = (end[name].busy_s - begin[name].busy_s) / (ended_s - begun_s)
        now = after[name]
        leaks = now.descriptors > before.descriptors + 1 or now.threads > before.threads + 1
        print(
            f"{name:11} memory {begin[name].memory:.0f} → {end[name].memory:.0f} MiB, {rate:+.1f} ± {error:.1f} MiB an hour"
            f"{' GROWS' if grows else ''}; at rest {before.descriptors} → {now.descriptors} descriptors,"
            f" {before.threads} → {now.threads} threads{' LEAKS' if leaks else ''}; busy {100 * busy:.0f} % of a core"
        )
        grown += [name] if grows or leaks else []
    return grown


async def soak(minutes: float, callers: int, *, warm_up: float, rest_s: float, folder: Path) -> int:
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
    seen: Counter[str] = Counter()
    samples: list[tuple[float, dict[str, Seen]]] = []
    try:
        await caller(0, began + 2.0, seen, rest_s)
        await asyncio.sleep(5.0)  # what is loaded when it is first needed is loaded
        at_rest = below(gateway.pid)
        until = time.monotonic() + minutes * 60
        asking = [asyncio.create_task(caller(number, until, seen, rest_s)) for number in range(callers)]
        while time.monotonic() < until:
            await asyncio.sleep(min(5.0, minutes * 2))
            samples.append((time.monotonic() - began, below(gateway.pid)))
            told(samples[-1], sum(seen.values()))
        await asyncio.gather(*asking)
        after = below(gateway.pid)
        for _ in range(70):  # kept lines to the upstream are let go after a minute
            await asyncio.sleep(1.0)
            after = below(gateway.pid)
            if all(after[name].descriptors <= at_rest[name].descriptors for name in at_rest):
                break
    finally:
        gateway.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(gateway.wait)
        server.close()
    print("\nanswers:", dict(seen), "\nput in:", dict(PUT_IN), "\nexit code", code)
    grown = judged([each for each in samples if each[0] >= warm_up * 60], at_rest=at_rest, after=after)
    wrong = not_caused(seen)
    if wrong:
        print("NOT EXPECTED:", "; ".join(wrong))
    return 1 if wrong or grown or code else 0


def told(sample: tuple[float, dict[str, Seen]], asked: int) -> None:
    at, now = sample
    shown = (f"{name} {each.memory:6.1f} MiB {each.descriptors:4} fd {each.threads:3} th" for name, each in now.items())
    print(f"{at:6.0f} s  {asked:8} asked ", "   ".join(shown), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--callers", type=int, default=40)
    parser.add_argument("--rest", type=float, default=0.02, help="seconds a caller waits between two requests")
    parser.add_argument("--warm-up", type=float, help="minutes that are not judged (default: a third of the run)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        warm_up = given.minutes / 3 if given.warm_up is None else given.warm_up
        sys.exit(asyncio.run(soak(given.minutes, given.callers, warm_up=warm_up, rest_s=given.rest, folder=folder)))


if __name__ == "__main__":
    main()
