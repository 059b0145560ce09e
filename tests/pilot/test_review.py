"""People are shown the pairs that the tool chose, blind; what they are sent tells nothing about whose answer is whose."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from fairlead.core.evidence import VerdictKind
from fairlead.core.evidence.human import People
from fairlead.core.evidence.reviewed import blocks, chosen, reviewed
from fairlead.core.judge import PairGrader, Shown
from fairlead.core.nouns import (
    Candidate,
    Choice,
    FailureKind,
    Grade,
    Judge,
    Judged,
    Judging,
    Opinion,
    Pair,
    PairRow,
    Preference,
    Reviewing,
    Usage,
)
from fairlead.pilot import design as designs
from fairlead.pilot.review import OVERLAP, ReviewItem, item_of, place_of, to_do, token_of
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import exchanges

SECRET = bytes(range(32))
JUDGING = Judging(judges=(Judge(endpoint="http://h/v1", model="judge-1"),), prompt="p")


def design_of(*, block=20, opinions=1, judging=JUDGING, margin=0.1):
    return designs.propose(
        workload_id="w1",
        rows=MemoryLedger(exchanges(3)).rows("w1"),
        candidate=Candidate(endpoint="http://h/v1", model="open-1"),
        grader=PairGrader(id="judge" if judging else "people"),
        margin=margin,
        timeout_s=60,
        judging=judging,
        reviewing=Reviewing(block=block, opinions=opinions, wanted=True),
    )


def row(position, preference=0.0, **more):
    judged = Judged(preference=preference, opinions=(Opinion(candidate_first=preference, incumbent_first=preference),))
    return PairRow(
        pair=Pair(position=position, exchange_id=f"x{position}", incumbent=Grade(score=0.5), candidate=Grade(score=0.5)),
        incumbent_refused=False, candidate_refused=False, incumbent_latency_s=None, candidate_latency_s=None,
        incumbent_usage=Usage(), candidate_usage=Usage(), candidate_attempts=1, candidate_model=None,
        **({"judged": judged, "incumbent_failure": None, "candidate_failure": None} | more),
    )  # fmt: skip


def rows_of(count, preference=lambda position: 0.0):
    return [row(position, preference(position)) for position in range(1, count + 1)]


def said_by(reviewer, rows, value):
    """What a reviewer answers who prefers as `value` says, whatever side is shown first."""
    return [_said(reviewer, each, value(each.pair.position)) for each in rows]


def _said(reviewer, each, value):
    place = place_of(SECRET, "p", each, reviewer)
    if value == 0:
        return place.preference(Choice.SAME)
    is_first = (value > 0) == (place.first == "candidate")
    return place.preference(Choice.FIRST if is_first else Choice.SECOND)


# Which pairs


def test_one_pair_of_every_full_block_is_shown():
    found = chosen(design_of(), rows_of(105))
    assert [(each.row.pair.position - 1) // 20 for each in found] == [0, 1, 2, 3, 4]
    assert all(len(each.others) == 19 for each in found)


def test_without_a_judge_people_see_every_pair():
    rows = rows_of(7)
    assert [each.row for each in chosen(design_of(block=1, judging=None), rows)] == rows


def test_every_place_of_a_block_is_as_likely_as_any_other():
    found = chosen(design_of(), rows_of(20 * 4000))
    places = Counter((each.row.pair.position - 1) % 20 for each in found)
    assert len(places) == 20
    assert sum((count - 200) ** 2 / 200 for count in places.values()) < 45, "chi-square, 19 degrees, p < .001"


def test_the_choice_looks_at_nothing_that_anybody_answered():
    design = design_of()
    one = chosen(design, rows_of(400, lambda position: -1.0))
    other = chosen(design, rows_of(400, lambda position: float(position % 2)))
    assert [each.row.pair.position for each in one] == [each.row.pair.position for each in other]


def test_another_pilot_shows_other_pairs():
    one, other = (chosen(design_of(margin=margin), rows_of(400)) for margin in (0.1, 0.12))
    assert [each.row.pair.position for each in one] != [each.row.pair.position for each in other]


# What is sent


def test_an_item_holds_a_token_and_three_texts_and_nothing_else():
    assert [field.name for field in fields(ReviewItem)] == ["token", "request", "first", "second"]


def sent(rows, reviewer="kim", secret=SECRET, texts=None):
    """Everything a reviewer is sent for these rows, and which side stood first."""
    found = []
    for each in rows:
        place = place_of(secret, "p", each, reviewer)
        incumbent, candidate = texts(each.pair.position) if texts else ("incumbent's", "candidate's")
        shown = Shown(request=f"request {each.pair.position}", incumbent=incumbent, candidate=candidate)
        found.append((item_of(token_of(secret, "p", place), shown, place.first), place.first))
    return found


def test_either_side_stands_first_as_often_and_without_a_pattern():
    firsts = [first == "candidate" for _, first in sent(rows_of(4000))]
    assert abs(np.mean(firsts) - 0.5) < 0.03
    runs = np.mean(np.array(firsts[1:]) == np.array(firsts[:-1]))
    assert abs(runs - 0.5) < 0.03


def test_no_part_of_a_token_and_no_place_in_the_list_tells_which_side_is_first():
    found = sent(rows_of(4000))
    truth = np.array([first == "candidate" for _, first in found])
    letters = np.array([list(item.token) for item, _ in found])
    limit = 4.5 / np.sqrt(len(found))
    for column in range(letters.shape[1]):
        for letter in set(letters[:, column]):
            has = letters[:, column] == letter
            if 100 < has.sum() < len(found) - 100:
                assert abs(truth[has].mean() - truth.mean()) < 4.5 / (2 * np.sqrt(has.sum())) + 0.01
    values = np.array([sum(map(ord, item.token)) for item, _ in found])
    assert abs(np.corrcoef(values, truth)[0, 1]) < limit
    assert abs(np.corrcoef(np.arange(len(found)), truth)[0, 1]) < limit


def test_swapping_the_sides_and_the_coin_sends_the_same_bytes():
    """Were anything but the coin in an item, the two would differ: whose answer is whose is nowhere else."""
    one = Shown(request="r", incumbent="aaa", candidate="bb")
    swapped = Shown(request="r", incumbent="bb", candidate="aaa")
    assert item_of("t", one, "candidate") == item_of("t", swapped, "incumbent")
    assert item_of("t", one, "incumbent") == item_of("t", swapped, "candidate")


def test_without_the_secret_neither_token_nor_order_can_be_had():
    rows = rows_of(200)
    one, other = sent(rows), sent(rows, secret=bytes(32))
    assert not {item.token for item, _ in one} & {item.token for item, _ in other}
    same = np.mean([a == b for (_, a), (_, b) in zip(one, other, strict=True)])
    assert 0.35 < same < 0.65


def test_two_reviewers_see_the_same_pair_in_orders_of_their_own():
    one, other = sent(rows_of(200)), sent(rows_of(200), reviewer="ana")
    same = np.mean([a == b for (_, a), (_, b) in zip(one, other, strict=True)])
    assert 0.35 < same < 0.65
    assert not {item.token for item, _ in one} & {item.token for item, _ in other}


@pytest.mark.parametrize("choice", list(Choice))
@pytest.mark.parametrize("first", ["incumbent", "candidate"])
def test_an_answer_means_the_side_that_was_meant(choice, first):
    said = Preference(position=1, exchange_id="x", reviewer="kim", choice=choice, first=first)
    expected = {Choice.FIRST: 1 if first == "candidate" else -1, Choice.SECOND: -1 if first == "candidate" else 1}
    assert said.value == expected.get(choice, 0)


# Who is shown what


def test_nobody_is_asked_about_what_needs_nobody():
    design = design_of(block=1, judging=None)
    rows = [
        row(1),
        row(2, judged=Judged(preference=-1, by_rule="the candidate failed")),
        row(3, judged=None, incumbent_failure=FailureKind.TIMEOUT),
        row(4, judged=None, incumbent_failure=FailureKind.TIMEOUT, candidate_failure=FailureKind.TIMEOUT),
    ]
    assert [each.pair.position for each in to_do(design, rows, [], "kim")] == [1]
    assert [each.by_rule for each in chosen(design, rows)] == [None, -1, 1, 0]


def test_a_reviewer_goes_on_where_it_stopped_and_another_starts_with_what_is_open():
    design, rows = design_of(block=1, judging=None), rows_of(20)
    said = said_by("kim", rows[:6], lambda position: 1)
    assert to_do(design, rows, said, "kim") == rows[6:]
    assert to_do(design, rows, said, "ana") == [*rows[6:], rows[0], rows[OVERLAP]]


def test_as_many_people_are_asked_as_the_design_wants():
    design, rows = design_of(block=1, judging=None, opinions=2), rows_of(6)
    said = said_by("kim", rows, lambda position: 1)
    assert to_do(design, rows, said, "ana") == rows
    assert blocks(design, rows, said) == []
    both = said + said_by("ana", rows[:3], lambda position: -1)
    assert [block.human for block in blocks(design, rows, both)] == [0, 0, 0]


# What it is worth


def test_answers_count_up_to_the_first_pair_that_nobody_answered():
    design, rows = design_of(block=1, judging=None), rows_of(10)
    said = said_by("kim", [rows[n] for n in (0, 1, 2, 5, 6)], lambda position: 1)
    found = reviewed(design, rows, said)
    assert (found.counted, found.waiting, found.unanswered, found.shown) == (3, 2, 5, 10)


def test_cannot_tell_is_no_preference_and_is_told():
    design, rows = design_of(block=1, judging=None), rows_of(4)
    said = [replace(each, choice=Choice.UNSURE) for each in said_by("kim", rows, lambda position: 1)]
    found = reviewed(design, rows, said)
    assert (found.unsure, found.judgement.ties, found.judgement.mean) == (4, 4, 0)


def test_only_the_first_answer_to_a_pair_counts():
    design, rows = design_of(block=1, judging=None), rows_of(5)
    said = said_by("kim", rows, lambda position: 1) + said_by("ana", rows, lambda position: -1)
    assert [block.human for block in blocks(design, rows, said)] == [1] * 5


def test_blocks_hold_what_the_judge_said_of_the_pair_and_of_the_others():
    design, rows = design_of(), rows_of(40, lambda position: 1.0 if position % 2 else -0.5)
    picked = [each.row for each in chosen(design, rows)]
    first, second = blocks(design, rows, said_by("kim", picked, lambda position: -1))
    assert (first.human, first.judged) == (-1, picked[0].judged.preference)
    assert sorted((*first.others, first.judged)) == sorted(each.judged.preference for each in rows[:20])
    assert len(second.others) == 19


def test_people_correct_a_judge_that_is_biased():
    """The judge prefers the incumbent nearly always; people do not."""
    rng = np.random.default_rng(4)
    human = rng.choice([-1, 0, 1], size=20 * 400, p=[0.2, 0.2, 0.6])
    rows = rows_of(len(human), lambda position: -1.0 if rng.random() < 0.7 else float(human[position - 1]))
    design = design_of()
    said = said_by("kim", [each.row for each in chosen(design, rows)], lambda position: human[position - 1])
    found = reviewed(design, rows, said)
    assert found.counted == 400
    assert found.judgement.verdict is VerdictKind.OPEN_LEADS
    assert found.judgement.low < 0.4 < found.judgement.high
    assert found.fixed.low < 0.4 < found.fixed.high
    assert np.mean([each.judged.preference for each in rows]) < -0.4


def test_what_follows_is_what_people_evidence_says_of_the_blocks():
    design, rows = design_of(), rows_of(200, lambda position: float(position % 3 - 1))
    said = said_by("kim", [each.row for each in chosen(design, rows)], lambda position: position % 2)
    people = People(0.1)
    for block in blocks(design, rows, said):
        people.add(block)
    assert reviewed(design, rows, said).judgement == people.judgement()


def test_an_erased_pair_leaves_the_rest_of_its_block():
    design, rows = design_of(), rows_of(40)
    gone = chosen(design, rows)[0].row.pair.position
    left = [each for each in rows if each.pair.position != gone]
    found = chosen(design, left)
    assert len(found) == 2
    assert found[0].row.pair.position != gone
    assert len(found[0].others) == 18
