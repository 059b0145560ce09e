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
from fairlead.core.wire.key import DROPPED
from fairlead.core.workload import Grouper, LanguageOf, share
from fairlead.core.workload.memo import Memo
from fairlead.edge.store import Ledger
from fairlead.scan.workloads import STATE, described

_AT_ONCE = 500
_GROUPER_MB = 6
"""What is remembered of wording that was read; a scan, which soon ends, remembers ten times as much."""
_ENOUGH = 50
_ASIDE = 8_000_000
_ASIDE_MOST = 64 * 1024
"""What is remembered of requests where no text is kept, and how long one may be, in bytes; others are ad hoc until they come again."""


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
        self._aside: Memo[str, tuple[int, Request]] = Memo(_ASIDE, lambda _, found: 4 * found[0] + 500)
        self.version = 0
        self.learned = 0
        self.drops = False

    def place(self, request: Request) -> Placed:
        """Where a request belongs."""
        found = self._places.place(request)
        return NOWHERE if found is None else Placed(found.workload_id, found.prompt_id)

    def learn(self, request: Request, *, at: datetime) -> None:
        """Count a request for the next link."""
        with self._lock:
            self._learns.learn(request, at=at)
            self.learned += 1

    def put_aside(self, kept: Request, request: Request, *, size: int) -> None:
        """Remember what a request said that is kept without its texts, until it is known where it belongs."""
        self.drops = True
        mark = dropped_mark(kept)
        if mark is not None and size <= _ASIDE_MOST:
            self._aside.put(mark, (size, request))

    def as_said(self, kept: Request) -> Request:
        """What a request said, where that is remembered; else as it is kept."""
        mark = dropped_mark(kept)
        found = None if mark is None else self._aside.get(mark)
        return kept if found is None else found[1]

    @property
    def is_ripe(self) -> bool:
        """Whether a link is worth its while; where no text is kept, wording must come back in between, so it waits for more."""
        return self.learned >= (_ENOUGH if self.drops else 1)

    def catch_up(self, ledger: Ledger) -> int:
        """Place what was written while a link was going on, and so before the new state was used; how many calls."""
        return _place_left(ledger, self._places, self)[1]

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
    if placing.drops:
        news.forget_rare_news()
    try:
        grouper = share.share(ledger, news)
    except BaseException:
        placing.give_back(news)
        raise
    placing.use(grouper)
    touched, placed = _place_left(ledger, grouper, placing)
    known = {each.id: each for each in ledger.workloads()}
    gone = {old: now for old, now in grouper.aliases.items() if old in known}
    for old, now in gone.items():
        ledger.rename_workload(old, now)
        touched.setdefault(now, known[old].endpoint)
    fresh = {id_: endpoint for id_, endpoint in touched.items() if id_ not in known}
    found = [*_renamed(known, grouper), *described(ledger, grouper, fresh, language_of)]
    ledger.put_workloads(found, gone=gone)
    return Linked(state=msgspec.json.encode(grouper.to_json()), placed=placed, workloads=len(fresh))


def dropped_mark(request: Request) -> str | None:
    """The mark by which redaction knows a request again of which no text is kept."""
    mark = request.parameters.get(DROPPED)
    return mark if isinstance(mark, str) and not request.messages else None


def _place_left(ledger: Ledger, grouper: Grouper, placing: Placing) -> tuple[dict[str, Endpoint], int]:
    """Place what has no place yet; the workloads that got some, and how many calls there were."""
    touched: dict[str, Endpoint] = {}
    placed = 0
    left = ledger.ungrouped()
    while part := list(islice(left, _AT_ONCE)):
        found = [(each, grouper.assign(placing.as_said(each.request))) for each in part]
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
