"""Streams said in another protocol while they come in, split anywhere, cut anywhere, or garbage."""

from __future__ import annotations

import json

import pytest
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from core.wire.translate.conversations import (
    CHAT_CHUNKS,
    CHAT_REQUEST,
    MESSAGE_EVENTS,
    MESSAGES_REQUEST,
    call,
    chat_sse,
    chunk,
    events_of,
    message_sse,
)
from fairlead.core.wire.stream import ChatStream, MessageStream
from fairlead.core.wire.translate import cross

CHAT, MESSAGES = chat_sse(*CHAT_CHUNKS), message_sse(*MESSAGE_EVENTS)
CALLERS = [
    ("anthropic.messages", "openai", MESSAGES_REQUEST),
    ("openai.chat", "anthropic", {**CHAT_REQUEST, "stream_options": {"include_usage": True}}),
    ("openai.responses", "openai", {"model": "gpt-5", "input": "Hi"}),
    ("openai.responses", "anthropic", {"model": "gpt-5", "input": "Hi"}),
]


def stream_of(caller, to, body):
    return cross(caller, to=to, body={**body, "stream": True}, model="m", name="n1", now=5).stream()


def anthropic_stream():
    return stream_of(*CALLERS[0])


def raw_of(to):
    return CHAT if to == "openai" else MESSAGES


def fed(stream, raw, cuts=()):
    told, start = b"", 0
    for cut in [*sorted(cut for cut in cuts if cut < len(raw)), len(raw)]:
        told += stream.feed(raw[start:cut])
        start = cut
    return told + stream.close()


def error_in(told):
    """The last thing a caller reads, whatever its protocol, must be one error."""
    last = events_of(told)[-1]
    return (last.get("response") or last).get("error") or pytest.fail(f"no error at the end: {last}")


@settings(deadline=None)
@given(st.sampled_from(CALLERS), st.lists(st.integers(0, 5000), max_size=14))
def test_a_stream_says_the_same_wherever_it_is_split(case, cuts):
    whole = fed(stream_of(*case), raw_of(case[1]))
    assert fed(stream_of(*case), raw_of(case[1]), cuts) == whole
    assert fed(stream_of(*case), raw_of(case[1]).replace(b"\n", b"\r\n"), cuts) == whole


def test_an_open_models_stream_is_events_that_the_official_client_knows_and_reads_the_same():
    told = fed(anthropic_stream(), CHAT)
    adapter = TypeAdapter(RawMessageStreamEvent)
    events = events_of(told)
    for event in events:
        if event["type"] != "ping":
            adapter.validate_python(event)
    stream, source = MessageStream(), ChatStream()
    stream.feed(told)
    source.feed(CHAT)
    (answer, usage), (original, spent) = stream.answer(), source.answer()
    assert stream.done
    assert answer.text == original.text == "Grüß Gott ☀, I look it up."
    assert [(c.name, c.arguments) for c in answer.tool_calls] == [(c.name, c.arguments) for c in original.tool_calls]
    assert (answer.finish, usage.fresh, usage.cache_read) == ("tool_use", spent.fresh, spent.cache_read)
    assert stream.body()["content"][0]["thinking"] == "The order is A-1."


def test_a_messages_stream_is_chunks_that_the_official_client_knows_and_reads_the_same():
    told = fed(stream_of(*CALLERS[1]), MESSAGES)
    for event in events_of(told)[:-1]:
        ChatCompletionChunk.model_validate(event)
    stream, source = ChatStream(), MessageStream()
    stream.feed(told)
    source.feed(MESSAGES)
    (answer, usage), (original, spent) = stream.answer(), source.answer()
    assert stream.done
    assert answer.text == original.text
    assert answer.tool_calls == original.tool_calls
    assert (answer.finish, usage.fresh, usage.cache_read) == ("tool_calls", spent.fresh, spent.cache_read)
    chunks = events_of(told)[:-1]
    assert [
        c["choices"][0]["delta"]["thinking_blocks"]
        for c in chunks
        if c["choices"] and "thinking_blocks" in c["choices"][0]["delta"]
    ] == [[{"type": "thinking", "thinking": "The order is A-1.", "signature": "c2lnbmVk"}]]


def test_usage_comes_only_to_a_chat_caller_who_asked_for_it():
    quiet = events_of(fed(stream_of("openai.chat", "anthropic", CHAT_REQUEST), MESSAGES))
    asked = events_of(fed(stream_of(*CALLERS[1]), MESSAGES))
    assert not any("usage" in event for event in quiet[:-1])
    assert [event["usage"]["total_tokens"] for event in asked[:-1] if event["usage"]] == [130]


@pytest.mark.parametrize("case", CALLERS[2:])
def test_a_response_streams_as_events_that_the_official_client_knows(case):
    adapter = TypeAdapter(ResponseStreamEvent)
    events = events_of(fed(stream_of(*case), raw_of(case[1])))
    for number, event in enumerate(events):
        adapter.validate_python(event)
        assert event["sequence_number"] == number
    final = events[-1]
    assert final["type"] == "response.completed"
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == final["response"]["output"]
    told = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert told == done[1]["content"][0]["text"]
    assert final["response"]["usage"]["total_tokens"] == 130


def test_a_free_form_tool_is_called_with_free_text():
    body = {"model": "gpt-5", "input": "Hi", "tools": [{"type": "custom", "name": "find_order"}]}
    events = events_of(fed(stream_of("openai.responses", "openai", body), CHAT))
    calls = [event["item"] for event in events if event["type"] == "response.output_item.done"][2:]
    assert {item["type"] for item in calls} == {"custom_tool_call"}
    chunks = chat_sse(
        chunk(call(0, '{"input": "*** Begin"}', id="a", name="find_order")), chunk({}, finish="tool_calls")
    )
    events = events_of(fed(stream_of("openai.responses", "openai", body), chunks))
    assert [e["input"] for e in events if e["type"] == "response.custom_tool_call_input.done"] == ["*** Begin"]


def test_each_piece_is_told_as_soon_as_it_is_known():
    stream = anthropic_stream()
    stream.feed(chat_sse(CHAT_CHUNKS[0], done=False))
    assert not stream.has_content
    assert "Gott" in stream.feed(chat_sse(CHAT_CHUNKS[3], done=False)).decode()
    assert stream.has_content
    assert '"partial_json":"{\\"id\\""' in stream.feed(chat_sse(*CHAT_CHUNKS[5:7], done=False)).decode()


def test_calls_whose_arguments_are_mixed_come_out_one_after_another():
    mixed = chat_sse(
        chunk(call(0, id="a", name="f")),
        chunk(call(1, id="b", name="g")),
        chunk(call(0, '{"x": "}')),
        chunk(call(1, '{"y"')),
        chunk(call(0, '"}')),
        chunk(call(1, ": 2}")),
        chunk({}, finish="tool_calls"),
    )
    stream = MessageStream()
    told = fed(anthropic_stream(), mixed)
    stream.feed(told)
    assert [(c.name, c.arguments) for c in stream.answer()[0].tool_calls] == [("f", {"x": "}"}), ("g", {"y": 2})]
    open_blocks = []
    for event in events_of(told):
        if event["type"] == "content_block_start":
            assert open_blocks == []
            open_blocks.append(event["index"])
        elif event["type"] == "content_block_delta":
            assert open_blocks == [event["index"]]
        elif event["type"] == "content_block_stop":
            open_blocks.remove(event["index"])


def test_text_after_a_call_opens_a_block_of_its_own():
    told = fed(
        anthropic_stream(),
        chat_sse(
            chunk({"content": "a"}),
            chunk(call(0, "{}", id="a", name="f")),
            chunk({"content": "b"}),
            chunk({}, finish="stop"),
        ),
    )
    starts = [e["content_block"]["type"] for e in events_of(told) if e["type"] == "content_block_start"]
    assert starts == ["text", "tool_use", "text"]


def test_a_silent_upstream_keeps_the_caller_awake():
    stream = anthropic_stream()
    assert stream.feed(b": PROCESSING\n\n") == b""
    stream.feed(chat_sse(CHAT_CHUNKS[0], done=False))
    assert stream.feed(b": PROCESSING\n\n") == b'event: ping\ndata: {"type":"ping"}\n\n'
    chat = stream_of(*CALLERS[1])
    chat.feed(message_sse(MESSAGE_EVENTS[0]))
    assert chat.feed(message_sse({"type": "ping"})) == b": ping\n\n"


@pytest.mark.parametrize("case", CALLERS)
def test_a_stream_that_is_cut_ends_in_one_error_in_the_callers_dialect(case):
    raw = raw_of(case[1])
    for end in (0, 40, len(raw) // 2, len(raw) * 2 // 3):
        stream = stream_of(*case)
        told = fed(stream, raw[:end])
        error = error_in(told)
        assert "ended before" in error["message"] or "cannot be read" in error["message"]
        assert stream.done
        assert stream.problem is not None
        assert stream.feed(raw) == stream.close() == stream.fail("again") == b""


@pytest.mark.parametrize("case", CALLERS)
def test_a_stream_without_its_closing_event_is_whole_once_it_said_why_it_stopped(case):
    closing = b"data: [DONE]\n\n" if case[1] == "openai" else message_sse(MESSAGE_EVENTS[-1])
    stream = stream_of(*case)
    assert fed(stream, raw_of(case[1]).removesuffix(closing)) == fed(stream_of(*case), raw_of(case[1]))
    assert stream.problem is None


@pytest.mark.parametrize("case", CALLERS)
def test_an_error_in_mid_stream_is_told_in_the_callers_dialect(case):
    if case[1] == "openai":
        broken = chat_sse(*CHAT_CHUNKS[:4], {"error": {"message": "Too busy.", "type": "server_error", "code": 429}})
    else:
        broken = message_sse(*MESSAGE_EVENTS[:9], {"type": "error", "error": {"type": "rate_limit_error", "message": "Too busy."}})  # fmt: skip
    stream = stream_of(*case)
    error = error_in(fed(stream, broken))
    assert error["message"] == "Too busy."
    assert stream.problem.status == 429
    assert stream.has_content


def test_the_gateways_own_word_ends_a_stream_too():
    stream = anthropic_stream()
    stream.feed(chat_sse(*CHAT_CHUNKS[:4], done=False))
    error = error_in(stream.fail("The upstream was silent for 120 s.", status=504))
    assert error == {"type": "timeout_error", "message": "The upstream was silent for 120 s."}


@pytest.mark.parametrize(
    "raw",
    [
        b"data: {broken\n\n",
        b"data: 3\n\n",
        b'data: {"choices": [{"index": [], "delta": {"content": "x"}}]}\n\n',
        b"data: [DONE]\n\n",
        b"\xff\xfe\x00\n\n",
        b"data: " + b"[" * 5000 + b"\n\n",
        chat_sse(chunk(call(0, "{}", id="a"))),
        chat_sse(chunk(call(0, "{}", id="a", name="f")), chunk({"content": "x"}), chunk(call(0, "{}"))),
    ],
)
def test_garbage_ends_in_one_error(raw):
    error_in(fed(anthropic_stream(), raw))


def test_a_stream_longer_than_the_bound_ends_in_one_error():
    crossing = cross("anthropic.messages", to="openai", body=MESSAGES_REQUEST, model="m", name="n", now=1)
    stream = crossing.stream(max_bytes=400)
    assert "longer than the bound" in error_in(fed(stream, CHAT, range(0, len(CHAT), 50)))["message"]


pieces = st.sampled_from([b"data: ", b"event: error\n", b"\n\n", b"[DONE]", b'{"choices":[', b"]}", b"\xff", b": x\n"])
values = st.recursive(
    st.none() | st.integers(-3, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["choices", "delta", "tool_calls", "function", "arguments", "index", "type", "usage", "error",
                         "content_block", "message", "name", "content", "id", "stop_reason", "finish_reason"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
event_types = st.sampled_from(sorted({event["type"] for event in MESSAGE_EVENTS}))
hostile = st.one_of(
    st.binary(max_size=30),
    pieces,
    values.map(lambda v: b"data: " + json.dumps(v).encode() + b"\n\n"),
    st.builds(
        lambda kind, v: b"data: " + json.dumps({**(v if isinstance(v, dict) else {}), "type": kind}).encode() + b"\n\n",
        event_types,
        values,
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CALLERS), st.lists(hostile, max_size=8))
def test_a_hostile_upstream_never_crashes_a_stream_and_is_told_at_most_once(case, parts):
    stream = stream_of(*case)
    told = b"".join(stream.feed(part) for part in parts) + stream.close()
    events = events_of(told)
    assert stream.done
    if stream.problem is not None:
        error_in(told)
    assert all(isinstance(event, dict) or event == "[DONE]" for event in events)
