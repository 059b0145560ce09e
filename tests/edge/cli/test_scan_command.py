"""`fairlead scan`: what it prints, and what it makes of input nobody would send on purpose."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from edge.cli.conftest import Run, office_log
from fairlead.edge.store import Ledger
from fairlead.testing.scripted import exchange
from journeys.walk import FIRST_DAY, line, write_lines

GOOD = json.dumps(line("a", "gpt-4o", {"messages": [{"role": "user", "content": "Hello"}]}, "Hi", at=FIRST_DAY))

DOCUMENTED = {
    "exchanges", "new", "skipped", "skipped_lines", "set_aside", "redact", "redacted", "span", "currency", "month_unknown", "workloads",
    "bill", "page",
}  # fmt: skip
DOCUMENTED_WORKLOAD = {
    "id", "name", "category", "confidence", "reasons", "others", "endpoint", "calls", "requests", "failures",
    "input_tokens", "cached_tokens", "output_tokens", "spend", "spend_per_month", "spend_unknown_calls",
    "spend_unknown_reasons", "latency_p50_s", "latency_p95_s", "models", "data_class",
    "calls_an_hour", "peak_an_hour", "peak_at", "input_spread", "output_spread", "cached_share", "prefix_reuse", "first_token",
    "error_rate", "trajectories", "steps", "growth", "daily", "replayable", "fidelity", "tiers", "by_candidate",
}  # fmt: skip


def test_the_record_is_the_documented_one(run: Run, office: Path) -> None:
    record = run("scan", "log.jsonl", "--json").record
    assert set(record) == DOCUMENTED
    assert all(set(row) == DOCUMENTED_WORKLOAD for row in record["workloads"])
    assert set(record["span"]) == {"start", "end", "days"}
    help_text = run("scan", "--help").out
    assert all(name in help_text for name in DOCUMENTED | DOCUMENTED_WORKLOAD)


def test_an_office_has_its_two_workloads(run: Run, office: Path, same_as_snapshot: Any) -> None:
    record = run("scan", "--json").record
    assert sorted(row["calls"] for row in record["workloads"]) == [70, 140]
    assert all(row["spend_per_month"] > 0 for row in record["workloads"])
    assert all(row["models"] == {"gpt-4o": row["calls"]} for row in record["workloads"])
    same_as_snapshot(run("scan").out, "scan")


def test_what_was_not_understood_beside_the_bodies_is_told(run: Run, bare: Path) -> None:
    odd = {**json.loads(GOOD), "id": "b", "shop": 1, "started_at": "1999-01-01"}
    Path("log.jsonl").write_text(GOOD + "\n" + json.dumps(odd) + "\n")
    assert (
        "Set aside, the exchanges kept: date set aside (1); field shop not understood (1)."
        in run("scan", "log.jsonl").out
    )
    record = run("scan", "log.jsonl", "--json").record
    assert record["set_aside"] == {"date set aside": 1, "field shop not understood": 1}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("[serve]\nport = 80000\n", "[serve]: port must be a whole number from 1 to 65535, not 80000"),
        ('[serve.routes]\nstrat = "canary"\n', "[serve.routes] has an unknown name 'strat'"),
        ("[serve.logs]\nnone = 1\n", "[serve.logs] has an unknown name 'none'"),
    ],
)
def test_a_mistake_in_settings_that_a_command_does_not_use_is_told(run: Run, bare: Path, wrong: str, says: str) -> None:
    Path("log.jsonl").write_text(GOOD)
    Path("fairlead.toml").write_text(wrong)
    done = run("scan", "log.jsonl")
    assert (done.code, says in done.complaint) == (2, True), done.complaint


def test_the_reason_of_a_single_wrong_file_is_said_once(run: Run, bare: Path) -> None:
    Path("wrong.jsonl").write_text('{"shape": 1}\n')
    shown = run("scan", "wrong.jsonl")
    assert (shown.out + shown.err).count("no reader knows this shape") == 1
    Path("wrong.jsonl").write_text('{"shape": 1}\n{"form": 1}\n')
    shown = run("scan", "wrong.jsonl")
    assert "it holds shape" in shown.out
    assert shown.complaint.startswith("No exchange could be read from wrong.jsonl; 2 skipped.")
    assert "no reader knows this shape" in run("scan", "wrong.jsonl", "--json").err


def test_calls_that_belong_to_no_workload_yet_are_told_of(run: Run, office: Path) -> None:
    with Ledger.open(office / "fairlead.db") as ledger:
        ledger.append_exchanges([exchange(1)])
    out = run("scan").out
    assert "211 exchanges in" in out
    assert "1 exchange belongs to no workload yet, for too few like it were seen, and is not in the table." in out


def test_a_sum_that_leaves_calls_out_is_marked_as_the_amounts_are(run: Run, bare: Path) -> None:
    asked = {"messages": [{"role": "system", "content": "Sort the mail."}, {"role": "user", "content": "Hello"}]}
    models = ("gpt-4o", "nobody-knows")
    rows = [line(f"r{n}", models[n % 2], asked, "A", at=FIRST_DAY + timedelta(hours=n)) for n in range(40)]
    write_lines(bare / "log.jsonl", rows)
    out = run("scan", "log.jsonl").out
    (total,) = [row for row in out.splitlines() if row.startswith("all ")]
    assert total.rstrip().endswith("+")
    assert "20 calls have no known cost and are not in the sums (+)" in out


def test_a_log_of_one_day_names_that_day_once(run: Run, bare: Path) -> None:
    write_lines(bare / "log.jsonl", [json.loads(GOOD)])
    assert f"{FIRST_DAY.day} {FIRST_DAY:%B %Y}, less than a minute." in " ".join(run("scan", "log.jsonl").out.split())


def test_a_long_path_loses_its_beginning_and_never_its_line(run: Run, bare: Path) -> None:
    folder = bare / "a-folder-with-a-rather-long-name" / "and-another-one-below-it"
    folder.mkdir(parents=True)
    (folder / "export.jsonl").write_text(f"{GOOD}\nnot json\n")
    assert "below-it/export.jsonl:2  not JSON" in run("scan", folder).out


def test_what_could_not_be_read_at_all_is_told_where_the_formats_are(run: Run, bare: Path) -> None:
    (bare / "other.jsonl").write_text('{"foo": 1}\n')
    assert "docs/log-formats.md lists what is read" in run("scan", "other.jsonl").complaint


def test_scanning_again_adds_nothing_and_says_so(run: Run, office: Path) -> None:
    before = run("scan", "--json").record["workloads"]
    again = run("scan", "log.jsonl", "--json").record
    assert (again["exchanges"], again["new"]) == (210, 0)
    assert again["workloads"] == before
    assert "210 of them known already" in run("scan", "log.jsonl").out


def test_a_file_a_folder_and_stdin_give_the_same(run: Run, bare: Path) -> None:
    rows = office_log()
    folder = bare / "logs"
    folder.mkdir()
    texts = [json.dumps(row) + "\n" for row in rows]
    (folder / "1.jsonl").write_text("".join(texts[:70]))
    (folder / "2.jsonl.gz").write_bytes(gzip.compress("".join(texts[70:140]).encode()))
    (folder / "3.jsonl.zst").write_bytes(zstandard.compress("".join(texts[140:]).encode()))
    (folder / "notes.pdf").write_bytes(b"%PDF")
    whole = write_lines(bare / "all.jsonl", rows)
    found = [
        run("scan", folder, "--ledger", "a.db", "--json").record,
        run("scan", whole, "--ledger", "b.db", "--json").record,
        run("scan", "-", "--ledger", "c.db", "--json", stdin=whole.read_bytes()).record,
    ]
    assert [record["exchanges"] for record in found] == [210, 210, 210]
    assert found[0]["workloads"] == found[1]["workloads"] == found[2]["workloads"]


def test_more_traffic_keeps_the_workloads_ids(run: Run, bare: Path) -> None:
    rows = office_log()
    first = run("scan", write_lines(bare / "1.jsonl", rows[:150]), "--json").record["workloads"]
    both = run("scan", write_lines(bare / "2.jsonl", rows[150:]), "--json").record["workloads"]
    assert {row["id"] for row in first} == {row["id"] for row in both}
    assert sum(row["calls"] for row in both) == 210


def test_amounts_come_in_the_currency_asked_for(run: Run, office: Path) -> None:
    dollars, pounds = run("scan", "--json").record, run("scan", "--currency", "gbp", "--json").record
    assert pounds["currency"] == "GBP"
    for one, other in zip(dollars["workloads"], pounds["workloads"], strict=True):
        assert 0.6 < other["spend"] / one["spend"] < 1.0
    assert "Converted to GBP at the rate of" in run("scan", "--currency", "GBP").out


def test_an_unknown_currency_is_one_line(run: Run, office: Path) -> None:
    done = run("scan", "--currency", "QQQ")
    assert done.code == 2
    assert "QQQ" in done.complaint


def test_an_unknown_model_costs_an_unknown_amount_never_nothing(run: Run, bare: Path) -> None:
    rows = [{**row, "request": {**row["request"], "model": "acme-9b"}} for row in office_log()[:30]]
    for row in rows:
        row["response"] = {**row["response"], "model": "acme-9b"}
    record = run("scan", write_lines(bare / "log.jsonl", rows), "--json").record
    assert [row["spend"] for row in record["workloads"]] == [None] * len(record["workloads"])
    assert [row["spend_per_month"] for row in record["workloads"]] == [None] * len(record["workloads"])
    assert sum(row["spend_unknown_calls"] for row in record["workloads"]) == 30
    assert any("acme-9b" in reason for row in record["workloads"] for reason in row["spend_unknown_reasons"])
    shown = run("scan").out
    assert "unknown" in shown
    assert "30 calls have no known cost" in shown
    assert "Add prices to fairlead.toml" in shown
    assert "$0.00" not in shown


def test_a_log_of_less_than_a_day_says_what_it_cost_itself_and_asks_for_no_price_where_usage_is_missing(
    run: Run, bare: Path
) -> None:
    row, bare_row = office_log()[:2]
    bare_row = {**bare_row, "started_at": row["started_at"], "response": {**bare_row["response"], "usage": None}}
    shown = run("scan", write_lines(bare / "log.jsonl", [row, bare_row])).out
    told = " ".join(shown.split())
    assert "the log covers less than a day. Amounts are for the log's own calls." in told
    assert "In the log" in told
    assert "1 call has no known cost and is not in the sums (+): usage not recorded (1)." in told
    assert "Add prices" not in told


def test_a_price_of_ones_own_makes_the_cost_known(run: Run, bare: Path) -> None:
    rows = [{**row, "request": {**row["request"], "model": "acme-9b"}} for row in office_log()[:30]]
    for row in rows:
        row["response"] = {**row["response"], "model": "acme-9b"}
    (bare / "fairlead.toml").write_text('[prices."acme-9b"]\ninput = 1.5\noutput = 2.5\n')
    record = run("scan", write_lines(bare / "log.jsonl", rows), "--json").record
    assert all(row["spend"] > 0 for row in record["workloads"])


def test_below_a_day_there_is_no_month(run: Run, bare: Path) -> None:
    rows = [{**row, "started_at": f"2026-11-02T10:{n:02d}:00Z"} for n, row in enumerate(office_log()[:30])]
    record = run("scan", write_lines(bare / "log.jsonl", rows), "--json").record
    assert record["month_unknown"] == "the log covers less than a day"
    assert all(row["spend_per_month"] is None and row["spend"] > 0 for row in record["workloads"])
    table = run("scan").out
    assert ("In the log" in table, "Per month " in table) == (True, False)
    assert "in the log" in run("workload", "show", record["workloads"][0]["id"]).out
    assert "Spend per month is unknown: the log covers less than a day. Amounts are for the log's own calls." in table


def test_without_dates_there_is_no_month_either(run: Run, bare: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "started_at"} for row in office_log()[:30]]
    record = run("scan", write_lines(bare / "log.jsonl", rows), "--json").record
    assert (record["span"], record["month_unknown"]) == (None, "no exchange carries a date")
    assert "unknown" in run("scan").out


def test_a_log_without_latencies_has_none_made_up(run: Run, bare: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "latency_s"} for row in office_log()[:30]]
    record = run("scan", write_lines(bare / "log.jsonl", rows), "--json").record
    assert all(row["latency_p50_s"] is None for row in record["workloads"])


# Input that cannot be read


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no line holds anything"),
        (b"\n\n  \n", "no line holds anything"),
        (bytes(range(256)) * 400, "not"),
        (gzip.compress(b"".join(GOOD.encode() + b"%d\n" % n for n in range(900)), mtime=0)[:300], "skipped"),
        (b"\x28\xb5\x2f\xfd" + bytes(50), "skipped"),
        (b"{}\n", "no fields"),
        (b"[]\n", "no line holds anything"),
        (b"null\n", "skipped"),
        (b'"text"\n', "skipped"),
        (b"[" * 5000 + b"\n", "skipped"),
        (b'{"request": {"model": "m", "messages": "see attachment"}, "response": {}}\n', "messages"),
        (b"\xff\xfe{\x00}\x00\n", "skipped"),
    ],
    ids=["empty", "blank", "binary", "cut gzip", "bad zstd", "{}", "[]", "null", "text", "deep", "shape", "utf-16"],
)
def test_a_file_that_holds_no_exchange_is_one_line_and_exit_code_2(
    run: Run, bare: Path, content: bytes, says: str
) -> None:
    (bare / "log.jsonl").write_bytes(content)
    done = run("scan", "log.jsonl")
    assert done.code == 2
    assert says in done.complaint


def test_what_stands_before_the_damage_of_an_archive_is_kept(run: Run, bare: Path) -> None:
    rows = office_log()
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    (bare / "log.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    record = run("scan", "log.jsonl.gz", "--json").record
    assert 20 < record["exchanges"] < 210
    assert record["skipped"] >= 1
    assert "log.jsonl.gz" in record["skipped_lines"][0]["source"]


def test_a_line_that_cannot_be_read_is_named_and_all_others_are_kept(run: Run, bare: Path) -> None:
    rows = [json.dumps(row).encode() for row in office_log()[:40]]
    rows[10:10] = [b"{broken", b'{"request": 3, "response": {}}', rows[0][:40] + b"\xff\xfe" + rows[0][40:]]
    (bare / "log.jsonl").write_bytes(b"\n".join(rows) + b"\n")
    done = run("scan", "log.jsonl", "--json")
    record = done.record
    assert (done.code, record["exchanges"], record["skipped"]) == (0, 40, 3)
    assert [skip["line"] for skip in record["skipped_lines"]] == [11, 12, 13]
    assert all(skip["reason"] for skip in record["skipped_lines"])
    shown = run("scan", "log.jsonl").out
    assert "3 lines skipped" in shown
    assert "log.jsonl:11" in shown


Break = Callable[[dict[str, Any]], Any]


def put(*path: str | int, value: Any) -> Break:
    """A change that puts `value` at a place in a row."""

    def change(row: dict[str, Any]) -> None:
        inner: Any = row
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value

    return change


FIELDS: list[tuple[str | int, ...]] = [
    ("id",), ("request",), ("response",), ("started_at",), ("latency_s",), ("metadata",), ("provider",),
    ("conversation",), ("user",), ("step",), ("first_token_s",),
    ("request", "model"), ("request", "messages"), ("request", "messages", 0), ("request", "messages", 0, "role"),
    ("request", "messages", 0, "content"), ("request", "tools"), ("request", "response_format"), ("request", "user"),
    ("request", "temperature"), ("request", "max_tokens"), ("request", "stop"), ("request", "stream"),
    ("response", "model"), ("response", "choices"), ("response", "choices", 0), ("response", "choices", 0, "message"),
    ("response", "choices", 0, "message", "content"), ("response", "choices", 0, "message", "tool_calls"),
    ("response", "choices", 0, "finish_reason"), ("response", "usage"), ("response", "usage", "prompt_tokens"),
    ("response", "usage", "completion_tokens"), ("response", "usage", "prompt_tokens_details"),
]  # fmt: skip
VALUES: list[Any] = [
    None, True, -1, 0, 3.5, 1e300, 10**30, "", "text", "\ud800", "\x00", [], [1], [[]], {}, {"a": 1}, [None], "9" * 400,
]  # fmt: skip


def test_any_wrong_type_in_any_field_is_read_or_skipped_and_never_more(run: Run, bare: Path) -> None:
    rows: list[str] = []
    for number, (field, value) in enumerate((field, value) for field in FIELDS for value in VALUES):
        row = json.loads(json.dumps(office_log_row(number)))
        put(*field, value=value)(row)
        rows.append(json.dumps(row))
    good = [json.dumps(office_log_row(number)) for number in range(10_000, 10_050)]
    (bare / "log.jsonl").write_text("\n".join([*rows, *good]) + "\n")
    done = run("scan", "log.jsonl", "--json")
    record = done.record
    assert done.code == 0
    assert record["exchanges"] + len({skip["line"] for skip in record["skipped_lines"] if skip["line"]}) >= len(rows)
    assert record["exchanges"] >= 50
    assert run("scan").code == 0
    exported = run("ledger", "export", "-o", "all.jsonl", "--json").record
    again = run("scan", "all.jsonl", "--ledger", "again.db", "--json").record
    assert again["exchanges"] == exported["exchanges"]


def office_log_row(number: int) -> dict[str, Any]:
    messages = [{"role": "system", "content": "You add up numbers."}, {"role": "user", "content": f"Note {number}"}]
    return line(f"row-{number}", "gpt-4o", {"messages": messages}, f"{number}", at=FIRST_DAY)


def test_the_same_id_twice_keeps_both_exchanges(run: Run, bare: Path) -> None:
    rows = [{**row, "id": "same"} for row in office_log()[:20]]
    record = run("scan", write_lines(bare / "log.jsonl", rows), "--json").record
    assert (record["exchanges"], record["new"]) == (20, 20)
    run("ledger", "export", "-o", "out.jsonl")
    ids = [json.loads(one)["id"] for one in (bare / "out.jsonl").read_text().splitlines()]
    assert len(set(ids)) == 20


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 0, 9e18, -5])
def test_a_date_that_cannot_be_right_is_set_aside_and_the_row_kept(run: Run, bare: Path, when: Any) -> None:
    rows = office_log()[:20]
    rows[3] = {**rows[3], "started_at": when}
    record = run("scan", write_lines(bare / "log.jsonl", rows), "--json").record
    assert record["exchanges"] == 20
    assert record["span"]["days"] < 30
    assert sum(row["calls"] for row in record["workloads"]) == 20


def test_a_path_that_does_not_exist_is_one_line(run: Run, bare: Path) -> None:
    done = run("scan", "nowhere.jsonl")
    assert done.code == 2
    assert "nowhere.jsonl" in done.complaint
    assert not (bare / "fairlead.db").exists() or run("scan", "--json").record["exchanges"] == 0


def test_without_paths_and_without_a_ledger_it_says_what_to_do(run: Run, bare: Path) -> None:
    done = run("scan")
    assert done.code == 2
    assert "scan" in done.complaint
    assert not list(bare.iterdir())


def test_hostile_names_are_shown_tame(run: Run, bare: Path) -> None:
    system = "You \x1b[31mrm -rf\x1b[0m [bold]help[/bold] <script>alert(1)</script> \u202e\u0007 people. Be kind."
    rows = []
    for number, row in enumerate(office_log()[:40]):
        messages = [{"role": "system", "content": system}, {"role": "user", "content": f"Question {number}"}]
        rows.append({**row, "request": {**row["request"], "messages": messages}})
    shown = run("scan", write_lines(bare / "log.jsonl", rows)).out
    assert not {"\x1b", "\u202e", "\x07"} & set(shown)


def test_a_scan_ends_with_the_first_page_and_json_only_where_one_is_asked_for(run: Run, bare: Path) -> None:
    log = write_lines(bare / "log.jsonl", office_log())
    assert run("scan", log, "--json").record["page"] is None
    assert not (bare / "fairlead-scan.html").exists()
    assert "First page: fairlead-scan.html" in run("scan").out
    page = (bare / "fairlead-scan.html").read_text()
    assert "You spend" in page
    assert page.count("<tr") > 3
    assert run("scan", "--page", "june.html", "--json").record["page"] == "june.html"
    assert "Where it goes" in (bare / "june.html").read_text()


def test_the_shape_of_a_workload_is_what_was_counted_by_hand(run: Run, bare: Path) -> None:
    """Ten calls over ten days: three runs of 5, 3 and 2 steps, two of which failed, half of the input from the cache."""
    rows: list[dict[str, Any]] = []
    for number, run_name in enumerate("aaaaabbbcc"):
        body = {"model": "gpt-4o", "messages": [{"role": "system", "content": "You sort the mail of Acme."}, {"role": "user", "content": f"Letter {number}"}]}  # fmt: skip
        details = {"cached_tokens": 50}
        whole: dict[str, Any] = {
            "model": "gpt-4o-2024-08-06" if number else "gpt-4.1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "in"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10 + number, "prompt_tokens_details": details},
        }
        failed = {"error": {"type": "server_error", "message": "overloaded"}}
        day = 1 + (number if number < 9 else 8)  # the last two calls come within one minute
        rows.append({
            "request": body, "response": failed if number in {2, 6} else whole, "id": f"r{number}",
            "started_at": f"2026-03-{day:02}T12:00:{10 * (number == 9):02}Z", "latency_s": 1.0 + number,
            "first_token_s": 0.5, "metadata": {"session_id": run_name},
        })  # fmt: skip
    (found,) = run("scan", write_lines(bare / "log.jsonl", rows), "--json").record["workloads"]
    assert (found["calls"], found["failures"], found["error_rate"]) == (10, 2, 0.2)
    assert (found["input_tokens"], found["cached_tokens"], found["cached_share"]) == (800, 400, 0.5)
    assert (found["output_tokens"], found["output_spread"]["highest"]) == (10 * 10 + 45 - 10 - 2 - 10 - 6, 19)
    assert (found["trajectories"], found["steps"]["p50"], found["steps"]["highest"]) == (3, 3, 5)
    assert found["first_token"] == {"p50": 0.5, "p95": 0.5, "highest": 0.5, "mean": 0.5}
    assert found["prefix_reuse"] == pytest.approx(0.1)
    assert (found["peak_an_hour"], found["peak_at"][:13]) == (2, "2026-03-09T12")
    assert found["models"] == {"gpt-4o-2024-08-06": 7, "gpt-4.1": 1, "gpt-4o": 2}
    assert found["latency_p50_s"] == pytest.approx(5.5)


def test_a_page_that_cannot_be_written_costs_neither_the_table_nor_the_page_before(
    run: Run, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_lines(bare / "log.jsonl", office_log())
    done = run("scan", log, "--page", "nowhere/page.html")
    assert done.code == 2
    assert "nowhere/page.html cannot be written: No such file or directory. Name another place" in done.complaint
    assert "Per month" in done.out
    told = run("scan", "--json", "--page", "nowhere/page.html")
    assert told.code == 2
    assert (told.record["page"], told.record["exchanges"]) == (None, 210)
    run("scan", "--page", "june.html")
    before = (bare / "june.html").read_bytes()

    def full(path: Path, text: str, **_: str) -> int:
        path.write_bytes(text[:1000].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert "june.html cannot be written: No space left" in run("scan", "--page", "june.html").complaint
    assert (bare / "june.html").read_bytes() == before
    assert sorted(path.name for path in bare.glob("*june*")) == ["june.html"]
    assert sorted(path.name for path in bare.glob(".*june*")) == []


def test_a_bill_is_held_against_the_log_and_stands_on_the_page(run: Run, office: Path) -> None:
    header = "start_time,end_time,model,num_model_requests,input_tokens,output_tokens,input_cached_tokens\n"
    day = int(FIRST_DAY.timestamp())
    rows = [f"{day + 86400 * n},{day + 86400 * (n + 1)},gpt-4o-2024-08-06,8,100000,90,0\n" for n in range(28)]
    (office / "bill.csv").write_text(header + "".join(rows))
    bill = run("scan", "--bill", "bill.csv", "--json").record["bill"]
    assert set(bill) == {
        "sources",
        "first",
        "last",
        "currency",
        "priced",
        "billed",
        "explained",
        "unexplained",
        "rows",
        "notes",
    }
    assert bill["billed"] == pytest.approx(bill["explained"] + bill["unexplained"])
    assert [row["type"] for row in bill["rows"]] == ["input", "output"]
    assert bill["rows"][0]["reason"].startswith("calls that are not in the log")
    out = run("scan", "--bill", "bill.csv").out
    assert "explained by the log" in out
    assert "calls that are not in the log" in (office / "fairlead-scan.html").read_text()


def test_a_bill_that_is_none_is_one_line_with_its_columns(run: Run, office: Path) -> None:
    (office / "odd.csv").write_text("when,what,howmuch\n1,2,3\n")
    done = run("scan", "--bill", "odd.csv")
    assert done.code == 2
    assert "unknown columns when, what, howmuch" in done.complaint


def test_bills_in_two_currencies_are_never_added_up(run: Run, office: Path) -> None:
    header = "start_time,line_item,amount.value,amount.currency\n"
    day = int(FIRST_DAY.timestamp())
    for name in ("usd", "eur"):
        (office / f"{name}.csv").write_text(f'{header}{day},"gpt-4o-2024-08-06, input",10.00,{name}\n')
    done = run("scan", "--bill", "usd.csv", "--bill", "eur.csv")
    assert done.code == 2
    assert "These bills are in EUR and USD, which cannot be added up." in done.complaint
    assert not done.out, "it is said before anything is read"
    assert run("scan", "--bill", "eur.csv", "--json").record["bill"]["currency"] == "EUR"
