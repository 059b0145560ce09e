"""The ways in which a served answer can go wrong, each in a share of the requests, chosen by seed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from fairlead.core.errors import UsageError


class Fault(StrEnum):
    """What goes wrong."""

    TIMEOUT = "timeout"
    LIMIT = "429"
    SERVER_ERROR = "500"
    CUT = "cut"
    HTML = "html"
    HUGE = "huge"
    REFUSE = "400"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Which share of the requests meets which fault.

    With `lasting` a request meets the same fault every time it is asked; else every asking is another chance, so that
    a second attempt may get through.
    """

    shares: Mapping[Fault, float] = field(default_factory=dict[Fault, float])
    seed: int = 0
    lasting: bool = False
    retry_after_s: float = 0.2

    def __post_init__(self) -> None:
        if any(share < 0 for share in self.shares.values()) or sum(self.shares.values()) > 1:
            raise UsageError("Shares of faults lie between 0 and 1 and add up to 1 at most.")

    def of(self, key: str, *, asking: int) -> Fault | None:
        """What goes wrong when the request `key` is asked for the `asking`-th time."""
        chance = _uniform(f"{self.seed}|{key}|{1 if self.lasting else asking}")
        for fault in Fault:
            share = self.shares.get(fault, 0.0)
            if chance < share:
                return fault
            chance -= share
        return None


def parse(spec: str) -> tuple[Fault, float]:
    """A share as it is written on a command line.

    >>> parse("timeout=0.02")
    (<Fault.TIMEOUT: 'timeout'>, 0.02)
    """
    name, _, share = spec.partition("=")
    try:
        return Fault(name), float(share)
    except ValueError:
        raise UsageError(
            f"{spec!r} is not a fault and its share; write one of {', '.join(Fault)} like timeout=0.02."
        ) from None


def _uniform(text: str) -> float:
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56
