"""Throws hostile bytes at the gateway's readers for as long as you like: none may crash it, and none may leave anything behind.

    python benchmarks/fuzz/fuzz.py --minutes 10

Three targets take turns: whole requests over real sockets to a data plane in this process (heads, chunks, bodies), streams of
server-sent events into every translation, and JSON bodies into every translation of a request. What counts as a finding: an
exception, a connection that is neither answered nor closed, a stream that does not end, an answer that is no HTTP, and
memory that still grows in the second half. Each round has a seed, so a finding can be repeated: --seed N --rounds 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from core.wire.translate.conversations import (  # noqa: E402
    CHAT_CHUNKS,
    CHAT_REQUEST,
    MESSAGE_EVENTS,
    MESSAGES_REQUEST,
)
from fairlead.core.errors import UnreadableLine, Untranslatable  # noqa: E402
from fairlead.core.wire.decode import decode  # noqa: E402
from fairlead.core.wire.translate import cross  # noqa: E402
from fairlead.edge.gateway.front import Front  # noqa: E402
from fairlead.edge.gateway.plane import Plane  # noqa: E402
from fairlead.edge.serve_settings import ServeSettings  # noqa: E402
from fairlead.serve.snapshot import UpstreamNow  # noqa: E402

RESPONSES_REQUEST = {
    "model": "m",
    "input": [{"role": "user", "content": "Hi"}],
    "tools": [{"type": "custom", "name": "x"}],
}
WAYS = (
    ("anthropic.messages", "openai", MESSAGES_REQUEST),
    ("openai.chat", "anthropic", CHAT_REQUEST),
    ("openai.responses", "openai", RESPONSES_REQUEST),
    ("openai.responses", "anthropic", RESPONSES_REQUEST),
)
NASTY = (b"\x00", b"\r\n", b"\n\n", b"\xff\xfe", b"{" * 300, b"[" * 3000, b'"', b"\\ud800", b"1e999", b"NaN", b"data: ",
         b"event: error\n", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n",
         b"Expect: 100-continue\r\n", b"' OR '1'='1", b"[DONE]", b"null", b"-1", b"9" * 400)  # fmt: skip
VALUES = (None, True, -1, 1e308, "", "x", [], {}, [[]], {"type": None}, [None], {"text": 3}, "\ud800", 10**30)


def bent(data: bytes, dice: random.Random) -> bytes:
    """`data` with a few pieces cut, doubled, or replaced by something nasty."""
    made = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randint(0, len(made))
        until = min(len(made), at + dice.choice((0, 1, 2, 8, 40)))
        made[at:until] = dice.choice((b"", bytes(made[at:until]) * 2, dice.choice(NASTY), dice.randbytes(3)))
    return bytes(made)


def bent_value(value: object, dice: random.Random, depth: int = 0) -> object:
    """A JSON value with some part of it replaced by another."""
    if dice.random() < 0.06 + 0.02 * depth:
        return dice.choice(VALUES)
    if isinstance(value, dict):
        return {k if dice.random() > 0.02 else "?": bent_value(v, dice, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [bent_value(v, dice, depth + 1) for v in value]
    return value


def requests(dice: random.Random) -> None:
    """Bodies of every dialect, bent, into every translation."""
    caller, to, body = dice.choice(WAYS)
    bent_body = decode(json.dumps(bent_value(body, dice)).encode())
    if not isinstance(bent_body, dict):
        return
    try:
        made = cross(caller, to=to, body=bent_body, model="m", name="n", now=1)
        assert all(note.isascii() and note.isprintable() for note in made.notes)
    except Untranslatable as refusal:
        told = str(refusal)
        assert "\n" not in told
    with contextlib.suppress(UnreadableLine):
        decode(bent(json.dumps(body).encode(), dice))


def _event(value: object) -> bytes:
    name = f"event: {value['type']}\n" if isinstance(value, dict) and isinstance(value.get("type"), str) else ""
    return (name.encode("ascii", "replace") + b"data: " + json.dumps(value).encode()) + b"\n\n"


def streams(dice: random.Random) -> None:
    """Streams of either dialect, bent and split, into every translation."""
    caller, to, body = dice.choice(WAYS)
    events = CHAT_CHUNKS if to == "openai" else MESSAGE_EVENTS
    raw = b"".join(_event(bent_value(event, dice)) for event in events)
    raw += b"data: [DONE]\n\n" if to == "openai" else b""
    raw = bent(raw, dice) if dice.random() < 0.5 else raw
    stream = cross(caller, to=to, body=body, model="m", name="n", now=1).stream(max_bytes=100_000)
    told, at = b"", 0
    while at < len(raw):
        step = dice.choice((1, 7, 100, 5000))
        told += stream.feed(raw[at : at + step])
        at += step
    told += stream.close()
    assert stream.done
    for line in told.split(b"\n"):
        if line.startswith(b"data: ") and line != b"data: [DONE]":
            json.loads(line[6:])


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def request_bytes(dice: random.Random) -> bytes:
    """One or two requests as bytes, most of them wrong somewhere."""
    body = json.dumps(CHAT_REQUEST).encode()
    if dice.random() < 0.3:
        cut = dice.randint(0, len(body))
        sent = b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
            b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:cut], body[cut:]) if p
        )
        sent += b"0\r\n\r\n"
    else:
        sent = b"Content-Length: %d\r\n\r\n" % len(body) + body
    whole = HEAD + sent
    return bent(whole * dice.choice((1, 1, 2)), dice)


async def front(dice: random.Random, port: int) -> None:
    """Bytes over a real connection: an answer in HTTP, or a closed connection, in time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    raw = request_bytes(dice)
    try:
        at = 0
        while at < len(raw):
            step = dice.choice((1 + len(raw) // 3, 64, len(raw)))
            writer.write(raw[at : at + step])
            at += step
            await asyncio.sleep(0)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 20)
        assert not answer or answer.startswith(b"HTTP/1.1 "), answer[:80]
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=0, help="stop after so many rounds")
    chosen = parser.parse_args()
    loop = asyncio.get_running_loop()
    broken: list[str] = []
    loop.set_exception_handler(lambda _, context: broken.append(str(context.get("exception") or context["message"])))
    plane = _plane()
    server = await loop.create_server(lambda: Front(plane), "127.0.0.1", 0)
    plane.start()
    port = server.sockets[0].getsockname()[1]
    end, seed, counts = time.monotonic() + chosen.minutes * 60, chosen.seed, {"requests": 0, "streams": 0, "front": 0}
    grown: list[int] = []
    tracemalloc.start()
    pure: dict[str, Callable[[random.Random], None]] = {"requests": requests, "streams": streams}
    while time.monotonic() < end and not (chosen.rounds and seed >= chosen.seed + chosen.rounds):
        for name, target in pure.items():
            for turn in range(20):
                try:
                    target(random.Random(f"{seed} {turn}"))
                except Exception as error:
                    print(f"seed {seed}, turn {turn}: {name} raised {error!r}")
                    raise
                counts[name] += 1
        for turn in range(10):
            try:
                await front(random.Random(f"{seed} {turn}"), port)
            except Exception as error:
                print(f"seed {seed}, turn {turn}: the front failed: {error!r}")
                raise
            counts["front"] += 1
        if broken:
            print(f"seed {seed}: the event loop was told of {broken[0]}")
            return 1
        seed += 1
        if seed % 50 == 0:
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0])
    server.close()
    await plane.drain(within_s=1.0)
    tasks = len(asyncio.all_tasks()) - 1
    half = grown[len(grown) // 2 :]
    growth = (half[-1] - half[0]) / 2**20 if len(half) > 1 else 0.0
    print(
        f"{counts}; seeds {chosen.seed} to {seed - 1}; nothing crashed; {growth:+.2f} MiB in the second half; {tasks} tasks left"
    )
    return int(growth > 2.0 or tasks > 0)


def _plane() -> Plane:
    nowhere = UpstreamNow(name="openai", urls=("http://127.0.0.1:9/v1",), caller_key=True, connect_s=1.0)
    return Plane(ServeSettings(upstreams={"openai": nowhere}, anthropic="openai"), number=0, link=None)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
