"""Zip archives: the logs of an export, and the samples of an Inspect log, one member at a time.

Members are read in the order of their names and never held packed and unpacked at once beyond one chunk; a member that
unpacks to more than it says is stopped by the limit on records. Inspect may pack with zstd, which Python 3.11 cannot
unpack by itself.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

from fairlead.edge.sources.lines import CHUNK, Damaged

ZSTD_METHOD = 93
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name and its bytes in chunks."""

    name: str
    chunks: Iterator[bytes]


def members(file: BinaryIO) -> Iterator[Member]:
    """Give the files of a zip archive in the order of their names."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, struct.error) as error:
        raise Damaged(f"the zip archive is damaged: {error}") from None
    with archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if not info.is_dir():
                yield Member(info.filename, _chunks(archive, info, file))


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: BinaryIO) -> Iterator[bytes]:
    if info.flag_bits & 1:
        raise Damaged("locked with a password")
    try:
        if info.compress_type == ZSTD_METHOD:
            yield from _zstd(info, file)
            return
        with archive.open(info) as member:
            while chunk := member.read(CHUNK):
                yield chunk
    except (zipfile.BadZipFile, zlib.error, zstandard.ZstdError, EOFError, NotImplementedError, OSError) as error:
        raise Damaged(f"damaged: {error}") from None


def _zstd(info: zipfile.ZipInfo, file: BinaryIO) -> Iterator[bytes]:
    file.seek(info.header_offset)
    header = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    file.seek(info.header_offset + _LOCAL_HEADER.size + header[9] + header[10])
    packed = file.read(info.compress_size)
    with zstandard.ZstdDecompressor().stream_reader(packed) as member:
        while chunk := member.read(CHUNK):
            yield chunk
