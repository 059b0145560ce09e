"""`fairlead key`: the secret is shown once, what is kept is a hash, and the gateway takes what was made."""

from __future__ import annotations

import json

import pytest

from fairlead.edge.app.keys import KeyBook, Limits, keys_now
from fairlead.edge.cli.main import main
from fairlead.edge.store import Ledger
from fairlead.edge.store.codec import microseconds
from fairlead.edge.store.rollups import DOLLAR, Spent
from fairlead.serve.keys import hash_of


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def ran(*words):
        with pytest.raises(SystemExit) as left:
            main(["key", *words])
        out = capsys.readouterr()
        return left.value.code, out.out, out.err

    return ran


def made(run, *words):
    code, out, _ = run("create", *words, "--json")
    assert code == 0
    return json.loads(out)


def test_a_new_key_shows_its_secret_once_and_keeps_a_hash(run, tmp_path):
    secret = made(run, "billing", "--budget-month", "$200", "--model", "gpt-4o*")["secret"]
    code, out, _ = run("list")
    assert code == 0
    assert "billing" in out
    assert "gpt-4o*; any workload; $200.00 a month" in out
    assert secret not in out
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        [key] = KeyBook(ledger).all()
        assert key.hash == hash_of(secret.encode())
    assert secret.encode() not in (tmp_path / "fairlead.db").read_bytes()


def test_a_replaced_key_opens_with_both_secrets_for_a_while_and_a_revoked_one_with_none(run, tmp_path):
    first = made(run, "billing")["secret"]
    second = json.loads(run("rotate", "billing", "--grace-hours", "1", "--json")[1])["secret"]
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        book = KeyBook(ledger)
        now = microseconds(book._now())
        live = keys_now(book.all(), day={}, month={}, now_us=now)
        assert {key.hash for key in live} == {hash_of(first.encode()), hash_of(second.encode())}
        assert len({key.id for key in live}) == 1
        later = keys_now(book.all(), day={}, month={}, now_us=now + 3_700_000_000)
        assert [key.hash for key in later] == [hash_of(second.encode())]
        assert run("revoke", "billing")[0] == 0
        assert keys_now(book.all(), day={}, month={}, now_us=now) == []
    code, _, err = run("rotate", "billing")
    assert code == 2
    assert "No key is called 'billing'" in err


def test_what_a_key_has_spent_goes_along_only_where_there_is_a_budget(tmp_path):
    with Ledger.open(tmp_path / "l.db") as ledger:
        book = KeyBook(ledger)
        free, bound = book.create("free").key, book.create("bound", limits=Limits(budget_day=5)).key
        spent = {key.id: Spent(calls=1, tokens=1, cost=2 * DOLLAR, unpriced=0) for key in (free, bound)}
        now = keys_now(book.all(), day=spent, month=spent, now_us=0)
    assert {key.name: (key.spent_day, key.spent_month) for key in now} == {"free": (0.0, 0.0), "bound": (2.0, 0.0)}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["create", "x", "--budget-day", "lots"], "is no amount of dollars"),
        (["create", "x", "--budget-day", "-1"], "budget_day = -1 cannot be used"),
        (["create", " "], "needs a name"),
        (["create", "x", "--workload", "none"], "No workload is called 'none'"),
        (["revoke", "nobody"], "No key is called 'nobody'"),
    ],
)
def test_a_slip_is_told_in_one_line(run, words, told):
    made(run, "first")
    code, _, err = run(*words)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1 or "Usage" not in err
