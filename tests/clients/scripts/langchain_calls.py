"""LangChain's OpenAI and Anthropic clients, asked the same at each address given; prints what they read as JSON."""

import json
import sys

from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


class Trip(BaseModel):
    """Where to and for how long."""

    city: str
    days: int


@tool
def find_order(id: str = "") -> str:  # noqa: A002  # the tool's own word
    """Look an order up."""
    return id


def read(message):
    return {"content": message.content, "tool_calls": message.tool_calls, "usage": message.usage_metadata}


def asked(url):
    gpt = ChatOpenAI(model="m", base_url=f"{url}/v1", api_key="sk-own", max_retries=0)
    claude = ChatAnthropic(model="claude", base_url=url, api_key="sk-ant-own", max_tokens=60, max_retries=0)
    chunks = list(gpt.stream("Hi"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return {
        "openai": read(gpt.invoke("Hi")),
        "openai, streamed": [chunk.content for chunk in chunks],
        "openai, assembled": read(whole),
        "openai, tools": read(gpt.bind_tools([find_order]).invoke("Hi")),
        "openai, structured": gpt.with_structured_output(Trip).invoke("Hi").model_dump(),
        "openai, embeddings": OpenAIEmbeddings(
            model="e", base_url=f"{url}/v1", api_key="sk-own", check_embedding_ctx_length=False
        ).embed_documents(["a", "b"]),
        "anthropic": read(claude.invoke("Hi")),
        "anthropic, streamed": "".join(str(chunk.content) for chunk in claude.stream("Hi")),
        "anthropic, tools": read(claude.bind_tools([find_order]).invoke("Hi")),
    }


print(json.dumps([asked(url) for url in sys.argv[1:]]))
