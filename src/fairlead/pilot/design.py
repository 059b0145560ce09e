"""Which requests a pilot asks, in what order, and what it decides before its first pair. Pure.

*Traffic like this* draws without regard to anything but a hash of seed and exchange id: a uniformly random order in
which a request that was drawn before, and a conversation that was drawn before, is skipped, so that every bet is on
something new and independent. *Exactly this window* draws rows with replacement, so that every draw has the window's
mean whatever the rows have to do with each other; a repeated row costs nothing, for its reply is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from fairlead.core.errors import UsageError
from fairlead.core.nouns import (
    JSON,
    Asker,
    Candidate,
    Estimand,
    ExchangeRow,
    FailureKind,
    Judging,
    PilotDesign,
    Reviewing,
)
from fairlead.core.ports import Grader

NOT_REVIEWED = Reviewing()
"""People see every pair, if they look at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The exchanges a pilot may draw from, and how many of the workload's were left out for what reason.

    `without_expected` have no expected answer though the grader needs one; `not_recorded` have no logged answer to
    compare with.
    """

    rows: tuple[ExchangeRow, ...]
    total: int
    without_expected: int = 0
    not_recorded: int = 0

    @property
    def distinct(self) -> int:
        """How many draws *traffic like this* can make: each request once, each conversation once."""
        return sum(1 for _ in _once(self.rows, frozenset()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """How many exchanges *traffic like this* passes over: repeats of a request, and of a conversation."""

    repeated_requests: int
    repeated_conversations: int


def frame(
    rows: Sequence[ExchangeRow],
    *,
    frozen_seq: int | None = None,
    expected: Collection[str] | None = None,
    reask: bool = False,
) -> Frame:
    """The exchanges of a workload that can be graded on both sides.

    `expected` holds the ids with an expected answer, or is `None` when the grader needs none. With `reask` the
    incumbent answers afresh, so an exchange whose answer was not recorded can be used too.
    """
    frozen = [row for row in rows if frozen_seq is None or row.seq <= frozen_seq]
    answered = [row for row in frozen if reask or row.failure is not FailureKind.NOT_RECORDED]
    gradable = [row for row in answered if expected is None or row.id in expected]
    return Frame(
        rows=tuple(sorted(gradable, key=lambda row: row.seq)),
        total=len(frozen),
        not_recorded=len(frozen) - len(answered),
        without_expected=len(answered) - len(gradable),
    )


def propose(
    *,
    workload_id: str,
    rows: Sequence[ExchangeRow],
    candidate: Candidate,
    grader: Grader,
    margin: float,
    timeout_s: float,
    expected: Mapping[str, JSON] | None = None,
    labels_hash: str | None = None,
    alpha: float = 0.05,
    n_max: int = 5_000,
    seed: int = 0,
    estimand: Estimand = Estimand.LIKE_THIS,
    incumbent: Asker | None = None,
    judging: Judging | None = None,
    reviewing: Reviewing = NOT_REVIEWED,
) -> PilotDesign:
    """A design over everything the workload holds now."""
    if not timeout_s > 0:
        raise UsageError(f"timeout_s = {timeout_s:g} cannot be used; set it to seconds above 0, such as 60.")
    if n_max < 1:
        raise UsageError(f"n_max = {n_max} cannot be used; set it to a number of pairs, such as 5000.")
    drawn_from = frame(rows, expected=_ids(grader, expected), reask=incumbent is not None)
    days = [row.started_at for row in drawn_from.rows if row.started_at is not None]
    return PilotDesign(
        workload_id=workload_id,
        candidate=candidate,
        grader=grader.id,
        labels_hash=labels_hash,
        margin=margin,
        alpha=alpha,
        n_max=n_max,
        seed=seed,
        estimand=estimand,
        timeout_s=timeout_s,
        frozen_seq=max((row.seq for row in rows), default=0),
        frozen_count=len(drawn_from.rows),
        incumbent=incumbent,
        incumbent_models=tuple(sorted({row.model for row in drawn_from.rows})),
        prompt_ids=tuple(sorted({row.prompt_id for row in drawn_from.rows if row.prompt_id is not None})),
        log_from=min(days, default=None),
        log_to=max(days, default=None),
        judging=judging,
        reviewing=reviewing,
    )


def frame_of(
    design: PilotDesign, rows: Sequence[ExchangeRow], grader: Grader, expected: Mapping[str, JSON] | None
) -> Frame:
    """The exchanges that `design` draws from."""
    reask = design.incumbent is not None
    return frame(rows, frozen_seq=design.frozen_seq, expected=_ids(grader, expected), reask=reask)


def _ids(grader: Grader, expected: Mapping[str, JSON] | None) -> Collection[str] | None:
    if not grader.needs_expected:
        return None
    if expected is None:
        raise UsageError(f"The grader {grader.id} needs expected answers; name a labels file with --labels.")
    return expected.keys()


def continued(design: PilotDesign, stored: Sequence[PilotDesign], *, ran_out: Collection[str] = ()) -> PilotDesign:
    """The newest of the `stored` designs that asks the same question as `design`, else `design` itself.

    A pilot that was begun keeps the rows it was begun with, though the log has grown since. `stored` is in the order
    of storing; pilots whose ids are in `ran_out` used up their rows and are not continued when there are more now.
    """
    same = [other for other in stored if _question(other) == _question(design)]
    open_ones = [other for other in same if other.id not in ran_out or other.frozen_count >= design.frozen_count]
    return open_ones[-1] if open_ones else design


def _question(design: PilotDesign) -> PilotDesign:
    return replace(
        design.bare,
        frozen_seq=0,
        frozen_count=0,
        incumbent_models=(),
        prompt_ids=(),
        log_from=None,
        log_to=None,
    )


def candidate_asker(design: PilotDesign) -> str:
    """Under what name the candidate's replies are kept.

    The time limit belongs to it: a reply that took 50 seconds is an answer at 60 and a failure at 30.
    """
    return f"{design.candidate.id}/{design.timeout_s:g}s"


def incumbent_asker(design: PilotDesign) -> str | None:
    """Under what name the incumbent's replies are kept; `None` when its logged answers are used."""
    return None if design.incumbent is None else f"{design.incumbent.id}/{design.timeout_s:g}s"


def order(design: PilotDesign, drawn_from: Frame, drawn: Sequence[str] = ()) -> Iterator[ExchangeRow]:
    """The draws that follow the `drawn` ones: endless with replacement, else until nothing new is left."""
    if design.estimand is Estimand.WINDOW:
        return _with_replacement(design.seed, drawn_from.rows, len(drawn))
    shuffled = sorted(drawn_from.rows, key=lambda row: (_hash(design.seed, row.id), row.id))
    return _once(shuffled, frozenset(drawn))


def skipped(drawn_from: Frame) -> Skipped:
    """What *traffic like this* passes over in this frame when it draws all of it."""
    keys = Counter(row.request_key for row in drawn_from.rows)
    repeats = sum(count - 1 for count in keys.values())
    return Skipped(
        repeated_requests=repeats,
        repeated_conversations=len(drawn_from.rows) - repeats - drawn_from.distinct,
    )


def _once(rows: Sequence[ExchangeRow], drawn: frozenset[str]) -> Iterator[ExchangeRow]:
    keys: set[str] = set()
    conversations: set[str] = set()
    for row in rows:
        if row.id in drawn:
            _mark(row, keys, conversations)
    for row in rows:
        if row.id in drawn or row.request_key in keys or row.conversation in conversations:
            continue
        _mark(row, keys, conversations)
        yield row


def _mark(row: ExchangeRow, keys: set[str], conversations: set[str]) -> None:
    keys.add(row.request_key)
    if row.conversation is not None:
        conversations.add(row.conversation)


def _with_replacement(seed: int, rows: tuple[ExchangeRow, ...], start: int) -> Iterator[ExchangeRow]:
    position = start
    while rows:
        position += 1
        yield rows[window_index(seed, position, len(rows))]


def window_index(seed: int, position: int, size: int) -> int:
    """Which of `size` rows is drawn at `position`.

    >>> [window_index(0, position, 10) for position in (1, 2, 3)]
    [1, 8, 4]
    """
    # 128 bits over at most a few million rows: the modulo's bias is below 1e-30.
    return _hash(seed, str(position)) % size


def _hash(seed: int, what: str) -> int:
    digest = blake2b(f"{seed}|{what}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest, "big")
