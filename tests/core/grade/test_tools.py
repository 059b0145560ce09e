"""Tool calls as structures."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import InputError
from fairlead.core.grade import calls_in, grader
from fairlead.core.grade.tools import ToolCallRule
from fairlead.core.nouns import JSON, Answer, Endpoint, Grade, Request, Tool, ToolCall
from pace import cpu_s
from recorded_gsm import rows

WEATHER = Tool(
    name="weather",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "default": "celsius"},
            "days": {"type": "integer", "description": "How many days ahead. Default is 1."},
            "hourly": {"type": "boolean", "description": "Whether by the hour, defaults to False"},
            "note": {"type": "string"},
        },
        "required": ["city"],
    },
)
REQUEST = Request(endpoint=Endpoint.CHAT, model="any", tools=(WEATHER, Tool(name="clock")))
names = st.text(alphabet="abc_", min_size=1, max_size=5)
arguments = st.dictionaries(
    names, st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=3), max_size=3
)
calls = st.lists(st.builds(ToolCall, name=names, arguments=arguments), max_size=4)


def call(name: str, **given_arguments: JSON) -> ToolCall:
    return ToolCall(name=name, arguments=given_arguments)


def as_json(made: list[ToolCall]) -> JSON:
    return [{"name": item.name, "arguments": item.arguments} for item in made]


def grade(made: list[ToolCall], expected: JSON, *, text: str = "", **settings: JSON) -> Grade:
    rule = grader("tool_call", settings=settings)
    return rule.grade(
        request=REQUEST, answer=Answer(text=text, tool_calls=tuple(made)), expected=expected, incumbent=None
    )


@given(calls, st.randoms(use_true_random=False))
def test_the_same_calls_in_any_order_are_right(made: list[ToolCall], random: Any) -> None:
    shuffled = random.sample(made, len(made))
    assert grade(shuffled, as_json(made)).score == 1.0
    assert grade(made, as_json(made), ordered=True).score == 1.0


@given(calls)
def test_one_call_too_many_or_too_few_is_wrong(made: list[ToolCall]) -> None:
    assert grade([*made, call("extra")], as_json(made)).score == 0.0
    assert grade(made, as_json([*made, call("missing")])).score == 0.0


def test_order_counts_when_told() -> None:
    made = [call("weather", city="Rome"), call("clock"), call("weather", city="Oslo")]
    for shuffled in permutations(made):
        assert grade(list(shuffled), as_json(made), ordered=True).score == float(list(shuffled) == made)


def test_every_usual_way_to_write_an_expected_call_is_understood() -> None:
    made = [call("weather", city="Rome")]
    for expected in (
        {"name": "weather", "arguments": {"city": "Rome"}},
        [{"name": "weather", "arguments": '{"city": "Rome"}'}],
        {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
        {"tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": {"city": "Rome"}}}]},
        {"weather": {"city": "Rome"}},
        '[{"name": "weather", "arguments": {"city": "Rome"}}]',
        'weather(city="Rome")',
    ):
        assert grade(made, expected).score == 1.0, expected
    assert grade([call("clock")], {"name": "clock"}).score == 1.0


def test_arguments_are_compared_as_values() -> None:
    assert grade([call("weather", city=" Rome ")], as_json([call("weather", city="Rome")])).score == 1.0
    assert grade([call("clock", at=2)], as_json([call("clock", at=2.0)])).score == 1.0
    assert grade([call("clock", at="2")], as_json([call("clock", at=2)])).score == 0.0
    assert grade([call("clock", of=[1, 2])], as_json([call("clock", of=[2, 1])])).score == 0.0
    assert grade([call("clock", of=[1, 2])], as_json([call("clock", of=[2, 1])]), any_order=True).score == 1.0
    assert grade([call("weather", city="rome")], as_json([call("weather", city="Rome")])).score == 0.0
    assert grade([call("weather", city="rome")], as_json([call("weather", city="Rome")]), ignore_case=True).score == 1.0
    assert grade([call("math.gcd", a=1)], as_json([call("math_gcd", a=1)])).score == 1.0


@pytest.mark.parametrize(("name", "default"), [("unit", "celsius"), ("days", 1), ("hourly", False), ("note", None)])
def test_an_optional_argument_may_be_missing_where_the_other_side_gives_its_default(name: str, default: JSON) -> None:
    short, full = [call("weather", city="Rome")], [call("weather", city="Rome", **{name: default})]
    assert grade(short, as_json(full)).score == grade(full, as_json(short)).score == 1.0


def test_any_other_missing_argument_is_wrong_unless_told() -> None:
    short, full = [call("weather", city="Rome")], [call("weather", city="Rome", unit="kelvin")]
    assert grade(short, as_json(full)).reason == "weather.unit: missing"
    assert grade(full, as_json(short)).score == 0.0
    assert grade(short, as_json(full), optional="ignore").score == 1.0
    assert (
        grade(
            [call("weather", unit="celsius")],
            as_json([call("weather", city="Rome", unit="celsius")]),
            optional="ignore",
        ).score
        == 0.0
    )
    assert grade([call("weather", city="Rome", planet="Mars")], as_json(short), optional="ignore").score == 0.0


def test_no_call_is_right_exactly_when_none_is_expected() -> None:
    assert grade([], []).score == 1.0
    assert grade([call("clock")], []).score == 0.0
    assert grade([], as_json([call("clock")])).reason == "no tool call"


def test_a_call_written_as_text_is_no_call_unless_told() -> None:
    expected = as_json([call("weather", city="Rome")])
    text = '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
    refused = grade([], expected, text=text)
    assert (refused.score, refused.reason) == (0.0, "the call is written as text, not made as a tool call")
    rule = grader("tool_call", settings={"text": True})
    assert rule.grade(request=REQUEST, answer=Answer(text=text), expected=expected, incumbent=None).score == 1.0


def test_the_share_of_right_calls_is_given_when_asked_for() -> None:
    made = [call("clock"), call("weather", city="Rome")]
    assert grade(made, as_json([call("clock"), call("weather", city="Oslo")]), score="share").score == 0.5


def test_arguments_that_are_no_json_are_wrong() -> None:
    broken = [ToolCall(name="weather", arguments='{"city": "Ro')]
    assert "not a JSON object" in grade(broken, as_json([call("weather", city="Rome")])).reason
    assert (
        grade([ToolCall(name="weather", arguments='{"city": "Rome"}')], as_json([call("weather", city="Rome")])).score
        == 1.0
    )


@pytest.mark.parametrize("expected", [None, 3, "hello", {"a": 1, "b": 2}, [3], {"name": "f", "arguments": "x"}])
def test_an_expected_answer_that_is_no_call_is_the_users_mistake(expected: JSON) -> None:
    with pytest.raises(InputError, match="no tool call"):
        grade([call("clock")], expected)


def test_python_calls_are_read_and_never_run() -> None:
    read = calls_in("```python\n[a.b(x=-1, y=[1, 2], z={'k': True}), c('d'), e(f=__import__('os').getcwd())]\n```")
    assert read == (
        ToolCall(name="a.b", arguments={"x": -1, "y": [1, 2], "z": {"k": True}}),
        ToolCall(name="c", arguments={"0": "d"}),
        ToolCall(name="e", arguments={"f": "__import__('os').getcwd()"}),
    )


@given(st.text(max_size=200) | st.text(alphabet="[](){}abc=,'\"1.-: \n", max_size=200))
def test_no_text_makes_reading_calls_raise(text: str) -> None:
    calls_in(text)


@pytest.mark.parametrize(
    "piece",
    ["(", "f(", "-", "a.", "not ", "[", "{", "f(x=", "<tool_call>", "1+", "lambda:", '"', "f()(", "x if ", "a**"],
)
@pytest.mark.parametrize("end", ["", ")"])
def test_monstrous_text_is_read_at_once(piece: str, end: str) -> None:
    for size in (19_000, 190_000, 10_000_000):
        text = piece * (size // len(piece)) + end
        assert cpu_s(partial(calls_in, text), enough=1.5) < 1.5


def test_a_runaway_number_of_calls_is_wrong() -> None:
    assert grade([call("clock")] * 5_000, as_json([call("clock")])).score == 0.0


def _tools(request: str) -> tuple[Tool, ...]:
    return tuple(
        Tool(name=tool["function"]["name"], parameters=tool["function"].get("parameters") or {})
        for tool in json.loads(request).get("tools", [])
    )


def test_recorded_calls_are_read_and_graded_like_the_record_says() -> None:
    """The key comes from models outside the pair; a right answer may be any of several, so the best match counts."""
    pair = {"gpt-4o-2024-08-06-FC", "meta-llama_Meta-Llama-3-70B-Instruct"}
    key: defaultdict[str, list[tuple[ToolCall, ...]]] = defaultdict(list)
    under_test: list[dict[str, Any]] = []
    for row in rows("bfcl_v1"):
        if "relevance" in row["item_id"]:
            continue
        if row["model"] in pair:
            under_test.append(row)
        elif row["score"] == 1.0 and "deepseek" not in row["model"] and (made := calls_in(row["response"])):
            key[row["item_id"]].append(made)
    rule, agreed = ToolCallRule(), Counter[str]()
    for row in under_test:
        if row["item_id"] in key:
            answer, tools = Answer(tool_calls=calls_in(row["response"]) or ()), _tools(row["request"])
            best = float(any(rule.calls(tools, answer, wanted).score == 1.0 for wanted in key[row["item_id"]]))
            agreed[row["model"]] += best == row["score"]
    assert len(key) >= 1_380
    assert all(count / len(key) > 0.96 for count in agreed.values()), agreed
    assert set(agreed) == pair


def test_recorded_messages_with_tool_calls_are_read() -> None:
    read = [calls_in(row["response"]) for row in rows("typia_validate") if row["score"] == 1.0]
    assert sum(made is not None and len(made) > 0 for made in read) / len(read) > 0.95
