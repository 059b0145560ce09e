"""A ledger in memory: everything a pilot reads and writes, without a file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from fairlead.core.errors import LedgerError
from fairlead.core.nouns import JSON, Exchange, ExchangeRow, OnFile, PairRow, PilotDesign, Preference, Reply
from fairlead.core.wire.key import request_key


class MemoryLedger:
    """Implements `ReviewLedger`. All its exchanges belong to one workload.

    `writes` counts the calls that wrote something. `by_candidate` names the exchanges that a candidate answered.
    """

    def __init__(
        self, exchanges: Iterable[Exchange] = (), *, workload_id: str = "w1", by_candidate: Collection[str] = ()
    ) -> None:
        self.workload_id = workload_id
        self._by_candidate = frozenset(by_candidate)
        self.writes = 0
        self._exchanges: dict[str, Exchange] = {}
        self._rows: dict[str, ExchangeRow] = {}
        self._designs: dict[str, PilotDesign] = {}
        self._draws: dict[str, list[str]] = {}
        self._on_file: dict[str, dict[int, OnFile]] = {}
        self._replies: dict[tuple[str, str], Reply] = {}
        self._pairs: dict[str, dict[int, PairRow]] = {}
        self._judgements: dict[tuple[str, str], Reply] = {}
        self._preferences: dict[str, dict[tuple[int, str], Preference]] = {}
        self.add(exchanges)

    def add(self, exchanges: Iterable[Exchange]) -> None:
        """Log more exchanges."""
        for exchange in exchanges:
            self._exchanges[exchange.id] = exchange
            row = _row(exchange, seq=len(self._rows) + 1, workload_id=self.workload_id)
            self._rows[exchange.id] = replace(row, by_candidate=exchange.id in self._by_candidate)

    def forget(self, exchange_id: str) -> None:
        """Erase an exchange, as `ledger forget` does."""
        del self._exchanges[exchange_id], self._rows[exchange_id]

    def copy(self) -> MemoryLedger:
        """A ledger with the same content that goes its own way."""
        other = MemoryLedger(workload_id=self.workload_id, by_candidate=self._by_candidate)
        other._exchanges = dict(self._exchanges)
        other._rows = dict(self._rows)
        other._designs = dict(self._designs)
        other._draws = {pilot: list(ids) for pilot, ids in self._draws.items()}
        other._on_file = {pilot: dict(known) for pilot, known in self._on_file.items()}
        other._replies = dict(self._replies)
        other._pairs = {pilot: dict(rows) for pilot, rows in self._pairs.items()}
        other._judgements = dict(self._judgements)
        other._preferences = {pilot: dict(said) for pilot, said in self._preferences.items()}
        return other

    def rows(self, workload_id: str) -> Sequence[ExchangeRow]:
        """Every exchange of the workload, without its bodies."""
        return list(self._rows.values()) if workload_id == self.workload_id else []

    def exchange(self, exchange_id: str) -> Exchange:
        """One exchange with its bodies."""
        try:
            return self._exchanges[exchange_id]
        except KeyError:
            raise LedgerError(f"There is no exchange {exchange_id!r} in the ledger.") from None

    def exchanges_by_id(self, exchange_ids: Sequence[str]) -> Mapping[str, Exchange]:
        """Those of these exchanges that are there."""
        return {each: self._exchanges[each] for each in exchange_ids if each in self._exchanges}

    def start_pilot(self, design: PilotDesign) -> str:
        """Keep the design and return its id."""
        self.writes += 1
        self._designs.setdefault(design.id, design)
        return design.id

    def draws(self, pilot_id: str, *, after: int = 0) -> Sequence[str]:
        """Exchange ids drawn so far, in order."""
        return self._draws.get(pilot_id, [])[after:]

    def append_draws(self, pilot_id: str, exchange_ids: Sequence[str]) -> None:
        """Keep further draws."""
        self.writes += 1
        self._draws.setdefault(pilot_id, []).extend(exchange_ids)

    def on_file(self, pilot_id: str) -> Sequence[OnFile]:
        """What was known of the requests before the first pair, without those erased since."""
        known = sorted(self._on_file.get(pilot_id, {}).items())
        return [each for _, each in known if each.exchange_id in self._rows]

    def append_on_file(self, pilot_id: str, known: Sequence[OnFile]) -> None:
        """Keep what is known of the requests."""
        self.writes += 1
        kept = self._on_file.setdefault(pilot_id, {})
        for each in known:
            kept.setdefault(each.position, each)

    def metadata(self, workload_id: str, name: str) -> Mapping[str, JSON]:
        """The value of one metadata key for each exchange that has it."""
        mine = self._exchanges.values() if workload_id == self.workload_id else ()
        return {each.id: each.metadata[name] for each in mine if name in each.metadata}

    def reply(self, asker_id: str, request_key: str) -> Reply | None:
        """The reply kept from this asker to this request."""
        return self._replies.get((asker_id, request_key))

    def append_replies(self, replies: Sequence[tuple[str, str, Reply]]) -> None:
        """Keep replies; one that is already there stays as it was."""
        self.writes += 1
        for asker_id, key, reply in replies:
            self._replies.setdefault((asker_id, key), reply)

    def replies(self) -> int:
        """How many replies are kept."""
        return len(self._replies)

    def judgement(self, judge_id: str, question_key: str) -> Reply | None:
        """The reply kept from this judge to this question."""
        return self._judgements.get((judge_id, question_key))

    def append_judgements(self, judgements: Sequence[tuple[str, str, str, Reply]]) -> None:
        """Keep judges' replies; one that is already there stays as it was."""
        self.writes += 1
        for judge_id, question_key, _, reply in judgements:
            self._judgements.setdefault((judge_id, question_key), reply)

    def judgements(self) -> int:
        """How many judges' replies are kept."""
        return len(self._judgements)

    def preferences(self, pilot_id: str) -> Sequence[Preference]:
        """What people said, in the order they said it."""
        return list(self._preferences.get(pilot_id, {}).values())

    def append_preferences(self, pilot_id: str, preferences: Sequence[Preference]) -> int:
        """Keep what people said; what somebody said of a pair before stays as it was."""
        self.writes += 1
        kept = self._preferences.setdefault(pilot_id, {})
        before = len(kept)
        for each in preferences:
            kept.setdefault((each.position, each.reviewer), each)
        return len(kept) - before

    def pairs(self, pilot_id: str) -> Sequence[PairRow]:
        """The pairs bet on so far, by position."""
        return [row for _, row in sorted(self._pairs.get(pilot_id, {}).items())]

    def append_pairs(self, pilot_id: str, pairs: Sequence[PairRow]) -> None:
        """Keep pairs; one whose position is already there stays as it was."""
        self.writes += 1
        kept = self._pairs.setdefault(pilot_id, {})
        for row in pairs:
            kept.setdefault(row.pair.position, row)


def _row(exchange: Exchange, *, seq: int, workload_id: str) -> ExchangeRow:
    failure = exchange.answer.failure
    return ExchangeRow(
        seq=seq,
        id=exchange.id,
        request_key=request_key(exchange.request),
        workload_id=workload_id,
        prompt_id=None,
        dialect=exchange.dialect,
        endpoint=exchange.request.endpoint,
        model=exchange.answer.model or exchange.request.model,
        provider=exchange.provider,
        usage=exchange.usage,
        started_at=exchange.started_at,
        latency_s=exchange.latency_s,
        failure=None if failure is None else failure.kind,
        conversation=exchange.conversation,
        user=exchange.user,
    )
