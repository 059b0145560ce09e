"""The number grader against recorded answers of ten real models."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fairlead.core.grade import grader
from fairlead.core.nouns import Answer, Endpoint, Grade, Request
from recorded_gsm import key_without, question_number, question_text, rows

REQUEST = Request(endpoint=Endpoint.CHAT, model="any")
GPT4, MIXTRAL = "gpt-4-1106-preview", "Mixtral-8x7B-Instruct-v0.1"


def graded(text: str, expected: float) -> Grade:
    return grader("number").grade(request=REQUEST, answer=Answer(text=text), expected=expected, incumbent=None)


def test_the_same_number_is_the_same_question_in_both_files() -> None:
    texts = {question_number(row["item_id"]): question_text(row) for row in rows("zeroeval_gsm")}
    for row in rows("routellm_gsm8k"):
        assert texts[question_number(row["item_id"])] == question_text(row)


def test_expected_answers_from_the_other_models_exist_for_1300_questions_without_a_conflict() -> None:
    key = key_without({GPT4, MIXTRAL})
    assert (len(key.expected), len(key.conflicts), len(key.unknown)) == (1300, 0, 19)


def test_a_key_from_six_models_agrees_with_the_key_from_eight() -> None:
    recorded = rows("zeroeval_gsm")
    every, fewer = key_without((), recorded), key_without({"gpt-4o-2024-08-06", "Mistral-Large-2"}, recorded)
    assert len(fewer.expected) >= 1295
    assert all(every.expected[number] == value for number, value in fewer.expected.items())


def test_our_accuracies_agree_with_the_recorded_ones_for_all_eight_models() -> None:
    recorded = rows("zeroeval_gsm")
    for model in sorted({row["model"] for row in recorded}):
        key = key_without({model}, recorded)
        mine = [row for row in recorded if row["model"] == model and question_number(row["item_id"]) in key.expected]
        ours = sum(graded(row["response"], float(key.expected[question_number(row["item_id"])])).score for row in mine)
        theirs = sum(row["score"] for row in mine)
        assert len(mine) >= 1295
        assert abs(ours - theirs) / len(mine) <= 0.003, f"{model}: ours {ours}, recorded {theirs} of {len(mine)}"


def test_gpt4_and_mixtral_are_graded_as_measured_and_every_disagreement_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_without({GPT4, MIXTRAL})
    right: Counter[str] = Counter()
    lines: list[str] = []
    for row in rows("routellm_gsm8k"):
        number = question_number(row["item_id"])
        if number not in key.expected:
            continue
        grade = graded(row["response"], float(key.expected[number]))
        right[row["model"]] += int(grade.score)
        if grade.score != row["score"]:
            end = " ".join(row["response"].split())[-90:]
            lines.append(
                f"{row['item_id']} {row['model']}: recorded {row['score']:.0f}, ours {grade.score:.0f} "
                f"(expected {key.expected[number]}{', ' + grade.reason if grade.reason else ''}) …{end}"
            )
    listing = tmp_path / "gsm8k_disagreements.txt"
    listing.write_text("\n".join(lines), encoding="utf-8")
    with capsys.disabled():
        print(f"\n{len(lines)} answers are graded otherwise than recorded; each is in {listing}")
    assert right[GPT4] / 1300 == pytest.approx(0.902, abs=0.003)
    assert right[MIXTRAL] / 1300 == pytest.approx(0.644, abs=0.003)
    missed = [line for line in lines if GPT4 in line and "recorded 0, ours 1" in line]
    assert len(missed) >= 40
    assert sum(".00" in line for line in missed) >= 0.95 * len(missed)
    assert len(lines) - len(missed) <= 15
