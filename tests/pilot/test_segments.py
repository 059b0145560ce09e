"""A good mean must not hide a failing segment; and what is known before the first pair."""

from dataclasses import replace
from random import Random

import pytest

from fairlead.core.errors import LedgerError, UsageError
from fairlead.core.evidence import Floor, VerdictKind
from fairlead.core.nouns import Drawing, Engine, Estimand
from fairlead.pilot import on_file
from fairlead.pilot.result import Ended
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import Said, exchange, exchanges

YES = Said(text="yes", after_s=1.0)


def spoken(count, *, rare=8):
    """Requests in two languages, every `rare`-th in Swahili."""
    made = [exchange(n, question=f"{'sw' if n % rare == 0 else 'en'} question {n}") for n in range(1, count + 1)]
    return [replace(each, metadata={"language": "sw" if n % rare == 0 else "en"}) for n, each in enumerate(made, 1)]


def wrong_in_swahili(share):
    def say(text):
        random = Random(text)
        is_wrong = text.startswith("sw") and random.random() < share
        return Said(text="no" if is_wrong else "yes", after_s=random.uniform(0.1, 2.0))

    return say


BY_LANGUAGE = Drawing(segments=("language",), floor=0.1)


@pytest.mark.parametrize("estimand", list(Estimand))
def test_a_failing_segment_stands_in_the_way_though_the_mean_is_good(stage, estimand):
    pilot = stage(
        wrong_in_swahili(0.35), ledger=MemoryLedger(spoken(2400)), margin=0.1, drawing=BY_LANGUAGE, estimand=estimand
    )
    result = pilot.run(concurrency=16)
    judged = result.judgement
    assert judged.verdict is VerdictKind.EQUIVALENT
    assert not judged.replace_ok
    assert {each.value: each.state for each in judged.segments} == {"en": Floor.HOLDS, "sw": Floor.FAILS}
    assert judged.blocked.startswith("segment language = sw fails its floor of −10 points: −")
    assert judged.blocked in result.words
    assert result.ended is Ended.DECIDED


def test_segments_that_keep_their_floor_let_the_mean_decide(stage):
    pilot = stage(wrong_in_swahili(0.0), ledger=MemoryLedger(spoken(2400)), drawing=BY_LANGUAGE)
    judged = pilot.run(concurrency=16).judgement
    assert judged.replace_ok
    assert judged.blocked == ""
    assert all(each.low >= -0.1 for each in judged.segments if each.n >= 100)


def test_once_the_mean_is_decided_only_unsettled_segments_are_asked(stage):
    pilot = stage(wrong_in_swahili(0.0), ledger=MemoryLedger(spoken(2400)), drawing=BY_LANGUAGE)
    result = pilot.run(concurrency=1)
    asked = pilot.ask.asked[result.judgement.n :]
    assert asked, "the rarer language needs more pairs than the mean"
    assert all(text.startswith("sw") for text in asked)


def test_a_segment_that_is_not_settled_is_said_to_be(stage):
    pilot = stage(wrong_in_swahili(0.12), ledger=MemoryLedger(spoken(480)), drawing=BY_LANGUAGE)
    result = pilot.run(concurrency=8)
    assert not result.judgement.replace_ok
    assert "segment language = sw is not shown to keep its floor yet of −10 points" in result.words


def test_values_with_few_requests_are_counted_together(stage):
    logged = [
        replace(each, metadata={"language": f"rare {n}" if n % 10 == 0 else "en"})
        for n, each in enumerate(exchanges(600), 1)
    ]
    judged = stage(ledger=MemoryLedger(logged), drawing=BY_LANGUAGE).run().judgement
    assert {each.value: each.requests for each in judged.segments} == {"en": 540, "(others)": 60}


@pytest.mark.parametrize("estimand", list(Estimand))
def test_killed_at_any_moment_a_pilot_with_segments_ends_with_the_same_judgement(stage, estimand):
    def made(ledger):
        return stage(wrong_in_swahili(0.2), ledger=ledger, drawing=BY_LANGUAGE, estimand=estimand)

    snapshots = []

    class Remembering(MemoryLedger):
        def append_pairs(self, *args):
            snapshots.append(self.copy())
            super().append_pairs(*args)

    undisturbed = made(Remembering(spoken(1200)))
    expected = undisturbed.run(concurrency=16)
    assert expected.judgement.segments
    for left in Random(3).sample(snapshots, 6):
        resumed = made(left)
        assert resumed.run(concurrency=3).judgement == expected.judgement
        assert resumed.pairs == undisturbed.pairs


def test_the_incumbents_scores_are_written_down_before_the_first_draw(stage, window):
    class Ordered(MemoryLedger):
        def append_draws(self, pilot_id, exchange_ids):
            assert len(self.on_file(pilot_id)) == 90
            super().append_draws(pilot_id, exchange_ids)

    logged = exchanges(90, answers=["yes"] * 60 + ["no"] * 30)
    pilot = stage(ledger=Ordered(logged), estimand=window, margin=0.02)
    result = pilot.run()
    known = pilot.ledger.on_file(pilot.design.id)
    assert sorted(each.closed for each in known) == [0] * 30 + [100] * 60
    assert [each.exchange_id for each in known][: result.judgement.n] == pilot.ledger.draws(pilot.design.id)[
        : result.judgement.n
    ]


def test_scores_on_file_decide_a_window_sooner(stage, window):
    def say(text):
        return Said(text="no" if Random(text).random() < 0.12 else "yes")

    logged = exchanges(900, answers=["no" if Random(f"c{n}").random() < 0.3 else "yes" for n in range(900)])
    with_scores = stage(say, ledger=MemoryLedger(logged), estimand=window)
    plain = stage(say, ledger=MemoryLedger(logged), estimand=window)
    plain.design = replace(plain.design, betting=replace(plain.design.betting, scores_on_file=False))
    assert with_scores.run().judgement.n <= plain.run().judgement.n


def test_a_grader_that_changes_its_mind_is_told_of(stage, window):
    pilot = stage(ledger=MemoryLedger(exchanges(60)), estimand=window)
    whole = pilot.grader

    class Moody:
        id, needs_expected, calls = whole.id, whole.needs_expected, 0

        def grade(self, **asked):
            self.calls += 1
            grade = whole.grade(**asked)
            return replace(grade, score=0.0) if self.calls > 60 else grade

    pilot.grader = Moody()
    with pytest.raises(LedgerError, match="must give the same answer the same grade"):
        pilot.run()


def test_an_erased_request_is_no_part_of_the_window_any_more(stage, window):
    ledger = MemoryLedger(exchanges(60))
    pilot = stage(lambda _: Said(text="no"), ledger=ledger, estimand=window, n_max=20)
    pilot.run()
    erased = pilot.ledger.on_file(pilot.design.id)[30].exchange_id
    ledger.forget(erased)
    longer = stage(lambda _: Said(text="no"), ledger=ledger, estimand=window)
    longer.design = replace(pilot.design, n_max=100)
    result = longer.run()
    assert result.judgement.verdict is VerdictKind.CLOSED_LEADS
    assert erased not in [row.pair.exchange_id for row in longer.pairs]


# Labels


def labelled(name, made, *, language=lambda _: None):
    ledger = MemoryLedger([made])
    return on_file.label(name, made, ledger.rows("w1")[0], language=language)


def test_a_label_is_a_word_every_log_knows_or_a_key_of_the_metadata():
    made = replace(
        exchange(1, conversation="c9"), user="u7", metadata={"tier": "gold", "shop": {"country": "KE"}, "n": 3}
    )
    assert [labelled(name, made) for name in ("conversation", "user", "model", "tier", "shop.country", "n")] == [
        "c9", "u7", "closed-1-2026-01-01", "gold", "KE", "3",
    ]  # fmt: skip
    assert labelled("nowhere", made) == "(unknown)"
    assert labelled("language", made, language=lambda _: "sw") == "sw"


def test_what_a_log_brings_as_a_label_is_cut_and_kept_on_one_line():
    assert labelled("tier", replace(exchange(1), metadata={"tier": "a\nb" * 200})) == ("a b" + "a b" * 199)[:80]


# Clusters and weights


def test_one_bet_for_each_user_when_users_are_the_clusters(stage):
    logged = [replace(each, user=f"user {n % 30}") for n, each in enumerate(exchanges(300))]
    pilot = stage(ledger=MemoryLedger(logged), drawing=Drawing(cluster="user"))
    assert pilot.run().judgement.n == 30


def test_declared_weights_draw_what_counts_more_more_often(stage):
    logged = [replace(each, metadata={"value": 9 if n % 2 else 1}) for n, each in enumerate(exchanges(2000))]
    pilot = stage(ledger=MemoryLedger(logged), drawing=Drawing(weight="value"), n_max=400, margin=0.002)
    pilot.run()
    heavy = sum(int(row.pair.exchange_id[1:]) % 2 == 0 for row in pilot.pairs)
    assert heavy / len(pilot.pairs) == pytest.approx(0.9, abs=0.06)
    assert pilot.design.betting.engine is Engine.ADAPTIVE


def test_exchanges_without_the_declared_weight_are_named(stage):
    logged = [replace(each, metadata={"value": 1} if n else {}) for n, each in enumerate(exchanges(20))]
    with pytest.raises(UsageError, match="1 of 20 exchanges have no weight above 0"):
        stage(ledger=MemoryLedger(logged), drawing=Drawing(weight="value")).run()


def test_a_cluster_that_nothing_has_is_named(stage):
    with pytest.raises(UsageError, match="'shop' in its metadata"):
        stage(drawing=Drawing(cluster="shop")).run()
