"""When two JSON values mean the same: numbers numerically, texts normalised, lists in order unless told otherwise.

Kinds are not mixed: `"5"` is not 5 and `true` is not 1, because the program that reads the answer would not mix them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.core.grade.reading import normal
from fairlead.core.nouns import JSON

# Up to this many elements an order-free list is matched element by element, above it is sorted first.
MATCHED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What differences are overlooked."""

    ignore_case: bool = False
    tolerance: float = 0.0
    any_order: bool = False

    def same(self, found: JSON, wanted: JSON) -> bool:
        """Whether the two values mean the same."""
        if isinstance(wanted, dict):
            return isinstance(found, dict) and self._objects(found, wanted)
        if isinstance(wanted, list):
            return isinstance(found, list) and self._lists(found, wanted)
        if isinstance(wanted, str):
            return isinstance(found, str) and (found == wanted or self._text(found) == self._text(wanted))
        if isinstance(wanted, bool) or isinstance(found, bool) or wanted is None:
            return found is wanted
        return isinstance(found, int | float) and self._numbers(found, wanted)

    def _objects(self, found: dict[str, JSON], wanted: dict[str, JSON]) -> bool:
        return all(self.same(found.get(key), wanted.get(key)) for key in found.keys() | wanted.keys())

    def _lists(self, found: Sequence[JSON], wanted: Sequence[JSON]) -> bool:
        if len(found) != len(wanted):
            return False
        if not self.any_order:
            return all(map(self.same, found, wanted))
        if len(wanted) > MATCHED:
            return all(map(self.same, sorted(found, key=self._rank), sorted(wanted, key=self._rank)))
        left = list(found)
        return all(self._take(left, value) for value in wanted)

    def _take(self, left: list[JSON], wanted: JSON) -> bool:
        for at, value in enumerate(left):
            if self.same(value, wanted):
                del left[at]
                return True
        return False

    def _numbers(self, found: float, wanted: float) -> bool:
        return found == wanted or math.isclose(found, wanted, rel_tol=1e-9, abs_tol=self.tolerance)

    def _text(self, text: str) -> str:
        return normal(text, ignore_case=self.ignore_case)

    def _rank(self, value: JSON) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{value:.9g}"
        return self._text(value) if isinstance(value, str) else json.dumps(value, sort_keys=True)
