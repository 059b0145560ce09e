"""The state of one data plane: what holds now, who is connected, what is on its way, what was counted.

One sweep a moment looks at every deadline, instead of a timer per request; one table says what a key may do; a snapshot that
comes replaces the one before it between two requests, never within one.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Final

import msgspec

from fairlead.edge.gateway.answers import Problem
from fairlead.edge.gateway.bodies import opening, tokens_in
from fairlead.edge.gateway.call import Call, Way
from fairlead.edge.gateway.front import Gated
from fairlead.edge.gateway.heads import labelled
from fairlead.edge.gateway.health import Health
from fairlead.edge.gateway.link import Link
from fairlead.edge.gateway.placing import LONG, Place, Placing
from fairlead.edge.gateway.same_head import SameHead, same_head
from fairlead.edge.gateway.shaping import changes_nothing
from fairlead.edge.gateway.upstreams import Upstream, upstreams_of
from fairlead.edge.serve_settings import ServeSettings, base_snapshot
from fairlead.serve import frames
from fairlead.serve.counts import Counts, board_bytes
from fairlead.serve.decide import Decision, Routes, conversation_of
from fairlead.serve.ebb import Ebb
from fairlead.serve.frames import LATENCY_BOUNDS_S, Counters, Protocol
from fairlead.serve.keys import EXPIRED, UNKNOWN, Keys, Refusal, is_over
from fairlead.serve.snapshot import Snapshot, Stage, TargetNow

if TYPE_CHECKING:
    from fairlead.edge.gateway.front import Front, Incoming

SWEEP_S: Final = 0.25
COUNT_S: Final = 1.0
HELLO_S: Final = 10.0
MOST_LABELS: Final = 4096
COUNTED_KEYS: Final = 4096
"""Keys whose use in a minute can be counted at once."""


class Plane:
    """One data plane."""

    def __init__(
        self,
        settings: ServeSettings,
        *,
        number: int,
        link: Link | None,
        counts: Counts | None = None,
        sweep_s: float = SWEEP_S,
    ) -> None:
        if counts is None:
            board = bytearray(board_bytes(processes=1, keys=COUNTED_KEYS))
            counts = Counts(board, number=0, processes=1, keys=COUNTED_KEYS)
        self._counts = counts
        self._placing: Placing | None = None
        self._grouper: bytes | None = None
        self._loading = False
        self.settings = settings
        self.number = number
        self.link = link
        self.draining = False
        self.upstreams: dict[str, Upstream] = {}
        self._sweep_s = sweep_s
        self._fronts: set[Front] = set()
        self._calls: set[Call] = set()
        self._waiting: list[Call] = []
        self._ebb = Ebb()
        self._started_us = time_ns() // 1000
        self._name = f"c{os.urandom(6).hex()}"
        self._count = 0
        self._requests = 0
        self._streams = 0
        self._added = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self._added_s = 0.0
        self._refused: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._is_told = False
        self._ways: dict[str | None, Way | None] = {}
        self._told: dict[tuple[str, Stage, str | None], bytes] = {}
        self.snapshot = base_snapshot(settings)
        self._apply(self.snapshot)

    # What holds

    def take(self, snapshot: Snapshot) -> None:
        """Act on a snapshot of the control process from now on."""
        self._is_told = True
        self._apply(snapshot)
        self._go_on_with_those_that_waited()

    def _go_on_with_those_that_waited(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            self.again(call)

    def _must_wait(self, call: Call) -> bool:
        """Whether it is too early to say where a call may go.

        A workload that may not leave must not leave while the gateway starts, either: where there may be routes, calls wait
        for the first snapshot and for the workloads in it. Where there is nothing that could tell, none waits.
        """
        if self.link is None:
            return False
        if not self._is_told:
            return call.incoming.is_pending or self.settings.routes_first
        return self._needs_places and self._placing is None and self._loading

    def reload(self, settings: ServeSettings) -> None:
        """Act on new settings from now on; routes and keys stay until the control process sends its own."""
        self.settings = settings
        base = base_snapshot(settings)
        now = self.snapshot
        self._apply(
            msgspec.structs.replace(
                base, version=now.version, routes=now.routes, keys=now.keys, aliases={**now.aliases, **base.aliases}
            )
        )

    def _apply(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.upstreams = upstreams_of(snapshot.upstreams, self.upstreams)
        self._routes = Routes(snapshot)
        self._keys = Keys(snapshot.keys, self._counts)
        self._needs_places = bool(snapshot.routes) or any(key.workloads for key in snapshot.keys)
        if snapshot.grouper is not None:
            self._grouper = snapshot.grouper
        if self._needs_places and self._grouper is not None and not self._loading:
            self._loading = True
            state, self._grouper = self._grouper, None
            loaded = asyncio.get_running_loop().run_in_executor(None, Placing.from_state, state)
            loaded.add_done_callback(self._loaded)
        self._ways.clear()

    def _loaded(self, loaded: asyncio.Future[Placing]) -> None:
        self._loading = False
        if loaded.cancelled():
            return
        self._placing = loaded.result()
        if self._grouper is not None:  # another one came meanwhile
            self._apply(self.snapshot)
        self._go_on_with_those_that_waited()

    # Who comes and goes

    def joined(self, front: Front) -> None:
        """A caller has connected."""
        self._fronts.add(front)
        if len(self._fronts) > self.settings.max_connections:
            self._refused["connections"] += 1
            front.transport.abort()

    def left(self, front: Front) -> None:
        """A caller is gone."""
        self._fronts.discard(front)

    def gate(self, incoming: Incoming, front: Front | None = None) -> Problem | None:
        """Who is calling: decided on the head, for every path alike; what is not allowed is refused."""
        api_key = incoming.known.get(b"x-api-key", b"")
        authorization = incoming.known.get(b"authorization", b"")
        now_us = time_ns() // 1000
        known = front.gated if front is not None else None
        if known is not None and known.keys is self._keys and known.is_same(authorization, api_key):
            if is_over(known.key, now_us):
                return problem_of(EXPIRED)
            incoming.key = known.key
            return None
        found = self._keys.find(authorization, api_key, now_us=now_us)
        if isinstance(found, Refusal):
            if found is UNKNOWN and not self._is_told and self.link is not None:
                incoming.is_pending = True
                return None
            return problem_of(found)
        if front is not None and found is not None:
            front.gated = Gated(authorization, api_key, self._keys, found)
        incoming.key = found
        incoming.own_key = found is None and bool(authorization or api_key)
        if found is None and self.snapshot.require_key:
            return Problem(status=401, code="no_key", message="A Fairlead key is needed here; send it as your API key.")
        return None

    def same_head(self, data: bytes, incoming: Incoming) -> SameHead | None:
        """What to tell the head of a request by that came whole and was let in."""
        return same_head(data, incoming, keys=self._keys, most=self.settings.max_body_bytes)

    def lets_in(self, same: SameHead) -> bool:
        """Whether a request with a head that was let in before is let in now."""
        if same.keys is not self._keys:
            return False
        key = same.incoming.key
        return key is None or key.expires_us is None or not is_over(key, time_ns() // 1000)

    def begin(self, front: Front, incoming: Incoming) -> None:
        """A request is complete."""
        call = Call(self, front, incoming)
        front.call = call
        self._calls.add(call)
        self._requests += 1
        try:
            call.start()
        except Exception as error:  # noqa: BLE001  # as below, without a call more
            self._broke(call, error)

    def guarded(self, call: Call, step: Callable[[], None]) -> None:
        """Take a step of a call; a bug of ours is shown with its traceback, and the caller gets an answer all the same."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  # see above
            self._broke(call, error)

    def _broke(self, call: Call, error: Exception) -> None:
        context = {"message": "A call could not be answered", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
        call.fail(Problem(status=500, code="gateway_error", message="The gateway could not handle this request."))

    def choose(self, call: Call) -> None:
        """Decide where a call goes."""
        if (self._placing is None or not self._is_told) and self._must_wait(call):
            call.deadline = monotonic() + HELLO_S
            self._waiting.append(call)
            return
        if call.incoming.is_pending:
            call.incoming.is_pending = False
            problem = self.gate(call.incoming)
            if problem is not None:
                call.refuse(problem)
                return
        key = call.incoming.key
        if key is not None:
            refusal = self._keys.admit(
                key,
                model=call.view.model_name,
                body_bytes=len(call.body),
                now_s=monotonic(),
                now_us=time_ns() // 1000,
            )
            if refusal is not None:
                call.refuse(problem_of(refusal))
                return
        placing = self._placing
        if not self._needs_places or placing is None:
            self._decide(call)
            return
        memo, place = placing.recall(call.protocol, call.view)
        if place is not None:
            call.place = place
            self._decide(call)
        elif len(call.body) <= LONG:
            call.place = placing.read(call.protocol, call.body, memo)
            self._decide(call)
        else:
            read = asyncio.get_running_loop().run_in_executor(None, placing.read, call.protocol, call.body, None)
            read.add_done_callback(lambda done: self._placed(call, done))

    def _placed(self, call: Call, done: asyncio.Future[Place]) -> None:
        if call in self._calls:
            self.guarded(call, lambda: self._go_on(call, done))

    def _go_on(self, call: Call, done: asyncio.Future[Place]) -> None:
        call.place = done.result()
        self._decide(call)

    def _decide(self, call: Call) -> None:
        key = call.incoming.key
        workload_id = call.place.workload_id
        if key is not None and key.workloads:
            refusal = self._keys.may_do(key, workload_id)
            if refusal is not None:
                call.refuse(problem_of(refusal))
                return
        dialect = "anthropic" if call.incoming.anthropic else "openai"
        settled = self._routes.settled(workload_id, dialect)
        if settled is not None:
            call.decided(settled, self._way(workload_id, settled) if dialect == "openai" else None)
            return
        route = self._routes.route(workload_id)
        conversation = None
        if route is not None and route.stage is Stage.CANARY:
            conversation = conversation_of(conversation=call.conversation, user=call.user, body=opening(call.view))
        call.decided(self._routes.decide(workload_id, dialect=dialect, conversation=conversation, call_id=call.id))

    def _way(self, workload_id: str | None, settled: Decision) -> Way | None:
        """The only way that a settled decision leads, for calls that OpenAI's protocols pass through as they come."""
        try:
            return self._ways[workload_id]
        except KeyError:
            way = self._ways[workload_id] = self._only_way(settled)
            return way

    def _only_way(self, settled: Decision) -> Way | None:
        target, route = settled.target, settled.route
        upstream = None if target is None else self.upstreams.get(target.upstream)
        if target is None or upstream is None or settled.fallbacks or (route is not None and route.repair):
            return None
        now = upstream.now
        if self.snapshot.aliases or not changes_nothing(target) or now.dialect != "openai":
            return None
        if len(upstream.replicas) != 1 or now.max_in_flight:
            return None
        has_key = now.key_env is not None or now.key_file is not None
        return Way(
            (target,),
            upstream,
            upstream.replicas[0],
            for_keys=upstream.key is not None or not has_key,
            for_others=now.caller_key or not has_key or (now.lend_key and upstream.key is not None),
        )

    def again(self, call: Call) -> None:
        """Go on with a call that waited for the first snapshot."""
        if call in self._calls:
            call.deadline = 0.0
            self.guarded(call, lambda: self.choose(call))

    def ended(self, call: Call, told: frames.Call) -> None:
        """A call is over."""
        self._calls.discard(call)
        key = call.incoming.key
        if key is not None and key.tokens_per_minute is not None:
            tokens = tokens_in(told.response)
            if tokens is not None:
                self._keys.settle(key, body_bytes=len(call.body), tokens=tokens, now_s=monotonic())
        added = told.added_s
        if added is not None:
            self._added[bisect_left(LATENCY_BOUNDS_S, added)] += 1
            self._added_s += added
        if self.link is not None:
            self.link.call(told)
        if self.draining and not self._calls:
            self._idle.set()

    def refused(self, incoming: Incoming, problem: Problem) -> None:
        """A request was refused on its head."""
        del incoming
        self.count_refusal(problem)

    def count_refusal(self, problem: Problem) -> None:
        """Count what was refused, by reason."""
        self._refused[problem.code] += 1

    def new_id(self) -> str:
        """An id for a call, unique among all processes."""
        self._count += 1
        return f"{self._name}{self._count:x}"

    # Keys and upstreams

    def may_ask(self, call: Call, upstream: Upstream) -> bool:
        """Whether an upstream may be asked for a call, by whose key would be sent there."""
        now = upstream.now
        if call.protocol is Protocol.OPENAI_MODELS and (now.dialect == "anthropic") != call.incoming.anthropic:
            return False
        has_key = now.key_env is not None or now.key_file is not None
        if call.incoming.key is not None:
            return upstream.key is not None or not has_key
        return _is_meant_for(call, upstream) or not has_key or (now.lend_key and upstream.key is not None)

    def authorization(self, call: Call, upstream: Upstream) -> list[tuple[bytes, bytes]]:
        """The fields with the key that an upstream is sent: the caller's own where it was meant for it, or the operator's."""
        incoming = call.incoming
        if incoming.key is None and _is_meant_for(call, upstream) and (incoming.own_key or not upstream.now.lend_key):
            return [(name, incoming.known[name]) for name in (b"authorization", b"x-api-key") if name in incoming.known]
        if upstream.key is None:
            return []
        if incoming.key is None and not upstream.now.lend_key:
            return []
        key = upstream.key.encode("ascii")
        return [(b"x-api-key", key)] if upstream.now.dialect == "anthropic" else [(b"authorization", b"Bearer " + key)]

    def why_not(self, call: Call, targets: Sequence[TargetNow]) -> Problem | None:
        """Why none of the targets may be asked, where it is a key that is missing."""
        for target in targets:
            upstream = self.upstreams.get(target.upstream)
            if upstream is None:
                message = f"The route leads to {target.upstream!r}, which is no upstream in the settings."
                return Problem(status=503, code="no_upstream", message=message)
            if not self.may_ask(call, upstream):
                where = upstream.now.key_env or upstream.now.key_file
                message = (
                    f"No key for the upstream {target.upstream!r} is known to the gateway; its operator sets {where} (a sample"
                    " key does not count)."
                    if call.incoming.key is not None
                    else f"Your own key was not meant for the upstream {target.upstream!r}; a Fairlead key is needed here."
                )
                return Problem(status=503 if call.incoming.key is not None else 403, code="no_key", message=message)
        return None

    def model_alias(self, model: str) -> str | None:
        """The model that is meant by a name, where the settings give it another."""
        return self.snapshot.aliases.get(model)

    def told(self, call: Call) -> bytes:
        """The fields that tell the caller who answered; empty where they are switched off."""
        if not self.snapshot.response_headers:
            return b""
        labels = call.labels()
        if labels is None:
            return b""
        told = self._told.get(labels)
        if told is None:
            if len(self._told) >= MOST_LABELS:
                self._told.clear()
            told = self._told[labels] = labelled(*labels)
        return told

    # Time

    def start(self) -> None:
        """Begin to look at deadlines and to count."""
        self._sweep()
        self._send_counters()
        self._health = Health(self)
        self._health.look()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep_timer = loop.call_later(self._sweep_s, self._sweep)
        now = monotonic()
        late = [front for front in self._fronts if 0.0 < front.deadline <= now]
        for front in late:
            front.timed_out()
        for call in [call for call in self._calls if 0.0 < call.deadline <= now]:
            call.timed_out()
        for upstream in self.upstreams.values():
            for replica in upstream.replicas:
                replica.origin.let_go(now)

    def _send_counters(self) -> None:
        loop = asyncio.get_running_loop()
        self._count_timer = loop.call_later(COUNT_S, self._send_counters)
        lines = sum(each.origin.open_lines() for upstream in self.upstreams.values() for each in upstream.replicas)
        self._ebb.see(max(len(self._calls), len(self._fronts), lines))
        if self.link is not None:
            self.link.counters(self.counters())

    def counters(self) -> Counters:
        """What was counted so far."""
        now = monotonic()
        return Counters(
            process=self.number,
            at_us=time_ns() // 1000,
            started_us=self._started_us,
            requests=self._requests,
            in_flight=len(self._calls),
            streams=sum(call.view.is_stream for call in self._calls),
            connections=len(self._fronts),
            dropped=0 if self.link is None else self.link.dropped,
            buffered=0 if self.link is None else self.link.buffered,
            snapshot_version=self.snapshot.version,
            added=tuple(self._added),
            added_s=self._added_s,
            refused=dict(self._refused),
            replicas=tuple(replica.seen(now) for upstream in self.upstreams.values() for replica in upstream.replicas),
        )

    async def drain(self, *, within_s: float) -> None:
        """Finish what is on its way, for at most that long; new requests on open connections are no longer taken."""
        self.draining = True
        for front in list(self._fronts):
            if front.call is None:
                front.close_when_idle()
        if self._calls:
            try:
                async with asyncio.timeout(within_s):
                    await self._idle.wait()
            except TimeoutError:
                pass
        self._sweep_timer.cancel()
        self._count_timer.cancel()
        self._health.stop()
        for call in list(self._calls):
            call.caller_gone()
        for front in list(self._fronts):
            front.transport.abort()
        for upstream in self.upstreams.values():
            for replica in upstream.replicas:
                replica.origin.close()
        if self.link is not None:
            self.link.counters(self.counters())


def _is_meant_for(call: Call, upstream: Upstream) -> bool:
    """Whether a caller's own key may go to an upstream: it speaks the dialect of the provider who gave the key."""
    return upstream.now.caller_key and (upstream.now.dialect == "anthropic") == call.incoming.anthropic


def problem_of(refusal: Refusal) -> Problem:
    """A refusal of a key as the caller is told."""
    wait = None if refusal.retry_after_s is None else str(refusal.retry_after_s)
    return Problem(status=refusal.status, code=refusal.code, message=refusal.message, retry_after=wait)
