"""A real HTTP server that answers with recorded answers over the OpenAI protocol, streamed or not, with faults on request.

    python -m fairlead.testing.recorded answers.parquet --port 8000 --latency 0.2 --fault timeout=0.01

What was not recorded is answered 404 in OpenAI's error shape. `recording.py` says what a recording is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fairlead.core.errors import FairleadError, UnreadableLine, UsageError
from fairlead.core.nouns import JSON
from fairlead.core.wire.decode import decode
from fairlead.testing.faults import Fault, Faults, parse
from fairlead.testing.recording import Body, Recording, chunks, completion, counted, match_key

HUGE_BYTES = 10 * 1024 * 1024
_BLOCK = 64 * 1024

__all__ = ["RecordedApp", "RecordedServer", "Recording", "main", "serving"]


class RecordedApp:
    """The ASGI application: `/v1/chat/completions` and `/v1/models`.

    `served` counts the requests that came, `faults_met` the faults they met.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        latency_s: float = 0.0,
        faults: Faults | None = None,
        key: str | None = None,
    ) -> None:
        """With `key`, requests must carry it as a bearer token."""
        self.served = 0
        self.faults_met: Counter[Fault] = Counter()
        self._recording = recording
        self._latency_s = latency_s
        self._faults = faults or Faults()
        self._key = key
        self._askings: Counter[str] = Counter()
        self._app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

    async def _models(self, request: Request) -> Response:
        del request
        models = [{"id": model, "object": "model"} for model in sorted(self._recording.models)]
        return JSONResponse({"object": "list", "data": models})

    async def _chat(self, request: Request) -> Response:
        self.served += 1
        if self._key is not None and request.headers.get("authorization") != f"Bearer {self._key}":
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        body = _chat_body(await request.body())
        if body is None:
            return _error(400, "The body is not a chat request with a model.", "invalid_request_error")
        key = f"{body['model']}|{match_key(body)}"
        self._askings[key] += 1
        fault = self._faults.of(key, asking=self._askings[key])
        if fault is not None:
            self.faults_met[fault] += 1
            return await _MISBEHAVIOUR[fault](request, self._faults)
        await asyncio.sleep(self._latency_s)
        return self._answer(body)

    def _answer(self, body: Body) -> Response:
        model = str(body["model"])
        if model not in self._recording.models:
            known = ", ".join(sorted(self._recording.models))
            return _error(404, f"The model {model!r} was not recorded; there are {known}.", "model_not_found")
        message = self._recording.answer(model, body)
        if message is None:
            return _error(404, f"This request to {model!r} was not recorded.", "request_not_recorded")
        usage = counted(body, message)
        if not body.get("stream"):
            return JSONResponse(completion(model, message, usage))
        options = body.get("stream_options")
        wants_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        events = chunks(model, message, usage if wants_usage else None)
        return StreamingResponse(_events(events), media_type="text/event-stream")


def _chat_body(raw: bytes) -> Body | None:
    try:
        body = decode(raw)
    except UnreadableLine:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return None
    messages = body.get("messages")
    is_chat = isinstance(messages, list) and all(isinstance(message, dict) for message in messages)
    return body if is_chat else None


async def _events(events: Iterable[JSON]) -> AsyncIterator[bytes]:
    for event in events:
        yield b"data: " + json.dumps(event).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _error(status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=status, headers=headers)


# Misbehaviour


async def _hang(request: Request, faults: Faults) -> Response:
    del faults
    await request.body()
    await request.receive()  # comes back when the client has gone
    return Response(status_code=503)


async def _limit(request: Request, faults: Faults) -> Response:
    del request
    headers = {"retry-after": f"{faults.retry_after_s:g}"}
    return _error(429, "Rate limit reached, try again later.", "rate_limit_exceeded", headers)


async def _fail(request: Request, faults: Faults) -> Response:
    del request, faults
    return _error(500, "The server had an error while processing your request.", "server_error")


async def _refuse(request: Request, faults: Faults) -> Response:
    del request, faults
    return _error(400, "Unsupported parameter: 'temperature' is not supported.", "unsupported_parameter")


async def _cut(request: Request, faults: Faults) -> Response:
    del request, faults
    return _Cut()


async def _page(request: Request, faults: Faults) -> Response:
    del request, faults
    page = "<html><head><title>Sign in</title></head><body>Please sign in</body></html>"
    return Response(page, media_type="text/html")


async def _flood(request: Request, faults: Faults) -> Response:
    del request, faults

    async def text() -> AsyncIterator[bytes]:
        yield b'{"choices":[{"index":0,"message":{"role":"assistant","content":"'
        for _ in range(HUGE_BYTES // _BLOCK):
            yield b"a" * _BLOCK
        yield b'"}}]}'

    return StreamingResponse(text(), media_type="application/json")


class _Cut(Response):
    """Promises a body and closes the connection in the middle of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of what was promised."""
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        half = b'{"choices":[{"index":0,"message":{"role":'
        await send({"type": "http.response.body", "body": half, "more_body": True})
        raise ConnectionAbortedError("cut on purpose")


_MISBEHAVIOUR: Mapping[Fault, Callable[[Request, Faults], Awaitable[Response]]] = {
    Fault.TIMEOUT: _hang,
    Fault.LIMIT: _limit,
    Fault.SERVER_ERROR: _fail,
    Fault.REFUSE: _refuse,
    Fault.CUT: _cut,
    Fault.HTML: _page,
    Fault.HUGE: _flood,
}


# Serving


class RecordedServer:
    """An ASGI application on a port of this machine, in a thread of its own; use it as a context manager.

    The port is open as soon as the server is made, so nothing has to wait for it.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        self._socket = _listening(port)
        self.port = int(self._socket.getsockname()[1])
        self._server = uvicorn.Server(_config(app))
        self._thread = threading.Thread(target=self.serve, name="recorded-server", daemon=True)

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def serve(self) -> None:
        """Serve in this thread until told to stop."""
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=10)
        self._socket.close()


def _listening(port: int) -> socket.socket:
    # With the protocol left at 0 asyncio does not know it for TCP and leaves Nagle's algorithm on: 40 ms an answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise UsageError(f"Port {port} cannot be used: {error}.") from error
    listening.listen(512)
    return listening


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="critical",
        timeout_keep_alive=60,
    )


@contextmanager
def serving(recording: Recording, *, latency_s: float = 0.0, faults: Faults | None = None) -> Generator[RecordedServer]:
    """A running server of a recording."""
    with RecordedServer(RecordedApp(recording, latency_s=latency_s, faults=faults)) as server:
        yield server


def main(arguments: list[str] | None = None) -> int:
    """Serve a recording until stopped; the first line printed is the base URL."""
    kinds = ", ".join(Fault)
    parser = argparse.ArgumentParser(prog="python -m fairlead.testing.recorded", description="Serves recorded answers.")
    parser.add_argument("file", type=Path, help="a Parquet file with item_id, model, request, response")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--model", action="append", default=[], help="serve only this model; may be repeated")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND=SHARE", help=f"KIND is one of {kinds}")
    parser.add_argument("--seed", type=int, default=0, help="which requests meet a fault")
    parser.add_argument("--lasting", action="store_true", help="a request meets the same fault every time")
    given = parser.parse_args(arguments)
    try:
        faults = Faults(shares=dict(map(parse, given.fault)), seed=given.seed, lasting=given.lasting)
        recording = Recording.read(given.file, models=given.model)
        server = RecordedServer(RecordedApp(recording, latency_s=given.latency, faults=faults), port=given.port)
    except FairleadError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    print(server.url, flush=True)  # noqa: T201
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
