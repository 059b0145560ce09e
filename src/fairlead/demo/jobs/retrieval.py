"""Answers found in text: the staff handbook (passages retrieved per question) and the contract desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import Random

from fairlead.demo.jobs.task import Job, Task
from fairlead.demo.words import FIRMS, PEOPLE, PRODUCTS, SITES, TEAMS, long_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A rule of the handbook that differs by site; `{v}` is the figure people ask for, `{w}` one that stands beside it."""

    title: str
    says: tuple[str, ...]
    asks: tuple[str, ...]
    values: tuple[int, ...]


TOPICS: tuple[Topic, ...] = (
    Topic(
        title="Paid leave",
        says=(
            "Staff in {s} have {v} days of paid leave a year; up to {w} may be carried over until the end of March.",
            "Up to {w} days may be carried over. The yearly entitlement to paid leave in {s} is {v} days.",
        ),
        asks=("How many days of paid leave do I get a year in {s}?", "what's the annual leave entitlement at {s}"),
        values=tuple(range(21, 34)),
    ),
    Topic(
        title="Notice",
        says=(
            "After probation, either side gives {v} days' notice in {s}. During probation it is {w} days.",
            "During probation {w} days' notice is enough; afterwards {s} asks for {v} days.",
        ),
        asks=("I passed probation. How much notice must I give in {s}?", "Notice after probation, {s}, in days?"),
        values=tuple(range(28, 95, 7)),
    ),
    Topic(
        title="Meals on the road",
        says=(
            "The daily meal allowance for trips out of {s} is {v} EUR; breakfast in the hotel takes {w} EUR off.",
            "Travellers based in {s} claim {v} EUR a day for meals, less {w} EUR when the hotel serves breakfast.",
        ),
        asks=("What can I claim per day for meals when I travel from {s}?", "daily meal allowance {s}?"),
        values=tuple(range(36, 79, 2)),
    ),
    Topic(
        title="Hotels",
        says=(
            "Rooms booked from {s} may cost at most {v} EUR a night. Above that, ask {w} working days ahead.",
            "Ask {w} working days ahead for anything above {v} EUR a night, which is the hotel cap for {s}.",
        ),
        asks=("What is the hotel cap per night if I book from {s}?", "Max hotel price a night for people in {s}?"),
        values=tuple(range(95, 215, 5)),
    ),
    Topic(
        title="Forklift licences",
        says=(
            "Forklift licences issued in {s} are renewed every {v} months, with a practical test of {w} minutes.",
            "A practical test of {w} minutes is due whenever a forklift licence is renewed, in {s} every {v} months.",
        ),
        asks=("How often do I renew my forklift licence in {s}? In months please.", "forklift renewal interval at {s}"),
        values=(12, 18, 24, 30, 36, 48, 60),
    ),
    Topic(
        title="Camera recordings",
        says=(
            "Recordings of the yard cameras in {s} are kept for {v} hours; the police may ask for {w} hours more.",
            "In {s} yard camera footage is erased after {v} hours, or {w} hours later if the police ask.",
        ),
        asks=("How long do we keep yard camera footage in {s}?", "retention of camera recordings at {s}, hours"),
        values=(48, 72, 96, 120, 144, 168, 240),
    ),
    Topic(
        title="Training budget",
        says=(
            "Everyone in {s} has {v} EUR a year for training, of which {w} EUR may go into books.",
            "Of the yearly training budget, {w} EUR may go into books; the budget itself is {v} EUR in {s}.",
        ),
        asks=("How much training budget do I have a year at {s}?", "training money per year {s}"),
        values=tuple(range(400, 1900, 50)),
    ),
    Topic(
        title="Manual lifting",
        says=(
            "Nobody in {s} lifts more than {v} kg alone; from {w} kg on, gloves and boots are worn.",
            "Gloves and boots from {w} kg on; the limit for lifting alone in {s} is {v} kg.",
        ),
        asks=("What is the most I may lift alone in {s}?", "lifting limit for one person at {s} in kg?"),
        values=tuple(range(15, 27)),
    ),
    Topic(
        title="Overtime",
        says=(
            "Overtime in {s} is capped at {v} hours a quarter and paid at 125 % after the first {w} hours.",
            "After the first {w} hours overtime is paid at 125 %. The cap in {s} is {v} hours a quarter.",
        ),
        asks=("How many hours of overtime may I work per quarter in {s}?", "overtime cap {s} (hours per quarter)"),
        values=tuple(range(24, 64, 4)),
    ),
    Topic(
        title="Parental leave",
        says=(
            "Parents in {s} may take {v} weeks of parental leave and should tell us {w} weeks before.",
            "Tell us {w} weeks before parental leave starts; in {s} it lasts up to {v} weeks.",
        ),
        asks=("How many weeks of parental leave can I take at {s}?", "parental leave, {s}: weeks?"),
        values=tuple(range(14, 53, 2)),
    ),
)


def passage(rng: Random, topic: Topic, site: str) -> tuple[str, int]:
    """A passage of the handbook, and the figure it states."""
    value = rng.choice(topic.values)
    beside = rng.choice([each for each in (5, 7, 8, 10, 12, 14, 15) if each != value])
    revision = f"{rng.randrange(2023, 2027)}-{rng.randrange(1, 13):02d}"
    return f"{topic.title}, {site} (rev. {revision}). " + rng.choice(topic.says).format(
        s=site, v=value, w=beside
    ), value


def handbook_question(rng: Random, at: datetime) -> Task:
    """A question of an employee over passages, of which one has the answer."""
    topic, other, third = rng.sample(TOPICS, 3)
    site, elsewhere, further = rng.sample(SITES, 3)
    right, value = passage(rng, topic, site)
    found = [right, passage(rng, topic, elsewhere)[0], passage(rng, other, site)[0], passage(rng, third, further)[0]]
    rng.shuffle(found)
    system = (
        "You answer questions of Corvane staff from the handbook.\n"
        f"You are talking to {rng.choice(PEOPLE)} ({rng.choice(TEAMS)}). Today is {long_date(at.date())} {at.year}.\n"
        "Use only the passages below. Name the passage you used, in square brackets, before the figure.\n"
        "If the passages do not answer the question, say so.\n\nContext:\n"
        + "\n".join(f"[{index}] {each}" for index, each in enumerate(found, start=1))
    )
    return Task(system=system, user=rng.choice(topic.asks).format(s=site), expected=value)


CLAUSES: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    (
        "What is the payment term in days?",
        "Invoices fall due {v} days after receipt. Late sums bear interest at {w} per cent a year.",
        (14, 21, 30, 45, 60, 75, 90),
    ),
    (
        "How many months' notice ends the agreement?",
        "Either party may end this agreement on {v} months' notice, at the earliest after {w} years.",
        (1, 2, 3, 4, 6, 9),
    ),
    (
        "What is the cap on liability, in thousand EUR?",
        "Save for wilful acts, liability is capped at EUR {v} thousand per event and {w} events a year.",
        tuple(range(100, 1000, 50)),
    ),
    (
        "For how many months is the warranty?",
        "The supplier warrants the goods for {v} months from delivery; claims are notified within {w} days.",
        (12, 18, 24, 30, 36, 48, 60),
    ),
    (
        "How many hours does the supplier have to answer an urgent fault?",
        "Urgent faults are answered within {v} hours and mended within {w} working days.",
        (2, 4, 6, 8, 12, 24, 48),
    ),
    (
        "What volume in units triggers the bulk discount?",
        "A discount of {w} per cent applies once orders in a calendar year exceed {v} units.",
        tuple(range(200, 5000, 100)),
    ),
)


def contract(rng: Random) -> tuple[str, dict[str, int]]:
    """A made-up supply agreement in short, and what its clauses say."""
    firm, goods = rng.choice(FIRMS), rng.choice(PRODUCTS).inline
    values = {ask: rng.choice(values) for ask, _, values in CLAUSES}
    clauses = [says.format(v=values[ask], w=rng.randrange(2, 10)) for ask, says, _ in CLAUSES]
    rng.shuffle(clauses)
    numbered = "\n".join(f"{index}. {clause}" for index, clause in enumerate(clauses, start=3))
    head = (
        f"SUPPLY AGREEMENT between Corvane Marine Supply BV and {firm}, concerning {goods}, signed in"
        f" {rng.choice(SITES)}, {rng.randrange(2019, 2026)}.\n1. The supplier delivers the goods listed in annex A.\n"
        "2. Prices in annex B are fixed for the first contract year."
    )
    return f"{head}\n{numbered}", values


def contract_question(rng: Random, _at: datetime) -> Task:
    """A button of the contract desk: a fixed question about one of the agreements on file."""
    text, values = contract(Random(rng.randrange(44)))  # noqa: S311  the agreements on file are few and stay the same
    ask = rng.choice(tuple(values))
    system = (
        "You are the contract desk's reading aid. A purchaser asks about one agreement.\n"
        "Answer from the document below only. Quote the clause number, then answer in one sentence that ends with the"
        " figure asked for.\n"
        "Say so if the agreement is silent. Never guess."
    )
    return Task(system=system, user=f"<document>\n{text}\n</document>\n\nQuestion: {ask}", expected=values[ask])


HANDBOOK = Job(
    name="handbook questions",
    category="retrieval",
    model="gpt-5-mini",
    dialect="openai",
    grader="number",
    calls=2150,
    distinct=1900,
    writers=(handbook_question,),
    parameters={"max_completion_tokens": 400, "reasoning_effort": "minimal"},
)
CONTRACTS = Job(
    name="clause lookup",
    category="retrieval",
    model="claude-opus-4-5",
    dialect="anthropic",
    grader="number",
    calls=735,
    distinct=250,
    writers=(contract_question,),
    parameters={"max_tokens": 256, "temperature": 0},
    hours=(8, 17),
)
