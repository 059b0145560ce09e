"""What the pilot's tests share: a design over a ledger in memory, run in virtual time."""

from __future__ import annotations

import pytest

from fairlead.core.grade import grader
from fairlead.core.nouns import Candidate, Estimand
from fairlead.pilot import design as designs
from fairlead.pilot import on_file
from fairlead.pilot import run as running
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import LOGGED_AT, Said, ScriptedAsk, exchanges
from fairlead.testing.virtual import run_in_virtual_time

CANDIDATE = Candidate(endpoint="http://localhost:9/v1", model="open-1")


class Stage:
    """A pilot ready to run: 'yes' is right everywhere, and the candidate says what `say` says."""

    def __init__(self, say=lambda text: Said(text="yes"), *, count=400, ledger=None, grader_name="exact", **settings):
        self.ledger = ledger or MemoryLedger(exchanges(count))
        self.ask = ScriptedAsk(say, model="open-1-q4")
        self.grader = grader(grader_name)
        self.expected = {row.id: "yes" for row in self.ledger.rows("w1")}
        given = {"margin": 0.05, "timeout_s": 60.0, "candidate": CANDIDATE} | settings
        if "drawing" in given:
            given["known"] = on_file.known(self.ledger, "w1", given["drawing"], self.ledger.rows("w1"))
        self.design = designs.propose(
            workload_id="w1",
            rows=self.ledger.rows("w1"),
            grader=self.grader,
            expected=self.expected,
            labels_hash="labels",
            **given,
        )

    def run(self, **terms):
        return run_in_virtual_time(self.coroutine(**terms))

    def coroutine(self, **terms):
        given = {"ledger": self.ledger, "ask_candidate": self.ask, "grader": self.grader, "expected": self.expected}
        return running.run(self.design, now=lambda: LOGGED_AT, **(given | terms))

    @property
    def pairs(self):
        return self.ledger.pairs(self.design.id)


@pytest.fixture
def stage():
    return Stage


@pytest.fixture
def window():
    return Estimand.WINDOW
