"""What a caller gets when something goes wrong: one test for each row of the table in docs/serve.md."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import subprocess
from pathlib import Path

import pytest

from edge.gateway.world import CHAT, MESSAGE, STREAM, Script, Talk, World, delta, free_port, ok, run
from fairlead.edge.gateway import lines
from fairlead.serve.frames import Ended, Served
from fairlead.serve.snapshot import Disconnect, RouteNow, Stage, TargetNow

SPARE = RouteNow(workload_id="", fallbacks=(TargetNow(upstream="spare"),))


async def hangs(talk: Talk) -> None:
    await talk.gone()


async def mid_header(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    await talk.writer.drain()
    talk.close()


async def garbage(talk: Talk) -> None:
    talk.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")


async def broken(talk: Talk) -> None:
    talk.whole(503, b'{"error":{"message":"busy"}}')


async def limited(talk: Talk) -> None:
    talk.whole(429, b'{"error":{"message":"slow down"}}', "retry-after: 7\r\n")


async def closes(talk: Talk) -> None:
    talk.close()


async def error_event(talk: Talk) -> None:
    talk.stream()
    talk.event({"error": {"message": "overloaded"}})
    await talk.gone()


async def role_then_hang(talk: Talk) -> None:
    talk.stream()
    talk.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
    await talk.gone()


async def spare(talk: Talk) -> None:
    if talk.asked.json.get("stream"):
        talk.stream()
        talk.event(delta("spare"))
        talk.event(b"[DONE]")
        talk.end()
    else:
        talk.whole(body=b'{"who":"spare"}')


def problem_in(answer: object, *, anthropic: bool = False) -> str:
    """The message of an error in its dialect's one shape."""
    assert isinstance(answer, dict)
    if anthropic:
        assert set(answer) == {"type", "error", "request_id"}
        assert set(answer["error"]) == {"type", "message"}
    else:
        assert set(answer) == {"error"}
        assert set(answer["error"]) == {"message", "type", "param", "code"}
    return str(answer["error"]["message"])


FAULTS: list[tuple[Script, int, str]] = [
    (hangs, 504, "nothing came within 0.3 s"),
    (mid_header, 502, "it closed the connection before it answered"),
    (garbage, 502, "not HTTP"),
    (closes, 502, "it closed the connection before it answered"),
]


@pytest.mark.parametrize("anthropic", [False, True], ids=["openai", "anthropic"])
@pytest.mark.parametrize(("script", "status", "words"), FAULTS, ids=[f[0].__name__ for f in FAULTS])
def test_without_an_answer_the_caller_is_told_why(script: Script, status: int, words: str, anthropic: bool) -> None:
    async def main() -> None:
        given = {"main": {"dialect": "anthropic"}} if anthropic else {}
        async with World(scripts={"main": script}, given=given) as world:
            got = await world.ask(MESSAGE if anthropic else CHAT, path="/v1/messages" if anthropic else "/v1/responses")
            assert got.status == status
            assert words in problem_in(got.json, anthropic=anthropic)
            call = await world.heard.next()
            assert call.ended is (Ended.TIMEOUT if status == 504 else Ended.UPSTREAM_ERROR)
            assert call.attempts[-1].status is None
            assert world.plane.upstreams["main"].replicas[0].in_flight == 0

    run(main())


BEFORE_CONTENT = [hangs, mid_header, garbage, closes, broken, limited, error_event, role_then_hang]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("script", BEFORE_CONTENT, ids=lambda script: script.__name__)
def test_before_the_first_content_somebody_else_answers(script: Script, streamed: bool) -> None:
    async def main() -> None:
        async with World(scripts={"main": script, "spare": spare}, route=SPARE) as world:
            got = await world.ask(STREAM if streamed else CHAT)
            assert got.status == 200
            assert b"spare" in got.body
            assert b"error" not in got.body
            assert got.headers["x-fairlead-upstream"] == "spare"
            call = await world.heard.next()
            assert (call.ended, call.upstream) == (Ended.DONE, "spare")
            assert [attempt.upstream for attempt in call.attempts] == ["main", "spare"]
            assert call.attempts[0].problem

    run(main())


def test_an_upstream_that_refuses_connections_is_told_or_replaced() -> None:
    async def main() -> None:
        given = {"main": {"urls": (f"http://127.0.0.1:{free_port()}/v1",)}}
        async with World(given=given) as world:
            got = await world.ask()
            assert got.status == 502
            assert "connection refused" in problem_in(got.json)
        async with World(scripts={"main": ok, "spare": spare}, given=given, route=SPARE) as world:
            assert (await world.ask()).json == {"who": "spare"}

    run(main())


def test_a_name_that_is_not_known_is_told() -> None:
    async def main() -> None:
        async with World(given={"main": {"urls": ("http://no-such-host.invalid/v1",), "connect_s": 5.0}}) as world:
            got = await world.ask()
            assert got.status == 502
            assert "no-such-host.invalid" in problem_in(got.json)
            assert (await world.heard.next()).attempts[0].problem == "name not found"

    run(main())


def test_a_stream_that_is_cut_ends_in_an_error_event() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.stream()
            talk.event(delta("a"))
            talk.chunk(b'data: {"half":')
            await talk.writer.drain()
            talk.close()

        async with World(scripts={"main": script, "spare": spare}, route=SPARE) as world:
            got = await world.ask(STREAM)
            assert (got.status, got.cut) == (200, False)
            assert got.events[0] == delta("a")
            assert "in the middle of its answer" in problem_in(got.events[1])
            call = await world.heard.next()
            assert (call.ended, call.upstream, len(call.attempts)) == (Ended.CUT, "main", 1)
            assert b'"half"' in call.response

    run(main())


def test_an_anthropic_stream_that_stalls_ends_in_an_error_event() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.stream()
            talk.chunk(b'event: ping\ndata: {"type":"ping"}\n\n')
            await talk.gone()

        async with World(scripts={"main": script}, given={"main": {"dialect": "anthropic"}}) as world:
            got = await world.ask({**MESSAGE, "stream": True}, path="/v1/messages")
            assert b"event: error\n" in got.body
            assert "nothing more came for 0.3 s" in problem_in(got.events[1], anthropic=True)
            assert (await world.heard.next()).ended is Ended.TIMEOUT

    run(main())


def test_a_whole_answer_that_is_cut_is_seen_to_be_cut() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
            await talk.writer.drain()
            talk.close()

        async with World(scripts={"main": script}) as world:
            got = await world.ask()
            assert (got.status, got.body, got.cut) == (200, b"{", True)
            assert (await world.heard.next()).ended is Ended.CUT

    run(main())


@pytest.mark.parametrize("fields", ["retry-after: 7\r\n", ""], ids=["with retry-after", "without"])
def test_a_limit_is_passed_on_with_its_wait(fields: str) -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(429, b'{"error":{"message":"slow down"}}', fields)

        async with World(scripts={"main": script}) as world:
            got = await world.ask()
            assert (got.status, got.body) == (429, b'{"error":{"message":"slow down"}}')
            assert got.headers.get("retry-after") == ("7" if fields else None)
            assert (await world.heard.next()).ended is Ended.UPSTREAM_ERROR

    run(main())


def test_while_a_limit_lasts_the_fallback_is_asked_at_once() -> None:
    async def main() -> None:
        async with World(scripts={"main": limited, "spare": spare}, route=SPARE) as world:
            for _ in range(3):
                assert (await world.ask()).json == {"who": "spare"}
            assert len(world.main.asked) == 1

    run(main())


def test_a_burst_of_errors_opens_the_breaker_and_one_probe_closes_it() -> None:
    async def main() -> None:
        async with World(scripts={"main": broken, "spare": spare}, route=SPARE) as world:
            replica = world.plane.upstreams["main"].replicas[0]
            for _ in range(8):
                assert (await world.ask()).json == {"who": "spare"}
            assert len(world.main.asked) == 5
            world.main.script = ok
            replica._open_until = 0.0  # as time does
            assert (await world.ask()).json == {"ok": 1}
            assert (await world.ask()).json == {"ok": 1}

    run(main())


def test_an_error_that_nobody_can_replace_is_passed_on_as_it_was() -> None:
    async def main() -> None:
        async with World(scripts={"main": broken, "spare": limited}, route=SPARE) as world:
            for _ in range(6):  # an open breaker refuses nobody for whom nobody else answers
                got = await world.ask()
                assert (got.status, got.body) == (429, b'{"error":{"message":"slow down"}}')
                assert got.headers["retry-after"] == "7"

    run(main())


def test_a_callers_own_mistake_is_passed_on_and_asks_nobody_else() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(400, b'{"error":{"message":"bad"}}')

        async with World(scripts={"main": script, "spare": spare}, route=SPARE) as world:
            assert (await world.ask()).status == 400
            assert not world.upstreams["spare"].asked
            assert world.plane.upstreams["main"].replicas[0].failures == 0

    run(main())


def test_a_candidate_that_is_set_up_wrongly_costs_the_caller_nothing() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.whole(404, b'{"error":{"message":"no such model"}}')

        route = RouteNow(workload_id="", stage=Stage.MOVED, candidate=TargetNow(upstream="open", model="q"))
        async with World(scripts={"main": ok, "open": script}, route=route) as world:
            got = await world.ask()
            assert got.json == {"ok": 1}
            call = await world.heard.next()
            assert (call.served, call.stage, call.upstream) == (Served.INCUMBENT, "moved", "main")
            assert [attempt.status for attempt in call.attempts] == [404, 200]
            assert [attempt.side for attempt in call.attempts] == [Served.CANDIDATE, Served.INCUMBENT]
            assert world.upstreams["open"].asked[0].json["model"] == "q"
            assert world.main.asked[0].json["model"] == "m"

    run(main())


def test_a_candidate_on_the_incumbents_own_server_is_fallen_back_from_too() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            if talk.asked.json["model"] == "q":
                talk.whole(503, b'{"error":{"message":"no room for this model"}}')
            else:
                talk.whole()

        route = RouteNow(workload_id="", stage=Stage.MOVED, candidate=TargetNow(upstream="main", model="q"))
        async with World(scripts={"main": script}, route=route) as world:
            got = await world.ask()
            assert got.json == {"ok": 1}
            call = await world.heard.next()
            assert (call.served, call.upstream) == (Served.INCUMBENT, "main")
            assert [(each.side, each.status) for each in call.attempts] == [
                (Served.CANDIDATE, 503),
                (Served.INCUMBENT, 200),
            ]
            assert [each.json["model"] for each in world.main.asked] == ["q", "m"]

    run(main())


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_in_silence() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            if talk.number == 1 and len(world.main.asked) == 2:
                talk.abort()  # as a server does that closes an idle connection just as a request comes
            else:
                talk.whole()

        async with World() as world:
            world.main.script = script
            assert (await world.ask()).status == 200
            assert (await world.ask()).status == 200
            assert world.main.connections == 2
            assert len((await world.heard.next(2)).attempts) == 1

    run(main())


def test_a_slow_drip_is_no_fault() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.stream()
            for letter in b'data: {"a":1}\n\n':
                talk.chunk(bytes([letter]))
                await talk.writer.drain()
                await asyncio.sleep(0)
            talk.end()

        async with World(scripts={"main": script}) as world:
            got = await world.ask(STREAM)
            assert got.events == [{"a": 1}]

    run(main())


@pytest.mark.parametrize("how", [Disconnect.CANCEL, Disconnect.DRAIN])
def test_when_the_caller_goes_the_upstream_is_stopped_or_read_to_its_end(how: Disconnect) -> None:
    async def main() -> None:
        stopped = asyncio.Event()
        gone = asyncio.Event()

        async def script(talk: Talk) -> None:
            talk.stream()
            talk.event(delta("a"))
            await gone.wait()
            if how is Disconnect.CANCEL:
                await talk.gone()
                stopped.set()
                return
            talk.event(delta("b", usage={"total_tokens": 3}))
            talk.end()

        route = RouteNow(workload_id="", disconnect=how)
        async with World(scripts={"main": script}, route=route) as world:
            caller = await world.caller()
            caller.post(json.dumps(STREAM).encode())
            await caller.head()
            await caller.chunk()
            caller.close()
            while world.plane._fronts:  # noqa: ASYNC110
                await asyncio.sleep(0)
            gone.set()
            call = await world.heard.next()
            assert call.ended is Ended.CLIENT_CLOSED
            assert b'"a"' in call.response
            assert (b"total_tokens" in call.response) == (how is Disconnect.DRAIN)
            if how is Disconnect.CANCEL:
                await stopped.wait()

    run(main())


def test_a_drained_answer_is_read_for_a_bounded_time_only() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.stream()
            while not talk.writer.is_closing():
                talk.event(delta("and on"))
                await asyncio.sleep(0.01)

        route = RouteNow(workload_id="", disconnect=Disconnect.DRAIN)
        async with World(scripts={"main": script}, route=route, settings={"drain_s": 0.1}) as world:
            caller = await world.caller()
            caller.post(json.dumps(STREAM).encode())
            await caller.head()
            caller.close()
            assert (await world.heard.next()).ended is Ended.CLIENT_CLOSED

    run(main())


def test_a_caller_that_reads_slowly_slows_the_upstream_down() -> None:
    async def main() -> None:
        sent = 0
        piece = b"data: " + b"x" * 65536 + b"\n\n"

        async def script(talk: Talk) -> None:
            nonlocal sent
            talk.stream()
            for _ in range(240):
                talk.chunk(piece)
                await talk.writer.drain()
                sent += 1
            talk.end()

        async with World(scripts={"main": script}, given={"main": {"idle_s": 5.0}}) as world:
            caller = await world.caller()
            caller.writer.transport.pause_reading()
            caller.post(json.dumps(STREAM).encode())
            before = -1
            while before != sent or sent == 0:
                before = sent
                await asyncio.sleep(0.05)
            assert sent < 220, "the upstream had to wait"
            caller.writer.transport.resume_reading()
            got = await caller.answer()
            assert len(got.body) == 240 * len(piece)

    run(main())


def test_a_caller_that_reads_nothing_is_let_go() -> None:
    async def main() -> None:
        async def script(talk: Talk) -> None:
            talk.stream()
            for _ in range(1000):
                talk.chunk(b"x" * 65536)
                await talk.writer.drain()

        async with World(scripts={"main": script}, settings={"write_s": 0.1}) as world:
            caller = await world.caller()
            caller.writer.transport.pause_reading()
            caller.post(json.dumps(STREAM).encode())
            assert (await world.heard.next()).ended is Ended.CLIENT_CLOSED

    run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "not trusted"])
def test_tls_is_verified_with_the_authorities_of_the_environment(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    monkeypatch.setattr(lines, "_AUTHORITIES", [])

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        async with World() as world:
            server = await asyncio.start_server(world.main._serve, "127.0.0.1", 0, ssl=context)
            port = server.sockets[0].getsockname()[1]
            url = f"https://localhost:{port}/v1"
            known = world.plane.snapshot.upstreams[0]
            world.take(upstreams=(type(known)(name="main", urls=(url,), caller_key=True, connect_s=3.0),))
            got = await world.ask()
            if trusted:
                assert got.json == {"ok": 1}
            else:
                assert got.status == 502
                assert "its certificate is not trusted" in problem_in(got.json)
            server.close()

    run(main())


def test_what_a_broken_stream_held_before_its_content_reaches_nobody() -> None:
    async def main() -> None:
        async with World(scripts={"main": role_then_hang, "spare": spare}, route=SPARE) as world:
            got = await world.ask(STREAM)
            assert got.events == [delta("spare"), "[DONE]"]

    run(main())


def test_a_packed_body_that_is_a_bomb_is_refused() -> None:
    async def main() -> None:
        async with World(settings={"max_body_bytes": 2**20}) as world:
            bomb = gzip.compress(b"a" * 2**22)
            got = await world.ask(bomb, fields="content-encoding: gzip\r\n")
            assert got.status == 400
            assert "over 1 MiB when unpacked" in problem_in(got.json)
            assert not world.main.asked

    run(main())
