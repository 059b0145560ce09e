"""A judge is tested on answers of one model before it judges: it must prefer neither, and what length is worth to it is told."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from fairlead.core.judge import PairGrader, rubric_for
from fairlead.core.nouns import Candidate, Judge, Judging, TokenPrice
from fairlead.pilot import controls
from fairlead.pilot import design as designs
from fairlead.testing import judge as fake
from fairlead.testing.judge import FakeJudgeAsk
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import Said, ScriptedAsk, exchanges
from fairlead.testing.virtual import run_in_virtual_time

RUBRIC = rubric_for(None)
JUDGING = Judging(judges=(Judge(endpoint="http://h/v1", model="judge-1"),), prompt=RUBRIC.hash)
PRICE = TokenPrice(input=Decimal(1), output=Decimal(2))


class Test:
    """Controls ready to run over one ledger; the model never says the same twice, and more when told to be detailed."""

    __test__ = False

    def __init__(self, rule, *, count=60, same=False):
        self.ledger, self.judge = MemoryLedger(exchanges(count)), FakeJudgeAsk(rule)
        self.logged, self.said, self.same = exchanges(count), 0, same
        self.candidate = ScriptedAsk(self._say)
        self.design = designs.propose(
            workload_id="w1", rows=self.ledger.rows("w1"), candidate=Candidate(endpoint="http://h/v1", model="open-1"),
            grader=PairGrader(id=JUDGING.grader), margin=0.1, timeout_s=60, judging=JUDGING,
        )  # fmt: skip

    def _say(self, text):
        self.said += 1
        detailed = controls.DETAILED in str(self.candidate.bodies[-1])
        words = "word " * (20 if detailed else self.said % 7)
        return Said(text="same" if self.same else f"{words}{self.said}", after_s=0.2)

    def coroutine(self, *, alike=60, verbosity=0, budget=None, prices=(None, None)):
        return controls.run(
            self.design, JUDGING, exchanges=self.logged, ask=self.candidate, ask_judges=[self.judge], rubric=RUBRIC,
            ledger=self.ledger, alike=alike, verbosity=verbosity, prices=prices, budget=budget, concurrency=4,
        )  # fmt: skip

    def run(self, **terms):
        return run_in_virtual_time(self.coroutine(**terms))


@pytest.mark.parametrize("rule", [fake.by(len), fake.first, fake.obeys, fake.by(lambda text: len(text) * 7919 % 13)])
def test_a_judge_that_cannot_tell_whose_is_whose_holds_whatever_else_it_follows(rule):
    found = Test(rule).run()
    assert found.alike.pairs == 60
    assert found.alike.holds


def test_a_judge_that_can_tell_the_second_answer_from_the_first_does_not_hold():
    seen = set()

    def knows(asked):
        """Prefers whatever was said later, which it knows from the number each answer ends with."""
        one, other = (int(text.split()[-1]) for text in (asked.first, asked.second))
        seen.add((one, other))
        return fake.verdict(asked, 0 if one > other else 1)

    found = Test(knows).run()
    assert seen
    assert not found.alike.holds
    assert found.alike.low > 0.5


def test_what_length_is_worth_is_told():
    found = Test(fake.by(len)).run(alike=0, verbosity=40)
    assert found.verbosity.mean == 1
    assert found.verbosity.judges.judges[0].longer == 1
    assert Test(fake.by(lambda text: -len(text))).run(alike=0, verbosity=40).verbosity.mean == -1


def test_the_same_answer_twice_needs_no_judge():
    test = Test(fake.first, same=True)
    found = test.run()
    assert (found.alike.same, found.alike.mean, len(test.judge.asked)) == (60, 0, 0)


def test_nothing_is_asked_twice_after_a_kill():
    test = Test(fake.by(len))

    async def interrupted():
        task = asyncio.ensure_future(test.coroutine())
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_virtual_time(interrupted())
    known = test.ledger.replies()
    before = test.said
    assert 0 < known < 120
    found = test.run()
    assert found.alike.pairs == 60
    assert test.said - before == 120 - known


def test_the_budget_is_not_passed():
    budget = Decimal("0.02")
    found = Test(fake.by(len)).run(budget=budget, prices=(PRICE, PRICE))
    assert 0 < found.alike.pairs < 60
    assert found.spent <= budget


def test_controls_without_pairs_claim_nothing():
    found = Test(fake.by(len)).run(alike=0)
    assert (found.alike.pairs, found.alike.holds, found.requests) == (0, True, 0)
    assert replace(found.alike, low=0.1).holds is False
