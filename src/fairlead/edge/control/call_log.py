"""A line of JSON for each kept call, without content: for whoever ships logs elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from fairlead.core.errors import UsageError
from fairlead.core.nouns import JSON
from fairlead.edge.control.capture import Kept
from fairlead.edge.store.codec import moment
from fairlead.edge.store.rollups import DOLLAR
from fairlead.serve.frames import Call

_ENCODE = msgspec.json.Encoder().encode


class CallLog:
    """A step of the control process that writes to a file (made for its owner only) or to standard error (`-`)."""

    name = "call log"

    def __init__(self, file: str) -> None:
        self._file = sys.stderr.buffer if file == "-" else _opened(Path(file))

    def wants(self, call: Call) -> bool:  # noqa: ARG002 - every call
        """Every call."""
        return True

    async def take(self, kept: Sequence[Kept]) -> None:
        """Write the lines of calls; a disk that is slow holds up nobody else."""
        lines = b"".join(_ENCODE(line(each)) + b"\n" for each in kept)
        await asyncio.to_thread(self._write, lines)

    def _write(self, lines: bytes) -> None:
        self._file.write(lines)
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not sys.stderr.buffer:
            self._file.close()


def line(kept: Kept) -> dict[str, JSON]:
    """What is said of a call: ids, names, numbers."""
    call, usage, failure = kept.call, kept.answered.usage, kept.answered.answer.failure
    return {
        "at": moment(call.started_us).isoformat(),
        "call": call.call_id,
        "path": call.path,
        "model": call.model,
        "answered_by": kept.answered.answer.model,
        "upstream": call.upstream,
        "workload": kept.placed.workload_id,
        "stage": call.stage,
        "served": call.served.value,
        "status": call.status,
        "ended": call.ended.value,
        "failure": None if failure is None else failure.kind.value,
        "attempts": len(call.attempts),
        "streamed": call.streamed,
        "latency_s": call.latency_s,
        "first_byte_s": call.first_byte_s,
        "added_s": call.added_s,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cost_usd": None if kept.cost is None else kept.cost / DOLLAR,
        "key": call.key_id,
    }


def _opened(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError as error:
        raise UsageError(f"The log of calls cannot be written to {path}: {error.strerror}.") from error
