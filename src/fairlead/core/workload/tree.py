"""The tree of workloads: how a shape finds its leaf.

A node asks one thing of a shape: which of its lines it holds, which tools it offers, which schema it wants, or which
fixed wording its user message has. A leaf is one version of one prompt; `core` is what almost all of its requests share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from fairlead.core.nouns import JSON
from fairlead.core.workload.shape import Frame

_AFFIX: Final = 5
_SHORTEST_WITH_AFFIX: Final = 7
ALIKE: Final = 0.6


class By(StrEnum):
    """What a node asks for."""

    FAMILY = "family"
    LINES = "lines"
    TOOLS = "tools"
    FORMAT = "format"
    USER = "user"
    LEAF = "leaf"


@dataclass(slots=True)
class Leaf:
    """One version of one prompt.

    `lines`, `tools`, `format` and `anchors` are what (almost) all of its requests share, in the prompt's order; a leaf that shares
    nothing is ad hoc. `marks` are the lines by which versions of it differ, `said` is the message where all of its requests send the
    same one (for its name only), `written` are lines with the abbreviations that stand in them. `first` and `last` are when it was
    seen, in seconds, where the log says.
    """

    id: str
    family: str
    lines: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    count: int = 0
    first: float | None = None
    last: float | None = None
    ad_hoc: bool = False
    written: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Node:
    """A question and where its answers lead; `rest` is for shapes that fit no answer.

    `tests` are the answers of each kid: what one of its shapes holds, with the rank at which it is asked for, so that a
    shape that holds several goes where the growth of the tree put it.
    """

    by: By
    tests: list[dict[str, int]] = field(default_factory=list[dict[str, int]])
    kids: list[Node] = field(default_factory=list["Node"])
    rest: Node | None = None
    leaf: Leaf | None = None
    ranks: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    asks_ends: bool = False

    def add(self, test: Mapping[str, int], kid: Node) -> None:
        """One more answer and where it leads."""
        self.ranks.update((feature, (rank, len(self.kids))) for feature, rank in test.items())
        self.asks_ends = self.asks_ends or any(feature.startswith(("^ ", "$ ")) for feature in test)
        self.tests.append(dict(test))
        self.kids.append(kid)


def affixes(segment: str) -> tuple[str, ...]:
    """A long segment's first and last few words, as features of their own: a slot may stand at either end."""
    words = segment.split(" ", _SHORTEST_WITH_AFFIX - 1)
    if len(words) < _SHORTEST_WITH_AFFIX:
        return ()
    if segment.isascii() or len(words[0]) > 1 or len(words[1]) > 1:
        return "^ " + " ".join(words[:_AFFIX]), "$ " + " ".join(segment.rsplit(" ", _AFFIX)[1:])
    # Scripts without spaces are cut into letters, about three to a word.
    letters = segment.split(" ")
    return "^ " + " ".join(letters[: 3 * _AFFIX]), "$ " + " ".join(letters[-3 * _AFFIX :])


def features(segments: Iterable[str]) -> set[str]:
    """All features of the segments: each as it stands, and its two ends."""
    found = set(segments)
    for segment in segments:
        found.update(affixes(segment))
    return found


def likeness(one: Iterable[str], other: Iterable[str]) -> float:
    """Jaccard likeness of two sets of names; two empty sets are alike."""
    a, b = frozenset(one), frozenset(other)
    if not a and not b:
        return 1.0
    return len(a & b) / len(a | b)


def walk(node: Node, frame: Frame, anchors: Callable[[], tuple[str, ...]]) -> Leaf | None:
    """The leaf of a shape, or `None` where the tree knows nothing like it. Constant time: depth and width are bounded."""
    at: Node | None = node
    lines: set[str] | None = None
    opening: set[str] | None = None
    while at is not None and at.by is not By.LEAF:
        match at.by:
            case By.LINES:
                if at.asks_ends and lines is None:
                    lines = features(frame.lines)
                at = _first(at, lines if at.asks_ends and lines is not None else frame.lines)
            case By.USER:
                opening = features(anchors()) if opening is None else opening
                at = _first(at, opening)
            case By.TOOLS:
                at = _nearest(at, frame.tools)
            case By.FORMAT:
                at = _nearest(at, frame.format)
            case _:
                at = _first(at, (frame.family,))
    return at.leaf if at is not None else None


def _first(node: Node, held: Iterable[str]) -> Node | None:
    ranks = node.ranks
    hits = [ranks[feature] for feature in held if feature in ranks]
    return node.kids[min(hits)[1]] if hits else node.rest


def _nearest(node: Node, names: tuple[str, ...]) -> Node | None:
    best, where = 0.0, node.rest
    for test, kid in zip(node.tests, node.kids, strict=True):
        if tuple(test) == names:
            return kid
        if test and names and (alike := likeness(test, names)) > best and alike >= ALIKE:
            best, where = alike, kid
    return where


def leaves(node: Node | None) -> Iterable[Leaf]:
    """Every leaf below a node, in the order in which shapes are tried on them."""
    if node is None:
        return
    if node.leaf is not None:
        yield node.leaf
    for kid in node.kids:
        yield from leaves(kid)
    yield from leaves(node.rest)


def node_to_json(node: Node) -> JSON:
    """A node and everything below it as JSON; leaves by id."""
    return {
        "by": node.by.value,
        "tests": [dict(test) for test in node.tests],
        "kids": [node_to_json(kid) for kid in node.kids],
        "rest": None if node.rest is None else node_to_json(node.rest),
        "leaf": None if node.leaf is None else node.leaf.id,
    }


def node_from_json(state: JSON, leaf_of: Callable[[str], Leaf]) -> Node:
    """The node that `node_to_json` wrote."""
    assert isinstance(state, dict)
    node = Node(By(str(state["by"])))
    tests, kids = state["tests"], state["kids"]
    assert isinstance(tests, list)
    assert isinstance(kids, list)
    for test, kid in zip(tests, kids, strict=True):
        assert isinstance(test, dict)
        node.add({name: int(str(rank)) for name, rank in test.items()}, node_from_json(kid, leaf_of))
    node.rest = None if state["rest"] is None else node_from_json(state["rest"], leaf_of)
    node.leaf = None if state["leaf"] is None else leaf_of(str(state["leaf"]))
    return node
