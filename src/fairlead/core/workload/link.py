"""Which leaves are versions of one prompt: the same tools and schema, most of the wording, and a harmless difference.

Harmless is a line added or taken away, a line reworded, or one prompt following the other in time. A line *replaced*
while both prompts are in use is taken for another task behind the same preamble, and so is the first task behind a preamble
that others send alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import Final

from fairlead.core.workload.sentence import literal_words
from fairlead.core.workload.tree import ALIKE, Leaf, likeness
from fairlead.core.workload.wording import is_head, verb

# Versions share this much of the longer one, by words; when lines were reworded, so much must be shared word for word.
SHARED: Final = 0.6
_KEPT: Final = 0.3
# A line is reworded when this much of its words are the same.
_REWORDED: Final = 0.6
# One follows the other when they overlap by less than this share of the shorter one's time. A handful of calls says
# nothing about when a prompt was in use.
_OVERLAP: Final = 0.25
_FEWEST_IN_TIME: Final = 8
# A prompt that so many others hold whole, each with something of its own, is their head.
_HEADED: Final = 2
# A line in more prompts than this is a phrase everybody uses.
_CROWD: Final = 60
# A line that half of all prompts have, and at least so many, is on a page that is put before everything: it makes no two of them
# versions of one.
_FEWEST_ON_PAGE: Final = 8


def versions(whole: Sequence[Leaf]) -> list[list[int]]:
    """The leaves by number, grouped into prompts; every leaf is in one group."""
    leaves = _without_page(whole)
    joined = _Joined(leaves)
    longer: dict[int, list[int]] = {}
    for a, b in _candidates(leaves):
        short = _shorter(leaves, a, b)
        if short is None:
            joined.join(a, b)
        else:
            longer.setdefault(short, []).append(b if short == a else a)
    # The longest first, so that versions of one prompt that were added to step by step count as the one they are.
    for a, others in sorted(longer.items(), key=lambda entry: (-_words(leaves[entry[0]].lines), entry[0])):
        # What several prompts begin with is a head that they share, not an earlier version of any of them.
        if len({joined.root(b) for b in others} - {joined.root(a)}) < _HEADED:
            for b in others:
                joined.join(a, b)
    _told.cache_clear()  # nobody asks again before much has changed
    return joined.groups()


def _without_page(leaves: Sequence[Leaf]) -> list[Leaf]:
    """The leaves without the lines that most of them have."""
    held = Counter(line for leaf in leaves for line in leaf.lines)
    with_lines = sum(bool(leaf.lines) for leaf in leaves)
    page = {line for line, number in held.items() if number >= max(_FEWEST_ON_PAGE, with_lines / 2)}
    return [replace(leaf, lines=tuple(line for line in leaf.lines if line not in page)) for leaf in leaves]


class _Joined:
    """Leaves by number, those that are versions of one prompt under the lowest of their numbers."""

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        self._leaves = leaves
        self._parent = list(range(len(leaves)))

    def root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def join(self, a: int, b: int) -> None:
        """Join two leaves if they are versions of one prompt."""
        one, other = self.root(a), self.root(b)
        if one != other and are_versions(self._leaves[a], self._leaves[b]):
            self._parent[max(one, other)] = min(one, other)

    def groups(self) -> list[list[int]]:
        found: dict[int, list[int]] = {}
        for i in range(len(self._leaves)):
            found.setdefault(self.root(i), []).append(i)
        return list(found.values())


def _candidates(leaves: Sequence[Leaf]) -> Iterator[tuple[int, int]]:
    """Pairs of leaves that share a line, those that share most first."""
    holders: dict[str, list[int]] = {}
    for i, leaf in enumerate(leaves):
        if not leaf.ad_hoc:
            for line in leaf.lines or leaf.anchors:
                holders.setdefault(line, []).append(i)
    shared: Counter[tuple[int, int]] = Counter()
    for line, group in holders.items():
        if len(group) <= _CROWD:
            words = literal_words(line)
            shared.update(dict.fromkeys(combinations(group, 2), words))
    return (pair for pair, _ in sorted(shared.items(), key=lambda entry: (-entry[1], entry[0])))


def _shorter(leaves: Sequence[Leaf], a: int, b: int) -> int | None:
    """The one of two leaves whose wording is all in the other one's, if either is."""
    one, other = (set(leaf.lines or leaf.anchors) for leaf in (leaves[a], leaves[b]))
    return a if one < other else b if other < one else None


def are_versions(a: Leaf, b: Leaf) -> bool:
    """Whether two leaves are versions of one prompt."""
    if a.family != b.family or likeness(a.tools, b.tools) < ALIKE or likeness(a.format, b.format) < ALIKE:
        return False
    if bool(a.lines) != bool(b.lines):
        return False
    succeed = _succeed(a, b)
    if not succeed and (_heads(a, b) or _heads(b, a)):
        return False
    if not a.lines:
        return _alike(a.anchors, b.anchors, succeed=succeed)
    if bool(a.anchors) != bool(b.anchors):
        return False
    return _alike(a.lines, b.lines, succeed=succeed) and (
        not a.anchors or set(a.anchors) == set(b.anchors) or _alike(a.anchors, b.anchors, succeed=succeed)
    )


def _heads(a: Leaf, b: Leaf) -> bool:
    """Whether the prompt of one is what the other's begins with, before the other is given its task."""
    return set(a.lines) < set(b.lines) and is_head(a.lines, b.lines)


def _alike(a: Sequence[str], b: Sequence[str], *, succeed: bool) -> bool:
    both = set(a) & set(b)
    only_a = [line for line in a if line not in both]
    only_b = [line for line in b if line not in both]
    larger = max(_words(a), _words(b))
    partners = _reworded(only_a, only_b)
    shared = _words(both) + sum(min(literal_words(x), literal_words(y)) for x, y in partners)
    if shared < SHARED * larger:
        return False
    if partners and _words(both) < _KEPT * larger:
        return False
    return succeed or min(len(only_a), len(only_b)) == len(partners)


def _words(lines: Sequence[str] | set[str]) -> int:
    return sum(map(literal_words, lines))


class _Told:
    """A line with its words and the verb it opens with, found once (`_told`) however many lines it is held against."""

    __slots__ = ("line", "verb", "words")

    def __init__(self, line: str) -> None:
        self.line = line
        self.words = frozenset(line.split(" "))
        self.verb = verb(line)

    def likeness(self, other: _Told) -> float:
        return likeness(self.words, other.words)


_told = lru_cache(maxsize=4_096)(_Told)


def _reworded(only_a: Sequence[str], only_b: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of lines that say nearly the same of the same thing to do: another verb is another task."""
    left = [*map(_told, only_b[:32])]
    pairs: list[tuple[str, str]] = []
    for told in map(_told, only_a[:32]):
        close = [other for other in left if other.verb == told.verb]
        best = max(close, key=told.likeness, default=None)
        if best is not None and told.likeness(best) >= _REWORDED:
            left.remove(best)
            pairs.append((told.line, best.line))
    return pairs


def _succeed(a: Leaf, b: Leaf) -> bool:
    """Whether one was in use before the other, by event time; unknown times tell nothing."""
    if a.first is None or b.first is None or a.last is None or b.last is None:
        return False
    if min(a.count, b.count) < _FEWEST_IN_TIME:
        return False
    overlap = min(a.last, b.last) - max(a.first, b.first)
    shorter = min(a.last - a.first, b.last - b.first)
    return overlap <= 0 < max(a.last - a.first, b.last - b.first) or (shorter > 0 and overlap < _OVERLAP * shorter)
