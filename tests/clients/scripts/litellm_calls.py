"""LiteLLM's client, asked the same at each address given; prints what it reads as JSON."""

import asyncio
import json
import sys

import litellm

litellm.telemetry = False
ASK = {"messages": [{"role": "user", "content": "Hi"}], "num_retries": 0}


def read(answer):
    found = answer.model_dump()
    found.pop("created", None)
    return found


def asked(url):
    gpt = {"model": "openai/m", "api_base": f"{url}/v1", "api_key": "sk-own", **ASK}
    claude = {"model": "anthropic/claude", "api_base": url, "api_key": "sk-ant-own", "max_tokens": 60, **ASK}
    return {
        "openai": read(litellm.completion(**gpt)),
        "openai, streamed": [chunk.choices[0].delta.content for chunk in litellm.completion(**gpt, stream=True)],
        "openai, asynchronous": read(asyncio.run(litellm.acompletion(**gpt))),
        "openai, embeddings": litellm.embedding(
            model="openai/e", input=["a"], api_base=f"{url}/v1", api_key="sk-own"
        ).data,
        "anthropic": read(litellm.completion(**claude)),
        "anthropic, streamed": [chunk.choices[0].delta.content for chunk in litellm.completion(**claude, stream=True)],
    }


print(json.dumps([asked(url) for url in sys.argv[1:]], default=str))
