"""scan: from whatever an organisation has logged to workloads with a kind, a size and a cost.

`take_in` keeps exchanges in the ledger, `Grouping` finds which workload each belongs to, `shape` counts one workload,
`reconcile` holds a bill against the log.
"""

from fairlead.scan.first import Candidacy, Outlook, outlook
from fairlead.scan.reconcile import BillRow, LogUse, Reconciliation, reconcile
from fairlead.scan.shape import Cost, Shape, ShapeTally, Spread, shape, span
from fairlead.scan.spool import Spool
from fairlead.scan.take_in import Skip, SkippedLine, TakenIn, take_in
from fairlead.scan.workloads import Grouping, Learning, guess

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
