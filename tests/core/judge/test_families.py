"""Who made a model, and whether a judge is kin of a contestant."""

import pytest

from fairlead.core.judge import families_of, kin


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-2024-08-06", "OpenAI"),
        ("openai/gpt-oss-120b", "OpenAI"),
        ("o3-mini", "OpenAI"),
        ("chatgpt-4o-latest", "OpenAI"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "Anthropic"),
        ("gemini-2.5-pro", "Google"),
        ("google/gemma-3-27b-it", "Google"),
        ("meta-llama/Llama-3.3-70B-Instruct", "Meta"),
        ("codellama-34b", "Meta"),
        ("Mixtral-8x7B-Instruct-v0.1", "Mistral"),
        ("qwen3-32b", "Alibaba"),
        ("QwQ-32B", "Alibaba"),
        ("deepseek-chat", "DeepSeek"),
        ("glm-4.6", "Zhipu"),
        ("kimi-k2-instruct", "Moonshot"),
        ("phi-4", "Microsoft"),
        ("grok-4", "xAI"),
        ("command-r-plus", "Cohere"),
        ("yi-34b-chat", "01.AI"),
    ],
)
def test_a_name_tells_who_made_the_model(model, family):
    assert families_of(model) == {family}


@pytest.mark.parametrize("model", ["acme-9b", "polarity", "my-judge", "photo1", "toolbox", "scommand"])
def test_a_name_that_tells_of_nobody_has_no_family(model):
    assert families_of(model) == frozenset()


def test_a_distilled_model_belongs_to_everybody_it_was_made_from():
    assert families_of("DeepSeek-R1-Distill-Llama-70B") == {"DeepSeek", "Meta"}


def test_a_declared_family_goes_before_the_name():
    assert families_of("our-judge-v3", "alibaba") == {"Alibaba"}
    assert families_of("our-judge-v3", "qwen2.5") == {"Alibaba"}
    assert families_of("gpt-judge", "House") == {"house"}


@pytest.mark.parametrize(
    ("judge", "contestant", "related"),
    [
        ("gpt-4.1", "gpt-4o-mini", True),
        ("gpt-4.1", "openai/gpt-oss-20b", True),
        ("qwen-max", "DeepSeek-R1-Distill-Qwen-32B", True),
        ("mistral-large-2411", "gpt-4o", False),
        ("acme-9b", "acme-9b", True),
        ("acme-9b", "other-7b", False),
        ("host/acme-9b", "ACME-9b", True),
    ],
)
def test_kin_share_a_family_or_are_the_same_model(judge, contestant, related):
    assert (kin(judge, contestant) is not None) is related
