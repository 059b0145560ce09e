"""How records look in a terminal: tables a finance lead can read, plain text when the output is a file."""

from fairlead.edge.cli.show.bill import bill
from fairlead.edge.cli.show.pilot import (
    announce,
    pilot_line,
    pilot_progress,
    pilot_result,
    prepared_record,
    verdicts,
    whys,
)
from fairlead.edge.cli.show.plan import plan
from fairlead.edge.cli.show.review import harmless, review_begins, review_item, review_state
from fairlead.edge.cli.show.route import route, routes
from fairlead.edge.cli.show.route import sentence as step
from fairlead.edge.cli.show.scan import scan
from fairlead.edge.cli.show.terminal import progress, safe, say
from fairlead.edge.cli.show.truth import truth
from fairlead.edge.cli.show.workload import workload_detail, workload_list

__all__ = [
    "announce",
    "bill",
    "harmless",
    "pilot_line",
    "pilot_progress",
    "pilot_result",
    "plan",
    "prepared_record",
    "progress",
    "review_begins",
    "review_item",
    "review_state",
    "route",
    "routes",
    "safe",
    "say",
    "scan",
    "step",
    "truth",
    "verdicts",
    "whys",
    "workload_detail",
    "workload_list",
]
