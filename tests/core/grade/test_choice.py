"""Choice letters in the words models put them in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import InputError, UsageError
from fairlead.core.grade import grader
from fairlead.core.grade.choice import picked
from fairlead.core.nouns import JSON, Answer, Endpoint, Request
from pace import cpu_s

REQUEST = Request(endpoint=Endpoint.CHAT, model="any")
WORDINGS = [
    "{}", "({})", "{}.", "{})", "**{}**", "`{}`", '"{}"', "[{}]", "```\n{}\n```", "Answer: {}", "**Answer:** {}", "**Answer: {}**",
    "Answer: ({})", "The answer is {}.", "The answer is ({}).", "The correct answer is **{}**.", "The correct answer is **{}) 42**.",
    "Final Answer: ({}) 12 m/s", r"\boxed{{{}}}", r"The answer is $\boxed{{\text{{{}}}}}$.", '{{"answer": "{}"}}',
    '{{"reasoning": "A is too small", "answer": "{}"}}', '{{"answer": "{}) Paris"}}', "Option {}", "Option {} is correct.",
    "the answer is option {}", "I would choose {}.", "I pick ({}).", "{} is the correct answer.", "{}. Paris", "{}: Paris", "({}) Paris",
    "{}, because the others are too small.", "{}\n\nExplanation: it is the largest.", "First I weigh them.\n\n{}",
    "答案是{}", "答案：{}。", "La respuesta es {}", "Die Antwort ist {}.", "### Answer\n\n{}", "The best answer is {}: it rains",
    "Let me see. The first is wrong. So the answer is {}", "Correct option: {}", "Answer – {}", "<answer>{}</answer>", "[[{}]]", "<think>A? B?</think>{}",
]  # fmt: skip


@given(st.sampled_from("ABCDEFGHIJ"), st.sampled_from(WORDINGS))
def test_a_letter_is_read_in_many_wordings(letter: str, wording: str) -> None:
    assert picked(wording.format(letter)) == letter


@pytest.mark.parametrize("text", ["b", "(b)", "answer: b", "Answer: (b)", "option: b)", '{"answer": "b"}'])
def test_small_letters_count_where_they_are_clearly_choices(text: str) -> None:
    assert picked(text) == "B"


@pytest.mark.parametrize(
    "text",
    [
        "", "A dog barks.", "I think so.", "A or B", "Answer: A or B", "Answer: both A and C", "(A) and (B)", "The answer is not clear.",
        "Vitamin B is good and so is vitamin D.", "It is a matter of taste.", "A. red\nB. blue\nC. green", "42",
    ],
)  # fmt: skip
def test_an_answer_that_picks_none_or_several_is_no_choice(text: str) -> None:
    assert picked(text) is None


def test_what_is_said_to_be_the_answer_counts_before_letters_in_the_reasoning() -> None:
    assert picked("A is wrong. C is wrong. So the answer is (B).") == "B"
    assert picked("Answer: I think it's C") == "C"
    assert picked("(A) too small\n(B) too big\n\nThe answer is (A).\nCheck: (B) fails.") == "A"


def score(text: str, expected: JSON, **settings: JSON) -> float:
    rule = grader("choice", settings=settings)
    return rule.grade(request=REQUEST, answer=Answer(text=text), expected=expected, incumbent=None).score


def test_the_expected_letter_may_be_written_in_any_way_too() -> None:
    assert score("The answer is C.", "c") == score("C", "(C)") == score("C", ["B", "C"]) == 1.0
    assert score("The answer is D.", "C") == 0.0


@pytest.mark.parametrize("expected", ["Paris", "K", 3, None, "", {"a": "B"}, []])
def test_an_expected_answer_that_is_no_letter_is_the_users_mistake(expected: JSON) -> None:
    with pytest.raises(InputError, match="letters A to J"):
        score("B", expected)


def test_letters_outside_the_set_are_no_labels() -> None:
    with pytest.raises(InputError, match="letters A to D"):
        score("E", "E", letters="abcd")
    with pytest.raises(UsageError, match="letters"):
        grader("choice", settings={"letters": "XYZ"})


@given(st.text(max_size=300) | st.text(alphabet="ABCDIabi()*. \n:answeroption\\boxed{}\"'", max_size=200))
def test_no_text_makes_it_raise(text: str) -> None:
    assert score(text, "A") in {0.0, 1.0}


@pytest.mark.parametrize("piece", ["(A", "answer is ", "option ", "A is ", "A ", "*", "\n", "{", "A or ", '"answer":"'])
def test_ten_megabytes_of_anything_are_graded_at_once(piece: str) -> None:
    text = piece * (10_000_000 // len(piece))
    assert cpu_s(lambda: score(text, "A"), enough=1.0) < 1.0
