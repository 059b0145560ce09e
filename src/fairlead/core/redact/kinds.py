"""What redaction knows of: kinds of secrets and of personal data, policies, and where in a text one was found."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol


class Kind(StrEnum):
    """What was found. The word stands in the placeholder that takes its place."""

    API_KEY = "api key"
    PRIVATE_KEY = "private key"
    PASSWORD = "password"  # noqa: S105 - the name of a kind
    TOKEN = "token"  # noqa: S105 - the name of a kind
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    BANK_ACCOUNT = "bank account"
    NATIONAL_ID = "national id"
    TAX_ID = "tax id"
    PASSPORT = "passport"
    IP_ADDRESS = "ip address"


SECRETS = frozenset({Kind.API_KEY, Kind.PRIVATE_KEY, Kind.PASSWORD, Kind.TOKEN})
"""Kinds that are taken out under every policy: nobody needs a key to learn what a workload is."""


class Policy(StrEnum):
    """What happens to personal data before anything is stored. Secrets are masked under each of them."""

    KEEP = "keep"
    MASK = "mask"
    HASH = "hash"
    DROP = "drop"


class DataClass(StrEnum):
    """Where the texts of a workload may go."""

    ANY = "any"
    LOCAL_ONLY = "local only"


class Hit(NamedTuple):
    """Where in a text something was found."""

    start: int
    end: int
    kind: Kind


class Checks(Protocol):
    """What a maintained library knows of the world's numbers. Pure: the same arguments give the same answer."""

    def is_valid(self, scheme: str, number: str) -> bool:
        """Whether `number` is one of a scheme such as `gb.nhs`, check digits included."""
        ...

    def is_phone(self, number: str, *, strict: bool) -> bool:
        """Whether this can be dialled: `+` and country code, or as written in one of the chosen regions.

        `strict` accepts a national number only in the groups in which that region writes it.
        """
        ...
