"""Batch files of OpenAI, Anthropic and Gemini: a file of requests and a file of results, joined by the id both carry.

Either file may come first, or alone: a result without its request costs money and cannot be asked again; a request
without its result was not answered as far as is known. An id that stands for two different requests joins nothing, since
which of them a result answers would be a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fairlead.core.nouns import JSON, Failure
from fairlead.core.wire import fields, gemini
from fairlead.edge.sources.bodies import is_chat_like, pair
from fairlead.edge.sources.kept import Kept
from fairlead.edge.sources.reader import Around, Found, Logged, Row, Source, Taker


def _name(row: Row) -> str | None:
    return fields.label(row.get("custom_id")) or fields.label(row.get("key"))


def _request(row: Row) -> JSON:
    """The body of a request: OpenAI's `body`, Anthropic's `params`, Gemini's `request`."""
    for key in ("body", "params", "request"):
        body = row.get(key)
        if is_chat_like(body):
            return body
    return None


def _is_result(row: Row) -> bool:
    if isinstance(row.get("result"), dict):
        return True
    response = row.get("response")
    if isinstance(response, dict):
        return "body" in response or gemini.is_response(response)
    return "response" in row and isinstance(row.get("error"), dict)


def _claims(row: Row) -> bool:
    if "fairlead" in row or _name(row) is None or ("request" in row and "response" in row):
        return False  # both halves in one row: a pair that has an id of its own
    return _is_result(row) or _request(row) is not None


class Batches(Taker):
    """Joins requests and results as they come."""

    def __init__(self) -> None:
        self._requests = Kept()
        self._results = Kept()
        self._ambiguous: set[str] = set()
        self._aside = 0

    def take(self, row: Row) -> Iterable[Found]:
        """Give the exchange when both halves are there."""
        name = _name(row) or ""
        mine, other = (self._results, self._requests) if _is_result(row) else (self._requests, self._results)
        if name in other and name not in self._ambiguous:
            half = other.take(name)
            return [_joined(name, half, dict(row)) if mine is self._results else _joined(name, dict(row), half)]
        self._keep(mine, name, dict(row))
        return ()

    def _keep(self, pile: Kept, name: str, row: JSON) -> None:
        if name in self._ambiguous:
            self._put_aside(pile, name, row)
        elif name not in pile or (first := pile.take(name)) == row:
            pile.put(name, row)
        else:
            self._ambiguous.add(name)
            self._put_aside(pile, name, first)
            self._put_aside(pile, name, row)

    def _put_aside(self, pile: Kept, name: str, row: JSON) -> None:
        """Keep a record under a name that no other half can ask for."""
        self._aside += 1
        pile.put(f"{name}\0{self._aside}", row)

    def end(self) -> Iterator[Found]:
        """Give the halves whose other half never came."""
        for name, row in self._requests.rest():
            yield _joined(name.partition("\0")[0], row, None)
        for name, row in self._results.rest():
            yield _joined(name.partition("\0")[0], None, row)


def _joined(name: str, asked: JSON, result: JSON) -> Logged:
    asked_row, result_row = fields.mapping_or_empty(asked), fields.mapping_or_empty(result)
    response, status, failure = _outcome(result_row)
    around = Around(
        id=fields.label(result_row.get("id")) or name,
        started_at=_when(response),
        metadata={"custom_id": name, "batch": True},
    )
    both: JSON = {"request": dict(asked_row), "result": dict(result_row)}
    return pair(_request(asked_row), response, around, status=status, failure=failure, of=both)


def _outcome(row: Row) -> tuple[JSON, int | None, Failure | None]:
    """The body, the HTTP status and the failure that a result holds."""
    result = row.get("result")
    if isinstance(result, dict):
        if result.get("type") == "succeeded":
            return result.get("message"), None, None
        error = result.get("error")
        if not isinstance(error, dict):
            return {"error": {"type": "api_error", "message": f"batch {fields.label(result.get('type'))}"}}, None, None
        return {"error": error.get("error") or error}, None, None
    response = row.get("response")
    if isinstance(response, dict) and "body" in response:
        return response.get("body"), fields.count(response.get("status_code")), None
    if isinstance(response, dict):
        return response, None, None
    error = row.get("error")
    return ({"error": error} if error else None), None, None


def _when(response: JSON) -> JSON:
    """Batches do not tell when a request was run; OpenAI's bodies tell when the answer was made."""
    return response.get("created") or response.get("created_at") if isinstance(response, dict) else None


BATCHES = Source(
    name="batches",
    fields=frozenset({"custom_id", "method", "url", "body", "params", "response", "result", "error"}),
    claims=_claims,
    opened=Batches,
)
