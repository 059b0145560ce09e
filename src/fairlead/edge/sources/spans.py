"""Spans of calls of models: OpenTelemetry GenAI (current names, v1.36 names, events, logs) and OpenInference.

They come as OTLP JSON (`resourceSpans`, the collector's file exporter), as the Python SDK writes a span, or out of Phoenix. Attributes are
read into one nested object, so that `llm.input_messages.0.message.role` and its nested form are the same. Prompts may
stand in attributes, in the span's events, or in log records of the same span, which may come in another file: a span
without a prompt waits for them. `gen_ai.usage.input_tokens` includes cached tokens by convention; where it is smaller
than they are it cannot, and is taken to exclude them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from fairlead.core.nouns import JSON, Dialect, Failure, Usage
from fairlead.core.wire import fields, loose
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.failure import failure_of
from fairlead.core.wire.moment import seconds_between
from fairlead.edge.sources import ai_sdk, phoenix
from fairlead.edge.sources.ai_sdk import in_conventions
from fairlead.edge.sources.attributes import flat_otlp, nested, whole
from fairlead.edge.sources.counts import whole_number
from fairlead.edge.sources.doubles import Doubles
from fairlead.edge.sources.kept import Kept
from fairlead.edge.sources.reader import Around, Found, Logged, NotLogged, Passed, Row, Source, Taker, logged
from fairlead.edge.sources.traced import answer_body, asked_body, asked_of, sampling

_CALLS = frozenset({"chat", "generate_content", "text_completion", "completion", "embeddings"})
_MESSAGE_EVENTS: Mapping[str, str] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_COUNTS = ("gen_ai.usage.", "llm.token_count.", "llm.usage.", "ai.usage.")
_DETAILS = "gen_ai.client.inference.operation.details"
_SETTINGS = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.stop_sequences": "stop",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.choice.count": "n",
}


def _claims(row: Row) -> bool:
    if isinstance(row.get("resourceSpans"), list) or isinstance(row.get("resourceLogs"), list):
        return True
    return _is_span(row) or phoenix.is_row(row) or phoenix.is_trace(row)


def _is_span(row: Row) -> bool:
    if not isinstance(row.get("attributes"), (dict, list)):
        return False
    return isinstance(row.get("context"), dict) or bool({"spanId", "span_id"} & row.keys())


class Spans(Taker):
    """Keeps spans whose prompt may still come as log records, and those inside another, which may be the same call."""

    def __init__(self) -> None:
        self._records = Kept()
        self._calls = Doubles(name=_name, outer=_outer, told=_told, both=_doubled)

    def take(self, row: Row) -> Iterator[Found]:
        """Give the calls among the spans of a record."""
        records = [
            _span_of(record, around) for record, around in _of_otlp(row, "resourceLogs", "scopeLogs", "logRecords")
        ]
        spans = [_span_of(raw, {}) for raw in ([row] if _is_span(row) else phoenix.spans_of(row))]
        spans += [_span_of(span, around) for span, around in _of_otlp(row, "resourceSpans", "scopeSpans", "spans")]
        if not spans and not records:
            yield Passed()
        for record in records:
            yield from self._record({**record, _AT: self.at})
        calls = {name: span for span in spans if _is_call(span) and (name := _name(span))}
        inner = _innermost(calls)
        for span in spans:
            self._calls.see(span)
            name = _name(span)
            if not _is_call(span):
                yield NotLogged(reason=_ODD, at=self.at) if span["odd"] else Passed()
                continue
            if name is not None and name in calls and name not in inner:
                given: Iterator[dict[str, JSON] | None] = self._calls.pass_over(span)
            else:
                whole = inner[name] if name is not None and calls[name] is span else span
                given = self._calls.take({**whole, _AT: self.at})
            yield from (Passed() if call is None else _call(call) for call in given)

    def _record(self, record: dict[str, JSON]) -> Iterator[Found]:
        """Keep what was logged about a call for its span; all else that programs log is no call."""
        told = record.get("name") or _attributes(record).get("event.name")
        if not isinstance(told, str) or not told.startswith("gen_ai."):
            yield Passed()
        elif (name := _key(record)) is None:
            yield _alone(record)
        else:
            self._records.put(name, [*fields.list_or_empty(self._records.take(name)), record])

    def end(self) -> Iterator[Found]:
        """Give the spans that waited, with what came for them; and records that tell a whole call by themselves."""
        for call in self._calls.end():
            yield Passed() if call is None else _call(self._with_its_records(call))
        for name, records in self._records.rest():
            if name not in self._calls and _embedding(name) not in self._calls:
                for record in fields.list_or_empty(records):
                    yield _alone(dict(fields.mapping_or_empty(record)))

    def _with_its_records(self, span: dict[str, JSON]) -> dict[str, JSON]:
        for name in (_key(span), _parent(span)):
            records = fields.list_or_empty(self._records.take(name)) if name is not None else []
            if records:
                return _with_records(span, records)
        return span


def _told(span: Row) -> str | None:
    """What a span tells without another: what was counted, or that the call failed, with its prompt."""
    if not _has_prompt(span):
        return None
    held = _attributes(span)
    used = _usage(held)
    if used is not None:
        return f"{used.input} {used.output}"
    return "failed" if _failure(span, held) is not None else None


def _alone(record: dict[str, JSON]) -> Found:
    """A log record without its span: a call if it tells one, which only the event with all details does."""
    if _has_prompt(record):
        return _call(record)
    return NotLogged(reason="a log record of a span that is not here", at=fields.text_or_none(record.get(_AT)))


_AT = "read at"
"""Where a record stands, of one that may be given only when others were read."""


def _name(span: Row) -> str | None:
    """What a span is called among calls of its kind: an embedding in the course of a chat is not that chat once more."""
    name = _key(span)
    return name if name is None or not _is_embedding(_attributes(span)) else _embedding(name)


def _outer(span: Row) -> str | None:
    """What the span that this one was recorded in is called, were it a call of the same kind."""
    name = _parent(span)
    return name if name is None or not _is_embedding(_attributes(span)) else _embedding(name)


def _embedding(name: str) -> str:
    return f"embedding {name}"


def _parent(span: Row) -> str | None:
    name = _key({"trace": span.get("trace"), "span": span.get("parent")})
    return None if name == _key(span) else name


def _innermost(calls: Mapping[str, dict[str, JSON]]) -> dict[str, dict[str, JSON]]:
    """Of the calls of one record those that hold no other, each with what the one around it says where it needs that."""
    inside: dict[str, list[str]] = {}
    for name, span in calls.items():
        if (outer := _outer(span)) is not None and outer in calls:
            inside.setdefault(outer, []).append(name)
    found = {name: span for name, span in calls.items() if name not in inside}
    for outer, names in inside.items():
        # The counts of one around several are their sum: they are nobody's where any counts for itself, else the first's.
        around = _uncounted(calls[outer]) if any(_is_counted(calls[name]) for name in names) else calls[outer]
        for name in names:
            if name in found and not _told(found[name]):
                found[name], around = _doubled(found[name], around), _uncounted(around)
    return found


def _is_counted(span: Row) -> bool:
    return any(name.startswith(_COUNTS) for name in _attributes(span))


def _uncounted(span: dict[str, JSON]) -> dict[str, JSON]:
    held = {name: value for name, value in _attributes(span).items() if not name.startswith(_COUNTS)}
    return {**span, "attributes": held}


def _doubled(span: dict[str, JSON], outer: Row) -> dict[str, JSON]:
    """A call that two instrumentations recorded, one inside the other: what the inner one does not say, the outer one does."""
    around = _attributes(_uncounted(dict(outer)) if _is_counted(span) else outer)
    return {
        **span,
        "attributes": {**around, **_attributes(span)},
        "events": fields.list_or_empty(span.get("events")) or outer.get("events"),
    }


_ODD = "a span's attributes are neither a list nor an object"


def _of_otlp(row: Row, outer: str, middle: str, inner: str) -> Iterator[tuple[Row, Row]]:
    for resource in _objects(row.get(outer)):
        about = flat_otlp(fields.mapping_or_empty(resource.get("resource")).get("attributes"))
        for scope in _objects(resource.get(middle)):
            for item in _objects(scope.get(inner)):
                yield item, about


def _objects(value: JSON) -> list[dict[str, JSON]]:
    return [item for item in fields.list_or_empty(value) if isinstance(item, dict)]


def _span_of(raw: Row, resource: Row) -> dict[str, JSON]:
    """A span in one shape, whoever wrote it."""
    context = fields.mapping_or_empty(raw.get("context"))
    status = raw.get("status")
    status = fields.mapping_or_empty(status).get("code") or fields.mapping_or_empty(status).get("status_code") or status
    kind = raw.get("span_kind")  # as Phoenix says it of its spans
    told: dict[str, JSON] = {"openinference.span.kind": kind} if isinstance(kind, str) else {}
    return {
        "trace": _first(raw, "traceId", "trace_id") or context.get("trace_id"),
        "span": _first(raw, "spanId", "span_id") or context.get("span_id"),
        "parent": _first(raw, "parentSpanId", "parent_span_id", "parent_id"),
        "name": raw.get("name") or raw.get("eventName"),
        "start": _first(raw, "startTimeUnixNano", "start_time", "timeUnixNano", "observedTimeUnixNano"),
        "end": _first(raw, "endTimeUnixNano", "end_time"),
        "status": raw.get("status_code") if status is None or isinstance(status, dict) else status,
        "message": fields.mapping_or_empty(raw.get("status")).get("message")
        or fields.mapping_or_empty(raw.get("status")).get("description")
        or raw.get("status_message"),
        "attributes": {**told, **in_conventions(flat_otlp(raw.get("attributes")))},
        "odd": not isinstance(raw.get("attributes"), (dict, list, type(None))),
        "body": whole(raw.get("body")),
        "events": [
            {"name": event.get("name"), "attributes": flat_otlp(event.get("attributes"))}
            for event in _objects(raw.get("events"))
        ],
        "service": resource.get("service.name"),
    }


def _first(raw: Row, *names: str) -> JSON:
    return next((raw[name] for name in names if raw.get(name) is not None), None)


def _key(span: Row) -> str | None:
    """The name of a span; `None` where it does not say both of which trace and which span it is."""
    trace, own = fields.label(span.get("trace")), fields.label(span.get("span"))
    return f"{trace}/{own}" if trace and own and own.strip("0") else None


def _attributes(span: Row) -> Mapping[str, JSON]:
    return fields.mapping_or_empty(span.get("attributes"))


def _is_call(span: Row) -> bool:
    held = _attributes(span)
    kind = held.get("openinference.span.kind")
    if isinstance(kind, str):
        return kind.upper() in {"LLM", "EMBEDDING"}
    operation = held.get("gen_ai.operation.name")
    if isinstance(operation, str):
        return operation in _CALLS
    return "gen_ai.request.model" in held or "llm.request.type" in held


def _is_embedding(held: Mapping[str, JSON]) -> bool:
    kinds = (held.get("openinference.span.kind"), held.get("gen_ai.operation.name"), held.get("llm.request.type"))
    return any(isinstance(kind, str) and kind.lower().startswith("embedding") for kind in kinds)


def _has_prompt(span: Row) -> bool:
    given = _attributes(span).get("gen_ai.input.messages")
    if isinstance(given, str) and len(given) > len("[]"):
        return True  # what is in it is read once, when the call is given
    return bool(_prompt(span)[0]) or _is_embedding(_attributes(span))


def _with_records(span: dict[str, JSON], records: list[JSON]) -> dict[str, JSON]:
    """A span with the log records that were written for it."""
    held, events = dict(_attributes(span)), list(fields.list_or_empty(span.get("events")))
    for record in records:
        told = fields.mapping_or_empty(record)
        name = told.get("name") or _attributes(told).get("event.name")
        if name == _DETAILS:
            held |= _attributes(told)
        else:
            body = fields.mapping_or_empty(told.get("body"))
            events.append({"name": name, "attributes": {**_attributes(told), **body}})
    return {**span, "attributes": held, "events": events}


def _prompt(span: Row) -> tuple[JSON, JSON]:
    """What was sent and what came back, from wherever the span holds them."""
    held = _attributes(span)
    tree = nested(held)
    sent = structure_or_text(held.get("gen_ai.input.messages")) or _path(tree, "gen_ai", "prompt")
    got = structure_or_text(held.get("gen_ai.output.messages")) or _path(tree, "gen_ai", "completion")
    sent = sent or _openinference(_path(tree, "llm", "input_messages"))
    got = got or _openinference(_path(tree, "llm", "output_messages"))
    told, answered = _from_events(span)
    return sent or told or held.get("input.value"), got or answered or held.get("output.value")


def _path(tree: JSON, *names: str) -> JSON:
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree if isinstance(tree, list) and tree else None


def _openinference(messages: JSON) -> JSON:
    """Messages without the wrappers that OpenInference puts around each part."""
    found: list[JSON] = []
    for raw in fields.list_or_empty(messages):
        held = fields.mapping_or_empty(raw)
        inner = fields.mapping_or_empty(held.get("message")) or held
        contents = [_openinference_part(part) for part in fields.list_or_empty(inner.get("contents"))]
        found.append({**inner, "content": contents or inner.get("content")})
    return found or None


def _openinference_part(part: JSON) -> JSON:
    held = fields.mapping_or_empty(fields.mapping_or_empty(part).get("message_content"))
    image = fields.mapping_or_empty(held.get("image"))
    inner = fields.mapping_or_empty(image.get("image")) or image
    return {"type": "image_url", "image_url": {"url": inner.get("url")}} if image else dict(held)


def _from_events(span: Row) -> tuple[JSON, JSON]:
    sent: list[JSON] = []
    got: list[JSON] = []
    for event in _objects(span.get("events")):
        held = fields.mapping_or_empty(event.get("attributes"))
        name = event.get("name")
        if name == "gen_ai.choice":
            message = structure_or_text(held.get("message"))
            got.append({"role": "assistant", **held, **(message if isinstance(message, dict) else {})})
        elif isinstance(name, str) and name in _MESSAGE_EVENTS:
            sent.append({"role": _MESSAGE_EVENTS[name], **held, "tool_call_id": held.get("id")})
        elif name == "gen_ai.content.prompt":
            sent.extend(fields.list_or_empty(structure_or_text(held.get("gen_ai.prompt"))))
        elif name == "gen_ai.content.completion":
            got.extend(fields.list_or_empty(structure_or_text(held.get("gen_ai.completion"))))
        elif name == _DETAILS:
            sent.extend(fields.list_or_empty(structure_or_text(held.get("gen_ai.input.messages"))))
            got.extend(fields.list_or_empty(structure_or_text(held.get("gen_ai.output.messages"))))
    return [_opened(item) for item in sent] or None, [_opened(item) for item in got] or None


def _opened(item: JSON) -> JSON:
    """A message whose content and calls may be JSON texts."""
    if not isinstance(item, dict):
        return item
    return {
        key: structure_or_text(v) if key in {"content", "tool_calls"} and _is_json(v) else v for key, v in item.items()
    }


def _is_json(value: JSON) -> bool:
    return isinstance(value, str) and value[:1] in {"[", "{"}


def _call(found: Row) -> Logged:
    span = {name: value for name, value in found.items() if name != _AT}
    return replace(_logged(span), at=fields.text_or_none(found.get(_AT)))


def _logged(span: Row) -> Logged:
    held = _attributes(span)
    sent, got = _prompt(span)
    model = _text(held, "gen_ai.request.model", "llm.model_name", "gen_ai.response.model", "embedding.model_name")
    around = _around(span, held)
    failure = _failure(span, held)
    if _is_embedding(held):
        return logged(
            _texts(held, model),
            None,
            around,
            dialect=Dialect.OPENAI_EMBEDDINGS,
            model=model,
            failure=failure,
            of=_identity(span),
        )
    settings = [structure_or_text(held.get("llm.invocation_parameters")), _request_settings(held)]
    asked = asked_of(sent, attributes={**held, **_defined_tools(held)})
    instructions = loose.parts(structure_or_text(held.get("gen_ai.system_instructions")))
    body = asked_body(asked, model=model, settings=settings)
    if held.get("gen_ai.request.stream") is True or held.get("llm.is_streaming") is True:
        body["stream"] = True
    chosen = ai_sdk.tool_choice(held)
    if chosen is not None:
        body["tool_choice"] = chosen
    if held.get("gen_ai.output.type") == "json" and "response_format" not in body:
        body["response_format"] = {"type": "json_object"}
    if instructions:
        body["messages"] = [
            {"role": "system", "content": "\n".join(part.text for part in instructions)},
            *fields.list_or_empty(body.get("messages")),
        ]
    reasons = structure_or_text(held.get("gen_ai.response.finish_reasons"))
    finish = fields.text_or_none(reasons[0]) if isinstance(reasons, list) and reasons else None
    answered_by = _text(held, "gen_ai.response.model")
    answer = answer_body(got, model=answered_by, finish=finish)
    return logged(
        body if asked.messages else None, answer, around.with_fidelity(asked.fidelity), model=model, failure=failure,
        of=_identity(span),
    )  # fmt: skip


def _identity(span: Row) -> JSON:
    """By what a span is known again: its name, wherever it was exported to; without one, all it says."""
    name = _key(span)
    return dict(span) if name is None else {"span": name, "start": span.get("start")}


def _request_settings(held: Mapping[str, JSON]) -> dict[str, JSON]:
    return sampling({name: structure_or_text(held[key]) for key, name in _SETTINGS.items() if key in held})


def _defined_tools(held: Mapping[str, JSON]) -> dict[str, JSON]:
    """Tools that are numbered: OpenInference keeps each definition as a JSON text, OpenLLMetry name by name."""
    tree = nested(held)
    found = [
        structure_or_text(fields.mapping_or_empty(fields.mapping_or_empty(raw).get("tool")).get("json_schema"))
        for raw in fields.list_or_empty(_path(tree, "llm", "tools"))
    ]
    found = found or fields.list_or_empty(_path(tree, "llm", "request", "functions"))
    return {"llm.tools": found} if found else {}


def _texts(held: Mapping[str, JSON], model: str | None) -> dict[str, JSON] | None:
    found: list[JSON] = []
    for raw in fields.list_or_empty(_path(nested(held), "embedding", "embeddings")):
        text = fields.mapping_or_empty(fields.mapping_or_empty(raw).get("embedding")).get("text")
        if isinstance(text, str):
            found.append(text)
    single = held.get("input.value")
    if not found and isinstance(single, str):
        found.append(single)
    return {"model": model or "unnamed", "input": found} if found else None


def _around(span: Row, held: Mapping[str, JSON]) -> Around:
    first = fields.seconds(held.get("gen_ai.response.time_to_first_chunk"))
    if first is None:
        first = fields.seconds(held.get("gen_ai.server.time_to_first_token"))
    return Around(
        id=fields.label(span.get("span")),
        started_at=span.get("start"),
        latency_s=seconds_between(span.get("start"), span.get("end")),
        first_token_s=first,
        provider=(_text(held, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system") or "").lower()
        or None,
        conversation=_text(held, "gen_ai.conversation.id", "session.id") or fields.label(span.get("trace")),
        user=_text(held, "user.id", "enduser.id"),
        metadata={
            "span": span.get("name"),
            "service": span.get("service"),
            "agent": held.get("gen_ai.agent.name"),
            "workflow": held.get("gen_ai.workflow.name"),
        },
        usage=_usage(held),
    )


def _text(held: Mapping[str, JSON], *names: str) -> str | None:
    return next((found for name in names if (found := fields.text_or_none(held.get(name)))), None)


def _count(held: Mapping[str, JSON], *names: str) -> int | None:
    return next((found for name in names if (found := whole_number(held.get(name))) is not None), None)


_READ = (
    "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens", "llm.token_count.prompt_details.cache_read",
)  # fmt: skip
_WRITTEN = (
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.details.cache_write_tokens", "llm.token_count.prompt_details.cache_write",
)  # fmt: skip
_THOUGHT = (
    "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens", "llm.token_count.completion_details.reasoning",
)  # fmt: skip
_TOTAL = ("llm.token_count.total", "llm.usage.total_tokens", "gen_ai.usage.total_tokens")


def _usage(held: Mapping[str, JSON]) -> Usage | None:
    """Disjoint counts. Cached tokens are within the input by convention; a total that says otherwise is believed."""
    found = ai_sdk.usage(held)
    if found is not None:
        return found
    given = _count(held, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
    made = _count(held, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion")
    if given is None and made is None:
        return None
    read, written, thought, total = (_count(held, *names) for names in (_READ, _WRITTEN, _THOUGHT, _TOTAL))
    heard = _count(held, "llm.token_count.prompt_details.audio") or None
    spoken = _count(held, "llm.token_count.completion_details.audio") or None
    cached = (read or 0) + (written or 0)
    is_beside = cached > 0 and total is not None and total == (given or 0) + (made or 0) + cached
    if given is not None and given >= cached and not is_beside:
        given -= cached
    if made is not None and thought is not None:
        made = made - thought if made >= thought else None
    if heard is not None and given is not None:
        given, heard = (given - heard, heard) if given >= heard else (given, None)
    if spoken is not None and made is not None:
        made, spoken = (made - spoken, spoken) if made >= spoken else (made, None)
    return Usage(
        fresh=given, cache_read=read, cache_write_5m=written, visible=made, reasoning=thought,
        audio_in=heard, audio_out=spoken,
    )  # fmt: skip


def _failure(span: Row, held: Mapping[str, JSON]) -> Failure | None:
    kind = _text(held, "error.type")
    status = span.get("status")
    if kind is None and status not in (2, "ERROR", "STATUS_CODE_ERROR"):
        return None
    told = span.get("message") or _exception(span)
    code = _count(held, "http.response.status_code", "http.status_code") or whole_number(kind)
    code = code if code is not None and 400 <= code <= 599 else None
    return failure_of({"type": kind, "message": told if isinstance(told, str) and told else kind or ""}, status=code)


def _exception(span: Row) -> JSON:
    """What the exception that a span holds as an event said."""
    for event in _objects(span.get("events")):
        if event.get("name") == "exception":
            return fields.mapping_or_empty(event.get("attributes")).get("exception.message")
    return None


SPANS = Source(
    name="opentelemetry",
    fields=frozenset({"resourceSpans", "resourceLogs", "traceId", "spanId", "attributes", "events", "context", "name"}),
    claims=_claims,
    opened=Spans,
    tables=(phoenix.TABLE,),
)
