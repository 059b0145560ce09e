"""scan: from whatever an organisation has logged to workloads with a kind, a size and a cost.

`take_in` keeps exchanges in the ledger, `group` says which workload each belongs to, `shape` counts one workload.
"""

from fairlead.scan.shape import Shape, Span, shape
from fairlead.scan.take_in import Skip, TakenIn, take_in
from fairlead.scan.workloads import group

__all__ = ["Shape", "Skip", "Span", "TakenIn", "group", "shape", "take_in"]
