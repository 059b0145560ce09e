"""Asks an endpoint over HTTP, and comes back with a reply whatever happens to the request.

Rules kept: one attempt has `timeout_s` from the first byte sent to the last byte read, and all attempts together too; a
timeout is an answer (a failed one) and is never tried again, a server's error or a broken connection is, with growing
pauses; 429 makes everything sent to this endpoint wait, patiently, outside the time limit; a 403 to one request while
others are answered is a refusal of that one (`welcome.py`); no answer is read beyond `MAX_BYTES`; the key is sent to
this endpoint only and blotted out wherever it is sent back.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Protocol, Self

import msgspec

from fairlead.core import nouns
from fairlead.core.errors import EndpointError
from fairlead.core.nouns import JSON, Answer, Asker, Candidate, Dialect, Failure, FailureKind, Judge, Reply, Usage
from fairlead.core.wire.failure import one_line
from fairlead.core.wire.stream import ChatStream, MessageStream
from fairlead.edge.clients.address import CANDIDATE_KEY, INCUMBENT_KEY, JUDGE_KEY, address, key_for
from fairlead.edge.clients.answers import (
    ADVICE,
    Meaning,
    answer_in,
    answer_of,
    endpoint_words,
    error_code,
    meaning,
)
from fairlead.edge.clients.connections import BrokenError, Connections, Proxied, Response, UnreachableError, needs_proxy
from fairlead.edge.clients.direct import Direct
from fairlead.edge.clients.gate import Gate, retry_after
from fairlead.edge.clients.limits import limited
from fairlead.edge.clients.welcome import Welcome

MAX_BYTES = 8 * 1024 * 1024
ATTEMPTS = 3
PATIENCE_S = 600.0
CONNECT_S = 10.0
DRAIN_S = 0.25
"""How long the end of a stream whose answer is complete is waited for, to keep its connection."""

_USAGE_ASKED = b'"stream_options":{"include_usage":true}'
_UNPAID = ("insufficient_quota", "billing")


NO_USAGE = Usage()


class _Assembler(Protocol):
    @property
    def done(self) -> bool: ...
    def feed(self, chunk: bytes) -> None: ...
    def close(self) -> None: ...
    def body(self) -> dict[str, JSON]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """A response as it was read: its bytes, or the body of a stream."""

    status: int
    headers: Mapping[str, str]
    raw: bytes = b""
    streamed: JSON = None
    too_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What one attempt came to. `again` allows another; `limited` means that nothing was tried really."""

    answer: Answer
    usage: Usage = NO_USAGE
    body: JSON = None
    latency_s: float
    again: bool = False
    limited: bool = False
    unreachable: bool = False
    wait_s: float | None = None


class Endpoint:
    """One endpoint that is asked; calling it with a body gives a `Reply` (it is an `Ask`).

    Use it as an async context manager, or close it with `aclose`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        dialect: Dialect = Dialect.OPENAI_CHAT,
        key: str | None = None,
        timeout_s: float = 60.0,
        stream: bool = False,
        attempts: int = ATTEMPTS,
        patience_s: float = PATIENCE_S,
        random: Random | None = None,
    ) -> None:
        self.address = address(base_url)
        self._dialect = dialect
        self._key = key
        self._timeout_s = timeout_s
        self._stream = stream and dialect is not Dialect.OPENAI_EMBEDDINGS
        self._counts_streams = True
        self._attempts = attempts
        self._patience_s = patience_s
        self._random = random or Random()  # noqa: S311  # spreads retries, hides nothing
        self._welcome = Welcome(clock=time.monotonic)
        self._gate = Gate(patience_s=patience_s, clock=time.monotonic, random=self._random)
        connections = Proxied if needs_proxy(self.address) else Direct
        self._connections: Connections = connections(
            self.address.url(dialect),
            _headers(dialect, key, stream=self._stream),
            connect_s=min(CONNECT_S, 0.9 * timeout_s),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._connections.aclose()

    async def __call__(self, body: Mapping[str, JSON]) -> Reply:
        """Ask, with retries, and return what came of it."""
        with self._welcome.request():
            try:
                return await self._asked(body)
            except EndpointError as error:
                if error.status != 403 or not await self._welcome.still(self._is_answered):
                    raise
                answer = _failed(FailureKind.REFUSED_REQUEST, str(error), error.status)
                return Reply(answer=answer)

    async def _is_answered(self, content: bytes) -> bool:
        try:
            outcome = await self._attempt(content, self._timeout_s)
        except EndpointError:
            return False
        return outcome.answer.failure is None

    async def _asked(self, body: Mapping[str, JSON]) -> Reply:
        left, tried = self._timeout_s, 0
        while True:
            await self._gate.passed()
            content = self._encoded(body)
            outcome = await self._attempt(content, left)
            if outcome.limited:
                self._be_patient(outcome)
                continue
            if _USAGE_ASKED in content and "stream_options" in _detail(outcome.answer):
                # The one field that is ours and not the candidate's: an endpoint that refuses it is asked without it.
                self._counts_streams = False
                continue
            self._gate.answered()
            if outcome.answer.failure is None:
                self._welcome.answered(content)
            tried += 1
            left -= outcome.latency_s
            pause = self._pause(tried, outcome.wait_s)
            if not outcome.again or tried >= self._attempts or pause >= left:
                return self._reply(outcome, tried)
            await asyncio.sleep(pause)
            left -= pause

    def _encoded(self, body: Mapping[str, JSON]) -> bytes:
        if self._stream:
            body = {**body, "stream": True}
            if self._dialect is Dialect.OPENAI_CHAT and self._counts_streams:
                body = {**body, "stream_options": {"include_usage": True}}
        try:
            return msgspec.json.encode(body)
        except UnicodeEncodeError:  # half of a surrogate pair in a logged text: sent as it was written, escaped
            return json.dumps(body).encode("ascii")

    def _pause(self, tried: int, asked: float | None) -> float:
        pause: float = self._random.uniform(0.25, 0.75) * 2.0 ** (tried - 1)
        return max(pause, asked or 0.0)

    def _be_patient(self, outcome: _Outcome) -> None:
        if self._gate.limited(outcome.wait_s):
            return
        said = _detail(outcome.answer)
        asked = f" and asks to wait {outcome.wait_s:.0f} s" if outcome.wait_s is not None else ""
        raise EndpointError(
            f"{self.address.host} is limiting every request{asked}, beyond the {self._patience_s:.0f} s that are waited: {said}",
            status=429,
            retry_after=outcome.wait_s,
        )

    def _reply(self, outcome: _Outcome, tried: int) -> Reply:
        if outcome.unreachable:
            raise EndpointError(
                f"{self.address.base_url} cannot be reached: {_detail(outcome.answer)}. Is it running, is the address right?"
            )
        return Reply(
            answer=outcome.answer,
            usage=outcome.usage,
            latency_s=outcome.latency_s,
            attempts=tried,
            response_body=outcome.body,
        )

    # One attempt

    async def _attempt(self, content: bytes, limit_s: float) -> _Outcome:
        began = time.monotonic()
        try:
            async with limited(limit_s):
                heard = await self._exchanged(content)
        except TimeoutError:
            answer = _failed(FailureKind.TIMEOUT, f"no complete answer within {self._timeout_s:g} s")
            return _Outcome(answer=answer, latency_s=time.monotonic() - began)
        except UnreachableError as error:
            answer = _failed(FailureKind.SERVER_ERROR, str(error))
            return _Outcome(answer=answer, latency_s=time.monotonic() - began, again=True, unreachable=True)
        except BrokenError as error:
            return _Outcome(answer=_failed(FailureKind.CUT, str(error)), latency_s=time.monotonic() - began, again=True)
        return self._understood(heard, time.monotonic() - began)

    async def _exchanged(self, content: bytes) -> _Heard:
        async with self._connections.sent(content) as response:
            return await self._read(response)

    async def _read(self, response: Response) -> _Heard:
        headers = response.headers
        is_stream = headers.get("content-type", "").startswith("text/event-stream")
        if response.status == 200 and self._stream and is_stream:
            return await self._read_stream(response)
        raw = bytearray()
        async for chunk in response:
            raw += chunk
            if len(raw) > MAX_BYTES:
                return _Heard(status=response.status, headers=headers, too_large=True)
        whole = _inflated(bytes(raw), headers.get("content-encoding", ""))
        if whole is None:
            return _Heard(status=response.status, headers=headers, too_large=True)
        return _Heard(status=response.status, headers=headers, raw=self._blotted(whole))

    async def _read_stream(self, response: Response) -> _Heard:
        stream: _Assembler = ChatStream() if self._dialect is Dialect.OPENAI_CHAT else MessageStream()
        size = 0
        chunks = aiter(response)
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > MAX_BYTES:
                    return _Heard(status=200, headers=response.headers, too_large=True)
                stream.feed(chunk)
                if stream.done:
                    await _drained(chunks)
                    break
        except BrokenError:
            # What was cut off is said by the assembled body, which keeps the tokens counted so far.
            if stream.done:
                raise
        stream.close()
        body = msgspec.json.decode(self._blotted(msgspec.json.encode(stream.body())))
        return _Heard(status=200, headers=response.headers, streamed=body)

    def _blotted(self, raw: bytes) -> bytes:
        return raw.replace(self._key.encode(), b"[key]") if self._key else raw

    # What it means

    def _understood(self, heard: _Heard, latency_s: float) -> _Outcome:
        if heard.too_large:
            answer = _failed(FailureKind.TOO_LARGE, f"the answer is longer than {MAX_BYTES // 2**20} MiB", heard.status)
            return _Outcome(answer=answer, latency_s=latency_s)
        if meaning(heard.status) is not Meaning.ANSWER:
            return self._unanswered(heard.status, heard, latency_s)
        if heard.streamed is not None:
            answer, usage, body = answer_of(heard.streamed, self._dialect)
        else:
            answer, usage, body = answer_in(heard.raw, self._dialect)
        failure = answer.failure
        if failure is not None and failure.status is not None and failure.status >= 400:
            # Some gateways answer 200 and write the status of the failure behind them into the body.
            raw = heard.raw or msgspec.json.encode(heard.streamed)
            return self._unanswered(
                failure.status, _Heard(status=heard.status, headers=heard.headers, raw=raw), latency_s
            )
        again = failure is not None and failure.kind in {FailureKind.CUT, FailureKind.SERVER_ERROR}
        return _Outcome(answer=answer, usage=usage, body=body, latency_s=latency_s, again=again)

    def _unanswered(self, status: int, heard: _Heard, latency_s: float) -> _Outcome:
        words = endpoint_words(heard.raw, self._key)
        means = meaning(status)
        unpaid = means is Meaning.LIMITED and any(word in error_code(heard.raw) for word in _UNPAID)
        if means is Meaning.UNUSABLE or unpaid:
            raise self._unusable(status, heard, words)
        kind = FailureKind.REFUSED_REQUEST if means is Meaning.REFUSED else FailureKind.SERVER_ERROR
        return _Outcome(
            answer=_failed(kind, words or f"status {status} without a word", status),
            latency_s=latency_s,
            again=means is Meaning.TRANSIENT,
            limited=means is Meaning.LIMITED,
            wait_s=retry_after(heard.headers, now=time.time()),
        )

    def _unusable(self, status: int, heard: _Heard, words: str) -> EndpointError:
        said = f": {words}" if words else ""
        if 300 <= status < 400:
            to = one_line(heard.headers.get("location", "somewhere else"))
            said = f" and sends on to {to}, which is not followed. Use that address if it is the right one"
        advice = ADVICE.get(status, "")
        text = f"{self.address.host} answered {status}{said}".rstrip(".")
        return EndpointError(f"{text}. {advice}".rstrip(), status=status)


async def _drained(chunks: AsyncIterator[bytes]) -> None:
    try:
        async with asyncio.timeout(DRAIN_S):
            async for _ in chunks:
                return
    except (TimeoutError, BrokenError):
        return


def _headers(dialect: Dialect, key: str | None, *, stream: bool) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        # Compressed answers would have to be unpacked before their size is known.
        "accept-encoding": "identity",
        "user-agent": "fairlead",
    }
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        headers["anthropic-version"] = "2023-06-01"
    if key and dialect is Dialect.ANTHROPIC_MESSAGES:
        headers["x-api-key"] = key
    elif key:
        headers["authorization"] = f"Bearer {key}"
    return headers


def _inflated(raw: bytes, encoding: str) -> bytes | None:
    """The bytes unpacked; `None` when they are more than may be read."""
    if encoding.strip().lower() not in {"gzip", "deflate", "x-gzip"}:
        return raw
    try:
        whole = zlib.decompressobj(wbits=47).decompress(raw, MAX_BYTES + 1)
    except zlib.error:
        return raw
    return whole if len(whole) <= MAX_BYTES else None


def _failed(kind: FailureKind, detail: str, status: int | None = None) -> Answer:
    return Answer(failure=Failure(kind=kind, detail=one_line(detail), status=status))


def _detail(answer: Answer) -> str:
    return "" if answer.failure is None else answer.failure.detail


def candidate_endpoint(
    candidate: Candidate,
    *,
    kind: nouns.Endpoint,
    environ: Mapping[str, str],
    timeout_s: float,
    stream: bool = False,
) -> Endpoint:
    """The candidate's endpoint, with its key from `environ` (see `address.key_for`)."""
    dialect = Dialect.OPENAI_EMBEDDINGS if kind is nouns.Endpoint.EMBEDDINGS else Dialect.OPENAI_CHAT
    key = key_for(address(candidate.endpoint), key_env=candidate.key_env, environ=environ, own_variable=CANDIDATE_KEY)
    return Endpoint(candidate.endpoint, dialect=dialect, key=key, timeout_s=timeout_s, stream=stream)


def incumbent_endpoint(asker: Asker, *, environ: Mapping[str, str], timeout_s: float, stream: bool = False) -> Endpoint:
    """The endpoint of an incumbent that is asked again, with its key from `environ`."""
    key = key_for(address(asker.endpoint), key_env=asker.key_env, environ=environ, own_variable=INCUMBENT_KEY)
    return Endpoint(asker.endpoint, dialect=asker.dialect, key=key, timeout_s=timeout_s, stream=stream)


def judge_endpoint(judge: Judge, *, environ: Mapping[str, str], timeout_s: float) -> Endpoint:
    """A judge's endpoint, with its key from `environ`."""
    key = key_for(address(judge.endpoint), key_env=judge.key_env, environ=environ, own_variable=JUDGE_KEY)
    return Endpoint(judge.endpoint, dialect=judge.dialect, key=key, timeout_s=timeout_s)
