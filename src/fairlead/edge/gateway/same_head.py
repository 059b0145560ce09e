"""Requests with the head of one that was taken: most of those on one connection are, but for the length of their body.

Rules kept: the strict parser has read such a head before, on this connection, and nothing but the digits of the length may
differ; a head that is not whole, or a body that is followed by anything in the same read, goes to the parser. A body may come
after its head, as most clients send it. What was decided on the head holds as long as the keys and settings that it was decided by.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from fairlead.edge.gateway.front import Incoming
    from fairlead.serve.keys import Keys

# The parser refuses bare line feeds, folded fields and a second length, so this is the field and nothing else is.
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})\r\n", re.IGNORECASE)
_DIGITS: Final = 10
_LONGEST: Final = 8 * 1024
"""Longer heads are not remembered: there may be thousands of connections."""


class SameHead(NamedTuple):
    """A head: what stands before and after the digits of its length, the request it was read as, and what it was let in by."""

    before: bytes
    after: bytes
    incoming: Incoming
    keys: Keys
    most: int

    def begun(self, data: bytes) -> tuple[bytes, int] | None:
        """What is there of the body of a request that has this head, and how much is still to come; `None` for anything else."""
        if not data.startswith(self.before):
            return None
        start = len(self.before)
        end = data.find(b"\r", start, start + _DIGITS)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self.after, end):
            return None
        size, begin = int(digits), end + len(self.after)
        left = size - (len(data) - begin)
        return (data[begin:], left) if left >= 0 and size <= self.most else None


def same_head(data: bytes, incoming: Incoming, *, keys: Keys, most: int) -> SameHead | None:
    """What to tell the head of a request by that came whole, as `data`, with as much of its body as is there.

    `None` where the next one must be read anew.
    """
    end = data.find(b"\r\n\r\n")
    found = _LENGTH.search(data, 0, end + 2)
    if (
        found is None
        or end > _LONGEST
        or found[1] != incoming.known.get(b"content-length")
        or len(data) != end + 4 + incoming.body_bytes
        or b"expect" in incoming.known
        or not incoming.is_settled
    ):
        return None
    return SameHead(data[: found.start(1)], data[found.end(1) : end + 4], incoming.again(b""), keys, most)
