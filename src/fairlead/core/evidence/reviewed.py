"""Which pairs of a pilot people are shown, and what their answers are worth. Pure.

Rules kept: the tool chooses, at random, by a hash that was fixed before the first pair, one pair of every block (`Reviewing`);
blocks count in the order of their draws, up to the first that nobody has answered yet, so that nobody can pick the easy
ones; a pair counts with the first answers it got, as many as the design asks for, and further ones only tell how far
people agree; "cannot tell" is no preference, for leaving it out would leave out the hard ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from statistics import correlation

from fairlead.core.evidence.human import Block, Corrected, People, corrected
from fairlead.core.evidence.settings import N_MIN
from fairlead.core.evidence.verdict import Judgement
from fairlead.core.nouns import Choice, PairRow, PilotDesign, Preference

MIN_FIXED = 100
"""Labels from which the reading for a fixed number of them may be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A block of pairs: the one that people are shown, and the judge's opinions of the others."""

    row: PairRow
    others: tuple[float, ...] = ()

    @property
    def by_rule(self) -> float | None:
        """The preference nobody has to be asked for: a side failed, or both said the same."""
        judged = self.row.judged
        if judged is not None and judged.by_rule:
            return judged.preference
        failed = self.row.incumbent_failure is not None, self.row.candidate_failure is not None
        return float(failed[0]) - float(failed[1]) if any(failed) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What people have said of a pilot so far, and what follows.

    `counted` blocks count, of which `by_rule` needed nobody; `waiting` answered ones stand behind one that nobody has answered.
    `labels` are all answers, `unsure` those that could not tell. `judge_weight` is how much of the judge is used; `with_judge`
    the correlation between people and judge and `same_way` how often they lean the same way, over answered pairs. `fixed` is
    PPI++, for a number of labels that was fixed in advance.
    """

    judgement: Judgement
    labels: int
    unsure: int
    reviewers: Mapping[str, int]
    counted: int
    waiting: int
    by_rule: int
    shown: int
    unanswered: int
    judge_weight: float
    with_judge: float | None
    same_way: float | None
    fixed: Corrected | None
    more_labels: int | None

    @property
    def speaks(self) -> bool:
        """Whether people have said enough to be heard before the judge."""
        return self.counted >= N_MIN


def chosen(design: PilotDesign, rows: Sequence[PairRow]) -> list[Chosen]:
    """The pairs that people are shown, in the order of their blocks; a block is there once all its draws are bet on.

    The choice looks at nothing but the position, so no answer can make a pair more likely to be seen.
    """
    size = design.reviewing.block
    blocks: dict[int, list[PairRow]] = {}
    last = max((row.pair.position for row in rows), default=0)
    for row in rows:
        blocks.setdefault((row.pair.position - 1) // size, []).append(row)
    full = [block for number, block in sorted(blocks.items()) if (number + 1) * size <= last]
    return [_chosen(design.id, block) for block in full]


def _chosen(pilot_id: str, block: Sequence[PairRow]) -> Chosen:
    first, *rest = sorted(block, key=lambda row: _rank(pilot_id, row.pair.position))
    return Chosen(row=first, others=tuple(_judged(row) for row in rest if row.judged is not None))


def _rank(pilot_id: str, position: int) -> bytes:
    return blake2b(f"{pilot_id}|people|{position}".encode(), digest_size=16).digest()


def _judged(row: PairRow) -> float:
    return 0.0 if row.judged is None else row.judged.preference


def blocks(design: PilotDesign, rows: Sequence[PairRow], said: Iterable[Preference]) -> list[Block]:
    """The blocks that count, in order: up to the first that has too few answers."""
    answers, found = _answers(said), list[Block]()
    for each in chosen(design, rows):
        human = _human(design, each, answers)
        if human is None:
            break
        found.append(_block(design, each, human))
    return found


def _block(design: PilotDesign, each: Chosen, human: float) -> Block:
    """A block's outcome; without a judge it stands for itself."""
    if design.judging is None:
        return Block(human=human, judged=0.0, others=())
    return Block(human=human, judged=_judged(each.row), others=each.others)


def _answers(said: Iterable[Preference]) -> dict[int, list[Preference]]:
    answers: dict[int, list[Preference]] = {}
    for each in said:
        answers.setdefault(each.position, []).append(each)
    return answers


def _human(design: PilotDesign, each: Chosen, answers: Mapping[int, Sequence[Preference]]) -> float | None:
    """What people prefer in a pair, `None` until enough have answered."""
    if each.by_rule is not None:
        return each.by_rule
    given = answers.get(each.row.pair.position, ())[: design.reviewing.opinions]
    if len(given) < design.reviewing.opinions:
        return None
    return math.fsum(answer.value for answer in given) / len(given)


def reviewed(design: PilotDesign, rows: Sequence[PairRow], said: Sequence[Preference]) -> Reviewed:
    """What people have said so far, and what follows."""
    found, answers = chosen(design, rows), _answers(said)
    counted = blocks(design, rows, said)
    people = People(design.margin, design.alpha)
    for block in counted:
        people.add(block)
    human = [_human(design, each, answers) for each in found]
    asked = [(each, value) for each, value in zip(found, human, strict=True) if each.by_rule is None]
    both = [(value, _judged(each.row)) for each, value in asked if value is not None]
    return Reviewed(
        judgement=people.judgement(),
        labels=len(said),
        unsure=sum(each.choice is Choice.UNSURE for each in said),
        reviewers={name: sum(each.reviewer == name for each in said) for name in sorted({s.reviewer for s in said})},
        counted=len(counted),
        waiting=len(both) - sum(each.by_rule is None for each in found[: len(counted)]),
        by_rule=sum(each.by_rule is not None for each in found[: len(counted)]),
        shown=len(asked),
        unanswered=sum(value is None for _, value in asked),
        judge_weight=people.judge_weight if design.judging is not None else 0.0,
        with_judge=_correlation(both) if design.judging is not None else None,
        same_way=sum(_lean(one) == _lean(other) for one, other in both) / len(both)
        if both and design.judging is not None
        else None,
        fixed=_fixed(design, found, counted),
        more_labels=_more(design, people, counted),
    )


def _fixed(design: PilotDesign, found: Sequence[Chosen], counted: Sequence[Block]) -> Corrected | None:
    """PPI++ over the counted blocks, the judge's other opinions as the unlabelled part."""
    rest = [opinion for each in found for opinion in each.others]
    if design.judging is None or len(counted) < MIN_FIXED or len(rest) < 2:
        return None
    return corrected([b.human for b in counted], [b.judged for b in counted], rest, alpha=design.alpha)


def _more(design: PilotDesign, people: People, counted: Sequence[Block]) -> int | None:
    """Roughly how many more labels the margin needs, by the usual formula; `None` when it is decided or nothing is known."""
    if people.decided or not counted:
        return None
    weight, n = people.judge_weight, len(counted)
    outcomes = [block.human - weight * block.excess for block in counted]
    mean = math.fsum(outcomes) / (n + 4)
    spread = (math.fsum(value**2 for value in outcomes) + 1) / (n + 4) - mean**2
    distance = max(abs(mean + design.margin), 0.001)
    return max(1, round(2 * math.log(2 / design.alpha) * spread / distance**2) - n)


def _correlation(both: Sequence[tuple[float, float]]) -> float | None:
    people, judge = [one for one, _ in both], [other for _, other in both]
    if len(both) < 3 or len(set(people)) < 2 or len(set(judge)) < 2:
        return None
    return correlation(people, judge)


def _lean(preference: float) -> int:
    return (preference > 0) - (preference < 0)
