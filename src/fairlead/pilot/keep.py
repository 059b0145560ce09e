"""The ledger's side of a running pilot: one thread that reads and writes, and batches that are written as one.

Rules kept: every call to the ledger happens on one thread of its own, so that a ledger waiting for another process to
finish writing never holds up answers that are coming in (and is never mistaken for a slow endpoint); what is handed in
is written within a few milliseconds; replies are written before the pairs that rest on them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fairlead.core.nouns import PairRow, Reply
from fairlead.core.ports import PilotLedger

T = TypeVar("T")

GATHER_S = 0.004
"""How long a reply may wait for others, so that one transaction keeps them all."""


class Keeper:
    """Keeps replies and pairs of one pilot as they come."""

    def __init__(self, ledger: PilotLedger, *, on_error: Callable[[BaseException], None]) -> None:
        """`on_error` hears of a write that failed; from then on nothing more is written."""
        self._ledger = ledger
        self._on_error = on_error
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fairlead-ledger")
        self._replies: list[tuple[str, str, Reply]] = []
        self._judgements: list[tuple[str, str, str, Reply]] = []
        self._pairs: list[PairRow] = []
        self._pilot_id = ""
        self._writing: asyncio.Task[None] | None = None
        self._broken = False

    def begin(self, pilot_id: str) -> None:
        """Name the pilot whose pairs are kept."""
        self._pilot_id = pilot_id

    async def call(self, work: Callable[[PilotLedger], T]) -> T:
        """What `work` returns, done on the ledger's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._ledger)

    def keep_reply(self, asker_id: str, request_key: str, reply: Reply) -> None:
        """Have a reply written in a few milliseconds."""
        self._replies.append((asker_id, request_key, reply))
        self._soon()

    def keep_judgement(self, judge_id: str, question_key: str, exchange_id: str, reply: Reply) -> None:
        """Have a judge's reply written in a few milliseconds."""
        self._judgements.append((judge_id, question_key, exchange_id, reply))
        self._soon()

    def keep_pair(self, row: PairRow) -> None:
        """Have a pair written in a few milliseconds, after the replies handed in before it."""
        self._pairs.append(row)
        self._soon()

    async def flush(self) -> None:
        """Come back when everything handed in so far is written, or cannot be."""
        # Shielded, for a batch that is half handed over when Ctrl-C comes must still be written.
        if self._writing is not None:
            await asyncio.shield(self._writing)
        if not self._broken:
            await asyncio.shield(asyncio.ensure_future(self._write()))

    async def close(self) -> None:
        """Write what is left and end the thread."""
        try:
            await self.flush()
        finally:
            self._thread.shutdown(wait=True)

    def _soon(self) -> None:
        if self._writing is None and not self._broken:
            self._writing = asyncio.get_running_loop().create_task(self._gather())

    async def _gather(self) -> None:
        await asyncio.sleep(GATHER_S)
        try:
            await self._write()
        except Exception as error:  # noqa: BLE001  # whatever it is, the pilot must stop and say so
            self._broken = True
            self._on_error(error)
        finally:
            self._writing = None
        if self._replies or self._judgements or self._pairs:
            self._soon()

    async def _write(self) -> None:
        replies, self._replies = self._replies, []
        judgements, self._judgements = self._judgements, []
        pairs, self._pairs = self._pairs, []

        def append(ledger: PilotLedger) -> None:
            if replies:
                ledger.append_replies(replies)
            if judgements:
                ledger.append_judgements(judgements)
            if pairs:
                ledger.append_pairs(self._pilot_id, pairs)

        if replies or judgements or pairs:
            await self.call(append)
