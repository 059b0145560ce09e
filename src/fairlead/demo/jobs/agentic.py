"""Incomplete orders: an agent works through a runbook, call by call; the request is a case half done, the answer its next call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from fairlead.demo.jobs.task import Job, Step, Task, number, text, tool, whole
from fairlead.demo.words import FIRMS, PEOPLE, PRODUCTS, SITES, Product, order_number

RUNBOOK = """You are the case agent of Corvane Marine Supply. You put incomplete orders right by calling tools, one call per turn, until the case is closed.

Runbook
1. Read the order first (get_order). It names the home warehouse, the fallback warehouse and the price of each item.
2. Take the missing items in the order in which the case lists them. Finish one item before you look at the next.
3. Check the stock of the item at the home warehouse (check_stock). If at least the missing quantity is free there, ship it from there.
4. If less is free at the home warehouse, check the stock at the fallback warehouse, and ship from there if enough is free.
5. If neither has enough, do not ship a part. Credit the missing quantity at the order's unit price (issue_credit).
6. A tool may answer {"error": "locked"} or {"error": "timeout"}. Make the same call again, unchanged, until it goes through.
7. Any other error, for instance {"error": "not_found"}, means that something was typed wrongly: do not repeat it, look at the case again.
8. When every item is settled, notify the customer once (notify_customer). The template is "shipped" if everything was shipped, "credited" if everything was credited, "mixed" otherwise.
9. Then close the case (close_case). Nothing may be called after that.

Limits
Do not call a tool whose result you already have. Do not ask the clerk back: what you need is in the case or one call away.
Quantities are pieces. Amounts are in the currency of the order, with two decimals. Use SKUs, never product names, in calls.
Say in half a sentence what you are about to do, then call the tool.
A case may have been opened by phone, by mail or by a colleague at the counter; the steps are the same.
Credits above 2,500 need no approval here: the finance desk reviews them every evening and calls back if something is odd.
If the home warehouse and the fallback warehouse both have enough, the home warehouse ships, even when it has less left afterwards.
Never move stock between warehouses to settle a case, and never ship a different item, however similar it looks.
"""

SKU = text("Stock keeping unit such as ML-1220")
ORDER = text("Order number such as CV-12345")
SITE = text("Name of a warehouse")
TOOLS = (
    tool("get_order", "Read an order: customer, warehouses, items with unit prices, currency.", order=ORDER),
    tool("check_stock", "How many pieces of an item are free at one warehouse right now.", sku=SKU, site=SITE),
    tool(
        "create_shipment",
        "Ship pieces of an item from one warehouse, free of charge for the customer.",
        order=ORDER,
        sku=SKU,
        quantity=whole("Pieces"),
        site=SITE,
    ),
    tool("issue_credit", "Credit an item that cannot be shipped.", order=ORDER, sku=SKU, amount=number("Two decimals")),
    tool(
        "notify_customer",
        "Mail the customer what was done.",
        order=ORDER,
        template=text("Which mail is sent", enum=["shipped", "credited", "mixed"]),
    ),
    tool("close_case", "Close the case of an order.", order=ORDER),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An incomplete order: what is missing, and what the world would answer."""

    order: str
    customer: str
    home: str
    fallback: str
    currency: str
    missing: tuple[tuple[int, Product], ...]
    free: Mapping[tuple[str, str], int]


def drawn_case(rng: Random) -> Case:
    """A case whose items are sometimes at home, sometimes at the fallback warehouse, sometimes nowhere."""
    home, fallback = rng.sample(SITES, 2)
    missing = tuple((rng.randrange(1, 9), product) for product in rng.sample(PRODUCTS, rng.randrange(2, 4)))
    free = {
        (product.sku, site): rng.choice((0, 1, 2, 4, 9, 17, 40)) for _, product in missing for site in (home, fallback)
    }
    return Case(
        order=order_number(rng),
        customer=rng.choice(FIRMS),
        home=home,
        fallback=fallback,
        currency=rng.choice(("EUR", "GBP", "USD")),
        missing=missing,
        free=free,
    )


def read_order(case: Case) -> Step:
    """The first call: the order as the shop knows it."""
    items = [{"sku": each.sku, "name": each.name, "unit_price": each.price / 100} for _, each in case.missing]
    told = {
        "order": case.order,
        "customer": case.customer,
        "home": case.home,
        "fallback": case.fallback,
        "currency": case.currency,
        "items": items,
    }
    return Step(
        said="Reading the order first.", tool="get_order", arguments={"order": case.order}, result=json.dumps(told)
    )


def stock_at(case: Case, product: Product, site: str) -> Step:
    """One look at the stock of a warehouse."""
    free = case.free[product.sku, site]
    return Step(
        said=f"Checking {product.sku} in {site}.",
        tool="check_stock",
        arguments={"sku": product.sku, "site": site},
        result=json.dumps({"sku": product.sku, "site": site, "free": free}),
    )


def settled(case: Case, count: int, product: Product) -> Iterator[Step]:
    """The calls that settle one missing item; the last one ships or credits it."""
    for site in (case.home, case.fallback):
        yield stock_at(case, product, site)
        if case.free[product.sku, site] >= count:
            call = {"order": case.order, "sku": product.sku, "quantity": count, "site": site}
            done = json.dumps({"shipment": f"S{case.order[3:]}{product.sku[-2:]}", "status": "created"})
            yield Step(said=f"Enough is free in {site}, shipping.", tool="create_shipment", arguments=call, result=done)
            return
    call = {"order": case.order, "sku": product.sku, "amount": count * product.price / 100}
    yield Step(
        said="Neither warehouse has enough, crediting.",
        tool="issue_credit",
        arguments=call,
        result=json.dumps({"credit": "booked"}),
    )


def course(case: Case) -> list[Step]:
    """Every call of the case, from the order to the closing, as the runbook wants it."""
    steps = [read_order(case)]
    for count, product in case.missing:
        steps += settled(case, count, product)
    kinds = {step.tool for step in steps} & {"create_shipment", "issue_credit"}
    template = "mixed" if len(kinds) == 2 else "shipped" if "create_shipment" in kinds else "credited"
    told = {"order": case.order, "template": template}
    steps.append(
        Step(said="All items are settled.", tool="notify_customer", arguments=told, result='{"mail": "queued"}')
    )
    steps.append(Step(said="Closing.", tool="close_case", arguments={"order": case.order}, result='{"case": "closed"}'))
    return steps


def disturbed(rng: Random, steps: list[Step]) -> list[Step]:
    """The same course with a tool that is locked or slow now and then, and is called again."""
    course_: list[Step] = []
    for step in steps:
        if rng.random() < 0.12:
            course_.append(replace(step, result=json.dumps({"error": rng.choice(("locked", "timeout"))})))
        course_.append(step)
    return course_


def next_call(rng: Random, at: datetime) -> Task:
    """A case half done, and the call that comes next."""
    case = drawn_case(rng)
    steps = disturbed(rng, course(case))
    done = rng.randrange(2, min(len(steps), 9))
    due = steps[done]
    listed = ", ".join(f"{count} x {product.name} ({product.sku})" for count, product in case.missing)
    user = rng.choice(
        (
            f"Order {case.order} of {case.customer} arrived incomplete. Missing: {listed}. Please put it right.",
            f"{case.customer} reports missing items on {case.order}: {listed}.",
            f"Case for {case.order} ({case.customer}). Not in the parcel: {listed}. Work it off, thanks.",
        )
    )
    shift = f"\nClerk on duty: {rng.choice(PEOPLE)}, {at.date().isoformat()}."
    expected = {"name": due.tool, "arguments": dict(due.arguments)}
    return Task(system=RUNBOOK + shift, user=user, expected=expected, steps=tuple(steps[:done]))


AGENTIC = Job(
    name="case work",
    category="agentic",
    model="claude-sonnet-4-6",
    dialect="anthropic",
    grader="tool_call",
    calls=1560,
    distinct=1560,
    writers=(next_call,),
    tools=TOOLS,
    parameters={"max_tokens": 512, "temperature": 0},
    cached_share=0.8,
    prefix=lambda system: system.index("\nClerk on duty"),
)
