"""What a pilot may know of its requests before the candidate answers any: the incumbent's scores and the segments. Pure.

Written down in the drawn order before the first draw. An exchange's segment is the value of a *label*: a word for something
every log has (conversation, user, model, prompt, tool, language), or a key of its metadata; `a.b` looks inside `a`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from fairlead.core.errors import UsageError
from fairlead.core.nouns import JSON, Drawing, Engine, Exchange, ExchangeRow, PilotDesign
from fairlead.core.ports import Grader, PilotLedger
from fairlead.pilot import design as designs
from fairlead.pilot.asking import graded
from fairlead.pilot.design import Frame, Known

UNKNOWN = "(unknown)"
LONGEST = 80
"""Characters of a segment's value that are kept."""

LOOKED_AT = 2_000
"""Characters of the last question that its language is told by."""

AHEAD = 4
"""How many times `n_max` requests of a long log are looked at, at most, for *traffic like this*."""

_INSIDE = "."


def needed(design: PilotDesign) -> bool:
    """Whether anything has to be known before the first draw."""
    is_window = design.betting.engine is Engine.REMAINING
    return is_window or design.betting.scores_on_file or bool(design.drawing.segments)


def ahead(design: PilotDesign, frame: Frame) -> list[ExchangeRow]:
    """The rows of which something has to be known, in the drawn order."""
    if designs.repeats(design):
        return list(frame.rows)
    rows = designs.order(design, frame)
    return list(rows) if design.betting.engine is Engine.REMAINING else list(islice(rows, AHEAD * design.n_max))


def closed_score(design: PilotDesign, exchange: Exchange, *, grader: Grader, expected: JSON) -> int | None:
    """The incumbent's score in hundredths, where the design uses it."""
    if not design.betting.scores_on_file:
        return None
    grade = graded(grader, exchange.request, exchange.answer, expected, exchange.answer)
    return round(100 * grade.score)


def label(name: str, exchange: Exchange, row: ExchangeRow, *, language: Callable[[str], str | None]) -> str:
    """The exchange's value of a label, as text; `language` tells the language of a text."""
    reading = _WORDS.get(name)
    value = _inside(exchange.metadata, name) if reading is None else reading(exchange, row)
    if value is None and name == "language":
        asked = [message.text for message in exchange.request.messages if message.role == "user"]
        value = language(asked[-1][:LOOKED_AT]) if asked else None
    if value is None or value == "":
        return UNKNOWN
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return " ".join(text.split())[:LONGEST] or UNKNOWN


def _tool(exchange: Exchange, row: ExchangeRow) -> JSON:
    """The tool the incumbent called first, or `none` where it might have; unknown where a candidate answered."""
    if not exchange.request.tools or row.by_candidate:
        return None
    calls = exchange.answer.tool_calls
    return calls[0].name if calls else "(no call)"


_WORDS: Mapping[str, Callable[[Exchange, ExchangeRow], JSON]] = {
    "conversation": lambda exchange, _: exchange.conversation,
    "user": lambda exchange, _: exchange.user,
    "model": lambda _, row: None if row.by_candidate else row.model,
    "prompt": lambda _, row: row.prompt_id,
    "tool": _tool,
}


def _inside(metadata: Mapping[str, JSON], name: str) -> JSON:
    if name in metadata:
        return metadata[name]
    outer, dot, inner = name.partition(_INSIDE)
    found = metadata.get(outer) if dot else None
    return _inside(found, inner) if isinstance(found, dict) else None


def known(ledger: PilotLedger, workload_id: str, drawing: Drawing, rows: Sequence[ExchangeRow]) -> Known:
    """The labels that a drawing speaks of."""
    return Known(
        clusters=_clusters(ledger, workload_id, drawing.cluster, rows),
        weights=_weights(ledger, workload_id, drawing.weight),
    )


def _clusters(
    ledger: PilotLedger, workload_id: str, name: str | None, rows: Sequence[ExchangeRow]
) -> Mapping[str, str] | None:
    if name is None:
        return {}
    if name in {"conversation", "trajectory"}:
        return None
    if name == "user":
        return {row.id: row.user for row in rows if row.user is not None}
    found = {key: str(value) for key, value in ledger.metadata(workload_id, name).items() if value is not None}
    if not found:
        raise UsageError(f"No exchange of this workload has {name!r} in its metadata; it cannot be the cluster.")
    return found


def _weights(ledger: PilotLedger, workload_id: str, name: str | None) -> Mapping[str, float] | None:
    if name is None:
        return None
    values = ledger.metadata(workload_id, name)
    return {
        key: float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def batches(rows: Sequence[ExchangeRow], size: int) -> Iterator[tuple[int, Sequence[ExchangeRow]]]:
    """The rows in parts of at most `size`, each with the position (from 1) of its first."""
    for start in range(0, len(rows), size):
        yield start + 1, rows[start : start + size]
