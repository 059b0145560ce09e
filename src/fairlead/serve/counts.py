"""What each key has used in the last minute, counted by several processes that share one piece of memory and no lock.

Every process writes to its own part of the board only and reads the others', so nothing is ever lost to a race. A
use is written first and looked at afterwards: two processes that take the last place at the same moment may both be
refused, but never both be let in. The minute slides: what was used in the minute before counts for the share of it that is
still within reach. A process that dies leaves its counts behind, and the one that takes its place goes on with them.

The board is plain memory: a header of one number per process (how many records it has), then each process's records of
`WIDTH` numbers: who (a tag), which minute, and requests and tokens in that minute and in the one before.
"""

from __future__ import annotations

from hashlib import blake2b
from math import ceil, floor
from typing import Final

WIDTH: Final = 6
WINDOW_S: Final = 60.0
_TAG, _MINUTE, _REQUESTS, _TOKENS, _REQUESTS_BEFORE, _TOKENS_BEFORE = range(WIDTH)
REQUESTS: Final = _REQUESTS
TOKENS: Final = _TOKENS


def board_bytes(*, processes: int, keys: int) -> int:
    """Return how many bytes a board for so many processes and keys takes.

    >>> board_bytes(processes=2, keys=100)
    9616
    """
    return 8 * (processes + processes * keys * WIDTH)


def tag_of(key_id: str) -> float:
    """Return a number that stands for a key on the board: 53 bits of a hash, never zero."""
    return float(int.from_bytes(blake2b(key_id.encode("utf-8", "replace"), digest_size=7).digest(), "big") >> 3 or 1)


class Counts:
    """One process's view of the board. `board` is writable memory of `board_bytes`, zeros at first, the same for all."""

    __slots__ = ("_board", "_cells", "_found", "_keys", "_number", "_own", "_processes", "_seen")

    def __init__(self, board: bytearray | memoryview, *, number: int, processes: int, keys: int) -> None:
        self._board = memoryview(board).cast("B").cast("d")
        self._number = number
        self._processes = processes
        self._keys = keys
        self._own: dict[float, int] = {}
        self._found: dict[float, list[int]] = {}
        self._seen = [0.0] * processes
        self._index_own()

    def _base(self, process: int) -> int:
        return self._processes + process * self._keys * WIDTH

    def _index_own(self) -> None:
        base = self._base(self._number)
        for place in range(min(int(self._board[self._number]), self._keys)):
            self._own.setdefault(self._board[base + place * WIDTH], base + place * WIDTH)

    def use(self, tag: float, what: int, amount: float, *, limit: float, now_s: float) -> float | None:
        """Use `amount`; return `None` if the limit holds, else take it back and return the seconds until it may work."""
        minute, share = divmod(now_s, WINDOW_S)
        board = self._board
        cell = self._own.get(tag)
        if cell is None or board[cell + _MINUTE] != minute:
            cell = self._own_cell(tag, minute)
        now = board[cell + what] + amount
        board[cell + what] = now
        before = board[cell + what + 2]
        if self._processes > 1:
            now, before = self._total(tag, what, minute)
        if now + before * (1.0 - share / WINDOW_S) <= limit:
            return None
        board[cell + what] -= amount
        return _wait(now - amount, before, room=limit - amount, share_s=share)

    def add(self, tag: float, what: int, amount: float, *, now_s: float) -> None:
        """Use `amount` without a question, as when an answer turned out longer than thought (or shorter: below zero)."""
        cell = self._own_cell(tag, floor(now_s / WINDOW_S))
        self._board[cell + what] = max(0.0, self._board[cell + what] + amount)

    def used(self, tag: float, what: int, *, now_s: float) -> float:
        """Return what all processes together have used in the last minute."""
        minute, share = divmod(now_s, WINDOW_S)
        now, before = self._total(tag, what, minute)
        return now + before * (1.0 - share / WINDOW_S)

    def _total(self, tag: float, what: int, minute: float) -> tuple[float, float]:
        board = self._board
        now = before = 0.0
        for cell in self._cells_of(tag):
            if board[cell] != tag:
                continue
            stamp = board[cell + _MINUTE]
            if stamp == minute:
                now += board[cell + what]
                before += board[cell + what + 2]
            elif stamp == minute - 1:
                before += board[cell + what]
        return now, before

    def _cells_of(self, tag: float) -> list[int]:
        """Where each process counts a key. Looked for again only when some process has begun to count another key."""
        heads = list(self._board[: self._processes])
        if heads != self._seen:
            self._seen = heads
            self._found.clear()
        found = self._found.get(tag)
        if found is None:
            found = self._found[tag] = [
                cell for process in range(self._processes) for cell in self._search(process, tag)
            ]
        return found

    def _search(self, process: int, tag: float) -> list[int]:
        if process == self._number:
            return [self._own[tag]] if tag in self._own else []
        base = self._base(process)
        records = min(int(self._board[process]), self._keys)
        tags = list(self._board[base : base + records * WIDTH : WIDTH])
        return [base + tags.index(tag) * WIDTH] if tag in tags else []

    def _own_cell(self, tag: float, minute: float) -> int:
        cell = self._own.get(tag)
        if cell is None:
            cell = self._new_cell(tag, minute)
        board = self._board
        stamp = board[cell + _MINUTE]
        if stamp != minute:
            is_next = stamp == minute - 1
            board[cell + _REQUESTS_BEFORE] = board[cell + _REQUESTS] if is_next else 0.0
            board[cell + _TOKENS_BEFORE] = board[cell + _TOKENS] if is_next else 0.0
            board[cell + _REQUESTS] = board[cell + _TOKENS] = 0.0
            board[cell + _MINUTE] = minute
        return cell

    def _new_cell(self, tag: float, minute: float) -> int:
        """A record of one's own for a key: the next free one, or that of the key that has been quiet longest."""
        board = self._board
        base = self._base(self._number)
        if len(self._own) >= self._keys:
            cells = self._own.values()
            cell = min(cells, key=lambda at: board[at + _MINUTE])
            del self._own[board[cell]]
        else:
            cell = base + len(self._own) * WIDTH
        for at in range(1, WIDTH):
            board[cell + at] = 0.0
        board[cell + _MINUTE] = minute
        board[cell] = tag
        self._own[tag] = cell
        board[self._number] += 1.0  # the others look again
        return cell


def _wait(now: float, before: float, *, room: float, share_s: float) -> float:
    """Seconds until `room` is left: within this minute as the one before fades, else in the next as this one does."""
    if room < 0.0:
        return WINDOW_S
    if now <= room and before > 0.0:
        return max(0.0, (1.0 - (room - now) / before) * WINDOW_S - share_s)
    rest = WINDOW_S - share_s
    return rest + (max(0.0, 1.0 - room / now) * WINDOW_S if now > 0.0 else 0.0)


def whole_seconds(wait_s: float) -> int:
    """Return a wait as `Retry-After` says it: whole seconds, at least one."""
    return max(1, ceil(wait_s))
