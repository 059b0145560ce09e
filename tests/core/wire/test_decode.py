"""Bytes to JSON values, whatever the bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import UnreadableLine
from fairlead.core.wire.decode import MAX_DEPTH, decode, structure_or_text

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_json_comes_back_as_it_was(value):
    assert decode(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_bytes_that_are_not_json_are_refused_and_nothing_else_happens(data):
    try:
        decode(data)
    except UnreadableLine as error:
        reason = error.reason
    else:
        json.loads(data)
        reason = "none"
    assert reason


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": NaN, "b": -Infinity, "c": 1}', {"a": None, "b": None, "c": 1}),
        (b'{"a": 1e999}', {"a": None}),
        (b'{"a": ' + b"9" * 5000 + b"}", {"a": None}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b'{"a": "\\ud800 x"}', {"a": "\ufffd x"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_odd_json_is_read_as_what_it_can_mean(data, value):
    assert decode(data) == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": "\xff"}', "not UTF-8 text at byte 7"),
        (b'{"a": 1', "not JSON: "),
        (b"hello", "not JSON: "),
        (b'{"a": 1} {"b": 2}', "not JSON: "),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(data, reason):
    with pytest.raises(UnreadableLine, match=reason):
        decode(data)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 5_000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_nesting_bomb_is_refused(depth, opening, closing):
    with pytest.raises(UnreadableLine, match="nested deeper than 100 levels"):
        decode(opening * depth + b"1" + closing * depth)


def test_deep_but_sensible_nesting_is_read():
    value = decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert isinstance(value, list)


def test_a_nesting_bomb_inside_arguments_stays_text():
    bomb = "[" * 5000 + "]" * 5000
    assert structure_or_text(bomb) == bomb
