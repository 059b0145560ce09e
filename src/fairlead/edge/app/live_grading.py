"""How live pairs are graded: as the workload's pilot was, by judges too, or by a rule that needs no labels where there are none.

Labels name logged requests by their id, and live requests have new ones. So where a pilot was graded against labels and the
settings name neither labels nor a grader for live traffic, live pairs are graded by agreement, and the margin is widened by
how often the two sides disagreed in the pilot itself: what is watched is then whether they agree less than they did.

Where judges compared the pilot's pairs, they compare the live ones, told the same words; a run keeps the judges it began with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fairlead.core.errors import LedgerError, UsageError
from fairlead.core.evidence.judges import reliability, withheld
from fairlead.core.grade import grader as built_in
from fairlead.core.grade import suggested
from fairlead.core.judge import PEOPLE, PairGrader, Rubric, grades_of, rubric_for
from fairlead.core.nouns import (
    JSON,
    Answer,
    Category,
    Exchange,
    Judge,
    Judged,
    Judging,
    Pair,
    PairRow,
    PilotDesign,
    Reply,
    Request,
    Workload,
)
from fairlead.core.nouns import Grade as GradeOf
from fairlead.core.ports import Grader
from fairlead.edge.app.judges import kinship, rubric_file
from fairlead.edge.app.piloting import grader_called
from fairlead.edge.config import Settings
from fairlead.edge.labels import Labels, read_labels
from fairlead.edge.route_settings import RouteSettings
from fairlead.edge.store import Ledger
from fairlead.pilot.asking import row_of
from fairlead.pilot.design import candidate_asker, contestants, incumbent_asker
from fairlead.serve.routing import Route

_LOOKED_AT = 400
_TOO_DIFFERENT = 0.5
AGREE = "agree"


class LabelsFile:
    """A labels file that is read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark: tuple[int, int] | None = None
        self._labels: Labels | None = None

    def expected(self, *names: str) -> JSON:
        """The expected answer under the first of these names that has one."""
        labels = self._read()
        return next((labels[name] for name in names if name in labels), None) if labels is not None else None

    def values(self) -> Mapping[str, JSON]:
        """All expected answers."""
        labels = self._read()
        return {} if labels is None else labels

    def _read(self) -> Labels | None:
        try:
            found = self.path.stat()
        except OSError:
            return self._labels
        mark = (found.st_mtime_ns, found.st_size)
        if mark != self._mark:
            self._labels, self._mark = read_labels(self.path), mark
        return self._labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """Judges who compare live pairs: who they are, what they are told, and whose names they are not to see."""

    judging: Judging
    rubric: Rubric
    contestants: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """A grader with its labels, if it needs any; or judges (`comparing`). `allowance` widens the margin (see the module).

    `off` says that nothing here can tell a better live answer from a worse one: then nothing is asked, and only the
    guardrails watch.
    """

    grader: Grader
    name: str
    labels: LabelsFile | None = None
    allowance: float = 0.0
    off: bool = False
    comparing: Comparing | None = None

    def expected(self, *names: str) -> JSON:
        """The expected answer of a request that goes by these names."""
        return None if self.labels is None else self.labels.expected(*names)

    def may_grade(self, *names: str) -> bool:
        """Whether a request that goes by these names can be graded at all."""
        return not self.off and (not self.grader.needs_expected or self.expected(*names) is not None)

    def row(
        self,
        request: Request,
        *,
        position: int,
        names: Sequence[str],
        candidate: Reply,
        incumbent: Reply,
        judged: Judged | None = None,
    ) -> PairRow:
        """Both replies graded, or `judged` together; a side that failed scores 0."""
        if judged is not None:
            one, other = grades_of(judged.preference)
            pair = Pair(position=position, exchange_id=names[0], incumbent=one, candidate=other)
            return row_of(pair, candidate=candidate, incumbent=incumbent, judged=judged)
        expected = self.expected(*names)
        reference = None if incumbent.answer.failure is not None else incumbent.answer
        pair = Pair(
            position=position,
            exchange_id=names[0],
            incumbent=self._grade(request, incumbent.answer, expected, reference),
            candidate=self._grade(request, candidate.answer, expected, reference),
        )
        return row_of(pair, candidate=candidate, incumbent=incumbent)

    def _grade(self, request: Request, answer: Answer, expected: JSON, reference: Answer | None) -> GradeOf:
        if answer.failure is not None:
            return GradeOf(score=0.0, reason=answer.failure.kind.value)
        if reference is None and self.name == AGREE:
            return GradeOf(score=0.0, reason="the incumbent has no answer to agree with")
        return self.grader.grade(request=request, answer=answer, expected=expected, incumbent=reference)


def grading_of(
    route: Route, workload: Workload | None, ledger: Ledger, *, chosen: RouteSettings, settings: Settings
) -> Grading:
    """How a route's live pairs are graded, as `chosen` for it, or else as its pilot was; judges are those of `settings`."""
    labels = LabelsFile(Path(route.labels)) if route.labels else None
    told = bool(chosen.grader or chosen.labels)
    if not told:
        comparing = comparing_of(route, workload, ledger, chosen=chosen, settings=settings)
        if comparing is not None:
            judging = comparing.judging
            return Grading(grader=PairGrader(id=judging.grader), name=judging.name, comparing=comparing)
        if _by_people(route, ledger):
            return _by_agreement(route, ledger)
    name = route.grader or _suggested(route, workload, ledger, labels)
    grader = grader_called(name, beside=labels.path if labels else None, expected=labels.values() if labels else {})
    if not grader.needs_expected:
        return Grading(grader=grader, name=name)
    if told and labels is not None:
        return Grading(grader=grader, name=name, labels=labels)
    return _by_agreement(route, ledger)


def comparing_of(
    route: Route, workload: Workload | None, ledger: Ledger, *, chosen: RouteSettings, settings: Settings
) -> Comparing | None:
    """The judges of a route's live pairs, `None` where none are; refused where one is kin of a contestant."""
    if workload is None or route.candidate is None:
        return None
    judging, told = _judging(route, ledger, chosen=chosen, settings=settings)
    if judging is None:
        return None
    rubric = _rubric(judging.prompt if told else "", workload, settings)
    if rubric is None:
        raise UsageError(
            f"The judges of the pilot of {workload.name!r} were told what counts in words that are no longer there; name the file"
            ' that holds them as rubric in [judging], or name judges in [serve.routes."…"].'
        )
    judging = replace(judging, prompt=rubric.hash, judges=tuple(_with_key(settings, judge) for judge in judging.judges))
    incumbents = _incumbents(route, ledger)
    if not judging.forced:
        for judge in judging.judges:
            kin = kinship(judge, workload, candidate=route.candidate.model, incumbents=incumbents)
            if kin:
                raise UsageError(f'{kin} Name other judges in [serve.routes."{workload.name}"].')
    return Comparing(judging=judging, rubric=rubric, contestants=(route.candidate.model, *incumbents))


def _judging(route: Route, ledger: Ledger, *, chosen: RouteSettings, settings: Settings) -> tuple[Judging | None, bool]:
    """Who judges, and whether they were told their words before: those of the run, of the settings, or of the pilot."""
    designs = [entry.design for entry in ledger.pilots() if entry.design.workload_id == route.workload_id]
    own = next((design for design in designs if route.run and design.seed == -route.run), None)
    if own is not None and own.judging is not None:
        return own.judging, True
    if chosen.judges:
        unknown = [name for name in chosen.judges if name not in settings.judges]
        if unknown:
            known = ", ".join(settings.judges) or "none"
            raise UsageError(
                f"fairlead.toml has no [judges.{unknown[0]}], which [serve.routes] names; it has: {known}."
            )
        named = tuple(settings.judges[name] for name in chosen.judges)
        return Judging(judges=named, combine=settings.judging.combine), False
    pilot = next((design for design in designs if design.id == route.pilot_id), None)
    return (None, False) if pilot is None else (pilot.judging, True)


def _rubric(prompt: str, workload: Workload, settings: Settings) -> Rubric | None:
    """What counts: the words with this hash, or today's where none is given; `None` where they are not there any more."""
    file = settings.judging.rubric
    today = rubric_for(workload.guess.category, rubric_file(Path(file)) if file else None)
    if not prompt:
        return today
    others = (rubric_for(category) for category in (None, *Category))
    return next((each for each in (today, *others) if each.hash == prompt), None)


def _with_key(settings: Settings, judge: Judge) -> Judge:
    """A judge with the key's variable and the price of its entry in the settings, which are not part of a design."""
    entry = next((each for each in settings.judges.values() if each.id == judge.id), judge)
    return replace(judge, key_env=judge.key_env or entry.key_env, price=judge.price or entry.price)


def _incumbents(route: Route, ledger: Ledger) -> tuple[str, ...]:
    """The models that answer the workload today, as far as is known."""
    design = next((entry.design for entry in ledger.pilots() if entry.id == route.pilot_id), None)
    first = ledger.routing.first_model(route.workload_id)
    known = contestants(design)[1:] if design is not None else ()
    return known or ((first,) if first is not None else ())


def _by_agreement(route: Route, ledger: Ledger) -> Grading:
    """Agreement; switched off where two good answers seldom agree, as with texts."""
    allowance = disagreement(route, ledger)
    return Grading(grader=built_in(AGREE), name=AGREE, allowance=allowance, off=allowance > _TOO_DIFFERENT)


def _by_people(route: Route, ledger: Ledger) -> bool:
    """Whether people compared the pairs of the route's pilot: they are not asked about live pairs."""
    design = next((entry.design for entry in ledger.pilots() if entry.id == route.pilot_id), None)
    return design is not None and design.grader == PEOPLE


def _suggested(route: Route, workload: Workload | None, ledger: Ledger, labels: LabelsFile | None) -> str:
    if labels is None or workload is None:
        return AGREE
    first = next(iter(ledger.exchanges(route.workload_id)), None)
    return AGREE if first is None else suggested(workload.guess.category, first.request)


def disagreement(route: Route, ledger: Ledger) -> float:
    """How often the two sides disagreed in the route's pilot, on the long side; 0 where that cannot be told."""
    design = next((entry.design for entry in ledger.pilots() if entry.id == route.pilot_id), None)
    if design is None or (design.labels_hash is None and design.judging is None and design.grader != PEOPLE):
        return 0.0
    agrees = built_in(AGREE)
    scores = [
        agrees.grade(request=exchange.request, answer=candidate, expected=None, incumbent=incumbent).score
        for exchange, candidate, incumbent in _answers(design, ledger)
    ]
    if not scores:
        return 0.0
    missed = 1 - sum(scores) / len(scores)
    spread = math.sqrt(max(missed * (1 - missed), 0.25 / len(scores)) / len(scores))
    return min(missed + spread, 0.9)


def _answers(design: PilotDesign, ledger: Ledger) -> list[tuple[Exchange, Answer, Answer]]:
    """The last pairs of a pilot on which neither side failed, with what both said."""
    keys = {row.id: row.request_key for row in ledger.rows(design.workload_id)}
    again = incumbent_asker(design)
    found: list[tuple[Exchange, Answer, Answer]] = []
    for row in ledger.pairs(design.id)[-_LOOKED_AT:]:
        key = keys.get(row.pair.exchange_id)
        reply = None if key is None else ledger.reply(candidate_asker(design), key)
        other = None if key is None or again is None else ledger.reply(again, key)
        try:
            exchange = ledger.exchange(row.pair.exchange_id)
        except LedgerError:
            continue
        incumbent = exchange.answer if again is None else (other.answer if other is not None else None)
        if reply is not None and incumbent is not None and reply.answer.failure is None and incumbent.failure is None:
            found.append((exchange, reply.answer, incumbent))
    return found


def doubt(design: PilotDesign, pairs: Sequence[PairRow]) -> str:
    """Why judges prove nothing with these pairs, or nothing: too many of their verdicts could not be read."""
    if design.judging is None:
        return ""
    judged = [row.judged for row in pairs if row.judged is not None]
    return withheld(reliability(judged, [judge.model for judge in design.judging.judges]), design.margin)
