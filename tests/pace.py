"""How much work something is, whatever else the machine is doing: CPU seconds of the best of a few tries."""

from __future__ import annotations

import time
from collections.abc import Callable

TRIES = 4


def cpu_s(action: Callable[[], object], *, enough: float = 0.0) -> float:
    """The CPU seconds of the quickest try; no further one is made once a try took less than `enough`."""
    best = float("inf")
    for _ in range(TRIES):
        began = time.process_time()
        action()
        best = min(best, time.process_time() - began)
        if best < enough:
            break
    return best
