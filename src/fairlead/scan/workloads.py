"""Exchanges to workloads: learn from the new ones, then say for each which workload it belongs to and what kind it is.

Two passes, because a template is only known once several of its calls were seen. Ids are minted once and kept in the
grouper's state, which lies in the ledger: another scan, of more log, gives the same exchanges the same workload. The state
is kept before the first exchange is placed, so that a scan killed on the way is finished by the next as it was begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from fairlead.core.nouns import JSON, CategoryGuess, Endpoint, Exchange, Workload
from fairlead.core.ports import ExchangeLedger
from fairlead.core.workload import CategoryTally, Grouper, LanguageOf, share

STATE = share.STATE
BATCH = 5000
SEEN_FOR_CATEGORY = 400


def untold(_step: str, _count: int) -> None:
    """Progress that nobody wants to hear."""


class Grouping:
    """One scan's search for workloads: `learn` from each new exchange as it comes in, then `finish`.

    `language_of` names the language of a text (ISO 639-1); `on_progress` gets the pass's name and the exchanges so far.
    """

    def __init__(
        self,
        ledger: ExchangeLedger,
        *,
        language_of: LanguageOf,
        on_progress: Callable[[str, int], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._language_of = language_of
        self._report = on_progress if on_progress is not None else untold
        self._grouper, is_sorted = kept(ledger.state(STATE))
        self._learned = 0
        if not is_sorted:
            self._sort(left={row.workload_id: row.endpoint for row in ledger.rows() if row.workload_id is not None})
        self._catch_up()

    def _catch_up(self) -> None:
        """Learn from what a killed scan has left ungrouped."""
        for left in self._ledger.ungrouped():
            self._grouper.learn(left.request, at=left.started_at)
            self._learned += 1

    def learn(self, exchange: Exchange) -> None:
        """Take in a new exchange."""
        self._grouper.learn(exchange.request, at=exchange.started_at)
        self._learned += 1

    def finish(self) -> tuple[Workload, ...]:
        """Give every ungrouped exchange its workload and return all workloads, the ones known before included."""
        if self._learned:
            self._grouper = share.share(self._ledger, self._grouper, is_sorted=False)
            self._sort(left={})
        return tuple(self._ledger.workloads())

    def _sort(self, *, left: Mapping[str, Endpoint]) -> None:
        """Place every ungrouped exchange and describe the workloads that got some; a killed scan `left` some already."""
        touched = {self._grouper.resolve(id_): endpoint for id_, endpoint in left.items()}
        touched |= self._assign() | self._merge()
        others = [each for each in self._ledger.workloads() if self._grouper.resolve(each.id) not in touched]
        found = described(self._ledger, self._grouper, touched, self._language_of)
        self._ledger.set_workloads([*others, *found])
        self._ledger.change_state(STATE, is_sorted_now)

    def _merge(self) -> dict[str, Endpoint]:
        """Move the exchanges of workloads that turned out to be another's; returns those others, with their endpoint."""
        found: dict[str, Endpoint] = {}
        for workload in self._ledger.workloads():
            now = self._grouper.resolve(workload.id)
            if now != workload.id:
                self._ledger.assign([(row.seq, now, row.prompt_id) for row in self._ledger.rows(workload.id)])
                found[now] = workload.endpoint
        return found

    def _assign(self) -> dict[str, Endpoint]:
        """Write down the workload of every ungrouped exchange; returns those that got some, with their endpoint."""
        touched: dict[str, Endpoint] = {}
        count = 0

        def placed() -> Iterator[tuple[int, str, str | None]]:
            for left in self._ledger.ungrouped():
                found = self._grouper.assign(left.request)
                touched.setdefault(found.workload_id, left.request.endpoint)
                yield left.seq, found.workload_id, found.prompt_id

        rows = placed()
        while batch := list(islice(rows, BATCH)):
            self._ledger.assign(batch)
            count += len(batch)
            self._report("sorting exchanges", count)
        return touched


def kept(state: JSON) -> tuple[Grouper, bool]:
    """The grouper as it was kept, and whether every exchange that it has learned from was placed."""
    return share.kept(state), not isinstance(state, dict) or state["is_sorted"] is True


def is_sorted_now(state: JSON) -> JSON:
    """The kept state with the note that every exchange that was learned from is placed."""
    return {**state, "is_sorted": True} if isinstance(state, dict) else share.written(None, Grouper(), is_sorted=True)


def described(
    ledger: ExchangeLedger, grouper: Grouper, touched: Mapping[str, Endpoint], language_of: LanguageOf
) -> Iterator[Workload]:
    """The touched workloads with their name and category."""
    for workload_id, endpoint in touched.items():
        yield Workload(
            id=workload_id,
            name=grouper.name(workload_id),
            guess=guess(ledger.exchanges(workload_id), language_of),
            endpoint=endpoint,
        )


def guess(exchanges: Iterator[Exchange], language_of: LanguageOf) -> CategoryGuess:
    """The category of a workload, from its first exchanges."""
    tally = CategoryTally(language_of=language_of)
    for exchange in islice(exchanges, SEEN_FOR_CATEGORY):
        tally.add(exchange.request, exchange.answer)
    return tally.guess()
