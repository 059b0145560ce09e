"""The way to the control process: frames up, snapshots down, over one Unix socket; never waited for.

Each data plane connects to the socket that the supervisor listens on and the control process accepts from, and connects
again when that process was replaced. Both ways a frame is its length (four bytes, big-endian) and msgpack: `Frame`s up,
`Snapshot`s down. Frames are gathered for a moment and written together; what does not fit in the buffer is dropped and
counted, and the next frame that gets through says how many were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import msgspec

from fairlead.serve.frames import Call, Counters
from fairlead.serve.snapshot import Snapshot

BUFFER: Final = 16 * 1024 * 1024
GATHER_S: Final = 0.05
AGAIN_S: Final = 0.25
LONGEST: Final = 256 * 1024 * 1024


class Link(asyncio.Protocol):
    """The data plane's end of the socket."""

    def __init__(self, path: str, *, buffer: int = BUFFER) -> None:
        self._path = path
        self.on_snapshot: Callable[[Snapshot], None] = _unheard
        self._buffer = buffer
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Snapshot).decode
        self._transport: asyncio.Transport | None = None
        self._frames: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_full = False
        self._closed = False
        self._heard = bytearray()
        self.buffered = 0
        self.dropped = 0
        self._untold = 0

    # Up

    def call(self, call: Call) -> None:
        """Hand over a call."""
        if self._untold:
            call = msgspec.structs.replace(call, dropped_before=self._untold)
        if self._put(self._encode(call)):
            self._untold = 0
        else:
            self.dropped += 1
            self._untold += 1

    def counters(self, counters: Counters) -> None:
        """Hand over what was counted so far."""
        self._put(self._encode(counters))

    def _put(self, frame: bytes) -> bool:
        size = len(frame)
        if self.buffered + size > self._buffer or size >= LONGEST:
            return False
        self._frames.append(size.to_bytes(4, "big"))
        self._frames.append(frame)
        self.buffered += size
        if self._timer is None and self._transport is not None and not self._is_full:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self.flush)
        return True

    def flush(self) -> None:
        """Write what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._frames and self._transport is not None and not self._is_full:
            frames, self._frames, self.buffered = self._frames, [], 0
            self._transport.write(b"".join(frames))

    # The connection

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        while not self._closed:
            try:
                await asyncio.get_running_loop().create_unix_connection(lambda: self, self._path)
            except OSError:
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def close(self, *, within_s: float) -> None:
        """Hand over what is left, as far as it is taken, and close."""
        self._closed = True
        self.flush()
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        transport = self._transport
        while transport is not None and transport.get_write_buffer_size() and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if self._task is not None:
            self._task.cancel()
        if transport is not None:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The control process is there, or will be."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=4 * 1024 * 1024)
        self._is_full = False
        self._heard.clear()
        self.flush()

    def pause_writing(self) -> None:
        """The control process reads more slowly than calls come."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._is_full = False
        self.flush()

    def data_received(self, data: bytes) -> None:
        """A snapshot, or a piece of one."""
        heard = self._heard
        heard += data
        while len(heard) >= 4:
            size = int.from_bytes(heard[:4], "big")
            if size > LONGEST:
                cast("asyncio.Transport", self._transport).abort()
                return
            if len(heard) < 4 + size:
                return
            frame = bytes(heard[4 : 4 + size])
            del heard[: 4 + size]
            try:
                snapshot = self._decode(frame)
            except msgspec.DecodeError:
                continue  # written by another version; what holds goes on holding
            self.on_snapshot(snapshot)

    def connection_lost(self, exc: Exception | None) -> None:
        """The control process is gone; another one will come."""
        del exc
        self._transport = None
        if not self._closed:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._again())

    async def _again(self) -> None:
        await asyncio.sleep(AGAIN_S)
        await self._connect()


def _unheard(snapshot: Snapshot) -> None:
    del snapshot
