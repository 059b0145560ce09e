"""The simulated endpoints over real HTTP, asked by the providers' own clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx2
import openai as openai_sdk
import pytest
from anthropic import Anthropic
from openai import AsyncOpenAI, OpenAI
from tests.demo.test_answers import NAMES, distinct, is_right
from tests.demo.written import Written

from fairlead.core.nouns import Candidate
from fairlead.core.wire import anthropic, openai
from fairlead.core.wire.candidate import candidate_body
from fairlead.core.wire.stream import ChatStream
from fairlead.demo.endpoint import LONGEST_BODY, Endpoints, Process, endpoints
from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.model import OPEN_MODEL
from fairlead.demo.simulated.prompt import read
from fairlead.demo.simulated.rates import RATES, Side

ASKED = 24


@pytest.fixture(scope="module")
def served() -> Iterator[Endpoints]:
    with endpoints(latency=0.2) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Endpoints) -> Iterator[OpenAI]:
    with OpenAI(base_url=served.open_url, api_key="none", max_retries=3, timeout=5) as made:
        yield made


def to_candidate(row: Mapping[str, Any]) -> dict[str, Any]:
    """The body a pilot would send to the open model for a logged request."""
    dialect = anthropic if "system" in row["request"] else openai
    candidate = Candidate(endpoint="http://127.0.0.1/v1", model=OPEN_MODEL)
    return dict(candidate_body(dialect.request(row["request"]), candidate).body)


def with_fault(written: Written, fault: str | None, *, first: int | None = None) -> dict[str, Any]:
    """A body of the sample that meets this fault at the open endpoint, and no other."""
    for kind in NAMES:
        for asked, row, _ in distinct(written, kind):
            draws = Draws(7, asked.key)
            if (draws.fault(Side.OPEN), draws.first_refusal(Side.OPEN)) == (fault, first):
                return to_candidate(row)
    raise AssertionError(f"no request meets {fault} and {first}")


async def answers(url: str, wanted: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """What the open model answers through the OpenAI client; `None` for what never arrives whole."""
    gate = asyncio.Semaphore(24)
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=2, timeout=10) as asking:

        async def one(body: dict[str, Any]) -> dict[str, Any] | None:
            async with gate:
                try:
                    return (await asking.chat.completions.create(**body)).model_dump()
                except openai_sdk.APIConnectionError:
                    return None

        return list(await asyncio.gather(*map(one, wanted)))


def test_every_kind_of_request_is_answered_at_its_documented_rate(written: Written, served: Endpoints) -> None:
    drawn = []
    for kind in RATES:
        usable = (each for each in distinct(written, kind) if Draws(7, each[0].key).fault(Side.OPEN) is None)
        drawn += [(kind, row, label) for _, (_, row, label) in zip(range(ASKED), usable, strict=False)]

    told = asyncio.run(answers(served.open_url, [to_candidate(row) for _, row, _ in drawn]))

    right = dict.fromkeys(RATES, 0)
    for (kind, row, label), response in zip(drawn, told, strict=True):
        right[kind] += response is not None and is_right(row, label, response)
    for kind, rate in RATES.items():
        spread = (rate.open * (1 - rate.open) / ASKED) ** 0.5
        assert abs(right[kind] / ASKED - rate.open) < 3.5 * spread, kind


def test_a_request_that_hangs_runs_into_the_timeout_every_time(written: Written, served: Endpoints) -> None:
    body = with_fault(written, "hang")
    for _ in range(2):
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(served.open_url + "/chat/completions", json=body, timeout=0.4)


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_answer_breaks_off_every_time(written: Written, served: Endpoints, *, stream: bool) -> None:
    body = {**with_fault(written, "cut"), "stream": stream}
    for _ in range(2):
        with pytest.raises(httpx2.RemoteProtocolError):
            httpx2.post(served.open_url + "/chat/completions", json=body)


@pytest.mark.parametrize(("status", "waits"), [(429, True), (503, False)])
def test_a_request_is_turned_away_once_and_then_answered(
    written: Written, served: Endpoints, status: int, *, waits: bool
) -> None:
    body = with_fault(written, None, first=status)
    with httpx2.Client(base_url=served.open_url) as asking:
        before = asking.post("/chat/completions", json=body)
        after = asking.post("/chat/completions", json=body)

    assert before.status_code == status
    assert ("retry-after" in before.headers) is waits
    assert not waits or 0.05 <= float(before.headers["retry-after"]) <= 0.5
    assert after.status_code == 200


def test_a_restarted_endpoint_gives_the_same_answers(written: Written) -> None:
    rows = [row for kind in NAMES for _, (_, row, _) in zip(range(1), distinct(written, kind), strict=False)]
    wanted = [to_candidate(row) for row in rows]
    told = []
    for _ in range(2):
        with Process(Side.OPEN, latency=0) as running:
            told.append(asyncio.run(answers(running.address + "/v1", wanted)))

    assert [said(each) for each in told[0]] == [said(each) for each in told[1]]


def said(response: dict[str, Any] | None) -> Any:
    return response and {key: response["choices"][0]["message"].get(key) for key in ("content", "tool_calls")}


def test_a_stream_says_what_a_whole_answer_says(written: Written, served: Endpoints) -> None:
    for kind in ("agent", "invoice"):
        body = next(to_candidate(row) for asked, row, _ in distinct(written, kind) if is_calm(asked.key))
        whole = httpx2.post(served.open_url + "/chat/completions", json=body).json()
        streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
        stream = ChatStream()
        stream.feed(httpx2.post(served.open_url + "/chat/completions", json=streamed).content)

        assert stream.done
        put_together = openai.answer(stream.body())
        assert put_together == openai.answer(whole)


def is_calm(key: str) -> bool:
    draws = Draws(7, key)
    return all(draws.fault(side) is None and draws.first_refusal(side) is None for side in Side)


def test_the_openai_client_reads_the_stream_and_its_usage(written: Written, client: OpenAI) -> None:
    body = next(to_candidate(row) for asked, row, _ in distinct(written, "note") if is_calm(asked.key))
    chunks = list(client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}))
    whole = client.chat.completions.create(**body)

    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        == whole.choices[0].message.content
    )
    assert chunks[-1].usage == whole.usage
    assert {chunk.system_fingerprint for chunk in chunks} == {"simulated"}


def test_the_anthropic_client_reads_the_closed_model_whole_and_streamed(written: Written, served: Endpoints) -> None:
    body = next(dict(row["request"]) for asked, row, _ in distinct(written, "agent") if is_calm(asked.key))
    body.pop("temperature")  # the client of today no longer offers it
    with Anthropic(base_url=served.closed, api_key="none") as asking:
        whole = asking.messages.create(**body)
        with asking.messages.stream(**body) as stream:
            streamed = stream.get_final_message()

    texts = [
        [getattr(block, "text", None) or getattr(block, "input", None) for block in each.content]
        for each in (whole, streamed)
    ]
    assert texts[0] == texts[1] != []
    assert whole.stop_reason == streamed.stop_reason
    assert whole.usage.output_tokens == streamed.usage.output_tokens


def test_the_closed_endpoint_answers_as_the_log_says_it_did(written: Written, served: Endpoints) -> None:
    for kind in ("sql", "exam", "ticket"):
        row = next(row for asked, row, _ in distinct(written, kind) if is_calm(asked.key))
        again = httpx2.post(served.closed_url + "/chat/completions", json=row["request"]).json()
        assert said(again) == {**said(row["response"]), "tool_calls": None}  # type: ignore[arg-type]


def test_embeddings_come_as_numbers_and_packed(served: Endpoints) -> None:
    with OpenAI(base_url=served.closed_url, api_key="none") as asking:
        model = "text-embedding-3-large"
        made = asking.embeddings.create(model=model, input=["bilge pump", "bilge pumps", "winch"], dimensions=64)
        plain = asking.embeddings.create(model=model, input="bilge pump", dimensions=64, encoding_format="float")

    assert [len(each.embedding) for each in made.data] == [64, 64, 64]
    assert made.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert made.usage.prompt_tokens == 8


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/v1/embeddings"])
def test_every_answer_says_that_it_is_simulated(served: Endpoints, path: str) -> None:
    url = served.open + path
    answer = httpx2.get(url) if path.endswith("models") else httpx2.post(url, json={"model": "none", "input": "x"})
    assert answer.headers["x-simulated"] == "true"


BAD: tuple[tuple[bytes, int], ...] = (
    (b"", 400),
    (b"<html>", 400),
    (b"[1, 2]", 400),
    (b'{"model": "m"}', 400),
    (b'{"model": "m", "messages": []}', 400),
    (b'{"model": "m", "messages": 5}', 400),
    (b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}', 404),
    (b'{"messages": [{"role": "user", "content": "x"}]}', 404),
    (b"[" * 50_000, 400),
    (b"\xff\xfe", 400),
    (b" " * (LONGEST_BODY + 1), 413),
)


@pytest.mark.parametrize(("data", "status"), BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_bad_bodies_get_an_error_in_the_callers_dialect(served: Endpoints, path: str, data: bytes, status: int) -> None:
    answer = httpx2.post(served.closed + path, content=data)

    assert answer.status_code == status
    body = answer.json()
    assert (body.get("type") == "error") is (path == "/v1/messages")
    assert body["error"]["message"]


def test_odd_messages_are_answered_not_crashed_on(served: Endpoints) -> None:
    for messages in (
        [1],
        ["x"],
        [{"role": "user"}],
        [{"role": "tool", "content": None}],
        [{"content": [{"type": "image_url"}]}],
    ):
        body = {"model": OPEN_MODEL, "messages": messages}
        answer = httpx2.post(served.open_url + "/chat/completions", json=body)
        assert answer.status_code in {200, 429, 503}


def test_an_endpoint_ends_when_its_starter_closes_the_pipe() -> None:
    running = Process(Side.OPEN)
    process = running._running
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    assert process.stdout is not None
    process.stdout.close()


def test_a_prompt_reads_the_same_whatever_its_white_space() -> None:
    one = read({"messages": [{"role": "system", "content": "a  b"}, {"role": "user", "content": "c\n\nd"}]})
    other = read(
        {
            "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "messages": [{"role": "user", "content": "c d"}],
        }
    )
    assert one.key == other.key
