"""How the labels of the sample say answers are to be compared: each row names its grader beside the expected answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path


def graders_in(labels: Path) -> Mapping[str, str]:
    """Exchange id to the grader its label names; built-in names, or `FILE.py:FUNCTION` relative to the labels file."""
    rows = (json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines() if line.strip())
    return {row["id"]: row["grader"] for row in rows if "grader" in row}


def grader_for(exchange_ids: Iterable[str], graders: Mapping[str, str], *, folder: Path) -> str | None:
    """The grader that most labels of a workload's exchanges name, a file's path made whole; `None` without labels."""
    named = Counter(graders[id_] for id_ in exchange_ids if id_ in graders)
    if not named:
        return None
    spec = min(named.items(), key=lambda item: (-item[1], item[0]))[0]
    return str(folder / spec) if ".py:" in spec else spec
