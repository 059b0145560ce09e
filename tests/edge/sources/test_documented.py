"""What docs/log-formats.md says is what happens."""

from __future__ import annotations

import json
import re
from pathlib import Path

from fairlead.core.nouns import Fidelity
from fairlead.edge.sources.read import PACKED_SUFFIXES, TEXT_SUFFIXES
from fairlead.edge.sources.table import sources

PAGE = Path(__file__).resolve().parents[3] / "docs" / "log-formats.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_pair_on_the_page_is_read(scan_rows):
    (pair,) = blocks("json")
    (only,) = scan_rows(json.dumps(json.loads(pair))).exchanges
    assert only.answer.text == "Hello"
    assert only.usage.fresh == 9
    assert only.conversation == "s-1"


def test_the_reader_on_the_page_works(scan_rows):
    (code,) = blocks("python")
    made = {}
    exec(compile(code, "docs/log-formats.md", "exec"), made)
    record = {"id": "a", "engine": "m", "question": "Hi?", "answer": "Hello", "at": "2026-03-01", "ms": 1500}
    assert made["SOURCE"].claims(record)
    (found,) = made["SOURCE"].opened().take(record)
    (only,) = scan_rows(found.row).exchanges
    assert (only.request.messages[0].text, only.answer.text, only.latency_s) == ("Hi?", "Hello", 1.5)


def test_every_ending_and_flag_is_named_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{suffix}`" in text for suffix in (*TEXT_SUFFIXES, *PACKED_SUFFIXES) if suffix)
    assert all(f"`{flag.value}`" in text for flag in Fidelity)


def test_every_reader_is_named_on_the_page():
    text = PAGE.read_text(encoding="utf-8").lower()
    names = {"batches": "batch files", "stored completions": "stored completions", "lm-eval": "lm-evaluation-harness"}
    assert [source.name for source in sources() if names.get(source.name, source.name) not in text] == []


def test_the_page_says_of_every_reader_where_to_get_its_files():
    table = PAGE.read_text(encoding="utf-8").partition("| what you have |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]
    assert all(len(row) == 3 and all(row) for row in rows)
    where = {what.lower(): place for what, place, _ in rows}
    said = {
        "batches": "batch files",
        "lm-eval": "lm-evaluation-harness",
        "pairs": "pairs of bodies",
        "codex": "codex sessions",
    }
    for source in sources():
        places = [place for what, place in where.items() if said.get(source.name, source.name) in what]
        assert places, source.name
        # A menu, a command, an address or a path: something to click or type.
        assert all(re.search(r"→|`|logging|collector|same|files of the job", place) for place in places), source.name
