"""JSON answers: by field and by schema."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import InputError, UsageError
from fairlead.core.grade import grader
from fairlead.core.grade.reading import json_value
from fairlead.core.nouns import JSON, Answer, Endpoint, Grade, Request
from pace import cpu_s

REQUEST = Request(endpoint=Endpoint.CHAT, model="any")
INVOICE: JSON = {
    "number": "A-17",
    "total": 1234.5,
    "lines": [{"item": "Tea", "count": 2}, {"item": "Milk", "count": 1}],
    "paid": False,
}
SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
# What stands before the mark that ends thinking is no answer, so no answer holds that mark.
objects = st.dictionaries(st.text(max_size=8), values, min_size=1, max_size=5).filter(
    lambda value: "</think>" not in json.dumps(value)
)


def grade(text: str, expected: JSON, *, request: Request = REQUEST, **settings: JSON) -> Grade:
    return grader("json", settings=settings).grade(
        request=request, answer=Answer(text=text), expected=expected, incumbent=None
    )


def score(answer: JSON, expected: JSON, **settings: JSON) -> float:
    return grade(json.dumps(answer), expected, **settings).score


@given(objects)
def test_an_object_equals_itself_however_it_is_wrapped(value: JSON) -> None:
    text = json.dumps(value, indent=1)
    for wrapped in (
        text,
        f"```json\n{text}\n```",
        f"Here it is:\n\n{text}\n\nAnything else?",
        f"<think>[1]</think>{text}",
    ):
        assert grade(wrapped, value).score == 1.0
        assert grade(wrapped, value, any_order=True, extra="wrong").score == 1.0


@given(objects, st.text(min_size=1, max_size=8))
def test_a_changed_field_is_wrong(value: dict[str, JSON], text: str) -> None:
    name = next(iter(value))
    changed = {**value, name: {"changed": [value[name], text]}}
    assert score(changed, value, extra="wrong") == 0.0


def test_numbers_are_numbers_and_texts_are_normalised() -> None:
    assert score({"a": 2.0, "b": " ﬁne  Café "}, {"a": 2, "b": "fine café"}) == 1.0
    assert score({"b": "FINE"}, {"b": "fine"}, ignore_case=False) == 0.0
    assert score({"a": 2.004}, {"a": 2}) == 0.0
    assert score({"a": 2.004}, {"a": 2}, tolerance=0.01) == 1.0


def test_kinds_are_not_mixed() -> None:
    for found, wanted in (("5", 5), (True, 1), (0, False), (None, 0), ([], None), ({}, [])):
        assert score({"a": found}, {"a": wanted}) == 0.0


def test_an_absent_field_is_null_and_an_extra_one_is_overlooked_unless_told() -> None:
    assert score({"a": 1}, {"a": 1, "b": None}) == 1.0
    assert score({"a": 1, "why": "x"}, {"a": 1}) == 1.0
    assert score({"a": {"b": 1, "why": "x"}}, {"a": {"b": 1}}) == 1.0
    assert score({"a": 1, "why": "x"}, {"a": 1}, extra="wrong") == 0.0
    assert score({"a": {"b": 1, "why": "x"}}, {"a": {"b": 1}}, extra="wrong") == 0.0


def test_lists_are_ordered_unless_told() -> None:
    assert score({"a": [1, 2]}, {"a": [2, 1]}) == 0.0
    assert score({"a": [1, 2]}, {"a": [2, 1]}, any_order=True) == 1.0
    assert score({"a": [1, 1, 2]}, {"a": [2, 2, 1]}, any_order=True) == 0.0
    many = list(range(500))
    assert score({"a": many[::-1]}, {"a": many}, any_order=True) == 1.0


def test_the_share_of_right_fields_is_given_only_when_asked_for() -> None:
    answer = {"number": "A-17", "total": 99, "lines": [], "paid": False}
    assert score(answer, INVOICE) == 0.0
    assert score(answer, INVOICE, score="share") == 0.5
    assert score({}, INVOICE, score="share") == 0.0
    assert "total: '99', not '1234.5'; and 1 more" in grade(json.dumps(answer), INVOICE).reason


def test_only_named_fields_count_and_dots_reach_inside() -> None:
    answer = {"number": "B", "lines": [{"item": "tea", "count": 9}]}
    assert score(answer, INVOICE, fields=["lines.0.item"]) == 1.0
    assert score(answer, INVOICE, fields=["lines.0.item", "lines.0.count"], score="share") == 0.5
    with pytest.raises(InputError, match="no field 'vat'"):
        score(answer, INVOICE, fields=["vat"])


def test_expected_json_may_be_text() -> None:
    assert score({"a": 1}, '{"a": 1}') == 1.0


@pytest.mark.parametrize("expected", [None, "x", 3, True])
def test_an_expected_answer_without_structure_is_the_users_mistake(expected: JSON) -> None:
    with pytest.raises(InputError, match="not a JSON object"):
        score({"a": 1}, expected)


@pytest.mark.parametrize(
    "text", ["", "no", "{", '{"a": 1', '{"a": NaN}', "{'a': 1}", "3", '"a"', '{"a": 1e999999, }', "[" * 100_000]
)
def test_what_is_no_json_scores_0(text: str) -> None:
    assert grade(text, {"a": 1}).score == 0.0


def test_strict_allows_nothing_around_the_json() -> None:
    assert grade('{"a": 1}\n', {"a": 1}, strict=True).score == 1.0
    assert grade('```json\n{"a": 1}\n```', {"a": 1}, strict=True).score == 0.0


def test_the_last_json_counts_and_one_of_the_expected_kind_before_others() -> None:
    assert json_value('first {"a": 1} then {"a": 2}') == {"a": 2}
    assert json_value('{"a": 1} as in [1]', prefer=dict) == {"a": 1}


def test_a_schema_from_the_settings_or_the_request_is_kept_or_broken() -> None:
    assert grader("json", settings={"schema": SCHEMA}).needs_expected is False
    assert grade('{"name": "Ann", "age": 3}', None, schema=SCHEMA).score == 1.0
    broken = grade('{"name": "ann", "age": 3}', None, schema=SCHEMA)
    assert broken.score == 0.0
    assert broken.reason.startswith("name: ")
    asking = Request(endpoint=Endpoint.CHAT, model="any", schema=SCHEMA)
    assert grade('{"age": -1}', None, request=asking, check="schema").score == 0.0
    assert grade('{"name": "Ann"}', {"name": "Bob"}, request=asking, check="both").score == 0.0
    with pytest.raises(InputError, match="carries none"):
        grade("{}", None, check="schema")


@pytest.mark.parametrize("schema", [{"type": 3}, {"type": "objekt"}, {"properties": []}])
def test_a_schema_that_is_none_is_refused_at_once(schema: dict[str, JSON]) -> None:
    with pytest.raises(UsageError, match="schema"):
        grader("json", settings={"schema": schema})


def test_a_schema_never_fetches_and_never_loops() -> None:
    with pytest.raises(InputError, match="refers to"):
        grade("{}", None, schema={"$ref": "http://127.0.0.1:9/schema.json"})
    with pytest.raises(InputError, match="refers to itself"):
        grade("{}", None, schema={"$ref": "#"})


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "(a*)*b", "^(([a-z])+.)+[A-Z]$", r"(a)\1+$", "a*a*a*a*a*b"])
def test_a_pattern_that_could_run_away_does_not(pattern: str) -> None:
    schema: dict[str, JSON] = {"properties": {"a": {"type": "string", "pattern": pattern}}}
    text = json.dumps({"a": "a" * 5_000 + "!"})
    assert cpu_s(lambda: grade(text, None, schema=schema), enough=1.0) < 1.0


def test_unique_items_are_found_fast() -> None:
    schema: dict[str, JSON] = {"type": "array", "uniqueItems": True}
    many = json.dumps([{"n": n} for n in range(20_000)])
    assert grade(many, None, schema=schema).score == 1.0
    assert grade('[{"n": 1, "m": 2}, {"m": 2, "n": 1}]', None, schema=schema).score == 0.0
    assert cpu_s(lambda: grade(many, None, schema=schema), enough=2.0) < 2.0


@given(st.text(max_size=200) | st.text(alphabet='{}[]":,0123eE-+ntf\\ `\n', max_size=200))
def test_no_text_makes_it_raise(text: str) -> None:
    assert grade(text, {"a": 1}).score in {0.0, 1.0}
    assert grade(text, None, schema=SCHEMA).score in {0.0, 1.0}


@pytest.mark.parametrize("piece", ["{", "[", '{"a":', '{"a":1}', "```\n", '"\\', "```json\n{}\n```\n", " "])
def test_ten_megabytes_of_anything_are_graded_at_once(piece: str) -> None:
    for size in (10_000_000, 390_000):
        text = piece * (size // len(piece))
        assert cpu_s(partial(grade, text, {"a": 1}), enough=1.5) < 1.5
