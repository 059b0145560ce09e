"""`fairlead review`: people are shown pairs in a terminal or a spreadsheet, and nothing tells them whose answer is whose."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from fairlead.core.judge import PEOPLE, PairGrader
from fairlead.core.nouns import (
    Answer,
    Candidate,
    Category,
    CategoryGuess,
    Choice,
    Grade,
    Judge,
    Judged,
    Judging,
    Opinion,
    Pair,
    PairRow,
    Reply,
    Reviewing,
    Usage,
    Workload,
)
from fairlead.core.wire.key import request_key
from fairlead.edge.store import Ledger
from fairlead.pilot import design as designs
from fairlead.testing.scripted import exchange

SECRET = "ab" * 32
PAIRS = 30


def one(number: int) -> str:
    return f"one says {number}"


def other(number: int) -> str:
    return f"another says {'longer ' * (number % 3)}{number}"


def world(path: Path, *, swapped: bool = False, judged: bool = False, count: int = PAIRS, texts=(one, other)) -> str:
    """A ledger with a finished pilot for people; `swapped` exchanges whose texts are whose. Returns the pilot's id."""
    incumbent, candidate = texts[::-1] if swapped else texts
    logged = [exchange(n, answer=incumbent(n)) for n in range(1, count + 1)]
    judging = Judging(judges=(Judge(endpoint="http://h/v1", model="judge-1"),), prompt="p") if judged else None
    with Ledger.open(path) as ledger:
        ledger.append_exchanges(logged)
        rows = ledger.rows()
        ledger.assign((row.seq, "w1", None) for row in rows)
        ledger.set_workloads(
            [Workload(id="w1", name="Replies", guess=CategoryGuess(category=Category.WRITING, confidence=1))]
        )
        design = designs.propose(
            workload_id="w1",
            rows=ledger.rows("w1"),
            candidate=Candidate(endpoint="http://h/v1", model="open-1"),
            grader=PairGrader(id=judging.grader if judging else PEOPLE),
            margin=0.1,
            timeout_s=60,
            judging=judging,
            reviewing=Reviewing(block=5 if judged else 1, wanted=True),
        )
        ledger.set_state("review.secret", SECRET)
        pilot = ledger.start_pilot(design)
        ledger.append_draws(pilot, [each.id for each in logged])
        asker = designs.candidate_asker(design)
        replies = [(asker, request_key(each.request), said(candidate(n), n)) for n, each in enumerate(logged, start=1)]
        ledger.append_replies(replies)
        ledger.append_pairs(pilot, [row(n, judged=judged) for n in range(1, count + 1)])
        return pilot


def said(text: str, number: int) -> Reply:
    return Reply(answer=Answer(text=text, model="open-1"), usage=Usage(fresh=9, visible=number), latency_s=number / 10)


def row(position: int, *, judged: bool) -> PairRow:
    opinion = Opinion(candidate_first=1.0 if position % 2 else -1.0, incumbent_first=1.0 if position % 2 else -1.0)
    return PairRow(
        pair=Pair(position=position, exchange_id=f"x{position}", incumbent=Grade(score=0.5), candidate=Grade(score=0.5)),
        incumbent_refused=False, candidate_refused=False, incumbent_failure=None, candidate_failure=None,
        incumbent_latency_s=0.8, candidate_latency_s=position / 10, incumbent_usage=Usage(), candidate_usage=Usage(),
        candidate_attempts=1, candidate_model="open-1",
        judged=Judged(preference=opinion.preference, opinions=(opinion,)) if judged else Judged(preference=0.0),
    )  # fmt: skip


def rows_in(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(path: Path, answer) -> Path:
    rows = rows_in(path)
    for each in rows:
        each["preference"] = answer(each)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


# Blind


def test_whose_answer_is_whose_is_in_nothing_that_is_exported(bare, run):
    """With both sides' texts exchanged, only the places of the two texts may change: not a byte of anything else."""
    for name, swapped in (("a.db", False), ("b.db", True)):
        world(bare / name, swapped=swapped)
        assert run("review", "--ledger", name, "--reviewer", "kim", "--export", f"{name}.csv").code == 0
    one_way, other_way = rows_in(bare / "a.db.csv"), rows_in(bare / "b.db.csv")
    assert len(one_way) == PAIRS
    for a, b in zip(one_way, other_way, strict=True):
        assert (a["first"], a["second"]) == (b["second"], b["first"])
        assert {**a, "first": "", "second": ""} == {**b, "first": "", "second": ""}
    assert (bare / "a.db.csv").stat().st_size == (bare / "b.db.csv").stat().st_size
    firsts = ["one" in each["first"] for each in one_way]
    assert 5 < sum(firsts) < PAIRS - 5


def test_whose_answer_is_whose_is_in_nothing_that_a_terminal_shows(bare, run):
    shown = []
    for name, swapped in (("a.db", False), ("b.db", True)):
        world(bare / name, swapped=swapped)
        shown.append(run("review", "--ledger", name, "--reviewer", "kim", stdin=b"?" * PAIRS))
    assert [each.code for each in shown] == [0, 0]
    one_way, other_way = (each.out.splitlines() for each in shown)
    differing = [(a, b) for a, b in zip(one_way, other_way, strict=True) if a != b]
    assert all("says" in a and "says" in b for a, b in differing)
    assert sorted(one_way) == sorted(other_way)
    for told in ("open-1", "closed-1", "candidate", "incumbent", "score"):
        assert told not in shown[0].out.partition("Replies: 30 answers")[0]


def test_names_are_taken_out_of_both_answers(bare, run):
    world(bare / "fairlead.db", texts=(lambda n: f"As closed-1, I say {n}.", lambda n: f"I am open-1. {n}"))
    run("review", "--reviewer", "kim", "--export", "pairs.csv")
    text = (bare / "pairs.csv").read_text(encoding="utf-8-sig")
    assert "closed-1" not in text
    assert "open-1" not in text


# In a terminal


def test_answers_are_kept_one_by_one_and_the_same_command_goes_on(bare, run):
    pilot = world(bare / "fairlead.db")
    first = run("review", "--reviewer", "kim", stdin=b"1\n2\nx=\n?q")
    assert first.code == 0
    assert "4 answers (kim 4), 1 of them" in first.out
    assert "1 the first, 2 the second" in first.out, "a key that means nothing is explained"
    second = run("review", "--reviewer", "kim", stdin=b"1")
    assert "26 pairs to look at" in second.out
    assert "5 answers (kim 5)" in second.out
    with Ledger.open(bare / "fairlead.db") as ledger:
        kept = ledger.preferences(pilot)
    assert [each.choice for each in kept] == [Choice.FIRST, Choice.SECOND, Choice.SAME, Choice.UNSURE, Choice.FIRST]
    assert [each.position for each in kept] == [1, 2, 3, 4, 5]


def test_when_nothing_is_left_it_is_said(bare, run):
    world(bare / "fairlead.db", count=3)
    run("review", "--reviewer", "kim", stdin=b"111")
    assert "There is nothing for kim to look at" in run("review", "--reviewer", "kim", stdin=b"1").out


def test_no_more_are_shown_than_asked_for(bare, run):
    world(bare / "fairlead.db")
    assert "2 answers (kim 2)" in run("review", "--reviewer", "kim", "--most", "2", stdin=b"1111").out


HOSTILE = "\x1b[2J\x1b]0;gone\x07\u202eevil\u2066\x9b31m" + "z" + "\u0301" * 500 + "\r\nnext\tline\u2028x"


def test_hostile_answers_reach_neither_terminal_nor_spreadsheet(bare, run):
    world(
        bare / "fairlead.db", count=3, texts=(lambda n: f"{HOSTILE} {n} " + "y" * 90_000, lambda n: f"=HYPERLINK({n})")
    )
    screen = run("review", "--reviewer", "kim", stdin=b"1q").out
    run("review", "--reviewer", "ana", "--export", "pairs.csv")
    sheet = (bare / "pairs.csv").read_text(encoding="utf-8-sig")
    for text in (screen, sheet):
        assert not [char for char in text if char in "\x1b\x07\u202e\u2066\x9b\u2028"]
        assert "\u0301" * 10 not in text
    assert len(screen) < 40_000
    assert "[… cut; --export shows more …]" in screen
    assert all(
        not cell.startswith(tuple("=+-@|%")) for each in rows_in(bare / "pairs.csv") for cell in each.values() if cell
    )
    assert all(len(cell) <= 32_767 for each in rows_in(bare / "pairs.csv") for cell in each.values())


# In a spreadsheet


def test_a_filled_in_file_is_taken_in_once(bare, run):
    world(bare / "fairlead.db")
    assert json.loads(run("review", "--reviewer", "kim", "--export", "p.csv", "--json").out)["exported"] == PAIRS
    fill(bare / "p.csv", lambda each: "1" if "one" in each["first"] else "2" if each["item"] < "item-q" else "")
    record = json.loads(run("review", "--reviewer", "kim", "--import", "p.csv", "--json").out)
    assert record["imported"]["new"] + record["imported"]["blank"] == PAIRS
    again = json.loads(run("review", "--reviewer", "kim", "--import", "p.csv", "--json").out)
    assert again["imported"]["new"] == 0
    assert again["imported"]["known"] == record["imported"]["new"]
    assert again["judgement"]["losses"] == record["judgement"]["losses"]


def test_semicolons_and_words_are_understood(bare, run):
    world(bare / "fairlead.db", count=4)
    run("review", "--reviewer", "kim", "--export", "p.csv")
    tokens = [each["item"] for each in rows_in(bare / "p.csv")]
    lines = ["item;preference", *(f"{t};{w}" for t, w in zip(tokens, ["first", "Same", "'=", "UNSURE"], strict=True))]
    (bare / "p.csv").write_text("\n".join(lines), encoding="utf-8")
    record = json.loads(run("review", "--reviewer", "kim", "--import", "p.csv", "--json").out)
    assert (record["imported"]["new"], record["unsure"], record["judgement"]["ties"]) == (4, 1, 3)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("item,preference\nitem-zzz,1\n", "is no item of this pilot for reviewer 'kim'"),
        ("a,b\n1,2\n", "needs the columns item and preference"),
        ("item,preference\n{token},maybe\n", "'maybe' is no answer; write 1, 2, same or ?"),
        ("item,preference\n{token},1\n{token},2\n", "is answered twice"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_whole(bare, run, content, complaint):
    world(bare / "fairlead.db", count=3)
    run("review", "--reviewer", "kim", "--export", "p.csv")
    token = rows_in(bare / "p.csv")[0]["item"]
    (bare / "q.csv").write_text(content.replace("{token}", token), encoding="utf-8")
    done = run("review", "--reviewer", "kim", "--import", "q.csv")
    assert done.code == 2
    assert complaint in done.complaint
    assert json.loads(run("review", "--status", "--json").out)["labels"] == 0


# What follows


def test_people_decide_and_the_verdict_and_the_plan_say_so(bare, run):
    world(bare / "fairlead.db", count=120)
    run("review", "--reviewer", "kim", "--export", "p.csv")
    fill(bare / "p.csv", lambda each: "1" if "another" in each["first"] else "2")
    record = json.loads(run("review", "--reviewer", "kim", "--import", "p.csv", "--json").out)
    assert record["said"] == "people prefer the candidate"
    assert record["words"].startswith("On traffic like this, people prefer open-1 (net preference +")
    plan = run("plan")
    assert "people prefer the candidate" in plan.out
    assert "equivalent" not in plan.out


def test_a_judge_helps_and_its_agreement_with_people_is_told(bare, run):
    world(bare / "fairlead.db", judged=True, count=200)
    run("review", "--reviewer", "kim", "--export", "p.csv")
    fill(
        bare / "p.csv",
        lambda each: "1" if int(each["request"].split()[-1]) % 2 == ("another" in each["first"]) else "2",
    )
    record = json.loads(run("review", "--reviewer", "kim", "--import", "p.csv", "--json").out)
    assert (record["counted"], record["judge"], record["block"]) == (40, "judge judge-1", 5)
    assert record["same_way"] == 1
    assert record["judge_kappa"] == pytest.approx(1)
    assert record["judge_weight"] > 0.5


def test_several_people_are_compared_beyond_chance(bare, run):
    world(bare / "fairlead.db", count=40)
    for reviewer, answer in (("kim", "1"), ("ana", "2"), ("lee", "1")):
        run("review", "--reviewer", reviewer, "--export", f"{reviewer}.csv")
        fill(
            bare / f"{reviewer}.csv",
            lambda each, answer=answer: (
                "same" if each["item"][-1] < "d" else "1" if ("one" in each["first"]) == (answer == "1") else "2"
            ),
        )
        assert run("review", "--reviewer", reviewer, "--import", f"{reviewer}.csv").code == 0
    record = json.loads(run("review", "--status", "--json").out)
    agreed = record["agreement"]
    assert (agreed["reviewers"], agreed["pairs"]) == (3, 8)
    for figure in ("cohen", "fleiss", "krippendorff"):
        assert -1 <= agreed[figure] < 1
    assert "3 people share 8 pairs" in run("review", "--status").out


def test_without_pairs_the_way_to_get_them_is_named(office, run):
    done = run("review", "--status")
    assert done.code == 2
    assert "fairlead pilot --people" in done.complaint


def test_export_import_and_status_are_three_things(bare, run):
    world(bare / "fairlead.db", count=3)
    assert "use one" in run("review", "--status", "--export", "x.csv").complaint


def test_what_people_said_is_exported_as_lines(bare, run):
    pilot = world(bare / "fairlead.db", count=3)
    run("review", "--reviewer", "kim", stdin=b"12=")
    assert (
        json.loads(run("ledger", "export", "--what", "preferences", "-o", "p.jsonl", "--json").out)["preferences"] == 3
    )
    lines = [json.loads(each) for each in (bare / "p.jsonl").read_text().splitlines()]
    assert [each["choice"] for each in lines] == ["1", "2", "="]
    assert {each["pilot"] for each in lines} == {pilot}
