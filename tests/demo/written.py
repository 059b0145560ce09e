"""The sample organisation as it was written, read by plain means."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.demo.organisation import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The sample as files and as parsed rows; `job_of` is the hidden truth."""

    sample: Sample
    rows: Mapping[str, Mapping[str, Any]]
    labels: Mapping[str, Mapping[str, Any]]
    truth: Mapping[str, Any]

    def job_of(self, exchange_id: str) -> str:
        return list(self.truth["jobs"])[self.truth["exchanges"][exchange_id]]

    def of_job(self, name: str) -> list[Mapping[str, Any]]:
        index = list(self.truth["jobs"]).index(name)
        return [row for id_, row in self.rows.items() if self.truth["exchanges"][id_] == index]


def lines_of(logs: Path) -> Iterator[bytes]:
    """Every line of every log, unpacked."""
    for path in sorted(logs.iterdir()):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from file


def parsed(line: bytes) -> Mapping[str, Any] | None:
    """A line as an object, or `None` for one that is broken."""
    try:
        return json.loads(line)
    except ValueError:
        return None
