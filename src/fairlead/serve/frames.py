"""What the data plane tells the control process: one `Call` per request that was answered, refused or given up.

Frames are msgpack, each with its length before it (four bytes, big-endian), over a socket that is never waited for: when
it is full the frame is dropped and counted, and the next frame says how many were (`dropped_before`).
"""

from __future__ import annotations

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
    """One try at one upstream: its answer's status (`None` when there was none) and what went wrong, in a word or two."""

    upstream: str
    status: int | None = None
    problem: str = ""
    latency_s: float = 0.0


class Call(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One call, as it happened. Bodies are raw bytes; the control process parses, redacts and keeps them.

    `request` is the caller's body as sent (decompressed, before anything was injected). `response` is the body in the
    protocol the *upstream* spoke, a stream's events one after another as received (with injected usage, if any), partial
    when `ended` is not done. `spoken` is the protocol of `response`; it differs from `protocol` when the answer was
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
