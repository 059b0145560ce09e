"""A head that came before on a connection: told by its bytes, and never read otherwise than the parser would read it."""

from __future__ import annotations

import asyncio
import json
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.gateway.world import CHAT, World, run
from fairlead.edge.gateway import front as front_module
from fairlead.edge.gateway.front import Front, Incoming
from fairlead.edge.gateway.same_head import SameHead, same_head
from fairlead.edge.serve_settings import ServeSettings
from fairlead.serve.keys import new_key
from fairlead.serve.snapshot import KeyNow

KEY = new_key(bytes(range(32)))
OURS = f"authorization: Bearer {KEY.secret}\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n"


class Wire:
    """Stands where a socket would."""

    def __init__(self) -> None:
        self.out = b""
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.out += data

    def abort(self) -> None:
        self.ended = "aborted"

    def close(self) -> None:
        self.ended = "closed"

    def write_eof(self) -> None:
        self.ended = "finished"

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, **_: object) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Desk:
    """Stands where a data plane would: takes every request, and answers at once with nothing."""

    def __init__(self, *, remembers: bool) -> None:
        self.settings = ServeSettings(max_body_bytes=200)
        self.draining = False
        self.remembers = remembers
        self.taken: list[tuple[object, ...]] = []
        self.unparsed = 0
        self.keys: Any = object()

    def same_head(self, data: bytes, incoming: Incoming) -> SameHead | None:
        return same_head(data, incoming, keys=self.keys, most=self.settings.max_body_bytes) if self.remembers else None

    def lets_in(self, same: SameHead) -> bool:
        self.unparsed += 1
        return same.keys is self.keys

    def begin(self, front: Front, incoming: Incoming) -> None:
        fields = [pair for pair in incoming.fields if pair[0] != b"content-length"]
        self.taken.append((incoming.url, incoming.query, incoming.method, fields, incoming.keep, incoming.body))
        front.finished(keep=incoming.keep)

    def gate(self, *_: object) -> None: ...

    def joined(self, *_: object) -> None: ...

    def refused(self, *_: object) -> None: ...

    def new_id(self) -> str:
        return "c1"


def taken(desk: Desk, *reads: bytes, last: int = 1) -> tuple[object, ...]:
    """What came of the last reads on a connection: who was asked what, and what the caller was told."""
    front, wire = Front(desk), Wire()  # type: ignore[arg-type]
    front.connection_made(wire)  # type: ignore[arg-type]
    for number, read in enumerate(reads):
        if number == len(reads) - last:
            desk.taken.clear()
            wire.out = b""
        front.data_received(read)
    return [*desk.taken], wire.out, wire.ended


def split(data: bytes, places: list[float]) -> list[bytes]:
    """The same bytes as several reads."""
    cuts = sorted({round(place * len(data)) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(cuts)]


FIELDS = [b"host: x", b"Content-Type: application/json", b"x-api-key:k", b"content-length: %d", b"accept: */*"]


def request(fields: list[bytes], body: bytes) -> bytes:
    head = b"\r\n".join([*fields, b"", b""])
    return POST + head.replace(b"%d", b"%d" % len(body)) + body


@settings(max_examples=300, deadline=None)
@given(
    fields=st.permutations(FIELDS),
    bodies=st.tuples(st.binary(max_size=120), st.binary(max_size=260)),
    at=st.floats(0, 1),
    gone=st.integers(0, 3),
    put=st.sampled_from(
        [b"", b"", b"\n", b"\r\n", b" ", b"0", b"1", b"+", b",", b"\r\n\r\n", b"POST ", b"content-length: 1\r\n"]
    ),
)
@example(fields=FIELDS, bodies=(b"{}", b"{}"), at=1.0, gone=0, put=b"POST ")
def test_what_comes_after_a_request_is_read_as_it_would_be_on_a_new_connection(
    fields: list[bytes], bodies: tuple[bytes, bytes], at: float, gone: int, put: bytes
) -> None:
    first, second = (request(fields, body) for body in bodies)
    place = round(at * len(second))
    second = second[:place] + put + second[place + gone :]
    assert taken(Desk(remembers=True), first, second) == taken(Desk(remembers=False), second)


@settings(max_examples=300, deadline=None)
@given(
    fields=st.permutations(FIELDS),
    bodies=st.lists(st.binary(max_size=210), min_size=2, max_size=4),
    first_at=st.floats(0, 1),
    places=st.lists(st.floats(0, 1), max_size=3),
    heads_apart=st.booleans(),
    after=st.sampled_from([b"", b"", b"\r\n", b"x", b"POST ", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"]),
)
def test_a_body_that_comes_after_its_head_is_read_as_it_would_be_on_a_new_connection(
    *,
    fields: list[bytes],
    bodies: list[bytes],
    first_at: float,
    places: list[float],
    heads_apart: bool,
    after: bytes,
) -> None:
    asked = [request(fields, body) for body in bodies]
    first = split(asked[0], [first_at])
    if heads_apart:
        head = len(asked[0]) - len(bodies[0])
        first = [piece for piece in (asked[0][:head], asked[0][head:]) if piece]
    later = [piece for each in asked[1:-1] for piece in split(each, places)]
    later += split(asked[-1] + after, places)
    remembering = Desk(remembers=True)
    assert taken(remembering, *first, *later, last=len(later)) == taken(Desk(remembers=False), *later, last=len(later))


@pytest.mark.parametrize(
    "length", [b"+2", b"-2", b" 2 ", b"2, 2", b"0x2", b"2;", b"\xc2\xb2", b"", b"99999999999999999999", b"1"]
)
def test_a_length_that_is_no_number_of_just_these_bytes_is_left_to_the_parser(length: bytes) -> None:
    first, second = request(FIELDS, b"[]"), request(FIELDS, b"{}").replace(b"length: 2", b"length: " + length)
    desk = Desk(remembers=True)
    assert taken(desk, first, second) == taken(Desk(remembers=False), second)
    assert not desk.unparsed


@pytest.mark.parametrize("cuts", [[], [0.5], [0.99], [0.3, 0.6]])
def test_a_head_that_came_before_is_not_read_again_where_it_comes_without_its_body(cuts: list[float]) -> None:
    desk = Desk(remembers=True)
    wholes = [(request(FIELDS, b"x" * size), size) for size in (2, 150, 9)]
    asked = [[whole[:-size], *split(whole[-size:], cuts)] for whole, size in wholes]
    last = len(asked[-1])
    assert taken(desk, *chain(*asked), last=last) == taken(Desk(remembers=False), *asked[-1], last=last)
    assert desk.unparsed == 2


def test_a_head_that_came_before_is_not_read_again() -> None:
    desk = Desk(remembers=True)
    reads = [request(FIELDS, b"x" * size) for size in (2, 0, 9, 200)]
    assert taken(desk, *reads) == taken(Desk(remembers=False), reads[-1])
    assert desk.unparsed == 3


@pytest.mark.parametrize(
    "fields",
    [
        [b"host: x", b"transfer-encoding: chunked"],
        [b"host: x", b"content-length: %d", b"expect: 100-continue"],
        [b"host: x", b"content-length: %d", b"connection: close"],
        [b"content-length: %d"],
    ],
)  # fmt: skip
def test_a_head_that_decides_more_than_a_length_is_read_every_time(fields: list[bytes]) -> None:
    desk = Desk(remembers=True)
    sent = request(fields, b"0\r\n\r\n")
    taken(desk, sent, sent, sent)
    assert not desk.unparsed


def test_a_caller_whose_heads_always_differ_is_soon_not_expected_to_repeat_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learnt: list[bytes] = []

    class Noting(Desk):
        def same_head(self, data: bytes, incoming: Incoming) -> SameHead | None:
            learnt.append(data)
            return super().same_head(data, incoming)

    taken(Noting(remembers=True), *(request([*FIELDS, b"traceparent: %d" % n], b"{}") for n in range(30)))
    assert len(learnt) == front_module._MOST_HEADS


def test_a_key_that_is_closed_or_a_limit_that_changes_holds_for_a_head_that_came_before() -> None:
    async def main() -> None:
        key = KeyNow(id="k1", hash=KEY.hash)
        async with World(snapshot={"keys": (key,)}) as world:
            caller = await world.caller()
            body = json.dumps(CHAT).encode()
            for keys, status in (((key,), 200), ((key,), 200), ((), 401), ((key,), 200)):
                world.take(keys=keys)
                caller.post(body, fields=OURS)
                assert (await caller.answer()).status == status
                await asyncio.sleep(0)
            assert [asked.json for asked in world.main.asked] == [CHAT] * 3

    run(main())
