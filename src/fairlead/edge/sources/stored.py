"""OpenAI's stored completions and responses, and OpenPipe's export.

`GET /v1/chat/completions` lists what was answered, without what was asked: the prompt comes from
`…/{id}/messages`. The pages of both are joined by the completion's id, of which a message's id is `{completion}-{n}`; a
completion may also carry its `messages` itself. One whose messages never come has no prompt, and none is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields, responses
from fairlead.edge.sources.bodies import pair
from fairlead.edge.sources.kept import Kept
from fairlead.edge.sources.reader import Around, EachRow, Found, Logged, NotLogged, Passed, Row, Source, Taker

_SETTINGS = (
    "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "tools", "tool_choice", "response_format",
    "max_completion_tokens", "max_tokens", "stop", "parallel_tool_calls", "reasoning_effort", "logit_bias",
)  # fmt: skip


def _is_completion(value: JSON | Row) -> bool:
    return isinstance(value, Mapping) and value.get("object") == "chat.completion" and "choices" in value


def _is_message(value: JSON) -> bool:
    return isinstance(value, dict) and "role" in value and isinstance(value.get("id"), str) and "content" in value


def _data(row: Row) -> list[JSON]:
    return fields.list_or_empty(row.get("data")) if row.get("object") == "list" or "data" in row else []


def _claims(row: Row) -> bool:
    if _is_completion(row) or _is_whole_response(row) or _is_empty_page(row):
        return True
    data = _data(row)
    return bool(data) and (_is_completion(data[0]) or _is_message(data[0]) or _is_stored_response(data[0]))


def _is_whole_response(row: Row) -> bool:
    return row.get("object") == "response" and isinstance(row.get("output"), list)


def _is_empty_page(row: Row) -> bool:
    return row.get("object") == "list" and row.get("data") == [] and "has_more" in row


def _is_stored_response(value: JSON) -> bool:
    return isinstance(value, dict) and value.get("object") == "response"


class Stored(Taker):
    """Keeps completions until their messages come."""

    def __init__(self) -> None:
        self._completions = Kept()
        self._messages = Kept()

    def take(self, row: Row) -> Iterable[Found]:
        """Give completions that have their messages."""
        if _is_empty_page(row):
            yield Passed()
        for item in [dict(row)] if _is_completion(row) or _is_whole_response(row) else _data(row):
            if _is_message(item):
                self._keep_message(fields.mapping_or_empty(item))
            elif _is_completion(item):
                yield from self._completion(fields.mapping_or_empty(item))
            else:
                yield _response(fields.mapping_or_empty(item))

    def _completion(self, item: Row) -> Iterator[Found]:
        name = fields.label(item.get("id"))
        if isinstance(item.get("messages"), list) or name is None:
            yield _joined(item, item.get("messages"))
        else:
            self._completions.put(name, dict(item))

    def _keep_message(self, item: Row) -> None:
        name = str(item["id"]).rpartition("-")[0]
        kept = fields.list_or_empty(self._messages.take(name))
        self._messages.put(name, [*(one for one in kept if one != item), dict(item)])

    def end(self) -> Iterator[Found]:
        """Give every completion, with its messages where they came."""
        for name, item in self._completions.rest():
            yield _joined(fields.mapping_or_empty(item), self._messages.take(name))
        for name, _ in self._messages.rest():
            yield NotLogged(reason=f"messages of completion {name[:80]}, which no file lists")


def _joined(item: Row, messages: JSON) -> Logged:
    asked: dict[str, JSON] | None = None
    if isinstance(messages, list) and messages:
        asked = {"model": item.get("model"), "messages": [_sent(message) for message in sorted(messages, key=_place)]}
        asked |= {name: item[name] for name in _SETTINGS if item.get(name) not in (None, [])}
    around = Around(
        id=item.get("id"),
        started_at=item.get("created"),
        provider="openai",
        user=item.get("input_user"),
        metadata=fields.mapping_or_empty(item.get("metadata")),
    )
    answer = {name: value for name, value in item.items() if name != "messages"}
    return pair(asked, answer, around, of={"completion": answer, "messages": messages})


def _place(message: JSON) -> int:
    """The number that a stored message's id ends with: pages may come in either order."""
    number = (fields.label(fields.mapping_or_empty(message).get("id")) or "").rpartition("-")[2]
    return int(number) if number.isdecimal() and len(number) < 10 else 0


def _sent(message: JSON) -> JSON:
    """A stored message as it was sent; parts, where there are any, stand beside the text."""
    held = fields.mapping_or_empty(message)
    kept = {name: held[name] for name in ("role", "name", "tool_calls", "tool_call_id") if held.get(name)}
    return {**kept, "content": held.get("content_parts") or held.get("content")}


def _response(item: Row) -> Found:
    """A stored response without its input items: it answers what is not in the log."""
    if not responses.is_response(dict(item)):
        return NotLogged(reason=f"a stored object of kind {fields.label(item.get('object'))}")
    around = Around(id=item.get("id"), started_at=item.get("created_at"), provider="openai")
    return pair(None, dict(item), around, model=fields.text_or_none(item.get("model")), of={"response": dict(item)})


STORED = Source(
    name="stored completions",
    fields=frozenset({"object", "data", "first_id", "last_id", "has_more", "choices", "created", "usage", "model"}),
    claims=_claims,
    opened=Stored,
)


def _is_openpipe(row: Row) -> bool:
    asked, answered = row.get("input"), row.get("output")
    return isinstance(asked, dict) and isinstance(asked.get("messages"), list) and isinstance(answered, dict)


def _openpipe(row: Row) -> Iterable[Found]:
    tags = fields.mapping_or_empty(row.get("tags") or row.get("metadata"))
    output = fields.mapping_or_empty(row.get("output"))
    answer: dict[str, JSON] = dict(output)
    if output.get("error") is not None:
        answer = {"error": output["error"]}
    elif "choices" not in output:
        answer = {"choices": [{"message": dict(output)}]}
    started = row.get("requestedAt") or row.get("timestamp") or output.get("created")
    yield pair(row.get("input"), answer, Around(id=row.get("id"), started_at=started, metadata=tags))


OPENPIPE = Source(
    name="openpipe",
    fields=frozenset({"input", "output", "tags"}),
    claims=_is_openpipe,
    opened=lambda: EachRow(_openpipe),
)
