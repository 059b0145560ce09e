"""Queries: an analyst asks in English, the answer is one SELECT over the tables in the prompt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from fairlead.demo.jobs.task import Job, Task
from fairlead.demo.words import PEOPLE, TEAMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the warehouse: columns to measure, columns to group by, a status and a date."""

    name: str
    measures: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, str], ...]
    status: tuple[str, str, tuple[str, ...]]
    day: tuple[str, str]


TABLES: tuple[Table, ...] = (
    Table(
        name="orders",
        measures=(("net_amount", "net value"), ("item_count", "item count"), ("freight_cost", "freight cost")),
        groups=(("region", "sales region"), ("channel", "sales channel"), ("warehouse", "warehouse")),
        status=("status", "order status", ("shipped", "cancelled", "on_hold")),
        day=("ordered_on", "order date"),
    ),
    Table(
        name="returns",
        measures=(("refund_amount", "refund value"), ("days_open", "days open")),
        groups=(("reason", "return reason"), ("country", "country"), ("inspector", "inspector")),
        status=("outcome", "outcome", ("accepted", "refused", "pending")),
        day=("received_on", "receipt date"),
    ),
    Table(
        name="tickets",
        measures=(("first_reply_min", "first reply time"), ("touches", "touch count")),
        groups=(("queue", "queue"), ("language", "language"), ("agent", "agent")),
        status=("state", "ticket state", ("open", "solved", "escalated")),
        day=("opened_on", "opening date"),
    ),
    Table(
        name="shipments",
        measures=(("weight_kg", "gross weight"), ("pallet_count", "pallet count"), ("delay_h", "delay")),
        groups=(("carrier", "carrier"), ("port", "destination port"), ("origin", "origin warehouse")),
        status=("status", "shipment status", ("delivered", "in_transit", "lost")),
        day=("shipped_on", "dispatch date"),
    ),
    Table(
        name="purchases",
        measures=(("cost", "purchase cost"), ("lead_days", "lead time")),
        groups=(("supplier_country", "supplier country"), ("category", "product category")),
        status=("status", "purchase status", ("placed", "confirmed", "received")),
        day=("placed_on", "placement date"),
    ),
    Table(
        name="stock_counts",
        measures=(("counted", "counted units"), ("missing", "missing units")),
        groups=(("site", "site"), ("aisle", "aisle"), ("counter", "counting team")),
        status=("state", "count state", ("final", "draft", "disputed")),
        day=("counted_on", "count date"),
    ),
)

AGGREGATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("SUM", ("total", "summed")),
    ("AVG", ("average", "mean")),
    ("MAX", ("highest", "maximum")),
    ("MIN", ("lowest", "minimum")),
)
ORDERS: tuple[tuple[str, str], ...] = (
    ("", ""),
    (", largest first", " ORDER BY value DESC"),
    (", smallest first", " ORDER BY value"),
    (", and just the top five", " ORDER BY value DESC LIMIT 5"),
    (", and just the top ten", " ORDER BY value DESC LIMIT 10"),
    (", sorted by {group}", " ORDER BY {column}"),
)
ASKED: tuple[str, ...] = (
    "{word} {measure} by {group} in {table}{where}{order}.",
    "For {table}: {word} {measure} per {group}{where}{order}",
    "Could you get me the {word} {measure} of {table} for each {group}{where}{order}? Thanks",
    "need {word} {measure} from {table}, one row per {group}{where}{order}",
    "Hi! Please pull {word} {measure} by {group} out of {table}{where}{order}. It is for the Thursday meeting.",
)


def schema_of(table: Table) -> str:
    """The table as the prompt shows it."""
    columns = [(name, "numeric", says) for name, says in table.measures]
    columns += [(name, "text", says) for name, says in table.groups]
    columns.append((table.status[0], "text", f"{table.status[1]}: " + ", ".join(table.status[2])))
    columns.append((table.day[0], "date", table.day[1]))
    return "\n".join([f"{table.name}(", *(f"  {name} {kind},  -- {says}" for name, kind, says in columns), ")"])


def condition(rng: Random, table: Table, at: datetime) -> tuple[str, str]:
    """A filter in words and in SQL; often none."""
    column, says, values = table.status
    day, day_says = table.day
    since = (at - timedelta(days=rng.randrange(10, 300))).date().isoformat()
    words, clauses = "", list[str]()
    if rng.random() < 0.6:
        value = rng.choice(values)
        negated = rng.random() < 0.3
        words += f", leaving out {says} '{value}'" if negated else f", only {says} '{value}'"
        clauses.append(f"{column} {'<>' if negated else '='} '{value}'")
    if rng.random() < 0.75:
        said, sign = rng.choice((("from {} on", ">="), ("before {}", "<"), ("after {}", ">")))
        words += f", {day_says} {said.format(since)}"
        clauses.append(f"{day} {sign} '{since}'")
    return words, (" WHERE " + " AND ".join(clauses) if clauses else "")


def query(rng: Random, at: datetime) -> Task:
    """A question about one of the tables, and its query."""
    shown = rng.sample(TABLES, 3)
    table = rng.choice(shown)
    function, said = rng.choice(AGGREGATES)
    column, measure = rng.choice(table.measures)
    group_column, group = rng.choice(table.groups)
    where_words, where = condition(rng, table, at)
    order_words, order = rng.choice(ORDERS)
    user = rng.choice(ASKED).format(
        word=rng.choice(said),
        measure=measure,
        group=group,
        table=table.name,
        where=where_words,
        order=order_words.format(group=group),
    )
    expected = (
        f"SELECT {group_column}, {function}({column}) AS value FROM {table.name}{where} GROUP BY {group_column}"  # noqa: S608  an answer, never run
        + order.format(column=group_column)
    )
    system = (
        "You write PostgreSQL for the analysts of Corvane Marine Supply.\n"
        f"Today is {at.date().isoformat()}. The analyst is {rng.choice(PEOPLE)} ({rng.choice(TEAMS)}).\n"
        "Answer with one SELECT statement in a ```sql block and nothing else.\n"
        "First column: what the rows are grouped by. Second column: the aggregate, called value.\n"
        "Conditions come in the order in which they were asked. Do not alias tables. Do not add a sort nobody asked for.\n"
        "Use the literal values exactly as they are listed.\n\nTables you may use:\n"
        + "\n".join(schema_of(each) for each in shown)
    )
    return Task(system=system, user=user, expected=expected)


CODING = Job(
    name="analyst queries",
    category="coding",
    model="gpt-5",
    dialect="openai",
    grader="graders.py:same_query",
    calls=1640,
    distinct=1560,
    writers=(query,),
    parameters={"max_completion_tokens": 2000, "reasoning_effort": "low"},
)
