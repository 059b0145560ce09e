"""scan: from whatever an organisation has logged to workloads with a kind, a size and a cost.

`take_in` keeps exchanges in the ledger, `Grouping` finds which workload each belongs to, `shape` counts one workload,
`reconcile` holds a bill against the log. `outlook` forecasts, which takes statistics: it is loaded when it is first named, for
the gateway looks for workloads all day and forecasts nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fairlead.scan.reconcile import BillRow, LogUse, Reconciliation, reconcile
from fairlead.scan.shape import Cost, Shape, ShapeTally, Spread, shape, span
from fairlead.scan.spool import Spool
from fairlead.scan.take_in import Skip, SkippedLine, TakenIn, take_in
from fairlead.scan.workloads import Grouping, Learning, guess

if TYPE_CHECKING:
    from fairlead.scan.first import Candidacy, Outlook, outlook

__all__ = [
    "BillRow",
    "Candidacy",
    "Cost",
    "Grouping",
    "Learning",
    "LogUse",
    "Outlook",
    "Reconciliation",
    "Shape",
    "ShapeTally",
    "Skip",
    "SkippedLine",
    "Spool",
    "Spread",
    "TakenIn",
    "guess",
    "outlook",
    "reconcile",
    "shape",
    "span",
    "take_in",
]

_OF_FIRST = frozenset({"Candidacy", "Outlook", "outlook"})


def __getattr__(name: str) -> Any:
    """What is loaded when it is first named."""
    if name not in _OF_FIRST:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.first"), name)
    globals()[name] = found
    return found
