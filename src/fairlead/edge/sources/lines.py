"""Files as lines, in flat memory: plain, gzip or zstd, told apart by their first bytes.

Rules kept: never more than `LINE_LIMIT` bytes of a line are held, longer ones are counted and passed over; what could be
read of a damaged archive is given before the damage is told (`Damaged`); a file that is not text is refused at once.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

import zstandard

from fairlead.core.quick import quick

LINE_LIMIT = 32 * 1024 * 1024
CHUNK = 1024 * 1024
_ZSTD_SLICE = 2048  # one compressed byte can stand for 32 KiB: a slice stands for 64 MiB at the very most
_HEAD = 4096

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
ZIP_MARK = b"PK\x03\x04"
FOREIGN: tuple[tuple[bytes, str], ...] = (
    (ZIP_MARK, "a zip archive inside another"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)


class Damaged(Exception):  # noqa: N818
    """The rest of a file cannot be read; what came before it has been given."""


class Chunks(Protocol):
    """What gives bytes a chunk at a time; the empty chunk is the end."""

    def read1(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""
        ...


@quick
@dataclass(frozen=True, slots=True)
class Line:
    """A line and its number, from 1; `data` is `None` when it is longer than the limit, of `length` bytes."""

    number: int
    data: bytes | None
    length: int


class Counted:
    """Counts what is read from the file itself, before unpacking: that is what a progress bar measures."""

    def __init__(self, file: Chunks) -> None:
        self._file = file
        self.bytes = 0
        self._held = b""

    def read1(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""
        if self._held:
            chunk, self._held = (self._held, b"") if size < 0 else (self._held[:size], self._held[size:])
            return chunk
        chunk = self._file.read1(size)
        self.bytes += len(chunk)
        return chunk

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes; one chunk is enough for an unpacker."""
        return self.read1(size)

    def head(self, size: int = _HEAD) -> bytes:
        """The first bytes, which stay to be read."""
        while len(self._held) < size:
            chunk = self._file.read1(size - len(self._held))
            self.bytes += len(chunk)
            self._held += chunk
            if not chunk:
                break
        return self._held[:size]


def unpacked(file: Counted) -> Iterator[bytes]:
    """Chunks of the file's text, whatever it is packed in."""
    head = file.head()
    if head.startswith(_GZIP):
        chunks = _gunzipped(file)
    elif head.startswith(_ZSTD):
        chunks = _unzstd(file)
    else:
        chunks = _plain(file)
    return _text_only(chunks)


def lines(chunks: Iterator[bytes], *, limit: int = LINE_LIMIT) -> Iterator[Line]:
    """Lines of a stream of chunks, without their ends; the last may lack one."""
    rest = _Rest(limit)
    number = 0
    for chunk in chunks:
        *whole, tail = chunk.split(b"\n")
        for piece in whole:
            number += 1
            if rest.length or len(piece) > limit:
                rest.add(piece)
                yield rest.taken(number)
            else:
                yield Line(number, piece, len(piece))
        rest.add(tail)
    if rest.length:
        yield rest.taken(number + 1)


class _Rest:
    """The pieces of a line so far; beyond the limit only their length is kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self.length = 0

    def add(self, piece: bytes) -> None:
        self.length += len(piece)
        if self.length > self._limit:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    def taken(self, number: int) -> Line:
        data = None if self.length > self._limit else b"".join(self._pieces)
        line = Line(number, data, self.length)
        self._pieces.clear()
        self.length = 0
        return line


def _plain(file: Counted) -> Iterator[bytes]:
    while chunk := file.read1(CHUNK):
        yield chunk


def _gunzipped(file: Counted) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as unpacker:  # type: ignore[call-overload]
        while True:
            try:
                chunk = unpacker.read1(CHUNK)
            except EOFError:
                raise Damaged("the gzip file ends too early; it was not written or copied to its end") from None
            except (OSError, zlib.error) as error:
                raise Damaged(f"the gzip file is damaged: {error}") from None
            if not chunk:
                return
            yield chunk


def _unzstd(file: Counted) -> Iterator[bytes]:
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    in_frame = False
    while piece := file.read1(_ZSTD_SLICE):
        while piece:
            try:
                chunk = unpacker.decompress(piece)
            except zstandard.ZstdError as error:
                raise Damaged(f"the zstd file is damaged: {error}") from None
            if chunk:
                yield chunk
            in_frame = not unpacker.eof
            piece = b"" if in_frame else unpacker.unused_data
            if not in_frame:
                unpacker = zstandard.ZstdDecompressor().decompressobj()
    if in_frame:
        raise Damaged("the zstd file ends too early; it was not written or copied to its end")


def _text_only(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks without a byte order mark; refuses at the first what is not text."""
    first = next(chunks, b"")
    while 0 < len(first) < 8 and (more := next(chunks, b"")):
        first += more
    for mark, name in FOREIGN:
        if first.startswith(mark):
            raise Damaged(f"this is {name}")
    if b"\x00" in first[:_HEAD]:
        raise Damaged("a binary file, not text")
    yield first.removeprefix(b"\xef\xbb\xbf")
    yield from chunks


def open_counted(file: BinaryIO) -> Counted:
    """A counted view of an open file or of standard input."""
    return Counted(cast("Chunks", file) if hasattr(file, "read1") else _Raw(file))


class _Raw:
    """Gives a file without `read1` one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read1(self, size: int = -1, /) -> bytes:
        return self._file.read(size) or b""
