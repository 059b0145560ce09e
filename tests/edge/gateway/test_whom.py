"""Who is asked and with whose key; what is said to whom in which protocol; what happens to an answer that is not usable."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edge.gateway.world import CHAT, MESSAGE, STREAM, Talk, World, delta, ok, run
from fairlead.core.workload import Grouper
from fairlead.edge.gateway import plane as plane_module
from fairlead.edge.gateway.placing import Placing
from fairlead.edge.gateway.upstreams import key_of
from fairlead.serve.frames import Ended, Protocol, Served
from fairlead.serve.keys import new_key
from fairlead.serve.reading import asked as read
from fairlead.serve.snapshot import KeyNow, RouteNow, Stage, TargetNow, UpstreamNow

KEY = new_key(bytes(range(32)))
OTHER = new_key(bytes(range(1, 33)))
OURS = f"authorization: Bearer {KEY.secret}\r\n"
OWN = "authorization: Bearer sk-own\r\nopenai-organization: org-1\r\ncookie: a=b\r\n"


def key(**limits: Any) -> KeyNow:
    return KeyNow(id="k1", hash=KEY.hash, **limits)


def moved(upstream: str = "open", **more: Any) -> RouteNow:
    return RouteNow(workload_id="", stage=Stage.MOVED, candidate=TargetNow(upstream=upstream, model="q"), **more)


def test_a_fairlead_key_opens_the_operators_upstreams_and_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_KEY", "sk-operator")

    async def main() -> None:
        given = {"main": {"key_env": "OPERATOR_KEY"}}
        async with World(given=given, snapshot={"keys": (key(),)}) as world:
            assert (await world.ask(fields=OURS)).status == 200
            assert world.main.asked[0].headers["authorization"] == "Bearer sk-operator"
            assert KEY.secret not in str(world.main.asked[0])
            call = await world.heard.next()
            assert (call.key_id, call.own_key) == ("k1", False)
            got = await world.ask(fields=f"x-api-key: {KEY.secret}\r\n")
            assert got.status == 200

    run(main())


@pytest.mark.parametrize(
    "fields", [f"authorization: Bearer {OTHER.secret}\r\n", "x-api-key: fl-' OR '1'='1\r\n", "authorization: fl-x\r\n"]
)
def test_an_unknown_fairlead_key_is_refused_and_asks_nobody(fields: str) -> None:
    async def main() -> None:
        async with World(snapshot={"keys": (key(),)}) as world:
            got = await world.ask(fields=fields)
            assert (got.status, got.json["error"]["code"]) == (401, "invalid_key")
            assert not world.main.asked

    run(main())


def test_where_a_key_is_required_nothing_else_opens() -> None:
    async def main() -> None:
        async with World(snapshot={"keys": (key(),), "require_key": True}) as world:
            for fields in ("", OWN):
                for path, method in (("/v1/chat/completions", "POST"), ("/v1/models", "GET")):
                    assert (await world.ask(b"", path=path, method=method, fields=fields)).status == 401
            assert (await world.ask(fields=OURS)).status == 200
            assert len(world.main.asked) == 1

    run(main())


def test_limits_of_a_key_are_told_in_the_callers_dialect() -> None:
    async def main() -> None:
        async with World(snapshot={"keys": (key(models=("m",), requests_per_minute=1),)}) as world:
            got = await world.ask({**CHAT, "model": "z"}, fields=OURS)
            assert (got.status, got.json["error"]["code"]) == (403, "model_not_allowed")
            assert (await world.ask(fields=OURS)).status == 200
            got = await world.ask(MESSAGE, path="/v1/messages", fields=OURS)
            assert (got.status, got.json["error"]["type"]) == (429, "rate_limit_error")
            assert int(got.headers["retry-after"]) >= 1
            assert (await world.heard.next(1)).ended is Ended.REFUSED

    run(main())


def test_a_callers_own_key_goes_only_where_it_was_meant_for() -> None:
    async def main() -> None:
        scripts = {"main": ok, "open": ok}
        async with World(scripts=scripts, route=moved()) as world:
            got = await world.ask(fields=OWN)
            assert (got.status, got.headers["x-fairlead-upstream"]) == (200, "open")
            asked = world.upstreams["open"].asked[0]
            assert not {"authorization", "x-api-key", "openai-organization", "cookie"} & set(asked.headers)

    run(main())


def test_the_operators_key_is_not_lent_to_a_caller_with_a_key_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPEN_KEY", "sk-open")

    async def main() -> None:
        given: dict[str, dict[str, Any]] = {"open": {"key_env": "OPEN_KEY"}}
        async with World(scripts={"main": ok, "open": ok}, given=given, route=moved()) as world:
            got = await world.ask(fields=OWN)
            assert got.headers["x-fairlead-upstream"] == "main"
            assert not world.upstreams["open"].asked
            assert (await world.heard.next()).served is Served.INCUMBENT
        given["open"]["lend_key"] = True
        async with World(scripts={"main": ok, "open": ok}, given=given, route=moved()) as world:
            assert (await world.ask(fields=OWN)).headers["x-fairlead-upstream"] == "open"
            assert world.upstreams["open"].asked[0].headers["authorization"] == "Bearer sk-open"

    run(main())


def test_a_missing_operators_key_is_said() -> None:
    async def main() -> None:
        given = {"main": {"key_env": "NO_SUCH_KEY", "caller_key": False}}
        async with World(given=given, snapshot={"keys": (key(),)}) as world:
            got = await world.ask(fields=OURS)
            assert (got.status, got.json["error"]["code"]) == (503, "no_key")
            assert "NO_SUCH_KEY" in got.json["error"]["message"]

    run(main())


@pytest.mark.parametrize(
    ("url", "secret", "used"),
    [
        ("https://api.example.com/v1", "sk-1234", None),
        ("https://api.example.com/v1", "your-api-key-here", None),
        ("https://api.example.com/v1", "sk-proj-Zk2mVw7TtLx0Rb9QnYc4", "sk-proj-Zk2mVw7TtLx0Rb9QnYc4"),
        ("http://127.0.0.1:8000/v1", "EMPTY", "EMPTY"),
    ],
)
def test_a_sample_key_of_the_operator_counts_as_none_but_for_an_upstream_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, url: str, secret: str, used: str | None
) -> None:
    monkeypatch.setenv("OPERATOR_KEY", secret)
    assert key_of(UpstreamNow(name="x", urls=(url,), key_env="OPERATOR_KEY")) == used


def test_a_key_that_was_closed_or_has_expired_opens_nothing_on_a_connection_that_is_open() -> None:
    async def main() -> None:
        async with World(snapshot={"keys": (key(),), "require_key": True}) as world:
            caller = await world.caller()
            for number, keys in enumerate(((key(),), (key(),), (), (key(expires_us=1),))):
                world.plane.take(msgspec.structs.replace(world.plane.snapshot, version=number, keys=keys))
                caller.post(json.dumps(CHAT).encode(), fields=OURS)
                assert (await caller.answer()).status == (200 if number < 2 else 401)
            assert len(world.main.asked) == 2

    run(main())


def test_a_key_that_expires_between_two_requests_of_a_connection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with World(snapshot={"keys": (key(expires_us=2_000_000),)}) as world:
            caller = await world.caller()
            for now_us, status in ((1_000_000, 200), (1_500_000, 200), (2_000_000, 401)):
                monkeypatch.setattr(plane_module, "time_ns", lambda now_us=now_us: now_us * 1000)
                caller.post(json.dumps(CHAT).encode(), fields=OURS)
                assert (await caller.answer()).status == status

    run(main())


def test_the_head_of_a_request_that_differs_from_the_last_one_is_its_own() -> None:
    async def main() -> None:
        async with World() as world:
            caller = await world.caller()
            for fields in ("x-a: 1\r\n", "x-a: 1\r\n", "x-a: 2\r\n", OWN, ""):
                caller.post(json.dumps(CHAT).encode(), fields=fields)
                assert (await caller.answer()).status == 200
            heads = [(each.headers.get("x-a"), "authorization" in each.headers) for each in world.main.asked]
            assert heads == [("1", False), ("1", False), ("2", False), (None, True), (None, False)]

    run(main())


def test_a_key_that_comes_before_the_first_snapshot_waits_for_it() -> None:
    async def main() -> None:
        async with World() as world:
            world.plane._is_told = False
            caller = await world.caller()
            caller.post(json.dumps(CHAT).encode(), fields=OURS)
            while not world.plane._waiting:  # noqa: ASYNC110
                await asyncio.sleep(0)
            world.take(keys=(key(),))
            assert (await caller.answer()).status == 200

    run(main())


def test_where_there_may_be_routes_no_call_is_sent_before_they_are_known() -> None:
    async def main() -> None:
        async with World() as world:
            world.plane._is_told = False
            world.plane.settings = replace(world.plane.settings, routes_first=True)
            caller = await world.caller()
            caller.post(json.dumps(CHAT).encode(), fields=OWN)
            while not world.plane._waiting:  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert not world.main.asked
            world.take(default_route=RouteNow(workload_id="", only=("nowhere",)))
            assert (await caller.answer()).status == 403
            assert not world.main.asked

    run(main())


def test_a_call_waits_while_the_workloads_of_the_routes_are_being_read() -> None:
    async def main() -> None:
        async with World() as world:
            world.plane._needs_places = world.plane._loading = True
            caller = await world.caller()
            caller.post(json.dumps(CHAT).encode(), fields=OWN)
            while not world.plane._waiting:  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert not world.main.asked
            read: asyncio.Future[Placing] = asyncio.get_running_loop().create_future()
            read.set_result(Placing.from_state(msgspec.json.encode(Grouper().to_json())))
            world.plane._loaded(read)
            assert (await caller.answer()).status == 200

    run(main())


def test_what_is_local_only_is_refused_rather_than_sent() -> None:
    async def main() -> None:
        route = RouteNow(workload_id="", only=("nowhere",))
        async with World(route=route) as world:
            got = await world.ask()
            assert got.status == 403
            assert not world.main.asked

    run(main())


# Other protocols


def test_an_anthropic_caller_is_answered_by_an_open_model() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            message = {"role": "assistant", "content": "hello"}
            answer = {"id": "c1", "model": "q", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                      "usage": {"prompt_tokens": 3, "completion_tokens": 1}}  # fmt: skip
            talk.whole(body=json.dumps(answer).encode())

        async with World(scripts={"main": ok, "open": script}, route=moved()) as world:
            got = await world.ask(MESSAGE, path="/v1/messages", fields="x-api-key: sk-ant\r\n")
            assert got.status == 200
            assert got.json["content"] == [{"type": "text", "text": "hello"}]
            assert (got.json["stop_reason"], got.json["usage"]["output_tokens"]) == ("end_turn", 1)
            asked = world.upstreams["open"].asked[0]
            assert asked.line == "POST /v1/chat/completions HTTP/1.1"
            assert asked.json["messages"] == [{"role": "user", "content": "hi"}]
            call = await world.heard.next()
            assert (call.protocol, call.spoken) == (Protocol.ANTHROPIC_MESSAGES, Protocol.OPENAI_CHAT)
            assert b'"choices"' in call.response
            assert call.served is Served.CANDIDATE

    run(main())


def test_a_translated_stream_is_a_stream_and_ends_in_an_error_event_when_it_is_cut() -> None:
    async def main() -> None:
        cut = False

        async def script(talk: Talk) -> None:
            talk.stream()
            talk.event(delta("hel"))
            await talk.writer.drain()
            if cut:
                talk.close()
                return
            talk.event({"id": "c", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]})
            talk.event({"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
            talk.event(b"[DONE]")
            talk.end()

        async with World(scripts={"main": ok, "open": script}, route=moved()) as world:
            got = await world.ask({**MESSAGE, "stream": True}, path="/v1/messages")
            kinds = [event["type"] for event in got.events]
            assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
            assert (
                "".join(event["delta"]["text"] for event in got.events if event["type"] == "content_block_delta")
                == "hello"
            )
            cut = True
            got = await world.ask({**MESSAGE, "stream": True}, path="/v1/messages")
            assert got.events[-1]["type"] == "error"
            assert (await world.heard.next(2)).ended is Ended.CUT

    run(main())


def test_an_error_in_another_dialect_is_said_in_the_callers() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(
                400, b'{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}'
            )

        async with World(scripts={"main": script}) as world:
            got = await world.ask(MESSAGE, path="/v1/messages")
            assert (got.status, got.json["error"]["type"]) == (400, "invalid_request_error")
            assert got.json["error"]["message"].startswith("prompt is too long")

    run(main())


def test_what_cannot_be_translated_goes_to_the_next_target_or_is_refused() -> None:
    async def main() -> None:
        given = {"main": {"dialect": "anthropic"}, "open": {"dialect": "openai"}}
        async with World(scripts={"main": ok, "open": ok}, given=given) as world:
            got = await world.ask({"model": "m", "input": "x"}, path="/v1/embeddings")
            assert (got.status, got.json["error"]["code"]) == (400, "cannot_be_translated")
            world.take(default_route=RouteNow(workload_id="", fallbacks=(TargetNow(upstream="open"),)))
            assert (await world.ask({"model": "m", "input": "x"}, path="/v1/embeddings")).status == 200

    run(main())


def test_tokens_are_estimated_where_the_upstream_cannot_count_them() -> None:
    async def main() -> None:
        async with World() as world:
            got = await world.ask(MESSAGE, path="/v1/messages/count_tokens")
            assert got.json["input_tokens"] > 0
            assert got.headers["x-fairlead-untranslated"] == "estimated"
            assert not world.main.asked

    run(main())


def test_a_candidate_is_asked_as_it_was_piloted() -> None:
    async def main() -> None:
        target = TargetNow(
            upstream="open", model="q", candidate_id="c1", parameters={"temperature": 0.2}, prompt="Be brief."
        )
        route = RouteNow(workload_id="", stage=Stage.MOVED, candidate=target)
        async with World(scripts={"main": ok, "open": ok}, route=route) as world:
            await world.ask({**CHAT, "max_completion_tokens": 5, "store": True, "stream": False})
            asked = world.upstreams["open"].asked[0].json
            assert asked["messages"][0] == {"role": "system", "content": "Be brief."}
            assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("q", 0.2, 5)
            assert "store" not in asked

    run(main())


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
ASKS = {**CHAT, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}


@pytest.mark.parametrize(
    ("said", "given", "by"),
    [('{"n": 1}', '{"n": 1}', "main"), ('```json\n{"n": 1}\n```', '{"n":1}', "main"), ('{"n": "one"}', '{"n": 2}', "spare"), ("no", '{"n": 2}', "spare")],
)  # fmt: skip
def test_structured_output_is_repaired_in_form_or_somebody_else_is_asked(said: str, given: str, by: str) -> None:
    async def main() -> None:
        def says(text: str):
            async def script(talk: Talk) -> None:
                message = {"role": "assistant", "content": text}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
                talk.whole(body=json.dumps({"choices": [choice], "usage": usage}).encode())

            return script

        route = RouteNow(workload_id="", repair=True, fallbacks=(TargetNow(upstream="spare"),))
        async with World(scripts={"main": says(said), "spare": says('{"n": 2}')}, route=route) as world:
            got = await world.ask(ASKS)
            assert got.json["choices"][0]["message"]["content"] == given
            assert got.headers["x-fairlead-upstream"] == by
            call = await world.heard.next()
            assert len(call.attempts) == (1 if by == "main" else 2)
            # What was thrown away was paid for: its tokens are told, those of the answer that was given stand in it.
            paid = [(each.model, each.input, each.output) for each in call.attempts]
            assert paid == ([("", None, None)] if by == "main" else [("m", 20, 5), ("", None, None)])

    run(main())


# Workloads


def grouped() -> Grouper:
    grouper = Grouper()
    for job in (
        "Sort the mail into folders by what it asks for.",
        "Write a reply to the customer's complaint, politely.",
    ):
        for number in range(40):
            grouper.learn(read(Protocol.OPENAI_CHAT, chat(job, f"letter {number} about {number * 7}")).request)
    grouper.link()
    return grouper


def chat(system: str, user: str) -> bytes:
    turns = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return json.dumps({"model": "m", "messages": turns}).encode()


def test_a_workloads_route_is_found_for_each_of_its_requests_and_told() -> None:
    async def main() -> None:
        grouper = grouped()
        wanted = grouper.place(
            read(Protocol.OPENAI_CHAT, chat("Sort the mail into folders by what it asks for.", "x")).request
        )
        assert wanted is not None
        route = RouteNow(workload_id=wanted.workload_id, stage=Stage.MOVED, candidate=TargetNow(upstream="open"))
        async with World(scripts={"main": ok, "open": ok}) as world:
            state = json.dumps(grouper.to_json()).encode()
            world.take(routes=(route,), grouper=state)
            while world.plane._placing is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            for user in ("one", "two", "one"):
                got = await world.ask(chat("Sort the mail into folders by what it asks for.", user))
                assert got.headers["x-fairlead-workload"] == wanted.workload_id
                assert got.headers["x-fairlead-upstream"] == "open"
            got = await world.ask(chat("Write a reply to the customer's complaint, politely.", "one"))
            assert got.headers["x-fairlead-upstream"] == "main"
            long = chat("Sort the mail into folders by what it asks for.", "y" * 300_000)
            assert (await world.ask(long)).headers["x-fairlead-upstream"] == "open"

    run(main())


def test_what_is_remembered_is_what_would_be_read() -> None:
    from fairlead.edge.gateway import bodies  # noqa: PLC0415

    placing, grouper = Placing(grouped()), grouped()
    for system in ("Sort the mail into folders by what it asks for.", "Unknown work", ""):
        for user in ("one", "two", "one"):
            body = chat(system, user)
            memo, known = placing.recall(Protocol.OPENAI_CHAT, bodies.read(body))
            found = placing.read(Protocol.OPENAI_CHAT, body, memo)
            assert known is None or known == found
            read_whole = grouper.place(read(Protocol.OPENAI_CHAT, body).request)
            assert found.workload_id == (None if read_whole is None else read_whole.workload_id)


def test_a_stream_that_is_shaped_for_a_candidate_still_tells_its_usage() -> None:
    async def main() -> None:
        target = TargetNow(upstream="open", model="q", candidate_id="c1")
        async with World(
            scripts={"main": ok, "open": ok}, route=RouteNow(workload_id="", stage=Stage.MOVED, candidate=target)
        ) as world:
            await world.ask(STREAM)
            assert world.upstreams["open"].asked[0].json["stream_options"] == {"include_usage": True}

    run(main())
