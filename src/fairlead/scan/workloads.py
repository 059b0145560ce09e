"""Exchanges to workloads: learn from the new ones, then say for each which workload it belongs to and what kind it is.

Two passes, because a template is only known once several of its calls were seen. Ids are minted once and kept in the
grouper's state, which lies in the ledger: another scan, of more log, gives the same exchanges the same workload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from fairlead.core.nouns import CategoryGuess, Endpoint, Exchange, Workload
from fairlead.core.ports import ExchangeLedger
from fairlead.core.workload import CategoryTally, Grouper, LanguageOf

STATE = "grouper"
BATCH = 5000
SEEN_FOR_CATEGORY = 400


def group(
    ledger: ExchangeLedger, *, language_of: LanguageOf, on_progress: Callable[[str, int], None] | None = None
) -> tuple[Workload, ...]:
    """Give every ungrouped exchange its workload and return all workloads, the ones known before included.

    `language_of` names the language of a text (ISO 639-1); `on_progress` gets the pass's name and the exchanges so far.
    """
    report = on_progress or (lambda _name, _count: None)
    state = ledger.state(STATE)
    grouper = Grouper.from_json(state) if state is not None else Grouper()
    learned = 0
    for learned, (_, exchange) in enumerate(ledger.ungrouped(), start=1):
        grouper.learn(exchange.request, at=exchange.started_at)
        if learned % 500 == 0:
            report("finding workloads", learned)
    if learned:
        grouper.link()
        touched = assign(ledger, grouper, report)
        others = [workload for workload in ledger.workloads() if workload.id not in touched]
        ledger.set_workloads([*others, *described(ledger, grouper, touched, language_of)])
        ledger.set_state(STATE, grouper.to_json())
    return tuple(ledger.workloads())


def assign(ledger: ExchangeLedger, grouper: Grouper, report: Callable[[str, int], None]) -> dict[str, Endpoint]:
    """Write down the workload of every ungrouped exchange; returns the workloads that got some, with their endpoint."""
    touched: dict[str, Endpoint] = {}
    count = 0

    def placed() -> Iterator[tuple[int, str, str | None]]:
        for seq, exchange in ledger.ungrouped():
            found = grouper.assign(exchange.request)
            touched.setdefault(found.workload_id, exchange.request.endpoint)
            yield seq, found.workload_id, found.prompt_id

    rows = placed()
    while batch := list(islice(rows, BATCH)):
        ledger.assign(batch)
        count += len(batch)
        report("sorting exchanges", count)
    return touched


def described(
    ledger: ExchangeLedger, grouper: Grouper, touched: dict[str, Endpoint], language_of: LanguageOf
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
