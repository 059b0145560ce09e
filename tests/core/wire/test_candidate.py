"""The body a candidate is asked with, and what of the logged request is not in it."""

from __future__ import annotations

from copy import deepcopy

import pytest

from fairlead.core.nouns import Candidate, Endpoint, Message, Part, PartKind, Request, Tool
from fairlead.core.wire import openai
from fairlead.core.wire.candidate import VENDOR_ONLY, candidate_body, live_body
from fairlead.serve.snapshot import TargetNow


def asked(system="Be brief.", **more):
    user = Message(role="user", parts=(Part(kind=PartKind.TEXT, text="Hi"),))
    return Request(endpoint=Endpoint.CHAT, model="closed", system=system, messages=(user,), **more)


def candidate(**settings):
    return Candidate(endpoint="http://localhost:8000/v1", model="open", **settings)


def test_the_candidate_is_asked_the_same_under_its_own_name():
    made = candidate_body(asked(parameters={"temperature": 0.1, "top_p": 0.9}, stream=True), candidate())
    assert made.body == {
        "model": "open",
        "temperature": 0.1,
        "top_p": 0.9,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    }
    assert made.omitted == ()


@pytest.mark.parametrize("name", sorted(VENDOR_ONLY))
def test_what_means_something_to_one_vendor_is_left_out_and_named(name):
    made = candidate_body(asked(parameters={name: "x", "seed": 1}), candidate())
    assert made.omitted == (name,)
    assert name not in made.body
    assert made.body["seed"] == 1


def test_max_completion_tokens_goes_out_under_the_name_every_server_knows():
    made = candidate_body(asked(parameters={"max_completion_tokens": 90}), candidate())
    assert made.body["max_tokens"] == 90
    assert made.omitted == ()


def test_a_renamed_parameter_never_overwrites_one_that_was_logged():
    made = candidate_body(asked(parameters={"max_completion_tokens": 90, "max_tokens": 50}), candidate())
    assert made.body["max_tokens"] == 50
    assert made.omitted == ("max_completion_tokens",)


def test_a_rename_of_the_users_own_wins_over_the_usual_one():
    rename = {"max_completion_tokens": "max_completion_tokens", "reasoning_effort": "chat_template_kwargs.effort"}
    made = candidate_body(
        asked(parameters={"max_completion_tokens": 9, "reasoning_effort": "low"}), candidate(rename=rename)
    )
    assert made.body["max_completion_tokens"] == 9
    assert made.body["chat_template_kwargs"] == {"effort": "low"}


def test_dropped_parameters_are_named_and_the_candidates_own_are_set():
    made = candidate_body(
        asked(parameters={"temperature": 1, "logit_bias": {}}),
        candidate(drop=("logit_bias",), parameters={"temperature": 0, "top_k": 20}),
    )
    assert made.body["temperature"] == 0
    assert made.body["top_k"] == 20
    assert made.omitted == ("logit_bias",)


@pytest.mark.parametrize(
    ("settings", "system"),
    [
        ({"prompt_prefix": "No thinking."}, "No thinking.\n\nBe brief."),
        ({"prompt": "Answer."}, "Answer."),
        ({"prompt": "Answer.", "prompt_prefix": "Now."}, "Now.\n\nAnswer."),
    ],
)
def test_a_prompt_is_put_before_the_logged_one_or_in_its_place(settings, system):
    assert candidate_body(asked(), candidate(**settings)).body["messages"][0]["content"] == system


def test_an_empty_prompt_takes_the_logged_one_away():
    assert [m["role"] for m in candidate_body(asked(), candidate(prompt="")).body["messages"]] == ["user"]


def test_texts_to_embed_get_the_prefix_as_it_is():
    request = Request(endpoint=Endpoint.EMBEDDINGS, model="e", inputs=("a",), parameters={"encoding_format": "base64"})
    made = candidate_body(request, candidate(prompt_prefix="search_query: ", thinking_budget=5))
    assert made.body == {"model": "open", "input": ["search_query: a"]}
    assert made.omitted == ("encoding_format",)


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        ({"thinking_budget": 0}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ({"thinking_budget": 512}, {"chat_template_kwargs": {"enable_thinking": True, "thinking_budget": 512}}),
        (
            {"thinking_budget": 512, "rename": {"thinking_budget": "thinking_token_budget"}},
            {"thinking_token_budget": 512},
        ),
        (
            {"thinking_budget": 9, "rename": {"thinking_budget": "reasoning.max_tokens"}},
            {"reasoning": {"max_tokens": 9}},
        ),
        (
            {"thinking_budget": 0, "parameters": {"chat_template_kwargs": {"lang": "en"}}},
            {"chat_template_kwargs": {"lang": "en", "enable_thinking": False}},
        ),
    ],
)
def test_a_thinking_budget_is_sent_where_the_endpoint_looks_for_it(settings, body):
    made = candidate_body(asked(system=""), candidate(**settings)).body
    assert {key: value for key, value in made.items() if key not in {"model", "messages"}} == body


def test_vendor_tools_and_media_without_content_are_named():
    request = asked(tools=(Tool(name="web_search", kind="web_search"), Tool(name="f")))
    lost = Message(role="user", parts=(Part(kind=PartKind.IMAGE), Part(kind=PartKind.TEXT, text="What is it?")))
    request = Request(endpoint=Endpoint.CHAT, model="m", messages=(lost,), tools=request.tools)
    made = candidate_body(request, candidate())
    assert made.omitted == ("tool web_search", "image without content")
    assert [tool["function"]["name"] for tool in made.body["tools"]] == ["f"]
    assert made.body["messages"] == [{"role": "user", "content": "What is it?"}]


def test_a_tool_choice_without_tools_is_not_sent():
    made = candidate_body(asked(tools=(Tool(name="w", kind="web_search"),), tool_choice="required"), candidate())
    assert "tool_choice" not in made.body


# On a live body


def target(**settings):
    return TargetNow(upstream="open", **{"model": "open", **settings})


LIVE = {
    "model": "closed",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "In German."}]},
        {"role": "user", "content": "Hi"},
        {"role": "developer", "content": "Now longer."},
    ],
    "max_completion_tokens": 90,
    "temperature": 0.1,
    "reasoning_effort": "low",
    "stream": True,
    "stream_options": {"include_usage": True},
    "n": 2,
    "user": None,
}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"parameters": {"temperature": 0.7, "min_p": 0.1}},
        {"drop": ("temperature",)},
        {"rename": {"max_completion_tokens": "limits.tokens", "reasoning_effort": "chat_template_kwargs.effort"}},
        {"prompt_prefix": "/no_think"},
        {"prompt": "Answer."},
        {"prompt_prefix": "/no_think", "prompt": ""},
        {"thinking_budget": 0},
        {"thinking_budget": 512, "rename": {"thinking_budget": "reasoning.max_tokens"}},
    ],
)
def test_a_live_request_is_asked_as_the_pilot_asked_it(settings):
    body = {name: value for name, value in LIVE.items() if name not in {"n", "stream_options"}}
    body["messages"] = body["messages"][:3]
    piloted = candidate_body(openai.request(body), candidate(**settings))
    live = live_body(body, target(**settings), protocol="openai.chat")
    assert live.body == {**piloted.body, "stream": True}
    assert live.omitted == piloted.omitted


def test_what_the_caller_waits_for_is_never_taken_out_of_a_live_body():
    before = deepcopy(LIVE)
    live = live_body(LIVE, target(), protocol="openai.chat")
    assert {name: live.body[name] for name in ("n", "stream", "stream_options")} == {
        name: LIVE[name] for name in ("n", "stream", "stream_options")
    }
    assert live.omitted == ("reasoning_effort",)
    assert [turn["role"] for turn in live.body["messages"]] == ["system", "user", "system"]
    assert before == LIVE


def test_a_target_without_a_model_keeps_the_callers():
    assert live_body(LIVE, target(model=None), protocol="openai.chat").body["model"] == "closed"


def test_vendor_tools_are_left_out_and_named():
    tools = [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "x"}}]
    live = live_body({**LIVE, "tools": tools, "tool_choice": "auto"}, target(), protocol="openai.chat")
    assert live.body["tools"] == tools[:1]
    live = live_body({**LIVE, "tools": tools[1:], "tool_choice": "auto"}, target(), protocol="openai.chat")
    assert "tools" not in live.body
    assert "tool_choice" not in live.body
    assert "tool custom" in live.omitted


def test_texts_to_embed_take_the_prefix_one_by_one():
    settings = target(prompt_prefix="search_query: ")
    body = {"model": "e", "input": ["a", [1, 2]], "encoding_format": "base64"}
    made = live_body(body, settings, protocol="openai.embeddings").body
    assert made == {"model": "open", "input": ["search_query: a", [1, 2]], "encoding_format": "base64"}
    assert live_body({**body, "input": "a"}, settings, protocol="openai.embeddings").body["input"] == "search_query: a"


def test_a_candidate_that_speaks_anthropic_has_its_settings_in_those_words():
    body = {
        "model": "claude", "max_tokens": 5, "system": "Be brief.", "messages": [], "thinking": {"type": "adaptive"},
        "metadata": {"user_id": "u"}, "output_config": {"effort": "low"},
    }  # fmt: skip
    settings = target(prompt_prefix="P", thinking_budget=1024, parameters={"temperature": 1}, drop=("metadata",))
    made = live_body(body, settings, protocol="anthropic.messages")
    assert made.body["system"] == [{"type": "text", "text": "P"}, {"type": "text", "text": "Be brief."}]
    assert made.body["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert made.body["temperature"] == 1
    assert made.omitted == ("metadata", "thinking")
    assert live_body(body, target(prompt="X", thinking_budget=0), protocol="anthropic.messages").body["system"] == [
        {"type": "text", "text": "X"}
    ]
