"""Files, folders and standard input, down to the exchanges and the lines that are none."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from datetime import UTC, datetime

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.core.errors import InputError
from fairlead.core.nouns import Exchange
from fairlead.core.wire.row import Note, Skipped
from fairlead.edge.sources.read import read
from fairlead.edge.sources.seen import Met, SeenIds

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def row(name="a", text="Hi", **more):
    return {
        "id": name,
        "request": {"model": "m", "messages": [{"role": "user", "content": text}]},
        "response": {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]},
        **more,
    }


def log(*rows, end=b"\n"):
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + end for r in rows)


def items(*paths, **more):
    return list(read([str(path) for path in paths], now=NOW, **more))


def written(folder, data, name="log.jsonl"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zstd(data):
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd, lambda data: b"\xef\xbb\xbf" + data])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \n"])
def test_a_log_reads_the_same_however_it_is_packed_and_its_lines_end(tmp_path, pack, end):
    path = written(tmp_path, pack(log(row("a"), row("b"), end=end)), "any-name")
    found = items(path)
    assert [item.id for item in found] == ["a", "b"]
    assert found[0].source == f"{path}:1"
    assert found[0].row_hash == items(written(tmp_path, log(row("a"))))[0].row_hash


def test_archives_of_several_members_are_read_to_their_end(tmp_path):
    for name, pack in (("g", gzip.compress), ("z", zstd)):
        path = written(tmp_path, pack(log(row("a"))) + pack(log(row("b"))), name)
        assert [item.id for item in items(path)] == ["a", "b"]


def test_standard_input_is_read_under_the_name_of_a_dash():
    found = items("-", stdin=io.BytesIO(gzip.compress(log(row("a")))))
    assert [(item.id, item.source) for item in found] == [("a", "stdin:1")]


def test_a_folder_is_walked_in_order_and_only_logs_are_read(tmp_path):
    for name in ("b.json", "a/z.jsonl", "a/y.log.gz", "c.ndjson.zst", ".hidden.jsonl", "picture.png", ".git/x.json"):
        written(tmp_path, log(row(name)), name)
    assert [item.id for item in items(tmp_path)] == ["b.json", "c.ndjson.zst", "a/y.log.gz", "a/z.jsonl"]


def test_a_missing_path_is_named_before_anything_is_read(tmp_path):
    good = written(tmp_path, log(row()))
    with pytest.raises(InputError, match=r"nowhere\.jsonl does not exist"):
        read([str(good), str(tmp_path / "nowhere.jsonl")])


def test_a_folder_without_logs_is_an_error_that_says_what_is_looked_for(tmp_path):
    with pytest.raises(InputError, match=r"holds no log: no file ends in \.jsonl"):
        read([str(tmp_path)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = written(tmp_path, log(row()))
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        read([str(path)])


def test_an_empty_file_holds_nothing_and_is_no_error(tmp_path):
    assert items(written(tmp_path, b"")) == []
    assert items(written(tmp_path, b"\n \r\n\t\n")) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x00\x01\x02" * 100, "a binary file, not text"),
        (b"PK\x03\x04rest", "the zip archive is damaged"),
        (b"PAR1....", "this is a Parquet file"),
        ('{"a": 1}'.encode("utf-16"), "this is UTF-16 text; save it as UTF-8"),
        (b"\x1f\x8bnot really", "the gzip file is damaged"),
        (b"\x28\xb5\x2f\xfdnot really", "the zstd file is damaged"),
    ],
)
def test_a_file_that_is_no_text_is_skipped_once_with_the_reason(tmp_path, data, reason):
    (only,) = items(written(tmp_path, data))
    assert isinstance(only, Skipped)
    assert only.reason.startswith(reason)
    assert only.line is None


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_cut_archive_gives_what_could_be_read_and_then_says_it_is_cut(tmp_path, pack):
    noise = os.urandom(200_000).hex()
    data = log(*(row(str(i), text=noise[i * 400 : i * 400 + 400]) for i in range(1000)))
    packed = pack(data)
    found = items(written(tmp_path, packed[: len(packed) * 3 // 4]))
    exchanges = [item for item in found if isinstance(item, Exchange)]
    assert 200 < len(exchanges) < 1000
    assert [item.id for item in exchanges] == [str(i) for i in range(len(exchanges))]
    assert isinstance(found[-1], Skipped)
    assert "ends too early" in found[-1].reason
    assert found[-1].line == len(exchanges) + 1


def test_lines_that_cannot_be_read_are_told_by_number_and_the_others_stay(tmp_path):
    path = written(
        tmp_path,
        log(row("a"), b'{"request"', b'{"a": "\xff"}', b"[1]", {"request": 5}, b"[" * 5000, row("b"), b"2026 INFO hi"),
    )
    found = items(path)
    skipped = [(item.line, item.reason) for item in found if isinstance(item, Skipped)]
    assert [item.id for item in found if isinstance(item, Exchange)] == ["a", "b"]
    assert [line for line, _ in skipped] == [2, 3, 4, 5, 6, 8]
    assert [reason.split(":")[0] for _, reason in skipped] == [
        "not JSON",
        "not UTF-8 text at byte 7",
        "line is a list, not an object",
        "request is a number, not an object",
        "nested deeper than 100 levels",
        "not JSON",
    ]


def test_a_line_longer_than_the_limit_is_passed_over_without_holding_it(tmp_path):
    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        file.write(log(row("a")))
        for _ in range(64):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\n" + log(row("b")))
    tracemalloc.start()
    found = items(path, limit=2 * 1024 * 1024)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [getattr(item, "id", None) for item in found] == ["a", None, "b"]
    assert found[1].line == 2
    assert found[1].reason == "67,108,864 bytes long; a line may have 2,097,152"
    assert peak < 12 * 1024 * 1024


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_small_archive_of_a_huge_line_is_passed_over_without_holding_it(tmp_path, pack):
    path = written(tmp_path, pack(b"x" * (64 * 1024 * 1024)))
    tracemalloc.start()
    (only,) = items(path, limit=2 * 1024 * 1024)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(only, Skipped)
    assert peak < 72 * 1024 * 1024


def test_an_id_that_comes_again_with_other_content_gets_a_name_of_its_own(tmp_path):
    path = written(tmp_path, log(row("a", "one"), row("a", "two"), row("a", "one")))
    reading = read([str(path)], now=NOW)
    found = list(reading)
    assert [item.id for item in found] == ["a", f"a~{found[1].row_hash[:12]}", "a"]
    assert reading.notes == {Note.REPEATED_ID: 1, Note.REPEATED_ROW: 1}


def test_dates_out_of_reach_are_counted_and_the_rows_kept(tmp_path):
    reading = read([str(written(tmp_path, log(row("a", started_at=5), row("b", started_at="2100-01-01"))))], now=NOW)
    assert [item.started_at for item in reading] == [None, None]
    assert reading.notes == {Note.DATE: 2}


def test_a_reading_says_how_far_it_is(tmp_path):
    data = log(*(row(str(i)) for i in range(50)), b"no")
    path = written(tmp_path, gzip.compress(data))
    reading = read([str(path)], now=NOW)
    assert reading.bytes_total == path.stat().st_size
    next(reading)
    assert 0 < reading.bytes_read <= path.stat().st_size
    list(reading)
    assert reading.bytes_read == path.stat().st_size
    assert (reading.exchanges, reading.skipped) == (50, 1)
    assert read(["-"], stdin=io.BytesIO()).bytes_total is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_line_of_a_damaged_log_is_an_exchange_or_skipped(tmp_path, data):
    lines = [json.dumps(row(str(i))).encode() for i in range(4)]
    for i in range(4):
        cut = data.draw(st.integers(0, len(lines[i])))
        garbage = data.draw(st.binary(max_size=4)).replace(b"\n", b" ").replace(b"\x00", b"?")
        lines[i] = lines[i][:cut] + garbage + lines[i][cut + data.draw(st.integers(0, 5)) :]
    path = written(tmp_path, b'{"request": 1}\n' + b"\n".join(lines))
    assert len(items(path)) == 1 + sum(1 for line in lines if line.strip())


@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 1)), max_size=60), st.integers(0, 6000))
@settings(max_examples=25)
def test_ids_are_told_apart_as_a_dictionary_would(pairs, filling):
    seen, truth = SeenIds(), {}
    for name, content in [*((str(i), "0") for i in range(filling)), *((str(a), str(b)) for a, b in pairs)]:
        met = seen.meet(name, content)
        expected = Met.NEW if name not in truth else Met.SAME if truth[name] == content else Met.OTHER
        truth.setdefault(name, content)
        assert met is expected
