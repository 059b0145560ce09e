"""Exchanges into workloads, without tags: learn what repeats, grow a tree from it, then place each request in it.

    grouper = Grouper()
    for request in log: grouper.learn(request, at=time)   # counts, nothing else
    grouper.link()                                        # grows the tree, finds versions, mints ids
    grouper.assign(request)                               # constant time; every request has a workload

Rules kept: an id is minted once, from what the prompt says, and stays valid for ever; when two prompts turn out to be
versions of one, the younger id becomes an alias of the older; memory is bounded whatever the traffic; nothing depends on
the order of arrival, on a clock or on Python's salted hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from fairlead.core.errors import LedgerTooNew, UsageError
from fairlead.core.ids import digest
from fairlead.core.nouns import JSON, Endpoint, Request
from fairlead.core.quick import quick
from fairlead.core.workload.grow import grow, messages_may_divide
from fairlead.core.workload.link import SHARED, versions
from fairlead.core.workload.mask import Masker
from fairlead.core.workload.memo import Memo
from fairlead.core.workload.naming import clean, names
from fairlead.core.workload.sample import SHORT_FRAME, Cell, Sample, size_of
from fairlead.core.workload.sentence import literal_words
from fairlead.core.workload.shape import Frame, anchors_of, first_user, frame_of, mark_of
from fairlead.core.workload.tree import By, Leaf, Node, leaves, likeness, node_from_json, node_to_json, walk

_STATE: Final = 1
_AD_HOC: Final = "p" + digest("ad hoc", size=6)
_MEMO_BYTES: Final = 10_000_000
# What a call that was not known before counts beside one that was, when it is asked whose id a leaf goes by.
_NEWS: Final = 1 / 1_000
# An id stays with the wording it had while at least this share of its calls has it.
_GOOD_PART: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Where a request belongs: its workload, and the version of the workload's prompt."""

    workload_id: str
    prompt_id: str


@quick
@dataclass(frozen=True, slots=True)
class Shaped:
    """A request by what places it; `opening` is `None` where the user's message was not read, for it hardly ever matters."""

    frame: Frame
    opening: tuple[str, ...] | None


@dataclass(slots=True)
class Wishes:
    """What the user decided, which no later link undoes: names, homes of prompt versions, workloads left alone."""

    names: dict[str, str] = field(default_factory=dict[str, str])
    homes: dict[str, str] = field(default_factory=dict[str, str])
    pinned: set[str] = field(default_factory=set[str])

    def to_json(self) -> JSON:
        """The wishes as JSON."""
        return {"names": dict(self.names), "homes": dict(self.homes), "pinned": [*sorted(self.pinned)]}

    @classmethod
    def from_json(cls, state: JSON) -> Wishes:
        """The wishes that `to_json` wrote."""
        rows = _mapping(state)
        names = {id_: str(name) for id_, name in _mapping(rows["names"]).items()}
        homes = {leaf: str(home) for leaf, home in _mapping(rows["homes"]).items()}
        return cls(names, homes, {str(id_) for id_ in _rows(rows["pinned"])})


class Grouper:
    """Groups requests into workloads.

    Several processes share one state: each learns for itself, and now and then one of them loads the shared state,
    lets it `absorb` what it has learned since, links and stores it, in one transaction.
    """

    def __init__(self) -> None:
        self._masker = Masker()
        self._sample = Sample()
        self._news = Sample()
        self._tree = Node(By.FAMILY)
        self._leaves = {_AD_HOC: Leaf(_AD_HOC, "chat", ad_hoc=True)}
        self._aliases: dict[str, str] = {}
        self._born: dict[str, int] = {}
        self._links = 0
        self._names: dict[str, str] = {}
        self._wishes = Wishes()
        self._prompts: dict[str, str] = {}
        self._landed: Memo[tuple[Frame, str], Assignment] = Memo(_MEMO_BYTES, lambda key, _: size_of(key[0]))
        self._reads: Memo[Frame, int] = Memo(_MEMO_BYTES, lambda frame, _: size_of(frame))
        self._plain: Memo[Frame, Leaf] = Memo(_MEMO_BYTES, lambda frame, _: size_of(frame))
        self._name()

    def spare_memory(self, *, most_mb: float) -> None:
        """Remember no more of what was worked out than about so much: for a process that runs all day beside others."""
        each = round(most_mb * 1e6 / 5)
        self._masker.spare(each)
        for memo in (self._landed, self._plain):
            memo.spare(each)
        self._reads.spare(each // 2)

    @property
    def aliases(self) -> Mapping[str, str]:
        """Workload ids that turned out to be another workload's, with that one's id."""
        return MappingProxyType({old: self.resolve(new) for old, new in self._aliases.items()})

    def resolve(self, workload_id: str) -> str:
        """The id that a workload goes by today."""
        while (now := self._aliases.get(workload_id)) is not None:
            workload_id = now
        return workload_id

    def learn(self, request: Request, *, at: datetime | None = None) -> None:
        """Count one request; `at` is when it was made, where the log says."""
        system = request.system
        stands_for = 1 if not system or self._masker.has_masked(system) else self._news.stands_for(system)
        if stands_for:
            self._learn(request, frame_of(request, self._masker), at, stands_for)

    def take(self, request: Request, *, at: datetime | None = None, whole: bool = False) -> Shaped:
        """Learn from a request and return what places it later.

        `whole` says that the request cannot be read again: then every user message is read that may tell where it belongs.
        """
        system = request.system
        stands_for = 1 if not system or self._masker.has_masked(system) else self._news.stands_for(system)
        frame = frame_of(request, self._masker)
        opening = self._learn(request, frame, at, stands_for) if stands_for else None
        if opening is None and (self._needs_opening(frame) or (whole and self._may_need_opening(frame))):
            opening = anchors_of(first_user(request), self._masker)
        return Shaped(frame, opening)

    def _learn(self, request: Request, frame: Frame, at: datetime | None, stands_for: int) -> tuple[str, ...] | None:
        """Count a request; the user message's segments where they were read."""
        cell = self._news.cell(frame, at.timestamp() if at is not None else None, stands_for)
        if cell is None or request.endpoint is Endpoint.EMBEDDINGS:
            return None
        cell.look(request.system, self._masker.line)
        text = first_user(request)
        mark = mark_of(text)
        level = self._news.level_for(cell, mark)
        if level is None:
            return None
        opening = anchors_of(text, self._masker)
        self._news.opening(cell, opening, mark, level)
        return opening

    def _needs_opening(self, frame: Frame) -> bool:
        """Whether requests of this frame are likely to be told apart by what the user's message begins or ends with."""
        known = self._reads.get(frame)
        if known is None:
            words = sum(map(literal_words, frame.lines))
            known = 1 if words < SHORT_FRAME and not frame.tools and not frame.format else 2
            self._reads.put(frame, known)
        return known == 1

    def _may_need_opening(self, frame: Frame) -> bool:
        """Whether the user's message told calls of this frame apart before, or may by what was read of such messages."""
        asked = False

        def anchors() -> tuple[str, ...]:
            nonlocal asked
            asked = True
            return ()

        if self._plain.get(frame) is None and (leaf := walk(self._tree, frame, anchors)) is not None and not asked:
            self._plain.put(frame, leaf)
        return asked or self._news.may_divide(frame, messages_may_divide)

    def assign_shape(self, shaped: Shaped) -> Assignment | None:
        """Where a request of this shape belongs; `None` when its user message decides that and was not read."""
        frame = shaped.frame
        leaf = self._plain.get(frame)
        if leaf is None:
            asked = False

            def anchors() -> tuple[str, ...]:
                nonlocal asked
                asked = True
                return shaped.opening or ()

            leaf = walk(self._tree, frame, anchors)
            if asked and shaped.opening is None:
                return None
            if leaf is not None and not asked:
                self._plain.put(frame, leaf)
        return self._assignment(frame, leaf if leaf is not None else self._leaves[_AD_HOC])

    def forget_rare_news(self) -> None:
        """Keep of what is new only wording that came back: for ledgers that must not hold what a single message said."""
        self._news.forget_rare()

    def assign(self, request: Request) -> Assignment:
        """Where a request belongs; what fits nowhere belongs to the ad hoc workload."""
        frame = frame_of(request, self._masker)
        leaf = self._leaf_of(frame, request)
        return self._assignment(frame, leaf if leaf is not None else self._leaves[_AD_HOC])

    def learner(self) -> Grouper:
        """A grouper that learns for this one to `absorb`, sharing what this one has worked out about wording."""
        other = Grouper()
        other._masker = self._masker
        other._tree = self._tree
        return other

    def arrive(self, request: Request, *, at: datetime | None = None) -> Assignment | None:
        """Learn from a request as it arrives and place it; `None` while it is not certain where it belongs."""
        self.learn(request, at=at)
        return self.place(request)

    def place(self, request: Request) -> Assignment | None:
        """Where a request belongs, without learning from it; `None` while that is not certain."""
        frame = frame_of(request, self._masker)
        leaf = self._leaf_of(frame, request)
        if leaf is None or leaf.ad_hoc or _overlap(leaf, frame) < SHARED:
            return None
        return self._assignment(frame, leaf)

    def is_told_by_frame(self, request: Request) -> bool:
        """Whether a request that was placed would be placed there whatever its user says: by its author's wording alone."""
        return self._plain.get(frame_of(request, self._masker)) is not None

    def _leaf_of(self, frame: Frame, request: Request) -> Leaf | None:
        leaf = self._plain.get(frame)
        if leaf is not None:
            return leaf
        asked = False

        def anchors() -> tuple[str, ...]:
            nonlocal asked
            asked = True
            return anchors_of(first_user(request), self._masker)

        leaf = walk(self._tree, frame, anchors)
        if leaf is not None and not asked:
            self._plain.put(frame, leaf)
        return leaf

    def _assignment(self, frame: Frame, leaf: Leaf) -> Assignment:
        known = self._landed.get((frame, leaf.id))
        if known is None:
            prompt = _version(leaf, set(frame.lines))
            known = Assignment(workload_id=self._home_of(prompt, leaf), prompt_id=prompt)
            self._landed.put((frame, leaf.id), known)
        return known

    def news(self) -> JSON:
        """What was learned since this grouper was made or loaded, for another process's `absorb_news`."""
        return self._news.to_json()

    def absorb_news(self, news: JSON) -> None:
        """Add what a grouper of another process has learned."""
        self._news.absorb(Sample.from_json(news))

    def absorb(self, other: Grouper) -> None:
        """Add what another grouper has learned since it was made or loaded; ids and names stay as they are here."""
        self._news.absorb(other._news)
        self._masker = other._masker  # what it has masked need not be masked again

    def link(self) -> None:
        """Grow the tree from everything learned, carry ids over, mint new ones, and join versions of one prompt."""
        known = {frame: cell.weight for frame, cell in self._sample.cells.items()}
        self._settle()
        before, self._tree = self._tree, grow(self._sample)
        self._links += 1
        grown = list(leaves(self._tree))
        for leaf in grown:
            if leaf.ad_hoc:
                leaf.id = _AD_HOC
        fresh = [leaf for leaf in grown if not leaf.ad_hoc]
        gone = self._inherit(before, known)
        groups = [[fresh[i] for i in group] for group in versions(fresh)]
        minted = self._mint(groups, avoiding=gone.keys())
        for group in groups:
            self._join(group)
        # What is no longer in the tree keeps its id, and nothing that takes room.
        self._leaves = {id_: Leaf(id_, leaf.family, ad_hoc=leaf.ad_hoc) for id_, leaf in self._leaves.items()}
        self._leaves.update((leaf.id, leaf) for leaf in fresh)
        for old, new in gone.items():
            self._succeed(old, new.id, is_new=new.id in minted)
        self._count_prompts()
        self._changed()

    def _settle(self) -> None:
        """Move what is new into the sample."""
        if not self._sample.cells:
            self._sample, self._news = self._news, self._sample
        elif self._news.cells:
            self._sample.absorb(self._news)
            self._news = Sample()

    def _changed(self) -> None:
        self._landed.clear()
        self._plain.clear()
        self._name()

    def _home_of(self, prompt_id: str, leaf: Leaf) -> str:
        """The workload of a prompt version: where the user put it, or where its leaf belongs."""
        home = self._wishes.homes.get(prompt_id)
        return self._workload_of(leaf.id) if home is None else self.resolve(home)

    def _workload_of(self, leaf_id: str) -> str:
        return self.resolve(self._wishes.homes.get(leaf_id, _own_workload(leaf_id)))

    def rename(self, workload_id: str, name: str) -> None:
        """Call a workload by a name of the user's choice, until it is renamed again."""
        self._wishes.names[self._known(workload_id)] = clean(name)
        self._name()

    def merge(self, workload_id: str, *, into: str) -> None:
        """Make one workload of two: the first id becomes an alias of the other."""
        self._alias(self._known(workload_id), self._known(into))
        self._changed()

    def split(self, prompt_id: str) -> str:
        """Give one prompt version a workload of its own, which no later link joins to another; its new id is returned.

        What was counted under the old id stays valid there; a re-scan places the version's requests anew.
        """
        if prompt_id not in self._prompts:
            raise UsageError(
                f"Prompt version {clean(prompt_id)!r} is not known; `fairlead workload show` lists those of a workload."
            )
        made = "w" + digest(["split", prompt_id, len(self._wishes.homes)], size=6)
        self._wishes.homes[prompt_id] = made
        self._wishes.pinned.add(made)
        self._changed()
        return made

    def pin(self, workload_id: str, *, held: bool = True) -> None:
        """Keep a workload as it is: no link joins it to another one, until it is let go (`held=False`)."""
        home = self._known(workload_id)
        (self._wishes.pinned.add if held else self._wishes.pinned.discard)(home)

    def _known(self, workload_id: str) -> str:
        home = self.resolve(workload_id)
        if home not in self._names:
            raise UsageError(f"Workload {clean(workload_id)!r} is not known; `fairlead scan` lists those that are.")
        return home

    def is_pinned(self, workload_id: str) -> bool:
        """Whether links leave this workload alone."""
        return self.resolve(workload_id) in self._wishes.pinned

    def _placed(self, tree: Node) -> Iterator[tuple[Cell, Leaf | None, int]]:
        """Everything in the sample with its leaf in a tree and its weight."""
        for cell in self._sample.cells.values():
            if not cell.openings:
                yield cell, walk(tree, cell.frame, tuple[str, ...]), cell.weight
            for segments, opening in cell.openings.items():
                yield cell, walk(tree, cell.frame, partial(tuple[str, ...], segments)), opening.weight

    def _inherit(self, before: Node, known: Mapping[Frame, int]) -> dict[str, Leaf]:
        """Give each leaf the id under which most of it was known; ids that no leaf took, with the leaf they went to.

        What was not `known` before only fell where the old tree knew nothing better: it decides nothing. And an id stays with
        the wording it had, where a good part of its calls still has it; a leaf that several ids would stay with takes the one
        whose wording it has, where a good part of its calls had that.
        """
        votes: Counter[tuple[str, int]] = Counter()
        by_number: dict[int, Leaf] = {}
        if before.kids:
            for (cell, old, weight), (_, new, _) in zip(self._placed(before), self._placed(self._tree), strict=True):
                if old is not None and new is not None and not old.ad_hoc and not new.ad_hoc:
                    by_number[id(new)] = new
                    votes[old.id, id(new)] += round(weight * (_NEWS + known.get(cell.frame, 0) / cell.weight) / _NEWS)
        alike = _alike(votes, by_number, self._leaves)
        nearest = _nearest(votes, alike)
        for vote in _few_of_their_leaf(votes):
            alike[vote] = -1.0
        gone: dict[str, Leaf] = {}
        for old_id, number in sorted(
            votes, key=lambda vote: (nearest[vote[0]] != vote[1], -alike[vote], -votes[vote], vote[0])
        ):
            leaf = by_number[number]
            if not leaf.id and old_id not in gone:
                leaf.id = old_id
                gone[old_id] = leaf
            gone.setdefault(old_id, leaf)
        return {old: leaf for old, leaf in gone.items() if leaf.id != old}

    def _mint(self, groups: list[list[Leaf]], *, avoiding: Iterable[str]) -> set[str]:
        """Ids from content: the line of a prompt that fewest prompts share, with its tools and schema.

        A prompt that comes back after it was forgotten gets the id it had.
        """
        shared: dict[str, int] = {}
        for group in groups:
            for line in {line for leaf in group for line in (*leaf.lines, *leaf.anchors)}:
                shared[line] = shared.get(line, 0) + 1
        waiting = [leaf for group in groups for leaf in group if not leaf.id]
        used = {leaf.id for group in groups for leaf in group if leaf.id}.union(avoiding)
        minted: set[str] = set()
        for leaf in sorted(waiting, key=_age):
            lines = sorted((*leaf.lines, *leaf.anchors), key=lambda line: (shared[line], _hash(line)))
            short: list[JSON] = [leaf.family, *lines[:1], [*leaf.tools], [*leaf.format]]
            content: list[JSON] = [leaf.family, [*leaf.lines], [*leaf.anchors], [*leaf.tools], [*leaf.format]]
            id_ = "p" + digest(short, size=6)
            number = 0
            while id_ in used:
                id_ = "p" + digest([content, number], size=6)
                number += 1
            leaf.id = id_
            used.add(id_)
            minted.add(id_)
            self._born.setdefault(id_, self._links)
        return minted

    def _join(self, group: list[Leaf]) -> None:
        free = [leaf for leaf in group if not self.is_pinned(self._workload_of(leaf.id))]
        if len({self._workload_of(leaf.id) for leaf in free}) < 2:
            return
        eldest = min(free, key=lambda leaf: (self._born.get(leaf.id, 0), *_age(leaf), leaf.id))
        home = self._workload_of(eldest.id)
        for leaf in free:
            self._alias(self._workload_of(leaf.id), home)

    def _succeed(self, old: str, new: str, *, is_new: bool) -> None:
        """A prompt version is gone, and another one holds most of what it had: its workload goes with it."""
        before, now = self._workload_of(old), self._workload_of(new)
        if self.is_pinned(before):
            if is_new:
                self._wishes.homes[new] = before
        elif not self.is_pinned(now):
            self._alias(before, now)

    def _alias(self, old: str, new: str) -> None:
        old, new = self.resolve(old), self.resolve(new)
        if old != new:
            self._aliases[old] = new
            if (name := self._wishes.names.pop(old, None)) is not None:
                self._wishes.names.setdefault(new, name)

    def _name(self) -> None:
        heads: dict[str, Leaf] = {}
        for leaf in sorted(self._leaves.values(), key=lambda leaf: (-leaf.count, leaf.id)):
            heads.setdefault(self._workload_of(leaf.id), leaf)
        for prompt_id, home in self._wishes.homes.items():
            if prompt_id in self._prompts:
                heads.setdefault(self.resolve(home), self._leaves[self._prompts[prompt_id]])
        chosen = self._wishes.names
        taken = {name.casefold() for name in chosen.values()}
        kept = {id_: name for id_, name in self._names.items() if id_ in heads and name.casefold() not in taken}
        self._names = names(heads, taken=kept | chosen)

    def name(self, workload_id: str) -> str:
        """A short name for people; unique unless a user chose otherwise, and kept once given."""
        return self._names.get(self.resolve(workload_id)) or f"Workload {clean(workload_id, 40)}"

    def prompts(self, workload_id: str) -> tuple[str, ...]:
        """The prompt versions of a workload, the most used first; each may be split off."""
        home = self.resolve(workload_id)
        return tuple(id_ for id_, leaf_id in self._prompts.items() if self._home_of(id_, self._leaves[leaf_id]) == home)

    def _count_prompts(self) -> None:
        """Which prompt versions the sample holds, the most used first, and the leaf of each."""
        weights: Counter[tuple[str, str]] = Counter()
        for cell, leaf, weight in self._placed(self._tree):
            if leaf is not None and not leaf.ad_hoc:
                weights[_version(leaf, set(cell.frame.lines)), leaf.id] += weight
        ordered = sorted(weights.items(), key=lambda entry: (-entry[1], entry[0]))
        self._prompts = {prompt_id: leaf_id for (prompt_id, leaf_id), _ in ordered}

    def to_json(self) -> JSON:
        """The whole state as JSON."""
        self._settle()
        return {
            "version": _STATE,
            "links": self._links,
            "sample": self._sample.to_json(),
            "tree": node_to_json(self._tree),
            "leaves": [_leaf_to_json(leaf) for leaf in self._leaves.values()],
            "aliases": dict(self._aliases),
            "born": dict(self._born),
            "names": dict(self._names),
            "wishes": self._wishes.to_json(),
            "prompts": dict(self._prompts),
        }

    @classmethod
    def from_json(cls, state: JSON) -> Grouper:
        """The grouper that `to_json` wrote."""
        assert isinstance(state, dict)
        if int(str(state["version"])) > _STATE:
            raise LedgerTooNew("The workloads were stored by a newer Fairlead; upgrade this one to read them.")
        grouper = cls()
        grouper._sample = Sample.from_json(state["sample"])
        for row in _rows(state["leaves"]):
            leaf = _leaf_from_json(row)
            grouper._leaves[leaf.id] = leaf
        grouper._tree = node_from_json(state["tree"], grouper._leaves.__getitem__)
        grouper._aliases = {old: str(new) for old, new in _mapping(state["aliases"]).items()}
        grouper._born = {id_: int(str(born)) for id_, born in _mapping(state["born"]).items()}
        grouper._names = {id_: str(name) for id_, name in _mapping(state["names"]).items()}
        grouper._links = int(str(state["links"]))
        grouper._wishes = Wishes.from_json(state["wishes"])
        grouper._prompts = {id_: str(leaf) for id_, leaf in _mapping(state["prompts"]).items()}
        return grouper


def _own_workload(leaf_id: str) -> str:
    return "w" + leaf_id[1:]


Vote = tuple[str, int]
"""Calls that were known under an id, and fall under the leaf of this number now."""


def _alike(
    votes: Mapping[Vote, int], leaves_by_number: Mapping[int, Leaf], old: Mapping[str, Leaf]
) -> dict[Vote, float]:
    """How much alike the wording of an old id and of a leaf is."""
    found: dict[Vote, float] = {}
    for old_id, number in votes:
        was, leaf = old[old_id], leaves_by_number[number]
        found[old_id, number] = likeness((*was.lines, *was.anchors), (*leaf.lines, *leaf.anchors))
    return found


def _nearest(votes: Mapping[Vote, int], alike: Mapping[Vote, float]) -> dict[str, int]:
    """For each old id the leaf that reads most like it, of those that a good part of its calls went to."""
    whole: Counter[str] = Counter()
    for (old_id, _), weight in votes.items():
        whole[old_id] += weight
    best: dict[str, tuple[float, int, int]] = {}
    for (old_id, number), weight in votes.items():
        rank = (alike[old_id, number] if weight >= _GOOD_PART * whole[old_id] else -1.0, weight, number)
        if old_id not in best or rank[:2] > best[old_id][:2]:
            best[old_id] = rank
    return {old_id: number for old_id, (_, _, number) in best.items()}


def _few_of_their_leaf(votes: Mapping[Vote, int]) -> list[Vote]:
    """Those that are no good part of the leaf they fall under."""
    whole: Counter[int] = Counter()
    for (_, number), weight in votes.items():
        whole[number] += weight
    return [vote for vote, weight in votes.items() if weight < _GOOD_PART * whole[vote[1]]]


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _age(leaf: Leaf) -> tuple[float, int, tuple[str, ...], tuple[str, ...]]:
    """Oldest first; where the log has no times, the most used first."""
    return (float("inf") if leaf.first is None else leaf.first, -leaf.count, leaf.lines, leaf.anchors)


def _overlap(leaf: Leaf, frame: Frame) -> float:
    """How much of the leaf's own wording a frame holds, by words."""
    if not leaf.lines:
        return 1.0
    held = set(frame.lines)
    return sum(literal_words(line) for line in leaf.lines if line in held) / sum(map(literal_words, leaf.lines))


def _version(leaf: Leaf, held: Container[str]) -> str:
    """The id of a prompt version: the leaf, with those of its known lines that the prompt has."""
    if leaf.ad_hoc:
        return leaf.id
    present: list[JSON] = [line for line in sorted({*leaf.lines, *leaf.marks}) if line in held]
    return "p" + digest([leaf.id, present], size=6)


def _leaf_to_json(leaf: Leaf) -> JSON:
    lists: list[Iterable[str]] = [leaf.lines, leaf.tools, leaf.format, leaf.anchors, leaf.marks, leaf.said]
    texts: list[JSON] = [[*texts] for texts in lists]
    return [leaf.id, leaf.family, texts, leaf.count, leaf.first, leaf.last, leaf.ad_hoc, {**leaf.written}]


def _leaf_from_json(row: JSON) -> Leaf:
    assert isinstance(row, list)
    id_, family, texts, count, first, last, ad_hoc, written = row
    lines, tools, paths, anchors, marks, said = (tuple(map(str, _rows(part))) for part in _rows(texts))
    return Leaf(
        id=str(id_),
        family=str(family),
        lines=lines,
        tools=tools,
        format=paths,
        anchors=anchors,
        marks=marks,
        said=said,
        count=int(str(count)),
        first=None if first is None else float(str(first)),
        last=None if last is None else float(str(last)),
        ad_hoc=bool(ad_hoc),
        written={line: str(form) for line, form in _mapping(written).items()},
    )


def _rows(value: JSON) -> list[JSON]:
    assert isinstance(value, list)
    return value


def _mapping(value: JSON) -> dict[str, JSON]:
    assert isinstance(value, dict)
    return value
