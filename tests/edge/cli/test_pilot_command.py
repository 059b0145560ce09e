"""`fairlead pilot` and `fairlead run` against a real server: leave, dry runs, budgets, windows, and endpoints that misbehave."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from edge.cli.conftest import Run, office_labels, office_log
from fairlead.edge.store import Ledger
from fairlead.testing.faults import Fault, Faults
from fairlead.testing.recorded import Recording
from journeys.walk import Done, Served, served, write_lines

SUMS = "Add up the amounts"
PRICE = ("--price", "0.10,0.40")


def to(server: Served, model: str = "good") -> tuple[object, ...]:
    return ("--endpoint", server.url, "--model", model, "--labels", "labels.jsonl", "--margin", 0.1)


def only(done: Done) -> dict[str, Any]:
    (pilot,) = done.record["pilots"]
    return pilot


# What it says


def test_a_model_that_is_as_good_may_move_and_the_record_is_the_documented_one(
    run: Run, office: Path, server: Served
) -> None:
    done = run("pilot", SUMS, *to(server), *PRICE, "--yes", "--json")
    pilot = only(done)
    assert (done.code, done.err) == (0, "")
    assert (pilot["judgement"]["verdict"], pilot["ended"]) == ("equivalent", "decided")
    assert pilot["judgement"]["replace_ok"]
    assert pilot["words"].startswith("equivalent: on traffic like this, good is not worse by 10 points or more")
    documented = {
        "workload", "pilot_id", "judgement", "ended", "words", "message", "incumbent", "candidate", "basis", "design",
        "spent", "forecast",
    }  # fmt: skip
    assert documented <= set(pilot)
    for side in ("incumbent", "candidate"):
        assert {
            "latency_p50_s",
            "latency_p95_s",
            "input_tokens",
            "output_tokens",
            "failures",
            "refusals",
            "cost",
        } <= set(pilot[side])
    assert float(pilot["spent"]["amount"]) > 0


def test_a_model_that_is_wrong_half_the_time_stays_behind(run: Run, office: Path, server: Served) -> None:
    done = run("pilot", SUMS, *to(server, "poor"), "--yes", "--json")
    assert (done.code, only(done)["judgement"]["verdict"]) == (1, "closed leads")
    assert only(done)["judgement"]["by_more_than_margin"]


def test_without_a_workload_every_one_with_labels_is_piloted(run: Run, office: Path, server: Served) -> None:
    done = run("pilot", *to(server, "mixed"), "--yes", "--json")
    verdicts = {row["workload"]["name"][:8]: row["judgement"]["verdict"] for row in done.record["pilots"]}
    assert verdicts == {"Add up t": "closed leads", "Sort the": "equivalent"}
    assert done.code == 1, "one of them may not move"


def test_a_decided_pilot_asked_for_again_asks_nothing_and_says_the_same(run: Run, office: Path, server: Served) -> None:
    first = run("pilot", SUMS, *to(server), "--yes", "--json")
    asked = len(server.journal.asked)
    again = run("pilot", SUMS, *to(server), "--yes", "--json")
    assert len(server.journal.asked) == asked
    assert only(again)["judgement"] == only(first)["judgement"]
    assert again.code == 0


def test_a_person_reads_where_traffic_goes_before_and_both_sides_after(run: Run, office: Path, server: Served) -> None:
    shown = run("pilot", SUMS, *to(server), *PRICE, "--yes").out
    assert f"good at {server.url}" in shown
    assert "Requests" in shown
    assert "≤ 140" in shown
    assert "incumbent" in shown
    assert "latency p50 / p95" in shown
    assert "Rests on: grader number" in shown


def test_requests_that_run_out_leave_it_undecided_and_say_how_many_more(run: Run, office: Path, server: Served) -> None:
    done = run("pilot", "Sort", *to(server), "--margin", 0.01, "--yes", "--json")
    pilot = only(done)
    assert (done.code, pilot["judgement"]["verdict"]) == (1, "undecided")
    assert pilot["ended"] == "no more distinct requests"
    assert "All 70 distinct requests are used" in pilot["message"]
    assert "Scan more traffic, or ask about --window" in pilot["message"]
    assert pilot["forecast"]["median"] > 0


def test_a_window_is_about_exactly_the_logged_rows_and_says_so(run: Run, office: Path, server: Served) -> None:
    done = run("pilot", "Sort", *to(server), "--margin", 0.05, "--window", "--yes", "--json")
    pilot = only(done)
    assert (done.code, pilot["judgement"]["verdict"]) == (0, "equivalent")
    assert pilot["design"]["betting"]["engine"] == "adaptive stakes on what remains of the window"
    assert pilot["design"]["betting"]["scores_on_file"]
    assert len(server.journal.asked) == len(set(server.journal.asked)) <= 70, "and asked once"
    assert "exactly this window of 70 exchanges (2026-10-21 to 2026-11-16)" in pilot["words"]
    assert "traffic like this" not in pilot["words"]


def test_agreement_with_the_incumbent_is_called_that(run: Run, office: Path, server: Served) -> None:
    done = run(
        "pilot", SUMS, "--endpoint", server.url, "--model", "good", "--grader", "agree", "--margin", 0.1, "--yes"
    )
    assert done.code == 0
    assert "agree" in done.out
    assert "Rests on: grader agree" in done.out


def test_agreement_is_likeness_in_every_screen_and_never_called_quality(run: Run, office: Path, server: Served) -> None:
    to_poor = ("--endpoint", server.url, "--model", "poor", "--grader", "agree", "--margin", 0.1, "--yes")
    assert "poor disagrees with the incumbent in more than 10 of 100 requests" in run("pilot", SUMS, *to_poor).out
    assert "Graded by agreement with the incumbent, which is likeness and not quality: Add up" in run("plan").out
    run("report", "-o", "page.html")
    assert "likeness, not quality" in (office / "page.html").read_text(encoding="utf-8")


def test_what_is_proven_alone_goes_on_until_it_stands_among_all_that_was_asked(
    run: Run, office: Path, server: Served
) -> None:
    close = ("--margin", 0.08)
    for model in ("poor", "mixed"):
        run("pilot", *to(server, model), *close, "--yes", "--json")
    alone = only(run("pilot", SUMS, *to(server), *close, "--yes", "--json"))
    both = {
        row["workload"]["name"]: row for row in run("pilot", *to(server), *close, "--yes", "--json").record["pilots"]
    }
    assert all(row["judgement"]["verdict"] == "equivalent" and row["ended"] == "decided" for row in both.values())
    after = next(row for name, row in both.items() if name.startswith(SUMS))
    assert after["pilot_id"] == alone["pilot_id"]
    assert after["judgement"]["n"] > alone["judgement"]["n"]
    plan = run("plan", "--json").record
    assert plan["declared"] == 6
    assert [move["action"] for move in plan["moves"]] == ["move", "move"]
    asked = len(server.journal.asked)
    again = {
        row["workload"]["name"]: row for row in run("pilot", *to(server), *close, "--yes", "--json").record["pilots"]
    }
    assert len(server.journal.asked) == asked
    assert {name: row["judgement"] for name, row in again.items()} == {n: row["judgement"] for n, row in both.items()}


# Which grader


def relabelled(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The office's expected answers with something changed in every row, and no grader named."""
    rows = [{key: value for key, value in row.items() if key != "grader"} for row in office_labels()]
    write_lines(folder / "labels.jsonl", [change(row) for row in rows])


def test_without_a_name_the_grader_is_one_that_uses_the_expected_answers(
    run: Run, office: Path, server: Served
) -> None:
    relabelled(office, dict)
    done = run("pilot", *to(server), "--yes", "--json")
    graders = {row["workload"]["name"][:4]: row["basis"]["grader"].partition("@")[0] for row in done.record["pilots"]}
    assert graders == {"Add ": "number", "Sort": "label"}
    assert done.code == 0


def test_expected_answers_that_no_rule_compares_are_refused_before_anything_is_asked(
    run: Run, office: Path, server: Served
) -> None:
    relabelled(office, lambda row: {**row, "expected": f"One would have to say that it is {row['expected']}; " * 3})
    done = run("pilot", "Sort", *to(server), "--yes")
    assert done.code == 2
    assert "prose" in done.complaint
    assert "--grader FILE.py:FUNCTION" in done.complaint
    assert not server.journal.asked


def test_a_grader_by_which_the_log_is_all_wrong_is_not_taken_without_being_named(
    run: Run, office: Path, server: Served
) -> None:
    relabelled(office, lambda row: {**row, "expected": f"#{row['id']}-{row['expected']}"})
    done = run("pilot", SUMS, *to(server), "--yes")
    assert done.code == 2
    assert "By the grader exact" in done.complaint
    assert "0% right" in done.complaint
    assert not server.journal.asked
    named = run("pilot", SUMS, *to(server), "--grader", "exact", "--yes", "--dry-run")
    assert named.code == 0
    assert "0% of the first logged answers are right by exact" in named.out


def test_the_dearest_workload_is_piloted_first_and_what_is_left_out_is_named(
    run: Run, office: Path, server: Served
) -> None:
    spend = [row["name"] for row in run("scan", "--json").record["workloads"]]
    order = [row["workload"]["name"] for row in run("pilot", *to(server), "--dry-run", "--json").record["would_run"]]
    assert order == spend
    write_lines(office / "labels.jsonl", [row for row in office_labels() if row["id"].startswith("ticket")])
    assert "Not piloted, for want of expected answers: Add up" in run("pilot", *to(server), "--dry-run").out


def test_what_the_logged_answers_cost_stands_beside_what_the_candidates_cost(
    run: Run, office: Path, server: Served
) -> None:
    pilot = only(run("pilot", SUMS, *to(server), *PRICE, "--yes", "--json"))
    with Ledger.open("fairlead.db") as ledger:
        rows = {row.id: row for row in ledger.rows()}
        usage = [rows[pair.pair.exchange_id].usage for pair in ledger.pairs(pilot["pilot_id"])]
    by_hand = sum(Decimal("2.50") * (one.input or 0) + Decimal(10) * (one.output or 0) for one in usage) / 1_000_000
    assert Decimal(pilot["incumbent"]["cost"]["amount"]) == by_hand
    assert pilot["incumbent"]["cost_unknown"] == 0


def test_a_users_own_function_grades(run: Run, office: Path, server: Served) -> None:
    (office / "mine.py").write_text(
        "def right(request, answer, expected):\n    return str(expected) in (answer.text or '')\n"
    )
    done = run("pilot", SUMS, *to(server), "--grader", "mine.py:right", "--yes", "--json")
    assert done.code == 0
    assert "mine" in only(done)["basis"]["grader"]


def test_each_combination_of_settings_is_its_own_evidence(run: Run, office: Path, server: Served) -> None:
    plain = only(run("pilot", SUMS, *to(server), "--yes", "--json"))
    cold = only(run("pilot", SUMS, *to(server), "--set", "temperature=0.7", "--yes", "--json"))
    prefixed = run("pilot", SUMS, *to(server), "--set", "max_tokens=50", "--version", "v2", "--yes", "--json")
    assert len({plain["pilot_id"], cold["pilot_id"], only(prefixed)["pilot_id"]}) == 3


# Leave and dry runs


def test_a_new_host_is_refused_in_one_line_where_nobody_can_be_asked(run: Run, office: Path, server: Served) -> None:
    done = run("pilot", SUMS, *to(server), "--json")
    assert done.code == 2
    assert "127.0.0.1" in done.complaint
    assert "--yes" in done.complaint
    assert server.journal.asked == []
    with Ledger.open("fairlead.db") as ledger:
        assert list(ledger.pilots()) == [], "a question that was not asked is not declared"


@pytest.mark.parametrize(("said", "code"), [(b"y\n", 0), (b"n\n", 130), (b"", 130)])
def test_a_person_is_asked_once_for_a_host(run: Run, office: Path, server: Served, said: bytes, code: int) -> None:
    done = run("pilot", SUMS, *to(server), stdin=said, terminal=True)
    assert done.code == code
    assert "never used before" in done.err
    assert bool(server.journal.asked) == (code == 0)
    if code == 0:
        again = run("pilot", "Sort", *to(server))
        assert again.code == 0
        assert "never used before" not in again.err


def test_a_dry_run_says_everything_and_asks_nothing(run: Run, office: Path, server: Served) -> None:
    before = (office / "fairlead.db").read_bytes()
    done = run("pilot", *to(server), *PRICE, "--dry-run", "--json")
    assert done.code == 0
    rows = done.record["would_run"]
    assert {row["requests"] for row in rows} == {140, 70}
    assert all(float(row["cost"]["amount"]) > 0 and row["seconds"] > 0 for row in rows)
    shown = run("pilot", *to(server), *PRICE, "--dry-run").out
    assert server.url in shown
    assert "≤ 140" in shown
    assert server.journal.asked == []
    with Ledger.open("fairlead.db") as ledger:
        assert list(ledger.pilots()) == []
        assert list(ledger.approved_hosts()) == []
    assert len((office / "fairlead.db").read_bytes()) == len(before)


def test_without_a_price_a_dry_run_says_that_cost_is_unknown(run: Run, office: Path, server: Served) -> None:
    assert [row["cost"] for row in run("pilot", *to(server), "--dry-run", "--json").record["would_run"]] == [None, None]
    assert "unknown" in run("pilot", *to(server), "--dry-run").out


# Budgets


def test_a_budget_stops_cleanly_and_a_larger_one_goes_on(run: Run, office: Path, server: Served) -> None:
    small = run("pilot", SUMS, *to(server), *PRICE, "--budget", "0.0003", "--yes", "--json")
    pilot = only(small)
    assert (small.code, pilot["ended"], pilot["judgement"]["verdict"]) == (1, "budget reached", "undecided")
    assert float(pilot["spent"]["amount"]) <= 0.0003
    assert "A larger budget continues" in pilot["message"]
    first = list(server.journal.asked)
    assert 0 < len(first) < 50

    large = run("pilot", SUMS, *to(server), *PRICE, "--budget", "1", "--yes", "--json")
    assert (large.code, only(large)["judgement"]["verdict"]) == (0, "equivalent")
    assert not set(first) & set(server.journal.asked[len(first) :]), "nothing is asked twice"
    assert only(large)["pilot_id"] == pilot["pilot_id"]


def test_without_a_price_a_budget_counts_requests(run: Run, office: Path, server: Served) -> None:
    done = run("pilot", SUMS, *to(server), "--budget", 12, "--yes", "--json")
    assert only(done)["ended"] == "budget reached"
    assert len(server.journal.asked) <= 12
    assert "12 requests (no price is known" in only(done)["message"]


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "inf", "much"])
def test_a_budget_that_is_none_is_one_line(run: Run, office: Path, server: Served, budget: str) -> None:
    done = run("pilot", SUMS, *to(server), "--budget", budget, "--yes")
    assert done.code == 2
    assert budget in done.complaint
    assert server.journal.asked == []


# Endpoints that misbehave


@contextmanager
def misbehaving(recording: Recording, fault: Fault, *, share: float = 1.0) -> Iterator[Served]:
    faults = Faults(shares={fault: share}, lasting=True, retry_after_s=0.01)
    with served(recording, faults=faults) as server:
        yield server


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault.TIMEOUT, "timeout"), (Fault.CUT, "cut"), (Fault.HUGE, "too_large")],
)
@pytest.mark.timeout(60)
def test_answers_that_never_come_or_never_end_are_scored_as_failures(
    run: Run, office: Path, recording: Recording, fault: Fault, kind: str
) -> None:
    # Long enough for a busy machine to open every connection in it, or the endpoint counts as unreachable.
    patience = 1.5 if fault is Fault.TIMEOUT else 20
    with misbehaving(recording, fault, share=0.5) as server:
        done = run("pilot", SUMS, *to(server), "--timeout", patience, "--concurrency", 32, "--yes", "--json")
    pilot = only(done)
    assert (done.code, pilot["judgement"]["verdict"]) == (1, "closed leads")
    assert sum(pilot["candidate"]["failures"].values()) > 10
    assert kind in str(pilot["candidate"]["failures"]).replace(" ", "_")


@pytest.mark.timeout(60)
def test_an_endpoint_that_returns_a_web_page_is_one_line(run: Run, office: Path, recording: Recording) -> None:
    with misbehaving(recording, Fault.HTML) as server:
        done = run("pilot", SUMS, *to(server), "--yes", "--json")
    assert done.code in {1, 2}
    if done.code == 2:
        assert done.complaint


@pytest.mark.timeout(60)
def test_an_endpoint_that_refuses_the_requests_is_one_line_and_nothing_is_scored(
    run: Run, office: Path, recording: Recording
) -> None:
    with misbehaving(recording, Fault.REFUSE) as server:
        done = run("pilot", SUMS, *to(server), "--yes", "--json")
    assert done.code == 2
    assert "--drop temperature" in done.complaint
    assert "Nothing was scored" in done.complaint


def test_an_endpoint_that_nobody_serves_is_one_line_and_nothing_is_scored(run: Run, office: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    done = run("pilot", SUMS, "--endpoint", url, "--model", "m", "--labels", "labels.jsonl", "--yes", "--json")
    assert done.code == 2
    assert str(port) in done.complaint
    assert "the same command continues" in done.complaint


def test_an_unknown_model_is_one_line(run: Run, office: Path, server: Served) -> None:
    done = run("pilot", SUMS, *to(server, "no-such-model"), "--yes", "--json")
    assert done.code == 2
    assert "no-such-model" in done.complaint


def test_an_endpoint_that_limits_for_a_while_is_waited_for(run: Run, office: Path, recording: Recording) -> None:
    faults = Faults(shares={Fault.LIMIT: 0.3}, retry_after_s=0.02)
    with served(recording, faults=faults) as server:
        done = run("pilot", SUMS, *to(server), "--yes", "--json")
    assert (done.code, only(done)["judgement"]["verdict"]) == (0, "equivalent")
    assert only(done)["candidate"]["failures"] == {}
    assert len(server.journal.asked) > 1.2 * len(set(server.journal.asked))


@contextmanager
def answering(reply: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server that answers every request in the same odd way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            reply(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def say(
    status: int, body: bytes, kind: str = "application/json"
) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def reply(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        with suppress(ConnectionError):  # some answers are not worth waiting for
            handler.wfile.write(body)

    return reply


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"null"), (200, b"[]"), (200, b"{}"), (200, b'{"choices": []}'), (200, b'{"choices": 7}'),
        (200, b'{"choices": [{"message": {"content": 12}}]}'), (200, b'{"choices": [{"message": null}]}'),
        (200, b""), (200, b"\xff\xfe"), (401, b'{"error": {"message": "bad key"}}'), (403, b"no"), (404, b"not here"),
        (302, b""), (500, b"oops"),
    ],
)  # fmt: skip
@pytest.mark.timeout(90)
def test_whatever_an_endpoint_says_there_is_no_traceback(run: Run, office: Path, status: int, body: bytes) -> None:
    with answering(say(status, body)) as url:
        done = run(
            "pilot", SUMS, "--endpoint", url, "--model", "m", "--labels", "labels.jsonl", "--margin", 0.05, "--yes",
            "--json",
        )  # fmt: skip
    assert done.code in {1, 2}
    if done.code == 2:
        assert done.complaint
    else:
        assert only(done)["judgement"]["verdict"] == "closed leads"


# What a verdict rests on


def statuses(run: Run) -> dict[str, list[str]]:
    return {row["workload"]["name"]: row["out_of_date"] for row in run("verdict", "--json").record["verdicts"]}


def piloted(run: Run, server: Served, *more: object) -> None:
    assert run("pilot", SUMS, *to(server), "--yes", "--json", *more).code == 0
    assert list(statuses(run).values()) == [[]]


def test_the_verdict_on_file_is_the_documented_record(run: Run, office: Path, server: Served) -> None:
    piloted(run, server)
    (row,) = run("verdict", "Add up", "--json").record["verdicts"]
    assert {
        "workload", "pilot_id", "candidate", "endpoint", "verdict", "low", "high", "n", "replace_ok", "margin", "ended",
        "words", "grader", "prompts", "incumbent_models", "candidate_models", "log_from", "log_to", "decided_at",
        "out_of_date",
    } <= set(row)  # fmt: skip
    assert (row["incumbent_models"], row["candidate_models"]) == (["gpt-4o"], ["good"])
    shown = run("verdict").out
    assert "equivalent" in shown
    assert "Rests on:" in shown


def test_a_verdict_is_out_of_date_when_the_incumbent_model_changes(run: Run, office: Path, server: Served) -> None:
    piloted(run, server)
    rows = [newer(row, model="gpt-4.1") for row in office_log() if row["id"].startswith("sum")]
    run("scan", write_lines(office / "more.jsonl", rows[:40]), "--json")
    ((reason,),) = statuses(run).values()
    assert "incumbent's model version changed from gpt-4o to gpt-4.1, gpt-4o" in reason
    assert "(out of date)" in run("verdict").out
    plan = run("plan", "--json").record
    move = next(move for move in plan["moves"] if move["workload"]["name"].startswith("Add up"))
    assert move["action"] == "wait"


def newer(row: dict[str, Any], *, model: str) -> dict[str, Any]:
    """The same request, asked of another model later on."""
    return {
        **row,
        "id": row["id"] + "-new",
        "started_at": "2026-11-18T10:00:00Z",
        "request": {**row["request"], "model": model},
        "response": {**row["response"], "model": model},
    }


def test_a_verdict_is_out_of_date_when_the_prompt_changes(run: Run, office: Path, server: Served) -> None:
    piloted(run, server)
    rows = []
    for row in office_log():
        if row["id"].startswith("sum"):
            system, user = row["request"]["messages"]
            longer = {**system, "content": system["content"] + "\nNever round an amount, and leave out the currency."}
            changed = newer(row, model="gpt-4o")
            rows.append({**changed, "request": {**changed["request"], "messages": [longer, user]}})
    found = run("scan", write_lines(office / "more.jsonl", rows), "--json").record
    assert len(found["workloads"]) == 2, "the new version belongs to the same workload"
    reasons = [reason for each in statuses(run).values() for reason in each]
    assert any(reason.startswith("the prompt changed") for reason in reasons)


def test_a_verdict_is_out_of_date_when_the_grader_changes(run: Run, office: Path, server: Served) -> None:
    mine = office / "mine.py"
    mine.write_text("def right(request, answer, expected):\n    return str(expected) in (answer.text or '')\n")
    piloted(run, server, "--grader", "mine.py:right")
    mine.write_text("def right(request, answer, expected):\n    return str(expected) == (answer.text or '').strip()\n")
    ((reason,),) = statuses(run).values()
    assert reason.startswith("the grader changed")


def test_a_verdict_is_out_of_date_when_the_labels_change(run: Run, office: Path, server: Served) -> None:
    piloted(run, server)
    first, *others, last = office_labels()
    write_lines(office / "labels.jsonl", [first, *others])
    assert list(statuses(run).values()) == [[]], "another workload's labels"
    write_lines(office / "labels.jsonl", [*others, last])
    ((reason,),) = statuses(run).values()
    assert reason.startswith("the expected answers changed")


# Secrets


def test_a_key_is_sent_and_appears_nowhere(
    run: Run, office: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-test-7Kq1ZsecretM4"
    monkeypatch.setenv("OPEN_KEY", key)
    with served(recording, key=key) as server:
        good = run("pilot", SUMS, *to(server), "--key-env", "OPEN_KEY", "--yes")
        assert good.code == 0
        assert server.journal.keys == {f"Bearer {key}"}
        monkeypatch.setenv("OPEN_KEY", key + "x")
        bad = run("pilot", "Sort", *to(server), "--key-env", "OPEN_KEY", "--yes")
    assert bad.code == 2
    assert "OPEN_KEY" in bad.complaint or "key" in bad.complaint.lower()
    run("plan")
    run("report")
    run("ledger", "export", "-o", "all.jsonl")
    for path in office.iterdir():
        assert key.encode() not in path.read_bytes(), path
    assert key not in good.out + good.err + bad.out + bad.err


def test_a_key_that_is_not_in_the_environment_is_one_line(run: Run, office: Path, server: Served) -> None:
    done = run("pilot", SUMS, *to(server), "--key-env", "NO_SUCH_KEY", "--yes")
    assert done.code == 2
    assert "NO_SUCH_KEY" in done.complaint
    assert server.journal.asked == []


# Orders that cannot be carried out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["pilot", "--labels", "labels.jsonl"], "Name the candidate"),
        (["pilot", "--candidate", "qwen", "--labels", "labels.jsonl"], "fairlead.toml has no candidate 'qwen'"),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m"], "Say how to grade"),
        (
            ["pilot", "Nonsense", "--endpoint", "http://localhost:1/v1", "--model", "m"],
            "No workload is called 'Nonsense'",
        ),
        (["pilot", "--endpoint", "ftp://host", "--model", "m", "--labels", "labels.jsonl"], "ftp://host"),
        (["pilot", "--endpoint", "localhost:8000", "--model", "m", "--labels", "labels.jsonl"], "localhost:8000"),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--labels", "none.jsonl"], "none.jsonl"),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--grader", "guess"], "guess"),
        (
            ["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--margin", "5"],
            "margin = 5 cannot be used",
        ),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--margin", "x"], "--margin"),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--timeout", "0"], "--timeout"),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--price", "cheap"], "cheap"),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--set", "oops"], "oops"),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--rename", "a="], "a="),
        (["pilot", "--endpoint", "http://localhost:1/v1", "--model", "m", "--prompt", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_one_line(
    run: Run, office: Path, arguments: list[str], complaint: str
) -> None:
    done = run(*arguments, "--yes")
    assert done.code == 2
    assert complaint in done.complaint


def test_labels_that_no_exchange_has_are_one_line(run: Run, office: Path, server: Served) -> None:
    write_lines(office / "labels.jsonl", [{"id": "somewhere-else", "expected": 3}])
    done = run("pilot", *to(server), "--yes")
    assert done.code == 2
    assert "labels.jsonl" in done.complaint


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{", b"id\n1\n", b'{"id": 1}\n'])
def test_labels_that_cannot_be_read_are_one_line(run: Run, office: Path, server: Served, content: bytes) -> None:
    (office / "labels.jsonl").write_bytes(content)
    done = run("pilot", *to(server), "--yes")
    assert done.code == 2
    assert "labels.jsonl" in done.complaint


# All in one go


def test_run_does_it_all_in_one_go(run: Run, bare: Path, scanned: Path, server: Served) -> None:
    for name in ("log.jsonl", "labels.jsonl"):
        shutil.copy(scanned / name, bare / name)
    done = run("run", "log.jsonl", *to(server), *PRICE, "--yes", "--json")
    record = done.record
    assert done.code == 0
    assert set(record) == {"scan", "pilots", "plan", "report"}
    assert record["scan"]["exchanges"] == 210
    assert len(record["pilots"]) == 2
    assert (bare / record["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "<script" not in (bare / record["report"]).read_text(encoding="utf-8")


def test_a_dry_run_of_everything_scans_and_asks_nothing(run: Run, bare: Path, scanned: Path, server: Served) -> None:
    for name in ("log.jsonl", "labels.jsonl"):
        shutil.copy(scanned / name, bare / name)
    record = run("run", "log.jsonl", *to(server), "--dry-run", "--json").record
    assert set(record) == {"scan", "would_run"}
    assert server.journal.asked == []
    assert not (bare / "fairlead-report.html").exists()


def test_settings_of_a_candidate_come_from_the_file(run: Run, office: Path, server: Served) -> None:
    (office / "fairlead.toml").write_text(
        f'[candidates.qwen]\nendpoint = "{server.url}"\nmodel = "good"\nparameters = {{ temperature = 0.2 }}\n'
        "price = { input = 0.1, output = 0.4 }\n[pilot]\nmargin = 0.1\n"
    )
    pilot = only(run("pilot", SUMS, "--candidate", "qwen", "--labels", "labels.jsonl", "--yes", "--json"))
    assert pilot["design"]["candidate"]["parameters"] == {"temperature": 0.2}
    assert pilot["design"]["margin"] == 0.1
    assert json.dumps(pilot["spent"]) != "null"
