"""One call, from a complete request to a complete answer: a few states, driven by what the caller and the upstream do.

Rules kept: nothing is sent to the caller while another upstream could still answer, that is before the first content event;
after it nothing is asked again. What passes between the same protocols is not changed by a byte, but for a model's name
where a target gives another, and for usage that was asked for on our own account. Whatever happens is told to the control
process once, at the end.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from fairlead.core.errors import Untranslatable
from fairlead.edge.gateway import answers, bodies, events, repair
from fairlead.edge.gateway.answers import Problem
from fairlead.edge.gateway.bodies import UnreadableBodyError, View
from fairlead.edge.gateway.front import LastHead
from fairlead.edge.gateway.heads import passed_on, request_head, response_head, said_anew
from fairlead.edge.gateway.placing import NOWHERE, Place
from fairlead.edge.gateway.shaping import Shaped, changes_nothing, estimated_count, shape, wants_usage
from fairlead.edge.gateway.upstreams import Replica, Upstream
from fairlead.serve import frames
from fairlead.serve.frames import Attempt, Ended, Protocol, Served
from fairlead.serve.snapshot import Disconnect, Stage, TargetNow

if TYPE_CHECKING:
    from fairlead.core.wire.translate import Crossing, Stream
    from fairlead.edge.gateway.front import Front, Incoming
    from fairlead.edge.gateway.lines import Asked, Fields
    from fairlead.edge.gateway.plane import Plane
    from fairlead.serve.decide import Decision

MOST_ATTEMPTS: Final = 4
# Looked up once: to name a member of an enumeration takes as long as a call of a function.
_DONE: Final = Ended.DONE
_UPSTREAM_ERROR: Final = Ended.UPSTREAM_ERROR
_INCUMBENT: Final = Served.INCUMBENT
_NO_URLS: Final[frozenset[str]] = frozenset()
_COUNT: Final = Protocol.ANTHROPIC_COUNT
_STAGES: Final = {stage: stage.value for stage in Stage}
_AS_IT_CAME: Final = frozenset({Protocol.OPENAI_CHAT, Protocol.OPENAI_COMPLETIONS, Protocol.OPENAI_EMBEDDINGS})
_HELD_MOST: Final = 8 * 1024 * 1024
_LARGE: Final = 256 * 1024
_UNPACK: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_TRY_ELSEWHERE: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_NOT_FOR_US: Final = frozenset({401, 402, 403, 404, 405, 410})
"""From a candidate or a fallback these say that it is set up wrongly, which is no fault of the caller's."""
_UNWELL: Final = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


class Way(NamedTuple):
    """Where a decision leads that leads one way only: one target, at one place, which is asked what came.

    `for_keys` and `for_others` say who may go it: callers with a Fairlead key, and those without.
    """

    targets: tuple[TargetNow]
    upstream: Upstream
    replica: Replica
    for_keys: bool
    for_others: bool


class Call:
    """The life of one call; it is the `Sink` of the upstream that is asked at the moment."""

    __slots__ = (
        "_after_s", "_asked", "_asked_at", "_attempts", "_before_s", "_collects", "_crossed", "_crossing",
        "_decision", "_encoding", "_fields", "_first_byte_s", "_front", "_has_begun", "_head", "_heard_at", "_held",
        "_held_bytes", "_index", "_injected", "_is_chunked", "_is_done", "_is_stream", "_judges",
        "_kept", "_kept_bytes", "_last", "_last_moment", "_last_problem", "_may_keep", "_omitted", "_place",
        "_plane", "_replica", "_sent_at", "_skipped", "_started", "_started_us", "_status", "_strip", "_target",
        "_targets", "_tried", "_unpack", "_upstream", "_whole", "_why_not", "body", "deadline", "id",
        "incoming", "place", "protocol", "view",
    )  # fmt: skip

    def __init__(self, plane: Plane, front: Front, incoming: Incoming) -> None:  # noqa: PLR0915  # one line a field
        self._plane = plane
        self._front: Front | None = front
        self.incoming = incoming
        assert incoming.place is not None
        self._place = incoming.place
        self.protocol = incoming.place.protocol
        self.id = plane.new_id()
        self.deadline = 0.0
        self._last_moment = 0.0
        self._started = monotonic()
        self._started_us = time_ns() // 1000
        self.body = b""
        self.view: View = bodies.NOTHING
        # Who is asked
        self._decision: Decision | None = None
        self.place: Place = NOWHERE
        self._targets: tuple[TargetNow, ...] = ()
        self._index = 0
        self._skipped: list[TargetNow] = []
        self._tried: set[tuple[str, str | None]] = set()
        self._attempts: list[Attempt] = []
        self._target: TargetNow | None = None
        self._upstream: Upstream | None = None
        self._replica: Replica | None = None
        self._asked: Asked | None = None
        self._asked_at = 0.0
        self._sent_at = 0.0
        self._before_s: float | None = None
        self._after_s: float | None = None
        # What comes back
        self._status = 0
        self._fields: Fields = []
        self._heard_at = 0.0
        self._first_byte_s: float | None = None
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._encoding = ""
        self._injected = False
        self._crossing: Crossing | None = None
        self._omitted: tuple[str, ...] = ()
        self._crossed: Stream | None = None
        self._collects = False
        self._judges = False
        self._why_not = ""
        self._held: list[bytes] | None = None
        self._held_bytes = 0
        self._head = b""
        self._is_chunked = False
        self._may_keep = incoming.keep
        self._is_stream = False
        self._has_begun = False
        self._whole: events.Whole | None = None
        self._unpack: Any = None
        self._strip = False
        self._is_done = False
        self._last: tuple[int, Fields, bytes] | None = None
        self._last_problem: Problem | None = None

    # Begin

    def start(self) -> None:
        """Read the body and ask."""
        incoming = self.incoming
        packed = incoming.known.get(b"content-encoding", b"")
        body = incoming.body
        if not packed:
            self.body = body
        elif len(body) > _LARGE:
            asyncio.get_running_loop().run_in_executor(None, self._unpacked, body, packed).add_done_callback(self._read)
            return
        else:
            try:
                self.body = self._unpacked(body, packed)
            except UnreadableBodyError as error:
                self.refuse(Problem(status=400, code="unreadable", message=str(error)))
                return
        self._go()

    def _unpacked(self, body: bytes, packed: bytes) -> bytes:
        return bodies.unpacked(body, packed, limit=self._plane.settings.max_body_bytes)

    def _read(self, unpacked: asyncio.Future[bytes]) -> None:
        if self._is_done:
            return
        error = unpacked.exception()
        if error is None:
            self.body = unpacked.result()
            self._plane.guarded(self, self._go)
        else:
            self.refuse(Problem(status=400, code="unreadable", message=str(error)))

    def _go(self) -> None:
        if self._place.method == b"POST":
            try:
                self.view = bodies.read(self.body)
            except UnreadableBodyError as error:
                self.refuse(Problem(status=400, code="not_json", message=str(error)))
                return
        self._plane.choose(self)

    @property
    def conversation(self) -> str | None:
        """The conversation that the caller names."""
        return _text(self.incoming.known.get(b"x-fairlead-conversation"))

    @property
    def user(self) -> str | None:
        """For whom the caller says it asks."""
        named = self.incoming.known.get(b"x-fairlead-user")
        return _text(named) or (self.view.user[:200] if isinstance(self.view.user, str) else None)

    def decided(self, decision: Decision, way: Way | None = None) -> None:
        """Ask where the decision says; `way` where it leads one way only."""
        self._decision = decision
        if (
            way is not None
            and self.protocol in _AS_IT_CAME
            and (way.for_others if self.incoming.key is None else way.for_keys)
        ):
            self._go_the_way(way)
            return
        if decision.target is None:
            self.refuse(Problem(status=403, code="not_allowed", message=f"Not sent: {decision.refused}."))
            return
        self._targets = (decision.target, *decision.fallbacks)
        self._next()

    # Ask

    def _go_the_way(self, way: Way) -> None:
        """Ask the only one who may answer, what came (but for usage): nothing has to be weighed, held back or changed."""
        self._targets = way.targets
        self._index = 1
        self._target = way.targets[0]
        self._upstream = upstream = way.upstream
        self._replica = replica = way.replica
        is_stream = self.view.stream is True
        body = self.incoming.body
        if is_stream and self._injects() and wants_usage(self.protocol, self.view):
            self._injected = True
            body = bodies.with_usage(self.body, self.view)
        request = self._request(
            upstream, replica, body, self._place.after_base, as_sent=not self._injected, is_plain=is_stream
        )
        self._send(request, upstream, replica)

    def _injects(self) -> bool:
        """Whether usage may be asked for on our own account."""
        route = self._decision.route if self._decision is not None else None
        return route is None or route.inject_usage

    def _next(self) -> None:
        """Ask the next target that may be asked and is well; the last one that is left is asked in any case."""
        now = monotonic()
        skipped = self._skipped
        while len(self._attempts) < MOST_ATTEMPTS:
            if self._index < len(self._targets):
                target, anyway = self._targets[self._index], False
                self._index += 1
            elif skipped:
                target, anyway = skipped.pop(0), True
            else:
                break
            upstream = self._plane.upstreams.get(target.upstream)
            if upstream is None or not self._plane.may_ask(self, upstream):
                continue
            tried = self._tried_for(target)
            replica = upstream.choose(now, tried=tried, anyway=anyway)
            if replica is None:
                if not anyway and not (tried and all(r.origin.url in tried for r in upstream.replicas)):
                    skipped.append(target)
                continue
            if self.protocol is _COUNT and upstream.now.dialect != "anthropic":
                self._count_ourselves(target)
                return
            shaped = self._shaped(target, upstream)
            if shaped is None:
                continue
            if not anyway and len(upstream.replicas) > 1 and self._others_than(replica, upstream, tried):
                self._index -= 1  # its other replicas may be asked after this one
            self._ask(target, upstream, replica, shaped)
            return
        self._give_up()

    def _tried_for(self, target: TargetNow) -> AbstractSet[str]:
        """Where this target's model was asked already; one server may have both sides' models."""
        return {url for url, model in self._tried if model == target.model} if self._tried else _NO_URLS

    def _others_than(self, replica: Replica, upstream: Upstream, tried: AbstractSet[str]) -> bool:
        return any(other is not replica and other.origin.url not in tried for other in upstream.replicas)

    def _count_ourselves(self, target: TargetNow) -> None:
        """Answer how many tokens a request takes, where the upstream has no such question."""
        self._target = target
        front = self._front
        assert front is not None
        try:
            body = estimated_count(self.body)
        except Untranslatable as error:
            self.refuse(Problem(status=400, code="unreadable", message=str(error)))
            return
        head, _, self._may_keep = response_head(
            200,
            [(b"content-type", b"application/json")],
            length=b"%d" % len(body),
            is_unpacked=False,
            version=self.incoming.version,
            keep=self._keeps(),
            told=self._plane.told(self) + b"x-fairlead-untranslated: estimated\r\n",
        )
        self._status = 200
        self._kept = [body]
        front.transport.write(head + body)
        self._end(Ended.DONE, "")

    def _more_may_come(self) -> bool:
        """Whether somebody else could still answer."""
        if self._index == len(self._targets) and not self._skipped:
            return False
        if len(self._attempts) + 1 >= MOST_ATTEMPTS:
            return False
        for target in (*self._targets[self._index :], *self._skipped):
            upstream = self._plane.upstreams.get(target.upstream)
            if upstream is not None and self._plane.may_ask(self, upstream):
                tried = self._tried_for(target)
                if any(r.origin.url not in tried for r in upstream.replicas):
                    return True
        return False

    def _ask(self, target: TargetNow, upstream: Upstream, replica: Replica, shaped: Shaped) -> None:
        self._target, self._upstream, self._replica = target, upstream, replica
        self._tried.add((replica.origin.url, target.model))
        if self._attempts:
            self._forget_answer()
        self._prepare(shaped)
        crosses = shaped.crossing is not None
        request = self._request(
            upstream,
            replica,
            shaped.body,
            shaped.path or self._place.after_base,
            as_sent=shaped.is_as_sent,
            is_plain=self.view.is_stream or crosses or self._judges,
            crosses=crosses,
        )
        self._send(request, upstream, replica)

    def _send(self, request: bytes, upstream: Upstream, replica: Replica) -> None:
        now = self._asked_at = monotonic()
        replica.began(now)
        if self._before_s is None:
            self._before_s = now - self._started
        self._sent_at = 0.0
        self.deadline = now + upstream.now.connect_s + 1.0
        self._asked = replica.origin.ask(request, self)

    def _forget_answer(self) -> None:
        self._status = 0
        self._fields = []
        self._kept = []
        self._kept_bytes = 0
        self._held_bytes = 0
        self._whole = None
        self._unpack = None
        self._strip = False
        self._crossed = None
        self._collects = False

    def _prepare(self, shaped: Shaped) -> None:
        self._injected = shaped.injected
        self._crossing = shaped.crossing
        self._omitted = shaped.omitted
        route = self._decision.route if self._decision is not None else None
        self._judges = (
            route is not None
            and route.repair
            and not self.view.is_stream
            and repair.wants_structure(self.body, self.protocol)
        )
        self._held = [] if self._judges or self._crossing is not None or self._more_may_come() else None

    def _shaped(self, target: TargetNow, upstream: Upstream) -> Shaped | None:
        """What the target is asked; `None`, with the reason kept, where this request cannot be said to it."""
        if self._place.method != b"POST":
            return Shaped(b"")
        view = self.view
        if (
            view.stream is not True
            and self.protocol in _AS_IT_CAME
            and upstream.now.dialect == "openai"
            and not self._plane.snapshot.aliases
            and changes_nothing(target)
        ):
            return Shaped(self.incoming.body)
        try:
            shaped = shape(
                self.protocol,
                self.body,
                self.view,
                target=target,
                upstream=upstream.now,
                model=target.model or self._plane.model_alias(self.view.model_name),
                inject=self._injects(),
                call_id=self.id,
                now=self._started_us // 1_000_000,
            )
        except Untranslatable as error:
            self._why_not = str(error)
            return None
        except (msgspec.DecodeError, RecursionError) as error:
            # What is passed on byte by byte is the upstream's to judge; what is to be changed must be read whole.
            self._why_not = f"The body cannot be read: {error}."
            return None
        if shaped.is_as_sent and shaped.body is not self.incoming.body:
            return shaped._replace(body=self.incoming.body)  # packed, as it came
        return shaped

    def _request(
        self,
        upstream: Upstream,
        replica: Replica,
        body: bytes,
        after_base: bytes,
        *,
        as_sent: bool,
        is_plain: bool,
        crosses: bool = False,
    ) -> bytes:
        incoming, front = self.incoming, self._front
        # An upstream is another object whenever its key or its address may be another; so is a caller's key.
        made_of = (upstream, replica, incoming.key, after_base, incoming.query, as_sent, is_plain, crosses)
        last = front.last_head if front is not None else None
        if (
            last is not None
            and last.made_of == made_of
            and (last.fields is incoming.fields or last.fields == incoming.fields)
        ):
            head = last.head
        else:
            head = request_head(
                incoming,
                after_base=after_base,
                origin=replica.origin,
                authorization=self._plane.authorization(self, upstream),
                is_known_place=upstream.now.caller_key and not crosses,
                as_sent=as_sent,
                is_plain=is_plain,
                speaks_anthropic=upstream.now.dialect == "anthropic",
            )
            if front is not None:
                front.last_head = LastHead(made_of, incoming.fields, head)
        if self._place.method != b"POST":
            return head + b"\r\n"
        return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)

    # Called by the line to the upstream

    def sent(self) -> None:
        """The request is on its way."""
        self._sent_at = monotonic()
        assert self._upstream is not None
        if self.deadline:
            self.deadline = self._sent_at + self._upstream.now.first_byte_s

    def answered(self, status: int, fields: Fields, known: Mapping[bytes, bytes]) -> None:
        """The head of an answer is there."""
        self._status = status
        self._fields = fields
        self._heard_at = monotonic()
        kind = known.get(b"content-type", b"")
        encoding = known.get(b"content-encoding", b"")
        if encoding:
            encoding = encoding.strip().lower()
        length = known.get(b"content-length")
        self._is_stream = kind.startswith(b"text/event-stream")
        self._encoding = "" if not encoding or encoding == b"identity" else encoding.decode("latin-1")
        if self._is_stream or encoding:
            self._unpack_if_needed(encoding)
        crossing = self._crossing
        if crossing is not None and self._is_stream and status == 200:
            self._crossed = crossing.stream()
            self._whole = None
        elif crossing is not None or (self._judges and status == 200):
            self._collects = True
        if self._crossed is not None:
            fields = said_anew(fields, b"text/event-stream; charset=utf-8")
        is_same = self._unpack is None and not self._strip and self._crossed is None
        self._head, self._is_chunked, self._may_keep = response_head(
            status,
            fields,
            length=length if is_same else None,
            is_unpacked=self._unpack is not None,
            version=self.incoming.version,
            keep=self._keeps(),
            told=self._plane.told(self) + self._notes()
            if crossing is not None or self._omitted
            else self._plane.told(self),
        )
        if self._held is not None and not self._collects and not self._is_worth_holding(status):
            self._held = None

    def _unpack_if_needed(self, encoding: bytes) -> None:
        """A packed body that has to be read on its way is unpacked; any other is passed on as it is."""
        if not self._is_stream and not self._encoding:
            return
        is_read = self._is_stream and (self._injected or self._held is not None)
        is_read = is_read or self._crossing is not None or self._judges
        if self._encoding and is_read and encoding in _UNPACK:
            self._unpack = zlib.decompressobj(_UNPACK[encoding])
            self._encoding = ""
        if self._is_stream and not self._encoding:
            self._whole = events.Whole()
            self._strip = self._injected

    def _keeps(self) -> bool:
        return self.incoming.keep and not self._plane.draining

    def _is_worth_holding(self, status: int) -> bool:
        return status < 300 or self._is_elsewhere(status)

    def _is_elsewhere(self, status: int) -> bool:
        """Whether somebody else should be asked after an answer with this status."""
        is_ours = self._decision is not None and self._target is not self._decision.target
        is_ours = is_ours or (self._decision is not None and self._decision.side is Served.CANDIDATE)
        return status in _TRY_ELSEWHERE or (is_ours and status in _NOT_FOR_US)

    def part(self, body: bytes) -> None:
        """What one read brought: keep it, and pass it on in one piece."""
        if self.deadline and self._upstream is not None:
            self.deadline = monotonic() + self._upstream.now.idle_s
            if self._last_moment:
                self.deadline = min(self.deadline, self._last_moment)
        data = self._taken(body)
        if self._held is not None:
            self._hold(data)
        elif self._front is not None:
            self._write(data)

    def _taken(self, data: bytes) -> bytes:
        """What came, kept for the record, as it is for the caller."""
        if not data:
            return b""
        if self._unpack is not None:
            data = self._unpack.decompress(data)
        if self._kept_bytes < self._plane.settings.kept_bytes:
            self._kept.append(data)
            self._kept_bytes += len(data)
        if self._crossed is not None:
            return self._crossed.feed(data)
        if self._whole is not None:
            data = self._whole.feed(data)
            if self._strip:
                data = events.without_usage(data)
        return data

    def _hold(self, data: bytes) -> None:
        held = self._held
        assert held is not None
        if data:
            held.append(data)
            self._held_bytes += len(data)
        if self._collects:
            if self._held_bytes > self._plane.settings.kept_bytes:
                self._failed("too long", "its answer is too long to be read whole", status=self._status)
            return
        if self._is_stream and self._status < 300 and data:
            problem = self._problem_in(data)
            if problem:
                self._failed("error event", problem, status=self._status)
                return
            if self._has_content(data):
                self._release()
                return
        if self._held_bytes > _HELD_MOST:
            self._release()

    def _problem_in(self, data: bytes) -> str:
        """What is wrong with a stream that has said nothing yet; empty for nothing."""
        if self._crossed is not None:
            problem = self._crossed.problem
            return "" if problem is None or self._crossed.has_content else problem.message
        for event in events.events_in(data):
            if events.is_error(event):
                return "the stream began with an error"
            if events.has_content(event):
                return ""
        return ""

    def _has_content(self, data: bytes) -> bool:
        if self._crossed is not None:
            return self._crossed.has_content
        return any(events.has_content(event) for event in events.events_in(data))

    def _release(self) -> None:
        """Nobody else will answer this: what was held goes out, and the rest as it comes."""
        held, self._held = self._held or [], None
        if self._front is not None:
            self._write(b"".join(held))

    def _write(self, data: bytes) -> None:
        front = self._front
        assert front is not None
        out = b""
        if not self._has_begun:
            self._begin_answer()
            out = self._head
        if data:
            out += b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data
        if out:
            front.transport.write(out)

    def _begin_answer(self) -> None:
        self._has_begun = True
        now = monotonic()
        self._first_byte_s = self._heard_at - self._started
        self._after_s = now - self._heard_at

    def completed(self, rest: bytes, trailers: Fields) -> None:
        """The answer is complete."""
        del trailers
        self._asked = None
        status = self._status
        data = self._taken(rest)
        if self._crossed is not None or self._whole is not None:
            data += self._rest()
        if self._held is not None:
            data = b"".join((*self._held, data))
            if self._is_elsewhere(status) and self._more_may_come():
                self._failed(str(status), f"it answered {status}", status=status, answer=data)
                return
            if self._crossed is not None and self._crossed.problem is not None and not self._crossed.has_content:
                self._failed("error event", self._crossed.problem.message, status=status)
                return
            if self._collects:
                self._finish_collected(status, data)
                return
            self._held = None
        self._note_well(status)
        self._attempted(status, "")
        self._finish(data)

    def _rest(self) -> bytes:
        """What a stream still had to say."""
        if self._crossed is not None:
            return self._crossed.close()
        rest = b"" if self._whole is None else self._whole.rest()
        return events.without_usage(rest) if self._strip else rest

    def _finish(self, data: bytes) -> None:
        front = self._front
        if front is not None:
            out = b""
            if not self._has_begun:
                self._begin_answer()
                out = self._head
            if self._is_chunked:
                out += b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
            else:
                out += data
            if out:
                front.transport.write(out)
        status = self._status
        is_fine = status < 400
        ended = _DONE if is_fine else _UPSTREAM_ERROR
        self._end(Ended.CLIENT_CLOSED if front is None else ended, "" if is_fine else f"the upstream answered {status}")

    def _finish_collected(self, status: int, data: bytes) -> None:
        """An answer that was read whole: translate it, judge its form, and only then give it."""
        problem = ""
        said = status
        if self._crossing is not None:
            try:
                if status == 200:
                    data = self._crossing.answer(data)
                else:
                    told = self._crossing.error(status, data)
                    said, data = told.status, told.body
            except Untranslatable as error:
                problem = str(error)
        if not problem and self._judges and status == 200:
            data, problem = repair.judged(self.body, data)
        if problem and (self._more_may_come() or self._crossing is not None):
            self._failed("unusable answer", problem.rstrip("."), status=status)
            return
        self._held = None
        self._note_well(status)
        self._attempted(status, problem)
        self._status = said
        fields = said_anew(self._fields, b"application/json") if self._crossing is not None else self._fields
        self._head, self._is_chunked, self._may_keep = response_head(
            said,
            fields,
            length=b"%d" % len(data),
            is_unpacked=self._unpack is not None,
            version=self.incoming.version,
            keep=self._keeps(),
            told=self._plane.told(self) + self._notes(),
        )
        self._finish(data)

    def _notes(self) -> bytes:
        """The field that names what the one who answered was not told: of another protocol, or by its settings."""
        if self._crossing is None and not self._omitted:
            return b""
        names = self._omitted if self._crossing is None else (*self._crossing.notes, *self._omitted)
        if not names:
            return b""
        return b"x-fairlead-untranslated: %b\r\n" % ", ".join(dict.fromkeys(names)).encode("ascii", "replace")

    def _spoken(self) -> Protocol:
        return self.protocol if self._crossing is None else Protocol(self._crossing.spoken)

    def broken(self, problem: str, reason: str) -> None:
        """There will be no (more of the) answer."""
        self._asked = None
        self._failed(problem, reason, status=self._status or None)

    # What can go wrong

    def _failed(self, problem: str, reason: str, *, status: int | None, answer: bytes | None = None) -> None:
        """This upstream did not answer as it should: ask the next one, or say so."""
        self._stop_asking()
        replica = self._replica
        assert replica is not None
        now = monotonic()
        if status == 429:
            replica.limited(_seconds(self._fields), now)
        else:
            replica.failed(problem, now)
        if answer is not None and self._crossing is None:
            self._last = (status or 502, self._fields, answer)
        self._attempted(status, problem, paid=status is not None and status < 400)
        if self._front is None:
            self._end(Ended.CLIENT_CLOSED, problem)
            return
        code = "upstream_timeout" if "timeout" in problem else "upstream_failed"
        shown = f"The upstream {replica.upstream!r} did not answer: {reason}."
        self._last_problem = Problem(status=504 if "timeout" in problem else 502, code=code, message=shown)
        if not self._has_begun and (self._held is not None or not self._status):
            self._next()
        elif not self._has_begun and self._status:
            self._give_up()
        else:
            self._cut(self._last_problem, timed_out="timeout" in problem)

    def _give_up(self) -> None:
        """Nobody answered: pass on the last answer there was, or say what went wrong last."""
        front = self._front
        last = self._last
        if front is None:
            self._end(Ended.CLIENT_CLOSED, "")
            return
        if last is not None:
            status, fields, body = last
            self._status = status
            head, _, self._may_keep = response_head(
                status,
                fields,
                length=b"%d" % len(body),
                is_unpacked=False,
                version=self.incoming.version,
                keep=self._keeps(),
                told=self._plane.told(self),
            )
            self._kept = [body]
            self._begin_answer()
            front.transport.write(head + body)
            self._end(Ended.UPSTREAM_ERROR, f"the upstream answered {status}")
            return
        problem = (
            self._last_problem
            or self._plane.why_not(self, self._targets)
            or self._untold()
            or Problem(
                status=503,
                code="no_upstream",
                message="No upstream may be asked for this request, or all of them are busy; try again.",
                retry_after="1",
            )
        )
        self._status = problem.status
        front.whole_problem(self.incoming, problem)
        self._end(Ended.TIMEOUT if problem.status == 504 else Ended.UPSTREAM_ERROR, problem.message)

    def _untold(self) -> Problem | None:
        """Why the request could not be said to any target, where that is the reason."""
        return Problem(status=400, code="cannot_be_translated", message=self._why_not) if self._why_not else None

    def _cut(self, problem: Problem, *, timed_out: bool) -> None:
        """The answer has begun and cannot be completed: say so in the stream, or close so that it is seen."""
        front = self._front
        assert front is not None
        if self._is_stream and (self._whole is not None or self._crossed is not None) and self._is_chunked:
            event = (
                answers.event_of(problem, self.protocol, call_id=self.id)
                if self._crossed is None
                else self._crossed.fail(problem.message)
            )
            front.transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(event), event))
            self._end(Ended.TIMEOUT if timed_out else Ended.CUT, problem.message)
        else:
            self._end(Ended.TIMEOUT if timed_out else Ended.CUT, problem.message, abort=True)

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem of ours; nothing was asked."""
        self._status = problem.status
        if self._front is not None:
            self._front.whole_problem(self.incoming, problem)
        self._plane.count_refusal(problem)
        self._end(Ended.REFUSED, problem.code)

    def fail(self, problem: Problem) -> None:
        """Give up because of a bug of ours."""
        self._stop_asking()
        if self._replica is not None:
            self._attempted(self._status or None, problem.code)
        front = self._front
        if front is None or self._is_done:
            return
        if self._has_begun:
            self._cut(problem, timed_out=False)
            return
        self._status = problem.status
        front.whole_problem(self.incoming, problem)
        self._end(Ended.UPSTREAM_ERROR, problem.code)

    def timed_out(self) -> None:
        """The deadline has passed."""
        if self._upstream is None:
            problem = Problem(
                status=503,
                code="starting",
                message="Keys and routes are not known yet; try again in a moment.",
                retry_after="1",
            )
            self.refuse(problem)
            return
        now = self._upstream.now
        if self._front is None:
            self._stop_asking()
            self._end(Ended.CLIENT_CLOSED, "read for as long as the route allows")
        elif not self._sent_at:
            self._failed("connect timeout", f"no connection within {now.connect_s:g} s", status=None)
        elif not self._status:
            self._failed("timeout", f"nothing came within {now.first_byte_s:g} s", status=None)
        else:
            self._failed("timeout", f"nothing more came for {now.idle_s:g} s", status=self._status)

    # What the caller does

    def caller_gone(self) -> None:
        """The caller has closed the connection: stop the upstream, or read on for the record."""
        self._front = None
        route = self._decision.route if self._decision is not None else None
        if route is not None and route.disconnect is Disconnect.DRAIN and self._asked is not None:
            self._asked.resume()
            self._last_moment = monotonic() + self._plane.settings.drain_s
            assert self._upstream is not None
            self.deadline = min(self._last_moment, monotonic() + self._upstream.now.first_byte_s)
            return
        self._stop_asking()
        if self._replica is not None:
            self._attempted(self._status or None, "caller gone")
        self._end(Ended.CLIENT_CLOSED, "the caller closed the connection")

    def hold_up(self) -> None:
        """The caller reads more slowly than the answer comes."""
        self.deadline = 0.0
        if self._asked is not None:
            self._asked.pause()

    def go_on(self) -> None:
        """The caller has caught up."""
        if self._asked is not None and self._upstream is not None:
            self.deadline = monotonic() + self._upstream.now.idle_s
            self._asked.resume()

    # The end

    def _stop_asking(self) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.stop()

    def _note_well(self, status: int) -> None:
        replica = self._replica
        assert replica is not None
        if status == 429:
            replica.limited(_seconds(self._fields), monotonic())
        elif status in _UNWELL:
            replica.failed(str(status), monotonic())
        else:
            replica.well()

    def _attempted(self, status: int | None, problem: str, *, paid: bool = False) -> None:
        """An attempt is over; `paid` where it began to answer and that answer is not (wholly) given."""
        replica = self._replica
        assert replica is not None
        replica.ended()
        self._replica = None
        latency_s = monotonic() - self._asked_at
        attempt = Attempt(
            upstream=replica.upstream, status=status, problem=problem, latency_s=latency_s, side=self._side_asked()
        )
        if paid and not self._has_begun:
            attempt = self._with_tokens(attempt)
        self._attempts.append(attempt)

    def _side_asked(self) -> Served:
        """Whose answer is waited for; a target's upstream does not tell, for both sides may share one."""
        route = None if self._decision is None else self._decision.route
        is_candidate = route is not None and route.candidate is not None and self._target is route.candidate
        return Served.CANDIDATE if is_candidate else _INCUMBENT

    def _with_tokens(self, attempt: Attempt) -> Attempt:
        """An attempt whose answer nobody gets, with what it took."""
        told = bodies.tokens_told(b"".join(self._kept))
        if told is None:
            return attempt
        model = (self._target.model if self._target is not None else None) or self.view.model_name
        return msgspec.structs.replace(attempt, model=model, input=told[0], output=told[1])

    def _end(self, ended: Ended, problem: str, *, abort: bool = False) -> None:
        if self._is_done:
            return
        self._is_done = True
        self.deadline = 0.0
        front, self._front = self._front, None
        self._plane.ended(self, self._told(ended, problem))
        if front is not None:
            if abort:
                front.call = None
                front.transport.abort()
            else:
                front.finished(keep=self._may_keep)

    def labels(self) -> tuple[str, Stage, str | None] | None:
        """What the caller is told of who answered (see `heads.labelled`); `None` where nobody was asked."""
        decision, target = self._decision, self._target
        if decision is None or target is None:
            return None
        return target.upstream, decision.stage, self.place.workload_id

    def _told(self, ended: Ended, problem: str) -> frames.Call:
        decision = self._decision
        target = self._target
        incoming = self.incoming
        known = incoming.known
        kept = self._kept
        key = incoming.key
        before_s, after_s = self._before_s, self._after_s
        added_s = None if before_s is None or after_s is None else before_s + after_s
        is_first = decision is None or target is decision.target
        # By place and not by name, which would take three times as long; the type checker knows each place.
        return frames.Call(
            self.id,
            self._plane.number,
            self._started_us,
            self._place.path if incoming.url == self._place.whole else incoming.url.decode("latin-1"),
            self.protocol,
            self.protocol if self._crossing is None else self._spoken(),
            self.view.model_name,
            self.view.stream is True,
            self.body,
            kept[0] if len(kept) == 1 else b"".join(kept),
            self._status,
            ended,
            problem,
            self._first_byte_s,
            monotonic() - self._started,
            added_s,
            "" if target is None else target.upstream,
            tuple(self._attempts),
            decision.side if decision is not None and is_first else _INCUMBENT,
            "stay" if decision is None else _STAGES[decision.stage],
            0,
            decision is not None and decision.pair_wanted and ended is _DONE,
            None if key is None else key.id,
            incoming.own_key and key is None,
            self.place.workload_id,
            self.place.prompt_id,
            _text(known.get(b"x-fairlead-conversation")),
            _text(known.get(b"x-fairlead-user")),
            0,
            self._encoding,
            self._injected,
        )


def _text(value: bytes | None) -> str | None:
    return None if not value else value.decode("latin-1")[:200]


def _seconds(fields: Fields) -> float | None:
    """What `Retry-After` says, where it is a number of seconds."""
    for name, value in passed_on(fields):
        if name.lower() == b"retry-after":
            try:
                return float(value)
            except ValueError:
                return None
    return None
