"""A bounded sample of the shapes seen so far, from which the tree of workloads is grown.

What repeats is counted exactly; what is seen once is sampled by content hash, so that neither the order of arrival nor
the process that saw it matters, and samples of several processes can be merged. However different the prompts are, the
sample stays within its budget: when it is full, half of the rarest shapes go and the others stand for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fairlead.core.nouns import JSON
from fairlead.core.workload.memo import Memo
from fairlead.core.workload.sentence import literal_words
from fairlead.core.workload.shape import Frame, mark_of
from fairlead.core.workload.written import Lines, written

MARKS: Final = 8
MAX_FRAMES: Final = 3_000
MAX_OPENINGS: Final = 16_000
_CELL_OPENINGS: Final = 2_000
_FRAME_BYTES: Final = 18_000_000
_OPENING_BYTES: Final = 18_000_000
_ADMITTED_AT: Final = 3
SHORT_FRAME: Final = 12
_START: Final = 32
_MAX_KIN: Final = 8_000
# From how many on one in four is read, and one in sixteen.
_READ_MESSAGES: Final = (64, 512)
_READ_LITTLE_SAID: Final = (400, 3_000)
_READ_UNFRAMED: Final = (2_000, 20_000)
_READ_PROMPTS: Final = (200, 1_500)
# How many user messages were seen before it is told whether they divide the calls of a prompt.
_FIRST_LOOK: Final = 128
# How many prompts of one frame are looked at for abbreviations; what differs among them stays a slot.
_LOOKED_AT: Final = 32


def bytes_of(segments: Sequence[str]) -> int:
    """Roughly what the segments take in memory."""
    return 80 + sum(64 + (len(s) if s.isascii() else 4 * len(s)) for s in segments)


def _level(seen: int, steps: tuple[int, int]) -> int:
    return 0 if seen < steps[0] else 2 if seen < steps[1] else 4


def _steps(frame: Frame) -> tuple[int, int]:
    """How many user messages are read: few where the frame says what to do, for then they hardly matter."""
    if frame.tools or frame.format or sum(map(literal_words, frame.lines)) >= SHORT_FRAME:
        return _READ_MESSAGES
    return _READ_LITTLE_SAID if frame.lines else _READ_UNFRAMED


def size_of(frame: Frame) -> int:
    """Roughly what a frame takes in memory."""
    return bytes_of(frame.lines) + bytes_of(frame.tools) + bytes_of(frame.format)


@dataclass(slots=True)
class Opening:
    """One masked user message: how often it was seen, and up to eight hashes of the whole messages behind it."""

    count: int
    mark: int
    scale: int = 1
    marks: set[int] = field(default_factory=set[int])

    @property
    def weight(self) -> int:
        """How many messages it stands for."""
        return self.count + self.scale - 1


@dataclass(slots=True)
class Kin:
    """Frames that begin and end alike: how many user messages were seen in any of them, and how many are read.

    `divides` says whether what users write seemed to tell their calls apart, when that was `looked_at` last.
    """

    steps: tuple[int, int]
    messages: int = 0
    divides: bool = True
    looked_at: int = 0


@dataclass(slots=True)
class Cell:
    """One frame: how often and between which moments it was seen, and what users wrote into it.

    `written` are its first lines as they are written (`None` where that varies), told from the first `looked_at` prompts.
    """

    frame: Frame
    mark: int
    count: int = 0
    scale: int = 1
    first: float | None = None
    last: float | None = None
    level: int = 0
    kin: Kin = field(default_factory=lambda: Kin(_READ_PROMPTS))
    openings: dict[tuple[str, ...], Opening] = field(default_factory=dict[tuple[str, ...], Opening])
    written: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    looked_at: int = 0

    @property
    def weight(self) -> int:
        """How many requests it stands for."""
        return self.count + self.scale - 1

    def seen(self, *, count: int, first: float | None, last: float | None) -> None:
        """Count more requests, seen between two moments."""
        self.count += count
        if first is not None and (self.first is None or first < self.first):
            self.first = first
        if last is not None and (self.last is None or last > self.last):
            self.last = last

    def look(self, prompt: str, masked: Lines) -> None:
        """See how the first lines of a prompt of this frame are written, while there is more to learn from it."""
        if self.looked_at < _LOOKED_AT:
            self.add_written(written(prompt, masked), is_first=not self.looked_at)
            self.looked_at += 1

    def add_written(self, found: Mapping[str, str | None], *, is_first: bool) -> None:
        """Lines as they are written elsewhere; one that is written in two ways, or not in each, has a slot there."""
        if is_first:
            self.written = dict(found)
            return
        for line in {*self.written, *found}:
            if self.written.get(line) != found.get(line):
                self.written[line] = None


class Sample:
    """Frames and openings, within a budget."""

    def __init__(self) -> None:
        self.cells: dict[Frame, Cell] = {}
        self._level = 0
        self._frame_bytes = 0
        self._opening_bytes = 0
        self._openings = 0
        self._waiting: Memo[int, int] = Memo(60_000)
        self._kin: dict[tuple[str, ...], Kin] = {}
        self._novel: Memo[str, int] = Memo(8_000)

    def __len__(self) -> int:
        return len(self.cells)

    def stands_for(self, text: str) -> int:
        """How many prompts a new one stands for that begins like others; 0 when it is left out of the sample.

        Prompts that differ from call to call are all read at first, then some of them. One that comes back for the
        third time is read whatever it begins like.
        """
        start = text[:_START]
        before = self._novel.get(start) or 0
        self._novel.put(start, before + 1)
        level = _level(before, _READ_PROMPTS)
        if not level:
            return 1
        mark = mark_of(text)
        if not mark & ((1 << level) - 1):
            return 1 << level
        return _ADMITTED_AT if self._comes_back(mark) else 0

    def cell(self, frame: Frame, at: float | None, stands_for: int = 1) -> Cell | None:
        """Count a request with this frame; `None` when the frame is left out of the sample."""
        found = self.cells.get(frame)
        if found is None:
            found = self._admit(frame, stands_for)
            stands_for = 1
        if found is not None:
            found.seen(count=stands_for, first=at, last=at)
        return found

    def _admit(self, frame: Frame, stands_for: int) -> Cell | None:
        mark = mark_of("\n".join((frame.family, *frame.lines, *frame.tools, *frame.format)))
        cell = Cell(frame=frame, mark=mark, scale=stands_for)
        if not mark & ((1 << self._level) - 1):
            cell.scale <<= self._level
        elif self._comes_back(mark):
            cell.count = _ADMITTED_AT - 1
        else:
            return None
        return self._insert(cell)

    def _comes_back(self, mark: int) -> bool:
        """Whether something left out before was seen often enough to be counted after all."""
        seen = (self._waiting.get(mark) or 0) + 1
        self._waiting.put(mark, seen)
        return seen >= _ADMITTED_AT

    def _insert(self, cell: Cell) -> Cell:
        cell.kin = self._kin_of(cell.frame)
        self.cells[cell.frame] = cell
        self._frame_bytes += size_of(cell.frame)
        if len(self.cells) > MAX_FRAMES or self._frame_bytes > _FRAME_BYTES:
            self._thin_frames(keep=cell)
        return cell

    def _kin_of(self, frame: Frame) -> Kin:
        if len(self._kin) > _MAX_KIN:
            self._kin.clear()
        kind = (*frame.lines[:1], *frame.lines[-1:], *frame.tools[:1], *frame.format[:1])
        found = self._kin.get(kind)
        if found is None:
            found = self._kin[kind] = Kin(steps=_steps(frame))
        return found

    def level_for(self, cell: Cell, mark: int) -> int | None:
        """The level at which a user message with this hash is sampled: it stands for 2**level; `None` leaves it out."""
        level = max(cell.level, _level(cell.kin.messages, cell.kin.steps))
        cell.kin.messages += 1
        return None if mark & ((1 << level) - 1) else level

    def may_divide(self, frame: Frame, divides: Callable[[Sequence[Cell]], bool]) -> bool:
        """Whether user messages may tell calls of this frame apart: asked again of `divides` each time four times as many were seen."""
        cell = self.cells.get(frame)
        if cell is None:
            return True
        kin = cell.kin
        if kin.messages >= max(_FIRST_LOOK, 4 * kin.looked_at):
            kin.looked_at = kin.messages
            kin.divides = divides([each for each in self.cells.values() if each.kin is kin])
        return kin.divides

    def opening(self, cell: Cell, segments: tuple[str, ...], mark: int, level: int = 0) -> None:
        """Count one user message in a frame."""
        found = cell.openings.get(segments)
        if found is None:
            found = Opening(0, mark, 1 << level)
            cell.openings[segments] = found
            self._openings += 1
            self._opening_bytes += bytes_of(segments)
        found.count += 1
        if len(found.marks) < MARKS:
            found.marks.add(mark)
        if len(cell.openings) > _CELL_OPENINGS:
            self._thin_openings([cell], until=lambda: len(cell.openings) <= _CELL_OPENINGS // 2)
        elif self._openings > MAX_OPENINGS or self._opening_bytes > _OPENING_BYTES:
            self._thin_openings(self.cells.values(), until=self._has_room)

    def _has_room(self) -> bool:
        return self._openings <= 0.75 * MAX_OPENINGS and self._opening_bytes <= 0.75 * _OPENING_BYTES

    def _thin_openings(self, cells: Iterable[Cell], *, until: Callable[[], bool]) -> None:
        """Drop half of the rarest messages, again and again until there is room; the rest stand for them."""
        chosen = list(cells)
        rare = 1
        while not until() and rare < 1 << 40:
            for cell in chosen:
                bit = 1 << cell.level
                cell.level += 1
                for segments, opening in list(cell.openings.items()):
                    if opening.count > rare:
                        continue
                    if opening.mark & bit:
                        del cell.openings[segments]
                        self._openings -= 1
                        self._opening_bytes -= bytes_of(segments)
                    else:
                        opening.scale *= 2
            rare *= 2

    def _thin_frames(self, keep: Cell) -> None:
        """Drop half of the rarest frames, the rarest first, until a quarter of the room is free."""
        rare = 1
        while (len(self.cells) > 0.75 * MAX_FRAMES or self._frame_bytes > 0.75 * _FRAME_BYTES) and rare < 1 << 40:
            bit = 1 << self._level
            self._level += 1
            for cell in list(self.cells.values()):
                if cell.count > rare or cell is keep:
                    continue
                if cell.mark & bit:
                    self._forget(cell)
                else:
                    cell.scale *= 2
            rare *= 2

    def _forget(self, cell: Cell) -> None:
        del self.cells[cell.frame]
        self._frame_bytes -= size_of(cell.frame)
        self._openings -= len(cell.openings)
        self._opening_bytes -= sum(bytes_of(segments) for segments in cell.openings)

    def forget_rare(self) -> None:
        """Drop every frame and opening that was seen fewer than three times."""
        for cell in list(self.cells.values()):
            if cell.count < _ADMITTED_AT:
                self._forget(cell)
                continue
            for segments in [segments for segments, opening in cell.openings.items() if opening.count < _ADMITTED_AT]:
                del cell.openings[segments]
                self._openings -= 1
                self._opening_bytes -= bytes_of(segments)

    def absorb(self, other: Sample) -> None:
        """Add what another sample saw; the order in which samples are added makes no difference to what repeats."""
        for theirs in other.cells.values():
            mine = self.cells.get(theirs.frame)
            is_first = mine is None
            if mine is None:
                mine = self._insert(Cell(frame=theirs.frame, mark=theirs.mark, scale=theirs.scale, level=theirs.level))
            mine.add_written(theirs.written, is_first=is_first)
            mine.scale = max(mine.scale, theirs.scale)
            mine.seen(count=theirs.count, first=theirs.first, last=theirs.last)
            for segments, opening in theirs.openings.items():
                self._add_opening(mine, segments, opening)
        self._level = max(self._level, other._level)

    def _add_opening(self, cell: Cell, segments: tuple[str, ...], opening: Opening) -> None:
        for mark in opening.marks:
            self.opening(cell, segments, mark, cell.level)
        if (kept := cell.openings.get(segments)) is not None:
            kept.count += opening.count - len(opening.marks)
            kept.scale = max(kept.scale, opening.scale)

    def to_json(self) -> JSON:
        """The sample as JSON; every text stands in it once."""
        table = _Table()
        return {
            "level": self._level,
            "cells": [_cell_to_json(cell, table) for cell in self.cells.values()],
            "texts": [*table.texts],
        }

    @classmethod
    def from_json(cls, state: JSON) -> Sample:
        """The sample that `to_json` wrote."""
        assert isinstance(state, dict)
        texts = [str(text) for text in _list(state["texts"])]
        sample = cls()
        sample._level = _int(state["level"])
        for row in _list(state["cells"]):
            cell = _cell_from_json(_list(row), texts)
            cell.kin = sample._kin_of(cell.frame)
            sample.cells[cell.frame] = cell
            frame = cell.frame
            sample._frame_bytes += size_of(frame)
            sample._openings += len(cell.openings)
            sample._opening_bytes += sum(bytes_of(segments) for segments in cell.openings)
        return sample


class _Table:
    """Texts by number."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}

    def numbers(self, texts: Iterable[str]) -> list[JSON]:
        return [self.texts.setdefault(text, len(self.texts)) for text in texts]


def _cell_to_json(cell: Cell, table: _Table) -> JSON:
    frame = cell.frame
    openings: list[JSON] = [
        [table.numbers(segments), o.count, str(o.mark), o.scale, [str(mark) for mark in sorted(o.marks)]]
        for segments, o in cell.openings.items()
    ]
    texts: list[JSON] = [*map(table.numbers, ((frame.family,), frame.lines, frame.tools, frame.format))]
    written: dict[str, JSON] = {**cell.written}
    return [texts, str(cell.mark), cell.count, cell.scale, cell.first, cell.last, cell.level, openings, written]


def _cell_from_json(row: Sequence[JSON], texts: Sequence[str]) -> Cell:
    family, lines, tools, paths = (tuple(texts[i] for i in _ints(part)) for part in _list(row[0]))
    cell = Cell(
        frame=Frame(family[0], lines, tools, paths),
        mark=_int(row[1]),
        count=_int(row[2]),
        scale=_int(row[3]),
        first=_float(row[4]),
        last=_float(row[5]),
        level=_int(row[6]),
    )
    if len(row) > 8 and isinstance(row[8], dict):
        cell.written = {line: None if form is None else str(form) for line, form in row[8].items()}
        cell.looked_at = 1
    for entry in map(_list, _list(row[7])):
        opening = Opening(_int(entry[1]), _int(entry[2]), _int(entry[3]), set(_ints(entry[4])))
        cell.openings[tuple(texts[i] for i in _ints(entry[0]))] = opening
    return cell


def _list(value: JSON) -> list[JSON]:
    assert isinstance(value, list)
    return value


def _int(value: JSON) -> int:
    # 64-bit marks are written as text: other readers of JSON would round them.
    assert isinstance(value, (int, str))
    return int(value)


def _ints(value: JSON) -> Iterator[int]:
    return map(_int, _list(value))


def _float(value: JSON) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
