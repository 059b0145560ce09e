"""What the gateway reads of a request's body, and the few bytes it may change in it.

Only the fields that decide something are materialised; the parser skips the rest. An edit touches the bytes of one value
and is read again to prove that it did what it should; where the text does not allow that (escaped names, say), the body is
written anew, which keeps its meaning and not its spacing.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from fairlead.core.nouns import JSON


_LARGE: Final = 256 * 1024


class View(msgspec.Struct):
    """The fields of a body that decide something, as they stand; what is absent is `None` or empty."""

    model: Any = None
    stream: Any = None
    stream_options: msgspec.Raw = msgspec.Raw()
    user: Any = None
    metadata: Any = None
    system: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    response_format: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()
    prompt_cache_key: Any = None
    previous_response_id: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None

    @property
    def is_stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.stream is True

    @property
    def model_name(self) -> str:
        """The model's name; empty where there is none that can be read."""
        return self.model if isinstance(self.model, str) else ""


_decode = msgspec.json.Decoder(View).decode
NOTHING: Final = View()


class UnreadableBodyError(Exception):
    """A body is not what it says it is; the message is for the caller."""


def read(body: bytes) -> View:
    """The view of a body; raises `UnreadableBodyError` where it is not a JSON object."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableBodyError(f"The body is not a JSON object: {error}.") from None


def unpacked(body: bytes, encoding: bytes, *, limit: int) -> bytes:
    """A body without its compression, of at most `limit` bytes."""
    named = encoding.strip().lower()
    if named in {b"", b"identity"}:
        return body
    form = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}.get(named)
    if form is None:
        shown = encoding[:40].decode("latin-1")
        raise UnreadableBodyError(f"A body compressed with {shown!r} is not taken here; use gzip, deflate or nothing.")
    unpacker = zlib.decompressobj(form)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise UnreadableBodyError(f"The body is not {named.decode()} as it says.") from None
    if len(plain) > limit:
        raise UnreadableBodyError(f"The body is over {limit / 2**20:g} MiB when unpacked, the most taken here.")
    if not unpacker.eof:
        raise UnreadableBodyError(f"The {named.decode()} of the body ends before it is complete.")
    return plain


def with_model(body: bytes, view: View, model: str) -> bytes:
    """The body with another model's name in the place of its own."""
    wanted = msgspec.json.encode(model)
    for found in _valued("model", _MODEL_VALUE).finditer(body):
        edited = body[: found.start(1)] + wanted + body[found.end(1) :]
        again = _read_or_none(edited)
        if again is not None and again.model == model and again.is_stream == view.is_stream:
            return edited
    return _written_anew(body, {"model": model})


def with_usage(body: bytes, view: View) -> bytes:
    """The body with `stream_options.include_usage` set; nothing else changes."""
    options = bytes(view.stream_options)
    if not options:
        start = body.index(b"{") + 1
        return b'%b"stream_options":{"include_usage":true},%b' % (body[:start], body[start:])
    value: JSON = msgspec.json.decode(options)
    wanted = {**value, "include_usage": True} if isinstance(value, dict) else {"include_usage": True}
    text = msgspec.json.encode(wanted)
    for found in _valued("stream_options", re.escape(options)).finditer(body):
        edited = body[: found.start(1)] + text + body[found.end(1) :]
        again = _read_or_none(edited)
        if again is not None and asks_for_usage(again):
            return edited
    return _written_anew(body, {"stream_options": wanted})


def asks_for_usage(view: View) -> bool:
    """Whether a stream's usage was asked for by the caller; options that cannot be read are the upstream's to judge."""
    options = bytes(view.stream_options)
    if not options:
        return False
    try:
        value: JSON = msgspec.json.decode(options)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return isinstance(value, dict) and value.get("include_usage") is True


_MODEL_VALUE: Final = rb'"(?:[^"\\]|\\.)*"'


def _valued(name: str, value: bytes) -> re.Pattern[bytes]:
    return re.compile(rb'"%b"\s*:\s*(%b)' % (name.encode("ascii"), value))


def _read_or_none(body: bytes) -> View | None:
    try:
        return read(body)
    except UnreadableBodyError:
        return None


def _written_anew(body: bytes, changed: dict[str, Any]) -> bytes:
    whole: dict[str, msgspec.Raw] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    for name, value in changed.items():
        whole[name] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(whole)


def opening(view: View) -> dict[str, object] | None:
    """As much of a body as tells one conversation from another."""
    raw = bytes(view.messages) or bytes(view.input)
    if not raw:
        return None
    name = "messages" if view.messages else "input"
    try:
        found: dict[str, object] = {name: msgspec.json.decode(raw)}
        for field, value in (("system", view.system), ("instructions", view.instructions)):
            if value:
                found[field] = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found


_TOKENS: Final = re.compile(
    rb'"(prompt_tokens|completion_tokens|input_tokens|output_tokens|cache_creation_input_tokens|cache_read_input_tokens)"'
    rb"\s*:\s*(\d{1,12})"
)
_OUT: Final = frozenset({b"completion_tokens", b"output_tokens"})
_TAIL: Final = 16 * 1024


def tokens_in(answer: bytes) -> int | None:
    """About how many tokens an answer says it took: the largest of each count near its two ends; `None` where it says none."""
    told = tokens_told(answer)
    return None if told is None else sum(told)


def tokens_told(answer: bytes) -> tuple[int, int] | None:
    """The same, what went in and what came out."""
    ends = answer if len(answer) <= 2 * _TAIL else answer[:_TAIL] + answer[-_TAIL:]
    counts: dict[bytes, int] = {}
    for name, count in _TOKENS.findall(ends):
        counts[name] = max(counts.get(name, 0), int(count))
    out = sum(count for name, count in counts.items() if name in _OUT)
    return (sum(counts.values()) - out, out) if counts else None
