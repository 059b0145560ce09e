"""The official Anthropic client, with and without the gateway in between: the same, field by field and byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from clients.conftest import OPENED, Gateway
from clients.test_openai import Trip, plain, said
from clients.upstream import Answer, in_turn
from core.wire.translate.conversations import MESSAGE_EVENTS, MESSAGES_REQUEST

ASK: dict[str, Any] = {"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}

TOOLS: dict[str, Any] = {name: v for name, v in MESSAGES_REQUEST.items() if name not in {"temperature", "top_p"}} | {
    "model": "claude"
}
"""The client no longer has a word for `temperature`; Fairlead still has."""


def client(url: str, **more: Any) -> anthropic.Anthropic:
    OPENED.append(anthropic.Anthropic(base_url=url, api_key="sk-ant-own", **{"max_retries": 0, "timeout": 90, **more}))
    found: anthropic.Anthropic = OPENED[-1]
    return found


def events(stream: Any) -> list[Any]:
    with stream as found:
        return [plain(event) for event in found]


def assembled(stream: Any) -> Any:
    with stream as found:
        told = "".join(found.text_stream)
        return told, plain(found.get_final_message())


CALLS: dict[str, Callable[[anthropic.Anthropic], Any]] = {
    "messages": lambda c: c.messages.create(**ASK, system="Be brief."),
    "messages, streamed": lambda c: events(c.messages.create(**ASK, stream=True)),
    "messages, assembled": lambda c: assembled(c.messages.stream(**ASK)),
    "tools, images and documents": lambda c: c.messages.create(**TOOLS),
    "tools, streamed": lambda c: assembled(c.messages.stream(**TOOLS)),
    "thinking": lambda c: c.messages.create(
        **{**ASK, "max_tokens": 4000}, thinking={"type": "enabled", "budget_tokens": 1024}
    ),
    "cached": lambda c: c.messages.create(
        **ASK, system=[{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]
    ),
    "beta": lambda c: c.beta.messages.create(**ASK, betas=["brand-new-2026-01-01"]),
    "count": lambda c: c.messages.count_tokens(model="claude", messages=ASK["messages"]),
    "fields that nobody knows": lambda c: c.messages.create(**ASK, extra_body={"brand_new": {"a": [1.5, None]}}),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_the_same_with_the_gateway_in_between(name: str, gateway: Gateway) -> None:
    direct = plain(CALLS[name](client(gateway.upstream.url)))
    asked_directly = said(gateway.upstream.taken())
    assert plain(CALLS[name](client(gateway.url))) == direct
    assert said(gateway.upstream.taken()) == asked_directly


def test_answers_and_events_pass_byte_by_byte(gateway: Gateway) -> None:
    found = []
    for url in (gateway.upstream.url, gateway.url):
        whole = client(url).messages.with_raw_response.create(**ASK)
        with client(url).messages.with_streaming_response.create(**ASK, stream=True) as streamed:
            found.append((whole.http_response.content, whole.headers["request-id"], b"".join(streamed.iter_bytes())))
    assert found[0] == found[1]


def test_the_asynchronous_client_gets_the_same(gateway: Gateway) -> None:
    async def main(url: str) -> Any:
        async with (
            anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-own", max_retries=0) as asked,
            asked.messages.stream(**ASK) as stream,
        ):
            return plain(await stream.get_final_message()), plain(await asked.messages.create(**ASK))

    assert asyncio.run(main(gateway.url)) == asyncio.run(main(gateway.upstream.url))


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found_error", anthropic.NotFoundError),
        (413, "request_too_large", anthropic.RequestTooLargeError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (529, "overloaded_error", anthropic.OverloadedError),
    ],
)
def test_an_upstreams_error_arrives_as_it_was(
    status: int, kind: str, error: type[anthropic.APIStatusError], gateway: Gateway
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "Because."}, "request_id": "req_9"}
    gateway.upstream.scripts["/v1/messages"] = lambda _: Answer(status=status, body=body)
    with pytest.raises(error) as caught:
        client(gateway.url).messages.create(**ASK)
    assert caught.value.body == body
    assert caught.value.status_code == status


def test_the_clients_own_retries_work_through_the_gateway(gateway: Gateway) -> None:
    busy = Answer(status=529, body={"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
                  headers={"retry-after-ms": "1"})  # fmt: skip
    gateway.upstream.scripts["/v1/messages"] = in_turn(
        busy, busy, Answer(body={"id": "msg", "type": "message", "content": []})
    )
    assert client(gateway.url, max_retries=2).messages.create(**ASK).id == "msg"
    assert len(gateway.upstream.taken()) == 3


def test_an_error_in_mid_stream_is_raised_by_the_client(gateway: Gateway) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    gateway.upstream.scripts["/v1/messages"] = lambda _: Answer(events=(*MESSAGE_EVENTS[:9], error))
    with (
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
        client(gateway.url).messages.stream(**ASK) as stream,
    ):
        stream.get_final_message()


def test_a_path_that_is_not_served_is_refused_in_anthropics_words(gateway: Gateway) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        client(gateway.url).post("/v1/complete", cast_to=object, body={})
    assert caught.value.body["error"]["type"] == "not_found_error"


def test_structured_answers_pass(gateway: Gateway) -> None:
    answer = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
              "content": [{"type": "text", "text": '{"city": "Köln", "days": 3}'}],
              "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    gateway.upstream.scripts["/v1/messages"] = lambda _: Answer(body=answer)
    parsed = client(gateway.url).messages.parse(**ASK, output_format=Trip)
    assert parsed.parsed_output == Trip(city="Köln", days=3)
