"""A plan in words and short strings, for whoever shows it: the first sentence, the summary below it, one row a workload.

Every figure here is computed from the plan's rows. Text from logs (names of workloads and models) is passed on as it is:
whoever shows it escapes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.core.evidence import Judgement
from fairlead.core.money import people
from fairlead.core.moves import Action, Amount, Move, Plan
from fairlead.core.nouns import Money
from fairlead.core.span import LogSpan

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The first sentence in three parts, so that the amount can be set apart; `str()` joins them."""

    before: str
    amount: str = ""
    after: str = ""

    def __str__(self) -> str:
        return self.before + self.amount + self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One workload in strings. `saving_range`, `difference` and `pairs` are empty where there is nothing to show."""

    name: str
    candidate: str
    category: str
    calls_a_day: str
    today: str
    after: str
    saving: str
    saving_range: str
    difference: str
    pairs: str
    action: Action
    verdict: str
    next: str


def headline(plan: Plan) -> Headline:
    """What to do, in one sentence that somebody who decides about money can read."""
    tally = plan.tally
    if not tally.all:
        return Headline(before="No workloads were found in the log.")
    if not tally.move:
        return Headline(before=_nothing_to_move(plan))
    who = f"Move {_who(tally.move, tally.all)} now"
    saved = [move for move in plan.moves if move.action is Action.MOVE and move.money.saving is not None]
    today, after = plan.today, plan.after
    if not saved or today is None or after is None:
        return Headline(before=f"{who}; what that saves a month is not known yet.")
    unknown = tally.move - len(saved)
    rest = "." if not unknown else f"; what {_of_them(unknown)} is not known yet."
    return Headline(
        before=f"{who} and spend ",
        amount=money(after, plan.currency),
        after=f" a month instead of {money(today, plan.currency)}{rest}",
    )


def lede(plan: Plan) -> tuple[str, ...]:
    """The sentences under the headline."""
    return tuple(_lede(plan))


def _lede(plan: Plan) -> Iterator[str]:
    tally, saving = plan.tally, plan.saving
    if saving is not None and tally.move:
        ends = between(saving, plan.currency)
        yield f"That saves {money(saving, plan.currency)} a month{f' (95 % interval {ends})' if ends else ''}."
    if plan.span_unknown:
        yield f"There are no monthly figures: {plan.span_unknown}."
    if tally.move:
        yield from _others(tally.wait, tally.stay)
    elif plan.today is not None:
        yield f"The log's traffic costs {money(plan.today, plan.currency)} a month today."
    yield from _gaps(plan)
    if any(move.best is not None and move.best.pilot.judgement is not None for move in plan.moves):
        yield "Every interval of a difference below holds however often it was looked at."


def _others(wait: int, stay: int) -> Iterator[str]:
    waiting = f"{wait} more need{'s' if wait == 1 else ''} evidence before anyone should act"
    staying = f"{stay} should stay where {'it is' if stay == 1 else 'they are'}"
    if wait and stay:
        yield f"{waiting}; {staying}."
    elif wait or stay:
        yield f"{waiting if wait else staying}."


def _gaps(plan: Plan) -> Iterator[str]:
    if plan.span_unknown:
        return
    unpriced = sum(move.money.today is None for move in plan.moves)
    if unpriced:
        yield f"{_workloads(unpriced)} {'has' if unpriced == 1 else 'have'} no known spend and {'is' if unpriced == 1 else 'are'} left out of the sums."
    missing = sorted(
        {move.money.after_unknown for move in plan.moves if move.action is Action.MOVE and move.money.after is None}
    )
    if missing:
        yield f"Not known yet: {'; '.join(missing[:3])}."


def _nothing_to_move(plan: Plan) -> str:
    tally = plan.tally
    if tally.stay == tally.all:
        return (
            "Keep your one workload where it is."
            if tally.all == 1
            else f"Keep all {tally.all} workloads where they are."
        )
    if tally.wait == tally.all:
        who = "your one workload needs" if tally.all == 1 else f"all {tally.all} workloads need"
        return f"Move nothing yet: {who} more evidence."
    needs = "needs" if tally.wait == 1 else "need"
    rest = f"{tally.stay} should stay where {'it is' if tally.stay == 1 else 'they are'}"
    return f"Move nothing yet: {tally.wait} of {tally.all} workloads {needs} more evidence, {rest}."


def _who(count: int, of: int) -> str:
    if of == 1:
        return "your one workload"
    if count == of:
        return f"all {of} workloads"
    return f"{count} of {of} workloads"


def _of_them(count: int) -> str:
    return "one of these moves saves" if count == 1 else f"{count} of these moves save"


def _workloads(count: int) -> str:
    return "One workload" if count == 1 else f"{count} workloads"


def rows_for_people(plan: Plan) -> tuple[Row, ...]:
    """One row of strings a workload, in the plan's order."""
    return tuple(_row(move, plan.currency) for move in plan.moves)


def _row(move: Move, currency: str) -> Row:
    judged = move.best.pilot.judgement if move.best else None
    return Row(
        name=move.workload.name,
        candidate=move.best.pilot.candidate if move.best else "",
        category=move.workload.category,
        calls_a_day=UNKNOWN if move.calls_a_day is None else count(move.calls_a_day),
        today=money(move.money.today, currency),
        after=money(move.money.after, currency),
        saving=saving(move.money.saving, currency),
        saving_range=between(move.money.saving, currency),
        difference=difference(judged) if judged else "",
        pairs=f"{judged.n:,}" if judged else "",
        action=move.action,
        verdict=move.reason,
        next=move.next,
    )


def money(amount: Amount | None, currency: str) -> str:
    """An amount a month, or that it is not known."""
    return UNKNOWN if amount is None else people(Money(amount=amount.value, currency=currency), cents=False)


def saving(amount: Amount | None, currency: str) -> str:
    """A saving a month; a negative one is called what it is."""
    if amount is None or amount.value >= 0:
        return money(amount, currency)
    return f"{people(Money(amount=-amount.value, currency=currency), cents=False)} more"


def between(amount: Amount | None, currency: str) -> str:
    """The ends of the interval, or nothing where there is none."""
    if amount is None or amount.low is None or amount.high is None:
        return ""
    low, high = (people(Money(amount=end, currency=currency), cents=False) for end in (amount.low, amount.high))
    return f"{low} to {high}"


def difference(judged: Judgement) -> str:
    """The interval of the difference in points, with a true minus."""
    return f"{signed(judged.low)} to {signed(judged.high)} points"


def signed(share: float) -> str:
    """A share as signed points: `+1.2`, `−3.4`, `0.0`."""
    text = f"{share * 100:+.1f}".replace("-", "−")
    return "0.0" if text in {"+0.0", "−0.0"} else text


def count(number: float) -> str:
    """Calls a day: whole from ten on, and never nothing where there is something."""
    if 0 < number < 0.05:
        return "under 0.1"
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")


def span_words(span: LogSpan | None) -> str:
    """The log's dates and length: `1 Sep to 30 Sep 2026, 29.9 days`."""
    if span is None:
        return "log without dates"
    start, end = span.start, span.end
    last = f"{end.day} {end:%b %Y}"
    if start.date() == end.date():
        return f"{last}, {span.length}"
    first = f"{start.day} {start:%b}" if start.year == end.year else f"{start.day} {start:%b %Y}"
    return f"{first} to {last}, {span.length}"
