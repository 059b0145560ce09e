"""How often each simulated model is right, and how often it fails: the documented truth of the demo.

The keys are the kinds of request that `solvers` tells apart by their text. A rate is the chance that an answer which
arrives whole is right. Both models find the same requests hard now and then: with chance `SHARED` a request is decided
by one draw for both of them, else each has its own; the rates themselves are the same either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Which of the two models a server stands for."""

    CLOSED = "closed"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The chance to be right, of the closed and of the open model."""

    closed: float
    open: float

    def of(self, side: Side) -> float:
        """The rate of one side."""
        return self.closed if side is Side.CLOSED else self.open


RATES: Mapping[str, Rate] = {
    "sql": Rate(closed=0.78, open=0.86),
    "refund": Rate(closed=0.46, open=0.94),
    "handbook": Rate(closed=0.95, open=0.95),
    "contract": Rate(closed=0.88, open=0.855),
    "planning": Rate(closed=0.93, open=0.935),
    "exam": Rate(closed=0.95, open=0.95),
    "note": Rate(closed=0.94, open=0.945),
    "invoice": Rate(closed=0.96, open=0.96),
    "ticket": Rate(closed=0.95, open=0.955),
    "slot": Rate(closed=0.97, open=0.97),
    "payment": Rate(closed=0.95, open=0.83),
    "agent": Rate(closed=0.91, open=0.76),
    "chart": Rate(closed=0.92, open=0.78),
    "listing": Rate(closed=0.94, open=0.81),
}
SHARED = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares of distinct requests that meet a fault.

    `hang` never gets an answer and `cut` gets one that breaks off, every time it is asked. `limited` gets status 429
    with `Retry-After`, and `unavailable` status 503, the first time only.
    """

    hang: float
    cut: float
    limited: float
    unavailable: float

    @property
    def lost(self) -> float:
        """The share of requests that never get a whole answer."""
        return self.hang + self.cut


FAULTS: Mapping[Side, Faults] = {
    Side.CLOSED: Faults(hang=0.002, cut=0.002, limited=0.01, unavailable=0.004),
    Side.OPEN: Faults(hang=0.004, cut=0.004, limited=0.02, unavailable=0.006),
}


def true_rate(kind: str, side: Side) -> float:
    """The share of requests of a kind that end with a right answer, faults included."""
    return RATES[kind].of(side) * (1 - FAULTS[side].lost)


def true_difference(kind: str) -> float:
    """Open minus closed, faults included: what a pilot estimates."""
    return true_rate(kind, Side.OPEN) - true_rate(kind, Side.CLOSED)
