"""One hostile value at every place of a log of every format: the row is read or refused with its reason, and no other is lost."""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import astuple

import pytest

from edge.sources.test_hostile_logs import CHAT, DONE, LOGS, places, read_all
from fairlead.core.nouns import Exchange
from fairlead.core.wire.canonical import exchange_to_json
from fairlead.core.wire.row import Note

DEPTH = 100_000
DEEP = "[" * DEPTH + "]" * DEPTH
DEEP_OBJECTS = '{"a":' * DEPTH + "1" + "}" * DEPTH
GOOD = [{"request": CHAT, "response": DONE, "id": name} for name in ("before", "after")]
MARK = "@place@"


def rows_with(log, value: str) -> list[str]:
    """The log as text, once for each of its places, with this piece of JSON there."""
    rows = []
    for path in places(log):
        row = json.loads(json.dumps(log))
        target = row
        for key in path[:-1]:
            target = target[key]
        if not isinstance(target[path[-1]], (dict, list)):
            target[path[-1]] = MARK
            rows.append(json.dumps(row).replace(f'"{MARK}"', value))
    return rows


def between_good_ones(tmp_path, rows):
    """Read these lines with a good one before and behind, which are found again; gives what came of the others."""
    lines = [json.dumps(GOOD[0]), *rows, json.dumps(GOOD[1])]
    reading, found = read_all(tmp_path, "\n".join(lines).encode())
    names = [item.id for item in found if isinstance(item, Exchange)]
    assert {"before", "after"} <= set(names)
    for item in found:
        if isinstance(item, Exchange):
            line = json.dumps(exchange_to_json(item), allow_nan=False, ensure_ascii=False)
            line.encode()  # no half of a surrogate pair is left
            assert all(count is None or count >= 0 for count in astuple(item.usage))
            assert item.latency_s is None or (item.latency_s >= 0 and math.isfinite(item.latency_s))
            assert item.started_at is None or 2015 <= item.started_at.year <= 2026
        else:
            assert 0 < len(item.reason) < 400
            assert item.reason.isprintable()
    return reading, [item for item in found if not isinstance(item, Exchange) or item.id not in {"before", "after"}]


@pytest.mark.parametrize("deep", [DEEP, DEEP_OBJECTS, DEEP[:DEPTH]], ids=["lists", "objects", "never closed"])
@pytest.mark.parametrize("name", LOGS)
def test_what_nests_a_hundred_thousand_levels_deep_is_refused_where_ever_it_stands(tmp_path, name, deep):
    rows = rows_with(LOGS[name], deep)[:: 1 if name in {"pair", "langfuse"} else 4]
    reading, found = between_good_ones(tmp_path, rows)
    assert [item.line for item in found] == list(range(2, len(rows) + 2))
    assert {item.reason for item in found} == {"nested deeper than 100 levels"}
    assert reading.skipped == len(rows)


STRANGE = {
    "JSON text nested deep": json.dumps(DEEP[: 4 * 1024] + DEEP[-4 * 1024 :]),
    "JSON text nested without an end": json.dumps("[" * DEPTH),
    "stream of nested events": json.dumps("data: " + "[" * DEPTH + "\n\ndata: [DONE]\n\n"),
    "NUL": r'"a\u0000b"',
    "half a surrogate pair": r'"\ud83d and \udc00"',
    "an object that says one thing twice": '{"type": "text", "type": 7, "text": "x", "text": null}',
    "infinite": "1e999",
    "not a number": "NaN",
    "negative": "-5",
    "negative and broken": "-0.5e-400",
    "more digits than anybody needs": "9" * 5_000,
    "a number as text": '"١٢٣"',
    "a date that never was": '"2026-02-31T25:61:61Z"',
    "a date before all logs": '"0001-01-01T00:00:00+14:00"',
    "a date behind the last": '"9999-12-31T23:59:59.999999999-14:00"',
    "a moment without end": "9e18",
    "control letters": r'"\u001b[31m\r\n\u202e\u2028"',
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", LOGS)
def test_a_strange_value_at_any_place_is_read_or_told(tmp_path, name, kind):
    rows = rows_with(LOGS[name], STRANGE[kind])
    reading, found = between_good_ones(tmp_path, rows)
    assert found or reading.notes.get(Note.NO_CALL)


def test_a_text_of_ten_megabytes_is_read_in_every_format(tmp_path):
    text = json.dumps("long " * 2_000_000)
    for name in LOGS:
        rows = [row for row in rows_with(LOGS[name], MARK) if row][:1]
        reading, found = between_good_ones(tmp_path, [rows[0].replace(MARK, text)])
        assert found or reading.notes.get(Note.NO_CALL)


@pytest.mark.parametrize("head", ["", '{"data": '])
def test_one_deep_record_of_a_document_is_refused_and_the_others_are_read(tmp_path, head):
    text = f"{head}[\n {json.dumps(GOOD[0])},\n {DEEP},\n {json.dumps(GOOD[1])}\n]" + "}" * bool(head)
    _, found = read_all(tmp_path, text.encode())
    told = [item.id if isinstance(item, Exchange) else (item.line, item.reason) for item in found]
    if head:
        assert told == [(1, "nested deeper than 100 levels")]
    else:
        assert told == ["before", (3, "nested deeper than 100 levels"), "after"]


def test_a_document_that_is_all_opening_brackets_is_one_reason(tmp_path):
    _, found = read_all(tmp_path, b"[" * 300_000)
    assert [item.reason for item in found] == ["not JSON: it ends too early"]


@pytest.mark.parametrize("deep", [DEEP, DEEP[:DEPTH]], ids=["closed", "never closed"])
def test_a_deep_cell_of_a_table_costs_no_other_row(tmp_path, scan_rows, deep):
    body = json.dumps(CHAT).replace('"', '""')
    answer = json.dumps(DONE).replace('"', '""')
    names = "request_id,request_created_at,request_body,response_body,model"
    lines = [f'r{at},2026-03-01T12:00:00Z,"{asked}","{answer}",gpt-4o' for at, asked in enumerate([body, deep, body])]
    found = scan_rows("\n".join([names, *lines]), name="table.csv")
    assert [one.id for one in found.exchanges][::2] == ["r0", "r2"]
    assert len(found.exchanges) + len(found.reasons) == 3


def test_a_deep_sample_of_an_archive_costs_no_other(tmp_path, scan):
    path = tmp_path / "log.eval"
    event = {
        "event": "model",
        "model": "openai/x",
        "input": CHAT["messages"][:1],
        "output": {"choices": [{"message": {"content": "x"}}]},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps({"eval": {"model": "openai/x"}, "status": "success", "version": 2}))
        for name, store in (("a", "1"), ("b", DEEP), ("c", "2")):
            sample = {"id": name, "epoch": 1, "messages": [], "events": [event], "store": MARK}
            archive.writestr(f"samples/{name}_epoch_1.json", json.dumps(sample).replace(f'"{MARK}"', store))
    found = scan(path)
    assert len(found.exchanges) == 2
    assert found.reasons == ["nested deeper than 100 levels"]
