"""The readers there are, and which of them takes a record.

Order matters where shapes contain each other: the narrower one first, plain pairs last. Readers that came through the
entry point group `fairlead.sources` are asked before all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points

from fairlead.core.errors import InputError
from fairlead.core.nouns import JSON
from fairlead.core.wire.failure import one_line
from fairlead.edge.sources.batches import BATCHES
from fairlead.edge.sources.gateways import HELICONE, LITELLM, PORTKEY, SPEND_LOGS
from fairlead.edge.sources.inspect import INSPECT
from fairlead.edge.sources.langfuse import LANGFUSE
from fairlead.edge.sources.lm_eval import LM_EVAL
from fairlead.edge.sources.pairs import PAIRS
from fairlead.edge.sources.reader import Row, Source
from fairlead.edge.sources.sessions import CLAUDE_CODE, CODEX
from fairlead.edge.sources.spans import SPANS
from fairlead.edge.sources.stored import OPENPIPE, STORED

GROUP = "fairlead.sources"

BUILT_IN: tuple[Source, ...] = (
    INSPECT,
    LANGFUSE,
    SPANS,
    CLAUDE_CODE,
    CODEX,
    LM_EVAL,
    LITELLM,
    SPEND_LOGS,
    HELICONE,
    PORTKEY,
    BATCHES,
    STORED,
    OPENPIPE,
    PAIRS,
)


@cache
def sources() -> tuple[Source, ...]:
    """Return every reader, those of plug-ins first."""
    return (*_plugged_in(), *BUILT_IN)


def _plugged_in() -> Iterable[Source]:
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            source = point.load()
        except Exception as error:
            raise InputError(
                f"Reader {point.name} ({point.value}) cannot be loaded: {one_line(str(error))}."
            ) from error
        if not isinstance(source, Source):
            raise InputError(f"Reader {point.name} ({point.value}) is no Source; see docs/log-formats.md.")
        yield source


def source_of(row: Row, *, last: Source | None = None) -> Source | None:
    """Return the reader that takes this record; a log mostly holds one kind, so the last one is asked first."""
    if last is not None and last.claims(row) and (last is not PAIRS or _is_whole_pair(row)):
        return last
    return next((source for source in sources() if source.claims(row)), None)


def _is_whole_pair(row: Row) -> bool:
    """Whether no narrower reader can want a row with a request: it has both bodies, and no gateway's own fields."""
    return "response" in row and "ai_model" not in row and "ai_org" not in row


def why_no_table(names: Sequence[str]) -> str | None:
    """Return why no reader takes a table with these columns, or `None` when one does."""
    held = set(names)
    if any(columns <= held for source in sources() for columns in source.tables):
        return None
    return f"a table no reader knows: {_seen(names)}{_nearest(held, tables=True)}"


def why_unknown(row: Mapping[str, JSON]) -> str:
    """Return what was seen in a record that no reader takes, and which reader came nearest."""
    return f"no reader knows this shape: {_seen(sorted(row))}{_nearest(set(row), tables=False)}"


def _seen(names: Sequence[str]) -> str:
    if not names:
        return "it holds no fields"
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return "it holds " + ", ".join(one_line(name)[:40] for name in names[:10]) + more


def _nearest(held: set[str], *, tables: bool) -> str:
    """The reader that shares most names; what a record of it would also have."""
    best, shared, missing = "", 0, set[str]()
    for source in sources():
        for usual in source.tables if tables else (source.fields,):
            if len(usual & held) > shared:
                best, shared, missing = source.name, len(usual & held), set(usual - held)
    if not best:
        return ""
    lacking = f", but lacks {', '.join(sorted(missing)[:5])}" if missing else ""
    return f"; nearest is {best}{lacking}"
