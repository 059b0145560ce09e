"""The names a made-up company meets in a month: people, places, firms, goods. Any likeness is chance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something the company sells; `price` in cents of whatever currency an order is in."""

    sku: str
    name: str
    price: int

    @property
    def inline(self) -> str:
        """The name as it stands inside a sentence: fender F23, GPS antenna N9."""
        return self.name if self.name[1].isupper() else self.name[0].lower() + self.name[1:]


PEOPLE: tuple[str, ...] = tuple(
    """Linh Tran|Quang Nguyen|Somchai Wattana|Ploy Srisuk|Amira Haddad|Youssef Naser|Greta Lindqvist|Jonas Albrecht|
    Ines Carvalho|Tiago Moura|Agnieszka Wolska|Pawel Zielak|Fatima Bensaid|Omar Khalidi|Aiko Morita|Kenji Hatano|
    Siobhan Keane|Declan Roche|Adaeze Obi|Chidi Eke|Wanjiru Kamau|Baraka Otieno|Meera Pillai|Arjun Deshmukh|
    Elif Kaya|Mert Aydin|Sofia Castellanos|Mateo Rivas|Dewi Lestari|Bagus Pratama|Noor van Dalen|Sander Hoek|
    Camille Perrot|Lucas Barbier|Hanna Virtanen|Eero Salmela|Ivana Horvat|Luka Babic|Mei Zhao|Bo Jiang|
    Giulia Ferrante|Paolo Bassi|Marta Oliver|Jordi Puig|Thandi Nkosi|Sipho Dube|Rhys Morgan|Elin Hughes""".replace(
        "\n    ", ""
    ).split("|")
)

SITES: tuple[str, ...] = (
    "Rotterdam",
    "Gdynia",
    "Haiphong",
    "Valencia",
    "Mombasa",
    "Izmir",
    "Bergen",
    "Chennai",
    "Cork",
    "Bremen",
    "Surabaya",
    "Durban",
    "Turku",
    "Rijeka",
    "Ancona",
    "Setubal",
)

FIRMS: tuple[str, ...] = (
    "Nordkai Yachtservice GmbH",
    "Atelier Voile Perrin SARL",
    "Kestrel Rigging Ltd",
    "Talleres Marina Sur SL",
    "Van Loon Scheepsbenodigdheden BV",
    "Blue Sampan Trading Co.",
    "Aegean Chandlers AS",
    "Obi & Daughters Marine",
    "Fjordline Deckwear AS",
    "Pelican Harbour Stores",
    "Saimaa Boatworks Oy",
    "Costa Brava Nautica SA",
    "Seemann & Roth KG",
    "Delta Ropewalk Pvt Ltd",
    "Lagoon Charter Partners",
    "Officine Bassi Srl",
    "Malin Head Supplies",
    "Hafenlogistik Weser GmbH",
    "Coral Reef Outfitters",
    "Gulfwind Marine LLC",
    "Tidewater Instruments Ltd",
    "Chantier du Ponant SAS",
    "Kuroshio Parts KK",
    "Harrow Lane Paints Ltd",
)

PRODUCTS: tuple[Product, ...] = tuple(
    Product(sku=sku, name=name, price=price)
    for sku, name, price in (
        ("ML-1220", "Mooring line 12 mm", 3490),
        ("ML-1630", "Mooring line 16 mm", 5275),
        ("AN-0750", "Delta anchor 7.5 kg", 8990),
        ("AN-1000", "Plough anchor 10 kg", 12450),
        ("FD-0023", "Fender F23", 4180),
        ("FD-0031", "Ball fender R31", 2960),
        ("BP-1100", "Bilge pump 1100", 6745),
        ("BP-0500", "Bilge pump 500", 3820),
        ("NL-LED2", "Navigation light LED pair", 5890),
        ("WN-0040", "Self-tailing winch 40", 41900),
        ("WH-0010", "Winch handle alloy", 3160),
        ("PT-AF25", "Antifouling paint 2.5 l", 9480),
        ("PT-VR10", "Deck varnish 1 l", 2715),
        ("LJ-0150", "Life jacket 150N", 7950),
        ("LJ-0100", "Junior life jacket 100N", 5640),
        ("CP-0085", "Bulkhead compass 85", 13280),
        ("VH-0025", "Handheld VHF radio", 14990),
        ("CH-0008", "Galvanised chain 8 mm", 1135),
        ("SH-0010", "Bow shackle 10 mm", 645),
        ("BL-0040", "Ratchet block 40", 4395),
        ("RP-1000", "Halyard rope 10 mm", 2280),
        ("HT-0012", "Hatch seal kit", 1895),
        ("GP-0009", "GPS antenna N9", 18840),
        ("BT-0100", "AGM battery 100 Ah", 22990),
        ("SP-0120", "Solar panel 120 W", 16450),
        ("TL-0032", "Rigging toolset 32", 10860),
        ("BH-0180", "Telescopic boat hook", 2535),
        ("SC-0020", "Seacock bronze 20 mm", 3685),
        ("FE-0002", "Fire extinguisher 2 kg", 4495),
        ("HS-0005", "Horn 12 V", 1770),
    )
)

TEAMS: tuple[str, ...] = ("finance", "warehouse planning", "web shop", "purchasing", "customer care", "fleet service")
CURRENCIES: tuple[str, ...] = ("EUR", "GBP", "USD", "PLN", "SGD", "NOK")
MONTHS: tuple[str, ...] = (
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
)
WEEKDAYS: tuple[str, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def dice(*seed: object) -> Random:
    """A seeded source of choices; the same seed gives the same sample on every machine."""
    return Random("/".join(str(part) for part in seed))  # noqa: S311  nothing secret hangs on it


def order_number(rng: Random) -> str:
    """An order number such as CV-48213."""
    return f"CV-{rng.randrange(20_000, 99_999)}"


def amount(cents: int) -> str:
    """Cents as an amount with a decimal point: 3490 is 34.90."""
    return f"{cents // 100}.{cents % 100:02d}"


def long_date(day: date) -> str:
    """A day as people write it: 3 December."""
    return f"{day.day} {MONTHS[day.month - 1]}"


def mail_of(person: str, firm: str = "corvane.example") -> str:
    """A person's address at a reserved domain."""
    return person.lower().replace(" ", ".") + "@" + firm
