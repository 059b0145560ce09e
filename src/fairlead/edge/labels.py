"""Labels: the expected answers a user keeps in a file, by exchange id.

JSONL, one `{"id": …, "expected": …}` a line (other fields are left alone), or CSV with a header that has `id` and `expected`;
plain or gzip, told apart by content. A row may say how it is to be compared, with `grader`: the name of a grader, or
`FILE.py:FUNCTION` beside the labels file. In CSV a cell that opens with `{` or `[` is JSON, any other is text.

Rules kept here: the same id twice with the same answer is fine, with another answer an error that names both lines; the
hash is of what the labels mean, so sorting the file, repeating a row or switching the format changes nothing.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TypeAlias, cast

from fairlead.core.errors import InputError
from fairlead.core.nouns import JSON

GZIP = b"\x1f\x8b"
# No expected answer is this long; a file without line ends is not a labels file.
LINE_LIMIT = 16_000_000

_Row: TypeAlias = tuple[int, str, JSON, str | None]
"""Line, exchange id, expected answer, grader."""


class Labels(Mapping[str, JSON]):
    """Expected answers by exchange id, and in `graders` how some are to be compared.

    `repeated` counts rows that say again what another row said.
    """

    def __init__(
        self,
        expected: Mapping[str, JSON],
        *,
        graders: Mapping[str, str] | None = None,
        repeated: int = 0,
        source: str = "",
    ) -> None:
        self._expected = dict(expected)
        self.graders: Mapping[str, str] = dict(graders or {})
        self.repeated = repeated
        self.source = source
        self._hash: str | None = None

    def __getitem__(self, exchange_id: str) -> JSON:
        return self._expected[exchange_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._expected)

    def __len__(self) -> int:
        return len(self._expected)

    @property
    def hash(self) -> str:
        """Hash of ids and expected answers, whatever the order of the rows and the format of the file."""
        if self._hash is None:
            self._hash = self.hash_of(self._expected)
        return self._hash

    def hash_of(self, exchange_ids: Iterable[str]) -> str:
        """Hash of the expected answers of these exchanges; ids without one are passed over."""
        rows = (
            json.dumps([key, _meaning(self._expected[key])], sort_keys=True)
            for key in exchange_ids
            if key in self._expected
        )
        return hashlib.blake2b("\n".join(sorted(rows)).encode(), digest_size=16).hexdigest()

    def __repr__(self) -> str:
        return f"Labels({len(self)} from {self.source!r}, {self.hash[:12]})"


def read_labels(path: str | Path) -> Labels:
    """The labels in a file; anything that cannot be read is an `InputError` with its line."""
    path = Path(path)
    try:
        with path.open("rb") as raw:
            return _read(raw, source=path.name)
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not UTF-8 text, so it is no labels file.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path.name} cannot be decompressed: {error}.") from None
    except OSError as error:
        raise InputError(f"labels file {str(path)!r} cannot be read: {error.strerror or error}.") from None


def _read(raw: IO[bytes], *, source: str) -> Labels:
    packed = raw.read(2) == GZIP
    raw.seek(0)
    stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw
    with stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        rows = _jsonl(text, source) if _first_char(text, source) == "{" else _csv(text, source)
        return _collected(rows, source=source)


def _first_char(text: io.TextIOWrapper, source: str) -> str:
    start = text.read(4096).lstrip()
    text.seek(0)
    if not start:
        raise InputError(
            f'{source} is empty; give {{"id": …, "expected": …}} lines, or CSV with the columns id,expected.'
        )
    return start[0]


def _collected(rows: Iterator[_Row], *, source: str) -> Labels:
    expected: dict[str, JSON] = {}
    graders: dict[str, str] = {}
    lines: dict[str, int] = {}
    repeated = 0
    for line, exchange_id, value, grader in rows:
        if grader is not None:
            graders[exchange_id] = grader
        if exchange_id not in expected:
            expected[exchange_id], lines[exchange_id] = value, line
        elif _meaning(expected[exchange_id]) == _meaning(value):
            repeated += 1
        else:
            raise InputError(
                f"{source} lines {lines[exchange_id]} and {line} expect different answers to {exchange_id!r}; keep one of them."
            )
    if not expected:
        raise InputError(f"{source} holds no labels.")
    return Labels(expected, graders=graders, repeated=repeated, source=source)


def _jsonl(text: io.TextIOWrapper, source: str) -> Iterator[_Row]:
    for number, line in _lines(text, source):
        if not line.strip():
            continue
        try:
            row: JSON = json.loads(line, parse_constant=_not_json)
        except (ValueError, RecursionError) as error:
            raise _unreadable(source, number, f"not JSON ({error})") from None
        if not isinstance(row, dict) or "id" not in row or "expected" not in row:
            raise _unreadable(source, number, 'expected an object with "id" and "expected"')
        grader = _grader(row.get("grader"), source, number)
        yield number, _id(row["id"], source, number), _answer(row["expected"], source, number), grader


def _csv(text: io.TextIOWrapper, source: str) -> Iterator[_Row]:
    header = text.readline(LINE_LIMIT)
    text.seek(0)
    separator = max(",;\t", key=header.count)
    reader = csv.reader((line for _, line in _lines(text, source)), delimiter=separator, strict=True)
    try:
        names = [name.strip().casefold() for name in next(reader)]
        if "id" not in names or "expected" not in names:
            raise _unreadable(source, 1, "expected the columns id and expected, or a JSON object a line")
        at_id, at_expected = names.index("id"), names.index("expected")
        at_grader = names.index("grader") if "grader" in names else None
        for row in reader:
            if not any(row):
                continue
            if len(row) != len(names):
                raise _unreadable(source, reader.line_num, f"{len(row)} cells where the header has {len(names)}")
            yield (
                reader.line_num,
                _id(row[at_id], source, reader.line_num),
                _cell(row[at_expected], source, reader.line_num),
                None if at_grader is None else _grader(row[at_grader] or None, source, reader.line_num),
            )
    except csv.Error as error:
        raise _unreadable(source, reader.line_num, str(error)) from None


def _lines(text: io.TextIOWrapper, source: str) -> Iterator[tuple[int, str]]:
    number = 0
    while line := text.readline(LINE_LIMIT):
        number += 1
        if len(line) == LINE_LIMIT:
            raise _unreadable(source, number, f"longer than {LINE_LIMIT:,} characters")
        yield number, line


def _id(value: JSON, source: str, number: int) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise _unreadable(source, number, "the id must be text")
    return value.strip()


def _grader(value: JSON, source: str, number: int) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise _unreadable(source, number, "grader must be the name of a grader")
    return None if value is None else value.strip()


def _answer(value: JSON, source: str, number: int) -> JSON:
    if value is None:
        raise _unreadable(source, number, "expected is null; leave the row out where the answer is not known")
    return value


def _cell(cell: str, source: str, number: int) -> JSON:
    if not cell.strip():
        raise _unreadable(source, number, "expected is empty; leave the row out where the answer is not known")
    if cell.lstrip()[0] not in "{[":
        return cell
    try:
        value: JSON = json.loads(cell, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise _unreadable(source, number, f"expected opens like JSON and is not JSON ({error})") from None
    return value


def _meaning(value: JSON) -> JSON:
    """The value with 5.0 as 5, so that two ways to write one number are one."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, bool):
        return {"": value}
    if isinstance(value, list):
        return [_meaning(item) for item in value]
    if isinstance(value, dict):
        return {key: _meaning(item) for key, item in value.items()}
    return value


def _not_json(constant: str) -> JSON:
    raise ValueError(f"{constant} is no JSON value")


def _unreadable(source: str, number: int, reason: str) -> InputError:
    return InputError(f"{source} line {number}: {reason}.")
