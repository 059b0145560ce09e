"""`fairlead workload`: what a user decides holds at once, after a new scan and after a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.cli.conftest import Run, office_log
from fairlead.core.workload import Grouper, share
from fairlead.edge.store import Ledger
from journeys.walk import FIRST_DAY, line, write_lines


def listed(run: Run) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in run("scan", "--json").record["workloads"]}


def by_calls(run: Run, calls: int) -> dict[str, Any]:
    (found,) = [row for row in listed(run).values() if row["calls"] == calls]
    return found


def more_traffic(bare: Path) -> Path:
    """Another day of the same office."""
    rows = [{**row, "id": f"later-{n}", "metadata": {"again": n}} for n, row in enumerate(office_log())]
    return write_lines(bare / "more.jsonl", rows)


def test_a_name_is_kept_after_more_traffic(run: Run, office: Path) -> None:
    found = by_calls(run, 140)
    done = run("workload", "name", found["id"], "Delivery \x1b[31mnotes", "--json").record
    assert done == {"id": found["id"], "name": "Delivery 31mnotes", "moved": 0}
    assert run("scan", more_traffic(office), "--json").record["new"] == 210
    assert listed(run)[found["id"]]["name"] == "Delivery 31mnotes"
    assert run("workload", "show", "delivery", "--json").record["calls"] == 280


def test_a_name_that_another_workload_has_is_refused(run: Run, office: Path) -> None:
    sums, tickets = by_calls(run, 140), by_calls(run, 70)
    done = run("workload", "name", sums["id"], tickets["name"].upper())
    assert done.code == 2
    assert "merge the two" in done.complaint


def test_two_that_are_merged_are_one_for_ever_and_both_ids_lead_there(run: Run, office: Path) -> None:
    sums, tickets = by_calls(run, 140), by_calls(run, 70)
    run("workload", "class", tickets["id"], "local only")
    done = run("workload", "merge", tickets["id"], "--into", sums["id"], "--json").record
    assert (done["id"], done["moved"]) == (sums["id"], 70)
    assert listed(run)[sums["id"]]["calls"] == 210
    assert listed(run)[sums["id"]]["data_class"] == "local only", "what may not leave still may not"
    run("scan", more_traffic(office))
    (only,) = listed(run).values()
    assert (only["id"], only["calls"]) == (sums["id"], 420)
    shown = run("workload", "show", sums["name"], "--json").record
    assert shown["aliases"] == [tickets["id"]]
    assert [version["calls"] for version in shown["prompts"]] == [280, 140]
    assert run("workload", "show", tickets["id"], "--json").record["id"] == sums["id"], "the old id still finds it"


def test_a_prompt_that_is_split_off_stays_apart(run: Run, office: Path) -> None:
    sums, tickets = by_calls(run, 140), by_calls(run, 70)
    run("workload", "merge", tickets["id"], "--into", sums["id"])
    prompt = run("workload", "show", sums["id"], "--json").record["prompts"][1]["id"]
    done = run("workload", "split", prompt, "--json").record
    assert done["moved"] == 70
    assert done["id"] not in {sums["id"], tickets["id"]}
    run("scan", more_traffic(office))
    assert {id_: row["calls"] for id_, row in listed(run).items()} == {sums["id"]: 280, done["id"]: 140}
    assert listed(run)[done["id"]]["category"] == tickets["category"]


def test_a_pinned_workload_is_not_joined_and_may_be_let_go(run: Run, office: Path) -> None:
    sums = by_calls(run, 140)
    run("workload", "pin", sums["id"])
    assert run("workload", "show", sums["id"], "--json").record["pinned"]
    assert "pinned" in run("workload", "show", sums["id"]).out
    run("workload", "pin", sums["id"], "--release")
    assert not run("workload", "show", sums["id"], "--json").record["pinned"]


def test_texts_that_may_not_leave_are_listed_so_after_a_scan(run: Run, office: Path) -> None:
    sums = by_calls(run, 140)
    assert "never leave" in run("workload", "class", sums["name"], "local only").out
    run("scan", more_traffic(office))
    assert listed(run)[sums["id"]]["data_class"] == "local only"
    run("workload", "class", sums["name"], "any")
    assert listed(run)[sums["id"]]["data_class"] == "any"


def test_the_stricter_of_settings_and_command_holds(run: Run, office: Path) -> None:
    sums = by_calls(run, 140)
    (office / "fairlead.toml").write_text(f'[privacy.workloads."{sums["id"]}"]\ndata_class = "local only"\n')
    assert listed(run)[sums["id"]]["data_class"] == "local only"
    assert "change it in fairlead.toml" in run("workload", "class", sums["id"], "any").complaint


def test_the_beginning_of_an_id_is_enough_and_must_be_of_one_workload(run: Run, office: Path) -> None:
    sums = by_calls(run, 140)
    assert sums["id"] in run("workload", "show", sums["id"][:8]).out
    assert "No workload is called 'w'" in run("workload", "show", "w").complaint


@pytest.mark.parametrize(
    "words",
    [
        ["show", "nobody"], ["name", "nobody", "x"], ["merge", "nobody", "--into", "x"], ["split", "p000000000000"],
        ["pin", "nobody"], ["class", "nobody", "any"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_what_is_not_there_is_one_line(run: Run, office: Path, words: list[str]) -> None:
    done = run("workload", *words)
    assert done.code == 2
    assert done.complaint


def test_a_workload_is_not_merged_into_itself(run: Run, office: Path) -> None:
    sums = by_calls(run, 140)
    assert "into itself" in run("workload", "merge", sums["id"], "--into", sums["name"]).complaint


def test_the_list_has_every_id_and_the_page_of_one_has_its_shape(run: Run, office: Path) -> None:
    sums = by_calls(run, 140)
    assert all(id_ in run("workload", "list").out for id_ in listed(run))
    assert {row["id"] for row in run("workload", "list", "--json").record["workloads"]} == set(listed(run))
    out = run("workload", "show", sums["id"]).out
    for told in (
        "busiest",
        "median",
        "growth",
        "gpt-4o 100 %",
        "can be asked again  140 of 140",
        "You add up the amounts",
    ):
        assert told in out


def test_a_hostile_prompt_is_shown_as_plain_text(run: Run, bare: Path) -> None:
    body = {
        "messages": [
            {"role": "system", "content": "Sort\x1b[2J [red]mail[/red] \u202ekindly to teams."},
            {"role": "user", "content": "Hi"},
        ]
    }
    rows = [line(f"x{n}", "gpt-4o", body, f"ok {n}", at=FIRST_DAY) for n in range(30)]
    run("scan", write_lines(bare / "log.jsonl", rows))
    (found,) = listed(run).values()
    out = run("workload", "show", found["id"]).out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[red]" in out


def test_what_a_process_learned_and_what_a_user_decided_meanwhile_are_both_kept(run: Run, office: Path) -> None:
    sums = by_calls(run, 140)
    with Ledger.open(office / "fairlead.db") as ledger:
        gateway = share.load(ledger)  # a process that has been running for long
        run("workload", "name", sums["id"], "Amounts")
        for exchange in ledger.exchanges():
            gateway.learn(exchange.request, at=exchange.started_at)
        shared = share.share(ledger, gateway)
        assert shared.name(sums["id"]) == "Amounts"
        state = ledger.state(share.STATE)
        assert isinstance(state, dict)
        kept = Grouper.from_json(json.loads(json.dumps(state["grouper"])))
        assert sum(cell.count for cell in kept._sample.cells.values()) == 420
