"""A scan by several processes: each reads its parts of the log into the one ledger and learns for itself; one puts it together.

What is learned is counted by content and merged, so that it makes no difference which process read what. A process that dies
ends the scan with a word; what was kept stays kept, and the next scan goes on from there.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Any

from fairlead import scan
from fairlead.core.errors import FairleadError, LedgerError
from fairlead.core.nouns import JSON
from fairlead.core.redact import Policy
from fairlead.core.workload import share
from fairlead.edge.app.privacy import redactor_for
from fairlead.edge.config import PrivacySettings
from fairlead.edge.language import Languages
from fairlead.edge.sources.parts import Part, PartReading, parts_of
from fairlead.edge.store import Ledger

_LOOK_S = 0.2
_PARTS_EACH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a helping process needs to know."""

    ledger: str
    privacy: PrivacySettings
    policy: Policy
    now: datetime
    spool: str
    parent: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Helped:
    """What a helping process did; `mixed` are files that hold more than it could read."""

    taken: scan.TakenIn
    news: JSON
    spool: str
    learned: int
    mixed: tuple[str, ...]


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
        helpers = [
            context.Process(
                target=_help,
                args=(tuple(parts[n::number]), replace(job, spool=str(Path(folder, f"{n}"))), counts[n], queue),
                daemon=True,
            )
            for n in range(number)
        ]
        for helper in helpers:
            helper.start()
        try:
            done = _awaited(helpers, counts, queue, on_progress)
        finally:
            for helper in helpers:
                helper.terminate()
                helper.join()
        for each in done:
            grouping.absorb(each.news, spool=Path(each.spool), learned=each.learned)
    return combined([each.taken for each in done]), sorted({name for each in done for name in each.mixed})


def _awaited(
    helpers: Sequence[SpawnProcess],
    counts: Sequence[Synchronized[int]],
    queue: SimpleQueue[Any],
    on_progress: Callable[[int, int], None],
) -> list[Helped]:
    """Wait for every helper, telling how far they are; a helper's error becomes this process's."""
    done: list[Helped] = []
    while len(done) < len(helpers):
        if queue.empty():
            dead = [helper for helper in helpers if helper.exitcode not in {None, 0}]
            if dead:
                raise LedgerError(
                    f"A process that read a part of the log ended ({dead[0].exitcode}); run the same command again: nothing kept is lost."
                )
            helpers[0].join(_LOOK_S) if helpers[0].is_alive() else helpers[-1].join(_LOOK_S)
            on_progress(sum(count.value for count in counts), 0)
            continue
        found = queue.get()
        if isinstance(found, str):
            raise LedgerError(found)
        done.append(found)
    return done


def _help(parts: Sequence[Part], job: Job, count: Synchronized[int], queue: SimpleQueue[Any]) -> None:
    """Read some parts, in a process of its own."""
    try:
        queue.put(_helped(parts, job, count))
    except FairleadError as error:
        queue.put(str(error))
    except (KeyboardInterrupt, BrokenPipeError, Empty):
        return


def _helped(parts: Sequence[Part], job: Job, count: Synchronized[int]) -> Helped:
    redactor = redactor_for(job.privacy, ledger=job.ledger, policy=job.policy)
    spool = scan.Spool(Path(job.spool))
    taken: list[scan.TakenIn] = []
    mixed: list[str] = []
    with Ledger.open(job.ledger, create=False, wait_s=120) as ledger:
        learning = scan.Learning(
            share.load(ledger).learner(), language_of=Languages(), whole=job.policy is Policy.DROP, spool=spool,
            processes=job.processes,
        )  # fmt: skip
        for part in parts:
            reading = PartReading(part, now=job.now)
            before = count.value

            def told(exchanges: int, skipped: int, before: int = before) -> None:
                count.value = before + exchanges + skipped
                if os.getppid() != job.parent:  # nobody waits any more
                    raise LedgerError("The scan was ended.")

            taken.append(
                scan.take_in(reading, ledger=ledger, redactor=redactor, on_new=learning.learn, on_progress=told)
            )
            if reading.is_mixed:
                mixed.append(part.path)
    spool.close()
    return Helped(
        taken=replace(combined(taken), redacted=redactor.report),
        news=learning.grouper.news(),
        spool=job.spool,
        learned=learning.learned,
        mixed=tuple(mixed),
    )


def combined(taken: Sequence[scan.TakenIn]) -> scan.TakenIn:
    """What several readings took in, as one."""
    reasons: Counter[str] = Counter()
    skipped: list[scan.SkippedLine] = []
    report = scan.TakenIn(exchanges=0, new=0, skipped=0).redacted
    for each in taken:
        reasons.update(each.reasons)
        skipped += each.skipped_lines
        report.places.update(each.redacted.places)
        report.exchanges += each.redacted.exchanges
        report.touched += each.redacted.touched
        report.dropped += each.redacted.dropped
    return scan.TakenIn(
        exchanges=sum(each.exchanges for each in taken),
        new=sum(each.new for each in taken),
        skipped=sum(each.skipped for each in taken),
        skipped_lines=tuple(sorted(skipped, key=lambda line: (line.source, line.line or 0))[:1000]),
        reasons=dict(reasons.most_common(50)),
        redacted=report,
    )
