"""Whole answers and errors said in another protocol."""

from __future__ import annotations

import json

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from core.wire.translate.conversations import CHAT_ANSWER, CHAT_REQUEST, MESSAGES_ANSWER, MESSAGES_REQUEST
from fairlead.core.errors import Untranslatable
from fairlead.core.wire import anthropic, openai
from fairlead.core.wire.translate import Fault, cross, error_body, problem


def anthropic_caller(**changes):
    body = {**MESSAGES_REQUEST, **changes}
    return cross("anthropic.messages", to="openai", body=body, model="qwen3", name="n1", now=5)


def chat_caller(**changes):
    body = {**CHAT_REQUEST, **changes}
    return cross("openai.chat", to="anthropic", body=body, model="claude", name="n1", now=5)


def responses_caller(to="openai", **changes):
    body = {"model": "gpt-5", "input": "Hi", **changes}
    return cross("openai.responses", to=to, body=body, model="m", name="n1", now=5)


def message_of(answer, **changes):
    return json.loads(anthropic_caller(**changes).answer(json.dumps(answer).encode()))


def completion_of(answer, **changes):
    return json.loads(chat_caller(**changes).answer(json.dumps(answer).encode()))


def choice(finish="stop", **message):
    return {
        **CHAT_ANSWER,
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}],
    }


def test_an_open_models_answer_is_a_message_that_the_official_client_knows():
    message = message_of(CHAT_ANSWER)
    Message.model_validate(message)
    assert message["content"] == [
        {"type": "thinking", "thinking": "The order is A-1.", "signature": "fairlead"},
        {"type": "text", "text": "I look it up."},
        {"type": "tool_use", "id": "call_1", "name": "find_order", "input": {"id": "A-1"}},
    ]
    assert message["stop_reason"] == "tool_use"
    assert message["usage"] == {
        "input_tokens": 36,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 64,
        "output_tokens": 30,
    }


def test_a_message_is_a_chat_completion_that_the_official_client_knows():
    completion = completion_of(MESSAGES_ANSWER)
    ChatCompletion.model_validate(completion)
    said = completion["choices"][0]["message"]
    assert (said["content"], said["reasoning_content"]) == ("I look it up.", "The order is A-1.")
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"id": "A-1"}
    assert said["thinking_blocks"] == [MESSAGES_ANSWER["content"][0]]
    assert completion["choices"][0]["finish_reason"] == "tool_calls"
    assert completion["usage"]["prompt_tokens"] == 100
    assert completion["usage"]["prompt_tokens_details"] == {"cached_tokens": 64, "cache_write_tokens": 6}
    assert completion["usage"]["total_tokens"] == 130


def test_an_answer_says_and_costs_the_same_in_every_protocol():
    chat, chat_usage = openai.answer(CHAT_ANSWER)
    message, message_usage = anthropic.answer(message_of(CHAT_ANSWER))
    assert (message.text, message.tool_calls) == (chat.text, chat.tool_calls)
    assert (message_usage.fresh, message_usage.cache_read) == (chat_usage.fresh, chat_usage.cache_read)
    assert message_usage.visible == chat_usage.visible + chat_usage.reasoning
    back, back_usage = openai.answer(completion_of(MESSAGES_ANSWER))
    home, home_usage = anthropic.answer(MESSAGES_ANSWER)
    assert (back.text, back.tool_calls) == (home.text, home.tool_calls)
    assert (back_usage.fresh, back_usage.cache_read, back_usage.cache_write_5m) == (30, 64, 6)
    assert home_usage.fresh == 30


texts = st.text(max_size=20).filter(lambda t: not t or t.strip())
arguments = st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5), max_size=3)


@given(text=texts, calls=st.lists(arguments, max_size=3), tokens=st.tuples(*[st.integers(0, 10**6)] * 4))
def test_there_and_back_keeps_every_answer(text, calls, tokens):
    fresh, read, written, output = tokens
    blocks = [{"type": "text", "text": text}] if text else []
    blocks += [{"type": "tool_use", "id": f"t{i}", "name": "f", "input": made} for i, made in enumerate(calls)]
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "output_tokens": output,
    }
    message = {**MESSAGES_ANSWER, "content": blocks, "usage": usage, "stop_reason": "tool_use" if calls else "end_turn"}
    assert message_of(completion_of(message)) == message


@pytest.mark.parametrize(
    ("finish", "extra", "reason", "sequence"),
    [
        ("stop", {}, "end_turn", None),
        ("length", {}, "max_tokens", None),
        ("content_filter", {}, "refusal", None),
        ("stop", {"stop_reason": "END"}, "stop_sequence", "END"),
        ("stop", {"matched_stop": "END"}, "stop_sequence", "END"),
        ("stop", {"matched_stop": 151645}, "end_turn", None),
        ("tool_calls", {}, "end_turn", None),
        ("eos", {}, "end_turn", None),
    ],
)
def test_every_reason_to_stop_has_its_word_for_an_anthropic_caller(finish, extra, reason, sequence):
    answer = choice(finish, content="Hi")
    answer["choices"][0] |= extra
    message = message_of(answer)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("brand_new", "stop"),
    ],
)
def test_every_reason_to_stop_has_its_word_for_a_chat_caller(reason, finish):
    answer = {**MESSAGES_ANSWER, "stop_reason": reason, "content": [{"type": "text", "text": "Hi"}]}
    assert completion_of(answer)["choices"][0]["finish_reason"] == finish


def test_calls_that_a_server_finished_with_stop_are_calls_all_the_same():
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    message = message_of(choice("stop", content=None, tool_calls=[call]))
    assert message["stop_reason"] == "tool_use"
    assert message["content"] == [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]


def test_a_refusal_is_said_and_marked():
    message = message_of(choice("stop", content=None, refusal="I cannot help with that."))
    assert message["content"] == [{"type": "text", "text": "I cannot help with that."}]
    assert message["stop_reason"] == "refusal"


def test_calls_without_ids_get_some_and_arguments_that_are_objects_are_taken():
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g", "arguments": "{}"}}]
    blocks = message_of(choice("tool_calls", content=None, tool_calls=calls))["content"]
    assert [block["input"] for block in blocks] == [{"a": 1}, {}]
    assert len({block["id"] for block in blocks}) == 2


def test_unknown_counts_are_named_as_unknown():
    crossing = anthropic_caller()
    crossing.answer(json.dumps({**choice(content="Hi"), "usage": None}).encode())
    assert "usage" in crossing.notes


def test_what_an_answer_holds_beyond_the_callers_protocol_is_named():
    crossing = anthropic_caller()
    crossing.answer(json.dumps(choice(content="Hi", annotations=[{"type": "url_citation"}])).encode())
    assert "annotations" in crossing.notes
    crossing = chat_caller()
    cited = {"type": "text", "text": "Hi", "citations": [{"type": "char_location"}]}
    answer = {**MESSAGES_ANSWER, "content": [cited, {"type": "web_search_tool_result"}]}
    crossing.answer(json.dumps(answer).encode())
    assert crossing.notes == ("citations", "content.web_search_tool_result")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [3]}',
        b'{"error": {"message": "no"}}',
        json.dumps(choice(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{"}}])).encode(),
        json.dumps(choice(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "[1]"}}])).encode(),
        json.dumps(choice(tool_calls=[{"id": "a", "function": {"arguments": "{}"}}])).encode(),
    ],
)
def test_an_answer_that_is_garbage_is_refused_with_a_reason(raw):
    with pytest.raises(Untranslatable, match="upstream"):
        anthropic_caller().answer(raw)


@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
def test_no_bytes_can_make_an_answer_crash(raw):
    for crossing in (anthropic_caller(), chat_caller(), responses_caller()):
        with pytest.raises(Untranslatable):
            crossing.answer(raw)


# Responses


@pytest.mark.parametrize(("to", "answer"), [("openai", CHAT_ANSWER), ("anthropic", MESSAGES_ANSWER)])
def test_a_response_is_made_of_either_upstreams_answer(to, answer):
    response = json.loads(responses_caller(to).answer(json.dumps(answer).encode()))
    Response.model_validate(response)
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "function_call"]
    assert response["output"][1]["content"][0]["text"] == "I look it up."
    assert json.loads(response["output"][2]["arguments"]) == {"id": "A-1"}
    assert response["status"] == "completed"
    assert response["usage"]["input_tokens"] == 100
    assert response["usage"]["input_tokens_details"]["cached_tokens"] == 64
    assert response["usage"]["output_tokens"] == 30


def test_a_response_cut_by_its_bound_says_so():
    response = json.loads(responses_caller().answer(json.dumps(choice("length", content="Once")).encode()))
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


# Errors


@pytest.mark.parametrize(
    ("status", "kind", "code", "expected_status", "expected_type"),
    [
        (400, "invalid_request_error", None, 400, "invalid_request_error"),
        (401, "invalid_request_error", "invalid_api_key", 401, "authentication_error"),
        (403, None, None, 403, "permission_error"),
        (404, "invalid_request_error", "model_not_found", 404, "not_found_error"),
        (413, None, None, 413, "request_too_large"),
        (422, None, None, 422, "invalid_request_error"),
        (429, "requests", "rate_limit_exceeded", 429, "rate_limit_error"),
        (429, "insufficient_quota", "insufficient_quota", 402, "billing_error"),
        (500, "server_error", None, 500, "api_error"),
        (502, None, None, 502, "api_error"),
        (503, None, None, 529, "overloaded_error"),
        (504, None, None, 504, "timeout_error"),
    ],
)
def test_an_openai_error_has_its_word_for_an_anthropic_caller(status, kind, code, expected_status, expected_type):
    raw = json.dumps({"error": {"message": "Because.", "type": kind, "param": None, "code": code}}).encode()
    answered = anthropic_caller().error(status, raw)
    assert answered.status == expected_status
    assert json.loads(answered.body) == {"type": "error", "error": {"type": expected_type, "message": "Because."}}


@pytest.mark.parametrize(
    ("status", "kind", "expected_status", "expected_type", "expected_code"),
    [
        (400, "invalid_request_error", 400, "invalid_request_error", None),
        (401, "authentication_error", 401, "authentication_error", "invalid_api_key"),
        (402, "billing_error", 429, "insufficient_quota", "insufficient_quota"),
        (403, "permission_error", 403, "permission_error", None),
        (404, "not_found_error", 404, "not_found_error", None),
        (413, "request_too_large", 413, "invalid_request_error", None),
        (429, "rate_limit_error", 429, "rate_limit_error", "rate_limit_exceeded"),
        (500, "api_error", 500, "server_error", None),
        (529, "overloaded_error", 503, "server_error", None),
    ],
)
def test_an_anthropic_error_has_its_word_for_a_chat_caller(status, kind, expected_status, expected_type, expected_code):
    raw = json.dumps({"type": "error", "error": {"type": kind, "message": "Because."}}).encode()
    answered = chat_caller().error(status, raw)
    told = {"message": "Because.", "type": expected_type, "param": None, "code": expected_code}
    assert (answered.status, json.loads(answered.body)) == (expected_status, {"error": told})


def test_a_prompt_that_is_too_long_is_told_in_the_words_that_clients_act_on():
    raw = b'{"error": {"message": "maximum context length is 8192", "code": "context_length_exceeded"}}'
    told = json.loads(anthropic_caller().error(400, raw).body)["error"]
    assert told == {"type": "invalid_request_error", "message": "prompt is too long: maximum context length is 8192"}
    raw = b'{"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}'
    assert json.loads(chat_caller().error(400, raw).body)["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"<html>\n<b>Bad gateway</b>", "The upstream answered 502: <html> <b>Bad gateway</b>"),
        (b"", "The upstream answered 502 and said no more."),
        (b'{"detail": "Model not loaded"}', "Model not loaded"),
        (b'{"detail": [{"loc": ["body"], "msg": "Field required"}]}', '[{"loc":["body"],"msg":"Field required"}]'),
        (b'{"error": "busy"}', "busy"),
        (b'{"message": "no route"}', "no route"),
        (b"\xff\xfe", "The upstream answered 502: \ufffd\ufffd"),
    ],
)
def test_an_error_in_any_shape_is_told_in_the_callers(raw, told):
    assert json.loads(anthropic_caller().error(502, raw).body)["error"]["message"] == told
    assert json.loads(chat_caller().error(502, raw).body)["error"]["message"] == told


def test_the_gateways_own_errors_have_the_same_shape():
    fault = Fault(status=429, message="Wait a minute.")
    assert json.loads(error_body("openai.chat", fault)) == {
        "error": {"message": "Wait a minute.", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    }
    assert json.loads(error_body("anthropic.count_tokens", fault)) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Wait a minute."},
    }
    assert problem("openai.embeddings", Fault(status=529, message="Busy.")).status == 503
