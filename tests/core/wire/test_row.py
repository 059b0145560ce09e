"""Log rows to exchanges and back: recognised by content, nothing made up, nothing lost."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import (
    Answer,
    Dialect,
    Endpoint,
    Exchange,
    Failure,
    FailureKind,
    Fidelity,
    Message,
    Part,
    PartKind,
    Request,
    Tool,
    ToolCall,
    Usage,
)
from fairlead.core.wire.canonical import exchange_from_json, exchange_to_json
from fairlead.core.wire.decode import decode
from fairlead.core.wire.row import Note, exchange, row_hash

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

CHAT = {
    "id": "req-1",
    "started_at": "2026-03-01T12:00:00Z",
    "latency_s": 1.5,
    "metadata": {"session_id": "s-1", "user_id": "u-1", "team": "billing"},
    "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
    "response": {
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    },
}
MESSAGES = {
    "request": {
        "model": "claude-sonnet-4-5",
        "max_tokens": 10,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "metadata": {"user_id": "u-2"},
    },
    "response": {
        "type": "message",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": 4},
    },
}
EMBEDDINGS = {
    "request": {"model": "text-embedding-3-large", "input": ["a", "b"]},
    "response": {
        "object": "list",
        "model": "text-embedding-3-large",
        "data": [{"embedding": [0.5], "index": 0}, {"embedding": [0.5], "index": 1}],
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    },
}
ROWS = (CHAT, MESSAGES, EMBEDDINGS)


def read(row):
    return exchange(row, row_hash=row_hash(json.dumps(row).encode()), source="log:1", now=NOW)


def with_(row, **more):
    return {**copy.deepcopy(row), **more}


def test_a_chat_pair_is_read_with_all_that_stands_around_it():
    found = read(CHAT).exchange
    assert found.dialect is Dialect.OPENAI_CHAT
    assert (found.id, found.latency_s) == ("req-1", 1.5)
    assert found.started_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (found.conversation, found.user) == ("s-1", "u-1")
    assert found.metadata["team"] == "billing"
    assert found.answer.text == "Hello"
    assert found.usage == Usage(fresh=9, visible=2)
    assert found.request_body == CHAT["request"]
    assert found.response_body == CHAT["response"]


def test_what_a_row_does_not_say_is_unknown():
    found = read(MESSAGES).exchange
    assert found.started_at is None
    assert found.latency_s is None
    assert found.conversation is None
    assert found.provider is None
    assert found.id == f"x{found.row_hash[:20]}"
    assert found.user == "u-2", "the body itself says for whom it was"


@pytest.mark.parametrize(
    ("row", "dialect"),
    [
        (CHAT, Dialect.OPENAI_CHAT),
        (MESSAGES, Dialect.ANTHROPIC_MESSAGES),
        (EMBEDDINGS, Dialect.OPENAI_EMBEDDINGS),
        (with_(CHAT, response=None), Dialect.OPENAI_CHAT),
        (with_(MESSAGES, response=None), Dialect.ANTHROPIC_MESSAGES),
        (with_(EMBEDDINGS, response=None), Dialect.OPENAI_EMBEDDINGS),
        (
            with_(CHAT, request={"model": "claude-x", "messages": [{"role": "user", "content": "x"}]}),
            Dialect.OPENAI_CHAT,
        ),
        (
            {"request": {"model": "claude-x", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}},
            Dialect.ANTHROPIC_MESSAGES,
        ),
        (
            {"request": {"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "f", "input_schema": {}}]}},
            Dialect.ANTHROPIC_MESSAGES,
        ),
        (
            {"request": {"messages": [{"role": "user", "content": "x"}]}, "response": {"error": "x"}},
            Dialect.OPENAI_CHAT,
        ),
    ],
)
def test_a_dialect_is_known_by_what_the_bodies_hold(row, dialect):
    assert read(row).exchange.dialect is dialect


def test_no_response_means_not_recorded_and_never_an_empty_answer():
    for row in ROWS:
        failure = read(with_(row, response=None)).exchange.answer.failure
        assert failure is not None
        assert failure.kind is FailureKind.NOT_RECORDED


def test_a_response_that_is_a_web_page_is_a_failure_and_the_row_is_kept():
    found = read(with_(CHAT, response="<html>502 Bad Gateway</html>")).exchange
    assert found.answer.failure == Failure(kind=FailureKind.NOT_JSON, detail="<html>502 Bad Gateway</html>")
    assert found.usage == Usage()


def test_a_response_kept_as_text_is_read_as_the_body_it_is():
    assert read(with_(CHAT, response=json.dumps(CHAT["response"]))).exchange.answer.text == "Hello"


CHUNKS = [
    {"model": "m-1", "choices": [{"index": 0, "delta": {"content": "Hel"}}]},
    {"model": "m-1", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
]


def test_a_response_kept_as_chunks_is_put_together():
    as_list = read(with_(CHAT, response=CHUNKS)).exchange
    as_text = read(with_(CHAT, response="".join(f"data: {json.dumps(c)}\n\n" for c in CHUNKS))).exchange
    for found in (as_list, as_text):
        assert found.answer == Answer(text="Hello", model="m-1", finish="stop")
        assert found.usage == Usage(fresh=1, visible=2)


@pytest.mark.parametrize("chunks", [[], CHUNKS[:1]])
def test_chunks_that_stop_too_early_are_a_cut_answer(chunks):
    found = read(with_(CHAT, response=chunks)).exchange
    assert found.answer.failure is not None
    assert found.answer.failure.kind is FailureKind.CUT


@pytest.mark.parametrize(
    ("field", "value", "note"),
    [
        ("started_at", "1999-01-01", Note.DATE),
        ("started_at", "soon", Note.DATE),
        ("started_at", {"at": 1}, Note.DATE),
        ("latency_s", -1, Note.LATENCY),
        ("latency_s", "fast", Note.LATENCY),
        ("latency_s", True, Note.LATENCY),
        ("id", {"a": 1}, Note.ID),
        ("id", "x" * 600, Note.ID),
        ("metadata", [1], Note.METADATA),
    ],
)
def test_what_is_wrong_around_the_bodies_is_set_aside_noted_and_costs_nothing_else(field, value, note):
    found = read(with_(CHAT, **{field: value}))
    assert found.notes == (note,)
    assert found.exchange.answer.text == "Hello"
    assert found.exchange.usage == Usage(fresh=9, visible=2)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "request is missing"),
        ({"request": "hi"}, "request is text, not an object"),
        ({"request": {"prompt": "x", "model": "m"}}, "neither OpenAI chat.*it holds model, prompt"),
        (with_(CHAT, response=5), "response is a number, not an object"),
        (with_(CHAT, response={"choices": "x"}), "response.choices is text, not a list"),
        ({"fairlead": 2, "request": {}}, "schema 2 was written by a newer Fairlead"),
        ({"fairlead": "yes", "request": {}}, "field fairlead is yes, not 1"),
        ({"fairlead": True, "request": {}}, "field fairlead is True, not 1"),
        (with_(CHAT, fairlead=1, dialect="latin"), "dialect is 'latin', not one of"),
    ],
)
def test_a_row_that_holds_no_exchange_is_refused_with_the_reason(row, reason):
    with pytest.raises(UnreadableLine, match=reason):
        read(row)


def test_a_picture_the_log_did_not_keep_is_flagged():
    content = [{"type": "image_url", "image_url": {"url": ""}}, {"type": "text", "text": "?"}]
    row = with_(CHAT, request={"model": "m", "messages": [{"role": "user", "content": content}]})
    assert read(row).exchange.fidelity == (Fidelity.MEDIA_DROPPED,)


def test_the_same_row_has_the_same_hash_whatever_surrounds_it():
    assert row_hash(b'  {"a": 1}\r\n') == row_hash(b'{"a": 1}')
    assert row_hash(b'{"a": 1}') != row_hash(b'{"a": 2}')


# Canonical rows: exact there and back, for anything an exchange can hold.

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAME = st.text("abcdefghij-_1", min_size=1, max_size=8)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(NAME, JSONS, max_size=3)
COUNT = st.none() | st.integers(0, 10**9)
MAYBE = st.none() | NAME
PARTS = st.builds(
    Part, kind=st.sampled_from(PartKind), text=TEXT, call_id=MAYBE, name=MAYBE, arguments=JSONS, media_type=MAYBE
)
REQUESTS = st.builds(
    Request,
    endpoint=st.sampled_from(Endpoint),
    model=NAME,
    system=TEXT,
    messages=st.lists(st.builds(Message, role=NAME, parts=st.lists(PARTS, max_size=2).map(tuple)), max_size=2).map(
        tuple
    ),
    tools=st.lists(st.builds(Tool, name=NAME, description=TEXT, parameters=OBJECTS, kind=NAME), max_size=2).map(tuple),
    tool_choice=JSONS,
    schema=st.none() | OBJECTS,
    json_mode=st.booleans(),
    stream=st.booleans(),
    parameters=OBJECTS,
    inputs=st.lists(TEXT, max_size=2).map(tuple),
)
ANSWERS = st.builds(
    Answer,
    text=TEXT,
    tool_calls=st.lists(st.builds(ToolCall, name=NAME, arguments=JSONS, call_id=MAYBE), max_size=2).map(tuple),
    model=MAYBE,
    finish=MAYBE,
    embeddings=st.integers(0, 9),
    failure=st.none()
    | st.builds(Failure, kind=st.sampled_from(FailureKind), detail=TEXT, status=st.none() | st.integers(400, 599)),
)
USAGES = st.builds(
    Usage, fresh=COUNT, cache_read=COUNT, cache_write_5m=COUNT, cache_write_1h=COUNT, visible=COUNT, reasoning=COUNT
)
DAYS = (datetime.fromisoformat("2015-01-01"), datetime.fromisoformat("2026-11-01"))
SECONDS = st.none() | st.floats(0, 10_000)
EXCHANGES = st.builds(
    Exchange,
    id=NAME,
    row_hash=st.text("0123456789abcdef", min_size=32, max_size=32),
    dialect=st.sampled_from(Dialect),
    request=REQUESTS,
    answer=ANSWERS,
    request_body=st.none() | OBJECTS,
    response_body=st.none() | OBJECTS,
    usage=USAGES,
    started_at=st.none() | st.datetimes(*DAYS, timezones=st.just(UTC)),
    latency_s=SECONDS,
    provider=MAYBE,
    conversation=MAYBE,
    user=MAYBE,
    metadata=OBJECTS,
    source=TEXT,
    first_token_s=SECONDS,
    step=COUNT,
    fidelity=st.lists(st.sampled_from(Fidelity), unique=True).map(tuple),
)


@settings(max_examples=150)
@given(EXCHANGES)
def test_an_exchange_written_as_a_canonical_row_comes_back_exactly(original):
    line = json.dumps(exchange_to_json(original)).encode()
    assert exchange_from_json(decode(line), now=NOW) == original


@pytest.mark.parametrize("row", [*ROWS, with_(CHAT, response=CHUNKS[:1]), with_(CHAT, response=None)])
def test_what_was_read_from_bodies_needs_nothing_but_the_bodies(row):
    original = read(row).exchange
    written = exchange_to_json(original)
    assert "parsed" not in written
    assert exchange_from_json(written, now=NOW) == original


def test_a_row_without_the_mark_is_not_canonical():
    with pytest.raises(UnreadableLine, match="the field fairlead is missing"):
        exchange_from_json(CHAT, now=NOW)


# Whatever happens to a valid log, a row is read or refused with a reason.


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def mutated(row, draw):
    row = copy.deepcopy(row)
    for _ in range(draw(st.integers(1, 3))):
        paths = [path for path in places(row) if path]
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        target = row
        for key in path[:-1]:
            target = target[key]
        if draw(st.booleans()):
            target[path[-1]] = draw(JSONS)
        else:
            del target[path[-1]]
    return dict(sorted(row.items(), reverse=draw(st.booleans())))


@settings(max_examples=250)
@given(st.data())
def test_a_row_with_anything_dropped_or_retyped_is_read_or_refused_and_never_crashes(data):
    canonical = exchange_to_json(read(CHAT).exchange)
    row = mutated(data.draw(st.sampled_from([*ROWS, canonical])), data.draw)
    found, reason = None, ""
    try:
        found = read(row).exchange
    except UnreadableLine as error:
        reason = error.reason
    assert bool(found) != bool(reason)
    assert "\n" not in reason
    if found:
        assert exchange_from_json(exchange_to_json(found), now=NOW) == found


@given(st.sampled_from(ROWS), st.randoms())
def test_the_order_of_fields_does_not_matter(row, random):
    items = list(row.items())
    random.shuffle(items)
    original, shuffled = read(row).exchange, exchange(dict(items), row_hash="h" * 8, source="log:1", now=NOW).exchange
    assert shuffled.request == original.request
    assert shuffled.answer == original.answer
