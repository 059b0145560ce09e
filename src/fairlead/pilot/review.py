"""What a person is shown of a pair, and how the answer finds its way back. Pure.

Rules kept: an item holds the request, two texts, and a token, and nothing else that came from anywhere; which side is the
first one is decided by a secret that no reviewer has, anew for each reviewer; the token is made from the same secret, and
tells nothing without it.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from fairlead.core.evidence.reviewed import Chosen, chosen
from fairlead.core.judge import Shown
from fairlead.core.nouns import Choice, PairRow, PilotDesign, Preference, Side

OVERLAP = 5
"""Of so many blocks one is shown to everybody, so that it can be told how far people agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """All that a reviewer is sent: a token to answer with, the request, and two answers."""

    token: str
    request: str
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an answer belongs: the pair, and which side was shown first to this reviewer."""

    position: int
    exchange_id: str
    reviewer: str
    first: Side

    def preference(self, choice: Choice) -> Preference:
        """The answer as it is kept."""
        return Preference(
            position=self.position,
            exchange_id=self.exchange_id,
            reviewer=self.reviewer,
            choice=choice,
            first=self.first,
        )


def to_do(design: PilotDesign, rows: Sequence[PairRow], said: Iterable[Preference], reviewer: str) -> list[PairRow]:
    """The pairs this reviewer is to be shown: those that need an answer, then those that everybody is shown."""
    answered: dict[int, set[str]] = {}
    for each in said:
        answered.setdefault(each.position, set()).add(each.reviewer)
    open_ones = [
        (number, each)
        for number, each in enumerate(chosen(design, rows))
        if each.by_rule is None and reviewer not in answered.get(each.row.pair.position, ())
    ]
    needed = [each.row for _, each in open_ones if _wants(design, each, answered)]
    shared = [each.row for number, each in open_ones if number % OVERLAP == 0 and not _wants(design, each, answered)]
    return needed + shared


def _wants(design: PilotDesign, each: Chosen, answered: Mapping[int, set[str]]) -> bool:
    return len(answered.get(each.row.pair.position, ())) < design.reviewing.opinions


def place_of(secret: bytes, pilot_id: str, row: PairRow, reviewer: str) -> Place:
    """Where a pair's answer belongs, with the side that this reviewer sees first: a fair coin that the secret throws."""
    coin = _keyed(secret, "first", pilot_id, row.pair.position, reviewer)[0] & 1
    return Place(
        position=row.pair.position,
        exchange_id=row.pair.exchange_id,
        reviewer=reviewer,
        first="candidate" if coin else "incumbent",
    )


def token_of(secret: bytes, pilot_id: str, place: Place) -> str:
    """What an item is called: letters and digits that a spreadsheet leaves as they are."""
    raw = _keyed(secret, "token", pilot_id, place.position, place.reviewer)
    return "item-" + b32encode(raw[:10]).decode("ascii").lower()


def item_of(token: str, shown: Shown, first: Side) -> ReviewItem:
    """What a reviewer is sent."""
    one, other = (shown.candidate, shown.incumbent) if first == "candidate" else (shown.incumbent, shown.candidate)
    return ReviewItem(token=token, request=shown.request, first=one, second=other)


def _keyed(secret: bytes, what: str, pilot_id: str, position: int, reviewer: str) -> bytes:
    message = "\x1f".join((what, pilot_id, str(position), reviewer)).encode("utf-8", "surrogatepass")
    return blake2b(message, key=secret, digest_size=16).digest()
