"""Exchanges from a source into the ledger: in batches, so that a log of any size needs the same memory.

Each exchange is redacted first, and so is each reason why a line was skipped: nothing else reaches the ledger. A line
that cannot be read is counted, kept with its number and reason, and skipped; nothing else is lost. A row that is already
in the ledger adds nothing, so a scan may be killed and run again: what it says is then learned from, where the ledger does not hold it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.nouns import Exchange
from fairlead.core.ports import ExchangeLedger
from fairlead.core.redact import Policy, Redactor, Report, redacted

KEPT_SKIPS = 1000
BATCH = 100
MOST_CHARACTERS = 4_000_000


class Skip(Protocol):
    """A line that could not be read, as a source reports it."""

    @property
    def source(self) -> str:
        """Where it stands."""
        ...

    @property
    def line(self) -> int | None:
        """Its number from 1, `None` for a whole file."""
        ...

    @property
    def reason(self) -> str:
        """Why it could not be read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLine:
    """Where a line that could not be read stands, and why; `line` counts from 1, `None` for a whole file."""

    source: str
    line: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What a scan read: `exchanges` readable rows, of which `new` were not in the ledger; `skipped` unreadable ones.

    `skipped_lines` holds the first thousand; `reasons` counts all of them by reason;
    `set_aside` counts, in words, what was not understood in rows that were read all the same;
    `redacted` counts what was taken out.
    """

    exchanges: int
    new: int
    skipped: int
    skipped_lines: tuple[SkippedLine, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    set_aside: Mapping[str, int] = field(default_factory=dict[str, int])
    redacted: Report = field(default_factory=Report)


def take_in(
    items: Iterable[Exchange | Skip],
    *,
    ledger: ExchangeLedger,
    redactor: Redactor,
    on_new: Callable[[Exchange], None] | None = None,
    on_left: Callable[[Exchange], None] | None = None,
    left_until: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    set_aside: Callable[[], Mapping[str, int]] = dict[str, int],
) -> TakenIn:
    """Keep every exchange of `items` in the ledger.

    `on_new` is called for each that was new, `on_progress` with exchanges and skipped lines so far, `set_aside` at the end for
    what the reader did not understand. Where bodies are dropped,
    `on_new` gets the exchange as it was read: what it says is learned from and not kept. `on_left` gets those that a killed scan
    left in the ledger, up to `left_until`, without a workload.
    """
    drops = redactor.policy is Policy.DROP
    skips: list[SkippedLine] = []
    reasons: Counter[str] = Counter()

    def exchanges() -> Iterator[Exchange]:
        for item in items:
            if isinstance(item, Exchange):
                yield item
                continue
            reason = redactor.text(item.reason)
            reasons[reason] += 1
            if len(skips) < KEPT_SKIPS:
                skips.append(SkippedLine(source=item.source, line=item.line, reason=reason))

    read = 0
    with ledger.appending(left_until=left_until) as appending:
        for batch in batches(exchanges(), size=BATCH):
            read_as = {exchange.row_hash: exchange for exchange in batch} if drops else {}
            fresh = appending.add([redacted(each, redactor) for each in batch])
            for found, told in ((fresh, on_new), (appending.left, on_left)):
                if told is not None:
                    for exchange in found:
                        told(read_as.get(exchange.row_hash, exchange))
            read += len(batch)
            if on_progress is not None:
                on_progress(read, reasons.total())
    return TakenIn(
        exchanges=read,
        new=appending.new,
        skipped=reasons.total(),
        skipped_lines=tuple(skips),
        reasons=dict(reasons.most_common(50)),
        set_aside={redactor.text(words): count for words, count in set_aside().items()},
        redacted=redactor.report,
    )


def batches(items: Iterable[Exchange], *, size: int, characters: int = MOST_CHARACTERS) -> Iterator[list[Exchange]]:
    """`items` in lists of at most `size`, and of about `characters` at most: lines with pictures in them are megabytes long."""
    batch: list[Exchange] = []
    held = 0
    for item in items:
        batch.append(item)
        held += _characters(item)
        if len(batch) == size or held >= characters:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _characters(exchange: Exchange) -> int:
    """Roughly how much text an exchange carries."""
    request = exchange.request
    said = sum([len(part.text) for message in request.messages for part in message.parts])
    return len(request.system) + said + sum(map(len, request.inputs)) + len(exchange.answer.text)
