"""The official OpenAI client, with and without the gateway in between: the same, field by field and byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from clients.conftest import OPENED, Gateway
from clients.upstream import Answer, Asked, Upstream, in_turn
from core.wire.translate.conversations import CHAT_REQUEST

MINE = {"host", "content-length", "connection", "accept-encoding"}
"""What belongs to a connection and not to a request; the gateway asks for streams unpacked, so that they can be read."""

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TOOLS = {name: CHAT_REQUEST[name] for name in ("tools", "tool_choice", "messages", "parallel_tool_calls")}


class Trip(BaseModel):
    city: str
    days: int


def client(url: str, **more: Any) -> openai.OpenAI:
    OPENED.append(
        openai.OpenAI(base_url=f"{url}/v1", api_key="sk-their-own", **{"max_retries": 0, "timeout": 90, **more})
    )
    found: openai.OpenAI = OPENED[-1]
    return found


def plain(found: Any) -> Any:
    return found.model_dump() if isinstance(found, BaseModel) else found


def streamed(stream: Any) -> list[Any]:
    with stream as events:
        return [plain(event) for event in events]


def helped(stream: Any) -> Any:
    """The client's own assembly of a stream: it reads events the way applications do."""
    with stream as events:
        kinds = [event.type for event in events]
        final = (
            events.get_final_completion() if hasattr(events, "get_final_completion") else events.get_final_response()
        )
    return kinds, plain(final)


CALLS: dict[str, Callable[[openai.OpenAI], Any]] = {
    "chat": lambda c: c.chat.completions.create(**ASK, temperature=0.2, seed=7),
    "chat, streamed": lambda c: streamed(c.chat.completions.create(**ASK, stream=True)),
    "chat, streamed with usage": lambda c: streamed(
        c.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    ),
    "chat, assembled": lambda c: helped(c.chat.completions.stream(**ASK)),
    "tools and images": lambda c: c.chat.completions.create(**{**ASK, **TOOLS}),
    "tools, streamed": lambda c: streamed(c.chat.completions.create(**{**ASK, **TOOLS}, stream=True)),
    "structured": lambda c: c.chat.completions.parse(**ASK, response_format=Trip).choices[0].message.parsed,
    "responses": lambda c: c.responses.create(model="m", input="Hi"),
    "responses, streamed": lambda c: streamed(c.responses.create(model="m", input="Hi", stream=True)),
    "responses, assembled": lambda c: helped(c.responses.stream(model="m", input="Hi")),
    "embeddings": lambda c: c.embeddings.create(model="e", input=["a", "b"]),
    "embeddings in numbers": lambda c: c.embeddings.create(model="e", input="a", encoding_format="float"),
    "completions": lambda c: c.completions.create(model="m", prompt="Once upon a"),
    "models": lambda c: [plain(model) for model in c.models.list()],
    "fields that nobody knows": lambda c: c.chat.completions.create(
        **ASK, extra_body={"brand_new": {"a": [1.5, None]}}
    ),
}


def said(asked: list[Asked]) -> list[tuple[str, str, dict[str, str], bytes]]:
    return [(a.method, a.path, {k: v for k, v in a.headers.items() if k not in MINE}, a.body) for a in asked]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_the_same_with_the_gateway_in_between(name: str, gateway: Gateway) -> None:
    direct = plain(CALLS[name](client(gateway.upstream.url)))
    asked_directly = said(gateway.upstream.taken())
    through = plain(CALLS[name](client(gateway.url)))
    assert through == direct
    asked = said(gateway.upstream.taken())
    if name in {"chat, streamed", "tools, streamed", "chat, assembled"}:  # usage was asked for on our own account
        bodies = [json.loads(entry[3]) for entry in (*asked_directly, *asked)]
        assert bodies[1].pop("stream_options") == {"include_usage": True}
        assert bodies[0] == bodies[1]
        asked, asked_directly = ([entry[:3] for entry in seen] for seen in (asked, asked_directly))
    assert asked == asked_directly


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_answers_pass_byte_by_byte_with_every_header(path: str, gateway: Gateway) -> None:
    found = []
    for url in (gateway.upstream.url, gateway.url):
        http = client(url).with_raw_response
        answer = (
            http.chat.completions.create(**ASK)
            if path.startswith("chat")
            else http.responses.create(model="m", input="Hi")
        )
        headers = {k: v for k, v in answer.headers.items() if not k.startswith("x-fairlead-") and k != "date"}
        found.append((answer.http_response.content, headers))
    direct, through = found
    assert direct == through


def test_every_event_of_a_stream_passes_byte_by_byte(gateway: Gateway) -> None:
    asked = {**ASK, "stream_options": {"include_usage": True}, "stream": True}
    told = []
    for url in (gateway.upstream.url, gateway.url):
        with client(url).chat.completions.with_streaming_response.create(**asked) as answer:
            told.append(b"".join(answer.iter_bytes()))
    assert told[0] == told[1]
    assert told[0].endswith(b"data: [DONE]\n\n")


def test_the_gateway_says_who_answered(gateway: Gateway) -> None:
    headers = client(gateway.url).with_raw_response.chat.completions.create(**ASK).headers
    assert headers["x-fairlead-upstream"] == "openai"
    assert headers["x-fairlead-stage"] == "stay"


def test_the_asynchronous_client_gets_the_same(gateway: Gateway) -> None:
    async def main(url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-own", max_retries=0) as asked:
            whole, streams = await asyncio.gather(
                asked.chat.completions.create(**ASK),
                asyncio.gather(*[asked.chat.completions.create(**ASK, stream=True) for _ in range(8)]),
            )
            return plain(whole), [[plain(event) async for event in stream] for stream in streams]

    assert asyncio.run(main(gateway.url)) == asyncio.run(main(gateway.upstream.url))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_an_upstreams_error_arrives_as_it_was(status: int, kind: type[openai.APIStatusError], gateway: Gateway) -> None:
    error = {"error": {"message": "Because.", "type": "odd", "param": "p", "code": "c", "more": 1}}
    headers = {"x-request-id": "r", "retry-after": "7"}
    gateway.upstream.scripts["/v1/chat/completions"] = lambda _: Answer(status=status, body=error, headers=headers)
    with pytest.raises(kind) as caught:
        client(gateway.url).chat.completions.create(**ASK)
    assert caught.value.body == error["error"]
    assert caught.value.request_id == "r"
    assert caught.value.response.headers["retry-after"] == "7"


def test_the_clients_own_retries_work_through_the_gateway(gateway: Gateway) -> None:
    busy = Answer(status=429, body={"error": {"message": "busy"}}, headers={"retry-after-ms": "1"})
    whole = Answer(body={"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []})
    gateway.upstream.scripts["/v1/chat/completions"] = in_turn(busy, busy, whole)
    assert client(gateway.url, max_retries=2).chat.completions.create(**ASK).id == "x"
    assert len(gateway.upstream.taken()) == 3


def test_a_clients_time_out_ends_its_call_and_not_the_next(gateway: Gateway, recorded: Upstream) -> None:
    import threading  # noqa: PLC0415

    release = threading.Event()
    recorded.scripts["/v1/chat/completions"] = lambda _: Answer(body={}, before=lambda: release.wait(20))
    with pytest.raises(openai.APITimeoutError):
        client(gateway.url, timeout=0.3).chat.completions.create(**ASK)
    release.set()
    recorded.scripts["/v1/chat/completions"] = lambda _: Answer(body={"id": "y", "choices": []})
    assert client(gateway.url).chat.completions.create(**ASK).id == "y"


def test_an_error_in_mid_stream_is_raised_by_the_client(gateway: Gateway) -> None:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = {**chunk, "choices": [{"index": 0, "delta": {"content": "Once"}, "finish_reason": None}]}
    broken = Answer(events=(said, {"error": {"message": "overloaded", "type": "server_error"}}))
    gateway.upstream.scripts["/v1/chat/completions"] = lambda _: broken
    stream = client(gateway.url).chat.completions.create(**ASK, stream=True)
    assert next(stream).choices[0].delta.content == "Once"
    with pytest.raises(openai.APIError, match="overloaded"):
        next(stream)


def test_a_cut_stream_never_looks_complete(gateway: Gateway) -> None:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = {**chunk, "choices": [{"index": 0, "delta": {"content": "Once"}, "finish_reason": None}]}
    gateway.upstream.scripts["/v1/chat/completions"] = lambda _: Answer(events=(said,), cut=True)
    with pytest.raises(Exception, match=r"upstream|incomplete|closed|peer") as caught:
        list(client(gateway.url).chat.completions.create(**ASK, stream=True))
    assert not isinstance(caught.value, StopIteration)


def test_a_body_of_ten_megabytes_passes(gateway: Gateway) -> None:
    ask = {**ASK, "messages": [{"role": "user", "content": "ä" * 5_000_000}]}
    assert client(gateway.url).chat.completions.create(**ask).choices[0].message.content == "Grüß Gott ☀"
    assert len(gateway.upstream.taken()[0].body) > 10_000_000


def test_a_path_that_is_not_served_is_refused_in_openais_words(gateway: Gateway) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client(gateway.url).images.generate(prompt="a cat")
    assert caught.value.body["type"] == "invalid_request_error"
    assert "/v1/images/generations" in caught.value.message
    assert gateway.upstream.taken() == []
