"""The sockets to the data planes: frames in, snapshots out, and neither side ever waits for the other.

Reading is done in large bites with a short rest between them: a busy data plane costs a few hundred wake-ups a second, not
one for each call. A snapshot replaces the one before, so a slow data plane is sent the newest only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

_BITE = 1 << 20
_BITES_AT_ONCE = 8
_REST_S = 0.01
_LENGTH = 4
LARGEST_FRAME = 256 * 1024 * 1024
"""A frame that claims more is not one: the data plane that sent it is cut off."""


class Link:
    """One data plane. `on_frames` gets what arrived, `on_end` is called once when the data plane is gone."""

    def __init__(
        self, sock: socket.socket, *, on_frames: Callable[[list[bytes]], None], on_end: Callable[[Link], None]
    ) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._on_frames = on_frames
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._rest = bytearray()
        self._sending = memoryview(b"")
        self._next: bytes | None = None
        self._open = True
        self._loop.add_reader(sock, self._read)

    def send(self, frame: bytes) -> None:
        """Send a frame, in place of any that has not begun to be sent."""
        self._next = len(frame).to_bytes(_LENGTH, "big") + frame
        if self._open and not self._sending:
            self._write()

    def close(self) -> None:
        """Let go of the socket."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._on_end(self)

    def _read(self) -> None:
        ended = False
        for _ in range(_BITES_AT_ONCE):
            try:
                data = self._socket.recv(_BITE)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                ended = True
                break
            self._rest += data
        frames = self._frames()
        if frames:
            self._on_frames(frames)
        if ended:
            self.close()
        elif self._open:
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_REST_S, self._resume)

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._socket, self._read)

    def _frames(self) -> list[bytes]:
        """The whole frames that have arrived."""
        frames: list[bytes] = []
        rest, start, end = self._rest, 0, len(self._rest)
        with memoryview(rest) as view:
            while end - start >= _LENGTH:
                length = int.from_bytes(view[start : start + _LENGTH], "big")
                if length > LARGEST_FRAME:
                    self._loop.call_soon(self.close)
                    start = end
                    break
                if end - start - _LENGTH < length:
                    break
                frames.append(bytes(view[start + _LENGTH : start + _LENGTH + length]))
                start += _LENGTH + length
        del rest[:start]
        return frames

    def _write(self) -> None:
        while self._open:
            if not self._sending:
                if self._next is None:
                    self._loop.remove_writer(self._socket)
                    return
                self._sending, self._next = memoryview(self._next), None
            try:
                self._sending = self._sending[self._socket.send(self._sending) :]
            except BlockingIOError:
                self._loop.add_writer(self._socket, self._write)
                return
            except OSError:
                with suppress(OSError):
                    self.close()
                return
