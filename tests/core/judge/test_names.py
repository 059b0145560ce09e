"""Whoever compares two answers is not told who wrote them, not by the answers either."""

import time

import pytest

from fairlead.core.judge import nameless

MODELS = ["gpt-4o-2024-08-06", "qwen3-32b"]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("As GPT-4, I cannot see pictures.", "I cannot see pictures."),
        ("As an AI language model developed by OpenAI, I think so.", "I think so."),
        ("As a large language model, I can't browse.", "I can't browse."),
        ("As Claude, an AI assistant created by Anthropic, I aim to help.", "I aim to help."),
        ("I'm Claude, made by Anthropic. Paris.", "I am [model]. Paris."),
        ("I’m Claude, an AI assistant made by Anthropic. Paris.", "I am [model]. Paris."),
        ("I am Qwen, created by Alibaba Cloud. Paris.", "I am [model]. Paris."),
        ("My name is Llama 3. Paris.", "I am [model]. Paris."),
        ("I am a large language model, trained by Google.", "I am [model]."),
        ("I'm an AI assistant called Nova.", "I am [model]."),
        ("I was created by OpenAI in 2022.", "I am [model] in 2022."),
        ("I'm DeepSeek-V3, an AI assistant created exclusively by the Chinese Company DeepSeek.", "I am [model]."),
        ("我是通义千问，由阿里云开发。巴黎。", "I am [model]。巴黎。"),
        ("Ask ChatGPT, or OpenAI, or Qwen2.5-72B.", "Ask [model], or [maker], or [model]."),
        ("This is gpt-4o-2024-08-06 speaking.", "I am [model] speaking."),
    ],
)  # fmt: skip
def test_names_and_self_references_are_taken_out(said, left):
    assert nameless(said, contestants=MODELS) == left


@pytest.mark.parametrize(
    "said",
    [
        "Claude Monet painted it.",
        "I was built by my father.",
        "I am a model citizen.",
        "As an assistant, you must answer the phone.",
        "I am a model made by hand.",
        "The gemini are twins; the llama spits.",
        "As I said, the model is good.",
    ],
)
def test_what_is_no_signature_stays(said):
    assert nameless(said, contestants=MODELS) == said


def test_a_name_the_request_asks_about_is_its_subject_and_stays():
    said = "ChatGPT was released by OpenAI in 2022."
    assert nameless(said, contestants=MODELS, asked="When did OpenAI release ChatGPT?") == said
    assert nameless("I'm ChatGPT. " + said, contestants=MODELS, asked="When did OpenAI release ChatGPT?").startswith(
        "I am [model]"
    )


def test_both_contestants_are_treated_by_one_rule():
    text = "GPT-4o and Qwen3 by OpenAI and Alibaba."
    assert nameless(text, contestants=MODELS) == nameless(text, contestants=MODELS[::-1])


@pytest.mark.parametrize(
    "hostile",
    ["As a large " * 2400, "I am " * 5000, "GPT-4 " * 4000, "I am an AI, " * 2000, "made by " * 3000, "I am Claude" + " 3" * 12_000, "我是" * 12_000, "As Qwen" + "1" * 20_000 + " ", "I am GPT-4" + ".4" * 10_000, "As GLM" + "-1 1" * 6000],
)  # fmt: skip
def test_hostile_text_is_read_in_little_time(hostile):
    began = time.process_time()
    nameless(hostile, contestants=MODELS)
    assert time.process_time() - began < 1.0
