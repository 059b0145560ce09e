"""Sums of the planning desk (worked out step by step) and the key of the crew examination (a letter)."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random

from fairlead.demo.jobs.task import Job, Task
from fairlead.demo.words import CURRENCIES, PEOPLE, PRODUCTS, SITES, amount, long_date


def trucks(rng: Random) -> tuple[str, float]:
    """How many trucks are still needed."""
    fits, pallets = rng.randrange(18, 34), rng.randrange(120, 640)
    gone = rng.randrange(10, 90)
    start, end = rng.sample(SITES, 2)
    asked = rng.choice(
        (
            (
                f"{pallets} pallets have to go from {start} to {end}. {gone} of them left yesterday. A truck takes {fits}"
                " pallets. How many trucks do we still need?"
            ),
            (
                f"A truck holds {fits} pallets. Of the {pallets} pallets booked {start} to {end}, {gone} are already gone."
                " How many more trucks must I order?"
            ),
        )
    )
    return asked, math.ceil((pallets - gone) / fits)


def storage(rng: Random) -> tuple[str, float]:
    """A storage bill with a discount."""
    rate, pallets, weeks = rng.randrange(180, 460, 5), rng.randrange(20, 200, 10), rng.randrange(2, 12)
    off, currency = rng.choice((5, 10, 15, 20)), rng.choice(CURRENCIES)
    asked = rng.choice(
        (
            (
                f"Storage in {rng.choice(SITES)} costs {amount(rate)} {currency} per pallet and week. We keep {pallets}"
                f" pallets there for {weeks} weeks and get {off} % off. What is the bill in {currency}?"
            ),
            (
                f"We park {pallets} pallets for {weeks} weeks at {amount(rate)} {currency} per pallet per week; the"
                f" warehouse grants {off} % discount on the whole. How much do we pay, in {currency}?"
            ),
        )
    )
    return asked, round(rate * pallets * weeks * (100 - off) / 10_000, 2)


def voyage(rng: Random) -> tuple[str, float]:
    """Hours of a trip with a stop."""
    speed, hours, stop = rng.randrange(9, 26), rng.randrange(4, 30), rng.randrange(1, 7)
    start, end = rng.sample(SITES, 2)
    asked = rng.choice(
        (
            (
                f"The feeder makes {speed} km/h on average and has {speed * hours} km from {start} to {end}, with one lock"
                f" stop of {stop} hours. How many hours does the trip take?"
            ),
            (
                f"Distance {start} to {end}: {speed * hours} km. Average speed {speed} km/h, plus {stop} hours waiting at"
                " the lock. Total trip time in hours?"
            ),
        )
    )
    return asked, hours + stop


def crates(rng: Random) -> tuple[str, float]:
    """Items in crates of two sizes."""
    count, small, large = rng.randrange(40, 160), rng.choice((6, 8, 12)), rng.choice((16, 20, 24, 30))
    few = rng.randrange(8, count - 8)
    name = rng.choice(PRODUCTS).inline
    asked = rng.choice(
        (
            (
                f"A container holds {count} crates of {name}. {few} of the crates hold {small} items each, the others"
                f" {large}. How many items are in the container?"
            ),
            (
                f"We received {count} crates ({name}): {few} crates with {small} items, the rest with {large} items. How"
                " many items is that altogether?"
            ),
        )
    )
    return asked, few * small + (count - few) * large


def reorder(rng: Random) -> tuple[str, float]:
    """Days until an order must be placed."""
    daily, lead, safety, days = rng.randrange(6, 40), rng.randrange(5, 21), rng.randrange(20, 120), rng.randrange(2, 30)
    stock = safety + daily * (lead + days)
    name = rng.choice(PRODUCTS).name
    asked = rng.choice(
        (
            (
                f"{name}: {stock} in stock, {daily} sold per day, supplier takes {lead} days, and we never want to go below"
                f" {safety}. In how many days must the order be placed at the latest?"
            ),
            (
                f"We sell {daily} a day of {name} and have {stock}. Delivery takes {lead} days; the safety stock is"
                f" {safety}. How many days can we wait before ordering?"
            ),
        )
    )
    return asked, days


def sharing(rng: Random) -> tuple[str, float]:
    """A bill shared by weight."""
    parts = rng.sample(range(2, 12), 3)
    unit, which = rng.randrange(35, 420), rng.randrange(3)
    sites = rng.sample(SITES, 3)
    bill, currency = unit * sum(parts), rng.choice(CURRENCIES)
    shares = ", ".join(f"{site} {part} t" for site, part in zip(sites, parts, strict=True))
    asked = rng.choice(
        (
            f"A freight bill of {bill} {currency} is shared by weight: {shares}. What does {sites[which]} pay?",
            (
                f"Three sites shared one container ({shares}). The bill is {bill} {currency}, split by weight. How much is"
                f" {sites[which]}'s part?"
            ),
        )
    )
    return asked, unit * parts[which]


SUMS: tuple[Callable[[Random], tuple[str, float]], ...] = (trucks, storage, voyage, crates, reorder, sharing)


def planning_sum(rng: Random, at: datetime) -> Task:
    """A word problem of the planning desk, and its result."""
    asked, result = rng.choice(SUMS)(rng)
    system = (
        f"You calculate for {rng.choice(PEOPLE)} of Corvane's planning desk ({rng.choice(SITES)}), {at.date().isoformat()}.\n"
        "Work the problem out step by step, briefly. Finish with a line that reads: Answer: <number>"
    )
    return Task(system=system, user=asked, expected=result)


def lettered(rng: Random, asked: str, right: str, wrong: list[str]) -> tuple[str, str]:
    """The question with its options A to D in a random order, and the right letter."""
    options = [right, *wrong]
    rng.shuffle(options)
    listed = "\n".join(f"{letter}) {option}" for letter, option in zip("ABCD", options, strict=True))
    return f"{asked}\n{listed}", "ABCD"[options.index(right)]


def overload(rng: Random) -> tuple[str, str]:
    """Which load is over the limit."""
    limit = rng.randrange(600, 2400, 50)
    over = rng.randrange(3, 9)
    right = f"{over} drums of {limit // over + rng.randrange(4, 40)} kg"
    wrong = list[str]()
    for count in rng.sample([each for each in range(2, 10) if each != over], 3):
        wrong.append(f"{count} drums of {limit // count - rng.randrange(4, 40)} kg")
    asked = (
        f"The crane at berth {rng.randrange(1, 30)} is limited to {limit} kg. Which of these lifts is over the limit?"
    )
    return lettered(rng, asked, right, wrong)


def knots(rng: Random) -> tuple[str, str]:
    """How far a ship comes, in kilometres."""
    speed, hours = rng.randrange(6, 24), rng.randrange(2, 20)
    miles = speed * hours
    wrong = [f"{miles:.1f} km", f"{miles * 1.609:.1f} km", f"{miles / 1.852:.1f} km"]
    asked = f"A vessel holds {speed} knots for {hours} hours (1 knot is 1.852 km/h). How far does she come?"
    return lettered(rng, asked, f"{miles * 1.852:.1f} km", wrong)


def days_between(rng: Random) -> tuple[str, str]:
    """How many days a certificate still runs."""
    start = date(2026, 1, 1) + timedelta(days=rng.randrange(300))
    days = rng.randrange(35, 190)
    end = start + timedelta(days=days)
    wrong = [f"{days + off} days" for off in rng.sample((-10, -7, -2, -1, 1, 2, 8, 10), 3)]
    asked = (
        f"A certificate is inspected on {long_date(start)} {start.year} and runs out on {long_date(end)} {end.year}."
        " How many days lie between the two?"
    )
    return lettered(rng, asked, f"{days} days", wrong)


def under_keel(rng: Random) -> tuple[str, str]:
    """Which departure leaves enough water under the keel."""
    draught, need = rng.randrange(28, 62), rng.randrange(8, 20)
    hours = sorted(rng.sample(range(24), 4))
    depth = [draught + need - rng.randrange(1, 14) for _ in hours]
    right = rng.randrange(4)
    depth[right] = draught + need + rng.randrange(0, 12)
    times = [f"{hour:02d}:{rng.choice(('00', '15', '30', '45'))}" for hour in hours]
    table = ", ".join(f"{time} {deep / 10:.1f} m" for time, deep in zip(times, depth, strict=True))
    asked = (
        f"Depth at the sill of {rng.choice(SITES)}: {table}. The ship draws {draught / 10:.1f} m and must keep"
        f" {need / 10:.1f} m under the keel. When may she leave?"
    )
    return lettered(rng, asked, times[right], [time for time in times if time != times[right]])


def fuel_left(rng: Random) -> tuple[str, str]:
    """What is left in the tank."""
    share = rng.randrange(10, 90, 5)
    full = rng.randrange(40, 360) * 20
    left = full * (100 - share) // 100
    wrong = {full * share // 100, left + full // 20, left - full // 20, left + full // 10} - {left}
    asked = f"A tank held {full} litres. {share} % has been used. How much is left?"
    return lettered(rng, asked, f"{left} litres", [f"{each} litres" for each in sorted(wrong)[:3]])


EXAM: tuple[Callable[[Random], tuple[str, str]], ...] = (overload, knots, days_between, under_keel, fuel_left)


def exam_question(rng: Random, at: datetime) -> Task:
    """A multiple-choice question of the crew examination, and its letter."""
    asked, letter = rng.choice(EXAM)(rng)
    system = (
        "You check the key of a multiple-choice examination for deck crews.\n"
        f"Paper {rng.randrange(100, 999)}/{at.year}, examiner {rng.choice(PEOPLE)}.\n"
        "Solve the question. Reply with the letter of the right answer and nothing else."
    )
    return Task(system=system, user=asked, expected=letter)


SUMS_JOB = Job(
    name="planning sums",
    category="reasoning",
    model="gpt-5",
    dialect="openai",
    grader="number",
    calls=1590,
    distinct=1560,
    writers=(planning_sum,),
    parameters={"max_completion_tokens": 4000, "reasoning_effort": "high"},
)
EXAM_JOB = Job(
    name="exam keys",
    category="reasoning",
    model="gpt-5-mini",
    dialect="openai",
    grader="choice",
    calls=1580,
    distinct=1560,
    writers=(exam_question,),
    parameters={"max_completion_tokens": 1500},
    hours=(7, 16),
)
