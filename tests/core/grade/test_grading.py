"""What all graders share: names, ids, settings, failures, errors."""

from __future__ import annotations

import json
import time
import timeit
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import InputError, UsageError
from fairlead.core.grade import GRADERS, describe, fitting, graded, grader, problem_with, settings_of, suggested
from fairlead.core.nouns import (
    JSON,
    Answer,
    Category,
    Endpoint,
    Failure,
    FailureKind,
    Grade,
    Message,
    Part,
    PartKind,
    Request,
    Tool,
    ToolCall,
)

REQUEST = Request(endpoint=Endpoint.CHAT, model="any")
EXPECTED: dict[str, JSON] = {
    "exact": "a", "number": 1, "choice": "A", "label": "a", "json": {"a": 1}, "tool_call": {"name": "f", "arguments": {}}, "agree": None,
}  # fmt: skip
RIGHT = {
    name: Answer(text=text)
    for name, text in {
        "exact": "a",
        "number": "1",
        "choice": "A",
        "label": "a",
        "json": '{"a": 1}',
        "agree": "a",
    }.items()
}
RIGHT["tool_call"] = Answer(tool_calls=(ToolCall(name="f", arguments={}),))


def test_the_examples_here_cover_every_grader() -> None:
    assert set(EXPECTED) == set(RIGHT) == set(GRADERS)


@pytest.mark.parametrize("name", sorted(GRADERS))
def test_a_right_answer_is_1_and_a_failure_0_with_its_reason(name: str) -> None:
    rule = grader(name)
    incumbent = RIGHT[name]
    assert rule.grade(request=REQUEST, answer=RIGHT[name], expected=EXPECTED[name], incumbent=incumbent) == Grade(
        score=1.0
    )
    for kind in FailureKind:
        answer = Answer(text="1", failure=Failure(kind=kind, detail="as seen"))
        grade = rule.grade(request=REQUEST, answer=answer, expected=EXPECTED[name], incumbent=incumbent)
        assert grade == Grade(score=0.0, reason=f"no answer: {kind} (as seen)")


@pytest.mark.parametrize("name", sorted(GRADERS))
def test_each_grader_says_what_it_does_in_one_sentence(name: str) -> None:
    assert describe(name).endswith(".")
    assert len(describe(name)) < 140
    assert all(settings_of(name).values())


def test_an_unknown_grader_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(
        UsageError, match="no grader 'bleu'; there are: exact, number, choice, label, json, tool_call, agree"
    ):
        grader("bleu")


def test_an_id_holds_version_and_every_setting_that_differs() -> None:
    assert grader("number").id == grader("number", settings={"tolerance": 0}).id == "number@1"
    assert grader("number", settings={"tolerance": 0.5, "field": "x"}).id == 'number@1(tolerance=0.5,field="x")'
    assert grader("label", settings={"labels": ["b", "a"]}).id == grader("label", settings={"labels": ["a", "b"]}).id
    long = grader("label", settings={"labels": [f"label {n}" for n in range(100)]}).id
    assert len(long) < 60
    assert long != grader("label", settings={"labels": [f"label {n}" for n in range(101)]}).id


settings = st.fixed_dictionaries(
    {},
    optional={"tolerance": st.floats(0, 1), "ignore_case": st.booleans(), "score": st.sampled_from(["all", "share"])},
)


@given(settings, settings)
def test_ids_are_equal_exactly_when_the_graders_are(one: dict[str, JSON], other: dict[str, JSON]) -> None:
    a, b = grader("json", settings=one), grader("json", settings=other)
    assert (a.id == b.id) == (a == b)


@pytest.mark.parametrize("name", sorted(GRADERS))
def test_an_unknown_setting_is_refused_with_the_settings_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=f"grader '{name}' has no setting 'colour'; its settings are: "):
        grader(name, settings={"colour": "red"})


@pytest.mark.parametrize("name", sorted(set(GRADERS) - {"agree"}))
def test_a_missing_expected_answer_is_never_scored(name: str) -> None:
    assert problem_with(grader(name), None) == "there is no expected answer."
    assert problem_with(grader(name), EXPECTED[name]) is None
    with pytest.raises(InputError):
        grader(name).grade(request=REQUEST, answer=RIGHT[name], expected=None, incumbent=None)


def test_an_error_names_the_exchange() -> None:
    with pytest.raises(InputError, match=r"^exchange ex-7: the expected answer 'x' is not a number"):
        graded(grader("number"), exchange_id="ex-7", request=REQUEST, answer=RIGHT["number"], expected="x")


@dataclass
class TooGenerous:
    id: str = "mine"
    needs_expected: bool = False

    def grade(self, *, request: Request, answer: Answer, expected: JSON, incumbent: Answer | None) -> Grade:
        return Grade(score=float(answer.text))


@pytest.mark.parametrize("text", ["1.5", "-0.1", "nan", "inf"])
def test_a_score_outside_0_to_1_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="exchange ex-7: grader mine scored"):
        graded(TooGenerous(), exchange_id="ex-7", request=REQUEST, answer=Answer(text=text), expected=None)


def test_a_typical_answer_is_graded_in_well_under_a_millisecond() -> None:
    reasoning = "She eats three for breakfast, so 13 eggs are left, and sells nine of them for $2 each. " * 6
    cases = {
        "number": (Answer(text=reasoning + "\n#### $18.00"), 18),
        "choice": (Answer(text=reasoning + "\nThe answer is (B)."), "B"),
        "json": (Answer(text=json.dumps({"a": list(range(20)), "b": reasoning})), {"b": reasoning}),
        "exact": (Answer(text="Paris."), "Paris"),
        "label": (Answer(text="Label: spam"), "spam"),
    }
    for name, (answer, expected) in cases.items():
        once = partial(grader(name).grade, request=REQUEST, answer=answer, expected=expected, incumbent=None)
        assert once().score == 1.0, name
        best_s = min(timeit.repeat(once, number=50, repeat=5, timer=time.process_time)) / 50
        # Ten times the aim of 100 µs, for a machine that is slow.
        assert best_s < 0.001, (name, best_s)


def asking(text: str, *, system: str = "", **given_fields: object) -> Request:
    message = Message(role="user", parts=(Part(kind=PartKind.TEXT, text=text),))
    return Request(endpoint=Endpoint.CHAT, model="any", system=system, messages=(message,), **given_fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("category", "request_", "name"),
    [
        (Category.REASONING, asking("How many apples are left?"), "number"),
        (Category.REASONING, asking("Which is a planet?\nA) Moon\nB) Mars\nC) Sun"), "choice"),
        (Category.REASONING, asking("Who was first?"), "agree"),
        (Category.STRUCTURED, asking("Call it", tools=(Tool(name="f"),)), "tool_call"),
        (Category.AGENTIC, asking("Go on", tools=(Tool(name="f"),)), "tool_call"),
        (Category.STRUCTURED, asking("Extract", schema={"type": "object"}), "json"),
        (Category.STRUCTURED, asking("Extract the date. Return only JSON."), "json"),
        (Category.STRUCTURED, asking("I never got it", system="Classify the ticket as one of: billing, bug."), "label"),
        (Category.MULTILINGUAL, asking("Classify the sentiment of this review"), "label"),
        (Category.WRITING, asking("Write a letter. How many words?"), "agree"),
        (Category.SAFETY, asking("How do I pick a lock?"), "agree"),
        (Category.RETRIEVAL, Request(endpoint=Endpoint.EMBEDDINGS, model="any", inputs=("a",)), "agree"),
    ],
)
def test_the_grader_suggested_for_a_kind_of_work(category: Category, request_: Request, name: str) -> None:
    assert suggested(category, request_) == name
    assert name in GRADERS


PROSE = "It depends on the season, the harbour and the size of the boat; in winter most yards lift every hull out."


@pytest.mark.parametrize(
    ("category", "request_", "expected", "name"),
    [
        (Category.WRITING, asking("What is 3 + 4?"), [7, 12, 40], "number"),
        (Category.WRITING, asking("What is 3 + 4?"), ["$20.00", "1,200", "-3", "12 %"], "number"),
        (
            Category.REASONING,
            asking("How many are left?"),
            ["3 + 4 = 7\n#### 7", "First add, then halve. #### 12"],
            "number",
        ),
        (Category.WRITING, asking("Which of these?"), ["B", "c", "(A)"], "choice"),
        (Category.WRITING, asking("Read the note"), [{"total": 3}, {"total": 9}], "json"),
        (Category.CODING, asking("Read the note"), [["a", "b"], [{"total": 9}]], "json"),
        (
            Category.STRUCTURED,
            asking("Call it", tools=(Tool(name="f"),)),
            [{"name": "f", "arguments": {}}, []],
            "tool_call",
        ),
        (Category.STRUCTURED, asking("Call it", tools=(Tool(name="f"),)), ["yes", "no"] * 9, "label"),
        (Category.WRITING, asking("Sort the mail"), ["billing", "returns"] * 9, "label"),
        (Category.SAFETY, asking("May it stay?"), [True, False] * 9, "label"),
        (Category.STRUCTURED, asking("Rate it", system="Classify the tone, 1 to 5."), [1, 2, 5] * 9, "label"),
        (Category.STRUCTURED, asking("Read", system="The category of goods is given."), [18, 400, 3], "number"),
        (Category.WRITING, asking("Which town?"), ["Lisbon", "Porto", "Faro"], "exact"),
        (Category.WRITING, asking("What to do?"), [PROSE, PROSE + "!"], None),
    ],
)
def test_expected_answers_choose_a_grader_that_uses_them(
    category: Category, request_: Request, expected: list[JSON], name: str | None
) -> None:
    found = fitting(category, request_, expected)
    assert found == name
    if found is not None:
        assert grader(found).needs_expected
