"""scan: from whatever an organisation has logged to workloads with a kind, a size and a cost.

`take_in` keeps exchanges in the ledger, `Grouping` finds which workload each belongs to, `shape` counts one workload.
"""

from fairlead.scan.shape import Cost, Shape, shape, span
from fairlead.scan.take_in import Skip, SkippedLine, TakenIn, take_in
from fairlead.scan.workloads import Grouping

__all__ = ["Cost", "Grouping", "Shape", "Skip", "SkippedLine", "TakenIn", "shape", "span", "take_in"]
