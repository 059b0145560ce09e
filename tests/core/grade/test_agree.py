"""Agreement with the incumbent: the comparison follows the shape of its answer, and is never called quality."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import InputError, UsageError
from fairlead.core.grade import describe, grader
from fairlead.core.grade.agree import shape_of
from fairlead.core.nouns import JSON, Answer, Endpoint, Failure, FailureKind, Grade, Request, ToolCall

REQUEST = Request(endpoint=Endpoint.CHAT, model="any")
TIMEOUT = Answer(failure=Failure(kind=FailureKind.TIMEOUT, detail="60 s"))


def grade(answer: str | Answer, incumbent: str | Answer | None, **settings: JSON) -> Grade:
    answer = Answer(text=answer) if isinstance(answer, str) else answer
    incumbent = Answer(text=incumbent) if isinstance(incumbent, str) else incumbent
    return grader("agree", settings=settings).grade(request=REQUEST, answer=answer, expected=None, incumbent=incumbent)


@pytest.mark.parametrize(
    ("incumbent", "shape"),
    [
        ("42", "number"),
        ("$1,200.00", "number"),
        ("3 + 4 = 7 apples\n#### 7", "number"),
        ('{"reasoning": "…", "answer": "12 hours"}', "json"),
        ("B", "choice"),
        ("The answer is (C).", "choice"),
        ('```json\n{"a": 1}\n```', "json"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("Paris", "exact"),
        ("Dear Ms Lund, thank you for your letter of 3 May. We shall refund 40 euros.", "exact"),
        (Answer(tool_calls=(ToolCall(name="f", arguments={}),)), "tool_call"),
    ],
)
def test_the_shape_of_an_answer(incumbent: str | Answer, shape: str) -> None:
    answer = Answer(text=incumbent) if isinstance(incumbent, str) else incumbent
    assert shape_of(answer) == shape


@pytest.mark.parametrize(
    ("answer", "incumbent"),
    [
        ("It costs 20 dollars: 4 × $5 = $20.00", "#### 20"),
        ("Answer: C", "(C)"),
        ('Sure: {"b": [1], "a": 2.0}', '{"a": 2, "b": [1]}'),
        ("paris.", "Paris"),
        ("I cannot assist with this request.", "I'm sorry, but I can't help with that."),
    ],
)
def test_answers_that_say_the_same_agree(answer: str, incumbent: str) -> None:
    assert grade(answer, incumbent).score == 1.0


@pytest.mark.parametrize(
    ("answer", "incumbent"),
    [
        ("21", "20"),
        ("B", "C"),
        ('{"a": 1}', '{"a": 2}'),
        ('{"a": 1, "b": 2}', '{"a": 1}'),
        ("Rome", "Paris"),
        ("Sure, here it is", "I can't help with that."),
    ],
)
def test_answers_that_say_something_else_do_not(answer: str, incumbent: str) -> None:
    other = grade(answer, incumbent)
    assert other.score == 0.0
    assert other.reason.startswith("differs from the incumbent's ")


def test_tool_calls_are_compared_as_tool_calls() -> None:
    made = Answer(tool_calls=(ToolCall(name="f", arguments={"a": 1}),))
    assert grade(Answer(tool_calls=(ToolCall(name="f", arguments={"a": 1.0}),)), made).score == 1.0
    assert grade("f(a=1)", made).score == 0.0


@given(st.text(max_size=200))
def test_the_incumbent_agrees_with_itself_wherever_its_answer_can_be_read(text: str) -> None:
    assert grade(text, text).score == 1.0


@given(
    st.text(max_size=100),
    st.text(max_size=100),
    st.sampled_from(["auto", "exact", "number", "choice", "label", "json", "tool_call"]),
)
def test_no_pair_of_answers_makes_it_raise(answer: str, incumbent: str, by: str) -> None:
    assert grade(answer, incumbent, by=by).score in {0.0, 1.0}


def test_an_incumbent_that_failed_gives_nothing_to_agree_with() -> None:
    assert grade("42", TIMEOUT).score == grade(TIMEOUT, "42").score == grade(TIMEOUT, TIMEOUT).score == 0.0
    assert "the incumbent has no answer" in grade("42", TIMEOUT).reason
    with pytest.raises(InputError, match="needs the incumbent's answer"):
        grade("42", None)


def test_one_comparison_can_be_fixed() -> None:
    assert grade("In the year 12, not 13, it was 42", "Let me add: 40 and 2 is 42", by="number").score == 1.0
    assert grade("The label is spam", "spam", by="label", labels=["spam", "ham"]).score == 1.0
    assert (
        grade("x", "no number here", by="number").reason
        == "differs from the incumbent's number: the incumbent's answer holds no number"
    )
    with pytest.raises(UsageError, match="by"):
        grade("x", "y", by="vibes")
    with pytest.raises(UsageError, match="labels"):
        grade("x", "y", labels=["a"])


def test_it_is_worded_as_agreement_and_needs_no_labels_file() -> None:
    assert "agrees with the incumbent" in describe("agree")
    assert "not quality" in describe("agree")
    assert grader("agree").needs_expected is False
