"""The official clients on upstreams that speak the other protocol: a running gateway in between, recorded answers behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from clients import test_anthropic, test_openai
from clients.conftest import Gateway, serving
from clients.recorded import chat_text
from clients.test_openai import Trip, plain
from clients.upstream import Answer, Upstream
from core.wire.translate.conversations import CHAT_REQUEST, MESSAGES_REQUEST

CROSSED = """
[serve]
openai = "claude"
anthropic = "open"
[serve.upstreams.open]
url = "{url}/v1"
[serve.upstreams.claude]
url = "{url}/v1"
dialect = "anthropic"
key_env = "CLAUDE_KEY"
lend_key = true
"""
ASK = test_anthropic.ASK
THOUGHT = {"type": "thinking", "thinking": "The order is A-1.", "signature": "fairlead"}


@pytest.fixture(scope="module")
def crossed(recorded: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Anthropic callers go to an open model, OpenAI callers to Anthropic."""
    folder = tmp_path_factory.mktemp("crossed")
    with serving(folder, CROSSED.format(url=recorded.url), CLAUDE_KEY="sk-ant-operators") as url:
        yield Gateway(url, recorded)


def claude(crossed: Gateway, **more: Any) -> anthropic.Anthropic:
    return test_anthropic.client(crossed.url, **more)


def gpt(crossed: Gateway, **more: Any) -> openai.OpenAI:
    return test_openai.client(crossed.url, **more)


# An Anthropic caller, an open model


def test_an_anthropic_client_talks_to_an_open_model(crossed: Gateway) -> None:
    answer = claude(crossed).messages.with_raw_response.create(**{**test_anthropic.TOOLS, "max_tokens": 77})
    message = answer.parse()
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert message.content[2].input == {"id": "A-1"}
    assert (message.stop_reason, message.usage.input_tokens, message.usage.cache_read_input_tokens) == (
        "tool_use",
        36,
        64,
    )
    assert answer.headers["x-fairlead-upstream"] == "open"
    (asked,) = crossed.upstream.taken()
    assert asked.path == "/v1/chat/completions"
    assert asked.json["messages"] == CHAT_REQUEST["messages"]
    assert asked.json["max_tokens"] == 77


def test_a_key_meant_for_anthropic_goes_nowhere_else(crossed: Gateway) -> None:
    claude(crossed).messages.create(**ASK)
    (asked,) = crossed.upstream.taken()
    assert "sk-ant-own" not in json.dumps(asked.headers)


def test_an_anthropic_client_reads_an_open_models_stream(crossed: Gateway) -> None:
    with claude(crossed).messages.stream(**ASK) as stream:
        told = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert told == "Grüß Gott ☀, I look it up."
    assert [block.name for block in message.content if block.type == "tool_use"] == ["find_order", "find_order"]
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("tool_use", 36, 30)


def test_a_structured_answer_crosses(crossed: Gateway) -> None:
    assert claude(crossed).messages.parse(**ASK, output_format=Trip).parsed_output == Trip(city="Köln", days=3)
    (asked,) = crossed.upstream.taken()
    assert asked.json["response_format"]["type"] == "json_schema"


def test_what_is_left_behind_is_named_in_a_header(crossed: Gateway) -> None:
    marked = [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]
    for stream in (False, True):
        answer = claude(crossed).messages.with_raw_response.create(**ASK, system=marked, stream=stream)
        assert answer.headers["x-fairlead-untranslated"] == "cache_control"


def test_what_cannot_cross_is_refused_in_anthropics_words(crossed: Gateway) -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    with pytest.raises(anthropic.BadRequestError, match="web_search_20250305"):
        claude(crossed).messages.create(**ASK, tools=tools)
    assert crossed.upstream.taken() == []


def test_tokens_are_estimated_and_the_header_says_so(crossed: Gateway) -> None:
    counted = claude(crossed).messages.with_raw_response.count_tokens(model="claude", messages=ASK["messages"])
    assert 0 < counted.parse().input_tokens < 20
    assert counted.headers["x-fairlead-untranslated"] == "estimated"


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, anthropic.BadRequestError), (429, anthropic.RateLimitError), (500, anthropic.InternalServerError)],
)
def test_an_open_models_error_is_raised_as_anthropics(
    status: int, error: type[anthropic.APIStatusError], crossed: Gateway
) -> None:
    body = {"error": {"message": "Because.", "type": "odd", "code": None}}
    crossed.upstream.scripts["/v1/chat/completions"] = lambda _: Answer(status=status, body=body)
    with pytest.raises(error, match="Because"):
        claude(crossed).messages.create(**ASK)


def test_an_open_models_stream_that_breaks_is_raised_as_anthropics(crossed: Gateway) -> None:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Once"}, "finish_reason": None}]}
    crossed.upstream.scripts["/v1/chat/completions"] = lambda _: Answer(events=(chunk,), cut=True)
    with pytest.raises(anthropic.APIError), claude(crossed).messages.stream(**ASK) as stream:
        stream.get_final_message()


# An OpenAI caller, Anthropic


def test_an_openai_client_talks_to_anthropic(crossed: Gateway) -> None:
    ask = {name: CHAT_REQUEST[name] for name in ("messages", "tools", "max_tokens", "temperature", "stop")}
    completion = gpt(crossed).chat.completions.create(model="claude", **ask)
    said = completion.choices[0].message
    assert (said.content, completion.choices[0].finish_reason) == ("I look it up.", "tool_calls")
    assert json.loads(said.tool_calls[0].function.arguments) == {"id": "A-1"}
    assert (completion.usage.prompt_tokens, completion.usage.prompt_tokens_details.cached_tokens) == (100, 64)
    (asked,) = crossed.upstream.taken()
    assert asked.path == "/v1/messages"
    assert asked.json["messages"] == MESSAGES_REQUEST["messages"]
    assert asked.headers["x-api-key"] == "sk-ant-operators"
    assert asked.headers["anthropic-version"]
    assert "sk-their-own" not in json.dumps(asked.headers)


def test_an_openai_client_reads_anthropics_stream(crossed: Gateway) -> None:
    ask = {**test_openai.ASK, "max_tokens": 50}
    with gpt(crossed).chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
        kinds = {event.type for event in stream}
        completion = stream.get_final_completion()
    assert {"content.delta", "tool_calls.function.arguments.delta"} <= kinds
    assert completion.choices[0].message.content == "I look ☀ it up."
    assert [call.function.name for call in completion.choices[0].message.tool_calls] == ["find_order", "list_all"]
    assert completion.usage.total_tokens == 130


def test_a_response_is_answered_by_anthropic(crossed: Gateway) -> None:
    response = gpt(crossed).responses.create(model="claude", input="Hi", max_output_tokens=50)
    assert response.output_text == "I look it up."
    with gpt(crossed).responses.stream(model="claude", input="Hi", max_output_tokens=50) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[-1] == "response.completed"
    assert final.output_text == "I look ☀ it up."
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call", "function_call"]


def test_embeddings_cannot_be_had_from_anthropic_and_the_caller_is_told(crossed: Gateway) -> None:
    with pytest.raises(openai.BadRequestError, match="no counterpart"):
        gpt(crossed).embeddings.create(model="e", input="a")


def test_an_error_of_anthropics_is_raised_as_openais(crossed: Gateway) -> None:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}
    crossed.upstream.scripts["/v1/messages"] = lambda _: Answer(status=400, body=body)
    with pytest.raises(openai.BadRequestError) as caught:
        gpt(crossed).chat.completions.create(**test_openai.ASK, max_tokens=5)
    assert caught.value.code == "context_length_exceeded"


# There and back


def test_a_conversation_with_tools_goes_on_over_several_turns(crossed: Gateway) -> None:
    client, messages = claude(crossed), [{"role": "user", "content": "Where is A-1?"}]
    first = client.messages.create(**{**ASK, "messages": messages, "tools": test_anthropic.TOOLS["tools"]})
    call = next(block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "shipped"}
    messages += [{"role": "assistant", "content": plain(first)["content"]}, {"role": "user", "content": [result]}]
    crossed.upstream.scripts["/v1/chat/completions"] = lambda _: Answer(body=chat_text("It is shipped."))
    second = client.messages.create(**{**ASK, "messages": messages, "tools": test_anthropic.TOOLS["tools"]})
    assert second.content[0].text == "It is shipped."
    asked = crossed.upstream.taken()[-1].json["messages"]
    assert [turn["role"] for turn in asked] == ["user", "assistant", "tool"]
    assert asked[1]["tool_calls"][0]["id"] == asked[2]["tool_call_id"] == "call_1"


def test_a_conversation_comes_home_without_thinking_that_anthropic_would_refuse(gateway: Gateway) -> None:
    text = {"type": "text", "text": "Yes."}
    turns = [ASK["messages"][0], {"role": "assistant", "content": [THOUGHT, text]}, {"role": "user", "content": "Go"}]
    test_anthropic.client(gateway.url).messages.create(**{**ASK, "messages": turns})
    (asked,) = gateway.upstream.taken()
    assert asked.json["messages"][1]["content"] == [text]
