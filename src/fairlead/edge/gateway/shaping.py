"""How a caller's request becomes what a target is asked: as it came wherever that is possible.

In this order: another protocol is translated, a candidate's settings are applied by the rules of its pilot, a model's name is
changed in place, usage is asked for on our account. A request that needs none of it is passed on byte by byte. What is heavy
is loaded when the first request needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from fairlead.core.errors import UnreadableLine, Untranslatable
from fairlead.edge.gateway import bodies
from fairlead.edge.gateway.bodies import View
from fairlead.serve.frames import Protocol
from fairlead.serve.snapshot import TargetNow, UpstreamNow

if TYPE_CHECKING:
    from fairlead.core.nouns import JSON
    from fairlead.core.wire.candidate import CandidateBody
    from fairlead.core.wire.translate import Crossing

INJECTED: Final = frozenset({Protocol.OPENAI_CHAT, Protocol.OPENAI_COMPLETIONS})
_OWN_MARK: Final = b'"fairlead"'


class Shaped(NamedTuple):
    """What a target is asked: `path` after its base URL where it is another than the caller's; `is_as_sent` byte by byte.

    `omitted` names what a candidate's settings left out.
    """

    body: bytes
    is_as_sent: bool = True
    injected: bool = False
    path: bytes | None = None
    crossing: Crossing | None = None
    omitted: tuple[str, ...] = ()


def dialect_of(protocol: Protocol) -> str:
    """The dialect of a protocol."""
    return "anthropic" if protocol.startswith("anthropic") else "openai"


def speaks_otherwise(protocol: Protocol, upstream: UpstreamNow) -> bool:
    """Whether a request must be translated for an upstream."""
    if protocol is Protocol.OPENAI_RESPONSES and upstream.dialect == "openai":
        return not upstream.responses
    return protocol is not Protocol.OPENAI_MODELS and dialect_of(protocol) != upstream.dialect


def shape(
    protocol: Protocol,
    body: bytes,
    view: View,
    *,
    target: TargetNow,
    upstream: UpstreamNow,
    model: str | None,
    inject: bool,
    call_id: str,
    now: int,
) -> Shaped:
    """What `target` is asked for a request; raises `Untranslatable` where that cannot be said to it.

    `model` is the name to ask for, `None` for the caller's own.
    """
    injects = inject and view.is_stream and wants_usage(protocol, view)
    if speaks_otherwise(protocol, upstream):
        return _crossed(protocol, body, view, target=target, upstream=upstream, model=model, call_id=call_id, now=now)
    if target.candidate_id is not None or _has_settings(target):
        return _settled(protocol, body, target=target, injects=injects)
    is_as_sent = True
    if protocol is Protocol.ANTHROPIC_MESSAGES and _OWN_MARK in body:
        body, is_as_sent = _without_own_thinking(body)
    if model is not None and model != view.model:
        body, is_as_sent = bodies.with_model(body, view, model), False
    if injects:
        return Shaped(bodies.with_usage(body, view), is_as_sent=False, injected=True)
    return Shaped(body, is_as_sent)


def wants_usage(protocol: Protocol, view: View) -> bool:
    """Whether a stream tells its token counts only when it is asked for them, and the caller did not."""
    return protocol in INJECTED and not bodies.asks_for_usage(view)


def changes_nothing(target: TargetNow) -> bool:
    """Whether a target is asked what a caller of its own protocol asks, byte by byte."""
    return target.model is None and target.candidate_id is None and not _has_settings(target)


def _has_settings(target: TargetNow) -> bool:
    return bool(target.parameters or target.drop or target.rename or target.prompt or target.prompt_prefix) or (
        target.thinking_budget is not None
    )


def _settled(protocol: Protocol, body: bytes, *, target: TargetNow, injects: bool) -> Shaped:
    from fairlead.core.wire.candidate import live_body  # noqa: PLC0415  # see the module

    asked, omitted = _live(live_body(_decoded(body), target, protocol=protocol.value))
    if injects:
        asked["stream_options"] = {"include_usage": True}
    return Shaped(msgspec.json.encode(asked), is_as_sent=False, injected=injects, omitted=omitted)


def _live(made: CandidateBody) -> tuple[dict[str, JSON], tuple[str, ...]]:
    return made.body, tuple(_header_safe(name) for name in made.omitted)


def _header_safe(name: str) -> str:
    return "".join(letter if " " < letter <= "~" and letter != "," else "?" for letter in name[:60])


def _crossed(
    protocol: Protocol,
    body: bytes,
    view: View,
    *,
    target: TargetNow,
    upstream: UpstreamNow,
    model: str | None,
    call_id: str,
    now: int,
) -> Shaped:
    from fairlead.core.wire.candidate import live_body  # noqa: PLC0415  # see the module
    from fairlead.core.wire.translate import cross  # noqa: PLC0415

    wanted = model or view.model_name
    crossing = cross(protocol.value, to=upstream.dialect, body=_decoded(body), model=wanted, name=call_id, now=now)
    asked, omitted = crossing.request, tuple[str, ...]()
    if target.candidate_id is not None or _has_settings(target):
        asked, omitted = _live(live_body(asked, target, protocol=crossing.spoken))
    if view.is_stream and upstream.dialect == "openai":
        asked["stream_options"] = {"include_usage": True}
    path = crossing.path.encode("ascii")
    return Shaped(msgspec.json.encode(asked), is_as_sent=False, path=path, crossing=crossing, omitted=omitted)


def _without_own_thinking(body: bytes) -> tuple[bytes, bool]:
    from fairlead.core.wire.translate import without_own_thinking  # noqa: PLC0415  # see the module

    cleaned = without_own_thinking(_decoded(body))
    return (body, True) if cleaned is None else (msgspec.json.encode(cleaned), False)


def _decoded(body: bytes) -> dict[str, JSON]:
    from fairlead.core.wire.decode import decode  # noqa: PLC0415  # see the module

    try:
        value = decode(body)
    except UnreadableLine as error:
        raise Untranslatable(f"The body is {error.reason}.") from None
    if not isinstance(value, dict):
        raise Untranslatable("The body is not a JSON object.")
    return value


def estimated_count(body: bytes) -> bytes:
    """The answer to a question for the number of tokens, where the upstream cannot be asked."""
    from fairlead.core.wire.translate import estimated_tokens  # noqa: PLC0415  # see the module

    return msgspec.json.encode({"input_tokens": estimated_tokens(_decoded(body))})
