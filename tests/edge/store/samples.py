"""Exchanges, replies, designs and pairs to keep: plain ones by number, and hostile ones by Hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from fairlead.core.nouns import (
    Answer,
    Asker,
    Candidate,
    Dialect,
    Endpoint,
    Estimand,
    Exchange,
    Failure,
    FailureKind,
    Fidelity,
    Grade,
    Message,
    Pair,
    PairRow,
    Part,
    PartKind,
    PilotDesign,
    Reply,
    Request,
    TokenPrice,
    Tool,
    ToolCall,
    Usage,
)

START = datetime(2026, 11, 1, 9, tzinfo=UTC)


def exchange(number=1, *, said="Where is my parcel?", answered="On its way.", **more):
    """Exchange `number`, by default for user `u<number>`."""
    body = {"model": "closed-1", "messages": [{"role": "user", "content": said}]}
    message = Message(role="user", parts=(Part(kind=PartKind.TEXT, text=said),))
    given = {
        "id": f"e{number}",
        "row_hash": f"row-{number}",
        "dialect": Dialect.OPENAI_CHAT,
        "request": Request(endpoint=Endpoint.CHAT, model="closed-1", messages=(message,)),
        "answer": Answer(text=answered, model="closed-1-0301", finish="stop"),
        "request_body": body,
        "response_body": {"choices": [{"message": {"content": answered}}]},
        "usage": Usage(fresh=12, visible=4),
        "started_at": START + timedelta(seconds=number),
        "latency_s": 0.25,
        "user": f"u{number}",
        "source": "log.jsonl",
    }
    return Exchange(**given | more)


def design(**more):
    """A pilot's design."""
    given = {
        "workload_id": "w1",
        "candidate": Candidate(endpoint="http://localhost:9/v1", model="open-1"),
        "grader": "exact/1",
        "labels_hash": "l1",
        "margin": 0.05,
        "alpha": 0.05,
        "n_max": 5000,
        "seed": 7,
        "estimand": Estimand.LIKE_THIS,
        "timeout_s": 60.0,
        "frozen_seq": 10,
        "frozen_count": 10,
        "incumbent": None,
        "incumbent_models": ("closed-1",),
        "prompt_ids": ("p1",),
        "log_from": START,
        "log_to": START + timedelta(days=3, microseconds=1),
    }
    return PilotDesign(**given | more)


def pair(position, exchange_id="e1", *, score=1.0):
    """A pair at a position."""
    grades = {"incumbent": Grade(score=1.0), "candidate": Grade(score=score, reason="as expected")}
    return PairRow(
        pair=Pair(position=position, exchange_id=exchange_id, **grades),
        incumbent_refused=False,
        candidate_refused=False,
        incumbent_failure=None,
        candidate_failure=None,
        incumbent_latency_s=0.25,
        candidate_latency_s=0.5,
        incumbent_usage=Usage(fresh=12, visible=4),
        candidate_usage=Usage(fresh=14, visible=6),
        candidate_attempts=1,
        candidate_model="open-1-q4",
    )


def reply(text="On its way."):
    """A reply as a pilot gets it."""
    return Reply(answer=Answer(text=text), usage=Usage(fresh=14), latency_s=0.5, response_body={"text": text})


# Anything a log can hold, half surrogate pairs, NUL and the ledger's own escape character included.
texts = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x00\x1b\ud83d~#"), max_size=30)
maybe_texts = st.none() | texts
numbers = st.floats(allow_nan=False, allow_infinity=False)
seconds = st.none() | st.floats(min_value=0, max_value=1e6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
moments = st.datetimes(timezones=st.just(UTC))
amounts = st.decimals(allow_nan=False, allow_infinity=False)
counts = st.none() | st.integers(0, 2**62)


def tuples(items):
    return st.lists(items, max_size=3).map(tuple)


usages = st.builds(
    Usage,
    fresh=counts,
    cache_read=counts,
    cache_write_5m=counts,
    cache_write_1h=counts,
    visible=counts,
    reasoning=counts,
)
parts = st.builds(
    Part,
    kind=st.sampled_from(PartKind),
    text=texts,
    call_id=maybe_texts,
    name=maybe_texts,
    arguments=json_values,
    media_type=maybe_texts,
)
messages = st.builds(Message, role=texts, parts=tuples(parts))
tools = st.builds(Tool, name=texts, description=texts, parameters=json_objects, kind=texts)
requests = st.builds(
    Request,
    endpoint=st.sampled_from(Endpoint),
    model=texts,
    system=texts,
    messages=tuples(messages),
    tools=tuples(tools),
    tool_choice=json_values,
    schema=st.none() | json_objects,
    json_mode=st.booleans(),
    stream=st.booleans(),
    parameters=json_objects,
    inputs=tuples(texts),
)
failures = st.builds(Failure, kind=st.sampled_from(FailureKind), detail=texts, status=st.none() | st.integers(0, 999))
answers = st.builds(
    Answer,
    text=texts,
    tool_calls=tuples(st.builds(ToolCall, name=texts, arguments=json_values, call_id=maybe_texts)),
    model=maybe_texts,
    finish=maybe_texts,
    embeddings=st.integers(0, 9),
    failure=st.none() | failures,
)
exchanges = st.builds(
    Exchange,
    id=texts,
    row_hash=texts,
    dialect=st.sampled_from(Dialect),
    request=requests,
    answer=answers,
    request_body=json_values,
    response_body=json_values,
    usage=usages,
    started_at=st.none() | moments,
    latency_s=seconds,
    provider=maybe_texts,
    conversation=maybe_texts,
    user=maybe_texts,
    metadata=json_objects,
    source=texts,
    first_token_s=seconds,
    step=counts,
    fidelity=st.lists(st.sampled_from(Fidelity), unique=True).map(tuple),
)
replies = st.builds(
    Reply,
    answer=answers,
    usage=usages,
    latency_s=seconds,
    attempts=st.integers(0, 2**31),
    response_body=json_values,
)
prices = st.builds(
    TokenPrice,
    input=amounts,
    output=amounts,
    cache_read=st.none() | amounts,
    currency=texts,
    since=texts,
    source=texts,
)
candidates = st.builds(
    Candidate,
    endpoint=texts,
    model=texts,
    version=maybe_texts,
    key_env=maybe_texts,
    parameters=json_objects,
    drop=tuples(texts),
    rename=st.dictionaries(texts, texts, max_size=3),
    prompt_prefix=maybe_texts,
    prompt=maybe_texts,
    thinking_budget=counts,
    price=st.none() | prices,
)
askers = st.builds(Asker, endpoint=texts, dialect=st.sampled_from(Dialect), model=maybe_texts, key_env=maybe_texts)
designs = st.builds(
    PilotDesign,
    workload_id=texts,
    candidate=candidates,
    grader=texts,
    labels_hash=maybe_texts,
    margin=numbers,
    alpha=numbers,
    n_max=st.integers(),
    seed=st.integers(),
    estimand=st.sampled_from(Estimand),
    timeout_s=numbers,
    frozen_seq=st.integers(),
    frozen_count=st.integers(),
    incumbent=st.none() | askers,
    incumbent_models=tuples(texts),
    prompt_ids=tuples(texts),
    log_from=st.none() | moments,
    log_to=st.none() | moments,
)
grades = st.builds(Grade, score=st.floats(0, 1), reason=texts)
pair_rows = st.builds(
    PairRow,
    pair=st.builds(Pair, position=st.integers(1, 2**40), exchange_id=texts, incumbent=grades, candidate=grades),
    incumbent_refused=st.booleans(),
    candidate_refused=st.booleans(),
    incumbent_failure=st.none() | st.sampled_from(FailureKind),
    candidate_failure=st.none() | st.sampled_from(FailureKind),
    incumbent_latency_s=seconds,
    candidate_latency_s=seconds,
    incumbent_usage=usages,
    candidate_usage=usages,
    candidate_attempts=st.integers(0, 99),
    candidate_model=maybe_texts,
)

EXACT_DECIMAL = Decimal("0.1000000000000000000000000000000000000000010")
