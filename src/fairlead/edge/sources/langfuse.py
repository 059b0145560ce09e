"""Langfuse: the UI's download of a trace, and the batch export of observations (JSON, JSONL, CSV).

An exchange is an observation of type GENERATION (or EMBEDDING). Two instrumentations often record one call twice, one
inside the other: such a pair is one exchange, with the structured bodies of either and the counts of the inner one, in an export
too, where the two come in any order (`doubles`). An observation is known again by its id. Latency
is told from the times, as the export gives it in milliseconds, in seconds or not at all. Input comes as chat messages, as
parts, as a provider's body or as one text; `loose` reads them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fairlead.core.nouns import JSON, Dialect, Failure, FailureKind, Fidelity, Usage
from fairlead.core.wire import fields
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.failure import one_line
from fairlead.core.wire.moment import seconds_between
from fairlead.edge.sources import ai_sdk
from fairlead.edge.sources.counts import counts_of, whole_number
from fairlead.edge.sources.doubles import Doubles
from fairlead.edge.sources.reader import Around, Found, NotLogged, Passed, Row, Source, Taker, logged
from fairlead.edge.sources.traced import Asked, answer_body, asked_body, asked_of, own_usage, tidy

CALLS = frozenset({"GENERATION", "EMBEDDING"})
_CONVERSATIONS = ("conversation_id", "session_id", "thread_id", "gen_ai.conversation.id", "session.id")
_INPUT, _OUTPUT = ("inputUsage", "promptTokens", "inputTokens"), ("outputUsage", "completionTokens", "outputTokens")
_USERS = ("user_id", "user.id", "langfuse_user_id")
_PROVIDERS = ("gen_ai.provider.name", "llm.provider", "gen_ai.system", "ls_provider")


def _claims(row: Row) -> bool:
    if isinstance(row.get("observations"), list):
        return True
    return _is_observation(row) or _is_trace(row)


def _is_observation(row: Row) -> bool:
    return (
        bool({"traceId", "trace_id"} & row.keys()) and "type" in row and bool({"startTime", "start_time"} & row.keys())
    )


def _is_trace(row: Row) -> bool:
    return {"timestamp", "bookmarked"} <= row.keys() and bool({"userId", "user_id", "sessionId"} & row.keys())


class Langfuse(Taker):
    """Takes traces with their observations, and observations one by one, of which one may be recorded inside another."""

    def __init__(self) -> None:
        self._calls = Doubles(name=_name, outer=_outer, told=_told, both=_both, holds=True)

    def take(self, row: Row) -> Iterator[Found]:
        """Give the calls of a trace, or an observation that is one."""
        if isinstance(row.get("observations"), list):
            yield from _trace(row)
        elif not _is_observation(row):
            yield NotLogged(reason="a Langfuse trace without its observations; export the observations")
        else:
            yield from self._one(_camel(row))

    def _one(self, observation: dict[str, JSON]) -> Iterator[Found]:
        self._calls.see(observation)
        if fields.is_one_of(_kind(observation), CALLS):
            yield from map(_observation, self._calls.take({**observation, _AT: self.at}))
        else:
            yield Passed()

    def end_of_file(self) -> Iterator[Found]:
        """Give the observations that waited for another record of their call: an export is one file."""
        yield from map(_observation, self._calls.end())


_OUTER, _AT = "recorded around", "read at"


def _both(inner: dict[str, JSON], outer: dict[str, JSON]) -> dict[str, JSON]:
    """A call with the record around it; of several around each other the nearer says what it can."""
    around: dict[str, JSON] = {}
    for each in (outer.get(_OUTER), {**outer, _OUTER: None}, inner.get(_OUTER)):  # the farthest first
        told = fields.mapping_or_empty(each)
        around |= {name: value for name, value in told.items() if value not in (None, "", [], {})}
    return {**inner, _OUTER: around}


def _observation(call: dict[str, JSON] | None) -> Found:
    if call is None:
        return Passed()
    outer, at = call.pop(_OUTER, None), fields.text_or_none(call.pop(_AT, None))
    found = _call(outer, call, {}, None) if isinstance(outer, dict) else _call(call, None, {}, None)
    return found if isinstance(found, Passed) else replace(found, at=at)


def _key(call: Row) -> str | None:
    """What an observation is called; `None` where it does not say of which trace and which it is."""
    trace, own = fields.label(call.get("traceId")), fields.label(call.get("id"))
    return f"{trace}/{own}" if trace and own else None


def _name(call: Row) -> str | None:
    """What an observation is called among calls of its kind: an embedding in the course of a generation is not that once more."""
    name = _key(call)
    return f"embedding {name}" if name and _kind(call) == "EMBEDDING" else name


def _outer(call: Row) -> str | None:
    """What the observation around one is called, were it a call of the same kind."""
    parent = call.get("parentObservationId")
    return None if parent == call.get("id") else _name({**call, "id": parent})


def _told(call: Row) -> str | None:
    """What an observation tells without another: what was counted, or that the call failed, with what was sent."""
    if call.get("input") in (None, "", [], {}):
        return None
    used = _usage(call)
    if used is not None:
        return f"{used.input} {used.output}"
    return "failed" if call.get("level") == "ERROR" else None


def _trace(row: Row) -> Iterator[Found]:
    inner = row.get("trace")
    trace = _camel(inner if isinstance(inner, dict) else row)
    seen = [_camel(raw) for raw in fields.list_or_empty(row["observations"]) if isinstance(raw, dict)]
    calls = [call for call in seen if fields.is_one_of(_kind(call), CALLS)]
    wanted = sorted(_innermost(calls), key=lambda pair: str((pair[1] or pair[0]).get("startTime")))
    if not wanted:
        yield NotLogged(reason=f"trace {fields.label(trace.get('id'))} holds no observation of type GENERATION")
    told = (_named(_attributes(call), _CONVERSATIONS) for call in calls)
    trace.setdefault("conversation", next((found for found in told if found), None))
    step = 0
    for call, around in wanted:
        found = _call(call, None, trace, step + 1) if around is None else _call(around, call, trace, step + 1)
        step += not isinstance(found, NotLogged)
        yield found


def _innermost(calls: Sequence[dict[str, JSON]]) -> Iterator[tuple[dict[str, JSON], dict[str, JSON] | None]]:
    """The calls that hold no other of their kind, each with what is told around it alone."""
    named = {name: call for call in calls if (name := _name(call))}
    inside = Counter(outer for call in calls if (outer := _outer(call)) in named)
    for call in calls:
        if _name(call) in inside:
            continue
        told, met, outer = call, {_name(call)}, _outer(call)
        while outer is not None and inside[outer] == 1 and outer not in met:
            told, met, outer = _both(told, named[outer]), {*met, outer}, _outer(named[outer])
        around = told.get(_OUTER)
        yield call, around if isinstance(around, dict) else None


def _camel(row: Row) -> dict[str, JSON]:
    """Field names of the batch export and of CSV cells, in the words of the UI."""
    found: dict[str, JSON] = {}
    for name, value in row.items():
        head, *more = name.split("_")
        found[head + "".join(word[:1].upper() + word[1:] for word in more)] = value
    return found


def _kind(call: Row) -> JSON:
    kind = call.get("type")
    return kind.upper() if isinstance(kind, str) else kind


def _call(call: Row, double: Row | None, trace: Row, step: int | None) -> Found:
    """An exchange; `double` is a record of the same call inside `call`, by which it is named."""
    both, inner = ([call], call) if double is None else ([call, double], double)
    asked = _best_prompt(both)
    output = _best_output(both)
    usage = own_usage(output) or next((u for one in reversed(both) if (u := _usage(one))), None)
    failure = _failure(call)
    if not asked.messages and output is None and usage is None and failure is None:
        return NotLogged(reason=f"observation {fields.label(call.get('id'))} holds no input, output or usage")
    attributes = _attributes(call)
    around = Around(
        id=inner.get("id"),
        started_at=call.get("startTime"),
        latency_s=seconds_between(call.get("startTime"), call.get("endTime")),
        first_token_s=seconds_between(call.get("startTime"), call.get("completionStartTime")),
        provider=(_named(attributes, _PROVIDERS) or "").lower() or None,
        conversation=fields.label(trace.get("sessionId"))
        or fields.label(call.get("sessionId"))
        or fields.label(trace.get("conversation"))
        or _named(attributes, _CONVERSATIONS)
        or fields.label(call.get("traceId")),
        user=fields.label(trace.get("userId")) or fields.label(call.get("userId")) or _named(attributes, _USERS),
        step=step,
        metadata=_metadata(call, trace),
        usage=usage,
        fidelity=asked.fidelity,
    )
    model = next((m for one in both if (m := _model(one))), None)
    name = _key(inner)
    of: JSON = {"call": tidy(dict(call)), "double": tidy(dict(double or {}))} if name is None else {"langfuse": name}
    if _kind(call) == "EMBEDDING":
        return logged(_embeddings(call, model), None, around, dialect=Dialect.OPENAI_EMBEDDINGS, failure=failure, of=of)
    body = asked_body(asked, model=model, settings=[one.get("modelParameters") for one in both])
    return logged(body, answer_body(output, model=None), around, model=model, failure=failure, of=of)


def _best_prompt(both: Sequence[Row]) -> Asked:
    """The prompt as it was structured by either recording; tools may stand in the attributes."""
    read = [asked_of(one.get("input"), attributes=_attributes(one)) for one in both]
    whole = [asked for asked in read if asked.messages and Fidelity.RECONSTRUCTED not in asked.fidelity]
    return next(iter(whole or [asked for asked in read if asked.messages]), read[0])


def _best_output(both: Sequence[Row]) -> JSON:
    """A provider's own body is worth more than the text that somebody took from it."""
    read = [structure_or_text(one["output"]) if one.get("output") is not None else None for one in both]
    bodies = [value for value in read if isinstance(value, dict)]
    return next(iter(bodies), next((value for value in read if value is not None), None))


def _attributes(call: Row) -> Mapping[str, JSON]:
    """What stands in the metadata, OpenTelemetry attributes included."""
    given = call.get("metadata")
    metadata = fields.mapping_or_empty(structure_or_text(given) if isinstance(given, str) else given)
    inner = metadata.get("attributes")
    return {**metadata, **fields.mapping_or_empty(structure_or_text(inner) if isinstance(inner, str) else inner)}


def _named(attributes: Mapping[str, JSON], names: Sequence[str]) -> str | None:
    return next((found for name in names if (found := fields.label(attributes.get(name)))), None)


def _model(call: Row) -> str | None:
    return fields.text_or_none(call.get("model")) or fields.text_or_none(call.get("providedModelName"))


def _usage(call: Row) -> Usage | None:
    told = ai_sdk.usage(_attributes(call))
    if told is not None:  # the span's own counts: Langfuse takes from an input what was never in it
        return told
    given = call.get("usageDetails") or call.get("usage")
    details = fields.mapping_or_empty(structure_or_text(given) if isinstance(given, str) else given)
    found = counts_of(details) if details else None
    if found is not None:
        return found
    counted = [
        whole_number(next((call[name] for name in names if call.get(name) is not None), None))
        for names in (_INPUT, _OUTPUT)
    ]
    # The download writes 0 where it knows nothing.
    return Usage(fresh=counted[0], visible=counted[1]) if any(counted) else None


def _failure(call: Row) -> Failure | None:
    if call.get("level") != "ERROR":
        return None
    told = call.get("statusMessage")
    return Failure(kind=FailureKind.SERVER_ERROR, detail=one_line(told) if isinstance(told, str) else "")


def _embeddings(call: Row, model: str | None) -> dict[str, JSON] | None:
    given = structure_or_text(call.get("input"))
    inner = given.get("input") if isinstance(given, dict) else given
    listed = inner if isinstance(inner, list) else [inner]
    texts: list[JSON] = [text for text in listed if isinstance(text, str) and text]
    return {"model": model or "unnamed", "input": texts} if texts else None


def _metadata(call: Row, trace: Row) -> dict[str, JSON]:
    return {
        "trace": trace.get("name"),
        "observation": call.get("name"),
        "trace_id": call.get("traceId"),
        "environment": call.get("environment"),
        "tags": trace.get("tags"),
        "release": trace.get("release"),
        "prompt": call.get("promptName"),
        "prompt_version": call.get("promptVersion"),
    }


LANGFUSE = Source(
    name="langfuse",
    fields=frozenset({"trace", "observations", "traceId", "type", "startTime", "endTime", "input", "output", "model"}),
    claims=_claims,
    opened=Langfuse,
    tables=(frozenset({"traceId", "type", "startTime"}), frozenset({"trace_id", "type", "start_time"})),
)
