"""Puts pieces into blocks that open and close one after another, as Anthropic's and Responses' streams demand.

OpenAI's chunks may mix the arguments of several calls. Only the oldest block that is not finished is written on; pieces
of later ones wait. Another block's first piece finishes a text, and a call once the brackets of its arguments are
closed; the end of the answer finishes everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.errors import Untranslatable
from fairlead.core.wire.translate.pieces import Kind, Piece

_MARKS = re.compile(r'["\\{}\[\]]')


class _Brackets:
    """Follows JSON text piece by piece, each character once, and knows when its first bracket has been closed."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False
        self._escaped_at = -1
        self._length = 0
        self.is_closed = False

    def follow(self, text: str) -> None:
        for found in _MARKS.finditer(text):
            mark, place = found[0], self._length + found.start()
            if self._in_text:
                self._follow_in_text(mark, place)
            elif mark == '"':
                self._in_text = True
            else:
                self._depth += 1 if mark in "{[" else -1
                self.is_closed = self._depth <= 0
        self._length += len(text)

    def _follow_in_text(self, mark: str, place: int) -> None:
        if place == self._escaped_at:
            return
        if mark == "\\":
            self._escaped_at = place + 1
        elif mark == '"':
            self._in_text = False


@dataclass(slots=True, eq=False)
class Block:
    """One block: a text, a refusal, thinking, or a call. `waiting` is what of `told` was not written yet."""

    kind: Kind
    number: int
    index: int = 0
    id: str | None = None
    name: str = ""
    told: list[str] = field(default_factory=list[str])
    waiting: list[str] = field(default_factory=list[str])
    is_open: bool = False
    brackets: _Brackets = field(default_factory=_Brackets)
    followed: int = 0

    @property
    def text(self) -> str:
        """All of the block's text so far."""
        return "".join(self.told)

    def is_whole(self) -> bool:
        """Whether nothing can follow: any text, and a call whose arguments are closed."""
        if self.kind is not Kind.CALL:
            return True
        for text in self.told[self.followed :]:
            self.brackets.follow(text)
        self.followed = len(self.told)
        return self.brackets.is_closed


class BlockWriter(Protocol):
    """How one protocol writes the life of a block."""

    def opened(self, block: Block, /) -> bytes:
        """Return the events that open `block`."""
        ...

    def extended(self, block: Block, text: str, /) -> bytes:
        """Return the events that add `text` to `block`."""
        ...

    def closed(self, block: Block, /) -> bytes:
        """Return the events that close `block`."""
        ...


class _Silent:
    """Writes nothing: whole answers need the blocks only."""

    def opened(self, _block: Block) -> bytes:
        return b""

    def extended(self, _block: Block, _text: str) -> bytes:
        return b""

    def closed(self, _block: Block) -> bytes:
        return b""


class Blocks:
    """The blocks of one answer, in order."""

    def __init__(self, writer: BlockWriter) -> None:
        self._writer = writer
        self._queue: list[Block] = []
        self._calls: dict[int, Block] = {}
        self.made: list[Block] = []

    def take(self, piece: Piece) -> bytes:
        """Return the events that `piece` makes."""
        block = self._block_of(piece)
        if piece.kind is Kind.CALL:
            block.id = block.id or piece.id
            if piece.name and piece.name != block.name and not block.is_open:
                block.name += piece.name
        if piece.text:
            self._extend(block, piece.text)
        return b"".join(self._written())

    def finish(self) -> bytes:
        """Return the events that write and close whatever is left."""
        return b"".join(self._written(is_end=True))

    def _extend(self, block: Block, text: str) -> None:
        if block.is_open and block not in self._queue:
            if text.strip():
                raise Untranslatable("The upstream went on with a tool call that it had finished.")
            return
        block.told.append(text)
        block.waiting.append(text)

    def _block_of(self, piece: Piece) -> Block:
        if piece.kind is Kind.CALL:
            found = self._calls.get(piece.index)
            if found is not None:
                return found
        elif self._queue and self._queue[-1].kind is piece.kind:
            return self._queue[-1]
        block = Block(kind=piece.kind, number=len(self.made), index=piece.index)
        self.made.append(block)
        self._queue.append(block)
        if piece.kind is Kind.CALL:
            self._calls[piece.index] = block
        return block

    def _written(self, *, is_end: bool = False) -> Iterator[bytes]:
        while self._queue:
            block = self._queue[0]
            closes = is_end or (len(self._queue) > 1 and block.is_whole())
            if block.waiting or closes:
                yield from self._flushed(block)
            if not closes:
                return
            yield self._writer.closed(block)
            del self._queue[0]

    def _flushed(self, block: Block) -> Iterator[bytes]:
        if not block.is_open:
            if block.kind is Kind.CALL and not block.name:
                raise Untranslatable("The upstream called a tool without naming it.")
            block.is_open = True
            yield self._writer.opened(block)
        for text in block.waiting:
            yield self._writer.extended(block, text)
        block.waiting.clear()


def gathered(pieces: Iterable[Piece]) -> list[Block]:
    """Return the finished blocks of a whole answer."""
    blocks = Blocks(_Silent())
    for piece in pieces:
        blocks.take(piece)
    blocks.finish()
    return blocks.made
