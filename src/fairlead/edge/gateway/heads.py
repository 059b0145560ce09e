"""The heads of what is sent on: the caller's fields to the upstream, the upstream's to the caller.

Fields that belong to one connection are not passed on; the caller's key goes only where it was meant for; to any other
place only the fields go that say what the body is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fairlead.edge.gateway.answers import REASONS
from fairlead.edge.gateway.per_name import PerName

if TYPE_CHECKING:
    from fairlead.edge.gateway.front import Incoming
    from fairlead.edge.gateway.lines import Fields, Origin
    from fairlead.serve.snapshot import Stage

_ONE_CONNECTION: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings",
    }
)  # fmt: skip
_OURS: Final = _ONE_CONNECTION | {
    b"host", b"content-length", b"expect", b"authorization", b"x-api-key", b"accept-encoding",
}  # fmt: skip
_ANYWHERE: Final = frozenset(
    {
        b"content-type", b"content-encoding", b"accept", b"user-agent", b"anthropic-version", b"anthropic-beta",
        b"traceparent", b"tracestate", b"x-request-id",
    }
)  # fmt: skip
_NOT_BACK: Final = _ONE_CONNECTION | {b"content-length", b"alt-svc"}
_PACKINGS: Final = (b"gzip", b"deflate")


def labelled(upstream: str, stage: Stage, workload_id: str | None) -> bytes:
    """What a caller is told of who answered, as fields of a head."""
    told = b"x-fairlead-upstream: %b\r\nx-fairlead-stage: %b\r\n" % (
        upstream.encode("ascii", "replace"),
        stage.value.encode("ascii"),
    )
    if workload_id is not None:
        told += b"x-fairlead-workload: %b\r\n" % workload_id.encode("ascii", "replace")
    return told


def request_head(
    incoming: Incoming,
    *,
    after_base: bytes,
    origin: Origin,
    authorization: Sequence[tuple[bytes, bytes]],
    is_known_place: bool,
    as_sent: bool,
    is_plain: bool,
    speaks_anthropic: bool,
) -> bytes:
    """The head of the request to an upstream, but for the length of its body and the empty line."""
    query = b"?" + incoming.query if incoming.query else b""
    method = b"POST" if incoming.method == b"POST" else b"GET"
    lines = [
        b"%b %b%b%b%b HTTP/1.1\r\nhost: %b\r\n" % (method, origin.prefix, origin.base, after_base, query, origin.netloc)
    ]
    if speaks_anthropic and b"anthropic-version" not in incoming.known:
        lines.append(b"anthropic-version: 2023-06-01\r\n")
    named = _named_by_connection(incoming.known.get(b"connection"))
    for name, value in incoming.fields:
        if name in _OURS or (not is_known_place and name not in _ANYWHERE) or name in named:
            continue
        if name == b"content-encoding" and not as_sent:
            continue
        if name.startswith(b"x-fairlead-"):
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    lines += [b"%b: %b\r\n" % pair for pair in authorization]
    lines.append(_accepted(incoming.known.get(b"accept-encoding"), is_plain=is_plain))
    if origin.extra:
        lines.append(origin.extra)
    return b"".join(lines)


def _accepted(value: bytes | None, *, is_plain: bool) -> bytes:
    """Of the packings a caller takes, those that the record can undo; a stream is asked for as it is."""
    if value is None or is_plain:
        return b"accept-encoding: identity\r\n"
    low = value.lower()
    taken = [packing for packing in _PACKINGS if packing in low and packing + b";q=0" not in low.replace(b" ", b"")]
    return b"accept-encoding: %b\r\n" % (b", ".join(taken) or b"identity")


def _named_by_connection(value: bytes | None) -> frozenset[bytes]:
    if value is None or value in {b"keep-alive", b"close"}:
        return _NONE
    return frozenset(name.strip() for name in value.lower().split(b","))


def _passes(name: bytes) -> bool:
    """Whether a field of this name, as it is written, is the caller's business."""
    low = name.lower()
    return low not in _NOT_BACK and not low.startswith(b"x-fairlead-")


_PASSES: Final = PerName(_passes)


def passed_on(fields: Fields) -> Fields:
    """The fields of an upstream's answer that are the caller's business."""
    kept: Fields = []
    named = _NONE
    for pair in fields:
        name = pair[0]
        if _PASSES[name]:
            kept.append(pair)
        elif len(name) == _CONNECTION and name.lower() == b"connection":
            named = _named_by_connection(pair[1])
    return [pair for pair in kept if pair[0].lower() not in named] if named else kept


_NONE: Final[frozenset[bytes]] = frozenset()
_OK: Final = b"HTTP/1.1 200 OK\r\n"
_CONNECTION: Final = len(b"connection")
_BODILESS: Final = frozenset({204, 304})


_ANY_DIALECT: Final = frozenset({b"retry-after", b"retry-after-ms", b"x-request-id", b"request-id", b"date"})


def said_anew(fields: Fields, content_type: bytes) -> Fields:
    """The fields of an answer whose body was written anew in another protocol."""
    kept = [pair for pair in fields if pair[0].lower() in _ANY_DIALECT]
    return [(b"content-type", content_type), *kept]


def response_head(
    status: int, fields: Fields, *, length: bytes | None, is_unpacked: bool, version: str, keep: bool, told: bytes
) -> tuple[bytes, bool, bool]:
    """The head of an answer, whether its body is sent in chunks, and whether the connection may be kept."""
    parts = [_OK if status == 200 else b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, b"Unknown"))]
    passed = passed_on(fields)
    if is_unpacked:
        passed = [pair for pair in passed if pair[0].lower() != b"content-encoding"]
    for name, value in passed:
        parts += (name, b": ", value, b"\r\n")  # quicker than to format each
    parts.append(told)
    chunked = False
    if status in _BODILESS:
        pass
    elif length is not None:
        parts += (b"content-length: ", length, b"\r\n")
    elif version == "1.1":
        chunked = True
        parts.append(b"transfer-encoding: chunked\r\n")
    else:
        keep = False
    if not keep:
        parts.append(b"connection: close\r\n")
    elif version == "1.0":
        parts.append(b"connection: keep-alive\r\n")
    parts.append(b"\r\n")
    return b"".join(parts), chunked, keep
