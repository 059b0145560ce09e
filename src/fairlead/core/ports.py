"""What the verbs need from outside, as protocols. Each has an adapter in `edge` and a fake in `fairlead.testing`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from fairlead.core.nouns import (
    JSON,
    Answer,
    Exchange,
    ExchangeRow,
    Grade,
    OnFile,
    PairRow,
    PilotDesign,
    Preference,
    Reply,
    Request,
    Ungrouped,
    Workload,
)


class Ask(Protocol):
    """Sends one body to one endpoint and comes back with a `Reply`, whatever happens to the request.

    A bad answer is a `Failure` in the reply. Raises `EndpointError` only when the endpoint cannot be used at all
    (connection refused, key or model not accepted, still limiting after patient retries): then nothing was answered
    and nothing may be scored.
    """

    async def __call__(self, body: Mapping[str, JSON]) -> Reply:
        """Ask; see the class for what is a reply and what an error."""
        ...


class Grader(Protocol):
    """Says how good an answer is. Pure: the same arguments give the same grade.

    `id` names the grader with its version and settings; a changed id is other evidence. `needs_expected` tells whether
    `expected` must come from a labels file.
    """

    @property
    def id(self) -> str:
        """Name, version and settings."""
        ...

    @property
    def needs_expected(self) -> bool:
        """Whether an expected answer is needed."""
        ...

    def grade(self, *, request: Request, answer: Answer, expected: JSON, incumbent: Answer | None) -> Grade:
        """Grade `answer` to `request`; `incumbent` is the incumbent's answer for graders that compare with it."""
        ...


class PilotLedger(Protocol):
    """What a pilot reads and writes. Every write is durable against a kill of the process once the call returns."""

    def rows(self, workload_id: str) -> Sequence[ExchangeRow]:
        """The exchanges of a workload without their bodies, in order of arrival."""
        ...

    def exchange(self, exchange_id: str) -> Exchange:
        """The exchange with this id."""
        ...

    def exchanges_by_id(self, exchange_ids: Sequence[str]) -> Mapping[str, Exchange]:
        """Those of these exchanges that are there, by id."""
        ...

    def start_pilot(self, design: PilotDesign) -> str:
        """Store the design (before the first pair) and return its id; the same design gives the same id."""
        ...

    def draws(self, pilot_id: str, *, after: int = 0) -> Sequence[str]:
        """Exchange ids drawn so far, in order, from the position behind `after` on; position 1 first."""
        ...

    def append_draws(self, pilot_id: str, exchange_ids: Sequence[str]) -> None:
        """Write down further draws, before they are asked."""
        ...

    def on_file(self, pilot_id: str) -> Sequence[OnFile]:
        """What was known of the requests before the first pair, by position; without those erased since."""
        ...

    def append_on_file(self, pilot_id: str, known: Sequence[OnFile]) -> None:
        """Keep what is known of the requests, before the first draw."""
        ...

    def metadata(self, workload_id: str, name: str) -> Mapping[str, JSON]:
        """The value of one metadata key for each exchange of a workload that has it, by exchange id."""
        ...

    def reply(self, asker_id: str, request_key: str) -> Reply | None:
        """The reply kept from this asker to this request, so that nothing is asked twice."""
        ...

    def append_replies(self, replies: Sequence[tuple[str, str, Reply]]) -> None:
        """Keep (asker_id, request_key, reply) rows; a row that is already there stays as it was."""
        ...

    def judgement(self, judge_id: str, question_key: str) -> Reply | None:
        """The reply kept from this judge to this question, so that no judge is asked twice."""
        ...

    def append_judgements(self, judgements: Sequence[tuple[str, str, str, Reply]]) -> None:
        """Keep (judge_id, question_key, exchange_id, reply) rows; a row that is already there stays as it was."""
        ...

    def pairs(self, pilot_id: str) -> Sequence[PairRow]:
        """The pairs that were bet on, in order."""
        ...

    def append_pairs(self, pilot_id: str, pairs: Sequence[PairRow]) -> None:
        """Keep pairs that were bet on."""
        ...


class ReviewLedger(PilotLedger, Protocol):
    """What reviewing reads and writes beside what a pilot does."""

    def preferences(self, pilot_id: str) -> Sequence[Preference]:
        """What people said of a pilot's pairs, in the order they said it."""
        ...

    def append_preferences(self, pilot_id: str, preferences: Sequence[Preference]) -> int:
        """Keep what people said and return how many were new; what somebody said of a pair before stays as it was."""
        ...


class ExchangeAppending(Protocol):
    """Exchanges being kept: all that were taken in are written when the block ends.

    `left` are those of the last taken in whose row was known and which a killed scan left without a workload.
    """

    new: int
    left: list[Exchange]

    def add(self, exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
        """Take some in; those of them whose row was not known, in their order."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ExchangeLedger(Protocol):
    """What scanning writes and reads."""

    def appending(self, *, left_until: int | None = None) -> ExchangeAppending:
        """A block in which exchanges are kept a few at a time, skipping rows whose `row_hash` is known.

        Rows up to `left_until` that belong to no workload are told; where it is `None`, none are.
        """
        ...

    def exchanges(self, workload_id: str | None = None) -> Iterator[Exchange]:
        """The exchanges of a workload, or all, in order of arrival."""
        ...

    def rows(self, workload_id: str | None = None) -> Sequence[ExchangeRow]:
        """The exchanges of a workload, or all, without their bodies, in order of arrival."""
        ...

    def unplaced(self) -> Iterator[tuple[int, str]]:
        """(`seq`, `row_hash`) of the exchanges that belong to no workload yet, in order of arrival."""
        ...

    def last_unplaced(self) -> int | None:
        """The `seq` of the last exchange that belongs to no workload yet."""
        ...

    def is_placed(self, row_hash: str) -> bool:
        """Whether the exchange of this row belongs to a workload, or is no longer there."""
        ...

    def request(self, seq: int) -> Request:
        """The request of the exchange with this number."""
        ...

    def ungrouped(self) -> Iterator[Ungrouped]:
        """The requests that belong to no workload yet, in order of arrival; assigning them meanwhile is fine."""
        ...

    def assign(self, rows: Iterable[tuple[int, str, str | None]]) -> None:
        """Note the workload and prompt of exchanges: (seq, workload_id, prompt_id)."""
        ...

    def workloads(self) -> Sequence[Workload]:
        """The workloads that were found."""
        ...

    def set_workloads(self, workloads: Iterable[Workload]) -> None:
        """Make these the workloads, in this order."""
        ...

    def state(self, name: str) -> JSON:
        """What was kept under this name, `None` when nothing was."""
        ...

    def set_state(self, name: str, value: JSON) -> None:
        """Keep a value under a name."""
        ...

    def change_state(self, name: str, change: Callable[[JSON], JSON]) -> JSON:
        """Put what `change` makes of what is kept under a name in its place; what others kept meanwhile is not lost."""
        ...


__all__ = ["Ask", "ExchangeLedger", "Grader", "PilotLedger", "ReviewLedger"]
