"""Every way an endpoint can answer, or not, over real sockets."""

import asyncio
import gzip
import json
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fairlead.core.errors import EndpointError
from fairlead.core.nouns import Dialect, FailureKind, Usage
from fairlead.edge.clients.http import MAX_BYTES, Endpoint

from .conftest import ANSWER, BODY, Hurried, served

SECRET = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True, params=["straight", "as through a proxy"])
def kind_of_connection(request, monkeypatch):
    if request.param != "straight":
        monkeypatch.setattr("fairlead.edge.clients.http.needs_proxy", lambda _: True)


def always(body=ANSWER, **settings):
    async def handle(wire):
        while True:
            await wire.request()
            await wire.answer(body, **settings)

    return handle


def first(*acts):
    """Does each of `acts` once, one for each request whatever the connection, then answers."""
    left = list(acts)

    async def handle(wire):
        while True:
            await wire.request()
            if not left:
                await wire.answer()
                continue
            act = left.pop(0)
            if await act(wire) == "close":
                return

    return handle


def failure(replies):
    (reply,) = replies
    return reply.answer.failure


# Answers


def test_an_answer_comes_back_with_tokens_latency_and_body(replies):
    (reply,) = replies(always())
    assert reply.answer.text == "42"
    assert reply.answer.model == "m-1"
    assert reply.usage == Usage(fresh=9, visible=3)
    assert 0 < reply.latency_s < 5
    assert reply.attempts == 1
    assert reply.response_body == json.loads(ANSWER)


def test_one_connection_serves_many_requests(replies):
    connections = []

    async def handle(wire):
        connections.append(wire)
        await always()(wire)

    replies(handle, times=5)
    assert len(connections) == 1


def test_the_request_carries_the_body_the_key_and_no_wish_for_compression(replies):
    seen = []

    async def handle(wire):
        seen.append(await wire.request())
        await wire.answer()

    replies(handle, key=SECRET)
    head, body = seen[0]
    assert head.startswith("POST /v1/chat/completions HTTP/1.1")
    assert f"authorization: Bearer {SECRET}\r\n" in head
    assert "accept-encoding: identity" in head.lower()
    assert json.loads(body) == BODY


def test_anthropic_messages_are_asked_in_their_own_words(replies):
    seen = []

    async def handle(wire):
        seen.append(await wire.request())
        said = {"type": "message", "role": "assistant", "model": "c-1", "content": [{"type": "text", "text": "42"}]}
        await wire.answer(json.dumps({**said, "usage": {"input_tokens": 5, "output_tokens": 2}}).encode())

    (reply,) = replies(handle, dialect=Dialect.ANTHROPIC_MESSAGES, key=SECRET)
    head = seen[0][0].lower()
    assert head.startswith("post /v1/messages ")
    assert f"x-api-key: {SECRET}" in head
    assert "anthropic-version: " in head
    assert "authorization" not in head
    assert (reply.answer.text, reply.usage.visible) == ("42", 2)


def test_embeddings_are_counted(replies):
    said = {"data": [{"index": 0, "embedding": [0.1]}, {"index": 1, "embedding": [0.2]}], "usage": {"prompt_tokens": 4}}
    (reply,) = replies(always(json.dumps(said).encode()), dialect=Dialect.OPENAI_EMBEDDINGS, stream=True)
    assert reply.answer.embeddings == 2
    assert reply.answer.failure is None


def test_a_line_the_server_closed_meanwhile_is_replaced_without_counting_an_attempt(replies):
    async def handle(wire):
        await wire.request()
        await wire.answer()

    one, two = replies(handle, times=2)
    assert (one.attempts, two.attempts) == (1, 1)
    assert two.answer.text == "42"


def test_a_word_ahead_of_the_answer_is_no_answer(replies):
    async def handle(wire):
        await wire.request()
        await wire.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await wire.answer()

    (reply,) = replies(handle)
    assert reply.answer.text == "42"


def test_an_answer_that_ends_with_the_connection_is_whole(replies):
    async def handle(wire):
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\n\r\n" + ANSWER[:20])
        await wire.write(ANSWER[20:])

    (reply,) = replies(handle)
    assert reply.answer.text == "42"


# Bad answers


def test_html_is_not_json_and_its_words_are_shown_without_tags(replies):
    page = b"<html><head><style>p{}</style></head><body><p>Please sign in</p></body></html>"
    failed = failure(replies(always(page, kind="text/html")))
    assert failed.kind is FailureKind.NOT_JSON
    assert "Please sign in" in failed.detail
    assert "<" not in failed.detail


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.EMPTY),
        (b"  \n", FailureKind.EMPTY),
        (b'{"choices":[{"message":{"content":"4', FailureKind.CUT),
        (b"[1, 2, 3]", FailureKind.NOT_JSON),
        (b'"just text"', FailureKind.NOT_JSON),
        (b'{"choices": 7}', FailureKind.NOT_JSON),
        (b"\xff\xfe\x00", FailureKind.NOT_JSON),
        (b"[" * 1_000 + b"]" * 1_000, FailureKind.NOT_JSON),
        (b'{"choices":[{"message":{"role":"assistant","content":""},"finish_reason":"length"}]}', FailureKind.EMPTY),
        (b'{"error":{"message":"overloaded","type":"server_error"}}', FailureKind.SERVER_ERROR),
    ],
)
def test_a_body_that_holds_no_answer_is_a_failure_of_its_kind(replies, body, kind):
    assert failure(replies(always(body))).kind is kind


def test_ten_megabytes_are_not_read_to_the_end(replies):
    sent = []

    async def handle(wire):
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10485760\r\n\r\n")
        for _ in range(160):
            await wire.write(b"a" * 65_536)
            sent.append(65_536)

    (reply,) = replies(handle)
    assert reply.answer.failure.kind is FailureKind.TOO_LARGE
    assert reply.attempts == 1


def test_a_small_packed_body_that_unpacks_to_a_hundred_megabytes_is_too_large(replies):
    packed = gzip.compress(b" " * (100 * 2**20))
    assert len(packed) < MAX_BYTES
    failed = failure(replies(always(packed, headers=["content-encoding: gzip"])))
    assert failed.kind is FailureKind.TOO_LARGE


def test_a_packed_answer_that_was_not_asked_for_is_read_all_the_same(replies):
    (reply,) = replies(always(gzip.compress(ANSWER), headers=["content-encoding: gzip"]))
    assert reply.answer.text == "42"


def test_an_endpoint_that_hangs_is_a_timeout_and_is_not_asked_again(replies):
    asked = []

    async def handle(wire):
        asked.append(await wire.request())
        await asyncio.Event().wait()

    (reply,) = replies(handle, timeout_s=0.5)
    assert reply.answer.failure.kind is FailureKind.TIMEOUT
    assert "0.5 s" in reply.answer.failure.detail
    assert reply.latency_s >= 0.5
    assert len(asked) == reply.attempts == 1


def test_an_answer_that_drips_is_a_timeout_too(replies):
    async def handle(wire):
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
        while True:
            await wire.write(b" ")
            await asyncio.sleep(0.02)

    assert failure(replies(handle, timeout_s=0.2)).kind is FailureKind.TIMEOUT


def test_a_cut_answer_is_tried_three_times_and_then_a_failure(replies):
    async def handle(wire):
        await wire.request()
        await wire.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"choices"')

    (reply,) = replies(handle)
    assert reply.answer.failure.kind is FailureKind.CUT
    assert reply.attempts == 3


def test_a_reset_and_a_server_error_are_tried_again(replies):
    async def reset(wire):
        wire.reset()
        return "close"

    async def error(wire):
        await wire.answer(b'{"error":{"message":"try later"}}', status="503 Service Unavailable")

    (reply,) = replies(first(reset, error))
    assert reply.answer.text == "42"
    assert reply.attempts == 3


def test_a_server_error_that_lasts_is_a_failure_in_the_endpoints_own_words(replies):
    (reply,) = replies(always(b'{"error":{"message":"out of memory"}}', status="500 Oops"))
    assert reply.answer.failure.kind is FailureKind.SERVER_ERROR
    assert reply.answer.failure.status == 500
    assert reply.answer.failure.detail == "out of memory"
    assert reply.attempts == 3


def test_retries_end_with_the_time_limit(replies):
    async def error(wire):
        await wire.answer(b"{}", status="500 Oops")

    async def hang(_wire):
        await asyncio.Event().wait()

    (reply,) = replies(first(error, hang), timeout_s=0.5)
    assert reply.attempts == 2
    assert reply.answer.failure.kind is FailureKind.TIMEOUT


def test_a_refused_request_is_not_tried_again_and_keeps_the_endpoints_words(replies):
    said = b'{"error":{"message":"Unsupported value","param":"logit_bias"}}'
    (reply,) = replies(always(said, status="400 Bad Request"))
    assert reply.answer.failure.kind is FailureKind.REFUSED_REQUEST
    assert reply.answer.failure.status == 400
    assert reply.answer.failure.detail == "Unsupported value (logit_bias)"
    assert reply.attempts == 1


def test_validation_errors_in_a_list_are_named_by_field(replies):
    said = b'{"detail":[{"loc":["body","seed"],"msg":"extra fields not permitted"}]}'
    assert failure(replies(always(said, status="422 Unprocessable"))).detail == "seed: extra fields not permitted"


# Endpoints that cannot be used


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405])
def test_an_endpoint_that_will_not_have_us_is_an_error_in_its_own_words(replies, status):
    said = b'{"error":{"message":"The model `m` does not exist."}}'
    with pytest.raises(EndpointError, match=r"answered .*: The model `m` does not exist") as raised:
        replies(always(said, status=f"{status} No"))
    assert raised.value.status == status
    assert "\n" not in str(raised.value)


def blocked(*texts):
    """Answers 403 to requests that hold one of `texts`, and everything else."""

    async def handle(wire):
        while True:
            _, body = await wire.request()
            if any(text in body for text in texts):
                await wire.answer(b"<html>Blocked by the firewall</html>", status="403 Forbidden", kind="text/html")
            else:
                await wire.answer()

    return handle


def asked_together(handle, texts):
    async def main():
        async with served(handle) as url, Endpoint(url, timeout_s=5, random=Hurried()) as ask:
            bodies = [{"messages": [{"role": "user", "content": text}]} for text in texts]
            return await asyncio.gather(*(ask(body) for body in bodies), return_exceptions=True)

    return asyncio.run(main())


def test_a_403_to_one_request_while_others_are_answered_is_a_refusal_of_that_one():
    good, bad = asked_together(blocked(b"DROP TABLE"), ["6 times 7?", "DROP TABLE users"])
    assert good.answer.text == "42"
    assert bad.answer.failure.kind is FailureKind.REFUSED_REQUEST
    assert bad.answer.failure.status == 403
    assert "Blocked by the firewall" in bad.answer.failure.detail


def test_a_403_to_everything_is_an_endpoint_that_will_not_have_us():
    told = asked_together(blocked(b"messages"), ["one", "two", "three"])
    assert [type(one) for one in told] == [EndpointError] * 3


def test_a_key_that_is_withdrawn_meanwhile_is_noticed(replies):
    async def refused(wire):
        await wire.answer(b'{"error":{"message":"key revoked"}}', status="403 Forbidden")

    async def fine(wire):
        await wire.answer()

    with pytest.raises(EndpointError, match="key revoked"):
        replies(first(fine, refused, refused), times=2)


def test_a_redirect_is_not_followed_so_the_key_stays_here(replies):
    with pytest.raises(EndpointError, match=r"sends on to https://elsewhere.example/v1, which is not followed"):
        replies(always(b"", status="308 Moved", headers=["location: https://elsewhere.example/v1"]), key=SECRET)


def test_a_refused_connection_is_an_error_after_three_attempts():
    async def main():
        async with served(always()) as url:
            pass
        async with Endpoint(url, timeout_s=5, random=Hurried()) as ask:
            await ask(BODY)

    with pytest.raises(EndpointError, match=r"cannot be reached: .*Is it running, is the address right"):
        asyncio.run(main())


def test_the_key_is_in_no_error_and_no_reply(replies):
    said = json.dumps({"error": {"message": f"Incorrect API key provided: {SECRET} or sk-other-key-12345."}}).encode()
    with pytest.raises(EndpointError) as raised:
        replies(always(said, status="401 No"), key=SECRET)
    assert "sk-" not in str(raised.value)
    echo = ANSWER.replace(b"42", f"you sent Bearer {SECRET}".encode())
    (reply,) = replies(always(echo), key=SECRET)
    assert SECRET not in repr(reply)
    assert reply.answer.text == "you sent Bearer [key]"
    events = (
        b'data: {"choices":[{"index":0,"delta":{"content":"' + SECRET.encode() + b'"},"finish_reason":"stop"}]}\n\n'
    )
    (reply,) = replies(always(events + b"data: [DONE]\n\n", kind="text/event-stream"), key=SECRET, stream=True)
    assert SECRET not in repr(reply)


# Limits


def limited(*headers, body=b'{"error":{"message":"slow down"}}', status="429 Too Many Requests"):
    async def act(wire):
        await wire.answer(body, status=status, headers=list(headers))

    return act


def test_a_limit_is_waited_out_as_long_as_it_says_and_is_not_an_attempt(replies):
    began = time.monotonic()
    (reply,) = replies(first(limited("retry-after: 0.3"), limited("retry-after-ms: 100")))
    assert reply.answer.text == "42"
    assert reply.attempts == 1
    assert reply.latency_s <= time.monotonic() - began - 0.4


def test_a_limit_may_name_a_date(replies):
    at = datetime.now(UTC) + timedelta(seconds=1)
    began = time.monotonic()
    (reply,) = replies(first(limited(f"retry-after: {format_datetime(at, usegmt=True)}")))
    assert reply.answer.text == "42"
    assert time.monotonic() - began < 30, "the date was read, and nothing waits for the hour"


def test_the_wait_does_not_count_against_the_time_limit(replies):
    (reply,) = replies(first(limited("retry-after: 1")), timeout_s=0.9)
    assert reply.answer.text == "42"


def test_one_limit_makes_every_request_to_the_endpoint_wait():
    arrivals = []
    heard = asyncio.Event()

    async def handle(wire):
        while True:
            await wire.request()
            arrivals.append(time.monotonic())
            if len(arrivals) == 1:
                await limited("retry-after: 1")(wire)
                asyncio.get_running_loop().call_later(0.4, heard.set)
            else:
                await wire.answer()

    async def main():
        async with served(handle) as url, Endpoint(url, random=Hurried()) as ask:
            early = asyncio.ensure_future(ask(BODY))
            await heard.wait()
            await asyncio.gather(early, *(ask(BODY) for _ in range(5)))

    asyncio.run(main())
    assert len(arrivals) == 7
    assert min(arrivals[1:]) - arrivals[0] >= 0.99


def test_a_limit_beyond_all_patience_is_an_error_that_says_how_long(replies):
    with pytest.raises(
        EndpointError, match="asks to wait 3600 s, beyond the 600 s that are waited: slow down"
    ) as raised:
        replies(first(limited("retry-after: 3600")))
    assert raised.value.retry_after == 3600


def test_an_endpoint_that_limits_for_ever_is_given_up(replies):
    with pytest.raises(EndpointError, match="is limiting every request"):
        replies(always(b"{}", status="429 No", headers=["retry-after: 0.1"]), patience_s=0.3)


def test_a_used_up_account_is_not_waited_for(replies):
    said = b'{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}'
    with pytest.raises(EndpointError, match="You exceeded your current quota"):
        replies(always(said, status="429 No"))


def test_a_failure_behind_a_gateway_that_answers_200_is_treated_by_its_own_status(replies):
    async def behind(wire):
        await wire.answer(b'{"error":{"message":"upstream is limiting","code":429}}')

    (reply,) = replies(first(behind))
    assert reply.answer.text == "42"


# Streams


def events(*texts, finish='"stop"', done=True):
    chunks = [json.dumps({"model": "m-1", "choices": [{"index": 0, "delta": {"content": text}}]}) for text in texts]
    if finish:
        chunks.append('{"choices":[{"index":0,"delta":{},"finish_reason":%s}]}' % finish)  # noqa: UP031
        chunks.append('{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}')
    return b"".join(b"data: " + chunk.encode() + b"\n\n" for chunk in chunks) + (b"data: [DONE]\n\n" if done else b"")


def chunked(raw, *, size=7, end=True):
    async def handle(wire):
        while True:
            await wire.request()
            await wire.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            for start in range(0, len(raw), size):
                piece = raw[start : start + size]
                await wire.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not end:
                return
            await wire.write(b"0\r\n\r\n")

    return handle


def test_a_stream_is_put_together_with_its_tokens(replies):
    first_reply, second = replies(chunked(events("4", "2")), stream=True, times=2)
    assert first_reply.answer.text == second.answer.text == "42"
    assert first_reply.usage == Usage(fresh=9, visible=3)


def test_tokens_are_asked_for_and_done_without_where_the_endpoint_refuses_that(replies):
    bodies = []

    async def handle(wire):
        while True:
            body = json.loads((await wire.request())[1])
            bodies.append(body)
            if "stream_options" in body:
                await wire.answer(b'{"error":{"message":"Unknown field: stream_options"}}', status="400 No")
            else:
                await wire.answer(events("42"), kind="text/event-stream")

    one, two = replies(handle, stream=True, times=2)
    assert one.answer.text == two.answer.text == "42"
    assert [body.get("stream_options") for body in bodies] == [{"include_usage": True}, None, None]


@pytest.mark.parametrize("end", [True, False])
def test_a_stream_that_ends_too_early_is_cut(replies, end):
    (reply,) = replies(chunked(events("4", finish="", done=False), end=end), stream=True)
    assert reply.answer.failure.kind is FailureKind.CUT
    assert reply.attempts == 3


def test_a_stream_that_does_not_end_is_read_up_to_its_last_event_only(replies):
    async def handle(wire):
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + events("42"))
        await asyncio.Event().wait()

    (reply,) = replies(handle, stream=True)
    assert reply.answer.text == "42"


def test_a_stream_of_ten_megabytes_is_too_large(replies):
    assert failure(replies(chunked(b": " + b"a" * 10_485_760, size=65_536), stream=True)).kind is FailureKind.TOO_LARGE


def test_an_endpoint_that_does_not_stream_is_read_all_the_same(replies):
    (reply,) = replies(always(), stream=True)
    assert reply.answer.text == "42"


# Ends


def test_a_cancelled_request_leaves_nothing_behind_and_the_next_one_works():
    asked = asyncio.Event()

    async def handle(wire):
        while True:
            await wire.request()
            if not asked.is_set():
                asked.set()
                await asyncio.Event().wait()
            await wire.answer()

    async def main():
        async with served(handle) as url, Endpoint(url) as ask:
            task = asyncio.ensure_future(ask(BODY))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await ask(BODY)

    assert asyncio.run(main()).answer.text == "42"


def test_half_of_a_surrogate_pair_in_a_logged_text_can_be_sent(replies):
    seen = []

    async def handle(wire):
        seen.append(await wire.request())
        await wire.answer()

    replies(handle, body={"messages": [{"role": "user", "content": "a\ud800b"}]})
    assert re.search(rb"a\\ud800b", seen[0][1])
