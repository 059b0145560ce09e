"""A data plane, upstreams that do what a test says, and callers: all on one loop, over real sockets on this machine."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from fairlead.edge.gateway.front import Front
from fairlead.edge.gateway.plane import Plane
from fairlead.edge.serve_settings import ServeSettings, base_snapshot
from fairlead.serve.frames import Call, Counters
from fairlead.serve.snapshot import RouteNow, Snapshot, UpstreamNow

PATIENCE_S = 10.0


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test; one that hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await main

    asyncio.run(bounded())


@dataclass
class Asked:
    """What an upstream was asked."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Talk:
    """One connection to an upstream, for a script that answers."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    asked: Asked

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def whole(self, status: int = 200, body: bytes = b'{"ok":1}', fields: str = "") -> None:
        kind = "" if "content-type" in fields else "content-type: application/json\r\n"
        self.send(f"HTTP/1.1 {status} X\r\n{kind}{fields}content-length: {len(body)}\r\n\r\n".encode() + body)

    def stream(self, fields: str = "") -> None:
        self.send(
            f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{fields}transfer-encoding: chunked\r\n\r\n".encode()
        )

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def event(self, value: Any) -> None:
        self.chunk(b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n")

    def end(self) -> None:
        self.send(b"0\r\n\r\n")

    async def gone(self) -> None:
        """Comes back when the other side has closed."""
        while await self.reader.read(65536):
            pass

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


Script = Callable[[Talk], Awaitable[None]]


async def ok(talk: Talk) -> None:
    talk.whole()


class Upstream:
    """A server that follows a script for each request it gets, and remembers what it was asked."""

    def __init__(self, script: Script = ok) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while True:
                asked = await read_request(reader)
                self.asked.append(asked)
                await self.script(Talk(reader, writer, number, asked))
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest if each)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(line, headers, body)


@dataclass
class Answer:
    """What a caller got. `cut` is true when the connection ended before the answer was complete."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        found = [
            line[5:].strip()
            for line in self.body.decode().replace("\r\n", "\n").split("\n")
            if line.startswith("data:")
        ]
        return [value if value == "[DONE]" else json.loads(value) for value in found]


class Caller:
    """One connection of a caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def post(self, body: bytes, *, path: str = "/v1/chat/completions", fields: str = "", method: str = "POST") -> None:
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{fields}"
        self.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def head(self) -> tuple[int, dict[str, str]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.split("\r\n")
        return int(line.split(" ")[1]), {
            name.lower(): value for name, _, value in (each.partition(": ") for each in rest if each)
        }

    async def answer(self) -> Answer:
        status, headers = await self.head()
        while status == 100:
            status, headers = await self.head()
        body = b""
        try:
            if "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                while piece := await self.chunk():
                    body += piece
            elif status != 204:
                body = await self.reader.read()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            part = error.partial if isinstance(error, asyncio.IncompleteReadError) else b""
            return Answer(status, headers, body + part, cut=True)
        return Answer(status, headers, body)

    async def chunk(self) -> bytes:
        size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
        data = await self.reader.readexactly(size)
        await self.reader.readexactly(2)
        return data

    async def closed(self) -> bytes:
        """What still came before the gateway closed."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()


class Heard:
    """Stands where the control process would: keeps what the data plane tells it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.dropped = 0
        self.buffered = 0
        self._news = asyncio.Event()

    def call(self, call: Call) -> None:
        self.calls.append(msgspec.msgpack.decode(msgspec.msgpack.encode(call), type=Call))
        self._news.set()

    def counters(self, counters: Counters) -> None:
        del counters

    async def next(self, count: int = 1) -> Call:
        while len(self.calls) < count:
            self._news.clear()
            await self._news.wait()
        return self.calls[count - 1]


QUICK = {"connect_s": 0.3, "first_byte_s": 0.3, "idle_s": 0.3}


@dataclass
class World:
    """Everything of one test. `route` is the default route, `given` are more settings of the upstream called `main`."""

    scripts: dict[str, Script] = field(default_factory=lambda: {"main": ok})
    route: RouteNow | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    given: dict[str, dict[str, Any]] = field(default_factory=dict)
    snapshot: dict[str, Any] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.upstreams = {name: await Upstream(script).start() for name, script in self.scripts.items()}
        known = {
            name: UpstreamNow(
                **{
                    "name": name,
                    "urls": (upstream.url,),
                    "caller_key": name == "main",
                    **QUICK,
                    **self.given.get(name, {}),
                }
            )
            for name, upstream in self.upstreams.items()
        }
        self.serving = ServeSettings(
            **{"upstreams": known, "openai": "main", "anthropic": "main", "grace_s": 1.0, **self.settings}
        )
        self.heard = Heard()
        self.plane = Plane(self.serving, number=0, link=self.heard, sweep_s=0.02)  # type: ignore[arg-type]
        base = base_snapshot(self.serving)
        changed = dict(self.snapshot)
        if self.route is not None:
            changed["default_route"] = self.route
        self.plane.take(msgspec.structs.replace(base, **changed))
        self.plane.start()
        self._server = await asyncio.get_running_loop().create_server(lambda: Front(self.plane), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._callers: list[Caller] = []
        return self

    @property
    def main(self) -> Upstream:
        return self.upstreams["main"]

    async def caller(self) -> Caller:
        caller = Caller(*await asyncio.open_connection("127.0.0.1", self.port))
        self._callers.append(caller)
        return caller

    async def ask(self, body: Any = None, **how: Any) -> Answer:
        """One request on a connection of its own."""
        caller = await self.caller()
        caller.post(body if isinstance(body, bytes) else json.dumps(CHAT if body is None else body).encode(), **how)
        return await caller.answer()

    def take(self, **changed: Any) -> Snapshot:
        snapshot = msgspec.structs.replace(self.plane.snapshot, **changed)
        self.plane.take(snapshot)
        return snapshot

    async def __aexit__(self, *_: object) -> None:
        for caller in self._callers:
            caller.close()
        self._server.close()
        await self.plane.drain(within_s=1.0)
        for upstream in self.upstreams.values():
            await upstream.stop()


CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, Any] = {**CHAT, "stream": True}
MESSAGE: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def delta(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
