"""A process that learns its share of a log, links, and decides as a user would, while others do the same at one ledger.

Run as `python -m edge.store.grouping_process LEDGER NUMBER`: it says when it has come to a point, and goes on when it is told to.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice

from core.workload.making import asks, mixed, text
from fairlead.core.workload import Grouper, share
from fairlead.edge.control.placing import Placing, link
from fairlead.edge.store import Ledger

NUMBER = 3
START = datetime(2026, 9, 1, tzinfo=UTC)
DOES = ["sum up the minutes", "answer letters", "write the training plan", "sort the photographs", "name the boats"]
PROMPTS = [
    f"You {does} for the members of the rowing club. Be brief and kind. Sign with the club's name." for does in DOES
]
LATER = f"{PROMPTS[3]} Mention no names."


def _asked(prompt: str, number: int, start: int):
    return [asks(prompt, text(start + i)) for i in range(number)]


EARLY_JOBS = [_asked(prompt, 45, at * 1_000) for at, prompt in enumerate(PROMPTS)]
LATE_JOBS = [*(_asked(prompt, 15, at * 1_000 + 500) for at, prompt in enumerate(PROMPTS)), _asked(LATER, 120, 9_000)]
LOGS = [mixed(*EARLY_JOBS), mixed(*LATE_JOBS)]


def decided(number: int, grouper: Grouper) -> None:
    """What this process's user wants: a name, a merge, a pin, a split-off."""
    first, second, third, fourth, fifth = (grouper.assign(job[0]) for job in EARLY_JOBS)
    if number == 0:
        grouper.rename(first.workload_id, "Minutes")
    elif number == 1:
        grouper.merge(third.workload_id, into=second.workload_id)
    else:
        grouper.pin(fourth.workload_id)
        grouper.split(fifth.prompt_id)


def main(where: str, number: int) -> None:
    """Learn, link and decide; tell the ids given on the way, and where everything belongs in the end."""
    placing = Placing()
    given: list[tuple[int, int, str]] = []
    with Ledger.open(where) as ledger:

        def linked() -> None:
            link(ledger, placing, language_of=lambda _text: "en")

        for phase, log in enumerate(LOGS):
            _wait("ready")
            for at in range(number, len(log), NUMBER):
                placing.learn(log[at], at=START + timedelta(days=40 * phase, minutes=at))
                if (place := placing.place(log[at]).workload_id) is not None:
                    given.append((phase, at, place))
                if at % 75 >= 75 - NUMBER:
                    linked()
            linked()
            if not phase:
                _wait("learned")
                share.decide(ledger, lambda grouper: decided(number, grouper))
                linked()
        _wait("linked")
        linked()
        found = [[placing.place(request).workload_id for request in log] for log in LOGS]
        print(json.dumps({"given": given, "found": found}), flush=True)


def _wait(word: str) -> None:
    print(word, flush=True)
    next(islice(sys.stdin, 1))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
