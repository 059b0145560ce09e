"""Expected answers for the recorded GSM8K files, which carry none: taken from models outside the pair under test.

`zeroeval_gsm` has eight models with recorded scores. An answer of a model that is *not* under test and was scored 1.0 is the
expected one. Read here with the standard library only, so that no grader under test decides what is right.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TEXTS = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "texts"
ANSWER = re.compile(r'"answer"\s*:\s*"?([^"\n}]*)')
DIGITS = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Key:
    """`expected` by question number; `conflicts` are questions on which right answers differ, `unknown` have none."""

    expected: Mapping[int, Decimal]
    conflicts: tuple[int, ...]
    unknown: tuple[int, ...]


@cache
def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a recorded file; skips the test where the data is not on this machine."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = TEXTS / f"{name}.parquet"
    if not path.exists():
        pytest.skip("needs the recorded data in ../shared/data, which is not on this machine")
    return parquet.read_table(path).to_pylist()


def question_number(item_id: str) -> int:
    """`gsm8k/12` and `gsm/gsm8k-main-test-#12` are the same question."""
    return int(re.split(r"[/#]", item_id)[-1])


def question_text(row: Mapping[str, Any]) -> str:
    """The question alone, without the instructions one file puts around it."""
    text = json.loads(row["request"])["messages"][-1]["content"]
    return text.split("## Question:")[-1].split("## Instruction")[0].strip()


def key_without(models: Collection[str], recorded: list[dict[str, Any]] | None = None) -> Key:
    """Expected answers from the models of `zeroeval_gsm` that are not among `models`."""
    recorded = rows("zeroeval_gsm") if recorded is None else recorded
    said: defaultdict[int, set[Decimal]] = defaultdict(set)
    for row in recorded:
        number = question_number(row["item_id"])
        said[number] |= _right_answers(row) if row["model"] not in models else set()
    expected = {number: next(iter(values)) for number, values in said.items() if len(values) == 1}
    conflicts = tuple(sorted(number for number, values in said.items() if len(values) > 1))
    return Key(expected, conflicts, tuple(sorted(number for number, values in said.items() if not values)))


def _right_answers(row: Mapping[str, Any]) -> set[Decimal]:
    found = ANSWER.findall(row["response"]) if row["score"] == 1.0 else []
    digits = DIGITS.search(found[-1]) if found else None
    if digits is None:
        return set()
    try:
        return {Decimal(digits[0].replace(",", "")).normalize()}
    except InvalidOperation:
        return set()
