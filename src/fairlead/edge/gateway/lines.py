"""Lines to upstreams: kept-alive HTTP/1.1 connections that tell their `Sink` what comes, as it comes.

Everything here is callbacks: no task per request and none per chunk; a task only opens a connection. A line that was kept
and turns out to have been closed by the other side before it said anything is replaced once, silently; an answer that has
begun is never asked for again. While the caller is slow, the upstream is not read.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from time import monotonic
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

import httptools

from fairlead.edge.gateway.per_name import PerName
from fairlead.edge.gateway.proxies import Proxy, proxy_for

MAX_HEAD: Final = 256 * 1024
KEPT_S: Final = 55.0
"""Idle lines are let go after this; common servers do so after 60 s or more, and who closes first avoids a race."""
MOST_SPARE: Final = 128
SPARE_S: Final = 2.0
"""Of more idle lines than that, those that nobody wanted for so long are let go: they are left over from a flood of calls."""

Fields = list[tuple[bytes, bytes]]


_LOW: Final = PerName(bytes.lower)


class Sink(Protocol):
    """Who a response is for."""

    def sent(self) -> None:
        """The request is on its way over an open line."""

    def answered(self, status: int, fields: Fields, known: Mapping[bytes, bytes]) -> None:
        """The head of the response is there; `known` has the last of each field by its name in lower case."""

    def part(self, body: bytes) -> None:
        """What one read brought of the body, more of which will come; it may be nothing."""

    def completed(self, rest: bytes, trailers: Fields) -> None:
        """The response is complete; `rest` is what the last read brought of its body."""

    def broken(self, problem: str, reason: str) -> None:
        """There will be no (more of the) response: `problem` in a word or two, `reason` in words."""


class Origin:
    """One base URL of an upstream: where it is, its kept lines, and how much is on the way there."""

    def __init__(self, url: str, *, connect_s: float) -> None:
        parts = urlsplit(url)
        self.url = url
        self.is_https = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.is_https else 80)
        self.netloc = parts.netloc.encode("ascii")
        self.base = parts.path.encode("ascii")
        self.connect_s = connect_s
        self.in_flight = 0
        self.keeps = True
        self._free: list[Line] = []
        self._all: set[Line] = set()
        self._opening: set[asyncio.Task[None]] = set()
        proxy = proxy_for(self.host, is_https=self.is_https, environ=os.environ)
        self._proxy = proxy
        # To an http upstream a proxy wants the whole address, and its own authorization.
        through = None if self.is_https else proxy
        self.prefix = b"" if through is None else b"http://%b" % self.netloc
        self.extra = b""
        if through is not None and through.authorization:
            self.extra = f"proxy-authorization: {through.authorization}\r\n".encode()

    def ask(self, request: bytes, sink: Sink) -> Asked:
        """Send a request, whole, over a kept line or a new one."""
        asked = Asked(self, request, sink)
        line = self._kept() if self._free else None
        if line is not None:
            asked.go(line)
        else:
            self.open_for(asked)
        return asked

    def idle(self) -> int:
        """How many lines are kept without use."""
        return len(self._free)

    def open_lines(self) -> int:
        """How many lines are open."""
        return len(self._all)

    def let_go(self, now: float) -> None:
        """Close the lines that have been idle for too long."""
        spare = len(self._free) - MOST_SPARE
        # The line that was put back last is taken first, so those in front have waited longest.
        kept_s = (SPARE_S if place < spare else KEPT_S for place in range(len(self._free)))
        kept, stale = list[Line](), list[Line]()
        for line, longest_s in zip(self._free, kept_s, strict=True):
            (stale if now - line.idle_since > longest_s else kept).append(line)
        self._free = kept
        for line in stale:
            line.close()

    def close(self) -> None:
        """Close every line that is not in use; those in use close when they are done."""
        for line in self._free:
            line.close()
        self._free.clear()
        self.keeps = False

    def put_back(self, line: Line) -> None:
        """Keep a line whose response is complete."""
        if self.keeps:
            line.idle_since = monotonic()
            self._free.append(line)
        else:
            line.close()

    def forget(self, line: Line) -> None:
        """A line is closed."""
        self._all.discard(line)
        if line in self._free:
            self._free.remove(line)

    def _kept(self) -> Line | None:
        longest = monotonic() - KEPT_S
        while self._free:
            line = self._free.pop()
            transport = line.transport
            if line.idle_since > longest and transport is not None and not transport.is_closing():
                return line
            line.close()
        return None

    def open_for(self, asked: Asked) -> None:
        """Open a line for a request."""
        task = asyncio.get_running_loop().create_task(self._opened_for(asked))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _opened_for(self, asked: Asked) -> None:
        try:
            async with asyncio.timeout(self.connect_s):
                line = await self._opened()
        except TimeoutError:
            asked.failed("connect timeout", f"no connection to {self.host} within {self.connect_s:g} s")
            return
        except _ProxyError as error:
            asked.failed("proxy", str(error))
            return
        except (OSError, UnicodeError) as error:
            asked.failed(_problem(error), f"{self.host}: {reason_of(error)}")
            return
        except BaseException as error:  # a bug of ours: the caller gets an answer, and the traceback is shown
            asked.failed("no connection", f"{self.host}: {type(error).__name__}")
            raise
        self._all.add(line)
        if asked.is_over:
            self.put_back(line)
        else:
            asked.go(line)

    async def _opened(self) -> Line:
        loop = asyncio.get_running_loop()
        tls = authorities() if self.is_https else None
        name = self.host if self.is_https else None
        if self._proxy is not None:
            return await self._opened_through(self._proxy, tls)
        _, line = await loop.create_connection(lambda: Line(self), self.host, self.port, ssl=tls, server_hostname=name)
        return line

    async def _opened_through(self, proxy: Proxy, tls: ssl.SSLContext | None) -> Line:
        loop = asyncio.get_running_loop()
        if tls is None:
            _, line = await loop.create_connection(lambda: Line(self), proxy.host, proxy.port)
            return line
        _, tunnel = await loop.create_connection(_Tunnel, proxy.host, proxy.port)
        try:
            await tunnel.open(f"{self.host}:{self.port}", proxy.authorization)
            line = Line(self)
            transport = await loop.start_tls(tunnel.transport, line, tls, server_hostname=self.host)
        except BaseException:
            tunnel.transport.abort()
            raise
        assert transport is not None
        line.connection_made(transport)
        return line


class Asked:
    """A request that is being sent: on a kept line, and if that was stale on a new one."""

    __slots__ = ("is_over", "line", "origin", "request", "sink")

    def __init__(self, origin: Origin, request: bytes, sink: Sink) -> None:
        self.origin = origin
        self.request = request
        self.sink = sink
        self.line: Line | None = None
        self.is_over = False

    def go(self, line: Line) -> None:
        """Send it on a line."""
        self.line = line
        line.ask(self)
        self.sink.sent()

    def stale(self) -> None:
        """The kept line was closed before it said anything: use a new one."""
        self.line = None
        self.origin.open_for(self)

    def failed(self, problem: str, reason: str) -> None:
        """Tell that there will be no answer."""
        if not self.is_over:
            self.is_over = True
            self.line = None
            self.sink.broken(problem, reason)

    def stop(self) -> None:
        """Nobody waits for the answer any more."""
        self.is_over = True
        line, self.line = self.line, None
        if line is not None and line.asked is self:
            line.asked = None
            line.close()

    def pause(self) -> None:
        """Read no more of the answer for now."""
        if self.line is not None:
            self.line.pause()

    def resume(self) -> None:
        """Read on."""
        if self.line is not None:
            self.line.resume()


class Line(asyncio.Protocol):
    """One connection to an upstream. Its `on_…` methods are called by the parser."""

    __slots__ = (
        "_done", "_eof_ends", "_error", "_fields", "_head_bytes", "_heard", "_keeps", "_origin", "_parser", "_parts", "_paused",
        "_status", "_trailers", "_used", "asked", "idle_since", "on_body", "transport",
    )  # fmt: skip

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.transport: asyncio.Transport | None = None
        self.asked: Asked | None = None
        self.idle_since = 0.0
        self._used = False
        self._parts: list[bytes] = []
        self.on_body = self._parts.append  # a read may bring many pieces: the parser puts them here by itself
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._fields: Fields = []
        self._trailers: Fields = []
        self._head_bytes = 0
        self._heard = False
        self._done = False
        self._keeps = False
        self._eof_ends = False
        self._paused = False
        self._error = ""

    # For whoever asks

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent."""
        return self.transport is not None and not self.transport.is_closing()

    def ask(self, asked: Asked) -> None:
        """Send a request."""
        self._begin()
        self.asked = asked
        assert self.transport is not None
        self.transport.write(asked.request)

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and self.is_open:
            self._paused = True
            cast("asyncio.Transport", self.transport).pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self.is_open:
            self._paused = False
            cast("asyncio.Transport", self.transport).resume_reading()

    def close(self) -> None:
        """Close the connection, whatever is on it."""
        if self.transport is not None:
            self.transport.abort()

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        asked = self.asked
        if asked is None:  # nobody asked for these
            self.close()
            return
        self._heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("garbage", "it wants to speak another protocol")
            return
        except httptools.HttpParserError as error:
            self._fail("garbage", self._error or f"its answer is not HTTP: {error}")
            return
        if self.asked is not asked:  # stopped meanwhile
            return
        if not self._status:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._fail("garbage", f"the head of its answer is longer than {MAX_HEAD // 1024} KiB")
                return
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if self._done:
            self._finish(asked, body)
        elif self._status:
            asked.sink.part(body)

    def eof_received(self) -> bool:
        """The other side will send no more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._origin.forget(self)
        del self._parser  # the two hold each other: with that undone nothing waits for the garbage collector
        asked, self.asked = self.asked, None
        if asked is None:
            return
        if not self._heard and self._used:
            asked.stale()
        elif self._eof_ends and self._status and exc is None:
            asked.is_over = True
            asked.sink.completed(b"", [])
        else:
            why = reason_of(exc) if exc is not None else "it closed the connection"
            when = "before it answered" if not self._status else "in the middle of its answer"
            asked.failed("no answer" if not self._heard else "cut", f"{why} {when}")

    def _finish(self, asked: Asked, rest: bytes) -> None:
        self.asked = None
        self._used = True
        trailers = self._trailers
        if self._keeps and self.is_open:
            if self._paused:
                self.resume()
            self._origin.put_back(self)
        else:
            self.close()
        asked.is_over = True
        asked.line = None
        asked.sink.completed(rest, trailers)

    def _fail(self, problem: str, reason: str) -> None:
        asked, self.asked = self.asked, None
        self.close()
        if asked is not None:
            asked.failed(problem, reason)

    # Called by the parser

    def on_message_begin(self) -> None:
        """An answer begins; a second one to one request is none."""
        if self._done:
            self._keeps = False
            self._error = "it answered twice"
            raise ValueError(self._error)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head, or of the trailers."""
        (self._trailers if self._status else self._fields).append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there; one of the hundreds only says that the answer will come."""
        status = self._parser.get_status_code()
        if status < 200:
            self._fields = []
            return
        self._status = status
        fields = self._fields
        known: dict[bytes, bytes] = {}
        for name, value in fields:
            known[_LOW[name]] = value
        self._eof_ends = (
            b"content-length" not in known and b"chunked" not in known.get(b"transfer-encoding", b"").lower()
        )
        asked = self.asked
        if asked is not None:
            asked.sink.answered(status, fields, known)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        if self._status:
            self._done = True
            self._keeps = self._parser.should_keep_alive()


class _ProxyError(Exception):
    """A proxy did not open the way."""


class _Tunnel(asyncio.Protocol):
    """A connection to a proxy until it says that the way is open."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._heard = b""
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def open(self, target: str, authorization: str) -> None:
        """Ask for the way to `target`."""
        fields = f"proxy-authorization: {authorization}\r\n" if authorization else ""
        self.transport.write(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{fields}\r\n".encode())
        head = await self._answer
        status = head.split(b"\r\n", 1)[0].split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise _ProxyError(f"the proxy answered {head[:80].splitlines()[0].decode('latin-1')!r}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._heard += data
        if self._answer.done():
            return
        if b"\r\n\r\n" in self._heard:
            self._answer.set_result(self._heard)
        elif len(self._heard) > MAX_HEAD:
            self._answer.set_exception(_ProxyError("the proxy's answer is too long"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        if not self._answer.done():
            self._answer.set_exception(_ProxyError(f"the proxy closed the connection{f' ({exc})' if exc else ''}"))


_AUTHORITIES: list[ssl.SSLContext] = []


def authorities() -> ssl.SSLContext:
    """The certificates this machine trusts, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name; loaded once."""
    if not _AUTHORITIES:
        made = ssl.create_default_context()
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        _AUTHORITIES.append(made)
    return _AUTHORITIES[0]


def _problem(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    # uvloop and asyncio raise the same class for a name that is not known.
    return (
        "name not found" if type(error).__name__ == "gaierror" or isinstance(error, UnicodeError) else "no connection"
    )


def reason_of(error: BaseException) -> str:
    """What went wrong, in the words of the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__
