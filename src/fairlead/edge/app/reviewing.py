"""Review, wired: a pilot's pairs become items for people, their answers go into the ledger, and what follows is read off.

Rules kept here: both texts are read before anything is shown, so that nothing about a side can be told from how long it
takes; the secret that decides the order lies in the ledger and is in no item, file or record.
"""

from __future__ import annotations

import csv
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from fairlead.core.errors import InputError, LedgerError, UsageError
from fairlead.core.evidence.reviewed import Reviewed, chosen, reviewed
from fairlead.core.evidence.voice import PEOPLE, short
from fairlead.core.ids import plain
from fairlead.core.judge import Shown, shown_pair
from fairlead.core.nouns import Answer, Choice, Estimand, PairRow, PilotDesign, Preference, Workload
from fairlead.core.wire.key import request_key
from fairlead.edge.agreement import agreement, kappa
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.judges import can_be_compared
from fairlead.edge.sources.cells import cells_up_to
from fairlead.pilot.design import candidate_asker, contestants, incumbent_asker
from fairlead.pilot.result import review_words
from fairlead.pilot.review import Place, ReviewItem, item_of, place_of, to_do, token_of

_SECRET = "review.secret"  # noqa: S105 - the name it is kept under
COLUMNS = ("item", "request", "first", "second", "preference")
CELL = 32_000
"""Characters a spreadsheet takes in one cell."""

WORDS: Mapping[str, Choice] = {
    **{choice.value: choice for choice in Choice},
    "first": Choice.FIRST, "second": Choice.SECOND, "same": Choice.SAME, "tie": Choice.SAME, "0": Choice.SAME,
    "unsure": Choice.UNSURE, "skip": Choice.UNSURE,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One pilot being reviewed: its design, pairs and what people said so far."""

    workload: Workload
    design: PilotDesign
    rows: Sequence[PairRow]
    said: Sequence[Preference]

    @property
    def found(self) -> Reviewed:
        """What people have said so far, and what follows."""
        return reviewed(self.design, self.rows, self.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a file of answers: how many were new, how many stood before, how many were blank."""

    new: int
    known: int
    blank: int


def reviews(desk: Desk) -> list[Review]:
    """Every pilot whose pairs people can compare, the newest first."""
    workloads = {workload.id: workload for workload in desk.ledger.workloads()}
    found: list[Review] = []
    for entry in reversed(desk.ledger.pilots()):
        workload = workloads.get(entry.design.workload_id)
        rows = desk.ledger.pairs(entry.id)
        is_about_traffic = entry.design.estimand is Estimand.LIKE_THIS
        if workload is not None and can_be_compared(workload) and rows and is_about_traffic:
            said = desk.ledger.preferences(entry.id)
            found.append(Review(workload=workload, design=entry.design, rows=rows, said=said))
    return found


def review_of(desk: Desk, wanted: str | None, *, pilot: str | None = None) -> Review:
    """The pilot to review: by workload, by pilot, or the only one; of several of a workload the one people were meant for."""
    everything = reviews(desk)
    if pilot is not None:
        everything = [each for each in everything if each.design.id.startswith(pilot)]
    if wanted is not None:
        workload = desk.workload(wanted)
        everything = [each for each in everything if each.workload.id == workload.id]
    if not everything:
        raise UsageError("There are no pairs to look at; run fairlead pilot --people (or --judge) first.")
    meant = [each for each in everything if each.design.reviewing.wanted] or everything
    if wanted is None and pilot is None and len({each.workload.id for each in meant}) > 1:
        names = ", ".join(dict.fromkeys(each.workload.name for each in meant))
        raise UsageError(f"Name the workload to review: {names}.")
    return meant[0]


def again(desk: Desk, review: Review) -> Review:
    """The same review with what has been said and bet on since."""
    return Review(
        workload=review.workload,
        design=review.design,
        rows=desk.ledger.pairs(review.design.id),
        said=desk.ledger.preferences(review.design.id),
    )


def secret(desk: Desk) -> bytes:
    """The secret that decides which side is shown first, made at its first use."""
    kept = desk.ledger.state(_SECRET)
    if not isinstance(kept, str):
        kept = secrets.token_hex(32)
        desk.ledger.set_state(_SECRET, kept)
    return bytes.fromhex(kept)


def items(desk: Desk, review: Review, reviewer: str) -> Iterator[tuple[Place, ReviewItem]]:
    """The items this reviewer is to be shown, each with where its answer belongs (which is not for the reviewer)."""
    key = secret(desk)
    for row in to_do(review.design, review.rows, review.said, reviewer):
        place = place_of(key, review.design.id, row, reviewer)
        shown = shown_of(desk, review.design, row)
        if shown is not None:
            yield place, item_of(token_of(key, review.design.id, place), shown, place.first)


def waiting_for(review: Review, reviewer: str) -> list[PairRow]:
    """The pairs that this reviewer is to be shown."""
    return to_do(review.design, review.rows, review.said, reviewer)


def shown_of(desk: Desk, design: PilotDesign, row: PairRow) -> Shown | None:
    """Both texts of a pair, names taken out; nothing when they have been erased since."""
    try:
        exchange = desk.ledger.exchange(row.pair.exchange_id)
    except LedgerError:
        return None
    key = request_key(exchange.request)
    candidate = desk.ledger.reply(candidate_asker(design), key)
    asker = incumbent_asker(design)
    incumbent: Answer | None = exchange.answer
    if asker is not None:
        again = desk.ledger.reply(asker, key)
        incumbent = None if again is None else again.answer
    if candidate is None or incumbent is None:
        return None
    names = (*contestants(design), exchange.request.model)
    return shown_pair(exchange.request, incumbent, candidate.answer, contestants=names)


def keep(desk: Desk, review: Review, place: Place, choice: Choice) -> bool:
    """Keep an answer at once; whether it was new."""
    return desk.ledger.append_preferences(review.design.id, [place.preference(choice)]) == 1


def record(desk: Desk, review: Review) -> dict[str, Any]:
    """What people have said so far, for machines; the verdict is kept when they have begun to speak."""
    review = again(desk, review)
    found, agreed = review.found, agreement(review.said)
    values: dict[str, Any] = plain(
        {
            "workload": {"id": review.workload.id, "name": review.workload.name},
            "pilot_id": review.design.id,
            "candidate": review.design.candidate.model,
            "judge": None if review.design.judging is None else review.design.judging.name,
            "margin": review.design.margin,
            "block": review.design.reviewing.block,
            "opinions": review.design.reviewing.opinions,
            "pairs": len(review.rows),
            "said": short(found.judgement, PEOPLE),
            "words": review_words(found, review.design),
            **plain(found),
            "agreement": agreed,
            "judge_kappa": judge_kappa(review),
        }
    )
    return values


def judge_kappa(review: Review) -> float | None:
    """Cohen's kappa between what people and the judge lean to, over the pairs that people answered."""
    if review.design.judging is None:
        return None
    first: dict[int, float] = {}
    for each in review.said:
        if each.choice is not Choice.UNSURE:
            first.setdefault(each.position, each.value)
    judged = {row.pair.position: row.judged.preference for row in review.rows if row.judged is not None}
    both = [(value, judged[position]) for position, value in first.items() if position in judged]
    return kappa([one for one, _ in both], [other for _, other in both])


def keep_verdict(desk: Desk, review: Review) -> None:
    """Keep people's verdict on file beside the pilot's, once they have said enough to be heard."""
    review = again(desk, review)
    found = review.found
    if not found.speaks:
        return
    before = [entry.record for entry in desk.ledger.verdicts() if entry.pilot_id == review.design.id]
    if not before or not isinstance(before[-1], dict):
        return
    newest: dict[str, Any] = plain(
        {
            **before[-1],
            "judgement": found.judgement,
            "speaker": PEOPLE,
            "said": short(found.judgement, PEOPLE),
            "words": review_words(found, review.design),
            "people": {"labels": found.labels, "counted": found.counted, "reviewers": len(found.reviewers)},
        }
    )
    if newest != before[-1]:
        desk.ledger.add_verdict(review.design.id, newest)


# Spreadsheets


def export(desk: Desk, review: Review, reviewer: str, path: Path, *, clean: Callable[[str], str]) -> int:
    """Write the items this reviewer is to be shown as CSV, and return how many; `clean` takes out what does harm."""
    text = StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    count = 0
    for _, item in items(desk, review, reviewer):
        cells = [cell(clean(part)) for part in (item.request, item.first, item.second)]
        writer.writerow([item.token, *cells, ""])
        count += 1
    try:
        path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    return count


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula, as long as a cell may be.

    >>> cell("=HYPERLINK(1)"), cell("fine")
    ("'=HYPERLINK(1)", 'fine')
    """
    if len(text) > CELL:
        text = f"{text[: CELL // 2]}\n[… cut …]\n{text[-CELL // 2 + 20 :]}"
    return f"'{text}" if text.lstrip()[:1] in set("=+-@|%\t\r＝＋－＠") else text


def import_answers(desk: Desk, review: Review, reviewer: str, path: Path) -> Imported:
    """Take in a filled-in CSV; the file is read whole before anything is kept."""
    places = {
        token_of(secret(desk), review.design.id, place): place
        for each in chosen(review.design, review.rows)
        for place in (place_of(secret(desk), review.design.id, each.row, reviewer),)
    }
    answers, blank = _answers(path, places, reviewer)
    new = desk.ledger.append_preferences(review.design.id, answers)
    return Imported(new=new, known=len(answers) - new, blank=blank)


def _answers(path: Path, places: Mapping[str, Place], reviewer: str) -> tuple[list[Preference], int]:
    found: dict[str, Preference] = {}
    blank = 0
    for number, row in enumerate(_rows(path), start=2):
        token, said = (row.get("item") or "").strip(), (row.get("preference") or "").strip().casefold().lstrip("'")
        if not said:
            blank += 1
            continue
        if token not in places:
            raise InputError(
                f"{path} line {number}: {token[:40]!r} is no item of this pilot for reviewer {reviewer!r}; import with the "
                "--reviewer the file was exported for."
            )
        if said not in WORDS:
            raise InputError(f"{path} line {number}: {said[:40]!r} is no answer; write 1, 2, same or ?.")
        if token in found:
            raise InputError(f"{path} line {number}: {token} is answered twice.")
        found[token] = places[token].preference(WORDS[said])
    return list(found.values()), blank


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    delimiter = ";" if ";" in text.partition("\n")[0] and "," not in text.partition("\n")[0] else ","
    try:
        with cells_up_to(10_000_000):
            rows = list(csv.DictReader(StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}.") from error
    if not rows or not {"item", "preference"} <= set(rows[0]):
        raise InputError(f"{path} needs the columns item and preference, as fairlead review --export writes them.")
    return rows
