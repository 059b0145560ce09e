"""Which solver answers a request: told by words of its own prompt, as a reader would tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Prompt
from fairlead.demo.simulated.rates import Side
from fairlead.demo.simulated.solvers import agent, chart, desk_texts, records, shop, sql
from fairlead.demo.simulated.solvers.said import Said, Unclear


class Solver(Protocol):
    """Answers one kind of request, rightly or with a plausible mistake."""

    def __call__(self, prompt: Prompt, draws: Draws, *, right: bool) -> Said:
        """What the model says."""
        ...


SOLVERS: Mapping[str, Solver] = {
    "sql": sql.answer,
    "refund": shop.refund,
    "handbook": desk_texts.handbook,
    "contract": desk_texts.contract,
    "planning": desk_texts.planning,
    "exam": desk_texts.exam,
    "note": shop.note,
    "invoice": records.invoice,
    "ticket": records.ticket,
    "slot": records.slot,
    "payment": records.payment,
    "agent": agent.agent,
    "chart": chart.chart,
    "listing": shop.listing,
}
WORDS: Mapping[str, str] = {
    "sql": "one SELECT statement",
    "refund": "customers of the Corvane web shop",
    "handbook": "questions of Corvane staff",
    "contract": "contract desk's reading aid",
    "planning": "planning desk",
    "exam": "multiple-choice examination",
    "note": "write the call note",
    "invoice": "fields of the supplier invoice",
    "ticket": "into queues",
    "agent": "case agent of Corvane",
    "chart": "You read charts",
    "listing": "second-hand market",
}
TOOLS: Mapping[str, str] = {"book_slot": "slot", "refund_payment": "payment"}
UNKNOWN = Said(
    text="This is a simulated model of the Fairlead demo. It can answer the requests of the sample organisation only."
)


def kind_of(prompt: Prompt) -> str | None:
    """The kind of a request, or `None` for one that the simulation does not know."""
    by_words = next((kind for kind, words in WORDS.items() if words in prompt.system), None)
    return by_words or next((kind for tool, kind in TOOLS.items() if tool in prompt.tools), None)


def answer(prompt: Prompt, *, side: Side, draws: Draws) -> Said:
    """What this side answers to a request."""
    kind = kind_of(prompt)
    if kind is None:
        return UNKNOWN
    try:
        return SOLVERS[kind](prompt, draws, right=draws.is_right(side, kind))
    except Unclear:
        return UNKNOWN
