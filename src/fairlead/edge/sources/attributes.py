"""OpenTelemetry attributes, in every form they are written: OTLP's typed list, a flat object, a nested object."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields


def whole(value: JSON) -> JSON:
    """Return an OTLP value (`{"stringValue": …}`) as what it holds; any other value as it is."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, held),) = value.items()
    match kind:
        case "stringValue" | "doubleValue" | "boolValue" | "bytesValue":
            return held
        case "intValue":
            return int(held) if isinstance(held, str) and held.lstrip("-").isdigit() and len(held) < 20 else held
        case "arrayValue":
            return [whole(item) for item in fields.list_or_empty(fields.mapping_or_empty(held).get("values"))]
        case "kvlistValue":
            return flat_otlp(fields.mapping_or_empty(held).get("values"))
        case _:
            return value


def flat_otlp(given: JSON) -> dict[str, JSON]:
    """Return attributes as an object with dotted names."""
    if isinstance(given, dict):
        return _flat(given, "")
    found: dict[str, JSON] = {}
    for item in fields.list_or_empty(given):
        held = fields.mapping_or_empty(item)
        name = held.get("key")
        if isinstance(name, str):
            found[name] = whole(held.get("value"))
    return found


def _flat(given: Mapping[str, JSON], before: str) -> dict[str, JSON]:
    """Dotted names for an object that may be nested; lists stay as they are."""
    found: dict[str, JSON] = {}
    for name, value in given.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def nested(flat: Mapping[str, JSON]) -> JSON:
    """Return dotted names as objects, and numbered ones as lists: `a.0.b` is `{"a": [{"b": …}]}`."""
    tree: dict[str, JSON] = {}
    for name in flat:
        node = tree
        *outer, last = name.split(".")
        for step in outer:
            inner = node.setdefault(step, {})
            if not isinstance(inner, dict):
                break
            node = inner
        else:
            node.setdefault(last, flat[name])
    return _listed(tree)


def _listed(value: JSON) -> JSON:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(held) for name, held in value.items()}
    if inner and all(name.isdecimal() and len(name) < 7 for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
