"""JSON: the fields of the answer's JSON are right, or keep a schema, or both.

The JSON is the whole answer, or stands in a code fence or in prose (`strict` allows only the whole answer). Field by field:
numbers numerically, texts normalised and without regard to case, lists in order (`any_order` lifts that), kinds not mixed;
an absent field equals `null`; fields nobody expected are overlooked unless `extra` is `wrong`. By default every field must
be right; with `score = "share"` the grade is the share of the fields that are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from fairlead.core.errors import InputError
from fairlead.core.grade.reading import json_value, loads
from fairlead.core.grade.rule import RIGHT, Case, Rule, shown, wrong
from fairlead.core.grade.same import Likeness
from fairlead.core.grade.schema import breach, unusable
from fairlead.core.grade.settings import Settings
from fairlead.core.nouns import JSON, Grade


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonRule(Rule):
    """Compares JSON by field, or validates it."""

    name: ClassVar[str] = "json"
    is_quick: ClassVar[bool] = False
    says: ClassVar[str] = "The JSON in the answer has the expected fields, or keeps a JSON schema (check = schema)."
    settings_help: ClassVar[dict[str, str]] = {
        "check": "fields (default), schema (default when a schema is given; else the request's own is used) or both",
        "schema": "a JSON schema the answer must keep",
        "score": "all (default: every field must be right) or share (of the fields that are right)",
        "fields": "dotted names of the fields that count (default: every expected field)",
        "extra": "what fields nobody expected are: ignored (default) or wrong",
        "any_order": "whether lists may be in any order (default false)",
        "ignore_case": "whether capitals and small letters are equal in texts (default true)",
        "tolerance": "largest absolute difference between numbers that still counts as equal (default 0)",
        "strict": "whether the answer must be JSON and nothing else (default false)",
    }

    check: str = "fields"
    schema: Mapping[str, JSON] | None = None
    score: str = "all"
    fields: tuple[str, ...] = ()
    extra: str = "ignored"
    any_order: bool = False
    ignore_case: bool = True
    tolerance: float = 0.0
    strict: bool = False

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """The grader with these settings."""
        schema = settings.schema("schema")
        reason = None if schema is None else unusable(schema)
        if reason is not None:
            raise settings.unusable("schema", schema, f"a JSON schema ({reason})")
        return cls(
            check=settings.pick("check", among=("fields", "schema", "both"), default="schema" if schema else "fields"),
            schema=schema,
            score=settings.pick("score", among=("all", "share"), default="all"),
            fields=settings.words("fields"),
            extra=settings.pick("extra", among=("ignored", "wrong"), default="ignored"),
            any_order=settings.flag("any_order", default=False),
            ignore_case=settings.flag("ignore_case", default=True),
            tolerance=settings.amount("tolerance", default=0.0),
            strict=settings.flag("strict", default=False),
        )

    @property
    def needs_expected(self) -> bool:
        """Only a schema alone needs no expected answer."""
        return self.check != "schema"

    def problem(self, expected: JSON) -> str | None:
        """What is wrong with this expected answer, if anything."""
        value = structure(expected)
        if value is None:
            return f"the expected answer {shown(expected)} is not a JSON object or array."
        missing = [name for name in self.fields if _at(value, name) is _ABSENT]
        return f"the expected answer has no field {missing[0]!r}, which the setting fields names." if missing else None

    def compare(self, case: Case) -> Grade:
        """1 when the fields are right and the schema is kept, as far as each is asked for."""
        wanted = structure(case.expected) if self.needs_expected else None
        found = json_value(case.answer.text, whole=self.strict, prefer=None if wanted is None else type(wanted))
        if found is None:
            return wrong(
                "no JSON object or array in the answer"
                if not self.strict
                else "the answer is not JSON and nothing else"
            )
        if self.check != "fields":
            schema = self.schema if self.schema is not None else case.request.schema
            if schema is None:
                raise InputError(
                    "check = schema needs a JSON schema: the request carries none, so give one in the setting schema."
                )
            broken = breach(found, schema)
            if broken is not None:
                return wrong(broken)
        return RIGHT if wanted is None else self._fields(found, wanted)

    def _fields(self, found: JSON, wanted: JSON) -> Grade:
        like = Likeness(ignore_case=self.ignore_case, tolerance=self.tolerance, any_order=self.any_order)
        if not isinstance(found, dict) or not isinstance(wanted, dict):
            return (
                RIGHT if like.same(self._kept(found, wanted), wanted) else wrong(f"{shown(found)}, not {shown(wanted)}")
            )
        if self.extra == "wrong" and (extra := sorted(found.keys() - wanted.keys())):
            return wrong(f"a field nobody expected: {shown(extra[0])}")
        names = self.fields or tuple(wanted)
        off = [name for name in names if not self._same_at(like, found, wanted, name)]
        if not off:
            return RIGHT
        share = (len(names) - len(off)) / len(names) if self.score == "share" else 0.0
        first = off[0]
        reason = f"{first}: {shown(_present(_get(found, first, self.fields)))}, not {shown(_get(wanted, first, self.fields))}"
        return Grade(score=share, reason=reason if len(off) == 1 else f"{reason}; and {len(off) - 1} more")

    def _same_at(self, like: Likeness, found: JSON, wanted: JSON, name: str) -> bool:
        target = _get(wanted, name, self.fields)
        return like.same(self._kept(_present(_get(found, name, self.fields)), _present(target)), _present(target))

    def _kept(self, found: JSON, wanted: JSON) -> JSON:
        """`found` without the fields nobody expected, at any depth, unless those are wrong."""
        if self.extra == "wrong":
            return found
        if isinstance(found, dict) and isinstance(wanted, dict):
            return {key: self._kept(found[key], value) for key, value in wanted.items() if key in found}
        if isinstance(found, list) and isinstance(wanted, list) and not self.any_order and len(found) == len(wanted):
            return [self._kept(value, other) for value, other in zip(found, wanted, strict=True)]
        return found


class _Absent:
    """Stands for a field that is not there, which `None` cannot."""


_ABSENT = _Absent()


def structure(expected: JSON) -> dict[str, JSON] | list[JSON] | None:
    """An expected object or array, also where a labels file holds it as text."""
    if isinstance(expected, str):
        expected = loads(expected)
    return expected if isinstance(expected, dict | list) else None


def _get(value: JSON, name: str, dotted: tuple[str, ...]) -> JSON | _Absent:
    if dotted:
        return _at(value, name)
    return value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT


def _at(value: JSON, path: str) -> JSON | _Absent:
    if isinstance(value, dict) and path in value:
        return value[path]
    for step in _steps(path):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _ABSENT
    return value


def _steps(path: str) -> Iterator[str]:
    return iter(path.split("."))


def _present(value: JSON | _Absent) -> JSON:
    return None if isinstance(value, _Absent) else value
