"""One look at a whole exchange never says "nothing here" where the walk would take something out."""

from __future__ import annotations

import copy
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.redact.test_redactor import CHECKS, PIECES, TEXTS
from fairlead.core.nouns import JSON, Dialect, Exchange
from fairlead.core.redact import Finder, Policy, Redactor, redacted
from fairlead.core.redact import exchange as exchanges
from fairlead.core.wire import openai

NAMES = st.sampled_from(
    [
        "password",
        "api_key",
        "phone",
        "card number",
        "tools",
        "max_tokens",
        "note",
        "name",
        "value",
        "x" * 70,
        "ann@example.org",
    ]
)
NUMBERS = st.sampled_from([0, 999_999, 1_000_000, 4000000000001232, 442079460958, -4000000000001232, 1.5, True, None])
VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.one_of(NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(NAMES, PIECES), inner, max_size=4)),
    max_leaves=10,
)
POLICIES = st.sampled_from([Policy.KEEP, Policy.MASK, Policy.HASH, Policy.DROP])


@given(st.lists(TEXTS, max_size=8), st.booleans())
def test_texts_side_by_side_hold_at_least_what_each_holds_alone(texts: list[str], personal: bool) -> None:
    if Finder(CHECKS, personal=personal).are_clean(texts):
        assert not any(Finder(CHECKS, personal=personal).find(text) for text in texts)


@pytest.mark.parametrize(
    ("before", "holds"),
    [
        ("your order", "4000 0000 0000 1232"),  # a word that speaks against a number, at the end of another text
        ("İ" * 40, "the password: hunter22 is"),  # letters that are two in lower case move every place behind them
        ("data:text/plain;base64,", "write to ann@example.org"),  # together they would look like an encoded file
        ("A" * 600, "sk-abcdefGHIJ1234567890xyz"),
        ("\\", "ann@example.org"),
        ("x" * 1200, "+44 20 7946 0958"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_no_text_hides_what_stands_in_the_next(before: str, holds: str, *, turned: bool) -> None:
    texts = [holds, before] if turned else [before, holds]
    assert Finder(CHECKS).find(holds)
    assert not Finder(CHECKS).are_clean(texts)
    seen = Finder(CHECKS)
    assert seen.find(holds)
    assert not seen.are_clean(texts)


def test_texts_that_hold_nothing_are_known_again() -> None:
    finder = Finder(CHECKS)
    texts = ["You answer questions about parcels.", "chatcmpl-00000003e9", "u-12", "hi"]
    assert finder.are_clean(texts)
    assert all(finder.is_known_clean(text) for text in texts)
    assert finder.are_clean(texts)


@given(VALUES, st.sampled_from([Policy.KEEP, Policy.MASK]))
def test_a_value_is_redacted_as_by_the_walk(value: JSON, policy: Policy) -> None:
    walked = Redactor(CHECKS, policy=policy).pass_over().value(copy.deepcopy(value))
    redactor = Redactor(CHECKS, policy=policy)
    for _ in range(2):  # also when every text was seen before
        told = redactor.value(value)
        assert told == walked
        assert (told is value) == (walked == value)


@given(TEXTS, TEXTS, VALUES, st.sampled_from(["", "ann@example.org", "s-12", "4000000000001232"]), POLICIES)
def test_an_exchange_is_redacted_as_by_the_walk(
    said: str, answered: str, value: JSON, user: str, policy: Policy
) -> None:
    exchange = made(said, answered, value, user)
    quickly, slowly = Redactor(CHECKS, policy=policy), Redactor(CHECKS, policy=policy)
    with patch.object(exchanges, "_holds_nothing", return_value=False):
        walked = redacted(exchange, slowly)
    assert redacted(exchange, quickly) == walked
    assert quickly.report == slowly.report
    assert redacted(exchange, quickly) == walked


def made(said: str, answered: str, value: JSON, user: str) -> Exchange:
    body: JSON = {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": said}, {"role": "user", "content": answered}, {"role": "user", "content": "go on"}],
        "tools": [{"type": "function", "function": {"name": "find", "description": said, "parameters": {"type": "object"}}}],
        "temperature": value if isinstance(value, int | float) else 1,
    }  # fmt: skip
    call: JSON = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"q": "words"}'}}
    response: JSON = {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answered, "tool_calls": [call]}, "finish_reason": "stop"}],
        "more": value,
    }  # fmt: skip
    answer, usage = openai.answer(response)
    return Exchange(
        id="x1", row_hash="r1", dialect=Dialect.OPENAI_CHAT, request=openai.request(body), answer=answer, request_body=body,
        response_body=response, usage=usage, user=user or None, metadata={"note": value},
    )  # fmt: skip
