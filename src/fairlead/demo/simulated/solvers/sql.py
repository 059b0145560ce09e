"""Questions about tables to a SELECT statement, by finding the column comments of the prompt in the question."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Prompt
from fairlead.demo.simulated.solvers.said import Said, Unclear, found, other

FUNCTIONS = {
    "total": "SUM",
    "summed": "SUM",
    "average": "AVG",
    "mean": "AVG",
    "highest": "MAX",
    "maximum": "MAX",
    "lowest": "MIN",
    "minimum": "MIN",
}
SIGNS = {"from": ">=", "before": "<", "after": ">"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """A SELECT statement in parts; `measures` are the numeric columns it could have meant."""

    table: str
    function: str
    measure: str
    measures: tuple[str, ...]
    group: str
    status: tuple[str, str, str] | None
    day: tuple[str, str, str] | None
    order: str

    def sql(self, break_with: str) -> str:
        """The statement, its clauses joined as told."""
        conditions = [f"{column} {sign} '{value}'" for column, sign, value in filter(None, (self.status, self.day))]
        parts = [f"SELECT {self.group}, {self.function}({self.measure}) AS value", f"FROM {self.table}"]
        if conditions:
            parts.append("WHERE " + " AND ".join(conditions))
        parts.append(f"GROUP BY {self.group}")
        return break_with.join([*parts, self.order] if self.order else parts)


def columns_of(system: str, table: str) -> list[tuple[str, str, str]]:
    """Name, type and comment of each column."""
    block = found(rf"^{table}\(\n(.*?)\n\)", system, re.DOTALL | re.MULTILINE)[1]
    return [(name, kind, says) for name, kind, says in re.findall(r"(\w+) (\w+),\s+-- (.+)", block)]


def ordering(asked: str, group: str) -> str:
    """The ORDER BY clause that the question wants."""
    limit = re.search(r"top (five|ten)", asked)
    if limit:
        return f"ORDER BY value DESC LIMIT {5 if limit[1] == 'five' else 10}"
    if "largest first" in asked:
        return "ORDER BY value DESC"
    if "smallest first" in asked:
        return "ORDER BY value"
    return f"ORDER BY {group}" if "sorted by" in asked else ""


def named(columns: list[tuple[str, str, str]], kind: str, asked: str) -> str:
    """The column of a type whose comment stands in the question."""
    for name, its_kind, says in columns:
        if its_kind == kind and ":" not in says and says in asked:
            return name
    raise Unclear(asked)


def understood(prompt: Prompt) -> Select:
    """The statement a question asks for."""
    asked = prompt.user
    tables = re.findall(r"^(\w+)\($", prompt.system, re.MULTILINE)
    table = next((each for each in tables if re.search(rf"\b{each}\b", asked)), None)
    if table is None:
        raise Unclear(asked)
    columns = columns_of(prompt.system, table)
    group = named(columns, "text", asked)
    status = re.search(r"(only|leaving out) [\w ]+ '(\w+)'", asked)
    day = re.search(r"(from|before|after) (\d{4}-\d\d-\d\d)", asked)
    state = next(name for name, _, says in columns if ":" in says)
    date = next(name for name, kind, _ in columns if kind == "date")
    word = next(each for each in re.findall(r"\w+", asked.lower()) if each in FUNCTIONS)
    return Select(
        table=table,
        function=FUNCTIONS[word],
        measure=named(columns, "numeric", asked),
        measures=tuple(name for name, kind, _ in columns if kind == "numeric"),
        group=group,
        status=(state, "=" if status[1] == "only" else "<>", status[2]) if status else None,
        day=(date, SIGNS[day[1]], day[2]) if day else None,
        order=ordering(asked, group),
    )


def mistaken(select: Select, draws: Draws) -> Select:
    """The statement with one thing got wrong that such questions invite."""
    slips: list[Callable[[], Select]] = [
        lambda: replace(select, function=other(draws, "function", select.function, ("SUM", "AVG", "MAX", "COUNT"))),
        lambda: replace(select, measure=other(draws, "measure", select.measure, select.measures)),
    ]
    if select.day:
        column, sign, value = select.day
        near = {">=": ">", "<": "<=", ">": ">="}[sign]
        slips += [lambda: replace(select, day=(column, near, value)), lambda: replace(select, day=None)]
    if select.status:
        state, equal, word = select.status
        slips.append(lambda: replace(select, status=(state, "<>" if equal == "=" else "=", word)))
    if "LIMIT" in select.order:
        slips.append(lambda: replace(select, order=select.order.partition(" LIMIT")[0]))
    return draws.pick("mistake", slips)()


def answer(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """A query in a code block, laid out in one of three ways."""
    select = understood(prompt)
    select = select if right else mistaken(select, draws)
    sql = select.sql(draws.pick("layout", ("\n", " ", "\n")))
    if draws.share("case") < 0.2:
        for word in ("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", " AS ", " AND ", " DESC", "LIMIT"):
            sql = sql.replace(word, word.lower())
    return Said(text=f"```sql\n{sql}{draws.pick('end', (';', '', ';'))}\n```")
