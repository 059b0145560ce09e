"""Requests said in another protocol: what is carried, what is named as left behind, what is refused."""

from __future__ import annotations

import contextlib
import json
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.wire.translate.conversations import CHAT_REQUEST, MESSAGES_REQUEST, PDF, PNG
from fairlead.core.errors import Untranslatable
from fairlead.core.wire import anthropic, openai
from fairlead.core.wire.translate import cross, estimated_tokens, needs_crossing, without_own_thinking


def to_chat(model="qwen3-32b", **changes):
    body = {**MESSAGES_REQUEST, **changes}
    return cross("anthropic.messages", to="openai", body=body, model=model, name="n1", now=5)


def to_messages(model="claude-sonnet-4-5", **changes):
    body = {name: value for name, value in {**CHAT_REQUEST, **changes}.items() if value is not None}
    return cross("openai.chat", to="anthropic", body=body, model=model, name="n1", now=5)


def said(*content, role="user"):
    return [{"role": role, "content": list(content)}]


# Both ways


def test_an_anthropic_conversation_is_the_same_conversation_at_an_open_model():
    crossing = to_chat()
    assert crossing.request == CHAT_REQUEST
    assert (crossing.path, crossing.spoken, crossing.notes) == ("/chat/completions", "openai.chat", ())


def test_a_chat_conversation_is_the_same_conversation_at_anthropic():
    crossing = to_messages()
    assert crossing.request == MESSAGES_REQUEST
    assert (crossing.path, crossing.spoken, crossing.notes) == ("/messages", "anthropic.messages", ())


def test_the_callers_own_body_is_left_as_it_was():
    before = deepcopy(MESSAGES_REQUEST)
    to_chat()
    assert before == MESSAGES_REQUEST


def test_both_bodies_read_as_the_same_request():
    ours, theirs = openai.request(CHAT_REQUEST), anthropic.request(MESSAGES_REQUEST)
    assert (ours.system, ours.messages, ours.tools, ours.tool_choice) == (
        theirs.system,
        theirs.messages,
        theirs.tools,
        theirs.tool_choice,
    )


words = st.text(min_size=1, max_size=12).filter(str.strip)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
texts = st.builds(lambda t: {"type": "text", "text": t}, words)
images = st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
inputs = st.dictionaries(names, st.one_of(st.integers(-99, 99), words, st.none(), st.booleans()), max_size=3)


@st.composite
def conversations(draw):
    messages = []
    for turn in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(st.lists(st.one_of(texts, images), min_size=1, max_size=3))})
        made = draw(st.lists(inputs, max_size=3))
        calls = [{"type": "tool_use", "id": f"t{turn}-{i}", "name": "f", "input": x} for i, x in enumerate(made)]
        messages.append({"role": "assistant", "content": [draw(texts), *calls]})
        if calls:
            results = [{"type": "tool_result", "tool_use_id": c["id"], "content": draw(words)} for c in calls]
            messages.append({"role": "user", "content": results})
            messages.append({"role": "assistant", "content": [draw(texts)]})
    return [*messages, {"role": "user", "content": [draw(texts)]}]


def normal(messages):
    return [
        {**m, "content": m["content"][0]["text"]} if [block["type"] for block in m["content"]] == ["text"] else m
        for m in messages
    ]


@settings(max_examples=80, deadline=None)
@given(conversations(), words, st.sampled_from(["auto", "any", "none"]))
def test_there_and_back_keeps_every_conversation(messages, system, choice):
    body = {**MESSAGES_REQUEST, "messages": messages, "system": system, "tool_choice": {"type": choice}}
    there = cross("anthropic.messages", to="openai", body=body, model="m", name="n", now=1)
    back = cross("openai.chat", to="anthropic", body=there.request, model=body["model"], name="n", now=1)
    assert back.request == {**body, "messages": normal(messages)}
    assert there.notes == back.notes == ()


# To an open model


def test_thinking_and_marks_are_named_as_left_behind():
    thought = {"type": "thinking", "thinking": "hm", "signature": "abc"}
    messages = [
        *said({"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}),
        *said(thought, {"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "Yes?"}, role="assistant"),
        *said({"type": "text", "text": "Go"}),
    ]
    crossing = to_chat(messages=messages, thinking={"type": "enabled", "budget_tokens": 2000}, service_tier="auto")
    assert crossing.notes == ("cache_control", "thinking of earlier turns", "thinking", "service_tier")
    assert crossing.request["messages"][2] == {"role": "assistant", "content": "Yes?"}


def test_an_unknown_field_is_not_sent_but_named_in_letters_a_header_takes():
    crossing = to_chat(**{"brand_new": 1, "x\r\nSet-Cookie": "1", "void": None})
    assert crossing.notes == ("brand_new", "x??Set-Cookie")
    assert "brand_new" not in crossing.request


def test_a_stream_is_asked_for_with_its_usage():
    assert to_chat(stream=True).request["stream_options"] == {"include_usage": True}


def test_top_k_goes_to_open_models_and_is_named_where_openai_refuses_it():
    assert to_chat(top_k=20).request["top_k"] == 20
    closed = to_chat(model="gpt-5-mini", top_k=20)
    assert closed.notes == ("top_k",)
    assert closed.request["max_completion_tokens"] == 900
    assert "max_tokens" not in closed.request


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "find_order"}, {"type": "function", "function": {"name": "find_order"}}),
    ],
)
def test_every_choice_of_tools_has_its_word(choice, expected):
    crossing = to_chat(tool_choice=choice)
    assert crossing.request["tool_choice"] == expected
    assert "parallel_tool_calls" not in crossing.request


def test_a_structured_answer_is_asked_for_with_the_same_schema():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    for asked in ({"output_config": {"format": {"type": "json_schema", "schema": schema}}},
                  {"output_format": {"type": "json_schema", "schema": schema}}):  # fmt: skip
        crossing = to_chat(**asked)
        assert crossing.request["response_format"]["json_schema"]["schema"] == schema
        assert crossing.notes == ()
    back = to_messages(response_format=crossing.request["response_format"])
    assert back.request["output_config"]["format"]["schema"] == schema


def test_a_tools_error_stays_an_error_and_its_picture_follows_in_the_users_turn():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "is_error": True,
        "content": [{"type": "text", "text": "no"}, image],
    }
    made = to_chat(messages=said(result)).request["messages"][1:]
    assert made == [
        {"role": "tool", "tool_call_id": "t", "content": "Error: no"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
    ]


def test_documents_of_text_and_search_results_travel_as_text():
    document = {
        "type": "document",
        "title": "Terms",
        "context": "valid since May",
        "citations": {"enabled": True},
        "source": {"type": "text", "media_type": "text/plain", "data": "Paragraph one."},
    }
    found = {"type": "search_result", "title": "T", "source": "https://x", "content": [{"type": "text", "text": "hit"}]}
    crossing = to_chat(messages=said(document, found))
    parts = [part["text"] for part in crossing.request["messages"][1]["content"]]
    assert parts == ["Terms", "valid since May", "Paragraph one.", "T", "https://x", "hit"]
    assert crossing.notes == ("citations",)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"messages": said({"type": "text", "text": "Hi"}) + said({"type": "text", "text": "{"}, role="assistant")}, "begun"),
        ({"messages": said({"type": "image", "source": {"type": "file", "file_id": "f"}})}, "messages[0].content[0]"),
        ({"messages": said({"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}})}, "document"),
        ({"messages": said({"type": "server_tool_use", "id": "s"}, role="user")}, "server_tool_use"),
        ({"messages": []}, "messages is empty"),
        ({"messages": "hi"}, "messages is text, not a list"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "robot"),
        ({"messages": [{"role": "user", "content": [3]}]}, "messages[0].content[0] is a number"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
        ({"tool_choice": {"type": "maybe"}}, "maybe"),
        ({"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
    ],
)  # fmt: skip
def test_what_would_change_the_meaning_is_refused_in_one_sentence(changes, told):
    with pytest.raises(Untranslatable) as caught:
        to_chat(**changes)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


# To Anthropic


def test_max_tokens_which_anthropic_demands_is_set_and_named():
    crossing = to_messages(max_tokens=None)
    assert crossing.request["max_tokens"] == 8192
    assert crossing.notes == ("max_tokens=8192",)
    assert to_messages(model="claude-3-haiku-20240307", max_tokens=None).request["max_tokens"] == 4096
    assert to_messages(max_completion_tokens=70).request["max_tokens"] == 70


def test_effort_becomes_a_budget_of_thinking_where_anthropic_allows_it():
    asked = {"reasoning_effort": "medium", "messages": CHAT_REQUEST["messages"][:2], "max_tokens": 9000}
    crossing = to_messages(**asked)
    assert crossing.request["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    assert "temperature" not in crossing.request
    assert crossing.notes == ("temperature",)
    for refused in ({"max_tokens": 100}, {"tool_choice": "required"}, {"messages": CHAT_REQUEST["messages"][:5]}):
        crossing = to_messages(**asked | refused)
        assert "thinking" not in crossing.request
        assert crossing.notes == ("reasoning_effort",)


def test_thinking_that_anthropic_signed_goes_back_to_it_and_no_other_does():
    signed = {"type": "thinking", "thinking": "a", "signature": "c2ln"}
    ours = {"type": "thinking", "thinking": "b", "signature": "fairlead"}
    turn = {"role": "assistant", "content": "Yes.", "reasoning_content": "a"}
    messages = [
        {"role": "user", "content": "Hi"},
        {**turn, "thinking_blocks": [signed, ours]},
        {"role": "user", "content": "Go"},
    ]
    crossing = to_messages(messages=messages)
    assert crossing.request["messages"][1]["content"] == [signed, {"type": "text", "text": "Yes."}]
    messages[1] = turn
    assert to_messages(messages=messages).notes == ("thinking of earlier turns",)


def test_marks_for_caching_that_a_chat_caller_sets_reach_anthropic():
    mark = {"type": "ephemeral"}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "Long.", "cache_control": mark}]},
        {"role": "user", "content": "Hi"},
    ]
    crossing = to_messages(messages=messages)
    assert crossing.request["system"] == [{"type": "text", "text": "Long.", "cache_control": mark}]
    assert crossing.notes == ()


def test_what_anthropic_has_no_word_for_is_named_unless_it_asks_for_nothing():
    crossing = to_messages(
        seed=4, presence_penalty=0, frequency_penalty=0.5, logit_bias={}, store=False, n=1, temperature=1.7,
        response_format={"type": "json_object"}, stop=["END", "\n"],
    )  # fmt: skip
    assert set(crossing.notes) == {
        "seed", "frequency_penalty", "temperature", "response_format=json_object", "stop of white space",
    }  # fmt: skip
    assert crossing.request["temperature"] == 1
    assert crossing.request["system"].endswith("one JSON object and nothing else.")


def test_only_allowed_tools_are_offered():
    more = {"type": "function", "function": {"name": "other"}}
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [more]}}
    request = to_messages(tools=[*CHAT_REQUEST["tools"], more], tool_choice=choice, parallel_tool_calls=None).request
    assert [tool["name"] for tool in request["tools"]] == ["other"]
    assert request["tool_choice"] == {"type": "any"}
    assert request["tools"][0]["input_schema"] == {"type": "object"}


def test_ids_in_letters_that_anthropic_refuses_are_written_in_others_and_read_back():
    calls = [{"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "functions.f:0", "content": "1"},
    ]
    there = to_messages(messages=messages).request
    call_id = there["messages"][1]["content"][0]["id"]
    assert call_id == there["messages"][2]["content"][0]["tool_use_id"]
    assert call_id.replace("_", "").isalnum()
    assert to_chat(**{"system": None, **there}).request["messages"] == messages


def test_arguments_that_a_model_botched_do_not_end_the_conversation():
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": '}}]
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": "a", "content": "bad"}]  # fmt: skip
    crossing = to_messages(messages=messages)
    assert crossing.request["messages"][1]["content"][0]["input"] == {"arguments": '{"x": '}
    assert crossing.notes == ("arguments that are no JSON object",)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 3},
        {"logprobs": True},
        {"audio": {"voice": "a"}, "modalities": ["text", "audio"]},
        {"functions": [{"name": "f"}]},
        {"web_search_options": {"user_location": {}}},
        {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
        {"messages": said({"type": "input_audio", "input_audio": {"data": PDF, "format": "wav"}})},
        {"messages": said({"type": "file", "file": {"file_id": "f"}})},
        {"messages": said({"type": "image_url", "image_url": {"url": "ftp://x"}})},
        {"messages": said({"type": "image_url", "image_url": {"url": "data:text/plain,hello"}})},
        {"messages": [{"role": "system", "content": "alone"}]},
        {"messages": [{"role": "function", "name": "f", "content": "1"}]},
        {"response_format": {"type": "xml"}},
    ],
)
def test_what_a_chat_caller_asks_and_anthropic_cannot_is_refused(changes):
    with pytest.raises(Untranslatable):
        to_messages(**changes)


def test_embeddings_and_completions_have_no_counterpart_at_anthropic():
    for caller in ("openai.embeddings", "openai.completions"):
        with pytest.raises(Untranslatable, match="no counterpart"):
            cross(caller, to="anthropic", body={}, model="m", name="n", now=1)
        assert not needs_crossing(caller, to="openai")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
fields = ["model", "messages", "system", "tools", "tool_choice", "max_tokens", "stop", "response_format", "input",
          "metadata", "output_config", "thinking", "content", "role", "type", "text", "stop_sequences"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(fields), json_values, max_size=6),
    st.sampled_from([("anthropic.messages", "openai"), ("openai.chat", "anthropic"), ("openai.responses", "openai")]),
)
def test_no_body_at_all_can_do_more_than_be_refused(body, way):
    filled = {"messages": said({"type": "text", "text": "x"}), "input": "x", **body}
    try:
        crossing = cross(way[0], to=way[1], body=filled, model="m", name="n", now=1)
    except Untranslatable:
        return
    json.dumps(crossing.request)
    assert all(note.isascii() and note.isprintable() for note in crossing.notes)


# Going home


def test_thinking_that_no_anthropic_model_wrote_is_taken_out_before_it_goes_home():
    ours = {"type": "thinking", "thinking": "b", "signature": "fairlead"}
    text = {"type": "text", "text": "Yes."}
    body = {"messages": [*said(text), *said(ours, text, role="assistant")]}
    assert without_own_thinking(body) == {"messages": [*said(text), *said(text, role="assistant")]}
    assert without_own_thinking(MESSAGES_REQUEST) is None
    assert without_own_thinking({"messages": 3}) is None


def test_tokens_are_estimated_where_the_upstream_cannot_count():
    assert 400 < estimated_tokens({"messages": [{"role": "user", "content": "word " * 400}]}) < 600
    assert estimated_tokens(MESSAGES_REQUEST) > 2 * 1600 + 2000
    assert estimated_tokens({}) == 0


@pytest.mark.parametrize("odd", [[], {}, [[]], {"type": []}])
def test_a_list_where_a_word_should_stand_is_refused_or_named_and_nothing_else(odd):
    turn = {"role": "user", "content": "x"}
    bodies = [
        ("anthropic.messages", "openai", {"messages": [{"role": "user", "content": [{"type": odd, "text": "x"}]}]}),
        (
            "anthropic.messages",
            "openai",
            {"messages": [turn], "thinking": {"type": odd}, "tools": [{"type": odd, "name": "f"}]},
        ),
        ("openai.chat", "anthropic", {"messages": [{"role": odd, "content": "x"}]}),
        ("openai.chat", "anthropic", {"messages": [turn], "n": odd, "response_format": {"type": odd}}),
        ("openai.responses", "openai", {"input": [{"type": odd}], "text": {"verbosity": odd}}),
    ]
    for caller, to, body in bodies:
        with contextlib.suppress(Untranslatable):
            cross(caller, to=to, body=body, model="m", name="n", now=1)
