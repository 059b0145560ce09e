"""Kept calls as OpenTelemetry spans with the GenAI conventions, for whoever collects them. No content is ever in one.

An optional extra (`pip install 'fairlead[otel]'`). Spans are made in the control process, after a call was kept, so that
tracing costs callers nothing; each begins and ends when its call did.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fairlead.core.errors import UsageError
from fairlead.edge.control.capture import Kept
from fairlead.edge.operate_settings import TraceSettings
from fairlead.edge.store.rollups import DOLLAR
from fairlead.serve.decide import place
from fairlead.serve.frames import Call, Ended, Protocol

OPERATIONS: Mapping[Protocol, str] = {
    Protocol.OPENAI_CHAT: "chat",
    Protocol.OPENAI_RESPONSES: "chat",
    Protocol.ANTHROPIC_MESSAGES: "chat",
    Protocol.OPENAI_COMPLETIONS: "text_completion",
    Protocol.OPENAI_EMBEDDINGS: "embeddings",
}
_SYSTEMS: Mapping[Protocol, str] = {Protocol.ANTHROPIC_MESSAGES: "anthropic"}
_SALT = "trace"


class Traces:
    """A step of the control process that emits a span for each kept call, or for a share of them."""

    name = "traces"

    def __init__(self, settings: TraceSettings, *, exporter: Any = None) -> None:
        self._share = settings.share
        try:
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415
        except ImportError as error:
            raise UsageError("Traces need the extra: pip install 'fairlead[otel]'.") from error
        self._kind: Any = SpanKind.CLIENT
        self._status: Any = Status
        self._wrong: Any = StatusCode.ERROR
        self._provider = TracerProvider(resource=Resource.create({"service.name": settings.service}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _exporter(settings)))
        self._tracer = self._provider.get_tracer("fairlead")

    def wants(self, call: Call) -> bool:
        """The share that is chosen by the call's id: the same calls, whoever asks."""
        return call.protocol in OPERATIONS and (self._share >= 1 or place(_SALT, "call", call.call_id) < self._share)

    async def take(self, kept: Sequence[Kept]) -> None:
        """Emit the spans of calls; a thread of the SDK sends them."""
        for each in kept:
            self._emit(each)

    def _emit(self, kept: Kept) -> None:
        call = kept.call
        span = self._tracer.start_span(
            f"{OPERATIONS[call.protocol]} {call.model}",
            kind=self._kind,
            start_time=call.started_us * 1000,
            attributes=attributes(kept),
        )
        failure = kept.answered.answer.failure
        if failure is not None and call.ended is not Ended.CLIENT_CLOSED:
            span.set_attribute("error.type", str(failure.status or failure.kind.value))
            span.set_status(self._status(self._wrong, failure.kind.value))
        span.end(end_time=call.started_us * 1000 + round(call.latency_s * 1e9))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def attributes(kept: Kept) -> dict[str, Any]:
    """What a span says of a call: names, numbers and ids, never a text that was asked or answered."""
    call, usage, answer = kept.call, kept.answered.usage, kept.answered.answer
    asked = kept.asked.request.parameters
    told: dict[str, Any] = {
        "gen_ai.operation.name": OPERATIONS[call.protocol],
        "gen_ai.provider.name": _SYSTEMS.get(call.spoken, "openai"),
        "gen_ai.request.model": call.model,
        "gen_ai.response.model": answer.model,
        "gen_ai.response.finish_reasons": [answer.finish] if answer.finish else None,
        "gen_ai.usage.input_tokens": usage.input,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.request.max_tokens": _number(asked.get("max_tokens") or asked.get("max_completion_tokens")),
        "gen_ai.request.temperature": _number(asked.get("temperature")),
        "gen_ai.request.top_p": _number(asked.get("top_p")),
        "http.response.status_code": call.status or None,
        "fairlead.call.id": call.call_id,
        "fairlead.workload": kept.placed.workload_id,
        "fairlead.stage": call.stage,
        "fairlead.served": call.served.value,
        "fairlead.upstream": call.upstream,
        "fairlead.ended": call.ended.value,
        "fairlead.streamed": call.streamed,
        "fairlead.attempts": len(call.attempts) or None,
        "fairlead.key": call.key_id,
        "fairlead.first_token_s": call.first_byte_s if call.streamed else None,
        "fairlead.added_s": call.added_s,
        "fairlead.cost_usd": None if kept.cost is None else kept.cost / DOLLAR,
    }
    return {name: value for name, value in told.items() if value is not None}


def _number(value: object) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _exporter(settings: TraceSettings) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("Traces need the extra: pip install 'fairlead[otel]'.") from error
    given = os.environ.get(settings.headers_env, "") if settings.headers_env else ""
    pairs = [pair.partition("=") for pair in given.split(",") if "=" in pair]
    address = settings.endpoint
    if urlsplit(address).path in {"", "/"}:
        address = address.rstrip("/") + "/v1/traces"
    return OTLPSpanExporter(endpoint=address, headers={name.strip(): value.strip() for name, _, value in pairs})
