"""Spans as Phoenix gives them away: a dataframe written as CSV or JSON lines, and the traces and spans of its command line.

A dataframe has a column for each attribute (`attributes.llm.input_messages`), which holds lists with the conventions' own
dotted names in them (`message.content`), and as CSV writes such lists as Python does. (After Arize-ai/phoenix
`src/phoenix/trace/dsl/query.py` and `docs/phoenix/tracing/how-to-tracing/importing-and-exporting-traces`.)
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import cast

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.loose import json_text
from fairlead.edge.sources.attributes import nested

SPAN, TRACE = "context.span_id", "context.trace_id"
TABLE = frozenset({SPAN, "span_kind", "start_time"})
_BEFORE = "attributes."
_LONGEST_LITERAL = 1024 * 1024
_MOST_PARTS = 100_000
"""How many parts a literal may have: Python makes a kilobyte of each while it reads them."""
_SETTINGS = "llm.invocation_parameters"


def is_row(row: Mapping[str, JSON]) -> bool:
    """Whether a record is a row of a dataframe."""
    return SPAN in row and "start_time" in row


def is_trace(row: Mapping[str, JSON]) -> bool:
    """Whether a record is a trace with its spans."""
    spans = row.get("spans")
    first = spans[0] if isinstance(spans, list) and spans else None
    return isinstance(first, dict) and isinstance(first.get("context"), dict)


def spans_of(row: Mapping[str, JSON]) -> list[dict[str, JSON]]:
    """Return the spans of a row or a trace, as an SDK writes them."""
    if is_row(row):
        return [_span(row)]
    return [item for item in fields.list_or_empty(row.get("spans")) if isinstance(item, dict)] if is_trace(row) else []


def _span(row: Mapping[str, JSON]) -> dict[str, JSON]:
    attributes = {
        name.removeprefix(_BEFORE): value if name.endswith(".value") else undotted(_opened(value))
        for name, value in row.items()
        if name.startswith(_BEFORE) and value is not None
    }
    settings = attributes.get(_SETTINGS)
    if isinstance(settings, dict):
        attributes[_SETTINGS] = json_text(settings)
    return {
        **{name: row.get(name) for name in ("name", "span_kind", "parent_id", "start_time", "end_time", "status_code")},
        "status_message": row.get("status_message"),
        "context": {"trace_id": row.get(TRACE), "span_id": row.get(SPAN)},
        "attributes": attributes,
        "events": _opened(row.get("events")),
    }


def _opened(value: JSON) -> JSON:
    """A list or an object that stands in a cell, as JSON or as Python writes it; any other value as it is."""
    found = structure_or_text(value) if isinstance(value, str) and value[:1] in {"[", "{"} else value
    if not isinstance(found, str) or found is not value or found[:1] not in {"[", "{"}:
        return found
    if len(found) > _LONGEST_LITERAL or sum(map(found.count, ",.+-[({")) > _MOST_PARTS:
        return found
    try:
        with warnings.catch_warnings():  # an escape that Python does not know is a warning to who wrote it, not to us
            warnings.simplefilter("ignore")
            literal: object = ast.literal_eval(found)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return value
    return cast("JSON", literal) if _is_json(literal) else value


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(
            isinstance(name, str) and _is_json(inner) for name, inner in cast("dict[object, object]", value).items()
        )
    if isinstance(value, list):
        return all(_is_json(inner) for inner in cast("list[object]", value))
    return value is None or isinstance(value, (str, bool, int, float))


def undotted(value: JSON) -> JSON:
    """Return a value whose objects, in lists too, have no dotted names: `message.role` is `role` inside `message`."""
    if isinstance(value, list):
        return [undotted(item) for item in value]
    if isinstance(value, dict) and any("." in name for name in value):
        return nested({name: undotted(inner) for name, inner in value.items()})
    return value
