"""A gateway under load for a long while: streams, whole answers, callers that go away, upstreams that break. Does anything grow?

    python benchmarks/soak.py                          # 20 minutes at 60 % of what this machine can do
    python benchmarks/soak.py --minutes 10 --share 0.4

First 200 callers ask without pause for 20 seconds: that is the most this set-up can do, on these cores, with the callers and the
upstream beside the gateway. Then requests come at `--share` of that rate, whatever the answers take; where more are on their way
than there are callers, they wait, and how many had to is told.

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
from typing import cast

import uvloop

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


class Caller(asyncio.Protocol):
    """A connection of a caller, one request at a time."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, *, leaves: bool) -> asyncio.Future[bytes]:
        """What came of an answer when it ended, or when its caller left."""
        self.heard, self.leaves = bytearray(), leaves
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            self.done.set_result(b"")
        else:
            self.transport.write(request)
        return self.done

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if (self.leaves and len(self.heard) > LEFT_AFTER) or _is_whole(self.heard):
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if hasattr(self, "done"):
            self._end()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(bytes(self.heard))


LEFT_AFTER = 600
LATE_S = 0.1
"""Callers that did not get to run for longer than that ask no more for it: else they would make a flood, and that is not judged here."""


def _is_whole(heard: bytearray) -> bool:
    end = heard.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = heard.find(b"content-length: ", 0, end)
    if length < 0:
        return heard.endswith(b"0\r\n\r\n")
    return len(heard) >= end + 4 + int(heard[length + 16 : heard.index(b"\r", length)])


class Callers:
    """Those of one process: what they ask, over connections that are mostly kept, and what they got."""

    def __init__(self, seed: int) -> None:
        self.seen: Counter[str] = Counter()
        self.waited = 0
        self._chance = random.Random(seed)
        self._free: list[Caller] = []

    async def ask(self) -> None:
        """Ask once; one in ten of those that asked for a stream goes away in the middle."""
        chance = self._chance
        streamed = chance.random() < 0.5
        leaves = streamed and chance.random() < 0.1
        turns = [
            {"role": "system", "content": f"Job {chance.randrange(5)}"},
            {"role": "user", "content": "x" * chance.randrange(3000)},
        ]
        body = json.dumps({"model": "m", "messages": turns, "stream": streamed}).encode()
        try:
            caller = self._free.pop() if self._free else await self._connected()
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
            answer = await caller.ask(head + body, leaves=leaves)
        except OSError as error:
            self.seen[f"no connection: {error}"] += 1
            return
        whole = _is_whole(bytearray(answer))
        self.seen["left" if leaves and not whole else _kind(answer)] += 1
        if whole and not caller.transport.is_closing() and chance.random() > 0.05:
            self._free.append(caller)
        else:
            caller.transport.abort()

    async def _connected(self) -> Caller:
        _, caller = await asyncio.get_running_loop().create_connection(Caller, "127.0.0.1", OURS)
        return caller

    async def without_pause(self, until: float, callers: int) -> None:
        """So many ask again and again."""

        async def one() -> None:
            while time.monotonic() < until:
                await self.ask()

        await asyncio.gather(*(one() for _ in range(callers)))

    async def at(self, rate: float, until: float, callers: int) -> None:
        """Ask so often a second, with at most so many on their way."""
        places = asyncio.Semaphore(callers)
        asking: set[asyncio.Task[None]] = set()

        async def one() -> None:
            async with places:
                await self.ask()

        due = time.monotonic()
        while (now := time.monotonic()) < until:
            due = max(due, now - LATE_S)
            while due <= now:
                self.waited += places.locked()
                task = asyncio.create_task(one())
                asking.add(task)
                task.add_done_callback(asking.discard)
                due += self._chance.expovariate(rate)
            await asyncio.sleep(max(0.001, due - time.monotonic()))
        await asyncio.gather(*asking)


async def call(given: argparse.Namespace) -> None:
    """What a process of callers does: ask, tell now and then how many, and at the end what they got."""
    callers = Callers(given.seed)
    until = time.monotonic() + given.minutes * 60
    rated = callers.at(given.rate, until, given.callers) if given.rate else callers.without_pause(until, given.callers)
    asking = asyncio.create_task(rated)
    while not asking.done():
        await asyncio.wait([asking], timeout=1.0)
        print(json.dumps({"seen": callers.seen, "waited": callers.waited}), flush=True)
    await asking


PROCESSES = 2
"""Of callers: one alone would be what is waited for."""


class Load:
    """The processes of callers, and what they have told so far."""

    def __init__(self, *, minutes: float, callers: int, rate: float, seed: int) -> None:
        self._told: list[tuple[Counter[str], int]] = [(Counter(), 0)] * PROCESSES
        words = ["--minutes", minutes, "--callers", callers // PROCESSES, "--rate", rate / PROCESSES]
        self._processes = [
            subprocess.Popen(
                [sys.executable, __file__, "--seed", str(seed + number), *map(str, words)], stdout=subprocess.PIPE
            )
            for number in range(1, PROCESSES + 1)
        ]
        self._reading = [asyncio.create_task(self._read(number)) for number in range(PROCESSES)]

    async def _read(self, number: int) -> None:
        out = self._processes[number].stdout
        assert out is not None
        while line := await asyncio.to_thread(out.readline):
            told = json.loads(line)
            self._told[number] = Counter(told["seen"]), told["waited"]

    async def ended(self) -> None:
        """All of them are done."""
        await asyncio.gather(*self._reading)
        for process in self._processes:
            if await asyncio.to_thread(process.wait):
                raise SystemExit("a process of callers failed")

    @property
    def seen(self) -> Counter[str]:
        """What the callers got."""
        return sum((seen for seen, _ in self._told), Counter[str]())

    @property
    def waited(self) -> int:
        """How many requests had to wait for a caller."""
        return sum(waited for _, waited in self._told)


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


MEASURED_S = 20


async def soak(given: argparse.Namespace, *, warm_up: float, folder: Path) -> int:
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
    samples: list[tuple[float, dict[str, Seen]]] = []
    seen: Counter[str] = Counter()
    try:
        first = Load(minutes=2 / 60, callers=PROCESSES, rate=0, seed=0)
        await first.ended()
        await asyncio.sleep(5.0)  # what is loaded when it is first needed is loaded
        at_rest = below(gateway.pid)
        most = Load(minutes=MEASURED_S / 60, callers=given.callers, rate=0, seed=100)
        await most.ended()
        most_a_second = most.seen.total() / MEASURED_S
        rate = given.share * most_a_second
        print(f"at most {most_a_second:.0f} requests a second; held at {100 * given.share:.0f} %: {rate:.0f}")
        load = Load(minutes=given.minutes, callers=given.callers, rate=rate, seed=200)
        began = time.monotonic()
        ending = asyncio.create_task(load.ended())
        while not (await asyncio.wait([ending], timeout=min(5.0, given.minutes * 2)))[0]:
            samples.append((time.monotonic() - began, below(gateway.pid)))
            told(samples[-1], load.seen.total())
        await ending
        seen = first.seen + most.seen + load.seen
        held = load.seen.total() / (given.minutes * 60)
        print(f"\nheld {held:.0f} requests a second, {held / most_a_second:.0%} of the most; {load.waited} had to wait")
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
    print("answers:", dict(seen), "\nput in:", dict(PUT_IN), "\nexit code", code)
    end = given.minutes * 60
    grown = judged([each for each in samples if warm_up * 60 <= each[0] <= end], at_rest=at_rest, after=after)
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
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.6, help="of the most this machine can do")
    parser.add_argument("--warm-up", type=float, help="minutes that are not judged (default: a third of the run)")
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)  # a process of callers
    parser.add_argument("--rate", type=float, default=0.0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.seed:
        uvloop.run(call(given))
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        warm_up = given.minutes / 3 if given.warm_up is None else given.warm_up
        sys.exit(uvloop.run(soak(given, warm_up=warm_up, folder=folder)))


if __name__ == "__main__":
    main()
