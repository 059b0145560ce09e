"""The server of recorded answers, asked by the real OpenAI client and by our own, over real sockets."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx2
import openai
import pytest

from fairlead.core.errors import InputError, UsageError
from fairlead.core.nouns import FailureKind
from fairlead.edge.clients.http import Endpoint
from fairlead.testing import recorded
from fairlead.testing.faults import Fault, Faults, parse
from fairlead.testing.recorded import RecordedApp, RecordedServer, Recording, serving

TEXTS = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "texts"
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def asked(text, **more):
    return {"messages": [{"role": "user", "content": text}], **more}


@pytest.fixture(scope="module")
def recording():
    made = Recording()
    for number in range(50):
        made.add(
            model="m-1", request=asked(f"question {number}"), response=f"The answer to question {number} is {number}."
        )
    made.add(model="m-1", request=asked("add 1 and 2", tools=[TOOL]), response='[{"add": "{\\"a\\": 1, \\"b\\": 2}"}]')
    made.add(model="m-2", request=asked("question 1"), response='{"message": {"role": "assistant", "content": "one"}}')
    return made


@pytest.fixture(scope="module")
def server(recording):
    with serving(recording) as running:
        yield running


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


def test_the_real_openai_client_gets_the_recorded_answer(client):
    answer = client.chat.completions.create(model="m-1", temperature=0, **asked("question 7"))
    assert answer.choices[0].message.content == "The answer to question 7 is 7."
    assert answer.model == "m-1"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_real_openai_client_gets_it_streamed(client):
    stream = client.chat.completions.create(
        model="m-1", stream=True, stream_options={"include_usage": True}, **asked("question 7")
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "The answer to question 7 is 7."
    assert chunks[-1].usage.completion_tokens > 0


@pytest.mark.parametrize("stream", [True, False])
def test_recorded_tool_calls_are_served_as_tool_calls(server, stream):
    async def ask():
        async with Endpoint(server.url, stream=stream) as endpoint:
            return await endpoint({"model": "m-1", **asked("add 1 and 2", tools=[TOOL])})

    (call,) = asyncio.run(ask()).answer.tool_calls
    assert (call.name, call.arguments) == ("add", {"a": 1, "b": 2})


def test_a_recorded_message_is_served_as_it_is_and_models_are_told_apart(client):
    answer = client.chat.completions.create(model="m-2", **asked("question 1"))
    assert answer.choices[0].message.content == "one"
    assert [model.id for model in client.models.list()] == ["m-1", "m-2"]


def test_content_in_parts_matches_content_as_text(client):
    parts = [{"role": "user", "content": [{"type": "text", "text": "question 3"}]}]
    answer = client.chat.completions.create(model="m-1", messages=parts)
    assert "is 3" in answer.choices[0].message.content


@pytest.mark.parametrize(("model", "text"), [("m-1", "never asked"), ("m-2", "question 9"), ("m-3", "question 1")])
def test_what_was_not_recorded_is_404_in_openais_shape(client, model, text):
    with pytest.raises(openai.NotFoundError, match="was not recorded"):
        client.chat.completions.create(model=model, **asked(text))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"messages": 7}', b'{"model": "m-1", "messages": ["x"]}', b"\xff"]
)
def test_a_body_that_is_no_chat_request_is_400(server, body):
    response = httpx2.post(f"{server.url}/chat/completions", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_key_can_be_asked_for(recording):
    with RecordedServer(RecordedApp(recording, key="secret")) as server:
        url = f"{server.url}/chat/completions"
        assert httpx2.post(url, json=asked("question 1", model="m-1")).status_code == 401
        allowed = httpx2.post(url, json=asked("question 1", model="m-1"), headers={"authorization": "Bearer secret"})
        assert allowed.status_code == 200


def test_every_fault_reaches_the_client_as_what_it_is(recording):
    kinds = {
        Fault.TIMEOUT: FailureKind.TIMEOUT,
        Fault.SERVER_ERROR: FailureKind.SERVER_ERROR,
        Fault.CUT: FailureKind.CUT,
        Fault.HTML: FailureKind.NOT_JSON,
        Fault.HUGE: FailureKind.TOO_LARGE,
        Fault.REFUSE: FailureKind.REFUSED_REQUEST,
    }

    async def ask(url, patience_s):
        async with Endpoint(url, timeout_s=patience_s, attempts=1) as endpoint:
            return await endpoint({"model": "m-1", **asked("question 1")})

    for fault, kind in kinds.items():
        with serving(recording, faults=Faults(shares={fault: 1.0})) as server:
            reply = asyncio.run(ask(server.url, 0.3 if fault is Fault.TIMEOUT else 30))
            assert reply.answer.failure.kind is kind, fault


def test_limits_are_waited_out_by_the_client(recording):
    faults = Faults(shares={Fault.LIMIT: 0.5}, retry_after_s=0.05)

    async def ask(url):
        async with Endpoint(url) as endpoint:
            return await asyncio.gather(*(endpoint({"model": "m-1", **asked(f"question {n}")}) for n in range(20)))

    app = RecordedApp(recording, faults=faults)
    with RecordedServer(app) as server:
        replies = asyncio.run(ask(server.url))
    assert [reply.answer.failure for reply in replies] == [None] * 20
    assert app.faults_met[Fault.LIMIT] > 3


def test_faults_come_in_their_shares_and_the_same_for_the_same_seed():
    faults = Faults(shares={Fault.CUT: 0.2, Fault.HTML: 0.1}, seed=3)
    met = Counter(faults.of(f"key {number}", asking=1) for number in range(4_000))
    assert 0.17 < met[Fault.CUT] / 4_000 < 0.23
    assert 0.08 < met[Fault.HTML] / 4_000 < 0.12
    assert met == Counter(Faults(shares=faults.shares, seed=3).of(f"key {number}", asking=1) for number in range(4_000))


def test_a_lasting_fault_meets_every_attempt_and_another_may_not():
    lasting = Faults(shares={Fault.CUT: 0.3}, lasting=True)
    assert all(len({lasting.of(f"k{n}", asking=time) for time in range(5)}) == 1 for n in range(50))
    passing = Faults(shares={Fault.CUT: 0.3})
    assert any(len({passing.of(f"k{n}", asking=time) for time in range(5)}) == 2 for n in range(50))


@pytest.mark.parametrize("spec", ["timeout", "timeout=x", "nothing=0.1"])
def test_a_fault_that_cannot_be_read_lists_those_there_are(spec):
    with pytest.raises(UsageError, match="write one of timeout, 429"):
        parse(spec)


def test_shares_that_add_up_to_more_than_everything_are_refused():
    with pytest.raises(UsageError, match="add up to 1"):
        Faults(shares={Fault.CUT: 0.7, Fault.HTML: 0.7})


# Files


def parquet(path, rows):
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra fairlead[recorded]")
    files = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow, the extra fairlead[recorded]")
    files.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def test_a_file_is_read_and_served_by_a_process_of_its_own(tmp_path):
    row = {"item_id": "1", "model": "m-1", "request": json.dumps(asked("2 + 2?")), "response": "4", "score": 1.0}
    path = parquet(tmp_path / "answers.parquet", [row, row | {"response": "5"}, row | {"model": "m-2"}])
    command = [sys.executable, "-m", "fairlead.testing.recorded", str(path), "--model", "m-1", "--fault", "429=0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            url = process.stdout.readline().strip()
            said = httpx2.post(f"{url}/chat/completions", json=asked("2 + 2?", model="m-1"), timeout=10).json()
        finally:
            process.terminate()
    assert said["choices"][0]["message"]["content"] == "4"


@pytest.mark.parametrize("content", [b"", b"not parquet at all"])
def test_a_file_that_is_no_recording_is_one_clear_line(tmp_path, content, capsys):
    pytest.importorskip("pyarrow", reason="needs pyarrow, the extra fairlead[recorded]")
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    assert recorded.main([str(path)]) == 2
    told = capsys.readouterr().err
    assert "cannot be read as a recording with columns item_id, model, request, response" in told
    assert told.count("\n") == 1


def test_a_model_that_is_not_in_the_file_is_named(tmp_path):
    row = {"item_id": "1", "model": "m-1", "request": json.dumps(asked("2 + 2?")), "response": "4"}
    path = parquet(tmp_path / "answers.parquet", [row])
    with pytest.raises(InputError, match="holds no answers of m-9"):
        Recording.read(path, models=["m-9"])


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"fairlead\[recorded\]"):
        Recording.read(tmp_path / "any.parquet")


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the recorded answers are not on this machine")
@pytest.mark.parametrize("name", ["routellm_gsm8k", "xstest"])
def test_real_recordings_are_served_whole(name):
    pytest.importorskip("pyarrow", reason="needs pyarrow, the extra fairlead[recorded]")
    recording = Recording.read(TEXTS / f"{name}.parquet")
    model = min(recording.models)
    known = [request for key, request in recording.requests.items() if (model, key) in recording.answers][:25]

    async def ask(url):
        async with Endpoint(url) as endpoint:
            return await asyncio.gather(*(endpoint({**request, "model": model}) for request in known))

    with serving(recording) as server:
        replies = asyncio.run(ask(server.url))
    assert all(reply.answer.failure is None or reply.answer.failure.kind is FailureKind.EMPTY for reply in replies)
    assert len(recording.answers) > 1_000
