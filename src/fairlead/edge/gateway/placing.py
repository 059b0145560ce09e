"""Which workload a request belongs to, on its way: the same rules as a scan, remembered by what repeats.

What a program's author wrote (system prompt, tools, response format) comes again with every request, byte by byte. Where a
workload is told by that alone, the bytes are the key and a request costs one look into a table. Where the user's message
decides too, its bytes are part of the key. What is not remembered is read whole; a very long prompt is read in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from fairlead.edge.gateway.bodies import View
from fairlead.serve.frames import Protocol

if TYPE_CHECKING:
    from fairlead.core.workload.group import Grouper
    from fairlead.core.workload.memo import Memo

LONG: Final = 128 * 1024
"""A body longer than this that is not remembered is read in a thread."""
_MEMO_BYTES: Final = 4 * 1024 * 1024
_ENTRY: Final = 800
"""About what an entry takes beside the bytes of its key: a tuple, a few objects, two places in tables."""
_GROUPER_MB: Final = 6
_PLACED: Final = frozenset(
    {
        Protocol.OPENAI_CHAT,
        Protocol.OPENAI_RESPONSES,
        Protocol.OPENAI_EMBEDDINGS,
        Protocol.OPENAI_COMPLETIONS,
        Protocol.ANTHROPIC_MESSAGES,
    }
)


class Place(NamedTuple):
    """Where a request belongs; nowhere, where that is not certain."""

    workload_id: str | None = None
    prompt_id: str | None = None


NOWHERE: Final = Place()


class _Turn(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw()


_turns = msgspec.json.Decoder(list[_Turn]).decode
_NOTHING: Final = msgspec.Raw()
_LEADING: Final = frozenset({"system", "developer"})


_Frame = tuple[str | bytes, ...]
_Key = tuple[_Frame, bytes | msgspec.Raw]
"""What tells a request's frame, and its first user message."""


class Placing:
    """Places requests by one state of the grouper."""

    def __init__(self, grouper: Grouper) -> None:
        from fairlead.core.workload.memo import Memo  # noqa: PLC0415  # its package is loaded when there are routes

        grouper.spare_memory(most_mb=_GROUPER_MB)
        self._grouper = grouper
        self._frames: Memo[_Frame, Place] = Memo(_MEMO_BYTES, lambda key, _: sum(map(len, key)) + _ENTRY)
        self._openings: Memo[tuple[_Frame, bytes], Place] = Memo(
            _MEMO_BYTES, lambda key, _: sum(map(len, key[0])) + len(key[1]) + _ENTRY
        )

    @classmethod
    def from_state(cls, state: bytes) -> Placing:
        """Placing by a state as the control process sends it."""
        from fairlead.core.workload.group import Grouper  # noqa: PLC0415  # loaded when there are routes

        return cls(Grouper.from_json(msgspec.json.decode(state)))

    def recall(self, protocol: Protocol, view: View) -> tuple[_Key | None, Place | None]:
        """What is remembered for a request, and under which key it would be; `None` where nothing can be."""
        if protocol not in _PLACED:
            return None, NOWHERE
        key = _key(protocol, view)
        if key is None:
            return None, None
        frame, opening = key
        found = self._frames.young.get(frame) or self._frames.recall(frame)
        if found is None:
            found = self._openings.get((frame, bytes(opening)))
        return key, found

    def read(self, protocol: Protocol, body: bytes, key: _Key | None) -> Place:
        """Read a request whole and place it."""
        from fairlead.core.errors import UnreadableLine  # noqa: PLC0415
        from fairlead.serve.reading import asked  # noqa: PLC0415

        try:
            request = asked(protocol, body).request
        except UnreadableLine:
            return NOWHERE
        found = self._grouper.place(request)
        place = NOWHERE if found is None else Place(found.workload_id, found.prompt_id)
        if key is not None:
            if found is not None and self._grouper.is_told_by_frame(request):
                self._frames.put(key[0], place)
            else:
                self._openings.put((key[0], bytes(key[1])), place)
        return place


def _key(protocol: Protocol, view: View) -> _Key | None:
    """The key of a request; `None` where its tools would have to be gathered from its turns, or it cannot be read."""
    if protocol is Protocol.OPENAI_EMBEDDINGS:
        return (protocol, view.model_name.encode("utf-8", "replace")), b""
    if protocol is Protocol.OPENAI_COMPLETIONS:
        return (protocol, bytes(view.response_format)), bytes(view.prompt)
    raw = view.input if protocol is Protocol.OPENAI_RESPONSES else view.messages
    tools = view.tools
    # An absent field is most of them; asking is quicker than making empty bytes.
    frame: list[str | bytes] = [
        protocol,
        bytes(view.system) if view.system else b"",
        bytes(view.instructions) if view.instructions else b"",
        bytes(tools) if tools else b"",
        bytes(view.response_format) if view.response_format else b"",
        bytes(view.text) if view.text else b"",
    ]
    try:
        turns = _turns(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return (tuple(frame), bytes(raw)) if protocol is Protocol.OPENAI_RESPONSES else None
    if not tools and len(turns) > 1:
        text = bytes(raw)
        if b'"tool_calls"' in text or b'"tool_use"' in text or b'"function_call"' in text:
            return None
    opening = _NOTHING
    for turn in turns:
        if turn.role == "user":
            opening = turn.content
            break
        if turn.role in _LEADING:
            frame.append(bytes(turn.content))
    return tuple(frame), opening
