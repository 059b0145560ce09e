"""What a reader of one product's export is, and what it gives.

A reader turns the records of an export into canonical rows (see `docs/log-formats.md`); dates, ids, hashes and the rest
are then done in one place for all. It is chosen by what a record holds, never by a file's name. A reader of your own is
a `Source` named by an entry point of the group `fairlead.sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fairlead.core.nouns import JSON, Dialect, Endpoint, Failure, FailureKind, Fidelity, Request, Usage
from fairlead.core.quick import quick
from fairlead.core.wire import fields
from fairlead.core.wire.records import request_to_json, usage_to_json
from fairlead.core.wire.row import SCHEMA

Row: TypeAlias = Mapping[str, JSON]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A canonical row, and the part of the export it came from: the same part read again is the same row.

    `of` is `None` when it is the whole record. `unread` names fields of the record that were not understood. `at` is where it
    stands (`Taker.at`), of one that is given only after others were read.
    """

    row: Row
    of: JSON = None
    unread: tuple[str, ...] = ()
    at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLogged:
    """A record that should hold an exchange and does not, and why; it is shown as skipped, where it stands as `Logged.at` is."""

    reason: str
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A record that is read and is no call of a model (a span, a tool's run); it is counted, not shown."""


Found: TypeAlias = Logged | NotLogged | Passed


class Taker:
    """Takes the records of a log in their order; override what applies. One is made for each run.

    `at` is where the record that is taken stands, as `file:line`: a taker that keeps records keeps it with them.
    """

    at: str = ""

    def take(self, row: Row) -> Iterable[Found]:
        """Give what this record holds; a record may also be kept for later."""
        raise NotImplementedError

    def end_of_file(self) -> Iterable[Found]:
        """Give what was kept and cannot be completed once the file ends."""
        return ()

    def end(self) -> Iterable[Found]:
        """Give what was kept and cannot be completed once the run ends."""
        return ()


class EachRow(Taker):
    """Takes every record by itself."""

    def __init__(self, rows: Callable[[Row], Iterable[Found]]) -> None:
        self._rows = rows

    def take(self, row: Row) -> Iterable[Found]:
        """Give what this record holds."""
        return self._rows(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A reader: its name, how it knows its records, and how it takes them.

    `fields` are the names usual in its records, used to say which reader came nearest to an unknown shape; `tables` are
    sets of columns, any of which a table must have to be read by it.
    """

    name: str
    fields: frozenset[str]
    claims: Callable[[Row], bool]
    opened: Callable[[], Taker]
    tables: tuple[frozenset[str], ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a record tells around its bodies; what is `None` is unknown."""

    id: JSON = None
    started_at: JSON = None
    latency_s: JSON = None
    first_token_s: JSON = None
    provider: JSON = None
    conversation: JSON = None
    user: JSON = None
    step: JSON = None
    metadata: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    usage: Usage | None = None
    fidelity: tuple[Fidelity, ...] = ()

    def with_fidelity(self, more: Iterable[Fidelity]) -> Around:
        """Return the same with more that is lost."""
        return replace(self, fidelity=(*self.fidelity, *more))


def logged(
    request: dict[str, JSON] | None,
    response: JSON,
    around: Around,
    *,
    dialect: Dialect | None = None,
    model: str | None = None,
    failure: Failure | None = None,
    of: JSON = None,
) -> Logged:
    """Return a canonical row; a request without messages or inputs is kept for its cost and flagged as absent."""
    row: dict[str, JSON] = {"fairlead": SCHEMA, "request": request, "response": response}
    fidelity: list[Fidelity] = list(dict.fromkeys(around.fidelity))
    if dialect is not None:
        row["dialect"] = dialect.value
    if _calls_tools(request, response) and not (request or {}).get("tools"):
        fidelity.append(Fidelity.TOOLS_MISSING)
    if not request or not (request.get("messages") or request.get("input")):
        row |= _absent(request, dialect, model)
        fidelity = [*(flag for flag in fidelity if flag is not Fidelity.TRUNCATED), Fidelity.PROMPT_ABSENT]
    if failure is not None and failure.kind is not FailureKind.NOT_RECORDED:
        row["response"] = {"error": _error(failure)}
    if around.usage is not None:
        row["usage"] = usage_to_json(around.usage)
    if fidelity:
        row["fidelity"] = [flag.value for flag in fidelity]
    given = {
        "id": around.id,
        "started_at": around.started_at,
        "latency_s": around.latency_s,
        "first_token_s": around.first_token_s,
        "provider": around.provider,
        "conversation": around.conversation,
        "user": around.user,
        "step": around.step,
    }
    row |= {name: value for name, value in given.items() if value is not None}
    row["metadata"] = {name: value for name, value in around.metadata.items() if value not in (None, "", [], {})}
    return Logged(row=row, of=of)


def _calls_tools(request: dict[str, JSON] | None, response: JSON) -> bool:
    """Whether tools were in use: one was called, or gave a result, in the conversation or in the answer."""
    turns = fields.list_or_empty((request or {}).get("messages"))
    answered = fields.mapping_or_empty(next(iter(fields.list_or_empty(_choices(response))), None)).get("message")
    seen = [turn for turn in (*turns, answered) if isinstance(turn, dict)]
    return any(turn.get("tool_calls") or turn.get("role") == "tool" for turn in seen)


def _choices(response: JSON) -> JSON:
    return response.get("choices") if isinstance(response, dict) else None


def _absent(request: dict[str, JSON] | None, dialect: Dialect | None, model: str | None) -> dict[str, JSON]:
    """The parts of a row whose prompt the log does not hold."""
    named = (request or {}).get("model")
    kind = Endpoint.EMBEDDINGS if dialect is Dialect.OPENAI_EMBEDDINGS else Endpoint.CHAT
    empty = Request(endpoint=kind, model=named if isinstance(named, str) and named else model or "unnamed")
    return {
        "dialect": (dialect or Dialect.OPENAI_CHAT).value,
        "request": None,
        "parsed": {"request": request_to_json(empty)},
    }


_WORDS: Mapping[FailureKind, str] = {FailureKind.CUT: "stream_cut", FailureKind.TOO_LARGE: "stream_too_large"}


def _error(failure: Failure) -> JSON:
    word = _WORDS.get(failure.kind, failure.kind.value.replace(" ", "_").lower())
    error: dict[str, JSON] = {"type": word, "message": failure.detail}
    return error if failure.status is None else {**error, "status": failure.status}
