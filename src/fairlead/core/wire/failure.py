"""What a provider's error object means for the side that got it: one table from its words to a `FailureKind`.

The first word that occurs in the error's `type` or `code` decides; an error that says nothing is the server's.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.nouns import JSON, Failure, FailureKind

DETAIL_LENGTH = 300

KIND_BY_WORD: Mapping[str, FailureKind] = {
    "stream_cut": FailureKind.CUT,
    "stream_too_large": FailureKind.TOO_LARGE,
    "not_json": FailureKind.NOT_JSON,
    "not_recorded": FailureKind.NOT_RECORDED,
    "refused_request": FailureKind.REFUSED_REQUEST,
    "empty": FailureKind.EMPTY,
    "timeout": FailureKind.TIMEOUT,
    "timed_out": FailureKind.TIMEOUT,
    "rate_limit": FailureKind.SERVER_ERROR,
    "too_many_requests": FailureKind.SERVER_ERROR,
    "overloaded": FailureKind.SERVER_ERROR,
    "server": FailureKind.SERVER_ERROR,
    "api_error": FailureKind.SERVER_ERROR,
    "internal": FailureKind.SERVER_ERROR,
    "unavailable": FailureKind.SERVER_ERROR,
    "insufficient_quota": FailureKind.SERVER_ERROR,
    "billing": FailureKind.SERVER_ERROR,
    "invalid": FailureKind.REFUSED_REQUEST,
    "not_found": FailureKind.REFUSED_REQUEST,
    "authentication": FailureKind.REFUSED_REQUEST,
    "permission": FailureKind.REFUSED_REQUEST,
    "too_large": FailureKind.REFUSED_REQUEST,
    "context_length": FailureKind.REFUSED_REQUEST,
    "content": FailureKind.REFUSED_REQUEST,
    "bad_request": FailureKind.REFUSED_REQUEST,
    "unsupported": FailureKind.REFUSED_REQUEST,
}


def one_line(text: str) -> str:
    """Return `text` as one line of printable characters, at most 300."""
    line = " ".join(text[: DETAIL_LENGTH * 4].split())
    return "".join(c if c.isprintable() else "�" for c in line)[:DETAIL_LENGTH]


def kind_of_status(status: int) -> FailureKind:
    """Return what an HTTP status of 400 or more means for the answer."""
    if status in {408, 504}:
        return FailureKind.TIMEOUT
    if status == 429 or status >= 500:
        return FailureKind.SERVER_ERROR
    return FailureKind.REFUSED_REQUEST


def failure_of(error: JSON, *, status: int | None = None) -> Failure:
    """Return the failure that an error object (or its bare message) describes."""
    if not isinstance(error, dict):
        kind = FailureKind.SERVER_ERROR if status is None else kind_of_status(status)
        return Failure(kind=kind, detail=one_line(error) if isinstance(error, str) else "", status=status)
    if status is None:
        status = _status(error)
    words = " ".join(str(error[k]) for k in ("type", "code", "status") if isinstance(error.get(k), str)).lower()
    named = (kind for word, kind in KIND_BY_WORD.items() if word in words)
    kind = next(named, FailureKind.SERVER_ERROR if status is None else kind_of_status(status))
    message = error.get("message")
    return Failure(kind=kind, detail=one_line(message if isinstance(message, str) else words), status=status)


def _status(error: Mapping[str, JSON]) -> int | None:
    for key in ("status_code", "status", "code"):
        value = error.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            return value
    return None
