"""The ledger in memory keeps the promises of the real one."""

import pytest

from fairlead.core.errors import LedgerError
from fairlead.core.nouns import Answer, Reply
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import exchanges


def test_a_reply_that_is_there_stays_as_it_was():
    ledger = MemoryLedger()
    ledger.append_replies([("c1", "k1", Reply(answer=Answer(text="first")))])
    ledger.append_replies([("c1", "k1", Reply(answer=Answer(text="second")))])
    assert ledger.reply("c1", "k1").answer.text == "first"
    assert ledger.reply("c2", "k1") is None


def test_rows_belong_to_one_workload_and_rise_in_the_order_of_arrival():
    ledger = MemoryLedger(exchanges(3))
    assert [row.seq for row in ledger.rows("w1")] == [1, 2, 3]
    assert ledger.rows("w2") == []


def test_what_was_forgotten_is_gone():
    ledger = MemoryLedger(exchanges(3))
    ledger.forget("x2")
    assert [row.id for row in ledger.rows("w1")] == ["x1", "x3"]
    with pytest.raises(LedgerError, match="x2"):
        ledger.exchange("x2")


def test_a_copy_goes_its_own_way():
    ledger = MemoryLedger(exchanges(3))
    ledger.append_draws("p1", ["x1"])
    other = ledger.copy()
    other.append_draws("p1", ["x2"])
    assert ledger.draws("p1") == ["x1"]
    assert other.draws("p1") == ["x1", "x2"]
