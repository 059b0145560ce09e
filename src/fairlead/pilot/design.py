"""Which requests a pilot asks, in what order, and what it decides before its first pair. Pure.

*Traffic like this* draws without regard to anything but a hash of seed and exchange id: a uniformly random order in
which a request that was drawn before, and a cluster (conversation, user, trajectory) that was drawn before, is skipped, so
that every bet is on something new and independent. *Exactly this window* draws every row once, in such an order: what
remains has a mean that the engine knows how to test, whatever the rows have to do with each other. With declared weights,
or with constant bets, a window is drawn with replacement instead, so that every draw has the window's mean.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import accumulate

from fairlead.core.errors import UsageError
from fairlead.core.grade import GRADERS
from fairlead.core.nouns import (
    JSON,
    Asker,
    Betting,
    Candidate,
    Drawing,
    Engine,
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

PLAIN = Drawing()
"""Conversations are clusters, every request weighs the same, there are no segments."""

SCORED_AT_MOST = 50_000
"""Requests of a window beyond which the incumbent's logged answers are not all graded first."""

SCORED_FROM = 3_000
"""Requests of a log below which corrections for *traffic like this* gain nothing: there are none to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Labels of the log that a drawing speaks of, by exchange id; `clusters` `None` stands for conversations."""

    clusters: Mapping[str, str] | None = None
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The exchanges a pilot may draw from, and how many of the workload's were left out for what reason.

    `by_candidate` were answered by a candidate through the gateway, so that their logged answer is not the incumbent's;
    `without_expected` have no expected answer though the grader needs one; `not_recorded` have no logged answer to
    compare with.
    """

    rows: tuple[ExchangeRow, ...]
    total: int
    without_expected: int = 0
    not_recorded: int = 0
    by_candidate: int = 0
    clusters: Mapping[str, str] = field(default_factory=dict[str, str])
    weights: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def distinct(self) -> int:
        """How many draws *traffic like this* can make: each request once, each cluster once."""
        return sum(1 for _ in self._once(self.rows, frozenset()))

    def once(self, seed: int, drawn: frozenset[str]) -> Iterator[ExchangeRow]:
        """The rows in their random order, each request and each cluster once, after the `drawn` ones."""
        return self._once(self._thinned(seed, shuffled(seed, self.rows)), drawn)

    def _once(self, rows: Sequence[ExchangeRow], drawn: frozenset[str]) -> Iterator[ExchangeRow]:
        keys: set[str] = set()
        clusters: set[str] = set()
        for row in rows:
            if row.id in drawn:
                self._mark(row, keys, clusters)
        for row in rows:
            if row.id in drawn or row.request_key in keys or self.clusters.get(row.id) in clusters:
                continue
            self._mark(row, keys, clusters)
            yield row

    def _mark(self, row: ExchangeRow, keys: set[str], clusters: set[str]) -> None:
        keys.add(row.request_key)
        cluster = self.clusters.get(row.id)
        if cluster is not None:
            clusters.add(cluster)

    def _thinned(self, seed: int, rows: Sequence[ExchangeRow]) -> Sequence[ExchangeRow]:
        """The rows that are kept when each is kept with a chance in proportion to its weight.

        What is kept is drawn by weight exactly, and independently, which taking the heaviest first would not be.
        """
        if not self.weights:
            return rows
        heaviest = max(self.weights.values())
        return [row for row in rows if _chance(seed, f"weight|{row.id}") < self.weights[row.id] / heaviest]


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
    clusters: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Frame:
    """The exchanges of a workload that can be graded on both sides.

    `expected` holds the ids with an expected answer, or is `None` when the grader needs none. With `reask` the
    incumbent answers afresh, so an exchange whose answer was not recorded, or was a candidate's, can be used too.
    `clusters` and `weights` are by exchange id; without the former, conversations are the clusters.
    """
    frozen = [row for row in rows if frozen_seq is None or row.seq <= frozen_seq]
    incumbents = [row for row in frozen if reask or not row.by_candidate]
    answered = [row for row in incumbents if reask or row.failure is not FailureKind.NOT_RECORDED]
    gradable = [row for row in answered if expected is None or row.id in expected]
    return Frame(
        rows=tuple(sorted(gradable, key=lambda row: row.seq)),
        total=len(frozen),
        by_candidate=len(frozen) - len(incumbents),
        not_recorded=len(incumbents) - len(answered),
        without_expected=len(answered) - len(gradable),
        clusters=_conversations(gradable) if clusters is None else clusters,
        weights=_weights(gradable, weights),
    )


def _conversations(rows: Sequence[ExchangeRow]) -> dict[str, str]:
    return {row.id: row.conversation for row in rows if row.conversation is not None}


def _weights(rows: Sequence[ExchangeRow], weights: Mapping[str, float] | None) -> Mapping[str, float]:
    if weights is None:
        return {}
    absent = sum(not weights.get(row.id, 0) > 0 for row in rows)
    if absent:
        raise UsageError(
            f"{absent} of {len(rows)} exchanges have no weight above 0; every exchange that can be drawn needs one."
        )
    return {row.id: weights[row.id] for row in rows}


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
    drawing: Drawing = PLAIN,
    engine: Engine | None = None,
    known: Known | None = None,
) -> PilotDesign:
    """A design over everything the workload holds now; `known` are the labels that `drawing` speaks of.

    Without an `engine` the one for the question is used (`design/engines.md`).
    """
    _check_limits(timeout_s=timeout_s, n_max=n_max)
    drawn_from = _drawable(rows, grader, expected, known, reask=incumbent is not None)
    days = [row.started_at for row in drawn_from.rows if row.started_at is not None]
    logged = incumbent is None and judging is None and _is_quick(grader)
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
        incumbent_models=incumbents(drawn_from.rows),
        prompt_ids=tuple(sorted({row.prompt_id for row in drawn_from.rows if row.prompt_id is not None})),
        log_from=min(days, default=None),
        log_to=max(days, default=None),
        judging=judging,
        reviewing=reviewing,
        betting=betting(estimand, drawn_from, engine=engine, logged=logged),
        drawing=drawing,
    )


def _check_limits(*, timeout_s: float, n_max: int) -> None:
    if not timeout_s > 0:
        raise UsageError(f"timeout_s = {timeout_s:g} cannot be used; set it to seconds above 0, such as 60.")
    if n_max < 1:
        raise UsageError(f"n_max = {n_max} cannot be used; set it to a number of pairs, such as 5000.")


def betting(estimand: Estimand, drawn_from: Frame, *, engine: Engine | None, logged: bool) -> Betting:
    """The engine for this question on this log, with its settings; `logged` answers of the incumbent can be graded first."""
    if engine is Engine.CONSTANT:
        return Betting(engine=Engine.CONSTANT)
    count = len(drawn_from.rows)
    if estimand is Estimand.WINDOW and not drawn_from.weights:
        return Betting(
            engine=Engine.REMAINING, scores_on_file=logged and count <= SCORED_AT_MOST, narrower=0.4, wider=0.6
        )
    # Corrections take further requests of the log, which must be as independent of each other as the pairs are.
    independent = not drawn_from.weights and drawn_from.distinct == count
    is_long = count >= SCORED_FROM and estimand is Estimand.LIKE_THIS
    return Betting(scores_on_file=logged and independent and is_long)


def _is_quick(grader: Grader) -> bool:
    """Whether all logged answers may be graded before the first pair: a user's own function may take its time for each."""
    return grader.id.partition("@")[0] in GRADERS


def frame_of(
    design: PilotDesign,
    rows: Sequence[ExchangeRow],
    grader: Grader,
    expected: Mapping[str, JSON] | None,
    known: Known | None = None,
) -> Frame:
    """The exchanges that `design` draws from."""
    reask = design.incumbent is not None
    return _drawable(rows, grader, expected, known, reask=reask, frozen_seq=design.frozen_seq)


def _drawable(
    rows: Sequence[ExchangeRow],
    grader: Grader,
    expected: Mapping[str, JSON] | None,
    known: Known | None,
    *,
    reask: bool,
    frozen_seq: int | None = None,
) -> Frame:
    known = known or Known()
    return frame(
        rows,
        frozen_seq=frozen_seq,
        expected=_ids(grader, expected),
        reask=reask,
        clusters=known.clusters,
        weights=known.weights,
    )


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


def changed(design: PilotDesign, stored: Sequence[PilotDesign]) -> tuple[str, tuple[str, ...]] | None:
    """The newest pilot of the same workload and model that asks another question, and what differs; `None` without one.

    A changed question starts new evidence, and whoever changes it must be told so.
    """
    same = [
        each
        for each in stored
        if (each.workload_id, each.candidate.model) == (design.workload_id, design.candidate.model)
    ]
    if design in stored or not same:
        return None
    earlier, now = _question(same[-1]), _question(design)
    differs = tuple(name for name in _NAMES if getattr(earlier, name) != getattr(now, name))
    return (same[-1].id, tuple(_NAMES[name] for name in differs)) if differs else None


_NAMES: Mapping[str, str] = {
    "candidate": "the candidate, its endpoint or its settings",
    "grader": "the grader",
    "labels_hash": "the expected answers",
    "margin": "the margin",
    "alpha": "alpha",
    "n_max": "the most pairs",
    "seed": "the seed",
    "estimand": "what it is about",
    "timeout_s": "the time limit",
    "incumbent": "whom the incumbent is",
    "betting": "the engine",
    "drawing": "clusters, weights or segments",
    "judging": "the judges",
    "reviewing": "what people are shown",
}


def _question(design: PilotDesign) -> PilotDesign:
    return replace(
        design.bare,
        frozen_seq=0,
        frozen_count=0,
        incumbent_models=(),
        prompt_ids=(),
        log_from=None,
        log_to=None,
        betting=replace(design.betting, scores_on_file=False),
    )


def incumbents(rows: Iterable[ExchangeRow]) -> tuple[str, ...]:
    """The models that answer a workload today; a candidate that the gateway has tried is none of them."""
    return tuple(sorted({row.model for row in rows if not row.by_candidate}))


def contestants(design: PilotDesign) -> tuple[str, ...]:
    """The models whose names nobody who compares their answers may see."""
    again = design.incumbent.model if design.incumbent is not None else None
    return (design.candidate.model, *design.incumbent_models, *([again] if again else []))


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
    if design.estimand is Estimand.LIKE_THIS:
        return drawn_from.once(design.seed, frozenset(drawn))
    if repeats(design):
        return _with_replacement(design.seed, drawn_from, len(drawn))
    taken = frozenset(drawn)
    return (row for row in shuffled(design.seed, drawn_from.rows) if row.id not in taken)


def repeats(design: PilotDesign) -> bool:
    """Whether the same exchange may be drawn again."""
    return design.estimand is Estimand.WINDOW and design.betting.engine is not Engine.REMAINING


def shuffled(seed: int, rows: Sequence[ExchangeRow]) -> list[ExchangeRow]:
    """The rows in an order that depends on the seed and their ids alone."""
    return sorted(rows, key=lambda row: (_hash(seed, row.id), row.id))


def skipped(drawn_from: Frame) -> Skipped:
    """What *traffic like this* passes over in this frame when it draws all of it."""
    keys = Counter(row.request_key for row in drawn_from.rows)
    repeats = sum(count - 1 for count in keys.values())
    return Skipped(
        repeated_requests=repeats,
        repeated_conversations=len(drawn_from.rows) - repeats - drawn_from.distinct,
    )


def _with_replacement(seed: int, drawn_from: Frame, start: int) -> Iterator[ExchangeRow]:
    rows = drawn_from.rows
    position = start
    sums = list(accumulate(drawn_from.weights[row.id] for row in rows)) if drawn_from.weights else None
    while rows:
        position += 1
        if sums is None:
            yield rows[window_index(seed, position, len(rows))]
        else:
            yield rows[min(bisect_right(sums, _chance(seed, f"draw|{position}") * sums[-1]), len(rows) - 1)]


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


def _chance(seed: int, what: str) -> float:
    """A number in 0..1, as good as random."""
    return _hash(seed, what) / 2**128
