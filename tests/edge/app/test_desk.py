"""The desk: which workload a name means, where the ledger is, and what is said when neither can be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from fairlead.core.errors import LedgerError, UsageError
from fairlead.core.nouns import Category, CategoryGuess, Endpoint, TokenPrice, Workload
from fairlead.edge.app import Desk, opened

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def workload(id_: str, name: str) -> Workload:
    guess = CategoryGuess(category=Category.STRUCTURED, confidence=0.5, reasons=(), others=())
    return Workload(id=id_, name=name, guess=guess, endpoint=Endpoint.CHAT)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(ledger=str(tmp_path / "a.db"), config=None, now=NOW) as made:
        made.ledger.set_workloads(
            [workload("w1", "Invoice fields"), workload("w2", "Invoice totals"), workload("w3", "invoice")]
        )
        yield made


@pytest.mark.parametrize(
    ("wanted", "id_"),
    [("w2", "w2"), ("Invoice fields", "w1"), ("INVOICE F", "w1"), ("invoice t", "w2"), ("Invoice", "w3")],
)
def test_a_workload_is_meant_by_id_by_name_or_by_the_beginning_of_one(desk: Desk, wanted: str, id_: str) -> None:
    assert desk.workload(wanted).id == id_


def test_a_name_that_means_several_lists_them(desk: Desk) -> None:
    with pytest.raises(UsageError, match=r"names 3 workloads \(Invoice fields \(w1\), .*use the id"):
        desk.workload("inv")


def test_a_name_that_means_none_lists_what_there_is(desk: Desk) -> None:
    with pytest.raises(UsageError, match=r"No workload is called 'mail'\. There are: Invoice fields \(w1\)"):
        desk.workload("mail")


def test_an_empty_ledger_says_to_scan(tmp_path: Path) -> None:
    with (
        opened(ledger=str(tmp_path / "a.db"), config=None) as made,
        pytest.raises(UsageError, match="none yet; run fairlead scan"),
    ):
        made.workload("mail")


def test_prices_given_now_beat_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fairlead.toml").write_text(
        "[prices.acme]\ninput = 1\noutput = 1\n[prices.other]\ninput = 3\noutput = 3\n"
    )
    own = TokenPrice(input=Decimal(2), output=Decimal(2), currency="USD", since="", source="flag")
    with opened(ledger=None, config=None, own_prices={"acme": own}, now=NOW) as made:
        for model, amount in (("acme", 2), ("other", 3)):
            price = made.prices.price_of(model, None, NOW)
            assert price is not None
            assert price.input == amount
        assert made.where == "fairlead.db"


def test_reading_makes_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError), opened(ledger=str(tmp_path / "a.db"), config=None, create=False):
        pass
    assert not list(tmp_path.iterdir())
