"""Files of every layout, taken apart without being held: lines, lists, long objects, tables, archives."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
import zipfile
from importlib.metadata import EntryPoint

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import InputError
from fairlead.edge.sources import table
from fairlead.edge.sources.cursor import Cursor, Malformed
from fairlead.edge.sources.pieces import Piece, Unread, pieces
from fairlead.edge.sources.reader import EachRow, Logged, Source

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text('ab"\\{}[],:é\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"{', max_size=3), inner, max_size=3),
    max_leaves=8,
)


def chunked(data, size):
    return (data[i : i + size] for i in range(0, len(data), size))


def taken(text, *, limit=1 << 20, size=7):
    data = text if isinstance(text, bytes) else text.encode()
    return list(pieces(chunked(data, size), limit=limit, why_no_table=lambda names: f"no table {len(names)}"))


def values(found):
    return [piece.value for piece in found if isinstance(piece, Piece)]


@given(st.lists(st.dictionaries(st.text(max_size=3), JSONS, min_size=1, max_size=3), min_size=1, max_size=5), st.data())
def test_records_are_the_same_in_every_layout_and_split_anywhere(records, data):
    indent = data.draw(st.sampled_from([None, 1, 4]))
    size = data.draw(st.integers(1, 60))
    as_list = json.dumps(records, indent=indent, ensure_ascii=False)
    one_a_line = "[\n" + ",\n".join(json.dumps(r) for r in records) + "\n]\n"
    after_each_other = "\n".join(json.dumps(r, indent=2) for r in records)
    lines = "\n".join(json.dumps(r) for r in records)
    for text in (as_list, one_a_line, after_each_other, lines):
        found = taken(text, size=size)
        assert [piece for piece in found if isinstance(piece, Unread)] == []
        assert values(found) == records


def test_a_log_whose_first_line_is_cut_loses_that_line_only():
    whole = [json.dumps({"n": i}) for i in range(5)]
    for cut in ('{"n": {', '{"n": [', '{"n"', '[{"a": 1},', "[", "{"):
        found = taken("\n".join([cut, *whole]))
        assert len(values(found)) >= 4, cut
        assert any(isinstance(piece, Unread) for piece in found) or cut == '[{"a": 1},', cut


def test_a_list_that_ends_too_early_gives_its_elements_and_says_so():
    found = taken('[\n {"a": 1},\n {"a": 2},\n {"a": ')
    assert values(found) == [{"a": 1}, {"a": 2}]
    assert found[-1] == Unread(4, "not JSON: it ends too early")


def test_elements_are_told_by_the_line_they_begin_on():
    found = taken('[\n {\n  "a": 1\n },\n {"a": 2}\n]')
    assert [piece.line for piece in found] == [2, 5]


def test_a_long_object_gives_the_elements_of_its_lists_with_what_stood_around():
    body = {"eval": {"model": "m"}, "samples": [{"id": i, "text": "x" * 400} for i in range(50)], "end": 1}
    found = taken(json.dumps(body, indent=1), limit=2000, size=1000)
    assert values(found) == [{"eval": {"model": "m"}, "samples": [sample]} for sample in body["samples"]]


def test_elements_longer_than_the_limit_are_passed_over():
    body = [{"a": 1}, {"b": 'x\\"{' * 5000}, {"c": [[["y" * 9000]]]}, {"d": 4}]
    found = taken(json.dumps(body, indent=1), limit=3000, size=500)
    assert values(found) == [{"a": 1}, {"d": 4}]
    assert [piece.reason for piece in found if isinstance(piece, Unread)] == ["a record longer than the limit"] * 2


def test_a_long_record_that_is_no_list_is_told_and_what_follows_is_read():
    long = json.dumps({f"k{i}": "x" * 90 for i in range(50)})
    found = taken("\n".join([long, json.dumps({"a": 1}), '{"b": ', json.dumps({"c": 3})]), limit=2000)
    assert found[0] == Unread(1, "longer than 2,000 bytes, and holds no list of records")
    assert values(found) == [{"a": 1}, {"c": 3}]
    assert [piece.line for piece in found] == [1, 2, 3, 4]


def test_a_long_object_with_a_field_that_cannot_be_read_is_told():
    samples = b",".join([b'{"b": "' + b"x" * 900 + b'"}'] * 3)
    long = b'{"a": "\xff", "samples": [' + samples + b']}\n{"c": 3}'
    found = taken(long, limit=2000)
    assert found[0] == Unread(1, "not UTF-8 text at byte 1")
    assert values(found) == [{"c": 3}]


def test_memory_holds_one_element_of_a_long_list():
    record = b'{"text": "' + b"x" * 50_000 + b'"},\n'
    chunks = iter([b"[\n"] + [record] * 1500 + [b'{"text": ""}]'])
    tracemalloc.start()
    count = sum(1 for _ in pieces(chunks, limit=1 << 20, why_no_table=lambda _: None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1501
    assert peak < 4_000_000


@given(JSONS, st.integers(1, 9))
def test_the_cursor_gives_the_bytes_of_a_value(value, size):
    data = json.dumps(value).encode()
    cursor = Cursor(chunked(b" \n" + data + b" ,", size), limit=10_000)
    assert cursor.value() == data
    assert cursor.skip(b",")
    assert cursor.peek() == b""


@pytest.mark.parametrize("data", [b"", b"   ", b'"abc', b'{"a": [', b"]"])
def test_the_cursor_says_where_a_document_is_broken(data):
    with pytest.raises(Malformed):
        Cursor(iter([data]), limit=100).value()


def test_rows_of_a_table_that_do_not_fit_are_told_and_the_others_kept():
    text = 'id;name;text\n1;a;"two\nlines; quoted"\n2;b\n3;c;last\n\n'
    found = list(pieces(iter([text.encode()]), limit=1000, why_no_table=lambda _: None))
    assert values(found) == [
        {"id": "1", "name": "a", "text": "two\nlines; quoted"},
        {"id": "3", "name": "c", "text": "last"},
    ]
    assert [piece.reason for piece in found if isinstance(piece, Unread)] == ["2 cells, where the header names 3"]


def test_reading_a_table_leaves_the_limit_of_cells_as_it_was_for_everybody_else():
    before = csv.field_size_limit()
    text = f"id;name;text\n1;a;{'x' * 50}\n2;b;{'y' * 200}\n3;c;last\n"
    found = list(pieces(iter([text.encode()]), limit=100, why_no_table=lambda _: None))
    assert [piece.value["id"] for piece in found if isinstance(piece, Piece)] == ["1", "3"]
    assert csv.field_size_limit() == before


def test_a_log_of_text_lines_is_no_table():
    found = taken("2026-03-01, INFO, started\n2026-03-01, INFO, ended\n")
    assert [piece.reason.split(":")[0] for piece in found] == ["not JSON", "not JSON"]


def test_an_archive_of_logs_gives_each_of_them(scan_rows):
    pair = {"request": {"model": "m", "messages": [{"role": "user", "content": "x"}]}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("b/log.jsonl", json.dumps({**pair, "id": "2"}))
        packed.writestr("a.json", json.dumps([{**pair, "id": "1"}], indent=1))
        packed.writestr("readme.md", "no log")
    result = scan_rows(file.getvalue(), name="export.zip")
    assert [(e.id, e.source.rpartition("!")[2]) for e in result.exchanges] == [
        ("1", "a.json:2"),
        ("2", "b/log.jsonl:1"),
    ]


# Readers of somebody's own


def of_my_own(row):
    body = {"model": "m", "messages": [{"role": "user", "content": row["frage"]}]}
    yield Logged(row={"fairlead": 1, "request": body, "response": None})


MINE = Source(
    name="mine",
    fields=frozenset({"frage"}),
    claims=lambda row: "frage" in row,
    opened=lambda: EachRow(of_my_own),
)


@pytest.fixture
def plugged(monkeypatch):
    def plug(value):
        point = EntryPoint(name="mine", value=value, group="fairlead.sources")
        monkeypatch.setattr(table, "entry_points", lambda *, group: [point] if group == "fairlead.sources" else [])
        table.sources.cache_clear()

    yield plug
    monkeypatch.undo()
    table.sources.cache_clear()


def test_a_reader_of_ones_own_is_asked_first(plugged, monkeypatch, scan_rows):
    monkeypatch.setattr(EntryPoint, "load", lambda _: MINE)
    plugged("anything:MINE")
    (only,) = scan_rows({"frage": "Wie spät?", "request": {}}).exchanges
    assert only.request.messages[0].text == "Wie spät?"


def test_a_reader_that_cannot_be_loaded_is_named(plugged, scan_rows):
    plugged("no_such_module_at_all:READER")
    with pytest.raises(InputError, match=r"Reader mine \(no_such_module_at_all:READER\) cannot be loaded"):
        scan_rows({"frage": "x"})


def test_what_is_no_reader_is_named(plugged, scan_rows):
    plugged("json:dumps")
    with pytest.raises(InputError, match="is no Source"):
        scan_rows({"frage": "x"})
