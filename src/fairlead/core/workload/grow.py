"""Growing the tree of workloads from a sample: which lines are templates, and which only look like it.

A line splits a group of requests when it is common enough, and when the lines that split it divide *most* of the group
cleanly: a popular document or a greeting is common too, but what stands beside it is scattered. The result depends on
what is in the sample, never on the order in which it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from fairlead.core.workload.blocks import COMMON, CORE, Block, Item, common, core, total
from fairlead.core.workload.blocks import blocks as divided
from fairlead.core.workload.sample import SHORT_FRAME, Cell, Sample
from fairlead.core.workload.sentence import literal_words
from fairlead.core.workload.tree import ALIKE, By, Leaf, Node, likeness
from fairlead.core.workload.wording import (
    DIFFERENT,
    INSTRUCTS,
    different_messages,
    is_frame,
    is_head,
    is_placed,
    is_repeated,
    is_wording,
    leads,
)

# Inside a prompt's own group, what divides it has at least this share, and all of it together covers most of the group.
_SHARE: Final = 0.01
_COVER: Final = 0.6
# From so many alternatives on, they may be documents in a slot; then this share of them must ask for something.
_MANY: Final = 4
_INSTRUCTIVE: Final = 0.35
# So many words shared by all of a group's prompts mean that it is one prompt.
_ONE_PROMPT: Final = 6
# Calls that all begin with one message are one conversation unless there are more.
_ONE_TALK: Final = 20
# Messages without any frame need a thousandth of the calls to make a workload, but never more than this many. Fewer words
# than eight that less than a hundredth of the messages share ("How old is he now?") are how people speak.
_UNFRAMED: Final = 25
_SPOKEN: Final = 0.01
_SPOKEN_WORDS: Final = 8
# Under a long prompt, messages split a group only if fixed wording covers nearly all of them.
_LONG_FRAME: Final = 25
_MOST_SAID: Final = 4
_ANCHOR_SHARE: Final = 0.05
_ANCHOR_COVER: Final = 0.8
# Lines that tell versions of a prompt apart are not too rare, not too many, and come in a few combinations.
_RARE: Final = 0.02
_MAX_MARKS: Final = 24
_MAX_VERSIONS: Final = 8
_MAX_DEPTH: Final = 24


def threshold(weight: int) -> int:
    """How many requests make a group: few in a newcomer's first log, never more than five.

    >>> [threshold(n) for n in (10, 300, 1_000, 20_000)]
    [2, 3, 3, 5]
    """
    return 2 if weight < 60 else 3 if weight < 2_000 else 4 if weight < 6_000 else 5


def grow(sample: Sample) -> Node:
    """The tree of everything in the sample; leaves carry no ids yet."""
    root = Node(By.FAMILY)
    families: dict[str, list[Cell]] = {}
    for cell in sample.cells.values():
        families.setdefault(cell.frame.family, []).append(cell)
    for family in sorted(families):
        cells = sorted(families[family], key=lambda cell: cell.frame.lines + cell.frame.tools + cell.frame.format)
        root.add({family: 0}, _Grower(family, cells).tree())
    return root


def messages_may_divide(cells: Sequence[Cell]) -> bool:
    """Whether user messages may yet tell the calls of these frames apart, as far as those read so far show.

    Under a long prompt they do where fixed wording covers nearly all of them: where it covers less than half as much now, no.
    """
    grower = _Grower(cells[0].frame.family, list(cells))
    framed = _framed(cells)
    if framed < _LONG_FRAME:
        return True
    items = _openings_of(cells)
    blocks = grower.anchor_blocks(items, depth=0, framed=framed, cover=_ANCHOR_COVER / 2, fewest=1)
    return bool(blocks)


class _Grower:
    """Grows the tree of one family."""

    def __init__(self, family: str, cells: list[Cell]) -> None:
        self._family = family
        self._cells = cells
        self._all = sum(cell.weight for cell in cells)
        self._k = threshold(self._all)
        self._known: dict[int, tuple[list[Item], list[Block]]] = {}

    def tree(self) -> Node:
        if self._family.startswith("embeddings"):
            return Node(By.LEAF, leaf=Leaf("", self._family, count=_weight_of(self._cells)))
        items = [Item.of_cell(cell) for cell in self._cells]
        return self._lines(items, depth=0)

    def _lines(self, items: list[Item], depth: int) -> Node:
        """Split by lines of the system prompt while they divide the group."""
        blocks = [] if depth > _MAX_DEPTH else self._line_blocks(items, top=depth == 0)
        if not blocks:
            return self._tools([item.cell for item in items])
        node = Node(By.LINES)
        placed: set[int] = set()
        for block in blocks:
            node.add(block.features, self._lines(block.items, depth + 1))
            placed.update(map(id, block.items))
        left = [item for item in items if id(item) not in placed]
        top = depth == 0 and not _is_one_prompt(items)
        if total(left) >= (1 if top else self._k):
            # Below a head that many prompts share, what is too rare beside the others is divided among itself.
            node.rest = self._tools([item.cell for item in left]) if top else self._lines(left, depth + 1)
        return node

    def _line_blocks(self, items: list[Item], *, top: bool) -> list[Block]:
        known = self._known.get(id(items))
        if known is None:
            # The list stays with its blocks: as long as it does, no other list has its number.
            known = self._known[id(items)] = (items, self._found_blocks(items, top=top))
        return known[1]

    def _found_blocks(self, items: list[Item], *, top: bool) -> list[Block]:
        whole = total(items)
        top = top and not _is_one_prompt(items)
        if top:
            return divided(items, k=self._k, least=self._k, clean=False, fits=_has_words, telling=2)
        # Where nearly all have a line in common, it hides what divides them: then what fewer have is looked at alone.
        return self._dividing(items, whole, share=1.0) or self._dividing(items, whole, share=COMMON)

    def _dividing(self, items: list[Item], whole: int, *, share: float) -> list[Block]:
        """Lines that divide most of a prompt's group cleanly; none where they do not."""
        least = max(self._k, round(_SHARE * whole))
        blocks = divided(items, k=self._k, least=least, clean=True, fits=_has_words, telling=2, share=share)
        alone = _sent_alone(items, blocks)
        if sum(block.weight for block in blocks) + alone < _COVER * whole or _is_whole(blocks, whole, alone):
            return []
        return [] if self._is_slot(blocks, items) else blocks

    def _is_slot(self, blocks: Sequence[Block], items: Sequence[Item]) -> bool:
        """Whether many blocks differ only in what they say, not in what they ask for: a pool of documents in one slot.

        The prompt around such a slot asks for something; a line that several prompts have in common may not.
        """
        shared = set(common(items, COMMON))
        if len(blocks) < _MANY or not any(map(INSTRUCTS.search, shared)):
            return False
        whole = sum(block.weight for block in blocks)
        return sum(self._asking(block, shared, depth=0) for block in blocks) < _INSTRUCTIVE * whole

    def _asking(self, block: Block, shared: set[str], *, depth: int) -> int:
        """The weight of a block's prompts that ask for something of their own.

        What holds a block together may be no more than how a line ends that several prompts have in common; then it is
        divided further, and those prompts are asked one by one.
        """
        if _asks(block, shared):
            return block.weight
        inner = [] if depth > _MAX_DEPTH else self._line_blocks(block.items, top=False)
        return sum(self._asking(each, shared, depth=depth + 1) for each in inner)

    def _tools(self, cells: list[Cell]) -> Node:
        """Split by the set of tools, unless tools are chosen request by request."""
        return self._sets(cells, By.TOOLS, lambda cell: cell.frame.tools, self._formats)

    def _formats(self, cells: list[Cell]) -> Node:
        """Split by the outline of the response schema."""
        return self._sets(cells, By.FORMAT, lambda cell: cell.frame.format, self._users)

    def _sets(
        self,
        cells: list[Cell],
        by: By,
        names_of: Callable[[Cell], tuple[str, ...]],
        grow_below: Callable[[list[Cell]], Node],
    ) -> Node:
        groups = _alike(cells, names_of)
        if len(groups) == 1:
            return grow_below(cells)
        heavy = [group for group in groups if _seen(group[1]) >= self._k]
        with_names = sum(_weight_of(group) for names, group in groups if names)
        heavy_names = sum(_weight_of(group) for names, group in heavy if names)
        if heavy_names < _COVER * with_names:
            # Chosen request by request: all that matters is whether there are any.
            heavy = [group for group in heavy if not group[0]]
        node = Node(by)
        for names, group in heavy:
            node.add(dict.fromkeys(names, 0), grow_below(group))
        placed = {id(cell) for _, group in heavy for cell in group}
        left = [cell for cell in cells if id(cell) not in placed]
        if left and (_seen(left) >= self._k or not node.kids):
            node.rest = grow_below(left)
        return node.rest if node.rest is not None and not node.kids else node

    def _users(self, cells: list[Cell]) -> Node:
        """Split by fixed wording of the user's message; what has none stays one group."""
        return self._anchors(_openings_of(cells), cells, depth=0, framed=_framed(cells))

    def _anchors(self, items: list[Item], cells: list[Cell], *, depth: int, framed: int) -> Node:
        blocks = [] if depth > _MAX_DEPTH else self.anchor_blocks(items, depth=depth, framed=framed)
        if not blocks:
            return Node(By.LEAF, leaf=_leaf(self._family, cells, items, k=self._k, split=depth > 0, anchored=depth > 0))
        node = Node(By.USER)
        placed: set[int] = set()
        for block in blocks:
            node.add(
                block.features,
                self._anchored(block.items, depth=depth + 1, framed=framed),
            )
            placed.update(map(id, block.items))
        left = [item for item in items if id(item) not in placed]
        if depth == 0 or total(left) >= self._k:
            node.rest = Node(By.LEAF, leaf=_leaf(self._family, _cells_of(left) or cells, left, k=self._k, split=True))
        return node

    def _anchored(self, items: list[Item], *, depth: int, framed: int) -> Node:
        """Split further what shares fixed wording; that wording frames the rest of the message as a system prompt does."""
        wording = sum(map(literal_words, common(items, CORE)))
        wording = wording if wording >= _ONE_PROMPT else 0
        return self._anchors(items, _cells_of(items), depth=depth, framed=max(framed, wording))

    def anchor_blocks(
        self, items: list[Item], *, depth: int, framed: int, cover: float = _ANCHOR_COVER, fewest: int = 2
    ) -> list[Block]:
        """Fixed wording that divides messages; under a long prompt it is at least `fewest` and covers `cover` of them."""
        whole = total(items)
        top = depth == 0
        share = _ANCHOR_SHARE if framed else 0.0
        least = max(self._k, round((share if top else max(share, _SHARE)) * whole))
        if not framed:
            least = max(least, min(_UNFRAMED, self._all // 1_000))
        distinct = min(DIFFERENT, self._k + 3 if framed else self._k)

        def fits(feature: str, holders: Sequence[Item]) -> bool:
            if not is_wording(feature, framed) or not is_placed(feature, holders):
                return False
            if not framed and not leads(feature) and not is_frame(feature, holders):
                return False
            if not framed and _is_spoken(feature) and total(holders) < _SPOKEN * whole:
                return False
            return different_messages(holders) >= distinct or (not framed and is_repeated(feature, holders, whole))

        blocks = divided(items, k=self._k, least=least, clean=not top, fits=fits, telling=1)
        covered = sum(block.weight for block in blocks)
        if framed >= _LONG_FRAME and (len(blocks) < fewest or covered < cover * whole):
            return []
        if not top and (covered < _COVER * whole or _is_whole(blocks, whole)):
            return []
        return blocks


def _weight_of(cells: Iterable[Cell]) -> int:
    return sum(cell.weight for cell in cells)


def _seen(cells: Iterable[Cell]) -> int:
    return sum(cell.count for cell in cells)


def _cells_of(items: Iterable[Item]) -> list[Cell]:
    return list({id(item.cell): item.cell for item in items}.values())


def _openings_of(cells: Iterable[Cell]) -> list[Item]:
    return [
        Item.of_opening(cell, segments, opening)
        for cell in cells
        for segments, opening in sorted(cell.openings.items())
    ]


def _has_words(feature: str, _: Sequence[Item]) -> bool:
    return literal_words(feature) >= 2


def _is_one_prompt(items: Sequence[Item]) -> bool:
    """Whether one prompt is all there is: its lines divide nothing, and what does must divide it cleanly."""
    return sum(map(literal_words, common(items, 1.0))) >= _ONE_PROMPT


def _framed(cells: Sequence[Cell]) -> int:
    """How many words say what to do before the user speaks; tools and a schema say as much as a long prompt."""
    items = [Item.of_cell(cell) for cell in cells]
    words = sum(map(literal_words, common(items, CORE)))
    return words + SHORT_FRAME if cells and (cells[0].frame.tools or cells[0].frame.format) else words


def _is_spoken(feature: str) -> bool:
    return not feature.endswith(":") and literal_words(feature) < _SPOKEN_WORDS


def _sent_alone(items: Sequence[Item], blocks: Sequence[Block]) -> int:
    """The weight of prompts that are no more than what all share, where the blocks are what it was given to do."""
    shared = set(common(items, 1.0))
    if not blocks or not all(is_head(shared, block.features) for block in blocks):
        return 0
    return sum(item.weight for item in items if shared.issuperset(item.held))


def _is_whole(blocks: Sequence[Block], whole: int, alone: int = 0) -> bool:
    """Whether one block is nearly all there is and the others are not most of what it leaves: then nothing is split."""
    largest = max((block.weight for block in blocks), default=0)
    others = sum(block.weight for block in blocks) - largest + alone
    return largest >= COMMON * whole and others < _COVER * (whole - largest)


def _asks(block: Block, shared: set[str]) -> bool:
    """Whether what a block's prompts have of their own asks for something, in words or by where it stands.

    What opens a prompt and is shorter than what the prompt shares with others says what it is for, in whatever language; a
    document that opens one is longer than what is said about it.
    """
    own = [segment for segment in common(block.items, COMMON) if segment not in shared]
    if any(INSTRUCTS.search(segment) for segment in own or block.features):
        return True
    opened = sum(item.weight for item in block.items if item.held[:1] and item.held[0] not in shared)
    words = sum(map(literal_words, own))
    return opened >= COMMON * block.weight and 0 < words < sum(map(literal_words, shared))


def _alike(
    cells: Sequence[Cell], names_of: Callable[[Cell], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[Cell]]]:
    """Cells by their set of names, sets that are alike together, the heaviest set first."""
    by_set: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        by_set.setdefault(names_of(cell), []).append(cell)
    groups: list[tuple[tuple[str, ...], list[Cell]]] = []
    for names, group in sorted(by_set.items(), key=lambda entry: (-_weight_of(entry[1]), entry[0])):
        home = _home(groups[:200], names)
        if home is None:
            groups.append((names, list(group)))
        else:
            home.extend(group)
    return groups


def _home(groups: Sequence[tuple[tuple[str, ...], list[Cell]]], names: tuple[str, ...]) -> list[Cell] | None:
    if not names:
        return None
    scored = [(likeness(core, names), -at) for at, (core, _) in enumerate(groups) if core]
    best = max(scored, default=(0.0, 0))
    return groups[-best[1]][1] if best[0] >= ALIKE else None


def _leaf(
    family: str, cells: Sequence[Cell], items: Sequence[Item], *, k: int, split: bool, anchored: bool = False
) -> Leaf:
    """A leaf for these cells and messages: what they share, when they were seen.

    `split` says that the cells' other messages went elsewhere, `anchored` that these share fixed wording.
    """
    frames = [Item.of_cell(cell) for cell in cells]
    lines = core(frames)
    leaf = Leaf(
        id="",
        family=family,
        lines=lines,
        tools=_shared_names([(cell.frame.tools, cell.weight) for cell in cells]),
        format=_shared_names([(cell.frame.format, cell.weight) for cell in cells]),
        anchors=core(items) if _different(items) else (),
        said=() if _different(items) or lines else core(items)[:_MOST_SAID],
        marks=_marks(frames, lines),
        count=total(items) if split else _weight_of(cells),
        first=min((cell.first for cell in cells if cell.first is not None), default=None),
        last=max((cell.last for cell in cells if cell.last is not None), default=None),
        written=_written(cells, lines),
    )
    named = leaf.lines or leaf.tools or leaf.format or leaf.anchors or any(cell.frame.tools for cell in cells)
    leaf.ad_hoc = not (named or anchored) or _seen(cells) < k or _is_one_talk(cells, k=k)
    return leaf


def _written(cells: Sequence[Cell], lines: Sequence[str]) -> dict[str, str]:
    """The lines that hold abbreviations, as (almost) all of the prompts write them."""
    whole = _weight_of(cells)
    forms: dict[str, Counter[str]] = {}
    for cell in cells:
        for line in cell.written.keys() & set(lines):
            if (form := cell.written[line]) is not None:
                forms.setdefault(line, Counter())[form] += cell.weight
    most = {line: counts.most_common(1)[0] for line, counts in sorted(forms.items())}
    return {line: form for line, (form, weight) in most.items() if weight >= CORE * whole}


def _is_one_talk(cells: Sequence[Cell], *, k: int) -> bool:
    """Whether a few calls all begin with the same message: one conversation or one run, not a job that comes back.

    In a log of a few dozen lines that may be all there is, so there it counts.
    """
    messages = {mark for cell in cells for opening in cell.openings.values() for mark in opening.marks}
    return k > 2 and len(messages) == 1 and _seen(cells) < _ONE_TALK


def _marks(frames: Sequence[Item], lines: Sequence[str]) -> tuple[str, ...]:
    """Lines that only some of a leaf's prompts have, when they come in a few combinations: versions of the prompt.

    Many combinations are no versions: they are examples that rotate, or documents that are popular.
    """
    whole = total(frames)
    held: Counter[str] = Counter()
    for item in frames:
        held.update(dict.fromkeys(item.held, item.weight))
    core_lines = set(lines)
    some = {line for line, weight in held.items() if line not in core_lines and weight >= max(3, _RARE * whole)}
    # One line with many wordings has a slot in it.
    starts = Counter(_start(line) for line in some)
    some = {line for line in some if starts[_start(line)] < _MANY}
    if len(some) > _MAX_MARKS:
        return ()
    combinations = {frozenset(some.intersection(item.held)) for item in frames}
    if len(combinations) > _MAX_VERSIONS:
        return ()
    asking = sum(INSTRUCTS.search(line) is not None for line in some)
    return tuple(sorted(some)) if len(combinations) < _MANY or 2 * asking >= len(some) else ()


def _start(line: str) -> str:
    return " ".join(line.split(" ", 2)[:2])


def _different(items: Sequence[Item]) -> bool:
    return different_messages(items) > 1


def _shared_names(rows: Sequence[tuple[tuple[str, ...], int]]) -> tuple[str, ...]:
    whole = sum(weight for _, weight in rows)
    held: Counter[str] = Counter()
    for names, weight in rows:
        held.update(dict.fromkeys(names, weight))
    return tuple(sorted(name for name, weight in held.items() if weight >= CORE * whole))
