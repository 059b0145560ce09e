"""Forgetting a user or a conversation: gone from the ledger and from the disk, others untouched."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from edge.store.samples import design, exchange, pair, reply
from fairlead.core.errors import LedgerError
from fairlead.core.nouns import Answer, Choice, Preference
from fairlead.core.wire.key import request_key
from fairlead.edge.store import Forgotten, Ledger, codec

SECRET = "qzx7 Jw9 PkV3 bTr8 mLs2 HdY6 cNf4"


def key_of(made):
    return request_key(made.request)


def own(number, **more):
    """An exchange that shares no text with another."""
    return exchange(number, said=f"question {number}", answered=f"answer {number}", **more)


def test_a_user_is_forgotten_with_everything_that_was_made_of_it(ledger):
    made = [own(1), own(2, user="ada"), own(3, user="ada"), own(4)]
    ledger.append_exchanges(made)
    pilot_id = ledger.start_pilot(design())
    other = ledger.start_pilot(design(seed=8))
    ledger.append_draws(pilot_id, ["e3", "e1", "e2"])
    ledger.append_draws(other, ["e1"])
    ledger.append_replies([("c1", key_of(each), reply(f"to {each.id}")) for each in made])
    ledger.append_pairs(pilot_id, [pair(1, "e3"), pair(2, "e1"), pair(3, "e2")])
    ledger.append_pairs(other, [pair(1, "e1")])
    ledger.add_verdict(pilot_id, {"verdict": "equivalent"})

    gone = ledger.forget("ada")

    assert gone == Forgotten(exchanges=2, bodies=6, replies=2, draws=2, pairs=2, pilots=(pilot_id,))
    assert list(ledger.exchanges()) == [made[0], made[3]]
    assert ledger.reply("c1", key_of(made[1])) is None
    assert ledger.reply("c1", key_of(made[0])) == reply("to e1")
    assert ledger.pairs(pilot_id) == [pair(2, "e1")]
    assert ledger.pairs(other) == [pair(1, "e1")]
    assert [entry.record for entry in ledger.verdicts()] == [{"verdict": "equivalent"}]


def test_what_judges_and_people_said_about_somebody_is_forgotten_too(ledger):
    ledger.append_exchanges([own(1), own(2, user="ada")])
    pilot_id = ledger.start_pilot(design())
    ledger.append_judgements([("j1", "q1", "e1", reply("about e1")), ("j1", "q2", "e2", reply("about e2"))])
    said = [
        Preference(position=n, exchange_id=f"e{n}", reviewer="kim", choice=Choice.FIRST, first="candidate")
        for n in (1, 2)
    ]
    assert ledger.append_preferences(pilot_id, said) == 2
    assert ledger.append_preferences(pilot_id, [replace(said[0], choice=Choice.SAME)]) == 0, "what was said stays"

    gone = ledger.forget("ada")

    assert (gone.judgements, gone.preferences) == (1, 1)
    assert ledger.judgement("j1", "q1") == reply("about e1")
    assert ledger.judgement("j1", "q2") is None
    assert ledger.preferences(pilot_id) == said[:1]
    assert [entry.exchange_id for entry in ledger.judgements()] == ["e1"]


def test_draws_keep_their_places_when_one_is_forgotten(ledger):
    ledger.append_exchanges([own(1), own(2, user="ada")])
    pilot_id = ledger.start_pilot(design())
    ledger.append_draws(pilot_id, ["e2", "e1"])
    ledger.forget("ada")
    ledger.append_draws(pilot_id, ["e1"])
    assert list(ledger.draws(pilot_id)) == ["", "e1", "e1"]


def test_a_conversation_is_forgotten_whoever_took_part(ledger):
    ledger.append_exchanges([own(1, conversation="c7"), own(2, conversation="c7"), own(3, conversation="c8")])
    assert ledger.forget("c7").exchanges == 2
    assert [row.id for row in ledger.rows()] == ["e3"]


def test_what_others_said_too_stays(ledger):
    ledger.append_exchanges([exchange(1, user="ada"), exchange(2)])
    ledger.append_replies([("c1", key_of(exchange(1)), reply())])
    gone = ledger.forget("ada")
    assert (gone.exchanges, gone.bodies, gone.replies) == (1, 0, 0)
    assert ledger.exchange("e2") == exchange(2)
    assert ledger.reply("c1", key_of(exchange(2))) == reply()


def test_a_reply_with_a_forgotten_answer_s_words_keeps_its_body(ledger):
    ledger.append_exchanges([own(1, user="ada"), own(2)])
    said = own(1)
    same = reply()
    ledger.append_replies([("c1", key_of(own(2)), same)])
    ledger.append_exchanges([own(3, user="ada", answer=same.answer, response_body=same.response_body)])
    ledger.forget("ada")
    assert ledger.reply("c1", key_of(own(2))) == same
    assert said.id not in [row.id for row in ledger.rows()]


def test_forgetting_a_stranger_erases_nothing(ledger):
    ledger.append_exchanges([own(1)])
    assert ledger.forget("nobody") == Forgotten(exchanges=0, bodies=0, replies=0, draws=0, pairs=0, pilots=())
    assert ledger.size().exchanges == 1


@pytest.mark.parametrize("who", ["nul\x00 and \ud800 half", "x" * 9000, "% or '; DROP TABLE exchanges"])
def test_any_name_can_be_forgotten(ledger, who):
    ledger.append_exchanges([own(1, user=who), own(2)])
    assert ledger.forget(who).exchanges == 1
    assert ledger.size().exchanges == 1


def test_a_number_is_not_given_again_after_the_last_exchange_was_forgotten(ledger):
    ledger.append_exchanges([own(1), own(2, user="ada")])
    last = ledger.rows()[-1].seq
    ledger.forget("ada")
    ledger.append_exchanges([own(3)])
    assert ledger.rows()[-1].seq > last


def test_what_was_forgotten_may_be_kept_anew(ledger):
    made = own(1, user="ada")
    ledger.append_exchanges([made])
    ledger.forget("ada")
    assert ledger.append_exchanges([made]) == 1
    assert ledger.exchange("e1") == made


def traces(path):
    """All bytes of the ledger's files."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


def needles(made, kept):
    """What would betray the exchange in the files: its names, its words, its bodies as compressed."""
    pack = codec.packer()
    bodies = [codec.request_body(made.request_body, made.request), codec.answer_body(made.response_body, made.answer)]
    bodies.append(codec.answer_body(kept.response_body, kept.answer))
    return [SECRET.encode(), b"ada@example", b"secret-row", *(pack(body.data)[16:] for body in bodies)]


def test_no_byte_of_what_was_forgotten_is_left_in_the_files(path):
    secret = exchange(500, said=SECRET, answered=SECRET[::-1], user="ada@example", row_hash="secret-row")
    kept = reply(SECRET[5:])
    with Ledger.open(path) as ledger:
        # Around it enough others that pages were split and moved while it was there.
        ledger.append_exchanges(own(number) for number in range(500))
        ledger.append_exchanges([secret])
        ledger.append_exchanges(own(number) for number in range(501, 1500))
        pilot_id = ledger.start_pilot(design())
        ledger.append_draws(pilot_id, ["e500"])
        ledger.append_replies([("c1", key_of(secret), kept)])
        ledger.append_pairs(pilot_id, [pair(1, "e500")])
        before = traces(path)
        assert all(needle in before for needle in needles(secret, kept)[1:])
        ledger.forget("ada@example")
        assert not [needle for needle in needles(secret, kept) if needle in traces(path)]
    assert not [needle for needle in needles(secret, kept) if needle in traces(path)]


def test_a_reader_in_the_way_is_told_of_and_the_next_try_cleans_up(path):
    secret = exchange(1, said=SECRET, user="ada@example", row_hash="secret-row")
    with Ledger.open(path, wait_s=0.05) as ledger:
        ledger.append_exchanges([secret, own(2)])
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM exchanges").fetchone()
        with pytest.raises(LedgerError, match="another process is reading"):
            ledger.forget("ada@example")
        assert [row.id for row in ledger.rows()] == ["e2"]
        assert b"ada@example" in traces(path)
        reader.close()
        assert ledger.forget("ada@example").exchanges == 0
        assert b"ada@example" not in traces(path)


def test_forgetting_leaves_no_dead_rows_in_postgresql(url):
    with Ledger.open(url) as ledger:
        ledger.append_exchanges(
            own(number, user="ada", answer=Answer(text=f"{number}" * 999)) for number in range(1200)
        )
        before = ledger.size().disk_bytes
        ledger.forget("ada")
        assert ledger.size().disk_bytes < before / 2
