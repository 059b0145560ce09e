"""How close a pilot comes to what its endpoint allows, with everything on: grading, ledger writes, evidence.

    python benchmarks/replay.py [--requests 3200] [--concurrency 64] [--latency 0.2] [--stream]

An endpoint that takes 200 ms, asked by 64 at once, can answer 320 requests a second at most. The endpoint is a process
of its own. The client is held to one core (`sched_setaffinity`, where the system has it), does the pilot's real work
(draws, HTTP, grading, SQLite ledger, evidence, progress) and is compared side by side with a bare httpx2 loop that sends
the same bodies and throws the answers away.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from fairlead.core.grade import grader
from fairlead.core.nouns import Answer, Candidate, Dialect, Exchange, Usage, Workload
from fairlead.core.wire import openai
from fairlead.core.workload import CategoryTally
from fairlead.edge.cli.main import look_for_garbage_seldom
from fairlead.edge.clients.http import Endpoint
from fairlead.edge.store import Ledger
from fairlead.pilot import design as designs
from fairlead.pilot.run import run
from fairlead.testing.recorded import RecordedApp, RecordedServer, Recording

MODEL = "open-9b"
QUESTION = (
    "A warehouse received {a} boxes on Monday and {b} on Tuesday, then shipped a third of them. Each box weighs "
    "4 kg and a pallet carries 48 of them. Work out, step by step, how many boxes are left and how many pallets "
    "they need, and end with the number of boxes alone. " * 2
)
WORKING = (
    "On Monday and Tuesday together {t} boxes came in. A third of them were shipped, and the others stayed. Dividing by "
    "the number that a pallet carries gives the pallets. The number of boxes is {t}. " * 3
)


def body(number: int) -> dict[str, Any]:
    return {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are careful with numbers. Number of the request: " + str(number)},
            {"role": "user", "content": QUESTION.format(a=number, b=number + 7)},
        ],
        "temperature": 0,
    }


def said(number: int) -> str:
    return WORKING.format(t=2 * number + 7)


def recording(count: int) -> Recording:
    made = Recording()
    for number in range(count):
        made.add(model=MODEL, request=body(number), response=said(number))
    return made


def exchange(number: int) -> Exchange:
    asked = body(number) | {"model": "closed-1"}
    return Exchange(
        id=f"x{number}",
        row_hash=f"r{number}",
        dialect=Dialect.OPENAI_CHAT,
        request=openai.request(asked),
        answer=Answer(text=said(number), model="closed-1"),
        request_body=asked,
        response_body={"choices": [{"message": {"role": "assistant", "content": said(number)}}]},
        usage=Usage(fresh=200, visible=150),
        latency_s=1.0,
    )


async def bare(url: str, count: int, concurrency: int) -> float:
    numbers = iter(range(count))
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx2.AsyncClient(limits=limits, timeout=60) as client:

        async def worker() -> None:
            for number in numbers:
                response = await client.post(f"{url}/chat/completions", json=body(number))
                response.raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        return time.perf_counter() - began


async def piloted(url: str, ledger: Ledger, count: int, concurrency: int, *, stream: bool) -> float:
    graded_by = grader("number")
    expected = {f"x{number}": 2 * number + 7 for number in range(count)}
    design = designs.propose(
        workload_id="w",
        rows=ledger.rows("w"),
        candidate=Candidate(endpoint=url, model=MODEL),
        grader=graded_by,
        expected=expected,
        margin=0.001,  # so small that it is never decided within these pairs
        n_max=count,
        timeout_s=30.0,
    )
    async with Endpoint(url, timeout_s=30.0, stream=stream) as endpoint:
        began = time.perf_counter()
        result = await run(
            design,
            ledger=ledger,
            ask_candidate=endpoint,
            grader=graded_by,
            expected=expected,
            concurrency=concurrency,
            progress=lambda _: None,
        )
        took = time.perf_counter() - began
    assert result.judgement.n == count, result
    assert result.candidate.score == 1.0, result.candidate
    return took


def filled(path: Path, count: int) -> Ledger:
    ledger = Ledger.open(path)
    ledger.append_exchanges(exchange(number) for number in range(count))
    ledger.set_workloads([_workload()])
    ledger.assign((row.seq, "w", "p") for row in ledger.rows())
    return ledger


def _workload() -> Workload:
    return Workload(id="w", name="warehouse", guess=CategoryTally().guess())


def serve(count: int, latency_s: float) -> None:
    server = RecordedServer(RecordedApp(recording(count), latency_s=latency_s))
    print(server.url, flush=True)
    server.serve()


def held_to(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3200)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--profile", action="store_true", help="say where the client's time goes")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        held_to(1)
        return serve(given.requests, given.latency)
    command = [sys.executable, __file__, "--serve", "--requests", str(given.requests), "--latency", str(given.latency)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as endpoint,
        tempfile.TemporaryDirectory() as folder,
    ):
        try:
            assert endpoint.stdout is not None
            url = endpoint.stdout.readline().strip()
            held_to(0)
            look_for_garbage_seldom()  # as the command does
            compare(url, Path(folder), given)
        finally:
            endpoint.terminate()
    return None


def compare(url: str, folder: Path, given: argparse.Namespace) -> None:
    ideal = given.concurrency / given.latency
    count = given.requests
    with filled(folder / "replay.db", count) as ledger:
        rows = []
        for name, work in (
            ("bare httpx2 loop", lambda: bare(url, count, given.concurrency)),
            ("pilot, all on", lambda: piloted(url, ledger, count, given.concurrency, stream=given.stream)),
        ):
            before = time.process_time()
            profile = cProfile.Profile() if given.profile and name.startswith("pilot") else None
            if profile:
                profile.enable()
            took = asyncio.run(work())
            if profile:
                profile.disable()
                pstats.Stats(profile).sort_stats("tottime").print_stats(40)
            rows.append((name, count / took, 1e3 * (time.process_time() - before) / count))
        print(
            f"{count} requests, {given.concurrency} at once, {1e3 * given.latency:.0f} ms each: at most {ideal:.0f} a second"
        )
        for name, rate, cpu_ms in rows:
            print(f"{name:<18} {rate:6.0f} a second  {100 * rate / ideal:5.1f} % of ideal  {cpu_ms:.2f} ms of CPU each")
        print(f"pilot / bare loop  {rows[1][1] / rows[0][1]:.2f}")


if __name__ == "__main__":
    main()
