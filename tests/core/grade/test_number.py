"""Numbers: any usual way to write one, and where in an answer the final one stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import InputError, UsageError
from fairlead.core.grade import grader
from fairlead.core.grade.number import final_number
from fairlead.core.nouns import JSON, Answer, Endpoint, Request
from pace import cpu_s

REQUEST = Request(endpoint=Endpoint.CHAT, model="any")


def score(text: str, expected: JSON, **settings: JSON) -> float:
    rule = grader("number", settings=settings)
    return rule.grade(request=REQUEST, answer=Answer(text=text), expected=expected, incumbent=None).score


def grouped(value: int, mark: str) -> str:
    return f"{value:,}".replace(",", mark)


STYLES = {
    "plain": str,
    "with cents": lambda n: f"{n}.00",
    "with commas": lambda n: grouped(n, ","),
    "with commas and cents": lambda n: grouped(n, ",") + ".00",
    "with spaces": lambda n: grouped(n, " "),
    "with thin spaces": lambda n: grouped(n, "\u202f"),
    "Swiss": lambda n: grouped(n, "'"),
    "in dollars": lambda n: f"${n:,}.00",
    "euros after": lambda n: f"{n} €",
    "bold": lambda n: f"**{n}**",
    "bold dollars": lambda n: f"**${n}**",
    "boxed": lambda n: rf"\boxed{{{n}}}",
    "boxed dollars": lambda n: rf"$\boxed{{\${n}}}$",
    "boxed with units": lambda n: rf"\boxed{{{n} \text{{ cm}}}}",
    "in JSON": lambda n: f'{{"reasoning": "first 3, then 4", "answer": "{n}"}}',
    "as JSON number": lambda n: f'{{"answer": {n}, "steps": 7}}',
    "in fenced JSON": lambda n: f'```json\n{{"reasoning": "7 of 9",\n "answer": "{n} apples"}}\n```',
    "after hashes": lambda n: f"3 + 4 = 7\n#### {n}",
    "after answer": lambda n: f"There are 4 parts.\n\n**Answer:** {n}\n\nThis took 5 steps.",
    "as a sentence": lambda n: f"With 12 of them, that makes {n} marbles in total.",
    "with a full stop": lambda n: f"It is {n}.",
    "as an equation": lambda n: f"Answer: 2 + 3 = {n}",
    "per cent": lambda n: f"{n}%",
    "fullwidth digits": lambda n: "".join(chr(ord(c) + 0xFEE0) for c in str(n)),
    "in Chinese": lambda n: f"所以答案是{n}个。",
    "in code": lambda n: f"`{n}`",
    "scientific": lambda n: f"{n}e0",
    "German": lambda n: grouped(n, ".") + ",00" if n >= 1000 else f"{n},00",
}


@given(st.integers(0, 10**9), st.sampled_from(sorted(STYLES)))
def test_a_number_in_any_supported_style_is_right(value: int, style: str) -> None:
    assert score(STYLES[style](value), value) == 1.0


@given(st.integers(1, 10**9), st.sampled_from(sorted(STYLES)), st.integers(2, 9))
def test_another_number_in_any_supported_style_is_wrong(value: int, style: str, times: int) -> None:
    assert score(STYLES[style](value * times + 1), value) == 0.0


@given(st.decimals("-1000000", "1000000", places=2))
def test_a_decimal_is_read_as_written(value: object) -> None:
    assert score(f"It comes to {value}", str(value)) == 1.0
    assert score(f"It comes to {value} kg.", float(str(value))) == 1.0


@given(st.integers(1, 10**6))
def test_every_minus_sign_negates(value: int) -> None:
    for sign in "-−–﹣－":
        assert score(f"The change is {sign}{value}", -value) == 1.0
        assert score(f"The change is {sign}${value}", -value) == 1.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3/4", 0.75),
        ("1 1/2 cups", 1.5),
        ("1½ cups", 1.5),
        (r"\frac{3}{4}", 0.75),
        (r"The answer is $\boxed{\frac{3}{4}}$.", 0.75),
        (r"\boxed{1{,}234}", 1234),
        ("6.02e23", 6.02e23),
        ("about 1.5 × 10^6", 1.5e6),
        (r"1.5 \times 10^{6}", 1.5e6),
        ("12,34,567 rupees", 1234567),
        ("1.234,56", 1234.56),
        ("1.234.567", 1234567),
        ("3,5", 3.5),
        ("0,125", 0.125),
        ("1.234", 1.234),
        ("1,234", 1234),
        (".75", 0.75),
        (r"\boxed{-\frac{1}{2}}", -0.5),
        (r"1\frac{1}{2}", 1.5),
        ("1_000_000", 1e6),
        ("10^6", 1e6),
        ("1.5×10⁻⁶ m", 1.5e-6),
        ("50 m²", 50),
        ("Answer: 1/3 of 12 = 4", 4),
        ("USD20", 20),
        ("Rs.500", 500),
        ("5:00 pm", 5),
        ("the point (3,5)", 5),
        ("10 - 3", 3),
        ("5-7 days", 7),
        ("an area of 50 m^2", 50),
        ("an area of 50 m2", 50),
        ("from 20 trees in 2020 150 remain", 150),
        ("- 5 apples", 5),
        ("٤٢", 42),
        ("<think>maybe 9</think>8", 8),
        ("#### 16 - 7 = 9 eggs", 9),
        ("The answer is 18 because 9*2 = 18, in 3 steps", 18),
        ("Answer: the 3 friends get 7 each", 7),
        ("Die Antwort ist 12 von 40", 12),
        ("x = -3", -3),
    ],
)
def test_formats_people_and_models_use(text: str, value: float) -> None:
    number = final_number(text)
    assert number is not None
    assert number.readings[0] == pytest.approx(value)


def test_a_percentage_may_be_a_share_and_a_million_a_word() -> None:
    assert score("25%", 25) == score("25%", 0.25) == score("0.25", "25%") == 1.0
    assert score("$1.2 million", 1_200_000) == score("1.2 million", 1.2) == 1.0
    assert score("0.25%", 25) == 0.0


@pytest.mark.parametrize(
    "text", ["", "no idea", "H2O", "use GPT-4", "1/0", "9" * 400, "1e999", '{"answer": "cannot be determined"}']
)
def test_where_there_is_no_number_the_grade_is_0_with_a_reason(text: str) -> None:
    grade = grader("number").grade(request=REQUEST, answer=Answer(text=text), expected=4, incumbent=None)
    assert (grade.score, grade.reason) == (0.0, "no number in the answer")


def test_an_answer_field_counts_before_numbers_that_follow_it() -> None:
    assert score('{"answer": "12", "confidence": 0.9}', 12) == 1.0
    assert score('{"answer": "12", "total_score": 7}', 7, field="total score") == 1.0
    assert score("12", 12, field="total") == 0.0


def test_tolerance_is_absolute_or_relative() -> None:
    assert score("3.14", 3.14159) == 0.0
    assert score("3.14", 3.14159, tolerance=0.01) == 1.0
    assert score("101", 100, relative=0.01) == 1.0
    assert score("102", 100, relative=0.01) == 0.0


def test_any_of_several_expected_numbers_is_right() -> None:
    assert score("7", [5, "7"]) == 1.0
    assert score("6", [5, "7"]) == 0.0


@pytest.mark.parametrize("expected", [None, True, "none", {"a": 1}, [], ["x"], float("nan"), 10**400])
def test_an_expected_answer_that_is_no_number_is_the_users_mistake(expected: JSON) -> None:
    with pytest.raises(InputError, match="not a number"):
        score("7", expected)


@pytest.mark.parametrize(
    "setting", [{"tolerance": -1}, {"tolerance": "x"}, {"tolerance": True}, {"field": 3}, {"tolerence": 1}]
)
def test_settings_that_cannot_be_used_are_refused(setting: dict[str, JSON]) -> None:
    with pytest.raises(UsageError):
        grader("number", settings=setting)


@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text: str) -> None:
    assert score(text, 1) in {0.0, 1.0}


@given(st.text(alphabet="0123456789.,-−$€%/ '^*{}\\()[]eExX×:½\"#answer\n", max_size=200))
def test_no_heap_of_number_signs_makes_it_raise(text: str) -> None:
    assert score(text, 1) in {0.0, 1.0}


@pytest.mark.parametrize(
    "piece",
    ["1 ", "1,", '"a":"\\', "9", "answer ", "1/", "-$", "\\boxed{", "{", "1 234 ", "**", "1.", "½", "e1", "\\frac{1}{"],
)
def test_ten_megabytes_of_anything_are_graded_at_once(piece: str) -> None:
    text = piece * (10_000_000 // len(piece))
    assert cpu_s(lambda: score(text, 1), enough=1.0) < 1.0
