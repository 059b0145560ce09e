"""Pairs in dialects of their own, batch files, stored completions: two bodies that must find each other."""

from __future__ import annotations

import json

import pytest

from fairlead.core.nouns import Dialect, FailureKind, Fidelity, ToolCall, Usage

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1772366400,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}

# OpenAI Responses

ASKED = {
    "model": "gpt-5",
    "instructions": "Be brief.",
    "max_output_tokens": 50,
    "reasoning": {"effort": "low"},
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather in Lyon?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"town": "Lyon"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "14"},
    ],
    "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}, {"type": "web_search"}],
    "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5-2025-08-07",
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "14 degrees"}]},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": '{"town": "Nice"}'},
    ],
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 130,
    },
}


def test_a_responses_pair_reads_like_the_same_chat(scan_rows):
    (only,) = scan_rows({"request": ASKED, "response": RESPONSE, "latency_s": 2, "id": "a"}).exchanges
    assert only.dialect is Dialect.OPENAI_CHAT
    assert only.request.system == "Be brief."
    assert [turn.role for turn in only.request.messages] == ["user", "assistant", "tool"]
    assert only.request.messages[1].parts[0].arguments == {"town": "Lyon"}
    assert only.request.messages[2].parts[0].call_id == "c1"
    assert [(tool.name, tool.kind) for tool in only.request.tools] == [
        ("weather", "function"),
        ("web_search", "web_search"),
    ]
    assert only.request.schema == {"type": "object"}
    assert only.request.parameters == {"max_completion_tokens": 50, "reasoning_effort": "low"}
    assert only.answer.text == "14 degrees"
    assert only.answer.tool_calls == (ToolCall(name="weather", arguments={"town": "Nice"}, call_id="c2"),)
    assert only.answer.model == "gpt-5-2025-08-07"
    assert only.usage == Usage(fresh=40, cache_read=60, visible=10, reasoning=20)
    assert (only.id, only.latency_s, only.fidelity) == ("a", 2.0, ())


def test_a_responses_pair_in_plain_text_is_not_taken_for_embeddings(scan_rows):
    (only,) = scan_rows({"request": {"model": "gpt-5", "input": "Hi"}, "response": RESPONSE}).exchanges
    assert only.request.messages[0].text == "Hi"


def test_history_left_at_the_vendor_is_flagged(scan_rows):
    asked = {"model": "gpt-5", "input": "And Nice?", "previous_response_id": "resp_0"}
    (only,) = scan_rows({"request": asked, "response": RESPONSE}).exchanges
    assert Fidelity.TRUNCATED in only.fidelity


def test_a_response_that_failed_is_a_failure(scan_rows):
    failed = {**RESPONSE, "status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "slow"}}
    (only,) = scan_rows({"request": ASKED, "response": failed}).exchanges
    assert only.answer.failure is not None
    assert only.answer.failure.kind is FailureKind.SERVER_ERROR


# Gemini

CONTENTS = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {
            "role": "user",
            "parts": [{"text": "What is it?"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
        },
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"at": 1}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"seen": "a cat"}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "look", "description": "d", "parameters": {"type": "object"}}]}],
    "generationConfig": {"temperature": 0.5, "maxOutputTokens": 64, "responseSchema": {"type": "object"}},
}
CANDIDATES = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "A cat."}]},
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 30,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 112,
    },
    "modelVersion": "gemini-2.5-flash",
}


def test_a_gemini_pair_reads_like_the_same_chat(scan_rows):
    (only,) = scan_rows({"request": {**CONTENTS, "model": "models/gemini-2.5-flash"}, "response": CANDIDATES}).exchanges
    assert only.request.model == "gemini-2.5-flash"
    assert only.request.system == "Be brief."
    assert [turn.role for turn in only.request.messages] == ["user", "assistant", "tool"]
    assert only.request.messages[0].parts[1].text == "data:image/png;base64,AAAA"
    assert only.request.messages[2].parts[0].text == '{"seen": "a cat"}'
    assert [tool.name for tool in only.request.tools] == ["look"]
    assert only.request.schema == {"type": "object"}
    assert only.request.parameters == {"temperature": 0.5, "max_tokens": 64}
    assert (only.answer.text, only.answer.finish, only.answer.model) == ("A cat.", "STOP", "gemini-2.5-flash")
    assert only.usage == Usage(fresh=70, cache_read=30, visible=5, reasoning=7)


def test_a_streamed_gemini_answer_is_joined_and_its_last_count_is_the_whole(scan_rows):
    first = {"candidates": [{"content": {"parts": [{"text": "A "}]}}], "usageMetadata": {"promptTokenCount": 100}}
    (only,) = scan_rows({"request": CONTENTS, "response": [first, CANDIDATES]}).exchanges
    assert only.answer.text == "A A cat."
    assert only.usage.fresh == 70


def test_an_older_completion_is_one_turn(scan_rows):
    answer = {
        "choices": [{"text": "Hello", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    (only,) = scan_rows(
        {"request": {"model": "davinci", "prompt": "Hi", "max_tokens": 5}, "response": answer}
    ).exchanges
    assert only.request.messages[0].text == "Hi"
    assert only.answer.text == "Hello"
    assert only.request.parameters == {"max_tokens": 5}


def test_a_pair_with_its_bodies_as_json_text_is_read(scan_rows):
    (only,) = scan_rows(
        {"request": json.dumps(CHAT), "response": json.dumps(COMPLETION), "timestamp": 1772366400}
    ).exchanges
    assert only.answer.text == "Hello"
    assert only.started_at is not None


# Batches


def asked_in_batch(name, text="Hi", url="/v1/chat/completions"):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def answered_in_batch(name, status=200, body=COMPLETION):
    return {
        "id": f"batch_req_{name}",
        "custom_id": name,
        "response": {"status_code": status, "request_id": "r", "body": body},
        "error": None,
    }


@pytest.mark.parametrize("results_first", [False, True])
def test_openai_batch_files_are_joined_in_either_order(tmp_path, scan, results_first):
    files = {"requests": [asked_in_batch("a"), asked_in_batch("b", "Ho")]}
    files |= {"results": [answered_in_batch("b"), answered_in_batch("a")]}
    for name, rows in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    order = ["results", "requests"] if results_first else ["requests", "results"]
    found = scan(*(tmp_path / f"{name}.jsonl" for name in order)).exchanges
    assert {(e.metadata["custom_id"], e.request.messages[0].text, e.answer.text) for e in found} == {
        ("a", "Hi", "Hello"),
        ("b", "Ho", "Hello"),
    }
    assert all(e.metadata["batch"] is True and e.latency_s is None and e.fidelity == () for e in found)


def test_half_a_batch_is_kept_for_what_it_tells(scan_rows):
    without_answer, without_prompt = scan_rows(asked_in_batch("a"), answered_in_batch("b")).exchanges
    assert without_answer.answer.failure is not None
    assert without_answer.answer.failure.kind is FailureKind.NOT_RECORDED
    assert without_prompt.fidelity == (Fidelity.PROMPT_ABSENT,)
    assert without_prompt.usage == Usage(fresh=9, visible=2)
    assert without_prompt.request.model == "gpt-4o-2024-08-06"


def test_an_id_that_stands_for_two_requests_joins_nothing(scan_rows):
    found = scan_rows(asked_in_batch("a"), asked_in_batch("a", "Ho"), answered_in_batch("a")).exchanges
    assert len(found) == 3
    assert [e.fidelity for e in found if e.answer.text] == [(Fidelity.PROMPT_ABSENT,)]


def test_the_same_request_file_twice_is_one_request(scan_rows):
    found = scan_rows(asked_in_batch("a"), asked_in_batch("a"), answered_in_batch("a")).exchanges
    assert [e.answer.text for e in found] == ["Hello"]


def test_a_batch_result_that_failed_is_a_failure(scan_rows):
    broken = answered_in_batch("a", 400, {"error": {"message": "too long", "type": "invalid_request_error"}})
    expired = {**answered_in_batch("b"), "response": None, "error": {"code": "batch_expired", "message": "late"}}
    first, second = scan_rows(asked_in_batch("a"), asked_in_batch("b"), broken, expired).exchanges
    assert [e.answer.failure.detail for e in (first, second) if e.answer.failure] == ["too long", "late"]


def test_a_pair_with_an_id_that_looks_like_a_batchs_is_a_pair(scan_rows):
    pair = {"request": CHAT, "response": COMPLETION}
    first, second = scan_rows({**pair, "custom_id": "a"}, {**pair, "key": "b"}).exchanges
    assert [first.answer.text, second.answer.text] == ["Hello", "Hello"]


def test_formats_may_follow_each_other_in_one_file(scan_rows):
    found = scan_rows({"request": CHAT, "response": COMPLETION}, {"key": "k", "request": CONTENTS}).exchanges
    assert [e.request.messages[0].text for e in found] == ["Hi", "What is it?"]
    assert found[1].metadata["batch"] is True


def test_anthropic_batches_are_joined(scan_rows):
    params = {"model": "claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    message = {
        "type": "message",
        "model": "claude-x-1",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    found = scan_rows(
        *({"custom_id": name, "params": params} for name in "abc"),
        {"custom_id": "a", "result": {"type": "succeeded", "message": message}},
        {"custom_id": "b", "result": {"type": "errored", "error": error}},
        {"custom_id": "c", "result": {"type": "expired"}},
    ).exchanges
    assert [e.answer.text for e in found] == ["Hello", "", ""]
    assert {e.dialect for e in found} == {Dialect.ANTHROPIC_MESSAGES}
    assert found[1].answer.failure is not None
    assert found[1].answer.failure.kind is FailureKind.REFUSED_REQUEST
    assert found[2].answer.failure is not None
    assert found[2].answer.failure.detail == "batch expired"


def test_gemini_batches_are_joined(scan_rows):
    (only,) = scan_rows({"key": "k", "request": CONTENTS}, {"key": "k", "response": CANDIDATES}).exchanges
    assert only.answer.text == "A cat."
    assert only.request.system == "Be brief."


# Stored completions and OpenPipe


def stored_message(n, role, text):
    return {"id": f"chatcmpl-1-{n}", "role": role, "content": text, "name": None}


def test_stored_completions_find_their_messages_on_other_pages(scan_rows):
    stored = {**COMPLETION, "metadata": {"app": "x"}, "temperature": 0.3, "tools": None, "input_user": "u-1"}
    other = {**COMPLETION, "id": "chatcmpl-2"}
    found = scan_rows(
        {"object": "list", "data": [stored, other], "has_more": False},
        {"object": "list", "data": [stored_message(0, "system", "Be brief."), stored_message(1, "user", "Hi")]},
    ).exchanges
    assert found[0].request.system == "Be brief."
    assert found[0].request.messages[0].text == "Hi"
    assert found[0].request.parameters == {"temperature": 0.3}
    assert (found[0].user, found[0].metadata) == ("u-1", {"app": "x"})
    assert found[0].started_at is not None
    assert found[1].fidelity == (Fidelity.PROMPT_ABSENT,)
    assert found[1].usage == Usage(fresh=9, visible=2)


def test_a_stored_completion_may_carry_its_messages(scan_rows):
    (only,) = scan_rows({**COMPLETION, "messages": [{"role": "user", "content": "Hi"}]}).exchanges
    assert only.request.messages[0].text == "Hi"
    assert only.answer.text == "Hello"


def test_messages_of_an_unknown_completion_are_told(scan_rows):
    result = scan_rows({"object": "list", "data": [stored_message(0, "user", "Hi")]})
    assert result.reasons == ["messages of completion chatcmpl-1, which no file lists"]


def test_openpipe_rows_are_pairs_under_other_names(scan_rows):
    (only,) = scan_rows({"input": CHAT, "output": COMPLETION, "tags": {"prompt_id": "p"}}).exchanges
    assert only.request.messages[0].text == "Hi"
    assert only.metadata == {"prompt_id": "p"}


# Nothing is lost in silence


def test_an_unknown_shape_is_told_with_what_was_seen_and_what_came_nearest(scan_rows):
    result = scan_rows({"call_type": "x", "startTime": 1, "endTime": 2, "colour": "red"})
    assert result.reasons == [
        (
            "no reader knows this shape: it holds call_type, colour, endTime, startTime; "
            "nearest is litellm, but lacks id, messages, model_parameters, response, trace_id"
        )
    ]


def test_an_unknown_table_is_told_once(scan_rows):
    result = scan_rows("request_created_at,model,colour\n1,2,3\n4,5,6\n", name="a.csv")
    assert result.reasons == [
        "a table no reader knows: it holds request_created_at, model, colour; nearest is helicone, but lacks request_body"
    ]


# Streams of the protocols that are kept as chat

PIECES = [
    {"type": "response.created", "response": {"object": "response", "id": "resp_1", "output": []}},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "14"},
]
CHUNKS = [
    {"object": "text_completion", "model": "d-002", "choices": [{"index": 0, "text": "14 "}]},
    {
        "object": "text_completion",
        "choices": [{"index": 0, "text": "degrees", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    },
]


def events(values):
    return "".join(f"data: {json.dumps(value)}\n\n" for value in values)


@pytest.mark.parametrize("written", [list, events], ids=["as events", "as text"])
def test_a_streamed_response_is_put_together_however_it_was_logged(scan_rows, written):
    whole = [*PIECES, {"type": "response.completed", "response": {**RESPONSE, "service_tier": "flex"}}]
    (only,) = scan_rows(
        {"request": {"model": "gpt-5", "input": "Hi", "stream": True}, "response": written(whole)}
    ).exchanges
    assert (only.dialect, only.answer.text, only.request.stream) == (Dialect.OPENAI_CHAT, "14 degrees", True)
    assert only.usage == Usage(fresh=40, cache_read=60, visible=10, reasoning=20)
    assert only.tier == "flex"


def test_a_streamed_response_that_stops_early_was_cut(scan_rows):
    (only,) = scan_rows({"request": {"model": "gpt-5", "input": "Hi"}, "response": PIECES}).exchanges
    assert only.answer.failure is not None
    assert only.answer.failure.kind is FailureKind.CUT


@pytest.mark.parametrize("written", [list, lambda chunks: events(chunks) + "data: [DONE]\n\n"])
def test_a_streamed_older_completion_is_put_together(scan_rows, written):
    asked = {"model": "d-002", "prompt": "How warm?", "stream": True}
    (only,) = scan_rows({"request": asked, "response": written(CHUNKS)}).exchanges
    assert (only.answer.text, only.answer.failure, only.request.stream) == ("14 degrees", None, True)
    assert only.usage == Usage(fresh=3, visible=2)


def test_gemini_events_as_text_are_joined_and_a_stream_without_its_end_was_cut(scan_rows):
    first = {"candidates": [{"content": {"parts": [{"text": "A "}]}}]}
    whole, cut = scan_rows(
        {"request": CONTENTS, "response": events([first, CANDIDATES])},
        {"request": CONTENTS, "response": events([first, first])},
    ).exchanges
    assert (whole.answer.text, whole.request.stream, whole.usage.fresh) == ("A A cat.", True, 70)
    assert cut.answer.failure is not None
    assert cut.answer.failure.kind is FailureKind.CUT


def test_what_gemini_was_asked_beside_the_text_is_kept(scan_rows):
    asked = {
        **CONTENTS,
        "tools": [*CONTENTS["tools"], {"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {"responseMimeType": "application/json"},
    }
    (only,) = scan_rows(
        {"request": asked, "response": {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}}
    ).exchanges
    assert [(tool.name, tool.kind) for tool in only.request.tools] == [
        ("look", "function"),
        ("googleSearch", "googleSearch"),
    ]
    assert (only.request.tool_choice, only.request.json_mode) == ("required", True)
    assert only.answer.finish == "SAFETY"


# What stands around the bodies


def test_a_pair_is_understood_under_the_usual_names_of_its_fields(scan_rows):
    row = {"request": CHAT, "response": COMPLETION, "timestamp": "2026-03-01T12:00:00Z", "latency_ms": "1200"}
    (only,) = scan_rows(
        {**row, "ttft_ms": 250, "session_id": "s-1", "user_id": "u-1", "workload_id": "w", "tier": "flex"}
    ).exchanges
    assert (only.latency_s, only.first_token_s) == (1.2, 0.25)
    assert (only.conversation, only.user, only.metadata, only.tier) == ("s-1", "u-1", {"workload_id": "w"}, "flex")
    assert only.started_at is not None


def test_a_field_of_a_pair_that_nobody_understands_is_told(scan_rows):
    result = scan_rows({"request": CHAT, "response": COMPLETION, "price": 1, "model": 7}, {"request": CHAT, "price": 2})
    assert result.reading.set_aside() == {"field price not understood": 2}
    many = [{"request": CHAT, f"f{n}": 1} for n in range(60)]
    assert len(scan_rows(*many).reading.set_aside()) == 51


def test_model_and_counts_beside_the_bodies_are_read_where_the_bodies_lack_them(scan_rows):
    row = {"request": {"messages": CHAT["messages"]}, "response": {"choices": COMPLETION["choices"]}}
    (only,) = scan_rows({**row, "model": "gpt-4o", "usage": COMPLETION["usage"]}).exchanges
    assert (only.request.model, only.usage) == ("gpt-4o", Usage(fresh=9, visible=2))


@pytest.mark.parametrize(
    ("beside", "kind"),
    [
        ({"error": {"type": "rate_limit_error", "message": "slow down"}}, FailureKind.SERVER_ERROR),
        ({"error": "Connection lost", "status_code": 504}, FailureKind.TIMEOUT),
        ({"status": 400}, FailureKind.REFUSED_REQUEST),
        ({"status": 200}, FailureKind.NOT_RECORDED),
        ({"error": None, "status": "ok"}, FailureKind.NOT_RECORDED),
    ],
)
def test_an_error_beside_an_empty_response_is_the_answer(scan_rows, beside, kind):
    (only,) = scan_rows({"request": CHAT, "response": None, **beside}).exchanges
    assert only.answer.failure is not None
    assert only.answer.failure.kind is kind


@pytest.mark.parametrize("response", [COMPLETION, RESPONSE, CANDIDATES], ids=["chat", "responses", "gemini"])
def test_an_answer_whose_request_was_not_logged_still_counts(scan_rows, response):
    (only,) = scan_rows({"request": None, "response": response}).exchanges
    assert Fidelity.PROMPT_ABSENT in only.fidelity
    assert only.answer.failure is None
    assert only.usage.fresh


def test_a_tool_called_without_a_definition_and_a_lost_picture_are_both_flagged(scan_rows):
    picture = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": ""}}]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = {"choices": [{"message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    asked = {"model": "m", "messages": [{"role": "user", "content": picture}]}
    pair, traced = scan_rows({"request": asked, "response": answer}, {"input": asked, "output": answer}).exchanges
    assert set(pair.fidelity) == set(traced.fidelity) == {Fidelity.MEDIA_DROPPED, Fidelity.TOOLS_MISSING}


def test_pages_of_stored_messages_may_come_in_either_order_and_twice(scan_rows):
    newest, oldest = stored_message(10, "user", "Hi"), stored_message(2, "system", "Be brief.")
    (only,) = scan_rows(
        {"object": "list", "data": [COMPLETION]},
        {"object": "list", "data": [newest, oldest]},
        {"object": "list", "data": [oldest]},
        {"object": "list", "data": [], "has_more": False},
    ).exchanges
    assert (only.request.system, [turn.text for turn in only.request.messages]) == ("Be brief.", ["Hi"])


def test_a_response_object_alone_is_an_answer_without_its_prompt(scan_rows):
    (only,) = scan_rows({**RESPONSE, "created_at": 1772366400}).exchanges
    assert (only.answer.text, only.usage.fresh) == ("14 degrees", 40)
    assert Fidelity.PROMPT_ABSENT in only.fidelity
    assert only.started_at is not None


def test_an_error_that_openpipe_recorded_is_no_answer(scan_rows):
    (only,) = scan_rows({"input": CHAT, "output": {"error": {"type": "timeout", "message": "slow"}}}).exchanges
    assert only.answer.failure is not None
    assert only.answer.failure.kind is FailureKind.TIMEOUT
