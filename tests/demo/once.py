"""The sample organisation, written once however many processes run the tests."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fairlead.demo.organisation import Sample, generate
from journeys.walk import made_once


def sample_once(factory: pytest.TempPathFactory) -> Sample:
    """The sample organisation, written by whichever test process comes first."""

    def make(folder: Path) -> None:
        (folder / "sample.json").write_bytes(msgspec.json.encode(generate(folder / "files"), enc_hook=str))

    made = (made_once(factory, "organisation", make) / "sample.json").read_bytes()
    return msgspec.json.decode(made, type=Sample, dec_hook=lambda kind, value: kind(value))
