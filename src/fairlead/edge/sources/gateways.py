"""What gateways and proxies export: LiteLLM (logging payload, spend logs), Helicone and Portkey.

Their counts, as their own code makes them: LiteLLM's `prompt_tokens` holds what was read from a cache and, but for its
versions 1.65 to 1.75 (Bedrock: to 1.78), what was written to one (BerriAI/litellm `calculate_usage` and `transform_usage` under
`llms/`, Vertex's Gemini with its thoughts in `completion_tokens`). Helicone's `prompt_tokens` holds neither, its
`completion_tokens` no reasoning where that has a column, and both hold audio (Helicone/helicone `HandlerContext.ts`,
`packages/cost/usage`). Portkey's gateway writes Anthropic's input without either (Portkey-AI/gateway
`providers/anthropic/chatComplete.ts`); what its export's units hold is not public, so the body's counts go first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.core.nouns import JSON, Failure, Fidelity, Usage
from fairlead.core.wire import fields, openai, responses
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.failure import failure_of
from fairlead.core.wire.moment import seconds_between
from fairlead.edge.sources.bodies import pair
from fairlead.edge.sources.counts import counts_of, seconds_of_thousandths, whole_number
from fairlead.edge.sources.reader import Around, EachRow, Found, Row, Source

_REDACTED = "redacted-by-litellm"
_CUT_MARKS = ("litellm_truncated", "[truncated]", "... (truncated")


def _open(value: JSON) -> JSON:
    """A value that may be JSON text; LiteLLM writes `{}` where prompts are not stored."""
    held = structure_or_text(value) if isinstance(value, str) else value
    return None if held in ({}, [], "") else held


def _object(value: JSON) -> Mapping[str, JSON]:
    return fields.mapping_or_empty(_open(value))


def _is_cut(*values: JSON) -> bool:
    texts = [str(value) for value in values if value is not None]
    return any(mark in text for text in texts for mark in _CUT_MARKS)


def _is_redacted(value: JSON) -> bool:
    return _REDACTED in str(value)[:400]


def _asked(model: JSON, messages: JSON, parameters: Mapping[str, JSON], call_type: JSON) -> JSON:
    """The body that the kept pieces make; `None` when the prompt was not kept."""
    if messages is None or _is_redacted(messages):
        return None
    if isinstance(messages, dict):
        return {"model": model, **parameters, **messages}
    if isinstance(call_type, str) and "embedding" in call_type:
        return {"model": model, **parameters, "input": messages}
    if isinstance(call_type, str) and "responses" in call_type:
        return responses.chat_body({"model": model, **parameters, "input": messages})
    listed: JSON = messages if isinstance(messages, list) else [{"role": "user", "content": messages}]
    return {"model": model, **parameters, "messages": listed}


_COLUMNS = ("prompt_tokens", "completion_tokens", "total_tokens")


def _usage(row: Row, given: JSON = None) -> Usage | None:
    found = openai.usage(given) if isinstance(given, dict) else Usage()
    if found.fresh is not None or found.visible is not None:
        return found
    named = {name: row.get(name) for name in _COLUMNS}
    return counts_of(named) if any(whole_number(value) for value in named.values()) else None


# LiteLLM, standard logging payload


def _is_litellm(row: Row) -> bool:
    return {"call_type", "startTime", "model_parameters"} <= row.keys()


def _litellm(row: Row) -> Iterable[Found]:
    about = fields.mapping_or_empty(row.get("metadata"))
    parameters = {k: v for k, v in fields.mapping_or_empty(row.get("model_parameters")).items() if k != "metadata"}
    hidden = fields.mapping_or_empty(row.get("hidden_params"))
    from_cache = row.get("cache_hit") is True
    around = Around(
        id=row.get("id"),
        started_at=row.get("startTime"),
        latency_s=seconds_between(row.get("startTime"), row.get("endTime")),
        first_token_s=seconds_between(row.get("startTime"), row.get("completionStartTime"))
        if row.get("stream")
        else None,
        provider=row.get("custom_llm_provider"),
        conversation=row.get("session_id") or row.get("trace_id"),
        user=row.get("end_user") or about.get("user_api_key_end_user_id") or about.get("user_api_key_user_id"),
        metadata={
            "team": about.get("user_api_key_team_alias") or about.get("user_api_key_team_id"),
            "key": about.get("user_api_key_alias"),
            "tags": row.get("request_tags"),
            "model_group": row.get("model_group"),
            "answered_from_cache": from_cache or None,
        },
        usage=_usage(row, about.get("usage_object") or hidden.get("usage_object")),
        fidelity=(Fidelity.TRUNCATED,) if _is_cut(row.get("messages"), row.get("response")) else (),
    )
    if row.get("stream") is True:
        parameters.setdefault("stream", True)
    asked = _asked(row.get("model"), _open(row.get("messages")), parameters, row.get("call_type"))
    failure = _litellm_failure(row) if row.get("status") == "failure" else None
    answered = None if _is_redacted(row.get("response")) else row.get("response")
    is_free = from_cache and _is_nothing(row.get("response_cost"))
    yield pair(asked, answered, around, model=fields.text_or_none(row.get("model")), failure=failure, is_free=is_free)


def _litellm_failure(row: Row) -> Failure:
    about = fields.mapping_or_empty(row.get("error_information"))
    status = whole_number(about.get("error_code"))
    told = about.get("error_message") or row.get("error_str") or about.get("error_class")
    status = status if status is not None and 400 <= status <= 599 else None
    named = about.get("error_class") if status is None else None
    return failure_of({"type": named, "message": told if isinstance(told, str) else ""}, status=status)


LITELLM = Source(
    name="litellm",
    fields=frozenset(
        {"id", "trace_id", "call_type", "startTime", "endTime", "model_parameters", "messages", "response"}
    ),
    claims=_is_litellm,
    opened=lambda: EachRow(_litellm),
)


# LiteLLM, spend logs


def _is_spend(row: Row) -> bool:
    return {"request_id", "spend", "startTime"} <= row.keys()


def _spend(row: Row) -> Iterable[Found]:
    about = _object(row.get("metadata"))
    proxied = _object(row.get("proxy_server_request"))
    body = proxied.get("body") if isinstance(proxied.get("body"), dict) else proxied
    model = fields.text_or_none(row.get("model"))
    asked = _asked(model, _open(row.get("messages")), {}, row.get("call_type"))
    if asked is None and isinstance(body, dict) and body.get("messages"):
        asked = {**body, "model": model or body.get("model")}
    whole = seconds_between(row.get("startTime"), row.get("endTime"))
    # Where an answer did not come as a stream, its first token is told to have come with its last.
    first = seconds_between(row.get("startTime"), row.get("completionStartTime"))
    from_cache = str(row.get("cache_hit")).lower() == "true"
    around = Around(
        id=row.get("request_id"),
        started_at=row.get("startTime"),
        latency_s=whole,
        first_token_s=first if first is not None and whole is not None and first < whole else None,
        provider=row.get("custom_llm_provider") or None,
        conversation=row.get("session_id"),
        user=row.get("end_user") or row.get("user"),
        metadata={
            "team": row.get("team_id"),
            "key": about.get("user_api_key_alias"),
            "tags": _open(row.get("request_tags")),
            "model_group": row.get("model_group"),
            "answered_from_cache": from_cache or None,
        },
        usage=_usage(row, about.get("usage_object") or _older_usage(row, about)),
        fidelity=(Fidelity.TRUNCATED,) if _is_cut(asked, row.get("response")) else (),
    )
    failed = row.get("status") == "failure" or about.get("status") == "failure"
    failure = _litellm_failure({**row, "error_information": about.get("error_information")}) if failed else None
    answered = None if _is_redacted(row.get("response")) else _open(row.get("response"))
    is_free = from_cache and _is_nothing(row.get("spend"))
    yield pair(asked, answered, around, model=model, failure=failure, is_free=is_free)


def _older_usage(row: Row, about: Mapping[str, JSON]) -> JSON:
    """The counts of versions that kept the details of the columns apart from them."""
    details = about.get("additional_usage_values")
    if not isinstance(details, dict):
        return None
    return {**details, **{name: whole_number(row.get(name)) for name in _COLUMNS}}


def _is_nothing(amount: JSON) -> bool:
    """Whether an amount of money, which may be written as text, is known to be zero."""
    try:
        return isinstance(amount, (str, int, float)) and float(amount) == 0
    except ValueError:
        return False


SPEND_LOGS = Source(
    name="litellm spend logs",
    fields=frozenset({"request_id", "call_type", "api_key", "spend", "startTime", "endTime", "model", "metadata"}),
    claims=_is_spend,
    opened=lambda: EachRow(_spend),
    tables=(frozenset({"request_id", "spend", "startTime", "model"}),),
)


# Helicone


def _is_helicone(row: Row) -> bool:
    return "request_created_at" in row and bool(
        {"request_body", "request_id", "response_id", "signed_body_url"} & row.keys()
    )


def _helicone(row: Row) -> Iterable[Found]:
    properties = _object(row.get("request_properties") or row.get("properties"))
    delay = next((s for key in ("delay_ms", "latency") if (s := _seconds_of(row.get(key)))), None)
    first = _seconds_of(row.get("time_to_first_token"))
    model = next(
        (m for key in ("model", "response_model", "request_model") if (m := fields.text_or_none(row.get(key)))), None
    )
    counts: dict[str, JSON] = {
        "input": _without(row.get("prompt_tokens"), row.get("prompt_audio_tokens")),
        "output": _without(row.get("completion_tokens"), row.get("completion_audio_tokens")),
        "input_cache_read": row.get("prompt_cache_read_tokens"),
        "input_cache_creation": row.get("prompt_cache_write_tokens"),
        "input_audio": row.get("prompt_audio_tokens"),
        "output_audio": row.get("completion_audio_tokens"),
        "output_reasoning": row.get("reasoning_tokens"),
    }
    session, from_cache = properties.get("Helicone-Session-Id"), _is_from_cache(row)
    around = Around(
        id=row.get("request_id") or row.get("response_id"),
        started_at=row.get("request_created_at"),
        latency_s=delay,
        first_token_s=first or None,
        provider=_lower(row.get("provider")),
        conversation=session,
        user=row.get("request_user_id") or row.get("user_id"),
        metadata={**properties, "answered_from_cache": from_cache or None},
        usage=counts_of(counts),
    )
    status = whole_number(row.get("response_status"))
    asked, answered = _kept_body(row.get("request_body")), _kept_body(row.get("response_body"))
    yield pair(asked, answered, around, model=model, status=status, is_free=from_cache)


_NO_REFERENCE = "00000000-0000-0000-0000-000000000000"


def _is_from_cache(row: Row) -> bool:
    """Whether Helicone answered itself: the row then names the request that was answered before, and counts no tokens."""
    answered_by = fields.label(row.get("cache_reference_id"))
    return answered_by not in {None, "", _NO_REFERENCE} and not any(whole_number(row.get(name)) for name in _COLUMNS)


def _kept_body(value: JSON) -> JSON:
    """A body; none where a note of Helicone stands for one that was not exported."""
    return None if "helicone_message" in _object(value) else value


def _without(whole: JSON, part: JSON) -> JSON:
    """A count without the part that is told apart, where it holds it."""
    given, apart = whole_number(whole), whole_number(part)
    return given - apart if given is not None and apart and apart <= given else whole


def _seconds_of(thousandths: JSON) -> float | None:
    return fields.seconds(seconds_of_thousandths(thousandths))


def _lower(value: JSON) -> str | None:
    return value.lower() if isinstance(value, str) and value else None


HELICONE = Source(
    name="helicone",
    fields=frozenset(
        {"response_id", "response_status", "request_created_at", "request_body", "response_body", "model"}
    ),
    claims=_is_helicone,
    opened=lambda: EachRow(_helicone),
    tables=(
        frozenset({"request_created_at", "request_body", "model"}),
        frozenset({"request_created_at", "response_id"}),
    ),
)


# Portkey


def _is_portkey(row: Row) -> bool:
    return bool({"ai_model", "ai_org"} & row.keys()) and bool({"request.body", "request", "response.body"} & row.keys())


def _portkey(row: Row) -> Iterable[Found]:
    took = _seconds_of(row.get("response_time"))
    labels = _labels(row)
    counts = {"input": row.get("req_units"), "output": row.get("res_units"), "total": row.get("total_units")}
    from_cache = str(row.get("cache_status", "")).upper() in {"HIT", "SEMANTIC HIT"}
    around = Around(
        id=row.get("id") or row.get("request_id"),
        started_at=row.get("created_at"),
        latency_s=took,
        provider=_lower(row.get("ai_org")),
        conversation=row.get("trace_id"),
        user=labels.get("_user"),
        metadata={
            **{name: value for name, value in labels.items() if name != "_user"},
            "prompt": row.get("prompt_slug"),
            "config": row.get("config"),
            "answered_from_cache": from_cache or None,
        },
        usage=counts_of(counts),
    )
    status = whole_number(row.get("response_status_code"))
    if status is None and row.get("is_success") in (False, 0, "0", "false"):
        status = 500
    model = fields.text_or_none(row.get("ai_model"))
    is_free = from_cache and _is_nothing(row.get("cost"))
    yield pair(_half(row, "request"), _half(row, "response"), around, model=model, status=status, is_free=is_free)


def _labels(row: Row) -> dict[str, JSON]:
    """What the caller said about a request: names and values in two lists, or one object."""
    given = _open(row.get("metadata"))
    if isinstance(given, dict) and not ({"key", "value"} <= given.keys()):
        return dict(given)
    inner = fields.mapping_or_empty(given)
    names = _open(row.get("metadata.key")) or inner.get("key")
    values = _open(row.get("metadata.value")) or inner.get("value")
    if not isinstance(names, list) or not isinstance(values, list) or len(names) != len(values):
        return {}
    return {name: value for name, value in zip(names, values, strict=True) if isinstance(name, str)}


def _half(row: Row, name: str) -> JSON:
    """The body of one side, under a dotted name or inside an object."""
    dotted = row.get(f"{name}.body")
    inner = row.get(name)
    return dotted if dotted is not None else inner.get("body") if isinstance(inner, dict) and "body" in inner else inner


PORTKEY = Source(
    name="portkey",
    fields=frozenset(
        {"created_at", "request.body", "response.body", "is_success", "ai_org", "ai_model", "cost", "trace_id"}
    ),
    claims=_is_portkey,
    opened=lambda: EachRow(_portkey),
    tables=(frozenset({"ai_model", "request.body", "response.body"}),),
)
