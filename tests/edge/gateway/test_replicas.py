"""Which replica is asked, by what way, and what becomes of one that is not well: real servers, real proxies, on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from edge.gateway.world import CHAT, QUICK, Answer, Talk, Upstream, World, ok, run
from fairlead.edge.gateway import call as calls
from fairlead.edge.gateway import health, lines, plane
from fairlead.serve.keys import hash_of
from fairlead.serve.snapshot import KeyNow, UpstreamNow

SECRET = "fl-" + "k" * 40


def replicas(world: World, **given: Any) -> None:
    """Let one upstream have every server of the world as a replica."""
    urls = tuple(each.url for each in world.upstreams.values())
    main = UpstreamNow(**{"name": "main", "urls": urls, "caller_key": True, **QUICK, "first_byte_s": 5.0, **given})
    world.take(upstreams=(main,))


class Gate:
    """A script that answers when it is told to; `waiting` grows as requests come."""

    def __init__(self) -> None:
        self.waiting = 0
        self._open = asyncio.Event()
        self._came = asyncio.Event()

    async def __call__(self, talk: Talk) -> None:
        self.waiting += 1
        self._came.set()
        await self._open.wait()
        talk.whole()

    def open(self) -> None:
        self._open.set()

    async def until(self, count: Callable[[], int], wanted: int) -> None:
        while count() < wanted:
            self._came.clear()
            await self._came.wait()


def test_of_the_replicas_the_one_with_the_least_on_its_way_is_asked() -> None:
    async def main() -> None:
        gate = Gate()
        async with World(scripts={"main": gate, "twin": gate}) as world:
            replicas(world)
            main_, twin = world.upstreams["main"], world.upstreams["twin"]
            asking: list[asyncio.Task[Answer]] = []
            for number in range(1, 7):
                asking.append(asyncio.create_task(world.ask()))
                await gate.until(lambda: len(main_.asked) + len(twin.asked), number)
            assert (len(main_.asked), len(twin.asked)) == (3, 3)
            gate.open()
            assert [answer.status for answer in await asyncio.gather(*asking)] == [200] * 6

    run(main())


def test_a_replica_that_is_slow_gets_no_more_while_another_is_free() -> None:
    async def main() -> None:
        gate = Gate()
        async with World(scripts={"main": gate, "twin": ok}) as world:
            replicas(world)
            slow = asyncio.create_task(world.ask())
            await gate.until(lambda: gate.waiting, 1)
            for _ in range(5):
                assert (await world.ask()).status == 200
            assert (len(world.main.asked), len(world.upstreams["twin"].asked)) == (1, 5)
            gate.open()
            await slow

    run(main())


def test_a_replica_that_says_it_is_not_well_is_left_alone_until_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "EVERY_S", 0.02)

    async def main() -> None:
        state = {"status": 503}
        looked = asyncio.Event()

        async def moody(talk: Talk) -> None:
            is_check = talk.asked.line.startswith("GET /v1/health") or talk.asked.line.startswith("GET /health")
            talk.whole(state["status"] if is_check else 200)
            if is_check:
                looked.set()

        async def looked_twice() -> None:
            for _ in range(2):  # the second begins when the first has been read
                looked.clear()
                await looked.wait()

        async with World(scripts={"main": moody, "twin": ok}) as world:
            replicas(world, health="/health")
            await looked_twice()
            for _ in range(4):
                assert (await world.ask()).status == 200
            asked = [each for each in world.main.asked if each.line.startswith("POST")]
            assert asked == []
            state["status"] = 200
            await looked_twice()
            await looked_twice()
            assert (await world.ask()).status == 200
            assert any(each.line.startswith("POST") for each in world.main.asked)

    run(main())


def test_when_every_replica_says_it_is_not_well_one_is_asked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "EVERY_S", 0.02)

    async def main() -> None:
        looked = asyncio.Event()

        async def unwell(talk: Talk) -> None:
            is_check = talk.asked.line.startswith("GET")
            talk.whole(503 if is_check else 200)
            if is_check:
                looked.set()

        async with World(scripts={"main": unwell}) as world:
            replicas(world, health="/health")
            await looked.wait()
            looked.clear()
            await looked.wait()
            assert (await world.ask()).status == 200

    run(main())


# Proxies


async def tunnel_or_ok(talk: Talk) -> None:
    """A proxy that answers in the place of whom it should ask, and closes a tunnel as soon as it is open."""
    if talk.asked.line.startswith("CONNECT"):
        talk.send(b"HTTP/1.1 200 Open\r\n\r\n")
        talk.close()
    else:
        talk.whole()


async def through(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, url: str = "http://model.example:8000/v1"
) -> tuple[Answer, Upstream]:
    """What a caller gets from an upstream behind a proxy, and the proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    proxy = await Upstream(tunnel_or_ok).start()
    for name, value in environ.items():
        monkeypatch.setenv(name, value.replace("PROXY", f"127.0.0.1:{proxy.port}"))
    async with World() as world:
        world.take(upstreams=(UpstreamNow(name="main", urls=(url,), caller_key=True, connect_s=8.0),))
        answer = await world.ask()
    await proxy.stop()
    return answer, proxy


def test_an_upstream_is_reached_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        answer, proxy = await through({"HTTP_PROXY": "http://ann:word@PROXY"}, monkeypatch)
        assert answer.status == 200
        (asked,) = proxy.asked
        assert asked.line == "POST http://model.example:8000/v1/chat/completions HTTP/1.1"
        assert asked.headers["host"] == "model.example:8000"
        assert asked.headers["proxy-authorization"] == "Basic YW5uOndvcmQ="

    run(main())


def test_an_encrypted_upstream_is_reached_through_a_tunnel_and_the_proxy_reads_none_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        answer, proxy = await through({"HTTPS_PROXY": "http://PROXY"}, monkeypatch, "https://model.example/v1")
        assert proxy.asked[0].line == "CONNECT model.example:443 HTTP/1.1"
        assert proxy.asked[0].body == b""
        assert answer.status == 502, "nobody stands at the end of this tunnel"

    run(main())


@pytest.mark.parametrize("listed", ["model.example", ".example", "*", "other.test, model.example:8000"])
def test_what_no_proxy_lists_is_not_asked_through_the_proxy(listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        answer, proxy = await through({"HTTP_PROXY": "http://PROXY", "NO_PROXY": listed}, monkeypatch)
        assert proxy.asked == []
        assert answer.status == 502
        assert "model.example" in answer.json["error"]["message"]

    run(main())


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        async with World() as world:
            assert (await world.ask()).status == 200

    run(main())


# The clock jumps

YEAR_NS = 365 * 86_400 * 10**9


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the clock of the wall forward or back for the data plane."""
    away = [0]
    real = plane.time_ns

    def time_ns() -> int:
        return real() + away[0]

    for module in (plane, calls):
        monkeypatch.setattr(module, "time_ns", time_ns)

    def by(ns: int) -> None:
        away[0] = ns

    return by


@pytest.mark.parametrize("by_ns", [YEAR_NS, -YEAR_NS])
def test_when_the_clock_jumps_limits_go_on_and_answers_come(jump: Callable[[int], None], by_ns: int) -> None:
    key = KeyNow(id="k1", hash=hash_of(SECRET.encode()), name="app", requests_per_minute=3)
    fields = f"authorization: Bearer {SECRET}\r\n"

    async def main() -> None:
        async with World(snapshot={"keys": (key,)}) as world:
            assert (await world.ask(fields=fields)).status == 200
            jump(by_ns)
            assert [(await world.ask(fields=fields)).status for _ in range(3)] == [200, 200, 429]
            jump(0)
            assert (await world.ask(fields=fields)).status == 429, "nor does setting it right give more of a minute"
            assert all(each.latency_s < 5 for each in world.heard.calls)

    run(main())


@pytest.mark.parametrize("by_ns", [YEAR_NS, -YEAR_NS])
def test_when_the_clock_jumps_an_open_breaker_stays_open_for_as_long_as_it_would_have(
    jump: Callable[[int], None], by_ns: int
) -> None:
    async def bad(talk: Talk) -> None:
        talk.whole(500)

    async def main() -> None:
        async with World(scripts={"main": bad, "twin": ok}) as world:
            replicas(world)
            for _ in range(5):
                assert (await world.ask()).status == 200
            asked = len(world.main.asked)
            jump(by_ns)
            for _ in range(3):
                assert (await world.ask()).status == 200
            assert len(world.main.asked) == asked

    run(main())


def test_a_stream_that_is_on_its_way_when_the_clock_jumps_is_neither_cut_nor_thought_late(
    jump: Callable[[int], None],
) -> None:
    async def script(talk: Talk) -> None:
        talk.stream()
        talk.event({"choices": [{"index": 0, "delta": {"content": "a"}}]})
        jump(YEAR_NS)
        await asyncio.sleep(0.05)  # several looks of whoever looks for what is late
        talk.event({"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]})
        talk.event(b"[DONE]")
        talk.end()

    async def main() -> None:
        async with World(scripts={"main": script}) as world:
            answer = await world.ask({**CHAT, "stream": True})
            assert [each["choices"][0]["delta"]["content"] for each in answer.events[:2]] == ["a", "b"]
            assert not answer.cut

    run(main())


def test_of_the_lines_that_a_flood_of_calls_left_over_only_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_SPARE", 2)

    async def main() -> None:
        gate = Gate()
        async with World(scripts={"main": gate}) as world:
            replicas(world)
            asking = [asyncio.create_task(world.ask()) for _ in range(6)]
            await gate.until(lambda: gate.waiting, 6)
            gate.open()
            await asyncio.gather(*asking)
            (replica,) = world.plane.upstreams["main"].replicas
            now = lines.monotonic()
            assert replica.origin.idle() == 6
            replica.origin.let_go(now + lines.SPARE_S / 2)
            assert replica.origin.idle() == 6, "the next calls may come at once"
            replica.origin.let_go(now + lines.SPARE_S + 1)
            assert replica.origin.idle() == 2
            replica.origin.let_go(now + lines.KEPT_S + 1)
            assert replica.origin.idle() == 0

    run(main())
