"""What is told while a pilot runs, and the sentences it ends with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairlead.core.evidence import Forecast, Judgement, VerdictKind
from fairlead.core.evidence.voice import short
from fairlead.core.nouns import Money
from fairlead.pilot.bets import Bets
from fairlead.pilot.purse import Purse

REPORT_EVERY_S = 0.2
FORECAST_EVERY_S = 5.0
JUDGED_SHARE = 0.02
"""Of the time between two looks, the most that working out the interval for the screen may take."""
FORECAST_GROWTH = 1.25
"""A forecast costs a tenth of a second, so it is made anew only when there are a quarter more pairs."""

FORECAST_FROM = 20
"""Pairs before the first forecast."""

CONTINUES = "Everything so far is kept; the same command continues."


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A running pilot at one moment.

    `low` and `high` bound the mean difference (candidate minus incumbent) at any time. `requests` and `cost` count
    this pilot's earlier runs too; `cost` is `None` without a price. `waiting` pairs are finished and wait for an
    earlier draw. `rate` is pairs per second in this run, `None` until there are any.
    """

    pairs: int
    n_max: int
    mean: float | None
    low: float
    high: float
    verdict: VerdictKind
    said: str
    requests: int
    cost: Money | None
    forecast: Forecast | None
    in_flight: int
    waiting: int
    failures: int
    refusals: int
    rate: float | None
    elapsed_s: float


class Teller:
    """Calls back with a `Progress`, often enough to look alive and rarely enough to cost little."""

    def __init__(
        self,
        tell: Callable[[Progress], None] | None,
        *,
        clock: Callable[[], float],
        n_max: int,
        speaker: str = "",
    ) -> None:
        """`speaker` is who comes to the verdict, where that is not a grader."""
        self._tell = tell
        self._speaker = speaker
        self._clock = clock
        self._n_max = n_max
        self._began_at = clock()
        self._began_with: int | None = None
        self._told_at = float("-inf")
        self._forecast: Forecast | None = None
        self._forecast_at = float("-inf")
        self._forecast_for = 0
        self._forecasting: asyncio.Task[None] | None = None
        self._judged: Judgement | None = None
        self._judged_at = self._judging_s = 0.0

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What is still being worked out."""
        return [] if self._forecasting is None else [self._forecasting]

    def tell(self, bets: Bets, purse: Purse, *, in_flight: int, now: bool = False) -> None:
        """Call back when it is time, or `now`."""
        if self._tell is None:
            return
        at = self._clock()
        if self._began_with is None:
            self._began_with = bets.evidence.n
        if not now and at - self._told_at < REPORT_EVERY_S:
            return
        self._told_at = at
        self._forecast_anew(bets, at, last=now)
        self._tell(self._progress(bets, purse, in_flight=in_flight, elapsed_s=at - self._began_at, now=now))

    def _judgement(self, bets: Bets, *, anew: bool) -> Judgement:
        """The verdict so far, worked out `anew` or as often as that takes a small share of the time: it grows with the pairs."""
        at = self._clock()
        if self._judged is None or anew or self._judging_s <= JUDGED_SHARE * (at - self._judged_at):
            self._judged = bets.evidence.judgement()
            self._judged_at = self._clock()
            self._judging_s = self._judged_at - at
        return self._judged

    def _progress(self, bets: Bets, purse: Purse, *, in_flight: int, elapsed_s: float, now: bool) -> Progress:
        judgement = self._judgement(bets, anew=now)
        done = bets.evidence.n - (self._began_with or 0)
        return Progress(
            pairs=bets.evidence.n,
            n_max=self._n_max,
            mean=judgement.mean,
            low=judgement.low,
            high=judgement.high,
            verdict=judgement.verdict,
            said=short(judgement, self._speaker),
            requests=purse.requests,
            cost=purse.spent,
            forecast=self._forecast,
            in_flight=in_flight,
            waiting=bets.waiting,
            failures=bets.failures,
            refusals=bets.refusals,
            rate=done / elapsed_s if done and elapsed_s > 0 else None,
            elapsed_s=elapsed_s,
        )

    def _forecast_anew(self, bets: Bets, at: float, *, last: bool) -> None:
        n = bets.evidence.n
        fresh = (
            n < max(FORECAST_FROM, FORECAST_GROWTH * self._forecast_for) or at - self._forecast_at < FORECAST_EVERY_S
        )
        if last or fresh or self._forecasting is not None:
            return
        self._forecast_at, self._forecast_for = at, n
        self._forecasting = asyncio.get_running_loop().create_task(self._forecast_by(bets.evidence.forecaster()))

    async def _forecast_by(self, forecaster: Callable[[], Forecast]) -> None:
        try:
            self._forecast = await asyncio.to_thread(forecaster)
        finally:
            self._forecasting = None


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{1,60}")
_SAID_BY_EVERYONE = frozenset({"model", "messages", "input", "tools", "stream"})


def refused_parameters(details: Sequence[str], sent: Sequence[str]) -> tuple[str, ...]:
    """The names among the `sent` parameters that the endpoint's words mention.

    >>> refused_parameters(["Unrecognized request argument supplied: logit_bias"], ["messages", "logit_bias", "seed"])
    ('logit_bias',)
    """
    mentioned = {word for detail in details for word in _NAME.findall(detail)}
    return tuple(name for name in sorted(sent) if name in mentioned and name not in _SAID_BY_EVERYONE)


def all_refused(details: Sequence[str], sent: Sequence[str], model: str) -> str:
    """Why a pilot paused whose first answers were all refused."""
    names = refused_parameters(details, sent)
    said = f"{model} refused the first {len(details)} requests: {details[0] or 'no reason given'}"
    if not names:
        return f"{_sentence(said)} Nothing was scored. {CONTINUES}"
    hint = " ".join(f"--drop {name}" for name in names)
    return f"{_sentence(said)} Leave out what it does not know with {hint}. Nothing was scored."


def outage(count: int, detail: str, model: str) -> str:
    """Why a pilot paused after many failures in a row."""
    said = f"{model} failed {count} requests in a row: {detail or 'no reason given'}"
    return f"{_sentence(said)} They are scored as failures; see to the endpoint first. {CONTINUES}"


def mute(judge: str, details: Sequence[str], *, counted: bool) -> str:
    """Why a pilot paused whose judge gave no verdict that could be read, time after time."""
    said = (
        f"Judge {judge} gave no readable verdict on {len(details)} pairs in a row: {details[-1] or 'no reason given'}"
    )
    rest = "They are counted as no preference; see to the judge first." if counted else "Nothing was counted."
    return f"{_sentence(said)} {rest} {CONTINUES}"


def unusable(error: str, pairs: int) -> str:
    """Why a pilot paused when an endpoint cannot be used."""
    return f"{_sentence(error)} Paused after {pairs} pairs; nothing unanswered was scored. {CONTINUES}"


def over_budget(budget: object, currency: str | None, pairs: int) -> str:
    """Why a pilot stopped under its cap."""
    unit = f"{budget} {currency}" if currency else f"{budget} requests (no price is known, so the cap counts requests)"
    return f"The next request could pass the budget of {unit}; stopped after {pairs} pairs. A larger budget continues."


def ran_out(pairs: int, more: int | None, skipped: int) -> str:
    """Why a pilot is undecided though nothing is left to draw."""
    need = (
        f"about {more} more distinct requests are needed"
        if more
        else "more than 20000 more distinct requests are needed"
    )
    beside = f" ({skipped} repeats and further turns of the same conversations were passed over)" if skipped else ""
    return f"All {pairs} distinct requests are used{beside}; {need}. Scan more traffic, or ask about --window."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
