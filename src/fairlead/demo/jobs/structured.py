"""Fields and calls: supplier invoices, tickets to queues (three prompt versions), and two desks that differ in their tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from fairlead.demo.jobs.task import Job, Task, number, text, tool, whole
from fairlead.demo.words import (
    CURRENCIES,
    FIRMS,
    PEOPLE,
    PRODUCTS,
    SITES,
    WEEKDAYS,
    amount,
    long_date,
    mail_of,
    order_number,
)


def dotted(cents: int) -> str:
    """1.234,50 as in German."""
    return f"{cents / 100:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")


def spaced(cents: int) -> str:
    """1 234,50 as in French."""
    return f"{cents / 100:,.2f}".replace(",", " ").replace(".", ",")


def commas(cents: int) -> str:
    """1,234.50 as in English."""
    return f"{cents / 100:,.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How invoices of one language look."""

    number: str
    issued: str
    due: str
    net: str
    tax: str
    total: str
    money: Callable[[int], str]
    day: Callable[[date], str]
    bill_to: str


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        number="Invoice no.",
        issued="Date",
        due="Payable by",
        net="Subtotal",
        tax="VAT {r} %",
        total="Total due",
        money=commas,
        day=lambda day: f"{long_date(day)} {day.year}",
        bill_to="Bill to",
    ),
    Layout(
        number="Rechnung Nr.",
        issued="Rechnungsdatum",
        due="Zahlbar bis",
        net="Zwischensumme",
        tax="MwSt. {r} %",
        total="Gesamtbetrag",
        money=dotted,
        day=lambda day: f"{day:%d.%m.%Y}",
        bill_to="An",
    ),
    Layout(
        number="Facture n°",
        issued="Date d'émission",
        due="À régler avant le",
        net="Total HT",
        tax="TVA {r} %",
        total="Total TTC",
        money=spaced,
        day=lambda day: f"{day:%d/%m/%Y}",
        bill_to="Client",
    ),
    Layout(
        number="Factura",
        issued="Fecha de emisión",
        due="Vencimiento",
        net="Base imponible",
        tax="IVA {r} %",
        total="Importe total",
        money=dotted,
        day=lambda day: f"{day:%d-%m-%Y}",
        bill_to="Cliente",
    ),
)


def printed(rng: Random, look: Layout, found: Mapping[str, Any], cents: tuple[int, int, int]) -> str:
    """The text a scanner would hand over."""
    net, tax, total = cents
    goods = rng.sample(PRODUCTS, rng.randrange(1, 4))
    lines = [f"{each.sku}  {each.name}  x{rng.randrange(1, 12)}" for each in goods]
    day, due = date.fromisoformat(found["issue_date"]), date.fromisoformat(found["due_date"])
    return "\n".join(
        [
            found["supplier"],
            f"{rng.choice(SITES)}  tel. +{rng.randrange(30, 99)} {rng.randrange(100, 999)} {rng.randrange(10_000, 99_999)}",
            f"{look.bill_to}: Corvane Marine Supply BV, attn. {rng.choice(PEOPLE)}",
            f"{look.number} {found['invoice_number']}    {look.issued}: {look.day(day)}",
            *lines,
            f"{look.net} {look.money(net)} {found['currency']}",
            f"{look.tax.format(r=found['tax_rate'])} {look.money(tax)} {found['currency']}",
            f"{look.total} {look.money(total)} {found['currency']}",
            f"{look.due}: {look.day(due)}",
        ]
    )


def invoice(rng: Random, at: datetime) -> Task:
    """A supplier's invoice as text, and its fields."""
    issued = (at - timedelta(days=rng.randrange(1, 40))).date()
    rate, net = rng.choice((7, 10, 19, 20, 21, 25)), rng.randrange(4_000, 990_000)
    tax = round(net * rate / 100)
    found = {
        "invoice_number": f"{rng.choice(('RE', 'INV', 'F', 'A'))}{issued.year}-{rng.randrange(100, 99_999)}",
        "supplier": rng.choice(FIRMS),
        "issue_date": issued.isoformat(),
        "due_date": (issued + timedelta(days=rng.choice((10, 14, 21, 30, 45, 60)))).isoformat(),
        "currency": rng.choice(CURRENCIES),
        "tax_rate": rate,
        "net": net / 100,
        "total": (net + tax) / 100,
    }
    shown = printed(rng, rng.choice(LAYOUTS), found, (net, tax, net + tax))
    system = (
        "Extract the fields of the supplier invoice below into JSON.\n"
        f"Clerk: {rng.choice(PEOPLE)}. Batch {at:%y%m%d}-{rng.randrange(1, 60):02d}.\n"
        "Dates as YYYY-MM-DD, amounts as numbers with a decimal point, tax_rate in per cent. Copy names as printed."
    )
    return Task(system=system, user=f"<ocr>\n{shown}\n</ocr>", expected=found)


POLICY = """You sort the mail that reaches service@corvane.example into queues.
Read the mail to its end: people put what they want into the last line.

Queues
billing: invoices, double charges, payment methods, VAT numbers, credit notes that have not arrived, dunning letters.
delivery: where a parcel or pallet is, changed addresses, missed slots, damaged pallets on arrival, customs papers.
returns: sending goods back, return labels, exchange for another size, what happens to goods after inspection.
advice: which product fits, compatibility, instructions, safety data sheets, stock and lead time before buying.
account: logins, passwords, users who left, newsletter, deleting personal data, changing the company name.
complaints: the customer is unhappy with how we treated them, whatever the goods. Not merely with a product.

How to choose
A mail that names two subjects goes to the queue of what the customer wants done, not of what happened before.
A parcel that came damaged is delivery, unless the customer asks to send it back: then it is returns.
A question about a refund that was promised is billing; a question about how to get one is returns.
Somebody who wants to speak to a manager, or writes that the service was rude, slow or careless, is complaints.
Questions before buying are advice even when they mention prices or delivery times.
Data protection requests are account, and never of low priority.
Mail of authorities, insurers and lawyers goes to the queue of its subject with high priority.
Automatic replies and out-of-office notes go to account with low priority.
A supplier who writes by mistake is sorted like a customer; purchasing is told by the evening report.
When the language is not English, sort by meaning. Do not translate, do not answer, do not apologise.

Priority
high: a boat is unsafe or cannot sail, a date within three days is named, or money left the customer's account wrongly.
low: the customer says that there is no hurry, or only wants to let us know something.
normal: everything else. Capital letters and exclamation marks alone change nothing.

What not to do
Do not invent a queue. Do not merge two mails. Do not sort by the signature or by the footer of a mail.
Do not look at who the customer is: large accounts have their own desk and never reach this address.
Do not raise the priority because a mail is long, and do not lower it because a mail is polite.
Quoted older mails below the newest one are background; sort by the newest.
Attachments are not shown to you. If the text only says that something is attached, use the subject line.
Serial numbers, order numbers and phone numbers carry no meaning for the choice of a queue.

Mails that were sorted wrongly last quarter
"Thank you for the quick refund. Could you also tell me where my second parcel is?" is delivery: the refund is done.
"Your invoice says 16 mm, but I ordered 12 mm and would like to swap it" is returns, although an invoice is named.
"I cannot log in, and therefore cannot see my invoice" is account: once the login works, the invoice is there.
"If nobody calls me today I will write to the trade press" is complaints, and high because of the day it names.
"Is the pump in stock in Cork, and may I send my old one back?" is advice: the purchase comes first.
"Out of office until Monday" is account with low priority, whatever mail it answers.
"The courier left the battery in the rain. What do you suggest?" is delivery: nobody asked to send it back.
"We have paid. Kindly confirm for our auditor, who comes the day after tomorrow" is billing, and high.
"Do not hurry, but the credit note of spring is still open" is billing with low priority.
"Your driver parked on my lawn and laughed about it" is complaints, although it happened on delivery.
"The kit lacks the instructions; a scan by mail will do, whenever you find the time" is advice with low priority.
"My late husband ordered from you. Please close his account" is account, and never of low priority.
"We returned the winch a month ago and the money is not here" is billing: a refund that was promised has not come.
"""
INSERTED = """Marketplace sellers
A buyer who writes about goods of a marketplace seller is sorted like any other customer.
A seller who asks about fees is billing; a seller who asks about listings is account.
"""
REWORDED = (
    "Quoted older mails below the newest one are background; sort by the newest.",
    "Mails are threads: sort by the newest message alone, and treat what is quoted below it as background.",
)
FOOT = """
Reply with JSON only: {"queue": one of the queues, "priority": "high", "normal" or "low"}."""

# What people write, by what they want. `{n}` an order number, `{p}` a product, `{s}` a place.
WANTS: Mapping[str, tuple[str, ...]] = {
    "billing": (
        "The amount for {n} left our account twice. Please return one of the payments.",
        "I still have not received the credit note you promised for {n}.",
        "Our VAT number is missing on the invoice for {n}; could you issue it again?",
        "Can we switch to paying by direct debit from next month on?",
        "We got a dunning letter for {n}, although it was paid weeks ago.",
    ),
    "delivery": (
        "Where is {n}? The tracking has not moved since it left {s}.",
        "Please send {n} to our yard in {s} instead of the office, the driver can call me.",
        "The pallet with the {p} arrived crushed, the driver noted it on the waybill.",
        "Nobody came in the slot that was booked for {n}. When will the truck be here?",
        "Customs in {s} holds {n} and asks for the commercial papers.",
    ),
    "returns": (
        "How do I send the {p} back? It is the wrong size.",
        "I need a return label for two items of {n}.",
        "Could I exchange the {p} for the next larger one?",
        "The {p} came damaged and I would like to send it back.",
        "What happens with the {p} after you have inspected it? I posted it back last week.",
    ),
    "advice": (
        "Does the {p} fit a 34 foot steel ketch from 1988?",
        "Which {p} would you take for salt water and a lot of sun?",
        "Before I order: how long is the lead time of the {p} to {s}?",
        "Could you mail me the safety data sheet of the {p}?",
        "Is the {p} compatible with a 24 volt system?",
    ),
    "account": (
        "My colleague left the company, please remove her login and add me instead.",
        "The password mail never arrives, not even in the junk folder.",
        "Please delete all personal data you hold about me.",
        "We changed our name to a limited company, please update the customer record.",
        "Kindly take this address off the newsletter, it goes to our workshop.",
    ),
    "complaints": (
        "Your colleague on the phone was rude to my wife and hung up. I expect an apology.",
        "This is the third mail about {n} and nobody answers. I want to speak to a manager.",
        "I have rarely seen an order handled as carelessly as {n}.",
        "Being put on hold for fifty minutes twice is not how one treats customers.",
        "I am disappointed by how your team in {s} dealt with us.",
    ),
}
ASIDES: tuple[str, ...] = (
    "We bought the {p} from you in spring and like it a lot.",
    "The last delivery to {s} went very well, by the way.",
    "I tried your chat first, without luck.",
    "My order number is {n}, in case you need it.",
    "We have been customers since the shop in {s} opened.",
    "I am writing from the boat, so forgive my typing.",
)
HASTE: Mapping[str, tuple[str, ...]] = {
    "high": (
        "We need this solved by tomorrow.",
        "The survey is the day after tomorrow.",
        "We sail the day after tomorrow.",
        "This has to be settled by tomorrow noon, please.",
    ),
    "normal": ("", "", "Please let me know.", "Looking forward to your answer.", "PLEASE ANSWER!!!"),
    "low": ("There is no hurry.", "Whenever you find the time.", "It is not urgent at all."),
}


def policy(version: int) -> str:
    """The prompt as it first stood (0) and after each of the two changes that went live."""
    body = POLICY
    if version >= 1:
        body = body.replace("What not to do\n", INSERTED + "\nWhat not to do\n")
    return body.replace(*REWORDED) if version >= 2 else body


def urgency(rng: Random, want: str) -> tuple[str, str]:
    """How the mail presses (a key of `HASTE`), and the priority the policy gives it."""
    haste = rng.choices(("high", "normal", "low"), (2, 5, 2))[0]
    if "left our account twice" in want:
        return "normal", "high"
    if "personal data" in want and haste == "low":
        return "normal", "normal"
    return haste, haste


def ticket(rng: Random, at: datetime, *, version: int) -> Task:
    """A mail, with its queue and priority."""
    queue = rng.choice(tuple(WANTS))
    want = rng.choice(WANTS[queue])
    haste, priority = urgency(rng, want)
    asides = rng.sample(ASIDES, rng.randrange(0, 3))
    body = [*asides, want, rng.choice(HASTE[haste])]
    slots = {"n": order_number(rng), "p": rng.choice(PRODUCTS).inline, "s": rng.choice(SITES)}
    who = rng.choice(PEOPLE)
    mail = (
        f"From: {mail_of(who, 'mail.example')}\nSubject: {rng.choice(('Question', 'Order', 'Hello', 'Request', 'Re: mail'))}"
        f" {slots['n'] if rng.random() < 0.4 else ''}\n\n{rng.choice(('Hello,', 'Dear team,', 'Hi there', 'Good day,'))}\n"
        + " ".join(part for part in body if part).format(**slots)
        + f"\n{rng.choice(('Regards', 'Best', 'Thanks', 'Kind regards'))}, {who}"
    )
    system = policy(version) + FOOT + f"\nDuty lead today, {at.date().isoformat()}: {rng.choice(PEOPLE)}."
    return Task(system=system, user=mail, expected={"queue": queue, "priority": priority})


def desk(rng: Random, at: datetime) -> str:
    """The prompt both desks share, word for word but for who and when."""
    return (
        "You are the operations assistant of Corvane Marine Supply.\n"
        f"You work for {rng.choice(PEOPLE)} in {rng.choice(SITES)}. Today is {WEEKDAYS[at.weekday()]}, {at.date().isoformat()}.\n"
        "Turn each instruction into exactly one call of the tool that does it. Do not ask back; everything you need is"
        " in the instruction.\nDates without a year lie ahead of today. Order numbers start with CV."
    )


def slot_instruction(rng: Random, at: datetime) -> Task:
    """An instruction about a delivery slot, and the call that does it."""
    order, dock = order_number(rng), rng.randrange(1, 13)
    day = (at + timedelta(days=rng.randrange(1, 35))).date()
    said, window = f"{WEEKDAYS[day.weekday()]} {long_date(day)}", rng.choice(("morning", "afternoon", "evening"))
    reason = rng.choice(("customer_request", "no_stock", "carrier_strike"))
    why = {
        "customer_request": "the customer asked for it",
        "no_stock": "we have no stock",
        "carrier_strike": "the carrier is on strike",
    }
    kind = rng.randrange(3)
    if kind == 0:
        said = rng.choice(
            (
                f"Book {order} in for {said}, {window}, at dock {dock}.",
                f"{order} needs dock {dock} on {said} in the {window}, please reserve it.",
                f"New slot please: {said}, {window}. Order {order}, dock {dock}.",
            )
        )
        call = {"order": order, "date": day.isoformat(), "window": window, "dock": dock}
        return Task(system=desk(rng, at), user=said, expected={"name": "book_slot", "arguments": call})
    if kind == 1:
        said = rng.choice(
            (
                f"Move {order} to {said}, {window}.",
                f"{order} cannot come as planned, make it the {window} of {said}.",
                f"Please shift the slot of {order}: {said} in the {window} suits them better.",
            )
        )
        call = {"order": order, "date": day.isoformat(), "window": window}
        return Task(system=desk(rng, at), user=said, expected={"name": "move_slot", "arguments": call})
    said = rng.choice(
        (f"Cancel the slot of {order}, {why[reason]}.", f"Because {why[reason]}, drop the slot for {order}.")
    )
    call = {"order": order, "reason": reason}
    return Task(system=desk(rng, at), user=said, expected={"name": "cancel_slot", "arguments": call})


def payment_instruction(rng: Random, at: datetime) -> Task:
    """An instruction about money, and the call that does it."""
    order, cents, currency = order_number(rng), rng.randrange(900, 240_000), rng.choice(CURRENCIES)
    who = rng.choice(PEOPLE)
    kind = rng.randrange(3)
    if kind == 0:
        said = rng.choice(
            (
                f"Refund {amount(cents)} {currency} on {order} to {who}.",
                f"{who} gets {amount(cents)} {currency} back for {order}.",
                f"Please pay back {amount(cents)} {currency} on order {order}, {who} is waiting for it.",
            )
        )
        call: dict[str, Any] = {"order": order, "amount": cents / 100, "currency": currency}
        return Task(system=desk(rng, at), user=said, expected={"name": "refund_payment", "arguments": call})
    if kind == 1:
        mail = mail_of(who, "mail.example")
        said = rng.choice(
            (
                f"Send {who} ({mail}) a link to pay {amount(cents)} {currency} for {order}.",
                f"{order} is still open with {amount(cents)} {currency}; mail a payment link to {mail}.",
            )
        )
        call = {"order": order, "amount": cents / 100, "currency": currency, "email": mail}
        return Task(system=desk(rng, at), user=said, expected={"name": "send_payment_link", "arguments": call})
    days = rng.randrange(2, 30)
    said = rng.choice(
        (
            f"Hold the payment of {order} for {days} days, {who} disputes the {amount(cents)} {currency}.",
            f"{who} disputes {order} ({amount(cents)} {currency}): put it on hold for {days} days.",
        )
    )
    call = {"order": order, "days": days}
    return Task(system=desk(rng, at), user=said, expected={"name": "hold_payment", "arguments": call})


ORDER = text("Order number, such as CV-12345")
WINDOW = text("Part of the day", enum=["morning", "afternoon", "evening"])
CURRENCY = text("ISO code")
SLOT_TOOLS = (
    tool(
        "book_slot",
        "Reserve a delivery slot.",
        order=ORDER,
        date=text("YYYY-MM-DD"),
        window=WINDOW,
        dock=whole("1 to 12"),
    ),
    tool("move_slot", "Move a reserved slot.", order=ORDER, date=text("YYYY-MM-DD"), window=WINDOW),
    tool(
        "cancel_slot",
        "Give a slot back.",
        order=ORDER,
        reason=text(enum=["customer_request", "no_stock", "carrier_strike"]),
    ),
)
PAYMENT_TOOLS = (
    tool("refund_payment", "Pay money back.", order=ORDER, amount=number(), currency=CURRENCY),
    tool("send_payment_link", "Mail a link to pay.", order=ORDER, amount=number(), currency=CURRENCY, email=text()),
    tool("hold_payment", "Stop a payment for some days.", order=ORDER, days=whole()),
)
INVOICE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "invoice_number": text(),
        "supplier": text(),
        "issue_date": text(),
        "due_date": text(),
        "currency": text(),
        "tax_rate": number(),
        "net": number(),
        "total": number(),
    },
    "required": ["invoice_number", "supplier", "issue_date", "due_date", "currency", "tax_rate", "net", "total"],
    "additionalProperties": False,
}
TICKET_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "queue": text(enum=["billing", "delivery", "returns", "advice", "account", "complaints"]),
        "priority": text(enum=["high", "normal", "low"]),
    },
    "required": ["queue", "priority"],
    "additionalProperties": False,
}

INVOICES = Job(
    name="supplier invoices",
    category="structured",
    model="gpt-4o",
    dialect="openai",
    grader="json",
    calls=1850,
    distinct=1750,
    writers=(invoice,),
    schema=INVOICE_SCHEMA,
    parameters={"temperature": 0, "max_tokens": 400},
    hours=(1, 5),
)
TICKETS = Job(
    name="ticket queues",
    category="structured",
    model="gpt-4o",
    dialect="openai",
    grader="json",
    calls=2500,
    distinct=2300,
    writers=tuple(partial(ticket, version=version) for version in range(3)),
    schema=TICKET_SCHEMA,
    parameters={"temperature": 0, "max_tokens": 60},
    hours=(0, 23),
    cached_share=0.7,
    prefix=lambda system: system.index("\nDuty lead today"),
)
SLOTS = Job(
    name="slot desk",
    category="structured",
    model="gpt-4o",
    dialect="openai",
    grader="tool_call",
    calls=1620,
    distinct=1560,
    writers=(slot_instruction,),
    tools=SLOT_TOOLS,
    parameters={"temperature": 0, "parallel_tool_calls": False},
)
PAYMENTS = Job(
    name="payment desk",
    category="structured",
    model="gpt-4o",
    dialect="openai",
    grader="tool_call",
    calls=1600,
    distinct=1560,
    writers=(payment_instruction,),
    tools=PAYMENT_TOOLS,
    parameters={"temperature": 0, "parallel_tool_calls": False},
)
