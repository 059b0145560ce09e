"""A scan by several processes: each reads its parts of the log into the one ledger and learns for itself; one puts it together.

What is learned is counted by content and merged, so that it makes no difference which process read what. A process that dies
ends the scan with a word; what was kept stays kept, and the next scan goes on from there.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fairlead import scan
from fairlead.core.errors import LedgerError
from fairlead.edge.app.helping import Helped, Job, combined, died, found_in, help_together
from fairlead.edge.sources.parts import Part, parts_of

_LOOK_S = 0.2
_END_S = 5
_PARTS_EACH = 3


def processes() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def divided(files: Sequence[str], number: int) -> tuple[list[Part], list[str]]:
    """The parts of the files that can be cut, and the files that one process reads whole."""
    parts: list[Part] = []
    whole: list[str] = []
    for name in files:
        found = parts_of(name, number * _PARTS_EACH) if name != "-" else []
        parts += found
        if not found:
            whole.append(name)
    return parts, whole


def take_in_parts(
    parts: Sequence[Part],
    job: Job,
    grouping: scan.Grouping,
    *,
    number: int,
    on_progress: Callable[[int, int], None],
) -> tuple[scan.TakenIn, list[str]]:
    """Have `number` processes read the parts; what they took in together, and files to be read again whole."""
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory(prefix="fairlead-") as folder:
        queue: SimpleQueue[Any] = context.SimpleQueue()
        counts = [context.Value("Q", 0) for _ in range(number)]
        helper = context.Process(
            target=help_together,
            args=(tuple(tuple(parts[n::number]) for n in range(number)), replace(job, spool=folder), counts, queue),
        )
        helper.start()
        try:
            done = _awaited(helper, counts, queue, on_progress)
        except BaseException:
            helper.terminate()  # it ends the others
            raise
        finally:
            helper.join(_END_S)
            helper.kill()
            helper.join()
        for each in sorted(done, key=lambda each: each.spool):  # in the same order whoever was ready first
            grouping.absorb(each.news, spool=Path(each.spool), learned=each.learned)
    mixed = {name for each in done for name in each.mixed}
    read = [_new_only(taken) if name in mixed else taken for each in done for name, taken in each.read]
    return combined(read), sorted(mixed)


def _new_only(taken: scan.TakenIn) -> scan.TakenIn:
    """Of a file that is read again whole, all but what was new is told by that reading."""
    return scan.TakenIn(exchanges=0, new=taken.new, skipped=0)


def _awaited(
    helper: SpawnProcess,
    counts: Sequence[Synchronized[int]],
    queue: SimpleQueue[Any],
    on_progress: Callable[[int, int], None],
) -> list[Helped]:
    """Wait for every share, telling how far they are; a helper's error becomes this process's."""
    done: list[Helped] = []
    while len(done) < len(counts):
        if queue.empty():
            if helper.exitcode is not None and queue.empty():
                raise LedgerError(died(helper.exitcode))
            helper.join(_LOOK_S)
            on_progress(sum(count.value for count in counts), 0)
            continue
        found = queue.get()
        if isinstance(found, str):
            raise LedgerError(found)
        done.append(found_in(found))
    return done
