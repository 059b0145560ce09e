"""What a call was about, read from the raw bytes of either side, in every protocol and however the call ended."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import Dialect, FailureKind, Fidelity, Usage
from fairlead.serve.frames import Ended, Protocol
from fairlead.serve.reading import KEPT, answered, asked


def data(*events, named=False):
    lines = [(f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join(lines).encode()


def chunk(text, *, finish=None, **more):
    return {"model": "m-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], **more}


def read(spoken, body, *, status=200, ended=Ended.DONE, problem=""):
    return answered(
        spoken,
        body if isinstance(body, bytes) else json.dumps(body).encode(),
        status=status,
        ended=ended,
        problem=problem,
    )


def test_a_chat_request_is_read_with_the_user_and_conversation_it_names():
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "user": "u7",
        "metadata": {"session_id": "s1"},
    }
    found = asked(Protocol.OPENAI_CHAT, json.dumps(body).encode())
    assert (found.dialect, found.body, found.user, found.conversation) == (Dialect.OPENAI_CHAT, body, "u7", "s1")
    assert found.request.messages[0].text == "Hi"


def test_an_anthropic_request_names_its_user_in_the_metadata():
    body = {
        "model": "claude",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hi"}],
        "metadata": {"user_id": "u8"},
    }
    found = asked(Protocol.ANTHROPIC_MESSAGES, json.dumps(body).encode())
    assert (found.dialect, found.user) == (Dialect.ANTHROPIC_MESSAGES, "u8")


def test_responses_are_kept_as_the_chat_that_asks_the_same_and_flagged_where_history_stayed_at_the_vendor():
    body = {"model": "m", "instructions": "Be brief.", "input": "Hi", "previous_response_id": "r1", "stream": True}
    found = asked(Protocol.OPENAI_RESPONSES, json.dumps(body).encode())
    assert found.request.system == "Be brief."
    assert found.request.messages[0].text == "Hi"
    assert found.request.stream
    assert found.fidelity == (Fidelity.TRUNCATED,)


@pytest.mark.parametrize("prompt", ["Once upon a time", ["Once upon a time"]])
def test_the_prompt_of_the_older_completions_is_the_only_turn(prompt):
    found = asked(Protocol.OPENAI_COMPLETIONS, json.dumps({"model": "m", "prompt": prompt, "max_tokens": 3}).encode())
    assert [turn.text for turn in found.request.messages] == ["Once upon a time"]
    assert found.request.parameters["max_tokens"] == 3


def test_embeddings_are_read_with_their_texts():
    found = asked(Protocol.OPENAI_EMBEDDINGS, b'{"model":"e","input":["a","b"]}')
    assert (found.dialect, found.request.inputs) == (Dialect.OPENAI_EMBEDDINGS, ("a", "b"))


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"model":"m"}', b"\xff\xfe"])
def test_what_cannot_be_a_request_is_refused(body):
    with pytest.raises(UnreadableLine):
        asked(Protocol.OPENAI_CHAT, body)


def test_a_streamed_chat_is_put_together_with_usage_from_whichever_chunk_has_it():
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    last = chunk("lo", finish="stop", usage=usage)
    found = read(Protocol.OPENAI_CHAT, data(chunk("Hel"), last) + b"data: [DONE]\n\n")
    assert found.answer.text == "Hello"
    assert found.usage == Usage(fresh=9, visible=2)
    assert found.body["choices"][0]["message"]["content"] == "Hello"


def test_an_answer_the_caller_left_is_kept_as_far_as_it_came():
    found = read(Protocol.OPENAI_CHAT, data(chunk("Hel")), ended=Ended.CLIENT_CLOSED)
    assert found.answer.failure.kind is FailureKind.CUT
    assert found.body["choices"][0]["message"]["content"] == "Hel"


def test_an_anthropic_stream_is_put_together():
    found = read(
        Protocol.ANTHROPIC_MESSAGES,
        data(
            {
                "type": "message_start",
                "message": {"model": "claude-x", "usage": {"input_tokens": 5, "output_tokens": 1}},
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
            {"type": "message_stop"},
            named=True,
        ),
    )
    assert (found.answer.text, found.answer.finish, found.answer.model) == ("Hi", "end_turn", "claude-x")
    assert (found.usage.fresh, found.usage.visible) == (5, 3)


RESPONSE = {
    "object": "response",
    "model": "m-1",
    "status": "completed",
    "output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":1}'},
    ],
    "usage": {"input_tokens": 7, "output_tokens": 4, "total_tokens": 11},
}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(RESPONSE).encode(),
        data({"type": "response.created", "response": {"object": "response", "status": "in_progress", "output": []}},
             {"type": "response.output_text.delta", "output_index": 0, "delta": "Hel"},
             {"type": "response.completed", "response": RESPONSE}, named=True),
    ],
    ids=["whole", "streamed"],
)  # fmt: skip
def test_a_response_object_is_kept_as_the_completion_that_says_the_same(body):
    found = read(Protocol.OPENAI_RESPONSES, body)
    assert (found.answer.text, found.answer.tool_calls[0].name) == ("Hello", "look")
    assert found.answer.tool_calls[0].arguments == {"at": 1}
    assert (found.usage.fresh, found.usage.visible) == (7, 4)


def test_a_response_stream_that_was_cut_keeps_the_items_that_were_done_and_what_had_arrived_of_the_next():
    done = RESPONSE["output"][1]
    found = read(
        Protocol.OPENAI_RESPONSES,
        data(
            {"type": "response.output_item.added", "output_index": 0, "item": {**done, "arguments": ""}},
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{"},
            {"type": "response.output_item.done", "output_index": 0, "item": done},
            {"type": "response.output_text.delta", "output_index": 1, "delta": "So f"},
        ),
        ended=Ended.CUT,
    )
    assert found.answer.failure.kind is FailureKind.CUT
    message = found.body["choices"][0]["message"]
    assert message["content"] == "So f"
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": 1}'}


@pytest.mark.parametrize("kind", ["error", "response.failed"])
def test_an_error_inside_a_response_stream_is_a_failure(kind):
    error = {"code": "rate_limit_exceeded", "message": "slow down"}
    event = {"type": kind, **error} if kind == "error" else {"type": kind, "response": {**RESPONSE, "error": error}}
    found = read(Protocol.OPENAI_RESPONSES, data(event))
    assert found.answer.failure.kind is FailureKind.SERVER_ERROR
    assert found.answer.failure.detail == "slow down"


def test_an_older_completion_is_put_together_from_its_chunks():
    events = [{"model": "m", "choices": [{"index": 0, "text": t}]} for t in ("On", "ce")]
    end = {
        "choices": [{"index": 0, "text": "", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    found = read(Protocol.OPENAI_COMPLETIONS, data(*events, end) + b"data: [DONE]\n\n")
    assert (found.answer.text, found.answer.finish, found.usage.visible) == ("Once", "stop", 2)


def test_an_answer_that_the_upstream_packed_is_unpacked():
    body = {"choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
    assert read(Protocol.OPENAI_CHAT, gzip.compress(json.dumps(body).encode())).answer.text == "Hi"


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        (Ended.TIMEOUT, FailureKind.TIMEOUT),
        (Ended.UPSTREAM_ERROR, FailureKind.SERVER_ERROR),
        (Ended.CLIENT_CLOSED, FailureKind.CUT),
        (Ended.CUT, FailureKind.CUT),
    ],
)
def test_without_an_answer_the_way_the_call_ended_says_why(ended, kind):
    found = read(Protocol.OPENAI_CHAT, b"", ended=ended, problem="connection refused")
    assert found.answer.failure.kind is kind
    assert found.answer.failure.detail == "connection refused"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "slow", "type": "rate_limit_error"}}, FailureKind.SERVER_ERROR),
        (400, {"error": {"message": "bad", "type": "invalid_request_error"}}, FailureKind.REFUSED_REQUEST),
        (502, b"<html>Bad gateway</html>", FailureKind.NOT_JSON),
        (500, {"detail": "oops"}, FailureKind.SERVER_ERROR),
    ],
)
def test_an_error_status_is_a_failure_whatever_the_body(status, body, kind):
    found = read(Protocol.OPENAI_CHAT, body, status=status)
    assert (found.answer.failure.kind, found.answer.failure.status) == (kind, status)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(KEPT)),
    st.binary(max_size=200),
    st.sampled_from([200, 404, 500]),
    st.sampled_from(list(Ended)),
)
def test_nothing_that_comes_back_can_stop_the_reading(spoken, body, status, ended):
    found = read(spoken, body, status=status, ended=ended)
    assert found.answer.failure is not None


@settings(deadline=None)
@given(
    st.sampled_from(sorted(KEPT)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "choices", "delta", "output", "content", "index", "error", "response", "item", "text"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
)
def test_no_event_of_a_stream_can_stop_the_reading(spoken, event):
    assert read(
        spoken, data({"type": "response.output_item.done", "x": 1}, event if isinstance(event, dict) else {"a": event})
    ).body
