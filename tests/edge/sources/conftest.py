"""The recorded logs that lie beside the repository, and a short way to read anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairlead.core.nouns import Exchange
from fairlead.core.wire.row import Skipped
from fairlead.edge.sources.read import read

LOGS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "log_samples"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def logs():
    if not LOGS.exists():
        pytest.skip("the recorded data (../shared/data) is not on this machine")
    return LOGS


class Read:
    """What came of a log: its exchanges, and the reasons of what was skipped."""

    def __init__(self, paths):
        self.reading = read([str(path) for path in paths], now=NOW)
        items = list(self.reading)
        self.exchanges = [item for item in items if isinstance(item, Exchange)]
        self.skipped = [item for item in items if isinstance(item, Skipped)]
        self.reasons = [item.reason for item in self.skipped]


@pytest.fixture
def scan():
    return lambda *paths: Read(paths)


@pytest.fixture
def scan_rows(tmp_path):
    """Write values as JSONL (or one document, or text as it is) and read them."""

    def rows(*values, name="log.jsonl", document=False):
        path = tmp_path / name
        if document:
            path.write_text(json.dumps(values[0], indent=2), encoding="utf-8")
        elif isinstance(values[0], (str, bytes)):
            path.write_bytes(values[0] if isinstance(values[0], bytes) else values[0].encode())
        else:
            path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
        return Read([path])

    return rows


def told(exchange):
    """The turns of a request, as role and what each part says, in brief."""
    return [
        (turn.role, *(f"{part.name}()" if part.kind.value == "tool_call" else part.text[:24] for part in turn.parts))
        for turn in exchange.request.messages
    ]
