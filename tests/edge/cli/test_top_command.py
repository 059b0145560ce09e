"""`fairlead top`: what the screen shows, at which width, and what is said when no gateway is there."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fairlead.edge.cli.main import main
from fairlead.edge.cli.show.top import screen

ROW = {
    "id": "w1", "name": "Sort the mail that reaches the office", "stage": "canary", "share": 0.1, "per_second": 12.34,
    "errors_per_second": 0.1, "calls": 12_345, "errors": 300, "closed": 4, "tokens": 1_234_567, "unmetered": 0, "unpriced": 0,
    "cost": "12.3456", "saved": "30.5", "latency_p50_s": 0.8, "latency_p99_s": 12.0, "first_p50_s": 0.2, "coverage": 0.97,
}  # fmt: skip
SHOWN = {
    "at": "2026-11-27T12:00:00Z", "since": "2026-11-26T09:30:00Z", "ready": True, "problem": "", "planes": 2, "in_flight": 7,
    "streams": 3, "connections": 40, "per_second": 123.4, "added_p50_s": 0.00031, "added_p99_s": 0.0014, "held": 0,
    "dropped": {"by_planes": 0, "by_control": 0, "damaged": 0, "unreadable": 0, "missed_by_steps": 0}, "dropped_total": 0,
    "refused": {}, "cost": "12.3456", "saved": "30.5", "workloads": [ROW], "upstreams": [],
}  # fmt: skip


def drawn(width, **more):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(screen({**SHOWN, **more}, width=width))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_nothing_is_wider_than_the_terminal_and_no_number_is_cut(width):
    text = drawn(
        width,
        workloads=[ROW, {**ROW, "id": "w2", "name": "x" * 200, "stage": "moved, hold, local only", "share": None}],
    )
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "● serving  123 calls/s, 7 in flight  added 0.31 ms p50, 1.40 ms p99" in lines[0]
    assert "Today $12.35 spent, $30.50 saved   dropped 0   2 data planes   up 1 d 2 h" in lines[1]
    row = next(line for line in lines if line.startswith("Sort the mail"))
    assert all(word in row for word in ("canary 10%", "12.3", "2.4%", "$12.35", "$30.50"))
    assert ("97%" in row, "12,345" in row, "1.2 M" in row) == (width >= 100, width >= 100, width >= 124)


def test_what_needs_somebody_stands_below():
    text = drawn(
        100,
        ready=False,
        problem="The disk is full.",
        held=12,
        dropped={"by_planes": 3, "by_control": 0, "damaged": 1, "unreadable": 0, "missed_by_steps": 5},
        dropped_total=4,
        refused={"no key": 9},
        workloads=[{**ROW, "unpriced": 2}],
        upstreams=[{"name": "vllm", "url": "http://10.0.0.5", "breaker": "open", "problem": "timeout"}],
    )
    assert "● not ready" in text
    for line in (
        "● The disk is full.",
        "● Answered and missing from the record: 3 by data planes, 1 that the ledger would not take.",
        "● 5 calls were not looked at by shadows and guards.",
        "● 12 calls wait for the ledger.",
        "● 2 calls have no known price (+); add one under [prices].",
        "● vllm http://10.0.0.5 is not asked for now: timeout",
        "● 9 requests refused: no key",
    ):
        assert line in text


def test_hostile_names_are_shown_and_never_sent_to_the_terminal():
    text = drawn(100, workloads=[{**ROW, "name": "[red]\x1b[31mevil\u202e"}])
    assert "\x1b" not in text
    assert "[red]" in text


def test_before_the_first_call_it_says_how_to_make_one():
    assert "OPENAI_BASE_URL=http://127.0.0.1:8080/v1" in drawn(100, workloads=[])


@pytest.mark.parametrize("token", [None, "some-token-that-opens-nothing"])
def test_without_a_gateway_one_line_says_so(token, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if token:
        monkeypatch.setenv("FAIRLEAD_ADMIN_TOKEN", token)
    with pytest.raises(SystemExit) as left:
        main(["top", "--once", "--admin-port", "1"])
    assert left.value.code == 2
    assert "fairlead serve" in capsys.readouterr().err
