"""plan: from spend, verdicts and prices to ordered moves with a saving per month. Pure; see `docs/plan.md`."""

from fairlead.core.moves import (
    Action,
    Amount,
    Forecasted,
    Move,
    Option,
    PilotFacts,
    Plan,
    SideFacts,
    Skipped,
    Step,
    WorkloadFacts,
    plan_from_json,
)
from fairlead.core.span import LogSpan
from fairlead.plan.economics import daily_calls, forecasted
from fairlead.plan.facts import pilot_facts, quantile
from fairlead.plan.order import order

__all__ = [
    "Action",
    "Amount",
    "Forecasted",
    "LogSpan",
    "Move",
    "Option",
    "PilotFacts",
    "Plan",
    "SideFacts",
    "Skipped",
    "Step",
    "WorkloadFacts",
    "daily_calls",
    "forecasted",
    "order",
    "pilot_facts",
    "plan_from_json",
    "quantile",
]
