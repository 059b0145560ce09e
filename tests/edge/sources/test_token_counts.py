"""Which counts hold which: expectations made by hand from the sources of those who write them."""

from __future__ import annotations

import pytest

from fairlead.core.nouns import Usage
from fairlead.edge.sources.counts import counts_of
from fairlead.edge.sources.inspect import usage


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        pytest.param(
            {"input": 20, "output": 90, "total": 210, "input_cached_tokens": 60, "output_reasoning_tokens": 40},
            Usage(fresh=20, cache_read=60, visible=90, reasoning=40),
            id="OpenAI's details, taken out by Langfuse's server",
        ),
        pytest.param(
            {"input": 7, "output": 445, "input_cached_tokens": 900, "input_cache_creation": 0, "input_cache_creation_5m": 80, "input_cache_creation_1h": 9},
            Usage(fresh=7, cache_read=900, cache_write_5m=80, cache_write_1h=9, visible=445),
            id="Anthropic's writes by how long they are kept, and the rest of them, which is none",
        ),
        pytest.param(
            {"input": 7, "output": 4, "total": 51, "input_cache_read": 10, "input_cache_creation": 0, "input_ephemeral_5m_input_tokens": 30},
            Usage(fresh=7, cache_read=10, cache_write_5m=30, visible=4),
            id="LangChain's details of Anthropic, prefixed by Langfuse's SDK",
        ),
        pytest.param(
            {"input": 70, "output": 5, "total": 135, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 60},
            Usage(fresh=30, cache_read=60, cache_write_5m=40, visible=5),
            id="LiteLLM's logger: what was read is out of the input, what was written is not",
        ),
        pytest.param(
            {"input": 130, "output": 5, "total": 135, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 60},
            Usage(fresh=30, cache_read=60, cache_write_5m=40, visible=5),
            id="LiteLLM's logger before 1.79: both are in the input",
        ),
        pytest.param(
            {"input": 30, "output": 50, "total": 140, "input_cache_read": 60, "output_reasoning": 20},
            Usage(fresh=30, cache_read=60, visible=30, reasoning=20),
            id="cached tokens beside the input, reasoning within the output",
        ),
        pytest.param(
            {"input": 30, "output": 50, "input_priority_cache_read": 9, "input_cache_read": 9, "input_video": 4},
            Usage(fresh=34, cache_read=9, visible=50),
            id="a tier's share is no kind of its own",
        ),
    ],
)  # fmt: skip
def test_the_keys_of_langfuse_are_beside_each_other_unless_the_total_says_otherwise(raw, told):
    """After langfuse/langfuse OtelIngestionProcessor.ts, langfuse-python CallbackHandler.py and BerriAI/litellm integrations/langfuse."""
    assert counts_of(raw) == told


@pytest.mark.parametrize(
    ("provider", "counted", "told"),
    [
        # output_tokens is all there is; the count of thinking is Inspect's own, and was added to the total for some weeks.
        ("anthropic", (10, 50, 115, 20, 30, 5), Usage(fresh=10, cache_read=20, cache_write_5m=30, visible=45, reasoning=5)),
        ("anthropic", (10, 50, 110, 20, 30, 5), Usage(fresh=10, cache_read=20, cache_write_5m=30, visible=45, reasoning=5)),
        # Google's thoughts were beside until they were folded into the output.
        ("google", (80, 10, 130, 20, None, 40), Usage(fresh=60, cache_read=20, visible=10, reasoning=40)),
        ("google", (60, 50, 130, 20, None, 40), Usage(fresh=60, cache_read=20, visible=10, reasoning=40)),
        ("openai", (80, 50, 130, 20, None, 40), Usage(fresh=60, cache_read=20, visible=10, reasoning=40)),
        ("openai", (60, 50, 130, 20, None, 40), Usage(fresh=60, cache_read=20, visible=10, reasoning=40)),
        ("grok", (60, 10, 130, 20, None, 40), Usage(fresh=60, cache_read=20, visible=10, reasoning=40)),
        ("perplexity", (33, 7163, 7196, None, None, 73997), Usage(fresh=33, visible=7163, reasoning=73997)),
        ("openai", (33, 71, 104, None, None, 73997), Usage(fresh=33, reasoning=73997)),
    ],
)  # fmt: skip
def test_inspect_counts_are_taken_apart_by_provider_and_total(provider, counted, told):
    """After UKGovernmentBEIS/inspect_ai _model_output.py and _providers/{anthropic,google,grok,perplexity}.py, through their history."""
    names = ("input_tokens", "output_tokens", "total_tokens", "input_tokens_cache_read", "input_tokens_cache_write", "reasoning_tokens")  # fmt: skip
    assert usage(dict(zip(names, counted, strict=True)), provider=provider) == told
