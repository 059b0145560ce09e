"""Usage that was asked for on the gateway's account leaves a stream again, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fairlead.edge.gateway.bodies import asks_for_usage, read
from fairlead.edge.gateway.events import data_of, events_in, without_usage

USAGE = {"prompt_tokens": 5, "completion_tokens": 2}
TEXTS = st.sampled_from(
    ["a", "", "é", '"usage":null', ',"usage": null', '\\"usage\\":null,', "x\n\ny", "usage", "\r\r"]
)
NESTED = st.sampled_from([{}, {"usage": None}, {"a": 1, "usage": None, "b": 2}, {'x"usage': None}])


@st.composite
def chunks(draw: st.DrawFn) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": "c",
        "choices": [] if draw(st.booleans()) else [{"delta": {"content": draw(TEXTS)}}],
    }
    if draw(st.booleans()):
        fields["usage"] = draw(st.sampled_from([None, None, USAGE]))
    fields['x"usage' if draw(st.booleans()) else "more"] = draw(NESTED)
    return {name: fields[name] for name in draw(st.permutations(list(fields)))}


def expected(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    if chunk.get("usage") is not None and chunk["choices"] == []:
        return []
    return [{name: value for name, value in chunk.items() if name != "usage" or value is not None}]


@settings(max_examples=200, deadline=None)
@given(told=st.lists(chunks(), max_size=5), spaces=st.booleans(), ascii_only=st.booleans(), end=st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]))  # fmt: skip
@example(told=[{'x"usage': None, "choices": [], "usage": None}], spaces=False, ascii_only=True, end="\n\n")
def test_only_usage_that_the_caller_did_not_ask_for_is_taken_out(
    told: list[dict[str, Any]], *, spaces: bool, ascii_only: bool, end: str
) -> None:
    separators = (", ", ": ") if spaces else (",", ":")
    lines = [json.dumps(chunk, separators=separators, ensure_ascii=ascii_only) for chunk in told]
    data = "".join(f"data: {line}{end}" for line in lines).encode() + b"data: [DONE]" + end.encode()
    out = list(events_in(without_usage(data)))
    assert [json.loads(data_of(event)) for event in out[:-1]] == [kept for chunk in told for kept in expected(chunk)]
    assert out[-1] == b"data: [DONE]" + end.encode()
    assert all(event.endswith(end.encode()) for event in out)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"broken","usage":null}\n\n',
        b'data: {"a":{"usage":null}}\n\n',
        b'data: {"usage":null\ndata: ,"a":\n\n',
        b'data: "usage"\n\n',
        b'id: 1\n"usage":null\n\n',
        b': ,"usage":null\n\n',
        b'data: {"a":1,"usage":0}\n\n',
        b'data: {"a":1,"usage":nul',
        b"data: " + b'{"a":' * 2000 + b'"usage"\n\n',
    ],
)
def test_an_event_that_holds_no_such_usage_passes_as_it_came(event: bytes) -> None:
    assert without_usage(b"data: 1\n\n" + event) == b"data: 1\n\n" + event


def test_an_event_of_several_lines_keeps_its_meaning() -> None:
    data = b'event: x\ndata: {"a":1,\ndata: "usage":null}\n\ndata: {"choices":[ ], "usage":{}}\n\ndata: {"us\\u0061ge":null,"b":{"usage":null,"c":1}}\n\n'
    first, last = events_in(without_usage(data))
    assert json.loads(data_of(first)) == {"a": 1}
    assert json.loads(data_of(last)) == {"b": {"usage": None, "c": 1}}


def test_stream_options_that_cannot_be_read_are_left_to_the_upstream() -> None:
    assert asks_for_usage(read(b'{"stream": true, "stream_options": {"a": "\xff"}}'))
    assert not asks_for_usage(read(b'{"stream": true, "stream_options": {"include_usage": false}}'))
