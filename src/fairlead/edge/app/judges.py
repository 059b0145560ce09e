"""Judges, wired: who may judge what, where the texts go for it, what it costs, and the connections.

Rules kept here: a judge is no kin of either contestant unless that is forced and written down; the texts of a workload
that must stay here are shown to no judge elsewhere; what the judges are told is hashed into the design.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from fairlead.core.errors import InputError, UsageError
from fairlead.core.ids import digest, plain
from fairlead.core.judge import PEOPLE, PairGrader, Rubric, families_of, kin, rubric_for
from fairlead.core.money import cost
from fairlead.core.nouns import (
    Combine,
    Endpoint,
    ExchangeRow,
    Judge,
    Judging,
    Money,
    PilotDesign,
    Reviewing,
    TokenPrice,
    Workload,
)
from fairlead.core.ports import Ask
from fairlead.core.redact import DataClass
from fairlead.edge.app.desk import Desk
from fairlead.edge.clients.address import address, is_local
from fairlead.edge.clients.http import Endpoint as Connection
from fairlead.edge.clients.http import judge_endpoint
from fairlead.pilot import controls
from fairlead.pilot.judge import expected_usage

LONGEST_RUBRIC = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The judges that were asked for, and how. `rubric` are the user's own words, in the place of ours."""

    judges: tuple[Judge, ...]
    combine: Combine = Combine.MEAN
    rubric: str | None = None
    forced: bool = False
    controls: int = 0
    verbosity: int = 0

    def rubric_for(self, workload: Workload) -> Rubric:
        """What counts in this workload."""
        return rubric_for(workload.guess.category, self.rubric)

    def judging(self, workload: Workload) -> Judging:
        """Who judges this workload, and by what words, as the design keeps it."""
        prompt = self.rubric_for(workload).hash
        return Judging(judges=self.judges, combine=self.combine, prompt=prompt, forced=self.forced)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What judging takes at most: requests, and what they cost where the prices are known."""

    requests: int
    cost: Money | None


def grader_of(panel: Panel | None, workload: Workload) -> PairGrader:
    """Names the judges, or people, where a grader is asked for."""
    return PairGrader(id=PEOPLE if panel is None else panel.judging(workload).grader)


def reviewing_of(desk: Desk, panel: Panel | None, *, wanted: bool) -> Reviewing:
    """Which pairs people will be shown: one in a block where a judge sees them all, else every one."""
    settings = desk.settings.judging
    return Reviewing(block=settings.block if panel is not None else 1, opinions=settings.opinions, wanted=wanted)


def can_be_compared(workload: Workload) -> bool:
    """Whether two answers can be laid side by side: texts can, vectors cannot."""
    return workload.endpoint is Endpoint.CHAT


def admit(desk: Desk, panel: Panel, workload: Workload, *, candidate: str, incumbents: Iterable[str]) -> None:
    """Refuse judges that may not judge this workload, in one line."""
    if not can_be_compared(workload):
        raise UsageError(f"{workload.name!r} answers with vectors, which no judge can compare.")
    for judge in panel.judges:
        _refuse_elsewhere(desk, judge, workload)
        if not panel.forced:
            _refuse_kin(judge, workload, candidate=candidate, incumbents=incumbents)


def _refuse_elsewhere(desk: Desk, judge: Judge, workload: Workload) -> None:
    at = address(judge.endpoint)
    if desk.data_class(workload) is DataClass.LOCAL_ONLY and not is_local(at):
        raise UsageError(
            f"{workload.name!r} is {DataClass.LOCAL_ONLY}, and the judge {judge.model} is at {at.host}; name a judge on a "
            "machine of your own, or leave this workload out."
        )


def _refuse_kin(judge: Judge, workload: Workload, *, candidate: str, incumbents: Iterable[str]) -> None:
    found = kinship(judge, workload, candidate=candidate, incumbents=incumbents)
    if found:
        raise UsageError(f"{found} Name another judge, or pass --force-judge.")


def kinship(judge: Judge, workload: Workload, *, candidate: str, incumbents: Iterable[str]) -> str:
    """Whose family a judge shares with a contestant, in a sentence; nothing where none is known."""
    for contestant, role in ((candidate, "the candidate"), *((model, "the incumbent") for model in incumbents)):
        family = kin(judge.model, contestant, declared=judge.family)
        if family is not None:
            return (
                f"The judge {judge.model} is of {family}'s family, and so is {role} {contestant} of {workload.name!r}; models "
                "prefer their own kind."
            )
    return ""


def unknown_families(panel: Panel) -> list[str]:
    """Judges whose name tells of no family, so that kinship could not be looked for."""
    return [judge.model for judge in panel.judges if not families_of(judge.model, judge.family)]


def prices(desk: Desk, panel: Panel) -> tuple[TokenPrice | None, ...]:
    """What each judge costs: as its settings say, or as the price list knows it at its host."""
    return tuple(
        judge.price or desk.own_prices.get(judge.model) or desk.prices.price_at(judge.endpoint, judge.model, desk.now)
        for judge in panel.judges
    )


def fees(rows: Sequence[ExchangeRow], known: Sequence[TokenPrice | None], pairs: int) -> Fees:
    """What judging `pairs` of these costs: two questions to each judge; unknown when one price is, or two currencies."""
    requests = 2 * len(known) * pairs
    currencies = {price.currency for price in known if price is not None}
    if not rows or len(currencies) != 1 or any(price is None for price in known):
        return Fees(requests=requests, cost=None)
    paid = [
        money.amount
        for price in known
        if price is not None
        for row in rows
        if (money := cost(expected_usage(row.usage), price)) is not None
    ]
    amount = sum(paid, Decimal(0)) / len(rows) * 2 * pairs if paid else None
    return Fees(
        requests=requests,
        cost=None if amount is None else Money(amount=amount, currency=currencies.pop()),
    )


def rubric_file(path: Path) -> str:
    """The user's own words for the judges."""
    try:
        words = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The rubric {path} cannot be read: {error}.") from error
    if not words or len(words) > LONGEST_RUBRIC:
        raise InputError(f"The rubric {path} must hold 1 to {LONGEST_RUBRIC:,} characters, not {len(words):,}.")
    return words


async def connected(stack: AsyncExitStack, judges: Sequence[Judge], *, timeout_s: float) -> list[Connection]:
    """The judges' endpoints, with their keys from the environment; closed with the stack."""
    return [
        await stack.enter_async_context(judge_endpoint(judge, environ=os.environ, timeout_s=timeout_s))
        for judge in judges
    ]


async def tested(
    desk: Desk,
    panel: Panel,
    design: PilotDesign,
    workload: Workload,
    rows: Sequence[ExchangeRow],
    *,
    ask: Ask,
    ask_judges: Sequence[Ask],
    known: tuple[TokenPrice | None, ...],
    budget: Decimal | None,
    concurrency: int,
) -> dict[str, Any] | None:
    """What the controls found about these judges: once for each judge and rubric, kept; refused when they are not blind."""
    if design.judging is None or not (panel.controls or panel.verbosity):
        return None
    name = f"judge.controls.{design.grader}"
    kept = desk.ledger.state(name)
    if not isinstance(kept, dict):
        chosen = control_rows(design, rows, max(panel.controls, panel.verbosity))
        found = await controls.run(
            design,
            design.judging,
            exchanges=[desk.ledger.exchange(row.id) for row in chosen],
            ask=ask,
            ask_judges=ask_judges,
            rubric=panel.rubric_for(workload),
            ledger=desk.ledger,
            alike=panel.controls,
            verbosity=panel.verbosity,
            prices=known,
            budget=budget,
            concurrency=concurrency,
        )
        kept = {**plain(found), "holds": found.alike.holds}
        desk.ledger.set_state(name, {**kept, "requests": 0, "spent": None})
    if not kept["holds"]:
        raise UsageError(not_blind(design.judging, kept))
    return kept


def control_rows(design: PilotDesign, rows: Sequence[ExchangeRow], count: int) -> list[ExchangeRow]:
    """Distinct requests for the controls, in a random order of their own."""
    ordered = sorted(rows, key=lambda row: digest(["controls", design.seed, row.id]))
    return list({row.request_key: row for row in reversed(ordered)}.values())[::-1][:count]


def not_blind(judging: Judging, found: Mapping[str, Any]) -> str:
    """Why a judge is not let in that prefers one of two answers of the same model."""
    alike = found["alike"]
    return (
        f"{judging.name} prefers one of two answers of the same model ({100 * alike['low']:+.1f} to {100 * alike['high']:+.1f} points "
        f"over {alike['pairs']} pairs), so something tells it which is which; no pilot was begun. --controls 0 --verbosity 0 leaves out the test."
    )
