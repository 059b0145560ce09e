"""The same protocol on both sides: what comes goes on, byte by byte, and one exchange is told of each."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import socket
import zlib

import pytest

from edge.gateway.world import CHAT, MESSAGE, PATIENCE_S, STREAM, Talk, World, delta, ok, run
from fairlead.edge.gateway.call import Call as Served
from fairlead.edge.gateway.front import Front
from fairlead.edge.gateway.lines import Line
from fairlead.serve.frames import Call, Ended, Protocol, plain_response
from fairlead.serve.snapshot import RouteNow, Stage, TargetNow

ODD = b'{ "model":"m",  "unknown":{"a":[1.50,1e3,"\\u00e9"]},\n"messages":[{"role":"user","content":"hi"}]}'


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/v1/chat/completions", Protocol.OPENAI_CHAT),
        ("/v1/responses", Protocol.OPENAI_RESPONSES),
        ("/v1/embeddings", Protocol.OPENAI_EMBEDDINGS),
        ("/v1/completions", Protocol.OPENAI_COMPLETIONS),
    ],
)
def test_a_request_and_its_answer_pass_byte_by_byte(path: str, protocol: Protocol) -> None:
    answer = b'{ "id" : "x",\n "extra": [1.0, 2.50] }'

    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(body=answer, fields="x-request-id: r1\r\nset-cookie: a=1\r\n")

        async with World(scripts={"main": script}) as world:
            got = await world.ask(ODD, path=path, fields="x-stainless-lang: python\r\nauthorization: Bearer sk-own\r\n")
            asked = world.main.asked[0]
            assert (asked.line, asked.body) == (f"POST {path} HTTP/1.1", ODD)
            assert asked.headers["x-stainless-lang"] == "python"
            assert asked.headers["authorization"] == "Bearer sk-own"
            assert (got.status, got.body) == (200, answer)
            assert (got.headers["x-request-id"], got.headers["set-cookie"]) == ("r1", "a=1")
            assert (got.headers["x-fairlead-upstream"], got.headers["x-fairlead-stage"]) == ("main", "stay")
            call = await world.heard.next()
            assert (call.protocol, call.request, call.response, call.status) == (protocol, ODD, answer, 200)
            assert (call.ended, call.own_key, call.key_id, call.upstream) == (Ended.DONE, True, None, "main")
            assert call.added_s is not None
            assert b"sk-own" not in repr(call).encode()

    run(main())


def test_models_are_listed_by_whom_the_caller_speaks_to() -> None:
    async def main() -> None:
        given = {"claude": {"dialect": "anthropic", "caller_key": True}}
        scripts = {"main": _named(b"openai"), "claude": _named(b"anthropic")}
        async with World(scripts=scripts, settings={"anthropic": "claude"}, given=given) as world:
            assert (await world.ask(b"", path="/v1/models", method="GET")).body == b"openai"
            assert (await world.ask(b"", path="/v1/models/a/b:c", method="GET")).body == b"openai"
            got = await world.ask(b"", path="/v1/models?limit=3", method="GET", fields="x-api-key: k\r\n")
            assert got.body == b"anthropic"
            assert world.upstreams["claude"].asked[0].line == "GET /v1/models?limit=3 HTTP/1.1"

    run(main())


def _named(name: bytes):
    async def script(talk: Talk) -> None:
        talk.whole(body=name)

    return script


def test_a_stream_passes_with_unknown_events_and_its_gaps_kept() -> None:
    pieces = [b": comment\n\n", b'event: odd\ndata: {"a":  1}\n\n', b"data: [DONE]\n\n"]

    async def main() -> None:
        told: list[bytes] = []

        async def script(talk: Talk) -> None:
            talk.stream()
            for piece in pieces:
                talk.chunk(piece)
                await talk.reader.readexactly(1)  # the caller has it: only then the next one is said
            talk.end()

        route = RouteNow(workload_id="", inject_usage=False)
        async with World(scripts={"main": script}, route=route) as world:
            caller = await world.caller()
            body = json.dumps(STREAM).encode()
            caller.post(body)
            assert (await caller.head())[0] == 200
            line = next(iter(world.main.asked), None)
            assert line is not None
            for _ in pieces:
                told.append(await caller.chunk())
                upstream_line = next(iter(world.plane._calls))._asked
                assert upstream_line is not None
                assert upstream_line.line is not None
                assert upstream_line.line.transport is not None
                upstream_line.line.transport.write(b".")
            assert told == pieces
            assert await caller.chunk() == b""
            assert world.main.asked[0].body == body
            assert (await world.heard.next()).response == b"".join(pieces)

    run(main())


USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


async def counting(talk: Talk) -> None:
    """An upstream that does as OpenAI does when usage is asked for."""
    wants = talk.asked.json.get("stream_options", {}).get("include_usage")
    more = {"usage": None} if wants else {}
    talk.stream()
    talk.event(delta("a", **more))
    talk.event(delta('says "usage": null, and ,"usage":null', **more))
    if wants:
        talk.event({"id": "c", "choices": [], "usage": USAGE})
    talk.event(b"[DONE]")
    talk.end()


def test_usage_is_asked_for_and_taken_out_again() -> None:
    async def main() -> None:
        plain = RouteNow(workload_id="", inject_usage=False)
        async with World(scripts={"main": counting}, route=plain) as world:
            without = await world.ask(STREAM)
            assert "stream_options" not in world.main.asked[0].json
        async with World(scripts={"main": counting}) as world:
            got = await world.ask(STREAM)
            assert world.main.asked[0].json == {**STREAM, "stream_options": {"include_usage": True}}
            assert got.events == without.events
            call = await world.heard.next()
            assert b'"total_tokens": 7' in call.response
            assert call.injected
            assert call.request == json.dumps(STREAM).encode()

    run(main())


def test_usage_that_the_caller_asked_for_stays() -> None:
    async def main() -> None:
        async with World(scripts={"main": counting}) as world:
            body = {**STREAM, "stream_options": {"include_usage": True}}
            got = await world.ask(body)
            assert world.main.asked[0].body == json.dumps(body).encode()
            assert got.events[2]["usage"] == USAGE
            other = await world.ask({**STREAM, "stream_options": {"include_usage": False, "odd": 1}})
            assert world.main.asked[1].json["stream_options"] == {"include_usage": True, "odd": 1}
            assert all("usage" not in event for event in other.events[:-1])

    run(main())


def test_a_packed_answer_passes_packed_and_is_told_with_its_packing() -> None:
    packed = gzip.compress(b'{"id":"x"}')

    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(body=packed, fields="content-encoding: gzip\r\n")

        async with World(scripts={"main": script}) as world:
            got = await world.ask(fields="accept-encoding: gzip, deflate, br, zstd\r\n")
            assert world.main.asked[0].headers["accept-encoding"] == "gzip, deflate"
            assert (got.body, got.headers["content-encoding"]) == (packed, "gzip")
            call = await world.heard.next()
            assert (call.encoding, plain_response(call)) == ("gzip", b'{"id":"x"}')

    run(main())


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize("packed", [zlib.compress(b'{"id":"x"}'), raw_deflate(b'{"id":"x"}')])
def test_a_deflated_answer_passes_as_it_is_and_is_read_for_the_record_with_its_envelope_or_without(
    packed: bytes,
) -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(body=packed, fields="content-encoding: deflate\r\n")

        async with World(scripts={"main": script}) as world:
            got = await world.ask(fields="accept-encoding: deflate\r\n")
            assert (got.body, got.headers["content-encoding"]) == (packed, "deflate")
            assert plain_response(await world.heard.next()) == b'{"id":"x"}'

    run(main())


def test_a_packing_that_nobody_asked_for_and_the_record_cannot_undo_passes_as_it_is() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(body=b"\x0b\x02brotli", fields="content-encoding: br\r\n")

        async with World(scripts={"main": script}) as world:
            got = await world.ask(fields="accept-encoding: br\r\n")
            assert world.main.asked[0].headers["accept-encoding"] == "identity"
            assert (got.body, got.headers["content-encoding"]) == (b"\x0b\x02brotli", "br")
            call = await world.heard.next()
            assert (call.encoding, plain_response(call)) == ("br", b"\x0b\x02brotli")

    run(main())


def test_trailers_end_an_answer_like_any_other_end_and_are_not_passed_on() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.stream("trailer: x-sum\r\n")
            talk.event({"a": 1})
            talk.send(b"0\r\nx-sum: 7\r\n\r\n")

        async with World(scripts={"main": script}) as world:
            for _ in range(2):  # over the same connections
                got = await world.ask(STREAM)
                assert (got.events, "trailer" in got.headers) == ([{"a": 1}], False)
            assert world.main.connections == 1

    run(main())


def test_with_every_call_shadowed_the_whole_answer_is_with_the_caller_before_anybody_hears_of_the_shadow() -> None:
    """Whoever asks the shadow knows of a call by its frame alone, and while the frame is handed over nothing else can run here."""
    seen: list[bytes] = []

    async def main() -> None:
        candidate = TargetNow(upstream="spare", candidate_id="c1")
        route = RouteNow(workload_id="", stage=Stage.SHADOW, candidate=candidate, shadow_share=1.0)
        async with World(scripts={"main": ok, "spare": ok}, route=route) as world:
            loop = asyncio.get_running_loop()
            with socket.socket() as caller:
                caller.setblocking(False)
                await loop.sock_connect(caller, ("127.0.0.1", world.port))
                keep = world.heard.call

                def told(call: Call) -> None:
                    caller.settimeout(PATIENCE_S)  # reads what the kernel holds for the caller; this loop stands still
                    seen.append(caller.recv(65536))
                    caller.setblocking(False)
                    assert call.pair_wanted
                    keep(call)

                world.heard.call = told  # type: ignore[method-assign]
                for number in range(1, 4):
                    body = json.dumps(CHAT).encode()
                    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
                    await loop.sock_sendall(caller, head.encode() + body)
                    await world.heard.next(number)
            assert world.upstreams["spare"].asked == []

    run(main())
    assert [each.endswith(b'{"ok":1}') for each in seen] == [True, True, True]


def test_a_packed_stream_with_usage_asked_for_comes_unpacked() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            data = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (delta("a", usage=None),))
            talk.stream("content-encoding: gzip\r\n")
            talk.chunk(gzip.compress(data))
            talk.end()

        async with World(scripts={"main": script}) as world:
            got = await world.ask(STREAM)
            assert "content-encoding" not in got.headers
            assert got.events == [delta("a")]
            assert (await world.heard.next()).encoding == ""

    run(main())


def test_a_packed_request_passes_packed_and_is_told_plain() -> None:
    async def main() -> None:
        async with World() as world:
            body = gzip.compress(ODD)
            assert (await world.ask(body, fields="content-encoding: gzip\r\n")).status == 200
            assert world.main.asked[0].body == body
            assert world.main.asked[0].headers["content-encoding"] == "gzip"
            assert (await world.heard.next()).request == ODD
            got = await world.ask(body[:-9], fields="content-encoding: gzip\r\n")
            assert got.status == 400
            got = await world.ask(body, fields="content-encoding: br\r\n")
            assert got.status == 400

    run(main())


def test_ten_megabytes_pass_both_ways() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(body=talk.asked.body)

        async with World(scripts={"main": script}) as world:
            body = json.dumps({**CHAT, "image": "A" * 10_500_000}).encode()
            assert (await world.ask(body)).body == body

    run(main())


def test_another_model_is_asked_for_by_changing_its_name_only() -> None:
    async def main() -> None:
        async with World(snapshot={"aliases": {"m": "ä/qwen3"}}) as world:
            await world.ask(ODD)
            assert world.main.asked[0].body == ODD.replace(b'"model":"m"', '"model":"ä/qwen3"'.encode())
            nested = b'{"tools":[{"p":{"model":"m"}}],"model":"m","messages":[]}'
            await world.ask(nested)
            assert world.main.asked[1].body == nested.replace(b'"model":"m","mess', '"model":"ä/qwen3","mess'.encode())
            escaped = b'{"\\u006dodel":"m","x":{"model":"m"}}'
            await world.ask(escaped)
            assert world.main.asked[2].json == {"model": "ä/qwen3", "x": {"model": "m"}}

    run(main())


def test_anthropic_requests_pass_with_their_own_fields() -> None:
    async def main() -> None:
        async with World(given={"main": {"dialect": "anthropic"}}) as world:
            fields = "x-api-key: sk-ant-own\r\nanthropic-version: 2024-01-01\r\nanthropic-beta: b1\r\n"
            await world.ask(MESSAGE, path="/v1/messages?beta=true", fields=fields)
            asked = world.main.asked[0]
            assert asked.line == "POST /v1/messages?beta=true HTTP/1.1"
            assert asked.headers["x-api-key"] == "sk-ant-own"
            assert (asked.headers["anthropic-version"], asked.headers["anthropic-beta"]) == ("2024-01-01", "b1")
            await world.ask(MESSAGE, path="/v1/messages/count_tokens")
            assert world.main.asked[1].line == "POST /v1/messages/count_tokens HTTP/1.1"

    run(main())


def test_who_answered_is_told_unless_switched_off() -> None:
    async def main() -> None:
        async with World(snapshot={"response_headers": False}) as world:
            got = await world.ask()
            assert not [name for name in got.headers if name.startswith("x-fairlead")]

    run(main())


def test_a_connection_that_is_closed_leaves_nothing_for_the_garbage_collector() -> None:
    def left() -> list[object]:
        return [each for each in gc.get_objects() if isinstance(each, Front | Line | Served)]

    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(fields="connection: close\r\n")
            talk.close()

        async with World(scripts={"main": script}) as world:
            gc.collect()
            before = left()
            gc.disable()
            try:
                for _ in range(5):
                    caller = await world.caller()
                    caller.post(json.dumps(CHAT).encode())
                    assert (await caller.answer()).status == 200
                    caller.close()
                while len(left()) > len(before):  # noqa: ASYNC110  # nothing tells of it, and the test's patience has an end
                    await asyncio.sleep(0.05)
            finally:
                gc.enable()

    run(main())
