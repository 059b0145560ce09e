"""Exact text and labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import InputError
from fairlead.core.grade import grader, label_set, settings_from
from fairlead.core.nouns import JSON, Answer, Endpoint, Grade, Request
from pace import cpu_s

REQUEST = Request(endpoint=Endpoint.CHAT, model="any")
SPAM = ["spam", "not spam", "unsure"]


def grade(name: str, text: str, expected: JSON, **settings: JSON) -> Grade:
    return grader(name, settings=settings).grade(
        request=REQUEST, answer=Answer(text=text), expected=expected, incumbent=None
    )


def exact(text: str, expected: JSON, **settings: JSON) -> float:
    return grade("exact", text, expected, **settings).score


def label(text: str, expected: JSON, *, labels: list[str] | None = SPAM, **settings: JSON) -> float:
    given_labels: dict[str, JSON] = {} if labels is None else {"labels": list[JSON](labels)}
    return grade("label", text, expected, **given_labels, **settings).score


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="`."), max_size=80))
def test_a_text_equals_itself_in_a_fence_with_a_full_stop_and_more_space(text: str) -> None:
    assert exact(text, text) == 1.0
    assert exact(f"```text\n{text}\n```", text) == 1.0
    assert exact(f"  {text}.\n", text) == 1.0


def test_what_exact_text_overlooks_and_what_it_does_not() -> None:
    assert exact("ﬁne  café", "fine cafe\u0301") == 1.0
    assert exact("`SELECT 1`", "SELECT 1") == 1.0
    assert exact("Paris", "paris") == 0.0
    assert exact("Paris", "paris", ignore_case=True) == 1.0
    assert exact("Paris!", "Paris") == 0.0
    assert exact("and so on...", "and so on") == 0.0
    assert exact("42", 42) == exact("true", True) == exact("b", ["a", "b"]) == 1.0


@pytest.mark.parametrize("expected", [None, {"a": 1}, [], [["a"]]])
def test_exact_text_needs_text_to_compare_with(expected: JSON) -> None:
    with pytest.raises(InputError, match="not text"):
        exact("a", expected)


def test_a_label_is_read_in_many_wordings() -> None:
    for text in (
        "spam", "Spam.", "SPAM", "**spam**", '"spam"', "Label: spam", "The category is spam.", "Answer: Spam", '{"label": "spam"}',
        '{"reason": "it is not spam-like, but", "label": "SPAM"}', '```json\n{"category": "spam"}\n```', "This message is clearly spam.",
        "I looked at the links.\n\nspam", "Category: **Spam**\nReason: unsure sender", '{"anything": "spam"}',
    ):  # fmt: skip
        assert label(text, "spam") == 1.0, text


def test_spaces_hyphens_and_underscores_are_one() -> None:
    assert label("NOT_SPAM", "not spam") == label("not-spam", "not_spam", labels=["not_spam", "spam"]) == 1.0


def test_a_label_inside_a_longer_one_is_the_longer_one() -> None:
    assert label("This is not spam.", "not spam") == 1.0
    assert label("This is not spam.", "spam") == 0.0


def test_a_denied_label_is_not_named() -> None:
    assert label("It is not a refund, it is billing", "billing", labels=["refund", "billing"]) == 1.0
    assert label("It is not billing.", "billing", labels=["refund", "billing"]) == 0.0


def test_an_answer_that_names_two_labels_is_wrong() -> None:
    for text in (
        "spam or unsure",
        "Spam? Unsure.",
        '["spam", "unsure"]',
        '{"label": ["spam", "unsure"]}',
        "spam\nunsure",
    ):
        assert label(text, "spam") == 0.0, text
    assert "names 2 labels" in grade("label", "spam or unsure", "spam", labels=list[JSON](SPAM)).reason


def test_yes_and_no_are_labels_and_also_words() -> None:
    answers = ["yes", "no"]
    assert label("Yes, because there is no problem.", "yes", labels=answers) == 1.0
    assert label("No, the invoice is fine.", "no", labels=answers) == 1.0
    assert label("The answer is no because it is late", "no", labels=answers) == 1.0
    assert label("Yes and no.", "yes", labels=answers) == 0.0


def test_an_aside_after_a_stated_label_is_no_second_label() -> None:
    assert label("Label: spam (not unsure)", "spam") == label("Label: spam (not unsure)", "spam", labels=None) == 1.0
    assert label("<answer>spam</answer>", "spam") == 1.0
    assert label("Label: spam or ham", "spam", labels=None) == 0.0


def test_without_the_set_the_label_must_stand_alone_or_be_stated() -> None:
    assert label("Spam.", "spam", labels=None) == label('{"label": "spam"}', "spam", labels=None) == 1.0
    assert label("Category: spam", "spam", labels=None) == 1.0
    assert label("spam or ham, hard to say", "spam", labels=None) == 0.0


def test_labels_in_scripts_without_spaces_and_with_signs() -> None:
    assert label("这条评论是正面的。", "正面", labels=["正面", "负面"]) == 1.0
    assert label("ความเห็นนี้เป็นบวก", "บวก", labels=["บวก", "ลบ"]) == 1.0
    assert label("C++", "C++", labels=["C", "C++", "C#"]) == 1.0
    assert label("C#", "C", labels=["C", "C++", "C#"]) == 0.0


def test_a_named_field_is_the_only_place_looked_at() -> None:
    assert label('{"label": "spam", "final": "unsure"}', "unsure", field="final") == 1.0
    assert label("unsure", "unsure", field="final") == 0.0


def test_the_set_can_be_taken_from_the_expected_answers() -> None:
    assert label_set(["spam", "Spam", ["ham", 3], {"x": 1}]) == ["3", "ham", "spam"]
    assert settings_from("label", ["b", "a", "b"]) == {"labels": ["a", "b"]}
    assert settings_from("number", [1]) == {}


@pytest.mark.parametrize("expected", [None, "", "ham", {"a": 1}, []])
def test_an_expected_label_outside_the_set_is_the_users_mistake(expected: JSON) -> None:
    with pytest.raises(InputError, match="label"):
        label("spam", expected)


@given(
    st.text(max_size=300), st.lists(st.text(min_size=1).filter(lambda text: bool(text.strip())), min_size=1, max_size=5)
)
def test_no_text_and_no_labels_make_it_raise(text: str, labels: list[str]) -> None:
    expected = labels[0]
    try:
        assert label(text, expected, labels=labels) in {0.0, 1.0}
    except InputError as error:
        assert "not a label" in str(error)  # noqa: PT017


@given(
    st.sampled_from(SPAM),
    st.sampled_from(["{}", "{}.", "Label: {}", '{{"label": "{}"}}', "I would say {}", "It is **{}**!"]),
)
def test_each_label_of_a_set_is_told_from_the_others(name: str, wording: str) -> None:
    assert [label(wording.format(name), other) for other in SPAM] == [float(name == other) for other in SPAM]


@pytest.mark.parametrize("piece", ["spam ", "not ", "label: ", '{"label":', "\n", '"label":"\\', "```\n", "a", "."])
@pytest.mark.parametrize("name", ["exact", "label"])
def test_ten_megabytes_of_anything_are_graded_at_once(name: str, piece: str) -> None:
    text = piece * (10_000_000 // len(piece))
    assert cpu_s(lambda: grade(name, text, "spam"), enough=1.0) < 1.0
