"""Figures from texts: the staff handbook, the contract desk, the planning desk, the crew examination."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date

from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Prompt
from fairlead.demo.simulated.solvers.said import Said, Unclear, found, group_of, other, plain, slipped

# Words of a question, then where the figure stands in a passage that treats of them, and its unit.
RULES: tuple[tuple[str, str, str], ...] = (
    (r"parental", r"(\d+) weeks of parental|lasts up to (\d+)", "weeks"),
    (r"(?:paid|annual) leave", r"have (\d+) days of paid|to paid leave in \w+ is (\d+)", "days"),
    (r"notice", r"gives (\d+) days' notice|asks for (\d+) days", "days"),
    (r"meal", r"is (\d+) EUR;|claim (\d+) EUR", "EUR a day"),
    (r"hotel", r"at most (\d+) EUR|above (\d+) EUR a night", "EUR a night"),
    (r"forklift", r"every (\d+) months", "months"),
    (r"camera", r"kept for (\d+)|erased after (\d+)", "hours"),
    (r"training", r"has (\d+) EUR a year|itself is (\d+) EUR", "EUR"),
    (r"lift", r"more than (\d+) kg|is (\d+) kg", "kg"),
    (r"overtime", r"capped at (\d+)|is (\d+) hours a quarter", "hours"),
)
CLAUSES: tuple[tuple[str, str, str], ...] = (
    (r"payment term", r"due (\d+) days", "days"),
    (r"notice", r"on (\d+) months' notice", "months"),
    (r"cap on liability", r"capped at EUR (\d+)", "thousand EUR"),
    (r"warranty", r"goods for (\d+) months", "months"),
    (r"urgent fault", r"within (\d+) hours", "hours"),
    (r"bulk discount", r"exceed (\d+) units", "units"),
)


def handbook(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """The figure of the one passage that treats of the topic and the site."""
    asked = prompt.user
    _, where, unit = next((rule for rule in RULES if re.search(rule[0], asked, re.IGNORECASE)), ("", "", ""))
    passages = re.findall(r"^\[(\d)\] [\w ]+, (\w+) \(rev\. [\d-]+\)\. (.+)$", prompt.system, re.MULTILINE)
    fitting = [(mark, site, text, re.search(where, text)) for mark, site, text in passages if where]
    hits = [(mark, text, match) for mark, site, text, match in fitting if match and re.search(rf"\b{site}\b", asked)]
    if not hits:
        raise Unclear(asked)
    mark, text, match = hits[0]
    value = group_of(match)
    if not right:
        same_site = re.findall(r"\d+", text)
        elsewhere = [group_of(each) for _, _, other_text, each in fitting if each and other_text != text]
        value = other(draws, "mistake", value, [*same_site, *elsewhere])
    ways = (
        f"According to [{mark}], it is {value} {unit}.",
        f"Passage [{mark}] says {value} {unit}.",
        f"[{mark}]: {value} {unit}.",
    )
    return Said(text=draws.pick("way", ways))


def contract(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """The figure of the one clause that the question is about."""
    _, _, asked = prompt.user.rpartition("Question:")
    rule = next((rule for rule in CLAUSES if re.search(rule[0], asked)), None)
    if rule is None:
        raise Unclear(asked)
    clause, text, match = next(
        (mark, text, match)
        for mark, text in re.findall(r"^(\d+)\. (.+)$", prompt.user, re.MULTILINE)
        if (match := re.search(rule[1], text))
    )
    value = match[1]
    if not right:
        value = other(draws, "mistake", value, [*re.findall(r"\d+", text), slipped(draws, value)])
    return Said(text=f"Clause {clause}: the answer is {value} {rule[2]}.")


def trucks(text: str) -> tuple[float, float, str]:
    """Trucks still needed; the slip forgets what has gone."""
    fits = int(found(r"(?:takes|holds) (\d+) pallets", text)[1])
    pallets = int(group_of(found(r"Of the (\d+) pallets|^(\d+) pallets have", text)))
    gone = int(found(r"(\d+) (?:of them left|are already gone)", text)[1])
    left = pallets - gone
    return (
        math.ceil(left / fits),
        math.ceil(left / fits) + 1,
        f"{pallets} - {gone} = {left} pallets; {left} / {fits}, rounded up.",
    )


def storage(text: str) -> tuple[float, float, str]:
    """A storage bill; the slip forgets the discount."""
    rate = float(found(r"([\d.]+) [A-Z]{3} per pallet", text)[1])
    pallets, weeks = int(found(r"(\d+)\s+pallets", text)[1]), int(found(r"(\d+) weeks", text)[1])
    off = int(found(r"(\d+) %", text)[1])
    full = round(rate * pallets * weeks, 2)
    return (
        round(full * (100 - off) / 100, 2),
        full,
        f"{pallets} x {weeks} x {plain(rate)} = {plain(full)}, less {off} %.",
    )


def voyage(text: str) -> tuple[float, float, str]:
    """Hours under way and waiting; the slip forgets the waiting."""
    speed = int(group_of(found(r"makes (\d+) km/h|speed (\d+) km/h", text)))
    distance = int(group_of(found(r"has (\d+) km|: (\d+) km", text)))
    stop = int(group_of(found(r"stop of (\d+) hours|plus (\d+) hours", text)))
    under_way = distance // speed
    return under_way + stop, under_way, f"{distance} / {speed} = {under_way} hours, plus {stop} at the lock."


def crates(text: str) -> tuple[float, float, str]:
    """Items in two sorts of crates; the slip swaps the sizes."""
    count = int(found(r"(\d+) crates", text)[1])
    few = int(group_of(found(r"(\d+) of the crates|: (\d+) crates with", text)))
    small = int(group_of(found(r"hold (\d+) items|crates with (\d+) items", text)))
    large = int(group_of(found(r"others (\d+)|rest with (\d+)", text)))
    total = few * small + (count - few) * large
    slip = few * large + (count - few) * small
    working = f"{few} x {small} + {count - few} x {large} = {total}."
    return total, slip if slip != total else total + large, working


def reorder(text: str) -> tuple[float, float, str]:
    """Days to wait; the slip forgets the safety stock."""
    stock = int(group_of(found(r"(\d+) in stock|and have (\d+)", text)))
    daily = int(group_of(found(r"(\d+) sold per day|sell (\d+) a day", text)))
    lead = int(found(r"takes (\d+) days", text)[1])
    safety = int(group_of(found(r"below (\d+)|stock is (\d+)", text)))
    days = (stock - safety) // daily - lead
    slip = stock // daily - lead
    return days, slip if slip != days else days + lead, f"({stock} - {safety}) / {daily} - {lead} = {days}."


def sharing(text: str) -> tuple[float, float, str]:
    """A part of a bill; the slip takes another site's part."""
    bill = int(group_of(found(r"bill of (\d+)|bill is (\d+)", text)))
    shares = {site: int(part) for site, part in re.findall(r"([A-Z]\w+) (\d+) t\b", text)}
    who = group_of(found(r"does (\w+) pay|is (\w+)'s part", text))
    unit = bill // sum(shares.values())
    slip = next(part for site, part in shares.items() if site != who)
    return (
        unit * shares[who],
        unit * slip,
        f"{bill} / {sum(shares.values())} t = {unit} per t; {shares[who]} t x {unit}.",
    )


SUMS: Mapping[str, Callable[[str], tuple[float, float, str]]] = {
    r"trucks": trucks,
    r"per pallet": storage,
    r"km/h": voyage,
    r"crates": crates,
    r"safety stock|never want to go below": reorder,
    r"by weight": sharing,
}


def planning(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """A sum of the planning desk with its working."""
    text = " ".join(prompt.user.split())
    solve = next((solve for pattern, solve in SUMS.items() if re.search(pattern, text)), None)
    if solve is None:
        raise Unclear(text)
    result, slip, working = solve(text)
    if not right:
        near = (result + 1, result + 10, max(result - 1, 0))
        result = other(draws, "mistake", result, (slip, slip, draws.pick("near", near)))
    return Said(text=f"{draws.pick('way', ('', 'Step by step: ', 'Working: '))}{working}\nAnswer: {plain(result)}")


MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def dates_of(text: str) -> list[date]:
    """The days a text names, such as 3 March 2026."""
    named = re.findall(rf"(\d+) ({'|'.join(MONTHS)}) (\d{{4}})", text)
    return [date(int(year), MONTHS.index(month) + 1, int(day)) for day, month, year in named]


def fits_question(asked: str) -> Callable[[str], bool]:
    """Tells of an option whether it answers the question."""
    if "over the limit" in asked:
        limit = int(found(r"limited to (\d+) kg", asked)[1])
        return lambda option: math.prod(int(each) for each in re.findall(r"\d+", option)) > limit
    if "knots" in asked:
        speed, hours = map(int, found(r"(\d+) knots for (\d+) hours", asked).groups())
        return lambda option: option == f"{speed * hours * 1.852:.1f} km"
    if "certificate" in asked:
        start, end = dates_of(asked)
        return lambda option: option == f"{(end - start).days} days"
    if "under the keel" in asked:
        need = sum(
            round(float(each) * 10) for each in found(r"draws ([\d.]+) m and must keep ([\d.]+) m", asked).groups()
        )
        depth = {time: round(float(deep) * 10) for time, deep in re.findall(r"(\d\d:\d\d) ([\d.]+) m", asked)}
        return lambda option: depth.get(option, 0) >= need
    full, used = int(found(r"held (\d+) litres", asked)[1]), int(found(r"(\d+) %", asked)[1])
    return lambda option: option == f"{full * (100 - used) // 100} litres"


def exam(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """The letter of the option that fits."""
    asked = " ".join(prompt.user.partition("\nA) ")[0].split())
    options = re.findall(r"^([A-D])\) (.+)$", prompt.user, re.MULTILINE)
    fits = fits_question(asked)
    letter = next((mark for mark, option in options if fits(option)), None)
    if letter is None:
        raise Unclear(asked)
    if not right:
        letter = other(draws, "mistake", letter, "ABCD")
    return Said(text=draws.pick("way", (letter, letter, f"{letter})", f"**{letter}**")))
