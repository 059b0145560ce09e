"""What a process does that helps with a scan: reads its parts of the log into the ledger and learns for itself.

The first is started by `together` and divides into as many as there are; it needs neither prices nor settings files nor NumPy, so this module loads none of them.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from queue import Empty
from shutil import rmtree
from typing import Any

from fairlead import scan
from fairlead.core.errors import FairleadError, LedgerError
from fairlead.core.nouns import JSON, Exchange
from fairlead.core.redact import Policy, Report
from fairlead.core.workload import language, share
from fairlead.core.workload.shape import first_user
from fairlead.edge.app.privacy import redactor_for
from fairlead.edge.config import PrivacySettings
from fairlead.edge.language import Languages
from fairlead.edge.sources.parts import Part, PartReading
from fairlead.edge.store import Ledger

LEDGER_MB = 4
"""How much of the ledger a process of a scan holds in memory: what it wrote it does not read, and what it reads it reads once."""

_LOOK_S = 0.2
_LOOKED_AT = 100
_MOST_SAID = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a helping process needs to know; `spool` is a folder, and `parent` the process without which none goes on."""

    ledger: str
    privacy: PrivacySettings
    policy: Policy
    now: datetime
    spool: str
    parent: int
    processes: int
    left_until: int | None = None
    is_left_learned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Helped:
    """What a helping process did: what it took in of each part, by the part's file; `mixed` are files that hold more than it could read."""

    read: tuple[tuple[str, scan.TakenIn], ...]
    news: JSON
    spool: str
    learned: int
    mixed: tuple[str, ...]


def help_together(
    shares: Sequence[Sequence[Part]], job: Job, counts: Sequence[Synchronized[int]], queue: SimpleQueue[Any]
) -> None:
    """Read every share, each in a process of its own of which this is the first: what all of them need is loaded here, once."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process with threads is not to be divided
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    languages = Languages()
    if _asks_for_a_language(shares[0][0], job.now):
        languages.load()
    gc.freeze()
    # Every line makes hundreds of records that nothing refers to in circles: looking for those again and again takes a third of the time.
    gc.set_threshold(300_000, 20, 100)
    apart = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
    others: list[BaseProcess] = [
        apart.Process(
            target=help_with,
            args=(shares[n], _of(job, n, parent=os.getpid()), counts[n], queue),
            kwargs={"languages": languages},
            daemon=True,
        )
        for n in range(1, len(shares))
    ]
    for other in others:
        other.start()
    try:
        mine = _of(job, 0, parent=job.parent)
        if help_with(shares[0], mine, counts[0], queue, languages=languages, others=others):
            for other in others:
                _await(other, job, queue)
    finally:
        for other in others:
            other.terminate()
            other.join()
        if os.getppid() != job.parent:  # killed, it left its folder behind, in which words of the log lie
            rmtree(job.spool, ignore_errors=True)


def _await(other: BaseProcess, job: Job, queue: SimpleQueue[Any]) -> None:
    """Wait for another share to be read, for as long as anybody waits for this one."""
    while other.exitcode is None and os.getppid() == job.parent:
        other.join(_LOOK_S)
    if other.exitcode:
        queue.put(died(other.exitcode))


def _of(job: Job, number: int, *, parent: int) -> Job:
    return replace(job, spool=str(Path(job.spool, f"{number}")), parent=parent)


def _asks_for_a_language(part: Part, now: datetime) -> bool:
    """Whether the first lines hold a text whose language only the identifier tells, which takes a second to load."""
    asked: list[str] = []
    for item in islice(PartReading(part, now=now), _LOOKED_AT):
        if isinstance(item, Exchange):
            for text in (item.request.system, first_user(item.request), item.answer.text):
                language(text, asked.append)
    return bool(asked)


def help_with(
    parts: Sequence[Part],
    job: Job,
    count: Synchronized[int],
    queue: SimpleQueue[Any],
    *,
    languages: Languages,
    others: Sequence[BaseProcess] = (),
) -> bool:
    """Read some parts in this process and say whether all went well.

    `count` tells how far it is, and `queue` gets the file that holds what it did, or what stopped it: a pipe holds 64 KiB, and a
    process that puts in more would wait for ever where its reader was killed. `others` are read beside it, and it stops when
    one of them died.
    """
    if not others:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # there is nobody to end before this one
    try:
        queue.put(_left(_helped(parts, job, count, languages=languages, others=others), job))
    except FairleadError as error:
        queue.put(str(error)[:_MOST_SAID])
        return False
    except (KeyboardInterrupt, BrokenPipeError, Empty):
        return False
    except OSError as error:  # a full disk, say
        queue.put(
            f"A process that read a part of the log had to stop: {error}. Run the same command again: nothing kept is lost."
        )
        return False
    return True


def _helped(
    parts: Sequence[Part],
    job: Job,
    count: Synchronized[int],
    *,
    languages: Languages,
    others: Sequence[BaseProcess],
) -> Helped:
    redactor = redactor_for(job.privacy, ledger=job.ledger, policy=job.policy)
    spool = scan.Spool(Path(job.spool))
    read: list[tuple[str, scan.TakenIn]] = []
    mixed: list[str] = []
    with Ledger.open(job.ledger, create=False, wait_s=120) as ledger:
        ledger.spare_memory(most_mb=LEDGER_MB)
        learning = scan.Learning(
            share.load(ledger).learner(), language_of=languages, whole=job.policy is Policy.DROP, spool=spool,
            processes=job.processes, is_left_learned=job.is_left_learned,
        )  # fmt: skip
        for part in parts:
            reading = PartReading(part, now=job.now)
            before = count.value

            def told(exchanges: int, skipped: int, before: int = before) -> None:
                count.value = before + exchanges + skipped
                if os.getppid() != job.parent:  # nobody waits any more
                    raise LedgerError("The scan was ended.")
                for other in others:
                    if other.exitcode:
                        raise LedgerError(died(other.exitcode))

            redactor.report = Report()
            taken = scan.take_in(
                reading,
                ledger=ledger,
                redactor=redactor,
                on_new=learning.learn,
                on_left=learning.learn_left,
                left_until=job.left_until,
                on_progress=told,
                set_aside=reading.set_aside,
            )
            read.append((part.path, taken))
            if reading.is_mixed:
                mixed.append(part.path)
    spool.close()
    return Helped(
        read=tuple(read),
        news=learning.grouper.news(),
        spool=job.spool,
        learned=learning.learned,
        mixed=tuple(mixed),
    )


def _left(helped: Helped, job: Job) -> Path:
    """The file in which what a process did was left, beside its spool."""
    path = Path(f"{job.spool}.done")
    path.write_bytes(pickle.dumps(helped))
    return path


def found_in(path: Path) -> Helped:
    """What a process left in a file, which lies in a folder of this scan's own."""
    helped: Helped = pickle.loads(path.read_bytes())  # noqa: S301  # written by a process of this scan
    return helped


def died(code: int) -> str:
    """What is said when a process that helps has died."""
    return f"A process that read a part of the log ended ({code}); run the same command again: nothing kept is lost."


def combined(taken: Sequence[scan.TakenIn]) -> scan.TakenIn:
    """What several readings took in, as one."""
    reasons: Counter[str] = Counter()
    set_aside: Counter[str] = Counter()
    skipped: list[scan.SkippedLine] = []
    report = scan.TakenIn(exchanges=0, new=0, skipped=0).redacted
    for each in taken:
        reasons.update(each.reasons)
        set_aside.update(each.set_aside)
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
        set_aside=dict(set_aside.most_common(50)),
        redacted=report,
    )
