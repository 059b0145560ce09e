"""Session files of coding agents: Claude Code and Codex, as they lie in the user's home.

Each call of the model becomes an exchange of the session's trajectory. The files do not hold the system prompt nor the
tools' definitions, so nothing in them can be asked again as it was: calls are flagged, and their request holds only the
session's first turn and what was new since the call before (the whole history in each of a thousand steps would be of no
use and of quadratic size).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.core.nouns import JSON, Dialect, Failure, Fidelity, Message, Usage
from fairlead.core.wire import fields, loose
from fairlead.core.wire.failure import failure_of
from fairlead.edge.sources.reader import Around, Found, Logged, Passed, Row, Source, Taker, logged

_LOST = (Fidelity.TRUNCATED, Fidelity.TOOLS_MISSING)


def _body(first: JSON, new: list[JSON], *, model: str | None, system: str = "") -> dict[str, JSON]:
    """The chat body of what is known of a call."""
    turns = loose.turns([first, *new] if first is not None and first not in new else new)
    return loose.chat_body(model=model or "unnamed", messages=turns.messages, system=system)


# Claude Code


def _is_claude(row: Row) -> bool:
    return "sessionId" in row and isinstance(row.get("type"), str) and bool({"uuid", "leafUuid", "cwd"} & row.keys())


class ClaudeCode(Taker):
    """One line holds one block of an answer; lines of one answer share its message id."""

    def __init__(self) -> None:
        self._threads: dict[tuple[str, str], _Thread] = {}

    def take(self, row: Row) -> Iterator[Found]:
        """Give an answer when the next turn begins."""
        message = row.get("message")
        if not fields.is_one_of(row.get("type"), {"user", "assistant"}) or not isinstance(message, dict):
            yield Passed()
            return
        helper = fields.label(row.get("agentId")) or "helpers" if row.get("isSidechain") is True else ""
        key = (str(row.get("sessionId")), helper)
        thread = self._threads.setdefault(key, _Thread(*key))
        if row["type"] == "user":
            thread.asked(message)
            yield Passed()
        elif row.get("isApiErrorMessage") is True:
            yield from thread.failed(message, row)
        elif message.get("model") == _NOBODY:
            yield Passed()
        else:
            yield from thread.answered(message, row)

    def end_of_file(self) -> Iterator[Found]:
        """Give the answers that the file ends with."""
        for thread in self._threads.values():
            yield from thread.finished()
        self._threads.clear()


_NOBODY = "<synthetic>"
"""The model that Claude Code names for what it says itself."""
_ERROR_STATUS = re.compile(r"API Error:? \(?([45]\d\d)\b")


class _Thread:
    """A session's main conversation, or that of a helper.

    An answer is given when another begins: results of its first calls may stand between its lines.
    """

    def __init__(self, session: str, helper: str) -> None:
        self._conversation = f"{session}/{helper}" if helper else session
        self._model: str | None = None
        self._later: list[JSON] = []
        self._first: JSON = None
        self._new: list[JSON] = []
        self._step = 0
        self._message: dict[str, JSON] | None = None
        self._blocks: list[JSON] = []
        self._row: Row = {}

    def asked(self, message: dict[str, JSON]) -> None:
        self._first = message if self._first is None else self._first
        (self._new if self._message is None else self._later).append(message)

    def failed(self, message: dict[str, JSON], row: Row) -> Iterator[Found]:
        """A call that failed, of which Claude Code tells in words of its own."""
        yield from self.finished()
        told = " ".join(part.text for part in loose.parts(message.get("content")))
        status = _ERROR_STATUS.search(told)
        failure = failure_of({"message": told}, status=int(status[1]) if status else None)
        self._row = row
        yield self._logged({"model": self._model}, failure=failure)

    def answered(self, message: dict[str, JSON], row: Row) -> Iterator[Found]:
        if self._message is not None and message.get("id") != self._message.get("id"):
            yield from self.finished()
        if self._message is None:
            self._row = row
        self._message = message
        content = message.get("content")
        self._blocks.extend(content if isinstance(content, list) else [{"type": "text", "text": content}])

    def finished(self) -> Iterator[Found]:
        if self._message is not None:
            yield self._logged(self._message)
            self._new = [{"role": "assistant", "content": self._blocks}, *self._later]
        self._message, self._blocks, self._later = None, [], []

    def _logged(self, message: dict[str, JSON], *, failure: Failure | None = None) -> Logged:
        self._step += 1
        model = self._model = fields.text_or_none(message.get("model"))
        response: JSON = None if failure else {**message, "type": "message", "content": list[JSON](self._blocks)}
        around = Around(
            id=message.get("id") or self._row.get("uuid"),
            started_at=self._row.get("timestamp"),
            provider="anthropic",
            conversation=self._conversation,
            step=self._step,
            metadata={"agent": "Claude Code", "version": self._row.get("version"), "folder": self._row.get("cwd")},
            fidelity=_LOST,
        )
        asked = _anthropic_turns([self._first, *self._new] if self._first not in self._new else self._new)
        request: dict[str, JSON] = {"model": model or "unnamed", "messages": asked}
        # A session that is gone on with repeats earlier answers in a file of its own: they are known by their ids.
        name = message.get("id") or self._row.get("uuid")
        of: JSON = {"message": name, "request": self._row.get("requestId")}
        if name is None:
            of = {"session": self._conversation, "step": self._step, "blocks": list[JSON](self._blocks)}
        return logged(
            request, response, around, dialect=Dialect.ANTHROPIC_MESSAGES, model=model, failure=failure, of=of
        )


def _anthropic_turns(messages: list[JSON]) -> list[JSON]:
    return [{"role": m.get("role") or "user", "content": m.get("content")} for m in messages if isinstance(m, dict)]


CLAUDE_CODE = Source(
    name="claude code",
    fields=frozenset({"type", "message", "uuid", "parentUuid", "sessionId", "timestamp", "cwd", "version"}),
    claims=_is_claude,
    opened=ClaudeCode,
)


# Codex

_CODEX_LINES = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})
_SAID = frozenset({"function_call", "custom_tool_call", "local_shell_call"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


def _is_codex(row: Row) -> bool:
    return fields.is_one_of(row.get("type"), _CODEX_LINES) and isinstance(row.get("payload"), dict)


class Codex(Taker):
    """Items come one a line; a call of the model ends with a line that counts its tokens, before or after its tools' results."""

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self._session: str | None = None
        self._root: str | None = None
        self._system = ""
        self._model: str | None = None
        self._first: JSON = None
        self._new: list[JSON] = []
        self._said: list[JSON] = []
        self._later: list[JSON] = []
        self._counted: JSON = None
        self._started: JSON = None
        self._step = 0

    def take(self, row: Row) -> Iterator[Found]:
        """Give a call when its tokens are counted, or when the next one begins."""
        payload = fields.mapping_or_empty(row.get("payload"))
        match row.get("type"):
            case "session_meta":
                self._meta(payload)
                yield Passed()
            case "turn_context":
                self._model = fields.text_or_none(payload.get("model")) or self._model
                yield Passed()
            case "response_item":
                yield from self._item(payload, row.get("timestamp"))
            case _:
                yield from self._event(payload)

    def _meta(self, payload: Row) -> None:
        """Read what a session says of itself: a fork says so first, then repeats its parent's record and history."""
        name, parent = fields.label(payload.get("id")), fields.label(payload.get("forked_from_id"))
        self._session = self._session or name
        self._system = _instructions(payload) or self._system
        origin = parent or name
        if origin is None or self._step or self._said:
            return
        self._root = self._roots.get(origin, origin)
        if self._session is not None and self._session != self._root:
            self._roots[self._session] = self._root

    def _item(self, item: Row, at: JSON) -> Iterator[Found]:
        kind = item.get("type")
        if fields.is_one_of(kind, _SAID) or (kind == "message" and item.get("role") == "assistant"):
            if self._later:
                yield from self._finished(None)
            self._started = self._started or at
            self._said.append(_spoken(item))
            return
        if kind == "message" or fields.is_one_of(kind, _RESULTS):
            turn = _told(item)
            self._first = turn if self._first is None and item.get("role") == "user" else self._first
            (self._later if self._said else self._new).append(turn)
        yield Passed()

    def _event(self, payload: Row) -> Iterator[Found]:
        info = fields.mapping_or_empty(payload.get("info"))
        last, total = fields.mapping_or_empty(info.get("last_token_usage")), info.get("total_token_usage")
        is_repeated = total is not None and total == self._counted  # limits are told anew with the counts of before
        if payload.get("type") != "token_count" or not last or is_repeated:
            yield Passed()
            return
        self._counted = total
        yield from self._finished(_codex_usage(last), total) if self._said else (Passed(),)

    def end_of_file(self) -> Iterator[Found]:
        """Give the call that the file ends with."""
        yield from self._finished(None)
        self._begin()

    def _finished(self, usage: Usage | None, total: JSON = None) -> Iterator[Found]:
        if not self._said:
            return
        self._step += 1
        said: list[Message] = [turn for item in self._said for turn in loose.message(item)]
        around = Around(
            id=f"{self._session}/{self._step}" if self._session and self._session == self._root else None,
            started_at=self._started,
            provider="openai",
            conversation=self._session,
            step=self._step,
            metadata={"agent": "Codex"},
            usage=usage,
            fidelity=_LOST,
        )
        body = _body(self._first, self._new, model=self._model, system=self._system)
        # A call that a fork copied is known by the session it was made in, its place there and what was counted until then.
        of: JSON = {"session": self._root, "step": self._step, "said": list[JSON](self._said), "counted": total}
        yield logged(body, loose.completion(said, model=self._model), around, model=self._model, of=of)
        self._new, self._said, self._later, self._started = [*self._said, *self._later], [], [], None


def _instructions(payload: Row) -> str:
    for key in ("base_instructions", "instructions"):
        given = payload.get(key)
        text = given.get("text") if isinstance(given, dict) else given
        if isinstance(text, str) and text:
            return text
    return ""


def _spoken(item: Row) -> JSON:
    if item.get("type") == "message":
        return {"role": "assistant", "content": item.get("content")}
    arguments = item.get("arguments") if item.get("arguments") is not None else item.get("input") or item.get("action")
    call: JSON = {"id": item.get("call_id"), "function": {"name": item.get("name") or "shell", "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call]}


def _told(item: Row) -> JSON:
    if item.get("type") == "message":
        return {"role": item.get("role"), "content": item.get("content")}
    return {"role": "tool", "tool_call_id": item.get("call_id"), "content": loose.as_text(item.get("output"))}


def _codex_usage(last: Row) -> Usage:
    """The counts of one call, which come as OpenAI's: cached and reasoning tokens are inside."""
    given, made = fields.count(last.get("input_tokens")), fields.count(last.get("output_tokens"))
    read, thought = fields.count(last.get("cached_input_tokens")), fields.count(last.get("reasoning_output_tokens"))
    fresh = None if given is None or given < (read or 0) else given - (read or 0)
    visible = None if made is None or made < (thought or 0) else made - (thought or 0)
    return Usage(fresh=fresh, cache_read=read, visible=visible, reasoning=thought)


CODEX = Source(
    name="codex",
    fields=frozenset({"timestamp", "type", "payload"}),
    claims=_is_codex,
    opened=Codex,
)
