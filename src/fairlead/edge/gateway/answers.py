"""What the gateway itself has to say, in the caller's dialect: one shape for OpenAI, one for Anthropic, whole or in a stream.

{"error": {"message": …, "type": …, "param": null, "code": …}}                OpenAI
{"type": "error", "error": {"type": …, "message": …}, "request_id": …}        Anthropic
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from fairlead.serve.frames import Protocol

REASONS: Final[Mapping[int, bytes]] = {
    200: b"OK", 201: b"Created", 202: b"Accepted", 204: b"No Content", 301: b"Moved Permanently", 302: b"Found",
    304: b"Not Modified", 307: b"Temporary Redirect", 308: b"Permanent Redirect", 400: b"Bad Request",
    401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden", 404: b"Not Found", 405: b"Method Not Allowed",
    408: b"Request Timeout", 409: b"Conflict", 413: b"Content Too Large", 415: b"Unsupported Media Type",
    417: b"Expectation Failed", 422: b"Unprocessable Content", 429: b"Too Many Requests",
    431: b"Request Header Fields Too Large", 500: b"Internal Server Error", 502: b"Bad Gateway",
    503: b"Service Unavailable", 504: b"Gateway Timeout", 529: b"Overloaded",
}  # fmt: skip

_OPENAI_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 500: "server_error",
    502: "upstream_error", 503: "server_error", 504: "upstream_error",
}  # fmt: skip
_ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
    429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "overloaded_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong: `status` for the caller, `code` in a word or two with underscores, `message` worth reading."""

    status: int
    code: str
    message: str
    retry_after: str | None = None


def is_anthropic(protocol: Protocol | None) -> bool:
    """Whether a protocol is Anthropic's."""
    return protocol is Protocol.ANTHROPIC_MESSAGES or protocol is Protocol.ANTHROPIC_COUNT


def body_of(problem: Problem, *, anthropic: bool, call_id: str) -> bytes:
    """The body that tells of a problem."""
    if anthropic:
        kind = _ANTHROPIC_TYPES.get(problem.status, "invalid_request_error")
        inner = {"type": kind, "message": problem.message}
        return msgspec.json.encode({"type": "error", "error": inner, "request_id": call_id})
    kind = _OPENAI_TYPES.get(problem.status, "invalid_request_error")
    said = {"message": problem.message, "type": kind, "param": None, "code": problem.code}
    return msgspec.json.encode({"error": said})


def event_of(problem: Problem, protocol: Protocol, *, call_id: str) -> bytes:
    """The event that tells of a problem in a stream that has begun."""
    anthropic = is_anthropic(protocol)
    body = body_of(problem, anthropic=anthropic, call_id=call_id)
    if anthropic:
        return b"event: error\ndata: %b\n\n" % body
    if protocol is Protocol.OPENAI_RESPONSES:
        event = {"type": "error", "code": problem.code, "message": problem.message, "param": None}
        return b"event: error\ndata: %b\n\n" % msgspec.json.encode(event)
    return b"data: %b\n\n" % body
