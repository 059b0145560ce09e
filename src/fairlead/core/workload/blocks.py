"""Which features divide a group of requests: the counting under the growth of the tree.

A feature is a masked segment, or the end of one (a slot may stand at the other end). Items are weighed, since some stand
for others that were left out of the sample; but no group is made of fewer than `k` that were really seen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fairlead.core.workload.sample import Cell, Opening
from fairlead.core.workload.sentence import literal_words
from fairlead.core.workload.tree import affixes, likeness

# What nearly all of a group share, and what all but a few do (some prompts were masked badly, some lines are optional).
COMMON: Final = 0.9
CORE: Final = 0.8
# The fewest words of a segment's end that can stand for a template.
AFFIX_WORDS: Final = 3
# A line divides a group cleanly when this share of its holders went with no other line.
_CLEAN: Final = 0.9
# From so many on, lines this much alike are one line with a slot in it; fewer may be as many jobs.
_VARIANTS: Final = 4
_ONE_LINE: Final = 0.6
# Blocks are one prompt with a slot in it when this share of their other lines read alike, line by line.
_ONE_PROMPT: Final = 0.5
# An end is a template's when its holders have it about once.
_ONCE: Final = 1.5
# A line of more words than this tells no more.
_TELLING: Final = 12
_MAX_KIDS: Final = 2_000
_READ_FOR_ENDS: Final = 400


@dataclass(slots=True)
class Item:
    """One thing to place: a cell (by its lines), or an opening of a cell (by its anchors).

    `weight` is how many requests it stands for, `seen` how many of them were seen.
    """

    held: tuple[str, ...]
    weight: int
    seen: int
    cell: Cell
    opening: Opening | None = None

    @classmethod
    def of_cell(cls, cell: Cell) -> Item:
        """A cell, by its lines."""
        return cls(cell.frame.lines, cell.weight, cell.count, cell)

    @classmethod
    def of_opening(cls, cell: Cell, segments: tuple[str, ...], opening: Opening) -> Item:
        """An opening of a cell, by its segments."""
        return cls(segments, opening.weight, opening.count, cell, opening)


@dataclass(slots=True)
class Block:
    """The items that hold one feature, or one of several that are one line with a slot in it; features by their rank."""

    features: dict[str, int]
    items: list[Item]
    weight: int

    @property
    def first(self) -> str:
        """The first of its features."""
        return next(iter(self.features))


Fits: TypeAlias = Callable[[str, Sequence[Item]], bool]


def total(items: Iterable[Item]) -> int:
    """How many requests the items stand for."""
    return sum([item.weight for item in items])


def blocks(
    items: Sequence[Item], *, k: int, least: int, clean: bool, fits: Fits, telling: int, share: float = 1.0
) -> list[Block]:
    """Features that each gather at least `least`, the most telling first; an item goes with the first it holds.

    What `share` of the items or more have in common divides nothing and is passed over.

    With `clean`, a feature whose holders mostly went with another one divides nothing and is passed over. `telling` is
    how much more a long line tells than a short one: squared for prompts, where everybody says "be concise".
    """
    where, weights = _holders(items, least=max(least, k))
    most = share * total(items)
    able = [feature for feature in where if weights[feature] < most]
    able.sort(key=lambda feature: (-weights[feature] * min(_TELLING, literal_words(feature)) ** telling, feature))
    taken: set[int] = set()
    found: list[Block] = []
    for feature in able:
        free = [item for item in where[feature] if id(item) not in taken]
        weight = total(free)
        if weight < max(least, _CLEAN * weights[feature] if clean else 0) or sum([i.seen for i in free]) < k:
            continue
        if fits(feature, free):
            taken.update(map(id, free))
            found.append(Block({feature: len(found)}, free, weight))
            if len(found) == _MAX_KIDS:
                break
    return _slots_closed(found)


def _holders(items: Sequence[Item], *, least: int) -> tuple[dict[str, list[Item]], dict[str, int]]:
    """Who holds which feature, and their weight, for features heavy enough."""
    where: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        for segment in item.held:
            where[segment].append(item)
    weights = {segment: total(holders) if len(holders) > 1 else holders[0].weight for segment, holders in where.items()}
    heavy = {segment: holders for segment, holders in where.items() if weights[segment] >= least}
    ends = _ends(where, weights, least=least)
    weights.update((affix, total(holders)) for affix, holders in ends.items())
    return heavy | ends, weights


def _ends(where: dict[str, list[Item]], weights: dict[str, int], *, least: int) -> dict[str, list[Item]]:
    """The ends that several different segments share, where no one segment has most of them."""
    sharing: defaultdict[str, list[str]] = defaultdict(list)
    for segment in where:
        for affix in affixes(segment):
            sharing[affix].append(segment)
    ends: dict[str, list[Item]] = {}
    for affix, segments in sharing.items():
        if len(segments) < 2 or sum([weights[segment] for segment in segments]) < least:
            continue
        holders = {id(item): item for segment in segments for item in where[segment]}
        if sum([len(where[segment]) for segment in segments]) > _ONCE * len(holders):
            continue  # several lines of one prompt end so: that is how it is written, not what it says
        weight = total(holders.values())
        if weight < least or weight <= 2 * max([weights[segment] for segment in segments]):
            continue
        if literal_words(affix) >= AFFIX_WORDS:
            ends[affix] = list(holders.values())
    return ends


def _slots_closed(found: list[Block]) -> list[Block]:
    """Blocks whose features are one line with a slot in it, joined: one product's name is not another job."""
    by_start: dict[str, list[Block]] = {}
    for block in found:
        by_start.setdefault(" ".join(block.first.split(" ")[:2]), []).append(block)
    closed: list[Block] = []
    for group in by_start.values():
        closed += _joined(group) if len(group) >= _VARIANTS else group
    return closed


def _joined(group: list[Block]) -> list[Block]:
    rows: list[list[Block]] = []
    beside = {id(block): _beside(block) for block in group}
    for block in group:
        row = next((r for r in rows if _is_variant(block, r[0], beside)), None)
        if row is None:
            rows.append([block])
        else:
            row.append(block)
    return [block for row in rows for block in (_union(row) if len(row) >= _VARIANTS else row)]


def _beside(block: Block) -> list[str]:
    """What else a block's items share."""
    return [line for line in common(heaviest(block.items, _READ_FOR_ENDS), CORE) if line not in block.features]


def _is_variant(one: Block, other: Block, beside: Mapping[int, list[str]]) -> bool:
    """Whether two blocks differ by a slot: their features read alike, and so does most of what stands beside them."""
    if not _reads_alike(one.first, other.first):
        return False
    mine, theirs = beside[id(one)], beside[id(other)]
    alike = sum(_reads_alike(a, b) for a, b in zip(mine, theirs, strict=False))
    return alike >= _ONE_PROMPT * max(len(mine), len(theirs))


def _reads_alike(line: str, other: str) -> bool:
    return line == other or likeness(line.split(" "), other.split(" ")) >= _ONE_LINE


def _union(row: list[Block]) -> list[Block]:
    items = [item for block in row for item in block.items]
    return [Block({block.first: rank for block in row for rank in block.features.values()}, items, total(items))]


def common(items: Sequence[Item], share: float, *, ends: bool = False) -> list[str]:
    """The segments (or their ends) that at least `share` of the items hold, in the order of the heaviest items."""
    whole = total(items)
    held: Counter[str] = Counter()
    rows = [(item, _ends_of(item.held) if ends else item.held) for item in items]
    for item, row in rows:
        held.update(dict.fromkeys(row, item.weight))
    shared = {segment for segment, weight in held.items() if weight >= share * whole}
    ordered: dict[str, None] = {}
    for _, row in sorted(rows, key=lambda r: (-r[0].weight, r[0].held))[:50]:
        ordered.update((segment, None) for segment in row if segment in shared)
    return [*ordered, *sorted(shared - ordered.keys())]


def _ends_of(segments: Sequence[str]) -> tuple[str, ...]:
    found = [affix for segment in segments for affix in affixes(segment) if literal_words(affix) >= AFFIX_WORDS]
    return tuple(dict.fromkeys(found))


def core(items: Sequence[Item]) -> tuple[str, ...]:
    """What (almost) all items share: whole segments, or where there are none, the ends of segments with slots."""
    return tuple(common(items, CORE) or common(heaviest(items, _READ_FOR_ENDS), CORE, ends=True))


def heaviest(items: Sequence[Item], number: int) -> Sequence[Item]:
    """The heaviest items, when there are more than `number`."""
    return items if len(items) <= number else sorted(items, key=lambda item: (-item.weight, item.held))[:number]
