"""The next call of a case half done: the runbook of the prompt, followed over the rounds so far."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Prompt, Round, arguments_of
from fairlead.demo.simulated.solvers.records import spoiled
from fairlead.demo.simulated.solvers.said import Said, found, slipped

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the rounds so far have told."""

    order: str
    sites: tuple[str, ...]
    prices: Mapping[str, float]
    free: Mapping[tuple[str, str], int]
    settled: Mapping[str, str]
    notified: bool


def learned(order: str, rounds: Sequence[Round]) -> Known:
    """What is known after these rounds, failed calls left out."""
    sites: tuple[str, ...] = ()
    prices, free, settled, notified = dict[str, float](), dict[tuple[str, str], int](), dict[str, str](), False
    for each in rounds:
        told = arguments_of(each.result)
        if "error" in told:
            continue
        if each.tool == "get_order":
            sites = (told["home"], told["fallback"])
            prices = {item["sku"]: item["unit_price"] for item in told["items"]}
        elif each.tool == "check_stock":
            free[told["sku"], told["site"]] = told["free"]
        elif each.tool in {"create_shipment", "issue_credit"}:
            settled[str(each.arguments.get("sku"))] = each.tool
        notified = notified or each.tool == "notify_customer"
    return Known(order=order, sites=sites, prices=prices, free=free, settled=settled, notified=notified)


def for_item(known: Known, count: int, sku: str) -> Call:
    """The next call for an item that is not settled."""
    for site in known.sites:
        free = known.free.get((sku, site))
        if free is None:
            return "check_stock", {"sku": sku, "site": site}
        if free >= count:
            return "create_shipment", {"order": known.order, "sku": sku, "quantity": count, "site": site}
    return "issue_credit", {"order": known.order, "sku": sku, "amount": round(count * known.prices[sku], 2)}


def next_call(prompt: Prompt) -> Call:
    """The call the runbook wants now."""
    order = found(r"CV-\d+", prompt.user)[0]
    missing = [
        (int(count), sku) for count, sku in re.findall(r"(\d+) x [^()]+ \(([A-Z]{2}-[A-Z0-9]{4})\)", prompt.user)
    ]
    last = prompt.rounds[-1] if prompt.rounds else None
    if last and arguments_of(last.result).get("error") in {"locked", "timeout"}:
        return last.tool, dict(last.arguments)
    known = learned(order, prompt.rounds)
    if not known.sites:
        return "get_order", {"order": order}
    for count, sku in missing:
        if sku not in known.settled:
            return for_item(known, count, sku)
    if known.notified:
        return "close_case", {"order": order}
    ways = set(known.settled.values())
    template = "mixed" if len(ways) > 1 else "shipped" if "create_shipment" in ways else "credited"
    return "notify_customer", {"order": order, "template": template}


def astray(prompt: Prompt, due: Call, draws: Draws) -> Said:
    """A call that agents make when they lose the thread."""
    tool, arguments = due
    chosen = draws.share("astray")
    last = prompt.rounds[-1]
    if chosen < 0.25 and (last.tool, dict(last.arguments)) != due:
        return Said(text="Let me look at that once more.", tool=last.tool, arguments=dict(last.arguments))
    if chosen < 0.4 and tool != "notify_customer":
        told = {"order": found(r"CV-\d+", prompt.user)[0], "template": "shipped"}
        return Said(text="All done, telling the customer.", tool="notify_customer", arguments=told)
    if chosen < 0.5:
        return Said(text="Before I go on: which warehouse should I use for this item?")
    if "site" in arguments and chosen < 0.75:
        return Said(text="Trying there.", tool=tool, arguments={**arguments, "site": "Rotterdam Noord"})
    if "order" in arguments:
        return Said(
            text="Next step.",
            tool=tool,
            arguments=spoiled({"order": arguments["order"]}, draws) | other_fields(arguments),
        )
    return Said(text="Next step.", tool=tool, arguments={**arguments, "sku": slipped(draws, arguments["sku"])})


def other_fields(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments but the order."""
    return {name: value for name, value in arguments.items() if name != "order"}


SAYS = {
    "get_order": "Reading the order.",
    "check_stock": "Checking the stock.",
    "create_shipment": "Enough is free here, so it is shipped.",
    "issue_credit": "Nothing to ship, so it is credited.",
    "notify_customer": "Everything is settled; the customer is told.",
    "close_case": "Closing the case.",
}


def agent(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """Half a sentence and the next call."""
    due = next_call(prompt)
    if not right:
        return astray(prompt, due, draws)
    return Said(text=SAYS.get(due[0], ""), tool=due[0], arguments=due[1])
