"""Exchanges to workloads: learn from the new ones, then say for each which workload it belongs to and what kind it is.

Two passes, because a template is only known once several of its calls were seen; what places an exchange is put aside in
between (`spool`), so that no body is read twice and a ledger without bodies can be grouped too. Ids are minted once and kept
in the grouper's state, which lies in the ledger: another scan, of more log, gives the same exchanges the same workload. The
state is kept before the first exchange is placed, so that a scan killed on the way is finished by the next as it was begun. Where
the ledger holds no texts, what such a scan left is placed by what is read of it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from zlib import crc32

from fairlead.core.nouns import JSON, CategoryGuess, Endpoint, Exchange, Workload
from fairlead.core.ports import ExchangeLedger
from fairlead.core.workload import Assignment, CategoryTally, Grouper, LanguageOf, Shaped, share
from fairlead.core.workload.memo import Memo
from fairlead.core.workload.signals import signals
from fairlead.scan.spool import Aside, ByRow, Spool

STATE = share.STATE
TALLIES = "category tallies"
BATCH = 5000
SEEN_FOR_CATEGORY = 400
_FIRST_OF_A_KIND = 50
_THEN_ONE_IN = 64
_NEW_KINDS = 500
_NEW_ONE_IN = 8


def untold(_step: str, _count: int) -> None:
    """Progress that nobody wants to hear."""


class Grouping:
    """One scan's search for workloads: `learn` from each new exchange as it comes in, then `finish`.

    `language_of` names the language of a text (ISO 639-1); `on_progress` gets the pass's name and the exchanges so far.
    `keeps_bodies` is false where the ledger will not hold what the exchanges say: then everything that places one is worked
    out as it comes in, and wording that did not come back is forgotten at the end.
    """

    def __init__(
        self,
        ledger: ExchangeLedger,
        *,
        language_of: LanguageOf,
        on_progress: Callable[[str, int], None] | None = None,
        keeps_bodies: bool = True,
    ) -> None:
        self._ledger = ledger
        self._language_of = language_of
        self._report = on_progress if on_progress is not None else untold
        self._keeps_bodies = keeps_bodies
        self._grouper, is_sorted = kept(ledger.state(STATE))
        self._learned = 0
        self.left_until = None if keeps_bodies else ledger.last_unplaced()
        self.is_left_learned = not is_sorted
        self._here = Learning(
            self._grouper, language_of=language_of, whole=not keeps_bodies, is_left_learned=self.is_left_learned
        )
        self._spools = [self._here.spool]
        if self.left_until is not None:
            return
        if not is_sorted:
            self._sort(left=self._placed_before())
        self._catch_up(None)

    def _placed_before(self) -> dict[str, Endpoint]:
        """The workloads of a killed scan which may not be described yet."""
        return {row.workload_id: row.endpoint for row in self._ledger.rows() if row.workload_id is not None}

    def _catch_up(self, again: ByRow | None) -> None:
        """Learn from what a killed scan has left ungrouped, and what was not read `again`."""
        for (seq, row_hash), left in zip(self._ledger.unplaced(), self._ledger.ungrouped(), strict=False):
            if again is not None and (seq > (self.left_until or 0) or seq != left.seq):
                break
            if again is None or row_hash not in again:
                self._grouper.learn(left.request, at=left.started_at)
                self._learned += 1

    def learn(self, exchange: Exchange) -> None:
        """Take in a new exchange."""
        self._here.learn(exchange)

    def learn_left(self, exchange: Exchange) -> None:
        """Take in an exchange that a killed scan left in the ledger, up to `left_until`, without what it said."""
        self._here.learn_left(exchange)

    def absorb(self, news: JSON, *, spool: Path, learned: int) -> None:
        """Take in what another process has learned (`Learning.news`) and put aside."""
        self._grouper.absorb_news(news)
        self._spools.append(Spool(spool))
        self._learned += learned

    def finish(self) -> tuple[Workload, ...]:
        """Give every ungrouped exchange its workload and return all workloads, the ones known before included."""
        again = None if self.left_until is None else ByRow(self._spools)
        if again is not None and not self.is_left_learned:
            self._catch_up(again)
        if self._learned + self._here.learned or again is not None:
            if not self._keeps_bodies:
                self._grouper.forget_rare_news()
            self._grouper = share.share(self._ledger, self._grouper, is_sorted=False)
            self._sort(left=self._placed_before() if again is not None and self.is_left_learned else {}, again=again)
        return tuple(self._ledger.workloads())

    def _sort(self, *, left: Mapping[str, Endpoint], again: ByRow | None = None) -> None:
        """Place every ungrouped exchange and describe the workloads that got some; a killed scan `left` some already."""
        unread = {self._grouper.resolve(id_): endpoint for id_, endpoint in left.items()}
        placed = _Placed(self._ledger, self._grouper, self._spools, again=again, keeps_bodies=self._keeps_bodies)
        for count in placed.all():
            if not self._keeps_bodies:
                self._keep_tallies(placed.tallies)
            self._report("sorting exchanges", count)
        unread |= placed.unread | self._merge()
        touched = {**placed.touched, **unread}
        others = [each for each in self._ledger.workloads() if self._grouper.resolve(each.id) not in touched]
        found = self._described(touched, placed.tallies, unread=set(unread))
        self._ledger.set_workloads([*others, *found])
        self._ledger.change_state(STATE, is_sorted_now)

    def _keep_tallies(self, fresh: dict[str, CategoryTally]) -> None:
        """Keep what was read for the categories with the exchanges it was read of: it cannot be read again."""
        before = self._ledger.state(TALLIES)
        known = dict(before) if isinstance(before, dict) else {}
        for workload_id, tally in fresh.items():
            held = CategoryTally.from_json(known[workload_id]) if workload_id in known else CategoryTally()
            known[workload_id] = held.merged(tally).to_json()
        self._ledger.set_state(TALLIES, known)
        fresh.clear()

    def _merge(self) -> dict[str, Endpoint]:
        """Move the exchanges of workloads that turned out to be another's; returns those others, with their endpoint."""
        found: dict[str, Endpoint] = {}
        for workload in self._ledger.workloads():
            now = self._grouper.resolve(workload.id)
            if now != workload.id:
                self._ledger.assign([(row.seq, now, row.prompt_id) for row in self._ledger.rows(workload.id)])
                found[now] = workload.endpoint
        return found

    def _described(
        self, touched: Mapping[str, Endpoint], fresh: Mapping[str, CategoryTally], *, unread: set[str]
    ) -> list[Workload]:
        """The touched workloads with their name and category; those of which some were placed `unread` are read anew."""
        before = self._ledger.state(TALLIES)
        known = dict(before) if isinstance(before, dict) else {}
        unread |= {
            each.id for each in self._ledger.workloads()
        } - known.keys()  # described by others: what was read is not known
        found: list[Workload] = []
        for workload_id, endpoint in touched.items():
            tally = fresh.get(workload_id, CategoryTally())
            if workload_id in known:
                tally = CategoryTally.from_json(known[workload_id]).merged(tally)
            if self._keeps_bodies and (workload_id in unread or not tally.read):
                tally = read_anew(self._ledger.exchanges(workload_id), self._language_of)
            known[workload_id] = tally.to_json()
            found.append(
                Workload(id=workload_id, name=self._grouper.name(workload_id), guess=tally.guess(), endpoint=endpoint)
            )
        self._ledger.set_state(TALLIES, {id_: each for id_, each in known.items() if self._grouper.resolve(id_) == id_})
        return found


class Learning:
    """What one process learns from new exchanges, in the order it takes them in: counts for `grouper`, and a spool.

    It is one of `processes` that read the log, and together they read the first fifty exchanges of each kind for the category.
    `is_left_learned` says that the killed scan which left some had learned from them.
    """

    def __init__(
        self,
        grouper: Grouper,
        *,
        language_of: LanguageOf,
        whole: bool,
        spool: Spool | None = None,
        processes: int = 1,
        is_left_learned: bool = False,
    ) -> None:
        self.grouper = grouper
        self.spool = spool or Spool()
        self.learned = 0
        self._shaper = grouper.learner() if is_left_learned else None
        self._language_of = language_of
        self._whole = whole
        self._first = -(-_FIRST_OF_A_KIND // processes)
        self._kinds: Memo[tuple[str, ...], list[int]] = Memo(20_000)
        self._new_kinds = 0

    def learn(self, exchange: Exchange) -> None:
        """Take in a new exchange."""
        shaped = self.grouper.take(exchange.request, at=exchange.started_at, whole=self._whole)
        self.spool.put(exchange.row_hash, shaped, self._signals(exchange, shaped))
        self.learned += 1

    def learn_left(self, exchange: Exchange) -> None:
        """Take in an exchange that a killed scan left."""
        if self._shaper is None:
            self.learn(exchange)
            return
        shaped = self._shaper.take(exchange.request, at=exchange.started_at, whole=self._whole)
        self.spool.put(exchange.row_hash, shaped, self._signals(exchange, shaped))

    def _signals(self, exchange: Exchange, shaped: Shaped) -> Mapping[str, float] | None:
        """What the exchange shows of its kind of work: of the first of each kind, then of some, chosen by their rows."""
        frame = shaped.frame
        key = (*frame.lines[:1], *frame.lines[-1:], *frame.tools[:1], *frame.format[:1])
        if not frame.lines:
            key += (shaped.opening or ())[:1]
        seen = self._kinds.get(key)
        if seen is None:
            seen = [0]
            self._kinds.put(key, seen)
            self._new_kinds += 1
        seen[0] += 1
        if seen[0] > self._first:
            one_in = _THEN_ONE_IN
        else:
            # Where nearly every exchange is of a kind of its own, a kind that was never met tells no more than the last hundred.
            one_in = _NEW_ONE_IN if seen[0] == 1 and self._new_kinds > _NEW_KINDS else 1
        if one_in > 1 and crc32(exchange.row_hash.encode()) % one_in:
            return None
        return signals(exchange.request, exchange.answer, self._language_of)


class _Placed:
    """The second pass: every exchange that belongs nowhere yet is placed by what was put aside of it, else by its request."""

    def __init__(
        self,
        ledger: ExchangeLedger,
        grouper: Grouper,
        spools: Sequence[Spool],
        *,
        again: ByRow | None,
        keeps_bodies: bool,
    ) -> None:
        self._ledger = ledger
        self._again = again
        self._keeps_bodies = keeps_bodies
        self._grouper = grouper
        self._asides = [spool.read() for spool in spools] if again is None else []
        self._heads: list[Aside | None] = [next(aside, None) for aside in self._asides]
        self.touched: dict[str, Endpoint] = {}
        self.unread: dict[str, Endpoint] = {}
        self.tallies: dict[str, CategoryTally] = {}

    def all(self) -> Iterator[int]:
        """Place them in batches; gives how many so far."""
        count = 0
        left = self._ledger.unplaced()
        while page := list(islice(left, BATCH)):
            here = {row_hash for _, row_hash in page}
            self._ledger.assign([self._one(seq, row_hash, here) for seq, row_hash in page])
            count += len(page)
            yield count

    def _one(self, seq: int, row_hash: str, here: set[str]) -> tuple[int, str, str | None]:
        aside = self._taken_out(row_hash, here) if self._again is None else self._again.get(row_hash)
        if aside is not None:
            found = self._grouper.assign_shape(aside.shaped)
            if found is None and not self._keeps_bodies:
                # Its user message was not read, for those read before did not tell calls apart: it goes with what is left.
                found = self._grouper.assign_shape(Shaped(aside.shaped.frame, ()))
            if found is None:
                found = self._grouper.assign(self._ledger.request(seq))
            self._note(found, aside)
            return seq, found.workload_id, found.prompt_id
        request = self._ledger.request(seq)
        found = self._grouper.assign(request)
        self.unread.setdefault(found.workload_id, request.endpoint)
        return seq, found.workload_id, found.prompt_id

    def _taken_out(self, row_hash: str, here: set[str]) -> Aside | None:
        """What was put aside of a row: each process's spool is in the order of its own rows."""
        for number, head in enumerate(self._heads):
            # Rows that another process placed meanwhile are in the spool and no longer among the unplaced.
            while head is not None and head.row_hash != row_hash and head.row_hash not in here and self._is_stale(head):
                head = self._heads[number] = next(self._asides[number], None)  # noqa: PLW2901 - the head moves on
            if head is not None and head.row_hash == row_hash:
                self._heads[number] = next(self._asides[number], None)
                return head
        return None

    def _is_stale(self, head: Aside) -> bool:
        return self._ledger.is_placed(head.row_hash)

    def _note(self, found: Assignment, aside: Aside) -> None:
        tally = self.tallies.get(found.workload_id)
        if tally is None:
            tally = self.tallies[found.workload_id] = CategoryTally()
            is_embedding = aside.shaped.frame.family.startswith("embeddings")
            self.touched[found.workload_id] = Endpoint.EMBEDDINGS if is_embedding else Endpoint.CHAT
        tally.add_signals(aside.signals)


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
    return read_anew(exchanges, language_of).guess()


def read_anew(exchanges: Iterator[Exchange], language_of: LanguageOf) -> CategoryTally:
    """What the first exchanges of a workload show."""
    tally = CategoryTally(language_of=language_of)
    for exchange in islice(exchanges, SEEN_FOR_CATEGORY):
        tally.add(exchange.request, exchange.answer)
    return tally
