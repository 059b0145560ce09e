"""The two simulated endpoints: real HTTP servers, each in its own process, speaking the providers' protocols.

`python -m fairlead.demo.endpoint --side open` serves `/v1/chat/completions` (whole or streamed), `/v1/embeddings` and
`/v1/models`; the closed one also `/v1/messages`. It prints one line of JSON with its address when it listens. Every
response carries `X-Simulated: true`, and chat completions `system_fingerprint: "simulated"`.

Answers depend on the request, the side and the seed alone, so a pilot that is killed and resumed sees the same ones.
Faults come at the rates of `simulated.rates`: requests that hang or break off do so every time; 429 and 503 come the
first time only. Any key is accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fairlead.core.errors import EndpointError
from fairlead.demo.simulated import bodies
from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.embeddings import embeddings
from fairlead.demo.simulated.model import OPEN_MODEL, told
from fairlead.demo.simulated.prompt import mapping, read
from fairlead.demo.simulated.rates import Side

EMBEDDERS = {Side.CLOSED: "text-embedding-3-large", Side.OPEN: "sim-open-embed"}
MODELS: Mapping[Side, frozenset[str]] = {
    Side.CLOSED: frozenset({*bodies.VERSIONS, *bodies.VERSIONS.values(), EMBEDDERS[Side.CLOSED]}),
    Side.OPEN: frozenset({OPEN_MODEL, EMBEDDERS[Side.OPEN]}),
}
MEDIAN_LATENCY_S = {Side.CLOSED: 0.006, Side.OPEN: 0.009}
LONGEST_BODY = 8_000_000
MARK = (b"x-simulated", b"true")
Dialect = Literal["openai", "anthropic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Exception):  # noqa: N818  it is an answer: a status and words
    """A request that is answered with an error."""

    status: int
    kind: str
    says: str
    retry_after: float | None = None


class Model:
    """What one endpoint knows: its side, its seed, how slow it is, and whom it has turned away once."""

    def __init__(self, side: Side, *, seed: int, latency: float, hang_s: float) -> None:
        self.side = side
        self.seed = seed
        self.hang_s = hang_s
        self._latency = latency
        self._turned_away = set[str]()

    def latency_s(self, draws: Draws) -> float:
        """How long this answer takes: log-normal around the median, times the scale."""
        spread = math.sqrt(-2 * math.log(1 - draws.share("wait"))) * math.cos(2 * math.pi * draws.share("wait too"))
        return self._latency * MEDIAN_LATENCY_S[self.side] * math.exp(0.4 * spread)

    def turn_away(self, draws: Draws, key: str) -> None:
        """Raise 429 or 503 the first time for requests that meet it."""
        status = draws.first_refusal(self.side)
        if status is None or key in self._turned_away:
            return
        self._turned_away.add(key)
        if status == 429:
            wait = round(0.05 + 0.45 * draws.share("retry"), 2)
            raise Refused(status=429, kind="rate_limit_error", says="Too many requests. (Simulated.)", retry_after=wait)
        raise Refused(status=503, kind="overloaded_error", says="Temporarily overloaded. (Simulated.)")

    def check_name(self, name: object) -> None:
        """Raise 404 for a model this endpoint does not serve."""
        if name not in MODELS[self.side]:
            serves = ", ".join(sorted(MODELS[self.side]))
            raise Refused(
                status=404,
                kind="not_found_error",
                says=f"No such model here. This simulated endpoint serves: {serves}.",
            )


async def body_of(receive: Receive) -> Mapping[str, Any]:
    """The request's body, parsed; bounded in size."""
    data, more = bytearray(), True
    while more:
        event = await receive()
        data += event.get("body", b"")
        more = event.get("more_body", False)
        if len(data) > LONGEST_BODY:
            raise Refused(status=413, kind="invalid_request_error", says="The body is too large.")
    try:
        body = msgspec.json.decode(bytes(data))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(status=400, kind="invalid_request_error", says="The body is not JSON.") from error
    if not isinstance(asked := mapping(body).get("messages", mapping(body).get("input")), (list, str)) or not asked:
        raise Refused(
            status=400, kind="invalid_request_error", says="The body asks nothing: messages or input is missing."
        )
    return mapping(body)


async def send_json(send: Send, value: Any, *, status: int = 200, extra: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Answer with one JSON body."""
    data = msgspec.json.encode(value)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode()), MARK, *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def send_error(send: Send, refused: Refused, dialect: Dialect) -> None:
    """Answer with an error in the caller's dialect."""
    error = {"type": refused.kind, "message": refused.says}
    if dialect == "openai":
        body: dict[str, Any] = {"error": {**error, "param": None, "code": None}}
    else:
        body = {"type": "error", "error": error}
    extra = [] if refused.retry_after is None else [(b"retry-after", str(refused.retry_after).encode())]
    await send_json(send, body, status=refused.status, extra=extra)


async def send_cut(send: Send, data: bytes) -> None:
    """Promise a whole body, send half of it and hang up (the server closes a connection left unfinished)."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode()), MARK]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data[: len(data) // 2], "more_body": True})


async def send_stream(send: Send, events: Sequence[bytes], *, cut: bool) -> None:
    """Answer event by event; a cut stream stops half way without an end."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream"), MARK]}
    )
    shown = events[: len(events) // 2] if cut else events
    for event in shown:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    if not cut:
        await send({"type": "http.response.body", "body": b""})


async def hang(receive: Receive, seconds: float) -> None:
    """Wait until the caller gives up, at most so long."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
    except TimeoutError:
        raise Refused(status=504, kind="timeout_error", says="The simulated model did not answer in time.") from None


def openai_events(found: bodies.Told, body: Mapping[str, Any]) -> list[bytes]:
    """A stream of chat completion chunks."""
    with_usage = mapping(body.get("stream_options")).get("include_usage") is True
    chunks = bodies.chat_chunks(found, with_usage=with_usage)
    return [*(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def anthropic_events(found: bodies.Told, _body: Mapping[str, Any]) -> list[bytes]:
    """A stream of Messages events."""
    return [
        b"event: " + event["type"].encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n"
        for event in bodies.message_events(found)
    ]


WHOLE: Mapping[Dialect, Callable[[bodies.Told], dict[str, Any]]] = {
    "openai": bodies.chat_completion,
    "anthropic": bodies.message,
}
EVENTS: Mapping[Dialect, Callable[[bodies.Told, Mapping[str, Any]], list[bytes]]] = {
    "openai": openai_events,
    "anthropic": anthropic_events,
}


class Answering:
    """One route that answers chats in one dialect."""

    def __init__(self, model: Model, dialect: Dialect) -> None:
        self._model = model
        self._dialect: Dialect = dialect

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        try:
            await self._answer(receive, send)
        except Refused as refused:
            await send_error(send, refused, self._dialect)

    async def _answer(self, receive: Receive, send: Send) -> None:
        body, model = await body_of(receive), self._model
        model.check_name(body.get("model"))
        prompt = read(body)
        key = prompt.key
        draws = Draws(model.seed, key)
        model.turn_away(draws, key)
        await asyncio.sleep(model.latency_s(draws))
        fault = draws.fault(model.side)
        if fault == "hang":
            await hang(receive, model.hang_s)
            return
        found = told(body, prompt, draws, side=model.side, created=int(time.time()))
        if body.get("stream") is True:
            await send_stream(send, EVENTS[self._dialect](found, body), cut=fault == "cut")
        elif fault == "cut":
            await send_cut(send, msgspec.json.encode(WHOLE[self._dialect](found)))
        else:
            await send_json(send, WHOLE[self._dialect](found))


class Embedding:
    """The route that answers embeddings requests."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        try:
            body = await body_of(receive)
            self._model.check_name(body.get("model"))
            await send_json(send, embeddings(body, model=str(body["model"])))
        except Refused as refused:
            await send_error(send, refused, "openai")


def app(model: Model) -> Starlette:
    """The application of one endpoint."""

    async def models(_request: Request) -> Response:
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "simulated"}
            for name in sorted(MODELS[model.side])
        ]
        return Response(
            json.dumps({"object": "list", "data": listed}),
            media_type="application/json",
            headers={"x-simulated": "true"},
        )

    routes = [
        Route("/v1/chat/completions", Answering(model, "openai"), methods=["POST"]),
        Route("/v1/embeddings", Embedding(model), methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
    ]
    if model.side is Side.CLOSED:
        routes.append(Route("/v1/messages", Answering(model, "anthropic"), methods=["POST"]))
    return Starlette(routes=routes)


def serve(model: Model, *, port: int, until_stdin_closes: bool) -> None:
    """Serve on the loopback until told to stop, after saying where."""
    listening = socket.create_server(("127.0.0.1", port), backlog=1_024)
    config = uvicorn.Config(
        app(model),
        http="httptools",
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    sys.stdout.write(json.dumps({"simulated": True, "side": model.side, "address": address}) + "\n")
    sys.stdout.flush()
    if until_stdin_closes:
        threading.Thread(target=stop_when_orphaned, args=(server,), daemon=True).start()
    server.run(sockets=[listening])


def stop_when_orphaned(server: uvicorn.Server) -> None:
    """Stop the server when whoever started it is gone and its end of our standard input closes."""
    sys.stdin.buffer.read()
    server.should_exit = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses of the two running endpoints. `…_url` is what an OpenAI client takes as its base URL."""

    closed: str
    open: str

    @property
    def closed_url(self) -> str:
        """Base URL of the closed model's OpenAI protocol."""
        return self.closed + "/v1"

    @property
    def open_url(self) -> str:
        """Base URL of the open model."""
        return self.open + "/v1"


class Process:
    """One endpoint in a process of its own; it ends with us, whatever happens to us.

    It has its own session, so that Ctrl-C reaches the pilot and not the endpoint that is still answering it.
    """

    def __init__(self, side: Side, *, seed: int = 7, latency: float = 1.0, port: int = 0) -> None:
        command = [sys.executable, "-m", "fairlead.demo.endpoint", "--side", side, "--seed", str(seed)]
        command += ["--latency", str(latency), "--port", str(port), "--until-stdin-closes"]
        pipe = subprocess.PIPE
        self._running = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)  # noqa: S603  ours
        assert self._running.stdout is not None
        said = self._running.stdout.readline()
        if not said:
            self._running.communicate()
            raise EndpointError(f"The simulated {side} endpoint did not start; port {port} may be taken.")
        self.address = str(json.loads(said)["address"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.terminate()
        self._running.communicate(timeout=10)


@contextmanager
def endpoints(*, seed: int = 7, latency: float = 1.0, ports: tuple[int, int] = (0, 0)) -> Generator[Endpoints]:
    """Run both endpoints for as long as the block lasts; port 0 takes any free one."""
    with ExitStack() as stack:
        closed, opened = (
            stack.enter_context(Process(side, seed=seed, latency=latency, port=port))
            for side, port in zip((Side.CLOSED, Side.OPEN), ports, strict=True)
        )
        yield Endpoints(closed=closed.address, open=opened.address)


def main() -> None:
    """Serve one endpoint as told on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m fairlead.demo.endpoint", description="One simulated endpoint of the demo."
    )
    parser.add_argument("--side", choices=[side.value for side in Side], required=True)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--latency", type=float, default=1.0, help="scale of the few milliseconds an answer takes")
    parser.add_argument("--hang", type=float, default=120.0, help="seconds until a request that hangs gets status 504")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when standard input is closed")
    given = parser.parse_args()
    model = Model(Side(given.side), seed=given.seed, latency=given.latency, hang_s=given.hang)
    serve(model, port=given.port, until_stdin_closes=given.until_stdin_closes)


if __name__ == "__main__":
    main()
