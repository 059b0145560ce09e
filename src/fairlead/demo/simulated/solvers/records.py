"""Texts to fields and calls: invoices, tickets, the two desks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Prompt
from fairlead.demo.simulated.solvers.desk_texts import MONTHS
from fairlead.demo.simulated.solvers.said import Said, Unclear, found, other, slipped

ISSUED = r"(?:Date|Rechnungsdatum|Date d'émission|Fecha de emisión): (.+)$"
DUE = r"^(?:Payable by|Zahlbar bis|À régler avant le|Vencimiento): (.+)$"
NUMBER = r"^(?:Invoice no\.|Rechnung Nr\.|Facture n°|Factura) (\S+)"
NET = r"^(?:Subtotal|Zwischensumme|Total HT|Base imponible) ([\d ,.]+) ([A-Z]{3})$"
TOTAL = r"^(?:Total due|Gesamtbetrag|Total TTC|Importe total) ([\d ,.]+) [A-Z]{3}$"
RATE = r"^(?:VAT|MwSt\.|TVA|IVA) (\d+) %"


def iso(text: str) -> str:
    """A printed day as YYYY-MM-DD."""
    parts = re.split(r"[ ./-]", text.strip())
    month = MONTHS.index(parts[1]) + 1 if parts[1] in MONTHS else int(parts[1])
    return date(int(parts[2]), month, int(parts[0])).isoformat()


def decimal(text: str) -> float:
    """A printed amount with two decimals, whatever its separators."""
    return int(re.sub(r"\D", "", text)) / 100


def misread(fields: dict[str, Any], draws: Draws) -> dict[str, Any]:
    """The fields with one misread in a way that invoices invite."""
    issued = fields["issue_date"]
    swapped = f"{issued[:4]}-{issued[8:]}-{issued[5:7]}"
    mistakes: tuple[dict[str, Any], ...] = (
        {"due_date": issued},
        {"net": fields["total"], "total": fields["net"]},
        {"invoice_number": slipped(draws, fields["invoice_number"])},
        {"total": round(fields["total"] + draws.pick("cents", (0.1, 0.9, 9.0, -0.09)), 2)},
        {"issue_date": swapped if swapped != issued and issued[8:] <= "12" else fields["due_date"]},
        {"supplier": "Corvane Marine Supply BV"},
    )
    return fields | draws.pick("mistake", mistakes)


def invoice(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """The fields of an invoice as JSON."""
    text = found(r"<ocr>\n(.*)\n</ocr>", prompt.user, re.DOTALL)[1]
    net = found(NET, text, re.MULTILINE)
    fields = {
        "invoice_number": found(NUMBER, text, re.MULTILINE)[1],
        "supplier": text.partition("\n")[0],
        "issue_date": iso(found(ISSUED, text, re.MULTILINE)[1]),
        "due_date": iso(found(DUE, text, re.MULTILINE)[1]),
        "currency": net[2],
        "tax_rate": int(found(RATE, text, re.MULTILINE)[1]),
        "net": decimal(net[1]),
        "total": decimal(found(TOTAL, text, re.MULTILINE)[1]),
    }
    return Said(text=json.dumps(fields if right else misread(fields, draws), ensure_ascii=False))


# First hit decides. The phrases are what people say when they want something of a queue.
QUEUES: tuple[tuple[str, str], ...] = (
    ("complaints", r"was rude|speak to a manager|as carelessly as|put on hold for|disappointed by"),
    ("returns", r"send (?:the .+|it) back|return label|exchange the|have inspected it"),
    ("billing", r"left our account twice|credit note|VAT number|direct debit|dunning"),
    ("advice", r"\bfit a|would you take|lead time|safety data|compatible"),
    ("account", r"remove her login|password|personal data|changed our name|newsletter"),
    ("delivery", r"tracking|to our yard|arrived crushed|booked for|Customs in"),
)
PRESSING = r"by tomorrow|day after tomorrow|left our account twice"
RELAXED = r"no hurry|Whenever you find|not urgent"
NEAR = {
    "complaints": ("delivery", "billing"),
    "returns": ("delivery", "billing"),
    "billing": ("returns", "account"),
    "advice": ("delivery", "returns"),
    "account": ("billing", "complaints"),
    "delivery": ("returns", "complaints"),
}


def ticket(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """Queue and priority of a mail as JSON."""
    mail = prompt.user
    queue = next((queue for queue, pattern in QUEUES if re.search(pattern, mail)), None)
    if queue is None:
        raise Unclear(mail)
    priority = "high" if re.search(PRESSING, mail) else "low" if re.search(RELAXED, mail) else "normal"
    if not right and draws.share("which") < 0.6:
        queue = draws.pick("queue", NEAR[queue])
    elif not right:
        priority = other(draws, "priority", priority, ("high", "normal", "low"))
    return Said(text=json.dumps({"queue": queue, "priority": priority}))


def ahead(prompt: Prompt) -> date:
    """The day an instruction names, in the year in which it lies ahead."""
    today = date.fromisoformat(found(r"Today is \w+, ([\d-]+)", prompt.system)[1])
    day, month = found(rf"(\d+) ({'|'.join(MONTHS)})", prompt.user).groups()
    named = date(today.year, MONTHS.index(month) + 1, int(day))
    return named if named >= today else named.replace(year=today.year + 1)


REASONS = {"customer asked": "customer_request", "no stock": "no_stock", "on strike": "carrier_strike"}


def slot_call(prompt: Prompt) -> tuple[str, dict[str, Any]]:
    """The tool and arguments that a slot instruction wants."""
    text = prompt.user
    call: dict[str, Any] = {"order": found(r"CV-\d+", text)[0]}
    reason = next((value for said, value in REASONS.items() if said in text), None)
    if reason:
        return "cancel_slot", call | {"reason": reason}
    call |= {"date": ahead(prompt).isoformat(), "window": found(r"morning|afternoon|evening", text)[0]}
    dock = re.search(r"dock (\d+)", text)
    return ("book_slot", call | {"dock": int(dock[1])}) if dock else ("move_slot", call)


def payment_call(prompt: Prompt) -> tuple[str, dict[str, Any]]:
    """The tool and arguments that a payment instruction wants."""
    text = prompt.user
    call: dict[str, Any] = {"order": found(r"CV-\d+", text)[0]}
    days = re.search(r"(\d+) days", text)
    if days:
        return "hold_payment", call | {"days": int(days[1])}
    amount, currency = found(r"([\d.]+) ([A-Z]{3})\b", text).groups()
    call |= {"amount": float(amount), "currency": currency}
    mail = re.search(r"[\w.]+@[\w.]+\w|<email \w+>", text)  # a scan that masks leaves a placeholder
    return ("send_payment_link", call | {"email": mail[0]}) if mail else ("refund_payment", call)


def shifted(value: str, draws: Draws) -> str:
    """A day near the right one."""
    return (date.fromisoformat(value) + timedelta(days=draws.pick("shift", (-7, -1, 1, 7)))).isoformat()


MISTAKES: Mapping[str, Callable[[Any, Draws], Any]] = {
    "date": shifted,
    "window": lambda value, draws: other(draws, "window", value, ("morning", "afternoon", "evening")),
    "dock": lambda value, draws: other(draws, "dock", value, range(1, 13)),
    "reason": lambda value, draws: other(draws, "reason", value, tuple(REASONS.values())),
    "order": lambda value, draws: slipped(draws, value),
    "amount": lambda value, draws: other(draws, "amount", value, (value * 10, value + 0.5, round(value / 10, 2))),
    "currency": lambda value, draws: other(draws, "currency", value, ("EUR", "USD", "GBP")),
    "email": lambda value, _draws: value.replace(".", "_", 1) if "@" in value else "<email 9>",
    "days": lambda value, draws: value + draws.pick("days", (-1, 1, 7)),
}


def spoiled(arguments: Mapping[str, Any], draws: Draws) -> dict[str, Any]:
    """The arguments with one of them wrong."""
    name = draws.pick("argument", [each for each in arguments if each in MISTAKES])
    return {**arguments, name: MISTAKES[name](arguments[name], draws)}


def slot(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """One call of the slot desk."""
    tool, arguments = slot_call(prompt)
    return Said(tool=tool, arguments=arguments if right else spoiled(arguments, draws))


def payment(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """One call of the payment desk; when it goes wrong it may reach for a neighbouring tool."""
    tool, arguments = payment_call(prompt)
    if right:
        return Said(tool=tool, arguments=arguments)
    if tool == "refund_payment" and draws.share("neighbour") < 0.3:
        return Said(tool="hold_payment", arguments={"order": arguments["order"], "days": 7})
    return Said(tool=tool, arguments=spoiled(arguments, draws))
