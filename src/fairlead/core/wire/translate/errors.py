"""One shape of error per dialect, and an upstream's error said in the caller's own.

OpenAI: `{"error": {"message", "type", "param", "code"}}`. Anthropic: `{"type": "error", "error": {"type", "message"}}`.
The status decides the type; two causes have words of their own on both sides, because clients act on them: a prompt that
is too long (clients shorten it) and money that has run out (clients stop asking).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.decode import decode
from fairlead.core.wire.failure import one_line

_ANTHROPIC_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_OPENAI_CODES: Mapping[int, str] = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_STATUS_OF_TYPE: Mapping[str, int] = {
    **{name: status for status, name in _ANTHROPIC_TYPES.items()},
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "context_length_exceeded": 400,
}
_TOO_LONG = ("context_length_exceeded", "maximum context length", "prompt is too long", "context window")
_NO_MONEY = ("insufficient_quota", "billing_error", "billing_hard_limit_reached", "credit balance is too low")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as it goes to the caller: its status and its body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What went wrong, in no dialect yet. `code` is OpenAI's word for the cause, where there is one."""

    status: int
    message: str
    code: str | None = None


def is_anthropic(protocol: str) -> bool:
    """Whether a protocol (or dialect) speaks Anthropic's errors.

    >>> is_anthropic("anthropic.messages"), is_anthropic("openai.chat")
    (True, False)
    """
    return protocol.startswith("anthropic")


def error_body(protocol: str, fault: Fault) -> bytes:
    """Return the body that tells a caller of `protocol` about `fault`."""
    return msgspec.json.encode(error_object(protocol, fault))


def error_object(protocol: str, fault: Fault) -> dict[str, JSON]:
    """Return the error object that tells a caller of `protocol` about `fault`."""
    if is_anthropic(protocol):
        return {"type": "error", "error": {"type": _anthropic_type(fault), "message": _anthropic_message(fault)}}
    kind = _OPENAI_TYPES.get(fault.status) or ("server_error" if fault.status >= 500 else "invalid_request_error")
    code = fault.code or _OPENAI_CODES.get(fault.status)
    kind = "insufficient_quota" if code == "insufficient_quota" else kind
    return {"error": {"message": fault.message, "type": kind, "param": None, "code": code}}


def problem(protocol: str, fault: Fault) -> Problem:
    """Return `fault` as a whole answer to a caller of `protocol`, under the status that its clients know."""
    status = fault.status
    if is_anthropic(protocol):
        status = 402 if fault.code == "insufficient_quota" else 529 if status == 503 else status
    else:
        status = 429 if fault.code == "insufficient_quota" else 503 if status == 529 else status
    return Problem(
        status=status, body=error_body(protocol, Fault(status=status, message=fault.message, code=fault.code))
    )


def upstream_problem(protocol: str, *, status: int, body: bytes) -> Problem:
    """Return an upstream's error answer, of either dialect or none, in the dialect of a caller of `protocol`."""
    return problem(protocol, fault_of_body(body, status=status))


def fault_of_body(body: bytes, *, status: int) -> Fault:
    """Return what an upstream's error body says; a body that is no JSON is quoted in one line."""
    try:
        value = decode(body)
    except UnreadableLine:
        told = one_line(body[:1200].decode("utf-8", "replace"))
        return Fault(status=status, message=f"The upstream answered {status}: {told}" if told else _silent(status))
    return fault_of(value, status=status)


def fault_of(value: object, *, status: int | None = None) -> Fault:
    """Return what an error object says; without a `status` its type decides (500 where that is unknown)."""
    outer = fields.mapping_or_empty(cast("JSON", value))
    raw = outer.get("error", cast("JSON", value))
    inner = fields.mapping_or_empty(raw)
    kinds = [str(inner[key]) for key in ("code", "type") if isinstance(inner.get(key), (str, int))]
    if status is None:
        status = _status(inner, kinds)
    message = _message(raw, inner, outer) or _silent(status)
    return Fault(status=status, message=message, code=_code(inner, [*kinds, message]))


def _silent(status: int) -> str:
    return f"The upstream answered {status} and said no more."


def _message(raw: JSON, inner: Mapping[str, JSON], outer: Mapping[str, JSON]) -> str:
    for told in (inner.get("message"), raw, outer.get("message"), outer.get("detail"), inner.get("detail")):
        if isinstance(told, str) and told.strip():
            return told[:4000]
    detail = outer.get("detail")
    return msgspec.json.encode(detail).decode()[:4000] if detail else ""


def _status(inner: Mapping[str, JSON], kinds: list[str]) -> int:
    for key in ("status", "status_code", "code"):
        found = fields.count(inner.get(key))
        if found is not None and 400 <= found <= 599:
            return found
    return next((_STATUS_OF_TYPE[kind] for kind in kinds if kind in _STATUS_OF_TYPE), 500)


def _code(inner: Mapping[str, JSON], words: list[str]) -> str | None:
    told = " ".join(words).lower()
    if any(word in told for word in _NO_MONEY):
        return "insufficient_quota"
    if any(word in told for word in _TOO_LONG):
        return "context_length_exceeded"
    code = inner.get("code")
    return code if isinstance(code, str) else None


def _anthropic_type(fault: Fault) -> str:
    known = _ANTHROPIC_TYPES.get(fault.status)
    return known or ("api_error" if fault.status >= 500 else "invalid_request_error")


def _anthropic_message(fault: Fault) -> str:
    if fault.code == "context_length_exceeded" and not fault.message.startswith("prompt is too long"):
        return f"prompt is too long: {fault.message}"
    return fault.message
