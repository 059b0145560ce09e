"""Which workload a call belongs to, and how that is learnt from traffic as it passes.

Calls are placed by a grouper that never changes while it is used, and learned from by another. Now and then the two come
together with what other machines have learned, in the state that the ledger keeps (`core.workload.share`): so an id is minted
once, whoever minted it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import msgspec

from fairlead.core.nouns import Endpoint, Request, Workload
from fairlead.core.workload import Grouper, LanguageOf, share
from fairlead.edge.store import Ledger
from fairlead.scan.workloads import STATE, described

_AT_ONCE = 500
_GROUPER_MB = 6
"""What is remembered of wording that was read; a scan, which soon ends, remembers ten times as much."""


class Placed(NamedTuple):
    """Where a call belongs; nowhere yet, while that is not certain."""

    workload_id: str | None
    prompt_id: str | None


NOWHERE = Placed(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What a link brought: the state as data planes take it, calls that found their workload, workloads nobody knew."""

    state: bytes
    placed: int
    workloads: int


class Placing:
    """Places and learns in one thread, while another may link."""

    def __init__(self, grouper: Grouper | None = None) -> None:
        self._lock = threading.Lock()
        self._places = grouper or Grouper()
        self._places.spare_memory(most_mb=_GROUPER_MB)
        self._learns = self._places.learner()
        self.version = 0
        self.learned = 0

    def place(self, request: Request) -> Placed:
        """Where a request belongs."""
        found = self._places.place(request)
        return NOWHERE if found is None else Placed(found.workload_id, found.prompt_id)

    def learn(self, request: Request, *, at: datetime) -> None:
        """Count a request for the next link."""
        with self._lock:
            self._learns.learn(request, at=at)
            self.learned += 1

    def catch_up(self, ledger: Ledger) -> int:
        """Place what was written while a link was going on, and so before the new state was used; how many calls."""
        return _place_left(ledger, self._places)[1]

    def use(self, grouper: Grouper) -> None:
        """Place by this grouper from now on."""
        with self._lock:
            news, self._learns = self._learns, grouper.learner()
            self._learns.absorb(news)
            grouper.spare_memory(most_mb=_GROUPER_MB)
            self._places = grouper
            self.version += 1

    def take_news(self) -> Grouper:
        """What was learned since the last time; the caller sees to it that it is not lost."""
        with self._lock:
            news, self._learns, self.learned = self._learns, self._places.learner(), 0
            return news

    def give_back(self, news: Grouper) -> None:
        """News that could not be stored."""
        with self._lock:
            self._learns.absorb(news)
            self.learned += 1


def load(ledger: Ledger) -> tuple[Grouper, bytes | None]:
    """The grouper in the ledger, and its state as data planes take it; `None` where nothing was ever linked."""
    state = ledger.state(STATE)
    return share.kept(state), msgspec.json.encode(state["grouper"]) if isinstance(state, dict) else None


def link(ledger: Ledger, placing: Placing, *, language_of: LanguageOf) -> Linked:
    """Bring what was learned into the shared state, and place by it from now on, also what had no place before."""
    news = placing.take_news()
    try:
        grouper = share.share(ledger, news)
    except BaseException:
        placing.give_back(news)
        raise
    placing.use(grouper)
    touched, placed = _place_left(ledger, grouper)
    known = {each.id: each for each in ledger.workloads()}
    gone = {old: now for old, now in grouper.aliases.items() if old in known}
    for old, now in gone.items():
        ledger.rename_workload(old, now)
        touched.setdefault(now, known[old].endpoint)
    fresh = {id_: endpoint for id_, endpoint in touched.items() if id_ not in known}
    found = [*_renamed(known, grouper), *described(ledger, grouper, fresh, language_of)]
    ledger.put_workloads(found, gone=gone)
    return Linked(state=msgspec.json.encode(grouper.to_json()), placed=placed, workloads=len(fresh))


def _place_left(ledger: Ledger, grouper: Grouper) -> tuple[dict[str, Endpoint], int]:
    """Place what has no place yet; the workloads that got some, and how many calls there were."""
    touched: dict[str, Endpoint] = {}
    placed = 0
    left = ledger.ungrouped()
    while part := list(islice(left, _AT_ONCE)):
        found = [(each, grouper.assign(each.request)) for each in part]
        ledger.place([(each.seq, at.workload_id, at.prompt_id) for each, at in found])
        for each, at in found:
            touched.setdefault(at.workload_id, each.request.endpoint)
        placed += len(found)
    return touched, placed


def _renamed(known: Mapping[str, Workload], grouper: Grouper) -> Iterator[Workload]:
    """Workloads that go by another name since more of them was seen."""
    for each in known.values():
        name = grouper.name(each.id)
        if grouper.resolve(each.id) == each.id and name != each.name and not name.endswith(each.id):
            yield Workload(id=each.id, name=name, guess=each.guess, endpoint=each.endpoint)
