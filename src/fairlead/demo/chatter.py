"""What else passes through a company's keys: people trying things out, and a product search that asks for embeddings."""

from __future__ import annotations

from random import Random

from fairlead.demo.words import PRODUCTS, SITES

# Questions nobody planned, with what came back. `{p}` a product, `{s}` a place, `{n}` a number.
AD_HOC: tuple[tuple[str, str], ...] = (
    ("write a haiku about a {p}", "Salt on cold metal,\nthe {p} waits at the quay:\nmorning, and the tide."),
    (
        "what should I cook for {n} people on a small boat",
        "A one-pot lentil stew with smoked fish feeds {n} and needs one burner.",
    ),
    ("is {s} worth a weekend?", "Yes, if you like harbours: two days are enough for the old port and the market."),
    ("shorter please: 'We would like to inform you that the {p} is back in stock.'", "The {p} is back in stock."),
    ("give me {n} names for a boat", "Here are a few: Windfall, Second Wind, Plan B, Dry Martini, Late Lunch."),
    ("test", "Hello! What can I do for you?"),
    ("who won the regatta in {s} in 1987?", "I do not have a reliable source for that."),
    ("excel formula to sum column C where column A is {s}", '=SUMIF(A:A,"{s}",C:C)'),
    ("How do I get tar off my hands?", "Rub in cooking oil, wait a minute, wash with soap."),
    (
        "make this friendlier: your {p} is late because you gave the wrong address",
        "The address did not match, so your {p} takes a little longer. Sorry!",
    ),
    ("what time is it in {s} when it is {n} pm in Bergen", "That depends on the season; please check a world clock."),
    ("explain VAT on a {p} like I'm five", "When you buy a {p}, a small slice of the money goes to the country."),
    (
        "birthday text for Sander, likes sailing, turning {n}0",
        "Happy birthday, Sander! May the next decade bring fair winds.",
    ),
    (
        "difference between a bowline and a sheet bend?",
        "A bowline makes a loop; a sheet bend joins two lines of different size.",
    ),
    ("quelle est la capitale du Kenya", "Nairobi."),
    ("hi are you there", "Yes, I am here."),
)
SEARCHED: tuple[str, ...] = (
    "{p}",
    "{p} cheap",
    "spare part {p}",
    "{p} for {n} m boat",
    "{p} delivery {s}",
    "best {p} salt water",
    "{p} or {q}",
    "{p} instructions pdf",
    "{q} fits {p}?",
)


def ad_hoc(rng: Random) -> tuple[str, str]:
    """A question somebody typed into a key of the company, and what came back."""
    asked, told = rng.choice(AD_HOC)
    slots = {"p": rng.choice(PRODUCTS).inline, "s": rng.choice(SITES), "n": rng.randrange(2, 10)}
    return asked.format(**slots), told.format(**slots)


def searched(rng: Random) -> str:
    """What a visitor of the shop typed into the search field."""
    first, second = rng.sample(PRODUCTS, 2)
    slots = {"p": first.inline, "q": second.inline, "s": rng.choice(SITES), "n": rng.randrange(5, 16)}
    return rng.choice(SEARCHED).format(**slots)
