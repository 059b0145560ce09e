"""Whether a JSON value keeps a JSON schema, safely: no reference leaves the process, no pattern runs away.

Draft 2020-12 unless the schema names another. A `pattern` that could take very long is not checked: a repeated group that
itself repeats or offers alternatives, a reference back, or a text of more than a few thousand characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import (
    extend,  # pyright: ignore[reportUnknownVariableType]
    validator_for,
)
from referencing import Registry
from referencing.exceptions import Unresolvable

from fairlead.core.errors import InputError
from fairlead.core.grade.rule import shown
from fairlead.core.nouns import JSON

# The more a pattern repeats, the shorter a text it may be tried on: time grows with text length to that power.
TEXT_LIMITS = (100_000, 100_000, 5_000, 500, 200)
_REPEATS = re.compile(r"(?<!\\)[+*]|\{\d*,\d*\}")
_RUNAWAY = re.compile(
    r"\([^()]*(?:[+*|]|\{\d+,\d*\})[^()]*\)\s*(?:[+*]|\{\d+,)|\((?:[^()]*\([^()]*\)[^()]*)+\)\s*(?:[+*]|\{\d+,)|\\[1-9]"
)


def breach(value: JSON, schema: Mapping[str, JSON]) -> str | None:
    """Where and how `value` breaks `schema`, in one line, or `None` when it keeps it."""
    validator = _validator(json.dumps(schema, sort_keys=True))
    try:
        error = next(iter(validator.iter_errors(value)), None)
    except Unresolvable as unresolved:
        raise InputError(
            f"the JSON schema cannot be used: it refers to {shown(str(unresolved.ref))}, which it does not hold."
        ) from None
    except RecursionError:
        raise InputError("the JSON schema cannot be used: it refers to itself without end.") from None
    if error is None:
        return None
    where = "/".join(map(str, error.absolute_path))
    return f"{where or 'the answer'}: {shown(error.message, limit=120)}"


def unusable(schema: Mapping[str, JSON]) -> str | None:
    """Why `schema` is no schema, or `None`."""
    try:
        _validator(json.dumps(schema, sort_keys=True))
    except InputError as error:
        return str(error)
    return None


@lru_cache(maxsize=128)
def _validator(schema_text: str) -> Any:
    schema = json.loads(schema_text)
    draft = validator_for(schema, default=Draft202012Validator)
    try:
        draft.check_schema(schema)
    except SchemaError as error:
        raise InputError(f"the JSON schema cannot be used: {shown(error.message, limit=160)}") from None
    keywords: dict[str, Any] = {"pattern": _pattern, "patternProperties": _pattern_properties, "uniqueItems": _unique}
    # An empty registry: a reference to another address is an error here and never a request to it.
    return extend(draft, keywords)(schema, registry=Registry())  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found; `True` where it is not safe, or not possible, to look."""
    repeats = len(_REPEATS.findall(pattern[:1_000]))
    if (
        len(pattern) > 1_000
        or repeats >= len(TEXT_LIMITS)
        or len(text) > TEXT_LIMITS[repeats]
        or _RUNAWAY.search(pattern)
    ):
        return True
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield ValidationError(f"{shown(instance)} does not match {shown(pattern)}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        entries = cast("dict[str, Any]", instance)
        for pattern, subschema in patterns.items():
            for key, value in entries.items():
                if _matches(pattern, key):
                    yield from validator.descend(value, subschema, path=key, schema_path=pattern)


def _unique(_validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[ValidationError]:  # noqa: FBT001  # jsonschema calls it so
    if wanted and isinstance(instance, list):
        items = cast("Sequence[JSON]", instance)
        if len({json.dumps(item, sort_keys=True) for item in items}) < len(items):
            yield ValidationError("the items are not unique")
