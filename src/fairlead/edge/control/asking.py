"""The endpoints that the control process asks: candidates beside an incumbent, incumbents beside a candidate, and judges.

Rules kept here: only upstreams of the snapshot are asked, and judges of the settings or of a pilot, with the operator's key for each and never a caller's; an upstream
that may not see a workload is not asked for it, whoever wants it asked; nothing is asked through a connection that a caller's
request waits for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.core.errors import EndpointError, FairleadError, UnreadableLine, UsageError
from fairlead.core.nouns import JSON, Candidate, Dialect, Failure, FailureKind, Judge, Reply, Request, Usage
from fairlead.core.nouns import Answer as AnswerOf
from fairlead.core.wire import openai
from fairlead.core.wire.candidate import candidate_body
from fairlead.edge.app.seen_by import not_listed, upstreams_at
from fairlead.edge.clients.address import JUDGE_KEY, address, key_for
from fairlead.serve.snapshot import TargetNow, UpstreamNow

if TYPE_CHECKING:
    from fairlead.edge.clients.http import Endpoint

_DIALECTS: Mapping[str, frozenset[Dialect]] = {
    "openai": frozenset({Dialect.OPENAI_CHAT, Dialect.OPENAI_EMBEDDINGS}),
    "anthropic": frozenset({Dialect.ANTHROPIC_MESSAGES}),
}
_TRAVEL = frozenset({"stream", "stream_options"})
"""Fields that say how an answer travels and not what is asked."""


class NoKeyError(FairleadError):
    """The operator has no key for an upstream."""


class NotAllowedError(FairleadError):
    """An upstream may not see a workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it was made: its body in its dialect, and what was read from it."""

    dialect: Dialect
    body: JSON
    request: Request


class Askers:
    """Connections to upstreams, made when they are first needed, closed together."""

    def __init__(self, *, environ: Mapping[str, str] | None = None, timeout_s: float = 60.0) -> None:
        self._environ = os.environ if environ is None else environ
        self._timeout_s = timeout_s
        self._upstreams: dict[str, UpstreamNow] = {}
        self._open: dict[tuple[str, Dialect, float], Endpoint] = {}
        self._judges: dict[tuple[str, float], Endpoint] = {}
        self._turn: dict[str, int] = {}

    def use(self, upstreams: tuple[UpstreamNow, ...]) -> None:
        """Ask these upstreams from now on."""
        self._upstreams = {upstream.name: upstream for upstream in upstreams}

    def upstream(self, name: str) -> UpstreamNow | None:
        """An upstream by its name."""
        return self._upstreams.get(name)

    async def aclose(self) -> None:
        """Close every connection."""
        opened = [*self._open.values(), *self._judges.values()]
        self._open, self._judges = {}, {}
        for endpoint in opened:
            await endpoint.aclose()

    async def candidate(
        self, candidate: Candidate, upstream: str, asked: Asked, *, only: tuple[str, ...], timeout_s: float
    ) -> Reply:
        """What the candidate answers. Raises `EndpointError` when it cannot be asked at all."""
        dialect = asked.dialect if asked.dialect is Dialect.OPENAI_EMBEDDINGS else Dialect.OPENAI_CHAT
        endpoint = self._endpoint(upstream, dialect, only=only, timeout_s=timeout_s, candidate=candidate)
        try:
            body = candidate_body(asked.request, candidate).body
        except UnreadableLine as error:
            return unsendable(error)
        return await endpoint(body)

    async def incumbent(self, target: TargetNow, asked: Asked, *, only: tuple[str, ...], timeout_s: float) -> Reply:
        """What the incumbent answers to the same request. Raises `EndpointError` when it cannot be asked at all."""
        spoken = self._upstreams.get(target.upstream)
        dialect = asked.dialect
        if spoken is not None and dialect not in _DIALECTS[spoken.dialect]:
            if spoken.dialect != "openai":
                return unsendable(UnreadableLine(f"{target.upstream} does not speak {dialect}"))
            dialect = Dialect.OPENAI_CHAT
        endpoint = self._endpoint(target.upstream, dialect, only=only, timeout_s=timeout_s)
        return await endpoint(_again(asked, dialect, model=target.model))

    async def judge(self, judge: Judge, body: Mapping[str, JSON], *, only: tuple[str, ...], timeout_s: float) -> Reply:
        """What a judge replies. Raises `EndpointError` when it cannot be asked at all."""
        there = upstreams_at(judge, self._upstreams.values())
        why_not = not_listed(judge, only, there)
        if why_not:
            raise NotAllowedError(why_not)
        opened = self._judges.get((judge.id, timeout_s))
        if opened is None:
            opened = self._judges[judge.id, timeout_s] = self._seat(judge, there, timeout_s=timeout_s)
        return await opened(body)

    def _seat(self, judge: Judge, there: Sequence[UpstreamNow], *, timeout_s: float) -> Endpoint:
        """A connection to a judge of its own, with the operator's key."""
        from fairlead.edge.clients.http import Endpoint  # noqa: PLC0415 - few gateways ask anybody

        key = self._judge_key(judge, there)
        return Endpoint(judge.endpoint, dialect=judge.dialect, key=key, timeout_s=timeout_s, patience_s=timeout_s)

    def _judge_key(self, judge: Judge, there: Sequence[UpstreamNow]) -> str | None:
        """The operator's key: the one its settings name, else that of the upstream it is at, else the usual one."""
        held = next((each for each in there if each.key_file or each.key_env), None)
        if judge.key_env is None and held is not None:
            return self._key(held, judge.endpoint, None)
        try:
            at = address(judge.endpoint)
            return key_for(at, key_env=judge.key_env, environ=self._environ, own_variable=JUDGE_KEY)
        except UsageError as error:
            raise NoKeyError(str(error)) from error

    def _endpoint(
        self,
        name: str,
        dialect: Dialect,
        *,
        only: tuple[str, ...],
        timeout_s: float,
        candidate: Candidate | None = None,
    ) -> Endpoint:
        if only and name not in only:
            raise NotAllowedError(f"{name} may not see this workload; it may be seen by {', '.join(only)}.")
        upstream = self._upstreams.get(name)
        if upstream is None:
            raise EndpointError(f"There is no upstream {name}; it was taken out of the settings.")
        urls = upstream.urls
        turn = self._turn[name] = self._turn.get(name, -1) + 1
        url = urls[turn % len(urls)]
        opened = self._open.get((url, dialect, timeout_s))
        if opened is None:
            from fairlead.edge.clients.http import Endpoint  # noqa: PLC0415 - few gateways ask anybody

            key = self._key(upstream, url, candidate)
            opened = Endpoint(url, dialect=dialect, key=key, timeout_s=timeout_s, patience_s=timeout_s)
            self._open[url, dialect, timeout_s] = opened
        return opened

    def _key(self, upstream: UpstreamNow, url: str, candidate: Candidate | None) -> str | None:
        """The operator's key; an upstream that is known to need one is not asked without."""
        if upstream.key_file is not None:
            with suppress(OSError):
                return Path(upstream.key_file).read_text(encoding="ascii").strip()
            raise NoKeyError(f"The key for {upstream.name} cannot be read from {upstream.key_file}.")
        named = upstream.key_env or (candidate.key_env if candidate is not None else None)
        try:
            return key_for(address(url), key_env=named, environ=self._environ)
        except UsageError as error:
            raise NoKeyError(str(error)) from error


def unsendable(error: UnreadableLine) -> Reply:
    """A request that cannot be put into an endpoint's words is a failure of that side."""
    detail = f"this request cannot be sent: {error.reason}"[:300]
    answer = AnswerOf(failure=Failure(kind=FailureKind.REFUSED_REQUEST, detail=detail))
    return Reply(answer=answer, usage=Usage(), attempts=0)


def _again(asked: Asked, dialect: Dialect, *, model: str | None) -> Mapping[str, JSON]:
    """The body that asks the same once more, whole and not streamed."""
    if dialect is asked.dialect and isinstance(asked.body, dict):
        same = {name: value for name, value in asked.body.items() if name not in _TRAVEL}
        return same if model is None else {**same, "model": model}
    return openai.body_of(asked.request, model=model or asked.request.model)
