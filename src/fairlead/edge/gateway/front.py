"""The HTTP/1.1 front: one connection of a caller, from bytes to requests and back.

Rules kept: strict parsing (a head with two lengths, with a length and chunks, or with a field given twice that decides
something, is refused and the connection closed); every wait has an end; nothing is buffered without bound; requests that
come before the answer to the last one (pipelining) wait their turn, and while one waits nothing more is read.
"""

from __future__ import annotations

import asyncio
from hmac import compare_digest
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import httptools

from fairlead.edge.gateway import answers
from fairlead.edge.gateway.answers import Problem
from fairlead.edge.gateway.paths import HEALTH, Place, place_of, served
from fairlead.edge.gateway.same_head import SameHead

if TYPE_CHECKING:
    from fairlead.edge.gateway.call import Call
    from fairlead.edge.gateway.plane import Plane
    from fairlead.serve.keys import Keys
    from fairlead.serve.snapshot import KeyNow

_ONCE: Final = frozenset({b"authorization", b"x-api-key", b"host", b"content-type", b"content-encoding", b"expect"})
_HOSTLESS: Final = Problem(status=400, code="no_host", message="The request has no Host field.")
_NO_UPGRADE: Final = Problem(
    status=400, code="no_upgrade", message="Only HTTP/1.1 is spoken here; leave out Upgrade and CONNECT."
)
# A caller who is refused in the middle of a long body reads the refusal only once it has sent the rest, so the rest is taken
# and thrown away, within these bounds.
_DISCARD: Final = 256 * 1024 * 1024
_LINGER_S: Final = 10.0
HIGH_WATER: Final = 64 * 1024
# A caller whose heads differ every time (a trace of its own in each, say) is not asked to repeat itself any more.
_MOST_HEADS: Final = 8


class Incoming:
    """One request: its head, and its body as it comes.

    `key` is the Fairlead key it came with; `own_key` says that it came with a key of the caller's own; `is_pending` that
    its key looks like ours and our keys are not known yet.
    """

    __slots__ = (
        "anthropic", "body_bytes", "fields", "head_bytes", "is_pending", "keep", "key", "known", "method", "own_key", "parts", "place",
        "problem", "query", "url", "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.url = b""
        self.query = b""
        self.method = b""
        self.version = "1.1"
        self.keep = True
        self.fields: list[tuple[bytes, bytes]] = []
        self.known: dict[bytes, bytes] = {}
        self.parts: list[bytes] = []
        self.body_bytes = 0
        self.head_bytes = 0
        self.place: Place | None = None
        self.anthropic = False
        self.problem: Problem | None = None
        self.key: KeyNow | None = None
        self.own_key = False
        self.is_pending = False

    @property
    def body(self) -> bytes:
        """The body as it was sent."""
        parts = self.parts
        if len(parts) != 1:
            parts = self.parts = [b"".join(parts)]
        return parts[0]

    @property
    def is_settled(self) -> bool:
        """Whether what was decided on its head would be decided again, as long as the same keys hold."""
        return (
            self.keep
            and self.problem is None
            and not self.is_pending
            and self.place is not None
            and self.method == b"POST"
        )

    def again(self, body: bytes) -> Incoming:
        """The same request with another body."""
        other = Incoming.__new__(Incoming)
        other.url = self.url
        other.query = self.query
        other.method = self.method
        other.version = self.version
        other.keep = True
        other.fields = self.fields
        other.known = self.known
        other.parts = [body]
        other.body_bytes = len(body)
        other.head_bytes = self.head_bytes
        other.place = self.place
        other.anthropic = self.anthropic
        other.problem = None
        other.key = self.key
        other.own_key = self.own_key
        other.is_pending = False
        return other


class Gated(NamedTuple):
    """What a connection brought that opened the gate, and the keys that held then: the same again need not be hashed again."""

    authorization: bytes
    api_key: bytes
    keys: Keys
    key: KeyNow

    def is_same(self, authorization: bytes, api_key: bytes) -> bool:
        """Whether a request brings the same, asked in a way that takes as long whatever it brings."""
        return compare_digest(self.authorization, authorization) and compare_digest(self.api_key, api_key)


class LastHead(NamedTuple):
    """The head that was sent upstream for the last request of a connection, and all that it was made of."""

    made_of: tuple[object, ...]
    fields: list[tuple[bytes, bytes]]
    head: bytes


class Front(asyncio.Protocol):
    """One connection of a caller. Its `on_…` methods are called by the parser."""

    __slots__ = (
        "_closing", "_discarded", "_head_bytes", "_in_head", "_incoming", "_left", "_looping", "_parser", "_plane", "_ready",
        "_reading", "_same", "_unlike", "call", "deadline", "gated", "is_slow", "last_head", "transport",
    )  # fmt: skip

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport
        self.call: Call | None = None
        self.deadline = 0.0
        self.is_slow = False
        self._incoming: Incoming | None = None
        self._ready: list[Incoming] = []
        self._in_head = True
        self._head_bytes = 0
        self._looping = False
        self._closing = False
        self._discarded = 0
        self._reading = True
        self.gated: Gated | None = None
        self.last_head: LastHead | None = None
        self._same: SameHead | None = None
        self._unlike = 0
        self._left = 0

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller has connected."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self.deadline = monotonic() + self._plane.settings.header_s
        self._plane.joined(self)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._closing:
            self._discarded += len(data)
            if self._discarded > _DISCARD:
                self.transport.abort()
            return
        is_between = self.call is None and self._incoming is None and not self._ready
        if self._left:
            data = self._take(data)
        elif is_between and self._same is not None and self._is_alike(data, self._same):
            data = b""
        if data:
            if not self._is_read(data):
                return
            if is_between and self._unlike < _MOST_HEADS:
                self._remember(data)
        if self._ready and self.call is None:
            self._next()
        elif self._ready and self._reading:
            self._reading = False
            self.transport.pause_reading()

    def _remember(self, data: bytes) -> None:
        """Know the head again that a read began with, unless more than one request came with it."""
        incoming = self._incoming
        if self._ready:
            incoming = self._ready[0] if len(self._ready) == 1 and incoming is None else None
        if incoming is not None and not (self._in_head and incoming is self._incoming):
            self._unlike += 1
            self._same = self._plane.same_head(data, incoming)

    def _is_alike(self, data: bytes, same: SameHead) -> bool:
        """Whether this is a request with a head that came before; the parser, between two requests, stays where it is."""
        begun = same.begun(data)
        if begun is None or not self._plane.lets_in(same):
            return False
        self._unlike = 0
        body, left = begun
        incoming = same.incoming.again(body)
        if not left:
            self._ready.append(incoming)
            return True
        self._left = left
        self._incoming = incoming
        self._in_head = False
        self.deadline = monotonic() + self._plane.settings.body_s
        return True

    def _take(self, data: bytes) -> bytes:
        """Take what is still to come of a body without the parser; what follows it is the parser's to read."""
        piece, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        self._left -= len(piece)
        self.on_body(piece)
        if not self._left:
            self.on_message_complete()
        return rest

    def _is_read(self, data: bytes) -> bool:
        """Have the parser read; whether there is anything to go on with."""
        before = self._incoming if self._in_head else None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The parser stops behind the head that asks for it; what follows is not HTTP/1.1.
            self._ready[-1].problem = _NO_UPGRADE
            self._ready[-1].keep = False
        except httptools.HttpParserError as error:
            self._refuse(Problem(status=400, code="not_http", message=f"The request is not valid HTTP/1.1: {error}."))
            return False
        if self._in_head:
            self._count_head(before, len(data))
        elif (
            self._incoming is not None and self._incoming.problem is not None and not self._ready and self.call is None
        ):
            # Nobody wants the rest of this body.
            self._incoming.keep = False
            self._plane.refused(self._incoming, self._incoming.problem)
            self.whole_problem(self._incoming, self._incoming.problem)
        return not self._closing

    def _count_head(self, before: Incoming | None, count: int) -> None:
        if before is None or before is not self._incoming:  # not all of it belongs to this head
            return
        self._head_bytes += count
        if self._head_bytes > self._plane.settings.max_header_bytes:
            self._refuse(self._long_head())

    def _long_head(self) -> Problem:
        limit = self._plane.settings.max_header_bytes // 1024
        return Problem(status=431, code="head_too_large", message=f"The head of the request is over {limit} KiB.")

    def eof_received(self) -> bool:
        """The caller has closed: nobody who speaks HTTP closes only one way."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        del exc
        self._plane.left(self)
        self._closing = True
        self._ready.clear()
        del self._parser  # the two hold each other: with that undone nothing waits for the garbage collector
        call, self.call = self.call, None
        if call is not None:
            call.caller_gone()

    def pause_writing(self) -> None:
        """The caller reads more slowly than the answer comes."""
        self.is_slow = True
        self.deadline = monotonic() + self._plane.settings.write_s
        if self.call is not None:
            self.call.hold_up()

    def resume_writing(self) -> None:
        """The caller has caught up."""
        self.is_slow = False
        if self.call is not None:
            self.deadline = 0.0
            self.call.go_on()

    # Called by the parser

    def on_message_begin(self) -> None:
        """A request begins."""
        self._incoming = Incoming()
        self._in_head = True
        self._head_bytes = 0
        if self.call is None:
            self.deadline = monotonic() + self._plane.settings.header_s

    def on_url(self, url: bytes) -> None:
        """The target of the request, or a piece of it."""
        incoming = self._incoming
        if incoming is not None:
            incoming.url += url
            incoming.head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head; trailers are not looked at."""
        incoming = self._incoming
        if incoming is None or not self._in_head:
            return
        low = name.lower()
        if low in incoming.known and low in _ONCE:
            incoming.problem = Problem(
                status=400, code="given_twice", message=f"The field {low.decode('latin-1')} is given twice."
            )
        incoming.known[low] = value
        if (
            low != b"content-length"
        ):  # ours is written anew, and without it the fields of one caller are mostly the same
            incoming.fields.append((low, value))
        incoming.head_bytes += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        """The head is there: decide on it before a byte of the body is taken."""
        incoming = self._incoming
        assert incoming is not None
        self._in_head = False
        parser = self._parser
        incoming.method = parser.get_method()
        incoming.version = parser.get_http_version()
        incoming.keep = parser.should_keep_alive()
        path, _, incoming.query = incoming.url.partition(b"?")
        incoming.url = path
        incoming.place = place_of(path)
        incoming.anthropic = _speaks_anthropic(incoming)
        if incoming.problem is None:
            incoming.problem = self._problem_of(incoming)
        if incoming.problem is None and incoming.known.get(b"expect", b"").lower() == b"100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.call is None:
            self.deadline = monotonic() + self._plane.settings.body_s

    def _problem_of(self, incoming: Incoming) -> Problem | None:  # noqa: C901, PLR0911  # a list of reasons, in order
        settings = self._plane.settings
        if incoming.version not in {"1.1", "1.0"}:
            return Problem(status=400, code="version", message="Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        if incoming.head_bytes > settings.max_header_bytes:
            return self._long_head()
        if len(incoming.fields) > settings.max_headers:
            return Problem(
                status=431, code="too_many_fields", message=f"The head has more than {settings.max_headers} fields."
            )
        if b"host" not in incoming.known and incoming.version == "1.1":
            return _HOSTLESS
        place = incoming.place
        if place is None:
            if incoming.url in HEALTH:
                return None
            shown = incoming.url[:100].decode("latin-1")
            return Problem(status=404, code="not_served", message=f"{shown} is not served here; served are {served()}.")
        if incoming.method != place.method:
            if incoming.method == b"OPTIONS":
                return None
            took = place.method.decode()
            asked = incoming.method.decode("latin-1")
            return Problem(status=405, code="method", message=f"{asked} is not taken here; use {took}.")
        problem = self._plane.gate(incoming, self)
        if problem is not None:
            return problem
        length = incoming.known.get(b"content-length")
        if length is not None and int(length) > settings.max_body_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> Problem:
        limit = self._plane.settings.max_body_bytes / 2**20
        return Problem(status=413, code="too_large", message=f"The body is over {limit:g} MiB, the most taken here.")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        incoming = self._incoming
        if incoming is None or incoming.problem is not None:
            return
        incoming.body_bytes += len(body)
        if incoming.body_bytes > self._plane.settings.max_body_bytes:
            incoming.problem = self._too_large()
            incoming.parts.clear()
            return
        incoming.parts.append(body)
        if self.call is None:
            self.deadline = monotonic() + self._plane.settings.body_s

    def on_message_complete(self) -> None:
        """The request is complete."""
        incoming, self._incoming = self._incoming, None
        self._in_head = True
        self._head_bytes = 0
        if incoming is not None:
            self._ready.append(incoming)

    # What comes out

    def _next(self) -> None:
        if self._looping:  # an answer was there at once; the loop below goes on
            return
        self._looping = True
        while self._ready and self.call is None and not self._closing:
            incoming = self._ready.pop(0)
            self.deadline = 0.0
            if incoming.problem is not None:
                self._plane.refused(incoming, incoming.problem)
                self.whole_problem(incoming, incoming.problem)
            elif incoming.place is None:
                self._health(incoming)
            elif incoming.method == b"OPTIONS":
                allow = incoming.place.method + b", OPTIONS"
                self._whole(204, b"allow: %b\r\n" % allow, b"", incoming)
            else:
                self._plane.begin(self, incoming)
        self._looping = False
        self._rest()

    def _rest(self) -> None:
        """Nothing is being answered: read on."""
        if self.call is not None or self._closing:
            return
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        now = monotonic()
        if self._plane.draining and self._incoming is None:
            self.transport.close()
        elif self._incoming is None:
            self.deadline = now + self._plane.settings.keep_s
        else:
            self.deadline = now + self._plane.settings.body_s

    def whole_problem(self, incoming: Incoming, problem: Problem) -> None:
        """Answer with a problem in the caller's dialect."""
        body = answers.body_of(problem, anthropic=incoming.anthropic, call_id=self._plane.new_id())
        fields = b"content-type: application/json\r\n"
        if problem.retry_after is not None:
            fields += b"retry-after: %b\r\n" % problem.retry_after.encode("ascii")
        if problem.status == 405 and incoming.place is not None:
            fields += b"allow: %b, OPTIONS\r\n" % incoming.place.method
        if incoming.method == b"HEAD":
            body = b""
        self._whole(problem.status, fields, body, incoming)

    def _health(self, incoming: Incoming) -> None:
        is_ready = not self._plane.draining
        if incoming.method not in {b"GET", b"HEAD"}:
            self.whole_problem(incoming, Problem(status=405, code="method", message="Use GET."))
            return
        status = 200 if is_ready or incoming.url == b"/healthz" else 503
        body = b"ok\n" if status == 200 else b"draining\n"
        self._whole(status, b"content-type: text/plain\r\n", b"" if incoming.method == b"HEAD" else body, incoming)

    def _whole(self, status: int, fields: bytes, body: bytes, incoming: Incoming) -> None:
        keep = incoming.keep and not self._plane.draining and status not in {413, 431}
        ending = b"" if keep else b"connection: close\r\n"
        sized = b"" if status == 204 else b"content-length: %d\r\n" % len(body)
        reason = answers.REASONS.get(status, b"Unknown")
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b%b%b\r\n%b" % (status, reason, fields, sized, ending, body))
        if not keep:
            self.close_gently()

    def _refuse(self, problem: Problem) -> None:
        """The bytes make no sense: say so, if nothing is being answered, and close."""
        if self.call is not None or self._ready:
            self._closing = True  # the answer on its way is finished first
            return
        incoming = self._incoming or Incoming()
        incoming.keep = False
        self._plane.refused(incoming, problem)
        self.whole_problem(incoming, problem)

    def timed_out(self) -> None:
        """The deadline has passed."""
        if self._closing or self.is_slow or self._incoming is None:
            self.transport.abort() if self._closing or self.is_slow else self.transport.close()
            return
        what = "head" if self._in_head else "body"
        self._refuse(Problem(status=408, code="too_slow", message=f"The {what} of the request did not come in time."))

    def close_when_idle(self) -> None:
        """Close at once, unless a request is on its way in."""
        if self.call is None and self._incoming is None and not self._ready:
            self.transport.close()

    def close_gently(self) -> None:
        """Say that nothing more comes, and let the caller read what is there before the connection goes."""
        self._closing = True
        self.deadline = monotonic() + _LINGER_S
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # For the call that is being answered

    def finished(self, *, keep: bool) -> None:
        """The answer is complete; go on with the next request."""
        self.call = None
        if not keep or self._closing or self._plane.draining:
            if not self._closing or self._ready:
                self._ready.clear()
            self.close_gently()
            return
        if self._looping:
            return
        if self._ready:
            self._next()
        else:
            self._rest()


def _speaks_anthropic(incoming: Incoming) -> bool:
    """Whether the caller is answered in Anthropic's dialect: by the path, and where that says nothing, by its fields."""
    place = incoming.place
    if place is not None and place.is_anthropic:
        return True
    if place is not None and place.method == b"POST":
        return False
    return b"anthropic-version" in incoming.known or b"x-api-key" in incoming.known


def expires(front: Front, now: float) -> bool:
    """Whether a connection's deadline has passed."""
    return 0.0 < front.deadline <= now
