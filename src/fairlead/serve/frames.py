"""What the data plane tells the control process: one `Call` per request that was answered, refused or given up.

Beside the calls it sends its `Counters` once a second. Frames are msgpack, each with its length before it (four bytes, big-endian), over a socket that is never waited for. A
data plane keeps what the socket does not take at once in a bounded buffer (a socket alone holds no more than the calls
of a few milliseconds); when that is full the frame is dropped and counted, and the next frame says how many were
(`dropped_before`). Several frames in one write cost both sides less than several writes.
"""

from __future__ import annotations

import zlib
from enum import StrEnum

import msgspec


class Protocol(StrEnum):
    """What a caller or an upstream speaks, by path."""

    OPENAI_CHAT = "openai.chat"
    OPENAI_RESPONSES = "openai.responses"
    OPENAI_EMBEDDINGS = "openai.embeddings"
    OPENAI_COMPLETIONS = "openai.completions"
    OPENAI_MODELS = "openai.models"
    ANTHROPIC_MESSAGES = "anthropic.messages"
    ANTHROPIC_COUNT = "anthropic.count_tokens"


class Ended(StrEnum):
    """How a call ended, as the caller saw it."""

    DONE = "done"
    CLIENT_CLOSED = "client_closed"
    CUT = "cut"
    TIMEOUT = "timeout"
    UPSTREAM_ERROR = "upstream_error"
    REFUSED = "refused"


class Served(StrEnum):
    """Which side answered."""

    INCUMBENT = "incumbent"
    CANDIDATE = "candidate"


class Attempt(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One try at one upstream: its answer's status (`None` when there was none) and what went wrong, in a word or two.

    `side` says whose answer was asked for; the upstream does not, for one server may have both sides' models.

    An answer that was paid for and not given (it broke its schema, say) has its `model` and the tokens that it told.
    """

    upstream: str
    status: int | None = None
    problem: str = ""
    latency_s: float = 0.0
    model: str = ""
    input: int | None = None
    output: int | None = None
    side: Served = Served.INCUMBENT


class Call(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """One call, as it happened. Bodies are raw bytes; the control process parses, redacts and keeps them.

    `request` is the caller's body as sent (decompressed, before anything was injected). `response` is the body in the
    protocol the *upstream* spoke, a stream's events one after another as received (with injected usage, if any), partial
    when `ended` is not done; `encoding` names what it is compressed with, as in HTTP, and is empty for nothing
    (`plain_response` undoes it). `injected` is true when usage was asked for on the gateway's own account. `spoken` is the protocol of `response`; it differs from `protocol` when the answer was
    translated. `pair_wanted` asks the control process for the other side's answer to the same request: a shadow
    (the incumbent answered), or the incumbent's half of a canary pair (the candidate answered). `own_key` is true when
    the caller's own provider key was passed through: such a request may not be asked again with that key.
    """

    call_id: str
    process: int
    started_us: int
    path: str
    protocol: Protocol
    spoken: Protocol
    model: str
    streamed: bool
    request: bytes
    response: bytes
    status: int
    ended: Ended
    problem: str = ""
    first_byte_s: float | None = None
    latency_s: float = 0.0
    added_s: float | None = None
    upstream: str = ""
    attempts: tuple[Attempt, ...] = ()
    served: Served = Served.INCUMBENT
    stage: str = "stay"
    route_version: int = 0
    pair_wanted: bool = False
    key_id: str | None = None
    own_key: bool = False
    workload_id: str | None = None
    prompt_id: str | None = None
    conversation: str | None = None
    user: str | None = None
    dropped_before: int = 0
    encoding: str = ""
    injected: bool = False


def plain_response(call: Call, *, limit: int = 64 * 1024 * 1024) -> bytes:
    """The response without its compression, at most `limit` bytes of it; what cannot be undone stays as it is."""
    if not call.encoding or not call.response:
        return call.response
    form = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(call.encoding)
    if form is None:
        return call.response
    # What is called deflate is sent by some without the envelope that it should have.
    for way in (form, -15) if form == 15 else (form,):
        try:
            return zlib.decompressobj(way).decompress(call.response, limit)
        except zlib.error:
            continue
    return call.response


LATENCY_BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper ends of the buckets that added latency is counted in; one more bucket holds what took longer."""


class Breaker(StrEnum):
    """Whether an upstream is asked: as usual, not for now, or with a single request to see how it is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class ReplicaSeen(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One replica of an upstream as a data plane sees it; `problem` is the last thing that went wrong, in a few words."""

    upstream: str
    url: str
    in_flight: int = 0
    breaker: Breaker = Breaker.CLOSED
    requests: int = 0
    failures: int = 0
    problem: str = ""


class Counters(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=2):
    """What one data plane has counted since it started. Sums, so that a frame that is lost loses nothing.

    `added` counts calls by added latency, in the buckets of `LATENCY_BOUNDS_S`; `added_s` is the sum of it. `dropped` counts
    frames that could not be handed over. `refused` counts requests by reason, in a word or two (no key, budget, …).
    """

    process: int
    at_us: int
    started_us: int
    requests: int = 0
    in_flight: int = 0
    streams: int = 0
    connections: int = 0
    dropped: int = 0
    buffered: int = 0
    snapshot_version: int = 0
    added: tuple[int, ...] = ()
    added_s: float = 0.0
    refused: dict[str, int] = {}
    replicas: tuple[ReplicaSeen, ...] = ()


Frame = Call | Counters
"""What comes up from a data plane; `msgspec.msgpack.Decoder(Frame)` tells them apart by their tag."""
