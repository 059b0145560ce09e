"""A file taken apart into the records it holds, whatever its layout.

Four layouts are told apart by their beginning: a JSON value a line; one JSON document over many lines (or one long line),
a list of records or an object with lists in it; a table with a header line; a zip archive with such files in it. Rules
kept: memory holds one record, never the file; a record that cannot be taken is given as `Unread` with its line and reason.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON
from fairlead.core.quick import quick
from fairlead.core.wire.decode import decode
from fairlead.edge.sources.cells import cells_up_to
from fairlead.edge.sources.cursor import Cursor, Malformed
from fairlead.edge.sources.lines import Damaged, lines

HEAD = 256 * 1024
_SMALL_FIELD = 1024 * 1024


@quick
@dataclass(frozen=True, slots=True)
class Piece:
    """One record: its line, its value, and the bytes by which the row is known again."""

    line: int
    value: JSON
    data: bytes


@dataclass(frozen=True, slots=True)
class Unread:
    """A record that could not be taken, and why."""

    line: int | None
    reason: str


def pieces(
    chunks: Iterator[bytes], *, limit: int, why_no_table: Callable[[Sequence[str]], str | None]
) -> Iterator[Piece | Unread]:
    """Give the records of a file's text; `why_no_table` says of a header line why nobody can read its table."""
    head, rest = _head(chunks, limit=limit)
    text = chain((head,), rest)
    if _is_document(head):
        return _document(text, limit=limit)
    header = _header(head)
    if header is None:
        return _lines(text, limit=limit)
    reason = why_no_table(header.names)
    return _table(text, header.delimiter, limit=limit) if reason is None else iter([Unread(None, reason)])


def _head(chunks: Iterator[bytes], *, limit: int) -> tuple[bytes, Iterator[bytes]]:
    """The first lines, as far as a layout is told by them; at least one whole line unless it is beyond the limit."""
    held: list[bytes] = []
    length = ends = 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        ends += chunk.count(b"\n")
        if length > limit or (ends and length >= HEAD) or ends >= 8:
            break
    return b"".join(held), chunks


def _is_document(head: bytes) -> bool:
    """Whether the text is one JSON value over many lines, or on one line too long to see its end."""
    text = head.lstrip()
    if text[:1] not in {b"{", b"["}:
        return False
    first, newline, more = text.partition(b"\n")
    if _is_record(first):
        return False
    if not newline:
        return True
    following = [line for line in more.split(b"\n")[:6] if line.strip()]
    whole = sum(_is_record(line) for line in following)
    # A log whose first line is cut goes on with whole records; a list that is written a record a line has commas.
    return whole == 0 or (whole == 1 and first.rstrip().endswith((b"[", b",")))


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(decode(line), (dict, list)) and len(line.strip()) > 2
    except UnreadableLine:
        return False


def _lines(chunks: Iterator[bytes], *, limit: int) -> Iterator[Piece | Unread]:
    for line in lines(chunks, limit=limit):
        if line.data is None:
            yield Unread(line.number, f"{line.length:,} bytes long; a line may have {limit:,}")
        elif line.data.strip():
            yield from _decoded(line.number, line.data)


def _decoded(number: int, data: bytes) -> Iterator[Piece | Unread]:
    try:
        value = decode(data)
    except UnreadableLine as error:
        yield Unread(number, error.reason)
        return
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for item in value:
            yield Piece(number, item, b"")
    else:
        yield Piece(number, value, data)


def _document(chunks: Iterator[bytes], *, limit: int) -> Iterator[Piece | Unread]:
    cursor = Cursor(chunks, limit=limit)
    try:
        while cursor.peek():
            if cursor.skip(b"["):
                yield from _elements(cursor, {}, None)
            elif cursor.peek() == b"{" and not cursor.fits():
                yield from _members(cursor, limit=limit)
            else:
                yield from _value(cursor, limit)
            cursor.skip(b",")
    except (Malformed, UnreadableLine) as error:
        yield Unread(cursor.line, f"not JSON: {error}" if isinstance(error, Malformed) else str(error))
        yield from _whole_lines(cursor, limit=limit)
    except Damaged as error:
        yield Unread(cursor.line, str(error))


def _whole_lines(cursor: Cursor, *, limit: int) -> Iterator[Piece | Unread]:
    """The records that still follow on lines of their own behind a place where a document is broken."""
    begin = cursor.line - 1
    for line in lines(cursor.rest(), limit=limit):
        if line.data is not None and line.data.startswith(b"{") and _is_record(line.data):
            yield from _decoded(begin + line.number, line.data)


def _value(cursor: Cursor, limit: int) -> Iterator[Piece | Unread]:
    line = cursor.line
    data = cursor.value()
    if data is None:
        yield Unread(line, f"a record longer than {limit:,} bytes")
    else:
        yield from _decoded(line, data)


def _elements(cursor: Cursor, around: Mapping[str, JSON], name: str | None) -> Iterator[Piece | Unread]:
    """The elements of a list, each inside what stood around the list."""
    while not cursor.skip(b"]"):
        cursor.peek()
        line = cursor.line
        data = cursor.value()
        if data is None:
            yield Unread(line, "a record longer than the limit")
        else:
            for piece in _decoded(line, data):
                yield piece if name is None or isinstance(piece, Unread) else _inside(piece, around, name)
        if not cursor.skip(b",") and cursor.peek() != b"]":
            raise Malformed("a comma or the end of a list expected")


def _inside(piece: Piece, around: Mapping[str, JSON], name: str) -> Piece:
    return Piece(piece.line, {**around, name: [piece.value]}, b"")


def _members(cursor: Cursor, *, limit: int) -> Iterator[Piece | Unread]:
    """A long object, as many small ones: the elements of its lists, each with the short fields that came before."""
    begin, given = cursor.line, 0
    for piece in _listed_members(cursor):
        given += 1
        yield piece
    if not given:
        yield Unread(begin, f"longer than {limit:,} bytes, and holds no list of records")


def _listed_members(cursor: Cursor) -> Iterator[Piece | Unread]:
    cursor.skip(b"{")
    around: dict[str, JSON] = {}
    while not cursor.skip(b"}"):
        name = decode(cursor.value() or b"null")
        if not isinstance(name, str) or not cursor.skip(b":"):
            raise Malformed("a field expected")
        if cursor.skip(b"["):
            yield from _elements(cursor, around, name)
            cursor.skip(b",")
            continue
        line, data = cursor.line, cursor.value()
        if data is None or len(data) > _SMALL_FIELD:
            yield Unread(line, f"field {name[:60]!r} is longer than {_SMALL_FIELD:,} bytes")
        else:
            around[name] = decode(data)
        cursor.skip(b",")


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    delimiter: str


_NAME = re.compile(r"[^\W\d][\w .:/()\[\]-]{0,79}")


def _header(head: bytes) -> _Header | None:
    """The column names in the first line, if that is what it holds: names, and no JSON in the line after it."""
    first, _, second = head.partition(b"\n")
    if first.lstrip()[:1] in {b"{", b"["} or second.lstrip()[:1] in {b"{", b"["} or len(first) > 8192:
        return None
    text = first.decode("utf-8", "replace").strip()
    delimiter = max(",\t;", key=text.count)
    names = tuple(name.strip() for name in next(csv.reader([text], delimiter=delimiter), list[str]()))
    # A dataframe written with its index may have the index' name twice.
    is_header = len(names) >= 3 and all(_NAME.fullmatch(name) for name in names) and len(set(names)) >= len(names) - 1
    return _Header(names, delimiter) if is_header else None


def _table(chunks: Iterator[bytes], delimiter: str, *, limit: int) -> Iterator[Piece | Unread]:
    """Rows of a table as objects of texts; quoted cells may run over several lines."""
    text = _table_lines(chunks, limit=limit)
    reader = csv.reader(text, delimiter=delimiter)
    names = [name.strip() for name in next(reader, list[str]())]
    while True:
        line = reader.line_num + 1
        try:
            with cells_up_to(limit):
                cells = next(reader, None)
        except csv.Error as error:
            yield Unread(line, f"not a row of the table: {error}")
            continue
        if cells is None:
            return
        if len(cells) != len(names):
            if any(cells):
                yield Unread(line, f"{len(cells)} cells, where the header names {len(names)}")
            continue
        row: dict[str, JSON] = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        yield Piece(line, row, "\x1f".join(cells).encode("utf-8", "replace"))


def _table_lines(chunks: Iterator[bytes], *, limit: int) -> Iterable[str]:
    for line in lines(chunks, limit=limit):
        yield ("" if line.data is None else line.data.decode("utf-8", "replace")) + "\n"
