"""The sample organisation, written once for all tests of the demo."""

from __future__ import annotations

import json

import pytest
from tests.demo.once import sample_once
from tests.demo.written import Written, lines_of, parsed


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    sample = sample_once(tmp_path_factory)
    rows = [row for line in lines_of(sample.logs) if (row := parsed(line))]
    labels = map(json.loads, sample.labels.read_text("utf-8").splitlines())
    return Written(
        sample=sample,
        rows={row["id"]: row for row in rows},
        labels={row["id"]: row for row in labels},
        truth=json.loads(sample.truth.read_text("utf-8")),
    )
