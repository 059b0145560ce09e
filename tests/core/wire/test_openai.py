"""OpenAI chat completions and embeddings, read and written."""

from __future__ import annotations

import json
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import (
    JSON,
    Answer,
    Endpoint,
    FailureKind,
    Message,
    Part,
    PartKind,
    Request,
    Tool,
    ToolCall,
    Usage,
)
from fairlead.core.wire import openai

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather in a town",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    },
}
CONVERSATION = {
    "model": "gpt-4o-2024-08-06",
    "temperature": 0.2,
    "seed": None,
    "stream": True,
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Answer in French."}]},
        {
            "role": "user",
            "name": "ana",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Lyon"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "14 degrees"},
    ],
    "tools": [WEATHER],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
}


def completion(message, finish="stop", **more):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
        **more,
    }


def test_a_chat_body_becomes_a_request_with_its_parts_told_apart():
    request = openai.request(CONVERSATION)
    assert request == Request(
        endpoint=Endpoint.CHAT,
        model="gpt-4o-2024-08-06",
        system="Be brief.\n\nAnswer in French.",
        messages=(
            Message(
                role="user",
                parts=(
                    Part(kind=PartKind.TEXT, text="What is this?", name="ana"),
                    Part(
                        kind=PartKind.IMAGE,
                        text="data:image/png;base64,AAAA",
                        media_type="image/png",
                        arguments={"detail": "low"},
                    ),
                ),
            ),
            Message(
                role="assistant",
                parts=(Part(kind=PartKind.TOOL_CALL, call_id="c1", name="weather", arguments={"town": "Lyon"}),),
            ),
            Message(role="tool", parts=(Part(kind=PartKind.TOOL_RESULT, text="14 degrees", call_id="c1"),)),
        ),
        tools=(
            Tool(
                name="weather",
                description="Weather in a town",
                parameters={"type": "object", "properties": {"town": {"type": "string"}}},
            ),
        ),
        tool_choice="auto",
        schema={"type": "object"},
        json_mode=True,
        stream=True,
        parameters={"temperature": 0.2},
    )


def test_writing_a_request_as_a_body_and_reading_it_again_changes_nothing():
    request = openai.request({**CONVERSATION, "stream": False})
    assert openai.request(openai.body_of(request, model=request.model)) == request


def test_functions_of_the_old_form_read_as_tools():
    old = {
        "model": "gpt-4-0613",
        "functions": [WEATHER["function"]],
        "function_call": {"name": "weather"},
        "messages": [
            {"role": "user", "content": "Lyon?"},
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "weather", "arguments": '{"town":"Lyon"}'},
            },
            {"role": "function", "name": "weather", "content": "14"},
        ],
    }
    request = openai.request(old)
    assert [tool.name for tool in request.tools] == ["weather"]
    assert request.tool_choice == {"type": "function", "function": {"name": "weather"}}
    body = openai.body_of(request, model="m")
    call, result = body["messages"][1]["tool_calls"][0], body["messages"][2]
    assert call["id"] == result["tool_call_id"], "a call logged without an id gets one, and its result the same"


def test_arguments_that_are_not_json_stay_as_they_were_written():
    message = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"a": '}}]}
    request = openai.request({"model": "m", "messages": [{"role": "user", "content": "x"}, message]})
    assert request.messages[1].parts[0].arguments == '{"a": '
    sent = openai.body_of(request, model="m")["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert sent == '{"a": '


@pytest.mark.parametrize("written", ['"hello"', "12", "null", "true"])
def test_arguments_that_hold_no_object_go_out_as_they_came_in(written):
    call = {"id": "a", "function": {"name": "f", "arguments": written}}
    message = {"role": "assistant", "tool_calls": [call]}
    request = openai.request({"model": "m", "messages": [{"role": "user", "content": "x"}, message]})
    assert openai.body_of(request, model="m")["messages"][1]["tool_calls"][0]["function"]["arguments"] == written


def test_tools_that_run_at_the_vendor_are_known_and_never_sent_elsewhere():
    request = openai.request(
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "web_search"}, WEATHER]}
    )
    assert [(tool.name, tool.kind) for tool in request.tools] == [("web_search", "web_search"), ("weather", "function")]
    assert [tool["function"]["name"] for tool in openai.body_of(request, model="m")["tools"]] == ["weather"]


def test_a_body_that_names_no_model_is_read_and_its_model_is_unnamed():
    assert openai.request({"messages": [{"role": "user", "content": "x"}]}).model == openai.UNNAMED_MODEL


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "request is a list, not an object"),
        ({"model": "m"}, "request.messages is null, not a list"),
        ({"model": "m", "messages": []}, "request.messages is empty"),
        ({"model": 4, "messages": [{"role": "user"}]}, "request.model is a number, not text"),
        ({"model": "m", "messages": ["hi"]}, r"request.messages\[0\] is text, not an object"),
        ({"model": "m", "messages": [{"role": "human", "content": "x"}]}, "role is 'human', not one of assistant"),
        ({"model": "m", "messages": [{"role": "user", "content": 5}]}, r"content is a number, not a list"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": 7}]}]}, "type is a number, not text"),
        ({"model": "m", "messages": [{"role": "user"}], "tools": {}}, "request.tools is an object, not a list"),
    ],
)
def test_a_body_of_wrong_types_is_refused_with_the_field_that_is_wrong(body, reason):
    with pytest.raises(UnreadableLine, match=reason):
        openai.request(body)


def test_an_answer_in_text_is_read_with_its_model_and_finish_reason():
    answer, usage = openai.answer(
        completion({"content": "Bonjour"}, usage={"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15})
    )
    assert answer == Answer(text="Bonjour", model="gpt-4o-2024-08-06", finish="stop")
    assert usage == Usage(fresh=12, visible=3)


def test_an_answer_in_tool_calls_is_read_with_parsed_arguments():
    call = {"id": "c9", "type": "function", "function": {"name": "weather", "arguments": '{"town":"Nice"}'}}
    answer, _ = openai.answer(completion({"content": None, "tool_calls": [call]}, finish="tool_calls"))
    assert answer.tool_calls == (ToolCall(name="weather", arguments={"town": "Nice"}, call_id="c9"),)
    assert answer.failure is None


def test_what_the_official_client_writes_is_read():
    whole = ChatCompletion.model_validate(completion({"content": "Hi", "refusal": None}))
    answer, _ = openai.answer(json.loads(whole.model_dump_json()))
    assert answer.text == "Hi"


def test_a_refusal_is_an_answer():
    answer, _ = openai.answer(completion({"content": None, "refusal": "I cannot help with that."}))
    assert answer.text == "I cannot help with that."
    assert answer.failure is None


@pytest.mark.parametrize("message", [{"content": ""}, {"content": "  \n"}, {"content": None}, {"content": []}])
def test_an_answer_that_says_nothing_is_a_failure(message):
    answer, _ = openai.answer(completion(message, finish="length"))
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.EMPTY
    assert answer.failure.detail == "finished with length"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}, FailureKind.SERVER_ERROR),
        ({"message": "too long", "type": "invalid_request_error"}, FailureKind.REFUSED_REQUEST),
        ({"message": "gateway", "code": 504}, FailureKind.TIMEOUT),
        ({"message": "no", "code": 403}, FailureKind.REFUSED_REQUEST),
        ({"message": "oops"}, FailureKind.SERVER_ERROR),
        ("it broke", FailureKind.SERVER_ERROR),
    ],
)
def test_an_error_body_is_a_failure_of_the_kind_it_names(error, kind):
    answer, usage = openai.answer({"error": error})
    assert answer.failure is not None
    assert answer.failure.kind is kind
    assert usage == Usage()


def test_an_error_in_many_lines_is_told_in_one():
    answer, _ = openai.answer({"error": {"message": "a\nb\x00c" + "d" * 1000}})
    assert answer.failure is not None
    assert "\n" not in answer.failure.detail
    assert "\x00" not in answer.failure.detail
    assert len(answer.failure.detail) <= 300


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(fresh=40, cache_read=60, visible=20, reasoning=30),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 2}, Usage(fresh=10, visible=2)),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 5}},
            Usage(fresh=1, cache_read=4, cache_write_5m=5),
        ),
        (  # LiteLLM keeps Anthropic's names and says how long what was written is kept (llms/anthropic/chat/transformation.py).
            {
                "prompt_tokens": 130,
                "completion_tokens": 5,
                "total_tokens": 135,
                "cache_creation_input_tokens": 40,
                "cache_read_input_tokens": 60,
                "prompt_tokens_details": {
                    "cached_tokens": 60,
                    "cache_creation_tokens": 40,
                    "cache_creation_token_details": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30},
                },
            },
            Usage(fresh=30, cache_read=60, cache_write_5m=10, cache_write_1h=30, visible=5),
        ),
        (  # Its 1.77 repeats what was read where what was written should stand.
            {
                "prompt_tokens": 130,
                "cache_creation_input_tokens": 0,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_creation_tokens": 60},
            },
            Usage(fresh=70, cache_read=60, cache_write_5m=0),
        ),
        (  # Its 1.65 to 1.75 leave what was written out of the prompt.
            {"prompt_tokens": 72, "cache_creation_input_tokens": 400, "prompt_tokens_details": {"cached_tokens": 60}},
            Usage(fresh=12, cache_read=60, cache_write_5m=400),
        ),
        (  # Portkey leaves out both, and counts them in the total (providers/anthropic/chatComplete.ts).
            {
                "prompt_tokens": 500,
                "completion_tokens": 5,
                "total_tokens": 605,
                "cache_creation_input_tokens": 40,
                "cache_read_input_tokens": 60,
            },
            Usage(fresh=500, cache_read=60, cache_write_5m=40, visible=5),
        ),
        (
            {"prompt_tokens": 10, "prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 3, "completion_tokens": 1},
            Usage(fresh=3, cache_read=7, visible=1),
        ),
        (  # xAI counts reasoning beside the completion: only then do the three add up.
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(fresh=10, visible=5, reasoning=100),
        ),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 11}, "completion_tokens": 1},
            Usage(visible=1),
        ),
        ({"prompt_tokens": -1, "completion_tokens": 1}, Usage(visible=1)),
        ({"prompt_tokens": True, "completion_tokens": "7"}, Usage()),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": "3"}}, Usage()),
        ({"prompt_tokens": 10**30, "completion_tokens": 1.5}, Usage()),
        ({"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 9}}, Usage()),
        ({"prompt_tokens": 3.0, "prompt_tokens_details": []}, Usage(fresh=3)),
        (None, Usage()),
        ("many", Usage()),
        ([], Usage()),
    ],
)
def test_usage_is_taken_apart_and_contradictions_are_unknown(raw, usage):
    assert openai.usage(raw) == usage


def test_embeddings_are_counted_and_their_texts_kept():
    request = openai.embeddings_request({"model": "text-embedding-3-large", "input": ["a", "b"], "dimensions": 256})
    assert request.endpoint is Endpoint.EMBEDDINGS
    assert request.inputs == ("a", "b")
    assert request.parameters == {"dimensions": 256}
    body = {
        "object": "list",
        "model": "text-embedding-3-large",
        "data": [{"object": "embedding", "index": i, "embedding": [0.1]} for i in range(2)],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    CreateEmbeddingResponse.model_validate(body)
    answer, usage = openai.embeddings_answer(body)
    assert answer.embeddings == 2
    assert answer.failure is None
    assert usage == Usage(fresh=4, visible=0)


@pytest.mark.parametrize("sent", ["one text", ["two", "texts"], [1, 2, 3], [[1, 2], [3]]])
def test_embedding_inputs_of_every_form_go_out_as_they_came_in(sent):
    request = openai.embeddings_request({"model": "m", "input": sent})
    again = openai.embeddings_request(openai.body_of(request, model="m"))
    assert again == request


def test_a_batch_of_embeddings_must_hold_texts():
    with pytest.raises(UnreadableLine, match=r"request.input\[1\] is an object, not text"):
        openai.embeddings_request({"model": "m", "input": ["a", {}]})


def test_no_vectors_is_a_failure():
    answer, _ = openai.embeddings_answer({"data": []})
    assert answer.failure is not None


ROLE = st.sampled_from(["system", "user", "assistant", "developer", "tool", "function", "nobody", 3, None])
TEXT = st.sampled_from(["", " ", "Where is my parcel?", '{"a": 1}', "[1, 2]", "{broken", 7, None])
PIECE = st.one_of(
    TEXT,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "refusal", "image_url"])}, optional={"text": TEXT, "more": TEXT}
    ),
)
CALL = st.fixed_dictionaries(
    {}, optional={"id": TEXT, "type": TEXT, "custom": TEXT, "function": st.one_of(TEXT, st.fixed_dictionaries({}, optional={"name": TEXT, "arguments": TEXT}))}
)  # fmt: skip
TURN = st.fixed_dictionaries(
    {"role": ROLE},
    optional={
        "content": st.one_of(TEXT, st.lists(PIECE, max_size=3)), "tool_call_id": TEXT, "name": TEXT, "refusal": TEXT,
        "tool_calls": st.one_of(TEXT, st.lists(CALL, max_size=2)),
    },
)  # fmt: skip
COUNT = st.one_of(st.integers(-1, 12), st.sampled_from([None, True, 2.0, "3", 10**13]))
DETAILS = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens", "audio_tokens", "image_tokens", "cache_write_tokens", "text_tokens"]), COUNT),
)  # fmt: skip
COUNTS = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT, "prompt_tokens_details": DETAILS,
        "completion_tokens_details": DETAILS, "prompt_cache_hit_tokens": COUNT, "cached_tokens": COUNT,
    },
)  # fmt: skip


def read_or_refused(turn: JSON) -> object:
    try:
        return openai.request({"messages": [turn]})
    except UnreadableLine as error:
        return error.reason


@given(TURN)
def test_a_turn_of_the_usual_form_is_read_as_every_other_is(turn: dict[str, JSON]) -> None:
    with patch.object(openai, "_usual", return_value=None):
        expected = read_or_refused(turn)
    assert read_or_refused(turn) == expected


@given(COUNTS)
def test_counts_of_the_usual_form_are_taken_apart_as_all_others_are(raw: dict[str, JSON]) -> None:
    with patch.object(openai, "_usual_usage", return_value=None):
        expected = openai.usage(raw)
    assert openai.usage(raw) == expected


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "user", "content": "Where is it?"},
        {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}]},
        {"role": "tool", "tool_call_id": "c1", "content": "{}"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    ],
)  # fmt: skip
def test_what_nearly_every_turn_looks_like_is_told_at_once(turn: JSON) -> None:
    assert openai._usual(turn) is not None
    assert openai._usual_usage({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4},
                                "completion_tokens_details": {"reasoning_tokens": 0}}) == Usage(fresh=5, cache_read=4, visible=2, reasoning=0)  # fmt: skip
