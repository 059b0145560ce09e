"""Call notes: a transcript becomes a short note that must state who, which order, what was agreed and by when."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from fairlead.demo.jobs.task import Job, Task
from fairlead.demo.words import FIRMS, PEOPLE, PRODUCTS, amount, long_date, order_number

OPENINGS: tuple[tuple[str, str], ...] = (
    ("Corvane Marine, good morning, this is {agent}.", "Morning. My name is {who}, from {firm}."),
    ("Corvane service line, {agent} speaking.", "Hello {agent}, {who} here, {firm}."),
    ("Thanks for holding, you are through to {agent}.", "Finally. This is {who} of {firm}."),
    ("Good afternoon, {agent} at Corvane.", "Hi, {who} calling from {firm}. Bad line, sorry."),
)
TROUBLES: tuple[str, ...] = (
    "It is about order {o}. The {p} arrived with a crack all along the housing.",
    "I am ringing about {o}. We were sent the wrong {p}, not the one we ordered.",
    "Order {o} again. The {p} is still not here and our boat sails on Sunday.",
    "On order {o} you charged us twice for the {p}.",
    "The {p} from order {o} stopped working after two days at sea.",
    "We have {o} open with you. Half of the {p} lot was missing from the pallet.",
)
SMALL: tuple[tuple[str, str], ...] = (
    ("I am sorry to hear that. Let me open the order.", "Take your time, I have a coffee."),
    ("One moment, the system is slow today.", "Same here, it must be the weather."),
    ("Could you read me the label on the box?", "It is torn, but the number matches the papers."),
    ("Did the driver note anything?", "He was in a hurry, as always."),
    ("Have you kept the packaging?", "Yes, everything is on the quay."),
    ("Is this the first time it happened?", "With you, yes. I have bought here for nine years."),
)
REFUSED: tuple[tuple[str, str], ...] = (
    ("I could have it sorted out by {late}.", "No, that is too late for us."),
    ("We could look at it again on {late}.", "{late}? That does not help me at all."),
    ("Would {late} be early enough?", "I am afraid not, we are at sea by then."),
)
# What was agreed, and the words no note about it can do without.
AGREED: tuple[tuple[str, str], ...] = (
    ("replace the {p} free of charge", "free of charge"),
    ("credit {m} EUR to your account", "{m} EUR"),
    ("send a technician to your berth", "technician"),
    ("collect the {p} and refund it in full", "refund"),
    ("ship a second {p} by express", "express"),
    ("waive the freight on your next order", "freight"),
    ("extend the warranty by one year", "warranty"),
    ("correct the invoice and send it again", "invoice"),
)
SETTLED: tuple[tuple[str, str], ...] = (
    ("Then let us do this: we will {a}, by {d}.", "Agreed, thank you."),
    ("All right. We will {a}, and you have it by {d} at the latest.", "That I can live with."),
    ("Here is what I propose: we will {a}. Done by {d}.", "Perfect. Please put it in writing."),
)
BYE: tuple[tuple[str, str], ...] = (
    ("Anything else I can do?", "No, that was all. Bye."),
    ("You will get a mail from us. Have a good day.", "You too."),
)


def spoken(rng: Random) -> str:
    """The turns of a call, with slots for who, what and when."""
    turns = [rng.choice(OPENINGS), ("What can I do for you?", rng.choice(TROUBLES))]
    turns += rng.sample(SMALL, rng.randrange(1, 4))
    if rng.random() < 0.6:
        turns.append(rng.choice(REFUSED))
    turns += [rng.choice(SETTLED), rng.choice(BYE)]
    return "\n".join(f"Agent: {ours}\nCaller: {theirs}" for ours, theirs in turns)


def call_note(rng: Random, at: datetime) -> Task:
    """A transcript, and the facts its note has to state."""
    who, agent = rng.sample(PEOPLE, 2)
    product, order = rng.choice(PRODUCTS).inline, order_number(rng)
    early, late = (long_date((at + timedelta(days=days)).date()) for days in sorted(rng.sample(range(2, 25), 2)))
    credited = amount(rng.randrange(1500, 19_000, 50))
    action, words = (each.format(p=product, m=credited) for each in rng.choice(AGREED))
    transcript = spoken(rng).format(
        agent=agent.split()[0], who=who, firm=rng.choice(FIRMS), o=order, p=product, a=action, d=early, late=late
    )
    system = (
        "You write the call note that the account manager reads.\n"
        f"Account manager: {rng.choice(PEOPLE)}. Call of {at.date().isoformat()}, {at:%H:%M} UTC.\n"
        "At most 60 words, plain prose, past tense. State the caller's full name, the order number, what was agreed"
        " and the day by which it will be done. Leave out small talk and anything that was turned down."
    )
    expected = {"facts": [who, order, words, early], "max_words": 60}
    return Task(system=system, user=f"Summarise this call.\n\n{transcript}", expected=expected)


WRITING = Job(
    name="call notes",
    category="writing",
    model="claude-sonnet-4-6",
    dialect="anthropic",
    grader="graders.py:states_the_facts",
    calls=1680,
    distinct=1600,
    writers=(call_note,),
    parameters={"max_tokens": 300, "temperature": 0.3},
)
