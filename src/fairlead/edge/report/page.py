"""What the page shows, as plain strings and marks, computed from a plan; the template only places them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairlead.core.evidence import Judgement
from fairlead.core.evidence.judges import Steadiness
from fairlead.core.evidence.reviewed import Reviewed
from fairlead.core.evidence.voice import PEOPLE
from fairlead.core.money import CostSummary, people, people_each
from fairlead.core.moves import Action, Move, Option, PilotFacts, Plan, SideFacts
from fairlead.core.nouns import Money
from fairlead.core.telling import between, count, money, rows_for_people, saving, signed
from fairlead.edge.report import marks
from fairlead.edge.report.text import shown

_SIGNS: Mapping[Action, str] = {Action.MOVE: "●", Action.WAIT: "◐", Action.STAY: "○"}
_DASH = "–"
_MOST_NAMES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What the marks of the table share: how far they reach, and the margin where all rows have the same."""

    reach: float
    marks: bool
    margin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """One row of the plan's table."""

    name: str
    category: str
    candidate: str
    calls_a_day: str
    today: str
    today_native: str
    after: str
    after_native: str
    saving: str
    saving_range: str
    mark: Markup | None
    pairs: str
    tone: str
    sign: str
    action: str
    verdict: str
    next: str
    anchor: str
    truth: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalView:
    """The row below the table."""

    calls_a_day: str
    today: str
    after: str
    saving: str
    saving_range: str
    pairs: str
    tally: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SideView:
    """One line of the table that sets both sides against each other."""

    what: str
    incumbent: str
    candidate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisView:
    """One thing a verdict rests on."""

    what: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherView:
    """Another candidate for the same workload."""

    candidate: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionView:
    """What is shown of one piloted workload below the table."""

    anchor: str
    name: str
    tone: str
    sign: str
    action: str
    says: str
    notes: tuple[str, ...]
    chart: Markup | None
    pairs: str
    incumbent: str
    candidate: str
    sides: tuple[SideView, ...]
    others: tuple[OtherView, ...]
    basis: tuple[BasisView, ...]


def scale(plan: Plan) -> Scale:
    """The scale of the table's marks."""
    pilots = [move.best.pilot for move in plan.moves if _judged(move) is not None and move.best is not None]
    ends = [end for pilot in pilots if pilot.judgement for end in (pilot.judgement.low, pilot.judgement.high)]
    margins = {pilot.margin for pilot in pilots}
    return Scale(
        reach=marks.reach([*ends, *margins]),
        marks=bool(pilots),
        margin=signed(-margins.pop()).removesuffix(".0") if len(margins) == 1 else "",
    )


def rows(plan: Plan, shared: Scale, truth: Mapping[str, str]) -> list[RowView]:
    """The rows of the table, in the plan's order."""
    told = zip(plan.moves, rows_for_people(plan), strict=True)
    return [
        RowView(
            name=shown(row.name) or "(no name)",
            category=shown(row.category),
            candidate=shown(row.candidate),
            calls_a_day=row.calls_a_day,
            today=row.today,
            today_native=_native(move.money.today_native, plan.currency),
            after=row.after if move.best else _DASH,
            after_native=_native((move.money.after_native,) if move.money.after_native else (), plan.currency),
            saving=row.saving if move.best else _DASH,
            saving_range=row.saving_range,
            mark=_mark(move, shared),
            pairs=row.pairs or _DASH,
            tone=move.action,
            sign=_SIGNS[move.action],
            action=move.action,
            verdict=shown(row.verdict, longest=200),
            next="" if move.action is Action.MOVE and move.money.saving is not None else shown(row.next, longest=200),
            anchor=_anchor(place) if _has_section(move) else "",
            truth=shown(truth.get(move.workload.id, _DASH)),
        )
        for place, (move, row) in enumerate(told)
    ]


def totals(plan: Plan) -> TotalView:
    """The sums of the rows."""
    tally, calls = plan.tally, [move.calls_a_day for move in plan.moves if move.calls_a_day is not None]
    judged = [_judged(move) for move in plan.moves]
    return TotalView(
        calls_a_day=count(sum(calls)) if calls else "unknown",
        today=money(plan.today, plan.currency),
        after=money(plan.after, plan.currency),
        saving=money(plan.saving, plan.currency) if tally.move else _DASH,
        saving_range=between(plan.saving, plan.currency),
        pairs=f"{sum(j.n for j in judged if j is not None):,}",
        tally=f"{tally.move} move, {tally.wait} wait, {tally.stay} stay",
    )


def sections(plan: Plan) -> list[SectionView]:
    """One section for each workload with pairs, in the plan's order."""
    return [_section(move, _anchor(place), plan) for place, move in enumerate(plan.moves) if _has_section(move)]


def _section(move: Move, anchor: str, plan: Plan) -> SectionView:
    assert move.best is not None
    pilot = move.best.pilot
    judged = pilot.judgement
    assert judged is not None
    name = shown(move.workload.name) or "(no name)"
    return SectionView(
        anchor=anchor,
        name=name,
        tone=move.action,
        sign=_SIGNS[move.action],
        action=move.action,
        says=" ".join(_says(move.best, judged)),
        notes=tuple(shown(note, longest=300) for note in move.notes),
        chart=marks.evidence(pilot.steps, margin=pilot.margin, decided_at=pilot.decided_at, name=name)
        if pilot.steps
        else None,
        pairs=f"{judged.n:,}",
        incumbent=_names(pilot.incumbent_models) or "incumbent",
        candidate=shown(pilot.candidate),
        sides=tuple(_sides(pilot)),
        others=tuple(OtherView(candidate=shown(o.pilot.candidate), says=_other(o, plan.currency)) for o in move.others),
        basis=tuple(
            BasisView(what=what, value=shown(value, longest=300)) for what, value in _basis(pilot, judged) if value
        ),
    )


def _says(best: Option, judged: Judgement) -> Iterator[str]:
    """The verdict in sentences."""
    pilot = best.pilot
    if pilot.decided_at is not None:
        more = judged.n - pilot.decided_at
        yield f"After {pilot.decided_at:,} pairs the margin was decided" + (
            f"; {more:,} more were counted." if more else "."
        )
    sure = f"{1 - pilot.alpha:.0%}".replace("%", " %")
    yield _measured(pilot, judged, sure)
    yield f"Verdict: {shown(best.reason, longest=200)}."
    if best.action is not Action.MOVE or best.money.saving is None:
        yield f"Next: {shown(best.next, longest=200)}."
    forecast = pilot.forecast
    if forecast is not None and forecast.median and best.action is Action.WAIT and not judged.replace_ok:
        yield (
            f"As things look, it ends with the candidate good enough in {forecast.p_replace:.0%} of cases, "
            f"with the incumbent ahead by more than the margin in {forecast.p_worse:.0%}."
        )


def _measured(pilot: PilotFacts, judged: Judgement, sure: str) -> str:
    """What was measured, by whom; a judge's preference is called that and nothing more."""
    mean, ends = signed(judged.mean or 0.0), f"between {signed(judged.low)} and {signed(judged.high)}"
    if not pilot.speaker:
        return (
            f"On {pilot.estimand} the candidate is {mean} points from the incumbent, with {sure} "
            f"confidence {ends}: better on {judged.wins:,} requests, worse on {judged.losses:,}, the same on {judged.ties:,}."
        )
    if pilot.reviewed is not None and pilot.speaker == PEOPLE:
        return _said_by_people(pilot, pilot.reviewed, judged, ends=ends, mean=mean, sure=sure)
    return (
        f"On {pilot.estimand} the net preference of {shown(pilot.speaker, longest=120)} for the candidate is {mean} points, with {sure} "
        f"confidence {ends}: for the candidate on {judged.wins:,} requests, for the incumbent on {judged.losses:,}, for neither "
        f"on {judged.ties:,}."
        + ("" if pilot.speaker == PEOPLE else " This is what a judge prefers; no person has said so.")
    )


def _said_by_people(pilot: PilotFacts, found: Reviewed, judged: Judgement, *, ends: str, mean: str, sure: str) -> str:
    """What people prefer, and who helped them."""
    helped = ""
    if pilot.judges is not None:
        names = ", ".join(judge.judge for judge in pilot.judges.judges)
        helped = (
            f" Judge {shown(names, longest=100)} helped with a weight of {found.judge_weight:.2f}; its bias cancels."
        )
    who = "1 person" if len(found.reviewers) == 1 else f"{len(found.reviewers)} people"
    return (
        f"On {pilot.estimand} the net preference of people for the candidate is {mean} points, with {sure} confidence {ends}: "
        f"{who} looked at {found.shown:,} pairs without knowing whose answers they were; for the candidate on {judged.wins:,}, "
        f"for the incumbent on {judged.losses:,}, for neither on {judged.ties:,}.{helped}"
    )


def _other(option: Option, currency: str) -> str:
    judged, amount = option.pilot.judgement, option.money.saving
    pairs = f"{judged.n:,} pairs, " if judged is not None else ""
    kept = "" if amount is None else f", {'saves' if amount.value >= 0 else 'costs'} {saving(amount, currency)} a month"
    return f"{pairs}{shown(option.reason, longest=200)} ({option.action}){kept}"


def _sides(pilot: PilotFacts) -> Iterator[SideView]:
    incumbent, candidate = pilot.incumbent_side, pilot.candidate_side
    if incumbent is None or candidate is None:
        return
    for what, view in _LINES:
        what = "Preferred in" if what == "Mean grade" and pilot.speaker else what  # noqa: PLW2901
        yield SideView(what=what, incumbent=view(incumbent), candidate=view(candidate))


def _share(value: float | None) -> str:
    return _DASH if value is None else f"{value:.1%}".replace("%", " %")


def _seconds(value: float | None) -> str:
    return _DASH if value is None else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def _tokens(value: float | None) -> str:
    return _DASH if value is None else f"{value:,.0f}"


def _of(number: int, answers: int) -> str:
    return f"{number:,}" if not number or not answers else f"{number:,} ({number / answers:.1%})".replace("%", " %")


def _cost(costs: tuple[CostSummary, ...]) -> str:
    """Cost of a thousand requests, which reads better than that of one."""
    if not costs:
        return "unknown"
    return people_each(Money(amount=each.mean * 1000, currency=each.currency) for each in costs)


_LINES: Sequence[tuple[str, Callable[[SideFacts], str]]] = (
    ("Mean grade", lambda side: _share(side.score)),
    ("Latency p50", lambda side: _seconds(side.latency_p50_s)),
    ("Latency p95", lambda side: _seconds(side.latency_p95_s)),
    ("Input tokens", lambda side: _tokens(side.input_tokens)),
    ("Output tokens", lambda side: _tokens(side.output_tokens)),
    ("Failed answers", lambda side: _of(side.failures, side.answers)),
    ("Refusals", lambda side: _of(side.refusals, side.answers)),
    ("Cost of 1,000 requests", lambda side: _cost(side.costs)),
)


def _basis(pilot: PilotFacts, judged: Judgement) -> Iterator[tuple[str, str]]:
    yield "Candidate", f"{pilot.candidate} at {pilot.host}" if pilot.host else pilot.candidate
    yield "Candidate settings", pilot.settings
    yield "Answered as", _names(pilot.candidate_models)
    yield "Incumbent", _names(pilot.incumbent_models) + (", asked again" if pilot.reasked else ", answers as logged")
    yield "Grader", pilot.grader
    yield "Judges", _judges(pilot)
    yield "Expected answers", f"labels file {pilot.labels_hash}" if pilot.labels_hash else ""
    yield "Margin", f"{signed(-pilot.margin)} points; any false statement in at most {100 * pilot.alpha:g} % of pilots"
    yield "Engine", pilot.engine
    yield "One bet for each", pilot.cluster
    for segment in judged.segments:
        yield (
            f"Segment {segment.label} = {shown(segment.value)}",
            f"{segment.state}: {signed(segment.low)} to {signed(segment.high)} points after {segment.n:,} pairs, floor {signed(-segment.floor)}",
        )
    yield "About", str(pilot.estimand)
    yield "Log", _dates(pilot)
    yield "Prompt versions", _names(pilot.prompt_ids)
    yield "Attempts per request", _attempts(pilot.candidate_side)
    yield "Price of the candidate", _price(pilot)
    yield "Evidence", f"e-value {_e_value(judged.log_e_replace)} against “worse by the margin or more”"
    yield "Pilot", f"{pilot.pilot_id}, seed {pilot.seed}, at most {pilot.n_max:,} pairs"


def _judges(pilot: PilotFacts) -> str:
    """What can be told about the judges from the pairs they judged."""
    if pilot.judges is None:
        return ""
    return "; ".join(_judge(judge) for judge in pilot.judges.judges)


def _judge(judge: Steadiness) -> str:
    swayed = [
        f"{judge.judge}: both orders agree in {_share(judge.consistent)}",
        f"the longer answer preferred in {_share(judge.longer)}",
        f"{judge.unread:,} of {judge.calls:,} verdicts not readable",
    ]
    return ", ".join(swayed)


def _attempts(side: SideFacts | None) -> str:
    return "" if side is None or side.attempts is None else f"{side.attempts:.2f} on average"


def _e_value(log_e: float) -> str:
    if log_e < 6.9:
        return f"{2.718281828459045**log_e:.3g}"
    return f"about 10^{log_e / 2.302585092994046:.0f}"


def _price(pilot: PilotFacts) -> str:
    price = pilot.price
    if price is None:
        return "not known"
    each = f"{price.input} in, {price.output} out"
    cached = f", {price.cache_read} cached" if price.cache_read is not None else ""
    since = f", since {price.since}" if price.since else ""
    return f"{price.currency} {each}{cached} per million tokens{since} ({price.source or 'source not stated'})"


def _dates(pilot: PilotFacts) -> str:
    if pilot.log_from is None or pilot.log_to is None:
        return "dates not known"
    return f"{pilot.log_from:%Y-%m-%d} to {pilot.log_to:%Y-%m-%d}"


def decided(plan: Plan) -> list[str]:
    """How the list was chosen, in paragraphs."""
    questions = "1 declared question" if plan.declared == 1 else f"all {plan.declared} declared questions"
    share = f"{plan.alpha:.0%}".replace("%", " %")
    return [
        (
            "Each request drawn from a workload was answered by both models and both answers were graded in the same way. "
            "The interval is a confidence sequence: it holds at every look at once, so a pilot may stop when it is decided."
        ),
        (
            f"“Move” lists the workloads chosen together from {questions} (a workload and a candidate each) by e-BH at "
            f"{share}: of everything listed, at most {share} is expected to be wrong, however many questions were asked. "
            "A verdict about a single workload stands by its own interval."
        ),
        (
            "A verdict is about the requests, the grader, the model versions and the settings named in its section; "
            "when one of them changes it is out of date."
        ),
    ]


def method(plan: Plan) -> list[str]:
    """How the money was worked out."""
    return [shown(line, longest=400) for line in (*plan.method, *_rates(plan), *plan.price_notes)]


def _rates(plan: Plan) -> Iterator[str]:
    for code, rate in sorted(plan.rates.per.items()):
        yield f"1 {code} = {rate:.4f} {plan.rates.to} on {plan.rates.day} ({plan.rates.source}), applied once, at the end."
    if plan.rates.warning:
        yield plan.rates.warning


def gaps(plan: Plan) -> list[str]:
    """What is not known, or was not read."""
    return [shown(line, longest=300) for line in _gaps(plan)]


def _gaps(plan: Plan) -> Iterator[str]:
    if plan.span_unknown:
        yield f"Monthly figures: {plan.span_unknown}."
    for move in plan.moves:
        name = shown(move.workload.name)
        if move.money.today is None and not plan.span_unknown:
            yield f"{name}: today's spend is not known ({move.money.today_unknown})."
        elif move.best is not None and move.money.saving is None and not plan.span_unknown:
            yield f"{name}: {move.money.unknown}."
    for skipped in plan.skipped:
        rows_read = "row was" if skipped.count == 1 else "rows were"
        yield f"{skipped.count:,} {rows_read} skipped in {skipped.source}: {skipped.reason}"


def _native(amounts: tuple[Money, ...], currency: str) -> str:
    """Amounts before conversion, where they were converted."""
    if all(amount.currency == currency for amount in amounts):
        return ""
    return " + ".join(people(amount, cents=False) for amount in amounts)


def _names(names: tuple[str, ...]) -> str:
    listed = ", ".join(shown(name, longest=60) for name in names[:_MOST_NAMES])
    return listed + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def _mark(move: Move, shared: Scale) -> Markup | None:
    judged = _judged(move)
    if judged is None or judged.mean is None or move.best is None:
        return None
    return marks.interval(judged.low, judged.mean, judged.high, margin=move.best.pilot.margin, reach=shared.reach)


def _judged(move: Move) -> Judgement | None:
    judged = move.best.pilot.judgement if move.best else None
    return judged if judged is not None and judged.n else None


def _has_section(move: Move) -> bool:
    return _judged(move) is not None


def _anchor(place: int) -> str:
    return f"workload-{place + 1}"
