"""Streamed answers, put together from bytes split anywhere."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from fairlead.core.nouns import FailureKind, ToolCall, Usage
from fairlead.core.wire.stream import ChatStream, EventReader, MessageStream


def chunk(delta=None, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices, **more}


def sse(*events, end="\n\n", done=True):
    lines = ["data: " + json.dumps(event, ensure_ascii=False) for event in events] + (["data: [DONE]"] if done else [])
    return "".join(line + end for line in lines).encode()


HELLO = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Grüß "}),
    chunk({"content": "Gott ☀"}),
    chunk({}, finish="stop"),
    chunk(usage={"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}),
)


@given(cuts=st.lists(st.integers(0, 2000), max_size=12), end=st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]))
def test_a_stream_says_the_same_wherever_it_is_split(cuts, end):
    data = b": keep-alive" + end.encode() + sse(*HELLO, end=end)
    stream, start = ChatStream(), 0
    for cut in [*sorted(cut for cut in cuts if cut < len(data)), len(data)]:
        stream.feed(data[start:cut])
        start = cut
    stream.close()
    answer, usage = stream.answer()
    assert stream.done
    assert answer.text == "Grüß Gott ☀"
    assert (answer.finish, answer.model, answer.failure) == ("stop", "m-1", None)
    assert usage == Usage(fresh=5, visible=3)


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_at_all_give_an_answer_or_a_failure(data, step):
    stream = ChatStream()
    for start in range(0, len(data), step):
        stream.feed(data[start : start + step])
    stream.close()
    answer, _ = stream.answer()
    assert answer.failure is not None or answer.text


def test_the_events_are_those_the_official_client_knows():
    for event in HELLO:
        ChatCompletionChunk.model_validate(event)


def test_tool_calls_are_joined_by_their_number():
    stream = ChatStream()
    stream.feed(
        sse(
            chunk(
                {
                    "tool_calls": [
                        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ]
                }
            ),
            chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
            chunk({}, finish="tool_calls"),
        )
    )
    answer, _ = stream.answer()
    assert answer.tool_calls == (
        ToolCall(name="f", arguments={"x": 1}, call_id="a"),
        ToolCall(name="g", arguments={}, call_id="b"),
    )


def test_tool_calls_without_numbers_are_joined_by_their_ids():
    stream = ChatStream()
    stream.feed(
        sse(
            chunk({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}),
            chunk({"tool_calls": [{"function": {"arguments": "}"}}]}),
            chunk({"tool_calls": [{"id": "b", "function": {"name": "f", "arguments": "{}"}}]}, finish="tool_calls"),
        )
    )
    assert [call.call_id for call in stream.answer()[0].tool_calls] == ["a", "b"]


def test_a_hostile_index_costs_nothing():
    stream = ChatStream()
    stream.feed(sse(chunk({"tool_calls": [{"index": 10**11, "id": "a", "function": {"name": "f"}}]}, finish="stop")))
    assert [call.name for call in stream.answer()[0].tool_calls] == ["f"]


def test_a_stream_without_finish_or_end_was_cut():
    stream = ChatStream()
    stream.feed(sse(*HELLO[:2], done=False))
    stream.close()
    assert stream.is_cut
    answer, _ = stream.answer()
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.CUT


def test_a_stream_with_a_finish_reason_needs_no_closing_event():
    stream = ChatStream()
    stream.feed(sse(*HELLO, done=False))
    stream.close()
    assert not stream.is_cut
    assert stream.answer()[0].failure is None


def test_a_last_event_without_a_blank_line_is_still_taken():
    stream = ChatStream()
    stream.feed(sse(*HELLO, done=False).rstrip())
    stream.close()
    assert stream.answer()[1] == Usage(fresh=5, visible=3)


def test_an_error_inside_a_stream_is_the_answers_failure():
    for data in (
        sse(HELLO[1], {"error": {"type": "server_error", "message": "boom"}}),
        sse(HELLO[1], done=False) + b'event: error\ndata: {"message": "boom", "type": "server_error"}\n\n',
    ):
        stream = ChatStream()
        stream.feed(data)
        assert stream.done
        failure = stream.answer()[0].failure
        assert failure is not None
        assert (failure.kind, failure.detail) == (FailureKind.SERVER_ERROR, "boom")


def test_an_event_that_is_not_json_ends_the_stream_with_a_failure():
    stream = ChatStream()
    stream.feed(b"data: <html>\n\n")
    failure = stream.answer()[0].failure
    assert failure is not None
    assert failure.kind is FailureKind.NOT_JSON


def test_a_stream_beyond_its_bound_is_too_large_and_takes_no_more():
    stream = ChatStream(max_bytes=1000)
    for _ in range(100):
        stream.feed(sse(chunk({"content": "x" * 100}), done=False))
    failure = stream.answer()[0].failure
    assert failure is not None
    assert failure.kind is FailureKind.TOO_LARGE
    assert len(json.dumps(stream.body())) < 3000


def test_the_first_token_is_seen_when_it_comes():
    stream = ChatStream()
    stream.feed(sse(HELLO[0], done=False))
    assert not stream.has_content
    stream.feed(sse(HELLO[1], done=False))
    assert stream.has_content


def test_thinking_is_kept_apart_from_the_answer():
    stream = ChatStream()
    both = {"reasoning": "hm", "reasoning_content": "hm"}
    stream.feed(sse(chunk(both), chunk({"content": "42"}, finish="stop")))
    assert stream.body()["choices"][0]["message"]["reasoning_content"] == "hm"
    assert stream.answer()[0].text == "42"


def test_several_data_lines_make_one_event():
    reader = EventReader()
    events = reader.feed(b"\xef\xbb\xbfevent: a\ndata: 1\ndata:2\nid: 7\n\n\n\ndata\n\n")
    assert [(event.name, event.data) for event in events] == [("a", b"1\n2"), ("", b"")]


def test_a_closed_reader_keeps_nothing():
    reader = EventReader()
    reader.feed(b"data: 1")
    assert [event.data for event in reader.close()] == [b"1"]
    assert reader.close() == []


MESSAGE = (
    {
        "type": "message_start",
        "message": {
            "id": "msg",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Bon"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "jour"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": " 1}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 12}},
    {"type": "message_stop"},
)


def test_an_anthropic_stream_gives_the_message():
    stream = MessageStream()
    for event in MESSAGE:
        stream.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    answer, usage = stream.answer()
    assert stream.done
    assert answer.text == "Bonjour"
    assert answer.tool_calls == (ToolCall(name="f", arguments={"a": 1}, call_id="t"),)
    assert usage == Usage(fresh=7, cache_read=3, visible=12)


def test_a_cut_anthropic_stream_is_a_failure():
    stream = MessageStream()
    stream.feed_objects(MESSAGE[:5])
    failure = stream.answer()[0].failure
    assert failure is not None
    assert failure.kind is FailureKind.CUT
