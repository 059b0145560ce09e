"""Puts the workloads in order: what to move now, what to wait for, what to leave.

The list "move these now" is chosen by e-BH over all declared workload × candidate questions, from their current
e-values, so that at most 5 % of its entries are expected to be wrong however many were asked. Rules kept here:

- Everything declared counts, also what never got a pair (its e-value is 1) and what is out of date (1 again).
- The list that is shown is itself consistent: each entry's e-value reaches K / (alpha x entries shown). Leaving out a
  candidate that is dearer, or a second one for the same workload, shortens the list, so the rest is checked again.
- A single verdict keeps its own interval; only the list needs the stronger proof.
- Rows are ordered by what the verdict allows (move, wait, stay), then by saving a month; unknown savings come last, by spend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from fairlead.core.evidence import e_bh
from fairlead.core.grade import is_agreement
from fairlead.core.money import Rates
from fairlead.core.moves import Action, Forecasted, Move, Option, PilotFacts, Plan, Skipped, WorkloadFacts
from fairlead.core.span import LogSpan
from fairlead.plan.advice import Case, advise
from fairlead.plan.economics import METHOD, calls_a_day, forecasted, span_problem

AGREEMENT = (
    "Graded by agreement with the incumbent's answers: likeness, not quality. Where the incumbent is wrong, a candidate that "
    "is right disagrees."
)
_NOTHING = float("-inf")
_RANK: Mapping[Action, int] = {Action.MOVE: 0, Action.WAIT: 1, Action.STAY: 2}


def order(
    workloads: Sequence[WorkloadFacts],
    pilots: Sequence[PilotFacts],
    *,
    made_at: datetime,
    span: LogSpan | None,
    rates: Rates | None = None,
    alpha: float = 0.05,
    skipped: Sequence[Skipped] = (),
    price_notes: Sequence[str] = (),
    simulated: bool = False,
) -> Plan:
    """The plan for these workloads, from every declared pilot; `rates` convert to the plan's currency (USD without)."""
    rates = rates or Rates()
    known = {workload.id: workload for workload in workloads}
    asked = [pilot for pilot in pilots if pilot.workload_id in known]
    money = [forecasted(known[pilot.workload_id], pilot, span=span, rates=rates) for pilot in asked]
    listed = chosen(asked, money, alpha=alpha)
    options = [
        _option(
            Case(
                pilot=pilot,
                money=paid,
                listed=on_list,
                entries=sum(listed),
                declared=len(asked),
                alpha=alpha,
                currency=rates.to,
            )
        )
        for pilot, paid, on_list in zip(asked, money, listed, strict=True)
    ]
    moves = [
        _move(workload, [o for o in options if o.pilot.workload_id == workload.id], span=span, rates=rates)
        for workload in workloads
    ]
    return Plan(
        made_at=made_at,
        moves=tuple(sorted(moves, key=_place)),
        declared=len(asked),
        span=span,
        span_unknown=span_problem(span),
        alpha=alpha,
        rates=rates,
        method=METHOD,
        price_notes=tuple(price_notes),
        skipped=tuple(skipped),
        simulated=simulated,
    )


def chosen(pilots: Sequence[PilotFacts], money: Sequence[Forecasted], *, alpha: float) -> list[bool]:
    """Which questions go under "move these now": at most one a workload, every entry strong enough for the list shown."""
    worth = [_log_e(pilot) if _eligible(pilot, paid) else _NOTHING for pilot, paid in zip(pilots, money, strict=True)]
    first = _picked(pilots, money, _bh(worth, alpha))
    kept = _bh([e if on else _NOTHING for e, on in zip(worth, first, strict=True)], alpha)
    lost = {pilot.workload_id for pilot, was, is_on in zip(pilots, first, kept, strict=True) if was and not is_on}
    if not lost:
        return kept
    second = _strongest(pilots, worth, kept, lost)
    return _bh([e if on else _NOTHING for e, on in zip(worth, second, strict=True)], alpha)


def _bh(log_e: Sequence[float], alpha: float) -> list[bool]:
    return e_bh(log_e, alpha) if log_e else []


def _eligible(pilot: PilotFacts, money: Forecasted) -> bool:
    """Whether it may be listed at all: it stands, it is proven by itself, and it is not known to cost more."""
    judged = pilot.judgement
    proven = judged is not None and judged.replace_ok and not judged.conflict
    return proven and not pilot.out_of_date and (money.saving is None or money.saving.value >= 0)


def _log_e(pilot: PilotFacts) -> float:
    return _NOTHING if pilot.judgement is None else pilot.judgement.log_e_replace


def _picked(pilots: Sequence[PilotFacts], money: Sequence[Forecasted], on: Sequence[bool]) -> list[bool]:
    """Of several listed candidates for one workload, the one that saves most; without a price, the one best proven."""
    best: dict[str, int] = {}
    for place, pilot in enumerate(pilots):
        rival = best.get(pilot.workload_id)
        if on[place] and (rival is None or _worth(pilot, money[place]) > _worth(pilots[rival], money[rival])):
            best[pilot.workload_id] = place
    return [place in best.values() for place in range(len(pilots))]


def _worth(pilot: PilotFacts, money: Forecasted) -> tuple[bool, Decimal, float]:
    saving = money.saving
    return saving is not None, saving.value if saving is not None else Decimal(0), _log_e(pilot)


def _strongest(
    pilots: Sequence[PilotFacts], worth: Sequence[float], kept: Sequence[bool], lost: Iterable[str]
) -> list[bool]:
    """What was kept, and for each workload that fell off its best-proven candidate instead of the one that saves most."""
    second = list(kept)
    for workload_id in sorted(lost):
        places = [place for place, pilot in enumerate(pilots) if pilot.workload_id == workload_id]
        second[max(places, key=lambda place: worth[place])] = True
    return second


def _option(case: Case) -> Option:
    advice = advise(case)
    return Option(
        pilot=case.pilot,
        action=advice.action,
        reason=advice.reason,
        next=advice.next,
        money=case.money,
        listed=case.listed,
    )


def _move(workload: WorkloadFacts, options: Sequence[Option], *, span: LogSpan | None, rates: Rates) -> Move:
    ranked = sorted(options, key=_option_place)
    best = ranked[0] if ranked else None
    return Move(
        workload=workload,
        action=best.action if best else Action.WAIT,
        reason=best.reason if best else "no pilot yet",
        next=best.next if best else "pilot it: fairlead pilot NAME --endpoint URL --model MODEL",
        money=best.money if best else forecasted(workload, None, span=span, rates=rates),
        calls_a_day=calls_a_day(workload, span),
        best=best,
        others=tuple(ranked[1:]),
        notes=tuple(_notes(workload, best)),
    )


def _notes(workload: WorkloadFacts, best: Option | None) -> Iterable[str]:
    if workload.costs and workload.unknown_costs:
        why = f" ({'; '.join(workload.unknown_reasons[:3])})" if workload.unknown_reasons else ""
        yield (
            f"{workload.unknown_costs:,} of {workload.by_incumbent:,} calls have no known cost{why}; "
            "they are left out of both sides."
        )
    if workload.costs and workload.by_candidate:
        yield (
            f"{workload.by_candidate:,} of {workload.calls:,} calls were answered by a candidate through the gateway; today is what "
            "they would cost at the incumbent."
        )
    if best is not None and is_agreement(best.pilot.grader):
        yield AGREEMENT
    if workload.assumed_dates:
        yield f"{workload.assumed_dates:,} calls carry no usable date and were priced as of today."
    if workload.costs and 0 < len(workload.daily_calls) < 3:
        yield "Fewer than three full days of log: day-to-day variation is not known, so there is no interval."
    side = best.pilot.candidate_side if best else None
    if side is not None and side.costs and side.unknown_costs:
        yield f"{side.unknown_costs:,} of {side.answers:,} candidate answers reported no tokens; counted at the mean."


def _option_place(option: Option) -> tuple[bool, int, bool, bool, Decimal, float]:
    """Best first: what may be done, then what is proven, then what saves most, then the stronger evidence.

    A pilot that has no pair yet (its address was mistyped, say) comes after every one that has, whatever those say.
    """
    judged, saving = option.pilot.judgement, option.money.saving
    return (
        judged is None or not judged.n,
        _RANK[option.action],
        not (judged is not None and judged.replace_ok),
        saving is None,
        Decimal(0) if saving is None else -saving.value,
        -(judged.log_e_replace if judged is not None else 0.0),
    )


def _place(move: Move) -> tuple[int, bool, Decimal, Decimal, str]:
    saving, today = move.money.saving, move.money.today
    return (
        _RANK[move.action],
        saving is None,
        Decimal(0) if saving is None else -saving.value,
        Decimal(0) if today is None else -today.value,
        move.workload.name,
    )
