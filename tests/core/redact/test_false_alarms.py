"""How seldom redaction touches texts in which nobody's number stands: recorded answers, and the sample organisation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest
from tests.demo.once import sample_once

from fairlead.core.nouns import Exchange
from fairlead.core.redact import Finder, Kind, Redactor, redacted
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.sources import read
from machine import recorded

ROWS = 2500


def texts(name: str) -> Iterator[str]:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = islice(parquet.ParquetFile(recorded(f"texts/{name}.parquet")).iter_batches(500), ROWS // 500)
    for batch in rows:
        yield from (value for row in batch.to_pylist() for value in row.values() if isinstance(value, str))


@pytest.mark.parametrize("name", ["zeroeval_gsm", "routellm_gsm8k"])
def test_sums_hold_nobody_s_numbers(name: str) -> None:
    finder = Finder(Recognisers())
    assert [found for text in texts(name) if (found := finder.find(text))] == []


@pytest.mark.parametrize("name", ["can_ai_code", "bfcl_v1", "alpaca_eval", "xstest"])
def test_numbers_of_persons_are_rare_in_code_calls_and_prose(name: str) -> None:
    """Addresses aside, which these texts hold in earnest; what is left are phones of hotlines and made-up accounts."""
    finder, seen, kinds = Finder(Recognisers()), 0, Counter[Kind]()
    for text in texts(name):
        seen += 1
        kinds.update({hit.kind for hit in finder.find(text)} - {Kind.EMAIL, Kind.PHONE})
    assert seen > ROWS
    assert kinds.total() <= seen / 1000


@pytest.mark.journey
def test_the_sample_organisation_loses_addresses_and_phones_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    sample = sample_once(tmp_path_factory)
    redactor = Redactor(Recognisers())
    exchanges = (item for item in read.read([str(sample.logs)]) if isinstance(item, Exchange))
    for exchange in islice(exchanges, 0, None, 8):
        plain = redacted(exchange, redactor)
        assert plain.usage == exchange.usage
    assert set(redactor.report.places) == {Kind.EMAIL, Kind.PHONE}
