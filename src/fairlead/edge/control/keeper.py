"""The thread that keeps calls: takes frames as they arrive, and writes what they make into the ledger in batches.

Rules kept: nobody waits for the ledger. A batch that cannot be written is held and tried again, at growing intervals;
what is held is bounded, and what goes beyond is dropped, counted, and told in one line. Between the moment a call is
answered and the moment it is in the ledger lie at most `flush_s` and the time one batch takes to write: that much a
`kill -9` loses, never more, and never a batch that was written.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import msgspec

from fairlead.core.errors import LedgerError
from fairlead.edge.control.capture import Capture, Kept, Lot
from fairlead.edge.store import Ledger
from fairlead.serve.frames import Call, Counters, Frame

_MOST_CALLS = 500
_FIRST_RETRY_S, _LAST_RETRY_S = 0.2, 10.0


@dataclass(slots=True)
class State:
    """What the keeper has done since it started, and how it is. Read from any thread."""

    received: int = 0
    kept: int = 0
    counted: int = 0
    dropped: int = 0
    damaged: int = 0
    held_calls: int = 0
    held_bytes: int = 0
    writes: int = 0
    failures: int = 0
    problem: str = ""


class Keeper:
    """Owns the way from frames to the ledger.

    `opened` opens the ledger, whenever that becomes possible; `on_counters`, `on_lot` and `on_kept` are called from the
    keeper's thread; `tell` prints one line for the operator. At the end a ledger that cannot be written is given `patience_s`.
    """

    def __init__(
        self,
        capture: Capture,
        *,
        opened: Callable[[], Ledger],
        tell: Callable[[str], None],
        on_counters: Callable[[Counters], None] = lambda _: None,
        on_lot: Callable[[Lot], None] = lambda _: None,
        on_kept: Callable[[Sequence[Kept]], None] = lambda _: None,
        flush_s: float = 0.2,
        most_bytes: int = 64_000_000,
        patience_s: float = 5.0,
    ) -> None:
        self.state = State()
        self._capture = capture
        self._opened = opened
        self._tell = tell
        self._on_counters = on_counters
        self._on_lot = on_lot
        self._on_kept = on_kept
        self._flush_s = flush_s
        self._most_bytes = most_bytes
        self._patience_s = patience_s
        self._decode = msgspec.msgpack.Decoder(Frame).decode
        self._inbox: deque[bytes] = deque()
        self._taken_bytes = 0  # each of the two is written by one thread only
        self._read_bytes = 0
        self._held: deque[Lot] = deque()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._salvaged: set[type[Exception]] = set()
        self._retry_s = 0.0
        self._retry_at = 0.0
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Keep what is left, and end; a ledger that still cannot be written is given a few seconds."""
        self._ending.set()
        self._wake.set()
        self._thread.join()

    def take(self, frames: Sequence[bytes]) -> None:
        """Take frames from a data plane; never waits."""
        size = sum(map(len, frames))
        if self._taken_bytes - self._read_bytes + self.state.held_bytes + size > self._most_bytes:
            self._drop(len(frames))
            return
        self._taken_bytes += size
        self._inbox.extend(frames)
        if len(self._inbox) >= _MOST_CALLS:
            self._wake.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wake.wait(self._flush_s)
            self._wake.clear()
            self._turn()
        end = monotonic() + self._patience_s
        self._retry_at = 0.0
        self._turn()
        while self._held and monotonic() < end:
            threading.Event().wait(max(0.0, self._retry_at - monotonic()))
            self._turn()
        self._drop(sum(lot.calls for lot in self._held))

    def _turn(self) -> None:
        while calls := self._calls():
            lot = self._capture.read(calls)
            self._on_lot(lot)
            self.state.received += len(calls)
            self.state.held_calls += lot.calls
            self.state.held_bytes += lot.size
            self._held.append(lot)
        self._write()

    def _calls(self) -> list[Call]:
        """The next calls of the inbox, as many as are written together."""
        calls: list[Call] = []
        while self._inbox and len(calls) < _MOST_CALLS:
            data = self._inbox.popleft()
            self._read_bytes += len(data)
            try:
                frame = self._decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.state.damaged += 1
                continue
            if isinstance(frame, Counters):
                self._on_counters(frame)
            else:
                calls.append(frame)
        return calls

    def _write(self) -> None:
        while self._held and monotonic() >= self._retry_at:
            lot = self._held[0]
            try:
                self._opened().capture(lot.arrivals, lot.tallies, again=lot.tried)
            except LedgerError as error:
                lot.tried = True
                self._failed(error)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the other calls
                self._salvage(lot, error)
            self._held.popleft()
            self._written(lot)

    def _salvage(self, lot: Lot, error: Exception) -> None:
        """Keep what can be kept of a batch that the database would not take as a whole."""
        if type(error) not in self._salvaged:  # a bug is told once, not for each batch
            self._salvaged.add(type(error))
            self._tell(
                f"A batch could not be kept whole ({type(error).__name__}: {error}); its calls are kept one by one."
            )
        arrivals, lot.arrivals = lot.arrivals, []
        for each in arrivals:
            try:
                self._opened().capture([each], {}, again=True)
                lot.arrivals.append(each)
            except Exception:  # noqa: BLE001 - as above
                self.state.damaged += 1
        with suppress(Exception):
            self._opened().capture([], lot.tallies)

    def _written(self, lot: Lot) -> None:
        state = self.state
        state.held_calls -= lot.calls
        state.held_bytes -= lot.size
        state.kept += len(lot.arrivals)
        state.counted += lot.calls
        state.writes += 1
        if state.problem:
            self._tell(f"The ledger takes calls again; {state.held_calls} are waiting, {state.dropped} were dropped.")
            state.problem, self._retry_s = "", 0.0
        if lot.kept:
            self._on_kept(lot.kept)

    def _failed(self, error: LedgerError) -> None:
        state = self.state
        state.failures += 1
        if state.problem != str(error):
            state.problem = str(error)
            room = self._most_bytes // 1_000_000
            self._tell(
                f"Calls are answered but not kept for now (held up to {room} MB, then dropped and counted): {error}"
            )
        self._retry_s = min(max(2 * self._retry_s, _FIRST_RETRY_S), _LAST_RETRY_S)
        self._retry_at = monotonic() + self._retry_s

    def _drop(self, calls: int) -> None:
        if calls and not self.state.dropped:
            self._tell("Calls are dropped from the record: more than may be held are waiting for the ledger.")
        self.state.dropped += calls
