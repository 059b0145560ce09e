"""scan: from whatever an organisation has logged to workloads with a kind, a size and a cost.

`take_in` keeps exchanges in the ledger, `Grouping` finds which workload each belongs to, `shape` counts one workload,
`reconcile` holds a bill against the log. `outlook` forecasts, which takes statistics: it is loaded when it is first named, for
the gateway looks for workloads all day and forecasts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.core.later import later
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

__getattr__ = later(__name__, {"Candidacy": "first", "Outlook": "first", "outlook": "first"}, globals())
