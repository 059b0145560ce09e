"""Callers' keys: who is let in, for what, and how much of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serve.counts import Counts, board_bytes
from fairlead.serve.keys import Keys, Refusal, hash_of, is_sample, new_key, problem_with, rotated
from fairlead.serve.snapshot import KeyNow

ONE, OTHER = new_key(bytes(range(32))), new_key(bytes(range(32, 64)))
NOON = int(datetime(2026, 2, 27, 12, tzinfo=UTC).timestamp() * 1e6)


def key(**more):
    return KeyNow(**{"id": "k1", "hash": ONE.hash, **more})


def keys(*known):
    board = bytearray(board_bytes(processes=1, keys=8))
    return Keys(known or (key(),), Counts(board, number=0, processes=1, keys=8))


def found(authorization=b"", api_key=b"", *, among=None, now_us=NOON):
    return (among or keys()).find(authorization, api_key, now_us=now_us)


def admitted(known, *, model="m", body_bytes=400, now_s=600.0, now_us=NOON, among=None):
    return (among or keys(known)).admit(known, model=model, body_bytes=body_bytes, now_s=now_s, now_us=now_us)


BEARER = b"Bearer " + ONE.secret.encode()


# Who


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (BEARER, b""),
        (b"", ONE.secret.encode()),
        (b"bearer   " + ONE.secret.encode() + b"  ", b""),
        (ONE.secret.encode(), b""),
        (BEARER, ONE.secret.encode()),
        (BEARER, b"sk-ant-their-own"),
        (b"Bearer sk-their-own", ONE.secret.encode()),
    ],
)
def test_a_known_key_is_found_in_either_header(authorization, api_key):
    assert found(authorization, api_key) == key()


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (b"", b""),
        (b"Bearer sk-proj-abc", b""),
        (b"", b"sk-ant-api03"),
        (b"Basic Zmw6eA==", b""),
        (b"Bearer x fl-a", b""),
    ],
)
def test_a_request_without_a_fairlead_key_is_none_of_our_business(authorization, api_key):
    assert found(authorization, api_key) is None


@pytest.mark.parametrize(
    "secret",
    [
        b"fl-",
        b"fl-1234",
        b"fl-' OR '1'='1",
        b"fl-\xff\xfe\x00",
        "fl-schlüssel".encode(),
        b"fl-" + b"a" * 2**20,
        ONE.secret.encode() + b"x",
        ONE.secret.lower().encode(),
        ONE.hash.encode(),
        b"fl-" + ONE.hash.encode(),
        OTHER.secret.encode(),
    ],
)
def test_hostile_and_unknown_keys_are_refused_alike(secret):
    for refusal in (found(b"Bearer " + secret), found(b"", secret)):
        if secret.startswith(b"fl-"):
            assert isinstance(refusal, Refusal)
            assert (refusal.status, refusal.code) == (401, "invalid_key")
            assert secret.decode("latin-1") not in refusal.message or len(secret) < 4
        else:
            assert refusal is None


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_no_header_at_all_lets_anybody_in(authorization, api_key):
    assert not isinstance(found(authorization, api_key), KeyNow)


def test_two_different_keys_in_one_request_are_refused_even_when_both_are_known():
    among = keys(key(), key(id="k2", hash=OTHER.hash))
    assert found(BEARER, OTHER.secret.encode(), among=among).code == "two_keys"


def test_a_key_works_until_it_expires():
    among = keys(key(expires_us=NOON))
    assert found(BEARER, among=among, now_us=NOON - 1).id == "k1"
    assert found(BEARER, among=among).code == "expired_key"


def test_a_replaced_key_works_until_a_moment_and_counts_with_the_new_one():
    new, old = rotated(key(requests_per_minute=2), new_hash=OTHER.hash, old_until_us=NOON)
    among = keys(new, old)
    for secret, now in ((ONE, NOON - 9), (OTHER, NOON - 8)):
        caller = found(secret.secret.encode(), among=among, now_us=now)
        assert admitted(caller, among=among) is None
    assert admitted(found(OTHER.secret.encode(), among=among), among=among).status == 429
    assert found(BEARER, among=among).code == "expired_key"
    assert rotated(key(expires_us=5), new_hash=OTHER.hash, old_until_us=NOON)[1].expires_us == 5


def test_new_keys_differ_and_only_their_hash_is_kept():
    assert ONE.secret != OTHER.secret
    assert ONE.hash == hash_of(ONE.secret.encode())
    assert len(ONE.secret) == 46
    with pytest.raises(ValueError, match="32 random bytes"):
        new_key(b"short")


@pytest.mark.parametrize(
    "secret", ["fl-1234", "sk-1234", "fl-" + "x" * 50, "fl-your-key-here", "", "fl-' OR '1'='1" * 9]
)
def test_a_secret_that_anybody_could_guess_is_never_made_a_key(secret):
    assert "sample key" in problem_with(secret)
    assert problem_with(ONE.secret) is None


@pytest.mark.parametrize(
    "token", ["", "admin", "changeme-please", "sk-1234", "aaaaaaaaaaaaaaaaaaaa", "example-token-1"]
)
def test_tokens_out_of_documentation_are_known_for_what_they_are(token):
    assert is_sample(token)


# What


@pytest.mark.parametrize(("model", "may"), [("gpt-5", True), ("qwen3-32b", True), ("gpt-5-mini", False), ("", True)])
def test_a_key_asks_for_its_models_only(model, may):
    refusal = admitted(key(models=("gpt-5", "qwen3-*")), model=model)
    assert (refusal is None) is may
    if not may:
        assert (refusal.status, refusal.code) == (403, "model_not_allowed")
        assert refusal.message == "This key may not ask for 'gpt-5-mini'; it may ask for gpt-5, qwen3-*."


def test_a_hostile_model_name_is_quoted_harmlessly():
    told = admitted(key(models=("m",)), model="x\r\nSet-Cookie: a" * 50).message
    assert "\n" not in told
    assert len(told) < 250


def test_a_key_does_its_workloads_only():
    limited, free = key(workloads=("w1",)), key(id="k2", hash=OTHER.hash)
    among = keys(limited, free)
    assert among.may_do(limited, "w1") is None
    assert among.may_do(limited, "w2").code == "workload_not_allowed"
    assert "not known yet" in among.may_do(limited, None).message
    assert among.may_do(free, None) is None


def test_a_key_that_was_revoked_meanwhile_is_refused():
    among = keys(key())
    gone = key(id="gone")
    assert among.admit(gone, model="m", body_bytes=1, now_s=1.0, now_us=NOON).status == 401
    assert among.may_do(gone, "w") is None


# How much


def test_a_spent_budget_waits_for_midnight_or_the_first():
    day = admitted(key(budget_day=5.0, spent_day=5.0))
    assert (day.status, day.code, day.retry_after_s) == (429, "budget_spent", 12 * 3600)
    assert day.message == "This key's budget of $5.00 is spent for today (UTC)."
    month = admitted(key(budget_month=100.0, spent_month=101.0))
    assert month.retry_after_s == 36 * 3600  # noon of 27 February to 1 March
    assert admitted(key(budget_day=5.0, spent_day=4.99, budget_month=5.0)) is None


def test_requests_are_counted_and_the_wait_is_right():
    caller = key(requests_per_minute=3)
    among = keys(caller)
    assert [admitted(caller, among=among, now_s=600.0 + i) for i in range(3)] == [None] * 3
    refusal = admitted(caller, among=among, now_s=630.0)
    assert (refusal.status, refusal.code) == (429, "rate_limit_exceeded")
    assert refusal.message == f"This key may use 3 requests a minute; try again in {refusal.retry_after_s} s."
    assert admitted(caller, among=among, now_s=630.0 + refusal.retry_after_s - 1.1) is not None
    assert admitted(caller, among=among, now_s=630.0 + refusal.retry_after_s) is None


@given(
    limit=st.integers(1, 8),
    gaps=st.lists(st.floats(0.01, 40.0), min_size=1, max_size=60),
)
def test_whoever_comes_when_told_to_is_let_in_and_no_minute_holds_more_than_twice_the_limit(limit, gaps):
    caller = key(requests_per_minute=limit)
    among, now, times = keys(caller), 1000.0, []
    for gap in gaps:
        now += gap
        refusal = admitted(caller, among=among, now_s=now)
        if refusal is not None:
            now += refusal.retry_after_s
            assert admitted(caller, among=among, now_s=now) is None
        times.append(now)
    for start in times:
        assert sum(start <= moment < start + 60 for moment in times) <= 2 * limit


def test_tokens_are_assumed_from_the_body_and_put_right_by_the_answer():
    caller = key(tokens_per_minute=1000)
    among = keys(caller)
    assert admitted(caller, among=among, body_bytes=2000) is None
    among.settle(caller, body_bytes=2000, tokens=950, now_s=601.0)
    assert admitted(caller, among=among, body_bytes=800).message.startswith("This key may use 1,000 tokens")
    assert admitted(caller, among=among, body_bytes=80) is None


def test_a_request_refused_for_its_tokens_does_not_count_as_a_request():
    caller = key(requests_per_minute=1, tokens_per_minute=100)
    among = keys(caller)
    assert admitted(caller, among=among, body_bytes=4000).message.startswith("This key may use 100 tokens")
    assert admitted(caller, among=among, body_bytes=40) is None


def test_a_request_larger_than_the_limit_is_told_to_wait_and_never_crashes():
    assert admitted(key(tokens_per_minute=10), body_bytes=10**7).retry_after_s == 60
