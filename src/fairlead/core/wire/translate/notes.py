"""What could not be carried over, by name; and ids of tool calls in the letters that both protocols take."""

from __future__ import annotations

import base64
import binascii
import re

MAX_NOTES = 24
_UNSAFE = re.compile(r"[^A-Za-z0-9_.=/\[\] -]")
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ENCODED = "fl64_"


class Notes:
    r"""Names of what could not be carried over, each once, in letters that are safe in a header.

    >>> notes = Notes()
    >>> notes.add("top_k"); notes.add("top_k"); notes.add("söme\nfield")
    >>> notes.names
    ('top_k', 's?me?field')
    """

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """Name one thing that the other side will not see."""
        if len(self._names) < MAX_NOTES:
            self._names.setdefault(_UNSAFE.sub("?", name[:60]), None)

    @property
    def names(self) -> tuple[str, ...]:
        """What was not carried over, in the order it was met."""
        return tuple(self._names)


def safe_id(call_id: str) -> str:
    """Return a tool call's id in the letters that Anthropic takes; `own_id` gives the original back.

    >>> own_id(safe_id("functions.get_weather:0"))
    'functions.get_weather:0'
    """
    if _PLAIN_ID.fullmatch(call_id) and not call_id.startswith(_ENCODED):
        return call_id
    return _ENCODED + base64.urlsafe_b64encode(call_id.encode("utf-8", "replace")).decode().rstrip("=")


def own_id(call_id: str) -> str:
    """Return the id that `safe_id` was given; any other id stays as it is."""
    if not call_id.startswith(_ENCODED):
        return call_id
    letters = call_id.removeprefix(_ENCODED)
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return call_id
