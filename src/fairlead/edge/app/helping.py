"""What a process does that helps with a scan: reads its parts of the log into the ledger and learns for itself.

It is started by `together` and needs neither prices nor settings files nor NumPy, so this module loads none of them.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from queue import Empty
from typing import Any

from fairlead import scan
from fairlead.core.errors import FairleadError, LedgerError
from fairlead.core.nouns import JSON
from fairlead.core.redact import Policy
from fairlead.core.workload import share
from fairlead.edge.app.privacy import redactor_for
from fairlead.edge.config import PrivacySettings
from fairlead.edge.language import Languages
from fairlead.edge.sources.parts import Part, PartReading
from fairlead.edge.store import Ledger


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


def help_with(parts: Sequence[Part], job: Job, count: Synchronized[int], queue: SimpleQueue[Any]) -> None:
    """Read some parts, in a process of its own; `count` tells how far it is, `queue` gets what it did, or what stopped it."""
    gc.freeze()
    # Every line makes hundreds of records that nothing refers to in circles: looking for those again and again takes a third of the time.
    gc.set_threshold(50_000, 20, 100)
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
