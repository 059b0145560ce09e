"""The one state of the grouper that a ledger holds, shared by every scan, gateway process and command.

Whoever learned something or decided something changes the shared state as a whole: it is read, changed and put back, and where
another process was quicker, that one's state is changed instead. What others learned or a user decided meanwhile is never lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from fairlead.core.nouns import JSON
from fairlead.core.workload.group import Grouper

STATE = "grouper"
Result = TypeVar("Result")


class StateLedger(Protocol):
    """What is needed of a ledger."""

    def state(self, name: str) -> JSON:
        """What is kept under a name."""
        ...

    def change_state(self, name: str, change: Callable[[JSON], JSON]) -> JSON:
        """Change what is kept under a name; `change` is called again where another process was quicker."""
        ...


def load(ledger: StateLedger) -> Grouper:
    """The grouper as the ledger keeps it."""
    return kept(ledger.state(STATE))


def kept(state: JSON) -> Grouper:
    """The grouper in what is kept under `STATE`; a new one where nothing is."""
    return Grouper.from_json(state["grouper"]) if isinstance(state, dict) else Grouper()


def decide(ledger: StateLedger, change: Callable[[Grouper], Result]) -> tuple[Grouper, Result]:
    """Change the shared grouper as a user decided (a name, a merge, a split, a pin); it is returned with the change's result."""
    made: list[tuple[Grouper, Result]] = []

    def decided(state: JSON) -> JSON:
        grouper = kept(state)
        made.append((grouper, change(grouper)))
        return written(state, grouper)

    ledger.change_state(STATE, decided)
    return made[-1]


def share(ledger: StateLedger, learned: Grouper, *, is_sorted: bool | None = None) -> Grouper:
    """Add what `learned` has seen since it was loaded to the shared grouper, grow and link it; returns the shared one.

    `is_sorted` notes whether every exchange it has learned from was placed; left alone where `None`.
    """

    def added(grouper: Grouper) -> None:
        grouper.absorb(learned)
        grouper.link()

    made: list[Grouper] = []

    def shared(state: JSON) -> JSON:
        grouper = kept(state)
        added(grouper)
        made.append(grouper)
        return written(state, grouper, is_sorted=is_sorted)

    ledger.change_state(STATE, shared)
    return made[-1]


def written(state: JSON, grouper: Grouper, *, is_sorted: bool | None = None) -> JSON:
    """What is kept under `STATE`, with this grouper in it."""
    before = state if isinstance(state, dict) else {"is_sorted": True}
    now: dict[str, JSON] = {**before, "grouper": grouper.to_json()}
    return now if is_sorted is None else {**now, "is_sorted": is_sorted}
