"""How a pair looks to a reviewer in a terminal, and what people have said so far.

Rules kept here: the texts come from models and logs and are hostile: nothing of them reaches the terminal but letters, line
ends and spaces; both are treated and cut alike; nothing else about them is shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from fairlead.edge.cli.show.pilot import interval
from fairlead.edge.cli.show.terminal import console, safe, say
from fairlead.pilot.review import ReviewItem

LONGEST = 8_000
"""Characters of a text that are shown in a terminal."""

MARKS = 4
"""Marks that may be piled on one letter."""

TAB = "    "


def harmless(text: str) -> str:
    """A text without anything that steers a terminal or a reader's eye: no escapes, no direction marks, no piles of marks.

    >>> harmless("a\\x1b[31mb\\u202ec\\td")
    'a·[31mb·c    d'
    """
    out: list[str] = []
    marks = 0
    for char in text.replace("\r\n", "\n"):
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if char == "\n":
            out.append(char)
        elif char == "\t":
            out.append(TAB)
        elif kind[0] == "C" or kind in {"Zl", "Zp"}:
            out.append("·")
        elif marks <= MARKS:
            out.append(char)
    return "".join(out)


def cut(text: str) -> str:
    """A text as long as a terminal should show."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}\n[… cut; --export shows more …]\n{text[-LONGEST // 2 :]}"


def review_begins(workload: str, count: int, *, interactive: bool) -> None:
    """Say what is going to happen."""
    pairs = "1 pair" if count == 1 else f"{count:,} pairs"
    say(f"{safe(workload)}: {pairs} to look at. Which answer stands first is chance; whose it is, nobody here is told.")
    if interactive:
        say("Keys: 1 the first, 2 the second, = no difference, ? cannot tell, q stop.")


def review_item(item: ReviewItem, *, number: int, of: int) -> None:
    """Show one pair."""
    out = console()
    say()
    out.print(Rule(Text(f"{number:,} of {of:,}"), align="left", style="dim"))
    for heading, text in (("Request", item.request), ("Answer 1", item.first), ("Answer 2", item.second)):
        out.print(Text(heading, style="bold"))
        out.print(Padding(Text(harmless(cut(text)) or "(empty)"), (0, 0, 1, 2)))
    say("1 / 2 / = / ? / q")


def review_state(record: Mapping[str, Any]) -> None:
    """What people have said so far."""
    if "exported" in record:
        say(
            f"Wrote {record['exported']:,} pairs to {record['path']}. Fill in the last column with 1, 2, same or ?, then --import it."
        )
    imported = record.get("imported")
    if imported:
        say(
            f"{imported['new']:,} answers are new, {imported['known']:,} pairs had an answer of this reviewer before (which stays), "
            f"{imported['blank']:,} were left blank."
        )
    say()
    for line in state_lines(record):
        say(line)


def state_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """The state of a review in sentences."""
    judged = record["judgement"]
    who = ", ".join(f"{safe(name, width=30)} {count:,}" for name, count in record["reviewers"].items()) or "nobody yet"
    yield f"{safe(record['workload']['name'])}: {record['labels']:,} answers ({who}), {record['unsure']:,} of them “cannot tell”."
    yield safe(record["words"], width=400)
    counted = f"{record['counted']:,} of {record['counted'] + record['waiting'] + record['unanswered']:,} pairs chosen for people count"
    rule = (
        f", {record['by_rule']:,} of them by rule (a side failed, or both said the same)" if record["by_rule"] else ""
    )
    wait = (
        f"; {record['waiting']:,} answered ones stand behind one that nobody has answered" if record["waiting"] else ""
    )
    yield f"{counted}{rule}{wait}."
    if judged["n"] and record["more_labels"]:
        yield f"About {record['more_labels']:,} more answers would decide the margin of {100 * record['margin']:.4g} points."
    yield from agreement_lines(record)
    fixed = record["fixed"]
    if fixed:
        yield (
            f"For a number of answers fixed in advance (PPI++): {interval(fixed['low'], fixed['high'])}, judge's weight "
            f"{fixed['judge_weight']:.2f}. Not to be looked at again and again; the interval above is."
        )


def agreement_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """How far people agree with each other and with the judge."""
    found = record["agreement"]
    if found["pairs"]:
        figures = [
            f"{name} {found[key]:.2f}"
            for name, key in (("Cohen", "cohen"), ("Fleiss", "fleiss"), ("Krippendorff", "krippendorff"))
            if found[key] is not None
        ]
        beyond = f"; beyond chance: {', '.join(figures)}" if figures else ""
        yield f"{found['reviewers']} people share {found['pairs']:,} pairs and say the same in {found['alike']:.0%}{beyond}."
        if not found["installed"]:
            yield "How far that is beyond chance needs the extra: pip install 'fairlead[review]'."
    if record["same_way"] is not None:
        rho = "" if record["with_judge"] is None else f", correlation {record['with_judge']:.2f}"
        beyond = "" if record["judge_kappa"] is None else f", Cohen {record['judge_kappa']:.2f}"
        yield f"People and {safe(record['judge'], width=80)} lean the same way in {record['same_way']:.0%} of pairs{rho}{beyond}."
