"""HTTP/1.1 straight over asyncio, parsed by httptools (Node's parser): one request at a time on each kept-alive line.

Rules kept: a line is used again only when its last answer was read to its end and both sides keep it; a body is read no
faster than it is taken; a head has at most `MAX_HEAD` bytes; a kept line that turns out to have been closed by the other
side before it said a word is replaced once, without counting as an attempt.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast
from urllib.parse import urlsplit

import httptools

from fairlead.edge.clients.connections import BrokenError, Response, UnreachableError, trusted_authorities
from fairlead.edge.clients.limits import limited

MAX_HEAD = 256 * 1024
BUFFERED = 256 * 1024
KEPT_S = 30.0
"""A line that was idle for longer is not trusted to be open still."""


class Direct:
    """Connections to the host of one URL, without a proxy."""

    def __init__(self, url: str, headers: Mapping[str, str], *, connect_s: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._is_https = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_https else 80)
        self._connect_s = connect_s
        # A race for the quicker of several addresses leaves a socket open when it is cancelled; one needs no race.
        self._race_s = None if _is_number(self._host) else 0.25
        fields = {"host": parts.netloc, **headers}
        lines = [f"POST {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self._head = "\r\n".join(lines).encode("ascii") + b"\r\ncontent-length: "
        self._free: list[_Line] = []
        self._all: set[_Line] = set()

    @asynccontextmanager
    async def sent(self, content: bytes) -> AsyncGenerator[Response]:
        """The response to `content`."""
        line = await self._answered(b"%b%d\r\n\r\n%b" % (self._head, len(content), content))
        try:
            yield line
        finally:
            self._put_back(line)

    async def aclose(self) -> None:
        """Close every connection."""
        closing, self._all, self._free = self._all, set(), []
        for line in closing:
            line.close()
        await asyncio.gather(*(line.closed for line in closing))

    async def _answered(self, request: bytes) -> _Line:
        line = self._kept()
        if line is not None:
            try:
                return await self._heard(line, request)
            except BrokenError:
                if line.has_heard:
                    raise
        return await self._heard(await self._opened(), request)

    async def _heard(self, line: _Line, request: bytes) -> _Line:
        try:
            await line.ask(request)
        except BaseException:
            self._put_back(line)
            raise
        return line

    def _kept(self) -> _Line | None:
        while self._free:
            line = self._free.pop()
            if line.is_idle and time.monotonic() - line.idle_since < KEPT_S:
                return line
            self._drop(line)
        return None

    async def _opened(self) -> _Line:
        tls = trusted_authorities() if self._is_https else None
        loop = asyncio.get_running_loop()
        try:
            async with limited(self._connect_s):
                _, line = await loop.create_connection(
                    _Line, self._host, self._port, ssl=tls, happy_eyeballs_delay=self._race_s
                )
        except TimeoutError as error:
            raise UnreachableError(f"no connection within {self._connect_s:g} s") from error
        except (OSError, UnicodeError) as error:
            raise UnreachableError(_reason(error)) from error
        self._all.add(line)
        return line

    def _put_back(self, line: _Line) -> None:
        if line.is_idle:
            line.idle_since = time.monotonic()
            self._free.append(line)
        else:
            self._drop(line)

    def _drop(self, line: _Line) -> None:
        self._all.discard(line)
        line.close()


class _Line(asyncio.Protocol):
    """One connection, and the response on it. Its `on_…` methods are called by the parser."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.has_heard = False
        self.closed = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: BrokenError | None = None
        self._begin()
        self._is_complete = True
        self._keeps = True

    def _begin(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_heard = False
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = 0
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._is_complete = False
        self._ends_with_connection = False

    # For whoever asks

    @property
    def is_idle(self) -> bool:
        """Whether another request may be sent on this line."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and self._is_complete and self._keeps and not self._chunks and self._error is None

    async def ask(self, request: bytes) -> None:
        """Send a request, and come back when the head of its response is there."""
        self._begin()
        assert self._transport is not None
        self._transport.write(request)
        while not self.status:
            await self._more()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._buffered -= len(chunk)
                self._read_on()
                yield chunk
            if self._is_complete:
                return
            await self._more()

    def close(self) -> None:
        """Close the connection, whatever is on it."""
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _read_on(self) -> None:
        if self._paused and self._buffered < BUFFERED and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._is_complete:  # nobody asked for these
            self._fail("the server sent more than it was asked for")
            return
        self.has_heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the answer is not HTTP: {error}")
        except httptools.HttpParserUpgrade:
            self._fail("the server wants to speak another protocol")
        if not self.status:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._fail(f"the head of the answer is longer than {MAX_HEAD // 1024} KiB")
        if self._buffered > BUFFERED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The other side will send no more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        if not self.closed.done():
            self.closed.set_result(None)
        if self._ends_with_connection and exc is None:
            self._is_complete = True
        elif not self._is_complete:
            why = _reason(exc) if exc is not None else "the server closed the connection"
            self._fail(f"{why} {'before it answered' if not self.status else 'in the middle of its answer'}")
        self._keeps = False
        self._wake()

    def _fail(self, reason: str) -> None:
        if self._error is None:
            self._error = BrokenError(reason)
        self.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Called by the parser

    def on_message_begin(self) -> None:
        """An answer begins; a second one to one request is none."""
        if self._is_complete:
            raise BrokenError("the server answered twice")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field; of repeated ones the last stays."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there; one of the hundreds only says that the answer will come."""
        status = self._parser.get_status_code()
        if status < 200:
            self.headers.clear()
            return
        self.status = status
        sized = "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "").lower()
        self._ends_with_connection = not sized

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        if not self.status:
            return
        self._is_complete = True
        self._keeps = self._parser.should_keep_alive()


def _is_number(host: str) -> bool:
    """Whether a host is given as an address, which is one, and not by a name, which may have several."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _reason(error: BaseException) -> str:
    """What went wrong, in the words of the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__
